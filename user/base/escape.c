// SPDX-License-Identifier: GPL-2.0
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>

static const char hex_digits[] = "0123456789abcdef";

struct range {
	uint32_t first, last;
};

/*
 * Code points that print as nothing or change how others are shown: Unicode's
 * Cf, Zl, Zp and the default-ignorable ones, written down from UnicodeData.txt
 * and DerivedCoreProperties.txt. Noncharacters are tested apart.
 */
static const struct range dangerous[] = {
	{ 0x0080, 0x009f },   { 0x00ad, 0x00ad },   { 0x034f, 0x034f },
	{ 0x0600, 0x0605 },   { 0x061c, 0x061c },   { 0x06dd, 0x06dd },
	{ 0x070f, 0x070f },   { 0x0890, 0x0891 },   { 0x08e2, 0x08e2 },
	{ 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
	{ 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f },
	{ 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0x110bd, 0x110bd },
	{ 0x110cd, 0x110cd }, { 0x13430, 0x1345f }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

/* Code points that take two columns: those that are Wide or Fullwidth in Unicode's
 * EastAsianWidth.txt. Where they are dense, what stands between them counts too: a column
 * too many only leaves a blank. */
static const struct range wide[] = {
	{ 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x2329, 0x232a }, { 0x23e9, 0x23ec },
	{ 0x23f0, 0x23f0 }, { 0x23f3, 0x23f3 }, { 0x25fd, 0x25fe }, { 0x2614, 0x2615 },
	{ 0x2648, 0x2653 }, { 0x267f, 0x267f }, { 0x2693, 0x2693 }, { 0x26a1, 0x26a1 },
	{ 0x26aa, 0x26ab }, { 0x26bd, 0x26be }, { 0x26c4, 0x26c5 }, { 0x26ce, 0x26ce },
	{ 0x26d4, 0x26d4 }, { 0x26ea, 0x26ea }, { 0x26f2, 0x26f3 }, { 0x26f5, 0x26f5 },
	{ 0x26fa, 0x26fa }, { 0x26fd, 0x26fd }, { 0x2705, 0x2705 }, { 0x270a, 0x270b },
	{ 0x2728, 0x2728 }, { 0x274c, 0x274c }, { 0x274e, 0x274e }, { 0x2753, 0x2755 },
	{ 0x2757, 0x2757 }, { 0x2795, 0x2797 }, { 0x27b0, 0x27b0 }, { 0x27bf, 0x27bf },
	{ 0x2b1b, 0x2b1c }, { 0x2b50, 0x2b50 }, { 0x2b55, 0x2b55 }, { 0x2e80, 0xa4cf },
	{ 0xa960, 0xa97c }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe10, 0xfe19 },
	{ 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x16fe0, 0x18dff },
	{ 0x1aff0, 0x1b2ff }, { 0x1f004, 0x1f004 }, { 0x1f0cf, 0x1f0cf }, { 0x1f18e, 0x1f18e },
	{ 0x1f191, 0x1f19a }, { 0x1f200, 0x1faff }, { 0x20000, 0x3fffd },
};

/* Marks that stand on the character before them and take no column. */
static const struct range combining[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x064b, 0x065f },
	{ 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x20d0, 0x20ff }, { 0xfe20, 0xfe2f },
};

#define IN_RANGES(cp, table) in_ranges(cp, table, sizeof(table) / sizeof((table)[0]))

static bool in_ranges(uint32_t cp, const struct range *table, size_t count)
{
	for (size_t i = 0; i < count && cp >= table[i].first; i++) {
		if (cp <= table[i].last)
			return true;
	}
	return false;
}

static bool is_dangerous(uint32_t cp)
{
	if ((cp & 0xfffe) == 0xfffe || (cp >= 0xfdd0 && cp <= 0xfdef))
		return true;
	return IN_RANGES(cp, dangerous);
}

static size_t columns_of(uint32_t cp)
{
	if (IN_RANGES(cp, combining))
		return 0;
	return IN_RANGES(cp, wide) ? 2 : 1;
}

/*
 * The code point of the multi-byte sequence at @s, of at most @len bytes.
 * Returns how many bytes it takes, 0 if they are no valid UTF-8 (RFC 3629).
 */
static size_t decode_utf8(const unsigned char *s, size_t len, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t need;
	uint32_t c;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (len < need)
		return 0;
	c = s[0] & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[need] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return need;
}

/* Printable ASCII that no form has to escape (JSON's quote apart). */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '\\' && c != '"';
}

#define EACH_BYTE(value) (0x0101010101010101ULL * (value))

/* Non-zero if a byte of @w is zero. */
static uint64_t has_zero(uint64_t w)
{
	return (w - EACH_BYTE(1)) & ~w & EACH_BYTE(0x80);
}

/* is_plain() of eight bytes at once: names are nearly always all plain. */
static bool plain_word(uint64_t w)
{
	return !((w & EACH_BYTE(0x80)) | ((w - EACH_BYTE(0x20)) & ~w & EACH_BYTE(0x80)) |
		 has_zero(w ^ EACH_BYTE('"')) | has_zero(w ^ EACH_BYTE('\\')) |
		 has_zero(w ^ EACH_BYTE(0x7f)));
}

static uint64_t load_word(const char *s)
{
	uint64_t w;

	memcpy(&w, s, sizeof(w));
	return w;
}

/* Of sixteen; any machine of today has registers for it. Bytes from 0x80 on are
 * negative here. */
typedef signed char bytes16 __attribute__((vector_size(16)));

static bool plain_block(const char *s)
{
	uint64_t halves[2];
	bytes16 v;

	memcpy(&v, s, sizeof(v));
	v = (v < 0x20) | (v == 0x7f) | (v == '"') | (v == '\\');
	memcpy(halves, &v, sizeof(v));
	return !(halves[0] | halves[1]);
}

static size_t plain_run(const char *s, size_t len)
{
	size_t n = 0;

	while (len - n >= 8 && plain_word(load_word(s + n)))
		n += 8;
	while (n < len && is_plain((unsigned char)s[n]))
		n++;
	return n;
}

/* plain_run() == @len, where that is all there is to know. What is left after whole
 * blocks is looked at together with some of the bytes before it. */
static bool all_plain(const char *s, size_t len)
{
	uint32_t first, last;

	if (len >= 16) {
		for (size_t n = 0; n < len - 16; n += 16)
			if (!plain_block(s + n))
				return false;
		return plain_block(s + len - 16);
	}
	if (len >= 8)
		return plain_word(load_word(s)) && plain_word(load_word(s + len - 8));
	if (len < 4)
		return plain_run(s, len) == len;
	memcpy(&first, s, sizeof(first));
	memcpy(&last, s + len - 4, sizeof(last));
	return plain_word(first | (uint64_t)last << 32);
}

static size_t put_hex(char *to, uint32_t value, unsigned int digits)
{
	for (unsigned int i = 0; i < digits; i++)
		to[i] = hex_digits[value >> 4 * (digits - 1 - i) & 15];
	return digits;
}

/* \xNN, \uNNNN or \UNNNNNNNN: at most ten bytes. */
static size_t put_escape(char *to, char letter, uint32_t value, unsigned int digits)
{
	to[0] = '\\';
	to[1] = letter;
	return 2 + put_hex(to + 2, value, digits);
}

static void append_escape(struct outbuf *ob, char letter, uint32_t value, unsigned int digits)
{
	char text[10];
	size_t len = put_escape(text, letter, value, digits);

	outbuf__bytes(ob, text, len);
}

/* What one character of the input becomes on a terminal. */
struct unit {
	size_t taken;	/* bytes of the input */
	size_t len;	/* bytes of @text */
	size_t columns;
	char text[10];
};

static void text_ascii(unsigned char c, struct unit *u)
{
	static const char short_forms[32] = { ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r' };
	char form = c == '\\' ? '\\' : c < 0x20 ? short_forms[c] : 0;

	u->taken = 1;
	if (form) {
		u->text[0] = '\\';
		u->text[1] = form;
		u->len = 2;
	} else if (c < 0x20 || c == 0x7f) {
		u->len = put_escape(u->text, 'x', c, 2);
	} else {
		u->text[0] = (char)c;
		u->len = 1;
	}
	u->columns = u->len;
}

static void text_unit(const char *s, size_t len, struct unit *u)
{
	const unsigned char *bytes = (const unsigned char *)s;
	uint32_t cp;
	size_t n;

	if (bytes[0] < 0x80) {
		text_ascii(bytes[0], u);
		return;
	}
	n = decode_utf8(bytes, len, &cp);
	if (!n) {
		u->taken = 1;
		u->len = put_escape(u->text, 'x', bytes[0], 2);
		u->columns = u->len;
	} else if (is_dangerous(cp)) {
		u->taken = n;
		u->len = cp > 0xffff ? put_escape(u->text, 'U', cp, 8) :
				       put_escape(u->text, 'u', cp, 4);
		u->columns = u->len;
	} else {
		u->taken = n;
		u->len = n;
		memcpy(u->text, s, n);
		u->columns = columns_of(cp);
	}
}

void escape__text(struct outbuf *ob, const char *s, size_t len)
{
	struct unit u;

	while (len) {
		size_t run = plain_run(s, len);

		outbuf__bytes(ob, s, run);
		s += run;
		len -= run;
		if (!len)
			return;
		text_unit(s, len, &u);
		outbuf__bytes(ob, u.text, u.len);
		s += u.taken;
		len -= u.taken;
	}
}

/* The columns of the whole text, or @limit + 1 as soon as they are more. */
static size_t text_columns(const char *s, size_t len, size_t limit)
{
	size_t columns = 0;
	struct unit u;

	while (len && columns <= limit) {
		text_unit(s, len, &u);
		columns += u.columns;
		s += u.taken;
		len -= u.taken;
	}
	return columns <= limit ? columns : limit + 1;
}

size_t escape__text_columns(struct outbuf *ob, const char *s, size_t len, size_t columns)
{
	size_t taken, used = 0;
	struct unit u;

	if (len <= columns && all_plain(s, len)) {
		outbuf__bytes(ob, s, len);
		return len;
	}
	taken = text_columns(s, len, columns);
	if (taken <= columns) {
		escape__text(ob, s, len);
		return taken;
	}
	if (!columns)
		return 0;
	for (;;) {
		text_unit(s, len, &u);
		if (used + u.columns > columns - 1)
			break;
		outbuf__bytes(ob, u.text, u.len);
		used += u.columns;
		s += u.taken;
		len -= u.taken;
	}
	outbuf__char(ob, '+');
	return used + 1;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A literal \xNN, which a reader would take for one of our own. */
static bool looks_escaped(const char *s, size_t len)
{
	return len >= 4 && s[0] == '\\' && s[1] == 'x' && is_hex(s[2]) && is_hex(s[3]);
}

/* The two characters of JSON for a backslash, then xNN. */
static void json_byte(struct outbuf *ob, unsigned char c)
{
	char text[5] = { '\\', '\\', 'x', hex_digits[c >> 4], hex_digits[c & 15] };

	outbuf__bytes(ob, text, sizeof(text));
}

static void json_ascii(struct outbuf *ob, const char *s, size_t len)
{
	static const char short_forms[128] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
		['\t'] = 't', ['"'] = '"',  ['\\'] = '\\',
	};
	unsigned char c = (unsigned char)s[0];

	if (looks_escaped(s, len)) {
		json_byte(ob, c);
	} else if (short_forms[c]) {
		outbuf__char(ob, '\\');
		outbuf__char(ob, short_forms[c]);
	} else {
		append_escape(ob, 'u', c, 4);
	}
}

static void json_code_point(struct outbuf *ob, uint32_t cp)
{
	if (cp > 0xffff) {
		cp -= 0x10000;
		append_escape(ob, 'u', 0xd800 | cp >> 10, 4);
		cp = 0xdc00 | (cp & 0x3ff);
	}
	append_escape(ob, 'u', cp, 4);
}

/* One character that is not plain; returns the bytes it took of the input. */
static size_t json_unit(struct outbuf *ob, const char *s, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)s;
	uint32_t cp;
	size_t n;

	if (bytes[0] < 0x80) {
		json_ascii(ob, s, len);
		return 1;
	}
	n = decode_utf8(bytes, len, &cp);
	if (!n) {
		json_byte(ob, bytes[0]);
		return 1;
	}
	if (is_dangerous(cp))
		json_code_point(ob, cp);
	else
		outbuf__bytes(ob, s, n);
	return n;
}

void escape__json(struct outbuf *ob, const char *s, size_t len)
{
	char *to = all_plain(s, len) ? outbuf__room(ob, len + 2) : NULL;
	size_t n;

	if (to) {
		to[0] = '"';
		memcpy(to + 1, s, len);
		to[len + 1] = '"';
		ob->len += len + 2;
		return;
	}
	outbuf__char(ob, '"');
	n = plain_run(s, len);
	while (len) {
		outbuf__bytes(ob, s, n);
		if (n < len)
			n += json_unit(ob, s + n, len - n);
		s += n;
		len -= n;
		n = plain_run(s, len);
	}
	outbuf__char(ob, '"');
}

static bool must_quote(const char *s, size_t len)
{
	if (!len || s[0] == ' ' || s[len - 1] == ' ')
		return true;
	return memchr(s, ',', len) || memchr(s, '"', len);
}

static bool looks_like_formula(char first)
{
	return first == '=' || first == '+' || first == '-' || first == '@';
}

void escape__csv(struct outbuf *ob, const char *s, size_t len)
{
	bool quoted = must_quote(s, len);

	/* Nearly always; a quote is not plain. */
	if (len && !looks_like_formula(s[0]) && all_plain(s, len)) {
		if (quoted)
			outbuf__char(ob, '"');
		outbuf__bytes(ob, s, len);
		if (quoted)
			outbuf__char(ob, '"');
		return;
	}
	if (quoted)
		outbuf__char(ob, '"');
	if (len && looks_like_formula(s[0])) {
		append_escape(ob, 'x', (unsigned char)s[0], 2);
		s++;
		len--;
	}
	while (len) {
		const char *quote = memchr(s, '"', len);
		size_t n = quote ? (size_t)(quote - s) + 1 : len;

		escape__text(ob, s, n);
		if (quote)
			outbuf__char(ob, '"');
		s += n;
		len -= n;
	}
	if (quoted)
		outbuf__char(ob, '"');
}

const char *escape__quote_n(char *to, size_t size, const char *s, size_t len)
{
	struct outbuf ob;

	/* A byte is kept for the NUL, or ending the text could split a character. */
	outbuf__init_fixed(&ob, to, size - 1);
	escape__text_columns(&ob, s, len, size / 2);
	to[ob.len] = '\0';
	return to;
}

const char *escape__quote(char *to, size_t size, const char *s)
{
	return escape__quote_n(to, size, s, strlen(s));
}

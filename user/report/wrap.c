// SPDX-License-Identifier: GPL-2.0
#include "report/wrap.h"

#include <stdbool.h>
#include <string.h>

#include "report/words.h"

struct wrapping {
	struct outbuf *to;
	unsigned int indent, width, column;
};

static bool is_mark(char c)
{
	return c == WORDS_NAME || c == WORDS_END;
}

/* How many bytes the character at @s has, and how many columns it may take: what is no ASCII may
 * take two. */
static size_t measure(const char *s, size_t len, unsigned int *columns)
{
	size_t bytes = 1;

	*columns = is_mark(s[0]) ? 0 : 1;
	while (bytes < len && ((unsigned char)s[bytes] & 0xc0) == 0x80)
		bytes++;
	if (bytes > 1)
		*columns = 2;
	return bytes;
}

static unsigned int columns_of(const char *s, size_t len)
{
	unsigned int sum = 0, columns;

	for (size_t i = 0; i < len; sum += columns)
		i += measure(s + i, len - i, &columns);
	return sum;
}

static void next_line(struct wrapping *w)
{
	outbuf__char(w->to, '\n');
	outbuf__fill(w->to, ' ', w->indent);
	w->column = w->indent;
}

static void put_word(struct wrapping *w, const char *s, size_t len)
{
	unsigned int columns;

	for (size_t i = 0, bytes; i < len; i += bytes) {
		bytes = measure(s + i, len - i, &columns);
		if (!columns)
			continue;
		if (w->column + columns > w->width)
			next_line(w);
		outbuf__bytes(w->to, s + i, bytes);
		w->column += columns;
	}
}

void wrap__words(struct outbuf *to, const char *first, unsigned int indent, unsigned int width,
		 const struct outbuf *words)
{
	struct wrapping w = { to, indent, width, indent };
	const char *s = words->data, *end = s + words->len, *blank;
	bool is_first = true;

	outbuf__text(to, first);
	for (; s < end; s = blank + 1) {
		blank = memchr(s, ' ', (size_t)(end - s)) ?: end;
		if (blank == s)
			continue;
		if (!is_first && w.column + 1 + columns_of(s, (size_t)(blank - s)) > width) {
			next_line(&w);
		} else if (!is_first) {
			outbuf__char(to, ' ');
			w.column++;
		}
		put_word(&w, s, (size_t)(blank - s));
		is_first = false;
	}
	outbuf__char(to, '\n');
}

// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "tests/unit/support.h"

struct form {
	const char *given;
	size_t len;
	const char *text, *json, *csv;
};

#define GIVEN(s) s, sizeof(s) - 1

static const struct form forms[] = {
	{ GIVEN(""), "", "\"\"", "\"\"" },
	{ GIVEN("nginx"), "nginx", "\"nginx\"", "nginx" },
	{ GIVEN("Web Content"), "Web Content", "\"Web Content\"", "Web Content" },
	{ GIVEN("a\"b"), "a\"b", "\"a\\\"b\"", "\"a\"\"b\"" },
	{ GIVEN("a\\b"), "a\\\\b", "\"a\\\\b\"", "a\\\\b" },
	{ GIVEN("a\nb\tc\rd"), "a\\nb\\tc\\rd", "\"a\\nb\\tc\\rd\"", "a\\nb\\tc\\rd" },
	{ GIVEN("\b\f\1\37"), "\\x08\\x0c\\x01\\x1f", "\"\\b\\f\\u0001\\u001f\"",
	  "\\x08\\x0c\\x01\\x1f" },
	{ GIVEN("\33[31mred"), "\\x1b[31mred", "\"\\u001b[31mred\"", "\\x1b[31mred" },
	{ GIVEN("\177"), "\\x7f", "\"\\u007f\"", "\\x7f" },
	{ GIVEN("a\0b"), "a\\x00b", "\"a\\u0000b\"", "a\\x00b" },
	/* valid UTF-8 of two, three and four bytes */
	{ GIVEN("\xc3\xa9"), "\xc3\xa9", "\"\xc3\xa9\"", "\xc3\xa9" },
	{ GIVEN("\xe2\x82\xac"), "\xe2\x82\xac", "\"\xe2\x82\xac\"", "\xe2\x82\xac" },
	{ GIVEN("\xf0\x9f\x9a\x80"), "\xf0\x9f\x9a\x80", "\"\xf0\x9f\x9a\x80\"",
	  "\xf0\x9f\x9a\x80" },
	/* C1 as code point, and as a lone byte */
	{ GIVEN("\xc2\x9b"), "\\u009b", "\"\\u009b\"", "\\u009b" },
	{ GIVEN("\x9b"), "\\x9b", "\"\\\\x9b\"", "\\x9b" },
	/* zero width space, right-to-left override, byte order mark, a tag */
	{ GIVEN("\xe2\x80\x8b"), "\\u200b", "\"\\u200b\"", "\\u200b" },
	{ GIVEN("\xe2\x80\xae"), "\\u202e", "\"\\u202e\"", "\\u202e" },
	{ GIVEN("\xef\xbb\xbf"), "\\ufeff", "\"\\ufeff\"", "\\ufeff" },
	{ GIVEN("\xf3\xa0\x80\xa1"), "\\U000e0021", "\"\\udb40\\udc21\"", "\\U000e0021" },
	/* noncharacters */
	{ GIVEN("\xef\xbf\xbf"), "\\uffff", "\"\\uffff\"", "\\uffff" },
	{ GIVEN("\xef\xb7\x90"), "\\ufdd0", "\"\\ufdd0\"", "\\ufdd0" },
	{ GIVEN("\xef\xb7\xaf"), "\\ufdef", "\"\\ufdef\"", "\\ufdef" },
	{ GIVEN("\xf4\x8f\xbf\xbe"), "\\U0010fffe", "\"\\udbff\\udffe\"", "\\U0010fffe" },
	{ GIVEN("\xf4\x8f\xbf\xbf"), "\\U0010ffff", "\"\\udbff\\udfff\"", "\\U0010ffff" },
	/* overlong, surrogate, beyond the end, cut short, stray */
	{ GIVEN("\xc0\xaf"), "\\xc0\\xaf", "\"\\\\xc0\\\\xaf\"", "\\xc0\\xaf" },
	{ GIVEN("\xe0\x80\xaf"), "\\xe0\\x80\\xaf", "\"\\\\xe0\\\\x80\\\\xaf\"",
	  "\\xe0\\x80\\xaf" },
	{ GIVEN("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\"\\\\xed\\\\xa0\\\\x80\"",
	  "\\xed\\xa0\\x80" },
	{ GIVEN("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80", "\"\\\\xf4\\\\x90\\\\x80\\\\x80\"",
	  "\\xf4\\x90\\x80\\x80" },
	{ GIVEN("\xe2\x82"), "\\xe2\\x82", "\"\\\\xe2\\\\x82\"", "\\xe2\\x82" },
	{ GIVEN("\xe2\x82\x41"), "\\xe2\\x82\x41", "\"\\\\xe2\\\\x82\x41\"",
	  "\\xe2\\x82\x41" },
	{ GIVEN("\xff\xfe"), "\\xff\\xfe", "\"\\\\xff\\\\xfe\"", "\\xff\\xfe" },
	/* names that look like escapes themselves */
	{ GIVEN("\\xff"), "\\\\xff", "\"\\\\x5cxff\"", "\\\\xff" },
	{ GIVEN("\\x5cxff"), "\\\\x5cxff", "\"\\\\x5cx5cxff\"", "\\\\x5cxff" },
	{ GIVEN("\\xf\xff"), "\\\\xf\\xff", "\"\\\\xf\\\\xff\"", "\\\\xf\\xff" },
	/* CSV: commas, blanks at the ends, formulas */
	{ GIVEN("a,b"), "a,b", "\"a,b\"", "\"a,b\"" },
	{ GIVEN(" a"), " a", "\" a\"", "\" a\"" },
	{ GIVEN("a "), "a ", "\"a \"", "\"a \"" },
	{ GIVEN("=1+1"), "=1+1", "\"=1+1\"", "\\x3d1+1" },
	{ GIVEN("-bash"), "-bash", "\"-bash\"", "\\x2dbash" },
	{ GIVEN("+1"), "+1", "\"+1\"", "\\x2b1" },
	{ GIVEN("@A1,\""), "@A1,\"", "\"@A1,\\\"\"", "\"\\x40A1,\"\"\"" },
	{ GIVEN("a=b"), "a=b", "\"a=b\"", "a=b" },
	/* each special byte at each place of an eight-byte step */
	{ GIVEN("1234567\"1234567"), "1234567\"1234567", "\"1234567\\\"1234567\"",
	  "\"1234567\"\"1234567\"" },
	{ GIVEN("\177\0371234561234567\\"), "\\x7f\\x1f1234561234567\\\\",
	  "\"\\u007f\\u001f1234561234567\\\\\"", "\\x7f\\x1f1234561234567\\\\" },
};

typedef void escape_function(struct outbuf *ob, const char *s, size_t len);

/* From a heap copy of the exact length, so that ASan sees a read past its end. */
static char *apply(escape_function *escape, const char *s, size_t len, size_t *out_len)
{
	char *copy = malloc(len ? len : 1), *text;
	struct outbuf ob;

	memcpy(copy, s, len);
	assert_int_equal(outbuf__init(&ob, 1), 0);
	escape(&ob, copy, len);
	assert_false(ob.failed);
	free(copy);
	if (out_len)
		*out_len = ob.len;
	text = strdup(outbuf__terminate(&ob));
	outbuf__free(&ob);
	return text;
}

static void check_form(escape_function *escape, const struct form *f, const char *want)
{
	char *got = apply(escape, f->given, f->len, NULL);

	assert_string_equal(got, want);
	free(got);
}

static void known_forms(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(forms); i++) {
		check_form(escape__text, &forms[i], forms[i].text);
		check_form(escape__json, &forms[i], forms[i].json);
		check_form(escape__csv, &forms[i], forms[i].csv);
	}
}

static void check_text_back(const char *s, size_t len)
{
	size_t text_len, n;
	char *text = apply(escape__text, s, len, &text_len), *back = malloc(text_len + 1);

	assert_true(support__is_safe_text(text, text_len));
	n = support__unescape_text(back, text, text_len);
	assert_int_equal(n, len);
	assert_memory_equal(back, s, len);
	free(text);
	free(back);
}

static void check_json_back(const char *s, size_t len)
{
	size_t text_len, n;
	char *text = apply(escape__json, s, len, &text_len), *back = malloc(text_len + 1);
	json_t *value = json_loadb(text, text_len,
				   JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
				   NULL);

	assert_true(support__is_safe_text(text, text_len));
	assert_true(json_is_string(value));
	n = support__unescape_json(back, json_string_value(value), json_string_length(value));
	assert_int_equal(n, len);
	assert_memory_equal(back, s, len);
	json_decref(value);
	free(text);
	free(back);
}

/* Every pair of bytes, and every byte at each place among plain ones. */
static void nothing_is_lost(void **unused)
{
	char s[20];

	(void)unused;
	for (unsigned int i = 0; i < 65536; i++) {
		s[0] = (char)(i >> 8);
		s[1] = (char)i;
		check_text_back(s, 2);
		if (i % 7 == 0)
			check_json_back(s, 2);
	}
	for (unsigned int i = 0; i < 256 * sizeof(s); i++) {
		memset(s, 'a', sizeof(s));
		s[i / 256] = (char)i;
		check_text_back(s, sizeof(s));
		check_json_back(s, sizeof(s));
	}
	for (size_t i = 0; i < COUNT(forms); i++) {
		check_text_back(forms[i].given, forms[i].len);
		check_json_back(forms[i].given, forms[i].len);
	}
}

static void limited_columns(void **unused)
{
	static const struct {
		const char *given;
		size_t limit;
		const char *want;
		size_t columns;
	} cases[] = {
		{ "nginx", 16, "nginx", 5 },
		{ "nginx", 5, "nginx", 5 },
		{ "nginx", 4, "ngi+", 4 },
		{ "nginx", 1, "+", 1 },
		{ "nginx", 0, "", 0 },
		{ "", 0, "", 0 },
		{ "a\33b", 6, "a\\x1bb", 6 },
		{ "a\33b", 5, "a+", 2 },
		{ "a b\33", 7, "a b\\x1b", 7 },
		{ "\33\33\33", 9, "\\x1b\\x1b+", 9 },
		/* two columns each */
		{ "\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac", 4 },
		{ "\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5+", 3 },
		/* a combining mark takes none */
		{ "e\xcc\x81", 1, "e\xcc\x81", 1 },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outbuf ob;
		size_t columns;

		assert_int_equal(outbuf__init(&ob, 8), 0);
		columns = escape__text_columns(&ob, cases[i].given, strlen(cases[i].given),
					       cases[i].limit);
		assert_string_equal(outbuf__terminate(&ob), cases[i].want);
		assert_int_equal(columns, cases[i].columns);
		outbuf__free(&ob);
	}
}

static void quoted_for_messages(void **unused)
{
	char to[16], long_name[200];

	(void)unused;
	assert_string_equal(escape__quote(to, sizeof(to), "1\n2"), "1\\n2");
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_string_equal(escape__quote(to, sizeof(to), long_name), "xxxxxxx+");
	/* wide in bytes, narrow in columns: whatever fits, and no overflow */
	for (size_t i = 0; i + 3 <= sizeof(long_name) - 1; i += 3)
		memcpy(long_name + i, "\xe2\x82\xac", 3);
	assert_true(strlen(escape__quote(to, sizeof(to), long_name)) < sizeof(to));
	/* marks that take no column: cut between two, never within one */
	for (size_t size = 1; size <= sizeof(to); size++) {
		for (size_t i = 0; i + 2 <= sizeof(long_name) - 1; i += 2)
			memcpy(long_name + i, "\xcd\x90", 2);
		escape__quote(to, size, long_name);
		assert_true(strlen(to) < size && support__is_safe_text(to, strlen(to)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_forms),
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(limited_columns),
		cmocka_unit_test(quoted_for_messages),
	};

	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* Any bytes: what is written is safe to print, and leads back to the bytes. */
#include "fuzz.h"

#include <jansson.h>

#include "base/escape.h"
#include "tests/unit/support.h"

static void check_text(const char *s, size_t len)
{
	struct outbuf ob;
	char *back;
	size_t n;

	CHECK(!outbuf__init(&ob, 1));
	escape__text(&ob, s, len);
	CHECK(!ob.failed && support__is_safe_text(ob.data, ob.len));
	back = malloc(ob.len + 1);
	n = support__unescape_text(back, ob.data, ob.len);
	CHECK(n == len && !memcmp(back, s, len));
	free(back);
	outbuf__free(&ob);
}

static void check_columns(const char *s, size_t len, size_t limit)
{
	struct outbuf ob;
	size_t columns;

	CHECK(!outbuf__init(&ob, 1));
	columns = escape__text_columns(&ob, s, len, limit);
	CHECK(columns <= limit);
	CHECK(!ob.failed && support__is_safe_text(ob.data, ob.len));
	CHECK(limit || !ob.len || !columns);
	outbuf__free(&ob);
}

static void check_json(const char *s, size_t len)
{
	struct outbuf ob;
	json_t *value;
	char *back;
	size_t n;

	CHECK(!outbuf__init(&ob, 1));
	escape__json(&ob, s, len);
	CHECK(!ob.failed && support__is_safe_text(ob.data, ob.len));
	value = json_loadb(ob.data, ob.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	CHECK(json_is_string(value));
	back = malloc(json_string_length(value) + 1);
	n = support__unescape_json(back, json_string_value(value), json_string_length(value));
	CHECK(n == len && !memcmp(back, s, len));
	free(back);
	json_decref(value);
	outbuf__free(&ob);
}

/* Takes the quotes of a CSV field away in place; returns the rest's length. */
static size_t unquote(char *field, size_t len)
{
	size_t put = 0;

	if (field[0] != '"') {
		CHECK(!memchr(field, ',', len) && !memchr(field, '"', len));
		return len;
	}
	CHECK(len >= 2 && field[len - 1] == '"');
	for (size_t i = 1; i < len - 1; i++) {
		if (field[i] == '"') {
			i++;
			CHECK(i < len - 1 && field[i] == '"');
		}
		field[put++] = field[i];
	}
	return put;
}

static void check_csv(const char *s, size_t len)
{
	struct outbuf ob;
	char *back;
	size_t n;

	CHECK(!outbuf__init(&ob, 1));
	escape__csv(&ob, s, len);
	CHECK(!ob.failed && ob.len && support__is_safe_text(ob.data, ob.len));
	n = unquote(ob.data, ob.len);
	CHECK(!n || !strchr("=+-@", ob.data[0]));
	back = malloc(n + 1);
	n = support__unescape_text(back, ob.data, n);
	CHECK(n == len && !memcmp(back, s, len));
	free(back);
	outbuf__free(&ob);
}

static void check_quote(const char *s, size_t len)
{
	char *copy = fuzz__string(s, len), to[24];

	escape__quote(to, sizeof(to), copy);
	CHECK(memchr(to, '\0', sizeof(to)) && support__is_safe_text(to, strlen(to)));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (!size)
		return 0;
	copy = fuzz__copy(data + 1, size - 1);
	check_text(copy, size - 1);
	check_columns(copy, size - 1, data[0] % 40);
	check_json(copy, size - 1);
	check_csv(copy, size - 1);
	check_quote(copy, size - 1);
	free(copy);
	return 0;
}

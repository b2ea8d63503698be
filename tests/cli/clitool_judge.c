// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* A check failed: with the number of the line. */
static int wrong(size_t line, const char *what)
{
	printf("line %zu: %s\n", line, what);
	return 1;
}

static bool is_control(unsigned long c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
	       c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* One character of valid UTF-8 at @s: its length, or 0. */
static size_t decode(const unsigned char *s, size_t left, unsigned long *c)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 :
		     s[0] < 0xf5			   ? 4 :
							     0;
	static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (!len || len > left)
		return 0;
	*c = len == 1 ? s[0] : s[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	if (*c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000))
		return 0;
	return len;
}

/* Newlines alone may control anything. */
static int judge_plain(const char *data, size_t len)
{
	size_t line = 1, num;
	unsigned long c;

	for (size_t at = 0; at < len; at += num) {
		num = decode((const unsigned char *)data + at, len - at, &c);
		if (!num)
			return wrong(line, "not UTF-8");
		if (c == '\n')
			line++;
		else if (is_control(c))
			return wrong(line, "a control character");
	}
	return 0;
}

int tool__plain(int argc, char **argv)
{
	size_t len;
	char *data;
	int rc;

	if (argc < 1)
		die("plain FILE");
	data = contents(argv[0], &len);
	rc = judge_plain(data, len);
	free(data);
	return rc;
}

/* ---- CSV ---- */

/* The fields of the record at @s, which ends at a newline outside quotes;
 * *@next is what follows. 0: not a record. */
static size_t count_fields(const char *s, const char **next)
{
	size_t num = 1;

	for (;;) {
		if (*s == '"') {
			for (s++; *s && (*s != '"' || s[1] == '"'); s += *s == '"' ? 2 : 1)
				;
			if (*s++ != '"')
				return 0;
		} else {
			for (; *s && *s != ',' && *s != '\n'; s++)
				if (*s == '"')
					return 0;
		}
		if (*s == ',') {
			num++;
			s++;
			continue;
		}
		*next = s + 1;
		return *s == '\n' ? num : 0;
	}
}

int tool__csv(int argc, char **argv)
{
	size_t len, num, columns = 0, line = 0;
	const char *s;
	char *data;

	if (argc < 1)
		die("csv FILE");
	data = contents(argv[0], &len);
	if (strlen(data) != len || judge_plain(data, len))
		return 1;
	for (s = data; *s;) {
		num = count_fields(s, &s);
		line++;
		if (!num)
			return wrong(line, "broken quotes, or no newline at the end");
		if (columns && num != columns)
			return wrong(line, "not as many fields as in the first line");
		columns = num;
	}
	printf("%zu\n", line ? line - 1 : 0);
	free(data);
	return 0;
}

/* ---- JSON ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The way back that user/base/escape.h states: \xNN is a byte, all else itself. */
static size_t undo(char *to, const char *s)
{
	size_t len = 0;

	while (*s) {
		if (s[0] == '\\' && s[1] == 'x' && hex(s[2]) >= 0 && hex(s[3]) >= 0) {
			to[len++] = (char)(hex(s[2]) << 4 | hex(s[3]));
			s += 4;
		} else {
			to[len++] = *s++;
		}
	}
	return len;
}

static void mark_name(const json_t *object, bool *found)
{
	const json_t *name = json_object_get(json_object_get(object, "process"), "name");
	char bytes[256];
	size_t len;

	if (!json_is_string(name) || json_string_length(name) >= sizeof(bytes))
		return;
	len = undo(bytes, json_string_value(name));
	for (size_t i = 0; i < num_hostile_names; i++)
		if (len == hostile_names[i].len && !memcmp(bytes, hostile_names[i].bytes, len))
			found[i] = true;
}

static int judge_line(const char *s, size_t len, size_t line, bool *found)
{
	json_error_t error;
	json_t *object = json_loadb(s, len, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(object)) {
		printf("line %zu: %s: %.*s\n", line, error.text, (int)len, s);
		return 1;
	}
	mark_name(object, found);
	json_decref(object);
	return 0;
}

int tool__json(int argc, char **argv)
{
	static bool found[256];
	size_t len, line = 0;
	char *data, *end;

	if (argc < 1 || num_hostile_names > sizeof(found))
		die("json FILE [hostile]");
	data = contents(argv[0], &len);
	if (judge_plain(data, len))
		return 1;
	for (char *s = data; *s; s = end + 1) {
		line++;
		end = strchr(s, '\n');
		if (!end)
			return wrong(line, "no newline at the end");
		if (judge_line(s, (size_t)(end - s), line, found))
			return 1;
	}
	for (size_t i = 0; argc > 1 && i < num_hostile_names; i++)
		if (!found[i]) {
			printf("hostile name %zu has not come back\n", i);
			return 1;
		}
	printf("%zu\n", line);
	free(data);
	return 0;
}

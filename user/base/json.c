// SPDX-License-Identifier: GPL-2.0
#include "base/json.h"

#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"

/* The last byte tells whether a member stands before: no value ends in one of these. */
static void put_comma(struct outbuf *ob)
{
	char last = ob->len ? ob->data[ob->len - 1] : '\n';

	if (last != '{' && last != '[' && last != '\n')
		outbuf__char(ob, ',');
}

static void put_key(struct outbuf *ob, const char *key)
{
	put_comma(ob);
	if (!key)
		return;
	escape__json(ob, key, strlen(key));
	outbuf__char(ob, ':');
}

void json__open(struct outbuf *ob, const char *key, char bracket)
{
	put_key(ob, key);
	outbuf__char(ob, bracket);
}

void json__close(struct outbuf *ob, char bracket)
{
	outbuf__char(ob, bracket);
}

void json__string(struct outbuf *ob, const char *key, const char *value)
{
	if (!value || !value[0])
		return;
	put_key(ob, key);
	escape__json(ob, value, strlen(value));
}

void json__bool(struct outbuf *ob, const char *key, bool value)
{
	put_key(ob, key);
	if (value)
		outbuf__lit(ob, "true");
	else
		outbuf__lit(ob, "false");
}

void json__u64(struct outbuf *ob, const char *key, uint64_t value)
{
	put_key(ob, key);
	outbuf__u64(ob, value);
}

void json__real(struct outbuf *ob, const char *key, double value)
{
	uint64_t thousandths = 0;
	char digits[3];
	size_t len = 3;

	if (value > 0)
		thousandths = value < 1e16 ? (uint64_t)(value * 1000 + 0.5) :
					     10000000000000000000ULL;
	json__u64(ob, key, thousandths / 1000);
	fmt__padded(digits, thousandths, 3);
	while (len && digits[len - 1] == '0')
		len--;
	if (!len)
		return;
	outbuf__char(ob, '.');
	outbuf__bytes(ob, digits, len);
}

/* The length of what two names have in common, up to and with the last dot. */
static size_t common_parent(const char *a, const char *b)
{
	size_t common = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '.')
			common = i + 1;
	return common;
}

static void close_objects(struct outbuf *ob, const char *name)
{
	for (; *name; name++)
		if (*name == '.')
			outbuf__char(ob, '}');
}

void json__member(struct outbuf *ob, const char *before, const char *name)
{
	size_t common = before ? common_parent(before, name) : 0;

	if (before) {
		close_objects(ob, before + common);
		outbuf__char(ob, ',');
	} else {
		outbuf__char(ob, '{');
	}
	for (name += common;;) {
		size_t len = strcspn(name, ".");

		escape__json(ob, name, len);
		outbuf__char(ob, ':');
		name += len;
		if (!*name)
			break;
		outbuf__char(ob, '{');
		name++;
	}
}

void json__finish(struct outbuf *ob, const char *before)
{
	if (before)
		close_objects(ob, before);
	else
		outbuf__char(ob, '{');
	outbuf__char(ob, '}');
}

// SPDX-License-Identifier: GPL-2.0
#include "export/headers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/outbuf.h"

/* token of RFC 9110, 5.6.2 */
#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* No control character gets into a header, whether it was encoded or not. */
static int put_value(struct outbuf *line, const char *at, const char *end)
{
	while (at < end) {
		char c = *at++;

		if (c == '%') {
			int high = at < end ? digit_of(at[0]) : -1;
			int low = high >= 0 && at + 1 < end ? digit_of(at[1]) : -1;

			if (low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			at += 2;
		}
		if ((unsigned char)c < ' ' || c == 0x7f)
			return -EINVAL;
		outbuf__char(line, c);
	}
	return 0;
}

static void trim(const char **at, const char **end)
{
	while (*at < *end && **at == ' ')
		(*at)++;
	while (*at < *end && (*end)[-1] == ' ')
		(*end)--;
}

static int add(struct headers *h, const char *at, const char *end)
{
	const char *equals, *name_end;
	struct outbuf line;
	int err;

	trim(&at, &end);
	if (at == end)
		return 0;
	equals = memchr(at, '=', (size_t)(end - at));
	if (!equals || h->num == HEADERS_MAX)
		return -EINVAL;
	name_end = equals;
	trim(&at, &name_end);
	equals++;
	trim(&equals, &end);
	if (at == name_end || strspn(at, TOKEN) < (size_t)(name_end - at))
		return -EINVAL;
	if (outbuf__init(&line, 128))
		return -ENOMEM;
	outbuf__bytes(&line, at, (size_t)(name_end - at));
	outbuf__lit(&line, ": ");
	err = put_value(&line, equals, end);
	outbuf__terminate(&line);
	if (!err && line.failed)
		err = -ENOMEM;
	if (err) {
		outbuf__free(&line);
		return err;
	}
	h->lines[h->num++] = line.data;
	return 0;
}

int headers__parse(struct headers *h, const char *text)
{
	int err = 0;

	while (!err && *text) {
		const char *end = text + strcspn(text, ",");

		err = add(h, text, end);
		text = *end ? end + 1 : end;
	}
	if (err)
		headers__free(h);
	return err;
}

void headers__free(struct headers *h)
{
	for (size_t i = 0; i < h->num; i++)
		free(h->lines[i]);
	*h = (struct headers){ 0 };
}

const char *const *headers__lines(const struct headers *h)
{
	return (const char *const *)h->lines;
}

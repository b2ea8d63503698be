// SPDX-License-Identifier: GPL-2.0
#include "base/outbuf.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fmt.h"

int outbuf__init(struct outbuf *ob, size_t cap)
{
	char *data = malloc(cap ? cap : 1);

	if (!data)
		return -ENOMEM;
	*ob = (struct outbuf){ .data = data, .cap = cap };
	return 0;
}

void outbuf__init_fixed(struct outbuf *ob, char *array, size_t size)
{
	*ob = (struct outbuf){ .data = array, .cap = size, .fixed = true };
}

void outbuf__free(struct outbuf *ob)
{
	if (!ob->fixed)
		free(ob->data);
	*ob = (struct outbuf){ 0 };
}

int outbuf__grow(struct outbuf *ob, size_t need)
{
	size_t cap = ob->cap;
	char *data = NULL;

	if (need > SIZE_MAX / 4 - ob->len)
		goto fail;
	if (cap - ob->len >= need)
		return 0;
	if (ob->fixed)
		goto fail;
	while (cap - ob->len < need)
		cap = cap ? cap * 2 : 64;
	data = realloc(ob->data, cap);
	if (!data)
		goto fail;
	ob->data = data;
	ob->cap = cap;
	return 0;
fail:
	ob->failed = true;
	return -ENOMEM;
}

void outbuf__fill(struct outbuf *ob, char c, size_t count)
{
	char *to = outbuf__room(ob, count);

	if (!to)
		return;
	memset(to, c, count);
	ob->len += count;
}

void outbuf__u64(struct outbuf *ob, uint64_t value)
{
	char digits[FMT_U64_MAX];
	size_t len;

	/* Straight into the buffer unless it is nearly full. */
	if (ob->cap - ob->len >= FMT_U64_MAX) {
		ob->len += fmt__u64(ob->data + ob->len, value);
		return;
	}
	len = fmt__u64(digits, value);
	outbuf__bytes(ob, digits, len);
}

const char *outbuf__terminate(struct outbuf *ob)
{
	if (ob->len == ob->cap && outbuf__grow(ob, 1)) {
		if (ob->cap == 0)
			return "";
		ob->len = ob->cap - 1;
	}
	ob->data[ob->len] = '\0';
	return ob->data;
}

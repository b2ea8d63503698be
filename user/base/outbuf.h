/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A byte buffer that is appended to. Either it owns its memory and grows, or it
 * writes into the caller's array and stops at its end. What cannot be appended
 * is dropped whole and sets @failed, so a writer checks once, at its end.
 */
#ifndef TWSNOOP_OUTBUF_H
#define TWSNOOP_OUTBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct outbuf {
	char *data;
	size_t len;
	size_t cap;
	bool fixed;  /* data is the caller's and never grows */
	bool failed; /* something was dropped: no memory, or no room if fixed */
};

/* Allocates @cap bytes; 0 or -ENOMEM. Freed by outbuf__free(). */
int outbuf__init(struct outbuf *ob, size_t cap);

/* Writes into @array, which must outlive @ob; needs no outbuf__free(). */
void outbuf__init_fixed(struct outbuf *ob, char *array, size_t size);

/* Frees what outbuf__init() allocated; an all-zero @ob is allowed. */
void outbuf__free(struct outbuf *ob);

/* outbuf__grow() - room for @need more bytes: 0, or -ENOMEM and @failed set. */
int outbuf__grow(struct outbuf *ob, size_t need);

/* outbuf__room() - where the next @need bytes go, or NULL and @failed set. */
static inline char *outbuf__room(struct outbuf *ob, size_t need)
{
	if (__builtin_expect(ob->cap - ob->len < need, 0) && outbuf__grow(ob, need))
		return NULL;
	return ob->data + ob->len;
}

static inline void outbuf__bytes(struct outbuf *ob, const char *bytes, size_t len)
{
	char *to = outbuf__room(ob, len);

	if (!to)
		return;
	memcpy(to, bytes, len);
	ob->len += len;
}

/* A string literal: its length is known when this is compiled. */
#define outbuf__lit(ob, literal) outbuf__bytes(ob, "" literal, sizeof(literal) - 1)

/* outbuf__text() - a C string. */
static inline void outbuf__text(struct outbuf *ob, const char *text)
{
	outbuf__bytes(ob, text, strlen(text));
}

static inline void outbuf__char(struct outbuf *ob, char c)
{
	outbuf__bytes(ob, &c, 1);
}

/* outbuf__fill() - @count times @c. */
void outbuf__fill(struct outbuf *ob, char c, size_t count);

/* outbuf__u64() - decimal digits. */
void outbuf__u64(struct outbuf *ob, uint64_t value);

/*
 * outbuf__terminate() - the text as a C string. A fixed buffer that is full
 * loses its last byte for it. Returns @data, or "" if there is no room at all.
 */
const char *outbuf__terminate(struct outbuf *ob);

#endif

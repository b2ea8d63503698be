/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of lines that come again and again, as of one process or container: what was written of
 * one is kept, to be copied when all is the same that it was made of. What comes only once now
 * and then is not kept: it would push out what comes often.
 */
#ifndef TWSNOOP_SPANS_H
#define TWSNOOP_SPANS_H

#include <stddef.h>
#include <stdint.h>

struct spans;

#define SPANS_KEY_WORDS 12
#define SPANS_LEN_MAX 1024 /* longer ones are made anew */

/* All that the text depends on. What is not used is 0. */
struct span_key {
	uint64_t words[SPANS_KEY_WORDS];
};

struct span {
	const char *text; /* lives until the next spans__keep() */
	uint32_t len;
	uint32_t tail, split; /* the caller's */
};

/* spans__new() - room for @num, a power of two. Returns 0 and *@spansp, to be freed by
 * spans__free(), or -ENOMEM. */
int spans__new(struct spans **spansp, size_t num);
void spans__free(struct spans *spans); /* NULL is allowed */

/* spans__find() - what was kept of @key, or NULL: then it is to be made and, if *@wanted is not 0,
 * to be given to spans__keep() with that. */
const struct span *spans__find(struct spans *spans, const struct span_key *key, uint64_t *wanted);

/* spans__keep() - a copy of @text. Without memory it is not kept. */
void spans__keep(struct spans *spans, uint64_t wanted, const struct span_key *key,
		 const struct span *span);

#endif

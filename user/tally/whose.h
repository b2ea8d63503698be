/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose each TIME_WAIT socket is: from a hash of its struct tws_key to the rows that it
 * was counted in. A look into the kernel's table confirms what still exists; the rest is
 * forgotten then. Two keys with one hash of 64 bits would be taken for one.
 */
#ifndef TWSNOOP_WHOSE_H
#define TWSNOOP_WHOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHOSE_VIEWS 6
#define WHOSE_MAX (1U << 19) /* sockets; 40 MB with its free places, of which what is used is touched */

struct whose_row {
	uint16_t slot;	     /* of the view's rows */
	uint16_t generation; /* of that slot */
};

struct whose_socket {
	uint64_t hash;	/* 0: a free place */
	uint32_t end_s; /* when it is to end: see held in seconds.h */
	uint16_t look;	/* the number of the look that last saw it */
	bool placed;	/* its close was counted, and rows are set */
	struct whose_row rows[WHOSE_VIEWS];
};

struct whose;

/* whose__new() - empty; room for @max sockets, which is taken as it is needed. Returns 0 and
 * *@whosep, or -ENOMEM. */
int whose__new(struct whose **whosep, size_t max);
void whose__free(struct whose *whose); /* NULL is allowed */

/* whose__find() - NULL: not known. */
struct whose_socket *whose__find(const struct whose *whose, uint64_t hash);

/* whose__add() - a new one, of a hash that is not there; all but that is zero. NULL: there is no
 * room. Pointers to others are invalid then. */
struct whose_socket *whose__add(struct whose *whose, uint64_t hash);

/* whose__keep() - forgets those that @keep says false for. Without memory all that is kept
 * stays findable, and the rest too. */
typedef bool (*whose_keep_fn)(void *ctx, struct whose_socket *socket);
void whose__keep(struct whose *whose, whose_keep_fn keep, void *ctx);

/* whose__count() - those that are known; whose__is_full() - there is no room for another. */
size_t whose__count(const struct whose *whose);
bool whose__is_full(const struct whose *whose);

#endif

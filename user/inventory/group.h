/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listing's rows in order, and counted by what they have in common.
 */
#ifndef TWSNOOP_GROUP_H
#define TWSNOOP_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "containers/workloads.h"
#include "inventory/listing.h"
#include "model/field.h"

/* What --sort and --by were given, in this order. */
struct group_keys {
	size_t num;
	const struct field_key *keys[FIELD_KEYS_MAX];
};

struct group_context {
	const struct listing *listing;
	const struct workloads *workloads;
	struct ifnames *interfaces; /* names of devices; NULL: they are not asked for */
	/* Adds what is known of a row beside what it says, where it is of the past; then nothing
	 * else is asked. NULL: it is not. */
	void (*tell)(void *ctx, const struct listing_row *row, struct record *rec);
	void *tell_ctx;
};

/*
 * group__sort() - the places of the rows, ordered by @keys, one at most, and, where it is
 * equal, by age: the oldest first. What is not known comes last. @order has room for
 * all rows. Returns 0 or -ENOMEM.
 */
int group__sort(const struct group_context *ctx, const struct group_keys *keys, bool reverse,
		uint32_t *order);

struct group {
	uint32_t row;	   /* one of them */
	uint32_t count;
	uint32_t inferred; /* of these, with an inferred owner */
	uint32_t states[SOCKDIAG_STATE_END]; /* of these, of full sockets and TIME_WAIT */
	uint32_t fin_wait2_minis;
};

/*
 * group__count() - *@groups, to be freed, and their number: the largest first, then
 * as group__sort() has them. Returns 0 or -ENOMEM.
 */
int group__count(const struct group_context *ctx, const struct group_keys *keys,
		 struct group **groups, size_t *num);

#endif

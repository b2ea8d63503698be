/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listing's rows in order, and counted by what they have in common.
 */
#ifndef TWSNOOP_GROUP_H
#define TWSNOOP_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inventory/listing.h"
#include "containers/workloads.h"

/* In the order of the JSON members that they become. */
enum group_key {
	GROUP_AGE, /* these two for sorting only */
	GROUP_LEFT,
	GROUP_LOCAL,
	GROUP_LOCAL_PORT,
	GROUP_REMOTE,
	GROUP_REMOTE_PORT,
	GROUP_NETNS,
	GROUP_PROCESS,
	GROUP_PID,
	GROUP_UID,
	GROUP_CONTAINER,
	GROUP_STATE,
	GROUP_SIDE,
	GROUP_CAUSE,
	GROUP_KEY_END,
};

struct group_keys {
	size_t num;
	enum group_key keys[GROUP_KEY_END];
};

/*
 * group__parse_sort(), group__parse_by() - option_handlers (options.h) for a
 * struct group_keys *: one key to sort by, or several apart by commas, each once, to
 * count by.
 */
int group__parse_sort(void *field, const char *arg, char *why, size_t why_len);
int group__parse_by(void *field, const char *arg, char *why, size_t why_len);

struct group_context {
	const struct listing *listing;
	const struct workloads *workloads;
};

/*
 * group__sort() - the places of the rows, ordered by @keys and, where those are
 * equal, by age: the oldest first. What is not known comes last. @order has room for
 * all rows. Returns 0 or -ENOMEM.
 */
int group__sort(const struct group_context *ctx, const struct group_keys *keys, bool reverse,
		uint32_t *order);

struct group {
	uint32_t row;	   /* one of them */
	uint32_t count;
	uint32_t inferred; /* of these, with an inferred owner */
};

/*
 * group__count() - *@groups, to be freed, and their number: the largest first, then
 * as group__sort() has them. Returns 0 or -ENOMEM.
 */
int group__count(const struct group_context *ctx, const struct group_keys *keys,
		 struct group **groups, size_t *num);

#endif

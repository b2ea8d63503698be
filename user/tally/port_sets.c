// SPDX-License-Identifier: GPL-2.0
#include "tally/port_sets.h"

#include <errno.h>
#include <stdlib.h>

#include "base/table.h"

_Static_assert(sizeof(struct port_set_key) == 40, "no padding but the one that is named");

struct port_sets {
	struct table *table;
};

int port_sets__new(struct port_sets **setsp)
{
	const struct table_options opts = {
		.key_bytes = sizeof(struct port_set_key),
		.entry_bytes = sizeof(struct port_set_use),
		.max = PORT_SETS_MAX,
		.drop_living = true,
	};
	struct port_sets *sets = calloc(1, sizeof(*sets));
	int err = sets ? table__new(&sets->table, &opts) : -ENOMEM;

	if (err) {
		free(sets);
		return err;
	}
	*setsp = sets;
	return 0;
}

void port_sets__free(struct port_sets *sets)
{
	if (!sets)
		return;
	table__free(sets->table);
	free(sets);
}

/* The set, which is the newest now; NULL: no memory. */
static struct port_set_use *get(struct port_sets *sets, const struct port_set_key *key)
{
	void *entry;
	int err = table__get(sets->table, key, &entry);

	if (err < 0)
		return NULL;
	if (!err)
		table__touch(sets->table, entry);
	return entry;
}

void port_sets__close(struct port_sets *sets, const struct port_set_key *key, uint32_t second,
		      uint32_t now_s)
{
	struct port_set_use *use = get(sets, key);

	if (!use)
		return;
	recent__add(&use->closes, second, now_s);
	held__add(&use->held, second + HELD_LIFE_S, now_s);
}

void port_sets__move_on(struct port_sets *sets, uint32_t now_s)
{
	for (struct port_set_use *use = table__next(sets->table, NULL); use;
	     use = table__next(sets->table, use)) {
		held__move_on(&use->held, now_s);
		recent__move_on(&use->closes, now_s);
	}
}

void port_sets__look(struct port_sets *sets)
{
	for (struct port_set_use *use = table__next(sets->table, NULL); use;
	     use = table__next(sets->table, use)) {
		use->live = 0;
		use->held = (struct held){ 0 };
	}
}

void port_sets__take(struct port_sets *sets, const struct port_set_key *key, uint32_t usable,
		     uint32_t end_s, uint32_t now_s)
{
	struct port_set_use *use = get(sets, key);

	if (!use)
		return;
	use->usable = usable;
	if (end_s)
		held__add(&use->held, end_s, now_s);
	else
		use->live++;
}

void port_sets__looked(struct port_sets *sets, uint32_t now_s)
{
	struct port_set_use *use = table__next(sets->table, NULL), *next;

	for (; use; use = next) {
		next = table__next(sets->table, use);
		if (!use->live && !use->held.now && !recent__sum(&use->closes, now_s))
			table__remove(sets->table, use);
	}
}

const struct port_set_use *port_sets__find(const struct port_sets *sets,
					   const struct port_set_key *key)
{
	return table__find(sets->table, key);
}

static uint32_t taken(const struct port_set_use *use)
{
	return use->live + use->held.now;
}

unsigned int port_set__permille(const struct port_set_use *use)
{
	uint64_t permille = use->usable ? taken(use) * 1000ULL / use->usable : 0;

	return permille < 1000 ? (unsigned int)permille : 1000;
}

const struct port_set_use *port_sets__fullest(const struct port_sets *sets)
{
	const struct port_set_use *fullest = NULL, *use;
	unsigned int most = 0;

	for (use = table__next(sets->table, NULL); use; use = table__next(sets->table, use)) {
		unsigned int permille = port_set__permille(use);

		if (!use->usable || !taken(use) || (fullest && permille < most))
			continue;
		/* Of equal ones that with the more ports, and then the older. */
		if (fullest && permille == most && taken(use) <= taken(fullest))
			continue;
		fullest = use;
		most = permille;
	}
	return fullest;
}

uint32_t port_set__full_in(const struct port_set_use *use, uint64_t rate_milli, uint32_t now_s)
{
	uint64_t all_milli = use->usable * 1000ULL, milli = taken(use) * 1000ULL;

	if (!use->usable)
		return PORT_SET_NEVER;
	if (milli >= all_milli)
		return 0;
	/* From then on those end that are made from now on. */
	for (uint32_t s = 1; s <= HELD_LIFE_S; s++) {
		milli += rate_milli;
		milli -= use->held.ends[(now_s + s) % HELD_SECONDS] * 1000ULL;
		if (milli >= all_milli)
			return s;
	}
	return PORT_SET_NEVER;
}

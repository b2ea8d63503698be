// SPDX-License-Identifier: GPL-2.0
#include "base/seen.h"

#include <errno.h>
#include <stdlib.h>

#include "base/table.h"

#define BLOCK_BITS 6

/* 64 keys that follow each other, one bit each. */
struct block {
	uint64_t number; /* the table's key: a key >> BLOCK_BITS */
	uint64_t bits;
	uint64_t time_ns; /* of the latest */
};

struct seen {
	struct table *blocks; /* in the order in which keys were added */
	uint64_t forgotten_ns;
};

static uint64_t bit_of(uint64_t key)
{
	return 1ULL << (key & ((1 << BLOCK_BITS) - 1));
}

static void note_forgotten(struct seen *seen, uint64_t time_ns)
{
	if (time_ns > seen->forgotten_ns)
		seen->forgotten_ns = time_ns;
}

static void on_evicted(void *ctx, void *entry)
{
	note_forgotten(ctx, ((const struct block *)entry)->time_ns);
}

/* Keys that are hashes have a seed already; cookies are the kernel's. */
int seen__new(struct seen **seenp, size_t max)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	const struct table_options blocks = {
		.key_bytes = sizeof(uint64_t),
		.entry_bytes = sizeof(struct block),
		.max = max,
		.in_sequence = true,
		.drop_living = true,
		.evict = on_evicted,
		.ctx = seen,
	};

	if (!seen)
		return -ENOMEM;
	if (table__new(&seen->blocks, &blocks)) {
		seen__free(seen);
		return -ENOMEM;
	}
	*seenp = seen;
	return 0;
}

void seen__add(struct seen *seen, uint64_t key, uint64_t time_ns)
{
	uint64_t number = key >> BLOCK_BITS;
	struct block *block;
	void *entry;

	if (table__get(seen->blocks, &number, &entry) < 0) {
		note_forgotten(seen, time_ns);
		return;
	}
	block = entry;
	block->bits |= bit_of(key);
	if (time_ns > block->time_ns)
		block->time_ns = time_ns;
	table__touch(seen->blocks, block);
}

bool seen__has(const struct seen *seen, uint64_t key)
{
	uint64_t number = key >> BLOCK_BITS;
	const struct block *block = table__find(seen->blocks, &number);

	return block && block->bits & bit_of(key);
}

bool seen__is_empty(const struct seen *seen)
{
	return !table__count(seen->blocks);
}

void seen__expire(struct seen *seen, uint64_t before_ns)
{
	struct block *block;

	while ((block = table__oldest(seen->blocks)) && block->time_ns < before_ns) {
		note_forgotten(seen, block->time_ns);
		table__remove(seen->blocks, block);
	}
}

uint64_t seen__forgotten_ns(const struct seen *seen)
{
	return seen->forgotten_ns;
}

void seen__clear(struct seen *seen)
{
	table__clear(seen->blocks);
	seen->forgotten_ns = 0;
}

void seen__free(struct seen *seen)
{
	if (!seen)
		return;
	table__free(seen->blocks);
	free(seen);
}

// SPDX-License-Identifier: GPL-2.0
#include "base/seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCKS 256
#define BLOCK_BITS 6

/* 64 keys that follow each other, one bit each. */
struct block {
	uint64_t number; /* key >> BLOCK_BITS */
	uint64_t bits;	 /* 0: the slot is free */
};

struct seen {
	struct block *slots; /* open addressing, linear probing */
	size_t mask;
	size_t blocks;
	size_t count;
	size_t max;
};

static uint64_t bit_of(uint64_t key)
{
	return 1ULL << (key & ((1 << BLOCK_BITS) - 1));
}

/* The finalizer of SplitMix64. */
static size_t spread(uint64_t number)
{
	number ^= number >> 30;
	number *= 0xbf58476d1ce4e5b9ULL;
	number ^= number >> 27;
	number *= 0x94d049bb133111ebULL;
	return number ^ number >> 31;
}

/* Where @number is, or where it is to go. */
static struct block *find(struct block *slots, size_t mask, uint64_t number)
{
	size_t i = spread(number) & mask;

	while (slots[i].bits && slots[i].number != number)
		i = (i + 1) & mask;
	return &slots[i];
}

static int grow(struct seen *seen)
{
	size_t mask = seen->mask * 2 + 1;
	struct block *slots = calloc(mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i <= seen->mask; i++)
		if (seen->slots[i].bits)
			*find(slots, mask, seen->slots[i].number) = seen->slots[i];
	free(seen->slots);
	seen->slots = slots;
	seen->mask = mask;
	return 0;
}

int seen__new(struct seen **seenp, size_t max)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	seen->slots = calloc(FIRST_BLOCKS, sizeof(*seen->slots));
	if (!seen->slots) {
		free(seen);
		return -ENOMEM;
	}
	seen->mask = FIRST_BLOCKS - 1;
	seen->max = max;
	*seenp = seen;
	return 0;
}

/* A block that has none of its keys yet. */
static int add_block(struct seen *seen, struct block *at, uint64_t key)
{
	int err;

	if ((seen->blocks + 1) * 4 > (seen->mask + 1) * 3) {
		err = grow(seen);
		if (err)
			return err;
		at = find(seen->slots, seen->mask, key >> BLOCK_BITS);
	}
	*at = (struct block){ key >> BLOCK_BITS, bit_of(key) };
	seen->blocks++;
	seen->count++;
	return 0;
}

int seen__add(struct seen *seen, uint64_t key)
{
	struct block *block = find(seen->slots, seen->mask, key >> BLOCK_BITS);

	if (block->bits & bit_of(key))
		return 0;
	if (seen->count >= seen->max)
		return -ENOSPC;
	if (!block->bits)
		return add_block(seen, block, key);
	block->bits |= bit_of(key);
	seen->count++;
	return 0;
}

bool seen__has(const struct seen *seen, uint64_t key)
{
	return find(seen->slots, seen->mask, key >> BLOCK_BITS)->bits & bit_of(key);
}

size_t seen__count(const struct seen *seen)
{
	return seen->count;
}

void seen__clear(struct seen *seen)
{
	memset(seen->slots, 0, (seen->mask + 1) * sizeof(*seen->slots));
	seen->blocks = seen->count = 0;
}

void seen__free(struct seen *seen)
{
	if (!seen)
		return;
	free(seen->slots);
	free(seen);
}

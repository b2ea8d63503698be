// SPDX-License-Identifier: GPL-2.0
#include "seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024

struct seen {
	uint64_t *slots; /* open addressing, linear probing; 0 is free */
	size_t mask;
	size_t count;
	size_t max;
};

/* The finalizer of SplitMix64: cookies come in sequence. */
static size_t spread(uint64_t key)
{
	key ^= key >> 30;
	key *= 0xbf58476d1ce4e5b9ULL;
	key ^= key >> 27;
	key *= 0x94d049bb133111ebULL;
	return key ^ key >> 31;
}

static size_t find(const uint64_t *slots, size_t mask, uint64_t key)
{
	size_t i = spread(key) & mask;

	while (slots[i] && slots[i] != key)
		i = (i + 1) & mask;
	return i;
}

static int grow(struct seen *seen)
{
	size_t mask = seen->mask * 2 + 1;
	uint64_t *slots = calloc(mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i <= seen->mask; i++)
		if (seen->slots[i])
			slots[find(slots, mask, seen->slots[i])] = seen->slots[i];
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
	seen->slots = calloc(FIRST_SLOTS, sizeof(*seen->slots));
	if (!seen->slots) {
		free(seen);
		return -ENOMEM;
	}
	seen->mask = FIRST_SLOTS - 1;
	seen->max = max;
	*seenp = seen;
	return 0;
}

int seen__add(struct seen *seen, uint64_t key)
{
	size_t i = find(seen->slots, seen->mask, key);
	int err;

	if (seen->slots[i])
		return 0;
	if (seen->count >= seen->max)
		return -ENOSPC;
	if ((seen->count + 1) * 2 > seen->mask) {
		err = grow(seen);
		if (err)
			return err;
		i = find(seen->slots, seen->mask, key);
	}
	seen->slots[i] = key;
	seen->count++;
	return 0;
}

bool seen__has(const struct seen *seen, uint64_t key)
{
	return seen->slots[find(seen->slots, seen->mask, key)] != 0;
}

size_t seen__count(const struct seen *seen)
{
	return seen->count;
}

void seen__clear(struct seen *seen)
{
	memset(seen->slots, 0, (seen->mask + 1) * sizeof(*seen->slots));
	seen->count = 0;
}

void seen__free(struct seen *seen)
{
	if (!seen)
		return;
	free(seen->slots);
	free(seen);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set of 64-bit keys: which TIME_WAIT sockets have been reported. Each CPU of the
 * kernel gives cookies out in sequence, so keys that follow each other share a word:
 * a million cookies take about a megabyte, and the one after the last is in the cache.
 * It grows up to a bound that is fixed at the start.
 */
#ifndef TWSNOOP_SEEN_H
#define TWSNOOP_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen;

/* seen__new() - room for @max keys in the end, 32 bytes for each (more while it
 * grows) if they are hashes, which do not follow each other. Returns 0 and *seenp,
 * or -ENOMEM. */
int seen__new(struct seen **seenp, size_t max);

/* seen__add() - returns 0 (also if it was there), -ENOSPC if @max are in, or
 * -ENOMEM; on an error the set is unchanged. */
int seen__add(struct seen *seen, uint64_t key);

bool seen__has(const struct seen *seen, uint64_t key);
size_t seen__count(const struct seen *seen);

/* seen__clear() - empties it and keeps the memory. */
void seen__clear(struct seen *seen);

void seen__free(struct seen *seen); /* NULL is allowed */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set of 64-bit keys with the time at which each was last added: which TIME_WAIT sockets
 * have been reported. Each CPU of the kernel gives cookies out in sequence, so that 64 keys
 * which follow each other share an entry: a million cookies take about a megabyte, and the
 * one after the last is in the cache.
 *
 * It grows up to a bound, and then forgets the oldest entry. What it has forgotten it still
 * knows by its time: seen__forgotten_ns().
 */
#ifndef TWSNOOP_SEEN_H
#define TWSNOOP_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen;

/* seen__new() - room for @max entries in the end, of 56 bytes each: as many keys if they are
 * hashes, which do not follow each other. Returns 0 and *seenp, or -ENOMEM. */
int seen__new(struct seen **seenp, size_t max);

/* seen__add() - @key, seen at @time_ns. Without memory it counts as forgotten at once. */
void seen__add(struct seen *seen, uint64_t key, uint64_t time_ns);

/* seen__has() - false for what was forgotten, too. */
bool seen__has(const struct seen *seen, uint64_t key);
bool seen__is_empty(const struct seen *seen);

/* seen__expire() - forgets the entries of which no key was added at @before_ns or later. */
void seen__expire(struct seen *seen, uint64_t before_ns);

/* seen__forgotten_ns() - no key that was added later than this was forgotten; 0: none at
 * all was. */
uint64_t seen__forgotten_ns(const struct seen *seen);

/* seen__clear() - empties it and keeps the memory: nothing is forgotten. */
void seen__clear(struct seen *seen);

void seen__free(struct seen *seen); /* NULL is allowed */

#endif

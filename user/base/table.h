/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hash table of this program: entries of one size that begin with their key, in a pool
 * that grows up to a bound and is never moved, so that a pointer to an entry is good until
 * the entry is removed. Nothing is allocated for one entry. Hashes are seeded: see hash.h.
 *
 * All entries stand in the order of their age, in two lists: those that live, and those
 * that the user has called dead and keeps for as long as there is room. A full table
 * gives up the oldest dead entry, in constant time; if none is dead it refuses, or gives
 * up the oldest of all, as it was told to.
 *
 *	struct user { uint64_t id; uint64_t closes; };
 *	const struct table_options opts = {
 *		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct user), .max = 1000,
 *	};
 *	err = table__new(&table, &opts);
 *	...
 *	err = table__get(table, &id, (void **)&user);
 *	if (err >= 0)
 *		user->closes++;
 */
#ifndef TWSNOOP_TABLE_H
#define TWSNOOP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;

#define TABLE_MAX (1U << 30) /* entries */

struct table_options {
	size_t key_bytes;   /* a multiple of 8; all of them count, so padding must be zero */
	size_t entry_bytes; /* the key, with which it begins, included */
	size_t max;	    /* entries, 1 to TABLE_MAX */
	bool fixed;	    /* all memory is taken now; what is never used is not touched */
	/* The key begins with a uint64_t that is given out in sequence, by the kernel and not
	 * by peers, as socket cookies are; it alone is hashed. Neighbours stay neighbours. */
	bool in_sequence;
	bool drop_living;   /* when it is full of the living, the oldest gives way */
	/* An entry is about to give way: the last moment to look at it. It must not call
	 * the table. NULL: nobody cares. */
	void (*evict)(void *ctx, void *entry);
	void *ctx;	    /* for evict() */
	uint64_t seed;	    /* for a test; 0: a random one */
};

/* table__new() - empty. Returns 0 and *@tablep, to be freed by table__free(), -ENOMEM, or
 * -EINVAL for sizes that are none. */
int table__new(struct table **tablep, const struct table_options *opts);
void table__free(struct table *table); /* NULL is allowed */

/* table__find() - the newest of the entries with this @key, or NULL. */
void *table__find(const struct table *table, const void *key);

/* table__find_next() - the next older one with the same key as @entry, or NULL: where
 * table__add() has put several. */
void *table__find_next(const struct table *table, const void *entry);

/*
 * table__get() - the entry of @key, a new one if there is none: then all of it but the key
 * is zero, and it is the newest of the living. If the table is full another one gives
 * way, which makes pointers to that one invalid. Returns 0 if it was there, 1 if it is
 * new, with *@entryp; -ENOSPC if none may give way, -ENOMEM.
 */
int table__get(struct table *table, const void *key, void **entryp);

/* table__add() - as table__get(), but always a new one. Returns 1 or an error. */
int table__add(struct table *table, const void *key, void **entryp);

/* table__remove() - @entry is no more. */
void table__remove(struct table *table, void *entry);

/* table__retire() - @entry is dead: it may be found, but gives way before all that live.
 * It is the youngest of the dead, wherever it was. */
void table__retire(struct table *table, void *entry);

/* table__touch() - @entry is alive, and the newest. */
void table__touch(struct table *table, void *entry);

/* table__is_dead() - it was retired, and not touched since. */
bool table__is_dead(const void *entry);

/* The living, from the oldest or from the newest; NULL: that was all. Who removes or
 * moves an entry asks for its neighbour before. */
void *table__oldest(const struct table *table);
void *table__newest(const struct table *table);
void *table__oldest_dead(const struct table *table);
void *table__newest_dead(const struct table *table);
/* In the list that @entry is in. */
void *table__newer(const struct table *table, const void *entry);
void *table__older(const struct table *table, const void *entry);

/* table__next() - the one after @entry of all, the living before the dead; the first of all
 * for NULL. NULL: that was all. */
void *table__next(const struct table *table, const void *entry);

/* table__index() - a number below max, which stays while the entry does: for arrays of
 * what is to stand apart from the entries. */
uint32_t table__index(const void *entry);

/* table__clear() - empties it and keeps the memory; evict() is not called. */
void table__clear(struct table *table);

size_t table__count(const struct table *table); /* the dead included */
size_t table__count_dead(const struct table *table);

/* table__dropped() - how many gave way although they lived, ever. */
uint64_t table__dropped(const struct table *table);

#endif

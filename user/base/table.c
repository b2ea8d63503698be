// SPDX-License-Identifier: GPL-2.0
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/*
 * Chains of entries over an array of their numbers. The pool is made of segments, of which
 * each is as large as all before it, so that nothing is ever moved. Numbers begin at the
 * first segment's size: then the highest bit of a number tells its segment, and 0 is none.
 */
#define FIRST_BITS 6
#define FIRST (1U << FIRST_BITS)
#define SEGMENTS (32 - FIRST_BITS)
#define MIN_BUCKETS 64U
/* Numbers in sequence whose buckets share a cache line. */
#define NEIGHBOURS (64 / sizeof(uint32_t))

/* What stands before each entry. */
struct node {
	uint32_t hash;
	uint32_t number;       /* its own */
	uint32_t next;	       /* of the chain, or of the free ones */
	uint32_t older, newer; /* of its list */
	uint32_t dead;	       /* 0 or 1: which list */
	unsigned char entry[] __attribute__((aligned(8)));
};

struct list {
	uint32_t oldest, newest;
	size_t count;
};

struct table {
	unsigned char *segments[SEGMENTS];
	uint32_t *buckets;
	uint32_t mask; /* buckets less one */
	uint32_t key_words;
	size_t stride; /* from one node to the next */
	uint64_t seed;
	struct list lists[2]; /* the living, the dead */
	uint32_t free;	      /* of those that were used */
	uint32_t unused;      /* numbers from here on were never used */
	uint64_t dropped;
	struct table_options opts;
};

static inline struct node *node_of(const void *entry)
{
	return (struct node *)((unsigned char *)entry - offsetof(struct node, entry));
}

static inline struct node *node_at(const struct table *table, uint32_t number)
{
	unsigned int segment = 31 - FIRST_BITS - (unsigned int)__builtin_clz(number);
	uint32_t place = number - (FIRST << segment);

	return (struct node *)(table->segments[segment] + place * table->stride);
}

static void *entry_at(const struct table *table, uint32_t number)
{
	return number ? node_at(table, number)->entry : NULL;
}

static uint32_t hash_key(const struct table *table, const void *key)
{
	uint64_t number, hash;

	if (!table->opts.in_sequence)
		return (uint32_t)hash__bytes(table->seed, key, table->opts.key_bytes);
	memcpy(&number, key, sizeof(number));
	hash = hash__number(table->seed, number / NEIGHBOURS);
	return (uint32_t)((hash & ~(NEIGHBOURS - 1)) + number % NEIGHBOURS);
}

static inline bool has_key(const struct table *table, const struct node *node, uint32_t hash,
			   const void *key)
{
	const unsigned char *a = node->entry, *b = key;
	uint64_t differ = node->hash ^ hash, left, right;

	for (uint32_t i = 0; !differ && i < table->key_words; i++) {
		memcpy(&left, a + i * sizeof(left), sizeof(left));
		memcpy(&right, b + i * sizeof(right), sizeof(right));
		differ = left ^ right;
	}
	return !differ;
}

/* From @number on along the chain. */
static void *find_from(const struct table *table, uint32_t number, uint32_t hash,
		       const void *key)
{
	while (number) {
		struct node *node = node_at(table, number);

		if (has_key(table, node, hash, key))
			return node->entry;
		number = node->next;
	}
	return NULL;
}

void *table__find(const struct table *table, const void *key)
{
	uint32_t hash = hash_key(table, key);

	return find_from(table, table->buckets[hash & table->mask], hash, key);
}

void *table__find_next(const struct table *table, const void *entry)
{
	const struct node *node = node_of(entry);

	return find_from(table, node->next, node->hash, entry);
}

/* ---- the lists ---- */

static void list_add(struct table *table, struct node *node, uint32_t dead)
{
	struct list *list = &table->lists[dead];

	node->dead = dead;
	node->newer = 0;
	node->older = list->newest;
	if (list->newest)
		node_at(table, list->newest)->newer = node->number;
	else
		list->oldest = node->number;
	list->newest = node->number;
	list->count++;
}

static void list_remove(struct table *table, const struct node *node)
{
	struct list *list = &table->lists[node->dead];

	if (node->older)
		node_at(table, node->older)->newer = node->newer;
	else
		list->oldest = node->newer;
	if (node->newer)
		node_at(table, node->newer)->older = node->older;
	else
		list->newest = node->older;
	list->count--;
}

static void list_move(struct table *table, void *entry, uint32_t dead)
{
	struct node *node = node_of(entry);

	if (node->number == table->lists[dead].newest)
		return;
	list_remove(table, node);
	list_add(table, node, dead);
}

void table__retire(struct table *table, void *entry)
{
	list_move(table, entry, 1);
}

void table__touch(struct table *table, void *entry)
{
	list_move(table, entry, 0);
}

bool table__is_dead(const void *entry)
{
	return node_of(entry)->dead;
}

void *table__oldest(const struct table *table)
{
	return entry_at(table, table->lists[0].oldest);
}

void *table__newest(const struct table *table)
{
	return entry_at(table, table->lists[0].newest);
}

void *table__oldest_dead(const struct table *table)
{
	return entry_at(table, table->lists[1].oldest);
}

void *table__newer(const struct table *table, const void *entry)
{
	return entry_at(table, node_of(entry)->newer);
}

void *table__older(const struct table *table, const void *entry)
{
	return entry_at(table, node_of(entry)->older);
}

void *table__next(const struct table *table, const void *entry)
{
	void *next = entry ? table__newer(table, entry) : table__oldest(table);

	if (next || (entry && node_of(entry)->dead))
		return next;
	return table__oldest_dead(table);
}

uint32_t table__index(const void *entry)
{
	return node_of(entry)->number - FIRST;
}

/* ---- room ---- */

/* How many entries @segment has room for. */
static size_t segment_entries(const struct table *table, unsigned int segment)
{
	size_t before = ((size_t)FIRST << segment) - FIRST, entries = (size_t)FIRST << segment;

	if (before >= table->opts.max)
		return 0;
	return entries < table->opts.max - before ? entries : table->opts.max - before;
}

static int add_segment(struct table *table, unsigned int segment)
{
	if (!table->segments[segment])
		table->segments[segment] = calloc(segment_entries(table, segment), table->stride);
	return table->segments[segment] ? 0 : -ENOMEM;
}

static int set_buckets(struct table *table, uint32_t buckets)
{
	uint32_t *fresh = calloc(buckets, sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	free(table->buckets);
	table->buckets = fresh;
	table->mask = buckets - 1;
	return 0;
}

static void chain(struct table *table, struct node *node)
{
	uint32_t *bucket = &table->buckets[node->hash & table->mask];

	node->next = *bucket;
	*bucket = node->number;
}

/* The order within a chain does not change: entries of one key stay in that of their
 * making, although they may have changed places in the lists. */
static void rechain(struct table *table, const uint32_t *old, uint32_t old_buckets)
{
	for (uint32_t i = 0; i < old_buckets; i++) {
		uint32_t *ends[2] = { &table->buckets[i], &table->buckets[i + old_buckets] };

		for (uint32_t number = old[i]; number;) {
			struct node *node = node_at(table, number);
			bool upper = node->hash & old_buckets;

			*ends[upper] = number;
			ends[upper] = &node->next;
			number = node->next;
		}
		*ends[0] = *ends[1] = 0;
	}
}

static int double_buckets(struct table *table)
{
	uint32_t old_buckets = table->mask + 1, *old = table->buckets;
	int err;

	table->buckets = NULL;
	err = set_buckets(table, 2 * old_buckets);
	if (err) {
		table->buckets = old;
		return err;
	}
	rechain(table, old, old_buckets);
	free(old);
	return 0;
}

static void forget(struct table *table, struct node *node)
{
	uint32_t *link = &table->buckets[node->hash & table->mask];

	while (*link != node->number)
		link = &node_at(table, *link)->next;
	*link = node->next;
	list_remove(table, node);
	node->next = table->free;
	table->free = node->number;
}

/* Somebody gives way. */
static int evict(struct table *table)
{
	uint32_t number = table->lists[1].oldest;
	struct node *node;

	if (!number && table->opts.drop_living) {
		number = table->lists[0].oldest;
		table->dropped++;
	}
	if (!number)
		return -ENOSPC;
	node = node_at(table, number);
	if (table->opts.evict)
		table->opts.evict(table->opts.ctx, node->entry);
	forget(table, node);
	return 0;
}

/* A node that is in use nowhere. */
static int claim(struct table *table, struct node **nodep)
{
	uint32_t number = table->free;
	struct node *node;
	int err;

	if (number) {
		node = node_at(table, number);
		table->free = node->next;
	} else {
		number = table->unused;
		err = add_segment(table, 31 - FIRST_BITS - (unsigned int)__builtin_clz(number));
		if (err)
			return err;
		node = node_at(table, number);
		node->number = number;
		table->unused++;
	}
	*nodep = node;
	return 0;
}

static int add(struct table *table, const void *key, uint32_t hash, void **entryp)
{
	size_t count = table__count(table);
	struct node *node;
	int err = 0;

	if (count == table->opts.max)
		err = evict(table);
	else if (count > table->mask)
		err = double_buckets(table);
	err = err ?: claim(table, &node);
	if (err)
		return err;
	node->hash = hash;
	memcpy(node->entry, key, table->opts.key_bytes);
	memset(node->entry + table->opts.key_bytes, 0,
	       table->opts.entry_bytes - table->opts.key_bytes);
	chain(table, node);
	list_add(table, node, 0);
	*entryp = node->entry;
	return 1;
}

int table__add(struct table *table, const void *key, void **entryp)
{
	return add(table, key, hash_key(table, key), entryp);
}

int table__get(struct table *table, const void *key, void **entryp)
{
	uint32_t hash = hash_key(table, key);
	void *entry = find_from(table, table->buckets[hash & table->mask], hash, key);

	if (!entry)
		return add(table, key, hash, entryp);
	*entryp = entry;
	return 0;
}

void table__remove(struct table *table, void *entry)
{
	forget(table, node_of(entry));
}

void table__clear(struct table *table)
{
	memset(table->buckets, 0, (table->mask + 1) * sizeof(*table->buckets));
	memset(table->lists, 0, sizeof(table->lists));
	table->free = 0;
	table->unused = FIRST;
}

size_t table__count(const struct table *table)
{
	return table->lists[0].count + table->lists[1].count;
}

size_t table__count_dead(const struct table *table)
{
	return table->lists[1].count;
}

uint64_t table__dropped(const struct table *table)
{
	return table->dropped;
}

/* ---- its life ---- */

static int take_all(struct table *table)
{
	uint32_t buckets = MIN_BUCKETS;
	int err = 0;

	while (buckets < table->opts.max)
		buckets *= 2;
	for (unsigned int i = 0; !err && i < SEGMENTS && segment_entries(table, i); i++)
		err = add_segment(table, i);
	return err ?: set_buckets(table, buckets);
}

int table__new(struct table **tablep, const struct table_options *opts)
{
	struct table *table;
	int err;

	if (!opts->key_bytes || opts->key_bytes % 8 || opts->entry_bytes < opts->key_bytes ||
	    opts->entry_bytes > UINT32_MAX || !opts->max || opts->max > TABLE_MAX)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->opts = *opts;
	table->key_words = (uint32_t)(opts->key_bytes / sizeof(uint64_t));
	table->stride = (sizeof(struct node) + opts->entry_bytes + 7) / 8 * 8;
	table->seed = opts->seed ?: hash__random_seed();
	table->unused = FIRST;
	err = opts->fixed ? take_all(table) : set_buckets(table, MIN_BUCKETS);
	if (err) {
		table__free(table);
		return err;
	}
	*tablep = table;
	return 0;
}

void table__free(struct table *table)
{
	if (!table)
		return;
	for (unsigned int i = 0; i < SEGMENTS; i++)
		free(table->segments[i]);
	free(table->buckets);
	free(table);
}

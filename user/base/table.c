// SPDX-License-Identifier: GPL-2.0
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/*
 * Chains of entries. The pool is made of segments, of which each is as large as all before it,
 * so that nothing is ever moved, and nodes can point at each other.
 */
#define FIRST_BITS 6
#define FIRST ((size_t)1 << FIRST_BITS)
#define SEGMENTS 26
#define MIN_BUCKETS 64U
/* Numbers in sequence whose buckets stand side by side: a page, in which the processor
 * fetches what follows before it is asked for. */
#define NEIGHBOURS (4096 / sizeof(struct node *))

/* What stands before each entry. */
struct node {
	struct node *next; /* of the chain, or of the free ones */
	struct node *older, *newer; /* of its list */
	uint32_t hash;
	uint32_t index : 31; /* of all nodes, in the order of their first use */
	uint32_t dead : 1;   /* which list */
	unsigned char entry[] __attribute__((aligned(8)));
};

struct list {
	struct node *oldest, *newest;
	size_t count;
};

struct table {
	struct node **buckets;
	uint32_t mask; /* buckets less one */
	uint64_t seed;
	struct list lists[2]; /* the living, the dead */
	struct node *free;    /* of those that were used */
	uint32_t unused;      /* indexes from here on were never used */
	size_t stride;	      /* from one node to the next */
	uint64_t dropped;
	struct table_options opts;
	unsigned char *segments[SEGMENTS];
};

static inline struct node *node_of(const void *entry)
{
	return (struct node *)((unsigned char *)entry - offsetof(struct node, entry));
}

static inline void *entry_of(struct node *node)
{
	return node ? node->entry : NULL;
}

/* As hash__bytes(), whose results the spool of export/ keeps, but quicker: of two words at once. */
static uint64_t hash_words(uint64_t seed, const unsigned char *key, size_t bytes)
{
	uint64_t hash = seed, words[2];
	size_t at = 0;

	for (; at + sizeof(words) <= bytes; at += sizeof(words)) {
		memcpy(words, key + at, sizeof(words));
		hash = hash__mix(hash ^ words[0], words[1] ^ seed ^ 0xd1342543de82ef95ULL);
	}
	if (at < bytes) {
		memcpy(words, key + at, sizeof(words[0]));
		hash = hash__mix(hash ^ words[0], seed ^ 0xd1342543de82ef95ULL);
	}
	return hash;
}

static uint32_t hash_key(const struct table *table, const void *key)
{
	uint64_t number, hash;

	if (!table->opts.in_sequence)
		return (uint32_t)hash_words(table->seed, key, table->opts.key_bytes);
	memcpy(&number, key, sizeof(number));
	hash = hash__mix(number / NEIGHBOURS ^ table->seed, 0x9e3779b97f4a7c15ULL);
	return (uint32_t)((hash & ~(NEIGHBOURS - 1)) + number % NEIGHBOURS);
}

static inline bool has_key(const struct table *table, const struct node *node, uint32_t hash,
			   const void *key)
{
	return node->hash == hash && !memcmp(node->entry, key, table->opts.key_bytes);
}

/* From @node on along the chain. */
static void *find_from(const struct table *table, struct node *node, uint32_t hash,
		       const void *key)
{
	while (node && !has_key(table, node, hash, key))
		node = node->next;
	return entry_of(node);
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

static void list_add(struct table *table, struct node *node, bool dead)
{
	struct list *list = &table->lists[dead];

	node->dead = dead;
	node->newer = NULL;
	node->older = list->newest;
	if (list->newest)
		list->newest->newer = node;
	else
		list->oldest = node;
	list->newest = node;
	list->count++;
}

static void list_remove(struct table *table, const struct node *node)
{
	struct list *list = &table->lists[node->dead];

	if (node->older)
		node->older->newer = node->newer;
	else
		list->oldest = node->newer;
	if (node->newer)
		node->newer->older = node->older;
	else
		list->newest = node->older;
	list->count--;
}

static void list_move(struct table *table, void *entry, bool dead)
{
	struct node *node = node_of(entry);

	if (node == table->lists[dead].newest)
		return;
	list_remove(table, node);
	list_add(table, node, dead);
}

void table__retire(struct table *table, void *entry)
{
	list_move(table, entry, true);
}

void table__touch(struct table *table, void *entry)
{
	list_move(table, entry, false);
}

bool table__is_dead(const void *entry)
{
	return node_of(entry)->dead;
}

void *table__oldest(const struct table *table)
{
	return entry_of(table->lists[0].oldest);
}

void *table__newest(const struct table *table)
{
	return entry_of(table->lists[0].newest);
}

void *table__oldest_dead(const struct table *table)
{
	return entry_of(table->lists[1].oldest);
}

void *table__newest_dead(const struct table *table)
{
	return entry_of(table->lists[1].newest);
}

void *table__newer(const struct table *table, const void *entry)
{
	(void)table;
	return entry_of(node_of(entry)->newer);
}

void *table__older(const struct table *table, const void *entry)
{
	(void)table;
	return entry_of(node_of(entry)->older);
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
	return node_of(entry)->index;
}

/* ---- room ---- */

/* How many entries @segment has room for. */
static size_t segment_entries(const struct table *table, unsigned int segment)
{
	size_t before = (FIRST << segment) - FIRST, entries = FIRST << segment;

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
	struct node **fresh = calloc(buckets, sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	free(table->buckets);
	table->buckets = fresh;
	table->mask = buckets - 1;
	return 0;
}

static void chain(struct table *table, struct node *node)
{
	struct node **bucket = &table->buckets[node->hash & table->mask];

	node->next = *bucket;
	*bucket = node;
}

/* The order within a chain does not change: entries of one key stay in that of their
 * making, although they may have changed places in the lists. */
static void rechain(struct table *table, struct node *const *old, uint32_t old_buckets)
{
	for (uint32_t i = 0; i < old_buckets; i++) {
		struct node **ends[2] = { &table->buckets[i], &table->buckets[i + old_buckets] };

		for (struct node *node = old[i]; node; node = node->next) {
			bool upper = node->hash & old_buckets;

			*ends[upper] = node;
			ends[upper] = &node->next;
		}
		*ends[0] = *ends[1] = NULL;
	}
}

static int double_buckets(struct table *table)
{
	struct node **old = table->buckets;
	uint32_t old_buckets = table->mask + 1;
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
	struct node **link = &table->buckets[node->hash & table->mask];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	list_remove(table, node);
	node->next = table->free;
	table->free = node;
}

/* Somebody gives way. */
static int evict(struct table *table)
{
	struct node *node = table->lists[1].oldest;

	if (!node && table->opts.drop_living) {
		node = table->lists[0].oldest;
		table->dropped++;
	}
	if (!node)
		return -ENOSPC;
	if (table->opts.evict)
		table->opts.evict(table->opts.ctx, node->entry);
	forget(table, node);
	return 0;
}

/* One that was never used. */
static int claim_fresh(struct table *table, struct node **nodep)
{
	uint32_t number = table->unused + (uint32_t)FIRST;
	unsigned int segment = 31 - FIRST_BITS - (unsigned int)__builtin_clz(number);
	struct node *node;
	int err = add_segment(table, segment);

	if (err)
		return err;
	node = (struct node *)(table->segments[segment] +
			       (number - (FIRST << segment)) * table->stride);
	node->index = table->unused++;
	*nodep = node;
	return 0;
}

static int claim(struct table *table, struct node **nodep)
{
	if (!table->free)
		return claim_fresh(table, nodep);
	*nodep = table->free;
	table->free = table->free->next;
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
	list_add(table, node, false);
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
	table->free = NULL;
	table->unused = 0;
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
	table->stride = (sizeof(struct node) + opts->entry_bytes + 7) / 8 * 8;
	table->seed = opts->seed ?: hash__random_seed();
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

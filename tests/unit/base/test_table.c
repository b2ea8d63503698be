// SPDX-License-Identifier: GPL-2.0
/* The hash table: keys, order of age, who gives way, memory. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/hash.h"
#include "base/table.h"

struct item {
	uint64_t key;
	uint64_t value;
};

static struct table *make(struct table_options opts)
{
	struct table *table;

	opts.key_bytes = opts.key_bytes ?: sizeof(uint64_t);
	opts.entry_bytes = opts.entry_bytes ?: sizeof(struct item);
	assert_int_equal(table__new(&table, &opts), 0);
	return table;
}

static struct item *put(struct table *table, uint64_t key, uint64_t value)
{
	void *entry;

	assert_true(table__get(table, &key, &entry) >= 0);
	((struct item *)entry)->value = value;
	return entry;
}

static struct item *find(const struct table *table, uint64_t key)
{
	return table__find(table, &key);
}

static void grow(bool fixed, bool in_sequence)
{
	struct table *table = make((struct table_options){
		.max = 5000, .fixed = fixed, .in_sequence = in_sequence });
	struct item *first = put(table, 1, 10);
	void *entry;

	for (uint64_t key = 2; key <= 5000; key++) {
		assert_null(find(table, key));
		assert_int_equal(table__get(table, &key, &entry), 1);
		assert_int_equal(((struct item *)entry)->value, 0);
		assert_true(table__index(entry) < 5000);
		((struct item *)entry)->value = key * 10;
		assert_int_equal(table__get(table, &key, &entry), 0);
	}
	assert_int_equal(table__get(table, &(uint64_t){ 5001 }, &entry), -ENOSPC);
	assert_ptr_equal(find(table, 1), first);
	for (uint64_t key = 1; key <= 5000; key++)
		assert_int_equal(find(table, key)->value, key * 10);
	assert_int_equal(table__count(table), 5000);
	for (uint64_t key = 1; key <= 5000; key += 2)
		table__remove(table, find(table, key));
	for (uint64_t key = 1; key <= 5000; key++)
		assert_int_equal(!find(table, key), key % 2);
	assert_int_equal(table__count(table), 2500);
	table__clear(table);
	assert_int_equal(table__count(table), 0);
	assert_null(find(table, 2));
	assert_int_equal(put(table, 2, 7)->value, 7);
	table__free(table);
}

static void test_grows_to_its_bound(void **state)
{
	(void)state;
	grow(false, false);
	grow(true, false);
	grow(false, true);
	grow(true, true);
	table__free(NULL);
}

static void test_wrong_sizes(void **state)
{
	static const struct table_options wrong[] = {
		{ .key_bytes = 0, .entry_bytes = 8, .max = 1 },
		{ .key_bytes = 4, .entry_bytes = 8, .max = 1 },
		{ .key_bytes = 16, .entry_bytes = 8, .max = 1 },
		{ .key_bytes = 8, .entry_bytes = 8, .max = 0 },
		{ .key_bytes = 8, .entry_bytes = 8, .max = TABLE_MAX + 1 },
	};
	struct table *table = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(table__new(&table, &wrong[i]), -EINVAL);
	assert_null(table);
}

/* All of a long key counts, its last byte too. */
static void test_long_keys(void **state)
{
	struct table *table = make((struct table_options){
		.key_bytes = 40, .entry_bytes = 48, .max = 100 });
	uint64_t key[5] = { 1, 2, 3, 4, 5 };
	void *entry, *other;

	(void)state;
	assert_int_equal(table__get(table, key, &entry), 1);
	for (int word = 0; word < 5; word++) {
		key[word] ^= 1ULL << 63;
		assert_null(table__find(table, key));
		assert_int_equal(table__get(table, key, &other), 1);
		assert_ptr_not_equal(other, entry);
		assert_ptr_equal(table__find(table, key), other);
		key[word] ^= 1ULL << 63;
	}
	assert_ptr_equal(table__find(table, key), entry);
	table__free(table);
}

static void note_evicted(void *ctx, void *entry)
{
	*(uint64_t *)ctx = *(uint64_t *)ctx * 10 + ((struct item *)entry)->key;
}

static void test_the_dead_give_way_first(void **state)
{
	uint64_t evicted = 0;
	struct table *table = make((struct table_options){
		.max = 4, .evict = note_evicted, .ctx = &evicted });
	void *entry;

	(void)state;
	for (uint64_t key = 1; key <= 4; key++)
		put(table, key, key);
	table__retire(table, find(table, 3));
	table__retire(table, find(table, 2));
	assert_true(table__is_dead(find(table, 3)));
	assert_int_equal(table__count(table), 4);
	assert_int_equal(table__count_dead(table), 2);
	put(table, 5, 5);
	put(table, 6, 6);
	assert_int_equal(evicted, 32);
	assert_int_equal(table__count_dead(table), 0);
	assert_int_equal(table__get(table, &(uint64_t){ 7 }, &entry), -ENOSPC);
	assert_int_equal(table__dropped(table), 0);
	table__free(table);
}

static void test_then_the_oldest_of_the_living(void **state)
{
	uint64_t evicted = 0;
	struct table *table = make((struct table_options){
		.max = 4, .drop_living = true, .evict = note_evicted, .ctx = &evicted });

	(void)state;
	for (uint64_t key = 1; key <= 4; key++)
		put(table, key, key);
	table__touch(table, find(table, 1)); /* 2 3 4 1 */
	table__retire(table, find(table, 4));
	put(table, 5, 5);
	put(table, 6, 6);
	put(table, 7, 7);
	assert_int_equal(evicted, 423);
	assert_int_equal(table__dropped(table), 2);
	table__retire(table, find(table, 7));
	table__touch(table, find(table, 7)); /* it lives after all */
	put(table, 8, 8);
	assert_int_equal(evicted, 4231);
	assert_int_equal(table__count(table), 4);
	table__free(table);
}

/* Several entries of one key are found from the newest to the oldest, also after the table
 * has grown and whatever became of their age. */
static void test_several_of_a_key(void **state)
{
	struct table *table = make((struct table_options){ .max = 1000, .in_sequence = true });
	uint64_t key = 7, left = 0;
	struct item *item;
	void *entry;

	(void)state;
	for (uint64_t i = 1; i <= 5; i++) {
		assert_int_equal(table__add(table, &key, &entry), 1);
		((struct item *)entry)->value = i;
	}
	for (uint64_t other = 100; other < 900; other++)
		put(table, other, 0);
	item = find(table, key);
	table__touch(table, table__find_next(table, item));
	table__remove(table, item);
	for (item = find(table, key); item; item = table__find_next(table, item))
		left = left * 10 + item->value;
	assert_int_equal(left, 4321);
	table__free(table);
}

static void test_walks(void **state)
{
	struct table *table = make((struct table_options){ .max = 100 });
	uint64_t order = 0;
	struct item *item, *next;

	(void)state;
	assert_null(table__next(table, NULL));
	for (uint64_t key = 1; key <= 6; key++)
		put(table, key, key);
	table__touch(table, find(table, 2));
	table__retire(table, find(table, 1));
	table__retire(table, find(table, 5));
	for (item = table__next(table, NULL); item; item = table__next(table, item))
		order = order * 10 + item->key;
	assert_int_equal(order, 346215);
	order = 0;
	for (item = table__newest(table); item; item = table__older(table, item))
		order = order * 10 + item->key;
	assert_int_equal(order, 2643);
	for (item = table__next(table, NULL); item; item = next) {
		next = table__next(table, item);
		table__remove(table, item);
	}
	assert_int_equal(table__count(table), 0);
	assert_null(table__oldest(table));
	assert_null(table__oldest_dead(table));
	table__free(table);
}

/* Whoever knows the program, but not the seed, cannot choose keys that meet. */
static void test_seeds_differ(void **state)
{
	unsigned int same = 0;

	(void)state;
	assert_true(hash__random_seed() != hash__random_seed());
	for (uint64_t i = 0; i < 10000; i++) {
		same += (hash__number(1, i) & 0xffff) == (hash__number(2, i) & 0xffff);
		same += (hash__bytes(1, &i, 8) & 0xffff) == (hash__bytes(2, &i, 8) & 0xffff);
	}
	assert_true(same < 20);
}

/* The keys of a real table: a number that counts up in any of their bytes. */
static void test_spreads(void **state)
{
	static unsigned int buckets[1024];

	(void)state;
	for (int byte = 0; byte < 39; byte++) {
		memset(buckets, 0, sizeof(buckets));
		for (unsigned int i = 0; i < 1024; i++) {
			unsigned char key[40] = { 0 };

			key[byte] = (unsigned char)i;
			key[byte + 1] = (unsigned char)(i >> 8);
			buckets[hash__bytes(12345, key, 40) % COUNT(buckets)]++;
		}
		for (size_t i = 0; i < COUNT(buckets); i++)
			assert_true(buckets[i] < 12);
	}
	/* A zero more is another text. */
	assert_true(hash__bytes(1, "a\0", 1) != hash__bytes(1, "a\0", 2));
	assert_true(hash__bytes(1, "", 0) != hash__bytes(1, "\0", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_to_its_bound),
		cmocka_unit_test(test_wrong_sizes),
		cmocka_unit_test(test_long_keys),
		cmocka_unit_test(test_the_dead_give_way_first),
		cmocka_unit_test(test_then_the_oldest_of_the_living),
		cmocka_unit_test(test_several_of_a_key),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_seeds_differ),
		cmocka_unit_test(test_spreads),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}

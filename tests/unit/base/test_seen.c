// SPDX-License-Identifier: GPL-2.0
/* The set of what was seen. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>

#include "base/seen.h"

#define PER_ENTRY 64

static struct seen *make(size_t max)
{
	struct seen *seen;

	assert_int_equal(seen__new(&seen, max), 0);
	return seen;
}

static void test_cookies(void **state)
{
	struct seen *seen = make(5000 / PER_ENTRY + 1);

	(void)state;
	assert_true(seen__is_empty(seen));
	for (uint64_t key = 1; key <= 5000; key++) {
		assert_false(seen__has(seen, key));
		seen__add(seen, key, key);
		seen__add(seen, key, key);
	}
	for (uint64_t key = 1; key <= 5000; key++)
		assert_true(seen__has(seen, key));
	assert_false(seen__has(seen, 5001));
	assert_false(seen__has(seen, 0));
	assert_int_equal(seen__forgotten_ns(seen), 0);
	assert_false(seen__is_empty(seen));
	seen__clear(seen);
	assert_true(seen__is_empty(seen));
	assert_false(seen__has(seen, 1));
	seen__free(seen);
	seen__free(NULL);
}

/* Hashes, which share no entry, between cookies, which do. */
static void test_scattered(void **state)
{
	const uint64_t step = 0x9e3779b97f4a7c15ULL;
	struct seen *seen = make(22000);

	(void)state;
	for (uint64_t i = 1; i <= 20000; i++) {
		seen__add(seen, i * step, i);
		seen__add(seen, 3 * i, i);
	}
	for (uint64_t i = 1; i <= 20000; i++) {
		assert_true(seen__has(seen, i * step));
		assert_false(seen__has(seen, i * step ^ 1));
		assert_true(seen__has(seen, 3 * i));
		assert_false(seen__has(seen, 3 * i + 1));
	}
	assert_int_equal(seen__forgotten_ns(seen), 0);
	seen__free(seen);
}

/* The entry that was added to longest ago gives way, and by when is known. */
static void test_forgets_the_oldest(void **state)
{
	struct seen *seen = make(3);

	(void)state;
	for (uint64_t i = 1; i <= 3; i++)
		seen__add(seen, i * PER_ENTRY, 100 + i);
	seen__add(seen, PER_ENTRY + 1, 110);
	assert_int_equal(seen__forgotten_ns(seen), 0);
	seen__add(seen, 4 * PER_ENTRY, 111);
	assert_false(seen__has(seen, 2 * PER_ENTRY));
	assert_int_equal(seen__forgotten_ns(seen), 102);
	assert_true(seen__has(seen, PER_ENTRY));
	seen__expire(seen, 110);
	assert_false(seen__has(seen, 3 * PER_ENTRY));
	assert_true(seen__has(seen, PER_ENTRY) && seen__has(seen, 4 * PER_ENTRY));
	assert_int_equal(seen__forgotten_ns(seen), 103);
	seen__expire(seen, 112);
	assert_false(seen__has(seen, PER_ENTRY));
	assert_int_equal(seen__forgotten_ns(seen), 111);
	seen__free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_scattered),
		cmocka_unit_test(test_forgets_the_oldest),
	};

	return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}

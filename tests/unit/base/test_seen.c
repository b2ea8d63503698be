// SPDX-License-Identifier: GPL-2.0
/* The set of what was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/seen.h"

static void test_seen(void **state)
{
	struct seen *seen;

	(void)state;
	assert_int_equal(seen__new(&seen, 5000), 0);
	for (uint64_t key = 1; key <= 5000; key++) {
		assert_false(seen__has(seen, key));
		assert_int_equal(seen__add(seen, key), 0);
		assert_int_equal(seen__add(seen, key), 0);
	}
	assert_int_equal(seen__count(seen), 5000);
	assert_int_equal(seen__add(seen, 5001), -ENOSPC);
	assert_int_equal(seen__add(seen, 1), 0);
	for (uint64_t key = 1; key <= 5000; key++)
		assert_true(seen__has(seen, key));
	assert_false(seen__has(seen, 5001));
	seen__clear(seen);
	assert_int_equal(seen__count(seen), 0);
	assert_false(seen__has(seen, 1));
	seen__free(seen);
	seen__free(NULL);
}

/* Hashes, which share no block, between cookies, which do. */
static void test_seen_scattered(void **state)
{
	const uint64_t step = 0x9e3779b97f4a7c15ULL;
	struct seen *seen;

	(void)state;
	assert_int_equal(seen__new(&seen, 40000), 0);
	for (uint64_t i = 1; i <= 20000; i++) {
		assert_int_equal(seen__add(seen, i * step), 0);
		assert_int_equal(seen__add(seen, 3 * i), 0);
	}
	assert_int_equal(seen__count(seen), 40000);
	for (uint64_t i = 1; i <= 20000; i++) {
		assert_true(seen__has(seen, i * step));
		assert_false(seen__has(seen, i * step ^ 1));
		assert_true(seen__has(seen, 3 * i));
		assert_false(seen__has(seen, 3 * i + 1));
	}
	assert_false(seen__has(seen, 0));
	assert_int_equal(seen__add(seen, 0), -ENOSPC);
	seen__free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_seen_scattered),
	};

	return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}

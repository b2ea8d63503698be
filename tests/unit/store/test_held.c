// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "store/held.h"

/* What the documents name: powers of ten, and 3.16 times each, from 100 us to 1000 s. */
static void ends_are_round(void **unused)
{
	uint64_t power_ns = 100000;

	(void)unused;
	for (unsigned int i = 0; i + 1 < HELD_BUCKETS; i += 2, power_ns *= 10) {
		assert_int_equal(held__bucket_end_ns(i), power_ns);
		if (i + 2 < HELD_BUCKETS)
			assert_int_equal(held__bucket_end_ns(i + 1), power_ns / 100 * 316);
	}
	assert_true(held__bucket_end_ns(HELD_BUCKETS - 1) == UINT64_MAX);
	assert_true(held__bucket_end_ns(HELD_BUCKETS) == UINT64_MAX);
}

/* Each end belongs to its own bucket, what is longer to the next. */
static void each_length_has_one(void **unused)
{
	(void)unused;
	assert_int_equal(held__lifetime_bucket(0), 0);
	for (unsigned int i = 0; i + 1 < HELD_BUCKETS; i++) {
		assert_int_equal(held__lifetime_bucket(held__bucket_end_ns(i)), i);
		assert_int_equal(held__lifetime_bucket(held__bucket_end_ns(i) + 1), i + 1);
	}
	assert_int_equal(held__lifetime_bucket(UINT64_MAX), HELD_BUCKETS - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_are_round),
		cmocka_unit_test(each_length_has_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* Of which sockets a look back tells: in doubt, of one. */
#include "tests/unit/unit.h"

#include "events/told.h"

static void end(struct told *told, uint64_t cookie, uint8_t action)
{
	const struct tws_ending ending = { .id = cookie, .action = action };

	told__ending(told, &ending);
}

static void test_told(void **state)
{
	struct told *told;

	(void)state;
	assert_int_equal(told__new(&told), 0);
	told__fin(told, 1);
	end(told, 1, TWS_TIME_WAIT);
	end(told, 2, TWS_ENTERED); /* in whatever order */
	told__fin(told, 2);
	assert_true(told__has(told, 1));
	assert_true(told__has(told, 2));
	told__event(told, 3);
	assert_true(told__has_event(told, 3));
	assert_false(told__has_event(told, 1));
	told__free(told);
	told__free(NULL);
}

/* One of the two records is missing: it was skipped, or written over. */
static void test_not_told(void **state)
{
	struct told *told;

	(void)state;
	assert_int_equal(told__new(&told), 0);
	told__fin(told, 1);
	end(told, 2, TWS_TIME_WAIT);
	told__fin(told, 3);
	end(told, 3, TWS_FIN_WAIT2);
	end(told, 3, TWS_BYTES);
	for (uint64_t cookie = 0; cookie < 5; cookie++)
		assert_false(told__has(told, cookie));
	told__free(told);
}

/* A FIN that came again is told like the first one. */
static void test_doubt(void **state)
{
	struct told *told;

	(void)state;
	assert_int_equal(told__new(&told), 0);
	end(told, 1, TWS_ENTERED);
	assert_true(told__has(told, 1));
	assert_false(told__has(told, 2));
	told__free(told);
}

/* More than can be remembered. */
static void test_too_many(void **state)
{
	struct told *told;

	(void)state;
	assert_int_equal(told__new(&told), 0);
	for (uint64_t i = 1; i < (1 << 20) + 2; i++)
		told__fin(told, i * 64);
	assert_true(told__has(told, 7));
	told__free(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_not_told),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}

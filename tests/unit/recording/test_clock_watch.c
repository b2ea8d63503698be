// SPDX-License-Identifier: GPL-2.0
/* The clock is put forward and back, slewed, and the machine sleeps. */
#include "tests/unit/unit.h"

#include "recording/clock_watch.h"

#define S 1000000000ULL

static bool look(struct clock_watch *watch, uint64_t wall_s, uint64_t mono_s, uint64_t boot_s,
		 struct clock_change *change)
{
	const struct clock_moment now = { wall_s * S, mono_s * S, boot_s * S };

	return clock_watch__look(watch, &now, change);
}

static void test_nothing(void **state)
{
	struct clock_watch watch = { 0 };
	struct clock_change change;
	struct clock_moment now = { 1000 * S, 10 * S, 12 * S };

	(void)state;
	assert_false(clock_watch__look(&watch, &now, &change));
	/* An hour of slewing at 500 ppm, looked at each second. */
	for (int i = 0; i < 3600; i++) {
		now.wall_ns += S + 500000;
		now.monotonic_ns += S;
		now.boot_ns += S;
		assert_false(clock_watch__look(&watch, &now, &change));
	}
}

static void test_steps(void **state)
{
	struct clock_watch watch = { 0 };
	struct clock_change change;

	(void)state;
	assert_false(look(&watch, 1000, 10, 10, &change));
	assert_true(look(&watch, 1000 + 3601, 11, 11, &change));
	assert_int_equal(change.put_from_ns, 1001 * S);
	assert_int_equal(change.put_to_ns, 4601 * S);
	assert_int_equal(change.suspended_until_ns, 0);
	assert_false(look(&watch, 4602, 12, 12, &change));
	assert_true(look(&watch, 1003, 13, 13, &change));
	assert_int_equal(change.put_from_ns, 4603 * S);
	assert_int_equal(change.put_to_ns, 1003 * S);
	/* To just after the epoch. */
	assert_true(look(&watch, 5, 14, 14, &change));
	assert_int_equal(change.put_from_ns, 1004 * S);
	assert_int_equal(change.put_to_ns, 5 * S);
}

static void test_suspended(void **state)
{
	struct clock_watch watch = { 0 };
	struct clock_change change;

	(void)state;
	assert_false(look(&watch, 1000, 10, 10, &change));
	assert_true(look(&watch, 1000 + 61, 11, 71, &change));
	assert_int_equal(change.suspended_since_ns, 1000 * S);
	assert_int_equal(change.suspended_until_ns, 1060 * S);
	assert_int_equal(change.put_to_ns, 0);
	/* It sleeps, and wakes with another time. */
	assert_true(look(&watch, 1061 + 100, 12, 132, &change));
	assert_int_equal(change.suspended_since_ns, 1061 * S);
	assert_int_equal(change.suspended_until_ns, 1121 * S);
	assert_int_equal(change.put_from_ns, 1122 * S);
	assert_int_equal(change.put_to_ns, 1161 * S);
}

static void test_clocks_of_this_machine(void **state)
{
	struct clock_watch watch = { 0 };
	struct clock_change change;
	struct clock_moment now = clock_moment__now();

	(void)state;
	assert_true(now.boot_ns >= now.monotonic_ns);
	assert_false(clock_watch__look(&watch, &now, &change));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_suspended),
		cmocka_unit_test(test_clocks_of_this_machine),
	};

	return cmocka_run_group_tests_name("recording_clock_watch", tests, NULL, NULL);
}

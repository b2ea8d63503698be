// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "capture/fins.h"

static void note(struct fins *fins, unsigned int polls, uint64_t made, uint64_t passed)
{
	while (polls--)
		fins__note(fins, made, passed, false);
}

/* Positions that were given up are no FINs. */
static void given_up_is_not_lost(void **state)
{
	struct fins fins = { .taken.counted = 100 };

	(void)state;
	note(&fins, 1, 100, 0);
	note(&fins, 1, 100, 13);
	assert_int_equal(fins.lost, 0);
	note(&fins, 100, 100, 13);
	assert_int_equal(fins.lost, 0);
}

static void written_over_is_lost_at_once(void **state)
{
	struct fins fins = { .taken.counted = 100 };

	(void)state;
	note(&fins, 1, 130, 32);
	assert_int_equal(fins.lost, 30);
	note(&fins, 100, 130, 32);
	assert_int_equal(fins.lost, 30);
	fins.taken.counted = 200;
	note(&fins, 1, 230, 32);
	assert_int_equal(fins.lost, 30);
}

/* What a program is still writing is missing for a moment, and nothing was written over. */
static void on_its_way_is_not_lost(void **state)
{
	struct fins fins = { .taken.counted = 100 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		note(&fins, 1, 101, 0);
		assert_int_equal(fins.lost, 0);
		note(&fins, 1, 100, 0);
	}
}

static void what_comes_after_all_is_taken_back(void **state)
{
	struct fins fins = { .taken.counted = 100 };

	(void)state;
	note(&fins, 1, 101, 16);
	assert_int_equal(fins.lost, 1);
	fins.taken.counted = 101;
	note(&fins, 1, 101, 16);
	assert_int_equal(fins.lost, 0);
	fins__note(&fins, 103, 16, true);
	assert_int_equal(fins.lost, 2);
}

/* The reader counts, is kept from running, and finds a ring full of what was made since. */
static void what_is_newer_makes_up_for_nothing(void **state)
{
	struct fins fins = {};

	(void)state;
	taken__begin(&fins.taken);
	for (uint64_t ns = 1001; ns <= 1500; ns++)
		fins__take(&fins, 1000, ns);
	fins__note(&fins, 100, 200, false);
	assert_int_equal(fins.lost, 100);
	taken__begin(&fins.taken);
	fins__note(&fins, 600, 200, false);
	assert_int_equal(fins.lost, 100);
}

/* No more than were written over. */
static void what_is_being_written_is_not_lost(void **state)
{
	struct fins fins = { .taken.counted = 100 };

	(void)state;
	note(&fins, 1, 105, 2);
	assert_int_equal(fins.lost, 2);
	note(&fins, 100, 105, 2);
	assert_int_equal(fins.lost, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(given_up_is_not_lost),
		cmocka_unit_test(written_over_is_lost_at_once),
		cmocka_unit_test(on_its_way_is_not_lost),
		cmocka_unit_test(what_comes_after_all_is_taken_back),
		cmocka_unit_test(what_is_newer_makes_up_for_nothing),
		cmocka_unit_test(what_is_being_written_is_not_lost),
	};

	return cmocka_run_group_tests_name("fins", tests, NULL, NULL);
}

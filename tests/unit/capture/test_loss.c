// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "capture/loss.h"

static void poll_times(struct loss *m, unsigned int times, uint64_t made, uint64_t taken)
{
	while (times--)
		loss__note(m, made, taken, false);
}

static void nothing_is_lost_at_once(void **state)
{
	struct loss m = {};

	(void)state;
	poll_times(&m, LOSS_SURE_POLLS - 1, 10, 7);
	assert_int_equal(m.lost, 0);
	poll_times(&m, 1, 10, 7);
	assert_int_equal(m.lost, 3);
}

static void the_least_counts(void **state)
{
	struct loss m = {};

	(void)state;
	poll_times(&m, LOSS_SURE_POLLS - 1, 10, 1);
	poll_times(&m, 1, 20, 18);
	assert_int_equal(m.lost, 2);
	/* What was taken after the count was made is no deficit. */
	poll_times(&m, LOSS_SURE_POLLS, 20, 25);
	assert_int_equal(m.lost, 0);
}

/* A writer whose processor was taken away in the midst, for longer than that. */
static void what_comes_late_is_not_lost(void **state)
{
	struct loss m = {};

	(void)state;
	poll_times(&m, LOSS_SURE_POLLS, 10, 8);
	assert_int_equal(m.lost, 2);
	poll_times(&m, LOSS_SURE_POLLS, 10, 10);
	assert_int_equal(m.lost, 0);
}

static void the_last_poll_is_sure(void **state)
{
	struct loss m = {};

	(void)state;
	poll_times(&m, 2, 8, 8);
	loss__note(&m, 10, 9, true);
	assert_int_equal(m.lost, 1);
	loss__note(&m, 10, 10, true);
	assert_int_equal(m.lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_at_once),
		cmocka_unit_test(the_least_counts),
		cmocka_unit_test(what_comes_late_is_not_lost),
		cmocka_unit_test(the_last_poll_is_sure),
	};

	return cmocka_run_group_tests_name("missing", tests, NULL, NULL);
}

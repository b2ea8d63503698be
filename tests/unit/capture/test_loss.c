// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "capture/loss.h"

static void poll_times(struct loss *m, unsigned int times, uint64_t made, uint64_t taken)
{
	const struct taken of = { .counted = taken };

	while (times--)
		loss__note(m, made, &of, false);
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
	loss__note(&m, 10, &(struct taken){ .counted = 9 }, true);
	assert_int_equal(m.lost, 1);
	loss__note(&m, 10, &(struct taken){ .counted = 10 }, true);
	assert_int_equal(m.lost, 0);
}

static void what_was_made_since_is_newer(void **state)
{
	const struct counting when = { 1000000, 1000100 };
	struct taken taken = {};

	(void)state;
	taken__begin(&taken);
	taken__add(&taken, &when, when.begun_ns - LOSS_EDGE_NS);
	taken__add(&taken, &when, when.begun_ns);
	taken__add(&taken, &when, when.done_ns);
	taken__add(&taken, &when, when.done_ns + 1);
	assert_int_equal(taken.counted, 3);
	assert_int_equal(taken.unsure, 2);
	assert_int_equal(taken.newer, 1);
	taken__begin(&taken);
	assert_int_equal(taken.counted, 4);
	assert_int_equal(taken.unsure, 0);
	assert_int_equal(taken.newer, 0);
}

/* What was perhaps made since hides what is missing. */
static void a_sure_poll_counts_more(void **state)
{
	struct loss m = {};

	(void)state;
	for (unsigned int i = 0; i < LOSS_SURE_POLLS; i++)
		loss__note(&m, 100, &(struct taken){ 90 + i % 4, 0, i % 4 }, false);
	assert_int_equal(m.lost, 10);
	assert_int_equal(m.missing, 7);
	for (unsigned int i = 0; i < LOSS_SURE_POLLS; i++)
		loss__note(&m, 100, &(struct taken){ 90 + i % 4, 0, 1 }, false);
	assert_int_equal(m.lost, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_at_once),
		cmocka_unit_test(the_least_counts),
		cmocka_unit_test(what_comes_late_is_not_lost),
		cmocka_unit_test(the_last_poll_is_sure),
		cmocka_unit_test(what_was_made_since_is_newer),
		cmocka_unit_test(a_sure_poll_counts_more),
	};

	return cmocka_run_group_tests_name("missing", tests, NULL, NULL);
}

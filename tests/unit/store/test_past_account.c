// SPDX-License-Identifier: GPL-2.0
/* What a recording counted, also where the clock was put back while it was made. */
#include "tests/unit/unit.h"

#include <string.h>

#include "store/past_account.h"
#include "tests/unit/store/store_support.h"

static const struct recording_options usual = { .size_bytes = 16 << 20, .raw_percent = 25 };
static const struct history_span whole = { 0, 0 };
static char *path;

static int setup(void **state)
{
	(void)state;
	path = store_support__path();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_support__remove(path);
	return 0;
}

struct told {
	unsigned int minute;
	uint64_t delivered, lost;
};

/* A run that begins at @minute and tells its account at each of @told. */
static void record(unsigned int minute, const struct told *told, unsigned int num)
{
	struct held_run run = store_support__run(STORE_BEGIN_NS + minute * MINUTE_NS);
	struct recording *rec = NULL;
	struct store_failure failure;
	struct recording_next next;

	assert_int_equal(recording__open(&rec, path, &usual, &run, &failure), 0);
	recording__next(rec, &next);
	for (unsigned int i = 0; i < num; i++) {
		const struct held_account account = {
			.wall_ns = STORE_BEGIN_NS + told[i].minute * MINUTE_NS, .run = next.run,
			.told = { .delivered = told[i].delivered, .lost = told[i].lost },
		};

		assert_int_equal(recording__begin(rec), 0);
		assert_int_equal(recording__add_account(rec, &account), 0);
		assert_int_equal(recording__commit(rec, account.wall_ns), 0);
	}
	recording__close(rec);
}

static uint64_t lost_in(const struct history_span *span, struct held_account *newest)
{
	struct feed_account account;
	struct history_status status;
	struct store_failure failure;
	struct history *history = NULL;
	uint64_t lost;

	assert_int_equal(history__open(&history, path, &failure), 0);
	assert_int_equal(history__status(history, &status), 0);
	assert_int_equal(past_account__count(&account, history, span), 0);
	lost = account.lost;
	*newest = status.account;
	history__close(history);
	return lost;
}

static void the_last_counts(void **state)
{
	static const struct told first[] = { { 1, 10, 1 }, { 2, 20, 2 } };
	static const struct told second[] = { { 11, 5, 0 }, { 12, 6, 4 }, { 13, 7, 3 } };
	const struct history_span end = { STORE_BEGIN_NS + 12 * MINUTE_NS, 0 };
	struct held_account newest;

	(void)state;
	record(0, first, COUNT(first));
	record(10, second, COUNT(second));
	assert_int_equal(lost_in(&whole, &newest), 5);
	assert_int_equal(newest.told.delivered, 7);
	assert_int_equal(lost_in(&end, &newest), 3);
}

/* In one run: what it told last is not what it told at the latest time. */
static void put_back(void **state)
{
	static const struct told run[] = {
		{ 61, 10, 1 }, { 62, 20, 2 }, { 3, 30, 5 }, { 4, 40, 7 },
	};
	struct held_account newest;

	(void)state;
	record(60, run, COUNT(run));
	assert_int_equal(lost_in(&whole, &newest), 7);
	assert_int_equal(newest.told.delivered, 40);
	assert_int_equal(newest.told.lost, 7);
}

/* Before another run began, whose times lie between the first one's. */
static void runs_lie_in_each_other(void **state)
{
	static const struct told first[] = { { 1, 10, 1 }, { 20, 20, 2 }, { 30, 30, 4 } };
	static const struct told second[] = { { 11, 5, 1 }, { 12, 6, 1 }, { 25, 7, 3 } };
	struct held_account newest;

	(void)state;
	record(0, first, COUNT(first));
	record(10, second, COUNT(second));
	assert_int_equal(lost_in(&whole, &newest), 7);
	assert_int_equal(newest.told.delivered, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(runs_lie_in_each_other, setup, teardown),
	};

	return cmocka_run_group_tests_name("past_account", tests, NULL, NULL);
}

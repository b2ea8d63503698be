// SPDX-License-Identifier: GPL-2.0
/* What was lost and what was found, set off against each other. */
#include "tests/unit/unit.h"

#include "events/losses.h"

#define SEC 1000000000ULL

static struct losses *losses;

static int setup(void **state)
{
	(void)state;
	return losses__new(&losses, true);
}

static int teardown(void **state)
{
	(void)state;
	losses__free(losses);
	return 0;
}

static void orphan(uint64_t id)
{
	const struct tws_ending ending = { .id = id, .time_ns = 10, .action = TWS_TIME_WAIT };

	losses__orphan(losses, &ending);
}

static void find(uint64_t cookie)
{
	const struct tws_event ev = { .cookie = cookie, .time_ns = 100 };

	losses__found(losses, &ev, 0);
}

static void find_others(uint64_t cookie)
{
	const struct tws_event ev = { .cookie = cookie, .time_ns = 100 };

	losses__found_others(losses, &ev, 0);
}

static void test_nothing(void **state)
{
	(void)state;
	assert_int_equal(losses__num_found(losses), 0);
	assert_int_equal(losses__count(losses, 0, 0), 0);
	assert_int_equal(losses__count(losses, 7, 0), 7);
	assert_int_equal(losses__count(losses, 7, 100), 7); /* skips are no losses */
	assert_false(losses__awaits(losses, 0));
	losses__free(NULL);
}

/* What is found makes up for what is missing, whichever it is, and for no more than that. */
static void test_found(void **state)
{
	(void)state;
	find(1);
	find(2);
	assert_int_equal(losses__num_found(losses), 2);
	assert_int_equal(losses__count(losses, 3, 0), 1);
	assert_int_equal(losses__count(losses, 2, 0), 0);
	assert_int_equal(losses__count(losses, 1, 0), 0);
	assert_int_equal(losses__count(losses, 3, 9), 1); /* skips or not: it was asked for */
}

/* Nobody lost what was before the start, but it was found. */
static void test_before_the_start(void **state)
{
	struct tws_event ev = { .cookie = 1, .time_ns = 99 };

	(void)state;
	orphan(1);
	losses__looked(losses, 1);
	losses__found(losses, &ev, 100);
	losses__found_others(losses, &ev, 100);
	assert_int_equal(losses__num_found(losses), 1);
	assert_int_equal(losses__count(losses, 1, 0), 2);
	ev.time_ns = 100;
	losses__found(losses, &ev, 100);
	assert_int_equal(losses__num_found(losses), 2);
	assert_int_equal(losses__count(losses, 1, 0), 1);
}

/* An end without its FIN is lost once a snapshot has not shown it, and not before. */
static void test_orphans(void **state)
{
	(void)state;
	orphan(1);
	orphan(2);
	assert_true(losses__awaits(losses, 2));
	assert_int_equal(losses__count(losses, 0, 0), 0);
	losses__looked(losses, 2);
	find(1);
	assert_false(losses__awaits(losses, 2));
	assert_int_equal(losses__count(losses, 0, 0), 1);
	orphan(3);
	assert_true(losses__awaits(losses, 3));
	assert_int_equal(losses__count(losses, 0, 0), 1);
}

/* Neither makes up for the other: of an orphan it is known which one it is. */
static void test_orphans_and_the_rest(void **state)
{
	(void)state;
	orphan(1);
	orphan(2);
	losses__looked(losses, 2);
	find(8);
	find(9);
	assert_int_equal(losses__count(losses, 0, 0), 2);
	assert_int_equal(losses__count(losses, 2, 0), 2);
	find(1);
	find(2);
	assert_int_equal(losses__count(losses, 2, 0), 0);
	assert_int_equal(losses__count(losses, 3, 0), 1);
}

/* A snapshot shows one that was not to be looked for yet: nothing is less than nothing. */
static void test_found_too_soon(void **state)
{
	(void)state;
	orphan(1);
	find(1);
	assert_int_equal(losses__count(losses, 0, 0), 0);
	assert_int_equal(losses__count(losses, 5, 0), 5);
}

/* Without cookies an ending does not say what is found: all is set off against all. */
static void test_no_ids(void **state)
{
	struct losses *without_ids;
	const struct tws_event ev = { .cookie = 9, .time_ns = 100 };

	(void)state;
	assert_int_equal(losses__new(&without_ids, false), 0);
	losses__looked(without_ids, 2);
	losses__found(without_ids, &ev, 0);
	assert_int_equal(losses__count(without_ids, 0, 0), 1);
	assert_int_equal(losses__count(without_ids, 3, 0), 4);
	losses__free(without_ids);
}

/* More orphans than can be told apart: likewise from then on. */
static void test_too_many_orphans(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= (1 << 18) + 1; i++)
		orphan(i * 64);
	losses__looked(losses, 3);
	find(7);
	assert_int_equal(losses__count(losses, 0, 0), 2);
}

/* What a filter leaves out here may have been skipped, and makes up for nothing then. */
static void test_others(void **state)
{
	(void)state;
	find_others(1);
	find_others(2);
	find_others(3);
	assert_int_equal(losses__num_found(losses), 0);
	assert_int_equal(losses__count(losses, 7, 0), 4);
	assert_int_equal(losses__count(losses, 7, 2), 6);
	assert_int_equal(losses__count(losses, 7, 3), 7);
	assert_int_equal(losses__count(losses, 7, 9), 7);
	orphan(4);
	losses__looked(losses, 1);
	find_others(4); /* skips or not: that one was lost */
	assert_int_equal(losses__count(losses, 7, 9), 7);
	assert_int_equal(losses__num_found(losses), 0);
}

/* As many ends without a FIN are ours as FINs of ours were lost. */
static void test_fins(void **state)
{
	(void)state;
	assert_false(losses__ends_fin(losses));
	losses__fins(losses, 2, SEC);
	assert_true(losses__ends_fin(losses));
	assert_true(losses__ends_fin(losses));
	assert_false(losses__ends_fin(losses));
	losses__fins(losses, 3, 2 * SEC);
	assert_true(losses__ends_fin(losses));
	assert_false(losses__ends_fin(losses));
}

/* Two minutes after the last loss no end is awaited any more; a further loss is awaited anew. */
static void test_fins_too_late(void **state)
{
	(void)state;
	losses__fins(losses, 1, 100 * SEC);
	losses__fins(losses, 2, 200 * SEC);
	losses__fins(losses, 2, 319 * SEC); /* the first may still be */
	assert_true(losses__ends_fin(losses));
	losses__fins(losses, 2, 320 * SEC);
	assert_false(losses__ends_fin(losses));
	losses__fins(losses, 3, 400 * SEC);
	assert_true(losses__ends_fin(losses));
	assert_false(losses__ends_fin(losses));
}

/* One that was taken for lost comes after all. */
static void test_fins_come_after_all(void **state)
{
	(void)state;
	losses__fins(losses, 3, SEC);
	assert_true(losses__ends_fin(losses));
	losses__fins(losses, 1, 2 * SEC);
	assert_false(losses__ends_fin(losses));
	losses__fins(losses, 2, 3 * SEC);
	assert_true(losses__ends_fin(losses));
	assert_false(losses__ends_fin(losses));
	losses__fins(losses, 1, 200 * SEC); /* their ends do not come twice */
	losses__fins(losses, 2, 201 * SEC);
	assert_false(losses__ends_fin(losses));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing), TEST(test_found), TEST(test_before_the_start),
		TEST(test_orphans), TEST(test_orphans_and_the_rest), TEST(test_found_too_soon),
		TEST(test_no_ids), TEST(test_too_many_orphans), TEST(test_others),
		TEST(test_fins), TEST(test_fins_too_late), TEST(test_fins_come_after_all),
	};

	return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}

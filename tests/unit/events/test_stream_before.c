// SPDX-License-Identifier: GPL-2.0
/*
 * A stream that begins with what its source has of before: each close once, in its place, also where the
 * kernel had skipped it.
 */
#include "tests/unit/events/stream_support.h"

#include <errno.h>

#include "base/clock.h"
#include "tests/unit/support.h"

/* What was in the table at the start is the baseline, once the source has told what it has of
 * before: it was told, or is not to be. */
static void test_looks_back(void **state)
{
	struct stream_options opts = options();
	struct feed_account account;
	struct stream *stream;

	(void)state;
	events.looks_back = true;
	events.is_filtered = false;
	opts.since_ns = clock__now_ns(CLOCK_MONOTONIC) - 1000;
	opts.until_ns = opts.since_ns + 100;
	add_mini(1);
	add_mini(9); /* nobody told of it */
	stream = started(&opts);
	send_event(1)->time_ns = opts.since_ns - 1;
	send_event(2)->time_ns = opts.since_ns;
	send_event(3)->time_ns = opts.until_ns;
	send_event(4)->time_ns = opts.until_ns + 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[0].cookie, 2);
	assert_int_equal(given[1].cookie, 3);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	feed__account(stream__feed(stream), &account);
	assert_int_equal(account.lost, 0);
	assert_int_equal(account.snapshot, 0);
	stream__free(stream);
}

/* One that ends at once does not take the whole table for missed. */
static void test_looks_back_only(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	events.looks_back = true;
	opts.since_ns = 1;
	stream = started(&opts);
	add_mini(9);
	send_event(1);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	stream__free(stream);
}

#define AGO(seconds) (clock__now_ns(CLOCK_MONOTONIC) - (uint64_t)((seconds) * 1e9))

static const struct kernel skipping_kernel = {
	.cookie = { .state = FEATURE_PRESENT },
	.atomics = { .state = FEATURE_PRESENT },
	.rx_sk = { .state = FEATURE_PRESENT },
	.v1_subsys = -1,
};

/* One that entered TIME_WAIT @ago_s ago, if the timer was set once. */
static void add_old_mini(uint64_t cookie, uint32_t ago_s)
{
	add_mini(cookie);
	entered_ns[num_sockets - 1] = AGO(ago_s);
}

/* Its FIN @ago_s ago, and how it ended right after, if @action is not 0. */
static void tell_close(uint64_t cookie, double ago_s, uint8_t action)
{
	struct tws_event *fin = send_event(cookie);

	fin->action = TWS_FIN;
	fin->time_ns = AGO(ago_s);
	fin->local_port = (uint16_t)(50000 + cookie);
	fin->peer_port = 80;
	assert_int_equal(netns__inode(-1, &fin->netns), 0);
	if (action)
		send_ending(fin, action);
}

/* What became of one whose FIN is not in the ring. */
static void tell_ending_alone(uint64_t cookie, double ago_s, uint8_t action)
{
	struct tws_event fin;

	support__event(&fin);
	fin.cookie = cookie;
	fin.time_ns = AGO(ago_s);
	send_ending(&fin, action);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	assert_return_code(clock_gettime(CLOCK_MONOTONIC, &now), errno);
	return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec;
}

/* On a machine that was just started nothing can be as old as these tests have it. */
static struct stream_options looking_back(double since_s)
{
	struct stream_options opts = options();

	if (clock__now_ns(CLOCK_MONOTONIC) < 100 * SEC)
		clock__set_shift(-1000LL * (int64_t)SEC, 0);
	slow_ns = slow_ns ?: monotonic_ns();
	opts.kernel = &skipping_kernel;
	opts.since_ns = AGO(since_s);
	events.looks_back = true;
	events.is_filtered = false;
	events.skipped = 1;
	return opts;
}

static void assert_given(const uint64_t *cookies, size_t num)
{
	assert_int_equal(num_given, num);
	for (size_t i = 0; i < num; i++)
		assert_int_equal(given[i].cookie, cookies[i]);
}

/* Some of what was before the start was skipped by the kernel: it is found in the table, and told
 * in its place, once. */
static void test_skipped_before(void **state)
{
	static const uint64_t want[] = { 1, 2, 3, 4, 5 };
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	tell_close(1, 10, TWS_TIME_WAIT);
	tell_close(3, 8, 0); /* how it ended was skipped */
	ring[ring_end - 1].event.conn.tgid = 33;
	tell_ending_alone(4, 7, TWS_TIME_WAIT); /* its FIN was */
	tell_close(5, 6, TWS_TIME_WAIT);
	add_old_mini(4, 7);
	add_old_mini(2, 9); /* both were */
	add_old_mini(3, 8);
	add_old_mini(1, 10);
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_given(want, COUNT(want));
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_int_equal(!!(given[i].flags & TWS_F_SNAPSHOT), want[i] > 1 && want[i] < 5);
		assert_true(!i || given[i].time_ns >= given[i - 1].time_ns);
	}
	assert_int_equal(given[2].pid, 33);
	assert_int_equal(given[1].pid, 0);
	later_s += 70;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, COUNT(want));
	assert_int_equal(account_of(stream).delivered, 5);
	assert_int_equal(account_of(stream).snapshot, 3);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* Who was skipped is not who was lost. */
static void test_skipped_are_not_lost(void **state)
{
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_old_mini(2, 9);
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	counters.event_lost = 4;
	assert_int_equal(account_of(stream).lost, 4);
	stream__free(stream);
}

/* What entered before the time that was asked for, or that the rings reach back to, or may have. */
static void test_skipped_too_early(void **state)
{
	const struct stream_options opts = looking_back(9);
	struct stream *stream;

	(void)state;
	events.reach_ns = AGO(7.05);
	add_old_mini(1, 20);
	add_old_mini(2, 8);
	add_old_mini(3, 7); /* the timer is not as exact as that */
	add_old_mini(4, 60); /* it has run out: nobody knows since when */
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	stream__free(stream);
}

/* A timer that was set anew shows one as younger than it is: its FIN came again. */
static void test_skipped_in_doubt(void **state)
{
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	tell_ending_alone(1, 5, TWS_ENTERED);
	add_old_mini(1, 5);
	add_mini(2);
	stream = started(&opts);
	tell_ending_alone(2, 0, TWS_ENTERED);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	stream__free(stream);
}

/* Where nothing was skipped, or FINs that come again are not seen, the table has nothing to add. */
static void test_nothing_skipped(void **state)
{
	struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_old_mini(1, 5);
	events.skipped = 0;
	for (int i = 0; i < 2; i++) {
		stream = started(&opts);
		assert_int_equal(feed__poll(stream__feed(stream)), 0);
		assert_int_equal(num_given, 0);
		stream__free(stream);
		opts.kernel = &kernel;
		events.skipped = 1;
	}
}

/* It entered while the reader began: its record may come late, and is not told again. */
static void test_skipped_meanwhile(void **state)
{
	static const uint64_t want[] = { 2, 1, 3 };
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_mini(1);
	add_mini(2);
	add_mini(3);
	stream = started(&opts);
	tell_close(2, 0, TWS_TIME_WAIT);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_given(want, COUNT(want));
	assert_false(given[0].flags & TWS_F_SNAPSHOT);
	assert_true(given[1].flags & TWS_F_SNAPSHOT);
	tell_close(3, 0, TWS_TIME_WAIT);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, COUNT(want));
	stream__free(stream);
}

/* What was lost meanwhile may have been told: it is counted, and not guessed at. */
static void test_lost_meanwhile(void **state)
{
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_mini(1);
	stream = started(&opts);
	counters.event_lost = 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	assert_int_equal(account_of(stream).lost, 1);
	stream__free(stream);
}

/* An end without its FIN is lost if it may be of what was asked for: not before that, nor after it. */
static void test_lost_in_time(void **state)
{
	struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	opts.until_ns = AGO(10);
	stream = started(&opts);
	tell_ending_alone(1, 31, TWS_ENTERED);
	tell_ending_alone(2, 20, TWS_ENTERED);
	tell_ending_alone(3, 9, TWS_ENTERED);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	assert_int_equal(account_of(stream).lost, 1);
	stream__free(stream);
}

/* A filter leaves out of it what it leaves out of all. */
static void test_skipped_filtered(void **state)
{
	struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_old_mini(1, 5);
	add_old_mini(2, 4);
	table[0].peer_port = 81;
	opts.filter.num_peers = 1;
	opts.filter.peers[0].port = opts.filter.peers[0].last_port = 81;
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(given[0].cookie, 1);
	stream__free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_looks_back), TEST(test_looks_back_only), TEST(test_skipped_before),
		TEST(test_skipped_are_not_lost), TEST(test_skipped_too_early),
		TEST(test_skipped_in_doubt), TEST(test_nothing_skipped),
		TEST(test_skipped_meanwhile), TEST(test_lost_meanwhile),
		TEST(test_skipped_filtered), TEST(test_lost_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

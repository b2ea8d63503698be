// SPDX-License-Identifier: GPL-2.0
/*
 * What the stream missed: when it looks into the kernel's table of sockets, what it finds there, and what is
 * said to be lost then.
 */
#include "tests/unit/events/stream_support.h"

#include "base/clock.h"

static void test_found(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	add_mini(1); /* was there before */
	stream = started(&opts);
	add_mini(2); /* is told */
	add_mini(3); /* is not */
	send_event(2);
	counters.event_lost = 1;
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[0].cookie, 2);
	assert_int_equal(given[1].cookie, 3);
	assert_true(given[1].flags & TWS_F_SNAPSHOT);
	assert_int_equal(account_of(stream).delivered, 2);
	assert_int_equal(account_of(stream).snapshot, 1);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* Something is lost when a snapshot was taken: it is found @rest_s after that, and not before. */
static void find_again(time_t rest_s)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	add_mini(1);
	counters.event_lost = 1;
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	add_mini(2);
	counters.event_lost = 2;
	later_s += rest_s - 2;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	later_s += 3;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* Nothing seems to be missing, and something is: it is found before its minute is over, however
 * long it takes to look. */
static void test_idle(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	dump_takes_s = 10;
	later_s += 46;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	add_mini(1);
	later_s += 30;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	stream__free(stream);
}

/* Records of who listens were lost: that is read anew, but not again and again. */
static void test_listeners_lost(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	dump_takes_s = 1;
	steps[0] = '\0';
	events.listens_lost_since_ns = 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "sockets ");
	assert_int_equal(events.listens_lost_since_ns, 0);
	events.listens_lost_since_ns = 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "sockets ");
	later_s += 60;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(events.listens_lost_since_ns, 0);
	stream__free(stream);
}

/* A program was skipped, perhaps for a listen(): that is read before anything else is given. */
static void test_listen_skipped(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	later_s += 2;
	steps[0] = '\0';
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "");
	skips++;
	later_s += 2;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "sockets ");
	stream__free(stream);
}

/* The process was stopped. */
static void test_after_stop(void **state)
{
	(void)state;
	dump_takes_s = 2;
	find_again(5);
}

/* A table of millions. */
static void test_after_work(void **state)
{
	(void)state;
	dump_takes_s = dump_needs_s = 3;
	find_again(42);
}

static void test_filter(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.filter.num_peers = 1;
	opts.filter.peers[0].port = opts.filter.peers[0].last_port = 81;
	stream = started(&opts);
	add_mini(1); /* the kernel side does not see what is found */
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	stream__free(stream);
}

static void send_ends(struct stream *stream, uint64_t from, unsigned int num)
{
	const struct tws_event of = { .local_port = 1, .peer_port = 80 };

	while (num--) {
		struct tws_event ev = of;

		ev.cookie = from++;
		ev.time_ns = clock__now_ns(CLOCK_MONOTONIC);
		send_ending(&ev, TWS_ENTERED);
	}
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	ring_first = ring_end = 0;
}

/* With a filter, ends without a FIN are others', but for as many as FINs were lost lately. */
static void test_others_are_not_lost(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.filter.side = TWS_SIDE_CLIENT;
	stream = started(&opts);
	send_ends(stream, 100, 10);
	fins_lost = 2;
	send_ends(stream, 200, 10);
	fins_lost = 3;
	later_s += 3;
	send_ends(stream, 0, 0); /* this one's end has not come for two minutes */
	later_s += 121;
	send_ends(stream, 300, 10);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(account_of(stream).lost, 2);
	stream__free(stream);
}

/* A recorder gives all, and what it loses may be others': what is found of them was not ours. */
static void test_others_are_found(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	events.is_filtered = false;
	opts.filter.num_peers = 1;
	opts.filter.peers[0].port = opts.filter.peers[0].last_port = 81;
	stream = started(&opts);
	for (uint64_t cookie = 1; cookie < 5; cookie++)
		add_mini(cookie);
	table[3].peer_port = 81;
	counters.event_lost = 7;
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(account_of(stream).lost, 3);
	skips = 2; /* of what was found, two may not have been lost */
	assert_int_equal(account_of(stream).lost, 5);
	stream__free(stream);
}

/* Of two the FINs were lost, and one's socket is gone; of another two nothing was told, and they are
 * found: they make up for what is missing of the rings, but not for that one. */
static void test_skipped_is_not_lost(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	send_ends(stream, 100, 2);
	add_mini(100);
	add_mini(2);
	add_mini(3);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 3);
	assert_int_equal(account_of(stream).snapshot, 3);
	assert_int_equal(account_of(stream).lost, 1);
	counters.event_lost = 2;
	assert_int_equal(account_of(stream).lost, 1);
	counters.event_lost = 3;
	assert_int_equal(account_of(stream).lost, 2);
	stream__free(stream);
}

/* Without its owner, one may be what was asked for. */
static void test_unowned_are_lost(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	events.is_filtered = false;
	opts.filter.side = TWS_SIDE_CLIENT;
	stream = started(&opts);
	add_mini(1);
	counters.event_lost = 1;
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	assert_int_equal(account_of(stream).lost, 1);
	stream__free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_found), TEST(test_filter), TEST(test_others_are_not_lost),
		TEST(test_others_are_found), TEST(test_unowned_are_lost),
		TEST(test_skipped_is_not_lost), TEST(test_listeners_lost),
		TEST(test_listen_skipped), TEST(test_after_stop), TEST(test_after_work),
		TEST(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

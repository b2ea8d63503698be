// SPDX-License-Identifier: GPL-2.0
/*
 * The whole way of an event, with a source, a kernel's table of sockets, and privileges
 * that are made up: what is given, what is counted, and in which order it starts.
 */
#include "tests/unit/events/stream_support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/support.h"

/* ---- the start ---- */

static void test_order(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	assert_string_equal(steps, "start sockets sockets ");
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_string_equal(steps, "start sockets sockets sockets stop ");
	stream__free(stream);
	stream__free(NULL);
}

static uint64_t privileges_of(struct stream *stream)
{
	uint64_t mask = 0;

	assert_int_equal(stream__privileges(stream, &mask), 0);
	stream__free(stream);
	return mask;
}

/* A kernel that answers nothing without CAP_BPF. */
static void test_privileges(void **state)
{
	const struct stream_options opts = options();

	(void)state;
	assert_int_equal(privileges_of(started(&opts)), CAPS_KEPT);
	is_admin = false;
	assert_int_equal(privileges_of(started(&opts)), CAPS_KEPT);
	counters_error = -EPERM;
	assert_int_equal(privileges_of(started(&opts)), CAPS_KEPT | CAP_BIT(CAP_BPF));
}

static void check_failure(int want, const char *what, const char *todo)
{
	const struct stream_options opts = options();
	struct feed_failure failure = {};
	struct stream *stream;

	assert_int_equal(stream__new(&stream, &opts), 0);
	assert_int_equal(stream__start(stream, &failure), want);
	assert_string_equal(failure.what, what);
	if (todo)
		assert_string_equal(failure.todo, todo);
	else
		assert_null(failure.todo);
	stream__free(stream);
}

static void test_failures(void **state)
{
	(void)state;
	start_error = -EACCES;
	check_failure(-EACCES, "cannot attach the BPF programs", "see 'twsnoop check'");
}

/* Whose error it is that ends a trace. */
static void test_whose_error(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);
	struct feed_failure failure = {};

	(void)state;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_false(feed__failed(stream__feed(stream), &failure));
	poll_error = -ENOMEM;
	assert_int_equal(feed__poll(stream__feed(stream)), -ENOMEM);
	assert_true(feed__failed(stream__feed(stream), &failure));
	assert_string_equal(failure.what, "cannot read the events");
	poll_error = 0;
	put_error = -ENOMEM;
	send_event(1);
	assert_int_equal(feed__poll(stream__feed(stream)), -ENOMEM);
	assert_false(feed__failed(stream__feed(stream), &failure));
	poll_error = -EIO;
	assert_int_equal(feed__finish(stream__feed(stream)), -EIO);
	assert_true(feed__failed(stream__feed(stream), &failure));
	stream__free(stream);
}

/* ---- what is given ---- */

static void test_given(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);
	struct feed_account account;

	(void)state;
	send_event(1);
	send_event(2)->conn.flags = TWS_F_ACTIVE; /* nobody knows by whom */
	ring[ring_end++].len = 7;
	counters.table_full = 5;
	counters.walk_failed = 4;
	skips = 3;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[1].cookie, 2);
	assert_false(feed__is_complete(stream__feed(stream)));
	send_event(3);
	assert_int_equal(feed__finish(stream__feed(stream)), 0); /* what is still in the ring */
	assert_int_equal(num_given, 3);
	account = account_of(stream);
	assert_int_equal(account.delivered, 3);
	assert_int_equal(account.lost, 1);
	assert_int_equal(account.map_full, 5);
	assert_int_equal(account.recursion, 3 + 4);
	assert_int_equal(account.unattributed, 1);
	assert_int_equal(account.snapshot, 0);
	stream__free(stream);
}

static void test_pause(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	assert_int_equal(feed__pause_ms(stream__feed(stream)), 100);
	more_records = 1000000;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_in_range(feed__pause_ms(stream__feed(stream)), 1, 50);
	more_records = 0;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__pause_ms(stream__feed(stream)), 100);
	stream__free(stream);
}

/* Whatever comes after the last one is neither given nor lost. */
static void test_max_records(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.max_records = 2;
	stream = started(&opts);
	for (uint64_t cookie = 1; cookie <= 4; cookie++)
		send_event(cookie);
	add_mini(9);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_true(feed__is_complete(stream__feed(stream)));
	send_event(5);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(account_of(stream).delivered, 2);
	assert_int_equal(account_of(stream).lost, 0);
	assert_int_equal(account_of(stream).snapshot, 0);
	stream__free(stream);
}

static void test_not_taken(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	send_event(1);
	send_event(2);
	put_error = -ENOSPC;
	assert_int_equal(feed__poll(stream__feed(stream)), -ENOSPC);
	put_error = 0;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(given[0].cookie, 2);
	assert_int_equal(account_of(stream).delivered, 1);
	assert_int_equal(account_of(stream).lost, 1);
	stream__free(stream);
}

/* ---- ends, containers ---- */

static void test_ends(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.all = true;
	stream = started(&opts);
	send_event(1);
	send_event(2)->action = TWS_OPEN; /* the same addresses */
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[1].cookie, 1);
	assert_int_equal(given[1].action, TWS_TIME_WAIT_END);
	assert_int_equal(account_of(stream).no_end, 0);
	stream__free(stream);
}

static void test_container(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);
	struct tws_cgroup *cgroup = &ring[ring_end].cgroup;

	(void)state;
	memset(cgroup, 0, sizeof(*cgroup));
	cgroup->action = TWS_CGROUP_ADDED;
	cgroup->id = 1ULL << 60 | 1; /* far from those that this machine has */
	snprintf(cgroup->path, sizeof(cgroup->path), "/docker/%064d", 1);
	ring[ring_end++].len = sizeof(*cgroup);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_true(feed__has_containers(stream__feed(stream)));
	assert_int_equal(num_given, 0);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* What the kernel side has not filtered is filtered here, with the same answers. */
static void test_filters_by_itself(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;
	struct tws_event *ev;

	(void)state;
	events.is_filtered = false;
	opts.filter.side = TWS_SIDE_CLIENT;
	stream = started(&opts);
	ev = send_event(1); /* its FIN was missed: as the kernel side, it does not know by whom */
	ev->conn.side = TWS_SIDE_CLIENT;
	send_event(2)->action = TWS_RESET; /* recorded for others, with --all */
	for (uint64_t cookie = 3; cookie < 5; cookie++) {
		ev = send_event(cookie);
		ev->action = TWS_FIN;
		ev->conn.side = cookie == 3 ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER;
		ev->end = 0;
		send_ending(ev, TWS_TIME_WAIT);
	}
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(given[0].cookie, 3);
	stream__free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order), TEST(test_privileges), TEST(test_failures),
		TEST(test_whose_error), TEST(test_given), TEST(test_pause), TEST(test_max_records),
		TEST(test_not_taken), TEST(test_ends), TEST(test_container),
		TEST(test_filters_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

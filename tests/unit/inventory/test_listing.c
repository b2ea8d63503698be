// SPDX-License-Identifier: GPL-2.0
/*
 * What list makes of a table of sockets, a ledger and a /proc, all of them made up: rows, and who
 * closed or holds each.
 */
#include "tests/unit/inventory/listing_support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "host/netns.h"
#include "inventory/holders.h"
#include "inventory/owner_cgroups.h"
#include "sockets/binds.h"

static void test_take(void **state)
{

	(void)state;
	add_tw(40001, 9, 80);
	add(SOCKDIAG_ESTABLISHED, false, 40002, 9, 80);
	add(SOCKDIAG_FIN_WAIT2, false, 40003, 9, 80);
	add(SOCKDIAG_FIN_WAIT2, true, 40004, 9, 80);
	take(&no_filter);
	assert_int_equal(l.num, 2);
	assert_int_equal(l.num_netns, 1);
	assert_non_null(listing__netns_name(&l, l.netns[0].inode));
	assert_null(listing__netns_name(&l, 1));
	assert_int_equal(l.rows[0].state, SOCKDIAG_TIME_WAIT);
	assert_int_equal(l.rows[1].state, SOCKDIAG_FIN_WAIT2);
	assert_int_equal(l.rows[0].left_ns, 50 * SECOND);
	/* of 60 s, and of the namespace's tcp_fin_timeout */
	assert_in_range(listing__age_ns(&l, &l.rows[0]), 10 * SECOND, 12 * SECOND);
	assert_in_range(listing__age_ns(&l, &l.rows[1]), 5 * SECOND, 7 * SECOND);
	assert_int_equal(l.netns[0].limits.usable_ports, 9);
}

/* All states: those with a file belong to who holds it. */
static void test_holders(void **state)
{
	const struct listing_want want = { .filter = &no_filter, .all = true };
	struct binds binds = { .complete = true };
	struct tws_bind bind = { .inode = 500, .port = 40006, .family = AF_INET,
				 .addr = { 10, 0, 0, 5 } };
	struct listing_process process;

	(void)state;
	make_process(31, "one", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	make_process(33, "two", add(SOCKDIAG_LISTEN, false, 80, 0, 0)->inode);
	make_process(32, "fork", table[1].inode);
	add(SOCKDIAG_FIN_WAIT1, false, 40002, 9, 80)->inode = 0; /* an orphan */
	add(SOCKDIAG_CLOSE_WAIT, false, 40003, 9, 80); /* whose holder may not be seen */
	add_tw(40004, 9, 80);
	make_process(34, "binder", 500);
	assert_int_equal(listing__take(&l, &source, &want, NULL), 0);
	assert_int_equal(netns__inode(-1, &bind.netns), 0);
	assert_int_equal(binds__add(&binds, &bind), 0);
	bind.netns = 1; /* was not read */
	assert_int_equal(binds__add(&binds, &bind), 0);
	assert_int_equal(listing__add_bound(&l, &binds), 0);
	binds__free(&binds);
	assert_int_equal(l.num, 6);
	assert_int_equal(holders__find(&l, root), 0);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 31);
	assert_int_equal(l.rows[0].evidence, OWNER_HOLDS);
	assert_false(l.rows[0].shared);
	assert_true(listing__process(&l, &l.rows[1], &process));
	assert_int_equal(process.tgid, 32); /* the lowest, whatever the order */
	assert_true(l.rows[1].shared);
	for (int i = 2; i < 5; i++)
		assert_false(listing__process(&l, &l.rows[i], &process));
	assert_true(l.rows[4].mini && !l.rows[3].mini);
	assert_int_equal(l.rows[3].left_ns, 0);
	assert_int_equal(l.rows[5].state, SOCKDIAG_CLOSE);
	assert_true(listing__process(&l, &l.rows[5], &process));
	assert_int_equal(process.tgid, 34);
}

/* A cgroup that nobody knows any more is not taken for the host's. */
static void test_unknown_cgroup(void **state)
{
	const uint64_t id = 1ULL << 40;

	(void)state;
	assert_int_equal(workloads__want(workloads, id, false), 0);
	if (workloads__resolve(workloads)) /* no cgroups here */
		skip();
	assert_string_equal(workloads__get(workloads, id)->label, "cgroup:1099511627776");
	assert_null(workloads__get(workloads, id)->workload.container_id);
	assert_true(workloads__any(workloads));
}

/* The cgroup of who holds a socket is where that process is now. */
static void test_owner_cgroups(void **state)
{
	const struct listing_want want = { .filter = &no_filter, .all = true };
	struct owner_cgroups *cgroups;
	struct tws_cgroup cgroup;

	(void)state;
	make_process(31, "one", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	make_process(32, "two", add(SOCKDIAG_ESTABLISHED, false, 40002, 9, 80)->inode);
	make_process(33, "three", add(SOCKDIAG_ESTABLISHED, false, 40003, 9, 80)->inode);
	make_process(34, "four", add(SOCKDIAG_ESTABLISHED, false, 40004, 9, 80)->inode);
	make_file("/31/cgroup", "4:cpu,memory:/v1\n0::/docker/b\n");
	make_file("/32/cgroup", "0::/docker/a\n");
	make_file("/33/cgroup", "4:cpu,memory:/v1\n0::/docker/b (deleted)\n");
	assert_int_equal(listing__take(&l, &source, &want, NULL), 0);
	assert_int_equal(holders__find(&l, root), 0);
	assert_int_equal(owner_cgroups__read(&cgroups, &l, root, ""), 0);
	assert_true(owner_cgroups__find(cgroups, listing__cgroup(&l, &l.rows[0]), &cgroup));
	assert_string_equal(cgroup.path, "/docker/b");
	assert_true(owner_cgroups__find(cgroups, listing__cgroup(&l, &l.rows[1]), &cgroup));
	assert_string_equal(cgroup.path, "/docker/a");
	assert_int_equal(listing__cgroup(&l, &l.rows[0]), listing__cgroup(&l, &l.rows[2]));
	assert_int_equal(listing__cgroup(&l, &l.rows[3]), 0);
	assert_false(owner_cgroups__find(cgroups, 1, &cgroup));
	assert_false(owner_cgroups__find(cgroups, UINT64_MAX, &cgroup));
	owner_cgroups__free(cgroups);
	assert_int_equal(owner_cgroups__read(&cgroups, &l, root, "memory"), 0);
	assert_true(owner_cgroups__find(cgroups, listing__cgroup(&l, &l.rows[2]), &cgroup));
	assert_string_equal(cgroup.path, "/v1");
	assert_int_equal(listing__cgroup(&l, &l.rows[1]), 0);
	owner_cgroups__free(cgroups);
}

static int stop_at(void *ctx, size_t rows)
{
	(void)ctx, (void)rows;
	return -EINTR;
}

static void test_take_errors(void **state)
{
	struct listing_want want = { .filter = &no_filter };
	unsigned int flags = 0;

	(void)state;
	dump_error = -EOPNOTSUPP;
	assert_int_equal(listing__take(&l, &source, &want, &flags), -EOPNOTSUPP);
	listing__free(&l);
	dump_error = -EPERM;
	assert_int_equal(listing__take(&l, &source, &want, &flags), -EPERM);
	assert_true(flags & SOCKETS_DENIED);
	listing__free(&l);
	dump_error = 0;
	want.tick = stop_at; /* not asked for a few */
	add_tw(40001, 9, 80);
	assert_int_equal(listing__take(&l, &source, &want, &flags), 0);
}

static void test_filter(void **state)
{
	struct tws_filter filter = {
		.num_peers = 1, .peers = { { .port = 81, .last_port = 81 } },
		.num_pids = 1, .pids = { 7 }, /* no matter here: owners come later */
	};

	(void)state;
	add_tw(40001, 9, 80);
	add_tw(40002, 9, 81);
	take(&filter);
	assert_int_equal(l.num, 1);
	assert_int_equal(l.rows[0].key.local_port, 40002);
	filter = (struct tws_filter){ .num_netns = 1, .netns = { 1 } };
	take(&filter);
	assert_int_equal(l.num, 0);
	assert_int_equal(l.num_netns, 0);
}

static void test_join(void **state)
{
	struct listing_process process;
	struct tws_event ev;

	(void)state;
	see(add_tw(40001, 9, 80)->cookie, 7, "client");
	see(add_tw(40002, 9, 80)->cookie, 0, "")->conn.flags = TWS_F_ACTIVE;
	events[1].conn.cause = TWS_CAUSE_KERNEL;
	see(add_tw(40003, 9, 80)->cookie, 0, "")->conn.flags = 0;
	events[2].conn.cause = TWS_CAUSE_UNKNOWN;
	add_tw(40004, 9, 80);
	take_and_join();
	assert_int_equal(l.rows[0].evidence, OWNER_SEEN);
	assert_int_equal(l.rows[1].evidence, OWNER_SEEN); /* by the kernel */
	assert_int_equal(l.rows[2].evidence, OWNER_UNKNOWN); /* by whom was not seen */
	assert_int_equal(l.rows[3].evidence, OWNER_UNKNOWN);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 7);
	assert_false(listing__process(&l, &l.rows[1], &process));
	assert_int_equal(l.rows[1].seen->conn->cause, TWS_CAUSE_KERNEL);
	assert_null(l.rows[3].seen);

	listing__event(&l, &l.rows[0], &ev);
	assert_int_equal(ev.action, TWS_TIME_WAIT); /* what it is now */
	assert_int_equal(ev.local_port, 40001);
	assert_int_equal(ev.netns, l.netns[0].inode);
	assert_int_equal(ev.time_ns, 5);
	listing__event(&l, &l.rows[3], &ev);
	assert_int_equal(ev.conn.flags, TWS_F_SNAPSHOT | TWS_F_NO_BYTES);
	assert_int_equal(ev.conn.tgid, 0);
}

/* What many have in common is kept once; each has its own moments and bytes. */
static void closes_share(void **state)
{
	const struct seen_close *seen[5];
	struct tws_event ev;

	(void)state;
	for (uint16_t i = 0; i < 5; i++) {
		struct tws_event *close = see(add_tw((uint16_t)(40001 + i), 9, 80)->cookie, 7, "client");

		close->action = i == 3 ? TWS_FIN : TWS_FIN_WAIT2;
		close->conn.open_ns = 3 + i;
		close->tx_bytes = 10 + i;
		close->rx_bytes = 20 + i;
		close->conn.uid = i == 4;
		close->conn.ifindex = i;
	}
	take_and_join();
	for (size_t i = 0; i < 5; i++) {
		seen[i] = l.rows[i].seen;
		listing__event(&l, &l.rows[i], &ev);
		assert_int_equal(ev.conn.open_ns, 3 + i);
		assert_int_equal(ev.time_ns, 5);
		assert_int_equal(ev.tx_bytes, 10 + i);
		assert_int_equal(ev.rx_bytes, 20 + i);
		assert_int_equal(ev.conn.ifindex, l.rows[i].key.ifindex);
		assert_int_equal(!!(ev.conn.flags & TWS_F_NO_BYTES), i == 3);
		assert_int_equal(ev.conn.uid, i == 4);
		assert_int_equal(ev.conn.tgid, 7);
	}
	assert_ptr_equal(seen[0]->conn, seen[1]->conn);
	assert_ptr_equal(seen[0]->conn, seen[2]->conn);
	assert_ptr_not_equal(seen[0]->conn, seen[3]->conn); /* how many bytes is not known */
	assert_ptr_not_equal(seen[0]->conn, seen[4]->conn); /* another user */
}

/* Where the kernel's count says that there are none, none are looked for; the namespace was read. */
static void empty_is_passed_over(void **state)
{
	(void)state;
	add_tw(40001, 9, 80);
	make_dir("/thread-self");
	make_dir("/thread-self/net");
	make_file("/thread-self/net/sockstat", "TCP: inuse 3 orphan 0 tw 0 alloc 4 mem 0\n");
	take_and_join();
	assert_int_equal(l.num, 0);
	assert_int_equal(l.num_netns, 1);
	listing__free(&l);
	make_file("/thread-self/net/sockstat", "TCP: inuse 3 orphan 0 tw 1 alloc 4 mem 0\n");
	take_and_join();
	assert_int_equal(l.num, 1);
	assert_int_equal(l.num_netns, 1);
}

/* As many rows come to stand where they stay as the kernel counts, but not where a filter may leave few. */
static void counted_ahead(void **state)
{
	struct listing_want want = { .filter = &no_filter };
	struct tws_filter filter = { .num_peers = 1, .peers = { { .port = 81, .last_port = 81 } } };
	unsigned int flags = 0;

	(void)state;
	add_tw(40001, 9, 81);
	make_dir("/thread-self");
	make_dir("/thread-self/net");
	make_file("/thread-self/net/sockstat", "TCP: inuse 3 orphan 0 tw 100000 alloc 4 mem 0\n");
	assert_int_equal(listing__take(&l, &source, &want, &flags), 0);
	assert_int_equal(l.num, 1);
	assert_in_range(l.room, 100000, 120000);
	listing__free(&l);
	want.filter = &filter;
	assert_int_equal(listing__take(&l, &source, &want, &flags), 0);
	assert_int_equal(l.num, 1);
	assert_in_range(l.room, 1, 2000);
	listing__free(&l);
	make_file("/thread-self/net/sockstat", "TCP: inuse 3 orphan 0 tw 18446744073709551615 alloc 4 mem 0\n");
	want.filter = &no_filter;
	assert_int_equal(listing__take(&l, &source, &want, &flags), 0);
	assert_in_range(l.room, 1, 2000);
}

/* Whatever was reserved before: no more than LISTING_MAX. */
static void room_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(listing__reserve(&l, 0), 0);
	assert_int_equal(listing__reserve(&l, LISTING_MAX + 1UL), -E2BIG);
	assert_int_equal(listing__reserve(&l, SIZE_MAX), -E2BIG);
	assert_int_equal(listing__reserve(&l, LISTING_MAX / 4 * 3), 0);
	l.num = l.room;
	assert_int_equal(listing__reserve(&l, 1), 0);
	assert_int_equal(l.room, LISTING_MAX);
	assert_int_equal(listing__reserve(&l, LISTING_MAX / 4 + 1), -E2BIG);
	assert_int_equal(listing__reserve(&l, LISTING_MAX / 4), 0);
	l.num = l.room;
	assert_int_equal(listing__reserve(&l, 1), -E2BIG);
	l.num = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_take), TEST(test_holders), TEST(test_owner_cgroups),
		TEST(test_unknown_cgroup), TEST(test_take_errors), TEST(test_filter),
		TEST(test_join), TEST(closes_share), TEST(empty_is_passed_over),
		TEST(counted_ahead), TEST(room_is_bounded),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Whose a socket must be that nobody saw closed, or that nobody has accepted yet.
 */
#include "tests/unit/inventory/listing_support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inventory/infer.h"

/* What nobody has accepted yet is the listener's; what is closing, nobody's. */
static void test_infer_unaccepted(void **state)
{
	const struct listing_want want = { .filter = &no_filter, .all = true };
	struct listing_process process;

	(void)state;
	make_process(31, "server", add(SOCKDIAG_LISTEN, false, 80, 0, 0)->inode);
	memset(table[0].local_addr, 0, 16);
	add(SOCKDIAG_ESTABLISHED, false, 80, 9, 40001)->inode = 0;
	add(SOCKDIAG_CLOSE_WAIT, false, 80, 9, 40002)->inode = 0;
	add(SOCKDIAG_LAST_ACK, false, 80, 9, 40003)->inode = 0;
	add(SOCKDIAG_ESTABLISHED, false, 81, 9, 40004)->inode = 0;
	assert_int_equal(listing__take(&l, &source, &want, NULL), 0);
	assert_int_equal(listeners__fill(listeners, &source, 0, NULL), 0);
	assert_true(infer__needed(&l));
	assert_int_equal(infer__owners(&l, &source, listeners, NULL), 0);
	for (int i = 1; i < 5; i++)
		assert_int_equal(listing__process(&l, &l.rows[i], &process), i < 3);
	assert_int_equal(l.rows[1].evidence, OWNER_INFERRED);
	assert_int_equal(l.owners[l.rows[1].owner - 1].tgid, 31);
}

/* All live connections to 10.0.0.9:80 are of one process; to :81 of two; one of
 * those to :82 is of a process that cannot be seen; to :83 there is an orphan, too. */
static void test_infer_live(void **state)
{
	struct listing_process process;

	(void)state;
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	make_process(22, "other", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 81)->inode);
	make_process(23, "third", add(SOCKDIAG_CLOSE_WAIT, false, 40002, 9, 81)->inode);
	make_process(24, "fourth", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 82)->inode);
	add(SOCKDIAG_ESTABLISHED, false, 40002, 9, 82);
	make_process(25, "fifth", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 83)->inode);
	add(SOCKDIAG_FIN_WAIT1, false, 40002, 9, 83)->inode = 0;
	for (uint16_t port = 80; port < 85; port++)
		add_tw(40005, 9, port);
	take_and_infer();
	assert_int_equal(l.num, 5);
	assert_int_equal(l.rows[0].evidence, OWNER_INFERRED);
	assert_int_equal(l.rows[0].side, TWS_SIDE_CLIENT);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 21);
	assert_int_equal(process.uid, 44);
	assert_string_equal(process.comm, "pool");
	assert_int_equal(l.rows[1].evidence, OWNER_UNKNOWN);
	assert_int_equal(l.rows[2].evidence, OWNER_UNKNOWN);
	assert_int_equal(l.rows[3].evidence, OWNER_INFERRED);
	assert_int_equal(l.rows[4].evidence, OWNER_UNKNOWN);
	assert_int_equal(l.rows[4].side, TWS_SIDE_UNKNOWN);
}

/* What was seen stays as it is, whatever lives beside it. */
static void test_infer_not_seen(void **state)
{
	struct listing_process process;

	(void)state;
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	see(add_tw(40005, 9, 80)->cookie, 7, "gone");
	take_and_infer();
	assert_int_equal(l.rows[0].evidence, OWNER_SEEN);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 7);
}

/* With a listener on the local port it is the server's side, and of nobody who
 * connects to the same remote end. */
static void test_infer_listener(void **state)
{
	struct listener listener = { .cookie = 1, .port = 40005, .family = AF_INET };

	(void)state;
	assert_int_equal(netns__inode(-1, &listener.netns), 0);
	assert_int_equal(listeners__add(listeners, &listener), 0);
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	add_tw(40005, 9, 80);
	take_and_infer();
	assert_int_equal(l.rows[0].side, TWS_SIDE_SERVER);
	assert_int_equal(l.rows[0].evidence, OWNER_UNKNOWN);
}

/* A process that has gone between the two looks is no owner. */
static void test_owner_gone(void **state)
{
	uint32_t index = 99;

	(void)state;
	assert_int_equal(listing__owner(&l, root, 4000000, &index), 0);
	assert_int_equal(index, 0);
	for (unsigned int pid = 1; pid < 200; pid++) {
		assert_int_equal(listing__owner(&l, root, pid, &index), 0);
		assert_int_equal(index, 0);
	}
	make_process(300, "late", 1);
	assert_int_equal(listing__owner(&l, root, 300, &index), 0);
	assert_int_equal(index, 201);
	assert_int_equal(listing__owner(&l, root, 300, &index), 0);
	assert_int_equal(index, 201);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_infer_unaccepted), TEST(test_infer_live), TEST(test_infer_not_seen),
		TEST(test_infer_listener), TEST(test_owner_gone),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

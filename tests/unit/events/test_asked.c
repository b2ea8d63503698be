// SPDX-License-Identifier: GPL-2.0
/* What was asked for, of what a source gives: a kernel's filter, and the same without one. */
#include "tests/unit/unit.h"

#include "events/asked.h"
#include "tests/unit/support.h"

#define AT 7000000000ULL /* of support__event(), of a client to port 8080 */

static struct source events;
static struct stream_options opts;
static struct tws_event ev;

static int setup(void **state)
{
	(void)state;
	events = (struct source){ 0 };
	opts = (struct stream_options){ .events = &events };
	support__event(&ev);
	return 0;
}

static void ask_for_port(uint16_t port)
{
	opts.filter.num_peers = 1;
	opts.filter.peers[0].port = opts.filter.peers[0].last_port = port;
}

/* Both ends of the time belong to it, whoever filters. */
static void test_time(void **state)
{
	(void)state;
	for (int filtered = 0; filtered < 2; filtered++) {
		events.is_filtered = filtered;
		opts.since_ns = opts.until_ns = AT;
		assert_true(asked__for(&opts, &ev, false));
		opts.since_ns = AT + 1;
		assert_false(asked__for(&opts, &ev, false));
		opts.since_ns = 0;
		opts.until_ns = AT - 1;
		assert_false(asked__for(&opts, &ev, false));
		opts.until_ns = 0; /* no end */
		assert_true(asked__for(&opts, &ev, false));
	}
}

static void test_outcome(void **state)
{
	(void)state;
	ev.action = TWS_RESET;
	assert_false(asked__for(&opts, &ev, false));
	opts.all = true;
	assert_true(asked__for(&opts, &ev, false));
	opts.all = false;
	events.is_filtered = true; /* the kernel knows what is asked for */
	assert_true(asked__for(&opts, &ev, false));
}

static void test_filter(void **state)
{
	(void)state;
	ask_for_port(81);
	assert_false(asked__for(&opts, &ev, false));
	assert_false(asked__for(&opts, &ev, true));
	events.is_filtered = true;
	assert_true(asked__for(&opts, &ev, false));
	events.is_filtered = false;
	ask_for_port(8080);
	assert_true(asked__for(&opts, &ev, false));
	assert_true(asked__for(&opts, &ev, true));
}

/* Of a mini-socket whose FIN was missed nothing of an owner counts; the event stays as it was. */
static void test_owner_unknown(void **state)
{
	(void)state;
	opts.filter.side = TWS_SIDE_CLIENT;
	assert_true(asked__for(&opts, &ev, false));
	assert_false(asked__for(&opts, &ev, true));
	assert_int_equal(ev.conn.side, TWS_SIDE_CLIENT);
	assert_int_equal(ev.conn.tgid, 812);
}

/* What is found, and not asked for, may be what was asked for only if nobody knows whose it is. */
static void test_others(void **state)
{
	(void)state;
	opts.filter.side = TWS_SIDE_SERVER;
	assert_true(asked__is_others(&opts, &ev));
	ev.conn.flags &= (uint16_t)~TWS_F_CLOSER;
	assert_false(asked__is_others(&opts, &ev));
	ask_for_port(81); /* it is not at this address in any case */
	assert_true(asked__is_others(&opts, &ev));
	ask_for_port(8080);
	assert_false(asked__is_others(&opts, &ev));
}

/* What the kernel's filter has left out was not lost: it makes up for nothing. */
static void test_others_of_filtered(void **state)
{
	(void)state;
	events.is_filtered = true;
	ask_for_port(81);
	assert_false(asked__is_others(&opts, &ev));
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_time), TEST(test_outcome), TEST(test_filter), TEST(test_owner_unknown),
		TEST(test_others), TEST(test_others_of_filtered),
	};

	return cmocka_run_group_tests_name("asked", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* Filters of events, held against the sums of minutes. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store/minute_filter.h"

static struct held_who nginx = { .id = 1, .comm = "nginx" };
static struct held_flow client, server;
static struct tws_filter f;

static int setup(void **state)
{
	(void)state;
	f = (struct tws_filter){};
	client = (struct held_flow){
		.id = 1, .netns = 7, .family = AF_INET, .peer_len = 32, .side = TWS_SIDE_CLIENT,
		.action = TWS_TIME_WAIT, .peer_port = 8080, .local_addr = { 10, 0, 0, 5 },
		.peer_addr = { 10, 0, 0, 9 },
	};
	server = (struct held_flow){
		.id = 2, .netns = 7, .family = AF_INET, .peer_len = 24, .side = TWS_SIDE_SERVER,
		.action = TWS_TIME_WAIT, .local_port = 80, .local_addr = { 10, 0, 0, 5 },
		.peer_addr = { 10, 0, 1, 0 },
	};
	return 0;
}

static bool pass(const struct held_flow *flow)
{
	return minute_filter__match(&f, &nginx, flow);
}

static void peer(uint32_t at, uint8_t c, uint8_t d, uint8_t len, uint16_t port)
{
	f.peers[at] = (struct tws_prefix){ .addr = { 10, 0, c, d }, .family = AF_INET, .len = len,
					   .port = port, .last_port = port };
	f.num_peers = at + 1;
}

static void test_no_filter(void **state)
{
	(void)state;
	assert_true(pass(&client));
	assert_true(pass(&server));
	assert_true(minute_filter__match(&f, NULL, NULL));
	f.family = AF_INET;
	assert_true(pass(&client));
	assert_false(minute_filter__match(&f, NULL, NULL)); /* ~other */
	f.family = AF_INET6;
	assert_false(pass(&client));
}

static void test_processes(void **state)
{
	(void)state;
	f.num_comms = 1;
	strcpy(f.comms[0], "nginx");
	assert_true(pass(&client));
	assert_false(minute_filter__match(&f, NULL, &client));
	strcpy(f.comms[0], "curl");
	assert_false(pass(&client));
	f.not_comms = 1;
	assert_true(pass(&client));
	assert_false(minute_filter__match(&f, NULL, &client)); /* it may be that one */
	f = (struct tws_filter){ .num_pids = 1, .pids = { 5 } };
	assert_false(pass(&client));
	f.not_pids = 1;
	assert_false(pass(&client));
}

static void test_has_peers(void **state)
{
	(void)state;
	assert_false(minute_filter__has_peers(&client));
	assert_true(minute_filter__has_peers(&server));
	server.family = AF_INET6;
	server.peer_len = 48;
	assert_true(minute_filter__has_peers(&server));
	server.peer_len = 128;
	assert_false(minute_filter__has_peers(&server));
}

static void test_peers(void **state)
{
	(void)state;
	peer(0, 0, 9, 32, 0);
	assert_true(pass(&client));
	assert_false(pass(&server));
	peer(0, 0, 9, 32, 8080);
	assert_true(pass(&client));
	peer(0, 0, 9, 32, 8081);
	assert_false(pass(&client));
	peer(0, 1, 0, 24, 0);
	assert_true(pass(&server));
	peer(0, 0, 0, 16, 0);
	assert_true(pass(&server));
	/* one of 10.0.1.0/24: nobody knows which */
	peer(0, 1, 7, 32, 0);
	assert_false(pass(&server));
	f.not_peers = 1;
	assert_false(pass(&server));
	/* none of it, for sure */
	peer(0, 2, 7, 32, 0);
	assert_true(pass(&server));
	/* perhaps the first, for sure the second */
	f.not_peers = 0;
	peer(0, 1, 7, 32, 0);
	peer(1, 1, 0, 24, 0);
	assert_true(pass(&server));
	/* a port that is not known */
	f.num_peers = 0;
	peer(0, 1, 0, 24, 5000);
	assert_false(pass(&server));
}

static void test_local_ports(void **state)
{
	(void)state;
	f.num_locals = 1;
	f.locals[0] = (struct tws_prefix){ .port = 80, .last_port = 90 };
	assert_true(pass(&server));
	assert_false(pass(&client));
	f.not_locals = 1;
	assert_false(pass(&server));
	assert_false(pass(&client));
	f.locals[0] = (struct tws_prefix){ .family = AF_INET6, .len = 128 };
	assert_true(pass(&client)); /* not that one, for sure */
}

static void test_the_rest(void **state)
{
	(void)state;
	f.side = TWS_SIDE_CLIENT;
	assert_true(pass(&client));
	assert_false(pass(&server));
	f = (struct tws_filter){ .num_netns = 1, .netns = { 7 } };
	assert_true(pass(&client));
	f.netns[0] = 8;
	assert_false(pass(&client));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_filter, setup),
		cmocka_unit_test_setup(test_processes, setup),
		cmocka_unit_test_setup(test_has_peers, setup),
		cmocka_unit_test_setup(test_peers, setup),
		cmocka_unit_test_setup(test_local_ports, setup),
		cmocka_unit_test_setup(test_the_rest, setup),
	};

	return cmocka_run_group_tests_name("minute_filter", tests, NULL, NULL);
}

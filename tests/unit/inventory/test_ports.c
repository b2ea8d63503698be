// SPDX-License-Identifier: GPL-2.0
/*
 * What list --ports makes of sockets and of bound ports: made up, in one namespace
 * where connect() may choose 40000 to 40008, and 40009 is reserved.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inventory/ports.h"
#include "output/ports_text.h"
#include "tests/unit/support.h"

#define SECOND 1000000000ULL
#define NETNS 77

static struct listing_row rows[64];
static struct listing_owner owners[8];
static struct port_set reserved;
static struct listing_netns netns;
static struct listing l;
static struct listeners *listeners;
static struct binds binds;
static struct ports ports;
static struct tws_filter filter;

/* Not asked here; the real ones need libbpf. */
bool ledger__find(const struct ledger *ledger, const struct tws_key *key, uint64_t cookie,
		  uint64_t entered_ns, struct tws_event *event)
{
	(void)ledger, (void)key, (void)cookie, (void)entered_ns, (void)event;
	return false;
}

const char *ledger__arguments(struct ledger *ledger, const struct tws_event *event, size_t *len)
{
	(void)ledger, (void)event, (void)len;
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	memset(&reserved, 0, sizeof(reserved));
	port_set__add(&reserved, 40009);
	netns = (struct listing_netns){ .inode = NETNS, .name = (char *)"blue", .limits = {
		.tw_reuse = 2, .timestamps = 1, .reuse_delay_ms = 1000, .first_port = 40000,
		.last_port = 40009, .usable_ports = 9, .reserved = &reserved,
	} };
	for (uint32_t i = 0; i < 8; i++) {
		owners[i] = (struct listing_owner){ .tgid = 10 + i, .start_ns = 1 };
		memcpy(owners[i].comm, i < 2 ? "curl" : "wget", 5);
	}
	l = (struct listing){ .rows = rows, .num_netns = 1, .netns = &netns, .owners = owners,
			      .num_owners = 8 };
	binds = (struct binds){ .complete = true };
	filter = (struct tws_filter){};
	return listeners__new(&listeners, 16);
}

static int teardown(void **state)
{
	(void)state;
	ports__free(&ports);
	binds__free(&binds);
	listeners__free(listeners);
	return 0;
}

/* From 10.0.0.5 to 10.0.0.PEER:PORT; owner 0: none. */
static struct listing_row *add(uint8_t state, bool mini, uint16_t local, uint8_t peer,
			       uint16_t port, uint32_t owner)
{
	struct listing_row *row = &rows[l.num++];

	*row = (struct listing_row){
		.key = { .local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, peer },
			 .netns = NETNS, .local_port = local, .peer_port = port },
		.family = AF_INET, .state = state, .mini = mini, .owner = owner,
		.left_ns = mini ? 50 * SECOND : 0,
	};
	if (owner)
		row->evidence = mini ? OWNER_INFERRED : OWNER_HOLDS;
	return row;
}

static struct listing_row *add_tw(uint16_t local, uint8_t peer, uint32_t owner)
{
	return add(SOCKDIAG_TIME_WAIT, true, local, peer, 80, owner);
}

static struct listing_row *add_live(uint16_t local, uint8_t peer, uint32_t owner)
{
	return add(SOCKDIAG_ESTABLISHED, false, local, peer, 80, owner);
}

static void bind_port(uint16_t port)
{
	const struct tws_bind record = { .netns = NETNS, .port = port };

	assert_int_equal(binds__add(&binds, &record), 0);
}

static void count_most(size_t most)
{
	const struct ports_want want = { &filter, listeners, &binds, most };

	ports__free(&ports);
	binds__sort(&binds);
	assert_int_equal(ports__count(&ports, &l, &want), 0);
}

static void count(void)
{
	count_most(0);
}

static const struct ports_place *place_of(enum ports_scope scope, uint8_t peer)
{
	for (size_t i = 0; i < ports.num; i++)
		if (ports.places[i].scope == scope && ports.places[i].key.peer_addr[3] == peer)
			return &ports.places[i];
	return NULL;
}

static void test_peers(void **state)
{
	struct listener listener = { .cookie = 1, .port = 40008, .family = AF_INET,
				     .netns = NETNS };
	const struct ports_place *place;

	(void)state;
	assert_int_equal(listeners__add(listeners, &listener), 0);
	/* to 10.0.0.9:80: three in TIME_WAIT, one of them a mini-FIN_WAIT2, and one live; a
	 * port that is taken twice was taken over between two looks */
	add_tw(40001, 9, 1);
	add_tw(40002, 9, 2);
	add(SOCKDIAG_FIN_WAIT2, true, 40003, 9, 80, 3);
	add_tw(40004, 9, 0);
	add_live(40004, 9, 4);
	/* listened on, the server's, not yet a connection */
	add_tw(40008, 9, 1);
	add_tw(40007, 9, 1)->side = TWS_SIDE_SERVER;
	add(SOCKDIAG_SYN_RECV, false, 40006, 9, 80, 0);
	/* to 10.0.0.8:80 one in CLOSE_WAIT, which two processes of one name hold */
	add(SOCKDIAG_CLOSE_WAIT, false, 40001, 8, 80, 1)->shared = true;
	count();
	assert_int_equal(ports.num, 2);
	place = &ports.places[0];
	assert_int_equal(place->key.peer_addr[3], 9);
	assert_int_equal(place->usable, 9);
	assert_int_equal(place->time_wait, 3);
	assert_int_equal(place->live, 1);
	assert_int_equal(place->bound, 0);
	assert_true(place->has_left);
	assert_int_equal(place->left, 5);
	assert_int_equal(place->unknown, 0);
	assert_int_equal(place->names, 2);
	assert_int_equal(place->owners[0].count, 2);
	assert_int_equal(place->owners[0].tgid, 0); /* two of them */
	place = &ports.places[1];
	assert_int_equal(place->close_wait, 1);
	assert_int_equal(place->live, 1);
	assert_string_equal(place->owners[0].comm, "curl");
	assert_int_equal(place->owners[0].tgid, 0);
}

/* Of many places those that are nearest to exhaustion, wherever they stand, with their owners. */
static void test_most(void **state)
{
	(void)state;
	for (uint8_t peer = 1; peer <= 6; peer++)
		for (uint16_t i = 0; i < 1 + peer % 4; i++)
			add_tw(40000 + i, peer, 1 + i);
	count_most(2);
	assert_int_equal(ports.num, 2);
	assert_int_equal(ports.places[0].key.peer_addr[3], 3);
	assert_int_equal(ports.places[0].time_wait, 4);
	assert_int_equal(ports.places[0].names, 2);
	assert_int_equal(ports.places[0].owners[0].count, 2);
	assert_int_equal(ports.places[1].key.peer_addr[3], 2);
	assert_int_equal(ports.places[1].time_wait, 3);
	count_most(6);
	assert_int_equal(ports.num, 6);
	assert_int_equal(ports.places[5].time_wait, 1);
}

/* For every destination: by who listens, by who bound, and by nobody that is known. */
static void test_bound(void **state)
{
	const struct ports_place *place;

	(void)state;
	for (uint16_t port = 40000; port < 40004; port++)
		bind_port(port);
	bind_port(40009); /* reserved: no matter */
	bind_port(80);
	add(SOCKDIAG_LISTEN, false, 40000, 0, 0, 3)->key.peer_addr[0] = 0;
	add_live(40001, 9, 1);
	add_tw(40001, 8, 2);
	add_tw(40002, 9, 0);
	add_live(40005, 9, 1);
	count();
	place = place_of(PORTS_PEER, 9);
	assert_int_equal(place->live, 2);
	assert_int_equal(place->time_wait, 1);
	assert_int_equal(place->bound, 2);
	assert_int_equal(place->left, 4);
	assert_int_equal(place_of(PORTS_PEER, 8)->bound, 3);
	/* here: one that listens, one that lives (not its TIME_WAIT), one in TIME_WAIT */
	place = NULL;
	for (size_t i = 0; i < ports.num; i++)
		if (ports.places[i].scope == PORTS_ALL && ports.places[i].key.local_addr[0])
			place = &ports.places[i];
	assert_non_null(place);
	assert_int_equal(place->live, 2);
	assert_int_equal(place->time_wait, 1);
	assert_int_equal(place->unknown, 1);
	assert_int_equal(place->bound, 1);
	assert_int_equal(place->left, 5);
	/* and one more, of which nothing else is known */
	for (size_t i = 0; i < ports.num; i++)
		if (ports.places[i].scope == PORTS_ALL && !ports.places[i].key.local_addr[0])
			place = &ports.places[i];
	assert_int_equal(place->live, 1);
	assert_int_equal(place->unknown, 1);
	assert_int_equal(place->left, 5);
}

/* Without the table of bound ports what is left is not known, unless nothing is. */
static void test_not_known(void **state)
{
	(void)state;
	binds.complete = false;
	add_live(40000, 9, 1);
	add(SOCKDIAG_LISTEN, false, 40001, 0, 0, 3);
	for (uint16_t port = 40000; port < 40009; port++)
		add_live(port, 8, 1);
	count();
	assert_false(place_of(PORTS_PEER, 9)->has_left);
	assert_int_equal(place_of(PORTS_PEER, 9)->bound, 1);
	assert_true(place_of(PORTS_PEER, 8)->has_left);
	assert_int_equal(place_of(PORTS_PEER, 8)->left, 0);
}

static void test_reusable(void **state)
{
	struct listing_row *row;

	(void)state;
	add_tw(40000, 9, 0);
	add_tw(40001, 9, 0)->left_ns = 60 * SECOND - 1; /* too young */
	add_tw(40002, 9, 0);			       /* bound */
	bind_port(40002);
	add(SOCKDIAG_FIN_WAIT2, true, 40003, 9, 80, 0);
	row = add_tw(40004, 1, 0);
	memcpy(row->key.peer_addr, (uint8_t[4]){ 127, 0, 0, 1 }, 4);
	count();
	assert_int_equal(place_of(PORTS_PEER, 9)->reusable, 0);
	assert_int_equal(place_of(PORTS_PEER, 1)->reusable, 1); /* on loopback */
	netns.limits.tw_reuse = 1;
	count();
	assert_int_equal(place_of(PORTS_PEER, 9)->reusable, 1);
	netns.limits.reuse_delay_ms = 20000;
	count();
	assert_int_equal(place_of(PORTS_PEER, 9)->reusable, 0);
	netns.limits.reuse_delay_ms = 1000;
	netns.limits.timestamps = 0;
	count();
	assert_int_equal(place_of(PORTS_PEER, 9)->reusable, 0);
}

/* Ports outside of the range, or reserved, are the program's own: ranges of them. */
static void test_own(void **state)
{
	const struct ports_place *place;

	(void)state;
	for (uint16_t port = 10000; port < 10010; port++)
		add_live(port, 9, 1);
	add_live(10200, 9, 1);
	add_tw(40009, 9, 2);
	/* most likely a server's that listens no more; but this one was seen to connect */
	add(SOCKDIAG_ESTABLISHED, false, 22, 8, 40001, 1);
	add(SOCKDIAG_TIME_WAIT, true, 23, 7, 40001, 1)->side = TWS_SIDE_CLIENT;
	count();
	assert_int_equal(ports.num, 4);
	place = &ports.places[0];
	assert_int_equal(place->scope, PORTS_OWN);
	assert_int_equal(place->first_port, 10000);
	assert_int_equal(place->last_port, 10009);
	assert_int_equal(place->usable, 0);
	assert_true(place->has_left);
	assert_int_equal(place->left, 0);
	assert_non_null(place_of(PORTS_OWN, 7));
	assert_null(place_of(PORTS_OWN, 8));
	rows[3].key.local_port = 1; /* a gap: of 10003 nobody knows */
	count();
	assert_int_equal(ports.places[0].last_port, 10009);
	assert_false(ports.places[0].has_left);
}

/* Sockets on two devices, and one on none, may have the same addresses and ports. */
static void test_devices(void **state)
{
	(void)state;
	bind_port(40005);
	add(SOCKDIAG_LISTEN, false, 40005, 0, 0, 3)->key.ifindex = 2;
	add_live(40001, 9, 1);
	add_live(40001, 9, 2)->key.ifindex = 2;
	add_live(40002, 9, 2)->key.ifindex = 2;
	count();
	assert_int_equal(ports.num, 3);
	for (size_t i = 0; i < ports.num; i++) {
		const struct ports_place *place = &ports.places[i];

		if (place->scope == PORTS_ALL) {
			assert_int_equal(place->key.ifindex, 0);
			continue;
		}
		assert_int_equal(place->live, place->key.ifindex ? 2 : 1);
		assert_int_equal(place->has_left, !place->key.ifindex);
	}
}

/* A filter chooses places; what takes ports elsewhere is counted whatever it says. */
static void test_filter(void **state)
{
	(void)state;
	bind_port(40000);
	add(SOCKDIAG_CLOSE, false, 40000, 0, 0, 3);
	add_live(40001, 9, 1);
	add_live(40001, 8, 1);
	filter.num_peers = 1;
	filter.peers[0] = (struct tws_prefix){ .family = AF_INET, .len = 32,
					       .addr = { 10, 0, 0, 9 } };
	count();
	assert_int_equal(ports.num, 2);
	assert_int_equal(place_of(PORTS_PEER, 9)->bound, 1);
	assert_int_equal(place_of(PORTS_ALL, 0)->live, 1);
}

static void test_none(void **state)
{
	(void)state;
	count();
	assert_int_equal(ports.num, 0);
}

static void check(enum sink_format format, const char *want)
{
	const struct list_style style = { .format = format };
	int fd = support__memfd();
	char *text;
	size_t len;

	assert_int_equal(ports_text__write(&ports, &l, &style, fd), 0);
	text = support__contents(fd, &len);
	assert_string_equal(text, want);
	free(text);
	close(fd);
}

static void test_text(void **state)
{
	(void)state;
	bind_port(40005);
	add(SOCKDIAG_LISTEN, false, 40005, 0, 0, 3);
	memset(rows[0].key.local_addr, 0, 16);
	add_tw(40001, 9, 1);
	add_tw(40002, 9, 2);
	add_live(40003, 9, 0);
	add_live(10000, 9, 4);
	add_live(10001, 9, 4);
	count();
	check(SINK_TEXT,
	      "LOCAL                PEER        USABLE TIME_WAIT LIVE BOUND LEFT USED% TAKEN BY\n"
	      "10.0.0.5             10.0.0.9:80      9         2    1     1    5  44.4 ~curl 2, unknown 1\n"
	      "*                    *                9         0    1     0    8  11.1 wget 1\n"
	      "10.0.0.5:10000-10001 10.0.0.9:80      -         0    2     -    0     - wget 2\n");
	l.num = 1;
	add(SOCKDIAG_CLOSE_WAIT, false, 10000, 9, 80, 4);
	count();
	check(SINK_JSON,
	      "{\"network\":{\"netns\":77,\"netns_name\":\"blue\"},\"ports\":{\"scope\":\"all\","
	      "\"usable\":9,\"time_wait\":0,\"live\":1,\"close_wait\":0,\"bound\":0,\"left\":8,"
	      "\"reusable\":0,\"used_percent\":11.1,\"unknown_owner\":0},\"process\":{\"pid\":12,"
	      "\"name\":\"wget\",\"ports\":1,\"inferred\":0,\"names\":1},"
	      "\"limits\":{\"tcp_tw_reuse\":2}}\n"
	      "{\"network\":{\"local\":{\"address\":\"10.0.0.5\"},\"peer\":{\"address\":\"10.0.0.9\","
	      "\"port\":80},\"netns\":77,\"netns_name\":\"blue\"},\"ports\":{\"scope\":\"own\","
	      "\"first\":10000,\"last\":10000,\"time_wait\":0,\"live\":1,\"close_wait\":1,"
	      "\"left\":0,\"reusable\":0,\"unknown_owner\":0},\"process\":{\"pid\":13,"
	      "\"name\":\"wget\",\"ports\":1,\"inferred\":0,\"names\":1},"
	      "\"limits\":{\"tcp_tw_reuse\":2}}\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_peers), TEST(test_most), TEST(test_bound),  TEST(test_not_known), TEST(test_reusable),
		TEST(test_devices), TEST(test_own),	  TEST(test_filter), TEST(test_none),	   TEST(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

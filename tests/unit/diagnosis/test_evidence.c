// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "diagnosis/recall.h"
#include "diagnosis/rules.h"
#include "tests/unit/support.h"

/*
 * What is left of a recording's older hours: sums of minutes. They are taken as counts, however many
 * they are, and nothing is made of them that only single events can tell.
 */

#define S 1000000000ULL
#define MINUTE (60 * S)
#define BEGIN (1000 * MINUTE) /* of the span */
#define NETNS 77

static struct evidence e;
static struct rules_verdict verdict;

static int setup(void **unused)
{
	(void)unused;
	assert_int_equal(evidence__init(&e), 0);
	e.since_ns = BEGIN;
	e.until_ns = BEGIN + 10 * MINUTE;
	e.looked_back = e.all = e.calls = true;
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	evidence__free(&e);
	return 0;
}

static struct held_flow flow_of(uint8_t side, uint8_t action)
{
	struct held_flow flow = { .id = 1, .netns = NETNS, .family = AF_INET, .side = side,
				  .cause = TWS_CAUSE_CLOSE, .action = action, .peer_len = 32 };

	memcpy(flow.local_addr, "\x0a\x00\x00\x01", 4);
	memcpy(flow.peer_addr, "\x0a\x00\x00\x02", 4);
	if (side == TWS_SIDE_SERVER) {
		flow.local_port = 80;
		flow.peer_len = 24;
		flow.peer_addr[3] = 0;
	} else {
		flow.peer_port = 80;
	}
	return flow;
}

static struct held_who who_of(const char *comm)
{
	struct held_who who = { .id = 1 };

	support__set_comm(who.comm, comm);
	return who;
}

/* @count in minute number @minute, each after a life of @life_ns. */
static void add(const char *comm, const struct held_flow *flow, unsigned int minute,
		uint64_t count, uint64_t life_ns)
{
	const struct held_who who = who_of(comm);
	struct held_minute m = { .wall_ns = BEGIN + minute * MINUTE, .who = 1, .flow = 1,
				 .count = count, .tx_bytes = 100 * count, .rx_bytes = 100 * count };

	if (life_ns) {
		m.lifetimes = count;
		m.lifetime_ns = life_ns * count;
		m.buckets[held__lifetime_bucket(life_ns)] = (uint32_t)count;
	}
	recall__minute(&e, &m, &who, flow);
}

static const struct evidence_flow *only_flow(void)
{
	assert_int_equal(evidence__finish(&e), 0);
	assert_int_equal(e.num_flows, 1);
	return e.flows[0];
}

static const struct finding *find(const char *id)
{
	for (size_t i = 0; i < verdict.num; i++)
		if (!strcmp(verdict.findings[i].id, id))
			return &verdict.findings[i];
	return NULL;
}

static void judge(void)
{
	assert_int_equal(evidence__finish(&e), 0);
	rules__apply(&e, &verdict);
}

/* One more close, of a client or a server, after a life of @life_ns. */
static void add_one(const char *comm, uint8_t side, uint8_t action, uint64_t life_ns)
{
	struct tws_event ev;
	const struct record rec = { .event = &ev };

	support__event(&ev);
	ev.action = action;
	ev.netns = NETNS;
	ev.conn.side = side;
	ev.conn.open_ns = ev.time_ns - life_ns;
	memset(ev.conn.comm, 0, sizeof(ev.conn.comm));
	support__set_comm(ev.conn.comm, comm);
	evidence__add(&e, &rec);
}

/* Whether what outlives a second look is kept is told by how long the others live. */
static void brief(void **unused)
{
	(void)unused;
	assert_true(evidence__is_brief(&e, S / 10));
	for (unsigned int i = 0; i < 19; i++)
		add_one("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT, S / 1000);
	add_one("web", TWS_SIDE_SERVER, TWS_TIME_WAIT, S);
	add_one("other", TWS_SIDE_CLIENT, TWS_TIME_WAIT, S);
	assert_true(evidence__is_brief(&e, S / 10)); /* a server, and one of a few */
	add_one("shop", TWS_SIDE_CLIENT, TWS_ABORT, S / 1000);
	assert_true(evidence__is_brief(&e, S / 10));
	add_one("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT, S / 10);
	assert_false(evidence__is_brief(&e, S / 10));
	assert_true(evidence__is_brief(&e, S / 5));
	add_one("shop", TWS_SIDE_CLIENT, TWS_PASSIVE_CLOSE, S / 1000); /* of which nobody knows how long */
	assert_false(evidence__is_brief(&e, S / 5));
}

static void counts(void **unused)
{
	const struct held_flow flow = flow_of(TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct evidence_flow *f;
	struct evidence_lifetimes life;

	(void)unused;
	for (unsigned int i = 0; i < 10; i++)
		add("shop", &flow, i, 6000 + (i == 4) * 601, 5000000);
	f = only_flow();
	assert_int_equal(f->time_waits, 60601);
	assert_int_equal(f->summed, 60601);
	assert_int_equal(f->causes[TWS_CAUSE_CLOSE], 60601);
	assert_int_equal(f->tx_bytes, 6060100);
	assert_int_equal(f->held.most, 6601);
	assert_int_equal(e.events, 60601);
	assert_int_equal(f->num_lifetimes, 60601);
	assert_true(evidence__lifetimes(f, &life));
	/* as exact as the bucket is */
	assert_true(life.median_ns > 3160000 && life.median_ns < 10000000);
	assert_true(life.p10_ns < life.median_ns && life.median_ns < life.p90_ns);
	assert_int_equal(evidence__recent_tenths_per_s(&e, f), 1000);
}

/* A file may say what it will: it takes no longer, and nothing is made of it that is not a number. */
static void absurd(void **unused)
{
	const struct held_flow flow = flow_of(TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct held_flow abort = flow_of(TWS_SIDE_CLIENT, TWS_ABORT);

	(void)unused;
	for (unsigned int i = 0; i < 100; i++) {
		add("shop", &flow, i, UINT64_MAX / 2, 5000000);
		add("shop", &abort, 1000 - i, UINT64_MAX, 5000000);
	}
	judge();
	assert_true(verdict.num > 0);
}

/* Several sums are of one flow and minute: by other causes, from other peers. */
static void minutes_in_parts(void **unused)
{
	struct held_flow flow = flow_of(TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	for (unsigned int i = 0; i < 3; i++) {
		flow.cause = TWS_CAUSE_CLOSE;
		flow.peer_addr[2] = 0;
		add("web", &flow, i, 100, S);
		flow.cause = TWS_CAUSE_SHUTDOWN;
		flow.peer_addr[2] = 1;
		add("web", &flow, i, 50, S);
	}
	assert_int_equal(only_flow()->held.most, 150);
	assert_true(only_flow()->many_peers);
}

/* ~other is nobody's. */
static void others(void **unused)
{
	const struct held_minute m = { .wall_ns = BEGIN, .count = 700 };

	(void)unused;
	recall__minute(&e, &m, NULL, NULL);
	assert_int_equal(e.num_dropped, 700);
	judge();
	assert_non_null(find("blind"));
}

static void events_after_sums(void **unused)
{
	const struct held_flow flow = flow_of(TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct held_who who = who_of("shop");
	struct tws_event ev = { .action = TWS_TIME_WAIT, .family = AF_INET, .netns = NETNS,
				.local_port = 5000, .peer_port = 80,
				.conn = { .side = TWS_SIDE_CLIENT, .cause = TWS_CAUSE_CLOSE,
					  .flags = TWS_F_CLOSER, .tgid = 9 } };
	const struct record rec = { .event = &ev };
	struct evidence_lifetimes life;

	(void)unused;
	add("shop", &flow, 8, 600, 5 * S);
	memcpy(ev.local_addr, flow.local_addr, 16);
	memcpy(ev.peer_addr, flow.peer_addr, 16);
	memcpy(ev.conn.comm, who.comm, sizeof(ev.conn.comm));
	for (unsigned int i = 0; i < 1200; i++) {
		ev.time_ns = BEGIN + 9 * MINUTE + i * S / 20;
		ev.conn.open_ns = ev.time_ns - S / 1000;
		evidence__add(&e, &rec);
	}
	assert_int_equal(only_flow()->time_waits, 1800);
	assert_int_equal(only_flow()->held.most, 1200);
	/* two thirds lived for a millisecond */
	assert_true(evidence__lifetimes(only_flow(), &life));
	assert_int_equal(life.p10_ns, S / 1000);
	assert_int_equal(life.median_ns, S / 1000);
	assert_true(life.p90_ns > 3 * S && life.p90_ns < 10 * S);
	/* a PID is not everybody's */
	judge();
	for (size_t i = 0; i < verdict.num; i++)
		assert_int_equal(verdict.findings[i].pid, 0);
}

/* Sums have one lifetime on average: that they were alike is not said by it. */
static void no_idle_timeout(void **unused)
{
	const struct held_flow flow = flow_of(TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	for (unsigned int i = 0; i < 10; i++)
		add("web", &flow, i, 30, 5 * S);
	judge();
	assert_null(find("idle-timeout"));
}

/* Nor when each of them came. */
static void no_health_check(void **unused)
{
	struct held_flow flow = flow_of(TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	flow.peer_len = 32;
	for (unsigned int i = 0; i < 10; i++)
		add("web", &flow, i, 12, S / 1000);
	judge();
	assert_null(find("health-check"));
}

/* Nor of how many processes they were: each may have had one of them. */
static void no_exits(void **unused)
{
	struct held_flow flow = flow_of(TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	flow.cause = TWS_CAUSE_EXIT;
	for (unsigned int i = 0; i < 10; i++)
		add("curl", &flow, i, 100, S / 1000);
	judge();
	assert_null(find("exits"));
	assert_non_null(find("client-without-pool"));
}

/* A server's peer is the beginning of its address. */
static void loopback_of_six(void **unused)
{
	struct held_flow flow = flow_of(TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	flow.family = AF_INET6;
	flow.peer_len = 48;
	memset(flow.local_addr, 0, 16);
	memset(flow.peer_addr, 0, 16);
	flow.local_addr[15] = 1;
	add("web", &flow, 0, 100, S);
	assert_true(evidence__is_loopback(only_flow()));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(brief),
		TEST(counts),	       TEST(absurd),	      TEST(minutes_in_parts),
		TEST(others),	       TEST(events_after_sums), TEST(no_idle_timeout),
		TEST(no_health_check), TEST(no_exits),	      TEST(loopback_of_six),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

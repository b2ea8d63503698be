// SPDX-License-Identifier: GPL-2.0
/* Rows to minutes: exact sums within a bound, late rows, and flushes that have to be done again. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store/minutes.h"
#include "tests/unit/support.h"

#define MINUTE_NS 60000000000ULL
#define BEGIN_NS (SUPPORT_WALL_NS / MINUTE_NS * MINUTE_NS)

/* What the sink was given. */
struct taken {
	struct held_flow flows[20000];
	struct held_minute minutes[20000];
	size_t num_flows, num_minutes;
	size_t fail_at; /* calls from now; 0: never */
};

static struct taken taken, again;

static int may_fail(struct taken *t)
{
	return t->fail_at && !--t->fail_at ? -EIO : 0;
}

static int take_flow(void *ctx, const struct held_flow *flow)
{
	struct taken *t = ctx;

	assert_true(t->num_flows < COUNT(t->flows));
	t->flows[t->num_flows++] = *flow;
	return may_fail(t);
}

static bool has_flow(const struct taken *t, uint32_t id)
{
	for (size_t i = t->num_flows; i-- > 0;)
		if (t->flows[i].id == id)
			return true;
	return !id;
}

static int take_minute(void *ctx, const struct held_minute *minute)
{
	struct taken *t = ctx;

	assert_true(t->num_minutes < COUNT(t->minutes));
	assert_true(has_flow(t, minute->flow) || has_flow(&again, minute->flow));
	assert_int_equal(minute->wall_ns % MINUTE_NS, 0);
	assert_true(minute->count);
	t->minutes[t->num_minutes++] = *minute;
	return may_fail(t);
}

static int flush_to(struct minutes *m, struct taken *to)
{
	const struct minutes_sink sink = { take_flow, take_minute, to };

	return minutes__flush(m, &sink);
}

static struct minutes *begin(void)
{
	struct minutes *m;

	memset(&taken, 0, sizeof(taken));
	memset(&again, 0, sizeof(again));
	assert_int_equal(minutes__new(&m, 1), 0);
	assert_true(minutes__is_empty(m));
	return m;
}

/* A client's close of 3 ms at @at_ns after BEGIN_NS. */
static struct held_row row_at(uint64_t at_ns, uint32_t who)
{
	struct held_row row = { .wall_ns = BEGIN_NS + at_ns, .who = who };

	support__event(&row.event);
	row.event.conn.side = TWS_SIDE_CLIENT;
	row.event.conn.open_ns = row.event.time_ns - 3000000;
	row.event.tx_bytes = 10;
	row.event.rx_bytes = 100;
	return row;
}

static struct held_minute sum(const struct taken *t)
{
	struct held_minute all = { 0 };

	for (size_t i = 0; i < t->num_minutes; i++) {
		const struct held_minute *minute = &t->minutes[i];

		all.count += minute->count;
		all.tx_bytes += minute->tx_bytes;
		all.rx_bytes += minute->rx_bytes;
		all.lifetimes += minute->lifetimes;
		all.lifetime_ns += minute->lifetime_ns;
		for (unsigned int b = 0; b < HELD_BUCKETS; b++)
			all.buckets[b] += minute->buckets[b];
	}
	return all;
}

static void test_adds_up(void **state)
{
	struct minutes *m = begin();
	struct held_row row = row_at(1, 7);

	(void)state;
	for (int i = 0; i < 5; i++) {
		row.event.local_port = (uint16_t)(40000 + i); /* a client's: not its flow */
		assert_int_equal(minutes__add(m, &row), 0);
	}
	row.event.conn.open_ns = 0;
	row.event.conn.flags |= TWS_F_NO_BYTES;
	assert_int_equal(minutes__add(m, &row), 0);
	row = row_at(MINUTE_NS - 1, 8);
	assert_int_equal(minutes__add(m, &row), 0);
	assert_false(minutes__is_empty(m));
	assert_int_equal(flush_to(m, &taken), 0);
	minutes__flushed(m);
	assert_true(minutes__is_empty(m));

	assert_int_equal(taken.num_flows, 1);
	assert_int_equal(taken.flows[0].id, 1);
	assert_int_equal(taken.num_minutes, 2);
	assert_int_equal(taken.minutes[0].who, 7);
	assert_int_equal(taken.minutes[0].wall_ns, BEGIN_NS);
	assert_int_equal(taken.minutes[0].count, 6);
	assert_int_equal(taken.minutes[0].lifetimes, 5);
	assert_int_equal(taken.minutes[0].lifetime_ns, 15000000);
	assert_int_equal(taken.minutes[0].buckets[held__lifetime_bucket(3000000)], 5);
	assert_int_equal(taken.minutes[0].tx_bytes, 50);
	assert_int_equal(taken.minutes[0].rx_bytes, 500);
	assert_int_equal(taken.minutes[1].count, 1);
	minutes__free(m);
}

static void test_flows(void **state)
{
	struct held_row row = row_at(0, 1);
	struct held_flow flow;

	(void)state;
	row.event.error = 99;
	minutes__flow_of(&row, &flow);
	assert_int_equal(flow.local_port, 0);
	assert_int_equal(flow.peer_port, row.event.peer_port);
	assert_int_equal(flow.peer_len, 32);
	assert_int_equal(flow.error, 99);
	assert_memory_equal(flow.peer_addr, row.event.peer_addr, 16);
	assert_int_equal(flow.end, 0);

	row.event.conn.side = TWS_SIDE_SERVER;
	minutes__flow_of(&row, &flow);
	assert_int_equal(flow.local_port, row.event.local_port);
	assert_int_equal(flow.peer_port, 0);
	assert_int_equal(flow.peer_len, 24);
	assert_memory_equal(flow.peer_addr, row.event.peer_addr, 3);
	assert_int_equal(flow.peer_addr[3], 0);

	support__make_ipv6(&row.event);
	minutes__flow_of(&row, &flow);
	assert_int_equal(flow.peer_len, 48);
	assert_memory_equal(flow.peer_addr, row.event.peer_addr, 6);
	for (int i = 6; i < 16; i++)
		assert_int_equal(flow.peer_addr[i], 0);

	/* Nobody knows the side: the lower port is the server's. */
	row.event.conn.side = TWS_SIDE_UNKNOWN;
	row.event.local_port = 443;
	row.event.peer_port = 50000;
	minutes__flow_of(&row, &flow);
	assert_int_equal(flow.local_port, 443);
	assert_int_equal(flow.peer_port, 0);
	assert_int_equal(flow.side, TWS_SIDE_UNKNOWN);
	row.event.local_port = 50000;
	row.event.peer_port = 443;
	minutes__flow_of(&row, &flow);
	assert_int_equal(flow.local_port, 0);
	assert_int_equal(flow.peer_port, 443);

	row.event.action = TWS_BIND_FAILED;
	row.event.local_port = 80;
	minutes__flow_of(&row, &flow);
	assert_int_equal(flow.local_port, 80);
	assert_int_equal(flow.peer_len, 0);
	row.event.action = TWS_TIME_WAIT_END;
	row.event.end = TWS_END_EXPIRED;
	minutes__flow_of(&row, &flow);
	assert_int_equal(flow.end, TWS_END_EXPIRED);
}

/* 3,000 flows of who 1, of which flow i counts i % 3 + 1: none of them matters. Then five more that
 * come late. */
static void test_bound(void **state)
{
	struct minutes *m = begin();
	uint64_t made = 0, of_other = 0;
	struct held_row row;

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		row = row_at(i, 1);
		row.event.peer_port = (uint16_t)(1000 + i);
		for (unsigned int n = 0; n <= i % 3; n++, made++)
			assert_int_equal(minutes__add(m, &row), 0);
	}
	assert_int_equal(flush_to(m, &taken), 0);
	minutes__flushed(m);
	assert_int_equal(taken.num_minutes, MINUTES_SURE_ROWS + 1);
	assert_int_equal(taken.num_flows, MINUTES_SURE_ROWS);
	for (size_t i = 0; i < taken.num_minutes; i++) {
		if (taken.minutes[i].flow) {
			assert_int_equal(taken.minutes[i].count, 3);
			continue;
		}
		assert_int_equal(taken.minutes[i].who, 0);
		of_other += taken.minutes[i].count;
	}
	assert_int_equal(of_other, made - MINUTES_SURE_ROWS * 3);
	assert_int_equal(sum(&taken).count, made);

	/* One of those that are there, and one that is not. */
	again = taken;
	memset(&taken, 0, sizeof(taken));
	row.event.peer_port = again.flows[7].peer_port;
	assert_int_equal(minutes__add(m, &row), 0);
	row.event.peer_port = 999;
	assert_int_equal(minutes__add(m, &row), 0);
	assert_int_equal(flush_to(m, &taken), 0);
	minutes__flushed(m);
	assert_int_equal(taken.num_flows, 0);
	assert_int_equal(taken.num_minutes, 2);
	assert_int_equal(taken.minutes[0].count, 1);
	assert_int_not_equal(taken.minutes[0].flow, 0);
	assert_int_equal(taken.minutes[1].flow, 0);
	minutes__free(m);
}

/* A thousand flows that each are a thousandth: there is room for all but one. */
static void test_all_matter(void **state)
{
	struct minutes *m = begin();
	struct held_row row;

	(void)state;
	for (unsigned int i = 0; i < 1000 * 3; i++) {
		row = row_at(i, 1);
		row.event.peer_port = (uint16_t)(1000 + i % 1000);
		assert_int_equal(minutes__add(m, &row), 0);
	}
	assert_int_equal(flush_to(m, &taken), 0);
	minutes__flushed(m);
	assert_int_equal(taken.num_minutes, MINUTES_ROWS);
	assert_int_equal(sum(&taken).count, 3000);
	minutes__free(m);
}

/* More flows than are kept apart: all are counted. */
static void test_memory_is_bounded(void **state)
{
	struct minutes *m = begin();
	struct held_row row = row_at(0, 1);
	const uint64_t made = 70000;

	(void)state;
	for (unsigned int i = 0; i < made; i++) {
		row.who = i + 1;
		assert_int_equal(minutes__add(m, &row), 0);
	}
	assert_int_equal(flush_to(m, &taken), 0);
	assert_int_equal(taken.num_minutes, MINUTES_SURE_ROWS + 1);
	assert_int_equal(sum(&taken).count, made);
	assert_int_equal(sum(&taken).tx_bytes, made * 10);
	assert_int_equal(sum(&taken).buckets[held__lifetime_bucket(3000000)], made);
	minutes__free(m);
}

static void test_again(void **state)
{
	struct minutes *m = begin();
	struct held_row row;

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		row = row_at(i % 3 * MINUTE_NS, i % 7);
		row.event.peer_port = (uint16_t)(i % 5 + 1);
		assert_int_equal(minutes__add(m, &row), 0);
	}
	for (size_t fail_at = 1; fail_at < 100; fail_at += 9) {
		again = (struct taken){ .fail_at = fail_at };
		assert_int_equal(flush_to(m, &again), -EIO);
	}
	memset(&again, 0, sizeof(again));
	assert_int_equal(flush_to(m, &again), 0);
	assert_int_equal(flush_to(m, &taken), 0);
	assert_memory_equal(&taken, &again, sizeof(taken));
	minutes__flushed(m);
	memset(&taken, 0, sizeof(taken));
	assert_int_equal(flush_to(m, &taken), 0);
	assert_int_equal(taken.num_minutes + taken.num_flows, 0);

	/* A flow that is there is not given anew, but after it was forgotten: with a new id. */
	assert_int_equal(minutes__add(m, &row), 0);
	assert_int_equal(flush_to(m, &taken), 0);
	minutes__flushed(m);
	assert_int_equal(taken.num_flows, 0);
	assert_int_equal(again.num_flows, 5);
	minutes__forget_flows(m);
	memset(&taken, 0, sizeof(taken));
	assert_int_equal(minutes__add(m, &row), 0);
	assert_int_equal(flush_to(m, &taken), 0);
	assert_int_equal(taken.num_flows, 1);
	assert_int_equal(taken.flows[0].id, again.num_flows + 1);
	minutes__free(m);
}

/* A clock that jumps: each row has its minute, and memory ends. */
static void test_jumping_clock(void **state)
{
	struct minutes *m = begin();
	struct held_row row;
	unsigned int i = 0;
	int ret;

	(void)state;
	do {
		row = row_at(i * 100 * MINUTE_NS, 1);
		ret = minutes__add(m, &row);
		i += !ret;
	} while (!ret && i < 1000);
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(flush_to(m, &taken), 0);
	minutes__flushed(m);
	assert_int_equal(taken.num_minutes, i);
	assert_int_equal(minutes__add(m, &row), 0);
	assert_int_equal(flush_to(m, &taken), 0);
	assert_int_equal(taken.minutes[i].wall_ns, BEGIN_NS + i * 100 * MINUTE_NS);
	minutes__free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_up),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_all_matter),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_jumping_clock),
	};

	return cmocka_run_group_tests_name("minutes", tests, NULL, NULL);
}

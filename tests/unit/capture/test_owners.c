// SPDX-License-Identifier: GPL-2.0
/* Whose a mini-socket is: the index over an image of the ring. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/owners.h"
#include "tests/unit/support.h"

#define RECORDS 64
#define S 1000000000ULL
#define NOW (1000 * S)

static struct tws_record records[RECORDS];
static uint64_t next; /* position */

static int clear(void **state)
{
	(void)state;
	memset(records, 0, sizeof(records));
	next = 0;
	return 0;
}

/* A close of @cookie by @tgid, at @time_ns, of the client port @port. */
static void make(struct tws_event *ev, uint64_t cookie, uint32_t tgid, uint64_t time_ns,
		 uint16_t port)
{
	support__event(ev);
	ev->cookie = cookie;
	ev->conn.tgid = tgid;
	ev->time_ns = time_ns;
	ev->local_port = port;
}

static struct tws_record *write_record(const struct tws_event *ev)
{
	struct tws_record *record = &records[next % RECORDS];

	record->event = *ev;
	record->seq = ++next;
	return record;
}

static struct tws_record *put(uint64_t cookie, uint32_t tgid, uint64_t time_ns, uint16_t port)
{
	struct tws_event ev;

	make(&ev, cookie, tgid, time_ns, port);
	return write_record(&ev);
}

static struct tws_key key_of_port(uint16_t port)
{
	struct tws_key key = { .local_port = port };
	struct tws_event ev;

	support__event(&ev);
	memcpy(key.local_addr, ev.local_addr, sizeof(key.local_addr));
	memcpy(key.peer_addr, ev.peer_addr, sizeof(key.peer_addr));
	key.netns = ev.netns;
	key.peer_port = ev.peer_port;
	return key;
}

static struct owners *open_ring(void)
{
	struct owners *owners;

	assert_int_equal(owners__new(&owners, records, RECORDS, next, 0x123456789abcdefULL), 0);
	return owners;
}

/* The closer's tgid, 0 if none is known. */
static uint32_t who(struct owners *owners, uint64_t cookie, uint16_t port, uint64_t entered_ns)
{
	struct tws_key key = key_of_port(port);
	struct tws_event ev;

	if (!owners__find(owners, &key, cookie, entered_ns, &ev))
		return 0;
	assert_memory_equal(ev.local_addr, key.local_addr, sizeof(key.local_addr));
	assert_memory_equal(ev.peer_addr, key.peer_addr, sizeof(key.peer_addr));
	assert_int_equal(ev.netns, key.netns);
	assert_int_equal(ev.local_port, key.local_port);
	assert_int_equal(ev.peer_port, key.peer_port);
	assert_true(ev.time_ns);
	if (cookie)
		assert_int_equal(ev.cookie, cookie);
	return ev.conn.tgid;
}

static uint32_t who_now(uint64_t cookie, uint16_t port, uint64_t entered_ns)
{
	struct owners *owners = open_ring();
	uint32_t tgid = who(owners, cookie, port, entered_ns);

	owners__free(owners);
	return tgid;
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(who_now(1, 1000, NOW), 0);
	assert_int_equal(who_now(0, 1000, NOW), 0);
	next = 16; /* a chunk that nobody has written to yet */
	assert_int_equal(who_now(1, 1000, NOW), 0);
	owners__free(NULL);
}

static void test_bad_numbers(void **state)
{
	struct owners *owners;

	(void)state;
	assert_int_equal(owners__new(&owners, records, 0, 0, 0), -EINVAL);
	assert_int_equal(owners__new(&owners, records, 63, 0, 0), -EINVAL);
	assert_int_equal(owners__new(&owners, records, OWNERS_MAX_RECORDS * 2, 0, 0), -EINVAL);
}

static void test_by_cookie(void **state)
{
	struct owners *owners;

	(void)state;
	for (uint32_t i = 1; i <= RECORDS; i++)
		put(4096 + i, 100 + i, NOW + i, 1000 + i);
	owners = open_ring();
	for (uint32_t i = 1; i <= RECORDS; i++)
		assert_int_equal(who(owners, 4096 + i, 1000 + i, 0), 100 + i);
	assert_int_equal(who(owners, 4096, 1001, NOW), 0);
	assert_int_equal(who(owners, 4096 + RECORDS + 1, 1001, NOW), 0);
	/* A cookie that leads to another's addresses leads nowhere. */
	assert_int_equal(who(owners, 4097, 1002, NOW), 0);
	assert_int_equal(owners__oldest_ns(owners), 0);
	owners__free(owners);
}

/* The ring goes round: what was written over is gone, the rest is found. */
static void test_wrapped(void **state)
{
	struct owners *owners;

	(void)state;
	for (uint32_t i = 1; i <= 3 * RECORDS + 7; i++)
		put(i, 100 + i, NOW + i, 1000 + i);
	owners = open_ring();
	for (uint32_t i = 1; i <= 3 * RECORDS + 7; i++)
		assert_int_equal(who(owners, i, 1000 + i, 0),
				 i <= 2 * RECORDS + 7 ? 0 : 100 + i);
	assert_int_equal(owners__oldest_ns(owners), NOW + 2 * RECORDS + 8);
	/* What comes later is not seen, and what it goes over is gone. */
	put(9999, 1, NOW + 1000, 9999);
	assert_int_equal(who(owners, 9999, 9999, 0), 0);
	assert_int_equal(who(owners, 2 * RECORDS + 8, 1000 + 2 * RECORDS + 8, 0), 0);
	assert_int_equal(who(owners, 2 * RECORDS + 9, 1000 + 2 * RECORDS + 9, 0),
			 100 + 2 * RECORDS + 9);
	owners__free(owners);
}

/* Two records of one socket; and one of two that nobody is known of. */
static void test_newest(void **state)
{
	struct tws_record *record;

	(void)state;
	put(7, 100, NOW, 1000)->event.action = TWS_FIN_WAIT2;
	put(7, 101, NOW + S, 1000);
	assert_int_equal(who_now(7, 1000, NOW), 101);
	record = put(7, 0, NOW + 2 * S, 1000);
	record->event.conn.flags &= ~TWS_F_CLOSER;
	assert_int_equal(who_now(7, 1000, NOW), 101);
	record = put(8, 0, NOW, 1001);
	record->event.conn.flags &= ~TWS_F_CLOSER;
	put(8, 102, NOW - S, 1001);
	assert_int_equal(who_now(8, 1001, NOW), 102);
}

static void test_actions(void **state)
{
	static const struct {
		uint8_t action;
		uint16_t flags;
		bool counts;
	} actions[] = {
		{ TWS_FIN, TWS_F_CLOSER | TWS_F_ACTIVE, true },
		{ TWS_FIN, TWS_F_CLOSER | TWS_F_PASSIVE, false },
		{ TWS_FIN_WAIT2, TWS_F_CLOSER, true },
		{ TWS_TIME_WAIT, TWS_F_CLOSER, true },
		{ TWS_RESET, TWS_F_CLOSER | TWS_F_ACTIVE, true },
		{ TWS_PASSIVE_CLOSE, TWS_F_CLOSER | TWS_F_PASSIVE, false },
		{ TWS_TIME_WAIT_END, 0, false },
		{ TWS_OPEN, 0, false },
		{ TWS_LISTEN, TWS_F_OPENER, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(actions); i++) {
		struct tws_record *record = put(100 + i, 100, NOW, 1000 + i);

		record->event.action = actions[i].action;
		record->event.conn.flags = actions[i].flags;
		assert_int_equal(who_now(100 + i, 1000 + i, NOW), actions[i].counts ? 100 : 0);
		assert_int_equal(who_now(0, 1000 + i, NOW), actions[i].counts ? 100 : 0);
	}
	/* What came of it later does not hide whose it is. */
	put(5, 100, NOW, 999);
	put(5, 100, NOW + S, 999)->event = (struct tws_event){ .action = TWS_TIME_WAIT_END };
	assert_int_equal(who_now(5, 999, NOW), 100);
}

static void test_by_tuple(void **state)
{
	struct owners *owners;

	(void)state;
	for (uint32_t i = 1; i <= 20; i++)
		put(i % 2 ? i : 0, 100 + i, NOW + i * S, 1000 + i);
	owners = open_ring();
	for (uint32_t i = 1; i <= 20; i++) {
		uint64_t at = NOW + i * S;

		assert_int_equal(who(owners, 0, 1000 + i, at), 100 + i);
		assert_int_equal(who(owners, 0, 1000 + i, at + 3 * S / 2), 100 + i);
		assert_int_equal(who(owners, 0, 1000 + i, at - 3 * S / 2), 100 + i);
		assert_int_equal(who(owners, 0, 1000 + i, at + 3 * S / 2 + 1), 0);
		assert_int_equal(who(owners, 0, 1000 + i, at - 3 * S / 2 - 1), 0);
		/* The kernel has a cookie for it by now, and the record has none. */
		assert_int_equal(who(owners, 7777, 1000 + i, at), i % 2 ? 0 : 100 + i);
	}
	assert_int_equal(who(owners, 0, 999, NOW), 0);
	owners__free(owners);
}

/* A socket is never given to who had its addresses before or after it. */
static void test_lives(void **state)
{
	(void)state;
	put(0, 100, NOW, 1000);
	put(0, 101, NOW + 10 * S, 1000);
	assert_int_equal(who_now(0, 1000, NOW + 10 * S), 101);
	assert_int_equal(who_now(0, 1000, NOW + 5 * S), 0);
	assert_int_equal(who_now(0, 1000, NOW), 0);
	/* The peer's FIN may come a minute later. */
	put(0, 102, NOW + 20 * S, 1000)->event.action = TWS_FIN_WAIT2;
	assert_int_equal(who_now(0, 1000, NOW + 20 * S), 102);
	assert_int_equal(who_now(0, 1000, NOW + 80 * S), 102);
	assert_int_equal(who_now(0, 1000, NOW + 82 * S), 0);
	assert_int_equal(who_now(0, 1000, NOW + 18 * S), 0);
	/* A newer life of which nobody is known is not the older one. */
	put(0, 0, NOW + 21 * S, 1000)->event.conn.flags &= ~TWS_F_CLOSER;
	assert_int_equal(who_now(0, 1000, NOW + 21 * S), 0);
	/* The same with cookies: each its own. */
	put(5, 105, NOW, 2000);
	put(6, 106, NOW, 2000);
	assert_int_equal(who_now(5, 2000, 0), 105);
	assert_int_equal(who_now(6, 2000, 0), 106);
	assert_int_equal(who_now(7, 2000, NOW), 0);
}

/* Being written, given up, or of another turn of the ring. */
static void test_unready(void **state)
{
	struct owners *owners;
	struct tws_record *record;

	(void)state;
	put(1, 101, NOW, 1001);
	record = put(2, 102, NOW, 1002);
	record->seq = UINT64_MAX;
	record = put(3, 103, NOW, 1003);
	record->seq = 0;
	record = put(4, 104, NOW, 1004);
	record->seq += RECORDS;
	record = put(5, 105, NOW, 1005);
	record->seq--;
	put(6, 106, NOW, 1006);
	owners = open_ring();
	for (uint32_t i = 1; i <= 6; i++)
		assert_int_equal(who(owners, i, 1000 + i, NOW), i == 1 || i == 6 ? 100 + i : 0);
	records[5].seq = 0;
	assert_int_equal(who(owners, 6, 1006, NOW), 0);
	assert_int_equal(who(owners, 0, 1006, NOW), 0);
	owners__free(owners);
}

/* ---- what nobody sane wrote ---- */

static void test_hostile_records(void **state)
{
	(void)state;
	put(1, 100, NOW, 1001)->event.conn.side = TWS_SIDE_END;
	put(2, 100, NOW, 1002)->event.family = 77;
	memset(put(3, 100, NOW, 1003)->event.conn.comm, 'x', TWS_COMM_LEN);
	put(4, 0, NOW, 1004);
	put(5, 100, NOW, 1005)->event.action = TWS_ACTION_END;
	for (uint32_t i = 1; i <= 5; i++) {
		assert_int_equal(who_now(i, 1000 + i, NOW), 0);
		assert_int_equal(who_now(0, 1000 + i, NOW), 0);
	}
}

static void test_hostile_heads(void **state)
{
	static const uint64_t nexts[] = { 1, RECORDS, RECORDS + 1, UINT32_MAX, 1ULL << 32,
					  (1ULL << 63) - 1, 1ULL << 63, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(nexts); i++) {
		struct owners *owners;
		struct tws_event ev;

		for (uint32_t j = 0; j < RECORDS; j++) {
			make(&ev, 1 + j, 100 + j, NOW, 1000 + j);
			records[j].event = ev;
			records[j].seq = nexts[i] - j;
		}
		next = nexts[i];
		owners = open_ring();
		for (uint32_t j = 0; j < RECORDS; j++) {
			who(owners, 1 + j, 1000 + j, NOW);
			who(owners, 0, 1000 + j, NOW);
		}
		owners__free(owners);
	}
}

/* Noise of which most passes the checks; and all of one cookie, one tuple. */
static void test_noise(void **state)
{
	uint8_t *bytes = (uint8_t *)records;

	(void)state;
	srand(1);
	for (int round = 0; round < 200; round++) {
		struct owners *owners;

		clear(NULL);
		for (uint32_t i = 0; i < RECORDS; i++)
			put(round % 3 ? 1 + i % 5 : 0, 100, NOW + i, 1000 + i % 3);
		for (int i = 0; i < 20; i++)
			bytes[rand() % sizeof(records)] = rand();
		owners = open_ring();
		for (uint32_t i = 0; i < 8; i++)
			who(owners, i, 1000 + i, NOW);
		owners__free(owners);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, clear),
		cmocka_unit_test_setup(test_bad_numbers, clear),
		cmocka_unit_test_setup(test_by_cookie, clear),
		cmocka_unit_test_setup(test_wrapped, clear),
		cmocka_unit_test_setup(test_newest, clear),
		cmocka_unit_test_setup(test_actions, clear),
		cmocka_unit_test_setup(test_by_tuple, clear),
		cmocka_unit_test_setup(test_lives, clear),
		cmocka_unit_test_setup(test_unready, clear),
		cmocka_unit_test_setup(test_hostile_records, clear),
		cmocka_unit_test_setup(test_hostile_heads, clear),
		cmocka_unit_test_setup(test_noise, clear),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}

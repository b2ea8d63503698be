// SPDX-License-Identifier: GPL-2.0
/* FINs and what became of them, in every order that two CPUs may tell them in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "events/join.h"

struct got {
	struct tws_event events[8];
	size_t num;
	int result;
};

static int collect(void *ctx, const struct tws_event *event)
{
	struct got *got = ctx;

	got->events[got->num++] = *event;
	return got->result;
}

static struct join *make(size_t max, bool has_cookie, bool all)
{
	const struct join_options opts = { .max = max, .has_cookie = has_cookie, .all = all };
	struct join *join;

	assert_int_equal(join__new(&join, &opts), 0);
	return join;
}

static void fin(struct join *join, uint64_t id, uint32_t tgid)
{
	struct tws_event event = { .action = TWS_FIN, .family = 2, .time_ns = 100, .cookie = id,
				   .local_port = 80, .peer_port = (uint16_t)id, .tx_bytes = 3,
				   .conn = { .tgid = tgid,
					     .flags = TWS_F_CLOSER | TWS_F_DEAF } };

	join__fin(join, &event);
}

static int end(struct join *join, struct got *got, uint64_t id, uint8_t action, uint64_t time_ns)
{
	struct tws_ending ending = { .time_ns = time_ns, .id = id, .action = action,
				     .unsent_bytes = action == TWS_RESET ? 2 : 0, .rx_bytes = 9,
				     .local_port = 80,
				     .peer_port = (uint16_t)id };

	return join__ending(join, &ending, collect, got);
}

static void test_straight(void **state)
{
	struct join *join = make(16, true, false);
	struct got got = { 0 };

	(void)state;
	fin(join, 1, 10);
	fin(join, 2, 20);
	assert_int_equal(end(join, &got, 2, TWS_TIME_WAIT, 500), 0);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.events[0].action, TWS_TIME_WAIT);
	assert_int_equal(got.events[0].conn.tgid, 20);
	assert_int_equal(got.events[0].time_ns, 500);
	assert_int_equal(got.events[0].cookie, 2);
	assert_int_equal(got.events[0].tx_bytes, 3); /* the FIN's: all was acknowledged */
	assert_int_equal(got.events[0].rx_bytes, 9);
	assert_int_equal(join__count(join), 1);
	assert_int_equal(end(join, &got, 2, TWS_TIME_WAIT, 501), 0);
	assert_int_equal(got.num, 1);
	assert_int_equal(join__orphans(join), 1);
	assert_int_equal(end(join, &got, 1, TWS_GONE, 502), 0);
	assert_int_equal(got.num, 1);
	assert_int_equal(join__count(join), 0);
	join__free(join);
	join__free(NULL);
}

/* Through FIN_WAIT2, in both orders; and a FIN that comes again. */
static void test_mini(void **state)
{
	struct join *join = make(16, true, true);
	struct got got = { 0 };

	(void)state;
	fin(join, 1, 10);
	end(join, &got, 1, TWS_FIN_WAIT2, 200);
	end(join, &got, 1, TWS_ENTERED, 300);
	assert_int_equal(got.num, 2);
	assert_int_equal(got.events[0].action, TWS_FIN_WAIT2);
	assert_int_equal(got.events[0].time_ns, 200);
	assert_int_equal(got.events[1].action, TWS_TIME_WAIT);
	assert_int_equal(got.events[1].time_ns, 300);
	fin(join, 2, 20);
	end(join, &got, 2, TWS_ENTERED, 300);
	assert_int_equal(got.num, 2);
	end(join, &got, 2, TWS_FIN_WAIT2, 301);
	assert_int_equal(got.num, 4);
	assert_int_equal(got.events[3].action, TWS_TIME_WAIT);
	assert_int_equal(got.events[3].time_ns, 300);
	assert_int_equal(got.events[3].rx_bytes, 9);
	assert_int_equal(join__count(join), 0);
	assert_int_equal(join__orphans(join), 0);
	join__free(join);
}

/* Without --all nobody tells the mini-socket, or cares; the FIN's record has the bytes,
 * and a close() that comes later has more. */
static void test_silent_mini(void **state)
{
	struct join *join = make(16, true, false);
	struct got got = { 0 };

	(void)state;
	fin(join, 1, 10);
	end(join, &got, 1, TWS_ENTERED, 300);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.events[0].action, TWS_TIME_WAIT);
	assert_int_equal(got.events[0].conn.tgid, 10);
	assert_int_equal(got.events[0].time_ns, 300);
	assert_int_equal(got.events[0].tx_bytes, 3);
	fin(join, 2, 20);
	end(join, &got, 2, TWS_BYTES, 200);
	assert_int_equal(got.num, 1);
	end(join, &got, 2, TWS_FIN_WAIT2, 250);
	end(join, &got, 2, TWS_ENTERED, 300);
	assert_int_equal(got.num, 2);
	assert_int_equal(got.events[1].tx_bytes, 3);
	assert_int_equal(got.events[1].rx_bytes, 9);
	assert_false(got.events[1].conn.flags & TWS_F_NO_BYTES);
	assert_int_equal(join__count(join), 0);
	assert_int_equal(join__orphans(join), 0);
	join__free(join);
}

/* After shutdown() more may have come than the FIN's record knows: if close() was not told,
 * nothing is said of bytes. And what a reset cuts off was not sent. */
static void test_bytes(void **state)
{
	struct tws_event event = { .action = TWS_FIN, .family = 2, .time_ns = 100, .cookie = 1,
				   .local_port = 80, .peer_port = 1, .tx_bytes = 3,
				   .conn = { .cause = TWS_CAUSE_SHUTDOWN } };
	struct join *join = make(16, true, false);
	struct got got = { 0 };

	(void)state;
	join__fin(join, &event);
	end(join, &got, 1, TWS_ENTERED, 300);
	assert_true(got.events[0].conn.flags & TWS_F_NO_BYTES);
	join__fin(join, &event);
	end(join, &got, 1, TWS_BYTES, 200);
	end(join, &got, 1, TWS_ENTERED, 300);
	assert_false(got.events[1].conn.flags & TWS_F_NO_BYTES);
	assert_int_equal(got.events[1].tx_bytes, 3);
	assert_int_equal(got.events[1].rx_bytes, 9);
	join__fin(join, &event);
	end(join, &got, 1, TWS_RESET, 300);
	assert_int_equal(got.events[2].tx_bytes, 1);
	event.tx_bytes = 1; /* never below nothing, whatever the kernel side says */
	join__fin(join, &event);
	end(join, &got, 1, TWS_RESET, 300);
	assert_int_equal(got.events[3].tx_bytes, 0);
	assert_int_equal(got.num, 4);
	join__free(join);
}

/* After the peer's FIN nothing is received: what the FIN's record knows is all. */
static void test_passive_bytes(void **state)
{
	struct tws_event event = { .action = TWS_FIN, .family = 2, .time_ns = 100, .cookie = 1,
				   .local_port = 80, .peer_port = 1, .rx_bytes = 10,
				   .conn = { .flags = TWS_F_PASSIVE } };
	struct join *join = make(16, true, true);
	struct got got = { 0 };

	(void)state;
	join__fin(join, &event);
	end(join, &got, 1, TWS_PASSIVE_CLOSE, 300);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.events[0].rx_bytes, 10);
	join__free(join);
}

/* The oldest gives way, and is counted. */
static void test_full(void **state)
{
	struct join *join = make(4, true, false);
	struct got got = { 0 };

	(void)state;
	for (uint64_t id = 1; id <= 6; id++)
		fin(join, id, (uint32_t)id);
	assert_int_equal(join__count(join), 4);
	assert_int_equal(join__dropped(join), 2);
	for (uint64_t id = 1; id <= 6; id++)
		end(join, &got, id, TWS_TIME_WAIT, 200);
	assert_int_equal(got.num, 4);
	assert_int_equal(got.events[0].conn.tgid, 3);
	assert_int_equal(join__orphans(join), 2);
	fin(join, 9, 1);
	fin(join, 9, 2); /* the first one's end was skipped */
	assert_int_equal(join__count(join), 1);
	end(join, &got, 9, TWS_TIME_WAIT, 300);
	assert_int_equal(got.events[4].conn.tgid, 2);
	join__free(join);
}

/* A snapshot's socket, by its cookie; and by addresses, the newest of the same. */
static void test_take(void **state)
{
	struct tws_key key = { .local_port = 80, .peer_port = 3 };
	struct join *join = make(16, true, false);
	struct tws_event event;

	(void)state;
	fin(join, 3, 30);
	assert_false(join__take(join, &key, 0, &event));
	assert_false(join__take(join, &key, 4, &event));
	assert_true(join__take(join, &key, 3, &event));
	assert_int_equal(event.conn.tgid, 30);
	assert_int_equal(event.cookie, 3);
	assert_false(join__take(join, &key, 3, &event));
	join__free(join);

	join = make(16, false, false);
	fin(join, 3, 30);
	fin(join, 3 + 65536, 31);
	assert_true(join__take(join, &key, 99, &event));
	assert_int_equal(event.conn.tgid, 31);
	assert_int_equal(event.cookie, 0);
	assert_true(join__take(join, &key, 0, &event));
	assert_int_equal(event.conn.tgid, 30);
	for (int i = 0; i < 1000; i++)
		assert_false(join__take(join, &key, 0, &event));
	fin(join, 3, 30);
	assert_false(join__take(join, &key, 0, &event)); /* enough searches */
	join__rest(join);
	assert_true(join__take(join, &key, 0, &event));
	join__free(join);
}

static enum join_alive all_alive(void *ctx, const struct tws_event *fin)
{
	(void)ctx;
	(void)fin;
	return JOIN_ALIVE;
}

static enum join_alive alive(void *ctx, const struct tws_event *fin)
{
	(void)ctx;
	return fin->local_port == 80 && fin->cookie == 2 ? JOIN_ALIVE : JOIN_GONE;
}

/* What is gone is forgotten once it was missed twice in a row. */
static void test_sweep(void **state)
{
	struct join *join = make(16, true, false);
	struct got got = { 0 };

	(void)state;
	for (uint64_t id = 1; id <= 3; id++)
		fin(join, id, (uint32_t)id);
	join__sweep(join, 100, alive, NULL); /* of the snapshot's time */
	join__sweep(join, 200, alive, NULL);
	assert_int_equal(join__count(join), 3);
	join__sweep(join, 200, all_alive, NULL);
	join__sweep(join, 200, alive, NULL);
	assert_int_equal(join__count(join), 3);
	join__sweep(join, 200, alive, NULL);
	assert_int_equal(join__count(join), 1);
	for (uint64_t id = 1; id <= 3; id++)
		end(join, &got, id, TWS_ENTERED, 400);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.events[0].conn.tgid, 2);
	join__free(join);
}

static enum join_alive unseen(void *ctx, const struct tws_event *fin)
{
	(void)ctx;
	return fin->cookie % 2 ? JOIN_UNSEEN : JOIN_ALIVE;
}

/* What one snapshot missed, or nobody could look for, gives way before what is alive, and is
 * not among what was given up although it lived. */
static void test_the_dead_give_way(void **state)
{
	struct join *join = make(16, true, false);
	struct got got = { 0 };

	(void)state;
	for (uint64_t id = 1; id <= 16; id++)
		fin(join, id, (uint32_t)id);
	assert_true(join__is_crowded(join));
	join__sweep(join, 200, unseen, NULL);
	assert_false(join__is_crowded(join));
	for (uint64_t id = 101; id <= 108; id++)
		fin(join, id, (uint32_t)id);
	assert_int_equal(join__count(join), 16);
	assert_int_equal(join__dropped(join), 0);
	for (uint64_t id = 2; id <= 16; id += 2)
		end(join, &got, id, TWS_ENTERED, 400);
	assert_int_equal(got.num, 8);
	for (uint64_t id = 109; id <= 117; id++)
		fin(join, id, (uint32_t)id);
	assert_int_equal(join__dropped(join), 1);
	join__free(join);
}

/* connect(AF_UNSPEC) and connect() again: one cookie, two connections, two owners. */
static void test_lives(void **state)
{
	struct join *join = make(16, true, false);
	struct tws_event event = { .action = TWS_FIN, .family = 2, .time_ns = 100, .cookie = 5,
				   .local_port = 80, .peer_port = 5,
				   .conn = { .tgid = 10, .flags = TWS_F_CLOSER } };
	struct got got = { 0 };

	(void)state;
	join__fin(join, &event);
	event.local_port = 81; /* the second life */
	event.conn.tgid = 11;
	join__fin(join, &event);
	end(join, &got, 5, TWS_ENTERED, 300);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.events[0].conn.tgid, 10);
	assert_int_equal(got.events[0].local_port, 80);
	assert_int_equal(join__count(join), 1);
	join__free(join);
}

static bool knows(void *ctx, const struct tws_ending *ending)
{
	(void)ctx;
	return ending->id == 7;
}

/* The FIN was lost: an orphan, once it is in TIME_WAIT. But a FIN may come again, to a
 * socket that was reported long ago. */
static void test_lost_fin(void **state)
{
	const struct join_options opts = { .max = 16, .has_cookie = true, .known = knows };
	struct got got = { 0 };
	struct join *join;

	(void)state;
	assert_int_equal(join__new(&join, &opts), 0);
	end(join, &got, 1, TWS_FIN_WAIT2, 200);
	end(join, &got, 1, TWS_BYTES, 200);
	end(join, &got, 1, TWS_GONE, 200);
	assert_int_equal(join__orphans(join), 0);
	end(join, &got, 1, TWS_ENTERED, 300);
	assert_int_equal(join__orphans(join), 1);
	end(join, &got, 7, TWS_ENTERED, 300);
	end(join, &got, 7, TWS_TIME_WAIT, 300);
	assert_int_equal(join__orphans(join), 1);
	end(join, &got, 8, TWS_TIME_WAIT, 300);
	assert_int_equal(join__orphans(join), 2);
	assert_int_equal(join__count(join), 0);
	assert_int_equal(got.num, 0);
	join__free(join);
}

/* Of a recorder that tells every end, to a reader who asks for TIME_WAITs, or for all. */
static void test_lost_fin_of_others(void **state)
{
	(void)state;
	for (int all = 0; all < 2; all++) {
		struct join *join = make(16, true, all);
		struct got got = { 0 };

		for (uint8_t action = TWS_RESET; action <= TWS_PASSIVE_CLOSE; action++)
			end(join, &got, action, action, 200);
		assert_int_equal(join__orphans(join),
				 all ? TWS_PASSIVE_CLOSE - TWS_RESET + 1 : 0);
		assert_int_equal(got.num, 0);
		join__free(join);
	}
}

/* With --all: entered, and the mini-socket's ending is lost. A snapshot tells it, if it
 * is alive. */
static void test_lost_mini(void **state)
{
	struct join *join = make(16, true, true);
	struct got got = { 0 };

	(void)state;
	fin(join, 2, 20);
	fin(join, 3, 30);
	end(join, &got, 2, TWS_ENTERED, 300);
	end(join, &got, 3, TWS_ENTERED, 300);
	join__sweep(join, 400, alive, NULL);
	join__sweep(join, 400, alive, NULL);
	assert_int_equal(join__count(join), 1);
	assert_int_equal(join__orphans(join), 1);
	assert_int_equal(got.num, 0);
	join__free(join);
}

/* An error of the callback comes back, and nothing is told twice. */
static void test_error(void **state)
{
	struct join *join = make(16, true, true);
	struct got got = { .result = -32 };

	(void)state;
	fin(join, 1, 10);
	assert_int_equal(end(join, &got, 1, TWS_TIME_WAIT, 200), -32);
	assert_int_equal(join__count(join), 0);
	join__free(join);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_straight), cmocka_unit_test(test_mini),
		cmocka_unit_test(test_full),	 cmocka_unit_test(test_take),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_the_dead_give_way),	 cmocka_unit_test(test_error),
		cmocka_unit_test(test_lives),	 cmocka_unit_test(test_lost_fin),
		cmocka_unit_test(test_lost_fin_of_others),
		cmocka_unit_test(test_lost_mini), cmocka_unit_test(test_silent_mini),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_passive_bytes),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}

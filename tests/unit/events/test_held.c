// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "model/decode.h"
#include "events/held.h"
#include "sockets/sockdiag.h"
#include "tests/unit/support.h"

#define S 1000000000ULL
#define BEGIN (100 * S)
#define HOME 4026531840U
#define SEED 0x1234567890abcdefULL

/* A time_wait event at @time_ns; @n chooses the port, and the cookie beside it. */
static struct tws_event time_wait(unsigned int n, uint64_t time_ns)
{
	struct tws_event ev;

	support__event(&ev);
	ev.local_port = (uint16_t)n;
	ev.netns = HOME;
	ev.cookie = 1000 + n;
	ev.time_ns = time_ns;
	return ev;
}

/* What the kernel side sends of a new connection with the same addresses. */
static struct tws_event opened(const struct tws_event *of, uint8_t side, uint64_t time_ns)
{
	struct tws_event ev = { .action = TWS_OPEN, .family = of->family, .time_ns = time_ns,
				.netns = of->netns, .local_port = of->local_port,
				.peer_port = of->peer_port, .conn.side = side };

	memcpy(ev.local_addr, of->local_addr, sizeof(ev.local_addr));
	memcpy(ev.peer_addr, of->peer_addr, sizeof(ev.peer_addr));
	return ev;
}

static struct held *holding(const struct tws_event *ev)
{
	struct held *held = NULL;

	assert_int_equal(held__new(&held, 16, SEED), 0);
	if (ev)
		held__add(held, ev);
	return held;
}

static void check_end(const struct tws_event *end, const struct tws_event *of, uint8_t how,
		      uint64_t time_ns)
{
	struct tws_event want = *of;
	const struct tws_event *sound;

	want.action = TWS_TIME_WAIT_END;
	want.end = how;
	want.time_ns = time_ns;
	assert_memory_equal(end, &want, sizeof(want));
	assert_int_equal(decode__event(end, sizeof(*end), &sound), 0);
}

/* ---- what events tell ---- */

static void reuse(void **unused)
{
	static const struct {
		uint8_t side, end;
	} cases[] = { { TWS_SIDE_CLIENT, TWS_END_REUSED_BY_CONNECT },
		      { TWS_SIDE_SERVER, TWS_END_REUSED_BY_SYN },
		      { TWS_SIDE_UNKNOWN, TWS_END_UNKNOWN } };

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tws_event ev = time_wait(1, BEGIN), end;
		struct tws_event open = opened(&ev, cases[i].side, BEGIN + S);
		struct held *held = holding(&ev);

		assert_true(held__ended(held, &open, &end));
		check_end(&end, &ev, cases[i].end, BEGIN + S);
		assert_int_equal(held__count(held), 0);
		assert_false(held__ended(held, &open, &end));
		held__free(held);
	}
}

static void not_its_own(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN), other, end;
	struct held *held = holding(&ev);

	(void)unused;
	/* of the connection that became this TIME_WAIT */
	other = opened(&ev, TWS_SIDE_CLIENT, BEGIN - 1);
	assert_false(held__ended(held, &other, &end));
	/* with other addresses */
	for (int i = 0; i < 5; i++) {
		other = opened(&ev, TWS_SIDE_CLIENT, BEGIN + S);
		other.local_port += i == 0;
		other.peer_port += i == 1;
		other.netns += i == 2;
		other.local_addr[3] += i == 3;
		other.peer_addr[15] += i == 4;
		assert_false(held__ended(held, &other, &end));
	}
	/* a listener, and a connect() that got no port or none that was free */
	other = opened(&ev, TWS_SIDE_CLIENT, BEGIN + S);
	other.action = TWS_LISTEN;
	assert_false(held__ended(held, &other, &end));
	other.action = TWS_CONNECT_FAILED;
	assert_false(held__ended(held, &other, &end));
	other.error = ECONNREFUSED;
	assert_true(held__ended(held, &other, &end));
	check_end(&end, &ev, TWS_END_REUSED_BY_CONNECT, BEGIN + S);
	held__free(held);
}

static void reset(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN), rst, end;
	struct held *held = holding(&ev);

	(void)unused;
	rst = opened(&ev, 0, BEGIN + S);
	rst.action = TWS_TIME_WAIT_END;
	rst.end = TWS_END_RESET;
	rst.cookie = ev.cookie + 1;
	assert_false(held__ended(held, &rst, &end));
	rst.cookie = ev.cookie;
	assert_true(held__ended(held, &rst, &end));
	check_end(&end, &ev, TWS_END_RESET, BEGIN + S);
	/* a kernel without cookies */
	held__add(held, &ev);
	rst.cookie = 0;
	assert_true(held__ended(held, &rst, &end));
	assert_false(held__ended(held, &rst, &end));
	held__free(held);
}

/* A second life of the same addresses, whose opening was missed. */
static void replaced(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN), again = time_wait(1, BEGIN + 5 * S), end;
	struct tws_event open = opened(&ev, TWS_SIDE_SERVER, BEGIN + 6 * S);
	struct held *held = holding(&ev);

	(void)unused;
	assert_false(held__ended(held, &ev, &end));
	again.cookie = 77;
	again.conn.open_ns = BEGIN + 4 * S;
	assert_true(held__ended(held, &again, &end));
	check_end(&end, &ev, TWS_END_REUSED_BY_CONNECT, BEGIN + 4 * S);
	held__add(held, &again);
	held__add(held, &again);
	assert_int_equal(held__count(held), 1);
	/* one that was overtaken */
	held__add(held, &ev);
	assert_int_equal(held__dropped(held), 1);
	assert_true(held__ended(held, &open, &end));
	check_end(&end, &again, TWS_END_REUSED_BY_SYN, BEGIN + 6 * S);
	held__free(held);
}

/* A port comes round again once its minute is over: that is no reuse. */
static void after_its_time(void **unused)
{
	static const struct {
		uint64_t open_ns, time_ns;
		uint8_t end;
	} cases[] = {
		{ BEGIN + 60 * S - 1, BEGIN + 60 * S - 1, TWS_END_REUSED_BY_SYN },
		{ BEGIN + 61 * S, BEGIN + 61 * S, TWS_END_UNKNOWN }, /* the timer may be late */
		{ BEGIN + 66 * S, BEGIN + 60 * S, TWS_END_EXPIRED },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tws_event ev = time_wait(1, BEGIN), end;
		struct tws_event open = opened(&ev, TWS_SIDE_SERVER, cases[i].open_ns);
		struct held *held = holding(&ev);

		assert_true(held__ended(held, &open, &end));
		check_end(&end, &ev, cases[i].end, cases[i].time_ns);
		held__free(held);
	}
}

/* ---- what snapshots tell ---- */

struct ends {
	size_t num;
	struct tws_event list[8];
	int ret;
};

static int collect(void *ctx, const struct tws_event *end)
{
	struct ends *ends = ctx;

	assert_true(ends->num < COUNT(ends->list));
	ends->list[ends->num++] = *end;
	return ends->ret;
}

static struct snapshot_socket mini_of(const struct tws_event *ev, uint32_t expires_ms)
{
	struct snapshot_socket mini = { .cookie = ev->cookie, .expires_ms = expires_ms,
				      .family = ev->family, .state = SOCKDIAG_TIME_WAIT };

	mini.key.netns = ev->netns;
	mini.key.local_port = ev->local_port;
	mini.key.peer_port = ev->peer_port;
	memcpy(mini.key.local_addr, ev->local_addr, sizeof(mini.key.local_addr));
	memcpy(mini.key.peer_addr, ev->peer_addr, sizeof(mini.key.peer_addr));
	return mini;
}

/* One look, at @ns, by which @mini (or nothing) is seen in namespace @netns (0: none). */
static void look(struct held *held, uint64_t ns, struct snapshot_socket *mini, uint32_t netns,
		 struct ends *ends)
{
	struct snapshot snap = { .taken_ns = ns, .num = mini ? 1 : 0, .sockets = mini,
				 .num_netns = netns ? 1 : 0, .netns = &netns };

	ends->num = 0;
	assert_int_equal(held__compare(held, &snap, collect, ends), ends->ret);
}

static void expired(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 30000);
	struct held *held = holding(&ev);
	struct ends ends = {};

	(void)unused;
	assert_false(held__due(held, BEGIN + 60 * S));
	assert_true(held__due(held, BEGIN + 63 * S));
	/* a late segment started the minute anew */
	look(held, BEGIN + 63 * S, &mini, HOME, &ends);
	assert_int_equal(ends.num, 0);
	assert_false(held__due(held, BEGIN + 93 * S));
	assert_true(held__due(held, BEGIN + 96 * S));
	look(held, BEGIN + 96 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	assert_false(held__due(held, BEGIN + 97 * S));
	look(held, BEGIN + 97 * S, NULL, HOME, &ends); /* too soon */
	assert_int_equal(ends.num, 0);
	assert_true(held__due(held, BEGIN + 98 * S));
	look(held, BEGIN + 101 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 1);
	check_end(&ends.list[0], &ev, TWS_END_EXPIRED, BEGIN + 93 * S);
	assert_int_equal(held__count(held), 0);
	assert_false(held__due(held, BEGIN + 1000 * S));
	held__free(held);
}

/* One snapshot may miss a socket that is there. */
static void missed_once(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 1000);
	struct held *held = holding(&ev);
	struct ends ends = {};

	(void)unused;
	look(held, BEGIN + 63 * S, NULL, HOME, &ends);
	look(held, BEGIN + 68 * S, &mini, HOME, &ends);
	look(held, BEGIN + 73 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	assert_int_equal(held__count(held), 1);
	/* another socket with the same addresses is not it */
	mini.cookie++;
	look(held, BEGIN + 78 * S, &mini, HOME, &ends);
	assert_int_equal(ends.num, 1);
	check_end(&ends.list[0], &ev, TWS_END_EXPIRED, BEGIN + 69 * S);
	held__free(held);
}

static void gone_early(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 60000);
	struct held *held = holding(&ev);
	struct ends ends = {};

	(void)unused;
	look(held, BEGIN, NULL, HOME, &ends); /* it came after that */
	look(held, BEGIN + 5 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	mini.state = SOCKDIAG_FIN_WAIT2;
	look(held, BEGIN + 10 * S, &mini, HOME, &ends);
	assert_int_equal(ends.num, 1);
	check_end(&ends.list[0], &ev, TWS_END_UNKNOWN, BEGIN + 5 * S);
	held__free(held);
}

/* Without a namespace there is no proof before the minute is over. */
static void purged(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct ends ends = {};

	(void)unused;
	for (int was_known = 0; was_known < 2; was_known++) {
		struct held *held = holding(&ev);

		look(held, BEGIN - S, NULL, was_known ? HOME : 1, &ends);
		for (int s = 5; s < 63; s += 5) {
			look(held, BEGIN + s * S, NULL, 1, &ends);
			assert_int_equal(ends.num, 0);
		}
		look(held, BEGIN + 63 * S, NULL, 1, &ends);
		look(held, BEGIN + 68 * S, NULL, 1, &ends);
		assert_int_equal(ends.num, 1);
		check_end(&ends.list[0], &ev, was_known ? TWS_END_PURGED : TWS_END_UNKNOWN,
			  BEGIN + 60 * S);
		held__free(held);
	}
}

/* A namespace that may not be entered: nothing is said, and nothing is kept for ever. */
static void unreadable(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct held *held = holding(&ev);
	struct snapshot snap = { .flags = SNAPSHOT_PARTIAL };
	struct ends ends = {};

	(void)unused;
	for (int s = 0; s <= 120; s += 5) {
		snap.taken_ns = BEGIN + s * S;
		assert_int_equal(held__compare(held, &snap, collect, &ends), 0);
		assert_int_equal(held__count(held), 1);
	}
	snap.taken_ns += S;
	assert_int_equal(held__compare(held, &snap, collect, &ends), 0);
	assert_int_equal(held__count(held), 0);
	assert_int_equal(held__dropped(held), 1);
	assert_int_equal(ends.num, 0);
	held__free(held);
}

static void callback_stops(void **unused)
{
	struct tws_event a = time_wait(1, BEGIN), b = time_wait(2, BEGIN);
	struct held *held = holding(&a);
	struct ends ends = {};

	(void)unused;
	held__add(held, &b);
	look(held, BEGIN + 63 * S, NULL, HOME, &ends);
	ends.ret = -EPIPE;
	look(held, BEGIN + 68 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 1);
	assert_int_equal(held__count(held), 1);
	ends.ret = 0;
	look(held, BEGIN + 73 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 1);
	assert_int_equal(held__count(held), 0);
	held__free(held);
}

/* ---- the table ---- */

static void full(void **unused)
{
	struct held *held = holding(NULL);
	struct tws_event ev, end, open;

	(void)unused;
	for (int round = 0; round < 3; round++) {
		for (unsigned int n = 0; n < 20; n++) {
			ev = time_wait(n, BEGIN + round * S);
			held__add(held, &ev);
		}
		assert_int_equal(held__count(held), 16);
		assert_int_equal(held__dropped(held), 4 * (round + 1));
		for (unsigned int n = 0; n < 20; n++) {
			ev = time_wait(n, BEGIN + round * S);
			open = opened(&ev, TWS_SIDE_CLIENT, BEGIN + round * S);
			assert_int_equal(held__ended(held, &open, &end), n < 16);
		}
		assert_int_equal(held__count(held), 0);
	}
	held__free(held);
}

/* The table against a plain list of what it ought to hold. */
static void many(void **unused)
{
	enum { PORTS = 5000, STEPS = 100000 };
	static uint64_t since[PORTS];
	struct held *held = NULL;
	uint32_t random = 1;
	size_t count = 0;

	(void)unused;
	memset(since, 0, sizeof(since));
	assert_int_equal(held__new(&held, PORTS, SEED), 0);
	for (uint64_t step = 1; step <= STEPS; step++) {
		struct tws_event ev, end;
		unsigned int n;

		random = random * 1664525 + 1013904223;
		n = random >> 8 & 4095;
		ev = time_wait(n, BEGIN + step);
		if (random >> 31) {
			held__add(held, &ev);
			count += !since[n];
			since[n] = BEGIN + step;
		} else {
			ev = opened(&ev, TWS_SIDE_SERVER, BEGIN + step);
			assert_int_equal(held__ended(held, &ev, &end), !!since[n]);
			count -= !!since[n];
			since[n] = 0;
		}
		assert_int_equal(held__count(held), count);
	}
	held__free(held);
	held__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reuse),
		cmocka_unit_test(not_its_own),
		cmocka_unit_test(reset),
		cmocka_unit_test(replaced),
		cmocka_unit_test(after_its_time),
		cmocka_unit_test(expired),
		cmocka_unit_test(missed_once),
		cmocka_unit_test(gone_early),
		cmocka_unit_test(purged),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(callback_stops),
		cmocka_unit_test(full),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}

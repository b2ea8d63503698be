// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "model/decode.h"
#include "events/time_waits.h"
#include "sockets/sockdiag.h"
#include "tests/unit/support.h"

#define S 1000000000ULL
#define BEGIN (100 * S)
#define HOME 4026531840U

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

static struct time_waits *holding(const struct tws_event *ev)
{
	struct time_waits *table = NULL;

	assert_int_equal(time_waits__new(&table, 16), 0);
	if (ev)
		time_waits__add(table, ev);
	return table;
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
		struct time_waits *table = holding(&ev);

		assert_true(time_waits__ended(table, &open, &end));
		check_end(&end, &ev, cases[i].end, BEGIN + S);
		assert_int_equal(time_waits__count(table), 0);
		assert_false(time_waits__ended(table, &open, &end));
		time_waits__free(table);
	}
}

static void not_its_own(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN), other, end;
	struct time_waits *table = holding(&ev);

	(void)unused;
	/* of the connection that became this TIME_WAIT */
	other = opened(&ev, TWS_SIDE_CLIENT, BEGIN - 1);
	assert_false(time_waits__ended(table, &other, &end));
	/* with other addresses */
	for (int i = 0; i < 6; i++) {
		other = opened(&ev, TWS_SIDE_CLIENT, BEGIN + S);
		other.local_port += i == 0;
		other.peer_port += i == 1;
		other.netns += i == 2;
		other.local_addr[3] += i == 3;
		other.peer_addr[15] += i == 4;
		other.conn.ifindex += i == 5; /* another device */
		assert_false(time_waits__ended(table, &other, &end));
	}
	/* a listener, and a connect() that got no port or none that was free */
	other = opened(&ev, TWS_SIDE_CLIENT, BEGIN + S);
	other.action = TWS_LISTEN;
	assert_false(time_waits__ended(table, &other, &end));
	other.action = TWS_CONNECT_FAILED;
	assert_false(time_waits__ended(table, &other, &end));
	/* one whose connect() says why, and so who called it: the tuple may be what it lacked */
	other.error = EADDRNOTAVAIL;
	other.conn.flags |= TWS_F_CLOSER;
	assert_false(time_waits__ended(table, &other, &end));
	other.conn.flags &= ~TWS_F_CLOSER;
	other.action = TWS_BIND_FAILED;
	assert_false(time_waits__ended(table, &other, &end));
	other.action = TWS_CONNECT_FAILED;
	other.error = ECONNREFUSED;
	assert_true(time_waits__ended(table, &other, &end));
	check_end(&end, &ev, TWS_END_REUSED_BY_CONNECT, BEGIN + S);
	time_waits__free(table);
}

static void reset(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN), rst, end;
	struct time_waits *table = holding(&ev);

	(void)unused;
	rst = opened(&ev, 0, BEGIN + S);
	rst.action = TWS_TIME_WAIT_END;
	rst.end = TWS_END_RESET;
	rst.cookie = ev.cookie + 1;
	assert_false(time_waits__ended(table, &rst, &end));
	rst.cookie = ev.cookie;
	assert_true(time_waits__ended(table, &rst, &end));
	check_end(&end, &ev, TWS_END_RESET, BEGIN + S);
	/* a kernel without cookies */
	time_waits__add(table, &ev);
	rst.cookie = 0;
	assert_true(time_waits__ended(table, &rst, &end));
	assert_false(time_waits__ended(table, &rst, &end));
	time_waits__free(table);
}

/* A second life of the same addresses, whose opening was missed. */
static void replaced(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN), again = time_wait(1, BEGIN + 5 * S), end;
	struct tws_event open = opened(&ev, TWS_SIDE_SERVER, BEGIN + 6 * S);
	struct time_waits *table = holding(&ev);

	(void)unused;
	assert_false(time_waits__ended(table, &ev, &end));
	again.cookie = 77;
	again.conn.open_ns = BEGIN + 4 * S;
	assert_true(time_waits__ended(table, &again, &end));
	check_end(&end, &ev, TWS_END_REUSED_BY_CONNECT, BEGIN + 4 * S);
	time_waits__add(table, &again);
	time_waits__add(table, &again);
	assert_int_equal(time_waits__count(table), 1);
	/* one that was overtaken */
	time_waits__add(table, &ev);
	assert_int_equal(time_waits__dropped(table), 1);
	assert_true(time_waits__ended(table, &open, &end));
	check_end(&end, &again, TWS_END_REUSED_BY_SYN, BEGIN + 6 * S);
	time_waits__free(table);
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
		struct time_waits *table = holding(&ev);

		assert_true(time_waits__ended(table, &open, &end));
		check_end(&end, &ev, cases[i].end, cases[i].time_ns);
		time_waits__free(table);
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
static void look(struct time_waits *table, uint64_t ns, struct snapshot_socket *mini, uint32_t netns,
		 struct ends *ends)
{
	struct snapshot snap = { .taken_ns = ns, .num = mini ? 1 : 0, .sockets = mini,
				 .num_netns = netns ? 1 : 0, .netns = &netns };

	ends->num = 0;
	assert_int_equal(time_waits__compare(table, &snap, collect, ends), ends->ret);
}

static void expired(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 30000);
	struct time_waits *table = holding(&ev);
	struct ends ends = {};

	(void)unused;
	assert_false(time_waits__due(table, BEGIN + 60 * S));
	assert_true(time_waits__due(table, BEGIN + 63 * S));
	/* a late segment started the minute anew */
	look(table, BEGIN + 63 * S, &mini, HOME, &ends);
	assert_int_equal(ends.num, 0);
	assert_false(time_waits__due(table, BEGIN + 93 * S));
	assert_true(time_waits__due(table, BEGIN + 96 * S));
	look(table, BEGIN + 96 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	assert_false(time_waits__due(table, BEGIN + 97 * S));
	look(table, BEGIN + 97 * S, NULL, HOME, &ends); /* too soon */
	assert_int_equal(ends.num, 0);
	assert_true(time_waits__due(table, BEGIN + 98 * S));
	look(table, BEGIN + 101 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 1);
	check_end(&ends.list[0], &ev, TWS_END_EXPIRED, BEGIN + 93 * S);
	assert_int_equal(time_waits__count(table), 0);
	assert_false(time_waits__due(table, BEGIN + 1000 * S));
	time_waits__free(table);
}

/* One snapshot may miss a socket that is there. */
static void missed_once(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 1000);
	struct time_waits *table = holding(&ev);
	struct ends ends = {};

	(void)unused;
	look(table, BEGIN + 63 * S, NULL, HOME, &ends);
	look(table, BEGIN + 68 * S, &mini, HOME, &ends);
	look(table, BEGIN + 73 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	assert_int_equal(time_waits__count(table), 1);
	/* another socket with the same addresses is not it */
	mini.cookie++;
	look(table, BEGIN + 78 * S, &mini, HOME, &ends);
	assert_int_equal(ends.num, 1);
	check_end(&ends.list[0], &ev, TWS_END_EXPIRED, BEGIN + 69 * S);
	time_waits__free(table);
}

/* What a snapshot shows as it comes counts for it alone. */
static void shown_and_not_kept(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 1000);
	struct snapshot snap = { .taken_ns = BEGIN + 68 * S };
	struct time_waits *table = holding(&ev);
	struct ends ends = {};

	(void)unused;
	look(table, BEGIN + 63 * S, NULL, HOME, &ends);
	time_waits__begin(table);
	time_waits__show(table, &snap, &mini);
	look(table, BEGIN + 68 * S, NULL, HOME, &ends);
	look(table, BEGIN + 73 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	/* of a snapshot that failed */
	snap.taken_ns = BEGIN + 74 * S;
	mini.expires_ms = 500;
	time_waits__begin(table);
	time_waits__show(table, &snap, &mini);
	time_waits__begin(table);
	look(table, BEGIN + 78 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	look(table, BEGIN + 83 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 1);
	check_end(&ends.list[0], &ev, TWS_END_EXPIRED, BEGIN + 74 * S + S / 2);
	time_waits__free(table);
}

static void gone_early(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 60000);
	struct time_waits *table = holding(&ev);
	struct ends ends = {};

	(void)unused;
	look(table, BEGIN, NULL, HOME, &ends); /* it came after that */
	look(table, BEGIN + 5 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 0);
	mini.state = SOCKDIAG_FIN_WAIT2;
	look(table, BEGIN + 10 * S, &mini, HOME, &ends);
	assert_int_equal(ends.num, 1);
	check_end(&ends.list[0], &ev, TWS_END_UNKNOWN, BEGIN + 5 * S);
	time_waits__free(table);
}

/* The same, and the namespace that has the number has this cookie. */
static void look_in(struct time_waits *table, uint64_t ns, struct snapshot_socket *mini,
		    uint64_t cookie, struct ends *ends)
{
	uint32_t netns = HOME;
	struct snapshot snap = { .taken_ns = ns, .num = mini ? 1 : 0, .sockets = mini,
				 .num_netns = 1, .netns = &netns, .netns_cookies = &cookie };

	ends->num = 0;
	assert_int_equal(time_waits__compare(table, &snap, collect, ends), ends->ret);
}

/* The namespace is gone, and another one has its number: when the socket went nobody knows. */
static void number_used_again(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct snapshot_socket mini = mini_of(&ev, 30000);
	struct ends ends = {};

	(void)unused;
	/* the namespace was found before, or with the socket in it; or never, or only another */
	for (int how = 0; how < 4; how++) {
		struct time_waits *table = holding(&ev);
		uint64_t later = how < 2 ? 7 : 8;

		if (how == 0 || how == 3)
			look_in(table, BEGIN - S, NULL, 7, &ends);
		if (how == 1)
			look_in(table, BEGIN + 30 * S, &mini, 7, &ends);
		look_in(table, BEGIN + 63 * S, NULL, later, &ends);
		look_in(table, BEGIN + 68 * S, NULL, later, &ends);
		assert_int_equal(ends.num, 1);
		check_end(&ends.list[0], &ev, how < 2 ? TWS_END_EXPIRED : TWS_END_UNKNOWN,
			  BEGIN + 60 * S);
		time_waits__free(table);
	}
}

/* By what comes with the same addresses no more can be told, either. */
static void number_used_again_by_event(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN), open = ev, end;
	struct ends ends = {};

	(void)unused;
	for (int seconds = 10; seconds <= 70; seconds += 60) {
		struct time_waits *table = holding(&ev);

		look_in(table, BEGIN + 5 * S, NULL, 8, &ends);
		open.action = TWS_OPEN;
		open.cookie = 0;
		open.time_ns = open.conn.open_ns = BEGIN + (uint64_t)seconds * S;
		open.conn.side = TWS_SIDE_CLIENT;
		assert_true(time_waits__ended(table, &open, &end));
		assert_int_equal(end.end, TWS_END_UNKNOWN);
		time_waits__free(table);
	}
}

/* Of a namespace that no snapshot has found, one is to prove in time that it is the same. */
static void proof_is_asked_for(void **unused)
{
	struct tws_event first = time_wait(1, BEGIN), second = time_wait(2, BEGIN + 20 * S);
	struct snapshot_socket mini = mini_of(&first, 50000);
	struct time_waits *table = holding(&first);
	struct ends ends = {};

	(void)unused;
	assert_false(time_waits__due(table, BEGIN + 60 * S));
	look_in(table, BEGIN + 10 * S, &mini, 7, &ends);
	second.netns++;
	time_waits__add(table, &second);
	assert_false(time_waits__due(table, BEGIN + 59 * S));
	assert_true(time_waits__due(table, BEGIN + 61 * S));
	time_waits__free(table);
}

/* Without a namespace there is no proof before the minute is over. */
static void purged(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct ends ends = {};

	(void)unused;
	for (int was_known = 0; was_known < 2; was_known++) {
		struct time_waits *table = holding(&ev);

		look(table, BEGIN - S, NULL, was_known ? HOME : 1, &ends);
		for (int s = 5; s < 63; s += 5) {
			look(table, BEGIN + s * S, NULL, 1, &ends);
			assert_int_equal(ends.num, 0);
		}
		look(table, BEGIN + 63 * S, NULL, 1, &ends);
		look(table, BEGIN + 68 * S, NULL, 1, &ends);
		assert_int_equal(ends.num, 1);
		check_end(&ends.list[0], &ev, was_known ? TWS_END_PURGED : TWS_END_UNKNOWN,
			  BEGIN + 60 * S);
		time_waits__free(table);
	}
}

/* A namespace that may not be entered: nothing is said, and nothing is kept for ever. */
static void unreadable(void **unused)
{
	struct tws_event ev = time_wait(1, BEGIN);
	struct time_waits *table = holding(&ev);
	struct snapshot snap = { .flags = SNAPSHOT_PARTIAL };
	struct ends ends = {};

	(void)unused;
	for (int s = 0; s <= 120; s += 5) {
		snap.taken_ns = BEGIN + s * S;
		assert_int_equal(time_waits__compare(table, &snap, collect, &ends), 0);
		assert_int_equal(time_waits__count(table), 1);
	}
	snap.taken_ns += S;
	assert_int_equal(time_waits__compare(table, &snap, collect, &ends), 0);
	assert_int_equal(time_waits__count(table), 0);
	assert_int_equal(time_waits__dropped(table), 1);
	assert_int_equal(ends.num, 0);
	time_waits__free(table);
}

static void callback_stops(void **unused)
{
	struct tws_event a = time_wait(1, BEGIN), b = time_wait(2, BEGIN);
	struct time_waits *table = holding(&a);
	struct ends ends = {};

	(void)unused;
	time_waits__add(table, &b);
	look(table, BEGIN + 63 * S, NULL, HOME, &ends);
	ends.ret = -EPIPE;
	look(table, BEGIN + 68 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 1);
	assert_int_equal(time_waits__count(table), 1);
	ends.ret = 0;
	look(table, BEGIN + 73 * S, NULL, HOME, &ends);
	assert_int_equal(ends.num, 1);
	assert_int_equal(time_waits__count(table), 0);
	time_waits__free(table);
}

/* ---- the table ---- */

static void full(void **unused)
{
	struct time_waits *table = holding(NULL);
	struct tws_event ev, end, open;

	(void)unused;
	for (int round = 0; round < 3; round++) {
		for (unsigned int n = 0; n < 20; n++) {
			ev = time_wait(n, BEGIN + round * S);
			time_waits__add(table, &ev);
		}
		assert_int_equal(time_waits__count(table), 16);
		assert_int_equal(time_waits__dropped(table), 4 * (round + 1));
		for (unsigned int n = 0; n < 20; n++) {
			ev = time_wait(n, BEGIN + round * S);
			open = opened(&ev, TWS_SIDE_CLIENT, BEGIN + round * S);
			assert_int_equal(time_waits__ended(table, &open, &end), n < 16);
		}
		assert_int_equal(time_waits__count(table), 0);
	}
	time_waits__free(table);
}

/* The table against a plain list of what it ought to hold. */
static void many(void **unused)
{
	enum { PORTS = 5000, STEPS = 100000 };
	static uint64_t since[PORTS];
	struct time_waits *table = NULL;
	uint32_t random = 1;
	size_t count = 0;

	(void)unused;
	memset(since, 0, sizeof(since));
	assert_int_equal(time_waits__new(&table, PORTS), 0);
	for (uint64_t step = 1; step <= STEPS; step++) {
		struct tws_event ev, end;
		unsigned int n;

		random = random * 1664525 + 1013904223;
		n = random >> 8 & 4095;
		ev = time_wait(n, BEGIN + step);
		if (random >> 31) {
			time_waits__add(table, &ev);
			count += !since[n];
			since[n] = BEGIN + step;
		} else {
			ev = opened(&ev, TWS_SIDE_SERVER, BEGIN + step);
			assert_int_equal(time_waits__ended(table, &ev, &end), !!since[n]);
			count -= !!since[n];
			since[n] = 0;
		}
		assert_int_equal(time_waits__count(table), count);
	}
	time_waits__free(table);
	time_waits__free(NULL);
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
		cmocka_unit_test(shown_and_not_kept),
		cmocka_unit_test(number_used_again),
		cmocka_unit_test(number_used_again_by_event),
		cmocka_unit_test(proof_is_asked_for),
		cmocka_unit_test(gone_early),
		cmocka_unit_test(purged),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(callback_stops),
		cmocka_unit_test(full),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}

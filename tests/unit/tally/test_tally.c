// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>

#include "model/key.h"
#include "tally/tally.h"
#include "tests/unit/support.h"

/* sanitizer/allocator_interface.h, which not every compiler brings along */
size_t __sanitizer_get_current_allocated_bytes(void);

#define S 1000000000ULL
#define START (1000 * S)

enum { ESTABLISHED = 1, FIN_WAIT2 = 5, TIME_WAIT = 6 };

static struct tally *make(const char *first, const char *second)
{
	struct tally_options opts = { .num_views = 1, .start_ns = START };
	struct tally *tally;

	opts.views[0] = (struct tally_keys){ 1, { field__key(first, strlen(first)) } };
	if (second) {
		opts.num_views = 2;
		opts.views[1] = (struct tally_keys){ 1, { field__key(second, strlen(second)) } };
	}
	assert_int_equal(tally__new(&tally, &opts), 0);
	return tally;
}

/* A close by process @name of a connection from port @port, a second after it was opened. */
static struct tws_event close_of(const char *name, uint16_t port, uint64_t time_ns)
{
	struct tws_event ev;

	support__event(&ev);
	ev.action = TWS_TIME_WAIT;
	ev.time_ns = time_ns;
	ev.local_port = port;
	ev.conn.open_ns = time_ns - S;
	ev.conn.side = TWS_SIDE_CLIENT;
	ev.conn.cause = TWS_CAUSE_CLOSE;
	support__set_comm(ev.conn.comm, name);
	return ev;
}

static void add(struct tally *tally, const struct tws_event *ev)
{
	const struct record rec = { .event = ev, .wall_ns = SUPPORT_WALL_NS };

	tally__add(tally, &rec);
}

static void add_closes(struct tally *tally, const char *name, uint16_t first, int num,
		       uint64_t time_ns)
{
	for (int i = 0; i < num; i++) {
		struct tws_event ev = close_of(name, (uint16_t)(first + i), time_ns);

		add(tally, &ev);
	}
}

static const struct tally_row *row_of(const struct tally_frame *frame, const char *name)
{
	for (size_t i = 0; i < frame->num_rows; i++)
		if (!strncmp(frame->rows[i]->sample.event->conn.comm, name, TWS_COMM_LEN))
			return frame->rows[i];
	return NULL;
}

/* What must hold at any time: the rows and the others are the sum, in every figure. */
static void check_sums(const struct tally_frame *frame)
{
	struct tally_counts sum = frame->others->total;
	uint64_t closes = frame->others->closes, failed = frame->others->failed;
	uint64_t held = frame->others->held.now;
	uint64_t ends = 0;

	for (size_t i = 0; i < frame->num_rows; i++) {
		const struct tally_row *row = frame->rows[i];

		tally__add_counts(&sum, &row->total);
		closes += row->closes;
		failed += row->failed;
		held += row->held.now;
	}
	assert_memory_equal(&sum, &frame->sum->total, sizeof(sum));
	assert_int_equal(closes, frame->sum->closes);
	assert_int_equal(failed, frame->sum->failed);
	assert_int_equal(held, frame->sum->held.now);
	for (size_t i = 0; i < HELD_SECONDS; i++)
		ends += frame->sum->held.ends[i];
	assert_int_equal(ends, frame->sum->held.now);
}

static void counts_by_key(void **unused)
{
	struct tally *tally = make("process", "side");
	struct tws_event ev = close_of("nginx", 1, START + S);
	struct tally_frame frame;

	(void)unused;
	add_closes(tally, "checkout", 1000, 30, START + S);
	ev.conn.side = TWS_SIDE_SERVER;
	ev.conn.cause = TWS_CAUSE_EXIT;
	add(tally, &ev);
	tally__frame(tally, 0, START + 2 * S, &frame);
	assert_int_equal(frame.num_rows, 2);
	assert_int_equal(frame.interval_ns, 2 * S);
	check_sums(&frame);
	assert_int_equal(row_of(&frame, "checkout")->total.closes, 30);
	assert_int_equal(row_of(&frame, "checkout")->total.client, 30);
	assert_int_equal(row_of(&frame, "checkout")->total.lifetime_ns, 30 * S);
	assert_int_equal(row_of(&frame, "checkout")->held.now, 30);
	assert_int_equal(row_of(&frame, "nginx")->total.server, 1);
	assert_int_equal(row_of(&frame, "nginx")->total.causes[TWS_CAUSE_EXIT], 1);
	tally__again(tally, 1, &frame);
	assert_int_equal(frame.num_rows, 2);
	check_sums(&frame);
	tally__free(tally);
}

/* Which interval a close belongs to, and how a rate comes and goes. */
static void intervals_and_rates(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tally_frame frame;

	(void)unused;
	add_closes(tally, "a", 1, 20, START + S / 2);
	tally__frame(tally, 0, START + S, &frame);
	assert_int_equal(frame.rows[0]->closes, 20);
	assert_int_equal(frame.host.rate_milli, 20000);
	tally__frame(tally, 0, START + 2 * S, &frame);
	assert_int_equal(frame.rows[0]->closes, 0);
	assert_int_equal(frame.rows[0]->total.closes, 20);
	assert_int_equal(frame.host.rate_milli, 10000);
	assert_false(tally__is_quiet(frame.rows[0], frame.now_s));
	/* The second of the closes is one of the window's until eleven seconds later. */
	tally__frame(tally, 0, START + 10 * S, &frame);
	assert_int_equal(frame.host.rate_milli, 2000);
	tally__frame(tally, 0, START + 11 * S, &frame);
	assert_int_equal(frame.host.rate_milli, 0);
	assert_true(tally__is_quiet(frame.rows[0], frame.now_s));
	assert_int_equal(frame.host.minute[TALLY_MINUTE - 11], 20);
	check_sums(&frame);
	tally__free(tally);
}

/* By the clock alone. */
static void held_for_a_minute(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tally_frame frame;

	(void)unused;
	add_closes(tally, "a", 1, 5, START + S);
	add_closes(tally, "a", 100, 3, START + 31 * S);
	tally__frame(tally, 0, START + 61 * S, &frame);
	assert_int_equal(frame.rows[0]->held.now, 8);
	assert_int_equal(frame.host.time_wait, 8);
	tally__frame(tally, 0, START + (1 + HELD_LIFE_S) * S, &frame);
	assert_int_equal(frame.rows[0]->held.now, 3);
	check_sums(&frame);
	assert_false(tally__has_ended(frame.rows[0], frame.now_s));
	tally__frame(tally, 0, START + (32 + HELD_LIFE_S) * S, &frame);
	assert_int_equal(frame.rows[0]->held.now, 0);
	assert_true(tally__has_ended(frame.rows[0], frame.now_s));
	assert_int_equal(frame.rows[0]->total.closes, 8);
	/* After a long sleep, too. */
	add_closes(tally, "a", 1, 2, START + 200 * S);
	tally__frame(tally, 0, START + 100000 * S, &frame);
	assert_int_equal(frame.host.time_wait, 0);
	assert_int_equal(frame.rows[0]->total.closes, 10);
	tally__free(tally);
}

static struct tally_socket socket_of(const struct tws_event *ev, uint32_t expires_ms)
{
	return (struct tally_socket){
		.key = key__of_event(ev), .family = ev->family, .state = TIME_WAIT, .mini = true,
		.takes_port = true, .expires_ms = expires_ms,
	};
}

static const struct tally_netns netns = { .inode = 7, .usable_ports = 1000, .max_tw_buckets = 50 };

/* A look sets right what the clock does not know: what ended before its time, and what was
 * there before. */
static void looks(void **unused)
{
	struct tally *tally = make("process", "side");
	struct tws_event mine = close_of("a", 1, START + S), gone = close_of("a", 2, START + S);
	struct tws_event before = close_of("b", 3, START - S);
	struct tally_socket sk;
	struct tally_frame frame;

	(void)unused;
	add(tally, &mine);
	add(tally, &gone);
	tally__look(tally, START + 2 * S);
	tally__look_into(tally, &netns);
	sk = socket_of(&mine, 59000);
	tally__socket(tally, &sk);
	sk = socket_of(&before, 30000);
	tally__socket(tally, &sk);
	sk.state = FIN_WAIT2;
	tally__socket(tally, &sk);
	sk.mini = false;
	sk.state = ESTABLISHED;
	tally__socket(tally, &sk);
	tally__looked(tally, TALLY_SAW_ALL);
	tally__frame(tally, 0, START + 2 * S, &frame);
	check_sums(&frame);
	assert_int_equal(frame.rows[0]->held.now, 1);
	assert_int_equal(frame.rows[0]->total.closes, 2);
	assert_int_equal(frame.host.time_wait, 2);
	assert_int_equal(frame.host.unplaced, 1);
	assert_int_equal(frame.host.states[TIME_WAIT], 2);
	assert_int_equal(frame.host.states[ESTABLISHED], 1);
	assert_int_equal(frame.host.fin_wait2_minis, 1);
	assert_int_equal(frame.host.limit, 50);
	assert_int_equal(frame.host.minis_there, 3);
	/* The clock goes on from what was seen. */
	tally__frame(tally, 0, START + 34 * S, &frame);
	assert_int_equal(frame.host.unplaced, 0);
	assert_int_equal(frame.host.time_wait, 1);
	tally__frame(tally, 0, START + 63 * S, &frame);
	assert_int_equal(frame.host.time_wait, 0);
	tally__free(tally);
}

/* Its close is told after it was seen: it is one socket. */
static void seen_before_told(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tws_event ev = close_of("a", 1, START + S);
	struct tally_socket sk = socket_of(&ev, 60000);
	struct tally_frame frame;

	(void)unused;
	tally__look(tally, START + S);
	tally__look_into(tally, &netns);
	tally__socket(tally, &sk);
	tally__looked(tally, TALLY_SAW_ALL);
	add(tally, &ev);
	tally__frame(tally, 0, START + S, &frame);
	assert_int_equal(frame.host.unplaced, 0);
	assert_int_equal(frame.host.time_wait, 1);
	assert_int_equal(frame.rows[0]->held.now, 1);
	/* And the same addresses anew: the former one has ended. */
	ev.time_ns += S;
	support__set_comm(ev.conn.comm, "b");
	add(tally, &ev);
	tally__frame(tally, 0, START + 2 * S, &frame);
	assert_int_equal(row_of(&frame, "a")->held.now, 0);
	assert_int_equal(row_of(&frame, "b")->held.now, 1);
	assert_int_equal(frame.host.time_wait, 1);
	check_sums(&frame);
	tally__free(tally);
}

/* Records go on to come while the table is read: none is forgotten, none counted twice. */
static void told_during_a_look(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tws_event old = close_of("a", 1, START + S), early = close_of("a", 2, START + 2 * S);
	struct tws_event late = close_of("a", 3, START + 2 * S);
	struct tally_socket sk;
	struct tally_frame frame;

	(void)unused;
	add(tally, &old);
	tally__look(tally, START + 2 * S);
	tally__look_into(tally, &netns);
	add(tally, &early); /* that the dump shows */
	sk = socket_of(&early, 60000);
	tally__socket(tally, &sk);
	tally__socket(tally, &sk); /* twice */
	add(tally, &late); /* that it does not */
	old.time_ns += S; /* and the former one's addresses anew, before it was come to */
	add(tally, &old);
	sk = socket_of(&old, 60000);
	tally__socket(tally, &sk);
	tally__looked(tally, TALLY_SAW_ALL);
	tally__frame(tally, 0, START + 2 * S, &frame);
	assert_int_equal(frame.rows[0]->held.now, 3);
	assert_int_equal(frame.host.time_wait, 3);
	check_sums(&frame);
	tally__frame(tally, 0, START + (2 + HELD_LIFE_S) * S, &frame);
	assert_int_equal(frame.host.time_wait, 0);
	check_sums(&frame);
	tally__free(tally);
}

/* Where some namespace cannot be read, its sockets are left to the clock. */
static void partial_look(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tally_frame frame;

	(void)unused;
	add_closes(tally, "a", 1, 5, START + S);
	tally__look(tally, START + 2 * S);
	tally__looked(tally, TALLY_SAW_SOME);
	tally__frame(tally, 0, START + 2 * S, &frame);
	assert_int_equal(frame.rows[0]->held.now, 5);
	check_sums(&frame);
	tally__look(tally, START + 3 * S);
	tally__looked(tally, TALLY_SAW_ALL);
	tally__again(tally, 0, &frame);
	assert_int_equal(frame.rows[0]->held.now, 0);
	tally__free(tally);
}

/* Of before the start: held, and of late, but in no total. */
static void looking_back(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tally_frame frame;

	(void)unused;
	add_closes(tally, "a", 1, 40, START - 5 * S);
	tally__frame(tally, 0, START + S / 2, &frame);
	assert_int_equal(frame.rows[0]->total.closes, 0);
	assert_int_equal(frame.rows[0]->closes, 0);
	assert_int_equal(frame.rows[0]->held.now, 40);
	assert_int_equal(frame.host.rate_milli, 40 * 1000000 / 5500);
	assert_int_equal(frame.host.minute[TALLY_MINUTE - 5], 40);
	check_sums(&frame);
	tally__free(tally);
}

static void failures(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tws_event ev = close_of("a", 1, START + S);
	struct tally_frame frame;

	(void)unused;
	ev.action = TWS_CONNECT_FAILED;
	ev.error = 99;
	add(tally, &ev);
	/* Refused by an answer: it is the opener's. */
	ev.conn.flags = TWS_F_OPENER;
	support__set_comm(ev.conn.comm, "");
	support__set_comm(ev.conn.opener_comm, "a");
	add(tally, &ev);
	ev.action = TWS_OVERFLOW;
	add(tally, &ev);
	ev.action = TWS_RESET;
	add(tally, &ev);
	tally__frame(tally, 0, START + S, &frame);
	assert_int_equal(frame.num_rows, 1);
	assert_int_equal(frame.rows[0]->failed, 2);
	assert_int_equal(frame.rows[0]->total.failed, 2);
	assert_int_equal(frame.rows[0]->total.closes, 0);
	assert_int_equal(frame.host.error, 99);
	assert_int_equal(frame.host.failed_rate_milli, 2000);
	assert_int_equal(frame.host.overflows, 1);
	check_sums(&frame);
	tally__free(tally);
}

/* The bound: more than there is room for, one after the other, and one that is busy among
 * the last of them. */
static void bounded_and_exact(void **unused)
{
	struct tally *tally = make("pid", "process");
	struct tws_event ev = close_of("many", 1, START + S);
	struct tally_frame frame;
	const struct tally_row *busy = NULL;

	(void)unused;
	for (uint32_t i = 0; i < 100000; i++) {
		ev.time_ns = START + S + i * (S / 2000); /* 50 seconds */
		ev.conn.tgid = 1000 + i;
		ev.local_port = (uint16_t)i;
		ev.peer_port = (uint16_t)(80 + (i >> 16));
		add(tally, &ev);
		if (i % 2000 == 0) {
			tally__frame(tally, 0, ev.time_ns, &frame);
			check_sums(&frame);
		}
		if (i < 95000)
			continue;
		ev.conn.tgid = 7;
		ev.peer_port = 443;
		add(tally, &ev);
	}
	tally__frame(tally, 0, START + 60 * S, &frame);
	assert_in_range(frame.num_rows, TALLY_ROWS / 2, TALLY_ROWS);
	check_sums(&frame);
	assert_int_equal(frame.sum->total.closes, 105000);
	for (size_t i = 0; i < frame.num_rows; i++)
		if (frame.rows[i]->sample.event->conn.tgid == 7)
			busy = frame.rows[i];
	assert_non_null(busy);
	assert_in_range(busy->total.closes, 3000, 5000);
	tally__again(tally, 1, &frame);
	assert_int_equal(frame.num_rows, 1);
	assert_int_equal(frame.rows[0]->num_pids, TALLY_PIDS + 1);
	check_sums(&frame);
	/* A look finds none of them: whosever they were, none is held. */
	tally__look(tally, START + 60 * S);
	tally__looked(tally, TALLY_SAW_ALL);
	tally__again(tally, 0, &frame);
	assert_int_equal(frame.host.time_wait, 0);
	check_sums(&frame);
	tally__free(tally);
}

static void remotes(void **unused)
{
	struct remotes r = { 0 };
	struct port_set_key key = { .peer_port = 1 };
	uint8_t order[REMOTES_KEPT];

	(void)unused;
	for (uint16_t i = 1; i <= 100; i++) {
		key.peer_port = i;
		remotes__add(&r, &key, i, 1);
		key.peer_port = 1000;
		remotes__add(&r, &key, 1000, 1);
		remotes__add(&r, &key, 1000, 1);
	}
	assert_int_equal(remotes__order(&r, order), REMOTES_KEPT);
	assert_int_equal(r.kept[order[0]].key.peer_port, 1000);
	assert_in_range(r.kept[order[0]].count - r.kept[order[0]].error, 190, 200);
	assert_in_range(r.kept[order[0]].count, 200, 210);
	for (int i = 1; i < REMOTES_KEPT; i++)
		assert_true(r.kept[order[i - 1]].count >= r.kept[order[i]].count);
}

/* A server's peers have ports of no meaning; a client's remote is one with its port. */
static void remotes_by_side(void **unused)
{
	struct tws_event ev = close_of("a", 1, START);
	struct port_set_key client = remotes__key(&ev), server;

	(void)unused;
	ev.conn.side = TWS_SIDE_SERVER;
	server = remotes__key(&ev);
	assert_int_equal(client.peer_port, ev.peer_port);
	assert_int_equal(server.peer_port, 0);
	assert_memory_equal(server.peer_addr, client.peer_addr, 16);
}

/* 1000 ports, of which 700 are live and ten a second are used for a minute each. */
static void ports_until_full(void **unused)
{
	struct port_sets *sets;
	struct tws_event ev = close_of("a", 1, START);
	struct port_set_key key = remotes__key(&ev);
	const struct port_set_use *use;
	uint32_t now_s = 1000;

	(void)unused;
	assert_int_equal(port_sets__new(&sets), 0);
	assert_null(port_sets__fullest(sets));
	port_sets__look(sets);
	for (int i = 0; i < 700; i++)
		port_sets__take(sets, &key, 1000, 0, now_s);
	port_sets__looked(sets, now_s);
	for (; now_s < 1020; now_s++) {
		port_sets__move_on(sets, now_s + 1);
		for (int i = 0; i < 10; i++)
			port_sets__close(sets, &key, now_s + 1, now_s + 1);
	}
	use = port_sets__fullest(sets);
	assert_non_null(use);
	assert_ptr_equal(use, port_sets__find(sets, &key));
	assert_int_equal(port_set__permille(use), 900);
	/* 100 more, by ten a second: none of the others ends before. */
	assert_int_equal(port_set__full_in(use, 10000, now_s), 10);
	assert_int_equal(port_set__full_in(use, 100000, now_s), 1);
	/* In a minute 61 * 4 of them: 944. */
	assert_int_equal(port_set__full_in(use, 1000, now_s), PORT_SET_NEVER);
	for (int i = 0; i < 100; i++)
		port_sets__take(sets, &key, 1000, 0, now_s);
	assert_int_equal(port_set__full_in(use, 0, now_s), 0);
	assert_int_equal(port_set__permille(use), 1000);
	port_sets__look(sets);
	for (uint32_t s = 1; s <= RECENT_SECONDS; s++)
		port_sets__move_on(sets, now_s + s);
	port_sets__looked(sets, now_s + RECENT_SECONDS);
	assert_null(port_sets__find(sets, &key));
	port_sets__free(sets);
}

/* What a row shows as PORTS% is of the set that its connections are of, whoever takes it. */
static void ports_of_a_row(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tws_event ev = close_of("a", 1, START + S);
	struct tally_frame frame;

	(void)unused;
	add(tally, &ev);
	tally__look(tally, START + S);
	tally__look_into(tally, &netns);
	for (uint16_t port = 1; port <= 250; port++) {
		struct tally_socket sk = { .family = AF_INET, .state = ESTABLISHED,
					   .takes_port = true };

		ev.local_port = port;
		sk.key = key__of_event(&ev);
		tally__socket(tally, &sk);
	}
	tally__looked(tally, TALLY_SAW_ALL);
	tally__frame(tally, 0, START + S, &frame);
	assert_int_equal(tally__permille(tally, frame.rows[0]), 250);
	assert_non_null(frame.host.fullest);
	assert_int_equal(frame.host.fullest->live, 250);
	tally__free(tally);
}

static bool is_odd(void *ctx, struct whose_socket *socket)
{
	(void)ctx;
	return socket->end_s & 1;
}

static void whose_grows_and_forgets(void **unused)
{
	struct whose *whose;

	(void)unused;
	assert_int_equal(whose__new(&whose, 20000), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		struct whose_socket *s = whose__add(whose, i * 0x9e3779b97f4a7c15ULL);

		assert_non_null(s);
		s->end_s = i;
	}
	assert_true(whose__is_full(whose));
	assert_null(whose__add(whose, 5));
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(whose__find(whose, i * 0x9e3779b97f4a7c15ULL)->end_s, i);
	whose__keep(whose, is_odd, NULL);
	assert_int_equal(whose__count(whose), 10000);
	for (uint32_t i = 0; i < 20000; i++) {
		struct whose_socket *s = whose__find(whose, i * 0x9e3779b97f4a7c15ULL);

		assert_true((s != NULL) == (i & 1));
	}
	whose__free(whose);
}

/*
 * The load that the bound is for: 50,000 closes a second by 100,000 processes in turn. Once all
 * tables are full it takes no more memory, however long it goes on, with and without looks.
 */
static void memory_is_bounded(void **unused)
{
	enum { RATE = 50000, PROCESSES = 100000, FULL_S = 12, END_S = 18 };
	struct tally *tally = make("pid", "remote");
	struct tally_frame frame;
	size_t before = __sanitizer_get_current_allocated_bytes(), full = 0, most = 0, now;

	(void)unused;
	for (uint32_t i = 0; i < RATE * END_S; i++) {
		struct tws_event ev = close_of("many", (uint16_t)i, START + i * (S / RATE));

		ev.conn.tgid = 1000 + i % PROCESSES;
		memcpy(ev.peer_addr, &i, sizeof(i));
		add(tally, &ev);
		if (i % RATE)
			continue;
		tally__frame(tally, 0, ev.time_ns, &frame);
		if (tally__wants_look(tally) && i > RATE * (FULL_S + 3)) {
			tally__look(tally, ev.time_ns);
			tally__looked(tally, TALLY_SAW_ALL);
		}
		now = __sanitizer_get_current_allocated_bytes();
		full = i <= RATE * FULL_S && now > full ? now : full;
		most = now > most ? now : most;
	}
	tally__frame(tally, 0, START + END_S * S, &frame);
	assert_int_equal(frame.sum->total.closes, RATE * END_S);
	check_sums(&frame);
	/* 8,192 rows, their strings, the sockets' table, and what gave way within a second */
	assert_true(full - before < 100U << 20);
	assert_true(most - full < 1U << 20);
	tally__free(tally);
}

/* ---- sums of a recording's minutes ---- */

static const struct tally_sum a_minute = {
	.begin_s = START / S, .span_s = 60, .from = 0, .until = 60,
	.count = 6007, .lifetimes = 6000, .lifetime_ns = 6000 * S,
};

static void add_sum(struct tally *tally, const struct tws_event *ev, const struct tally_sum *sum)
{
	const struct record rec = { .event = ev };

	tally__add_sum(tally, &rec, sum);
}

static void sums_as_events(void **unused)
{
	struct tally *tally = make("process", "side");
	struct tws_event ev = close_of("shop", 0, 0);
	struct tally_frame frame;

	(void)unused;
	add_sum(tally, &ev, &a_minute);
	tally__frame(tally, 0, START + 60 * S, &frame);
	check_sums(&frame);
	assert_int_equal(frame.num_rows, 1);
	assert_int_equal(frame.sum->total.closes, 6007);
	assert_int_equal(frame.sum->total.client, 6007);
	assert_int_equal(frame.sum->total.lifetime_ns, 6000 * S);
	assert_int_equal(frame.host.summed, 6007);
	/* all but those of the first second: as long lived as single ones */
	assert_in_range(frame.sum->held.now, 5900, 6007);
	assert_in_range(tally__rate_milli(tally, &frame.sum->recent), 99000, 101000);
	assert_in_range(frame.host.minute[30], 100, 101);
	tally__frame(tally, 0, START + 90 * S, &frame);
	assert_in_range(frame.sum->held.now, 2900, 3200);
	tally__frame(tally, 0, START + 125 * S, &frame);
	assert_int_equal(frame.sum->held.now, 0);
	tally__free(tally);
}

/* Frames may fall into the minute: no close is in two of them, and none in none. */
static void sums_in_parts(void **unused)
{
	struct tally *tally = make("process", "remote");
	struct tws_event ev = close_of("shop", 0, 0);
	struct tally_sum sum = a_minute;
	struct tally_frame frame;
	uint64_t closes = 0;

	(void)unused;
	for (uint32_t from = 0; from < 60; from = sum.until) {
		sum.from = from;
		sum.until = from + 7 < 60 ? from + 7 : 60;
		add_sum(tally, &ev, &sum);
		tally__frame(tally, 0, START + sum.until * S, &frame);
		check_sums(&frame);
		closes += frame.sum->closes;
		assert_in_range(frame.sum->closes, 400, 701);
	}
	assert_int_equal(closes, 6007);
	assert_int_equal(frame.sum->total.closes, 6007);
	assert_int_equal(frame.sum->total.lifetimes, 6000);
	tally__free(tally);
}

/* What was before the start is held, and in no total. */
static void sums_before_start(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tws_event ev = close_of("shop", 0, 0);
	struct tally_sum sum = a_minute;
	struct tally_frame frame;

	(void)unused;
	sum.begin_s -= 30;
	sum.count = 6000;
	add_sum(tally, &ev, &sum);
	tally__frame(tally, 0, START + 30 * S, &frame);
	assert_int_equal(frame.sum->total.closes, 3000);
	assert_in_range(frame.sum->held.now, 5900, 6000);
	check_sums(&frame);
	tally__free(tally);
}

/* What a sum does not tell is nobody's, but counted. */
static void sums_by_what_they_lack(void **unused)
{
	struct tally *tally = make("remote", "local-port");
	struct tws_event ev = close_of("web", 80, 0);
	struct tally_sum sum = a_minute;
	struct tally_frame frame;

	(void)unused;
	sum.some_peers = true;
	ev.conn.side = TWS_SIDE_SERVER;
	ev.peer_port = 0;
	add_sum(tally, &ev, &sum);
	tally__frame(tally, 0, START + 60 * S, &frame);
	assert_int_equal(frame.num_rows, 0);
	assert_int_equal(frame.others->total.closes, 6007);
	assert_int_equal(frame.others->remotes.num, 0);
	check_sums(&frame);
	tally__again(tally, 1, &frame);
	assert_int_equal(frame.num_rows, 1);
	assert_int_equal(frame.rows[0]->total.closes, 6007);
	check_sums(&frame);
	tally__free(tally);
}

static void sums_of_failures(void **unused)
{
	struct tally *tally = make("process", NULL);
	struct tws_event ev = close_of("shop", 0, 0);
	struct tally_frame frame;

	(void)unused;
	ev.action = TWS_CONNECT_FAILED;
	ev.error = 99;
	add_sum(tally, &ev, &a_minute);
	ev.action = TWS_OVERFLOW;
	add_sum(tally, &ev, &a_minute);
	ev.action = TWS_PASSIVE_CLOSE;
	add_sum(tally, &ev, &a_minute);
	tally__add_unknown(tally, START - S, 5);
	tally__add_unknown(tally, START, 6);
	tally__frame(tally, 0, START + 60 * S, &frame);
	assert_int_equal(frame.sum->total.failed, 6007);
	assert_int_equal(frame.sum->total.closes, 0);
	assert_int_equal(frame.host.overflows, 6007);
	assert_int_equal(frame.host.error, 99);
	assert_int_equal(frame.host.unknown, 6);
	check_sums(&frame);
	tally__free(tally);
}

/* A file may say what it will. */
static void sums_that_are_absurd(void **unused)
{
	struct tally *tally = make("process", "side");
	struct tws_event ev = close_of("shop", 0, 0);
	struct tally_sum sum = { .begin_s = UINT32_MAX - 5, .span_s = 60, .until = 60,
				 .count = UINT64_MAX, .lifetimes = UINT64_MAX,
				 .lifetime_ns = UINT64_MAX };
	struct tally_frame frame;

	(void)unused;
	add_sum(tally, &ev, &sum);
	sum.until = 61;
	add_sum(tally, &ev, &sum);
	sum.span_s = UINT32_MAX;
	add_sum(tally, &ev, &sum);
	sum = (struct tally_sum){ .count = 5 };
	add_sum(tally, &ev, &sum);
	tally__frame(tally, 0, UINT64_MAX, &frame);
	tally__free(tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_by_key),
		cmocka_unit_test(intervals_and_rates),
		cmocka_unit_test(held_for_a_minute),
		cmocka_unit_test(looks),
		cmocka_unit_test(seen_before_told),
		cmocka_unit_test(told_during_a_look),
		cmocka_unit_test(partial_look),
		cmocka_unit_test(looking_back),
		cmocka_unit_test(failures),
		cmocka_unit_test(bounded_and_exact),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(sums_as_events),
		cmocka_unit_test(sums_in_parts),
		cmocka_unit_test(sums_before_start),
		cmocka_unit_test(sums_by_what_they_lack),
		cmocka_unit_test(sums_of_failures),
		cmocka_unit_test(sums_that_are_absurd),
		cmocka_unit_test(remotes),
		cmocka_unit_test(remotes_by_side),
		cmocka_unit_test(ports_until_full),
		cmocka_unit_test(ports_of_a_row),
		cmocka_unit_test(whose_grows_and_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The roads to TIME_WAIT that depend on the order of segments, the FIN_WAIT2 mini-socket's
 * fates, and the ends of a TIME_WAIT socket (KERNEL.md 3 and 7).
 */
#define _GNU_SOURCE
#include "act.h"
#include "scenarios.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Both ends close before either FIN arrives: b goes FIN_WAIT1 -> CLOSING -> TIME_WAIT. */
static void run_closing(struct stage *st)
{
	bool by_shutdown = st->sc->arg;
	struct truth *ta, *tb;
	struct act x;

	act__open(&x, st);
	act__lose(&x, x.a, SEG_FIN);
	act__lose(&x, x.b, SEG_FIN);
	ta = act__truth(&x, x.a, A(TIME_WAIT), by_shutdown ? CAUSE_SHUTDOWN : CAUSE_CLOSE);
	act__do(&x, x.a, by_shutdown ? do_shutdown : do_close, 1, 0);
	tb = act__truth(&x, x.b, A(TIME_WAIT), by_shutdown ? CAUSE_SHUTDOWN : CAUSE_CLOSE);
	act__do(&x, x.b, by_shutdown ? do_shutdown : do_close, 1, 0);
	tb->maybe &= ~A(FIN_WAIT2);
	act__await(&x, x.a, REF_STATE(ST_FIN_WAIT1));
	act__await(&x, x.b, REF_STATE(ST_FIN_WAIT1));
	act__lose(&x, x.b, 0);
	act__await(&x, x.b, REF_STATE(ST_CLOSING) | REF_TIME_WAIT);
	act__lose(&x, x.a, 0);
	truth__in_time_wait(st, ta);
	truth__in_time_wait(st, tb);
	if (by_shutdown) {
		act__do(&x, x.a, do_close, 0, 0);
		act__do(&x, x.b, do_close, 0, 0);
	}
}

/* The peer's FIN and its ACK of ours come as one segment: FIN_WAIT2 lasts no time. */
static void run_fin_ack(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	act__lose(&x, x.a, SEG_ALL);
	t = act__truth(&x, x.a, A(TIME_WAIT), CAUSE_CLOSE);
	t->maybe &= ~A(FIN_WAIT2);
	act__do(&x, x.a, do_close, 0, 0);
	act__await(&x, x.b, REF_STATE(ST_CLOSE_WAIT));
	act__lose(&x, x.b, SEG_ALL);
	peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(&x, x.b, do_close, 0, 0);
	act__lose(&x, x.a, 0);
	truth__in_time_wait(st, t);
	act__lose(&x, x.b, 0);
	truth__gone(st, peer);
}

static void close_to_mini(struct act *x)
{
	act__do(x, x->a, do_close, 0, 0);
	stage__ack_fin(x->st, &x->p.e[x->b]);
	act__await(x, x->a, REF_FW2_MINI);
}

/* The mini-socket expires before the peer closes. The peer's FIN then meets a RST. */
static void run_mini_expires(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	stage__sysctl(st, "tcp_fin_timeout", 1);
	act__open(&x, st);
	t = act__truth(&x, x.a, A(FIN_WAIT2), CAUSE_CLOSE);
	t->maybe = A(TIME_WAIT_END);
	close_to_mini(&x);
	truth__gone(st, t);
	peer = act__dies(&x, x.b, A(RESET));
	act__do(&x, x.b, do_close, 0, 0);
	truth__gone(st, peer);
}

enum { KILLED_BY_RST, KILLED_BY_DATA, KILLED_BY_DATA_AND_FIN };

/* The peer answers the FIN with a RST, or with data that nobody wants, also where its own FIN comes in
 * the same segment: that is refused, and no entry into TIME_WAIT (tcp_timewait_state_process()). */
static void run_mini_killed(struct stage *st)
{
	bool by_data = st->sc->arg != KILLED_BY_RST;
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	t = act__truth(&x, x.a, A(FIN_WAIT2), CAUSE_CLOSE);
	t->maybe = A(TIME_WAIT_END);
	t->ends = by_data ? 0 : END_RESET | END_UNKNOWN;
	close_to_mini(&x);
	if (by_data) {
		x.p.e[x.b].sent += 100;
		peer = act__dies(&x, x.b, A(RESET));
		peer->tx_bytes = -1;
		if (st->sc->arg == KILLED_BY_DATA_AND_FIN)
			act__do(&x, x.b, do_sockopt, TCP_CORK, 1);
		EXPECT(st, act__call(&x, x.b, do_send, 100, 0) == 100);
		if (st->sc->arg == KILLED_BY_DATA_AND_FIN)
			act__do(&x, x.b, do_shutdown, 1, 0);
	} else {
		peer = act__dies(&x, x.b, A(ABORT));
		act__do(&x, x.b, do_linger, 1, 0);
		act__do(&x, x.b, do_close, 0, 0);
	}
	truth__gone(st, t);
	truth__gone(st, peer);
}

/* close() when a shutdown() has led to FIN_WAIT2 already: process context makes the mini. */
static void run_shutdown_close(struct stage *st)
{
	bool by_child = st->sc->arg;
	struct actor *who;
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	who = by_child ? actor__fork(x.p.e[x.a].a, "sc-child") : x.p.e[x.a].a;
	t = truth__add(st, &x.p, x.a, A(TIME_WAIT) | A(FIN_WAIT2), who, CAUSE_SHUTDOWN);
	EXPECT(st, actor__call(who, do_shutdown, x.p.e[x.a].fd, 1, 0) == 0);
	stage__ack_fin(st, &x.p.e[x.b]);
	act__await(&x, x.a, REF_STATE(ST_FIN_WAIT2));
	if (by_child)
		EXPECT(st, actor__call(who, do_close, x.p.e[x.a].fd, 0, 0) == 0);
	stage__see(st, &x.p.e[x.a], REF_STATE(ST_FIN_WAIT2));
	act__do(&x, x.a, do_close, 0, 0);
	act__await(&x, x.a, REF_FW2_MINI);
	peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(&x, x.b, do_close, 0, 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

enum { LONG_TIMER, LONG_PEER, LONG_GIVES_UP };

/* tcp_fin_timeout over 60 s: the orphan stays a full socket, and the keepalive timer acts. */
static void run_long_fin_timeout(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	stage__sysctl(st, "tcp_fin_timeout", 61);
	act__open(&x, st);
	t = act__truth(&x, x.a, A(TIME_WAIT), CAUSE_CLOSE);
	t->maybe &= ~A(FIN_WAIT2);
	act__do(&x, x.a, do_close, 0, 0);
	stage__ack_fin(st, &x.p.e[x.b]);
	act__await(&x, x.a, REF_STATE(ST_FIN_WAIT2));
	if (st->sc->arg == LONG_GIVES_UP) {
		/* With nothing left of the time, the timer resets the connection. */
		stage__sysctl(st, "tcp_fin_timeout", 60);
		t->once = t->maybe = 0;
		t->one_of = A(ABORT);
		t->uncounted = true;
		t->pid_optional = true;
		peer = act__dies(&x, x.b, A(RESET));
		truth__gone(st, t);
		truth__gone(st, peer);
		return;
	}
	if (st->sc->arg == LONG_TIMER) {
		t->once |= A(FIN_WAIT2);
		act__await(&x, x.a, REF_FW2_MINI);
	}
	peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(&x, x.b, do_close, 0, 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

/* After the shutdown() data still comes; it has to be in the byte count. */
static void run_half_close_data(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	t = act__truth(&x, x.a, A(TIME_WAIT), CAUSE_SHUTDOWN);
	t->maybe &= ~A(FIN_WAIT2);
	t->rx_bytes += 5000;
	act__do(&x, x.a, do_shutdown, 1, 0);
	stage__ack_fin(st, &x.p.e[x.b]);
	act__await(&x, x.a, REF_STATE(ST_FIN_WAIT2));
	x.p.e[x.b].sent += 5000;
	EXPECT(st, act__call(&x, x.b, do_send, 5000, 0) == 5000);
	EXPECT(st, act__call(&x, x.a, do_recv, 5000, 0) == 5000);
	peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(&x, x.b, do_close, 0, 0);
	truth__in_time_wait(st, t);
	act__do(&x, x.a, do_close, 0, 0);
	truth__gone(st, peer);
}

enum { HALF_FW1, HALF_FW1_LATE, HALF_FW2 };

/*
 * shutdown(), data from the peer, and then close() while our FIN is still on its way, or has been
 * acknowledged: what came in between belongs to the count. The orphan leaves a mini-socket, unless
 * the peer's FIN comes with its acknowledgement (HALF_FW1, now and then).
 */
static void run_half_close_then_close(struct stage *st)
{
	bool on_its_way = st->sc->arg != HALF_FW2;
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	t = act__truth(&x, x.a, A(TIME_WAIT), CAUSE_SHUTDOWN);
	t->rx_bytes += 5000;
	if (on_its_way)
		act__lose(&x, x.b, SEG_FIN);
	act__do(&x, x.a, do_shutdown, 1, 0);
	if (!on_its_way)
		stage__ack_fin(st, &x.p.e[x.b]);
	act__await(&x, x.a, REF_STATE(on_its_way ? ST_FIN_WAIT1 : ST_FIN_WAIT2));
	x.p.e[x.b].sent += 5000;
	EXPECT(st, act__call(&x, x.b, do_send, 5000, 0) == 5000);
	EXPECT(st, act__call(&x, x.a, do_recv, 5000, 0) == 5000);
	stage__see(st, &x.p.e[x.a], REF_STATE(on_its_way ? ST_FIN_WAIT1 : ST_FIN_WAIT2));
	act__do(&x, x.a, do_close, 0, 0);
	act__lose(&x, x.b, 0);
	act__await(&x, x.b, REF_STATE(ST_CLOSE_WAIT));
	if (st->sc->arg != HALF_FW1) {
		stage__ack_fin(st, &x.p.e[x.b]);
		act__await(&x, x.a, REF_FW2_MINI);
		t->once |= A(FIN_WAIT2);
	}
	peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(&x, x.b, do_close, 0, 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

/* close() with a full send queue: the FIN is far behind, all bytes count. */
static void run_queued_data(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	EXPECT(st, act__call(&x, x.a, do_send, 150000, 0) == 150000);
	x.p.e[x.a].sent += 150000;
	t = act__truth(&x, x.a, A(TIME_WAIT), CAUSE_CLOSE);
	act__do(&x, x.a, do_close, 0, 0);
	EXPECT(st, act__call(&x, x.b, do_recv_eof, 0, 0) == 150000);
	peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(&x, x.b, do_close, 0, 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

enum { QUEUED_SEND_ONLY, QUEUED_BOTH_WAYS };

/*
 * shutdown() and then close() with a full send queue: what the peer reads is sent by nobody's
 * call, long after the last one, and counts. With QUEUED_BOTH_WAYS the peer sends in between, and
 * its FIN comes long after its acknowledgement of ours.
 */
static void run_queued_half_close(struct stage *st)
{
	bool both_ways = st->sc->arg == QUEUED_BOTH_WAYS;
	struct truth *t, *peer;
	struct act x;
	long queued;

	act__open(&x, st);
	queued = act__call(&x, x.a, do_fill, 0, 0);
	EXPECT(st, queued > 0);
	x.p.e[x.a].sent += queued;
	t = act__truth(&x, x.a, A(TIME_WAIT), CAUSE_SHUTDOWN);
	act__do(&x, x.a, do_shutdown, 1, 0);
	if (both_ways) {
		t->rx_bytes += 5000;
		x.p.e[x.b].sent += 5000;
		EXPECT(st, act__call(&x, x.b, do_send, 5000, 0) == 5000);
		EXPECT(st, act__call(&x, x.a, do_recv, 5000, 0) == 5000);
	}
	stage__see(st, &x.p.e[x.a], REF_STATE(ST_FIN_WAIT1));
	act__do(&x, x.a, do_close, 0, 0);
	stage__see(st, &x.p.e[x.a], REF_STATE(ST_FIN_WAIT1));
	EXPECT(st, act__call(&x, x.b, do_recv_eof, 0, 0) == queued);
	if (both_ways) {
		stage__ack_fin(st, &x.p.e[x.b]);
		act__await(&x, x.a, REF_FW2_MINI);
		t->once |= A(FIN_WAIT2);
	}
	peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(&x, x.b, do_close, 0, 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

static void close_both(struct act *x, int first, struct truth **ta, struct truth **tb)
{
	*ta = act__truth(x, first, A(TIME_WAIT), CAUSE_CLOSE);
	act__do(x, first, do_close, 0, 0);
	act__await(x, !first, REF_STATE(ST_CLOSE_WAIT));
	*tb = act__truth(x, !first, A(PASSIVE_CLOSE), CAUSE_CLOSE);
	act__do(x, !first, do_close, 0, 0);
	truth__in_time_wait(x->st, *ta);
	truth__gone(x->st, *tb);
}

/* Opens the pair's tuple once more: the same client port and the same listener. */
static void open_again(struct act *x, int bind_port)
{
	struct stage *st = x->st;
	long fd;

	x->p.before_ns = net__mono_ns();
	fd = actor__call(x->c, do_connect, st->sc->fam, x->p.e[END_C].t.rport, bind_port);
	if (fd < 0)
		stage__fail(st, "cannot connect again: %s", strerror((int)-fd));
	x->p.e[END_C].fd = (int)fd;
	fd = actor__call(x->s, do_accept, x->p.lfd, 0, 0);
	EXPECT(st, fd >= 0);
	x->p.e[END_S].fd = (int)fd;
	x->p.opened_ns = net__mono_ns();
	x->p.e[END_C].sent = x->p.e[END_S].sent = 0;
	pair__talk(&x->p);
}

/*
 * A TIME_WAIT tuple is used again, by the client's connect() (the client has it) or by its SYN
 * (the server has it); and then closed the other way round.
 */
static void run_reuse(struct stage *st)
{
	struct truth *ta, *tb;
	struct act x;

	stage__sysctl(st, "tcp_tw_reuse", 1);
	act__open_silent(&x, st, 20001);
	pair__talk(&x.p);
	close_both(&x, x.a, &ta, &tb);
	ta->once |= A(TIME_WAIT_END);
	ta->ends = x.a == END_C ? END_CONNECT : END_SYN;
	tb->maybe |= A(TIME_WAIT_END);
	/* tcp_twsk_unique() wants an age over a second; the kernel's clock counts whole ones. */
	if (x.a == END_C)
		usleep(2200000);
	open_again(&x, 20001);
	close_both(&x, x.b, &ta, &tb);
	ta->nth = 0;
	tb->nth = 0;
}

/* One tuple, closed by the client twice: two time_wait events, two cookies. */
static void run_twice(struct stage *st)
{
	struct truth *ta, *tb;
	struct act x;

	stage__sysctl(st, "tcp_tw_reuse", 1);
	act__open_silent(&x, st, 20001);
	pair__talk(&x.p);
	close_both(&x, END_S, &ta, &tb);
	open_again(&x, 20001);
	close_both(&x, END_S, &ta, &tb);
	ta->nth = 1;
	ta->maybe = A(TIME_WAIT_END); /* if the run takes over a minute */
	tb->nth = 1;
}

struct segment {
	struct sockaddr_in src, dst;
	uint32_t seq;
};

static uint16_t tcp_checksum(const struct segment *s, const struct tcphdr *th)
{
	struct {
		uint32_t src, dst;
		uint8_t zero, protocol;
		uint16_t len;
		struct tcphdr th;
	} __attribute__((packed)) p = { s->src.sin_addr.s_addr, s->dst.sin_addr.s_addr, 0,
					IPPROTO_TCP, htons(sizeof(*th)), *th };
	uint16_t words[sizeof(p) / 2];
	uint32_t sum = 0;

	memcpy(words, &p, sizeof(p));
	for (size_t i = 0; i < sizeof(p) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* Sends a bare RST with a raw socket. */
static int send_rst(const struct segment *s)
{
	struct tcphdr th = { .source = s->src.sin_port, .dest = s->dst.sin_port,
			     .seq = htonl(s->seq), .doff = 5, .rst = 1 };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP), err = 0;

	if (fd < 0)
		return -errno;
	th.check = tcp_checksum(s, &th);
	if (sendto(fd, &th, sizeof(th), 0, (const void *)&s->dst, sizeof(s->dst)) != sizeof(th))
		err = -errno;
	close(fd);
	return err;
}

/* The next sequence number that the socket will send. */
static long do_next_seq(long fd, long b, long c)
{
	int on = 1, off = -1, queue = 2 /* TCP_SEND_QUEUE */;
	socklen_t len = sizeof(uint32_t);
	uint32_t seq = 0;

	(void)b, (void)c;
	if (setsockopt((int)fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) ||
	    setsockopt((int)fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) ||
	    getsockopt((int)fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len) ||
	    setsockopt((int)fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)))
		return -errno;
	return seq;
}

/*
 * A RST kills a TIME_WAIT socket (RFC 1337's hazard, which tcp_rfc1337=0 leaves open), or does
 * not (arg 1).
 */
static void run_rst(struct stage *st)
{
	struct truth *ta, *tb;
	struct segment s;
	struct act x;
	long seq;

	stage__sysctl(st, "tcp_rfc1337", st->sc->arg);
	act__open(&x, st);
	seq = act__call(&x, x.b, do_next_seq, 0, 0);
	EXPECT(st, seq >= 0);
	close_both(&x, x.a, &ta, &tb);
	net__loopback(FAM_V4, tb->t.lport, (struct sockaddr_storage *)(void *)(st->arena + 8192));
	memcpy(&s.src, st->arena + 8192, sizeof(s.src));
	s.dst = s.src;
	s.dst.sin_port = htons(ta->t.lport);
	s.seq = (uint32_t)seq + 1;
	EXPECT(st, send_rst(&s) == 0);
	if (st->sc->arg) {
		truth__in_time_wait(st, ta);
		/* If the run takes over a minute. */
		ta->ends = END_EXPIRED | END_PURGED | END_UNKNOWN;
		return;
	}
	ta->once |= A(TIME_WAIT_END);
	ta->ends = END_RESET;
	truth__gone(st, ta);
}

/* 60 seconds, which nothing shortens. */
static void run_expires(struct stage *st)
{
	struct truth *ta, *tb;
	struct act x;

	act__open(&x, st);
	close_both(&x, x.a, &ta, &tb);
	ta->once |= A(TIME_WAIT_END);
	ta->ends = END_EXPIRED;
	if (referee__await(&ta->t, REF_GONE, 75000, NULL))
		stage__fail(st, "TIME_WAIT does not end");
	/* It stays gone. Two snapshots have to see that in this namespace, which goes with us. */
	if (!referee__await(&ta->t, REF_TIME_WAIT, 20000, NULL))
		stage__fail(st, "TIME_WAIT comes back");
}

struct entry {
	const char *name;
	void (*run)(struct stage *st);
	int arg;
	unsigned int fams;
	unsigned int flags;
};

#define V4 (1u << FAM_V4)
#define V46 ((1u << FAM_V4) | (1u << FAM_V6))
#define ALL (V46 | (1u << FAM_MAPPED))

static const struct entry entries[] = {
	{ "closing", run_closing, 0, ALL, 0 },
	{ "closing-by-shutdown", run_closing, 1, V46, 0 },
	{ "fin-and-ack-in-one", run_fin_ack, 0, ALL, 0 },
	{ "mini-expires", run_mini_expires, 0, V46, 0 },
	{ "mini-reset", run_mini_killed, KILLED_BY_RST, ALL, 0 },
	{ "mini-gets-data", run_mini_killed, KILLED_BY_DATA, V46, 0 },
	{ "mini-gets-data-and-fin", run_mini_killed, KILLED_BY_DATA_AND_FIN, V46, 0 },
	{ "shutdown-then-close", run_shutdown_close, 0, ALL, 0 },
	{ "shutdown-by-child-then-close", run_shutdown_close, 1, V46, 0 },
	{ "long-fin-timeout-timer", run_long_fin_timeout, LONG_TIMER, V46, 0 },
	{ "long-fin-timeout-peer", run_long_fin_timeout, LONG_PEER, V46, 0 },
	{ "long-fin-timeout-gives-up", run_long_fin_timeout, LONG_GIVES_UP, V46, 0 },
	{ "half-close-data", run_half_close_data, 0, ALL, 0 },
	{ "half-close-data-close-in-fin-wait1", run_half_close_then_close, HALF_FW1, V46, 0 },
	{ "half-close-data-close-in-fin-wait1-late-peer", run_half_close_then_close, HALF_FW1_LATE,
	  V46, 0 },
	{ "half-close-data-close-in-fin-wait2", run_half_close_then_close, HALF_FW2, V46, 0 },
	{ "queued-data", run_queued_data, 0, V46, 0 },
	{ "queued-data-half-close", run_queued_half_close, QUEUED_SEND_ONLY, V46, 0 },
	{ "queued-data-half-close-both-ways", run_queued_half_close, QUEUED_BOTH_WAYS, V46, 0 },
	{ "end-reused", run_reuse, 0, V46, 0 },
	{ "end-reset", run_rst, 0, V4, 0 },
	{ "end-reset-ignored", run_rst, 1, V4, 0 },
	{ "end-expired", run_expires, 0, V46, SCN_SLOW },
};

void scen_miniwait__add(struct table *table)
{
	const struct scenario twice = { .run = run_twice, .first = END_S };

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		for (int fam = 0; fam < FAM_NR; fam++)
			for (int e = END_C; e <= END_S; e++) {
				const struct entry *n = &entries[i];
				struct scenario model = { .run = n->run, .arg = n->arg, .first = e,
							  .fam = (enum fam)fam, .flags = n->flags };

				if (n->fams & (1u << fam))
					table__add(table, &model, "%s/%s/%s", n->name,
						   e == END_C ? "client" : "server", fam_names[fam]);
			}
	table__add(table, &twice, "same-tuple-twice/server/v4");
}

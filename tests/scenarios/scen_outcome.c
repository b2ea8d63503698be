// SPDX-License-Identifier: GPL-2.0
/*
 * Ends without TIME_WAIT that are easily taken for others: what an error told before, a full
 * table, or a first segment with everything in it.
 */
#define _GNU_SOURCE
#include "act.h"
#include "raw.h"
#include "scenarios.h"

#include <errno.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FIRST_BYTES 10
/* tcp_fastopen: client, server, and both without a cookie. */
#define FAST_OPEN_FOR_ALL (0x1 | 0x2 | 0x4 | 0x200)

static void loopback(struct stage *st, bool up)
{
	EXPECT(st, net__set_loopback(up) == 0);
}

/* Waits until so many bytes lie in the socket's queue; false at the deadline. */
static long do_await_bytes(long fd, long bytes, long b)
{
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;
	int queued = 0;

	(void)b;
	while (ioctl((int)fd, FIONREAD, &queued) == 0 && queued < bytes && net__mono_ns() < end)
		usleep(1000);
	return queued >= bytes;
}

/* What the kernel has received of the peer, less its FIN: payload that has left there. */
static long do_received(long fd, long b, long c)
{
	/* As in linux/tcp.h; the C library's struct ends before. */
	struct {
		uint8_t before[128];
		uint64_t tcpi_bytes_received;
	} info = { 0 };
	socklen_t len = sizeof(info);

	(void)b, (void)c;
	if (getsockopt((int)fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -errno;
	return (long)info.tcpi_bytes_received;
}

enum { DEAD_OPEN, DEAD_IN_FIN_WAIT1, DEAD_IN_CLOSING, DEAD_IN_LAST_ACK };

/*
 * The other host, or the way to it, is gone, and the routing knows it: it tells the socket so
 * while it tries again (sk_err_soft). That the peer did not answer ends it all the same.
 */
static void run_dead_route(struct stage *st)
{
	int when = st->sc->arg;
	struct truth *t, *peer = NULL;
	struct act x;

	stage__sysctl(st, "tcp_orphan_retries", 3);
	act__open(&x, st);
	act__lose(&x, x.b, SEG_ALL);
	if (when == DEAD_IN_LAST_ACK) {
		peer = act__truth(&x, x.b, 0, CAUSE_SHUTDOWN);
		peer->maybe = A(FIN_WAIT2); /* when the scenario ends, and its processes */
		act__lose(&x, x.b, 0);
		act__do(&x, x.b, do_shutdown, 1, 0);
		stage__ack_fin(st, &x.p.e[x.a]);
		act__await(&x, x.b, REF_STATE(ST_FIN_WAIT2));
		act__lose(&x, x.b, SEG_ALL);
	}
	if (when == DEAD_OPEN) {
		x.p.e[x.a].sent += 10;
		act__do(&x, x.a, do_sockopt, TCP_USER_TIMEOUT, 1000);
		EXPECT(st, act__call(&x, x.a, do_send, 10, 0) == 10);
	}
	t = act__dies(&x, x.a, A(TIMEOUT));
	if (when != DEAD_OPEN) {
		t->causes = CAUSE_CLOSE;
		act__do(&x, x.a, do_close, 0, 0);
		act__await(&x, x.a, REF_STATE(when == DEAD_IN_LAST_ACK ? ST_LAST_ACK : ST_FIN_WAIT1));
	}
	if (when == DEAD_IN_CLOSING) {
		peer = act__dies(&x, x.b, A(TIMEOUT));
		act__do(&x, x.b, do_close, 0, 0);
		act__await(&x, x.a, REF_STATE(ST_CLOSING));
	}
	loopback(st, false);
	truth__gone(st, t);
	if (when == DEAD_IN_LAST_ACK)
		return;
	if (when != DEAD_IN_CLOSING) {
		loopback(st, true);
		peer = act__dies(&x, x.b, A(RESET));
		peer->rx_bytes = act__call(&x, x.b, do_received, 0, 0);
		act__lose(&x, x.b, 0);
		act__do(&x, x.b, do_close, 0, 0);
	}
	truth__gone(st, peer);
	if (when == DEAD_OPEN)
		act__do(&x, x.a, do_close, 0, 0);
}

enum { FULL_UNREAD, FULL_LINGER0 };

/* In FIN_WAIT2, the table of mini-sockets being full: but nobody has asked for one yet. */
static void run_abort_in_fin_wait2(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	stage__sysctl(st, "tcp_max_tw_buckets", 0);
	act__open(&x, st);
	t = act__dies(&x, x.a, A(ABORT));
	t->causes = CAUSE_SHUTDOWN;
	act__do(&x, x.a, do_shutdown, 1, 0);
	stage__ack_fin(st, &x.p.e[x.b]);
	act__await(&x, x.a, REF_STATE(ST_FIN_WAIT2));
	if (st->sc->arg == FULL_UNREAD) {
		x.p.e[x.b].sent += 10;
		t->rx_bytes += 10;
		EXPECT(st, act__call(&x, x.b, do_send, 10, 0) == 10);
		EXPECT(st, act__call(&x, x.a, do_await_bytes, 10, 0));
	} else {
		act__do(&x, x.a, do_linger, 1, 0);
	}
	peer = act__dies(&x, x.b, A(RESET));
	/* The RST may overtake the acknowledgement of the last bytes. */
	act__do(&x, x.a, do_close, 0, 0);
	truth__gone(st, t);
	truth__gone(st, peer);
	act__do(&x, x.b, do_close, 0, 0);
}

/* In CLOSING, with data that nobody has read. */
static void run_unread_in_closing(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	act__lose(&x, x.b, SEG_ALL);
	t = act__dies(&x, x.a, A(ABORT));
	t->causes = CAUSE_SHUTDOWN;
	act__do(&x, x.a, do_shutdown, 1, 0);
	x.p.e[x.b].sent += 10;
	t->rx_bytes += 10;
	EXPECT(st, act__call(&x, x.b, do_send, 10, 0) == 10);
	EXPECT(st, act__call(&x, x.a, do_await_bytes, 10, 0));
	peer = act__dies(&x, x.b, A(RESET));
	act__do(&x, x.b, do_close, 0, 0);
	act__await(&x, x.a, REF_STATE(ST_CLOSING));
	act__do(&x, x.a, do_close, 0, 0);
	truth__gone(st, t);
	act__lose(&x, x.b, 0);
	truth__gone(st, peer);
}

/*
 * What the host itself does not let out is tried again and again, and never leaves. arg 0: then
 * the socket is aborted; 1: it is closed, and gives up.
 */
static void run_refused_bytes(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	stage__sysctl(st, "tcp_orphan_retries", 1);
	act__open(&x, st);
	loopback(st, false);
	t = act__dies(&x, x.a, st->sc->arg ? A(TIMEOUT) : A(ABORT));
	for (int i = 0; i < 3; i++)
		EXPECT(st, act__call(&x, x.a, do_send, 24, 0) == 24);
	if (!st->sc->arg)
		act__do(&x, x.a, do_linger, 1, 0);
	act__do(&x, x.a, do_close, 0, 0);
	truth__gone(st, t);
	EXPECT(st, act__call(&x, x.b, do_received, 0, 0) == t->tx_bytes);
	loopback(st, true);
	peer = act__dies(&x, x.b, A(RESET));
	act__do(&x, x.b, do_close, 0, 0);
	truth__gone(st, peer);
}

/* A socket that opens fast: with its first bytes in the SYN, or (bytes 0) with none, later. */
static long do_open_fast(long fam, long port, long bytes)
{
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, (uint16_t)port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	char data[FIRST_BYTES] = "";
	ssize_t ret;

	if (fd < 0)
		return -errno;
	if (bytes) {
		ret = sendto(fd, data, (size_t)bytes, MSG_FASTOPEN, (struct sockaddr *)&ss, len);
		if (ret == bytes || (ret < 0 && errno == EINPROGRESS))
			return fd;
	} else if (!setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)) &&
		   !connect(fd, (struct sockaddr *)&ss, len)) {
		return fd;
	}
	ret = -errno;
	close(fd);
	return ret;
}

static struct valve *valve_of(struct stage *st)
{
	struct valve *valve = (struct valve *)(st->arena + 4096);

	EXPECT(st, valve__new(valve) == 0);
	return valve;
}

/* A listener that opens fast, behind a valve that its children have as well. */
static long listen_fast(struct stage *st, struct actor *s, struct valve *valve, unsigned int lost)
{
	long lfd = actor__call(s, do_listen, st->sc->fam, 0, 0);

	EXPECT(st, lfd >= 0);
	EXPECT(st, actor__call(s, do_sockopt, lfd, TCP_FASTOPEN, 16) == 0);
	EXPECT(st, actor__call(s, do_valve, lfd, (long)valve, 0) == 0);
	EXPECT(st, valve__set(valve, lost) == 0);
	return lfd;
}

static void fill_pair(struct stage *st, struct pair *p, struct actor *c, struct actor *s, long fd)
{
	struct tuple *tuple = (struct tuple *)st->arena;

	EXPECT(st, actor__call(c, do_tuple, fd, (long)tuple, 0) == 0);
	p->opened_ns = net__mono_ns();
	p->e[END_C] = (struct end){ .a = c, .fd = (int)fd, .t = *tuple, .side = SIDE_CLIENT,
				    .opener = c->pid };
	p->e[END_S] = (struct end){ .a = s, .fd = -1, .t = tuple__flip(tuple),
				    .side = SIDE_SERVER, .opener = s->pid };
}

/* An ICMP error ends a child of TCP fast open that nobody has accepted. */
static void run_icmp_ends_child(struct stage *st)
{
	struct pair p = { .fam = st->sc->fam };
	struct segment syn_ack;
	struct truth *t, *peer;
	struct valve *valve;
	struct actor *c, *s;
	int raw = raw__listen();
	long lfd, fd, port;

	EXPECT(st, raw >= 0);
	stage__sysctl(st, "tcp_fastopen", FAST_OPEN_FOR_ALL);
	valve = valve_of(st);
	c = actor__start(st, "sc-client", 0);
	s = actor__start(st, "sc-server", 0);
	lfd = listen_fast(st, s, valve, SEG_ACK);
	port = actor__call(s, do_port, lfd, 0, 0);
	fd = actor__call(c, do_open_fast, st->sc->fam, port, FIRST_BYTES);
	EXPECT(st, fd >= 0);
	EXPECT(st, raw__await(raw, (uint16_t)port, 0, SEG_SYN | SEG_ACK, &syn_ack) == 0);
	fill_pair(st, &p, c, s, fd);
	stage__await(st, &p.e[END_C], REF_STATE(ST_ESTABLISHED));
	stage__see(st, &p.e[END_S], REF_STATE(ST_SYN_RECV));
	p.e[END_C].sent = FIRST_BYTES;
	t = truth__add(st, &p, END_S, A(ABORT), NULL, CAUSE_ICMP);
	t->who_on = A(ABORT);
	t->pid_optional = true;
	t->errno_ = EHOSTUNREACH;
	EXPECT(st, raw__unreachable(&syn_ack, ICMP_HOST_UNREACH) == 0);
	truth__gone(st, t);
	EXPECT(st, valve__set(valve, 0) == 0);
	peer = truth__add(st, &p, END_C, 0, c, CAUSE_CLOSE);
	peer->one_of = A(RESET);
	EXPECT(st, actor__call(c, do_close, fd, 0, 0) == 0);
	truth__gone(st, peer);
	close(raw);
}

/*
 * The SYN/ACK acknowledges the SYN's data, and has data and a FIN itself. No Linux sends such a
 * one: the listener here is deaf, and what answers is made by hand.
 */
static void run_all_in_syn_ack(struct stage *st)
{
	struct pair p = { .fam = st->sc->fam };
	struct actor *c, *s;
	struct segment syn, fin;
	struct valve *valve;
	struct truth *t;
	int raw = raw__listen();
	uint32_t seq = 1000000;
	long lfd, fd, port;

	EXPECT(st, raw >= 0);
	stage__sysctl(st, "tcp_fastopen", FAST_OPEN_FOR_ALL);
	valve = valve_of(st);
	c = actor__start(st, "sc-client", 0);
	s = actor__start(st, "sc-server", 0);
	lfd = listen_fast(st, s, valve, SEG_ALL);
	port = actor__call(s, do_port, lfd, 0, 0);
	fd = actor__call(c, do_open_fast, st->sc->fam, port, FIRST_BYTES);
	EXPECT(st, fd >= 0);
	EXPECT(st, raw__await(raw, 0, (uint16_t)port, SEG_SYN, &syn) == 0);
	EXPECT(st, syn.data_bytes == FIRST_BYTES);
	EXPECT(st, raw__answer(raw, &syn, seq, syn.seq + 1 + FIRST_BYTES,
			       SEG_SYN | SEG_ACK | SEG_FIN, 33) == 0);
	EXPECT(st, actor__call(c, do_await_bytes, fd, 33, 0));
	fill_pair(st, &p, c, s, fd);
	stage__await(st, &p.e[END_C], REF_STATE(ST_CLOSE_WAIT));
	EXPECT(st, actor__call(c, do_recv, fd, 33, 0) == 33);
	p.e[END_C].sent = FIRST_BYTES;
	p.e[END_S].sent = 33;
	t = truth__add(st, &p, END_C, A(PASSIVE_CLOSE), c, CAUSE_CLOSE);
	EXPECT(st, actor__call(c, do_close, fd, 0, 0) == 0);
	EXPECT(st, raw__await(raw, p.e[END_C].t.lport, (uint16_t)port, SEG_FIN, &fin) == 0);
	EXPECT(st, raw__answer(raw, &fin, seq + 1 + 33 + 1, fin.seq + 1, SEG_ACK, 0) == 0);
	truth__gone(st, t);
	close(raw);
}

/* connect() succeeds, and leaves the SYN to the first write, of which there is none. */
static void run_never_tried(struct stage *st)
{
	struct actor *c;
	long fd;

	stage__sysctl(st, "tcp_fastopen", FAST_OPEN_FOR_ALL);
	c = actor__start(st, "sc-client", 0);
	fd = actor__call(c, do_open_fast, st->sc->fam, 20061, 0);
	EXPECT(st, fd >= 0);
	EXPECT(st, actor__call(c, do_close, fd, 0, 0) == 0);
}

/* And here it is the write that fails. */
static void run_tried_late(struct stage *st)
{
	struct pair p = { .fam = st->sc->fam };
	struct actor *c;
	struct truth *t;
	long fd, ret;

	stage__sysctl(st, "tcp_fastopen", FAST_OPEN_FOR_ALL);
	c = actor__start(st, "sc-client", 0);
	fd = actor__call(c, do_open_fast, st->sc->fam, 20062, 0);
	EXPECT(st, fd >= 0);
	p.e[END_C] = (struct end){ .a = c, .fd = (int)fd, .side = SIDE_CLIENT, .opener = c->pid };
	p.e[END_C].t = (struct tuple){
		.family = st->sc->fam == FAM_V4 ? AF_INET : AF_INET6, .rport = 20062,
		.lport = (uint16_t)actor__call(c, do_port, fd, 0, 0), .netns = net__netns_inode(),
	};
	strcpy(p.e[END_C].t.raddr, st->sc->fam == FAM_V4 ? "127.0.0.1" : "::1");
	t = truth__add(st, &p, END_C, A(CONNECT_FAILED), c, 0);
	t->errno_ = ECONNREFUSED;
	t->pid_optional = true;
	t->life_min_ns = 0;
	t->tx_bytes = t->rx_bytes = -1;
	ret = actor__call(c, do_send, fd, 10, 0);
	/* Without a wait it is told with the next write, or by SO_ERROR. */
	if (ret != -ECONNREFUSED)
		EXPECT(st, actor__call(c, do_await_err, fd, 0, 0) == ECONNREFUSED);
	EXPECT(st, actor__call(c, do_close, fd, 0, 0) == 0);
}

struct entry {
	const char *name;
	void (*run)(struct stage *st);
	int arg;
	bool v4_only, client_only;
};

static const struct entry entries[] = {
	{ "dead-route", run_dead_route, DEAD_OPEN, false, false },
	{ "dead-route-in-fin-wait1", run_dead_route, DEAD_IN_FIN_WAIT1, false, false },
	{ "dead-route-in-closing", run_dead_route, DEAD_IN_CLOSING, false, false },
	{ "dead-route-in-last-ack", run_dead_route, DEAD_IN_LAST_ACK, false, false },
	{ "unread-in-fin-wait2", run_abort_in_fin_wait2, FULL_UNREAD, false, false },
	{ "linger0-in-fin-wait2", run_abort_in_fin_wait2, FULL_LINGER0, false, false },
	{ "unread-in-closing", run_unread_in_closing, 0, false, false },
	{ "refused-bytes-abort", run_refused_bytes, 0, false, false },
	{ "refused-bytes-timeout", run_refused_bytes, 1, false, false },
	{ "icmp-ends-child", run_icmp_ends_child, 0, true, true },
	{ "all-in-syn-ack", run_all_in_syn_ack, 0, true, true },
	{ "fast-open-never-tried", run_never_tried, 0, false, true },
	{ "fast-open-tried-late", run_tried_late, 0, false, true },
};

void scen_outcome__add(struct table *table)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		const struct entry *n = &entries[i];
		struct scenario model = { .run = n->run, .arg = n->arg };

		for (int fam = FAM_V4; fam <= (n->v4_only ? FAM_V4 : FAM_V6); fam++) {
			model.fam = (enum fam)fam;
			for (int e = END_C; e <= (n->client_only ? END_C : END_S); e++) {
				model.first = e;
				table__add(table, &model, "%s%s/%s", n->name,
					   n->client_only ? "" : e == END_C ? "/client" : "/server",
					   fam_names[fam]);
			}
		}
	}
}

// SPDX-License-Identifier: GPL-2.0
/* The ways in which a connection ends without TIME_WAIT (KERNEL.md 4). */
#define _GNU_SOURCE
#include "act.h"
#include "scenarios.h"
#include "ways.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Ends of several kinds can close the descriptor that is still open; nothing may come of it. */
static void close_quietly(struct act *x, int e)
{
	act__do(x, e, do_close, 0, 0);
}

/* End a aborts itself: SO_LINGER 0. The peer gets a RST. arg 1: after the peer's FIN. */
static void run_linger0(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	t = act__dies(&x, x.a, A(ABORT));
	peer = act__dies(&x, x.b, A(RESET));
	act__do(&x, x.a, do_linger, 1, 0);
	if (st->sc->arg) {
		/* Half closed by the peer: its end is a full socket in FIN_WAIT2. */
		peer->causes = CAUSE_SHUTDOWN;
		act__do(&x, x.b, do_shutdown, 1, 0);
		stage__ack_fin(st, &x.p.e[x.a]);
		act__await(&x, x.b, REF_STATE(ST_FIN_WAIT2));
	}
	act__do(&x, x.a, do_close, 0, 0);
	truth__gone(st, t);
	truth__gone(st, peer);
	close_quietly(&x, x.b);
}

/* The RST meets an orphan in FIN_WAIT1. */
static void run_rst_in_fin_wait1(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	act__lose(&x, x.b, SEG_FIN);
	t = act__dies(&x, x.a, A(RESET));
	peer = act__dies(&x, x.b, A(ABORT));
	act__do(&x, x.a, do_close, 0, 0);
	act__await(&x, x.a, REF_STATE(ST_FIN_WAIT1));
	act__do(&x, x.b, do_linger, 1, 0);
	act__do(&x, x.b, do_close, 0, 0);
	truth__gone(st, t);
	truth__gone(st, peer);
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

/* close() (arg 0) or SIGKILL (arg 1) while data has not been read. */
static void run_unread(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	x.p.e[x.b].sent += 10;
	EXPECT(st, act__call(&x, x.b, do_send, 10, 0) == 10);
	/* What comes after the close would be another story. */
	EXPECT(st, act__call(&x, x.a, do_await_bytes, 10, 0));
	t = act__dies(&x, x.a, A(ABORT));
	peer = act__dies(&x, x.b, A(RESET));
	/* The RST may overtake the acknowledgement of the last bytes. */
	peer->tx_bytes = -1;
	if (st->sc->arg) {
		kill(x.p.e[x.a].a->pid, SIGKILL);
		actor__await_end(x.p.e[x.a].a);
	} else {
		act__do(&x, x.a, do_close, 0, 0);
	}
	truth__gone(st, t);
	truth__gone(st, peer);
	close_quietly(&x, x.b);
}

/* TCP_LINGER2 < 0: no FIN_WAIT2 for orphans. arg 1: close() when in FIN_WAIT2 already. */
static void run_linger2(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	act__do(&x, x.a, do_sockopt, TCP_LINGER2, -1);
	t = act__dies(&x, x.a, A(ABORT));
	peer = act__dies(&x, x.b, A(RESET));
	if (st->sc->arg) {
		act__do(&x, x.a, do_shutdown, 1, 0);
		stage__ack_fin(st, &x.p.e[x.b]);
		act__await(&x, x.a, REF_STATE(ST_FIN_WAIT2));
	}
	act__do(&x, x.a, do_close, 0, 0);
	if (!st->sc->arg)
		stage__ack_fin(st, &x.p.e[x.b]);
	truth__gone(st, t);
	truth__gone(st, peer);
	close_quietly(&x, x.b);
}

enum { DATA_FW1, DATA_FW2, DATA_WITH_ACK };

/* Data arrives after a full close. The kernel resets, and calls it AbortOnData. */
static void run_data_after_close(struct stage *st)
{
	int when = st->sc->arg;
	struct truth *t, *peer;
	struct act x;

	stage__sysctl(st, "tcp_fin_timeout", 61);
	act__open(&x, st);
	t = act__dies(&x, x.a, A(RESET) | A(ABORT));
	t->rx_bytes = -1;
	peer = act__dies(&x, x.b, A(RESET));
	peer->tx_bytes = -1;
	if (when == DATA_FW1)
		act__lose(&x, x.b, SEG_FIN);
	if (when == DATA_WITH_ACK)
		act__lose(&x, x.a, SEG_ALL);
	act__do(&x, x.a, do_close, 0, 0);
	if (when == DATA_FW2)
		stage__ack_fin(st, &x.p.e[x.b]);
	act__await(&x, x.a, REF_STATE(when == DATA_FW2 ? ST_FIN_WAIT2 : ST_FIN_WAIT1));
	if (when == DATA_WITH_ACK) {
		/* The only segment to reach the orphan is the data with the ACK of its FIN. */
		t->one_of = A(ABORT);
		act__await(&x, x.b, REF_STATE(ST_CLOSE_WAIT));
		act__lose(&x, x.b, SEG_ALL);
	}
	EXPECT(st, act__call(&x, x.b, do_send, 100, 0) == 100);
	act__lose(&x, x.a, 0);
	truth__gone(st, t);
	act__lose(&x, x.b, 0);
	truth__gone(st, peer);
	close_quietly(&x, x.b);
}

enum { FULL_DIRECT, FULL_ORPHAN, FULL_SECOND };

/* tcp_max_tw_buckets reached: the socket vanishes instead. */
static void run_overflow(struct stage *st)
{
	int way = st->sc->arg;
	struct truth *t, *peer;
	struct act x;

	stage__sysctl(st, "tcp_max_tw_buckets", 0);
	act__open(&x, st);
	t = act__truth(&x, x.a, A(OVERFLOW), way == FULL_ORPHAN ? CAUSE_CLOSE : CAUSE_SHUTDOWN);
	t->pid_optional = true;
	act__do(&x, x.a, way == FULL_ORPHAN ? do_close : do_shutdown, 1, 0);
	stage__ack_fin(st, &x.p.e[x.b]);
	if (way == FULL_ORPHAN) {
		/* No mini-socket for FIN_WAIT2: the peer's FIN meets nothing. */
		truth__gone(st, t);
		peer = act__dies(&x, x.b, A(RESET));
		act__do(&x, x.b, do_close, 0, 0);
	} else {
		act__await(&x, x.a, REF_STATE(ST_FIN_WAIT2));
		peer = act__truth(&x, x.b, A(PASSIVE_CLOSE), CAUSE_CLOSE);
		act__do(&x, x.b, do_close, 0, 0);
		truth__gone(st, t);
		close_quietly(&x, x.a);
	}
	truth__gone(st, peer);
}

/* The limit is one: the first gets its TIME_WAIT, the second overflows. */
static void run_overflow_second(struct stage *st)
{
	struct truth *t[2], *peer[2];
	struct pair p[2];
	struct actor *c, *s;

	stage__sysctl(st, "tcp_max_tw_buckets", 1);
	c = actor__start(st, "sc-client", 0);
	s = actor__start(st, "sc-server", 0);
	for (int i = 0; i < 2; i++) {
		pair__open(st, &p[i], c, s, st->sc->fam);
		t[i] = truth__add(st, &p[i], END_C, i ? A(OVERFLOW) : A(TIME_WAIT), c, CAUSE_SHUTDOWN);
		EXPECT(st, actor__call(c, do_shutdown, p[i].e[END_C].fd, 1, 0) == 0);
		stage__ack_fin(st, &p[i].e[END_S]);
		stage__await(st, &p[i].e[END_C], REF_STATE(ST_FIN_WAIT2));
		peer[i] = truth__add(st, &p[i], END_S, A(PASSIVE_CLOSE), s, CAUSE_CLOSE);
		EXPECT(st, actor__call(s, do_close, p[i].e[END_S].fd, 0, 0) == 0);
		if (i)
			truth__gone(st, t[i]);
		else
			truth__in_time_wait(st, t[i]);
		truth__gone(st, peer[i]);
	}
}

/* Nobody acknowledges the FIN: the retransmission timer gives up. */
static void run_fin_timeout(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	stage__sysctl(st, "tcp_orphan_retries", 1);
	act__open(&x, st);
	act__lose(&x, x.b, SEG_ALL);
	t = act__dies(&x, x.a, A(TIMEOUT));
	t->causes = CAUSE_CLOSE;
	act__do(&x, x.a, do_close, 0, 0);
	truth__gone(st, t);
	peer = act__dies(&x, x.b, A(RESET));
	act__lose(&x, x.b, 0);
	act__do(&x, x.b, do_close, 0, 0);
	truth__gone(st, peer);
}

static long do_keepalive(long fd, long b, long c)
{
	int one = 1;

	(void)b, (void)c;
	if (setsockopt((int)fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)))
		return -errno;
	if (do_sockopt(fd, TCP_KEEPCNT, 1) || do_sockopt(fd, TCP_KEEPINTVL, 1))
		return -errno;
	return do_sockopt(fd, TCP_KEEPIDLE, 1);
}

/* An open connection times out: unacknowledged data (arg 0) or keepalive probes (arg 1). */
static void run_timeout(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	act__lose(&x, x.b, SEG_ALL);
	t = act__dies(&x, x.a, A(TIMEOUT));
	t->tx_bytes = -1;
	if (st->sc->arg) {
		act__do(&x, x.a, do_keepalive, 0, 0);
	} else {
		act__do(&x, x.a, do_sockopt, TCP_USER_TIMEOUT, 300);
		EXPECT(st, act__call(&x, x.a, do_send, 10, 0) == 10);
	}
	truth__gone(st, t);
	/* The timer's RST may still be on its way, and pass the valve once it is open. */
	peer = act__dies(&x, x.b, A(RESET));
	act__lose(&x, x.b, 0);
	close_quietly(&x, x.a);
	act__do(&x, x.b, do_close, 0, 0);
	truth__gone(st, peer);
}

/* SOCK_DESTROY by a third process, as `ss -K` does it. */
static void run_destroy(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;
	int err;

	act__open(&x, st);
	t = act__dies(&x, x.a, A(ABORT));
	/* This very process. */
	t->pid = t->tid = getpid();
	t->pid_optional = false;
	snprintf(t->name, sizeof(t->name), "sc-stage");
	snprintf(t->tname, sizeof(t->tname), "sc-stage");
	t->who_on = A(ABORT);
	t->causes = CAUSE_DESTROY;
	t->errno_ = ECONNABORTED;
	peer = act__dies(&x, x.b, A(RESET));
	err = referee__destroy(&x.p.e[x.a].t);
	if (err == -EOPNOTSUPP || err == -EINVAL)
		stage__skip(st, "this kernel has no SOCK_DESTROY (CONFIG_INET_DIAG_DESTROY)");
	EXPECT(st, err == 0);
	truth__gone(st, t);
	truth__gone(st, peer);
	close_quietly(&x, x.a);
	close_quietly(&x, x.b);
}

/* TCP_REPAIR: close() makes no segment at all. */
static void run_repair(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	t = act__dies(&x, x.a, A(ABORT));
	t->uncounted = true;
	act__do(&x, x.a, do_sockopt, TCP_REPAIR, 1);
	act__do(&x, x.a, do_close, 0, 0);
	truth__gone(st, t);
	peer = act__dies(&x, x.b, A(RESET));
	act__do(&x, x.b, do_close, 0, 0);
	truth__gone(st, peer);
}

static long do_unconnect(long fd, long b, long c)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };

	(void)b, (void)c;
	return connect((int)fd, &sa, sizeof(sa)) ? -errno : 0;
}

/* connect(AF_UNSPEC) aborts the connection; the descriptor lives on. */
static void run_unconnect(struct stage *st)
{
	struct truth *t, *peer;
	struct act x;

	act__open(&x, st);
	t = act__dies(&x, x.a, A(ABORT));
	t->pid_optional = false;
	t->who_on = A(ABORT);
	t->causes = CAUSE_DISCONNECT;
	peer = act__dies(&x, x.b, A(RESET));
	act__do(&x, x.a, do_unconnect, 0, 0);
	truth__gone(st, t);
	truth__gone(st, peer);
	close_quietly(&x, x.a);
	close_quietly(&x, x.b);
}

/* The listener is closed while a connection waits to be accepted. */
static void run_never_accepted(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-server", 0);
	struct truth *t, *peer;
	struct pair p = { .fam = st->sc->fam };
	struct tuple *tuple = (struct tuple *)st->arena;
	long lfd, fd;

	lfd = actor__call(s, do_listen, st->sc->fam, 0, 0);
	EXPECT(st, lfd >= 0);
	fd = actor__call(c, do_connect, st->sc->fam, actor__call(s, do_port, lfd, 0, 0), 0);
	EXPECT(st, fd >= 0);
	p.opened_ns = net__mono_ns();
	EXPECT(st, actor__call(c, do_tuple, fd, (long)tuple, 0) == 0);
	p.e[END_C] = (struct end){ .a = c, .fd = (int)fd, .t = *tuple, .side = SIDE_CLIENT,
				   .opener = c->pid };
	p.e[END_S] = (struct end){ .a = s, .fd = -1, .t = tuple__flip(tuple), .side = SIDE_SERVER,
				   .opener = s->pid };
	stage__await(st, &p.e[END_S], REF_STATE(ST_ESTABLISHED));
	t = truth__add(st, &p, END_S, 0, s, 0);
	t->one_of = A(ABORT);
	t->pid_optional = true;
	t->uncounted = true;
	peer = truth__add(st, &p, END_C, 0, c, 0);
	peer->one_of = A(RESET);
	peer->pid_optional = true;
	EXPECT(st, actor__call(s, do_close, lfd, 0, 0) == 0);
	truth__gone(st, t);
	truth__gone(st, peer);
	EXPECT(st, actor__call(c, do_close, fd, 0, 0) == 0);
}

/* A connect() that fails has no pair: its truth is made by hand. */
static struct truth *connect_truth(struct stage *st, struct actor *c, uint16_t lport,
				   uint16_t rport, int err)
{
	struct sockaddr_storage ss;
	struct pair p = { .opened_ns = net__mono_ns() };
	struct truth *t;

	net__loopback(st->sc->fam, rport, &ss);
	p.e[END_C] = (struct end){ .a = c, .side = SIDE_CLIENT, .opener = c->pid };
	if (ss.ss_family == AF_INET)
		p.e[END_C].t.family = net__addr_text(
			AF_INET, &((struct sockaddr_in *)&ss)->sin_addr, p.e[END_C].t.raddr);
	else
		p.e[END_C].t.family = net__addr_text(
			AF_INET6, &((struct sockaddr_in6 *)&ss)->sin6_addr, p.e[END_C].t.raddr);
	p.e[END_C].t.lport = lport;
	p.e[END_C].t.rport = rport;
	p.e[END_C].t.netns = net__netns_inode();
	t = truth__add(st, &p, END_C, A(CONNECT_FAILED), c, 0);
	t->errno_ = err;
	/* Nobody closed it: the opener says who it was. */
	t->pid_optional = true;
	t->life_min_ns = 0;
	t->tx_bytes = t->rx_bytes = -1;
	return t;
}

static void run_refused(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0);

	connect_truth(st, c, 20010, 20011, ECONNREFUSED);
	EXPECT(st, actor__call(c, do_connect, st->sc->fam, 20011, 20010) == -ECONNREFUSED);
}

/* One local port only, and it is taken: the second connect() has none. */
static void run_exhausted(struct stage *st)
{
	struct actor *c, *s;
	struct truth *t, *peer;
	struct pair p;

	if (net__sysctl_text("ip_local_port_range", "20020 20020"))
		stage__skip(st, "the kernel does not take a port range of one");
	c = actor__start(st, "sc-client", 0);
	s = actor__start(st, "sc-server", 0);
	p = (struct pair){ .lfd = (int)actor__call(s, do_listen, st->sc->fam, 20021, 0) };
	EXPECT(st, p.lfd >= 0);
	p.e[END_C].fd = (int)actor__call(c, do_connect, st->sc->fam, 20021, 0);
	EXPECT(st, p.e[END_C].fd >= 0);
	connect_truth(st, c, 0, 20021, EADDRNOTAVAIL);
	EXPECT(st, actor__call(c, do_connect, st->sc->fam, 20021, 0) == -EADDRNOTAVAIL);

	p.opened_ns = net__mono_ns();
	p.e[END_S].fd = (int)actor__call(s, do_accept, p.lfd, 0, 0);
	EXPECT(st, actor__call(c, do_tuple, p.e[END_C].fd, (long)st->arena, 0) == 0);
	p.e[END_C].t = *(struct tuple *)st->arena;
	p.e[END_S].t = tuple__flip(&p.e[END_C].t);
	p.e[END_C].side = SIDE_CLIENT;
	p.e[END_S].side = SIDE_SERVER;
	t = truth__add(st, &p, END_C, A(TIME_WAIT), c, CAUSE_CLOSE);
	EXPECT(st, actor__call(c, do_close, p.e[END_C].fd, 0, 0) == 0);
	stage__await(st, &p.e[END_S], REF_STATE(ST_CLOSE_WAIT));
	peer = truth__add(st, &p, END_S, A(PASSIVE_CLOSE), s, CAUSE_CLOSE);
	EXPECT(st, actor__call(s, do_close, p.e[END_S].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

/* SYNs get lost until connect() gives up. */
static void run_syn_timeout(struct stage *st)
{
	struct valve *v = (struct valve *)(st->arena + 4096);
	struct actor *c, *s;
	long lfd;

	stage__sysctl(st, "tcp_syn_retries", 1);
	EXPECT(st, valve__new(v) == 0 && valve__set(v, SEG_ALL) == 0);
	c = actor__start(st, "sc-client", 0);
	s = actor__start(st, "sc-server", 0);
	lfd = actor__call(s, do_listen, st->sc->fam, 20031, 0);
	EXPECT(st, lfd >= 0);
	EXPECT(st, actor__call(s, do_valve, lfd, (long)v, 0) == 0);
	connect_truth(st, c, 20030, 20031, ETIMEDOUT);
	EXPECT(st, actor__call(c, do_connect, st->sc->fam, 20031, 20030) == -ETIMEDOUT);
}

/* The second to close: its way through LAST_ACK is named as well. */
static void run_passive(struct stage *st)
{
	const struct way *way = &ways[st->sc->arg];
	struct truth *t, *peer;
	int e = st->sc->first;
	struct actor *c, *s;
	struct pair p;

	c = actor__start(st, "sc-client", e == END_S ? way->actor_flags : 0);
	s = actor__start(st, "sc-server", e == END_C ? way->actor_flags : 0);
	pair__open(st, &p, c, s, st->sc->fam);
	t = truth__add(st, &p, e, A(TIME_WAIT), p.e[e].a, CAUSE_CLOSE);
	EXPECT(st, actor__call(p.e[e].a, do_close, p.e[e].fd, 0, 0) == 0);
	stage__await(st, &p.e[!e], REF_STATE(ST_CLOSE_WAIT));
	peer = way->close(st, &p, !e);
	peer->once = A(PASSIVE_CLOSE);
	peer->maybe = 0;
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
	if (way->stays_open)
		EXPECT(st, actor__call(p.e[!e].a, do_close, p.e[!e].fd, 0, 0) == 0);
}

struct entry {
	const char *name;
	void (*run)(struct stage *st);
	int arg;
	unsigned int fams;
	bool client_only;
};

static const struct entry entries[] = {
	{ "linger0", run_linger0, 0, FAMS_ALL, false },
	{ "linger0-half-closed", run_linger0, 1, FAMS_46, false },
	{ "rst-in-fin-wait1", run_rst_in_fin_wait1, 0, FAMS_46, false },
	{ "unread-data", run_unread, 0, FAMS_ALL, false },
	{ "unread-data-sigkill", run_unread, 1, FAMS_46, false },
	{ "linger2", run_linger2, 0, FAMS_46, false },
	{ "linger2-in-fin-wait2", run_linger2, 1, FAMS_46, false },
	{ "data-in-fin-wait1", run_data_after_close, DATA_FW1, FAMS_46, false },
	{ "data-in-fin-wait2", run_data_after_close, DATA_FW2, FAMS_46, false },
	{ "data-with-ack-of-fin", run_data_after_close, DATA_WITH_ACK, FAMS_46, false },
	{ "overflow", run_overflow, FULL_DIRECT, FAMS_ALL, false },
	{ "overflow-orphan", run_overflow, FULL_ORPHAN, FAMS_46, false },
	{ "overflow-second", run_overflow_second, FULL_SECOND, FAMS_46, true },
	{ "fin-never-acked", run_fin_timeout, 0, FAMS_46, false },
	{ "user-timeout", run_timeout, 0, FAMS_46, false },
	{ "keepalive-timeout", run_timeout, 1, FAMS_46, false },
	{ "destroyed", run_destroy, 0, FAMS_46, false },
	{ "repair", run_repair, 0, FAMS_46, false },
	{ "connect-unspec", run_unconnect, 0, FAMS_46, false },
	{ "never-accepted", run_never_accepted, 0, FAMS_46, true },
	{ "connect-refused", run_refused, 0, FAMS_ALL, true },
	{ "connect-exhausted", run_exhausted, 0, FAMS_46, true },
	{ "connect-timeout", run_syn_timeout, 0, FAMS_46, true },
};

static void add_entry(struct table *table, const struct entry *n, enum fam fam)
{
	struct scenario model = { .run = n->run, .arg = n->arg, .fam = fam };

	if (n->client_only) {
		table__add(table, &model, "%s/%s", n->name, fam_names[fam]);
		return;
	}
	table__add(table, &model, "%s/client/%s", n->name, fam_names[fam]);
	model.first = END_S;
	table__add(table, &model, "%s/server/%s", n->name, fam_names[fam]);
}

void scen_abort__add(struct table *table)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		for (int fam = 0; fam < FAM_NR; fam++)
			if (entries[i].fams & (1u << fam))
				add_entry(table, &entries[i], (enum fam)fam);
	for (int w = 0; w < ways_nr; w++)
		for (int e = END_C; e <= END_S; e++) {
			struct scenario model = { .run = run_passive, .arg = w, .first = e,
						  .fam = w % 2 ? FAM_V6 : FAM_V4 };

			table__add(table, &model, "passive-%s/%s/%s", ways[w].name,
				   e == END_C ? "server" : "client", fam_names[model.fam]);
		}
}

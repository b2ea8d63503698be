// SPDX-License-Identifier: GPL-2.0
/* Who is who: openers, namespaces, names and other odd identities. */
#define _GNU_SOURCE
#include "act.h"
#include "scenarios.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* Closes end e by `who`, and then the other end by its actor. */
static void finish(struct stage *st, struct pair *p, int e, struct truth *t, struct actor *who,
		   long fd)
{
	struct truth *peer;

	EXPECT(st, actor__call(who, do_close, fd, 0, 0) == 0);
	stage__await(st, &p->e[!e], REF_STATE(ST_CLOSE_WAIT));
	peer = truth__add(st, p, !e, A(PASSIVE_CLOSE), p->e[!e].a, CAUSE_CLOSE);
	EXPECT(st, actor__call(p->e[!e].a, do_close, p->e[!e].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

/* One process listens, its child accepts and closes: the opener is the listener's. */
static void run_prefork(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-master", 0);
	struct tuple *tuple = (struct tuple *)st->arena;
	struct pair p = { .fam = st->sc->fam };
	struct actor *worker;
	long lfd, fd;

	lfd = actor__call(s, do_listen, st->sc->fam, 0, 0);
	EXPECT(st, lfd >= 0);
	worker = actor__fork(s, "sc-worker");
	fd = actor__call(c, do_connect, st->sc->fam, actor__call(s, do_port, lfd, 0, 0), 0);
	EXPECT(st, fd >= 0);
	EXPECT(st, actor__call(c, do_tuple, fd, (long)tuple, 0) == 0);
	p.e[END_C] = (struct end){ .a = c, .fd = (int)fd, .t = *tuple, .side = SIDE_CLIENT,
				   .opener = c->pid };
	fd = actor__call(worker, do_accept, lfd, 0, 0);
	EXPECT(st, fd >= 0);
	p.opened_ns = net__mono_ns();
	p.e[END_S] = (struct end){ .a = worker, .fd = (int)fd, .t = tuple__flip(tuple),
				   .side = SIDE_SERVER, .opener = s->pid };
	finish(st, &p, END_S, truth__add(st, &p, END_S, A(TIME_WAIT), worker, CAUSE_CLOSE), worker,
	       fd);
}

/* The process that connected has passed the socket on and is gone. */
static void run_opener_gone(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-opener", 0), *s = actor__start(st, "sc-server", 0);
	struct actor *heir = actor__start(st, "sc-heir", 0);
	struct pair p;
	long fd;

	pair__open(st, &p, c, s, st->sc->fam);
	fd = actor__pass(c, p.e[END_C].fd, heir);
	actor__post(c, do_exit, 0, 0, 0);
	actor__await_end(c);
	stage__see(st, &p.e[END_C], REF_STATE(ST_ESTABLISHED));
	finish(st, &p, END_C, truth__add(st, &p, END_C, A(TIME_WAIT), heir, CAUSE_CLOSE), heir, fd);
}

/* A client that chose its port itself. */
static void run_bound(struct stage *st)
{
	struct act x;

	act__open_silent(&x, st, 20041);
	finish(st, &x.p, x.a, act__truth(&x, x.a, A(TIME_WAIT), CAUSE_CLOSE), x.p.e[x.a].a,
	       x.p.e[x.a].fd);
}

/* Megabytes in both directions. */
static void run_bulk(struct stage *st)
{
	const long tx = 3000000, rx = 5000000;
	struct act x;

	act__open_silent(&x, st, 0);
	actor__post(x.c, do_send, x.p.e[END_C].fd, tx, 0);
	EXPECT(st, act__call(&x, END_S, do_recv, tx, 0) == tx);
	EXPECT(st, actor__answer(x.c) == tx);
	actor__post(x.s, do_send, x.p.e[END_S].fd, rx, 0);
	EXPECT(st, act__call(&x, END_C, do_recv, rx, 0) == rx);
	EXPECT(st, actor__answer(x.s) == rx);
	x.p.e[END_C].sent = tx;
	x.p.e[END_S].sent = rx;
	finish(st, &x.p, x.a, act__truth(&x, x.a, A(TIME_WAIT), CAUSE_CLOSE), x.p.e[x.a].a,
	       x.p.e[x.a].fd);
}

/* Nothing is sent at all. */
static void run_silent(struct stage *st)
{
	struct act x;

	act__open_silent(&x, st, 0);
	finish(st, &x.p, x.a, act__truth(&x, x.a, A(TIME_WAIT), CAUSE_CLOSE), x.p.e[x.a].a,
	       x.p.e[x.a].fd);
}

static long do_new_netns(long a, long b, long c)
{
	(void)a, (void)b, (void)c;
	return net__new_netns();
}

/* The process has moved to another namespace: the socket's own counts. */
static void run_moved(struct stage *st)
{
	struct act x;

	act__open(&x, st);
	EXPECT(st, actor__call(x.p.e[x.a].a, do_new_netns, 0, 0, 0) == 0);
	finish(st, &x.p, x.a, act__truth(&x, x.a, A(TIME_WAIT), CAUSE_CLOSE), x.p.e[x.a].a,
	       x.p.e[x.a].fd);
}

struct inner {
	struct tuple t;
	bool mini; /* leave it in FIN_WAIT2 */
	unsigned int seen;
};

/* Makes a namespace, a connection in it, and closes both ends, or only the client's. */
static long do_inner_netns(long ptr, long fam, long c)
{
	struct inner *in = (struct inner *)ptr;
	long lfd, cfd, sfd, err = net__new_netns();
	unsigned int want = in->mini ? REF_FW2_MINI : REF_TIME_WAIT;

	(void)c;
	if (err)
		return err;
	lfd = do_listen(fam, 0, 0);
	cfd = do_connect(fam, do_port(lfd, 0, 0), 0);
	sfd = do_accept(lfd, 0, 0);
	if (cfd < 0 || sfd < 0)
		return -EIO;
	err = do_tuple(cfd, ptr, 0);
	close((int)cfd);
	if (!in->mini && (err || do_recv_eof(sfd, 0, 0) || close((int)sfd)))
		return -EIO;
	return referee__await(&in->t, want, DEADLINE_MS, NULL);
}

/* A namespace is made and destroyed while the tracer runs; its last process goes with it. */
static void run_netns_gone(struct stage *st)
{
	struct actor *a = actor__start(st, "sc-inner", 0);
	struct inner *in = (struct inner *)st->arena;
	struct pair p = { .opened_ns = net__mono_ns() };
	struct truth *t, *peer;
	long err;

	in->mini = st->sc->arg;
	err = actor__call(a, do_inner_netns, (long)in, st->sc->fam, 0);
	if (err)
		stage__fail(st, "in the inner namespace: %s", strerror((int)-err));
	p.e[END_C] = (struct end){ .a = a, .t = in->t, .side = SIDE_CLIENT, .opener = a->pid };
	p.e[END_S] = (struct end){ .a = a, .t = tuple__flip(&in->t), .side = SIDE_SERVER,
				   .opener = a->pid };
	t = truth__add(st, &p, END_C, in->mini ? A(FIN_WAIT2) : A(TIME_WAIT), a, CAUSE_CLOSE);
	t->maybe |= A(TIME_WAIT_END);
	t->life_min_ns = 0;
	peer = truth__add(st, &p, END_S, A(PASSIVE_CLOSE), a, in->mini ? CAUSE_EXIT : CAUSE_CLOSE);
	/* With the process the last descriptor goes, and with that the namespace. */
	actor__post(a, do_exit, 0, 0, 0);
	actor__await_end(a);
	peer->life_min_ns = 0;
	if (!in->mini)
		return;
	/* The dying namespace purges the mini-socket before or after the server's FIN comes. */
	t->maybe |= A(TIME_WAIT);
	peer->once = 0;
	peer->one_of = A(PASSIVE_CLOSE) | A(RESET) | A(ABORT) | A(TIMEOUT);
	peer->pid_optional = true;
}

struct lives {
	struct tuple t[2];
};

/* Connects @fd, half-closes it, and its peer answers with a FIN of its own. */
static long live(int fd, enum fam fam, struct tuple *t, unsigned int end)
{
	long lfd = do_listen(fam, 0, 0), port = do_port(lfd, 0, 0), sfd, err;
	struct sockaddr_storage ss;
	socklen_t len = net__loopback(fam, (uint16_t)port, &ss);

	if (lfd < 0 || connect(fd, (struct sockaddr *)&ss, len))
		return -errno;
	sfd = do_accept(lfd, 0, 0);
	if (sfd < 0)
		return sfd;
	err = do_tuple(fd, (long)t, 0) ?: do_shutdown(fd, SHUT_WR, 0) ?: do_recv_eof(sfd, 0, 0);
	close((int)sfd);
	close((int)lfd);
	return err ?: referee__await(t, end, DEADLINE_MS, NULL);
}

/* One socket, and so one cookie, twice. Its first life leaves a mini-socket, and then there
 * is no room for another. */
static long do_two_lives(long ptr, long fam, long c)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct lives *lives = (struct lives *)ptr;
	long err, fd;

	(void)c;
	err = net__new_netns();
	if (err)
		return err;
	fd = socket(fam == FAM_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = live((int)fd, (enum fam)fam, &lives->t[0], REF_TIME_WAIT);
	if (err)
		return err;
	if (connect((int)fd, &nobody, sizeof(nobody)))
		return -errno;
	err = net__sysctl("tcp_max_tw_buckets", 1);
	return err ?: live((int)fd, (enum fam)fam, &lives->t[1], REF_GONE);
}

static void run_two_lives(struct stage *st)
{
	struct actor *a = actor__start(st, "sc-lives", 0);
	struct lives *lives = (struct lives *)st->arena;
	struct pair p = { .opened_ns = net__mono_ns() };
	long err = actor__call(a, do_two_lives, (long)lives, st->sc->fam, 0);

	if (err)
		stage__fail(st, "in the inner namespace: %s", strerror((int)-err));
	for (int i = 0; i < 2; i++) {
		p.e[END_C] = (struct end){ .a = a, .t = lives->t[i], .side = SIDE_CLIENT,
					   .opener = a->pid };
		p.e[END_S] = (struct end){ .a = a, .t = tuple__flip(&lives->t[i]),
					   .side = SIDE_SERVER, .opener = a->pid };
		truth__add(st, &p, END_C, i ? A(OVERFLOW) : A(TIME_WAIT), a, CAUSE_SHUTDOWN)
			->life_min_ns = 0;
		truth__add(st, &p, END_S, A(PASSIVE_CLOSE), a, CAUSE_CLOSE)->life_min_ns = 0;
	}
}

/* Names that try to break out of the output. */
static void run_hostile(struct stage *st)
{
	static const char *const names[] = { "q\"\\\n\t\x1b[31m", "bad\xff\xfe\xc3", "{}],:'\x7f" };
	struct actor *c = actor__start(st, names[st->sc->arg], 0);
	struct actor *s = actor__start(st, "sc-server", 0);
	struct truth *t;
	struct pair p;

	pair__open(st, &p, c, s, st->sc->fam);
	t = truth__add(st, &p, END_C, A(TIME_WAIT), c, CAUSE_CLOSE);
	/* How the name is escaped is the unit tests' business; the line must stay JSON. */
	t->name[0] = t->tname[0] = '\0';
	finish(st, &p, END_C, t, c, p.e[END_C].fd);
}

static long do_mptcp_pair(long ptr, long fam, long client_closes)
{
	struct tuple *t = (struct tuple *)ptr;
	struct sockaddr_storage ss;
	int lfd = socket(fam == FAM_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC,
			 IPPROTO_MPTCP);
	int cfd, sfd;
	socklen_t len = net__loopback((enum fam)fam, 0, &ss);

	if (lfd < 0)
		return -errno;
	if (bind(lfd, (struct sockaddr *)&ss, len) || listen(lfd, 8))
		return -errno;
	len = sizeof(ss);
	getsockname(lfd, (struct sockaddr *)&ss, &len);
	cfd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	if (cfd < 0 || connect(cfd, (struct sockaddr *)&ss, len))
		return -errno;
	sfd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
	if (sfd < 0 || tuple__from_fd(cfd, t))
		return -EIO;
	if (do_send(cfd, 100, 0) != 100 || do_recv(sfd, 100, 0) != 100)
		return -EIO;
	close(client_closes ? cfd : sfd);
	if (do_recv_eof(client_closes ? sfd : cfd, 0, 0))
		return -EIO;
	close(client_closes ? sfd : cfd);
	return 0;
}

/*
 * MPTCP closes its subflows from a worker: whatever end the kernel puts in TIME_WAIT has to be
 * reported, without a wrong process.
 */
static void run_mptcp(struct stage *st)
{
	struct actor *a = actor__start(st, "sc-mptcp", 0);
	struct tuple *tuple = (struct tuple *)st->arena;
	struct pair p = { .opened_ns = net__mono_ns() };
	long err = actor__call(a, do_mptcp_pair, (long)tuple, st->sc->fam, st->sc->first == END_C);

	if (err == -EPROTONOSUPPORT || err == -ENOPROTOOPT || err == -EINVAL)
		stage__skip(st, "no MPTCP here");
	if (err)
		stage__fail(st, "MPTCP: %s", strerror((int)-err));
	p.e[END_C] = (struct end){ .a = a, .t = *tuple };
	p.e[END_S] = (struct end){ .a = a, .t = tuple__flip(tuple) };
	for (int e = END_C; e <= END_S; e++)
		stage__await(st, &p.e[e], REF_TIME_WAIT | REF_GONE);
	for (int e = END_C; e <= END_S; e++) {
		bool waits = referee__look(&p.e[e].t, NULL) == REF_TIME_WAIT;
		struct truth *t = truth__add(st, &p, e, waits ? A(TIME_WAIT) : 0, a, 0);

		t->maybe = A(FIN_WAIT2) | A(TIME_WAIT_END);
		if (!waits)
			t->maybe |= ~A(TIME_WAIT);
		t->pid_optional = true;
		t->tid = 0;
		t->name[0] = t->tname[0] = '\0';
		t->tx_bytes = t->rx_bytes = -1;
		t->life_min_ns = 0;
	}
	st->rec->strays_ok = true;
}

struct entry {
	const char *name;
	void (*run)(struct stage *st);
	int arg;
	enum fam fam;
	int first;
};

static const struct entry entries[] = {
	{ "prefork-worker/v4", run_prefork, 0, FAM_V4, END_S },
	{ "prefork-worker/v6", run_prefork, 0, FAM_V6, END_S },
	{ "opener-gone/v4", run_opener_gone, 0, FAM_V4, END_C },
	{ "opener-gone/v6", run_opener_gone, 0, FAM_V6, END_C },
	{ "bound-port/client/v4", run_bound, 0, FAM_V4, END_C },
	{ "bound-port/client/v6", run_bound, 0, FAM_V6, END_C },
	{ "bound-port/server/mapped", run_bound, 0, FAM_MAPPED, END_S },
	{ "bulk/client/v4", run_bulk, 0, FAM_V4, END_C },
	{ "bulk/server/v6", run_bulk, 0, FAM_V6, END_S },
	{ "silent/client/v4", run_silent, 0, FAM_V4, END_C },
	{ "silent/server/v4", run_silent, 0, FAM_V4, END_S },
	{ "moved-to-other-netns/client/v4", run_moved, 0, FAM_V4, END_C },
	{ "moved-to-other-netns/server/v6", run_moved, 0, FAM_V6, END_S },
	{ "netns-destroyed/v4", run_netns_gone, 0, FAM_V4, END_C },
	{ "netns-destroyed/v6", run_netns_gone, 0, FAM_V6, END_C },
	{ "netns-destroyed-fin-wait2/v4", run_netns_gone, 1, FAM_V4, END_C },
	{ "two-lives/v4", run_two_lives, 0, FAM_V4, END_C },
	{ "two-lives/v6", run_two_lives, 0, FAM_V6, END_C },
	{ "hostile-name-quotes", run_hostile, 0, FAM_V4, END_C },
	{ "hostile-name-utf8", run_hostile, 1, FAM_V4, END_C },
	{ "hostile-name-braces", run_hostile, 2, FAM_V4, END_C },
	{ "mptcp/client/v4", run_mptcp, 0, FAM_V4, END_C },
	{ "mptcp/server/v4", run_mptcp, 0, FAM_V4, END_S },
	{ "mptcp/client/v6", run_mptcp, 0, FAM_V6, END_C },
};

void scen_ids__add(struct table *table)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		const struct entry *n = &entries[i];
		struct scenario model = { .run = n->run, .arg = n->arg, .fam = n->fam,
					  .first = n->first };

		table__add(table, &model, "%s", n->name);
	}
}

// SPDX-License-Identifier: GPL-2.0
/* Half-closed connections that live on, while other things go on that may cost them their owner. */
#define _GNU_SOURCE
#include "judge.h"
#include "recorder.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct two {
	struct actor *c, *s;
};

#define STORM 6000
#define STORM_HELD 4

/*
 * Connections whose close() is answered with data, in one process: the acknowledgement of the FIN
 * comes with it, so the orphan goes through FIN_WAIT2 to CLOSE and never to TIME_WAIT.
 */
static long do_storm(long fam, long n, long c)
{
	long lfd = do_listen(fam, 0, 0), port = do_port(lfd, 0, 0), err = lfd < 0 ? lfd : 0;

	(void)c;
	for (long i = 0; i < n && !err; i++) {
		long client = do_connect(fam, port, 0), server = do_accept(lfd, 0, 0);

		if (client < 0 || server < 0)
			err = client < 0 ? client : server;
		if (!err)
			err = do_close(client, 0, 0);
		/* The answer is a RST, and it may be faster than we. */
		if (!err)
			do_send(server, 2, 0);
		if (!err)
			err = do_close(server, 0, 0);
	}
	do_close(lfd, 0, 0);
	return err;
}

/* Until all is told that has to be, or will not be any more. */
static void await_all(struct stage *st, struct tracer *t)
{
	uint64_t end = net__mono_ns() + 5000 * 1000000ULL;

	while (!judge__complete(st->rec, t) && net__mono_ns() < end)
		tracer__pump(t, 20);
}

/*
 * More aborted connections than --max-connections: none of them may keep its place, and so the
 * half-closed ones of before, which live on meanwhile, keep their owners.
 */
static void run_storm(struct stage *st, const char *twsnoop)
{
	static const char *const args[] = { "trace", "--json", "--max-connections", "4096", NULL };
	struct two a = { actor__start(st, "sc-client", 0), actor__start(st, "sc-server", 0) };
	struct truth *t[STORM_HELD], *peer;
	struct pair p[STORM_HELD];
	struct tracer tracer = { 0 };
	long err;

	solo__trace(st, &tracer, twsnoop, args);
	for (int i = 0; i < STORM_HELD; i++) {
		pair__open(st, &p[i], a.c, a.s, i % 2 ? FAM_V6 : FAM_V4);
		t[i] = truth__add(st, &p[i], END_C, A(TIME_WAIT), a.c, CAUSE_SHUTDOWN);
		EXPECT(st, actor__call(a.c, do_shutdown, p[i].e[END_C].fd, 1, 0) == 0);
		stage__ack_fin(st, &p[i].e[END_S]);
		stage__await(st, &p[i].e[END_C], REF_STATE(ST_FIN_WAIT2));
	}
	err = actor__call(actor__start(st, "sc-storm", 0), do_storm, FAM_V4, STORM, 0);
	if (err)
		stage__fail(st, "the storm: %s", strerror((int)-err));
	for (int i = 0; i < STORM_HELD; i++) {
		peer = truth__add(st, &p[i], END_S, 0, a.s, 0);
		EXPECT(st, actor__call(a.s, do_close, p[i].e[END_S].fd, 0, 0) == 0);
		truth__in_time_wait(st, t[i]);
		truth__gone(st, peer);
	}
	await_all(st, &tracer);
	kill(tracer.pid, SIGUSR1);
	if (tracer__await_account(&tracer, 1, DEADLINE_MS))
		stage__fail(st, "no accounting line after SIGUSR1");
	if (tracer.account.map_full)
		stage__fail(st, "map_full=%lu after %d aborts", tracer.account.map_full, STORM);
	solo__stop_and_judge(st, &tracer, SIGINT);
}

/* A connection to oneself in a namespace that nothing but its two sockets holds. */
struct hidden {
	int fd[2];
	struct tuple t; /* of the client */
};

static long do_hide(long home_fd, long hidden_ptr, long c)
{
	struct hidden *h = (struct hidden *)hidden_ptr;
	long lfd, err = net__new_netns();

	(void)c;
	if (err)
		return err;
	lfd = do_listen(FAM_V4, 0, 0);
	h->fd[END_C] = (int)do_connect(FAM_V4, do_port(lfd, 0, 0), 0);
	h->fd[END_S] = (int)do_accept(lfd, 0, 0);
	if (lfd < 0 || h->fd[END_C] < 0 || h->fd[END_S] < 0)
		return -EIO;
	err = tuple__from_fd(h->fd[END_C], &h->t);
	do_close(lfd, 0, 0);
	return setns((int)home_fd, CLONE_NEWNET) ? -errno : err;
}

/* Waits for a state of a socket whose namespace nobody can ask. */
static long do_await_state(long fd, long state, long c)
{
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;
	struct tcp_info info = { 0 };
	socklen_t len;

	(void)c;
	do {
		len = sizeof(info);
		if (getsockopt((int)fd, IPPROTO_TCP, TCP_INFO, &info, &len))
			return -errno;
		if (info.tcpi_state == state)
			return 0;
		usleep(1000);
	} while (net__mono_ns() < end);
	return -ETIMEDOUT;
}

static struct truth *half_close_hidden(struct stage *st, struct pair *p)
{
	struct hidden *h = (struct hidden *)(void *)(st->arena + 8192);
	/* Before the actor: it inherits the descriptor. */
	int home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct actor *a = actor__start(st, "sc-hidden", 0);
	struct truth *t;

	EXPECT(st, home_fd >= 0 && actor__call(a, do_hide, home_fd, (long)h, 0) == 0);
	memset(p, 0, sizeof(*p));
	p->opened_ns = net__mono_ns();
	for (int e = END_C; e <= END_S; e++)
		p->e[e] = (struct end){ .a = a, .fd = h->fd[e], .opener = a->pid };
	p->e[END_C].t = h->t;
	p->e[END_C].side = SIDE_CLIENT;
	t = truth__add(st, p, END_C, A(TIME_WAIT), a, CAUSE_SHUTDOWN);
	EXPECT(st, actor__call(a, do_shutdown, h->fd[END_C], SHUT_WR, 0) == 0);
	EXPECT(st, actor__call(a, do_await_state, h->fd[END_C], ST_FIN_WAIT2, 0) == 0);
	return t;
}

/* Once missed is only in doubt; what two snapshots miss is gone. */
#define SNAPSHOTS 2

/* A close of which the trace knows the end only: it takes a snapshot to tell that. */
static void provoke_snapshot(struct stage *st, struct tracer *tracer, struct pair *p)
{
	struct truth *t = truth__add(st, p, END_C, A(TIME_WAIT), NULL, 0);
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;
	size_t seen = 0;

	t->sides |= SIDE_UNKNOWN;
	t->opener_optional = true;
	t->life_min_ns = 0;
	t->tx_bytes = t->rx_bytes = -1;
	EXPECT(st, actor__call(p->e[END_S].a, do_close, p->e[END_S].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	for (;;) {
		for (; seen < tracer->nevents; seen++)
			if (tuple__equal(&tracer->events[seen].t, &t->t))
				return;
		if (!tracer__pump(tracer, 20) || net__mono_ns() > end)
			stage__fail(st, "no snapshot");
	}
}

/*
 * A half-closed connection in a namespace that no process is in: what a snapshot cannot see it
 * must not take for gone, however often.
 */
static void run_hidden(struct stage *st, const char *twsnoop)
{
	static const char *const args[] = { "trace", "--json", NULL };
	struct two a = { actor__start(st, "sc-client", 0), actor__start(st, "sc-server", 0) };
	struct pair before[SNAPSHOTS], p;
	struct tracer tracer = { 0 };
	struct truth *t;

	if (!net__kernel_at_least(6, 11))
		stage__skip(st, "before 6.11 nothing can ask for a snapshot so soon");
	if (recorder__is_attached())
		stage__skip(st, "a recorder knows who closed before the trace: no snapshot is needed");
	for (int i = 0; i < SNAPSHOTS; i++) {
		pair__open(st, &before[i], a.c, a.s, FAM_V4);
		EXPECT(st, actor__call(a.c, do_close, before[i].e[END_C].fd, 0, 0) == 0);
		stage__await(st, &before[i].e[END_C], REF_FW2_MINI);
	}
	solo__trace(st, &tracer, twsnoop, args);
	st->rec->healed_ok = true;
	t = half_close_hidden(st, &p);
	for (int i = 0; i < SNAPSHOTS; i++)
		provoke_snapshot(st, &tracer, &before[i]);
	EXPECT(st, t->t.netns != st->rec->netns);
	EXPECT(st, actor__call(p.e[END_S].a, do_close, p.e[END_S].fd, 0, 0) == 0);
	/* The mini-socket has taken over. */
	EXPECT(st, actor__call(p.e[END_C].a, do_await_state, p.e[END_C].fd, ST_CLOSE, 0) == 0);
	solo__stop_and_judge(st, &tracer, SIGINT);
}

const struct solo solo_half_closed[] = {
	{ "half-closed/storm-of-aborts", run_storm },
	{ "half-closed/hidden-namespace", run_hidden },
	{ NULL, NULL },
};

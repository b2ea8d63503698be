// SPDX-License-Identifier: GPL-2.0
/* When tracing begins and ends: what was open before, --count, --duration, signals. */
#define _GNU_SOURCE
#include "scenarios.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const plain[] = { "trace", "--json", NULL };
static const char *const all[] = { "trace", "--json", "--all", NULL };

struct two {
	struct actor *c, *s;
};

static struct two two_actors(struct stage *st)
{
	return (struct two){ actor__start(st, "sc-client", 0), actor__start(st, "sc-server", 0) };
}

/* Closes both ends, `first` first. The truth asks for the one's time_wait only. */
static void close_pair(struct stage *st, struct pair *p, int first, bool before)
{
	struct truth *t = truth__add(st, p, first, A(TIME_WAIT), p->e[first].a, CAUSE_CLOSE);
	struct truth *peer = truth__add(st, p, !first, 0, p->e[!first].a, CAUSE_CLOSE);

	peer->maybe = A(PASSIVE_CLOSE);
	if (before) {
		/* Not seen: when it began, and who opened it. */
		t->sides |= SIDE_UNKNOWN;
		peer->sides |= SIDE_UNKNOWN;
		t->opener_optional = peer->opener_optional = true;
		t->life_min_ns = peer->life_min_ns = 0;
	}
	EXPECT(st, actor__call(p->e[first].a, do_close, p->e[first].fd, 0, 0) == 0);
	stage__await(st, &p->e[!first], REF_STATE(ST_CLOSE_WAIT));
	EXPECT(st, actor__call(p->e[!first].a, do_close, p->e[!first].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

/* Connections of all families that are open when tracing starts. */
static void run_open_before(struct stage *st, const char *twsnoop)
{
	struct two a = two_actors(st);
	struct pair p[2 * FAM_NR];
	struct tracer t = { 0 };

	for (int i = 0; i < 2 * FAM_NR; i++)
		pair__open(st, &p[i], a.c, a.s, (enum fam)(i / 2));
	solo__trace(st, &t, twsnoop, all);
	for (int i = 0; i < 2 * FAM_NR; i++)
		close_pair(st, &p[i], i % 2, true);
	solo__stop_and_judge(st, &t, SIGINT);
}

/* Half closed before tracing starts: the closer cannot be known, but TIME_WAIT is reported. */
static void run_half_before(struct stage *st, const char *twsnoop)
{
	struct two a = two_actors(st);
	struct pair p[4];
	struct truth *tr[4], *peer;
	struct tracer t = { 0 };

	for (int i = 0; i < 4; i++) {
		/* 0, 1: shutdown, a full socket waits; 2, 3: close, a mini-socket does. */
		pair__open(st, &p[i], a.c, a.s, i % 2 ? FAM_V6 : FAM_V4);
		EXPECT(st, actor__call(a.c, i < 2 ? do_shutdown : do_close, p[i].e[END_C].fd, 1, 0) == 0);
		stage__await(st, &p[i].e[END_C], REF_STATE(ST_FIN_WAIT2) | REF_FW2_MINI);
	}
	solo__trace(st, &t, twsnoop, plain);
	st->rec->healed_ok = true;
	for (int i = 0; i < 4; i++) {
		tr[i] = truth__add(st, &p[i], END_C, A(TIME_WAIT), a.c, CAUSE_UNKNOWN);
		tr[i]->causes |= i < 2 ? CAUSE_SHUTDOWN : CAUSE_CLOSE;
		tr[i]->pid_optional = true;
		tr[i]->sides |= SIDE_UNKNOWN;
		tr[i]->opener_optional = true;
		tr[i]->life_min_ns = 0;
		tr[i]->tx_bytes = tr[i]->rx_bytes = -1;
		peer = truth__add(st, &p[i], END_S, 0, a.s, 0);
		EXPECT(st, actor__call(a.s, do_close, p[i].e[END_S].fd, 0, 0) == 0);
		truth__in_time_wait(st, tr[i]);
		truth__gone(st, peer);
	}
	solo__stop_and_judge(st, &t, SIGTERM);
}

static void make_some(struct stage *st, struct two a, int n)
{
	struct pair p;

	for (int i = 0; i < n; i++) {
		pair__open(st, &p, a.c, a.s, (enum fam)(i % FAM_NR));
		close_pair(st, &p, i % 2, false);
		EXPECT(st, actor__call(a.s, do_close, p.lfd, 0, 0) == 0);
	}
}

/* The tracer ends by itself, after N events. */
static void run_count(struct stage *st, const char *twsnoop)
{
	char filter[24];
	const char *const args[] = { "trace", "--json", "--count", "3", "--netns", filter, NULL };
	struct two a = two_actors(st);
	struct tracer t = { 0 };

	snprintf(filter, sizeof(filter), "%lu", (unsigned long)st->rec->netns);
	solo__trace(st, &t, twsnoop, args);
	make_some(st, a, 5);
	solo__ended_well(st, &t, tracer__stop(&t, 0));
	if (t.lines != 3)
		stage__fail(st, "--count 3 gave %lu lines", t.lines);
	tracer__free(&t);
}

static void run_duration(struct stage *st, const char *twsnoop)
{
	static const char *const args[] = { "trace", "--json", "--duration", "1", NULL };
	struct two a = two_actors(st);
	uint64_t begin = net__mono_ns();
	struct tracer t = { 0 };

	solo__trace(st, &t, twsnoop, args);
	make_some(st, a, 1);
	solo__ended_well(st, &t, tracer__stop(&t, 0));
	if (net__mono_ns() - begin < 1000000000ULL)
		stage__fail(st, "--duration 1 ended too early");
	tracer__free(&t);
}

static void run_signal(struct stage *st, const char *twsnoop, int sig)
{
	struct two a = two_actors(st);
	struct tracer t = { 0 };

	solo__trace(st, &t, twsnoop, all);
	make_some(st, a, 4);
	solo__stop_and_judge(st, &t, sig);
}

static void run_sigint(struct stage *st, const char *twsnoop)
{
	run_signal(st, twsnoop, SIGINT);
}

static void run_sigterm(struct stage *st, const char *twsnoop)
{
	run_signal(st, twsnoop, SIGTERM);
}

/* Stopped at once after the last close: nothing of it may be lost. */
static void run_sigint_at_once(struct stage *st, const char *twsnoop)
{
	struct two a = two_actors(st);
	struct tracer t = { 0 };

	solo__trace(st, &t, twsnoop, plain);
	make_some(st, a, 30);
	kill(t.pid, SIGINT);
	solo__stop_and_judge(st, &t, 0);
}

/* An accounting line for each SIGUSR1, and tracing goes on. */
static void run_sigusr1(struct stage *st, const char *twsnoop)
{
	struct two a = two_actors(st);
	struct tracer t = { 0 };

	solo__trace(st, &t, twsnoop, plain);
	for (int i = 1; i <= 3; i++) {
		make_some(st, a, 2);
		if (tracer__await_events(&t, (size_t)i * 2, DEADLINE_MS))
			stage__fail(st, "%zu events, not %d", t.nevents, i * 2);
		kill(t.pid, SIGUSR1);
		if (tracer__await_account(&t, i, DEADLINE_MS))
			stage__fail(st, "no accounting line after SIGUSR1");
		if (t.account.delivered < (unsigned long)i * 2 || t.account.lost)
			stage__fail(st, "delivered=%lu lost=%lu after %d events",
				    t.account.delivered, t.account.lost, i * 2);
	}
	solo__stop_and_judge(st, &t, SIGINT);
}

/* The reader of the pipe goes away: twsnoop just ends. */
static void run_closed_pipe(struct stage *st, const char *twsnoop)
{
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;
	struct two a = two_actors(st);
	int status = -1;
	struct tracer t = { 0 };

	solo__trace(st, &t, twsnoop, plain);
	make_some(st, a, 1);
	tracer__await_events(&t, 1, DEADLINE_MS);
	close(t.out_fd);
	t.out_fd = -1;
	while (waitpid(t.pid, &status, WNOHANG) == 0) {
		if (net__mono_ns() > end)
			stage__fail(st, "twsnoop goes on without a reader");
		if (st->rec->ntruths < TRUTHS_MAX - 2)
			make_some(st, a, 1);
		tracer__pump(&t, 50);
	}
	t.pid = 0;
	if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE))
		stage__fail(st, "wait status %#x after the pipe was closed", (unsigned int)status);
	tracer__free(&t);
}

/* Without --all there are time_wait events only, whatever else happens. */
static void run_only_time_wait(struct stage *st, const char *twsnoop)
{
	struct two a = two_actors(st);
	struct pair p;
	struct tracer t = { 0 };

	solo__trace(st, &t, twsnoop, plain);
	pair__open(st, &p, a.c, a.s, FAM_V4);
	EXPECT(st, actor__call(a.s, do_linger, p.e[END_S].fd, 1, 0) == 0);
	EXPECT(st, actor__call(a.s, do_close, p.e[END_S].fd, 0, 0) == 0);
	EXPECT(st, actor__call(a.c, do_close, p.e[END_C].fd, 0, 0) == 0);
	EXPECT(st, actor__call(a.c, do_connect, FAM_V4, 1, 0) == -ECONNREFUSED);
	make_some(st, a, 2);
	for (unsigned int i = 0; i < st->rec->ntruths; i++)
		st->rec->truths[i].maybe = 0;
	solo__stop_and_judge(st, &t, SIGINT);
}

static void churn_small(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 2, .conns = 500 };

	churn__run(st, twsnoop, &how);
}

static void churn_all(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 2, .conns = 300, .all = true };

	churn__run(st, twsnoop, &how);
}

static void churn_stopped(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 2, .conns = 500, .stop_reader = true };

	churn__run(st, twsnoop, &how);
}

/*
 * The ring is lapped, so that the closers of most are gone for good. Whether these would have
 * passed the filter cannot be known: they are lost, or they are shown.
 */
static void churn_lapped(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 1, .conns = 1500, .stop_reader = true, .lap = true };

	churn__run(st, twsnoop, &how);
}

static void churn_lapped_ipv4(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 1, .conns = 1500, .stop_reader = true, .lap = true,
				   .filter = CHURN_IPV4 };

	churn__run(st, twsnoop, &how);
}

static void churn_lapped_pid(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 1, .conns = 1500, .stop_reader = true, .lap = true,
				   .filter = CHURN_SERVERS };

	churn__run(st, twsnoop, &how);
}

/* So many that no client comes to its end. */
static void churn_edges(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 2, .conns = 50000 };

	churn__edges(st, twsnoop, &how);
}

static void churn_edges_all(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 2, .conns = 50000, .all = true };

	churn__edges(st, twsnoop, &how);
}

const struct solo solo_control[] = {
	{ "control/open-before", run_open_before },
	{ "control/half-closed-before", run_half_before },
	{ "control/count", run_count },
	{ "control/duration", run_duration },
	{ "control/sigint", run_sigint },
	{ "control/sigterm", run_sigterm },
	{ "control/sigint-at-once", run_sigint_at_once },
	{ "control/sigusr1", run_sigusr1 },
	{ "control/closed-pipe", run_closed_pipe },
	{ "control/only-time-wait", run_only_time_wait },
	{ "churn/small", churn_small },
	{ "churn/all", churn_all },
	{ "churn/edges", churn_edges },
	{ "churn/edges-all", churn_edges_all },
	{ "churn/stopped-reader", churn_stopped },
	{ "churn/lapped-ring", churn_lapped },
	{ "churn/lapped-ring-ipv4", churn_lapped_ipv4 },
	{ "churn/lapped-ring-pid", churn_lapped_pid },
	{ NULL, NULL },
};

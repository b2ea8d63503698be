// SPDX-License-Identifier: GPL-2.0
/*
 * Who closes, while softirqs run under others: processes that send as fast as they can have the
 * kernel handle, in their name, what has come for everybody. In a real-time kernel that is done by
 * threads, which are preempted, or lent to whoever lets softirqs run again. Each end has its
 * own process or nobody; nobody else may ever be named.
 */
#define _GNU_SOURCE
#include "scenarios.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENDERS 3
#define ROUNDS 7 /* of four connections, with two truths each: TRUTHS_MAX */
#define BURST 64
/* An emulated processor has no time for more. */
#define NUM_SENDERS (net__is_emulated() ? 1 : SENDERS)
#define NUM_ROUNDS (net__is_emulated() ? 2 : ROUNDS)
#define NAP_US (net__is_emulated() ? 5000 : 100)

/* To nobody: a port that is bound, and never read. */
static void send_for_ever(void)
{
	static const char bytes[64];
	struct sockaddr_storage ss;
	socklen_t len = net__loopback(FAM_V4, 0, &ss);
	int to = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sq-sender");
	if (to < 0 || from < 0 || bind(to, (struct sockaddr *)&ss, len) ||
	    getsockname(to, (struct sockaddr *)&ss, &len) ||
	    connect(from, (struct sockaddr *)&ss, len))
		_exit(1);
	for (;;) {
		for (int i = 0; i < BURST; i++)
			send(from, bytes, sizeof(bytes), 0);
		/* The one processor that there may be is for others, too. */
		usleep((useconds_t)NAP_US);
	}
}

static void call(struct end *e, actor_fn fn, long b, long c)
{
	EXPECT(e->a->st, actor__call(e->a, fn, e->fd, b, c) == 0);
}

static struct truth *passive(struct stage *st, struct pair *p)
{
	return truth__add(st, p, END_S, A(PASSIVE_CLOSE), p->e[END_S].a, CAUSE_CLOSE);
}

/* The client closes first; the server before or after the client's socket is a mini-socket. */
static void close_both(struct stage *st, struct actor *c, struct actor *s, bool is_late)
{
	struct truth *t, *peer;
	struct pair p;

	pair__open(st, &p, c, s, FAM_V4);
	t = truth__add(st, &p, END_C, A(TIME_WAIT), c, CAUSE_CLOSE);
	call(&p.e[END_C], do_close, 0, 0);
	stage__await(st, &p.e[END_S], REF_STATE(ST_CLOSE_WAIT));
	if (is_late) {
		stage__ack_fin(st, &p.e[END_S]);
		stage__await(st, &p.e[END_C], REF_FW2_MINI);
	}
	peer = passive(st, &p);
	call(&p.e[END_S], do_close, 0, 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

/* What the peer's FIN brings into TIME_WAIT is a socket that is still open. */
static void shut_down(struct stage *st, struct actor *c, struct actor *s)
{
	struct truth *t, *peer;
	struct pair p;

	pair__open(st, &p, c, s, FAM_V4);
	t = truth__add(st, &p, END_C, A(TIME_WAIT), c, CAUSE_SHUTDOWN);
	call(&p.e[END_C], do_shutdown, SHUT_WR, 0);
	stage__await(st, &p.e[END_S], REF_STATE(ST_CLOSE_WAIT));
	peer = passive(st, &p);
	call(&p.e[END_S], do_close, 0, 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
	call(&p.e[END_C], do_close, 0, 0);
}

/* The server aborts, and a softirq ends the client's socket. */
static void reset(struct stage *st, struct actor *c, struct actor *s)
{
	struct truth *t, *peer;
	struct pair p;

	pair__open(st, &p, c, s, FAM_V4);
	peer = truth__add(st, &p, END_S, A(ABORT), s, CAUSE_CLOSE);
	peer->who_on |= A(ABORT);
	t = truth__add(st, &p, END_C, A(RESET), c, 0);
	t->pid_optional = true;
	call(&p.e[END_S], do_linger, 1, 0);
	call(&p.e[END_S], do_close, 0, 0);
	truth__gone(st, t);
	truth__gone(st, peer);
	call(&p.e[END_C], do_close, 0, 0);
}

static void run_under_others(struct stage *st, const char *twsnoop)
{
	static const char *const args[] = { "trace", "--json", "--all", NULL };
	struct actor *c = actor__start(st, "sq-client", 0), *s = actor__start(st, "sq-server", 0);
	struct tracer t = { 0 };
	int num = NUM_SENDERS, rounds = NUM_ROUNDS;
	pid_t senders[SENDERS];

	solo__trace(st, &t, twsnoop, args);
	for (int i = 0; i < num; i++) {
		senders[i] = fork();
		EXPECT(st, senders[i] >= 0);
		if (!senders[i])
			send_for_ever();
	}
	for (int i = 0; i < rounds; i++) {
		close_both(st, c, s, false);
		close_both(st, c, s, true);
		shut_down(st, c, s);
		reset(st, c, s);
		tracer__pump(&t, 0);
	}
	for (int i = 0; i < num; i++)
		kill(senders[i], SIGKILL);
	/* Where a program is skipped (7.0), a snapshot tells. */
	st->rec->healed_ok = true;
	solo__stop_and_judge(st, &t, SIGINT);
}

static void run_preempted(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 2, .conns = net__is_emulated() ? 200 : 1500,
				   .all = true, .hurried = true };

	churn__run(st, twsnoop, &how);
}

const struct solo solo_softirqs[] = {
	{ "softirqs/under-others", run_under_others },
	{ "softirqs/preempted", run_preempted },
	{ NULL, NULL },
};

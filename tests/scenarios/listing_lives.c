// SPDX-License-Identifier: GPL-2.0
/* Tests of the list: lives of a tuple, and owners through restarts of theirs and of the ledger's. */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BOUND_PORT 20001 /* of the client, where a tuple is to be used again */

/* ---- lives of a tuple ---- */

/* Opened and closed once more, by another process: it is its own. */
static void live_again(struct scene *x, enum fam fam)
{
	scene__open(x, x->other, x->s, fam, BOUND_PORT);
	scene__expect_none(x, &x->client);
	scene__close(x, x->other, x->cfd, x->s, x->sfd, &x->client);
	scene__expect_row(x, &x->client, EVIDENCE_SEEN, x->other, SIDE_CLIENT);
}

/* A connect() takes the client's TIME_WAIT over. */
void listing__reused_by_connect(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);

	EXPECT(st, net__sysctl("tcp_tw_reuse", 1) == 0);
	solo__command(st, twsnoop, "attach", NULL);
	scene__open(&x, x.c, x.s, FAM_V4, BOUND_PORT);
	scene__close(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	scene__expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	/* tcp_twsk_unique() wants an age over a second; the kernel's clock counts whole ones. */
	usleep(2200000);
	live_again(&x, FAM_V4);
}

/* A SYN takes the server's over; who accepts and closes is another process. */
void listing__reused_by_syn(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V6);
	struct actor *worker;
	struct tuple server;

	solo__command(st, twsnoop, "attach", NULL);
	scene__open(&x, x.c, x.s, FAM_V6, BOUND_PORT);
	server = tuple__flip(&x.client);
	scene__close(&x, x.s, x.sfd, x.c, x.cfd, &server);
	scene__expect_row(&x, &server, EVIDENCE_SEEN, x.s, SIDE_SERVER);
	worker = actor__fork(x.s, "sc-worker");
	scene__open(&x, x.other, worker, FAM_V6, BOUND_PORT);
	scene__expect_none(&x, &server);
	scene__close(&x, worker, x.sfd, x.other, x.cfd, &server);
	scene__expect_row(&x, &server, EVIDENCE_SEEN, worker, SIDE_SERVER);
	/* And once more with the other end. */
	usleep(1100000);
	scene__open(&x, x.c, x.s, FAM_V6, BOUND_PORT);
	scene__expect_none(&x, &server);
	scene__close(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	scene__expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	scene__expect_none(&x, &server);
}

/*
 * The same with a trace that records one process alone: of the other's socket nothing is known,
 * and least of all that it is the first one's.
 */
void listing__reused_under_a_filter(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	char pid[24];
	const char *const args[] = { "trace", "--json", "--pid", pid, NULL };
	struct tracer t = { 0 };

	solo__need_nobody(st);
	EXPECT(st, net__sysctl("tcp_tw_reuse", 1) == 0);
	snprintf(pid, sizeof(pid), "%d", (int)x.c->pid);
	solo__trace(st, &t, twsnoop, args);
	x.ledgers = 1;
	scene__open(&x, x.c, x.s, FAM_V4, BOUND_PORT);
	scene__close(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	scene__expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	usleep(2200000);
	scene__open(&x, x.other, x.s, FAM_V4, BOUND_PORT);
	scene__expect_none(&x, &x.client);
	scene__close(&x, x.other, x.cfd, x.s, x.sfd, &x.client);
	scene__expect_row(&x, &x.client, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	tracer__stop(&t, SIGINT);
	tracer__free(&t);
}

/* A FIN_WAIT2 mini-socket expires. */
void listing__expired(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V6);

	EXPECT(st, net__sysctl("tcp_fin_timeout", 3) == 0);
	solo__command(st, twsnoop, "attach", NULL);
	scene__open(&x, x.c, x.s, FAM_V6, BOUND_PORT);
	scene__close_half(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	scene__expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	scene__await(&x, &x.client, REF_GONE);
	scene__expect_none(&x, &x.client);
	live_again(&x, FAM_V6);
}

/* A RST kills it. */
void listing__killed(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct tuple peer;

	solo__command(st, twsnoop, "attach", NULL);
	scene__open(&x, x.c, x.s, FAM_V4, BOUND_PORT);
	peer = tuple__flip(&x.client);
	EXPECT(st, actor__call(x.c, do_close, x.cfd, 0, 0) == 0);
	scene__await(&x, &peer, REF_STATE(ST_CLOSE_WAIT));
	EXPECT(st, actor__call(x.s, do_sockopt, x.sfd, 12 /* TCP_QUICKACK */, 1) == 0);
	scene__await(&x, &x.client, REF_FW2_MINI);
	scene__expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	EXPECT(st, actor__call(x.s, do_linger, x.sfd, 1, 0) == 0);
	EXPECT(st, actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	scene__await(&x, &x.client, REF_GONE);
	scene__expect_none(&x, &x.client);
	live_again(&x, FAM_V4);
}

/* ---- restarts ---- */

static void end_actor(struct actor *a)
{
	actor__post(a, do_exit, 0, 0, 0);
	actor__await_end(a);
}

/* The owner has exited; the list is taken several times; the ledger goes, and comes anew. */
void listing__restarts(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct actor gone = { .pid = x.c->pid, .name = "sc-client" };
	struct tuple a, b, c;
	struct rows rows;

	solo__need_nobody(st);
	solo__command(st, twsnoop, "attach", NULL);
	a = scene__one_close(&x, x.c, FAM_V4);
	end_actor(x.c);
	for (int i = 0; i < 3; i++)
		scene__expect_row(&x, &a, EVIDENCE_SEEN, &gone, SIDE_CLIENT);
	solo__command(st, twsnoop, "detach", NULL);
	scene__expect_row(&x, &a, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	b = scene__one_close(&x, x.other, FAM_V4);
	/* A timer is no clock: what entered its state just now may be taken for older. */
	solo__command(st, twsnoop, "attach", NULL);
	x.ledgers = 1;
	scene__expect_row(&x, &a, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	scene__expect_row(&x, &b, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	c = scene__one_close(&x, x.other, FAM_V4);
	scene__expect_row(&x, &c, EVIDENCE_SEEN, x.other, SIDE_CLIENT);
	solo__take(st, twsnoop, &rows);
	if (rows.n != 3 || rows.seen != 1 || rows.missed ||
	    !strstr(rows.err, "owners are known only since"))
		stage__fail(st, "%zu rows, seen=%lu missed=%lu; it said: %.150s", rows.n, rows.seen,
			    rows.missed, rows.err);
	rows__free(&rows);
	solo__command(st, twsnoop, "detach", NULL);
	x.ledgers = 0;
	scene__expect_row(&x, &c, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
}

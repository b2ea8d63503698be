// SPDX-License-Identifier: GPL-2.0
/* Tests of the list: whose a connection must be, where nobody saw it closed. */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static long do_reap(long pid, long b, long c)
{
	(void)b, (void)c;
	/* Whoever it was that waited: the kernel has counted it. */
	return waitpid((pid_t)pid, NULL, 0) < 0 && errno != ECHILD ? -errno : 0;
}

/* Does the text form mark the process with a tilde? */
static void expect_tilde(struct scene *x, const char *name)
{
	char netns[24];
	const char *const args[] = { "list", "--netns", netns, NULL };
	struct output o;

	snprintf(netns, sizeof(netns), "%lu", (unsigned long)x->st->rec->netns);
	EXPECT(x->st, output__run(&o, x->twsnoop, args) == 0 && o.status == 0);
	if (!strchr(o.out, '~') || !strstr(o.out, name))
		stage__fail(x->st, "the text has no ~%s: %.150s", name, o.out);
	output__free(&o);
}

/* The one process that listens on the port. */
void listing__inferred_server(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_MAPPED);
	struct tuple server;

	solo__need_nobody(st);
	scene__open(&x, x.c, x.s, FAM_MAPPED, 0);
	server = tuple__flip(&x.client);
	scene__close(&x, x.s, x.sfd, x.c, x.cfd, &server);
	scene__expect_row(&x, &server, EVIDENCE_INFERRED, x.s, SIDE_SERVER);
	expect_tilde(&x, "sc-server");
	/* Two hold it: it may have been either. */
	actor__fork(x.s, "sc-worker");
	scene__expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
}

/* The one that listens has accepted the connection, and given it to a child that closes it: also
 * when that one has gone nobody is named. */
void listing__handed_on(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct actor *child;
	struct tuple server;

	solo__need_nobody(st);
	scene__open(&x, x.c, x.s, FAM_V4, 0);
	server = tuple__flip(&x.client);
	child = actor__fork(x.s, "sc-child");
	EXPECT(st, actor__call(child, do_close, x.lfd, 0, 0) == 0);
	EXPECT(st, actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	scene__close(&x, child, x.sfd, x.c, x.cfd, &server);
	scene__expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
	actor__post(child, do_exit, 0, 0, 0);
	actor__await_end(child);
	scene__expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
	EXPECT(st, actor__call(x.s, do_reap, child->pid, 0, 0) == 0);
	scene__expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
}

/* The one that listens gives what it accepts to another process, no child of its own. */
void listing__passed_on(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct tuple server;
	long fd, held;

	solo__need_nobody(st);
	scene__open(&x, x.c, x.s, FAM_V4, 0);
	server = tuple__flip(&x.client);
	fd = actor__pass(x.s, x.sfd, x.other);
	EXPECT(st, fd >= 0 && actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	scene__close(&x, x.other, (int)fd, x.c, x.cfd, &server);
	scene__open(&x, x.c, x.s, FAM_V4, 0);
	held = actor__pass(x.s, x.sfd, x.other);
	EXPECT(st, held >= 0 && actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	scene__expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
}

/* Who has live connections to the same place. */
void listing__inferred_client(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct tuple closed;
	int fd;

	solo__need_nobody(st);
	closed = scene__one_close(&x, x.c, FAM_V4);
	scene__expect_row(&x, &closed, EVIDENCE_UNKNOWN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	scene__open(&x, x.c, x.s, FAM_V4, 0);
	scene__open(&x, x.c, x.s, FAM_V4, 0);
	scene__expect_row(&x, &closed, EVIDENCE_INFERRED, x.c, SIDE_CLIENT);
	expect_tilde(&x, "sc-client");
	/* Another's there, too: it may have been either. */
	scene__open(&x, x.other, x.s, FAM_V4, 0);
	fd = x.cfd;
	scene__expect_row(&x, &closed, EVIDENCE_UNKNOWN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	/* What is attached now does not know of it either; but of what comes. */
	solo__command(st, twsnoop, "attach", NULL);
	x.ledgers = 1;
	scene__expect_row(&x, &closed, EVIDENCE_UNKNOWN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	scene__close(&x, x.other, fd, x.s, x.sfd, &x.client);
	scene__expect_row(&x, &x.client, EVIDENCE_SEEN, x.other, SIDE_CLIENT);
	scene__expect_row(&x, &closed, EVIDENCE_INFERRED, x.c, SIDE_CLIENT);
}

/* Open before attach, closed after: seen, whoever opened it. */
void listing__open_before(struct stage *st, const char *twsnoop)
{
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct tuple half, server;
	int cfd, sfd;

	solo__need_nobody(st);
	scene__open(&x, x.other, x.s, FAM_V4, 0);
	half = x.client;
	cfd = x.cfd;
	sfd = x.sfd;
	EXPECT(st, actor__call(x.other, do_close, cfd, 0, 0) == 0);
	scene__await(&x, &half, REF_FW2_MINI | REF_STATE(ST_FIN_WAIT2));
	scene__open(&x, x.c, x.s, FAM_V4, 0);
	server = tuple__flip(&x.client);
	solo__command(st, twsnoop, "attach", NULL);
	x.ledgers = 1;
	scene__close(&x, x.s, x.sfd, x.c, x.cfd, &server);
	scene__expect_row(&x, &server, EVIDENCE_SEEN, x.s, SIDE_SERVER);
	/* The FIN of this one was not seen, though its TIME_WAIT comes now. */
	EXPECT(st, actor__call(x.s, do_close, sfd, 0, 0) == 0);
	scene__await(&x, &half, REF_TIME_WAIT);
	scene__expect_row(&x, &half, NOT_SEEN, x.other, SIDE_CLIENT | SIDE_UNKNOWN);
}

// SPDX-License-Identifier: GPL-2.0
/* Who opened a server's end: listeners that come and go, one after the other, at one place. */
#define _GNU_SOURCE
#include "scenarios.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 20071
#define OTHER_PORT 20072
/* Two records each: six times round the smallest ring. */
#define LISTENS_LAPPING 6000
/* More than the table of listeners had places for, once. */
#define LISTENS_MANY 20000

struct three {
	struct actor *client, *first, *second;
	char netns[24];
	const char *args[10];
};

static void set_up(struct stage *st, struct three *a, const char *ring_size)
{
	const char *const args[] = { "trace", "--json", "--netns", a->netns,
				     ring_size ? "--ring-size" : NULL, ring_size, NULL };

	a->client = actor__start(st, "ls-client", 0);
	a->first = actor__start(st, "ls-first", 0);
	a->second = actor__start(st, "ls-second", 0);
	snprintf(a->netns, sizeof(a->netns), "%lu", (unsigned long)st->rec->netns);
	memcpy(a->args, args, sizeof(args));
}

/* Begins to listen at 0.0.0.0, where do_listen() does at the loopback's address. */
static long do_listen_any(long port, long b, long c)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	(void)b, (void)c;
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	    !bind(fd, (struct sockaddr *)&in, sizeof(in)) && !listen(fd, 8))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* @count sockets, one after the other, listen each at an address of its own. */
static long do_listen_often(long count, long b, long c)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(OTHER_PORT) };

	(void)b, (void)c;
	for (long i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		in.sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)i);
		if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 1) ||
		    close(fd))
			return -errno;
	}
	return 0;
}

/* Whether each process's descriptors may be read: else who holds a listening socket, and did
 * not begin to listen before our eyes, is not sure. */
static bool can_read_descriptors(void)
{
	char target[64];
	bool all = true;
	glob_t found;

	if (glob("/proc/[0-9]*/fd/*", 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++)
		all &= readlink(found.gl_pathv[i], target, sizeof(target)) >= 0 ||
		       errno == ENOENT || errno == ESRCH;
	globfree(&found);
	return all;
}

static void open_one(struct stage *st, struct pair *p, struct actor *client,
		     struct actor *server, long lfd)
{
	struct tuple *tuple = (struct tuple *)st->arena;
	long fd;

	*p = (struct pair){ .fam = FAM_V4, .before_ns = net__mono_ns() };
	fd = actor__call(client, do_connect, FAM_V4, PORT, 0);
	EXPECT(st, fd >= 0 && actor__call(client, do_tuple, fd, (long)tuple, 0) == 0);
	p->e[END_C] = (struct end){ .a = client, .fd = (int)fd, .t = *tuple, .side = SIDE_CLIENT,
				    .opener = client->pid };
	fd = actor__call(server, do_accept, lfd, 0, 0);
	EXPECT(st, fd >= 0);
	p->opened_ns = net__mono_ns();
	p->e[END_S] = (struct end){ .a = server, .fd = (int)fd, .t = tuple__flip(tuple),
				    .side = SIDE_SERVER, .opener = server->pid };
}

/* A connection to @server, which closes first. Whether the trace has to know the opener is
 * the caller's matter. */
static struct truth *finish(struct stage *st, struct pair *p)
{
	struct end *c = &p->e[END_C], *s = &p->e[END_S];
	struct truth *t = truth__add(st, p, END_S, A(TIME_WAIT), s->a, CAUSE_CLOSE), *peer;

	EXPECT(st, actor__call(s->a, do_close, s->fd, 0, 0) == 0);
	stage__await(st, c, REF_STATE(ST_CLOSE_WAIT));
	peer = truth__add(st, p, END_C, 0, c->a, CAUSE_CLOSE);
	EXPECT(st, actor__call(c->a, do_close, c->fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
	return t;
}

static struct truth *serve_one(struct stage *st, struct actor *client, struct actor *server,
			       long lfd)
{
	struct pair p;

	open_one(st, &p, client, server, lfd);
	return finish(st, &p);
}

/* The newest event's opener, once it has come; 0: it has none. */
static pid_t newest_opener(struct stage *st, struct tracer *t, size_t events)
{
	if (tracer__await_events(t, events, DEADLINE_MS))
		stage__fail(st, "%zu events, not %zu", t->nevents, events);
	return t->events[t->nevents - 1].opener;
}

/*
 * The reader stands still. One listener goes and another one comes, and what told it is
 * written over by others' listening. The connections that the second one accepts are not the
 * first one's; in the end they are known for what they are.
 */
static void run_lapped(struct stage *st, const char *twsnoop)
{
	bool may_know = can_read_descriptors();
	struct truth *unread;
	struct three a;
	struct tracer t = { 0 };
	pid_t opener = 0;
	long lfd;

	set_up(st, &a, "256K");
	solo__trace(st, &t, twsnoop, a.args);
	lfd = actor__call(a.first, do_listen, FAM_V4, PORT, 0);
	EXPECT(st, lfd >= 0);
	serve_one(st, a.client, a.first, lfd);
	EXPECT(st, newest_opener(st, &t, 1) == a.first->pid);

	kill(t.pid, SIGSTOP);
	EXPECT(st, actor__call(a.first, do_close, lfd, 0, 0) == 0);
	lfd = actor__call(a.second, do_listen, FAM_V4, PORT, 0);
	EXPECT(st, lfd >= 0);
	EXPECT(st, actor__call(a.first, do_listen_often, LISTENS_LAPPING, 0, 0) == 0);
	unread = serve_one(st, a.client, a.second, lfd);
	unread->opener_optional = true;
	/* The older kernels' ring takes nothing more when it is full: a snapshot finds it. */
	if (!net__kernel_at_least(5, 12)) {
		st->rec->healed_ok = true;
		unread->pid_optional = true;
		unread->causes |= CAUSE_UNKNOWN;
		unread->sides |= SIDE_UNKNOWN;
		unread->life_min_ns = 0;
		unread->tx_bytes = unread->rx_bytes = -1;
	}
	kill(t.pid, SIGCONT);

	opener = newest_opener(st, &t, 2);
	while (!opener && may_know && st->rec->ntruths < TRUTHS_MAX - 2) {
		tracer__pump(&t, 200);
		serve_one(st, a.client, a.second, lfd)->opener_optional = true;
		opener = newest_opener(st, &t, t.nevents + 1);
	}
	if ((opener || may_know) && opener != a.second->pid)
		stage__fail(st, "opener.pid %d, not %d", (int)opener, (int)a.second->pid);
	solo__stop_and_judge(st, &t, SIGINT);
}

/*
 * A connection is its own listener's, although that has ended when it ends, and another one
 * listens: and so is that one's, although the first one's address is nearer.
 */
static void play_outlived(struct stage *st, const char *twsnoop, actor_fn listen_second)
{
	struct pair first, second;
	struct three a;
	struct tracer t = { 0 };
	long lfd;

	set_up(st, &a, NULL);
	solo__trace(st, &t, twsnoop, a.args);
	lfd = actor__call(a.first, do_listen, FAM_V4, PORT, 0);
	EXPECT(st, lfd >= 0);
	open_one(st, &first, a.client, a.first, lfd);
	EXPECT(st, actor__call(a.first, do_close, lfd, 0, 0) == 0);
	lfd = listen_second == do_listen ? actor__call(a.second, do_listen, FAM_V4, PORT, 0) :
					   actor__call(a.second, listen_second, PORT, 0, 0);
	EXPECT(st, lfd >= 0);
	open_one(st, &second, a.client, a.second, lfd);
	finish(st, &first);
	EXPECT(st, actor__call(a.second, do_close, lfd, 0, 0) == 0);
	finish(st, &second);
	solo__stop_and_judge(st, &t, SIGINT);
}

static void run_outlived(struct stage *st, const char *twsnoop)
{
	play_outlived(st, twsnoop, do_listen);
}

static void run_outlived_elsewhere(struct stage *st, const char *twsnoop)
{
	play_outlived(st, twsnoop, do_listen_any);
}

/* However many others come and go: who listens still is not forgotten. */
static void run_many(struct stage *st, const char *twsnoop)
{
	struct three a;
	struct tracer t = { 0 };
	long lfd;

	set_up(st, &a, NULL);
	solo__trace(st, &t, twsnoop, a.args);
	lfd = actor__call(a.first, do_listen, FAM_V4, PORT, 0);
	EXPECT(st, lfd >= 0);
	EXPECT(st, actor__call(a.second, do_listen_often, LISTENS_MANY, 0, 0) == 0);
	serve_one(st, a.client, a.first, lfd);
	solo__stop_and_judge(st, &t, SIGINT);
}

const struct solo solo_listeners[] = {
	{ "listeners/lapped-ring", run_lapped },
	{ "listeners/outlived", run_outlived },
	{ "listeners/outlived-elsewhere", run_outlived_elsewhere },
	{ "listeners/many", run_many },
	{ NULL, NULL },
};

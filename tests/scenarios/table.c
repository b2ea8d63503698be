// SPDX-License-Identifier: GPL-2.0
/* The kernel side's table of connections, when what is dead and what lives do not both fit. */
#define _GNU_SOURCE
#include "scenarios.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The smallest table that twsnoop makes. */
#define ENTRIES "4096"
/* Connections that are made one after the other and accepted then: before 5.4 a listener's queue
 * holds 128. */
#define CHUNK 64
/* Servers' ends that leave their entries: 59 % of the table, so that each finds room. */
#define STALE (38L * CHUNK)
/* Connections that are open at once: with two entries each as much again, and 768 entries more
 * than the table has. */
#define OPEN (19L * CHUNK)
/* Other processes' sockets need entries too: with more of them some of ours find no room. */
#define OTHERS 300
/* Some addresses' places are all taken by sockets that live: one in a thousand here, more where
 * others are many. */
#define MAY_BE_FULL ((STALE + OPEN) / 100)
/* What a kernel from 7.0 on skips under emulation. More, and nothing would be shown. */
#define MAY_BE_SKIPPED ((STALE + OPEN) / 10)
/* Other processes' FINs of before the trace, as in main.c. */
#define OTHERS_LOST(lines) (2 + (lines) / 1000)

/* Of the actor whose process it is. */
static int held[STALE];
static long nheld;

static long hold(long fd)
{
	if (fd < 0)
		return fd;
	held[nheld++] = (int)fd;
	return 0;
}

/*
 * Connections of a process with itself, one after the other, that their clients close first: the
 * servers' sockets all die, but not their entries. Every other socket stays, dead: the next server
 * gets another address, and the slab's pages do not become those of another slab.
 */
static long do_leave_stale(long lfd, long port, long n)
{
	static int to_free[STALE];
	static long nto_free;
	long err = 0;

	while (n-- > 0 && !err) {
		long client = do_connect(FAM_V4, port, 0), server = do_accept(lfd, 0, 0);

		if (client < 0 || server < 0)
			return client < 0 ? client : server;
		err = do_close(client, 0, 0);
		if (!err)
			err = do_recv_eof(server, 0, 0);
		if (!err)
			err = do_shutdown(server, SHUT_WR, 0);
		if (n % 2)
			to_free[nto_free++] = (int)server;
		else
			hold(server);
	}
	/* The last chunk: all addresses have been used. */
	while (nheld == STALE / 2 && nto_free && !err)
		err = do_close(to_free[--nto_free], 0, 0);
	return err;
}

static long do_connect_some(long port, long n, long c)
{
	long err = 0;

	(void)c;
	while (n-- > 0 && !err)
		err = hold(do_connect(FAM_V6, port, 0));
	return err;
}

static long do_accept_some(long lfd, long n, long c)
{
	long err = 0;

	(void)c;
	while (n-- > 0 && !err)
		err = hold(do_accept(lfd, 0, 0));
	return err;
}

static long do_close_some(long n, long after_peer, long c)
{
	long err = 0;

	(void)c;
	while (n-- > 0 && !err) {
		int fd = held[--nheld];

		if (after_peer)
			err = do_recv_eof(fd, 0, 0);
		if (!err)
			err = do_close(fd, 0, 0);
	}
	return err;
}

/* The clients' ends of a listener's connections. */
struct ports {
	long listener;	       /* IPv6 */
	bool time_wait[65536]; /* in the kernel's table, by the client's port; not reported yet */
	long n;
	unsigned long open;    /* of any listener's: or not quite closed */
};

static bool is_ours(const struct ports *p, const struct tuple *t)
{
	return t->family == AF_INET6 && t->rport == p->listener;
}

static void from_table(const struct diag *d, void *ctx)
{
	struct ports *p = ctx;

	if (!d->mini || d->state != ST_TIME_WAIT) {
		p->open += d->state != ST_CLOSE;
	} else if (is_ours(p, &d->t)) {
		p->n += !p->time_wait[d->t.lport];
		p->time_wait[d->t.lport] = true;
	}
}

/* Until all connections are over, and the kernel has so many TIME_WAITs of this listener. */
static void await_closed(struct stage *st, struct tracer *t, struct ports *p, long want)
{
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;

	do {
		p->open = 0;
		EXPECT(st, referee__dump(from_table, p) == 0);
		tracer__pump(t, 10);
		if (net__mono_ns() > end)
			stage__fail(st, "%lu connections are open, %ld of %ld in TIME_WAIT",
				    p->open, p->n, want);
	} while (p->open || p->n < want);
}

/* TCP sockets of the whole machine; 0: not told. */
static long all_sockets(void)
{
	FILE *f = fopen("/proc/net/sockstat", "re");
	long n = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "TCP: inuse %*d orphan %*d tw %*d alloc %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static void call(struct actor *a, actor_fn fn, long x, long y, long z)
{
	long err = actor__call(a, fn, x, y, z);

	if (err)
		stage__fail(a->st, "%s: %s", a->name, strerror((int)-err));
}

static void leave_stale(struct stage *st, struct tracer *t)
{
	struct actor *a = actor__start(st, "sc-before", 0);
	long lfd = actor__call(a, do_listen, FAM_V4, 0, 0), port;

	EXPECT(st, lfd >= 0);
	port = actor__call(a, do_port, lfd, 0, 0);
	for (long i = 0; i < STALE; i += CHUNK) {
		call(a, do_leave_stale, lfd, port, CHUNK);
		tracer__pump(t, 0);
	}
}

/* Opens them all. Returns how many sockets others had meanwhile, at the most. */
static long open_all(struct tracer *t, struct actor *c, struct actor *s, long lfd, long port)
{
	long others = 0;

	for (long i = CHUNK; i <= OPEN; i += CHUNK) {
		long now;

		call(c, do_connect_some, port, CHUNK, 0);
		call(s, do_accept_some, lfd, CHUNK, 0);
		now = all_sockets();
		EXPECT(c->st, now > 0);
		now -= STALE / 2 + 2 * i;
		others = now > others ? now : others;
		tracer__pump(t, 0);
	}
	return others;
}

/* Of how many of these connections it did not know the side, the process or the opener. */
static long count_bad(struct stage *st, const struct tracer *t, struct ports *p, pid_t client)
{
	long bad = p->n;

	for (size_t i = 0; i < t->nevents; i++) {
		const struct event *ev = &t->events[i];

		if (!is_ours(p, &ev->t))
			continue;
		if (!p->time_wait[ev->t.lport])
			stage__fail(st, "port %u is reported, wrongly or twice", ev->t.lport);
		p->time_wait[ev->t.lport] = false;
		bad -= ev->action == ACT_TIME_WAIT && ev->side == SIDE_CLIENT &&
		       ev->pid == client && ev->opener == client;
	}
	return bad;
}

static void judge(struct stage *st, const struct tracer *t, struct ports *p, pid_t client)
{
	const struct account *a = &t->account;
	long bad = count_bad(st, t, p, client), told = (long)t->nevents;

	if (a->recursion > MAY_BE_SKIPPED)
		stage__fail(st, "recursion=%lu of %ld connections", a->recursion, STALE + OPEN);
	if (a->map_full > MAY_BE_FULL)
		stage__fail(st, "map_full=%lu of %ld connections; %ld of %ld closes are not fully known",
			    a->map_full, STALE + OPEN, bad, OPEN);
	if (bad > (long)(a->map_full + a->recursion))
		stage__fail(st, "%ld of %ld closes are not fully known, but map_full=%lu recursion=%lu",
			    bad, OPEN, a->map_full, a->recursion);
	if (told + (long)a->recursion < STALE + OPEN || told > STALE + OPEN ||
	    a->lost > OTHERS_LOST(t->lines - t->nevents) + a->recursion)
		stage__fail(st, "%ld of %ld closes are reported, lost=%lu", told, STALE + OPEN,
			    a->lost);
}

/* What has died makes room for what lives, and nothing else does. */
static void run_evict(struct stage *st, const char *twsnoop)
{
	static const char *const args[] = { "trace", "--json", "--max-connections", ENTRIES, NULL };
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-server", 0);
	long lfd = actor__call(s, do_listen, FAM_V6, 0, 0), others;
	struct ports *p = calloc(1, sizeof(*p));
	struct tracer t = { 0 };

	if (!net__kernel_at_least(5, 12))
		stage__skip(st, "before 5.12 the table is a hash map, which drops what has died");
	EXPECT(st, p && lfd >= 0 && net__sysctl("tcp_max_tw_buckets", 1000000) == 0);
	p->listener = actor__call(s, do_port, lfd, 0, 0);
	solo__trace(st, &t, twsnoop, args);
	tracer__keep(&t, &st->rec->netns, 1);
	leave_stale(st, &t);
	await_closed(st, &t, p, 0);
	others = open_all(&t, c, s, lfd, p->listener);
	/* Few at once: the table of those that wait for the peer's FIN is a quarter as large. */
	for (long i = 0; i < OPEN; i += CHUNK) {
		call(c, do_close_some, CHUNK, false, 0);
		call(s, do_close_some, CHUNK, true, 0);
		EXPECT(st, referee__dump(from_table, p) == 0); /* before the first expire */
		tracer__pump(&t, 0);
	}
	await_closed(st, &t, p, OPEN);
	tracer__await_events(&t, STALE + OPEN, DEADLINE_MS);
	solo__ended_well(st, &t, tracer__stop(&t, SIGINT));
	if (others > OTHERS)
		stage__skip(st, "other processes have %ld sockets", others);
	judge(st, &t, p, c->pid);
	tracer__free(&t);
	free(p);
}

const struct solo solo_table[] = {
	{ "table/evicts-the-dead", run_evict },
	{ NULL, NULL },
};

// SPDX-License-Identifier: GPL-2.0
/* Churn: how it is run, with which tracers beside it. */
#define _GNU_SOURCE
#include "churn.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder.h"

/* A snapshot may have to wait for its turn, and a guest is slow. Only a failure takes so long. */
#define SNAPSHOT_MS 20000
#define EDGE_US 200000
#define SLOW_STEPS 100 /* of a twentieth of a second */

/* The tracers of one churn. */
struct watch {
	const char *twsnoop;
	struct tracer t, second; /* the other one with churn.second */
};

/* The events of the stage's own connections. */
static size_t our_events(const struct stage *st, const struct tracer *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nevents; i++)
		n += t->events[i].t.netns == st->rec->netns;
	return n;
}

/* The servers' process numbers, as -p wants them. */
static void say_pids(const struct churn_shared *sh, int procs, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int w = 0; w < procs && n < size; w++)
		n += (size_t)snprintf(out + n, size - n, "%s%d", w ? "," : "", (int)sh->server[w]);
}

static void start_tracer(struct stage *st, struct tracer *t, const char *twsnoop,
			 const struct churn *how, const struct churn_shared *sh)
{
	const char *args[10] = { "trace", "--json" };
	char since[32];
	char pids[1024];
	int n = 2;

	if (how->all)
		args[n++] = "--all";
	if (how->lap) {
		args[n++] = "--ring-size";
		args[n++] = "64K";
	}
	if (how->filter == CHURN_IPV4)
		args[n++] = "-4";
	if (how->filter == CHURN_SERVERS) {
		say_pids(sh, how->procs, pids, sizeof(pids));
		args[n++] = "-p";
		args[n++] = pids;
	}
	if (how->late) {
		snprintf(since, sizeof(since), "@%lu.%09lu",
			 (unsigned long)(sh->begun_ns / 1000000000),
			 (unsigned long)(sh->begun_ns % 1000000000));
		args[n++] = "--since";
		args[n++] = since;
	}
	solo__trace(st, t, twsnoop, args);
}

static void pump(struct watch *watch)
{
	if (watch->second.pid > 0)
		tracer__pump(&watch->second, 1);
	if (watch->t.pid > 0)
		tracer__pump(&watch->t, 10);
	else
		usleep(1000);
}

/*
 * Lets it go on, at first with hardly any of the processor, as on a machine that is too busy: a
 * snapshot then takes longer than the trace had run before it was stopped.
 */
static void wake_slowly(const struct tracer *t)
{
	for (int i = 0; i < SLOW_STEPS; i++) {
		kill(t->pid, SIGCONT);
		usleep(1000);
		kill(t->pid, SIGSTOP);
		usleep(49000);
	}
	kill(t->pid, SIGCONT);
}

/* Runs the clients to their end, the tracers' output being read meanwhile. */
static void run_clients(struct stage *st, struct churn_shared *sh, const struct churn *how,
			struct watch *watch)
{
	struct tracer *stopped = how->second ? &watch->second : &watch->t;
	bool stops = how->stop_reader || how->second;
	long total = how->procs * how->conns, stop_at = stops ? total / 10 : -1;
	pid_t pids[64], hurried = how->hurried ? churn__start_hurried(st, sh) : 0;

	churn__spawn_clients(st, sh, how, pids);
	while (churn__clients_run(how, pids) && !__atomic_load_n(&sh->failed, __ATOMIC_SEQ_CST)) {
		if (stop_at >= 0 && churn__made(sh) >= stop_at) {
			kill(stopped->pid, SIGSTOP);
			stop_at = -1;
		}
		if (how->late && !watch->t.pid && churn__made(sh) >= total / 3)
			start_tracer(st, &watch->t, watch->twsnoop, how, sh);
		pump(watch);
	}
	if (hurried) {
		kill(hurried, SIGKILL);
		waitpid(hurried, NULL, 0);
	}
	if (how->second)
		wake_slowly(stopped);
	else if (stops)
		kill(stopped->pid, SIGCONT);
	if (how->late && !watch->t.pid)
		start_tracer(st, &watch->t, watch->twsnoop, how, sh);
	churn__end_clients(st, sh, how, pids);
}

/* What passes -p is only known of those whose closer is known: no number to wait for. */
static void await_tracer(struct stage *st, struct tracer *t, const struct churn *how,
			 const struct claims *table)
{
	uint64_t end = net__mono_ns() + (how->filter == CHURN_IPV4 ? SNAPSHOT_MS : 8000) * 1000000ULL;

	while (how->filter != CHURN_SERVERS && net__mono_ns() < end &&
	       (t->defer ? t->lines : our_events(st, t)) < table->n && tracer__pump(t, 20))
		;
	/* The kernel's table has them all and -4 lets them pass: no need to wait for the end. */
	if (how->filter == CHURN_IPV4 && our_events(st, t) < table->n)
		stage__fail(st, "%zu of %zu ends are shown while the trace runs",
			    our_events(st, t), table->n);
}

static size_t shared_bytes(const struct churn *how)
{
	return sizeof(struct churn_shared) +
	       (size_t)how->procs * (size_t)how->conns * sizeof(struct deed);
}

/* The servers, and what the network needs; to be ended by churn__end_servers(). */
static struct churn_shared *set_up(struct stage *st, const struct churn *how)
{
	struct churn_shared *sh = mmap(NULL, shared_bytes(how), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT(st, sh != MAP_FAILED && how->procs <= 60);
	EXPECT(st, net__sysctl("tcp_max_tw_buckets", 4000000) == 0);
	/*
	 * On several CPUs the client's ACK may be overtaken by its FIN; TIME_WAIT answers the
	 * late one, the client that is gone answers with a RST, and without this it would kill
	 * a few in 100,000 of the sockets that the table is to be compared with.
	 */
	EXPECT(st, net__sysctl("tcp_rfc1337", 1) == 0);
	EXPECT(st, net__sysctl_text("ip_local_port_range", "10000 65535") == 0);
	sh->servers_close = how->filter == CHURN_SERVERS;
	churn__spawn_servers(st, sh, how->procs);
	return sh;
}

void churn__run(struct stage *st, const char *twsnoop, const struct churn *how)
{
	size_t n = (size_t)how->procs * (size_t)how->conns;
	struct churn_shared *sh = set_up(st, how);
	struct claims table = { 0 };
	/* Of a few with a filter it is asked meanwhile which are ours. */
	struct watch w = { twsnoop, { .defer = !how->filter }, { .defer = !how->filter } };
	struct churn others = *how;

	others.late = false;
	others.stop_reader = true;
	sh->begun_ns = net__real_ns();
	/* What a kernel from 7.0 on skips at the edge of the time that is asked for is left out: the
	 * timers of sockets are not that exact. */
	if (how->late)
		usleep(EDGE_US);
	if (!how->late)
		start_tracer(st, &w.t, twsnoop, how, sh);
	if (how->second)
		start_tracer(st, &w.second, twsnoop, &others, sh);
	run_clients(st, sh, how, &w);
	claims__take_table(st, &w.t, &table);
	await_tracer(st, &w.t, how, &table);
	solo__ended_well(st, &w.t, tracer__stop(&w.t, SIGINT));
	if (how->second)
		solo__ended_well(st, &w.second, tracer__stop(&w.second, SIGINT));
	table.ended_ns = net__mono_ns();
	churn__end_servers(sh, how);
	qsort(sh->deeds, n, sizeof(sh->deeds[0]), churn__by_key);
	churn__judge(st, &w.t, how, sh, &table);
	if (how->second)
		churn__judge(st, &w.second, &others, sh, &table);
	tracer__free(&w.t);
	tracer__free(&w.second);
	free(table.c);
	munmap(sh, shared_bytes(how));
}

/* ---- traces that begin and end while connections are made ---- */

#define EDGE_TRACES 3
#define EDGE_LINES 300 /* of each, at least */

/* What a trace says of a connection that it saw in part has to be right all the same. */
static void check_edge(struct stage *st, const struct churn_shared *sh, size_t n,
		       const struct claim *c)
{
	const struct event *ev = c->ev;
	const struct deed *d = bsearch(c, sh->deeds, n, sizeof(*d), churn__by_key);
	unsigned int side;

	if (!d || !d->pid)
		stage__fail(st, "an end that nobody made");
	side = d->server_first ? SIDE_SERVER : SIDE_CLIENT;
	if (!(ev->side & (side | SIDE_UNKNOWN)))
		stage__fail(st, "the side of the %s that closed first is wrong",
			    d->server_first ? "server" : "client");
	/* Of a server's end it is who listens, which here is who accepts and closes. */
	if (ev->opener && ev->opener != (d->server_first ? d->pid : d->client))
		stage__fail(st, "opener %d of a %s's end, client %d", (int)ev->opener,
			    d->server_first ? "server" : "client", (int)d->client);
	if (ev->pid && ev->pid != d->pid)
		stage__fail(st, "pid %d, but %d closed", (int)ev->pid, (int)d->pid);
}

/* Once each, by the keys' order. */
static void check_edges(struct stage *st, const struct churn_shared *sh, size_t n,
			struct tracer *t)
{
	struct claims events = { 0 };

	claims__take_events(st, t, &events);
	for (size_t i = 0; i < events.n; i++) {
		if (i && churn__by_key(&events.c[i - 1], &events.c[i]) == 0)
			stage__fail(st, "an end reported twice");
		check_edge(st, sh, n, &events.c[i]);
	}
	free(events.c);
}

void churn__edges(struct stage *st, const char *twsnoop, const struct churn *how)
{
	size_t n = (size_t)how->procs * (size_t)how->conns;
	struct tracer traces[EDGE_TRACES];
	struct churn_shared *sh;
	pid_t pids[64];

	/* "Oops: int3" in inet_sk_state_store(), Linux 7.3: most likely the breakpoint by which
	 * the kernel patches the tracepoint, run after it was gone. */
	if (net__is_emulated())
		stage__skip(st, "a guest's kernel has died of it on an emulated processor");
	sh = set_up(st, how);
	churn__spawn_clients(st, sh, how, pids);
	for (int i = 0; i < EDGE_TRACES; i++) {
		struct tracer *t = &traces[i];

		memset(t, 0, sizeof(*t));
		t->defer = true;
		start_tracer(st, t, twsnoop, how, sh);
		while (t->lines < EDGE_LINES && churn__clients_run(how, pids))
			tracer__pump(t, 10);
		solo__ended_well(st, t, tracer__stop(t, SIGINT));
	}
	__atomic_store_n(&sh->enough, 1, __ATOMIC_RELAXED);
	while (churn__clients_run(how, pids) && !__atomic_load_n(&sh->failed, __ATOMIC_SEQ_CST))
		usleep(1000);
	churn__end_clients(st, sh, how, pids);
	churn__end_servers(sh, how);
	qsort(sh->deeds, n, sizeof(sh->deeds[0]), churn__by_key);
	for (int i = 0; i < EDGE_TRACES; i++) {
		check_edges(st, sh, n, &traces[i]);
		tracer__free(&traces[i]);
	}
	munmap(sh, shared_bytes(how));
}

static struct churn asked = { .procs = 4, .conns = 5000, .report = true };

static void run_asked(struct stage *st, const char *twsnoop)
{
	churn__run(st, twsnoop, &asked);
}

int churn__main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "twsnoop", required_argument, NULL, 't' }, { "procs", required_argument, NULL, 'p' },
		{ "conns", required_argument, NULL, 'n' },   { "stop-reader", no_argument, NULL, 's' },
		{ "all", no_argument, NULL, 'a' },	     { "attached", no_argument, NULL, 'A' },
		{ "hurried", no_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	const char *twsnoop = "build/twsnoop";
	bool attached = false;
	char why[512] = "";
	enum verdict v;
	int c;

	while ((c = getopt_long(argc, argv, "t:p:n:sa", longs, NULL)) >= 0) {
		if (c == '?')
			return 2;
		twsnoop = c == 't' ? optarg : twsnoop;
		asked.procs = c == 'p' ? (int)strtol(optarg, NULL, 10) : asked.procs;
		asked.conns = c == 'n' ? strtol(optarg, NULL, 10) : asked.conns;
		asked.stop_reader |= c == 's';
		asked.all |= c == 'a';
		asked.hurried |= c == 'u';
		attached |= c == 'A';
	}
	if (asked.procs < 1 || asked.procs > 60 || asked.conns < 1 || asked.conns > CHURN_CONNS_MAX ||
	    optind < argc)
		return 2;
	if (attached && (recorder__begin() || recorder__attach(twsnoop, asked.all)))
		return 1;
	v = solo__run(run_asked, twsnoop, why, sizeof(why));
	if (attached)
		recorder__detach(twsnoop);
	printf("%s churn%s%s\n", v == V_DONE ? "ok" : v == V_SKIP ? "skip" : "FAIL",
	       v == V_DONE ? "" : ": ", v == V_DONE ? "" : why);
	printf("%d passed, %d failed, %d skipped\n", v == V_DONE, v == V_FAIL, v == V_SKIP);
	return v == V_FAIL;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Known-truth tests of twsnoop on the running kernel. Each scenario closes a connection in
 * one known way in a network namespace of its own; sock_diag confirms what the kernel made
 * of it; then twsnoop's JSON has to say exactly that. One tracer serves all of them.
 */
#define _GNU_SOURCE
#include "judge.h"
#include "listing.h"
#include "play.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long an event may be on its way before it counts as missing. */
#define ARRIVAL_MS 5000
/* The end of a TIME_WAIT is told by snapshots, and those are far between. */
#define ARRIVAL_SLOW_MS 60000
/* Of some 400 scenarios. */
#define MAX_REPLAYS 40

void table__add(struct table *t, const struct scenario *model, const char *fmt, ...)
{
	struct scenario *s;
	char *name;
	va_list ap;

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->s = realloc(t->s, t->cap * sizeof(*t->s));
		if (!t->s)
			abort();
	}
	va_start(ap, fmt);
	if (vasprintf(&name, fmt, ap) < 0)
		abort();
	va_end(ap);
	s = &t->s[t->n++];
	*s = *model;
	s->name = name;
}

void tally__say(struct tally *tally, enum verdict v, const char *name, const char *why)
{
	static const char *const words[] = { "?", "ok", "FAIL", "skip" };

	tally->passed += v == V_DONE;
	tally->failed += v == V_FAIL;
	tally->skipped += v == V_SKIP;
	if (v == V_DONE)
		printf("ok %s\n", name);
	else
		printf("%s %s: %s\n", words[v], name, why);
	fflush(stdout);
}

bool options__chose(const struct options *o, const char *name)
{
	return !o->filter || strstr(name, o->filter);
}

/* Retires those whose events have all come. */
static void retire_some(struct play **plays, size_t n, const struct tracer *t)
{
	static uint64_t next_ns;

	if (net__mono_ns() < next_ns)
		return;
	next_ns = net__mono_ns() + 200 * 1000000ULL;
	for (size_t i = 0; i < n; i++)
		if (plays[i]->pid > 0 && play__over(plays[i]) &&
		    (!t || judge__complete(plays[i]->rec, t)))
			play__retire(plays[i]);
}

static void play_all(struct play **plays, size_t n, struct tracer *t, long jobs)
{
	size_t first = 0, next = 0, running;

	do {
		running = 0;
		for (size_t i = first; i < next; i++)
			running += !play__over(plays[i]);
		for (; next < n && running < (size_t)jobs; running++)
			play__start(plays[next++]);
		while (first < next && play__over(plays[first]))
			first++;
		if (t)
			tracer__pump(t, 5);
		else
			usleep(2000);
		retire_some(plays, next, t);
	} while (first < n);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Every stage is over, and so all their namespaces are known: nothing else matters. */
static uint64_t *keep_ours(const struct play *plays, size_t n, struct tracer *t)
{
	uint64_t *netns = calloc(n * (TRUTHS_MAX + 1), sizeof(*netns));
	size_t k = 0;

	if (!netns)
		abort();
	for (size_t i = 0; i < n; i++) {
		const struct record *r = plays[i].rec;

		netns[k++] = r->netns;
		for (unsigned int j = 0; j < r->ntruths; j++)
			if (r->truths[j].t.netns != r->netns)
				netns[k++] = r->truths[j].t.netns;
	}
	qsort(netns, k, sizeof(*netns), by_number);
	tracer__keep(t, netns, k);
	return netns;
}

static void await_arrival(struct play *plays, size_t n, struct tracer *t, bool slow)
{
	uint64_t end = net__mono_ns() + (slow ? ARRIVAL_SLOW_MS : ARRIVAL_MS) * 1000000ULL;

	for (size_t i = 0; i < n; i++) {
		const struct record *r = plays[i].rec;

		while (r->verdict == V_DONE && !judge__complete(r, t) && net__mono_ns() < end)
			tracer__pump(t, 20);
	}
	/* Whatever comes without being called for would come about now. */
	end = net__mono_ns() + 300 * 1000000ULL;
	while (net__mono_ns() < end)
		tracer__pump(t, 20);
}

/*
 * A program that is interrupted by its own tracepoint is skipped (KERNEL.md 2). And on some
 * virtual machines (seen with nested PVM) one in some hundred timer softirqs is seen by no BPF
 * program at all, whosever it is, and no counter tells. So a scenario that was not fully seen, but
 * of which nothing wrong was said, is played again; that is said aloud, and judge_run() limits
 * how often it may happen. What is never seen fails each time.
 */
static unsigned int play_again(struct play *plays, size_t n, struct tracer *t, long jobs)
{
	struct play **again = calloc(n + 1, sizeof(*again));
	unsigned int k = 0;
	char why[512];

	if (!again)
		abort();
	for (size_t i = 0; i < n; i++)
		judge__mark(plays[i].rec, t);
	for (size_t i = 0; i < n; i++) {
		struct play *p = &plays[i];

		if (p->rec->verdict != V_DONE ||
		    judge__record(p->rec, t, why, sizeof(why)) != MISSING)
			continue;
		fprintf(stderr, "# %s: once more: %s\n", p->sc->name, why);
		play__reset(p);
		again[k++] = p;
	}
	if (k) {
		tracer__keep(t, NULL, 0);
		play_all(again, k, t, jobs);
	}
	free(again);
	return k;
}

static void judge_all(struct play *plays, size_t n, struct tracer *t, struct tally *tally)
{
	char why[512];

	for (size_t i = 0; t && i < n; i++)
		judge__mark(plays[i].rec, t);
	for (size_t i = 0; i < n; i++) {
		const struct record *r = plays[i].rec;

		if (r->verdict != V_DONE || !t)
			tally__say(tally, r->verdict, plays[i].sc->name, r->why);
		else if (judge__record(r, t, why, sizeof(why)) == RIGHT)
			tally__say(tally, V_DONE, plays[i].sc->name, "");
		else
			tally__say(tally, V_FAIL, plays[i].sc->name, why);
	}
}

#define FINS_BEFORE 2 /* other runs' connections, when a trace begins */

/* What holds for the whole run: the contract of each line, and the accounting. */
static void judge_run(struct tracer *t, size_t before_stop, int status, unsigned int replays,
		      struct tally *tally)
{
	const struct account *a = &t->account;
	char why[600];
	bool sums;

	snprintf(why, sizeof(why), "%lu lines break the contract, the first: %s", t->bad_lines,
		 t->bad);
	tally__say(tally, t->bad_lines ? V_FAIL : V_DONE, "run/json-contract", why);
	snprintf(why, sizeof(why), "%zu events came only at the end", t->nevents - before_stop);
	tally__say(tally, t->nevents != before_stop ? V_FAIL : V_DONE, "run/nothing-late", why);
	snprintf(why, sizeof(why),
		 "%lu lines, but delivered=%lu lost=%lu map_full=%lu recursion=%lu snapshot=%lu "
		 "unattributed=%lu%s",
		 t->lines, a->delivered, a->lost, a->map_full, a->recursion, a->snapshot,
		 a->unattributed, a->seen ? "" : " (no accounting line)");
	/* Of a connection whose FIN was skipped, or sent before the trace began, only a
	 * snapshot can tell the end; the scenario's namespace may be gone by then. */
	sums = a->seen && a->delivered == t->lines && !a->map_full &&
	       a->lost <= a->recursion + FINS_BEFORE;
	tally__say(tally, sums ? V_DONE : V_FAIL, "run/accounting", why);
	snprintf(why, sizeof(why), "%u scenarios were played again, too many", replays);
	tally__say(tally, replays > MAX_REPLAYS ? V_FAIL : V_DONE, "run/seen-at-once", why);
	snprintf(why, sizeof(why), "wait status %#x; stderr: %.400s", (unsigned int)status, t->err);
	tally__say(tally, status == 0 ? V_DONE : V_FAIL, "run/clean-exit", why);
}

static void print_latency(const struct tracer *t)
{
	uint64_t worst = 0, sum = 0;

	for (size_t i = 0; i < t->nevents; i++) {
		const struct event *ev = &t->events[i];
		uint64_t d = ev->seen_ns > ev->timestamp_ns ? ev->seen_ns - ev->timestamp_ns : 0;

		sum += d;
		worst = d > worst ? d : worst;
	}
	if (t->nevents)
		fprintf(stderr, "# %zu events; shown after %lu ms on average, %lu at worst\n",
			t->nevents, (unsigned long)(sum / t->nevents / 1000000),
			(unsigned long)(worst / 1000000));
}

static void run_traced(const struct options *o, struct play *plays, struct play **order, size_t n,
		       struct tally *tally)
{
	static const char *const args[] = { "trace", "--json", "--all", NULL };
	struct tracer t = { .echo = o->verbose };
	int err = tracer__start(&t, o->twsnoop, args), status;
	uint64_t *netns = NULL;
	unsigned int replays = 0, again;
	size_t before_stop;

	if (err) {
		fprintf(stderr, "scenarios: %s does not trace: %s; it said: %s\n", o->twsnoop,
			strerror(-err), t.err);
		tally->failed++;
		goto out;
	}
	play_all(order, n, &t, o->jobs);
	for (int attempt = 0; attempt < 3; attempt++) {
		free(netns);
		netns = keep_ours(plays, n, &t);
		await_arrival(plays, n, &t, o->slow);
		if (attempt == 2)
			break;
		replays += again = play_again(plays, n, &t, o->jobs);
		if (!again)
			break;
	}
	before_stop = t.nevents;
	status = tracer__stop(&t, SIGINT);
	judge_all(plays, n, &t, tally);
	judge_run(&t, before_stop, status, replays, tally);
	print_latency(&t);
out:
	tracer__free(&t);
	free(netns);
}

static void run_shared(const struct options *o, const struct table *table, struct tally *tally)
{
	struct play *plays = calloc(table->n + 1, sizeof(*plays));
	struct play **order = calloc(table->n + 1, sizeof(*order));
	size_t size = (table->n + 1) * sizeof(struct record), n = 0;
	struct record *recs;

	recs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!plays || !order || recs == MAP_FAILED)
		abort();
	for (size_t i = 0; i < table->n; i++) {
		if (!options__chose(o, table->s[i].name) || (!o->slow && (table->s[i].flags & SCN_SLOW)))
			continue;
		plays[n] = (struct play){ .sc = &table->s[i], .rec = &recs[i] };
		order[n] = &plays[n];
		n++;
	}
	if (n && o->referee_only) {
		play_all(order, n, NULL, o->jobs);
		judge_all(plays, n, NULL, tally);
	} else if (n) {
		run_traced(o, plays, order, n, tally);
	}
	for (size_t i = 0; i < n; i++)
		play__end(&plays[i]);
	munmap(recs, size);
	free(order);
	free(plays);
}

static void run_solos(const struct options *o, const struct solo *s, int max, struct tally *tally)
{
	for (; s->name && max-- > 0; s++) {
		char why[512] = "";

		if (options__chose(o, s->name))
			tally__say(tally, solo__run(s->run, o->twsnoop, why, sizeof(why)), s->name, why);
	}
}

static void usage(FILE *f)
{
	fputs("usage: scenarios [--twsnoop PATH] [--filter PART] [--jobs N] [--slow | --quick]\n"
	      "                 [--list] [-v]\n"
	      "       scenarios --referee-only ...  the kernel's side alone, without twsnoop\n"
	      "       scenarios churn [--twsnoop PATH] [--procs P] [--conns N] [--stop-reader]\n",
	      f);
}

static void list(const struct options *o, const struct table *t, const struct table *listed)
{
	for (size_t i = 0; i < t->n; i++)
		if (options__chose(o, t->s[i].name))
			puts(t->s[i].name);
	for (const struct solo *s = solo_filters; s->name; s++)
		if (options__chose(o, s->name))
			puts(s->name);
	for (const struct solo *s = solo_control; s->name; s++)
		if (options__chose(o, s->name))
			puts(s->name);
	listing__names(o, listed);
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "twsnoop", required_argument, NULL, 't' },
		{ "filter", required_argument, NULL, 'f' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "slow", no_argument, NULL, 's' },
		{ "quick", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "referee-only", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "t:f:j:lsqvrh", longs, NULL)) >= 0) {
		o->twsnoop = c == 't' ? optarg : o->twsnoop;
		o->filter = c == 'f' ? optarg : o->filter;
		o->list |= c == 'l';
		o->slow |= c == 's';
		if (c == 'q')
			filters__be_quick();
		o->verbose |= c == 'v';
		o->referee_only |= c == 'r';
		if (c == 'j')
			o->jobs = strtol(optarg, NULL, 10);
		if (c == 'h' || c == '?') {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (optind < argc || o->jobs < 1 || o->jobs > 64) {
		usage(stderr);
		return 2;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct options o = { .twsnoop = "build/twsnoop", .jobs = 8 };
	struct rlimit files = { 8192, 8192 };
	struct rlimit memory = { RLIM_INFINITY, RLIM_INFINITY };
	struct tally tally = { 0 };
	struct table table = { 0 }, listed = { 0 };
	int status;

	/* The program that way_exec() becomes: it lives until it is killed. */
	if (argc == 2 && strcmp(argv[1], "--idle") == 0)
		for (;;)
			pause();
	setrlimit(RLIMIT_NOFILE, &files);
	/* Kernels before 5.11 charge BPF maps and programs to it. */
	setrlimit(RLIMIT_MEMLOCK, &memory);
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "churn") == 0)
		return churn__main(argc - 1, argv + 1);
	status = parse(argc, argv, &o);
	if (status >= 0)
		return status;
	scen_close__add(&table);
	scen_miniwait__add(&table);
	scen_abort__add(&table);
	scen_ids__add(&table);
	/* The same and some more; those that wait for long come first. */
	scen_abort__add(&listed);
	scen_miniwait__add(&listed);
	scen_close__add(&listed);
	scen_close__add_silent(&listed);
	scen_ids__add(&listed);
	if (o.list) {
		list(&o, &table, &listed);
		return 0;
	}
	run_shared(&o, &table, &tally);
	if (!o.referee_only) {
		run_solos(&o, solo_filters, filters__batches(), &tally);
		run_solos(&o, solo_control, INT_MAX, &tally);
		listing__run(&o, &listed, &tally);
	}
	printf("%u passed, %u failed, %u skipped\n", tally.passed, tally.failed, tally.skipped);
	return tally.failed ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Known-truth tests of twsnoop on the running kernel. Each scenario closes a connection in
 * one known way in a network namespace of its own; sock_diag confirms what the kernel made
 * of it; then twsnoop's JSON has to say exactly that. One tracer serves all of them, and another
 * one, without --all, those of one family once more.
 */
#define _GNU_SOURCE
#include "judge.h"
#include "listing.h"
#include "play.h"
#include "recorder.h"
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
/* What takes longer is told: where a slow guest's time goes. */
#define TOLD_MS 2000
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
	const char *kind = recorder__is_attached() ? "attached/" : "";

	tally->passed += v == V_DONE;
	tally->failed += v == V_FAIL;
	tally->skipped += v == V_SKIP;
	if (v == V_DONE)
		printf("ok %s%s\n", kind, name);
	else
		printf("%s %s%s: %s\n", words[v], kind, name, why);
	fflush(stdout);
}

void tally__took(uint64_t since_ns, const char *name)
{
	uint64_t ms = (net__mono_ns() - since_ns) / 1000000;

	if (ms >= TOLD_MS)
		fprintf(stderr, "# %lu.%lu s: %s\n", (unsigned long)(ms / 1000),
			(unsigned long)(ms / 100 % 10), name);
}

bool options__chose(const struct options *o, const char *name)
{
	return !o->filter || strstr(name, o->filter);
}

bool options__has_turn(const struct options *o)
{
	static long turns;

	return !o->share || turns++ % 2 == o->half - 1;
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
	for (size_t i = 0; i < n; i++) {
		judge__mark(plays[i].rec, t);
		play__count(&plays[i]);
	}
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

	for (size_t i = 0; t && i < n; i++) {
		judge__mark(plays[i].rec, t);
		play__count(&plays[i]);
	}
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

/* Scenarios that one trace watches. */
struct cast {
	struct play *plays, **order;
	size_t n;
	bool all; /* with --all */
};

/*
 * Other programs' connections may have sent their FIN before the trace began, and where they have
 * no process any more, no snapshot finds them: some, and more while another churns. None where we
 * are alone (--alone): our own scenarios all begin when the trace does.
 */
#define FINS_BEFORE 2
#define FINS_OF_CHURN(lines) ((lines) / 1000)

static void say_run(struct tally *tally, const struct cast *cast, bool right, const char *what,
		    const char *why)
{
	char name[64];

	snprintf(name, sizeof(name), "%srun/%s", cast->all ? "" : "time-wait-only/", what);
	tally__say(tally, right ? V_DONE : V_FAIL, name, why);
}

static void judge_account(const struct options *o, const struct cast *cast, const struct tracer *t,
			  struct tally *tally)
{
	const struct account *a = &t->account;
	/* Of a connection whose FIN was skipped, only a snapshot can tell the end; the scenario's
	 * namespace may be gone by then. */
	unsigned long others = t->lines - t->nevents, may_lose = a->recursion;
	char why[300];

	snprintf(why, sizeof(why),
		 "%lu lines, but delivered=%lu lost=%lu map_full=%lu recursion=%lu snapshot=%lu "
		 "unattributed=%lu%s",
		 t->lines, a->delivered, a->lost, a->map_full, a->recursion, a->snapshot,
		 a->unattributed, a->seen ? "" : " (no accounting line)");
	if (!o->alone)
		may_lose += FINS_BEFORE + FINS_OF_CHURN(others);
	if (a->lost || a->map_full || a->recursion)
		fprintf(stderr, "# %s\n", why);
	say_run(tally, cast,
		a->seen && a->delivered == t->lines && !a->map_full && a->lost <= may_lose,
		"accounting", why);
}

/* What holds for the whole run: the contract of each line, and the accounting. */
static void judge_run(const struct options *o, const struct cast *cast, struct tracer *t,
		      size_t before_stop, int status, unsigned int replays, struct tally *tally)
{
	char why[600];

	snprintf(why, sizeof(why), "%lu lines break the contract, the first: %s", t->bad_lines,
		 t->bad);
	say_run(tally, cast, !t->bad_lines, "json-contract", why);
	snprintf(why, sizeof(why), "%zu events came only at the end", t->nevents - before_stop);
	say_run(tally, cast, t->nevents == before_stop, "nothing-late", why);
	judge_account(o, cast, t, tally);
	snprintf(why, sizeof(why), "%u scenarios were played again, too many", replays);
	say_run(tally, cast, replays <= MAX_REPLAYS, "seen-at-once", why);
	snprintf(why, sizeof(why), "wait status %#x; stderr: %.400s", (unsigned int)status, t->err);
	say_run(tally, cast, status == 0, "clean-exit", why);
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

static void run_traced(const struct options *o, struct cast *cast, struct tally *tally)
{
	const char *const args[] = { "trace", "--json", cast->all ? "--all" : NULL, NULL };
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
	play_all(cast->order, cast->n, &t, o->jobs);
	for (int attempt = 0; attempt < 3; attempt++) {
		free(netns);
		netns = keep_ours(cast->plays, cast->n, &t);
		await_arrival(cast->plays, cast->n, &t, o->slow);
		if (attempt == 2)
			break;
		replays += again = play_again(cast->plays, cast->n, &t, o->jobs);
		if (!again)
			break;
	}
	before_stop = t.nevents;
	status = tracer__stop(&t, SIGINT);
	judge_all(cast->plays, cast->n, &t, tally);
	judge_run(o, cast, &t, before_stop, status, replays, tally);
	print_latency(&t);
out:
	tracer__free(&t);
	free(netns);
}

static void run_cast(const struct options *o, const struct table *table, bool all,
		     struct tally *tally)
{
	struct cast cast = { .plays = calloc(table->n + 1, sizeof(*cast.plays)),
			     .order = calloc(table->n + 1, sizeof(*cast.order)), .all = all };
	size_t size = (table->n + 1) * sizeof(struct record);
	uint64_t begin = net__mono_ns();
	struct record *recs;

	recs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!cast.plays || !cast.order || recs == MAP_FAILED)
		abort();
	for (size_t i = 0; i < table->n; i++) {
		if (!options__chose(o, table->s[i].name) || (!o->slow && (table->s[i].flags & SCN_SLOW)))
			continue;
		cast.plays[cast.n] = (struct play){ .sc = &table->s[i], .rec = &recs[i] };
		cast.order[cast.n] = &cast.plays[cast.n];
		cast.n++;
	}
	if (cast.n && o->referee_only) {
		play_all(cast.order, cast.n, NULL, o->jobs);
		judge_all(cast.plays, cast.n, NULL, tally);
	} else if (cast.n) {
		run_traced(o, &cast, tally);
		tally__took(begin, all ? "the scenarios" : "those without --all");
	}
	for (size_t i = 0; i < cast.n; i++)
		play__end(&cast.plays[i]);
	munmap(recs, size);
	free(cast.order);
	free(cast.plays);
}

/*
 * Without --all the kernel side takes other branches, and says nothing of what it need not tell:
 * the same scenarios, of one family, must give their TIME_WAIT, and nothing else.
 */
static void add_time_wait_only(struct table *to, const struct table *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct scenario model = from->s[i];

		if (model.fam != FAM_V4 || model.flags & SCN_SLOW)
			continue;
		model.flags |= SCN_TIME_WAIT_ONLY;
		table__add(to, &model, "time-wait-only/%s", from->s[i].name);
	}
}

static void run_solos(const struct options *o, const struct solo *s, int max, struct tally *tally)
{
	for (int i = 0; s->name && i < max; s++, i++) {
		uint64_t begin = net__mono_ns();
		char why[512] = "";

		/* Each half has its own filters as it is. */
		if (!options__chose(o, s->name) || (max == INT_MAX && !options__has_turn(o)))
			continue;
		tally__say(tally, solo__run(s->run, o->twsnoop, why, sizeof(why)), s->name, why);
		tally__took(begin, s->name);
	}
}

static void usage(FILE *f)
{
	fputs("usage: scenarios [--twsnoop PATH] [--filter PART] [--jobs N] [--slow | --half 1|2 [--share]]\n"
	      "                 [--alone] [--list] [-v]\n"
	      "       scenarios --referee-only ...  the kernel's side alone, without twsnoop\n"
	      "       scenarios churn [--twsnoop PATH] [--procs P] [--conns N] [--stop-reader]\n"
	      "  --half N  for slow processors: one half of the filters, and each family in one\n"
	      "            list, not in both; 2: the other half\n"
	      "  --share   and every second one of those that have a trace of their own\n"
	      "  --alone   nobody else makes connections on this machine\n"
	      "  --attached  all traces read one recorder, which is attached in a bpffs of its own\n",
	      f);
}

static void list_table(const struct options *o, const struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (options__chose(o, t->s[i].name))
			puts(t->s[i].name);
}

/* Of those with tracers of their own, in the order in which they are played; the filters come first. */
static const struct solo *const solos[] = {
	solo_control, solo_half_closed, solo_cgroups, solo_listeners, solo_table, solo_device, solo_softirqs,
	solo_looked_at,
};

#define SOLOS (sizeof(solos) / sizeof(solos[0]))

static void list_solos(const struct options *o, const struct solo *s)
{
	for (; s->name; s++)
		if (options__chose(o, s->name))
			puts(s->name);
}

static void list(const struct options *o, const struct table *listed)
{
	list_solos(o, solo_filters);
	for (size_t i = 0; i < SOLOS; i++)
		list_solos(o, solos[i]);
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
		{ "half", required_argument, NULL, 'H' },
		{ "share", no_argument, NULL, 'S' },
		{ "alone", no_argument, NULL, 'a' },
		{ "attached", no_argument, NULL, 'A' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "referee-only", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "t:f:j:lsavrh", longs, NULL)) >= 0) {
		o->twsnoop = c == 't' ? optarg : o->twsnoop;
		o->filter = c == 'f' ? optarg : o->filter;
		o->list |= c == 'l';
		o->slow |= c == 's';
		o->share |= c == 'S';
		o->alone |= c == 'a';
		o->attached |= c == 'A';
		o->verbose |= c == 'v';
		o->referee_only |= c == 'r';
		if (c == 'j')
			o->jobs = strtol(optarg, NULL, 10);
		if (c == 'H')
			o->half = !strcmp(optarg, "1") ? 1 : !strcmp(optarg, "2") ? 2 : -1;
		if (c == 'h' || c == '?') {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	filters__play_half(o->half);
	if (optind < argc || o->jobs < 1 || o->jobs > 64 || o->half < 0 || (o->share && !o->half)) {
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
	struct table table = { 0 }, time_wait_only = { 0 }, listed = { 0 };
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
	if (argc > 1 && strcmp(argv[1], "soak") == 0)
		return soak__main(argc - 1, argv + 1);
	status = parse(argc, argv, &o);
	if (status >= 0)
		return status;
	/* Those that wait for long come first. */
	scen_abort__add(&table);
	scen_outcome__add(&table);
	scen_miniwait__add(&table);
	scen_close__add(&table);
	scen_ids__add(&table);
	scen_open__add(&table);
	scen_device__add(&table);
	add_time_wait_only(&time_wait_only, &table);
	scen_fail__add(&table);
	/* The same and some more. */
	scen_abort__add(&listed);
	scen_outcome__add(&listed);
	scen_miniwait__add(&listed);
	scen_close__add(&listed);
	scen_close__add_silent(&listed);
	scen_ids__add(&listed);
	scen_open__add(&listed);
	scen_device__add(&listed);
	if (o.list) {
		list_table(&o, &table);
		list_table(&o, &time_wait_only);
		list(&o, &listed);
		return 0;
	}
	if (o.attached && (recorder__begin() || recorder__attach(o.twsnoop, true))) {
		fputs("scenarios: no recorder could be attached\n", stderr);
		return 1;
	}
	run_cast(&o, &table, true, &tally);
	if (!o.referee_only) {
		/* Readers that want less than is recorded, too. */
		run_cast(&o, &time_wait_only, false, &tally);
		run_solos(&o, solo_filters, filters__batches(), &tally);
		for (size_t i = 0; i < SOLOS; i++)
			run_solos(&o, solos[i], INT_MAX, &tally);
		if (!o.attached)
			listing__run(&o, &listed, &tally);
		else
			run_solos(&o, solo_readers, INT_MAX, &tally);
	}
	if (o.attached && recorder__detach(o.twsnoop))
		tally__say(&tally, V_FAIL, "attached/detach", "twsnoop detach failed");
	printf("%u passed, %u failed, %u skipped\n", tally.passed, tally.failed, tally.skipped);
	if (o.filter && !tally.passed && !tally.failed && !tally.skipped) {
		fprintf(stderr, "scenarios: no scenario has '%s' in its name: see --list\n", o.filter);
		return 2;
	}
	return tally.failed ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "listing.h"

#include "play.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A TIME_WAIT lives for a minute: what was played in so long is listed then. */
#define BATCH_NS (20 * 1000000000ULL)
#define ROUNDS 3
/* Of some 450 scenarios; as in main.c. */
#define MAX_REPLAYS 20
#define ARGS_LEN 256 /* of the arguments that the ledger keeps */

struct stand {
	struct play play;
	char name[128];
	bool todo, again;
	enum verdict verdict;
	char why[400];
};

struct group {
	const struct options *o;
	const char *mode;
	bool attached; /* else beside a trace */
	struct stand *stands;
	size_t n;
	struct tracer tracer;
	char command_line[ARGS_LEN];
};

struct lists {
	struct minis before, after;
	struct rows rows;
};

/* ---- the place ---- */

static const char *bpffs;

const char *listing__bpffs(void)
{
	return bpffs;
}

/* A bpffs that no other process sees, and that goes with the last of this namespace. */
static int mount_bpffs(void)
{
	static const char *const places[] = { "/sys/fs/bpf", "/mnt", "/media", NULL };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	for (const char *const *p = places; *p; p++) {
		if (mount("bpf", *p, "bpf", 0, "mode=0700"))
			continue;
		bpffs = *p;
		return 0;
	}
	return -errno;
}

int listing__command(struct output *o, const char *twsnoop, const char *word,
		     const char *const more[])
{
	const char *args[16] = { word, "--bpffs", bpffs };

	for (int i = 0; more && more[i] && i < 12; i++)
		args[i + 3] = more[i];
	return output__run(o, twsnoop, args);
}

static void read_command_line(char *text, size_t size)
{
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	close(fd);
	if (n < 0)
		n = 0;
	while (n > 0 && text[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[n] = '\0';
}

/* ---- judging ---- */

struct judge {
	struct group *g;
	struct stand *s;
	const struct lists *l;
	bool wrong, missing;
};

static void blame(struct judge *j, bool wrong, const char *label, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void blame(struct judge *j, bool wrong, const char *label, const char *fmt, ...)
{
	size_t n = strlen(j->s->why), size = sizeof(j->s->why);
	va_list ap;

	*(wrong ? &j->wrong : &j->missing) = true;
	if (n + 1 < size)
		n += (size_t)snprintf(j->s->why + n, size - n, "%s%s: ", n ? "; " : "", label);
	va_start(ap, fmt);
	if (n < size)
		vsnprintf(j->s->why + n, size - n, fmt, ap);
	va_end(ap);
}

static bool fits_name(const char *have, const char *want)
{
	size_t len = strlen(want);

	if (len && want[len - 1] == '*')
		return strncmp(have, want, len - 1) == 0;
	return !len || strcmp(have, want) == 0;
}

static void judge_command_line(struct judge *j, const struct truth *tr, const struct row *row)
{
	bool known = j->g->attached && tr->name[0] && !tr->name_alt[0];
	/* A process that exits has no arguments any more; but it had at its connect(). */
	bool noted = !net__faults_on_forked_pages() &&
		     (!(tr->causes & CAUSE_EXIT) ||
		      (tr->sides == SIDE_CLIENT && tr->opener == tr->pid));

	if (row->command_line[0] && tr->name[0] && !tr->name_alt[0] &&
	    strncmp(row->command_line, j->g->command_line, ARGS_LEN - 1) != 0)
		blame(j, true, tr->label, "command_line is %.60s", row->command_line);
	if (!row->command_line[0] && known && noted)
		blame(j, false, tr->label, "no command_line");
}

static void judge_owner(struct judge *j, const struct truth *tr, const struct row *row)
{
	const struct event *ev = &row->ev;
	const char *l = tr->label;

	if (ev->pid != tr->pid && !(tr->pid_alt && ev->pid == tr->pid_alt)) {
		blame(j, true, l, "pid %d (%s), not %d (%s)", ev->pid, ev->name, tr->pid, tr->name);
		return;
	}
	if (!fits_name(ev->name, tr->name) &&
	    !(tr->name_alt[0] && strcmp(ev->name, tr->name_alt) == 0))
		blame(j, true, l, "process.name %s, not %s", ev->name, tr->name);
	if (row->evidence != EVIDENCE_SEEN)
		return;
	if ((tr->tid && ev->tid != tr->tid) || !fits_name(ev->tname, tr->tname))
		blame(j, true, l, "thread %d (%s), not %d (%s)", ev->tid, ev->tname, tr->tid,
		      tr->tname);
	if (tr->uid >= 0 && ev->uid != tr->uid)
		blame(j, true, l, "user.id %ld, not %ld", ev->uid, tr->uid);
	judge_command_line(j, tr, row);
}

static void judge_numbers(struct judge *j, const struct truth *tr, const struct row *row)
{
	long oldest = (long)(row->ev.timestamp_ns - j->s->play.rec->begin_real_ns);

	if (row->expires_ns > 61 * 1000000000L)
		blame(j, true, tr->label, "expires_ns %ld", row->expires_ns);
	/* A timer is no clock. */
	if (row->age_ns > oldest + 1500 * 1000000L)
		blame(j, true, tr->label, "age_ns %ld, and the scenario %ld", row->age_ns, oldest);
	/* After close() nothing more is received, so that the FIN's record has it all. */
	if (row->evidence == EVIDENCE_SEEN && row->ev.cause == CAUSE_CLOSE &&
	    tr->tx_bytes > 0 && row->ev.tx_bytes < 0)
		blame(j, true, tr->label, "no bytes, though it was closed");
	/* What is not known is not said. */
	if (row->ev.tx_bytes >= 0 && tr->tx_bytes >= 0 &&
	    (row->ev.tx_bytes != tr->tx_bytes || row->ev.rx_bytes != tr->rx_bytes))
		blame(j, true, tr->label, "%ld and %ld bytes, not %ld and %ld", row->ev.tx_bytes,
		      row->ev.rx_bytes, tr->tx_bytes, tr->rx_bytes);
}

static void judge_row(struct judge *j, const struct truth *tr, const struct row *row,
		      const struct mini *before, const struct mini *after)
{
	const struct event *ev = &row->ev;
	const char *l = tr->label;

	if (!(before && before->state == row->state) && !(after && after->state == row->state))
		blame(j, true, l, "tcp.state %s", referee__name(REF_STATE(row->state)));
	if (net__kernel_at_least(5, 12) && ev->cookie != (before ? before : after)->cookie)
		blame(j, true, l, "cookie %lu, not the kernel's", (unsigned long)ev->cookie);
	if (ev->pid)
		judge_owner(j, tr, row);
	else if (!tr->pid_optional)
		blame(j, row->evidence == EVIDENCE_SEEN, l, "names no process, not %d (%s)",
		      tr->pid, tr->name);
	if (row->evidence != EVIDENCE_SEEN && !tr->pid_optional)
		blame(j, false, l, "the close was not seen");
	if (tr->causes && !(ev->cause & tr->causes))
		blame(j, ev->cause != CAUSE_UNKNOWN, l, "tcp.cause %#x, not %#x", ev->cause,
		      tr->causes);
	if (tr->sides && !(ev->side & tr->sides))
		blame(j, ev->side != SIDE_UNKNOWN, l, "tcp.side %#x, not %#x", ev->side, tr->sides);
	/* A server's is its listener, who may have gone. */
	if (tr->opener && ev->opener != tr->opener && (ev->opener || tr->sides == SIDE_CLIENT))
		blame(j, ev->opener, l, "opener.pid %d, not %d", ev->opener, tr->opener);
	judge_numbers(j, tr, row);
}

static bool makes_mini(const struct truth *tr)
{
	return (tr->once | tr->maybe | tr->one_of) & (A(TIME_WAIT) | A(FIN_WAIT2));
}

/* Of several lives of one tuple the last that made a mini-socket. */
static bool is_last(const struct record *r, const struct truth *tr)
{
	for (const struct truth *o = tr + 1; o < r->truths + r->ntruths; o++)
		if (tuple__equal(&o->t, &tr->t) && makes_mini(o))
			return false;
	return true;
}

/* Has the tuple been used again, by a connection that made no mini-socket? */
static bool is_reused(const struct record *r, const struct truth *tr)
{
	for (const struct truth *o = tr + 1; o < r->truths + r->ntruths; o++)
		if (tuple__equal(&o->t, &tr->t))
			return true;
	return false;
}

static void judge_truth(struct judge *j, const struct truth *tr)
{
	const struct mini *before = minis__find(&j->l->before, &tr->t);
	const struct mini *after = minis__find(&j->l->after, &tr->t);
	struct row *row = rows__find(&j->l->rows, &tr->t);
	bool lives = (tr->once & A(TIME_WAIT)) && !(tr->once & A(TIME_WAIT_END)) &&
		     !is_reused(j->s->play.rec, tr);

	if (row)
		row->matched = true;
	if (!before && lives)
		blame(j, false, tr->label, "it had gone before it was listed");
	if (!row && before && after && before->cookie == after->cookie)
		blame(j, true, tr->label, "%s is not listed", referee__name(REF_STATE(before->state)));
	if (row && !before && !after)
		blame(j, true, tr->label, "is listed, and not in the kernel's table");
	if (row && (before || after))
		judge_row(j, tr, row, before, after);
}

static void judge_strays(struct judge *j)
{
	const struct record *r = j->s->play.rec;

	for (size_t i = 0; i < j->l->rows.n; i++) {
		const struct row *row = &j->l->rows.r[i];

		if (row->ev.t.netns != r->netns || row->matched)
			continue;
		if (!r->strays_ok || (!minis__find(&j->l->before, &row->ev.t) &&
				      !minis__find(&j->l->after, &row->ev.t)))
			blame(j, true, "stray", "%s %u - %s %u of %d", row->ev.t.laddr,
			      row->ev.t.lport, row->ev.t.raddr, row->ev.t.rport, row->ev.pid);
	}
}

static void judge_stand(struct group *g, struct stand *s, const struct lists *l)
{
	struct judge j = { .g = g, .s = s, .l = l };
	const struct record *r = s->play.rec;

	s->why[0] = '\0';
	s->again = false;
	s->verdict = r->verdict;
	if (r->verdict != V_DONE) {
		snprintf(s->why, sizeof(s->why), "%s", r->why);
		return;
	}
	for (const struct truth *tr = r->truths; tr < r->truths + r->ntruths; tr++)
		if (tr->t.netns == r->netns && makes_mini(tr) && is_last(r, tr))
			judge_truth(&j, tr);
	judge_strays(&j);
	s->verdict = j.wrong || j.missing ? V_FAIL : V_DONE;
	s->again = j.missing && !j.wrong;
}

/* ---- playing ---- */

static void pump(struct group *g, int ms)
{
	if (!g->attached)
		tracer__pump(&g->tracer, ms);
	else
		usleep((useconds_t)ms * 1000);
}

/*
 * Plays those from the first on that are to be, until the time is over; returns after the last.
 * They mostly wait for timers: more at a time than where each event is looked at as it comes.
 */
static size_t play_batch(struct group *g, size_t first)
{
	uint64_t end = net__mono_ns() + BATCH_NS;
	size_t next = first, running, jobs = 2 * (size_t)g->o->jobs;

	do {
		running = 0;
		for (size_t i = first; i < next; i++)
			running += g->stands[i].todo && !play__over(&g->stands[i].play);
		for (; next < g->n && running < jobs && net__mono_ns() < end; next++)
			if (g->stands[next].todo) {
				play__start(&g->stands[next].play);
				running++;
			}
		pump(g, 5);
	} while (running || (next < g->n && net__mono_ns() < end));
	return next;
}

static void look(const struct group *g, size_t first, size_t last, struct minis *ms)
{
	for (size_t i = first; i < last; i++) {
		const struct play *p = &g->stands[i].play;
		char path[64];
		int fd;

		if (!g->stands[i].todo || p->rec->verdict != V_DONE)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)p->pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || minis__add(ms, fd))
			abort();
		close(fd);
	}
	minis__sort(ms);
}

static void judge_batch(struct group *g, size_t first, size_t last)
{
	struct lists l = { 0 };
	char why[400];
	int err;

	look(g, first, last, &l.before);
	err = rows__take(&l.rows, g->o->twsnoop, NULL, why, sizeof(why));
	look(g, first, last, &l.after);
	for (size_t i = first; i < last; i++) {
		struct stand *s = &g->stands[i];

		if (!s->todo)
			continue;
		judge_stand(g, s, &l);
		if (err) {
			s->verdict = V_FAIL;
			s->again = false;
			memcpy(s->why, why, sizeof(s->why));
		}
		play__retire(&s->play);
	}
	minis__free(&l.before);
	minis__free(&l.after);
	rows__free(&l.rows);
}

/*
 * What was not wrong but missing is played again: a program that is interrupted by its own
 * tracepoint is skipped, and a slow guest may need longer than a minute.
 */
static unsigned int choose_again(struct group *g)
{
	unsigned int n = 0;

	for (size_t i = 0; i < g->n; i++) {
		struct stand *s = &g->stands[i];

		s->todo = s->todo && s->again;
		if (!s->todo)
			continue;
		fprintf(stderr, "# %s: once more: %s\n", s->name, s->why);
		play__reset(&s->play);
		n++;
	}
	return n;
}

static void play_group(struct group *g, struct tally *tally)
{
	unsigned int again = 1, replays = 0;
	char name[64], why[64];

	for (int round = 0; round < ROUNDS && again; round++) {
		for (size_t next = 0; next < g->n;) {
			size_t first = next;

			next = play_batch(g, first);
			judge_batch(g, first, next);
		}
		again = round + 1 < ROUNDS ? choose_again(g) : 0;
		replays += again;
	}
	for (size_t i = 0; i < g->n; i++)
		tally__say(tally, g->stands[i].verdict, g->stands[i].name, g->stands[i].why);
	snprintf(name, sizeof(name), "list/%s/run-seen-at-once", g->mode);
	snprintf(why, sizeof(why), "%u scenarios were played again, too many", replays);
	tally__say(tally, replays > MAX_REPLAYS ? V_FAIL : V_DONE, name, why);
}

/* ---- the two groups ---- */

/*
 * How a ledger comes to its records has nothing to do with the family, which is read from the
 * socket all the same: half a run plays each in the one or the other.
 */
static bool leaves_out(const struct group *g, const struct scenario *sc)
{
	if (sc->flags & SCN_SLOW)
		return true;
	return g->o->half && (sc->fam == FAM_V4) != (g->attached == (g->o->half == 1));
}

static void choose(struct group *g, const struct table *table, struct record *recs)
{
	g->stands = calloc(table->n + 1, sizeof(*g->stands));
	if (!g->stands)
		abort();
	for (size_t i = 0; i < table->n; i++) {
		struct stand *s = &g->stands[g->n];

		snprintf(s->name, sizeof(s->name), "list/%s/%s", g->mode, table->s[i].name);
		if (leaves_out(g, &table->s[i]) || !options__chose(g->o, s->name))
			continue;
		s->play = (struct play){ .sc = &table->s[i], .rec = &recs[i] };
		s->todo = true;
		g->n++;
	}
}

/* attach, or detach. */
static bool runs(struct group *g, const char *word, struct tally *tally)
{
	struct output o;
	char name[64];
	bool right;

	if (listing__command(&o, g->o->twsnoop, word, NULL))
		abort();
	right = o.status == 0;
	snprintf(name, sizeof(name), "list/%s/run-%s", g->mode, word);
	tally__say(tally, right ? V_DONE : V_FAIL, name, o.err ? o.err : "");
	output__free(&o);
	return right;
}

static void run_attached(struct group *g, struct tally *tally)
{
	if (runs(g, "attach", tally))
		play_group(g, tally);
	runs(g, "detach", tally);
}

static void run_traced(struct group *g, struct tally *tally)
{
	static const char *const args[] = { "trace", "--json", NULL };
	int err;

	g->tracer.defer = true;
	err = tracer__start(&g->tracer, g->o->twsnoop, args);
	if (err)
		tally__say(tally, V_FAIL, "list/traced/run", g->tracer.err);
	else
		play_group(g, tally);
	tracer__stop(&g->tracer, SIGINT);
	tracer__free(&g->tracer);
}

static void run_group(const struct options *o, const struct table *table, bool attached,
		      struct tally *tally)
{
	struct group g = { .o = o, .mode = attached ? "attached" : "traced", .attached = attached };
	size_t size = (table->n + 1) * sizeof(struct record);
	struct record *recs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				   -1, 0);
	uint64_t begin = net__mono_ns();

	if (recs == MAP_FAILED)
		abort();
	read_command_line(g.command_line, sizeof(g.command_line));
	choose(&g, table, recs);
	if (g.n && attached)
		run_attached(&g, tally);
	else if (g.n)
		run_traced(&g, tally);
	tally__took(begin, attached ? "list/attached" : "list/traced");
	for (size_t i = 0; i < g.n; i++)
		play__end(&g.stands[i].play);
	free(g.stands);
	munmap(recs, size);
}

/* ---- the whole ---- */

static void run_solos(const struct options *o, struct tally *tally)
{
	for (const struct solo *s = solo_listing; s->name; s++) {
		uint64_t begin = net__mono_ns();
		char why[512] = "";
		struct output left;

		if (!options__chose(o, s->name) || !options__has_turn(o))
			continue;
		tally__say(tally, solo__run(s->run, o->twsnoop, why, sizeof(why)), s->name, why);
		if (listing__command(&left, o->twsnoop, "detach", NULL) == 0)
			output__free(&left);
		tally__took(begin, s->name);
	}
}

static void run_all(const struct options *o, const struct table *table, struct tally *tally)
{
	int err = mount_bpffs();

	if (err) {
		tally__say(tally, V_FAIL, "list/bpffs", strerror(-err));
		return;
	}
	run_group(o, table, true, tally);
	run_group(o, table, false, tally);
	run_solos(o, tally);
}

static bool any_chosen(const struct options *o, const struct table *table)
{
	char name[128];

	for (size_t i = 0; i < table->n; i++) {
		snprintf(name, sizeof(name), "list/attached/%s", table->s[i].name);
		if (options__chose(o, name))
			return true;
		snprintf(name, sizeof(name), "list/traced/%s", table->s[i].name);
		if (options__chose(o, name))
			return true;
	}
	for (const struct solo *s = solo_listing; s->name; s++)
		if (options__chose(o, s->name))
			return true;
	return false;
}

void listing__run(const struct options *o, const struct table *table, struct tally *tally)
{
	struct tally *shared;
	int status = -1;
	pid_t pid;

	if (!any_chosen(o, table))
		return;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		abort();
	*shared = *tally;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_all(o, table, shared);
		fflush(stdout);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*tally = *shared;
	munmap(shared, sizeof(*shared));
	if (status != 0)
		tally__say(tally, V_FAIL, "list", "the tests of the list died");
}

void listing__names(const struct options *o, const struct table *table)
{
	static const char *const modes[] = { "attached", "traced" };
	char name[128];

	for (int m = 0; m < 2; m++)
		for (size_t i = 0; i < table->n; i++) {
			snprintf(name, sizeof(name), "list/%s/%s", modes[m], table->s[i].name);
			if (options__chose(o, name))
				puts(name);
		}
	for (const struct solo *s = solo_listing; s->name; s++)
		if (options__chose(o, s->name))
			puts(s->name);
}

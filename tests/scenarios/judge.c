// SPDX-License-Identifier: GPL-2.0
#include "judge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS 1000000000ULL

struct judge {
	const struct record *r;
	struct tracer *t;
	char *why;
	size_t size;
	enum judgement worst;
};

static void blame(struct judge *j, enum judgement how, const char *label, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* All faults of a scenario are told, as many as there is room for. */
static void blame(struct judge *j, enum judgement how, const char *label, const char *fmt, ...)
{
	size_t n = strlen(j->why);
	va_list ap;

	if (n && n + 2 < j->size)
		n += (size_t)snprintf(j->why + n, j->size - n, "; ");
	j->worst = how > j->worst ? how : j->worst;
	if (n < j->size)
		n += (size_t)snprintf(j->why + n, j->size - n, "%s: ", label);
	va_start(ap, fmt);
	if (n < j->size)
		vsnprintf(j->why + n, j->size - n, fmt, ap);
	va_end(ap);
}

bool judge__in_record(const struct record *r, const struct event *ev)
{
	/* An earlier event is of an earlier namespace that had the same inode number. */
	return ev->t.netns == r->netns && ev->timestamp_ns >= r->begin_real_ns;
}

/* The nth event of an action for a tuple, NULL if there are not so many. */
static struct event *nth_event(const struct tracer *t, const struct truth *tr, enum action a)
{
	unsigned int n = 0;

	for (size_t i = 0; i < t->nevents; i++) {
		struct event *ev = &t->events[i];

		if (ev->action == a && tuple__equal(&ev->t, &tr->t) && n++ == tr->nth)
			return ev;
	}
	return NULL;
}

static unsigned int count(const struct tracer *t, const struct truth *tr, enum action a)
{
	unsigned int n = 0;

	for (size_t i = 0; i < t->nevents; i++)
		n += t->events[i].action == a && tuple__equal(&t->events[i].t, &tr->t);
	return n;
}

bool judge__complete(const struct record *r, const struct tracer *t)
{
	for (unsigned int i = 0; i < r->ntruths; i++) {
		const struct truth *tr = &r->truths[i];
		bool any = tr->one_of == 0;

		for (unsigned int a = 0; a < ACT_NR; a++) {
			const struct event *ev = nth_event(t, tr, (enum action)a);
			bool there = ev && (!ev->healed || r->healed_ok);

			if ((tr->once & (1u << a)) && !there)
				return false;
			any |= (tr->one_of & (1u << a)) && there;
		}
		if (!any)
			return false;
	}
	return true;
}

static bool name_right(const char *have, const char *want)
{
	size_t len = strlen(want);

	if (len && want[len - 1] == '*')
		return strncmp(have, want, len - 1) == 0;
	return strcmp(have, want) == 0;
}

static void judge_process(struct judge *j, const struct truth *tr, const struct event *ev)
{
	const char *l = tr->label, *act = action__name(ev->action);

	if (!ev->pid) {
		if ((tr->who_on & (1u << ev->action)) && !tr->pid_optional)
			blame(j, MISSING, l, "%s names no process, not %d (%s)", act, tr->pid,
			      tr->name);
		return;
	}
	if (tr->pid_alt && ev->pid == tr->pid_alt)
		return;
	if (ev->pid != tr->pid) {
		blame(j, WRONG, l, "%s names pid %d (%s), not %d (%s)", act, ev->pid, ev->name,
		      tr->pid, tr->name);
		return;
	}
	if (tr->name[0] && strcmp(ev->name, tr->name) != 0 &&
	    (!tr->name_alt[0] || strcmp(ev->name, tr->name_alt) != 0))
		blame(j, WRONG, l, "%s: process.name %s, not %s", act, ev->name, tr->name);
	if (tr->tid && ev->tid != tr->tid)
		blame(j, WRONG, l, "%s: thread.id %d, not %d", act, ev->tid, tr->tid);
	if (tr->tname[0] && !name_right(ev->tname, tr->tname))
		blame(j, WRONG, l, "%s: thread.name %s, not %s", act, ev->tname, tr->tname);
	if (tr->uid >= 0 && ev->uid != tr->uid)
		blame(j, WRONG, l, "%s: user.id %ld, not %ld", act, ev->uid, tr->uid);
}

static void judge_numbers(struct judge *j, const struct truth *tr, const struct event *ev)
{
	const char *l = tr->label, *act = action__name(ev->action);
	uint64_t span = j->r->end_real_ns - j->r->begin_real_ns + 5 * SECOND_NS;

	if (tr->tx_bytes >= 0 && ev->tx_bytes != tr->tx_bytes)
		blame(j, ev->tx_bytes < 0 ? MISSING : WRONG, l, "%s: tx_bytes %ld, not %ld", act,
		      ev->tx_bytes, tr->tx_bytes);
	if (tr->rx_bytes >= 0 && ev->rx_bytes != tr->rx_bytes)
		blame(j, ev->rx_bytes < 0 ? MISSING : WRONG, l, "%s: rx_bytes %ld, not %ld", act,
		      ev->rx_bytes, tr->rx_bytes);
	/* An emulated machine's processors do not agree on the time to the millisecond. */
	if (tr->life_min_ns && ev->life_ns + 100000000L < (long)tr->life_min_ns)
		blame(j, ev->life_ns < 0 ? MISSING : WRONG, l, "%s: lifetime_ns %ld, at least %lu",
		      act, ev->life_ns, (unsigned long)tr->life_min_ns);
	if (tr->life_min_ns && ev->life_ns > (long)span)
		blame(j, WRONG, l, "%s: lifetime_ns %ld, longer than the scenario", act,
		      ev->life_ns);
	if (tr->cookie && ev->action == ACT_TIME_WAIT && ev->cookie != tr->cookie)
		blame(j, ev->cookie ? WRONG : MISSING, l, "%s: cookie %lu, the kernel's is %lu",
		      act, (unsigned long)ev->cookie, (unsigned long)tr->cookie);
}

static void judge_event(struct judge *j, const struct truth *tr, const struct event *ev)
{
	const char *l = tr->label, *act = action__name(ev->action);
	bool close_event = tr->who_on & (1u << ev->action);

	if (ev->action == ACT_TIME_WAIT_END) {
		if (tr->ends && !(ev->end & tr->ends))
			blame(j, WRONG, l, "%s: tcp.end is wrong (%#x of %#x)", act, ev->end,
			      tr->ends);
		return;
	}
	judge_process(j, tr, ev);
	if (strcmp(tr->ifname, ev->ifname) != 0)
		blame(j, ev->ifname[0] ? WRONG : MISSING, l, "%s: network.interface.name '%s', not '%s'",
		      act, ev->ifname, tr->ifname);
	if (close_event && tr->causes && !(ev->cause & tr->causes))
		blame(j, ev->cause == CAUSE_UNKNOWN ? MISSING : WRONG, l,
		      "%s: tcp.cause is wrong (%#x, not %#x)", act, ev->cause, tr->causes);
	if (tr->sides && !(ev->side & tr->sides))
		blame(j, ev->side == SIDE_UNKNOWN ? MISSING : WRONG, l,
		      "%s: tcp.side is wrong (%#x, not %#x)", act, ev->side, tr->sides);
	if (tr->opener && ev->opener != tr->opener && !(tr->opener_optional && !ev->opener))
		blame(j, ev->opener ? WRONG : MISSING, l, "%s: opener.pid %d, not %d", act,
		      ev->opener, tr->opener);
	if (tr->errno_ && ev->errno_ != tr->errno_)
		blame(j, WRONG, l, "%s: tcp.errno %d, not %d", act, ev->errno_, tr->errno_);
	if (ev->timestamp_ns + SECOND_NS < j->r->begin_real_ns ||
	    ev->timestamp_ns > ev->seen_ns + SECOND_NS)
		blame(j, WRONG, l, "%s: timestamp is not of the scenario's time", act);
	judge_numbers(j, tr, ev);
}

/* How many events of this action the truths of one tuple call for, as a range. */
static void expected(const struct record *r, const struct truth *tr, enum action a,
		     unsigned int *min, unsigned int *max)
{
	*min = *max = 0;
	for (unsigned int i = 0; i < r->ntruths; i++) {
		const struct truth *o = &r->truths[i];

		if (!tuple__equal(&o->t, &tr->t))
			continue;
		*min += !!(o->once & (1u << a));
		*max += !!((o->once | o->maybe | o->one_of) & (1u << a));
	}
}

/* Is there an earlier truth of this tuple, which has counted the events of all? */
static bool counted(const struct record *r, const struct truth *tr)
{
	for (const struct truth *o = r->truths; o < tr; o++)
		if (tuple__equal(&o->t, &tr->t))
			return true;
	return false;
}

static void judge_truth(struct judge *j, const struct truth *tr)
{
	bool count_here = !counted(j->r, tr);
	unsigned int any = 0;

	for (unsigned int a = 0; a < ACT_NR; a++) {
		unsigned int min, max, n = count(j->t, tr, (enum action)a);
		const struct event *ev = nth_event(j->t, tr, (enum action)a);

		expected(j->r, tr, (enum action)a, &min, &max);
		if (count_here && n < min)
			blame(j, MISSING, tr->label, "%u %s events, not %u", n,
			      action__name((enum action)a), min);
		if (count_here && n > max)
			blame(j, WRONG, tr->label, "%u %s events, not %u", n,
			      action__name((enum action)a), max);
		any += ev && (tr->one_of & (1u << a));
		if (ev && ((tr->once | tr->one_of | tr->maybe) & (1u << a)))
			judge_event(j, tr, ev);
	}
	if (tr->one_of && any != 1)
		blame(j, any ? WRONG : MISSING, tr->label,
		      "%u events of the kinds that exactly one must come of", any);
}

static void judge_strays(struct judge *j)
{
	const struct record *r = j->r;

	for (size_t i = 0; i < j->t->nevents; i++) {
		struct event *ev = &j->t->events[i];

		if (!judge__in_record(r, ev))
			continue;
		if (!ev->matched && (ev->action == ACT_TIME_WAIT || !r->strays_ok))
			blame(j, WRONG, "stray", "%s of %s %u - %s %u", action__name(ev->action),
			      ev->t.laddr, ev->t.lport, ev->t.raddr, ev->t.rport);
	}
}

/* What was told of a scenario's namespace, and that the kernel's counters can be held against. */
struct told {
	unsigned int actions[ACT_NR];
	unsigned int timed_out, refused; /* of the connects that failed */
	unsigned int by_icmp;		 /* aborts that AttemptFails counts */
	unsigned int uncounted;		 /* aborts that have no counter */
	unsigned int reused_by_connect;
};

static void count_told(const struct judge *j, struct told *told)
{
	for (size_t i = 0; i < j->t->nevents; i++) {
		const struct event *ev = &j->t->events[i];

		if (!judge__in_record(j->r, ev))
			continue;
		told->actions[ev->action]++;
		if (ev->action == ACT_CONNECT_FAILED) {
			told->timed_out += ev->errno_ == ETIMEDOUT;
			told->refused += ev->errno_ == ECONNREFUSED;
		}
		if (ev->action == ACT_ABORT) {
			told->by_icmp += ev->cause == CAUSE_ICMP;
			told->uncounted += !!(ev->cause & (CAUSE_ICMP | CAUSE_DISCONNECT | CAUSE_DESTROY));
		}
		if (ev->action == ACT_TIME_WAIT_END)
			told->reused_by_connect += ev->end == END_CONNECT;
	}
	for (unsigned int i = 0; i < j->r->ntruths; i++)
		told->uncounted += j->r->truths[i].uncounted;
}

/* The kernel has counted n: at least @min are told, at most @max. */
static void hold_against(struct judge *j, const char *name, unsigned long n, unsigned int min,
			 unsigned int max, const char *what)
{
	if (n < min)
		blame(j, WRONG, name, "the kernel counts %lu, but %u are told: %s", n, min, what);
	if (n > max)
		blame(j, MISSING, name, "the kernel counts %lu, but at most %u are told: %s", n,
		      max, what);
}

/*
 * Each outcome by the kernel's own word. Exactly one counter rises for what times out, for what
 * finds no room in TIME_WAIT, and for most aborts. What a reset ends has none: where it is told
 * instead of one of these, there is one too few of them.
 */
static void judge_counters(struct judge *j)
{
	const struct counters *c = &j->r->counters;
	const unsigned long aborts = c->abort_on_close + c->abort_on_memory + c->abort_on_linger;
	struct told told = { 0 };
	const unsigned int *n = told.actions;

	if (!c->known)
		return;
	count_told(j, &told);
	hold_against(j, "TCPAbortOnTimeout", c->abort_on_timeout, n[ACT_TIMEOUT] + told.timed_out,
		     n[ACT_TIMEOUT] + n[ACT_CONNECT_FAILED], "timeout");
	hold_against(j, "TCPTimeWaitOverflow", c->overflow, n[ACT_OVERFLOW], n[ACT_OVERFLOW],
		     "overflow");
	hold_against(j, "TCPAbortOnClose, -Memory, -Linger", aborts, 0, n[ACT_ABORT], "abort");
	/* AbortOnData is also for the resets that late data bring about. */
	hold_against(j, "TCPAbortOn all but Timeout", aborts + c->abort_on_data,
		     n[ACT_ABORT] > told.uncounted ? n[ACT_ABORT] - told.uncounted : 0,
		     n[ACT_ABORT] + n[ACT_RESET] + n[ACT_CONNECT_FAILED], "abort");
	hold_against(j, "EstabResets", c->estab_resets, 0,
		     n[ACT_ABORT] + n[ACT_RESET] + n[ACT_TIMEOUT], "abort, reset, timeout");
	hold_against(j, "AttemptFails", c->attempt_fails,
		     told.timed_out + told.refused + told.by_icmp, ~0u, "connect_failed, abort");
	hold_against(j, "TWRecycled", c->recycled, told.reused_by_connect, ~0u,
		     "reused_by_connect");
}

void judge__mark(const struct record *r, struct tracer *t)
{
	for (size_t i = 0; i < t->nevents; i++) {
		struct event *ev = &t->events[i];

		for (unsigned int k = 0; k < r->ntruths && !ev->matched; k++)
			ev->matched = tuple__equal(&r->truths[k].t, &ev->t);
	}
}

enum judgement judge__record(const struct record *r, struct tracer *t, char *why, size_t size)
{
	struct judge j = {.r = r, .t = t, .why = why, .size = size, .worst = RIGHT};

	why[0] = '\0';
	for (unsigned int i = 0; i < r->ntruths; i++)
		judge_truth(&j, &r->truths[i]);
	judge_strays(&j);
	judge_counters(&j);
	return j.worst;
}

// SPDX-License-Identifier: GPL-2.0
/* Churn: what was done, what the kernel's table holds and what twsnoop said, compared. */
#define _GNU_SOURCE
#include "churn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 60000

void churn__set_key(struct key *k, const struct tuple *t)
{
	memset(k, 0, sizeof(*k));
	k->family = t->family == AF_INET ? 4 : 6;
	k->lport = t->lport;
	k->rport = t->rport;
	inet_pton(t->family, t->laddr, k->laddr);
	inet_pton(t->family, t->raddr, k->raddr);
}

static void claims__add(struct claims *cs, const struct tuple *t, uint64_t cookie,
			const struct event *ev)
{
	if (cs->n == cs->cap) {
		cs->cap = cs->cap ? 2 * cs->cap : 4096;
		cs->c = realloc(cs->c, cs->cap * sizeof(*cs->c));
		if (!cs->c)
			abort();
	}
	cs->c[cs->n].cookie = cookie;
	cs->c[cs->n].ev = ev;
	churn__set_key(&cs->c[cs->n++].key, t);
}

static void from_table(const struct diag *d, void *ctx)
{
	struct claims *cs = ctx;

	if (d->mini && d->state == ST_TIME_WAIT)
		claims__add(cs, &d->t, d->cookie, NULL);
	else if (d->state != ST_CLOSE)
		cs->others++;
}

/* Every struct here begins with its key. */
int churn__by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct key));
}

/*
 * Waits until every connection has reached its end, and takes the kernel's list. A dump that
 * runs while sockets change places may miss some: so the one after the first quiet one counts.
 */
void claims__take_table(struct stage *st, struct tracer *t, struct claims *cs)
{
	uint64_t end = net__mono_ns() + SETTLE_MS * 1000000ULL;
	int quiet = 0;

	do {
		cs->n = 0;
		cs->others = 0;
		EXPECT(st, referee__dump(from_table, cs) == 0);
		cs->taken_ns = net__mono_ns();
		tracer__pump(t, 10);
		EXPECT(st, net__mono_ns() < end);
		quiet = cs->others ? 0 : quiet + 1;
	} while (quiet < 2);
	qsort(cs->c, cs->n, sizeof(*cs->c), churn__by_key);
}

void claims__take_events(struct stage *st, const struct tracer *t, struct claims *cs)
{
	for (size_t i = 0; i < t->nevents; i++) {
		const struct event *ev = &t->events[i];

		if (ev->t.netns == st->rec->netns && ev->action == ACT_TIME_WAIT)
			claims__add(cs, &ev->t, ev->cookie, ev);
	}
	qsort(cs->c, cs->n, sizeof(*cs->c), churn__by_key);
}

struct faults {
	char example[160]; /* of an end that was reported twice, or wrongly */
	char missed[1024];
	unsigned long unhealed; /* of those missing: were in the table to the end */
	unsigned long missing, twice, nobody, wrong_pid, wrong_side, wrong, foreign, cookies,
		not_in_table;
};

static bool event_wrong(const struct deed *d, const struct event *ev)
{
	char name[16];

	if (!ev->pid)
		return false;
	snprintf(name, sizeof(name), "ch-%s%d", d->server_first ? "server" : "client",
		 (d->server_first ? d->key.lport : d->key.rport) - CHURN_PORT);
	/* What was skipped is unknown, which is not wrong. */
	return !(ev->cause & (CAUSE_CLOSE | CAUSE_UNKNOWN)) || strcmp(ev->name, name) != 0;
}

/*
 * The documented limit: if the kernel skips the CLOSE of one socket and then the opening of the
 * next at the same address, that one gets the side of the first.
 */
static bool side_wrong(const struct deed *d, const struct event *ev)
{
	unsigned int side = d->server_first ? SIDE_SERVER : SIDE_CLIENT;

	return ev->pid && !(ev->side & (side | SIDE_UNKNOWN));
}

static void describe(const struct claim *c, unsigned int times, char *out, size_t size)
{
	size_t n = 0;

	for (unsigned int i = 0; i < times && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%scookie %lu pid %d%s", i ? ", " : " (",
				      (unsigned long)c[i].cookie, (int)c[i].ev->pid,
				      c[i].ev->healed ? " by snapshot" : "");
	if (n < size)
		snprintf(out + n, size - n, ")");
}

/* On a slow machine the first ones' minute may be over when the table is taken, or the trace ends. */
static bool may_have_expired(const struct deed *d, uint64_t at_ns)
{
	return at_ns > d->before_ns + 60 * 1000000000ULL;
}

static void compare(const struct deed *deeds, size_t n, const struct claims *table,
		    const struct claims *events, struct faults *ty)
{
	bool cookies = net__kernel_at_least(5, 12);
	size_t e = 0, k = 0;

	for (size_t i = 0; i < n; i++) {
		const struct deed *d = &deeds[i];
		const struct claim *c, *in_table = NULL;
		unsigned int times = 0;

		for (; k < table->n && churn__by_key(&table->c[k], d) < 0; k++)
			ty->foreign++;
		if (k < table->n && churn__by_key(&table->c[k], d) == 0)
			in_table = &table->c[k++];
		ty->not_in_table += !in_table && !may_have_expired(d, table->taken_ns);
		for (; e < events->n && churn__by_key(&events->c[e], d) < 0; e++)
			ty->foreign++;
		for (; e < events->n && churn__by_key(&events->c[e], d) == 0; e++) {
			c = &events->c[e];
			times++;
			ty->nobody += !c->ev->pid;
			ty->wrong_pid += c->ev->pid && c->ev->pid != d->pid;
			if (event_wrong(d, c->ev) && ty->wrong++ == 0)
				snprintf(ty->example, sizeof(ty->example),
					 " (%s of pid %d, side %#x, cause %#x)", c->ev->name,
					 (int)c->ev->pid, c->ev->side, c->ev->cause);
			ty->wrong_side += side_wrong(d, c->ev);
			ty->cookies += cookies && in_table && c->cookie &&
				       c->cookie != in_table->cookie;
		}
		ty->unhealed += !times && in_table && !may_have_expired(d, table->ended_ns);
		if (!times && ty->missing++ < 9)
			snprintf(ty->missed + strlen(ty->missed),
				 sizeof(ty->missed) - strlen(ty->missed),
				 " (port %u, cookie %lu, closed "
				 "at %lu.%06lu by the %s)",
				 d->key.lport, (unsigned long)(in_table ? in_table->cookie : 0),
				 (unsigned long)(d->before_ns / 1000000000),
				 (unsigned long)(d->before_ns / 1000 % 1000000),
				 d->server_first ? "server" : "client");
		ty->twice += times > 1;
		if (times > 1 && !ty->example[0])
			describe(&events->c[e - times], times, ty->example, sizeof(ty->example));
	}
	ty->foreign += table->n - k + events->n - e;
}

static void judge(struct stage *st, const struct churn *how, const struct tracer *t,
		  const struct faults *ty, size_t n)
{
	const struct account *a = &t->account;

	if (how->report)
		printf("# %zu closes: missing=%lu twice=%lu nobody=%lu wrong_pid=%lu wrong=%lu "
		       "cookies=%lu foreign=%lu not_in_table=%lu; delivered=%lu lost=%lu "
		       "map_full=%lu "
		       "recursion=%lu snapshot=%lu unattributed=%lu\n",
		       n, ty->missing, ty->twice, ty->nobody, ty->wrong_pid, ty->wrong, ty->cookies,
		       ty->foreign, ty->not_in_table, a->delivered, a->lost, a->map_full,
		       a->recursion, a->snapshot, a->unattributed);
	fflush(stdout);
	if (ty->wrong_pid || ty->wrong)
		stage__fail(st, "%lu events name a wrong pid, %lu a wrong name, side or cause%s",
			    ty->wrong_pid, ty->wrong, ty->example);
	/* Two skips for one wrong side. */
	if (ty->wrong_side * 2 > a->recursion)
		stage__fail(st, "%lu sides are wrong, and only %lu calls were skipped",
			    ty->wrong_side, a->recursion);
	if (ty->twice || ty->foreign)
		stage__fail(st, "%lu ends reported twice%s, %lu that nobody made", ty->twice,
			    ty->example, ty->foreign);
	if (ty->cookies)
		stage__fail(st, "%lu cookies are not the kernel's", ty->cookies);
	if (ty->not_in_table)
		stage__fail(st, "%lu ends are not in the kernel's table", ty->not_in_table);
	/*
	 * Whatever is missing has to be confessed; if there was nothing else, exactly that. With a
	 * filter there may have been, for what is lost is lost before anybody knows if it passes.
	 */
	if (ty->missing > a->lost ||
	    (!how->filter && a->delivered + ty->missing == n && a->lost != ty->missing))
		stage__fail(st,
			    "%lu ends missing, but lost=%lu; delivered=%lu map_full=%lu "
			    "recursion=%lu snapshot=%lu; %.600s;%s",
			    ty->missing, a->lost, a->delivered, a->map_full, a->recursion,
			    a->snapshot, t->err, ty->missed);
	/* But for those that a dump of a changing table may miss. */
	if (how->second && ty->unhealed > n / 100)
		stage__fail(st,
			    "%lu of %zu ends missing that were in the kernel's table to the end",
			    ty->unhealed, n);
	if (ty->missing && !how->stop_reader)
		stage__fail(st, "%lu of %zu ends missing though the reader ran", ty->missing, n);
	if (ty->nobody > a->unattributed)
		stage__fail(st, "%lu events name nobody, but unattributed=%lu", ty->nobody,
			    a->unattributed);
}

/* What one of them has said, against what was done and what the kernel's table had. */
void churn__judge(struct stage *st, struct tracer *t, const struct churn *how,
		  const struct churn_shared *sh, const struct claims *table)
{
	size_t n = (size_t)how->procs * (size_t)how->conns;
	struct claims events = { 0 };
	struct faults ty = { 0 };

	claims__take_events(st, t, &events);
	compare(sh->deeds, n, table, &events, &ty);
	judge(st, how, t, &ty, n);
	free(events.c);
}

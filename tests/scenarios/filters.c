// SPDX-License-Identifier: GPL-2.0
/*
 * Filters: tracers with different filters watch the same few connections, and each has to
 * show those that match and no other.
 */
#define _GNU_SOURCE
#include "scenarios.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNS 8
#define BATCH 6
#define WORDS 8

enum peer {
	PEER_CLOSES,
	PEER_IS_LATE, /* a mini-socket waits in FIN_WAIT2 first */
	PEER_STAYS,   /* and goes on to wait: no TIME_WAIT */
};

/* The connections; each but the one whose peer stays makes one TIME_WAIT, at the end `first`. */
struct conn {
	int client, server; /* index of the actor */
	enum fam fam;
	int first;
	enum peer peer;
};

enum { A_CLIENT, A_SERVER, B_CLIENT, B_SERVER, N_BOTH, MENU_ACTORS };

static const char *const actor_names[MENU_ACTORS] = { "fa-client", "fa-server", "fb-client",
						      "fb-server", "fn-both" };

static const struct conn conns[CONNS] = {
	{ A_CLIENT, A_SERVER, FAM_V4, END_C, PEER_CLOSES },	   /* 0 */
	{ A_CLIENT, A_SERVER, FAM_V4, END_S, PEER_CLOSES },	   /* 1 */
	{ B_CLIENT, B_SERVER, FAM_V6, END_C, PEER_CLOSES },	   /* 2 */
	{ B_CLIENT, B_SERVER, FAM_V4, END_S, PEER_CLOSES },	   /* 3 */
	{ A_CLIENT, A_SERVER, FAM_MAPPED, END_C, PEER_CLOSES }, /* 4 */
	{ N_BOTH, N_BOTH, FAM_V4, END_C, PEER_CLOSES },	   /* 5, in the second namespace */
	{ A_CLIENT, A_SERVER, FAM_V4, END_C, PEER_IS_LATE }, /* 6 */
	{ A_CLIENT, A_SERVER, FAM_V4, END_C, PEER_STAYS },   /* 7 */
};

struct menu {
	struct stage *st;
	struct actor *actors[MENU_ACTORS];
	long lfd[CONNS], port[CONNS];
	uint64_t netns, netns2;
	uint64_t late_ns;      /* CLOCK_REALTIME: the late peer has not closed yet */
	struct tuple t[CONNS]; /* the end that closed first */
	struct tuple *shared;
};

/* A word of the form "%pN" (an actor's pid), "%lN" (a connection's port), "%n", "%m" stands for
 * what is only known at run time: see expand(). */
struct filter {
	const char *words[WORDS];
	unsigned int conns; /* bits of those that have to be shown; 7 is with --all only */
	bool only_ours;	    /* no event of another namespace may come */
	bool in_first_half; /* see --half */
};

#define C(n) (1u << (n))
#define V4S (C(0) | C(1) | C(3) | C(4) | C(5) | C(6))

static const struct filter filters[] = {
	{ { NULL }, V4S | C(2), false, true },
	{ { "-p", "%p0" }, C(0) | C(4) | C(6), true, false },
	{ { "--pid", "%p0,%p3" }, C(0) | C(3) | C(4) | C(6), true, true },
	{ { "-p", "%p0", "-p", "%p2" }, C(0) | C(2) | C(4) | C(6), true, false },
	{ { "-c", "fa-server" }, C(1), true, true },
	{ { "--comm", "fb-client" }, C(2), true, false },
	{ { "-4" }, V4S, false, true },
	{ { "-6" }, C(2), false, true },
	{ { "-l", ":%l1" }, C(1), false, false },
	{ { "--local", "127.0.0.0/8" }, V4S, false, false },
	{ { "-l", "127.0.0.0/8:%l3" }, C(3), false, true },
	{ { "-l", "10.0.0.0/8" }, 0, false, false },
	{ { "-r", ":%l0" }, C(0), false, false },
	{ { "--remote", "::1" }, C(2), false, false },
	{ { "-r", "[::1]:%l2" }, C(2), false, true },
	{ { "-r", "127.0.0.1/32:%l4" }, C(4), false, false },
	{ { "-r", "127.0.0.1" }, V4S, false, false },
	{ { "-r", "::/0" }, C(2), false, false },
	{ { "--side", "client" }, C(0) | C(2) | C(4) | C(5) | C(6), false, false },
	{ { "--side", "server" }, C(1) | C(3), false, true },
	{ { "--netns", "%m" }, C(5), true, false },
	{ { "--netns", "/proc/%p4/ns/net" }, C(5), true, true },
	{ { "--netns", "%n" }, C(0) | C(1) | C(2) | C(3) | C(4) | C(6), true, false },
	{ { "-4", "--side", "server" }, C(1) | C(3), false, false },
	{ { "-p", "%p0", "-6" }, 0, true, true },
	{ { "-c", "fb-client", "-6", "--side", "client", "-r", "::1" }, C(2), true, true },
	{ { "--netns", "%m", "-4", "--side", "client" }, C(5), true, true },
	{ { "--netns", "%m", "--side", "server" }, 0, true, false },
	{ { "-c", "fa-client", "-r", ":%l4" }, C(4), true, false },
	{ { "-p", "%p1", "-l", ":%l1", "-4" }, C(1), true, true },
	{ { "-p", "%p0", "-c", "fa-server" }, 0, true, true },
	{ { "-p", "!%p0" }, C(1) | C(2) | C(3) | C(5), false, false },
	{ { "-p", "%p0,%p2,%p3,!%p2" }, C(0) | C(3) | C(4) | C(6), true, true },
	{ { "-p", "%p0,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18" }, C(0) | C(4) | C(6), true, false },
	{ { "-c", "!fa-client" }, C(1) | C(2) | C(3) | C(5), false, true },
	{ { "-r", "!127.0.0.0/8" }, C(2), false, true },
	{ { "-l", "127.0.0.0/8:1-65535", "-l", "!:%l1-%l1" }, V4S & ~C(1), false, true },
	{ { "--netns", "!%m" }, C(0) | C(1) | C(2) | C(3) | C(4) | C(6), false, false },
	{ { "-p", "%p0", "--all" }, C(0) | C(4) | C(6) | C(7), true, true },
	{ { "-c", "fa-client", "-4", "--all" }, C(0) | C(4) | C(6) | C(7), true, false },
	{ { "-r", ":%l6", "-r", ":%l7", "--all" }, C(6) | C(7), false, true },
	{ { "--netns", "%m", "--all" }, C(5), true, false },
};
#define FILTERS ((int)(sizeof(filters) / sizeof(filters[0])))

static long do_enter_netns(long a, long b, long c)
{
	int err = net__new_netns();

	(void)a, (void)b, (void)c;
	return err ? err : (long)net__netns_inode();
}

/* Waits in the actor's own namespace until the end is as the mask says. */
static long do_referee(long tuple_ptr, long mask, long c)
{
	(void)c;
	return referee__await((const struct tuple *)tuple_ptr, (unsigned int)mask, DEADLINE_MS,
			      NULL);
}

static void menu__set(struct menu *m, struct stage *st)
{
	long inode;

	memset(m, 0, sizeof(*m));
	m->st = st;
	m->shared = (struct tuple *)st->arena;
	m->netns = net__netns_inode();
	for (int i = 0; i < MENU_ACTORS; i++)
		m->actors[i] = actor__start(st, actor_names[i], 0);
	inode = actor__call(m->actors[N_BOTH], do_enter_netns, 0, 0, 0);
	EXPECT(st, inode > 0);
	m->netns2 = (uint64_t)inode;
	for (int i = 0; i < CONNS; i++) {
		struct actor *s = m->actors[conns[i].server];

		m->lfd[i] = actor__call(s, do_listen, conns[i].fam, 0, 0);
		EXPECT(st, m->lfd[i] >= 0);
		m->port[i] = actor__call(s, do_port, m->lfd[i], 0, 0);
	}
}

/* Opens connection i and closes both ends, the `first` one first. */
static void menu__play(struct menu *m, int i)
{
	const struct conn *n = &conns[i];
	struct actor *a[2] = { m->actors[n->client], m->actors[n->server] };
	struct stage *st = m->st;
	long fd[2];

	fd[END_C] = actor__call(a[END_C], do_connect, n->fam, m->port[i], 0);
	EXPECT(st, fd[END_C] >= 0);
	fd[END_S] = actor__call(a[END_S], do_accept, m->lfd[i], 0, 0);
	EXPECT(st, fd[END_S] >= 0);
	EXPECT(st, actor__call(a[n->first], do_tuple, fd[n->first], (long)m->shared, 0) == 0);
	m->t[i] = *m->shared;
	EXPECT(st, actor__call(a[n->first], do_close, fd[n->first], 0, 0) == 0);
	EXPECT(st, actor__call(a[!n->first], do_recv_eof, fd[!n->first], 0, 0) == 0);
	if (n->peer != PEER_CLOSES) {
		EXPECT(st, actor__call(a[!n->first], do_sockopt, fd[!n->first], TCP_QUICKACK, 1) == 0);
		EXPECT(st, actor__call(a[n->first], do_referee, (long)m->shared, REF_FW2_MINI, 0) == 0);
	}
	if (n->peer == PEER_STAYS)
		return;
	if (n->peer == PEER_IS_LATE)
		m->late_ns = net__real_ns();
	EXPECT(st, actor__call(a[!n->first], do_close, fd[!n->first], 0, 0) == 0);
	EXPECT(st, actor__call(a[n->first], do_referee, (long)m->shared, REF_TIME_WAIT, 0) == 0);
}

static int expand(const struct menu *m, const char *word, char *out, size_t size)
{
	int n = 0;

	for (; *word && n < (int)size - 1; word++) {
		if (*word != '%') {
			out[n++] = *word;
			continue;
		}
		word++;
		if (*word == 'n' || *word == 'm')
			n += snprintf(out + n, size - (size_t)n, "%lu",
				      (unsigned long)(*word == 'n' ? m->netns : m->netns2));
		else if (*word == 'p')
			n += snprintf(out + n, size - (size_t)n, "%d",
				      (int)m->actors[*++word - '0']->pid);
		else
			n += snprintf(out + n, size - (size_t)n, "%ld", m->port[*++word - '0']);
	}
	out[n] = '\0';
	return n;
}

static void start(struct menu *m, const struct filter *f, struct tracer *t, const char *twsnoop)
{
	static char text[WORDS][64];
	const char *args[WORDS + 4] = { "trace", "--json" };
	int n = 2;

	for (int i = 0; i < WORDS && f->words[i]; i++) {
		expand(m, f->words[i], text[i], sizeof(text[i]));
		args[n++] = text[i];
	}
	solo__spawn(m->st, t, twsnoop, args);
}

static const char *describe(const struct filter *f)
{
	static char text[128];
	size_t n = 0;

	text[0] = '\0';
	for (int i = 0; i < WORDS && f->words[i] && n < sizeof(text) - 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", f->words[i]);
	return text;
}

static int conn_of(const struct menu *m, const struct event *ev)
{
	for (int i = 0; i < CONNS; i++)
		if (tuple__equal(&m->t[i], &ev->t))
			return i;
	return -1;
}

static unsigned int shown(const struct menu *m, const struct tracer *t)
{
	unsigned int seen = 0;

	for (size_t k = 0; k < t->nevents; k++) {
		int i = conn_of(m, &t->events[k]);

		if (i >= 0)
			seen |= C(i);
	}
	return seen;
}

static bool has_all(const struct filter *f)
{
	for (int i = 0; i < WORDS && f->words[i]; i++)
		if (!strcmp(f->words[i], "--all"))
			return true;
	return false;
}

/* Of those that a filter shows; with --all the other ends are shown, too. */
static void check_event(struct menu *m, const struct filter *f, const struct event *ev,
			unsigned int entered[CONNS], unsigned int waited[CONNS])
{
	bool of_mini = ev->action == ACT_TIME_WAIT || ev->action == ACT_FIN_WAIT2;
	struct stage *st = m->st;
	int i = conn_of(m, ev);

	if (ev->action != ACT_TIME_WAIT && !has_all(f))
		stage__fail(st, "%s: a %s event without --all", describe(f), action__name(ev->action));
	if (i >= 0 && ev->action == ACT_TIME_WAIT && conns[i].peer == PEER_IS_LATE &&
	    ev->timestamp_ns < m->late_ns)
		stage__fail(st, "%s: TIME_WAIT while the peer had not closed", describe(f));
	if (i >= 0) {
		entered[i] += ev->action == ACT_TIME_WAIT;
		waited[i] += ev->action == ACT_FIN_WAIT2;
	} else if (of_mini && (f->only_ours || ev->t.netns == m->netns || ev->t.netns == m->netns2)) {
		stage__fail(st, "%s: an event of pid %d, netns %lu, port %u is not right here",
			    describe(f), (int)ev->pid, (unsigned long)ev->t.netns, ev->t.lport);
	}
}

static void check(struct menu *m, const struct filter *f, struct tracer *t)
{
	unsigned int entered[CONNS] = { 0 }, waited[CONNS] = { 0 };
	struct stage *st = m->st;

	for (size_t k = 0; k < t->nevents; k++)
		check_event(m, f, &t->events[k], entered, waited);
	for (int i = 0; i < CONNS; i++) {
		bool is_shown = f->conns & C(i), waits = conns[i].peer != PEER_CLOSES;

		if (entered[i] != (is_shown && conns[i].peer != PEER_STAYS))
			stage__fail(st, "%s: %u entries into TIME_WAIT of connection %d", describe(f),
				    entered[i], i);
		if (waits ? waited[i] != (is_shown && has_all(f)) : waited[i] > (is_shown && has_all(f)))
			stage__fail(st, "%s: connection %d waited %u times in FIN_WAIT2", describe(f), i,
				    waited[i]);
	}
}

static long half_played;

void filters__play_half(long half)
{
	half_played = half;
}

static bool is_played(const struct filter *filter)
{
	return !half_played || filter->in_first_half == (half_played == 1);
}

int filters__batches(void)
{
	int n = 0;

	for (int i = 0; i < FILTERS; i++)
		n += is_played(&filters[i]);
	return (n + BATCH - 1) / BATCH;
}

/* Starts the tracers of a batch; returns how many, their filters in used[]. */
static int start_batch(struct menu *m, const char *twsnoop, int batch, struct tracer *t,
		       const struct filter **used)
{
	int n = 0, skip = batch * BATCH;

	for (int i = 0; i < FILTERS && n < BATCH; i++) {
		if (!is_played(&filters[i]) || skip-- > 0)
			continue;
		used[n] = &filters[i];
		start(m, used[n], &t[n], twsnoop);
		n++;
	}
	for (int i = 0; i < n; i++)
		solo__await(m->st, &t[i]);
	return n;
}

static void run_batch(struct stage *st, const char *twsnoop, int batch)
{
	struct tracer *t = calloc(BATCH, sizeof(*t));
	const struct filter *used[BATCH];
	struct menu m;
	int n;

	if (!t)
		abort();
	menu__set(&m, st);
	n = start_batch(&m, twsnoop, batch, t, used);
	for (int i = 0; i < CONNS; i++)
		menu__play(&m, i);
	for (int i = 0; i < n; i++) {
		uint64_t end = net__mono_ns() + 8000 * 1000000ULL;

		while ((shown(&m, &t[i]) & used[i]->conns) != used[i]->conns &&
		       net__mono_ns() < end)
			tracer__pump(&t[i], 20);
		solo__ended_well(st, &t[i], tracer__stop(&t[i], SIGINT));
		check(&m, used[i], &t[i]);
		tracer__free(&t[i]);
	}
	free(t);
}

#define BATCH_FN(n)                                                    \
	static void run_batch_##n(struct stage *st, const char *twsnoop) \
	{                                                              \
		run_batch(st, twsnoop, n);                   \
	}
BATCH_FN(0)
BATCH_FN(1)
BATCH_FN(2)
BATCH_FN(3)
BATCH_FN(4)
BATCH_FN(5)
BATCH_FN(6)
_Static_assert(FILTERS <= 7 * BATCH, "one more BATCH_FN");

const struct solo solo_filters[] = {
	{ "filters/1", run_batch_0 }, { "filters/2", run_batch_1 }, { "filters/3", run_batch_2 },
	{ "filters/4", run_batch_3 }, { "filters/5", run_batch_4 }, { "filters/6", run_batch_5 },
	{ "filters/7", run_batch_6 },
	{ NULL, NULL },
};

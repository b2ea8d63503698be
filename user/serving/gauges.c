// SPDX-License-Identifier: GPL-2.0
#include "serving/gauges.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "containers/cgroup_mount.h"
#include "diagnosis/observe.h"
#include "diagnosis/rules.h"
#include "inventory/census.h"

#define NS_PER_S 1000000000ULL
#define MILLION 1000000ULL
#define SHARE 200 /* one part in this goes into each of the two kinds of looks */

_Static_assert(METRICS_STATES == SOCKDIAG_STATE_END, "states");

struct gauges {
	struct gauges_options opts;
	struct tws_filter filter; /* namespaces alone */
	struct cgroup_mount mount;
	struct observe *observe; /* NULL: the first look failed, or there were too many sockets */
	struct rules_verdict *verdict;
	uint64_t sockets; /* at the last census */
	pthread_t thread;
	bool has_thread;
	atomic_bool stops;
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

/* ---- states, and the limit ---- */

static int tick(void *ctx, size_t rows)
{
	struct gauges *g = ctx;

	(void)rows;
	return atomic_load(&g->stops) ? -ECANCELED : 0;
}

static uint64_t share(uint64_t part, uint64_t whole)
{
	return whole ? part * MILLION / whole : METRICS_UNKNOWN;
}

/* A limit of 0 forbids TIME_WAIT, and one that is not known says nothing: neither has a share. */
static uint64_t limit_used(const struct census *census)
{
	uint64_t most = METRICS_UNKNOWN;

	for (size_t i = 0; i < census->num; i++) {
		const struct census_netns *ns = &census->netns[i];
		uint64_t used = share(ns->minis, ns->limits.max_tw_buckets);

		if (used != METRICS_UNKNOWN && (most == METRICS_UNKNOWN || used > most))
			most = used;
	}
	return most;
}

static void look_at_states(struct gauges *g)
{
	const struct listing_want want = { .filter = &g->filter, .tick = tick, .ctx = g };
	struct metrics_sockets sockets = { 0 };
	struct census census = { 0 };
	struct metrics *metrics;
	unsigned int flags = 0;
	int err = census__take(&census, g->opts.source, &want, &flags);

	g->sockets = err ? 0 : census.host.total;
	memcpy(sockets.states, census.host.states, sizeof(sockets.states));
	sockets.fin_wait2_minis = census.host.fin_wait2_minis;
	metrics = board__metrics(g->opts.board);
	metrics__set_sockets(metrics, err ? NULL : &sockets);
	metrics__set_limit_used(metrics, err ? METRICS_UNKNOWN : limit_used(&census));
	board__unlock(g->opts.board);
	census__free(&census);
}

/* ---- ports ---- */

/* What connect() cannot have any more, of what it may choose; UINT64_MAX: not known. */
static uint64_t ports_used(const struct evidence_ports *ports)
{
	uint64_t taken = (uint64_t)ports->time_wait + ports->live + ports->bound;

	if (!ports->usable)
		return METRICS_UNKNOWN;
	if (ports->has_left)
		taken = ports->usable > ports->left ? ports->usable - ports->left : 0;
	return share(taken < ports->usable ? taken : ports->usable, ports->usable);
}

static int set_ports(struct gauges *g, const struct evidence *e)
{
	struct metrics_ports *all = calloc(e->num_ports ?: 1, sizeof(*all));
	struct metrics *metrics;
	size_t num = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < e->num_ports; i++) {
		const struct evidence_ports *from = &e->ports[i];
		struct metrics_ports *to = &all[num];

		to->used_millionths = ports_used(from);
		if (to->used_millionths == METRICS_UNKNOWN)
			continue;
		to->family = from->family;
		to->all_peers = from->all_peers;
		to->peer_port = from->peer_port;
		memcpy(to->local_addr, from->local_addr, sizeof(to->local_addr));
		memcpy(to->peer_addr, from->peer_addr, sizeof(to->peer_addr));
		num++;
	}
	metrics = board__metrics(g->opts.board);
	metrics__set_ports(metrics, all, num);
	board__unlock(g->opts.board);
	free(all);
	return 0;
}

/* ---- findings ---- */

static void set_findings(struct gauges *g, const struct rules_verdict *verdict)
{
	struct metrics_finding findings[RULES_FINDINGS];
	struct metrics *metrics;

	for (size_t i = 0; i < verdict->num; i++)
		findings[i] = (struct metrics_finding){
			.id = verdict->findings[i].id,
			.severity = finding__severity(verdict->findings[i].severity),
			.count = 1 + verdict->findings[i].more,
		};
	metrics = board__metrics(g->opts.board);
	metrics__set_findings(metrics, findings, verdict->num);
	board__unlock(g->opts.board);
}

static void set_nothing(struct gauges *g)
{
	struct metrics *metrics = board__metrics(g->opts.board);

	metrics__set_ports(metrics, NULL, 0);
	metrics__set_findings(metrics, NULL, 0);
	board__unlock(g->opts.board);
}

static int judge(struct gauges *g, struct evidence *e)
{
	int err;

	e->all = g->opts.all;
	e->calls = g->opts.calls;
	err = evidence__finish(e) ?: observe__end(g->observe, e) ?: set_ports(g, e);
	if (err)
		return err;
	rules__apply(e, g->verdict);
	set_findings(g, g->verdict);
	return 0;
}

static void begin_observing(struct gauges *g)
{
	const struct observe_options opts = {
		.source = g->opts.source, .filter = g->opts.filter, .no_names = g->opts.no_names,
		.runtime_socket = g->opts.runtime_socket,
	};

	observe__free(g->observe);
	g->observe = NULL;
	if (g->sockets <= GAUGES_SOCKETS && observe__begin(&g->observe, &opts))
		g->observe = NULL;
}

/* The end of one span, and the begin of the next. */
static void look_at_all(struct gauges *g)
{
	struct evidence e = { 0 };
	int err = board__take_evidence(g->opts.board, &e);

	if (!err && g->observe && g->sockets <= GAUGES_SOCKETS)
		err = judge(g, &e);
	else
		err = -E2BIG;
	evidence__free(&e);
	if (err)
		set_nothing(g);
	if (!atomic_load(&g->stops))
		begin_observing(g);
}

/* ---- containers ---- */

static void look_for_gone(struct gauges *g)
{
	size_t max, num;
	struct metrics *metrics = board__metrics(g->opts.board);
	char path[PATH_MAX];
	const char *at;
	uint64_t *ids;

	max = metrics__series(metrics);
	ids = calloc(max ?: 1, sizeof(*ids));
	num = ids ? metrics__cgroups(metrics, g->opts.cgroup_v1, ids, max) : 0;
	board__unlock(g->opts.board);
	for (size_t i = 0; i < num && g->mount.fd >= 0 && !atomic_load(&g->stops); i++) {
		if (cgroup_mount__path_of(&g->mount, ids[i], path, sizeof(path), &at) != -ESTALE)
			continue;
		metrics = board__metrics(g->opts.board);
		metrics__cgroup_gone(metrics, g->opts.cgroup_v1, ids[i]);
		board__unlock(g->opts.board);
	}
	free(ids);
}

/* ---- the thread ---- */

/* Until @due_ns (CLOCK_MONOTONIC), or until it is to stop. */
static void sleep_until(struct gauges *g, uint64_t due_ns)
{
	uint64_t ns = due_ns + (uint64_t)clock__shift_ns(CLOCK_MONOTONIC);
	const struct timespec until = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	pthread_mutex_lock(&g->lock);
	while (!atomic_load(&g->stops))
		if (pthread_cond_timedwait(&g->wake, &g->lock, &until))
			break;
	pthread_mutex_unlock(&g->lock);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* When it is due again: after a look that cost much for longer. */
static uint64_t look(struct gauges *g, void (*at)(struct gauges *g), uint64_t interval_ns)
{
	uint64_t spent_ns = clock__now_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	at(g);
	spent_ns = clock__now_ns(CLOCK_THREAD_CPUTIME_ID) - spent_ns;
	return now_ns + larger(interval_ns, spent_ns * SHARE);
}

static void *work(void *arg)
{
	struct gauges *g = arg;
	uint64_t states_every_ns = g->opts.interval_ns < GAUGES_STATES_NS ? g->opts.interval_ns :
									    GAUGES_STATES_NS;
	uint64_t states_ns = look(g, look_at_states, states_every_ns);
	uint64_t all_ns;

	begin_observing(g);
	/* The first one is soon there. */
	all_ns = clock__now_ns(CLOCK_MONOTONIC) + states_every_ns;
	while (!atomic_load(&g->stops)) {
		uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

		if (now_ns >= states_ns) {
			states_ns = look(g, look_at_states, states_every_ns);
			look_for_gone(g);
		} else if (now_ns >= all_ns) {
			all_ns = look(g, look_at_all, g->opts.interval_ns);
		}
		sleep_until(g, states_ns < all_ns ? states_ns : all_ns);
	}
	return NULL;
}

/* ---- its life ---- */

static int start(struct gauges *g)
{
	pthread_condattr_t attr;
	int err;

	g->verdict = calloc(1, sizeof(*g->verdict));
	if (!g->verdict)
		return -ENOMEM;
	/* Without it nobody is known to have gone. */
	if (g->opts.cgroup_mount && cgroup_mount__open(&g->mount, g->opts.cgroup_mount)) {
		cgroup_mount__close(&g->mount);
		g->mount = CGROUP_MOUNT_NONE;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g->wake, &attr);
	pthread_condattr_destroy(&attr);
	err = -pthread_create(&g->thread, NULL, work, g);
	g->has_thread = !err;
	return err;
}

int gauges__start(struct gauges **gaugesp, const struct gauges_options *opts)
{
	struct gauges *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	g->opts = *opts;
	g->mount = CGROUP_MOUNT_NONE;
	g->filter.num_netns = opts->filter->num_netns;
	g->filter.not_netns = opts->filter->not_netns;
	memcpy(g->filter.netns, opts->filter->netns, sizeof(g->filter.netns));
	pthread_mutex_init(&g->lock, NULL);
	err = start(g);
	if (err) {
		gauges__stop(g);
		return err;
	}
	*gaugesp = g;
	return 0;
}

void gauges__stop(struct gauges *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	atomic_store(&g->stops, true);
	if (g->has_thread)
		pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
	if (g->has_thread)
		pthread_join(g->thread, NULL);
	observe__free(g->observe);
	cgroup_mount__close(&g->mount);
	free(g->verdict);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

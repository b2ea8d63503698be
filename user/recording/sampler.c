// SPDX-License-Identifier: GPL-2.0
#include "recording/sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/table.h"
#include "base/thread.h"
#include "inventory/census.h"
#include "recording/counters.h"
#include "recording/critical.h"

#define NS_PER_S 1000000000ULL
#define LOOK_NS NS_PER_S
/* Of the time one part in this goes into each of the two kinds of samples; but up to one in the
 * second, before they come later than the latest; and in the third while connects find no port. */
#define SHARE 2000
#define LATE_SHARE 250
#define HURRY_SHARE 25
#define NETNS_MAX 1024 /* of which it is known what was told */

_Static_assert(HELD_STATES == SOCKDIAG_STATE_END, "held_states");

/* What was told last of a namespace. */
struct told {
	uint64_t inode;
	bool has_states, has_limits;
	uint64_t states_ns; /* by the wall clock */
	struct held_states states;
	struct held_limits limits;
	struct counters counters;
};

struct sampler {
	struct sampler_options opts;
	struct tws_filter filter; /* namespaces alone */
	struct table *told;
	struct critical critical;
	pthread_t thread;
	bool has_thread;
	atomic_bool stops, restarts, hurries;
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

/* ---- states ---- */

static int tick(void *ctx, size_t rows)
{
	struct sampler *s = ctx;

	(void)rows;
	return atomic_load(&s->stops) ? -ECANCELED : 0;
}

static void fill_states(struct held_states *states, const struct census_counts *counts)
{
	for (int state = 0; state < HELD_STATES; state++)
		states->states[state] = counts->states[state];
	states->fin_wait2_minis = counts->fin_wait2_minis;
}

static bool same_states(const struct held_states *a, const struct held_states *b)
{
	return !memcmp(a->states, b->states, sizeof(a->states)) &&
	       a->fin_wait2_minis == b->fin_wait2_minis;
}

static int add_states(struct bundle *bundle, struct told *told, struct held_states *states)
{
	int err;

	if (told->has_states && same_states(&told->states, states) &&
	    states->wall_ns >= told->states_ns &&
	    states->wall_ns - told->states_ns < SAMPLER_AGAIN_NS)
		return 0;
	err = bundle__add_states(bundle, states);
	if (err)
		return err;
	told->states = *states;
	told->states.netns_name = NULL;
	told->states_ns = states->wall_ns;
	told->has_states = true;
	return 0;
}

/* ---- limits ---- */

static bool same_limits(const struct held_limits *a, const struct held_limits *b)
{
	return a->max_tw_buckets == b->max_tw_buckets && a->fin_timeout_ms == b->fin_timeout_ms &&
	       a->reuse_delay_ms == b->reuse_delay_ms && a->tw_reuse == b->tw_reuse &&
	       a->timestamps == b->timestamps && a->first_port == b->first_port &&
	       a->last_port == b->last_port && a->usable_ports == b->usable_ports;
}

static int add_limits(struct bundle *bundle, struct told *told, const struct netlimits *limits,
		      uint64_t wall_ns, const char *name)
{
	const struct held_limits held = {
		.wall_ns = wall_ns,
		.netns = (uint32_t)told->inode,
		.netns_name = name,
		.max_tw_buckets = limits->max_tw_buckets,
		.fin_timeout_ms = limits->fin_timeout_ms,
		.reuse_delay_ms = limits->reuse_delay_ms,
		.tw_reuse = limits->tw_reuse,
		.timestamps = limits->timestamps,
		.first_port = limits->first_port,
		.last_port = limits->last_port,
		.usable_ports = limits->usable_ports,
	};
	int err;

	if (told->has_limits && same_limits(&told->limits, &held))
		return 0;
	err = bundle__add_limits(bundle, &held);
	if (err)
		return err;
	told->limits = held;
	told->limits.netns_name = NULL;
	told->has_limits = true;
	return 0;
}

/* ---- counters ---- */

static int add_counters(struct bundle *bundle, struct told *told, const struct counters *now,
			uint64_t wall_ns)
{
	for (size_t i = 0; i < counters__num; i++) {
		const struct held_counter counter = {
			.wall_ns = wall_ns,
			.netns = (uint32_t)told->inode,
			.name = counters__names[i],
			.value = now->values[i],
		};
		int err;

		if (!now->known[i] ||
		    (told->counters.known[i] && told->counters.values[i] == now->values[i]))
			continue;
		err = bundle__add_counter(bundle, &counter);
		if (err)
			return err;
		told->counters.values[i] = now->values[i];
		told->counters.known[i] = true;
	}
	return 0;
}

/* ---- one namespace after the other ---- */

/* A walk through the namespaces, for those of a census. */
struct visit {
	struct sampler *sampler;
	struct bundle *bundle;
	uint64_t wall_ns;
	uint32_t wanted[SAMPLER_NETNS];
	size_t num_wanted;
};

static struct told *told_of(struct sampler *s, uint32_t inode)
{
	const uint64_t key = inode;
	void *entry;

	return table__get(s->told, &key, &entry) < 0 ? NULL : entry;
}

static bool is_wanted(const struct visit *visit, uint32_t inode)
{
	for (size_t i = 0; i < visit->num_wanted; i++)
		if (visit->wanted[i] == inode)
			return true;
	return false;
}

static int look_into(struct visit *visit, int fd, uint32_t inode, const char *name)
{
	const char *proc_root = visit->sampler->opts.source->places->proc_root;
	struct told *told = told_of(visit->sampler, inode);
	struct netlimits limits = NETLIMITS_UNKNOWN;
	struct counters counters = { 0 };
	int err = 0;

	if (!told)
		return -ENOMEM;
	/* A namespace that has just gone tells nothing. */
	if (!netlimits__read(&limits, fd, proc_root, true))
		err = add_limits(visit->bundle, told, &limits, visit->wall_ns, name);
	netlimits__free(&limits);
	if (!err && !counters__read(&counters, fd, proc_root))
		err = add_counters(visit->bundle, told, &counters, visit->wall_ns);
	return err;
}

static int on_netns(void *ctx, const struct netns_entry *ns)
{
	struct visit *visit = ctx;

	if (atomic_load(&visit->sampler->stops))
		return -ECANCELED;
	return is_wanted(visit, ns->inode) ? look_into(visit, ns->fd, ns->inode, ns->name) : 0;
}

static void note_limit(struct sampler *s, const struct census_netns *ns, uint64_t wall_ns)
{
	if (critical__note_limit(&s->critical, wall_ns, ns->inode, ns->minis,
				 ns->limits.max_tw_buckets))
		s->opts.keep(s->opts.ctx, wall_ns + CRITICAL_AROUND_NS);
}

static int add_census(struct visit *visit, const struct census *census)
{
	struct held_states host = { .wall_ns = visit->wall_ns };
	int err;

	fill_states(&host, &census->host);
	err = bundle__add_states(visit->bundle, &host);
	for (size_t i = 0; !err && i < census->num && i < SAMPLER_NETNS; i++) {
		const struct census_netns *ns = &census->netns[i];
		struct held_states states = { .wall_ns = visit->wall_ns, .netns = ns->inode,
					      .netns_name = ns->name };
		struct told *told = told_of(visit->sampler, ns->inode);

		fill_states(&states, &ns->counts);
		err = told ? add_states(visit->bundle, told, &states) : -ENOMEM;
		note_limit(visit->sampler, ns, visit->wall_ns);
		visit->wanted[visit->num_wanted++] = ns->inode;
	}
	return err;
}

static int add_findings(struct sampler *s, struct bundle *bundle, uint64_t wall_ns)
{
	char text[CRITICAL_TEXT_BYTES];
	struct held_finding finding;
	int err = 0;

	while (!err && critical__take(&s->critical, wall_ns, &finding, text))
		err = bundle__add_finding(bundle, &finding) ?:
		      bundle__add_keep_raw(bundle,
					   clock__before_ns(finding.wall_ns, CRITICAL_AROUND_NS),
					   finding.wall_ns + CRITICAL_AROUND_NS);
	return err;
}

/* Where others may not be looked at there is one's own, which no walk finds. */
static int look_into_all(struct visit *visit)
{
	const struct sockets_source *source = visit->sampler->opts.source;
	uint32_t own;
	int err = netns__each(source->places, on_netns, visit, NULL);

	if (err != -ECANCELED && visit->num_wanted == 1 && !netns__inode(-1, &own) &&
	    is_wanted(visit, own))
		err = look_into(visit, -1, own, NULL);
	return err == -ECANCELED || err == -ENOMEM ? err : 0;
}

int sampler__take(struct sampler *s, struct bundle *bundle, uint64_t wall_ns)
{
	const struct listing_want want = { .filter = &s->filter, .tick = tick, .ctx = s };
	struct visit visit = { .sampler = s, .bundle = bundle, .wall_ns = wall_ns };
	struct census census = { 0 };
	unsigned int flags = 0;
	int err = census__take(&census, s->opts.source, &want, &flags);

	if (!err)
		err = add_census(&visit, &census);
	if (!err)
		err = look_into_all(&visit) ?: add_findings(s, bundle, wall_ns);
	census__free(&census);
	return err;
}

/* ---- ports ---- */

static int ports_tick(void *ctx, size_t rows)
{
	return rows > SAMPLER_PORTS_SOCKETS ? -E2BIG : tick(ctx, rows);
}

int sampler__take_ports(struct sampler *s, struct bundle *bundle, uint64_t wall_ns)
{
	const struct listing_want want = { .filter = &s->filter, .tick = ports_tick, .ctx = s };

	return s->opts.take_ports(bundle, s->opts.source, &want, wall_ns);
}

/* ---- the thread ---- */

/* Until @due_ns (CLOCK_MONOTONIC), or until it is to stop. */
static void sleep_until(struct sampler *s, uint64_t due_ns)
{
	uint64_t ns = due_ns + (uint64_t)clock__shift_ns(CLOCK_MONOTONIC);
	const struct timespec until = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	pthread_mutex_lock(&s->lock);
	while (!atomic_load(&s->stops))
		if (pthread_cond_timedwait(&s->wake, &s->lock, &until))
			break;
	pthread_mutex_unlock(&s->lock);
}

typedef int (*take_fn)(struct sampler *s, struct bundle *bundle, uint64_t wall_ns);

/* Returns what it has cost, in the thread's time. */
static uint64_t sample(struct sampler *s, take_fn take)
{
	uint64_t spent_ns = clock__now_ns(CLOCK_THREAD_CPUTIME_ID);
	struct bundle *bundle;

	if (!bundle__new(&bundle)) {
		take(s, bundle, clock__now_ns(CLOCK_REALTIME));
		if (bundle__is_empty(bundle)) {
			bundle__free(bundle);
		} else if (queue__put(s->opts.queue, bundle)) {
			bundle__free(bundle);
			table__clear(s->told); /* it was not */
		}
	}
	return clock__now_ns(CLOCK_THREAD_CPUTIME_ID) - spent_ns;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* From one to the next: after one that cost much longer. */
static uint64_t pause_ns(uint64_t spent_ns, uint64_t least_ns, uint64_t latest_ns)
{
	return larger(least_ns, smaller(spent_ns * SHARE, larger(latest_ns, spent_ns * LATE_SHARE)));
}

bool sampler__is_turn(const struct sampler_turn *turn, bool hurries, uint64_t now_ns)
{
	return now_ns >= (hurries ? turn->soonest_ns : turn->due_ns);
}

void sampler__set_turn(struct sampler_turn *turn, uint64_t begin_ns, uint64_t spent_ns)
{
	turn->due_ns = begin_ns + pause_ns(spent_ns, SAMPLER_PORTS_NS, SAMPLER_PORTS_LATEST_NS);
	turn->soonest_ns = begin_ns + larger(spent_ns * HURRY_SHARE, SAMPLER_HURRY_NS);
}

/* What comes up while it looks is for the next time. */
static void sample_ports(struct sampler *s, struct sampler_turn *turn, uint64_t now_ns)
{
	atomic_store(&s->hurries, false);
	sampler__set_turn(turn, now_ns, sample(s, sampler__take_ports));
}

static void *work(void *arg)
{
	uint64_t states_ns = 0;
	struct sampler_turn ports = { .due_ns = clock__now_ns(CLOCK_MONOTONIC) + 2 * NS_PER_S };
	uint64_t all_ns = clock__now_ns(CLOCK_MONOTONIC) + SAMPLER_ALL_NS;
	struct sampler *s = arg;

	while (!atomic_load(&s->stops)) {
		uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

		if (atomic_exchange(&s->restarts, false)) {
			table__clear(s->told);
			states_ns = 0;
		}
		if (now_ns >= all_ns) {
			table__clear(s->told);
			all_ns = now_ns + SAMPLER_ALL_NS;
		}
		if (now_ns >= states_ns)
			states_ns = now_ns + pause_ns(sample(s, sampler__take), SAMPLER_STATES_NS,
						      SAMPLER_STATES_LATEST_NS);
		else if (sampler__is_turn(&ports, atomic_load(&s->hurries), now_ns))
			sample_ports(s, &ports, now_ns);
		sleep_until(s, clock__now_ns(CLOCK_MONOTONIC) + LOOK_NS);
	}
	return NULL;
}

int sampler__start(struct sampler *s)
{
	int err = -pthread_create(&s->thread, NULL, work, s);

	s->has_thread = !err;
	return err;
}

void sampler__hurry(struct sampler *s)
{
	if (s)
		atomic_store(&s->hurries, true);
}

void sampler__restart(struct sampler *s)
{
	atomic_store(&s->restarts, true);
}

int sampler__new(struct sampler **samplerp, const struct sampler_options *opts)
{
	const struct table_options told = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct told),
		.max = NETNS_MAX, .drop_living = true,
	};
	struct sampler *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;
	int err;

	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	s->filter.num_netns = opts->filter->num_netns;
	s->filter.not_netns = opts->filter->not_netns;
	memcpy(s->filter.netns, opts->filter->netns, sizeof(s->filter.netns));
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	err = table__new(&s->told, &told);
	if (err) {
		sampler__free(s);
		return err;
	}
	*samplerp = s;
	return 0;
}

void sampler__end(struct sampler *s)
{
	if (!s || !s->has_thread)
		return;
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->stops, true);
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

bool sampler__free(struct sampler *s)
{
	if (!s)
		return true;
	sampler__end(s);
	if (s->has_thread && !thread__join(s->thread, SAMPLER_PATIENCE_MS))
		return false;
	table__free(s->told);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return true;
}

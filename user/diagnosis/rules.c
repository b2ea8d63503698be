// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/rules.h"

#include <stdlib.h>
#include <string.h>

#include "diagnosis/judge.h"

/* In this order: some leave out what another one before them has explained. */
static const struct rule {
	const char *id; /* the first of those that it gives */
	enum basis basis;
	void (*flow)(struct judge *j, const struct evidence_flow *flow);
	void (*netns)(struct judge *j, const struct evidence_netns *ns);
	void (*leak)(struct judge *j, const struct evidence_leak *leak);
	void (*all)(struct judge *j);
} rules[] = {
	{ "ports-exhausted", BASIS_EVENTS, .flow = rule__ports_exhausted },
	{ "bind-before-connect", BASIS_EVENTS, .flow = rule__bind_before_connect },
	{ "ports-filling", BASIS_COUNTS, .flow = rule__ports_filling },
	{ "ports-half-used", BASIS_EVENTS, .flow = rule__ports_half_used },
	{ "port-range-narrow", BASIS_TABLES, .netns = rule__port_range_narrow }, /* after 1 and 2 */
	{ "timestamps-off", BASIS_COUNTS, .flow = rule__timestamps_off },
	{ "client-without-pool", BASIS_COUNTS, .flow = rule__short_connections },
	{ "loopback-pair", BASIS_COUNTS, .flow = rule__loopback_pair },
	{ "idle-timeout", BASIS_COUNTS, .flow = rule__idle_timeout },
	{ "health-check", BASIS_COUNTS, .flow = rule__health_check },
	{ "limit-near", BASIS_TABLES, .netns = rule__limit_near },
	{ "listener-address-in-use", BASIS_EVENTS, .flow = rule__listener_address_in_use },
	{ "server-side-harmless", BASIS_COUNTS, .all = rule__server_side_harmless }, /* after these two */
	{ "peer-does-not-close", BASIS_TABLES, .netns = rule__peer_does_not_close },
	{ "close-wait-leak", BASIS_TABLES, .leak = rule__close_wait_leak },
	{ "aborts", BASIS_COUNTS, .flow = rule__aborts },
	{ "exits", BASIS_COUNTS, .flow = rule__exits },
	{ "conntrack-full", BASIS_TABLES, .netns = rule__conntrack_full },
	{ "nat-reuse", BASIS_COUNTS, .all = rule__nat_reuse },
	{ "closed-by-peer", BASIS_COUNTS, .all = rule__closed_by_peer },
	{ "blind", BASIS_TABLES, .all = rule__blind },
};

#define NUM_RULES (sizeof(rules) / sizeof(rules[0]))

const char *const rules__ids[] = {
	"ports-exhausted", "connect-found-no-port", "bind-before-connect", "ports-filling", "ports-half-used",
	"port-range-narrow", "timestamps-off", "client-without-pool", "pool-too-small",
	"proxy-without-keepalive", "loopback-pair", "server-side-harmless", "idle-timeout",
	"health-check", "limit-near", "peer-does-not-close", "close-wait-leak", "aborts", "exits",
	"conntrack-full", "nat-reuse", "closed-by-peer", "listener-address-in-use", "blind",
	"nothing-harmful", "too-little-seen", NULL,
};

static void apply(struct judge *j, const struct rule *rule)
{
	const struct evidence *e = j->e;

	j->basis = rule->basis;
	for (size_t i = 0; rule->flow && i < e->num_flows; i++)
		rule->flow(j, e->flows[i]);
	for (size_t i = 0; rule->netns && i < e->num_netns; i++)
		rule->netns(j, &e->netns[i]);
	for (size_t i = 0; rule->leak && i < e->num_leaks; i++)
		rule->leak(j, &e->leaks[i]);
	if (rule->all)
		rule->all(j);
}

/* Nothing stands out; or nothing could. */
static void say_nothing(struct judge *j)
{
	const struct evidence *e = j->e;
	uint64_t active = 0, failed = 0;
	struct finding *f;
	bool little;

	for (size_t i = 0; i < e->num_flows; i++) {
		active += e->flows[i]->time_waits;
		failed += e->flows[i]->connect_failed;
	}
	little = active < LITTLE;
	j->basis = BASIS_COUNTS;
	f = judge__add(j, little ? "too-little-seen" : "nothing-harmful", SEVERITY_OK,
		little ? CONFIDENCE_LITTLE : CONFIDENCE_SEEN);
	if (!f)
		return;
	if (little)
		finding__say(f, "Too little was seen to judge by: %llu closes in %llu s.",
			     (unsigned long long)active,
			     (unsigned long long)(e->until_ns > e->since_ns ?
						  (e->until_ns - e->since_ns) / NS_PER_S : 0));
	else if (failed)
		finding__say(f, "Nothing harmful was seen about TIME_WAIT: %llu closes, and enough ports. But "
			     "%llu connects failed.", (unsigned long long)active,
			     (unsigned long long)failed);
	else
		finding__say(f, "Nothing harmful was seen: %llu closes, %senough ports.",
			     (unsigned long long)active, e->all ? "no failing connect(), " : "");
	finding__fact(f, "closes", active);
	finding__fact_tenths(f, "closes_per_second", evidence__tenths_per_s(e, active));
	if (little)
		finding__step(f, "watch for longer (-d 60s), or when it happens; 'twsnoop attach' sees what "
				 "happens while nobody watches");
	else if (failed)
		finding__step(f, "why they failed: twsnoop trace --all");
	else
		finding__step(f, "nothing needs to be done");
	if (failed)
		finding__fact(f, "connects_failed", failed);
}

static void add_lost(struct finding *f)
{
	if (f->lost)
		finding__fact(f, "events_lost", f->lost);
}

static int worst_first(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity < y->severity ? 1 : -1;
	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return strcmp(x->id, y->id);
}

void rules__apply(const struct evidence *e, struct rules_verdict *verdict)
{
	struct judge j = { .e = e, .verdict = verdict };

	verdict->num = 0;
	verdict->severity = SEVERITY_OK;
	for (size_t i = 0; i < NUM_RULES; i++)
		apply(&j, &rules[i]);
	if (!verdict->num || (verdict->num == 1 && !strcmp(verdict->findings[0].id, "blind")))
		say_nothing(&j);
	for (size_t i = 0; i < verdict->num; i++)
		add_lost(&verdict->findings[i]);
	qsort(verdict->findings, verdict->num, sizeof(verdict->findings[0]), worst_first);
	verdict->severity = verdict->findings[0].severity;
}

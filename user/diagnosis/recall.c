// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/recall.h"

#include <stdio.h>
#include <string.h>

#include "diagnosis/append.h"
#include "inventory/recalled.h"
#include "sockets/sockdiag.h"
#include "store/minute_filter.h"

#define NS_PER_MINUTE 60000000000ULL
#define PORT_SETS 1000	/* that are kept: a recording has the ten fullest of each sample */
#define NAMESPACES 4096

/* ---- events ---- */

void recall__record(struct evidence *e, const struct record *rec)
{
	struct tws_event ev = *rec->event;
	struct record copy = *rec;

	/* Runs have clocks of their own, which begin with each boot. */
	if (ev.conn.open_ns && ev.conn.open_ns <= ev.time_ns)
		ev.conn.open_ns = rec->wall_ns - (ev.time_ns - ev.conn.open_ns);
	ev.time_ns = rec->wall_ns;
	copy.event = &ev;
	evidence__add(e, &copy);
}

void recall__minute(struct evidence *e, const struct held_minute *minute,
		    const struct held_who *who, const struct held_flow *flow)
{
	const struct evidence_sum sum = {
		.begin_ns = minute->wall_ns, .span_ns = NS_PER_MINUTE, .count = minute->count,
		.tx_bytes = minute->tx_bytes, .rx_bytes = minute->rx_bytes,
		.lifetimes = minute->lifetimes, .buckets = minute->buckets,
		.some_peers = flow && minute_filter__has_peers(flow),
	};
	struct record rec = { 0 };
	struct tws_event ev;

	if (!minute->count)
		return;
	if (!flow) { /* ~other: nobody can be named for it */
		e->num_dropped += minute->count;
		return;
	}
	minute_filter__event(who, flow, &ev);
	rec.event = &ev;
	if (who) {
		rec.command_line = who->command_line;
		rec.workload = who->workload;
	}
	evidence__add_sum(e, &rec, &sum);
}

/* ---- samples ---- */

static struct evidence_netns *get_netns(struct evidence *e, uint32_t netns)
{
	struct evidence_netns *ns = evidence__netns(e, netns);

	if (ns || e->num_netns == NAMESPACES)
		return ns;
	ns = APPEND(e->netns, e->num_netns);
	if (!ns)
		return NULL;
	*ns = (struct evidence_netns){ .netns = netns, .limits = NETLIMITS_UNKNOWN };
	return ns;
}

static int take_states(void *ctx, const struct held_states *states)
{
	struct evidence_netns *ns = states->netns ? get_netns(ctx, states->netns) : NULL;

	if (!ns)
		return 0;
	if (states->netns_name)
		snprintf(ns->name, sizeof(ns->name), "%s", states->netns_name);
	ns->is_own = !strcmp(ns->name, "pid:1"); /* the host's, if it was recorded there */
	ns->established = states->states[SOCKDIAG_ESTABLISHED];
	ns->close_wait = states->states[SOCKDIAG_CLOSE_WAIT];
	/* of a span that is over the worst moment counts */
	if (states->states[SOCKDIAG_TIME_WAIT] + states->fin_wait2_minis >=
	    ns->time_wait + ns->fin_wait2_minis) {
		ns->time_wait = states->states[SOCKDIAG_TIME_WAIT];
		ns->fin_wait2_minis = states->fin_wait2_minis;
	}
	return 0;
}

static int take_limits(void *ctx, const struct held_limits *limits)
{
	struct evidence_netns *ns = limits->netns ? get_netns(ctx, limits->netns) : NULL;

	if (ns)
		ns->limits = recalled__limits(limits);
	return 0;
}

static struct evidence_ports *get_ports(struct evidence *e, const struct held_ports *held)
{
	bool all_peers = held->scope == HELD_PORTS_ALL;
	struct evidence_ports *p;

	for (size_t i = 0; i < e->num_ports; i++) {
		p = &e->ports[i];
		if (p->netns == held->key.netns && p->family == held->family &&
		    p->all_peers == all_peers && p->peer_port == held->key.peer_port &&
		    !memcmp(p->local_addr, held->key.local_addr, sizeof(p->local_addr)) &&
		    !memcmp(p->peer_addr, held->key.peer_addr, sizeof(p->peer_addr)))
			return p;
	}
	if (e->num_ports == PORT_SETS)
		return NULL;
	p = APPEND(e->ports, e->num_ports);
	if (!p)
		return NULL;
	*p = (struct evidence_ports){ .netns = held->key.netns, .family = held->family,
				      .all_peers = all_peers, .peer_port = held->key.peer_port };
	memcpy(p->local_addr, held->key.local_addr, sizeof(p->local_addr));
	memcpy(p->peer_addr, held->key.peer_addr, sizeof(p->peer_addr));
	return p;
}

static int take_ports(void *ctx, const struct held_ports *held)
{
	uint64_t taken = (uint64_t)held->time_wait + held->live + held->bound;
	struct evidence_ports *p;

	if (held->scope == HELD_PORTS_OWN)
		return 0;
	p = get_ports(ctx, held);
	if (!p || (uint64_t)p->time_wait + p->live + p->bound > taken)
		return 0;
	p->usable = held->usable;
	p->time_wait = held->time_wait;
	p->live = held->live;
	p->bound = held->bound;
	p->reusable = held->reusable;
	p->left = held->left;
	p->has_left = held->has_left;
	for (size_t i = 0; i < EVIDENCE_OWNERS; i++) {
		memcpy(p->owners[i].comm, held->owners[i].comm, TWS_COMM_LEN);
		p->owners[i].comm[TWS_COMM_LEN - 1] = '\0';
		p->owners[i].pid = held->owners[i].tgid;
		p->owners[i].count = held->owners[i].count;
	}
	return 0;
}

int recall__tables(struct evidence *e, struct history *history, const struct history_span *span)
{
	int err = history__each_limits(history, span, take_limits, e) ?:
		  history__each_states(history, span, take_states, e) ?:
		  history__each_ports(history, span, take_ports, e) ?: evidence__index_ports(e);

	return err;
}

// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/port_state.h"

#include <string.h>

#include "diagnosis/judge.h"

static bool may_reuse(const struct evidence_netns *ns, const struct evidence_flow *flow)
{
	return ns && (ns->limits.tw_reuse == 1 ||
		      (ns->limits.tw_reuse == 2 && evidence__has_loopback_address(flow)));
}

const struct evidence_ports *port_state__bound_of(const struct evidence *e, uint32_t netns)
{
	for (size_t i = 0; i < e->num_ports; i++) {
		const struct evidence_ports *p = &e->ports[i];

		if (p->all_peers && p->netns == netns && p->usable &&
		    (uint64_t)p->bound + p->live + p->time_wait >= p->usable / 2)
			return p;
	}
	return NULL;
}

/* connect() finds one. Where nearly all are held, the next one takes the last. */
static bool has_some(const struct evidence_ports *set)
{
	uint64_t taken = set ? (uint64_t)set->time_wait + set->live : 0;

	if (set && set->all_peers)
		taken += set->bound;
	return !set || (!(set->has_left && !set->left) && percent(taken, set->usable) < 95);
}

/* That it has found some for a moment means nothing while it is on. */
static bool is_old(const struct evidence *e, uint64_t last_ns)
{
	return !judge__is_recent(e, last_ns, PORTS_OVER_NS);
}

/* Which connects failed, and how many were held then. */
static void set_failures(struct port_state *s, const struct evidence *e, const struct evidence_flow *flow)
{
	const struct evidence_set *all = evidence__set_of(e, flow);

	if (flow->no_ports) {
		s->has_some = has_some(s->set) && has_some(port_state__bound_of(e, flow->key.netns));
		s->is_over = s->has_some && is_old(e, flow->no_ports_ns);
		s->fails = !s->is_over;
	}
	s->worst = all ? all->held.most : 0;
	if (s->usable && s->worst > s->usable) /* some were taken over, or ended before their time */
		s->worst = s->usable;
	if (s->set && s->worst < (uint64_t)s->set->time_wait + s->set->live)
		s->worst = (uint64_t)s->set->time_wait + s->set->live;
}

/* What was held before, and is not any more, matters if connects failed for it a moment ago. */
static uint64_t held_by_events(const struct evidence *e, const struct evidence_flow *flow,
			       const struct port_state *s)
{
	if (e->is_past || (s->fails && s->has_some))
		return s->worst;
	/* the kernel's table knows better: some were taken over, or ended before their time */
	if (s->fails || (e->has_ports && evidence__netns(e, flow->key.netns)))
		return 0;
	return evidence__held_at_end(e, flow);
}

struct port_state port_state__of(const struct evidence *e, const struct evidence_flow *flow)
{
	const struct evidence_netns *ns = evidence__netns(e, flow->key.netns);
	struct port_state s = { .set = evidence__ports_of(e, flow) };
	uint64_t held;

	s.usable = s.set && s.set->usable ? s.set->usable : ns ? ns->limits.usable_ports : 0;
	set_failures(&s, e, flow);
	s.time_waits = s.set ? s.set->time_wait : 0;
	s.held = s.set ? (uint64_t)s.set->time_wait + s.set->live : 0;
	held = held_by_events(e, flow, &s);
	if (held > s.time_waits)
		s.time_waits = held;
	if (s.time_waits > s.held)
		s.held = s.time_waits;
	s.reuse_is_set = may_reuse(ns, flow);
	s.reuses = s.reuse_is_set && ns->limits.timestamps != 0;
	/* where half of them are in TIME_WAIT, connect() would meet some all the time */
	if (e->all && !flow->reused_by_connect && percent(s.time_waits, s.usable) > 50)
		s.reuses = false;
	if (s.fails)
		s.reuses = false;
	return s;
}

bool port_state__fills(const struct evidence *e, const struct evidence_flow *flow,
		  const struct port_state *s)
{
	uint64_t tenths = evidence__recent_tenths_per_s(e, flow);

	return s->usable && !s->reuses &&
	       (tenths * 60 > 8ULL * s->usable || percent(s->held, s->usable) >= 80);
}

void port_state__add_facts(const struct evidence *e, struct finding *f,
			   const struct evidence_flow *flow, const struct port_state *s)
{
	if (flow->no_ports)
		finding__fact(f, "connects_failed", flow->no_ports);
	if (s->is_over)
		judge__age_fact(f, e, "seconds_since_last_failure", flow->no_ports_ns);
	if (flow->time_waits)
		finding__fact_tenths(f, "closes_per_second",
				     evidence__tenths_per_s(e, flow->time_waits));
	if (s->is_over)
		finding__fact(f, "ports_held_at_most", s->worst);
	finding__fact(f, "ports_held", s->held);
	if (s->usable)
		finding__fact(f, "ports_usable", s->usable);
	if (s->set && s->set->has_left && s->held == (uint64_t)s->set->time_wait + s->set->live)
		finding__fact(f, "ports_left", s->set->left);
}

const char *port_state__taker(const struct evidence *e, const struct evidence_flow *flow,
			      const struct port_state *s, const char **label)
{
	const struct evidence_set *all = evidence__set_of(e, flow);

	*label = NULL;
	/* who holds some now need not be who held them all then */
	if (s->set && s->set->owners[0].count && (e->is_past || !s->has_some || !all || !all->taker))
		return s->set->owners[0].comm;
	if (!all || !all->taker)
		return NULL;
	*label = all->taker->label;
	return all->taker->key.comm;
}

uint64_t port_state__held(const struct port_state *s)
{
	return percent(s->held, s->usable);
}

bool port_state__is_reserved(const struct evidence_netns *ns)
{
	return ns->limits.usable_ports < MANY_PORTS && ns->limits.last_port >= ns->limits.first_port &&
	       ns->limits.last_port - ns->limits.first_port >= MANY_PORTS;
}

void port_state__add_steps(const struct evidence *e, struct finding *f, uint32_t netns)
{
	const struct evidence_netns *ns = evidence__netns(e, netns);

	if (ns && ns->limits.usable_ports && port_state__is_reserved(ns))
		finding__step(f, "more ports meanwhile: fewer in net.ipv4.ip_local_reserved_ports, which "
				 "leaves %u of %u to %u", ns->limits.usable_ports, ns->limits.first_port,
			      ns->limits.last_port);
	else if (ns && ns->limits.usable_ports && ns->limits.usable_ports < MANY_PORTS)
		judge__sysctl(f, ns, "more ports meanwhile", "net.ipv4.ip_local_port_range='32768 60999'",
			      " (now %u %u), if no listener has a port in it", ns->limits.first_port,
			      ns->limits.last_port);
	else
		finding__step(f, "more addresses meanwhile: each further address of this host, or of the "
				 "server, brings as many ports again");
	if (ns && ns->limits.tw_reuse != 1 && ns->limits.timestamps != 0)
		judge__sysctl(f, ns, "or", "net.ipv4.tcp_tw_reuse=1",
			      ", if both ends have timestamps: connect() then takes ports over from "
			      "TIME_WAITs older than a second");
}

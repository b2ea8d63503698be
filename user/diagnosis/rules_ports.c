// SPDX-License-Identifier: GPL-2.0
/*
 * Rules about local ports: 1, 2, 3, 8, 9, 10 of the patterns.
 */
#include <stdio.h>
#include <string.h>

#include "diagnosis/judge.h"
#include "diagnosis/port_state.h"
#include "diagnosis/remedies.h"

static const char no_sysctl[] =
	"net.ipv4.tcp_fin_timeout: it does not shorten TIME_WAIT, which is 60 s, a constant of the kernel";

static bool has_none_left(const struct port_state *s)
{
	return s->set && s->set->has_left && !s->set->left;
}

/* By the set's own, or together with what is bound for every destination; where most is, see 8. */
static bool was_out_of_ports(const struct judge *j, const struct evidence_flow *flow,
			     const struct port_state *s)
{
	return s->usable && (percent(s->worst, s->usable) >= 95 ||
			     (has_none_left(s) && !port_state__bound_of(j->e, flow->key.netns)));
}

/* Until when, and that it is over; or that it may be so for this moment only. */
static const char *until(char to[80], const struct judge *j, const struct evidence_flow *flow,
			 const struct port_state *s)
{
	char ago[FINDING_SPAN];

	to[0] = '\0';
	if (s->is_over)
		snprintf(to, 80, " until %s ago. It is over: there are some again",
			 judge__ago(ago, j->e, flow->no_ports_ns));
	else if (s->has_some && !j->e->is_past)
		snprintf(to, 80, ". By now there are some again");
	return to;
}

static void say_exhausted(struct judge *j, const struct evidence_flow *flow, const struct port_state *s)
{
	char name[FINDING_NAME], end[FINDING_END], who[FINDING_NAME], when[80], whose[FINDING_NAME + 80] = "";
	const char *label, *taker = port_state__taker(j->e, flow, s, &label);
	bool is_now = !s->has_some || j->e->is_past;
	struct finding *f;

	f = judge__add(j, "ports-exhausted", s->is_over ? SEVERITY_WARNING : SEVERITY_CRITICAL,
		       CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->no_ports;
	if (taker && taker[0] && strncmp(taker, flow->key.comm, sizeof(flow->key.comm)))
		snprintf(whose, sizeof(whose), " Most of them %s taken by %s: what is to be done is its matter.",
			 is_now ? "are" : "were", finding__name(who, taker, label));
	finding__say(f, "%s %s out of local ports towards %s: connect() %s with \"Cannot assign requested "
		     "address\"%s.%s", finding__name(name, flow->key.comm, flow->label), is_now ? "is" : "was",
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     is_now ? "fails" : "failed", until(when, j, flow, s), whose);
	port_state__add_facts(j->e, f, flow, s);
	if (s->set && s->set->bound)
		finding__fact(f, "ports_bound", s->set->bound);
	if (taker)
		finding__fact_text(f, "taken_by", finding__name(who, taker, label));
	remedies__reuse(f, taker && taker[0] ? taker : flow->key.comm);
	port_state__add_steps(j->e, f, flow->key.netns);
	finding__avoid(f, no_sysctl);
}

/* Whose ports they were is not to be seen any more, or it was no matter of how many. */
static void say_unexplained(struct judge *j, const struct evidence_flow *flow, const struct port_state *s)
{
	char name[FINDING_NAME], end[FINDING_END], when[80];
	struct finding *f;

	f = judge__add(j, "connect-found-no-port", SEVERITY_WARNING, CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->no_ports;
	finding__say(f, "connect() of %s towards %s failed with \"Cannot assign requested address\"%s. What "
		     "held the ports was not seen.", finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     until(when, j, flow, s));
	port_state__add_facts(j->e, f, flow, s);
	finding__step(f, "look while it happens: twsnoop list --ports says what is left, and who has the "
			 "others");
	finding__step(f, "does it choose its port with bind()? One that its last connection has left in "
			 "TIME_WAIT is taken for 60 s: leave the choice to connect()");
	finding__avoid(f, no_sysctl);
}

/* 1 */
void rule__ports_exhausted(struct judge *j, const struct evidence_flow *flow)
{
	struct port_state s = port_state__of(j->e, flow);

	if (is_server(flow) || !flow->no_ports)
		return;
	if (was_out_of_ports(j, flow, &s))
		say_exhausted(j, flow, &s);
	else if (!port_state__bound_of(j->e, flow->key.netns)) /* for these see 8 */
		say_unexplained(j, flow, &s);
}

/* 8 */
void rule__bind_before_connect(struct judge *j, const struct evidence_flow *flow)
{
	char name[FINDING_NAME], end[FINDING_END], who[FINDING_NAME], when[80];
	struct port_state s = port_state__of(j->e, flow);
	const struct evidence_ports *bound;
	struct finding *f;

	bound = flow->no_ports ? port_state__bound_of(j->e, flow->key.netns) : NULL;
	if (is_server(flow) || !bound || percent(s.worst, s.usable) >= 95)
		return;
	f = judge__add(j, "bind-before-connect", s.is_over ? SEVERITY_WARNING : SEVERITY_CRITICAL,
		       CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->no_ports;
	finding__say(f, "connect() of %s towards %s %s no local port, though few are in use towards it: "
		     "%s has taken %u of %u for every destination, with bind() before connect().%s%s",
		     finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     s.is_over ? "found" : "finds", finding__name(who, bound->owners[0].comm, NULL),
		     bound->bound + bound->live + bound->time_wait, bound->usable,
		     s.is_over ? " It failed" : "", s.is_over ? until(when, j, flow, &s) : "");
	finding__fact(f, "connects_failed", flow->no_ports);
	if (s.is_over)
		judge__age_fact(f, j->e, "seconds_since_last_failure", flow->no_ports_ns);
	finding__fact(f, "ports_bound", (uint64_t)bound->bound + bound->live + bound->time_wait);
	finding__fact(f, "ports_usable", bound->usable);
	finding__step(f, "let it set IP_BIND_ADDRESS_NO_PORT on the socket before bind() with port 0 "
			 "(nginx, haproxy and others do where proxy_bind or source is set)");
	finding__step(f, "or leave bind() out, if the address need not be chosen");
	finding__avoid(f, "looking for the fault where connect() fails: it only meets what another has "
			  "taken");
}

/* 2 */
void rule__ports_filling(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t tenths = evidence__recent_tenths_per_s(j->e, flow), left, seconds;
	struct port_state s = port_state__of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;

	if (!is_client(flow) || flow->time_waits < LITTLE || !port_state__fills(j->e, flow, &s) || s.fails)
		return;
	f = judge__add(j, "ports-filling", SEVERITY_WARNING, CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = tenths;
	left = s.usable > s.held ? s.usable - s.held : 0;
	if (s.set && s.set->has_left && s.set->left < left) /* bind() has taken others */
		left = s.set->left;
	seconds = tenths ? left * 10 / tenths : 0;
	finding__name(name, flow->key.comm, flow->label);
	finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port);
	if (has_none_left(&s))
		finding__say(f, "%s has taken local ports towards %s faster than TIME_WAIT gives them back: "
			     "none is left.", name, end);
	else if (tenths * 60 >= 10ULL * s.usable)
		finding__say(f, "%s takes local ports towards %s faster than TIME_WAIT gives them back: at "
			     "this rate none is left in about %llu s.", name, end,
			     (unsigned long long)seconds);
	else
		finding__say(f, "%s holds %llu%% of the local ports towards %s: a rise of the load by a "
			     "quarter takes the rest.", name,
			     (unsigned long long)percent(tenths * 6 > s.held ? tenths * 6 : s.held,
							 s.usable), end);
	port_state__add_facts(j->e, f, flow, &s);
	remedies__reuse(f, flow->key.comm);
	port_state__add_steps(j->e, f, flow->key.netns);
	finding__avoid(f, no_sysctl);
}

/* 3 */
void rule__ports_half_used(struct judge *j, const struct evidence_flow *flow)
{
	struct port_state s = port_state__of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;

	if (!is_client(flow) || !s.usable || port_state__held(&s) <= 50 || s.reuses ||
	    judge__found(j, "ports-exhausted", flow) || s.fails ||
	    (flow->time_waits >= LITTLE && port_state__fills(j->e, flow, &s))) /* then that is said */
		return;
	f = judge__add(j, "ports-half-used", SEVERITY_NOTICE, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = s.held;
	finding__say(f, "%s uses more than half of the local ports towards %s: connect() works, and becomes "
		     "slower.", finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port));
	port_state__add_facts(j->e, f, flow, &s);
	finding__fact_text(f, "why_slower", "connect() looks at one half of the ports first (even), then at "
			   "the other");
	remedies__reuse(f, flow->key.comm);
	finding__step(f, "a program that chooses its own range: IP_LOCAL_PORT_RANGE (Linux 6.3)");
}

/* 9: beside 1 and 2, not by itself */
void rule__port_range_narrow(struct judge *j, const struct evidence_netns *ns)
{
	const struct finding *graver = NULL;
	struct finding *f;

	for (size_t i = 0; i < j->verdict->num; i++) {
		const struct finding *other = &j->verdict->findings[i];

		if (other->netns == ns->netns && (!strcmp(other->id, "ports-exhausted") ||
						  !strcmp(other->id, "ports-filling")))
			graver = other;
	}
	if (!graver || !ns->limits.usable_ports || ns->limits.usable_ports >= MANY_PORTS)
		return;
	f = judge__add(j, "port-range-narrow", SEVERITY_WARNING, CONFIDENCE_SEEN);
	if (!f)
		return;
	f->netns = ns->netns;
	finding__say(f, "Only %u local ports are there for connect() to choose from: 28,232 are usual.",
		     ns->limits.usable_ports);
	finding__fact(f, "first_port", ns->limits.first_port);
	finding__fact(f, "last_port", ns->limits.last_port);
	finding__fact(f, "ports_usable", ns->limits.usable_ports);
	if (port_state__is_reserved(ns))
		finding__step(f, "the range is wide enough: look at net.ipv4.ip_local_reserved_ports, which "
				 "takes the others away");
	else
		judge__sysctl(f, ns, NULL, "net.ipv4.ip_local_port_range='32768 60999'",
			      ", or wider, away from ports that servers listen on; and see "
			      "net.ipv4.ip_local_reserved_ports");
}

/* 10 */
void rule__timestamps_off(struct judge *j, const struct evidence_flow *flow)
{
	const struct evidence_netns *ns = evidence__netns(j->e, flow->key.netns);
	struct port_state s = port_state__of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;
	bool own_off;

	if (!is_client(flow) || !s.usable || port_state__held(&s) <= 50 || !s.reuse_is_set ||
	    s.reuses || judge__found(j, "timestamps-off", flow))
		return;
	own_off = ns->limits.timestamps == 0;
	/* it works, and connects come too fast for it: a TIME_WAIT must be a second old */
	if (flow->reused_by_connect || (!own_off && percent(s.time_waits, s.usable) <= 50))
		return;
	f = judge__add(j, "timestamps-off", SEVERITY_WARNING, own_off ? CONFIDENCE_SEEN : CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = s.held;
	finding__say(f, "tcp_tw_reuse is on, and does nothing for %s towards %s: %s.",
		     finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     own_off ? "TCP timestamps are off here" :
			       "the other end seems to send no TCP timestamps");
	port_state__add_facts(j->e, f, flow, &s);
	if (own_off)
		judge__sysctl(f, ns, NULL, "net.ipv4.tcp_timestamps=1",
			      " (the default)");
	else
		finding__step(f, "at the other end: sysctl -w net.ipv4.tcp_timestamps=1, in the network "
				 "namespace of the server");
	finding__avoid(f, "tcp_tw_recycle: it broke clients behind NAT, and is gone since Linux 4.12");
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Rules about what servers close: 12, 13, 14, 21, 24 of the patterns.
 */
#include <string.h>

#include "diagnosis/judge.h"
#include "diagnosis/remedies.h"

static bool is_steady(const struct evidence_flow *flow, struct evidence_lifetimes *life)
{
	return evidence__lifetimes(flow, life) && life->median_ns >= 2 * NS_PER_S &&
	       life->p90_ns - life->p10_ns <= life->median_ns / 20 + 100 * NS_PER_MS;
}

/* 13 */
void rule__idle_timeout(struct judge *j, const struct evidence_flow *flow)
{
	char name[FINDING_NAME], span[FINDING_SPAN];
	struct evidence_lifetimes life;
	struct finding *f;

	if (!is_server(flow) || flow->num_lifetimes < 10 || !is_steady(flow, &life))
		return;
	f = judge__add(j, "idle-timeout", SEVERITY_NOTICE,
		flow->num_lifetimes < LITTLE ? CONFIDENCE_LITTLE : CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->time_waits;
	finding__say(f, "%s closes connections at its port %u when they are %s old, nearly all alike: its "
		     "idle timeout. A request that is sent at that moment fails (a 502 at a balancer).",
		     finding__name(name, flow->key.comm, flow->label), flow->key.port,
		     finding__span(span, life.median_ns));
	finding__fact(f, "closes", flow->time_waits);
	finding__fact_text(f, "lifetime_median", span);
	finding__fact_text(f, "lifetime_p10", finding__span(span, life.p10_ns));
	finding__fact_text(f, "lifetime_p90", finding__span(span, life.p90_ns));
	finding__step(f, "make it longer than the idle timeout of the clients, or of the balancer in front "
			 "of it, so that they close first");
	remedies__idle_timeout(f, flow->key.comm);
	finding__avoid(f, "an endless idle timeout: clients that have vanished would stay for ever");
}

/* 14 */
void rule__health_check(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t period_ns = evidence__period_ns(flow);
	char name[FINDING_NAME], span[FINDING_SPAN];
	struct evidence_lifetimes life;
	struct finding *f;

	/* a check is answered, and over: what is kept open until a timeout is another matter */
	if (is_steady(flow, &life))
		return;
	if (!is_server(flow) || flow->many_peers || period_ns < NS_PER_S / 2 ||
	    (flow->tx_bytes + flow->rx_bytes) / flow->time_waits > 4096)
		return;
	f = judge__add(j, "health-check", SEVERITY_OK, CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->time_waits;
	memcpy(f->peer_addr, flow->last_peer, sizeof(f->peer_addr));
	finding__say(f, "Something asks %s at port %u every %s and is answered with few bytes: a health "
		     "check. It does no harm.", finding__name(name, flow->key.comm, flow->label),
		     flow->key.port, finding__span(span, period_ns));
	finding__fact(f, "closes", flow->time_waits);
	finding__fact(f, "bytes_per_connection",
		      (flow->tx_bytes + flow->rx_bytes) / flow->time_waits);
	finding__step(f, "nothing needs to be done; a longer period makes fewer of them");
	finding__avoid(f, "SO_LINGER with 0 seconds in the check");
}

/* 12 */
void rule__server_side_harmless(struct judge *j)
{
	uint64_t server = 0, all = 0, failed = 0;
	const struct evidence_flow *first = NULL;
	char name[FINDING_NAME];
	struct finding *f;

	for (size_t i = 0; i < j->e->num_flows; i++) {
		const struct evidence_flow *flow = j->e->flows[i];

		all += flow->time_waits;
		failed += flow->no_ports;
		server += is_server(flow) ? flow->time_waits : 0;
		first = !first && is_server(flow) && flow->time_waits ? flow : first;
	}
	if (!first || failed || server < LITTLE || server * 2 < all || judge__found(j, "limit-near", NULL) ||
	    judge__found(j, "listener-address-in-use", NULL))
		return;
	f = judge__add(j, "server-side-harmless", SEVERITY_OK, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, first);
	f->weight = server;
	finding__say(f, "%llu of %llu TIME_WAITs are on the servers' side, most by %s at port %u: harmless, "
		     "because no local port is held by them.", (unsigned long long)server,
		     (unsigned long long)all, finding__name(name, first->key.comm, first->label),
		     first->key.port);
	finding__fact(f, "closes_by_servers", server);
	finding__fact(f, "closes", all);
	finding__fact_tenths(f, "closes_per_second", evidence__tenths_per_s(j->e, server));
	finding__step(f, "nothing needs to be done about them: each is gone after 60 s, and takes some 250 "
			 "bytes");
	finding__avoid(f, "any sysctl against TIME_WAIT");
}

/* 24 */
void rule__listener_address_in_use(struct judge *j, const struct evidence_flow *flow)
{
	char name[FINDING_NAME];
	struct finding *f;

	if (!flow->address_in_use)
		return;
	for (size_t i = 0; i < j->e->num_listeners; i++) {
		const struct evidence_listener *l = &j->e->listeners[i];

		if (l->netns != flow->key.netns || l->port != flow->key.port || l->listens ||
		    !l->time_waits)
			continue;
		f = judge__add(j, "listener-address-in-use", SEVERITY_CRITICAL, CONFIDENCE_SEEN);
		if (!f)
			return;
		finding__who(f, flow);
		f->local_port = flow->key.port;
		f->peer_port = 0;
		f->weight = flow->address_in_use;
		finding__say(f, "%s cannot listen on port %u (\"Address already in use\"): nobody listens "
			     "there, but TIME_WAITs of the last minute hold the port.",
			     finding__name(name, flow->key.comm, flow->label), flow->key.port);
		finding__fact(f, "binds_failed", flow->address_in_use);
		finding__fact(f, "time_waits_at_port", l->time_waits);
		finding__step(f, "set SO_REUSEADDR on the socket before bind(), as nearly all servers do");
		finding__step(f, "until then: wait; the port is free 60 s after the last close");
		finding__avoid(f, "SO_REUSEPORT in its place: it lets any process of the user share the "
				  "port");
	}
}

/* 21 */
void rule__nat_reuse(struct judge *j)
{
	uint64_t reused = 0, all = 0;
	struct finding *f;

	for (size_t i = 0; i < j->e->num_flows; i++) {
		const struct evidence_flow *flow = j->e->flows[i];

		/* on loopback there is no NAT: it is the one client that has its port back at once */
		if (!is_server(flow) || evidence__is_loopback(flow))
			continue;
		reused += flow->reused_by_syn;
		all += flow->time_waits;
	}
	if (reused < 20 || reused * 20 < all)
		return;
	f = judge__add(j, "nat-reuse", SEVERITY_NOTICE, CONFIDENCE_INFERRED);
	if (!f)
		return;
	f->weight = reused;
	finding__say(f, "Clients come back with the same address and port while the last connection is in "
		     "TIME_WAIT: a NAT or balancer in front uses its ports again fast.");
	finding__fact(f, "reused_by_syn", reused);
	finding__fact(f, "closes_by_servers", all);
	finding__step(f, "keep net.ipv4.tcp_timestamps=1 here and at the clients: then a new connection is "
			 "told from an old one at once");
	finding__step(f, "more addresses for the NAT, or connections that are kept");
	finding__avoid(f, "a shorter TIME_WAIT by dropping it: late segments would get into new connections");
}

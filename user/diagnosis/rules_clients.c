// SPDX-License-Identifier: GPL-2.0
/*
 * Rules about why connections are short: 4, 5, 6, 7, 11 of the patterns.
 */
#include <string.h>

#include "diagnosis/judge.h"
#include "diagnosis/port_state.h"
#include "diagnosis/remedies.h"

#define MANY_BYTES 32768 /* on a connection */

/* 4, 5, 6, 7 */
void rule__short_connections(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t kept = evidence__kept(j->e, flow);
	struct port_state s = port_state__of(j->e, flow);
	bool proxy = remedies__is_proxy(flow->key.comm) && !kept;
	char name[FINDING_NAME], end[FINDING_END], span[FINDING_SPAN];
	bool harmful = port_state__fills(j->e, flow, &s) || s.fails;
	uint64_t num = flow->time_waits + (judge__resets_idle(flow) ? flow->aborts : 0);
	struct evidence_lifetimes life;
	struct finding *f;

	if (!is_client(flow) || num < EVIDENCE_FLOW_FEW || num * 5 < flow->passive ||
	    !evidence__lifetimes(flow, &life) || life.median_ns >= NS_PER_S)
		return;
	if (evidence__is_loopback(flow) && !harmful)
		return; /* see loopback_pair() */
	if (kept && (flow->tx_bytes + flow->rx_bytes) / num > MANY_BYTES)
		return; /* each served many requests: a bound of its pool was reached */
	if (evidence__tenths_per_s(j->e, num) < 10) /* one a second */
		return;
	/* which of them is worse is told by 1 and 2: this is why */
	f = judge__add(j, proxy ? "proxy-without-keepalive" : kept ? "pool-too-small" : "client-without-pool",
		harmful ? SEVERITY_WARNING : SEVERITY_NOTICE,
		num < LITTLE ? CONFIDENCE_LITTLE : CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = num;
	finding__name(name, flow->key.comm, flow->label);
	finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port);
	finding__span(span, life.median_ns);
	if (proxy)
		finding__say(f, "%s opens a connection to its upstream %s for each request, and closes it "
			     "after %s: it does not keep them.", name, end, span);
	else if (kept)
		finding__say(f, "%s keeps %llu connections to %s, and opens others beside them that live for "
			     "%s: its pool is too small.", name, (unsigned long long)kept, end, span);
	else
		finding__say(f, "%s makes a new connection to %s for each request, and closes it after %s.",
			     name, end, span);
	port_state__add_facts(j->e, f, flow, &s);
	finding__fact_text(f, "lifetime_median", span);
	if (kept)
		finding__fact(f, "connections_kept", kept);
	if (!harmful)
		finding__fact_text(f, "harm", "none now: enough local ports are left");
	if (kept && !proxy)
		remedies__pool(f, flow->key.comm);
	else
		remedies__reuse(f, flow->key.comm);
	if (remedies__is_load_generator(flow->key.comm))
		finding__fact_text(f, "note", "this is a load generator: it does what it was told");
	finding__avoid(f, !strcmp(flow->key.comm, "haproxy") ?
		       "'option nolinger': it resets connections, and answers may be lost" : kept ?
		       "a pool without any limit: it only moves the shortage to the server" :
		       "SO_LINGER with 0 seconds: it sends a reset, and what the peer has not read is lost");
}

/* 11 */
void rule__loopback_pair(struct judge *j, const struct evidence_flow *flow)
{
	struct port_state s = port_state__of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;

	if (!is_client(flow) || flow->time_waits < LITTLE || !evidence__is_loopback(flow) ||
	    flow->no_ports || port_state__fills(j->e, flow, &s))
		return;
	f = judge__add(j, "loopback-pair", SEVERITY_OK, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->time_waits;
	finding__say(f, "%s talks to %s on this very host over short connections%s.",
		     finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     s.reuses ? ": harmless, because its ports are taken over from TIME_WAIT after a "
				"second" : ": harmless, because enough local ports are left");
	port_state__add_facts(j->e, f, flow, &s);
	finding__step(f, "cheaper still: a Unix socket between the two, or connections that are kept");
}

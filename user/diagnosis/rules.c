// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "diagnosis/remedies.h"

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
#define LITTLE 100 /* closes: fewer are too little to judge by */
#define MANY_PORTS 20000
#define MANY_BYTES 32768 /* on a connection */

/* What the rules go through, and what they have found so far. */
struct judge {
	const struct evidence *e;
	struct rules_verdict *verdict;
};

static const char no_sysctl[] =
	"net.ipv4.tcp_fin_timeout: it does not shorten TIME_WAIT, which is 60 s, a constant of the kernel";

/* Room for one more, or that of the least of its kind, if this one is graver; or NULL. */
static struct finding *place_of(struct rules_verdict *v, const char *id, enum severity severity)
{
	struct finding *last = NULL, *least = NULL;
	size_t same = 0, more;

	for (size_t i = 0; i < v->num; i++) {
		struct finding *f = &v->findings[i];

		if (strcmp(f->id, id))
			continue;
		last = f;
		least = least && least->severity < f->severity ? least : f;
		same++;
	}
	if (same < RULES_OF_A_KIND && v->num < RULES_FINDINGS) {
		memset(&v->findings[v->num], 0, sizeof(v->findings[0]));
		return &v->findings[v->num++];
	}
	if (!last)
		return NULL;
	last->more++;
	if (least->severity >= severity)
		return NULL;
	more = least->more;
	memset(least, 0, sizeof(*least));
	least->more = more;
	return least;
}

/* Of each kind the gravest, of these the first, which are the largest; and how many more there
 * are. */
static struct finding *add(struct judge *j, const char *id, enum severity severity,
			   enum confidence confidence)
{
	struct finding *f = place_of(j->verdict, id, severity);

	if (!f)
		return NULL;
	f->id = id;
	f->severity = severity;
	f->confidence = confidence;
	/* what is missing may have been the other way round */
	if (j->e->lost * 20 > j->e->events && confidence == CONFIDENCE_SEEN)
		f->confidence = CONFIDENCE_INFERRED;
	return f;
}

static const struct finding *found(const struct judge *j, const char *id,
				   const struct evidence_flow *flow)
{
	for (size_t i = 0; i < j->verdict->num; i++) {
		const struct finding *f = &j->verdict->findings[i];

		if (!strcmp(f->id, id) &&
		    (!flow || (f->netns == flow->key.netns && f->peer_port == flow->key.port &&
			       !memcmp(f->peer_addr, flow->key.peer_addr, sizeof(f->peer_addr)))))
			return f;
	}
	return NULL;
}

static bool is_client(const struct evidence_flow *flow)
{
	return flow->key.side == TWS_SIDE_CLIENT;
}

static bool is_server(const struct evidence_flow *flow)
{
	return flow->key.side == TWS_SIDE_SERVER;
}

/* ---- ports ---- */

/* What a client's ports look like towards one remote end. */
struct ports_state {
	const struct evidence_ports *set; /* NULL: not read */
	uint32_t usable;	/* 0: not known */
	uint64_t held;		/* now, or at the worst moment that was seen */
	uint64_t time_waits;	/* of these */
	bool reuses;		/* TIME_WAITs are taken over: they do not matter */
	bool reuse_is_set;	/* but perhaps it does not work */
};

static bool may_reuse(const struct evidence_netns *ns, const struct evidence_flow *flow)
{
	return ns && (ns->tw_reuse == 1 || (ns->tw_reuse == 2 && evidence__is_loopback(flow)));
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

static struct ports_state ports_of(const struct evidence *e, const struct evidence_flow *flow)
{
	const struct evidence_netns *ns = evidence__netns(e, flow->key.netns);
	struct ports_state s = { .set = evidence__ports_of(e, flow) };

	s.usable = s.set && s.set->usable ? s.set->usable : ns ? ns->usable_ports : 0;
	s.held = s.set ? (uint64_t)s.set->time_wait + s.set->live : 0;
	s.time_waits = s.set ? s.set->time_wait : 0;
	if (flow->most_held > s.time_waits)
		s.time_waits = flow->most_held;
	if (s.time_waits > s.held)
		s.held = s.time_waits;
	s.reuse_is_set = may_reuse(ns, flow);
	s.reuses = s.reuse_is_set && ns->timestamps != 0;
	/* where half of them are in TIME_WAIT, connect() would meet some all the time */
	if (e->all && !flow->reused_by_connect && percent(s.time_waits, s.usable) > 50)
		s.reuses = false;
	if (flow->no_ports)
		s.reuses = false;
	return s;
}

/* A client's closes would fill the ports within the minute that TIME_WAIT lasts. */
static bool fills(const struct evidence *e, const struct evidence_flow *flow,
		  const struct ports_state *s)
{
	uint64_t tenths = evidence__recent_tenths_per_s(e, flow);

	return s->usable && !s->reuses &&
	       (tenths * 60 > 8ULL * s->usable || percent(s->held, s->usable) >= 80);
}

static void add_port_facts(const struct evidence *e, struct finding *f,
			   const struct evidence_flow *flow, const struct ports_state *s)
{
	if (flow->no_ports)
		finding__fact(f, "connects_failed", flow->no_ports);
	if (flow->time_waits)
		finding__fact_tenths(f, "closes_per_second",
				     evidence__tenths_per_s(e, flow->time_waits));
	finding__fact(f, "ports_held", s->held);
	if (s->usable)
		finding__fact(f, "ports_usable", s->usable);
	if (s->set && s->set->has_left && s->held == (uint64_t)s->set->time_wait + s->set->live)
		finding__fact(f, "ports_left", s->set->left);
}

/* Few ports, though the range is wide: the others are reserved. */
static bool is_reserved(const struct evidence_netns *ns)
{
	return ns->usable_ports < MANY_PORTS && ns->last_port >= ns->first_port &&
	       ns->last_port - ns->first_port >= MANY_PORTS;
}

static void add_more_ports(const struct evidence *e, struct finding *f, uint32_t netns)
{
	const struct evidence_netns *ns = evidence__netns(e, netns);

	if (ns && ns->usable_ports && is_reserved(ns))
		finding__step(f, "more ports meanwhile: fewer in net.ipv4.ip_local_reserved_ports, which "
				 "leaves %u of %u to %u", ns->usable_ports, ns->first_port,
			      ns->last_port);
	else if (ns && ns->usable_ports && ns->usable_ports < MANY_PORTS)
		finding__step(f, "more ports meanwhile: sysctl -w net.ipv4.ip_local_port_range='10240 "
				 "60999' (now %u %u), if no listener has a port in it", ns->first_port,
			      ns->last_port);
	else
		finding__step(f, "more addresses meanwhile: each further address of this host, or of the "
				 "server, brings as many ports again");
	if (ns && ns->tw_reuse != 1 && ns->timestamps != 0)
		finding__step(f, "or sysctl -w net.ipv4.tcp_tw_reuse=1, if both ends have timestamps: "
				 "connect() then takes ports over from TIME_WAITs older than a second");
}

/* Who holds most of a set's ports, if it was not the one that failed. */
static const char *taker(const struct evidence_ports *set, char name[FINDING_NAME])
{
	return set && set->owners[0].count ? finding__name(name, set->owners[0].comm, NULL) : NULL;
}

static const struct evidence_ports *bound_of(const struct evidence *e, uint32_t netns)
{
	for (size_t i = 0; i < e->num_ports; i++) {
		const struct evidence_ports *p = &e->ports[i];

		if (p->all_peers && p->netns == netns && p->usable &&
		    (uint64_t)p->bound + p->live + p->time_wait >= p->usable / 2)
			return p;
	}
	return NULL;
}

/* 1 */
static void ports_exhausted(struct judge *j, const struct evidence_flow *flow)
{
	struct ports_state s = ports_of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END], who[FINDING_NAME];
	const char *holder;
	struct finding *f;

	if (is_server(flow) || !flow->no_ports || !s.usable || percent(s.held, s.usable) < 95)
		return;
	f = add(j, "ports-exhausted", SEVERITY_CRITICAL, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->no_ports;
	holder = taker(s.set, who);
	finding__say(f, "%s is out of local ports towards %s: connect() fails with \"Cannot assign "
		     "requested address\".",
		     finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port));
	add_port_facts(j->e, f, flow, &s);
	if (holder)
		finding__fact_text(f, "taken_by", holder);
	remedies__reuse(f, s.set && s.set->owners[0].count ? s.set->owners[0].comm : flow->key.comm);
	add_more_ports(j->e, f, flow->key.netns);
	finding__avoid(f, no_sysctl);
}

/* 8 */
static void bind_before_connect(struct judge *j, const struct evidence_flow *flow)
{
	char name[FINDING_NAME], end[FINDING_END], who[FINDING_NAME];
	struct ports_state s = ports_of(j->e, flow);
	const struct evidence_ports *bound;
	struct finding *f;

	bound = flow->no_ports ? bound_of(j->e, flow->key.netns) : NULL;
	if (is_server(flow) || !bound || percent(s.held, s.usable) >= 95)
		return;
	f = add(j, "bind-before-connect", SEVERITY_CRITICAL, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->no_ports;
	finding__say(f, "connect() of %s towards %s finds no local port, though few are in use towards it: "
		     "%s has taken %u of %u for every destination, with bind() before connect().",
		     finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     finding__name(who, bound->owners[0].comm, NULL),
		     bound->bound + bound->live + bound->time_wait, bound->usable);
	finding__fact(f, "connects_failed", flow->no_ports);
	finding__fact(f, "ports_bound", (uint64_t)bound->bound + bound->live + bound->time_wait);
	finding__fact(f, "ports_usable", bound->usable);
	finding__step(f, "let it set IP_BIND_ADDRESS_NO_PORT on the socket before bind() with port 0 "
			 "(nginx, haproxy and others do where proxy_bind or source is set)");
	finding__step(f, "or leave bind() out, if the address need not be chosen");
	finding__avoid(f, "looking for the fault where connect() fails: it only meets what another has "
			  "taken");
}

/* 2 */
static void ports_filling(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t tenths = evidence__recent_tenths_per_s(j->e, flow), left, seconds;
	struct ports_state s = ports_of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;

	if (!is_client(flow) || flow->time_waits < LITTLE || !fills(j->e, flow, &s) ||
	    flow->no_ports)
		return;
	f = add(j, "ports-filling", SEVERITY_WARNING, CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = tenths;
	left = s.usable > s.held ? s.usable - s.held : 0;
	seconds = tenths ? left * 10 / tenths : 0;
	finding__name(name, flow->key.comm, flow->label);
	finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port);
	if (tenths * 60 >= 10ULL * s.usable)
		finding__say(f, "%s takes local ports towards %s faster than TIME_WAIT gives them back: at "
			     "this rate none is left in about %llu s.", name, end,
			     (unsigned long long)seconds);
	else
		finding__say(f, "%s holds %llu%% of the local ports towards %s: a rise of the load by a "
			     "quarter takes the rest.", name,
			     (unsigned long long)percent(tenths * 6 > s.held ? tenths * 6 : s.held,
							 s.usable), end);
	add_port_facts(j->e, f, flow, &s);
	remedies__reuse(f, flow->key.comm);
	add_more_ports(j->e, f, flow->key.netns);
	finding__avoid(f, no_sysctl);
}

/* 3 */
static void ports_half_used(struct judge *j, const struct evidence_flow *flow)
{
	struct ports_state s = ports_of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;

	if (!is_client(flow) || !s.usable || percent(s.held, s.usable) <= 50 || s.reuses ||
	    found(j, "ports-exhausted", flow) || flow->no_ports ||
	    (flow->time_waits >= LITTLE && fills(j->e, flow, &s))) /* then that is said */
		return;
	f = add(j, "ports-half-used", SEVERITY_NOTICE, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = s.held;
	finding__say(f, "%s uses more than half of the local ports towards %s: connect() works, and becomes "
		     "slower.", finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port));
	add_port_facts(j->e, f, flow, &s);
	finding__fact_text(f, "why_slower", "connect() looks at one half of the ports first (even), then at "
			   "the other");
	remedies__reuse(f, flow->key.comm);
	finding__step(f, "a program that chooses its own range: IP_LOCAL_PORT_RANGE (Linux 6.3)");
}

/* 9: beside 1 and 2, not by itself */
static void port_range_narrow(struct judge *j, const struct evidence_netns *ns)
{
	const struct finding *graver = NULL;
	struct finding *f;

	for (size_t i = 0; i < j->verdict->num; i++) {
		const struct finding *other = &j->verdict->findings[i];

		if (other->netns == ns->netns && (!strcmp(other->id, "ports-exhausted") ||
						  !strcmp(other->id, "ports-filling")))
			graver = other;
	}
	if (!graver || !ns->usable_ports || ns->usable_ports >= MANY_PORTS)
		return;
	f = add(j, "port-range-narrow", SEVERITY_WARNING, CONFIDENCE_SEEN);
	if (!f)
		return;
	f->netns = ns->netns;
	finding__say(f, "Only %u local ports are there for connect() to choose from: 28,232 are usual.",
		     ns->usable_ports);
	finding__fact(f, "first_port", ns->first_port);
	finding__fact(f, "last_port", ns->last_port);
	finding__fact(f, "ports_usable", ns->usable_ports);
	if (is_reserved(ns))
		finding__step(f, "the range is wide enough: look at net.ipv4.ip_local_reserved_ports, which "
				 "takes the others away");
	else
		finding__step(f, "sysctl -w net.ipv4.ip_local_port_range='32768 60999', or wider, away from "
				 "ports that servers listen on; and see "
				 "net.ipv4.ip_local_reserved_ports");
}

/* 10 */
static void timestamps_off(struct judge *j, const struct evidence_flow *flow)
{
	const struct evidence_netns *ns = evidence__netns(j->e, flow->key.netns);
	struct ports_state s = ports_of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;
	bool own_off;

	if (!is_client(flow) || !s.usable || percent(s.held, s.usable) <= 50 || !s.reuse_is_set ||
	    s.reuses || found(j, "timestamps-off", flow))
		return;
	own_off = ns->timestamps == 0;
	/* it works, and connects come too fast for it: a TIME_WAIT must be a second old */
	if (flow->reused_by_connect || (!own_off && percent(s.time_waits, s.usable) <= 50))
		return;
	f = add(j, "timestamps-off", SEVERITY_WARNING, own_off ? CONFIDENCE_SEEN : CONFIDENCE_INFERRED);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = s.held;
	finding__say(f, "tcp_tw_reuse is on, and does nothing for %s towards %s: %s.",
		     finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     own_off ? "TCP timestamps are off here" :
			       "the other end seems to send no TCP timestamps");
	add_port_facts(j->e, f, flow, &s);
	finding__step(f, own_off ? "sysctl -w net.ipv4.tcp_timestamps=1" :
				   "at the other end: sysctl -w net.ipv4.tcp_timestamps=1");
	finding__avoid(f, "tcp_tw_recycle: it broke clients behind NAT, and is gone since Linux 4.12");
}

/* ---- why connections are short ---- */

/* haproxy ends connections to servers that it does not keep with a reset, once the answer is
 * there: no TIME_WAIT, and nothing is lost. */
static bool resets_idle(const struct evidence_flow *flow)
{
	return is_client(flow) && !strcmp(flow->key.comm, "haproxy");
}

/* 4, 5, 6, 7 */
static void short_connections(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t kept = evidence__kept(j->e, flow);
	struct ports_state s = ports_of(j->e, flow);
	bool proxy = remedies__is_proxy(flow->key.comm) && !kept;
	char name[FINDING_NAME], end[FINDING_END], span[FINDING_SPAN];
	bool harmful = fills(j->e, flow, &s) || flow->no_ports;
	uint64_t num = flow->time_waits + (resets_idle(flow) ? flow->aborts : 0);
	struct evidence_lifetimes life;
	struct finding *f;

	if (!is_client(flow) || num < 20 || num * 5 < flow->passive ||
	    !evidence__lifetimes(flow, &life) || life.median_ns >= NS_PER_S)
		return;
	if (evidence__is_loopback(flow) && !harmful)
		return; /* see loopback_pair() */
	if (kept && (flow->tx_bytes + flow->rx_bytes) / num > MANY_BYTES)
		return; /* each served many requests: a bound of its pool was reached */
	if (evidence__tenths_per_s(j->e, num) < 10) /* one a second */
		return;
	/* which of them is worse is told by 1 and 2: this is why */
	f = add(j, proxy ? "proxy-without-keepalive" : kept ? "pool-too-small" : "client-without-pool",
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
	add_port_facts(j->e, f, flow, &s);
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
static void loopback_pair(struct judge *j, const struct evidence_flow *flow)
{
	const struct evidence_netns *ns = evidence__netns(j->e, flow->key.netns);
	struct ports_state s = ports_of(j->e, flow);
	char name[FINDING_NAME], end[FINDING_END];
	struct finding *f;

	if (!is_client(flow) || flow->time_waits < LITTLE || !evidence__is_loopback(flow) ||
	    flow->no_ports || fills(j->e, flow, &s))
		return;
	f = add(j, "loopback-pair", SEVERITY_OK, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->time_waits;
	finding__say(f, "%s talks to %s on this very host over short connections%s.",
		     finding__name(name, flow->key.comm, flow->label),
		     finding__end(end, flow->key.family, flow->key.peer_addr, flow->key.port),
		     ns && ns->tw_reuse >= 1 ? ": harmless, because on loopback ports are taken over from "
					       "TIME_WAIT after a second" : "");
	add_port_facts(j->e, f, flow, &s);
	finding__step(f, "cheaper still: a Unix socket between the two, or connections that are kept");
}

/* ---- servers ---- */

static bool is_steady(const struct evidence_flow *flow, struct evidence_lifetimes *life)
{
	return evidence__lifetimes(flow, life) && life->median_ns >= 2 * NS_PER_S &&
	       life->p90_ns - life->p10_ns <= life->median_ns / 20 + 100 * NS_PER_MS;
}

/* 13 */
static void idle_timeout(struct judge *j, const struct evidence_flow *flow)
{
	char name[FINDING_NAME], span[FINDING_SPAN];
	struct evidence_lifetimes life;
	struct finding *f;

	if (!is_server(flow) || flow->num_lifetimes < 10 || !is_steady(flow, &life))
		return;
	f = add(j, "idle-timeout", SEVERITY_NOTICE,
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
static void health_check(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t period_ns = evidence__period_ns(flow);
	char name[FINDING_NAME], span[FINDING_SPAN];
	struct finding *f;

	if (!is_server(flow) || flow->many_peers || period_ns < NS_PER_S / 2 ||
	    (flow->tx_bytes + flow->rx_bytes) / flow->time_waits > 4096)
		return;
	f = add(j, "health-check", SEVERITY_OK, CONFIDENCE_INFERRED);
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
static void server_side_harmless(struct judge *j)
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
	if (!first || failed || server < LITTLE || server * 2 < all || found(j, "limit-near", NULL) ||
	    found(j, "listener-address-in-use", NULL))
		return;
	f = add(j, "server-side-harmless", SEVERITY_OK, CONFIDENCE_SEEN);
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
static void listener_address_in_use(struct judge *j, const struct evidence_flow *flow)
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
		f = add(j, "listener-address-in-use", SEVERITY_CRITICAL, CONFIDENCE_SEEN);
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

/* ---- the host ---- */

/* 15 */
static void limit_near(struct judge *j, const struct evidence_netns *ns)
{
	uint64_t minis = ns->time_wait + ns->fin_wait2_minis, overflows = 0;
	struct finding *f;

	for (size_t i = 0; i < j->e->num_flows; i++)
		if (j->e->flows[i]->key.netns == ns->netns)
			overflows += j->e->flows[i]->overflows;
	if (!ns->max_tw_buckets || (!overflows && minis * 10 < ns->max_tw_buckets * 9))
		return;
	f = add(j, "limit-near", overflows ? SEVERITY_CRITICAL : SEVERITY_WARNING, CONFIDENCE_SEEN);
	if (!f)
		return;
	f->netns = ns->netns;
	f->weight = overflows;
	if (overflows)
		finding__say(f, "The table of TIME_WAITs is full: %llu connections ended without one, and "
			     "without its protection against late segments.",
			     (unsigned long long)overflows);
	else
		finding__say(f, "%llu%% of tcp_max_tw_buckets are used: beyond it connections end without "
			     "TIME_WAIT, and without its protection.",
			     (unsigned long long)percent(minis, ns->max_tw_buckets));
	finding__fact(f, "time_waits", ns->time_wait);
	finding__fact(f, "fin_wait2_minis", ns->fin_wait2_minis);
	finding__fact(f, "tcp_max_tw_buckets", ns->max_tw_buckets);
	if (overflows)
		finding__fact(f, "overflows", overflows);
	finding__step(f, "sysctl -w net.ipv4.tcp_max_tw_buckets=%llu (each takes some 250 bytes)",
		      (unsigned long long)(ns->max_tw_buckets * 2));
	finding__step(f, "and fewer short connections: see the other findings");
	finding__avoid(f, "a lower limit, to have fewer TIME_WAITs: it only throws protection away");
}

/* 16 */
static void peer_does_not_close(struct judge *j, const struct evidence_netns *ns)
{
	const struct evidence_flow *most = NULL;
	char name[FINDING_NAME];
	struct finding *f;

	if (ns->fin_wait2_minis < 50 || ns->fin_wait2_minis <= ns->time_wait)
		return;
	for (size_t i = 0; i < j->e->num_flows; i++) {
		const struct evidence_flow *flow = j->e->flows[i];

		if (flow->key.netns == ns->netns && flow->fin_wait2s &&
		    (!most || flow->fin_wait2s > most->fin_wait2s))
			most = flow;
	}
	f = add(j, "peer-does-not-close", SEVERITY_WARNING,
		most ? CONFIDENCE_SEEN : CONFIDENCE_INFERRED);
	if (!f)
		return;
	if (most)
		finding__who(f, most);
	f->netns = ns->netns;
	f->weight = ns->fin_wait2_minis;
	finding__say(f, "%llu connections that were closed here wait for the peer to close, too (FIN_WAIT2)"
		     "%s%s: it does not, and they count against tcp_max_tw_buckets.",
		     (unsigned long long)ns->fin_wait2_minis, most ? ", most of " : "",
		     most ? finding__name(name, most->key.comm, most->label) : "");
	finding__fact(f, "fin_wait2_minis", ns->fin_wait2_minis);
	finding__fact(f, "time_waits", ns->time_wait);
	finding__step(f, "mend the peer: it has read the end of the stream and must close() its socket (there "
			 "it shows as CLOSE_WAIT)");
	finding__step(f, "net.ipv4.tcp_fin_timeout (60 s) bounds how long they wait: that is what it is for");
	finding__avoid(f, "looking for the fault in TIME_WAIT");
}

/* 17 */
static void close_wait_leak(struct judge *j, const struct evidence_leak *leak)
{
	/* where some are closed meanwhile it is no leak, but a peer that has closed its half alone */
	bool grows = leak->now > leak->before && leak->stayed * 10 >= leak->before * 9;
	char name[FINDING_NAME];
	struct finding *f;

	if (leak->stayed < 10 || (leak->stayed < 100 && !grows))
		return;
	f = add(j, "close-wait-leak", grows ? SEVERITY_CRITICAL : SEVERITY_WARNING,
		grows ? CONFIDENCE_SEEN : CONFIDENCE_INFERRED);
	if (!f)
		return;
	memcpy(f->comm, leak->comm, sizeof(f->comm));
	memcpy(f->label, leak->label, sizeof(f->label));
	f->pid = leak->pid;
	f->netns = leak->netns;
	f->weight = leak->now;
	finding__say(f, "%s (PID %u) holds %llu connections that the peer has closed (CLOSE_WAIT)%s: it never "
		     "calls close(), and will run out of descriptors.",
		     finding__name(name, leak->comm, leak->label), leak->pid,
		     (unsigned long long)leak->now, grows ? ", and they become more" : "");
	finding__fact(f, "close_wait", leak->now);
	finding__fact(f, "close_wait_before", leak->before);
	finding__step(f, "mend the program: close() when read() returns 0, also on the ways out for errors");
	finding__step(f, "until then restart it; which ones: ss -tnp state close-wait | grep 'pid=%u,'",
		      leak->pid);
	finding__avoid(f, "any setting for TIME_WAIT: these sockets have not been closed yet");
}

/* 18 */
static void aborts(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t ends = flow->time_waits + flow->passive + flow->resets + flow->aborts;
	char name[FINDING_NAME];
	struct finding *f;

	if (flow->aborts_with_bytes < 10 || flow->aborts_with_bytes * 20 <= ends || resets_idle(flow))
		return;
	f = add(j, "aborts", SEVERITY_WARNING, ends < LITTLE ? CONFIDENCE_LITTLE : CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = flow->aborts;
	finding__say(f, "%s breaks %llu%% of its connections off with a reset, after data had flown: what was "
		     "on the way may be lost.", finding__name(name, flow->key.comm, flow->label),
		     (unsigned long long)percent(flow->aborts_with_bytes, ends));
	finding__fact(f, "aborts", flow->aborts_with_bytes);
	finding__fact(f, "ends", ends);
	finding__step(f, "read what has come to its end before close(): data that nobody read make a reset "
			 "of it");
	finding__step(f, "take SO_LINGER with 0 seconds out, if it is set; shutdown(SHUT_WR), read to the end, "
			 "then close()");
	finding__avoid(f, "resets as a way against TIME_WAIT");
}

/* 19 */
static void exits(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t by_exit = flow->causes[TWS_CAUSE_EXIT];
	char name[FINDING_NAME];
	struct finding *f;

	if (by_exit < 10 || by_exit * 2 < flow->time_waits)
		return;
	/* one process for each connection, at either end: that is no restart */
	if (!flow->killed && flow->num_pids * 2ULL >= flow->time_waits)
		return;
	f = add(j, "exits", flow->killed * 2 >= by_exit ? SEVERITY_WARNING : SEVERITY_NOTICE,
		CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, flow);
	f->weight = by_exit;
	finding__say(f, "%s ended with %llu connections open%s: what was under way on them was cut "
		     "off.",
		     finding__name(name, flow->key.comm, flow->label), (unsigned long long)by_exit,
		     flow->killed * 2 >= by_exit ? ", most of them killed by a signal" : "");
	finding__fact(f, "closed_by_exit", by_exit);
	finding__fact(f, "killed", flow->killed);
	finding__step(f, "a graceful end: stop accepting, answer what is open, then exit; enough time before "
			 "SIGKILL (systemd: TimeoutStopSec, Kubernetes: terminationGracePeriodSeconds)");
	finding__step(f, "was it memory? journalctl -k | grep -i 'out of memory'");
}

/* 20 */
static void conntrack_full(struct judge *j, const struct evidence_netns *ns)
{
	uint64_t no_answer = 0;
	struct finding *f;
	bool full;

	for (size_t i = 0; i < j->e->num_flows; i++)
		no_answer += j->e->flows[i]->no_answer + j->e->flows[i]->timeouts;
	if (!ns->conntrack_max || ns->conntrack * 10 < ns->conntrack_max * 9)
		return;
	full = ns->conntrack * 100 >= ns->conntrack_max * 99;
	f = add(j, "conntrack-full", full || no_answer ? SEVERITY_CRITICAL : SEVERITY_WARNING,
		full || no_answer ? CONFIDENCE_SEEN : CONFIDENCE_INFERRED);
	if (!f)
		return;
	f->netns = ns->netns;
	f->weight = no_answer;
	finding__say(f, "The table of connection tracking is %llu%% full: when it is, packets of new "
		     "connections are dropped, and connect() times out.",
		     (unsigned long long)percent(ns->conntrack, ns->conntrack_max));
	finding__fact(f, "nf_conntrack_count", ns->conntrack);
	finding__fact(f, "nf_conntrack_max", ns->conntrack_max);
	if (no_answer)
		finding__fact(f, "timeouts", no_answer);
	finding__step(f, "sysctl -w net.netfilter.nf_conntrack_max=%llu",
		      (unsigned long long)(ns->conntrack_max * 2));
	finding__step(f, "fewer short connections: each entry stays for 120 s after the close "
			 "(nf_conntrack_tcp_timeout_time_wait)");
	finding__avoid(f, "looking at TIME_WAIT only: the sockets' own table is another one");
}

/* 21 */
static void nat_reuse(struct judge *j)
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
	f = add(j, "nat-reuse", SEVERITY_NOTICE, CONFIDENCE_INFERRED);
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

/* 22 */
static void closed_by_peer(struct judge *j)
{
	uint64_t passive = 0, active = 0;
	const struct evidence_flow *most = NULL;
	char name[FINDING_NAME];
	struct finding *f;

	for (size_t i = 0; i < j->e->num_flows; i++) {
		const struct evidence_flow *flow = j->e->flows[i];

		passive += flow->passive;
		active += flow->time_waits;
		if (flow->passive && (!most || flow->passive > most->passive))
			most = flow;
	}
	if (passive < LITTLE || passive * 10 <= (passive + active) * 9)
		return;
	f = add(j, "closed-by-peer", SEVERITY_OK, CONFIDENCE_SEEN);
	if (!f)
		return;
	finding__who(f, most);
	f->weight = passive;
	finding__say(f, "%llu of %llu connections were closed by the other end first: its host has the "
		     "TIME_WAITs, not this one. Most of %s's.", (unsigned long long)passive,
		     (unsigned long long)(passive + active),
		     finding__name(name, most->key.comm, most->label));
	finding__fact(f, "closed_by_peer", passive);
	finding__fact(f, "closed_here", active);
	finding__step(f, "look there: twsnoop on the other hosts; which they are: twsnoop trace --all | grep "
			 "passive_close");
}

/* 23 */
static void blind(struct judge *j)
{
	const struct evidence *e = j->e;
	uint64_t active = 0, unknown = e->unattributed;
	struct finding *f;

	for (size_t i = 0; i < e->num_flows; i++) {
		active += e->flows[i]->time_waits;
		unknown += e->flows[i]->causes[TWS_CAUSE_KERNEL];
	}
	if (!e->lost && !e->num_dropped && (active < LITTLE || unknown * 10 <= active))
		return;
	f = add(j, "blind", SEVERITY_NOTICE, CONFIDENCE_SEEN);
	if (!f)
		return;
	f->weight = e->lost + unknown;
	finding__say(f, "Not everything was seen: %llu events are lost, %llu are of more clients and servers "
		     "than are told apart, and of %llu of %llu closes nobody knows who made them.",
		     (unsigned long long)e->lost, (unsigned long long)e->num_dropped,
		     (unsigned long long)unknown, (unsigned long long)active);
	finding__fact(f, "lost", e->lost);
	finding__fact(f, "not_told_apart", e->num_dropped);
	finding__fact(f, "closer_unknown", unknown);
	if (e->lost || !e->num_dropped)
		finding__step(f, "'twsnoop attach' at boot sees all of them; a larger --ring-size loses less");
	if (e->num_dropped)
		finding__step(f, "ask about a part: by process (-c), container, or remote end (see --help)");
	finding__avoid(f, "to guess");
}

/* ---- all of them ---- */

/* In this order: some leave out what another one before them has explained. */
static const struct rule {
	const char *id; /* the first of those that it gives */
	void (*flow)(struct judge *j, const struct evidence_flow *flow);
	void (*netns)(struct judge *j, const struct evidence_netns *ns);
	void (*leak)(struct judge *j, const struct evidence_leak *leak);
	void (*all)(struct judge *j);
} rules[] = {
	{ "ports-exhausted", .flow = ports_exhausted },
	{ "bind-before-connect", .flow = bind_before_connect },
	{ "ports-filling", .flow = ports_filling },
	{ "ports-half-used", .flow = ports_half_used },
	{ "port-range-narrow", .netns = port_range_narrow }, /* after 1 and 2 */
	{ "timestamps-off", .flow = timestamps_off },
	{ "client-without-pool", .flow = short_connections },
	{ "loopback-pair", .flow = loopback_pair },
	{ "idle-timeout", .flow = idle_timeout },
	{ "health-check", .flow = health_check },
	{ "limit-near", .netns = limit_near },
	{ "listener-address-in-use", .flow = listener_address_in_use },
	{ "server-side-harmless", .all = server_side_harmless }, /* after these two */
	{ "peer-does-not-close", .netns = peer_does_not_close },
	{ "close-wait-leak", .leak = close_wait_leak },
	{ "aborts", .flow = aborts },
	{ "exits", .flow = exits },
	{ "conntrack-full", .netns = conntrack_full },
	{ "nat-reuse", .all = nat_reuse },
	{ "closed-by-peer", .all = closed_by_peer },
	{ "blind", .all = blind },
};

#define NUM_RULES (sizeof(rules) / sizeof(rules[0]))

const char *const rules__ids[] = {
	"ports-exhausted", "bind-before-connect", "ports-filling", "ports-half-used",
	"port-range-narrow", "timestamps-off", "client-without-pool", "pool-too-small",
	"proxy-without-keepalive", "loopback-pair", "server-side-harmless", "idle-timeout",
	"health-check", "limit-near", "peer-does-not-close", "close-wait-leak", "aborts", "exits",
	"conntrack-full", "nat-reuse", "closed-by-peer", "listener-address-in-use", "blind",
	"nothing-harmful", "too-little-seen", NULL,
};

static void apply(struct judge *j, const struct rule *rule)
{
	const struct evidence *e = j->e;

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
	f = add(j, little ? "too-little-seen" : "nothing-harmful", SEVERITY_OK,
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
	qsort(verdict->findings, verdict->num, sizeof(verdict->findings[0]), worst_first);
	verdict->severity = verdict->findings[0].severity;
}

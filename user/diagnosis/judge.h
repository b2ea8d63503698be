/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rules (rules.h) share: the judge, who collects their findings and keeps of each kind
 * the gravest; and the rules themselves, which stand in rules_*.c by what they are about. For
 * these files alone.
 */
#ifndef TWSNOOP_JUDGE_H
#define TWSNOOP_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnosis/rules.h"

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
#define LITTLE 100 /* closes: fewer are too little to judge by */
#define PORTS_OVER_NS (10 * NS_PER_S) /* without a failure: it is over, if there are ports */

/* What a rule goes by, and so what it means to it that events were lost. */
enum basis {
	BASIS_TABLES, /* the kernel's tables: nothing */
	BASIS_EVENTS, /* that something happened at all: there was more of it */
	BASIS_COUNTS, /* how often, or that it did not: it may have been otherwise */
};

/* What the rules go through, and what they have found so far. */
struct judge {
	const struct evidence *e;
	struct rules_verdict *verdict;
	enum basis basis; /* of the rule whose turn it is */
};

/* judge__add() - one more finding, to be filled; NULL: graver ones of its kind have its place, and it
 * is counted as one more of them. */
struct finding *judge__add(struct judge *j, const char *id, enum severity severity,
			   enum confidence confidence);

/* judge__found() - of that kind, of @flow's remote end (NULL: of any), or NULL. */
const struct finding *judge__found(const struct judge *j, const char *id,
				   const struct evidence_flow *flow);

/* judge__is_recent() - whether @last_ns is at most @ns before the end of the span. Of a recording all of
 * the span is the matter. */
bool judge__is_recent(const struct evidence *e, uint64_t last_ns, uint64_t ns);

/* judge__ago() - "2m05s": how long before the end of the span. */
const char *judge__ago(char to[FINDING_SPAN], const struct evidence *e, uint64_t last_ns);

/* judge__age_fact() - the same as a number of seconds. */
void judge__age_fact(struct finding *f, const struct evidence *e, const char *name, uint64_t last_ns);

/*
 * judge__sysctl() - adds a setting as a step, as the command that sets it where it counts: most of them
 * belong to one network namespace, which may be a container's. @ns NULL: the host's own.
 * "@before: sysctl -w @setting@more"; @before may be NULL.
 */
void judge__sysctl(struct finding *f, const struct evidence_netns *ns, const char *before,
		   const char *setting, const char *more, ...)
	__attribute__((format(printf, 5, 6)));

static inline bool is_client(const struct evidence_flow *flow)
{
	return flow->key.side == TWS_SIDE_CLIENT;
}

static inline bool is_server(const struct evidence_flow *flow)
{
	return flow->key.side == TWS_SIDE_SERVER;
}

static inline uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

/* haproxy ends connections to servers that it does not keep with a reset, once the answer is
 * there: no TIME_WAIT, and nothing is lost. */
bool judge__resets_idle(const struct evidence_flow *flow);

/* ---- the rules, in the order of rules.c ---- */

/* rules_ports.c */
void rule__ports_exhausted(struct judge *j, const struct evidence_flow *flow);
void rule__bind_before_connect(struct judge *j, const struct evidence_flow *flow);
void rule__ports_filling(struct judge *j, const struct evidence_flow *flow);
void rule__ports_half_used(struct judge *j, const struct evidence_flow *flow);
void rule__port_range_narrow(struct judge *j, const struct evidence_netns *ns);
void rule__timestamps_off(struct judge *j, const struct evidence_flow *flow);

/* rules_clients.c */
void rule__short_connections(struct judge *j, const struct evidence_flow *flow);
void rule__loopback_pair(struct judge *j, const struct evidence_flow *flow);

/* rules_servers.c */
void rule__idle_timeout(struct judge *j, const struct evidence_flow *flow);
void rule__health_check(struct judge *j, const struct evidence_flow *flow);
void rule__server_side_harmless(struct judge *j);
void rule__listener_address_in_use(struct judge *j, const struct evidence_flow *flow);
void rule__nat_reuse(struct judge *j);

/* rules_host.c */
void rule__limit_near(struct judge *j, const struct evidence_netns *ns);
void rule__peer_does_not_close(struct judge *j, const struct evidence_netns *ns);
void rule__close_wait_leak(struct judge *j, const struct evidence_leak *leak);
void rule__conntrack_full(struct judge *j, const struct evidence_netns *ns);
void rule__blind(struct judge *j);

/* rules_ends.c */
void rule__aborts(struct judge *j, const struct evidence_flow *flow);
void rule__exits(struct judge *j, const struct evidence_flow *flow);
void rule__closed_by_peer(struct judge *j);

#endif

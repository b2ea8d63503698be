// SPDX-License-Identifier: GPL-2.0
/*
 * Rules about connections that end otherwise than by close() here: 18, 19, 22 of the patterns.
 */

#include "diagnosis/judge.h"

/* 18 */
void rule__aborts(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t ends = flow->time_waits + flow->passive + flow->resets + flow->aborts;
	char name[FINDING_NAME];
	struct finding *f;

	if (flow->aborts_with_bytes < 10 || flow->aborts_with_bytes * 20 <= ends || judge__resets_idle(flow))
		return;
	f = judge__add(j, "aborts", SEVERITY_WARNING,
		       ends < LITTLE ? CONFIDENCE_LITTLE :
		       flow->aborts_summed * 2 > flow->aborts_with_bytes ? CONFIDENCE_INFERRED :
									   CONFIDENCE_SEEN);
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
void rule__exits(struct judge *j, const struct evidence_flow *flow)
{
	uint64_t by_exit = flow->causes[TWS_CAUSE_EXIT];
	char name[FINDING_NAME];
	struct finding *f;

	if (by_exit < 10 || by_exit * 2 < flow->time_waits)
		return;
	/* sums of minutes have no processes: these may have ended with one connection each */
	if (flow->summed * 2 > flow->time_waits)
		return;
	/* one process for each connection, at either end: that is no restart */
	if (!flow->killed && flow->num_pids * 2ULL >= flow->time_waits)
		return;
	f = judge__add(j, "exits", flow->killed * 2 >= by_exit ? SEVERITY_WARNING : SEVERITY_NOTICE,
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

/* 22 */
void rule__closed_by_peer(struct judge *j)
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
	f = judge__add(j, "closed-by-peer", SEVERITY_OK, CONFIDENCE_SEEN);
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

// SPDX-License-Identifier: GPL-2.0
/*
 * Rules about what the kernel's tables hold, and about what was not seen: 15, 16, 17, 20, 23 of the
 * patterns.
 */
#include <stdio.h>
#include <string.h>

#include "diagnosis/judge.h"

#define LIMIT_OVER_NS (10 * NS_PER_S)    /* without an overflow: it is over, if there is room */
#define TIMEOUTS_OVER_NS (60 * NS_PER_S) /* connect() that times out has waited for two minutes */
#define MANY_CLOSE_WAITS 100 /* fewer that do not become more are no matter */
#define FIN_WAIT2_FEW 50   /* are no matter, whoever they are of */
#define FIN_WAIT2_SHARE 10 /* of the limit: so many hundredths are */

/* Connections of a namespace that ended without TIME_WAIT, and when the last one did. */
static uint64_t overflows_of(const struct evidence *e, uint32_t netns, uint64_t *last_ns)
{
	uint64_t overflows = 0;

	*last_ns = 0;
	for (size_t i = 0; i < e->num_flows; i++) {
		const struct evidence_flow *flow = e->flows[i];

		if (flow->key.netns != netns)
			continue;
		overflows += flow->overflows;
		if (flow->overflow_ns > *last_ns)
			*last_ns = flow->overflow_ns;
	}
	return overflows;
}

/* 15 */
void rule__limit_near(struct judge *j, const struct evidence_netns *ns)
{
	uint64_t minis = ns->time_wait + ns->fin_wait2_minis, last_ns;
	uint64_t overflows = overflows_of(j->e, ns->netns, &last_ns);
	bool is_near = minis * 10 >= ns->limits.max_tw_buckets * 9;
	bool is_over = overflows && !is_near && !judge__is_recent(j->e, last_ns, LIMIT_OVER_NS);
	char setting[64], ago[FINDING_SPAN];
	struct finding *f;

	if (!ns->limits.max_tw_buckets || (!overflows && !is_near))
		return;
	f = judge__add(j, "limit-near", overflows && !is_over ? SEVERITY_CRITICAL : SEVERITY_WARNING,
		       CONFIDENCE_SEEN);
	if (!f)
		return;
	f->netns = ns->netns;
	f->weight = overflows;
	if (is_over)
		finding__say(f, "The table of TIME_WAITs was full until %s ago: %llu connections ended "
			     "without one, and without its protection against late segments. It is "
			     "over: there is room again.", judge__ago(ago, j->e, last_ns), (unsigned long long)overflows);
	else if (overflows)
		finding__say(f, "The table of TIME_WAITs is full: %llu connections ended without one, and "
			     "without its protection against late segments.",
			     (unsigned long long)overflows);
	else
		finding__say(f, "%llu%% of tcp_max_tw_buckets are used: beyond it connections end without "
			     "TIME_WAIT, and without its protection.",
			     (unsigned long long)percent(minis, ns->limits.max_tw_buckets));
	finding__fact(f, "time_waits", ns->time_wait);
	finding__fact(f, "fin_wait2_minis", ns->fin_wait2_minis);
	finding__fact(f, "tcp_max_tw_buckets", ns->limits.max_tw_buckets);
	if (overflows)
		finding__fact(f, "overflows", overflows);
	if (is_over)
		judge__age_fact(f, j->e, "seconds_since_last_overflow", last_ns);
	snprintf(setting, sizeof(setting), "net.ipv4.tcp_max_tw_buckets=%llu",
		 (unsigned long long)(ns->limits.max_tw_buckets * 2));
	judge__sysctl(f, ns, NULL, setting, " (each takes some 250 bytes)");
	finding__step(f, "and fewer short connections: see the other findings");
	finding__avoid(f, "a lower limit, to have fewer TIME_WAITs: it only throws protection away");
}

/* 16 */
void rule__peer_does_not_close(struct judge *j, const struct evidence_netns *ns)
{
	const struct evidence_flow *most = NULL;
	char name[FINDING_NAME];
	struct finding *f;
	bool harmful;

	if (ns->fin_wait2_minis < FIN_WAIT2_FEW || ns->fin_wait2_minis <= ns->time_wait)
		return;
	harmful = percent(ns->fin_wait2_minis, ns->limits.max_tw_buckets) >= FIN_WAIT2_SHARE;
	for (size_t i = 0; i < j->e->num_flows; i++) {
		const struct evidence_flow *flow = j->e->flows[i];

		if (flow->key.netns == ns->netns && flow->fin_wait2s &&
		    (!most || flow->fin_wait2s > most->fin_wait2s))
			most = flow;
	}
	f = judge__add(j, "peer-does-not-close", harmful ? SEVERITY_WARNING : SEVERITY_NOTICE,
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
	if (ns->limits.max_tw_buckets)
		finding__fact(f, "tcp_max_tw_buckets", ns->limits.max_tw_buckets);
	if (ns->limits.max_tw_buckets && !harmful)
		finding__fact_text(f, "harm", "none now: they are a small part of the limit");
	finding__step(f, "mend the peer: it has read the end of the stream and must close() its socket (there "
			 "it shows as CLOSE_WAIT)");
	finding__step(f, "net.ipv4.tcp_fin_timeout (60 s) bounds how long they wait: that is what it is for");
	finding__avoid(f, "looking for the fault in TIME_WAIT");
}

/* Most of them at ports that are listened on: a server has no pool of what clients have opened. */
static bool is_of_server(const struct evidence_leak *leak)
{
	return leak->served * 2 > leak->now;
}

/* Between the two looks. */
static bool is_growing(const struct evidence_leak *leak)
{
	/* where some are closed meanwhile it is no leak, but a peer that has closed its half alone */
	if (leak->now <= leak->before || leak->stayed * 10 < leak->before * 9)
		return false;
	/* all of one moment: the peer, or a device on the way, has gone */
	if (leak->aged && leak->calm < EVIDENCE_LEAK_FEW)
		return false;
	/* a server empties a client's idle pool: it does not become more, if nothing new is opened */
	return is_of_server(leak) || leak->made;
}

/* How many more they are than when the events' span began, at least; 0: not known. */
static uint64_t grown(const struct evidence *e, const struct evidence_leak *leak)
{
	bool steady = true;

	if (!e->all || leak->in_span <= leak->closed)
		return 0;
	/* a pool is emptied within minutes, and then it is empty */
	for (size_t i = 0; i < EVIDENCE_LEAK_MINUTES; i++)
		steady &= leak->came[i] > 0;
	return is_of_server(leak) || steady ? leak->in_span - leak->closed : 0;
}

static void say_leak(struct judge *j, const struct evidence_leak *leak, enum severity severity,
		     enum confidence confidence, const char *more)
{
	char name[FINDING_NAME];
	struct finding *f = judge__add(j, "close-wait-leak", severity, confidence);

	if (!f)
		return;
	memcpy(f->comm, leak->comm, sizeof(f->comm));
	memcpy(f->label, leak->label, sizeof(f->label));
	f->pid = leak->pid;
	f->netns = leak->netns;
	f->weight = leak->now;
	finding__say(f, "%s (PID %u) holds %llu connections that the peer has closed (CLOSE_WAIT)%s",
		     finding__name(name, leak->comm, leak->label), leak->pid,
		     (unsigned long long)leak->now, more);
	finding__fact(f, "close_wait", leak->now);
	finding__fact(f, "close_wait_before", leak->before);
	if (leak->aged) {
		finding__fact(f, "of_the_last_minute", leak->came[0]);
		finding__fact(f, "older_than_a_minute", leak->settled);
	}
	if (leak->limit)
		finding__fact(f, "descriptors_limit", leak->limit);
	if (severity == SEVERITY_NOTICE) {
		finding__step(f, "look again in some minutes: if they are more by then it is a leak, and "
				 "the program must close() when read() returns 0");
		finding__step(f, "a pool: let it close idle connections sooner than the server does");
	} else {
		finding__step(f, "mend the program: close() when read() returns 0, also on the ways out for "
				 "errors");
	}
	finding__step(f, "%swhich ones: ss -tnp state close-wait | grep 'pid=%u,'",
		      severity == SEVERITY_NOTICE ? "" : "until then restart it; ", leak->pid);
	finding__avoid(f, "any setting for TIME_WAIT: these sockets have not been closed yet");
}

/* 17 */
void rule__close_wait_leak(struct judge *j, const struct evidence_leak *leak)
{
	uint64_t more = grown(j->e, leak);
	char words[200], span[FINDING_SPAN];

	if (leak->stayed < EVIDENCE_LEAK_FEW)
		return;
	if (is_growing(leak)) {
		say_leak(j, leak, SEVERITY_CRITICAL, CONFIDENCE_SEEN, ", and they become more: it never "
			 "calls close(), and will run out of descriptors.");
	} else if (leak->limit && leak->now * 2 >= leak->limit) {
		snprintf(words, sizeof(words), ": they take %llu%% of the descriptors that it may have, and "
			 "without any left it can neither accept nor open anything.",
			 (unsigned long long)percent(leak->now, leak->limit));
		say_leak(j, leak, leak->now * 10 >= leak->limit * 9 ? SEVERITY_CRITICAL : SEVERITY_WARNING,
			 CONFIDENCE_SEEN, words);
	} else if (more >= EVIDENCE_LEAK_FEW && more * 10 >= leak->now) {
		snprintf(words, sizeof(words), ", at least %llu more than %s ago: it does not close "
			 "them, and will run out of descriptors.", (unsigned long long)more,
			 finding__span(span, j->e->until_ns - j->e->since_ns));
		say_leak(j, leak, SEVERITY_WARNING, CONFIDENCE_INFERRED, words);
	} else if (is_of_server(leak) && leak->settled >= MANY_CLOSE_WAITS) {
		snprintf(words, sizeof(words), ", %llu of them for more than a minute: it does not seem "
			 "to close them.", (unsigned long long)leak->settled);
		say_leak(j, leak, SEVERITY_WARNING, CONFIDENCE_INFERRED, words);
	} else if (leak->stayed >= MANY_CLOSE_WAITS) {
		say_leak(j, leak, SEVERITY_NOTICE, CONFIDENCE_LITTLE, ". They are not seen to become more: a "
			 "pool that finds out at the next use, or a leak that rests; which of the two is "
			 "not known.");
	}
}

/* 20 */
void rule__conntrack_full(struct judge *j, const struct evidence_netns *ns)
{
	uint64_t no_answer = 0;
	bool full, times_out = false;
	struct finding *f;
	char setting[64];

	/* what times out elsewhere is no matter of this table, as far as anybody can tell */
	for (size_t i = 0; i < j->e->num_flows; i++) {
		const struct evidence_flow *flow = j->e->flows[i];

		if (flow->key.netns != ns->netns || !(flow->no_answer + flow->timeouts))
			continue;
		no_answer += flow->no_answer + flow->timeouts;
		times_out |= judge__is_recent(j->e, flow->no_answer_ns, TIMEOUTS_OVER_NS);
	}
	if (!ns->conntrack_max || ns->conntrack * 10 < ns->conntrack_max * 9)
		return;
	full = ns->conntrack * 100 >= ns->conntrack_max * 99;
	f = judge__add(j, "conntrack-full", full || times_out ? SEVERITY_CRITICAL : SEVERITY_WARNING,
		full || times_out ? CONFIDENCE_SEEN : CONFIDENCE_INFERRED);
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
	snprintf(setting, sizeof(setting), "net.netfilter.nf_conntrack_max=%llu",
		 (unsigned long long)(ns->conntrack_max * 2));
	judge__sysctl(f, NULL, NULL, setting, ": on the host, where it is set for all namespaces; "
		      "where one has a limit of its own (newer kernels), in that too");
	finding__step(f, "fewer short connections: each entry stays for 120 s after the close "
			 "(nf_conntrack_tcp_timeout_time_wait)");
	finding__avoid(f, "looking at TIME_WAIT only: the sockets' own table is another one");
}

/* 23 */
void rule__blind(struct judge *j)
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
	f = judge__add(j, "blind", SEVERITY_NOTICE, CONFIDENCE_SEEN);
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
	if (e->lost && e->looked_back && !e->is_past)
		finding__step(f, "a recorder with more room: 'twsnoop detach', then 'twsnoop attach' with a "
				 "larger --size");
	else if (e->lost || !e->num_dropped)
		finding__step(f, "'twsnoop attach' at boot sees all of them; a larger --ring-size loses less");
	if (e->num_dropped)
		finding__step(f, "ask about a part: by process (-c), container, or remote end (see --help)");
	finding__avoid(f, "to guess");
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registry of what `twsnoop serve` counts, and its text for a scrape: Prometheus 0.0.4 or
 * OpenMetrics 1.0. It is fed with records and with gauges, and knows no clock, no socket, no
 * thread: who shares it locks it.
 *
 * Bounded: of labelled series there are at most so many that a whole scrape has less than
 * max_series lines of samples. What finds no room is counted in series whose container and
 * process are "~other", so that the labelled sums stay those of the whole; and in
 * twsnoop_series_overflow_total. No label ever is a PID, a cookie, an id, or a client's address.
 *
 *	err = metrics__new(&metrics, &opts);
 *	metrics__tick(metrics, now_ns);		now and then
 *	metrics__add(metrics, rec);		each record
 *	metrics__write(metrics, true, &text);	a scrape
 */
#ifndef TWSNOOP_METRICS_H
#define TWSNOOP_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "model/feed.h"
#include "model/record.h"

struct metrics;

#define METRICS_SERIES 2000	 /* --max-series */
#define METRICS_SERIES_MIN 500
#define METRICS_SERIES_MAX 100000 /* some 20 MB of text */
#define METRICS_FIXED 256	 /* samples that are no series of closes or of failures, at most */
#define METRICS_GONE_NS 300000000000ULL	 /* a container's series stay so long after it */
#define METRICS_LOST_NS 15000000000ULL
#define METRICS_IDLE_NS 3600000000000ULL /* what did nothing for so long gives way */

#define METRICS_STATES 12 /* as sock_diag numbers them, from 1 on */
#define METRICS_PORTS 10
#define METRICS_PORTS_KEEP 10000 /* millionths */
#define METRICS_FINDINGS 48 /* more than there are ids */
#define METRICS_SINKS 4

struct metrics_options {
	size_t max_series;   /* METRICS_SERIES_MIN to …_MAX */
	const char *version; /* of the program; must outlive the registry */
	bool all;	     /* every outcome is told; else TIME_WAITs alone */
	uint64_t seed;	     /* of hashes, for a test; 0: a random one */
};

/* metrics__new() - returns 0 and *@metricsp, -EINVAL (max_series), or -ENOMEM. */
int metrics__new(struct metrics **metricsp, const struct metrics_options *opts);
void metrics__free(struct metrics *metrics); /* NULL is allowed */

/* metrics__add() - counts @rec, of any action. */
void metrics__add(struct metrics *metrics, const struct record *rec);

/* metrics__tick() - it is @now_ns, CLOCK_MONOTONIC: series that have gone go. */
void metrics__tick(struct metrics *metrics, uint64_t now_ns);

/* metrics__set_account() - of all that was told so far. Counters never go back, so what is lost counts
 * when that has been so for METRICS_LOST_NS: until then a snapshot may find it. */
void metrics__set_account(struct metrics *metrics, const struct feed_account *account);

/* ---- containers that have gone ---- */

/*
 * metrics__cgroups() - the cgroups that series of containers were counted in last, each once, and
 * only those that are not known to be gone: at most @max into @ids. @v1: of a v1 hierarchy, else of
 * v2: the two use the same numbers. Returns how many.
 */
size_t metrics__cgroups(const struct metrics *metrics, bool v1, uint64_t *ids, size_t max);

/* metrics__cgroup_gone() - the cgroup @id is no more. */
void metrics__cgroup_gone(struct metrics *metrics, bool v1, uint64_t id);

/* ---- gauges: each call replaces what the one before said ---- */

/* By state; FIN_WAIT2's are full sockets. NULL: not known any more. */
struct metrics_sockets {
	uint64_t states[METRICS_STATES];
	uint64_t fin_wait2_minis;
};
void metrics__set_sockets(struct metrics *metrics, const struct metrics_sockets *sockets);

/* Shares are in millionths. */
#define METRICS_UNKNOWN UINT64_MAX

/* metrics__set_limit_used() - of the network namespace that is nearest to its limit. */
void metrics__set_limit_used(struct metrics *metrics, uint64_t millionths);

/* A set of local ports; peer_port 0 and no peer: those taken for every remote end. */
struct metrics_ports {
	uint8_t family;
	bool all_peers;
	uint8_t local_addr[16], peer_addr[16];
	uint16_t peer_port;
	uint64_t used_millionths;
};
/* metrics__set_ports() - in any order; of two with the same labels, in two namespaces, the fuller one
 * counts. The METRICS_PORTS fullest are kept; one that was so before gives way only to what is fuller by
 * METRICS_PORTS_KEEP, so that a quiet host has the same series each time. */
void metrics__set_ports(struct metrics *metrics, const struct metrics_ports *ports, size_t num);

struct metrics_finding {
	const char *id, *severity; /* constants */
	uint64_t count;
};
/* metrics__set_findings() - those with the same id and severity are added up. */
void metrics__set_findings(struct metrics *metrics, const struct metrics_finding *findings,
			   size_t num);

/* What became of what was to be sent elsewhere. */
struct metrics_sink {
	const char *name; /* a constant */
	uint64_t sent, queued_bytes, dropped, failed, damaged;
};
void metrics__set_sinks(struct metrics *metrics, const struct metrics_sink *sinks, size_t num);

/* ---- what comes out ---- */

/* metrics__write() - appends the whole text. @to has failed if there was no memory. */
void metrics__write(const struct metrics *metrics, bool openmetrics, struct outbuf *to);

/* metrics__series() - labelled series of closes and failures that there are now. */
size_t metrics__series(const struct metrics *metrics);

/* As the two metrics of these names: twsnoop_time_waits_total, twsnoop_series_overflow_total. */
uint64_t metrics__time_waits(const struct metrics *metrics);
uint64_t metrics__overflow(const struct metrics *metrics);

#endif

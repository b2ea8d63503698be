/* SPDX-License-Identifier: GPL-2.0 */
/* The registry's insides, for what counts (metrics.c) and what writes (metrics_text.c). */
#ifndef TWSNOOP_METRICS_HELD_H
#define TWSNOOP_METRICS_HELD_H

#include "base/table.h"
#include "export/metrics.h"

/* Longer names are cut. A namespace of Kubernetes has 63 bytes at most, and so has a container
 * there; what other runtimes take is longer. */
#define METRICS_NAMESPACE 64
#define METRICS_CONTAINER 128

enum metrics_kind { METRICS_CLOSES, METRICS_FAILURES };

/* All that makes a series, zero-padded, so that two of them never have the same labels. */
struct metrics_key {
	char k8s_namespace[METRICS_NAMESPACE];
	char container[METRICS_CONTAINER];
	char comm[TWS_COMM_LEN];
	uint32_t error;
	uint8_t kind, side, cause, pad;
};

struct metrics_series {
	struct metrics_key key;
	uint64_t count;
	uint64_t cgroup_id;	    /* of the container that was counted last; 0: none */
	bool cgroup_v1;
	uint64_t last_ns, gone_ns;  /* gone_ns 0: it is there, as far as is known */
};

/* Upper bounds of lifetimes; what is longer is in the last bucket, which has none. */
#define METRICS_BOUNDS 14
extern const uint64_t metrics__bounds_ns[METRICS_BOUNDS];

struct metrics_histogram {
	uint64_t counts[METRICS_BOUNDS + 1];
	uint64_t sum_s, sum_ns; /* the second below 1e9: 585 years of lifetimes are soon together */
};

struct metrics {
	struct metrics_options opts;
	struct table *series;
	size_t num_series, max_series; /* those of ~other are beside these */
	uint64_t now_ns, next_sweep_ns;
	uint64_t time_waits, overflow;
	uint64_t ended[TWS_ACTION_END];
	struct metrics_histogram lifetimes[TWS_SIDE_END];
	struct feed_account account; /* as it is told */
	uint64_t lost_least, lost_since_ns; /* more was lost than that; since_ns 0: no */
	bool has_sockets;
	struct metrics_sockets sockets;
	uint64_t limit_used;
	size_t num_ports, num_findings, num_sinks;
	struct metrics_ports ports[METRICS_PORTS];
	struct metrics_finding findings[METRICS_FINDINGS];
	struct metrics_sink sinks[METRICS_SINKS];
};

/* metrics__is_end() - whether twsnoop_connections_ended_total counts this action. */
bool metrics__is_end(unsigned int action);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that looks at the host now and then, and puts what it sees into the queue: how many
 * sockets are in each state, limits and counters of each namespace (every ten seconds), and the
 * fullest sets of ports (every minute, and soon after a connect found none). What has not changed
 * is told again every ten minutes (states) or every hour (the rest); the host's sum always is. Of
 * very many namespaces those with the most sockets.
 *
 * It takes a thousandth of a core: the more sockets there are, the rarer it looks, down to each
 * minute (states) and every five (ports). Where a look takes longer than 0.2 s that is rarer, too, and it
 * takes less than a hundredth; up to a twentieth while connects find no port, when it is worth it.
 * Memory: ports are not counted among more sockets than SAMPLER_PORTS_SOCKETS, of some 100 bytes
 * each while it counts.
 */
#ifndef TWSNOOP_SAMPLER_H
#define TWSNOOP_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "inventory/listing.h"
#include "recording/queue.h"
#include "sockets/sockets.h"

struct sampler;

#define SAMPLER_STATES_NS 10000000000ULL
#define SAMPLER_PORTS_NS 60000000000ULL
/* From one to the next, where that takes much, until it takes more than one part in 250 of a core. */
#define SAMPLER_STATES_LATEST_NS 60000000000ULL
#define SAMPLER_PORTS_LATEST_NS 300000000000ULL
#define SAMPLER_HURRY_NS 10000000000ULL /* between two looks at ports, at least */
#define SAMPLER_AGAIN_NS 600000000000ULL /* what has not changed is told this late at the latest */
#define SAMPLER_ALL_NS 3600000000000ULL	 /* everything is, counters and limits too */
#define SAMPLER_NETNS 64	 /* in one sample */
#define SAMPLER_PORTS 10	 /* sets of ports in one sample */
#define SAMPLER_PORTS_SOCKETS 400000
#define SAMPLER_PATIENCE_MS 2000

/* Adds the fullest sets of ports to @bundle; @want has no more than the namespaces' filter and the
 * tick. Returns 0 or a negative errno, that of the tick among them. */
typedef int (*sampler_ports_fn)(struct bundle *bundle, const struct sockets_source *source,
				const struct listing_want *want, uint64_t wall_ns);

/* What is pointed to must outlive the sampler. */
struct sampler_options {
	const struct sockets_source *source; /* for this thread's use, too */
	const struct tws_filter *filter;     /* its namespaces count, and nothing else of it */
	struct queue *queue;
	sampler_ports_fn take_ports; /* port_sample__take() */
	/* Sockets of some namespace are near their limit: raw rows are kept up to @until_ns. In the
	 * sampler's thread. */
	void (*keep)(void *ctx, uint64_t until_ns);
	void *ctx;
};

/* sampler__new() - returns 0 or -ENOMEM. */
int sampler__new(struct sampler **samplerp, const struct sampler_options *opts);

/* sampler__start() - after privileges were given up. Returns 0 or a negative errno. */
int sampler__start(struct sampler *sampler);

/* sampler__restart() - everything is told again: another file begins. */
void sampler__restart(struct sampler *sampler);

/* sampler__hurry() - a connect found no port: a look at ports is due, if the last was not just now.
 * NULL is allowed. */
void sampler__hurry(struct sampler *sampler);

/* When ports are looked at. CLOCK_MONOTONIC. */
struct sampler_turn {
	uint64_t due_ns;     /* in any case */
	uint64_t soonest_ns; /* in a hurry */
};

/* sampler__is_turn() - whether it is time. Pure. */
bool sampler__is_turn(const struct sampler_turn *turn, bool hurries, uint64_t now_ns);

/* sampler__set_turn() - after a look that began at @begin_ns, and took @spent_ns of the thread's time.
 * Pure. */
void sampler__set_turn(struct sampler_turn *turn, uint64_t begin_ns, uint64_t spent_ns);

/* sampler__take() - one sample of states, limits and counters, at once and in the caller's thread;
 * @bundle gets it (tests). Returns 0 or a negative errno. */
int sampler__take(struct sampler *sampler, struct bundle *bundle, uint64_t wall_ns);

/* sampler__take_ports() - likewise of ports. */
int sampler__take_ports(struct sampler *sampler, struct bundle *bundle, uint64_t wall_ns);

/* sampler__end() - its thread is to end; it is not waited for. NULL is allowed. */
void sampler__end(struct sampler *sampler);

/*
 * sampler__free() - waits for its thread for SAMPLER_PATIENCE_MS. False: it is still at work, on a
 * host of many sockets where many want the processors; what it uses must stay until the process
 * ends. NULL is allowed.
 */
bool sampler__free(struct sampler *sampler);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that looks at the host now and then, and puts what it sees into the queue: how many
 * sockets are in each state, limits and counters of each namespace (every ten seconds), and the
 * fullest sets of ports (every minute). What has not changed is told again every ten minutes
 * (states) or every hour (the rest); the host's sum always is. Of very many namespaces those with
 * the most sockets.
 *
 * It takes less than a hundredth of a core: the more sockets there are, the rarer it looks.
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
#define SAMPLER_AGAIN_NS 600000000000ULL /* what has not changed is told this late at the latest */
#define SAMPLER_ALL_NS 3600000000000ULL	 /* everything is, counters and limits too */
#define SAMPLER_NETNS 64	 /* in one sample */
#define SAMPLER_PORTS 10	 /* sets of ports in one sample */
#define SAMPLER_PORTS_SOCKETS 400000

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

/* sampler__take() - one sample of states, limits and counters, at once and in the caller's thread;
 * @bundle gets it (tests). Returns 0 or a negative errno. */
int sampler__take(struct sampler *sampler, struct bundle *bundle, uint64_t wall_ns);

/* sampler__take_ports() - likewise of ports. */
int sampler__take_ports(struct sampler *sampler, struct bundle *bundle, uint64_t wall_ns);

/* sampler__free() - ends its thread; NULL is allowed. */
void sampler__free(struct sampler *sampler);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many connections are in each state, in each network namespace and on the
 * host, beside the limits that they come up against. Nothing is kept but counts.
 */
#ifndef TWSNOOP_CENSUS_H
#define TWSNOOP_CENSUS_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "inventory/listing.h"
#include "host/netlimits.h"
#include "sockets/sockets.h"

/* What is counted: the states of sock_diag, with the mini-sockets apart. */
struct census_counts {
	uint64_t states[SOCKDIAG_STATE_END]; /* FIN_WAIT2: full sockets only */
	uint64_t fin_wait2_minis;
	uint64_t total;
};

struct census_netns {
	uint32_t inode;
	char *name;
	struct census_counts counts;
	uint64_t minis; /* whatever the filter says: what tcp_max_tw_buckets limits */
	struct netlimits limits; /* without ports */
};

struct census {
	struct census_counts host; /* the sum */
	size_t num;
	struct census_netns *netns; /* those with the most mini-sockets first */
};

/* census__take() - @want as with listing__take(); the tick gets the sockets so far.
 * @census, zeroed before, is to be emptied by census__free() in any case. */
int census__take(struct census *census, const struct sockets_source *source,
		 const struct listing_want *want, unsigned int *flags);
void census__free(struct census *census);

/* census__sort() - puts the namespaces in that order. */
void census__sort(struct census *census);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gathering all that `twsnoop list` shows, from the kernel's tables, the ledger, /proc
 * and the container runtimes. Each step builds on the one before, and takes a while: the
 * caller may say so in between.
 */
#ifndef TWSNOOP_GATHER_H
#define TWSNOOP_GATHER_H

#include <stdbool.h>

#include "capture/ledger.h"
#include "containers/workloads.h"
#include "host/kernel.h"
#include "inventory/listing.h"
#include "inventory/owner_cgroups.h"
#include "inventory/ports.h"
#include "owners/listeners.h"
#include "sockets/binds.h"
#include "sockets/sockets.h"

struct gather_want {
	const struct sockets_source *source;
	const struct tws_filter *filter;
	const char *const *containers; /* -C */
	unsigned int num_containers;
	bool marks_containers; /* rows of others stay, and struct workload_of says which they are */
	bool ports;	/* for gather__ports(): the filter then is of places, not of rows */
	size_t most_ports; /* as ports_want.most */
	bool all;	/* sockets of every state */
	bool listeners; /* wanted even if no owner is to be inferred */
	bool no_names;
	const char *runtime_socket; /* as in struct workloads_options */
	listing_tick_fn tick;	    /* may be NULL */
	void *ctx;		    /* of the tick */
};

struct gathered {
	struct listing listing;
	struct binds binds; /* with ports or all */
	int binds_error;    /* why these are not complete; 0 */
	struct kernel kernel; /* of it, from gather__ledger() on, what kernel__read_cgroups() fills */
	struct ledger *ledger;
	struct listeners *listeners; /* NULL: were not needed */
	struct owner_cgroups *owner_cgroups;
	struct workloads *workloads;
	unsigned int flags;	   /* SOCKETS_* */
	unsigned int ledger_flags; /* LEDGER_* */
};

/*
 * The steps, in this order, on @g, which is zeroed before and emptied by gather__free()
 * in any case. Each returns 0 or a negative errno: that of listing__take(), ledger__open(),
 * infer__owners() and holders__find(), workloads__resolve(). Only the first two need to
 * load BPF programs or to open pinned maps.
 */
int gather__sockets(struct gathered *g, const struct gather_want *want);
int gather__ledger(struct gathered *g, const struct gather_want *want);
int gather__owners(struct gathered *g, const struct gather_want *want);
int gather__workloads(struct gathered *g, const struct gather_want *want);

/* gather__ports() - after gather__owners(), with want->ports. As ports__count(). */
int gather__ports(struct gathered *g, const struct gather_want *want, struct ports *ports);

/* gather__free() - what was gathered so far; of all zeros: nothing. */
void gather__free(struct gathered *g);

#endif

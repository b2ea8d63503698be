/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The network namespaces of the host as evidence: their limits, how many sockets they have in which
 * state, their conntrack tables, and what to put before a command that is to be run in one.
 */
#ifndef TWSNOOP_NAMESPACES_H
#define TWSNOOP_NAMESPACES_H

#include "diagnosis/evidence.h"
#include "host/netns.h"
#include "inventory/listing.h"

/*
 * namespaces__add() - those of @listing, taken with listing_want.ports, to @e. @places: where they
 * are looked for, to enter them; of one that is not found there, or may not be entered, the rest is
 * known. A name is put before a command only if a shell takes it for one word. Returns 0 or -ENOMEM.
 */
int namespaces__add(struct evidence *e, const struct listing *listing,
		    const struct netns_places *places);

/* namespaces__keep_theirs() - drops of @e those in which nobody who is asked for closed (flows),
 * or leaves connections open (leaks). */
void namespaces__keep_theirs(struct evidence *e);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of network devices, whose numbers mean something in their network namespace alone:
 * asked for there, and kept for a while. The table is of a fixed size.
 */
#ifndef TWSNOOP_IFNAMES_H
#define TWSNOOP_IFNAMES_H

#include <stdint.h>

#include "host/netns.h"

struct ifnames;

/* ifnames__new() - namespaces are looked for at @places, which must outlive it. Returns 0 and
 * *ifnamesp, or -ENOMEM. */
int ifnames__new(struct ifnames **ifnamesp, const struct netns_places *places);

/*
 * ifnames__of() - the name of device @ifindex in namespace @netns (inode) at @now_ns
 * (CLOCK_MONOTONIC), or NULL: there is none, or the namespace cannot be found or entered. @pid: of
 * a process that may be in it, 0: none is known. Of at most 15 bytes, any but '/' and white
 * space; it lives until the next call. What is not known is asked for again after some seconds.
 */
const char *ifnames__of(struct ifnames *ifnames, uint32_t netns, uint32_t ifindex, uint32_t pid,
			uint64_t now_ns);

void ifnames__free(struct ifnames *ifnames); /* NULL is allowed */

#endif

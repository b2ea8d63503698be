/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cgroups that a listing's owners are in now, where no close told of one: processes
 * that hold a socket, or that were inferred. Each gets a number that no cgroup of the
 * kernel's has.
 */
#ifndef TWSNOOP_OWNER_CGROUPS_H
#define TWSNOOP_OWNER_CGROUPS_H

#include <stdbool.h>

#include "bpf/event.h"
#include "inventory/listing.h"

struct owner_cgroups;

/*
 * owner_cgroups__read() - of all of @l's owners that are still there, in the hierarchy of
 * procinfo__cgroup(). Sets listing_owner.cgroup. Returns 0 and *@cgroupsp, to be freed by
 * owner_cgroups__free(), or -ENOMEM.
 */
int owner_cgroups__read(struct owner_cgroups **cgroupsp, struct listing *l,
			const char *proc_root, const char *controller);
void owner_cgroups__free(struct owner_cgroups *cgroups); /* NULL is allowed */

/* owner_cgroups__find() - the path of a number that was given out; false: it was not. */
bool owner_cgroups__find(const struct owner_cgroups *cgroups, uint64_t id,
			 struct tws_cgroup *cgroup);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local ports that are taken for every destination, because a bind() or a listen()
 * has made their bucket in the kernel's table: connect() passes them over.
 */
#ifndef TWSNOOP_BINDS_H
#define TWSNOOP_BINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/bindhash.h"

/* More are not kept: -E2BIG. 128 MB. */
#define BINDS_MAX (4U << 20)

struct binds {
	bool complete; /* what is not here is not taken */
	size_t num, room;
	struct tws_bind *binds; /* ordered once binds__sort() was called */
};

/*
 * binds__add() - one that the kernel side wrote. Those in a VRF are passed over: they
 * are no matter to sockets outside, and which socket is inside is not looked at. The
 * record of a torn chain makes the set incomplete. Returns 0, -EPROTO (no such record
 * can be), -E2BIG or -ENOMEM.
 */
int binds__add(struct binds *binds, const struct tws_bind *record);
void binds__free(struct binds *binds);

/* binds__sort() - by namespace and port, each pair once. */
void binds__sort(struct binds *binds);

/* binds__first() - the place of the first of namespace @netns, or of what follows it. */
size_t binds__first(const struct binds *binds, uint32_t netns);

#endif

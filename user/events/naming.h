/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that makes a record of an event, for a stream's options: /proc, what the source has noted of
 * dead processes, listeners, containers, interfaces, and the attributor (attribute.h) that asks
 * these, with one life.
 */
#ifndef TWSNOOP_NAMING_H
#define TWSNOOP_NAMING_H

#include "containers/containers.h"
#include "events/stream.h"
#include "owners/attribute.h"
#include "owners/listeners.h"

struct naming {
	struct attributor *attributor; /* this and the next are for who calls them; the rest is not */
	struct containers *containers; /* they tell the source, too, which cgroups' events pass */
	struct procinfo_cache *processes;
	struct ifnames *interfaces;
};

/*
 * naming__new() - fills @naming, to be freed by naming__free(), also if it fails. @listeners, and
 * what @opts points to, must outlive it; @opts need not. Returns 0, -ENOMEM, or as containers__new().
 */
int naming__new(struct naming *naming, const struct stream_options *opts, struct listeners *listeners);

void naming__free(struct naming *naming); /* one of zeros is allowed */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From an event to a record: the wall clock, the command line, the listener, the
 * container, each with its own source.
 */
#ifndef TWSNOOP_ATTRIBUTE_H
#define TWSNOOP_ATTRIBUTE_H

#include <stddef.h>
#include <stdint.h>

#include "containers/containers.h"
#include "owners/listeners.h"
#include "host/ifnames.h"
#include "host/procinfo.h"
#include "model/record.h"

struct attributor;

/* Where the answers come from; NULL: that one is not asked. They must outlive
 * the attributor. */
struct attribute_sources {
	struct procinfo_cache *processes;
	/* How a process was started that /proc has no more, as source__arguments(); NULL: the
	 * dead are not known. */
	const char *(*arguments)(void *ctx, const struct tws_event *ev, size_t *len);
	void *arguments_ctx;
	struct listeners *listeners;
	struct containers *containers;
	struct ifnames *interfaces;
};

/* attributor__new() - returns 0 and *attributorp, or -ENOMEM. */
int attributor__new(struct attributor **attributorp, const struct attribute_sources *sources);

/* attributor__set_clock() - what to add to an event's CLOCK_MONOTONIC time to
 * get the time since the epoch, in ns; ask again now and then. */
void attributor__set_clock(struct attributor *a, int64_t wall_offset_ns);

/*
 * attributor__record() - fills @rec. All that it points to lives until the next
 * call or until @ev does, whichever ends first.
 */
void attributor__record(struct attributor *a, const struct tws_event *ev, struct record *rec);

void attributor__free(struct attributor *a); /* NULL is allowed */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who listens, as a source tells it, and as the kernel does where the source's records of it were
 * lost or may have been skipped. To ask the kernel walks all descriptors of all processes: that is
 * done for a share of the time, however often something is lost; meanwhile nobody is named whom
 * what was lost may have replaced (see listeners.h).
 */
#ifndef TWSNOOP_LISTENING_H
#define TWSNOOP_LISTENING_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "capture/source.h"
#include "owners/listeners.h"
#include "sockets/sockets.h"

struct listening {
	struct listeners *table; /* for who asks it; freed by listening__free() */
	struct source *events;	 /* these two must outlive it */
	const struct sockets_source *sockets; /* where the host's sockets can be listed */
	uint64_t next_ns;   /* CLOCK_MONOTONIC: when they may be read again */
	bool is_wanted;	    /* a listen() was skipped, perhaps */
	unsigned int flags; /* LISTENERS_* of the last time */
};

/* listening__new() - fills @listening; nobody is known to listen. Returns as listeners__new(). */
int listening__new(struct listening *listening, struct source *events,
		   const struct sockets_source *sockets);
void listening__free(struct listening *listening); /* one of zeros is allowed */

/* listening__begin() - who listens now; once the source has started. */
void listening__begin(struct listening *listening);

/* listening__note() - a TWS_LISTEN or TWS_UNLISTEN record. */
void listening__note(struct listening *listening, const struct tws_event *ev);

/* listening__want() - a listen() may have been skipped: that is read soon. */
void listening__want(struct listening *listening);

/* listening__read() - reads from the kernel who listens, if that is not known any more, and it was
 * not read just now. */
void listening__read(struct listening *listening);

/* listening__doubt() - of what the source has lost nobody is named. Before each record: cheap. */
static inline void listening__doubt(struct listening *listening)
{
	if (listening->events->listens_lost_since_ns)
		listeners__doubt(listening->table, listening->events->listens_lost_since_ns);
}

#endif

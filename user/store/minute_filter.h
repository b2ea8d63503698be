/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Filters of events, held against the sums of minutes: what minutes do not tell passes no filter
 * that asks for it. They have no PIDs, of a client's end no local port, of a server's end no
 * peer's port and of its address the beginning only. Pure.
 */
#ifndef TWSNOOP_MINUTE_FILTER_H
#define TWSNOOP_MINUTE_FILTER_H

#include <stdbool.h>

#include "model/filter.h"
#include "store/held.h"

/* minute_filter__match() - of what @who (NULL: not known) did on @flow (NULL: ~other, which passes an
 * empty filter alone). Containers are left to the caller, as with filter__match(). */
bool minute_filter__match(const struct tws_filter *filter, const struct held_who *who,
			  const struct held_flow *flow);

/* minute_filter__event() - what the two say, as an event: of a process its name, without a
 * number. */
void minute_filter__event(const struct held_who *who, const struct held_flow *flow,
			  struct tws_event *ev);

/* minute_filter__has_peers() - several remote ends were summed up in @flow, whose peer_addr is no address
 * of one. */
bool minute_filter__has_peers(const struct held_flow *flow);

#endif

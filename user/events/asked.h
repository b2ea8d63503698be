/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What of all that a source gives was asked for, by a stream's options: the time, the outcome, and
 * the filter. A source that filters in the kernel has left out the rest by the last two; of others
 * that is done here, with the same answers. Containers are not judged here (see containers.h).
 * Pure.
 */
#ifndef TWSNOOP_ASKED_H
#define TWSNOOP_ASKED_H

#include <stdbool.h>

#include "bpf/event.h"
#include "events/stream.h"

/* asked__for() - whether @ev is. @owner_unknown: it is of a mini-socket whose FIN was missed; as in
 * the kernel, that passes no filter for owners, whatever of them stands in the event. */
bool asked__for(const struct stream_options *opts, const struct tws_event *ev, bool owner_unknown);

/*
 * asked__is_others() - whether @ev, which was found in the kernel's table and does not match the
 * filter, is others' for certain, and came from a source that would have given it all the same:
 * its addresses do not match either, or its closer is known. Else its owner may be one that was
 * asked for.
 */
bool asked__is_others(const struct stream_options *opts, const struct tws_event *ev);

#endif

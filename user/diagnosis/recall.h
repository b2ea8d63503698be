/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The same evidence out of a recording: its records and sums of minutes as the flows, and its
 * samples in the place of the kernel's tables. Who holds sockets was not recorded: there
 * are no leaks and no pools.
 */
#ifndef TWSNOOP_RECALL_H
#define TWSNOOP_RECALL_H

#include "diagnosis/evidence.h"
#include "store/history.h"

/* recall__record() - a record of a playback. Times of the evidence are those of the wall clock. */
void recall__record(struct evidence *e, const struct record *rec);

/* recall__minute() - a minute's sum, as a playback gives it: closes that are alike, evenly spread. */
void recall__minute(struct evidence *e, const struct held_minute *minute,
		    const struct held_who *who, const struct held_flow *flow);

/*
 * recall__tables() - the last sample of each namespace's states and settings in @span, and of each
 * set of ports the fullest. Returns 0 or a negative errno.
 */
int recall__tables(struct evidence *e, struct history *history, const struct history_span *span);

#endif

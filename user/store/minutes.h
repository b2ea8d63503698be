/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Raw rows to minutes: what each who did on each flow, in sums. Used by who records, and by who
 * goes on with a recording whose last minutes nobody counted. Sums are exact: what does not fit
 * in a minute's rows is in the row ~other (who 0, flow 0). Pure: it knows no file.
 */
#ifndef TWSNOOP_MINUTES_H
#define TWSNOOP_MINUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/held.h"

/*
 * Rows of a minute, ~other included: those that count most. Beyond the first ones there is a row
 * only for what is a thousandth of the minute. A public server's peers would else take as
 * much room as all the rest, each with next to nothing.
 */
#define MINUTES_ROWS 1000
#define MINUTES_SURE_ROWS 500

struct minutes;

/* minutes__new() - counts nothing yet; @next_flow is the first id that is free. Returns 0 and
 * *@minutesp, or -ENOMEM. */
int minutes__new(struct minutes **minutesp, uint32_t next_flow);
void minutes__free(struct minutes *minutes); /* NULL is allowed */

/*
 * minutes__add() - counts @row in the minute of its wall clock, which need not be the newest:
 * late rows add up with what was flushed of their minute. Returns 0, -ENOSPC (rows of more
 * minutes than are kept apart at once, as when the clock jumps about: flush, then add it
 * again), or -ENOMEM, and has not counted it.
 */
int minutes__add(struct minutes *minutes, const struct held_row *row);

/* Where they go: recording__add_flow() and recording__add_minute(). What they return but 0 ends
 * the flush. */
struct minutes_sink {
	int (*add_flow)(void *ctx, const struct held_flow *flow);
	int (*add_minute)(void *ctx, const struct held_minute *minute);
	void *ctx;
};

/*
 * minutes__flush() - gives all that was counted since the last flush that has been kept, each
 * flow before the first minute that names it. As long as minutes__flushed() is not called
 * it may be done again, and gives the same with the same ids: a transaction may fail.
 * Returns 0, what the sink did, or -ENOMEM.
 */
int minutes__flush(struct minutes *minutes, const struct minutes_sink *sink);

/* minutes__flushed() - what the last flush gave is kept for good: counting goes on from 0. Nothing
 * may be added between the two. */
void minutes__flushed(struct minutes *minutes);

/* minutes__is_empty() - nothing was counted since the last flush. */
bool minutes__is_empty(const struct minutes *minutes);

/* minutes__forget_flows() - flows get new ids from now on, as a new epoch of the recording wants
 * (recording__begin_epoch()). To be called when it is empty. */
void minutes__forget_flows(struct minutes *minutes);

/* minutes__flow_of() - the way that the event of @row goes, without an id. */
void minutes__flow_of(const struct held_row *row, struct held_flow *flow);

#endif

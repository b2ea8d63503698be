/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From records to bundles: rows into a block and into the counts of their minutes, each second
 * a bundle with what is new, at the end of each minute the whole of it. It waits for nothing: for
 * bundles that the queue has no room for it keeps what is small (who, minutes), lets go the rows,
 * counts these, and tells the gap as soon as there is room again. The clock is passed in.
 *
 * Memory: a block of BLOCK_ROWS rows (some 20 MB), the tables of interner.h (some 10, at
 * most 40), the minutes that are counted (some 2), and bundles of up to COLLECTOR_OPEN_BYTES that
 * wait for the queue; the queue has its own bound.
 */
#ifndef TWSNOOP_COLLECTOR_H
#define TWSNOOP_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"
#include "recording/clock_watch.h"
#include "recording/queue.h"
#include "store/recording.h"

struct collector;

#define COLLECTOR_OPEN_BYTES (8U << 20)
#define COLLECTOR_BUNDLE_BYTES (512U << 10) /* what is larger is parted, where it may be */
#define COLLECTOR_RESERVE_BYTES (8U << 20) /* of the queue, that rows leave to what is small */

/* Why rows find no room: see writer.h. */
struct collector_trouble {
	enum held_gap_reason reason;
	const char *detail; /* or NULL */
};

struct collector_options {
	struct queue *queue;
	struct recording_next next; /* of the file that is open */
	uint32_t block_rows;	    /* at most in one block, up to BLOCK_ROWS */
	/* What is known by now of the whole: wall_ns and run are filled in after it. */
	void (*account)(void *ctx, struct held_account *account);
	/* Why there is no room in the queue. */
	void (*trouble)(void *ctx, struct collector_trouble *trouble);
	void *ctx;
};

/* collector__new() - returns 0 or -ENOMEM. */
int collector__new(struct collector **collectorp, const struct collector_options *opts);
void collector__free(struct collector *collector); /* NULL is allowed */

/* collector__put() - takes a record, which never fails: what cannot be kept is a gap. */
void collector__put(struct collector *collector, const struct record *rec);

/* collector__turn() - to be called some times a second: does what is due at @now. */
void collector__turn(struct collector *collector, const struct clock_moment *now);

/* collector__add_gap() - something that others found out, to be told with the next bundle. */
void collector__add_gap(struct collector *collector, const struct held_gap *gap);

/* collector__keep_until() - rows up to @wall_ns are near something critical. */
void collector__keep_until(struct collector *collector, uint64_t wall_ns);

/* collector__end_epoch() - ids are to be given anew, as soon as a minute has ended. */
void collector__end_epoch(struct collector *collector);

/*
 * collector__restart() - what comes goes into another file, of which @next tells, and bundles are
 * marked with the number @file (0 at first). What was not in the queue yet is lost, and
 * counted; @lost_rows were in it, and are told in the gap, too. Returns 0 or -ENOMEM.
 */
int collector__restart(struct collector *collector, const struct recording_next *next,
		       uint64_t file, uint64_t lost_rows);

/* collector__finish() - all that is left, as at the end of a minute. */
void collector__finish(struct collector *collector, const struct clock_moment *now);

/* collector__dropped() - rows that found no room so far. */
uint64_t collector__dropped(const struct collector *collector);

/* collector__rows() - records that were put in so far. */
uint64_t collector__rows(const struct collector *collector);

#endif

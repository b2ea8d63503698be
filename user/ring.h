/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading the kernel side's ring of events (struct tws_record) while it is being
 * written. The writers never wait: what was not read in time is written over, and
 * counted. Works on memory alone. Layer: above event.h.
 */
#ifndef TWSNOOP_RING_H
#define TWSNOOP_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/event.h"

struct ring {
	const struct tws_record *records;
	const struct tws_head *head;
	uint32_t mask;		 /* number of records, a power of two, less one */
	uint64_t next;		 /* the position to be read next */
	uint64_t lost;		 /* records that were written over unread */
	uint64_t stuck_since_ns; /* since when the record at @next is not whole; 0: it is */
};

/* Takes one record; it lives until the call returns. A negative return value ends
 * the poll and becomes its result. */
typedef int (*ring_fn)(void *ctx, const struct tws_event *event);

/*
 * ring__copy() - the record of @position. Returns true and fills *@event, false if
 * it is not written yet, or is written over already.
 */
bool ring__copy(const struct ring *ring, uint64_t position, struct tws_event *event);

/* ring__head() - the position after the newest record. */
uint64_t ring__head(const struct ring *ring);

/*
 * ring__poll() - gives what was written before position @until to @fn, in order,
 * TWS_VOID left out. Stops at a record that a program is still writing; one that
 * stays so for a second after @now_ns (CLOCK_MONOTONIC) is given up: its writer
 * found no room, and has counted it. Returns the number of records, or @fn's
 * negative value.
 */
int ring__poll(struct ring *ring, uint64_t until, uint64_t now_ns, ring_fn fn, void *ctx);

#endif

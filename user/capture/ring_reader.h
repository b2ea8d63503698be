/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading one of the kernel side's rings while it is being written. The writers
 * never wait: what is not read in time is written over. Each CPU writes chunks of
 * its own, so that a ring is read by chunks, and its records are in order only within
 * each. Works on memory alone.
 */
#ifndef TWSNOOP_RING_READER_H
#define TWSNOOP_RING_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

#define RING_RECORD_MAX sizeof(struct tws_record)

/* A chunk of which records are still to come. */
struct ring_chunk {
	uint64_t next, end; /* positions */
	uint64_t counted;   /* those before it were taken before a cut: see is_old */
};

struct ring_reader {
	const unsigned char *records;
	size_t record_bytes; /* the last eight are the record's seq */
	const struct tws_head *head;
	uint64_t room;	  /* records, a power of two */
	uint64_t scanned; /* chunks from here on are new */
	uint64_t passed;  /* positions that were written over before they were read */
	struct ring_chunk *open;
	size_t num_open;
	/* Of the record that a callback gets: its position was taken before the cut, and it became
	 * whole after it. Whoever counts what was made since the cut leaves it out. */
	bool is_old;
};

/*
 * ring_reader__init() - a ring of @room records of @record_bytes each at @records, which stay
 * the caller's. Reads from where @head is now. Returns 0, to be undone by ring_reader__fini(),
 * or -ENOMEM.
 */
int ring_reader__init(struct ring_reader *ring, const void *records, size_t record_bytes,
	       const struct tws_head *head, uint64_t room);
void ring_reader__fini(struct ring_reader *ring); /* zeroed is allowed */

/*
 * ring_reader__cut() - begins anew: each of the @num writers at its own place of @next, and
 * whoever takes a chunk later at @head, where the ring was at the same moment. What a writer has
 * taken and not written whole yet (its processor may have been taken away) comes later, as
 * an old one. @next is sorted meanwhile. Returns 0.
 *
 * ring_reader__look_back() - after it: gives each record to @fn that was written before, and is
 * still there. Returns 0 or @fn's negative value.
 */
int ring_reader__cut(struct ring_reader *ring, uint64_t head, uint64_t *next, size_t num);

/* ring_reader__is_written() - whether the record of @position is whole, or was once. */
bool ring_reader__is_written(const struct ring_reader *ring, uint64_t position);

/* Takes a copy of one record; it lives until the call returns. A negative return value
 * ends the walk and becomes its result. */
typedef int (*ring_fn)(void *ctx, const void *record);

/*
 * ring_reader__copy() - the record of @position into @to, of record_bytes. False if it is not
 * written yet, or is written over already.
 */
bool ring_reader__copy(const struct ring_reader *ring, uint64_t position, void *to);

/*
 * ring_reader__settle() - counts in @ring->passed what is written over by now and was not
 * given: after ring_reader__take() all that is lost of what was made before.
 */
void ring_reader__settle(struct ring_reader *ring);

/*
 * ring_reader__take() - gives each record to @fn that is whole and was not given before.
 * Returns 0 or @fn's negative value: then what follows comes next time.
 */
int ring_reader__take(struct ring_reader *ring, ring_fn fn, void *ctx);

int ring_reader__look_back(struct ring_reader *ring, ring_fn fn, void *ctx); /* see above */

#endif

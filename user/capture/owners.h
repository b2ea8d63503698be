/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose a mini-socket is, by what one kernel side keeps: an index over its ring of
 * events, an image in memory that is being written meanwhile. Trusts nothing that
 * it reads there. Works on memory alone.
 */
#ifndef TWSNOOP_OWNERS_H
#define TWSNOOP_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

#define OWNERS_MAX_RECORDS (1U << 24) /* of a ring that is worth an index */

struct owners;

/*
 * owners__new() - indexes the @num_records (a power of two) at @records, of which
 * @next is the position that is to be written next. The records must outlive the
 * owners. Takes 32 bytes at most for each record that was written. @seed is a
 * secret: others choose what is hashed. Returns 0 and *@ownersp, or -ENOMEM, or
 * -EINVAL for a number that is none.
 */
int owners__new(struct owners **ownersp, const struct tws_record *records, uint32_t num_records,
		uint64_t next, uint64_t seed);
void owners__free(struct owners *owners); /* NULL is allowed */

/*
 * owners__find() - the close of the mini-socket @key, as ledger__find() says.
 * Returns true and fills *@event; false if none is known, or if it was written
 * over since.
 */
bool owners__find(struct owners *owners, const struct tws_key *key, uint64_t cookie,
		  uint64_t entered_ns, struct tws_event *event);

/* owners__oldest_ns() - when the oldest record was written if there were older ones
 * that were written over; 0: there were none. CLOCK_MONOTONIC. */
uint64_t owners__oldest_ns(const struct owners *owners);

/*
 * owners__accept() - whether *@event, from wherever in the kernel side, is the
 * close of the mini-socket @key with this @cookie: they have the same one, or if
 * either has none the moments fit. Then it gets @key's addresses, and true is
 * returned.
 */
bool owners__accept(struct tws_event *event, const struct tws_key *key, uint64_t cookie,
		    uint64_t entered_ns);

/* owners__is_better() - of two events of one socket: the one that knows the closer,
 * then the newer one. */
bool owners__is_better(const struct tws_event *event, const struct tws_event *than);

#endif

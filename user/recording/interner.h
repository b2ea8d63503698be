/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From what a record says of the closer to the ids of who it was and of its command line. What
 * is new is given to a callback, once; of the rest a bounded number is remembered, those that
 * closed last. Names are the users' to choose: so at most so many new ones are taken in a minute,
 * and who comes after that is not told (id 0), and counted.
 *
 * Memory: INTERNER_WHOS identities with their strings, mostly 200 bytes each and at most 2 KiB,
 * and INTERNER_COMMANDS command lines of up to 1 KiB.
 */
#ifndef TWSNOOP_INTERNER_H
#define TWSNOOP_INTERNER_H

#include <stddef.h>
#include <stdint.h>

#include "model/record.h"
#include "store/held.h"

#define INTERNER_WHOS 16384
#define INTERNER_COMMANDS 8192
#define INTERNER_WHOS_A_MINUTE 5000
#define INTERNER_COMMANDS_A_MINUTE 1000

struct interner;

/* What is new, to be kept before any row that names its id. They return 0 or a negative errno:
 * then it is as before, and the id was not given. */
struct interner_sink {
	int (*add_who)(void *ctx, const struct held_who *who);
	int (*add_command)(void *ctx, const struct held_command *command);
	void *ctx;
};

/* interner__new() - knows nobody; the ids are the next ones to be given. Returns 0 or -ENOMEM. */
int interner__new(struct interner **internerp, const struct interner_sink *sink,
		  uint32_t next_who, uint32_t next_command);
void interner__free(struct interner *interner); /* NULL is allowed */

/* interner__get() - fills in who and command of @row, for @rec: 0 what is not known, or may not
 * be told. Returns 0, or the sink's error, or -ENOMEM. */
int interner__get(struct interner *interner, const struct record *rec, struct held_row *row);

/* interner__minute() - a new minute begins, for what may be told in one. */
void interner__minute(struct interner *interner);

/* interner__forget() - everybody gets a new id: an epoch begins. */
void interner__forget(struct interner *interner);

/* interner__restart() - the same, from these ids on: another file begins. */
void interner__restart(struct interner *interner, uint32_t next_who, uint32_t next_command);

/* interner__refused() - how many identities and command lines were not told so far. */
uint64_t interner__refused(const struct interner *interner);

#endif

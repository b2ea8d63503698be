/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The last word on a recording's size: a layer below SQLite that lets nothing grow beyond what
 * it may have. Whatever else is wrong, not one byte over it is written. It also tells a disk that
 * is full from a recording that is.
 */
#ifndef TWSNOOP_GUARD_H
#define TWSNOOP_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct guard;

/* guard__new() - above SQLite's default layer of the moment. Returns 0 or -ENOMEM. Until
 * guard__limit() is called there is no limit. */
int guard__new(struct guard **guardp);
/* After the connections that go through it were closed. NULL is allowed. */
void guard__free(struct guard *guard);

/* guard__name() - for sqlite3_open_v2(). */
const char *guard__name(const struct guard *guard);

/* guard__limit() - @bytes: all files together; @wal_bytes: of these, the WAL. Files that are larger
 * already must not grow, but that the WAL may: it has to, so that the others can shrink. */
void guard__limit(struct guard *guard, uint64_t bytes, uint64_t wal_bytes);

uint64_t guard__bytes(const struct guard *guard); /* of all files now */

/* guard__was_refused() - something was to grow beyond the limit since this was last asked. */
bool guard__was_refused(struct guard *guard);

/* guard__disk_was_full() - likewise, that the disk had no room. */
bool guard__disk_was_full(struct guard *guard);

#endif

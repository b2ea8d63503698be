/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What goes into the recording in one transaction: copies of the structs of store/held.h, in the
 * order in which they were added. It is made by one thread and written by another, and may
 * be written again and again until that succeeds.
 */
#ifndef TWSNOOP_BUNDLE_H
#define TWSNOOP_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/held.h"
#include "store/recording.h"

struct bundle;

/* bundle__new() - an empty one. Returns 0 or -ENOMEM. */
int bundle__new(struct bundle **bundlep);
void bundle__free(struct bundle *bundle); /* NULL is allowed */

/* Each copies what it is given, strings and data too. They return 0 or -ENOMEM: then it is
 * as before. */
int bundle__add_who(struct bundle *bundle, const struct held_who *who);
int bundle__add_command(struct bundle *bundle, const struct held_command *command);
int bundle__add_flow(struct bundle *bundle, const struct held_flow *flow);
int bundle__add_block(struct bundle *bundle, const struct held_block *block);
int bundle__add_minute(struct bundle *bundle, const struct held_minute *minute);
int bundle__add_counted(struct bundle *bundle, uint64_t row);
int bundle__add_states(struct bundle *bundle, const struct held_states *states);
int bundle__add_limits(struct bundle *bundle, const struct held_limits *limits);
int bundle__add_ports(struct bundle *bundle, const struct held_ports *ports);
int bundle__add_counter(struct bundle *bundle, const struct held_counter *counter);
int bundle__add_account(struct bundle *bundle, const struct held_account *account);
int bundle__add_gap(struct bundle *bundle, const struct held_gap *gap);
int bundle__add_finding(struct bundle *bundle, const struct held_finding *finding);
int bundle__add_keep_raw(struct bundle *bundle, uint64_t since_ns, uint64_t until_ns);

/* bundle__begin_epoch() - an epoch of ids begins with it: recording__begin_epoch() is to be called
 * before it is written. */
void bundle__begin_epoch(struct bundle *bundle);
bool bundle__begins_epoch(const struct bundle *bundle);

/* bundle__end_epoch() - after it there are no tails and no minutes that are not counted: an epoch
 * may end there. */
void bundle__end_epoch(struct bundle *bundle);
bool bundle__ends_epoch(const struct bundle *bundle);

/* bundle__count_rows() - so many rows are in it that no bundle before had. */
void bundle__count_rows(struct bundle *bundle, uint64_t rows);
uint64_t bundle__rows(const struct bundle *bundle);

/* bundle__is_empty() - there is nothing in it that is to be written. */
bool bundle__is_empty(const struct bundle *bundle);

/* bundle__set_file() - it gives ids, or names some, of this file only: see writer_status.restarts. */
void bundle__set_file(struct bundle *bundle, uint64_t file);
/* bundle__is_for() - false: its ids are of another file. */
bool bundle__is_for(const struct bundle *bundle, uint64_t file);

/* bundle__bytes() - of memory that it takes. */
size_t bundle__bytes(const struct bundle *bundle);

/* bundle__write() - all of it as one transaction. Returns as recording__begin() and
 * recording__commit(); @now_ns is for the latter. */
int bundle__write(const struct bundle *bundle, struct recording *rec, uint64_t now_ns);

#endif

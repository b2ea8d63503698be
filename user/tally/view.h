/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rows of one view of a tally, by keys of its own: room for TALLY_ROWS of them, and one for all others,
 * to which the sums of those go that give way. For this room alone: what others may know is in tally.h.
 */
#ifndef TWSNOOP_VIEW_H
#define TWSNOOP_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "model/record.h"
#include "tally/tally.h"
#include "tally/whose.h"

struct view {
	struct tally_keys keys;
	struct table *by_hash;
	struct tally_row *list[TALLY_ROWS]; /* the rows that there are */
	size_t num;
	struct tally_row *slots[TALLY_ROWS];
	uint16_t generations[TALLY_ROWS];
	uint16_t free_slots[TALLY_ROWS];
	size_t num_free;
	struct tally_row others;
	uint64_t came; /* rows, ever */
	struct tally_row *gone; /* since the last frame, by next_gone */
	size_t num_gone;
};

struct view *view__new(const struct tally_keys *keys); /* NULL: no memory */
void view__free(struct view *view); /* NULL is allowed */

/* view__row() - that of @rec, perhaps a new one; that of the others if there is no room. */
struct tally_row *view__row(struct view *view, const struct record *rec, uint64_t seed);

/* view__whose() - @row, as a socket keeps it. view__of() - that row again, or the one that its sums have
 * gone to since. */
struct whose_row view__whose(const struct view *view, const struct tally_row *row);
struct tally_row *view__of(struct view *view, const struct whose_row *at);

/* view__cull() - of a full view: those rows that matter least give way to what may come. */
void view__cull(struct view *view, uint32_t now_s);

/* view__bury() - what gave way is in no frame any more. */
void view__bury(struct view *view);

/* tally_row__note_process() - who closed, if it is known. tally_row__keep_command_line() - the first that
 * there is. */
void tally_row__note_process(struct tally_row *row, const struct record *rec);
void tally_row__keep_command_line(struct tally_row *row, const struct record *rec);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tally (tally/tally.h) as `twsnoop top` shows it at one moment: the rows in order, with
 * their figures, and what is not among them as one row. Screens and plain text
 * (top_layout.h) and JSON (top_json.h) are made of this.
 */
#ifndef TWSNOOP_TOP_FRAME_H
#define TWSNOOP_TOP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/field.h"
#include "tally/tally.h"

/* The columns, from the left; those up to TOP_SORTS can be sorted by. */
enum top_column {
	TOP_NAME, /* what the rows have in common: a column for each key */
	TOP_CLOSES,
	TOP_HELD,
	TOP_TOTAL,
	TOP_CLIENT,
	TOP_PORTS,
	TOP_FAILED,
	TOP_LIFETIME,
	TOP_SORTS,
	TOP_REMOTE = TOP_SORTS,
	TOP_CAUSES,
	TOP_PIDS,
	TOP_COLUMNS,
};

/* top_frame__word() - of a column as --sort takes it. */
const char *top_frame__word(enum top_column column);

struct top_want {
	enum top_column sort; /* below TOP_SORTS; numbers: the greatest first */
	bool reverse;
	bool steady; /* rows change places only where they differ by more than a little */
	bool frozen; /* they keep their places, and new ones come last */
	size_t max_rows; /* the rest is summed up with the others; 0: all */
	const char *filter; /* rows with this in their name or command line alone; NULL, "": all */
};

struct top_line {
	struct tally_row *row; /* valid as struct tally_frame is; NULL: several */
	struct tally_counts total;
	uint64_t closes, failed; /* in the interval */
	uint64_t rate_milli, held;
	unsigned int ports_permille;
	bool is_quiet; /* nothing of late */
	bool has_busiest;
	struct remote busiest;
};

struct top_frame {
	struct tally_keys keys;
	struct tally_host host;
	struct port_set_use fullest; /* if host.fullest is set, which points here */
	uint64_t interval_ns;
	size_t num;
	struct top_line *lines; /* in order: the first of all */
	struct top_line others; /* what is in none of them: no room, too many, ended, filtered out */
	size_t num_others; /* rows that are among these; there may be more */
	struct top_line sum;
	uint32_t now_s;
	size_t num_all;	       /* private: all rows, and what had no room in the tally */
	struct top_line no_room;
};

/*
 * top_frame__fill() - @frame of @tally, a view by @keys. @out, zeroed before the first time, is
 * filled anew and keeps its memory. Returns 0 or -ENOMEM, with @out empty.
 */
int top_frame__fill(struct top_frame *out, const struct tally *tally,
		    const struct tally_frame *frame, const struct tally_keys *keys);

/* top_frame__arrange() - which rows are shown, and in which order. As often as wanted. */
void top_frame__arrange(struct top_frame *frame, const struct top_want *want);
void top_frame__free(struct top_frame *frame);

/* top_frame__has_others() - whether there is anything in others. */
bool top_frame__has_others(const struct top_frame *frame);

/* What stands in the first columns: the fields of the keys, where an address and its port
 * are one. Returns how many. */
#define TOP_KEY_COLUMNS 16
size_t top_frame__fields(const struct tally_keys *keys,
			 const struct field *fields[TOP_KEY_COLUMNS]);

#endif

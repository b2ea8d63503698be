/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A frame of `twsnoop top` as lines of text that fit a screen, or as plain text. Pure: what is
 * to be shown goes in, pieces of lines with their looks come out, and no line is wider
 * than the screen. Each name that somebody chose is escaped.
 */
#ifndef TWSNOOP_TOP_LAYOUT_H
#define TWSNOOP_TOP_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "model/feed.h"
#include "output/top_frame.h"

enum top_style {
	TOP_PLAIN,
	TOP_BOLD,
	TOP_DIM,
	TOP_HEADING,  /* the columns' headings */
	TOP_SORTED,   /* the heading of the column that is sorted by */
	TOP_SELECTED, /* the row that Enter shows */
	TOP_NOTE,     /* harmless, but to be seen */
	TOP_WARNING,
	TOP_ALARM,
	TOP_STYLES,
};

/* A piece of one line. Pieces are in order, line by line. */
struct top_piece {
	uint32_t line, column;
	uint32_t columns; /* of the screen that it takes */
	uint32_t from, len; /* of the text's bytes */
	enum top_style look;
};

struct top_cells {
	struct outbuf text;
	struct top_piece *pieces;
	size_t num, room;
	size_t lines; /* how many, empty ones included */
	/* What the terminal's cursor shows: where something is typed. */
	bool has_cursor;
	uint32_t cursor_line, cursor_column;
};

enum top_page { TOP_ROWS, TOP_DETAILS, TOP_HELP };

/* What the user has made of the screen. */
struct top_view {
	unsigned int width, height; /* width 0: as wide as it comes. height 0: plain text */
	bool ascii; /* no more than ASCII is to be shown */
	enum top_page page;
	enum top_column sort;
	bool reverse, paused, frozen;
	size_t first; /* line of the frame that is the topmost */
	bool chosen; /* a row was, and is marked */
	size_t selected; /* line of the frame; of the details, too */
	uint64_t chosen_number; /* of the row: see struct tally_row */
	bool typing; /* a filter */
	char filter[64]; /* "": none */
	const char *message; /* for the last line, instead of what the keys do; NULL */
	const char *time; /* of day, of the frame */
	const char *blind; /* why failing connects are not seen; NULL: they are */
	const char *limits; /* why the kernel's table cannot be looked into; NULL: it can */
	bool has_account;
	struct feed_account account;
	/* Widths that only grow, so that columns do not jump: kept from one time to the next, and
	 * zeroed where the rows are others. */
	unsigned int name_widths[TOP_KEY_COLUMNS], remote_width;
};

/*
 * top_layout__make() - @frame as @view has it; corrects view->selected and first to what there is.
 * @cells, zeroed before the first time, is filled anew and keeps its memory. Returns 0 or
 * -ENOMEM: then some of it may be missing.
 */
int top_layout__make(struct top_cells *cells, const struct top_frame *frame,
		     struct top_view *view);

/* top_layout__plain() - the text without looks or blanks at the ends of lines. */
void top_layout__plain(const struct top_cells *cells, struct outbuf *to);

void top_layout__free(struct top_cells *cells);

/* top_layout__page() - how many rows there is room for, of the last frame made. */
size_t top_layout__page(const struct top_frame *frame, const struct top_view *view);

#endif

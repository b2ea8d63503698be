/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the parts of `twsnoop top`'s screen (top_layout.h) write their lines, piece by piece: a pen knows
 * where it stands, and that no line may be wider than the screen. For the files of the layout alone.
 */
#ifndef TWSNOOP_TOP_PEN_H
#define TWSNOOP_TOP_PEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output/top_layout.h"

struct top_pen {
	struct top_cells *cells;
	const struct top_frame *frame;
	struct top_view *view;
	uint32_t line, column;
	uint32_t end; /* the first line that is not to be written to */
	bool cut; /* the rest of the line has no room */
	bool failed;
};

static inline unsigned int pen__width(const struct top_pen *l)
{
	return l->view->width ?: UINT32_MAX / 2;
}

/* pen__put() - one piece of ours, all ASCII but for bars, whose @columns are known. False: no room. */
bool pen__put(struct top_pen *l, enum top_style look, const char *text, size_t len,
	      size_t columns);

/* pen__say() - a piece of a sentence: whole, or not at all, and then nothing after it. */
bool pen__say(struct top_pen *l, enum top_style look, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* pen__name() - a name that somebody chose, in at most @columns. Returns what it took. */
size_t pen__name(struct top_pen *l, enum top_style look, const char *text, size_t len,
		 size_t columns);

/* pen__pad() - so many blanks. */
void pen__pad(struct top_pen *l, enum top_style look, size_t columns);

/* pen__end_line() - what follows stands in the next one, from its first column on. */
void pen__end_line(struct top_pen *l);

/* ---- the parts of the screen ---- */

/* top_head.c: what is said of the host. */
void top_head__title(struct top_pen *l);
void top_head__put(struct top_pen *l);
size_t top_head__lines(const struct top_view *v); /* that top_head__put() takes */

/* top_rows.c: the table. top_rows__scroll() - of @num rows @page can be seen, and the selected one is. */
void top_rows__put(struct top_pen *l);
void top_rows__scroll(struct top_view *v, size_t num, size_t page);

/* top_details.c: the page of one row, and of help. */
void top_details__put(struct top_pen *l);
void top_details__help(struct top_pen *l);

#endif

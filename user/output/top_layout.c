// SPDX-License-Identifier: GPL-2.0
#include "output/top_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output/top_pen.h"

/* ---- the foot ---- */

static void put_keys(struct top_pen *l)
{
	static const char *const keys[] = {
		"q", " quit  ", "?", " help  ", "/", " filter  ", ", .", " sort  ", "r", " reverse  ",
		"1-5", " group  ", "Enter", " details  ", "Space", " pause  ", "f", " freeze",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i += 2) {
		if (strlen(keys[i]) + strlen(keys[i + 1]) > pen__width(l) - l->column)
			return;
		pen__say(l, TOP_BOLD, "%s", keys[i]);
		pen__say(l, TOP_PLAIN, "%s", keys[i + 1]);
	}
}

static void put_foot(struct top_pen *l)
{
	const struct top_view *v = l->view;

	l->line = v->height - 1;
	l->end = v->height;
	l->column = 0;
	l->cut = false;
	if (v->typing) {
		pen__say(l, TOP_BOLD, "/");
		pen__name(l, TOP_PLAIN, v->filter, strlen(v->filter), pen__width(l) - l->column - 1);
		l->cells->has_cursor = true;
		l->cells->cursor_line = l->line;
		l->cells->cursor_column = l->column;
	} else if (v->message) {
		pen__name(l, TOP_NOTE, v->message, strlen(v->message), pen__width(l));
	} else if (v->page != TOP_ROWS) {
		pen__say(l, TOP_BOLD, "Esc");
		pen__say(l, TOP_PLAIN, " back  ");
		pen__say(l, TOP_BOLD, "q");
		pen__say(l, TOP_PLAIN, " back");
	} else {
		put_keys(l);
	}
	pen__end_line(l);
}

/* ---- all of it ---- */

size_t top_layout__page(const struct top_frame *frame, const struct top_view *view)
{
	size_t used = top_head__lines(view) + 2 + top_frame__has_others(frame);

	return view->height > used ? view->height - used : 0;
}

int top_layout__make(struct top_cells *cells, const struct top_frame *frame,
		     struct top_view *view)
{
	struct top_pen l = { .cells = cells, .frame = frame, .view = view,
			    .end = view->height ? view->height - 1 : UINT32_MAX };

	cells->text.len = 0;
	cells->text.failed = false;
	cells->num = cells->lines = 0;
	cells->has_cursor = false;
	if (!cells->text.cap && outbuf__init(&cells->text, 4096))
		return -ENOMEM;
	if (view->page == TOP_HELP)
		top_details__help(&l);
	else if (view->page == TOP_DETAILS)
		top_head__title(&l), top_details__put(&l);
	else
		top_head__put(&l), top_rows__put(&l);
	if (view->height)
		put_foot(&l);
	return l.failed || cells->text.failed ? -ENOMEM : 0;
}

void top_layout__plain(const struct top_cells *cells, struct outbuf *to)
{
	size_t at = 0;

	for (uint32_t line = 0; line < cells->lines; line++) {
		size_t begin = to->len;

		for (; at < cells->num && cells->pieces[at].line == line; at++)
			outbuf__bytes(to, cells->text.data + cells->pieces[at].from,
				      cells->pieces[at].len);
		while (to->len > begin && to->data[to->len - 1] == ' ')
			to->len--;
		outbuf__char(to, '\n');
	}
}

void top_layout__free(struct top_cells *cells)
{
	outbuf__free(&cells->text);
	free(cells->pieces);
	*cells = (struct top_cells){ 0 };
}

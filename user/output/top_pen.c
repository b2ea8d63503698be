// SPDX-License-Identifier: GPL-2.0
#include "output/top_pen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"

static struct top_piece *add_piece(struct top_pen *l, enum top_style look)
{
	struct top_cells *cells = l->cells;
	struct top_piece *piece;

	if (l->line >= l->end)
		return NULL;
	if (cells->num == cells->room) {
		size_t room = cells->room ? cells->room * 2 : 256;
		void *more = realloc(cells->pieces, room * sizeof(*piece));

		if (!more) {
			l->failed = true;
			return NULL;
		}
		cells->pieces = more;
		cells->room = room;
	}
	piece = &cells->pieces[cells->num++];
	*piece = (struct top_piece){ .line = l->line, .column = l->column, .look = look,
				     .from = (uint32_t)cells->text.len };
	return piece;
}

bool pen__put(struct top_pen *l, enum top_style look, const char *text, size_t len, size_t columns)
{
	struct top_piece *piece;

	if (l->cut || columns > pen__width(l) - l->column) {
		l->cut = true;
		return false;
	}
	piece = add_piece(l, look);
	if (!piece)
		return false;
	outbuf__bytes(&l->cells->text, text, len);
	piece->len = (uint32_t)len;
	piece->columns = (uint32_t)columns;
	l->column += (uint32_t)columns;
	return true;
}

bool pen__say(struct top_pen *l, enum top_style look, const char *format, ...)
{
	char text[256];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (len < 0)
		return false;
	if ((size_t)len >= sizeof(text))
		len = sizeof(text) - 1;
	return pen__put(l, look, text, (size_t)len, (size_t)len);
}

/* '?' for each column of what is not ASCII. */
static void make_ascii(struct top_pen *l, struct top_piece *piece, size_t columns)
{
	struct outbuf *ob = &l->cells->text;
	char *text = ob->data + piece->from;
	size_t len = ob->len - piece->from, ascii = 0, to = 0;

	for (size_t i = 0; i < len; i++)
		ascii += !(text[i] & 0x80);
	for (size_t i = 0; i < len; i++)
		if (!(text[i] & 0x80))
			text[to++] = text[i];
		else if ((text[i] & 0xc0) == 0xc0 && columns > ascii)
			text[to++] = '?';
	while (to < columns && to < len)
		text[to++] = '?';
	ob->len = piece->from + to;
}

size_t pen__name(struct top_pen *l, enum top_style look, const char *text, size_t len,
		       size_t columns)
{
	struct top_piece *piece;
	size_t took;

	if (columns > pen__width(l) - l->column)
		columns = pen__width(l) - l->column;
	piece = l->cut ? NULL : add_piece(l, look);
	if (!piece)
		return 0;
	took = escape__text_columns(&l->cells->text, text, len, columns);
	if (l->view->ascii && !l->cells->text.failed)
		make_ascii(l, piece, took);
	piece->len = (uint32_t)(l->cells->text.len - piece->from);
	piece->columns = (uint32_t)took;
	l->column += (uint32_t)took;
	return took;
}

void pen__pad(struct top_pen *l, enum top_style look, size_t columns)
{
	static const char blanks[] = "                                                ";

	while (columns && !l->cut) {
		size_t part = columns < sizeof(blanks) - 1 ? columns : sizeof(blanks) - 1;

		if (part > pen__width(l) - l->column)
			part = pen__width(l) - l->column;
		if (!part || !pen__put(l, look, blanks, part, part))
			return;
		columns -= part;
	}
}

void pen__end_line(struct top_pen *l)
{
	l->line++;
	l->column = 0;
	l->cut = false;
	l->cells->lines = l->line;
}

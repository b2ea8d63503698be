// SPDX-License-Identifier: GPL-2.0
/*
 * The table of `twsnoop top`: which columns have room, and its rows.
 */
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "output/fit.h"
#include "output/tabular.h"
#include "output/top_pen.h"
#include "output/top_words.h"

#define NAME_LEAST 8
#define NAME_USUAL 16
#define TWO_COLUMNS 17 /* CLOSES/s and HELD, each with a blank before it */
#define NAME_MOST 40
#define REMOTE_LEAST 15
#define REMOTE_MOST 47 /* an IPv6 address with its port */
#define CAUSES_COLUMNS 20

/* ---- columns ---- */

struct column {
	enum top_column what;
	const struct field *field; /* of TOP_NAME */
	const char *heading;
	unsigned int width;
	bool right;
};

struct columns {
	size_t num;
	struct column columns[TOP_COLUMNS + TOP_KEY_COLUMNS];
	size_t names; /* the first ones */
};

static const struct {
	const char *heading;
	unsigned int width;
	bool right;
} shapes[TOP_COLUMNS] = {
	[TOP_CLOSES] = { "CLOSES/s", 8, true }, [TOP_HELD] = { "HELD", 7, true },
	[TOP_TOTAL] = { "TOTAL", 8, true },	[TOP_CLIENT] = { "CLIENT%", 7, true },
	[TOP_PORTS] = { "PORTS%", 6, true },	[TOP_FAILED] = { "FAILED", 7, true },
	[TOP_LIFETIME] = { "LIFETIME", 8, true }, [TOP_REMOTE] = { "BUSIEST REMOTE", 21, false },
	[TOP_CAUSES] = { "CAUSES", CAUSES_COLUMNS, false }, [TOP_PIDS] = { "PID", 7, true },
};

/* From the left, after the names; failures only where there are any. */
static const enum top_column in_order[] = {
	TOP_CLOSES, TOP_HELD, TOP_TOTAL, TOP_CLIENT, TOP_PORTS, TOP_FAILED, TOP_REMOTE, TOP_LIFETIME,
	TOP_CAUSES, TOP_PIDS,
};

static size_t columns_of(const char *text, size_t len)
{
	struct outbuf none = { 0 };
	size_t took = escape__text_columns(&none, text, len, NAME_MOST);

	outbuf__free(&none);
	return took;
}

/* The cell's width as text. */
static unsigned int natural_width(const struct tabular_cell *cell)
{
	char digits[FMT_U64_MAX];

	switch (cell->kind) {
	case TABULAR_NONE:
		return 1;
	case TABULAR_NUMBER:
		return (unsigned int)fmt__u64(digits, cell->number);
	case TABULAR_NAME:
		return (unsigned int)columns_of(cell->text, cell->len) + cell->guessed;
	default:
		return (unsigned int)cell->len;
	}
}

static void widen(unsigned int *width, unsigned int to, unsigned int most)
{
	to = to < most ? to : most;
	*width = *width < to ? to : *width;
}

static unsigned int most_of(const struct field *field)
{
	return field->type == FIELD_NAME ? NAME_MOST : REMOTE_MOST;
}

/* As wide as the rows that are shown want them, or did at some time. */
static void widen_all(const struct top_pen *l, struct columns *c, size_t first, size_t num)
{
	struct top_view *v = l->view;

	for (size_t i = first; i < first + num && i < l->frame->num; i++) {
		const struct top_line *line = &l->frame->lines[i];
		char text[FMT_IPV6_MAX + 10];

		for (size_t n = 0; n < c->names; n++) {
			struct tabular_cell cell = { 0 };

			tabular__field(&cell, c->columns[n].field, &line->row->sample, SINK_TEXT);
			widen(&v->name_widths[n], natural_width(&cell),
			      most_of(c->columns[n].field));
		}
		if (line->has_busiest)
			widen(&v->remote_width,
			      (unsigned int)top_words__address(text, line->busiest.key.family,
							   line->busiest.key.peer_addr,
							   line->busiest.key.peer_port),
			      REMOTE_MOST);
	}
}

static bool has_column(const struct top_pen *l, enum top_column what)
{
	const struct tally_keys *keys = &l->frame->keys;
	bool wants_pids = false, is_remote = false;

	for (size_t i = 0; i < keys->num; i++) {
		wants_pids |= !strcmp(keys->keys[i]->word, "process");
		is_remote |= !strcmp(keys->keys[i]->word, "remote");
	}
	if (what == TOP_FAILED)
		return l->frame->sum.total.failed > 0;
	if (what == TOP_PIDS)
		return wants_pids;
	return what != TOP_REMOTE || !is_remote;
}

static void choose_columns(const struct top_pen *l, struct columns *c)
{
	const struct field *fields[TOP_KEY_COLUMNS];

	c->names = top_frame__fields(&l->frame->keys, fields);
	for (size_t i = 0; i < c->names; i++)
		c->columns[c->num++] = (struct column){
			.what = TOP_NAME, .field = fields[i], .heading = fields[i]->column.heading,
			.right = fields[i]->column.right,
		};
	for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
		enum top_column what = in_order[i];

		if (has_column(l, what))
			c->columns[c->num++] = (struct column){
				.what = what, .heading = shapes[what].heading,
				.width = shapes[what].width, .right = shapes[what].right,
			};
	}
}

/* The names take what they want, as long as the two columns after them have room. */
static void size_names(const struct top_pen *l, struct columns *c, struct fit_column *fits)
{
	const struct top_view *v = l->view;
	unsigned int room = v->width > TWO_COLUMNS ? v->width - TWO_COLUMNS : v->width, sum = 0;

	for (size_t i = 0; i < c->names; i++) {
		unsigned int wide = (unsigned int)strlen(c->columns[i].heading);

		if (c->names == 1 && !c->columns[i].right)
			wide = NAME_USUAL;
		widen(&wide, v->name_widths[i], REMOTE_MOST);
		fits[i] = (struct fit_column){ .natural = wide, .keep = (unsigned int)i + 1 };
		sum += wide + (i > 0);
	}
	for (size_t i = 0; sum > room && i < c->names; i++) {
		fits[i].least = fits[i].natural * room / sum;
		if (fits[i].least < NAME_LEAST)
			fits[i].least = NAME_LEAST;
	}
}

/* What does not fit goes from the right; the names never. */
static void fit_columns(const struct top_pen *l, struct columns *c)
{
	struct fit_column fits[TOP_COLUMNS + TOP_KEY_COLUMNS];
	const struct top_view *v = l->view;
	unsigned int before = 0; /* what is to the left takes at least */
	size_t shown = 0;

	size_names(l, c, fits);
	for (size_t i = 0; i < c->num; i++) {
		unsigned int wide = c->columns[i].width, least = 0;

		if (c->columns[i].what == TOP_REMOTE) {
			widen(&wide, v->remote_width, REMOTE_MOST);
			/* Whole, if need be in the place of what comes after it. */
			least = before + wide <= v->width ? wide : REMOTE_LEAST;
		}
		if (i >= c->names)
			fits[i] = (struct fit_column){ .natural = wide, .least = least,
						       .keep = (unsigned int)i + 1 + FIT_LAST };
		before += (fits[i].least ?: fits[i].natural) + 1;
	}
	fit__columns(fits, c->num, v->width);
	for (size_t i = 0; i < c->num; i++) {
		c->columns[i].width = fits[i].width;
		if (fits[i].width)
			c->columns[shown++] = c->columns[i];
		else if (i < c->names)
			c->names = i;
	}
	c->num = shown;
	c->names = c->names < shown ? c->names : shown;
}

/* ---- rows ---- */

static void put_text(struct top_pen *l, enum top_style look, const struct column *c,
		     const char *text, size_t len)
{
	size_t blanks = len < c->width ? c->width - len : 0;

	if (c->right)
		pen__pad(l, look, blanks);
	pen__put(l, look, text, len < c->width ? len : c->width, len < c->width ? len : c->width);
	if (!c->right)
		pen__pad(l, look, blanks);
}

static void put_key_cell(struct top_pen *l, enum top_style look, const struct column *c,
			 const struct top_line *line)
{
	struct tabular_cell cell = { 0 };
	char text[FMT_U64_MAX + REMOTE_MOST];
	struct outbuf ob;
	size_t took;

	tabular__field(&cell, c->field, &line->row->sample, SINK_TEXT);
	outbuf__init_fixed(&ob, text, sizeof(text));
	if (cell.kind == TABULAR_NAME) {
		took = cell.guessed && pen__put(l, look, "~", 1, 1);
		took += pen__name(l, look, cell.text, cell.len, c->width - took);
		pen__pad(l, look, c->width - took);
		return;
	}
	if (cell.kind == TABULAR_NUMBER)
		outbuf__u64(&ob, cell.number);
	else if (cell.kind == TABULAR_NONE)
		outbuf__char(&ob, '-');
	else
		fit__address(&ob, cell.text, cell.len, c->width);
	put_text(l, look, c, text, ob.len);
}

static size_t format_cell(char *to, size_t size, enum top_column what, const struct top_line *line,
			  unsigned int width)
{
	const struct tally_counts *total = &line->total;
	char address[FMT_IPV6_MAX + 10];
	struct outbuf ob;

	switch (what) {
	case TOP_CLOSES:
		if (line->is_quiet && !line->rate_milli)
			return (size_t)snprintf(to, size, "-");
		return top_words__rate(to, size, line->rate_milli);
	case TOP_HELD:
		return top_words__count(to, size, line->held);
	case TOP_TOTAL:
		return top_words__count(to, size, total->closes);
	case TOP_CLIENT:
		return top_words__share(to, size, total->client, total->closes);
	case TOP_PORTS:
		if (!line->ports_permille)
			return (size_t)snprintf(to, size, "-");
		return (size_t)snprintf(to, size, "%u.%u", line->ports_permille / 10,
					line->ports_permille % 10);
	case TOP_FAILED:
		return top_words__count(to, size, total->failed);
	case TOP_LIFETIME:
		if (!total->lifetimes)
			return (size_t)snprintf(to, size, "-");
		return fmt__lifetime(to, total->lifetime_ns / total->lifetimes);
	case TOP_CAUSES:
		return top_words__causes(to, size, total);
	case TOP_PIDS:
		return top_words__pids(to, size, line->row);
	default:
		break;
	}
	outbuf__init_fixed(&ob, to, size);
	if (!line->has_busiest) {
		outbuf__char(&ob, '-');
		return ob.len;
	}
	top_words__address(address, line->busiest.key.family, line->busiest.key.peer_addr,
		       line->busiest.key.peer_port);
	fit__address(&ob, address, strlen(address), width);
	return ob.len;
}

/* Colour, beside what the numbers and signs say already. */
static enum top_style look_of(const struct top_line *line, enum top_column what, enum top_style row)
{
	if (row != TOP_PLAIN)
		return row;
	if (what == TOP_PORTS)
		return top_words__look_of_share(line->ports_permille);
	if (what == TOP_FAILED && line->failed)
		return TOP_ALARM;
	return TOP_PLAIN;
}

static void put_row(struct top_pen *l, const struct columns *c, const struct top_line *line,
		    enum top_style look)
{
	char text[128];

	for (size_t i = 0; i < c->num; i++) {
		const struct column *column = &c->columns[i];

		if (i)
			pen__pad(l, look, 1);
		if (column->what != TOP_NAME) {
			size_t len = format_cell(text, sizeof(text), column->what, line, column->width);

			put_text(l, look_of(line, column->what, look), column, text, len);
		} else if (line->row) {
			put_key_cell(l, look, column, line);
		} else {
			put_text(l, look, column, i ? "" : "~other", i ? 0 : 6);
		}
	}
	if (look == TOP_SELECTED && l->view->width)
		pen__pad(l, look, l->view->width - l->column);
	pen__end_line(l);
}

static void put_headings(struct top_pen *l, const struct columns *c)
{
	for (size_t i = 0; i < c->num; i++) {
		const struct column *column = &c->columns[i];
		bool sorted = column->what == l->view->sort && !l->view->frozen;

		if (i)
			pen__pad(l, TOP_HEADING, 1);
		put_text(l, sorted ? TOP_SORTED : TOP_HEADING, column, column->heading,
			 strlen(column->heading));
	}
	if (l->view->width)
		pen__pad(l, TOP_HEADING, l->view->width - l->column);
	pen__end_line(l);
}

/* The selected row is to be seen. */
void top_rows__scroll(struct top_view *v, size_t num, size_t page)
{
	if (v->selected >= num)
		v->selected = num ? num - 1 : 0;
	if (v->first > v->selected || !page)
		v->first = v->selected;
	if (page && v->selected >= v->first + page)
		v->first = v->selected - page + 1;
	if (v->first + page > num)
		v->first = num > page ? num - page : 0;
}

void top_rows__put(struct top_pen *l)
{
	const struct top_frame *frame = l->frame;
	struct top_view *v = l->view;
	size_t page = v->height ? top_layout__page(frame, v) : frame->num;
	struct columns c = { 0 };

	if (v->height)
		top_rows__scroll(v, frame->num, page);
	else
		v->first = 0;
	choose_columns(l, &c);
	widen_all(l, &c, v->first, page);
	fit_columns(l, &c);
	put_headings(l, &c);
	for (size_t i = v->first; i < v->first + page && i < frame->num; i++) {
		const struct top_line *line = &frame->lines[i];
		bool selected = v->height && v->chosen && i == v->selected;

		put_row(l, &c, line, selected ? TOP_SELECTED : line->is_quiet ? TOP_DIM : TOP_PLAIN);
	}
	if (top_frame__has_others(frame))
		put_row(l, &c, &frame->others, frame->others.is_quiet ? TOP_DIM : TOP_PLAIN);
}

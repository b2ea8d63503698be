// SPDX-License-Identifier: GPL-2.0
#include "output/top_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/outbuf.h"
#include "output/tabular.h"

#define STEADY_PERCENT 15 /* what differs by less than this is as good as equal */

static const char *const words[TOP_SORTS] = {
	[TOP_NAME] = "name",	   [TOP_CLOSES] = "closes", [TOP_HELD] = "held",
	[TOP_TOTAL] = "total",	   [TOP_CLIENT] = "client", [TOP_PORTS] = "ports",
	[TOP_FAILED] = "failed",   [TOP_LIFETIME] = "lifetime",
};

const char *top_frame__word(enum top_column column)
{
	return column < TOP_SORTS ? words[column] : NULL;
}

/* ---- names ---- */

static bool is_key(const struct tally_keys *keys, size_t i, const char *word)
{
	return i < keys->num && !strcmp(keys->keys[i]->word, word);
}

size_t top_frame__fields(const struct tally_keys *keys,
			 const struct field *fields[TOP_KEY_COLUMNS])
{
	size_t num = 0;

	for (size_t i = 0; i < keys->num && num < TOP_KEY_COLUMNS; i++) {
		const struct field_key *key = keys->keys[i];
		bool peer = is_key(keys, i, "remote") && is_key(keys, i + 1, "remote-port");
		bool local = is_key(keys, i, "local") && is_key(keys, i + 1, "local-port");

		if (peer || local) {
			fields[num++] = field__find(peer ? "peer" : "local");
			i++;
			continue;
		}
		for (size_t f = 0; f < FIELD_KEY_COLUMNS && key->text[f]; f++)
			if (num < TOP_KEY_COLUMNS)
				fields[num++] = field__find(key->text[f]);
	}
	return num;
}

static bool holds(const char *text, size_t len, const char *part)
{
	size_t part_len = strlen(part);

	for (size_t i = 0; i + part_len <= len; i++)
		if (!strncasecmp(text + i, part, part_len))
			return true;
	return false;
}

static bool passes(const struct tally_keys *keys, const struct tally_row *row, const char *filter)
{
	const struct field *fields[TOP_KEY_COLUMNS];
	size_t num = top_frame__fields(keys, fields);

	if (!filter || !filter[0])
		return true;
	for (size_t i = 0; i < num; i++) {
		struct tabular_cell cell = { 0 };
		char digits[24];
		struct outbuf ob;

		outbuf__init_fixed(&ob, digits, sizeof(digits));
		tabular__field(&cell, fields[i], &row->sample, SINK_TEXT);
		if (cell.kind == TABULAR_NUMBER) {
			outbuf__u64(&ob, cell.number);
			if (holds(digits, ob.len, filter))
				return true;
		} else if (cell.kind != TABULAR_NONE && holds(cell.text, cell.len, filter)) {
			return true;
		}
	}
	return row->command_line && holds(row->command_line, strlen(row->command_line), filter);
}

/* ---- lines ---- */

static void fill_line(struct top_line *line, const struct tally *tally,
		      const struct tally_row *row, uint32_t now_s)
{
	uint8_t order[REMOTES_KEPT];

	*line = (struct top_line){
		.total = row->total,
		.closes = row->closes,
		.failed = row->failed,
		.rate_milli = tally__rate_milli(tally, &row->recent),
		.held = row->held.now,
		.ports_permille = tally__permille(tally, row),
		.is_quiet = tally__is_quiet(row, now_s),
	};
	line->has_busiest = remotes__order(&row->remotes, order) > 0;
	if (line->has_busiest)
		line->busiest = row->remotes.kept[order[0]];
}

static void add_line(struct top_line *to, const struct top_line *from)
{
	tally__add_counts(&to->total, &from->total);
	to->closes += from->closes;
	to->failed += from->failed;
	to->rate_milli += from->rate_milli;
	to->held += from->held;
	to->is_quiet = to->is_quiet && from->is_quiet;
}

static void put_aside(struct top_frame *out, const struct top_line *line)
{
	add_line(&out->others, line);
	out->num_others++;
}

/* ---- order ---- */

static uint64_t value_of(const struct top_line *line, enum top_column sort)
{
	const struct tally_counts *total = &line->total;

	switch (sort) {
	case TOP_CLOSES:
		return line->rate_milli;
	case TOP_HELD:
		return line->held;
	case TOP_TOTAL:
		return total->closes;
	case TOP_CLIENT:
		return total->closes ? total->client * 1000 / total->closes : 0;
	case TOP_PORTS:
		return line->ports_permille;
	case TOP_FAILED:
		return total->failed;
	case TOP_LIFETIME:
		return total->lifetimes ? total->lifetime_ns / total->lifetimes : 0;
	default:
		return 0;
	}
}

/* A row that was at some place stays there until it differs enough. */
static void settle(struct top_line *line, const struct top_want *want)
{
	uint64_t value = value_of(line, want->sort), old = line->row->settled;
	uint64_t more = value > old ? value - old : old - value;

	if (!want->steady || !line->row->rank || !value || more * 100 > old * STEADY_PERCENT)
		line->row->settled = value;
}

struct ordering {
	const struct tally_keys *keys;
	const struct top_want *want;
};

static int compare_names(const struct ordering *o, const struct top_line *x,
			 const struct top_line *y)
{
	int order = 0;

	for (size_t i = 0; !order && i < o->keys->num; i++)
		order = field__compare(o->keys->keys[i], &x->row->sample, &y->row->sample);
	return order;
}

static int compare_places(const struct top_line *x, const struct top_line *y)
{
	uint32_t a = x->row->rank ?: UINT32_MAX, b = y->row->rank ?: UINT32_MAX;

	if (a != b)
		return a < b ? -1 : 1;
	return x->row->number < y->row->number ? -1 : 1;
}

/* Of equal ones those with more in the other columns first, and then the older ones. */
static int compare_lines(const void *a, const void *b, void *ctx)
{
	static const enum top_column then[] = { TOP_CLOSES, TOP_HELD, TOP_TOTAL, TOP_FAILED };
	const struct ordering *o = ctx;
	const struct top_line *x = a, *y = b;
	int order = 0;

	if (o->want->frozen)
		return compare_places(x, y);
	if (o->want->sort == TOP_NAME)
		order = compare_names(o, x, y);
	else if (x->row->settled != y->row->settled)
		order = x->row->settled > y->row->settled ? -1 : 1;
	if (order)
		return o->want->reverse ? -order : order;
	for (size_t i = 0; !o->want->steady && i < sizeof(then) / sizeof(then[0]); i++) {
		uint64_t p = value_of(x, then[i]), q = value_of(y, then[i]);

		if (p != q)
			return p > q ? -1 : 1;
	}
	return x->row->number < y->row->number ? -1 : 1;
}

static void put_in_order(struct top_frame *f, const struct top_want *want)
{
	struct ordering o = { &f->keys, want };

	for (size_t i = 0; i < f->num; i++)
		settle(&f->lines[i], want);
	if (f->num)
		qsort_r(f->lines, f->num, sizeof(*f->lines), compare_lines, &o);
	for (size_t i = 0; i < f->num; i++)
		f->lines[i].row->rank = (uint32_t)(i + 1);
}

/* A row without a close in a minute is shown only where its total is what counts. */
static bool is_shown(const struct top_frame *f, const struct top_line *line,
		     const struct top_want *want)
{
	if (tally__has_ended(line->row, f->now_s) && want->sort != TOP_TOTAL)
		return false;
	return passes(&f->keys, line->row, want->filter);
}

void top_frame__arrange(struct top_frame *f, const struct top_want *want)
{
	f->others = f->no_room;
	f->num_others = f->num = 0;
	for (size_t i = 0; i < f->num_all; i++) {
		struct top_line line = f->lines[i];

		if (!is_shown(f, &line, want)) {
			put_aside(f, &line);
			continue;
		}
		f->lines[i] = f->lines[f->num];
		f->lines[f->num++] = line;
	}
	put_in_order(f, want);
	while (want->max_rows && f->num > want->max_rows)
		put_aside(f, &f->lines[--f->num]);
}

/* ---- all of it ---- */

static void fill_host(struct top_frame *out, const struct tally_frame *frame)
{
	out->host = frame->host;
	if (!frame->host.fullest)
		return;
	out->fullest = *frame->host.fullest;
	out->host.fullest = &out->fullest;
}

int top_frame__fill(struct top_frame *out, const struct tally *tally,
		    const struct tally_frame *frame, const struct tally_keys *keys)
{
	struct top_line *lines = realloc(out->lines, (frame->num_rows + 1) * sizeof(*lines));

	out->num_all = out->num = out->num_others = 0;
	if (!lines)
		return -ENOMEM;
	out->lines = lines;
	out->keys = *keys;
	out->interval_ns = frame->interval_ns;
	out->now_s = frame->now_s;
	fill_host(out, frame);
	fill_line(&out->sum, tally, frame->sum, frame->now_s);
	fill_line(&out->no_room, tally, frame->others, frame->now_s);
	for (size_t i = 0; i < frame->num_rows; i++) {
		fill_line(&out->lines[i], tally, frame->rows[i], frame->now_s);
		out->lines[i].row = frame->rows[i];
	}
	out->num_all = frame->num_rows;
	return 0;
}

void top_frame__free(struct top_frame *frame)
{
	free(frame->lines);
	*frame = (struct top_frame){ 0 };
}

bool top_frame__has_others(const struct top_frame *frame)
{
	const struct top_line *others = &frame->others;

	return others->total.closes || others->total.failed || others->held || others->rate_milli;
}

// SPDX-License-Identifier: GPL-2.0
#include "store/coverage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_NS COVERAGE_MINUTE_NS
#define LATE_MINUTES 5
#define DAMAGED_MINUTES 1440 /* of one block, at most */
#define MAX_STRETCHES 1024   /* a bound for recordings that were made to have any number */
#define MAX_LOOKS 1440	     /* into minutes of these, likewise */

struct finder {
	struct coverage *coverage;
	struct history *history;
	struct history_span asked;
	uint64_t since_ns, until_ns; /* of it what may be there, in whole minutes */
	uint64_t next_row; /* that would follow on the blocks so far */
	struct history_span last; /* of the last of them, its end included; 0: there is none */
	/* Blocks are walked first, and looked into then: where rows are missing between two. */
	struct edge {
		uint64_t before_row;
		struct history_span last, next;
		bool is_damaged; /* no rows are missing, but those of the block @last */
	} *edges;
	size_t num_edges, edge_room;
	/* What the blocks reach over, in their order: several, where there was nothing for a while or the
	 * clock was put back. Such a one may stand in a hole. */
	struct history_span stretches[MAX_STRETCHES];
	size_t num_stretches;
	unsigned int looks; /* into minutes of these */
};

static uint64_t minute_of(uint64_t ns)
{
	return ns - ns % MINUTE_NS;
}

/* ---- is all of a minute there? ---- */

static int add_count(void *ctx, const struct held_minute *minute)
{
	*(uint64_t *)ctx += minute->count;
	return 0;
}

static int count_rows(struct history *history, const struct history_span *span, uint64_t *num)
{
	struct history_cursor *cursor;
	const struct block *block;
	struct held_block meta;
	struct held_row row;
	int err = history_cursor__new(&cursor, history, span);

	if (err)
		return err;
	while ((err = history_cursor__next(cursor, &block, &meta)) == 1) {
		for (uint32_t i = 0; i < block__count(block); i++) {
			block__row(block, i, &row);
			*num += row.wall_ns >= span->since_ns && row.wall_ns < span->until_ns;
		}
	}
	history_cursor__free(cursor);
	return err;
}

/* 1: there are fewer rows than were counted; 0: all are there, or a negative errno. */
static int lacks_rows(struct history *history, uint64_t minute_ns)
{
	const struct history_span span = { minute_ns, minute_ns + MINUTE_NS };
	uint64_t counted = 0, rows = 0;
	int err = history__each_minute(history, &span, add_count, &counted);

	if (!err && counted)
		err = count_rows(history, &span, &rows);
	return err ?: rows < counted;
}

/* ---- holes ---- */

static int add_hole(struct finder *f, uint64_t before_row, uint64_t since_ns, uint64_t until_ns)
{
	struct coverage *c = f->coverage;
	struct coverage_hole *last = c->num ? &c->holes[c->num - 1] : NULL;

	if (last && since_ns < last->span.until_ns)
		since_ns = last->span.until_ns;
	if (since_ns < f->since_ns)
		since_ns = f->since_ns;
	if (until_ns > f->until_ns)
		until_ns = f->until_ns;
	if (since_ns >= until_ns)
		return 0;
	if (last && last->before_row == before_row && last->span.until_ns == since_ns) {
		last->span.until_ns = until_ns;
		return 0;
	}
	if (c->num == c->room) {
		size_t room = c->room ? c->room * 2 : 16;
		void *more = realloc(c->holes, room * sizeof(*c->holes));

		if (!more)
			return -ENOMEM;
		c->holes = more;
		c->room = room;
	}
	c->holes[c->num++] = (struct coverage_hole){ before_row, { since_ns, until_ns } };
	return 0;
}

/* A minute at the edge of a hole: some of its rows may be on the other side. */
static int add_minute(struct finder *f, uint64_t before_row, uint64_t minute_ns)
{
	int err;

	if (minute_ns < f->since_ns || minute_ns >= f->until_ns ||
	    coverage__lacks_rows(f->coverage, minute_ns))
		return 0;
	err = lacks_rows(f->history, minute_ns);
	return err > 0 ? add_hole(f, before_row, minute_ns, minute_ns + MINUTE_NS) : err;
}

/* The earliest of the stretches that have a part of @ns to @end; NULL: there is none. */
static const struct history_span *next_stretch(const struct finder *f, uint64_t ns, uint64_t end)
{
	const struct history_span *first = NULL;

	for (size_t i = 0; i < f->num_stretches; i++) {
		const struct history_span *stretch = &f->stretches[i];

		if (stretch->until_ns >= ns && stretch->since_ns < end &&
		    (!first || stretch->since_ns < first->since_ns))
			first = stretch;
	}
	return first;
}

/* Minutes that no block beside them says anything of: all are a hole, but for those that others reach
 * over, which have another place in the recording than in time. */
static int add_rest(struct finder *f, uint64_t before_row, uint64_t ns, uint64_t end)
{
	const struct history_span *stretch;
	int err = 0;

	while (!err && ns < end && f->looks < MAX_LOOKS && (stretch = next_stretch(f, ns, end))) {
		if (minute_of(stretch->since_ns) > ns) {
			err = add_hole(f, before_row, ns, minute_of(stretch->since_ns));
			ns = minute_of(stretch->since_ns);
		}
		for (; !err && ns < end && ns <= stretch->until_ns && f->looks < MAX_LOOKS;
		     ns += MINUTE_NS, f->looks++)
			err = add_minute(f, before_row, ns);
	}
	return !err && ns < end ? add_hole(f, before_row, ns, end) : err;
}

/* Minutes of which the blocks beside them say nothing. Close behind a block each is looked at: what was
 * found late stands behind what is newer. */
static int add_between_minutes(struct finder *f, uint64_t before_row, uint64_t ns, uint64_t end)
{
	int err = 0;

	if (ns < f->since_ns)
		ns = f->since_ns;
	if (end > f->until_ns)
		end = f->until_ns;
	for (unsigned int i = 0; !err && ns < end && i < LATE_MINUTES; i++, ns += MINUTE_NS)
		err = add_minute(f, before_row, ns);
	return err ?: add_rest(f, before_row, ns, end);
}

/*
 * Rows are missing between two blocks. A row comes some time after its event, and so may stand in
 * the block of the next minute: of the last two minutes before and the first two behind it is not
 * known whether they are whole.
 */
static int add_between(struct finder *f, const struct edge *edge)
{
	bool has_last = edge->last.until_ns, has_next = edge->before_row != UINT64_MAX;
	uint64_t last = minute_of(edge->last.until_ns), next = minute_of(edge->next.since_ns);
	uint64_t begin = has_last ? last + MINUTE_NS : 0, end = has_next ? next : UINT64_MAX;
	int err = 0;

	if (has_last && edge->last.since_ns < last)
		err = add_minute(f, edge->before_row, last - MINUTE_NS);
	if (!err && has_last)
		err = add_minute(f, edge->before_row, last);
	if (!err && begin < end)
		err = add_between_minutes(f, edge->before_row, begin, end);
	if (!err && has_next)
		err = add_minute(f, edge->before_row, next);
	if (!err && has_next && edge->next.until_ns >= next + MINUTE_NS)
		err = add_minute(f, edge->before_row, next + MINUTE_NS);
	return err;
}

/*
 * A block that cannot be read: its minutes are told by their sums, as far as they were counted. One of
 * very many minutes is none of ours.
 */
static int add_damaged(struct finder *f, const struct edge *edge)
{
	uint64_t ns = minute_of(edge->last.since_ns), until_ns = edge->last.until_ns;
	bool is_told = true;
	int err = 0;

	/* What was not asked for is not missed either. */
	if (ns < minute_of(f->asked.since_ns))
		ns = minute_of(f->asked.since_ns);
	if (f->asked.until_ns && until_ns >= f->asked.until_ns)
		until_ns = f->asked.until_ns - 1;
	for (unsigned int i = 0; !err && ns <= until_ns && i < DAMAGED_MINUTES; i++) {
		err = add_minute(f, edge->before_row, ns);
		is_told &= coverage__lacks_rows(f->coverage, ns);
		ns += MINUTE_NS;
	}
	if (!err && is_told && ns > until_ns)
		history__block_is_told(f->history, &(struct held_block){
			.since_ns = edge->last.since_ns, .until_ns = edge->last.until_ns });
	return err;
}

static int add_edge(struct finder *f, const struct edge *edge)
{
	if (f->num_edges == f->edge_room) {
		size_t room = f->edge_room ? f->edge_room * 2 : 16;
		void *more = realloc(f->edges, room * sizeof(*f->edges));

		if (!more)
			return -ENOMEM;
		f->edges = more;
		f->edge_room = room;
	}
	f->edges[f->num_edges++] = *edge;
	return 0;
}

static int on_damaged(void *ctx, const struct held_block *block)
{
	const struct edge edge = { .before_row = block->first_row,
				   .last = { block->since_ns, block->until_ns },
				   .is_damaged = true };

	return add_edge(ctx, &edge);
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *left = a, *right = b;

	return (left->before_row > right->before_row) - (left->before_row < right->before_row);
}

static void add_stretch(struct finder *f, const struct history_span *span)
{
	struct history_span *last = f->num_stretches ? &f->stretches[f->num_stretches - 1] : NULL;

	if (last && span->since_ns <= last->until_ns + MINUTE_NS &&
	    last->since_ns <= span->until_ns + MINUTE_NS) {
		if (span->since_ns < last->since_ns)
			last->since_ns = span->since_ns;
		if (span->until_ns > last->until_ns)
			last->until_ns = span->until_ns;
	} else if (f->num_stretches < MAX_STRETCHES) {
		f->stretches[f->num_stretches++] = *span;
	}
}

static int on_block(void *ctx, const struct held_block *block)
{
	const struct history_span span = { block->since_ns, block->until_ns };
	struct finder *f = ctx;
	int err = 0;

	if (block->first_row > f->next_row) {
		const struct edge edge = { block->first_row, f->last, span, false };

		err = add_edge(f, &edge);
	}
	f->next_row = block->first_row + block->rows;
	f->last = span;
	add_stretch(f, &span);
	return err;
}

/* In whole minutes, and no farther than there is anything. */
static void set_bounds(struct finder *f, const struct history_span *span,
		       const struct history_span *minutes)
{
	uint64_t until_ns = minute_of(minutes->until_ns) + MINUTE_NS;

	f->since_ns = minute_of(span->since_ns > minutes->since_ns ? span->since_ns :
								     minutes->since_ns);
	if (span->until_ns && span->until_ns < until_ns)
		until_ns = minute_of(span->until_ns - 1) + MINUTE_NS;
	f->until_ns = until_ns;
}

int coverage__find(struct coverage *coverage, struct history *history,
		   const struct history_span *span, bool looks_for_damage)
{
	const struct history_span all = {};
	struct finder f = { .coverage = coverage, .history = history, .asked = *span, .next_row = 1 };
	struct history_status status;
	int err = history__status(history, &status);

	if (err || !status.minute_rows)
		return err;
	set_bounds(&f, span, &status.minutes);
	err = history__each_block(history, &all, on_block, &f);
	if (!err && looks_for_damage)
		err = history__each_damaged_block(history, span, on_damaged, &f);
	if (!err && f.num_edges)
		qsort(f.edges, f.num_edges, sizeof(*f.edges), compare_edges);
	/* What is behind the last block has lost its rows, unless it was never counted. */
	if (!err) {
		const struct edge end = { UINT64_MAX, f.last, {}, false };

		err = add_edge(&f, &end);
	}
	for (size_t i = 0; !err && i < f.num_edges; i++)
		err = f.edges[i].is_damaged ? add_damaged(&f, &f.edges[i]) :
					      add_between(&f, &f.edges[i]);
	free(f.edges);
	return err;
}

void coverage__free(struct coverage *coverage)
{
	free(coverage->holes);
	memset(coverage, 0, sizeof(*coverage));
}

bool coverage__lacks_rows(const struct coverage *coverage, uint64_t wall_ns)
{
	size_t low = 0, high = coverage->num;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct history_span *span = &coverage->holes[middle].span;

		if (wall_ns < span->since_ns)
			high = middle;
		else if (wall_ns >= span->until_ns)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

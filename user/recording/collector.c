// SPDX-License-Identifier: GPL-2.0
#include "recording/collector.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "recording/critical.h"
#include "recording/interner.h"
#include "store/block.h"
#include "store/minutes.h"

#define NS_PER_S 1000000000ULL
#define NS_PER_MINUTE (60 * NS_PER_S)
#define LEVEL 1 /* of zstd: see block.h */
#define TAIL_LEVEL (-5) /* what a block replaces seconds later need not be small */
#define TAIL_MAX_ROWS 4096 /* so many are compressed well alone: they become no tail */
#define ROW_BYTES_GUESS 24  /* of a tail, for whether there will be room */
/* Once there was none, rows wait for so much: a gap of a minute is better than sixty. */
#define ROOM_AFTER_GAP_BYTES (1U << 20)

/* When the first and the last row of some were, by the wall clock. */
struct span {
	uint64_t since_ns, until_ns;
};

struct collector {
	struct collector_options opts;
	struct bundle *open;   /* that is being filled; NULL: to be made */
	struct queue *waiting; /* bundles that are full, for the queue */
	struct interner *interner;
	struct block_builder *builder;
	struct minutes *minutes;
	struct critical critical;
	struct clock_watch clocks;
	uint64_t first_row;	 /* the number of the builder's first */
	uint32_t queued;	 /* of the builder's rows, in tails that are in the queue */
	struct span all, fresh;	 /* of the builder's rows, and of those that are in no tail */
	struct span opened;	 /* of rows in bundles that are not in the queue */
	uint64_t next_second_ns; /* CLOCK_MONOTONIC */
	uint64_t minute;	 /* since the epoch, by the wall clock; 0: none yet */
	uint64_t keep_until_ns;	 /* by the wall clock */
	struct held_gap gap;	 /* that is growing; reason 0: none */
	bool wants_epoch;
	uint64_t file; /* see collector__restart() */
	uint64_t last_ns; /* of the last row, by the wall clock */
	uint64_t rows, dropped;
};

/* ---- its life ---- */

/* What comes is for another one: each is a transaction, and those must not be too large. */
static void seal(struct collector *c)
{
	if (c->open && !bundle__is_empty(c->open) && !queue__put(c->waiting, c->open))
		c->open = NULL;
}

/* The bundle that is being filled; NULL without memory. */
static struct bundle *open_bundle(struct collector *c)
{
	if (c->open)
		return c->open;
	if (bundle__new(&c->open))
		c->open = NULL;
	else
		bundle__set_file(c->open, c->file);
	return c->open;
}

/* For names, of which there may be any number. */
static struct bundle *roomy_bundle(struct collector *c)
{
	if (c->open && bundle__bytes(c->open) > COLLECTOR_BUNDLE_BYTES)
		seal(c);
	return open_bundle(c);
}

static int add_who(void *ctx, const struct held_who *who)
{
	struct bundle *bundle = roomy_bundle(ctx);

	return bundle ? bundle__add_who(bundle, who) : -ENOMEM;
}

static int add_command(void *ctx, const struct held_command *command)
{
	struct bundle *bundle = roomy_bundle(ctx);

	return bundle ? bundle__add_command(bundle, command) : -ENOMEM;
}

int collector__new(struct collector **collectorp, const struct collector_options *opts)
{
	struct collector *c = calloc(1, sizeof(*c));
	const struct interner_sink sink = { add_who, add_command, c };
	int err;

	if (!c)
		return -ENOMEM;
	c->opts = *opts;
	if (!c->opts.block_rows || c->opts.block_rows > BLOCK_ROWS)
		c->opts.block_rows = BLOCK_ROWS;
	c->first_row = opts->next.row;
	err = queue__new(&c->waiting, SIZE_MAX) ?:
	      interner__new(&c->interner, &sink, opts->next.who, opts->next.command) ?:
	      block_builder__new(&c->builder) ?:
	      minutes__new(&c->minutes, opts->next.flow);
	if (err) {
		collector__free(c);
		return err;
	}
	*collectorp = c;
	return 0;
}

void collector__free(struct collector *c)
{
	if (!c)
		return;
	bundle__free(c->open);
	queue__free(c->waiting);
	interner__free(c->interner);
	block_builder__free(c->builder);
	minutes__free(c->minutes);
	free(c);
}

uint64_t collector__dropped(const struct collector *c)
{
	return c->dropped;
}

uint64_t collector__rows(const struct collector *c)
{
	return c->rows;
}

void collector__keep_until(struct collector *c, uint64_t wall_ns)
{
	if (wall_ns > c->keep_until_ns)
		c->keep_until_ns = wall_ns;
}

void collector__end_epoch(struct collector *c)
{
	c->wants_epoch = true;
}

void collector__add_gap(struct collector *c, const struct held_gap *gap)
{
	struct bundle *bundle = open_bundle(c);
	struct held_gap own = *gap;

	own.run = own.run ? own.run : c->opts.next.run;
	if (bundle)
		bundle__add_gap(bundle, &own);
}

/* ---- rows that find no room ---- */

static void widen(struct span *span, uint64_t ns)
{
	if (!span->since_ns || ns < span->since_ns)
		span->since_ns = ns;
	if (ns > span->until_ns)
		span->until_ns = ns;
}

static void note_gap(struct collector *c, uint64_t rows, const struct span *span)
{
	struct span gap = { c->gap.since_ns, c->gap.until_ns };
	struct collector_trouble why = { .reason = HELD_GAP_SLOW };

	if (!rows)
		return;
	c->opts.trouble(c->opts.ctx, &why);
	widen(&gap, span->since_ns);
	widen(&gap, span->until_ns);
	c->gap.since_ns = gap.since_ns;
	c->gap.until_ns = gap.until_ns;
	c->gap.events += rows;
	/* Of several reasons the first: the others follow from it. */
	if (!c->gap.reason) {
		c->gap.reason = (uint8_t)why.reason;
		c->gap.detail = why.detail;
	}
}

static void note_dropped(struct collector *c, uint64_t rows, const struct span *span)
{
	c->dropped += rows;
	note_gap(c, rows, span);
}

/* Rows that are in no tail. */
static void drop_rows(struct collector *c)
{
	note_dropped(c, block_builder__count(c->builder) - c->queued, &c->fresh);
}

static void empty_builder(struct collector *c)
{
	c->first_row += block_builder__count(c->builder);
	block_builder__clear(c->builder);
	c->queued = 0;
	c->all = c->fresh = (struct span){ 0 };
}

/* Tells the gap, as rows are kept again. */
static void end_gap(struct collector *c)
{
	struct bundle *bundle = open_bundle(c);

	if (!c->gap.reason || !bundle)
		return;
	c->gap.run = c->opts.next.run;
	if (!bundle__add_gap(bundle, &c->gap))
		c->gap = (struct held_gap){ 0 };
}

/* ---- minutes ---- */

static int add_flow(void *ctx, const struct held_flow *flow)
{
	struct bundle *bundle = open_bundle(ctx);

	return bundle ? bundle__add_flow(bundle, flow) : -ENOMEM;
}

static int add_minute(void *ctx, const struct held_minute *minute)
{
	struct bundle *bundle = open_bundle(ctx);

	return bundle ? bundle__add_minute(bundle, minute) : -ENOMEM;
}

/* Into the bundle, where they are safe: it is written until that succeeds. */
static void flush_minutes(struct collector *c)
{
	const struct minutes_sink sink = { add_flow, add_minute, c };

	if (!minutes__is_empty(c->minutes) && !minutes__flush(c->minutes, &sink))
		minutes__flushed(c->minutes);
}

static int no_flow(void *ctx, const struct held_flow *flow)
{
	(void)ctx;
	(void)flow;
	return 0;
}

static int no_minute(void *ctx, const struct held_minute *minute)
{
	(void)ctx;
	(void)minute;
	return 0;
}

static void forget_minutes(struct collector *c)
{
	const struct minutes_sink nowhere = { no_flow, no_minute, NULL };

	if (!minutes__is_empty(c->minutes) && !minutes__flush(c->minutes, &nowhere))
		minutes__flushed(c->minutes);
	minutes__forget_flows(c->minutes);
}

static void count_in_minute(struct collector *c, const struct held_row *row)
{
	if (minutes__add(c->minutes, row) != -ENOSPC)
		return;
	flush_minutes(c);
	minutes__add(c->minutes, row);
}

/* ---- blocks ---- */

static bool is_kept(const struct collector *c, const struct span *span)
{
	return span->since_ns <= c->keep_until_ns &&
	       span->until_ns + 2 * CRITICAL_AROUND_NS >= c->keep_until_ns;
}

/* The builder's rows from @from on, into the bundle. */
static int add_block(struct collector *c, uint32_t from, bool is_tail)
{
	const struct span *span = is_tail ? &c->fresh : &c->all;
	struct bundle *bundle = open_bundle(c);
	struct held_block block = {
		.first_row = c->first_row + from,
		.rows = block_builder__count(c->builder) - from,
		.run = c->opts.next.run,
		.since_ns = span->since_ns,
		.until_ns = span->until_ns,
		.is_tail = is_tail,
		.keep = is_kept(c, span),
	};
	int err;

	if (!bundle)
		return -ENOMEM;
	err = block_builder__encode(c->builder, from, is_tail ? TAIL_LEVEL : LEVEL, &block.data,
				   &block.size) ?:
	      bundle__add_block(bundle, &block);
	if (err)
		return err;
	bundle__count_rows(bundle, block_builder__count(c->builder) - c->queued);
	widen(&c->opened, span->since_ns);
	widen(&c->opened, span->until_ns);
	return 0;
}

/* Rows leave some of the queue to what is small and lives long. */
static bool has_room(const struct collector *c, uint32_t rows)
{
	size_t open = (c->open ? bundle__bytes(c->open) : 0) + queue__bytes(c->waiting);
	size_t need = open + COLLECTOR_RESERVE_BYTES + rows * (size_t)ROW_BYTES_GUESS +
		      (c->gap.reason ? ROOM_AFTER_GAP_BYTES : 0);

	return queue__room(c->opts.queue) > need;
}

static void queue_tail(struct collector *c)
{
	uint32_t count = block_builder__count(c->builder), fresh = count - c->queued;

	if (!fresh || !has_room(c, fresh) || add_block(c, c->queued, true))
		return; /* they have the time until the minute ends */
	c->queued = count;
	c->fresh = (struct span){ 0 };
	end_gap(c);
}

/* Of all rows up to the builder's first. In the bundle of their block: so what is said to be
 * counted is, whatever happens. */
static void count_rows(struct collector *c)
{
	struct bundle *bundle;

	flush_minutes(c);
	bundle = open_bundle(c);
	if (bundle && minutes__is_empty(c->minutes))
		bundle__add_counted(bundle, c->first_row);
}

/*
 * All rows that there are, as one block, with the counts of their minutes; or they are let go, but
 * for those in tails. The number of a row that was let go is nobody's: a reader sees where
 * some are missing.
 */
static void queue_whole(struct collector *c)
{
	uint32_t count = block_builder__count(c->builder);

	if (!count)
		return;
	if (c->open && bundle__bytes(c->open) > COLLECTOR_BUNDLE_BYTES)
		seal(c);
	if (has_room(c, count) && !add_block(c, 0, false)) {
		empty_builder(c);
		count_rows(c);
		end_gap(c);
	} else {
		drop_rows(c);
		empty_builder(c);
	}
	seal(c);
}

/* ---- bundles ---- */

static uint64_t rows_waiting(const struct collector *c)
{
	return queue__rows(c->waiting) + (c->open ? bundle__rows(c->open) : 0);
}

/* Nothing of what waits can be kept any longer: all that has ids goes, and ids begin anew. */
static void give_up(struct collector *c)
{
	note_dropped(c, rows_waiting(c), &c->opened);
	drop_rows(c);
	empty_builder(c);
	bundle__free(c->open);
	c->open = NULL;
	while (queue__front(c->waiting, 0))
		queue__pop(c->waiting);
	c->opened = (struct span){ 0 };
	interner__forget(c->interner);
	forget_minutes(c);
	critical__forget_who(&c->critical);
}

/* Hands over what was collected; without room it stays, and grows up to a bound. Returns whether
 * all of it went. */
static bool hand_over(struct collector *c)
{
	int err;

	seal(c);
	do
		err = queue__move(c->waiting, c->opts.queue);
	while (!err);
	if (err == -ENODATA) {
		c->opened = (struct span){ 0 };
		return true;
	}
	if (queue__bytes(c->waiting) > COLLECTOR_OPEN_BYTES)
		give_up(c);
	return false;
}

/* ---- records ---- */

static void fill_row(struct held_row *row, const struct record *rec)
{
	*row = (struct held_row){
		.event = *rec->event,
		.wall_ns = rec->wall_ns,
		.netns_name = rec->netns_name,
		.interface = rec->interface,
	};
}

static int add_to_block(struct collector *c, const struct held_row *row)
{
	int err = block_builder__count(c->builder) >= c->opts.block_rows ?
			  -ENOSPC : block_builder__add(c->builder, row);

	if (err != -ENOSPC)
		return err;
	queue_whole(c);
	hand_over(c);
	return block_builder__add(c->builder, row);
}

void collector__put(struct collector *c, const struct record *rec)
{
	struct held_row row;

	c->rows++;
	c->last_ns = rec->wall_ns;
	fill_row(&row, rec);
	/* Without memory it is of nobody who is known. */
	interner__get(c->interner, rec, &row);
	if (critical__note(&c->critical, &row))
		collector__keep_until(c, row.wall_ns + CRITICAL_AROUND_NS);
	if (add_to_block(c, &row)) {
		const struct span span = { row.wall_ns, row.wall_ns };

		note_dropped(c, 1, &span);
		return;
	}
	widen(&c->all, row.wall_ns);
	widen(&c->fresh, row.wall_ns);
	count_in_minute(c, &row);
}

/* ---- what is due ---- */

static void tell_change(struct collector *c, const struct clock_change *change)
{
	if (change->suspended_until_ns)
		collector__add_gap(c, &(struct held_gap){
			.since_ns = change->suspended_since_ns,
			.until_ns = change->suspended_until_ns,
			.reason = HELD_GAP_SUSPENDED,
		});
	if (change->put_to_ns)
		collector__add_gap(c, &(struct held_gap){
			.since_ns = change->put_from_ns,
			.until_ns = change->put_to_ns,
			.reason = HELD_GAP_CLOCK,
		});
}

static void tell_critical(struct collector *c, uint64_t wall_ns)
{
	char text[CRITICAL_TEXT_BYTES];
	struct held_finding finding;
	struct bundle *bundle;

	while (critical__take(&c->critical, wall_ns, &finding, text)) {
		bundle = open_bundle(c);
		if (!bundle)
			return;
		bundle__add_finding(bundle, &finding);
		bundle__add_keep_raw(bundle, clock__before_ns(finding.wall_ns, CRITICAL_AROUND_NS),
				     finding.wall_ns + CRITICAL_AROUND_NS);
	}
}

static void add_account(struct collector *c, uint64_t wall_ns)
{
	struct bundle *bundle = open_bundle(c);
	struct held_account account = { 0 };

	if (!bundle)
		return;
	c->opts.account(c->opts.ctx, &account);
	account.wall_ns = wall_ns;
	account.run = c->opts.next.run;
	bundle__add_account(bundle, &account);
}

static void begin_epoch(struct collector *c)
{
	struct bundle *bundle = open_bundle(c);

	if (!bundle)
		return;
	interner__forget(c->interner);
	minutes__forget_flows(c->minutes);
	critical__forget_who(&c->critical);
	bundle__begin_epoch(bundle);
	c->wants_epoch = false;
}

static void end_minute(struct collector *c, uint64_t wall_ns)
{
	bool ends;

	queue_whole(c);
	if (!minutes__is_empty(c->minutes))
		count_rows(c);
	ends = minutes__is_empty(c->minutes);
	add_account(c, wall_ns);
	if (ends && c->open)
		bundle__end_epoch(c->open);
	/* Only if all of it is on its way. */
	if (hand_over(c) && c->wants_epoch && ends)
		begin_epoch(c);
	interner__minute(c->interner);
}

static void end_second(struct collector *c, const struct clock_moment *now)
{
	uint64_t minute = now->wall_ns / NS_PER_MINUTE;
	bool is_new = c->minute && minute != c->minute;

	c->minute = minute;
	tell_critical(c, now->wall_ns);
	if (is_new) {
		end_minute(c, now->wall_ns);
		return;
	}
	if (block_builder__count(c->builder) - c->queued >= TAIL_MAX_ROWS ||
	    block_builder__count(c->builder) >= c->opts.block_rows)
		queue_whole(c);
	else
		queue_tail(c);
	if (c->gap.reason && has_room(c, 0))
		end_gap(c);
	hand_over(c);
}

void collector__turn(struct collector *c, const struct clock_moment *now)
{
	struct clock_change change;

	if (clock_watch__look(&c->clocks, now, &change))
		tell_change(c, &change);
	if (now->monotonic_ns < c->next_second_ns)
		return;
	/* From the last one on, unless that was long ago. */
	c->next_second_ns += NS_PER_S;
	if (c->next_second_ns <= now->monotonic_ns)
		c->next_second_ns = now->monotonic_ns + NS_PER_S;
	end_second(c, now);
}

void collector__finish(struct collector *c, const struct clock_moment *now)
{
	struct clock_change change;

	if (clock_watch__look(&c->clocks, now, &change))
		tell_change(c, &change);
	tell_critical(c, now->wall_ns);
	queue_whole(c);
	end_gap(c);
	end_minute(c, now->wall_ns);
	c->dropped += rows_waiting(c);
}

int collector__restart(struct collector *c, const struct recording_next *next, uint64_t file,
		       uint64_t lost_rows)
{
	const struct span last = { c->last_ns, c->last_ns };
	struct minutes *minutes;
	int err = minutes__new(&minutes, next->flow);

	if (err)
		return err;
	give_up(c);
	note_gap(c, lost_rows, &last);
	minutes__free(c->minutes);
	c->minutes = minutes;
	c->opts.next = *next;
	c->first_row = next->row;
	c->file = file;
	interner__restart(c->interner, next->who, next->command);
	c->wants_epoch = false;
	return 0;
}

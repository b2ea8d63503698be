/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording that is made up, in place of store/history.c and store/block_decode.c: arrays that a test
 * fills. Included once, by the test itself.
 */
#ifndef TWSNOOP_TESTS_FAKE_HISTORY_H
#define TWSNOOP_TESTS_FAKE_HISTORY_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/history.h"

#ifndef FAKE_MAX
#define FAKE_MAX 4096 /* rows, and minutes */
#endif

struct block {
	const struct held_row *rows;
	uint32_t count;
};

struct history {
	struct held_row rows[FAKE_MAX]; /* in blocks, one after the other */
	size_t num_rows;
	struct held_block blocks[64];
	size_t num_blocks;
	bool broken[64]; /* of these: what cannot be read */
	struct held_minute minutes[FAKE_MAX];
	size_t num_minutes;
	struct held_who whos[16]; /* id 1 is [0] */
	size_t num_whos;
	struct held_flow flows[16];
	size_t num_flows;
	const char *commands[4];
	struct held_run runs[4];
	size_t num_runs;
	struct held_account accounts[16];
	size_t num_accounts;
	struct held_gap gaps[16];
	size_t num_gaps;
	struct held_states states[16];
	size_t num_states;
	struct held_limits limits[16];
	size_t num_limits;
	struct held_ports ports[16];
	size_t num_ports;
	struct history_status status; /* but what is computed */
	int error; /* of whatever is asked for */
	unsigned int blocks_told; /* calls of history__block_is_told() */
	int minute_errors; /* so many calls for minutes fail */
};

struct history_cursor {
	struct history *history;
	struct history_span span;
	size_t at, row;
	struct block block;
};

static bool fake__overlaps(const struct history_span *span, uint64_t since_ns, uint64_t until_ns)
{
	return until_ns >= span->since_ns && (!span->until_ns || since_ns < span->until_ns);
}

/* fake__block() - a block of the last @num rows that were added, the first of which has the number
 * @first_row. */
static __attribute__((unused)) void fake__block(struct history *h, uint64_t first_row, uint32_t num,
						uint32_t run)
{
	struct held_block *block = &h->blocks[h->num_blocks++];

	*block = (struct held_block){ .first_row = first_row, .rows = num, .run = run,
				      .since_ns = UINT64_MAX };
	for (size_t i = h->num_rows - num; i < h->num_rows; i++) {
		uint64_t ns = h->rows[i].wall_ns;

		block->since_ns = ns < block->since_ns ? ns : block->since_ns;
		block->until_ns = ns > block->until_ns ? ns : block->until_ns;
	}
}

static void widen(struct history_span *span, uint64_t since_ns, uint64_t until_ns)
{
	if (!span->until_ns || since_ns < span->since_ns)
		span->since_ns = since_ns;
	if (until_ns > span->until_ns)
		span->until_ns = until_ns;
}

int history__status(struct history *h, struct history_status *status)
{
	*status = h->status;
	status->minute_rows = h->num_minutes;
	for (size_t i = 0; i < h->num_blocks; i++)
		widen(&status->raw, h->blocks[i].since_ns, h->blocks[i].until_ns);
	for (size_t i = 0; i < h->num_minutes; i++)
		widen(&status->minutes, h->minutes[i].wall_ns, h->minutes[i].wall_ns);
	return h->error;
}

#define FAKE_EACH(name, type, list, since, until)                                               \
	int history__each_##name(struct history *h, const struct history_span *span,              \
				 history_##name##_fn fn, void *ctx)                               \
	{                                                                                        \
		int err = h->error;                                                              \
		for (size_t i = 0; !err && i < h->num_##list; i++) {                             \
			const struct type *one = &h->list[i];                                    \
			if (fake__overlaps(span, one->since, one->until))                        \
				err = fn(ctx, one);                                              \
		}                                                                                \
		return err;                                                                      \
	}

FAKE_EACH(run, held_run, runs, since_ns, until_ns)
FAKE_EACH(states, held_states, states, wall_ns, wall_ns)
FAKE_EACH(limits, held_limits, limits, wall_ns, wall_ns)
FAKE_EACH(ports, held_ports, ports, wall_ns, wall_ns)
FAKE_EACH(account, held_account, accounts, wall_ns, wall_ns)
FAKE_EACH(gap, held_gap, gaps, since_ns, until_ns)
FAKE_EACH(block, held_block, blocks, since_ns, until_ns)

int history__each_minute(struct history *h, const struct history_span *span,
			 history_minute_fn fn, void *ctx)
{
	int err = h->error;

	if (h->minute_errors) {
		h->minute_errors--;
		return -EIO;
	}
	for (size_t i = 0; !err && i < h->num_minutes; i++)
		if (fake__overlaps(span, h->minutes[i].wall_ns, h->minutes[i].wall_ns))
			err = fn(ctx, &h->minutes[i]);
	return err;
}

int history_cursor__new(struct history_cursor **cursorp, struct history *h,
			const struct history_span *span)
{
	struct history_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return -ENOMEM;
	*cursor = (struct history_cursor){ .history = h, .span = *span };
	*cursorp = cursor;
	return 0;
}

void history_cursor__free(struct history_cursor *cursor)
{
	free(cursor);
}

int history_cursor__next(struct history_cursor *c, const struct block **block,
			 struct held_block *meta)
{
	struct history *h = c->history;

	while (!h->error && c->at < h->num_blocks) {
		*meta = h->blocks[c->at++];
		c->block = (struct block){ &h->rows[c->row], meta->rows };
		c->row += meta->rows;
		*block = &c->block;
		if (!h->broken[c->at - 1] && fake__overlaps(&c->span, meta->since_ns, meta->until_ns))
			return 1;
	}
	return h->error;
}

int history__each_damaged_block(struct history *h, const struct history_span *span,
				history_block_fn fn, void *ctx)
{
	int err = h->error;

	for (size_t i = 0; !err && i < h->num_blocks; i++)
		if (h->broken[i] && fake__overlaps(span, h->blocks[i].since_ns, h->blocks[i].until_ns))
			err = fn(ctx, &h->blocks[i]);
	return err;
}

void history__block_is_told(struct history *h, const struct held_block *block)
{
	(void)block;
	h->blocks_told++;
}

uint32_t block__count(const struct block *block)
{
	return block->count;
}

void block__row(const struct block *block, uint32_t index, struct held_row *row)
{
	*row = block->rows[index];
}

const struct held_who *history__who(struct history *h, uint32_t id)
{
	return id && id <= h->num_whos ? &h->whos[id - 1] : NULL;
}

const char *history__command(struct history *h, uint32_t id)
{
	return id && id <= 4 ? h->commands[id - 1] : NULL;
}

const struct held_flow *history__flow(struct history *h, uint32_t id)
{
	return id && id <= h->num_flows ? &h->flows[id - 1] : NULL;
}

#endif

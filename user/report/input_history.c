// SPDX-License-Identifier: GPL-2.0
#include "report/input_history.h"

#include <errno.h>
#include <stdlib.h>

#include "store/minutes.h"

/* Rows that were not counted are in tails, which are of the last minute. */
#define TAILS_NS (10 * 60 * 1000000000ULL)
#define OWN_FLOWS 0xc0000000U /* ids from here on are given here */

struct input_history {
	struct history *history;
	struct report_input input;
	struct history_span tails; /* where they are looked for */
	uint64_t first_tail;	   /* its first row; 0: there was none */
	struct minutes *counted;
	size_t num_flows, num_minutes;
	struct held_flow *flows;
	struct held_minute *minutes;
};

/* ---- what was not counted yet ---- */

/* Room for one more in an array that doubles. */
static void *grow(void *array, size_t num, size_t size)
{
	if (num & (num - 1))
		return array;
	return realloc(array, (num ? 2 * num : 1) * size);
}

static int add_flow(void *ctx, const struct held_flow *flow)
{
	struct input_history *in = ctx;
	struct held_flow *grown = grow(in->flows, in->num_flows, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	in->flows = grown;
	in->flows[in->num_flows++] = *flow;
	return 0;
}

static int add_minute(void *ctx, const struct held_minute *minute)
{
	struct input_history *in = ctx;
	struct held_minute *grown = grow(in->minutes, in->num_minutes, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	in->minutes = grown;
	in->minutes[in->num_minutes++] = *minute;
	return 0;
}

static int give(struct input_history *in)
{
	const struct minutes_sink sink = { add_flow, add_minute, in };
	int err = minutes__flush(in->counted, &sink);

	if (!err)
		minutes__flushed(in->counted);
	return err;
}

static int count_block(struct input_history *in, const struct block *block)
{
	struct held_row row;
	int err = 0;

	for (uint32_t i = 0; i < block__count(block) && !err; i++) {
		block__row(block, i, &row);
		err = minutes__add(in->counted, &row);
		if (err != -ENOSPC)
			continue;
		err = give(in);
		err = err ?: minutes__add(in->counted, &row);
	}
	return err;
}

static int count_tails(struct input_history *in)
{
	struct history_cursor *cursor;
	const struct block *block;
	struct held_block meta;
	int ret = history_cursor__new(&cursor, in->history, &in->tails), err = 0;

	if (ret)
		return ret;
	while (!err && (ret = history_cursor__next(cursor, &block, &meta)) > 0) {
		if (!meta.is_tail)
			continue;
		if (!in->first_tail)
			in->first_tail = meta.first_row;
		err = count_block(in, block);
	}
	history_cursor__free(cursor);
	err = err ?: ret;
	return err ?: give(in);
}

static int first_tail(void *ctx, const struct held_block *block)
{
	uint64_t *first = ctx;

	if (!block->is_tail)
		return 0;
	*first = block->first_row;
	return 1;
}

bool input_history__has_moved(struct input_history *in)
{
	uint64_t first = 0;

	history__each_block(in->history, &in->tails, first_tail, &first);
	return first != in->first_tail;
}

/* ---- the input ---- */

#define EACH(name)                                                                                 \
	static int each_##name(void *ctx, const struct history_span *span,                         \
			       history_##name##_fn fn, void *fn_ctx)                               \
	{                                                                                          \
		return history__each_##name(((struct input_history *)ctx)->history, span, fn,      \
					    fn_ctx);                                               \
	}

EACH(run)
EACH(states)
EACH(limits)
EACH(ports)
EACH(counter)
EACH(account)
EACH(gap)
EACH(finding)

static int each_minute(void *ctx, const struct history_span *span, history_minute_fn fn,
		       void *fn_ctx)
{
	const struct input_history *in = ctx;
	int ret = history__each_minute(in->history, span, fn, fn_ctx);

	for (size_t i = 0; i < in->num_minutes && !ret; i++)
		if (in->minutes[i].wall_ns >= span->since_ns &&
		    (in->minutes[i].wall_ns < span->until_ns || !span->until_ns))
			ret = fn(fn_ctx, &in->minutes[i]);
	return ret;
}

static const struct held_who *who(void *ctx, uint32_t id)
{
	return history__who(((struct input_history *)ctx)->history, id);
}

static const struct held_flow *flow(void *ctx, uint32_t id)
{
	const struct input_history *in = ctx;

	if (id >= OWN_FLOWS && id - OWN_FLOWS < in->num_flows)
		return &in->flows[id - OWN_FLOWS];
	return history__flow(in->history, id);
}

int input_history__new(struct input_history **inputp, struct history *history)
{
	struct input_history *in = calloc(1, sizeof(*in));
	struct history_status status;
	int err;

	if (!in)
		return -ENOMEM;
	in->history = history;
	err = history__status(history, &status);
	if (!err) {
		in->input = (struct report_input){
			.ctx = in, .each_run = each_run, .each_minute = each_minute,
			.each_states = each_states, .each_limits = each_limits,
			.each_ports = each_ports, .each_counter = each_counter,
			.each_account = each_account, .each_gap = each_gap,
			.each_finding = each_finding, .who = who, .flow = flow,
			.all = status.all, .raw = status.raw,
		};
		if (status.all.until_ns > TAILS_NS)
			in->tails.since_ns = status.all.until_ns - TAILS_NS;
		err = minutes__new(&in->counted, OWN_FLOWS);
	}
	err = err ?: count_tails(in);
	if (err)
		input_history__free(in);
	else
		*inputp = in;
	return err;
}

void input_history__free(struct input_history *in)
{
	if (!in)
		return;
	minutes__free(in->counted);
	free(in->flows);
	free(in->minutes);
	free(in);
}

const struct report_input *input_history__input(const struct input_history *in)
{
	return &in->input;
}

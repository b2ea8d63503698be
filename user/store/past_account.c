// SPDX-License-Identifier: GPL-2.0
#include "store/past_account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How far before the span a run is looked for that says what it had lost until then. */
#define BEFORE_NS (600 * 1000000000ULL)

struct run_account {
	struct held_account base, last;
};

/* Of each run that told something: where the clock was put back, runs lie in each other. */
struct counter {
	struct run_account *runs;
	size_t num, room;
	uint32_t running; /* the run that had begun before the span, and went on in it; 0: none */
	uint64_t since_ns;
	struct feed_account *account; /* for gaps */
};

/* What is delivered of it, the feed counts. */
static void add_run(struct feed_account *to, const struct run_account *run)
{
	struct feed_account rise = { 0 };

	feed_account__add_rise(&rise, &run->base.told, &run->last.told);
	to->lost += rise.lost;
	to->map_full += rise.map_full;
	to->recursion += rise.recursion;
	to->no_end += rise.no_end;
}

/* Mostly the newest. */
static struct run_account *find(const struct counter *c, uint32_t run)
{
	for (size_t i = c->num; i > 0; i--)
		if (c->runs[i - 1].last.run == run)
			return &c->runs[i - 1];
	return NULL;
}

static int add(struct counter *c, const struct held_account *base, const struct held_account *told)
{
	if (c->num == c->room) {
		size_t room = c->room ? c->room * 2 : 16;
		struct run_account *more = realloc(c->runs, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->runs = more;
		c->room = room;
	}
	c->runs[c->num++] = (struct run_account){ *base, *told };
	return 0;
}

static int on_before(void *ctx, const struct held_account *told)
{
	struct run_account *run = find(ctx, told->run);

	if (!run)
		return add(ctx, told, told);
	run->base = run->last = *told;
	return 0;
}

/* What a run has delivered only grows: that tells which account is newer, wherever the clock was. */
static int on_account(void *ctx, const struct held_account *told)
{
	static const struct held_account zeros;
	struct counter *c = ctx;
	struct run_account *run = find(c, told->run);

	/* One that began in the span began with zeros. */
	if (!run)
		return add(c, told->run == c->running ? told : &zeros, told);
	if (told->told.delivered >= run->last.told.delivered)
		run->last = *told;
	return 0;
}

static int on_run(void *ctx, const struct held_run *run)
{
	struct counter *c = ctx;

	if (run->since_ns < c->since_ns)
		c->running = run->id;
	return 0;
}

bool past_account__is_loss(const struct held_gap *gap)
{
	return gap->events ||
	       (gap->reason != HELD_GAP_CLOCK && gap->reason != HELD_GAP_SUSPENDED);
}

static int on_gap(void *ctx, const struct held_gap *gap)
{
	struct counter *c = ctx;

	if (!past_account__is_loss(gap))
		return 0;
	c->account->gaps++;
	c->account->lost += gap->events;
	return 0;
}

int past_account__count(struct feed_account *account, struct history *history,
			const struct history_span *span)
{
	uint64_t before_ns = span->since_ns > BEFORE_NS ? span->since_ns - BEFORE_NS : 0;
	const struct history_span before = { before_ns, span->since_ns };
	const struct history_span begin = { span->since_ns, span->since_ns + 1 };
	struct counter c = { .account = account, .since_ns = span->since_ns };
	int err = 0;

	memset(account, 0, sizeof(*account));
	if (span->since_ns)
		err = history__each_run(history, &begin, on_run, &c) ?:
		      history__each_account(history, &before, on_before, &c);
	err = err ?: history__each_account(history, span, on_account, &c);
	for (size_t i = 0; !err && i < c.num; i++)
		add_run(account, &c.runs[i]);
	free(c.runs);
	return err ?: history__each_gap(history, span, on_gap, &c);
}

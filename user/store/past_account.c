// SPDX-License-Identifier: GPL-2.0
#include "store/past_account.h"

#include <string.h>

/* How far before the span a run is looked for that says what it had lost until then. */
#define BEFORE_NS (600 * 1000000000ULL)

/* Of the run at hand: runs follow each other. */
struct counter {
	struct feed_account *account;
	struct held_account base, last;
	uint32_t run;
	uint32_t running; /* the run that had begun before the span, and went on in it; 0: none */
	uint64_t since_ns;
};

static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void close_run(struct counter *c)
{
	struct feed_account *to = c->account;

	if (!c->run)
		return;
	to->lost += grown(c->base.lost, c->last.lost);
	to->map_full += grown(c->base.map_full, c->last.map_full);
	to->recursion += grown(c->base.recursion, c->last.recursion);
	to->no_end += grown(c->base.no_end, c->last.no_end);
}

static int on_before(void *ctx, const struct held_account *told)
{
	struct counter *c = ctx;

	c->run = told->run;
	c->base = c->last = *told;
	return 0;
}

static int on_account(void *ctx, const struct held_account *told)
{
	struct counter *c = ctx;

	if (told->run != c->run) {
		close_run(c);
		c->run = told->run;
		/* One that began in the span began with zeros. */
		c->base = told->run == c->running ? *told : (struct held_account){};
	}
	c->last = *told;
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
	if (err)
		return err;
	close_run(&c);
	return history__each_gap(history, span, on_gap, &c);
}

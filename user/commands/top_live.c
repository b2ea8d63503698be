// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop top on what happens now: a loop around its feed, a frame at each interval, and keys.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands/top.h"
#include "events/loop.h"

int top__poll_feed(void *ctx)
{
	return feed__poll(((struct top *)ctx)->live.feed);
}

static int take_look(struct top *t)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	bool impossible;
	int err;

	if (!t->live.can_list || !top_look__is_due(&t->look, t->tally, now_ns))
		return 0;
	err = top_look__take(&t->look, t->tally, &impossible);
	if (!impossible)
		return err;
	t->live.can_list = false;
	t->view.limits = top__cannot_list;
	return 0;
}

static int top__next_frame(struct top *t)
{
	int err = take_look(t);

	t->wall_ns = clock__now_ns(CLOCK_REALTIME);
	return err ?: top__make_frame(t, clock__now_ns(CLOCK_MONOTONIC));
}

static int top__show_frame(struct top *t)
{
	int err = top__next_frame(t);

	if (err)
		return err;
	t->frames++;
	return t->screen ? top__draw(t) : top__print(t);
}

static int on_signals(void *ctx, short revents)
{
	struct top *t = ctx;

	(void)revents;
	return messages__attend(&t->msg);
}

static int do_action(struct top *t, enum top_action action)
{
	struct tally_frame frame;
	int err = 0;

	switch (action) {
	case TOP_QUIT:
		return LOOP_END;
	case TOP_REGROUP:
		t->view.paused = false;
		tally__again(t->tally, t->keys.view, &frame);
		err = top__fill(t, &frame);
		break;
	case TOP_REORDER:
		top__arrange(t);
		break;
	case TOP_LATER:
	case TOP_EARLIER:
		return top__step(t, action == TOP_LATER);
	case TOP_REDRAW:
		break;
	default:
		return 0;
	}
	return err ?: top__draw(t);
}

int top__on_keys(void *ctx, short revents)
{
	struct top *t = ctx;
	char bytes[256];
	ssize_t num = read(t->keys_fd, bytes, sizeof(bytes));

	(void)revents;
	if (num < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (num <= 0)
		return -EPIPE; /* hung up */
	return do_action(t, top_keys__read(&t->keys, &t->view, &t->frame, bytes, (size_t)num));
}

static bool is_last(const struct top *t)
{
	return t->opts.count && t->frames + 1 >= t->opts.count;
}

/* Whether a frame is due; then the next one is an interval later. */
static bool is_due(struct top *t)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (now_ns < t->next_ns)
		return false;
	t->next_ns += t->opts.interval_ns;
	if (t->next_ns <= now_ns) /* it was kept from running */
		t->next_ns = now_ns + t->opts.interval_ns;
	return true;
}

/* The last frame is shown by top__finish(), once all that was to come has. */
static int turn(void *ctx)
{
	struct top *t = ctx;
	int err = 0, end;

	if (is_due(t)) {
		if (is_last(t))
			return LOOP_END;
		if (!t->view.paused)
			err = top__show_frame(t);
	} else if (t->wants_draw) {
		err = top__draw(t);
	}
	end = messages__attend(&t->msg);
	return err ?: end;
}

static uint64_t time_left_ns(const struct top *t)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC), until_ns = t->live.origin.until_ns;

	if (!until_ns)
		return 0;
	return until_ns > now_ns ? until_ns - now_ns : 1; /* 0 would be for ever */
}

int top__run(struct top *t)
{
	const struct loop_fd fds[] = {
		{ t->msg.signals, POLLIN, on_signals },
		{ STDOUT_FILENO, 0, loop__on_output },
		{ t->screen ? t->keys_fd : -1, POLLIN, top__on_keys },
	};
	const struct loop_options loop = {
		.feed = t->feed,
		.fds = fds,
		.num_fds = sizeof(fds) / sizeof(fds[0]),
		.duration_ns = time_left_ns(t),
		.turn = turn,
		.ctx = t,
	};
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC);
	int err = 0;

	t->next_ns = begin_ns + t->opts.interval_ns;
	if (t->screen) {
		top_screen__enter(t->screen);
		err = feed__poll(t->feed) ?: top__next_frame(t) ?: top__draw(t);
	}
	return err ?: loop__run(&loop);
}

/* What is left counts in the last frame, if it is one of those that were asked for. */
int top__finish(struct top *t)
{
	bool wants_frame = !t->msg.stop && !t->screen && (is_last(t) || feed__has_ended(t->feed));
	int err = feed__finish(t->feed);

	return err ?: wants_frame ? top__show_frame(t) : 0;
}

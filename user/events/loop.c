// SPDX-License-Identifier: GPL-2.0
#include "events/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "base/clock.h"

#define NS_PER_MS 1000000ULL

static bool time_is_up(uint64_t end_ns)
{
	return end_ns && clock__now_ns(CLOCK_MONOTONIC) >= end_ns;
}

/* Until the feed wants to be polled, or the time is up. */
static int timeout_ms(const struct loop_options *opts, uint64_t end_ns)
{
	int pause_ms = feed__pause_ms(opts->feed);
	uint64_t now = clock__now_ns(CLOCK_MONOTONIC), left_ms;

	if (!end_ns)
		return pause_ms;
	if (now >= end_ns)
		return 0;
	left_ms = (end_ns - now) / NS_PER_MS + 1;
	return left_ms < (uint64_t)pause_ms ? (int)left_ms : pause_ms;
}

/* Waits, and serves what is ready. */
static int serve(const struct loop_options *opts, int wait_ms)
{
	struct pollfd fds[LOOP_MAX_FDS];
	int err = 0;

	for (unsigned int i = 0; i < opts->num_fds; i++)
		fds[i] = (struct pollfd){ .fd = opts->fds[i].fd, .events = opts->fds[i].events };
	if (poll(fds, opts->num_fds, wait_ms) <= 0)
		return 0; /* EINTR is the worst that can come */
	for (unsigned int i = 0; !err && i < opts->num_fds; i++)
		if (fds[i].revents)
			err = opts->fds[i].ready(opts->ctx, fds[i].revents);
	return err;
}

static int turn(const struct loop_options *opts, int wait_ms)
{
	return serve(opts, wait_ms) ?: feed__poll(opts->feed) ?:
	       (opts->turn ? opts->turn(opts->ctx) : 0);
}

int loop__run(const struct loop_options *opts)
{
	uint64_t end_ns = opts->duration_ns ?
		clock__now_ns(CLOCK_MONOTONIC) + opts->duration_ns : 0;
	int err = opts->num_fds > LOOP_MAX_FDS ? -EINVAL : 0;
	bool is_first = true;

	while (!err && !feed__is_complete(opts->feed) && !feed__has_ended(opts->feed) &&
	       (is_first || !time_is_up(end_ns))) {
		/* There may be something already. */
		err = turn(opts, is_first ? 0 : timeout_ms(opts, end_ns));
		is_first = false;
	}
	return err == LOOP_END ? 0 : err;
}

int loop__on_output(void *ctx, short revents)
{
	(void)ctx;
	return revents & (POLLERR | POLLHUP | POLLNVAL) ? -EPIPE : 0;
}

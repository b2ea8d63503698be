/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loop that the commands share which follow a feed: it sleeps until the feed is to be
 * polled, a descriptor is ready, or the time is up. It reads no signals itself: a command
 * that wants some passes a signalfd in among the others.
 */
#ifndef TWSNOOP_LOOP_H
#define TWSNOOP_LOOP_H

#include <stdint.h>

#include "model/feed.h"

#define LOOP_END 1 /* a callback's answer: that was all */
#define LOOP_MAX_FDS 8

/* What is waited for beside the feed. */
struct loop_fd {
	int fd;	      /* negative: passed over */
	short events; /* as for poll(2); what it always tells comes too */
	/* Returns 0, LOOP_END, or a negative errno, which ends the loop and is its result. */
	int (*ready)(void *ctx, short revents);
};

struct loop_options {
	struct feed *feed; /* started: of a stream, see stream.h */
	const struct loop_fd *fds;
	unsigned int num_fds;
	uint64_t duration_ns; /* from the call on, but for one turn at least; 0: no end */
	/* After each poll of the feed, at least ten times a second: to show what was
	 * given. As ready(). */
	int (*turn)(void *ctx);
	void *ctx; /* for all callbacks */
};

/*
 * loop__run() - until the feed is complete or has ended, the time is up, or a callback ends
 * it. A callback that is held up (a reader of the output takes nothing) looks at the descriptors
 * itself. Returns 0, -EINVAL for more than LOOP_MAX_FDS descriptors, or a negative errno of a callback
 * or the feed; feed__failed() tells which of the two.
 */
int loop__run(const struct loop_options *opts);

/* loop__on_output() - a ready() of what is written to, with no events: -EPIPE once it is a pipe or socket
 * without a reader, or a terminal that was hung up. */
int loop__on_output(void *ctx, short revents);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From options to a feed of what happens now: the recorder that is attached, or programs of
 * one's own; namespaces, containers, and no more privileges than that needs. For commands
 * that show something else than each record.
 *
 *	struct live live = { .say = say, .ctx = ctx };
 *	err = live__start(&live, &opts);
 *	... loop__run() with live.feed
 *	feed__finish(live.feed);
 *	live__close(&live);
 */
#ifndef TWSNOOP_LIVE_H
#define TWSNOOP_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "commands/filter_words.h"
#include "commands/origin.h"
#include "host/kernel.h"
#include "host/pid_numbers.h"
#include "model/feed.h"
#include "sockets/sockets.h"

struct live;
struct stream;

struct live_options {
	const struct filter_options *filters;
	const struct origin_options *from;
	bool all;	/* every outcome */
	bool ends;	/* with @all: ends of TIME_WAITs, too */
	bool shares;	/* sockets are listed by another thread, too */
	bool spare_all; /* but a recorder that has TIME_WAITs alone will do */
	uint64_t since_ns;   /* of a recorder: begin then (CLOCK_MONOTONIC) if that is earlier; or 0 */
	uint64_t warm_up_ns; /* of a recorder: begin so long ago, unless --since says when */
	bool no_names;
	const char *runtime_socket;
	feed_record_fn put;
	/*
	 * The stream has begun, and records come with the first poll: what else needs privileges is
	 * to be opened, and those that it takes from then on are to be added to *@mask. 0 or a
	 * negative errno, and has said why. NULL: nothing else does.
	 */
	int (*before_giving_up)(void *ctx, struct live *live, uint64_t *mask);
	void *put_ctx;
};

struct live {
	/* Given: takes a line, without its end, for the user. */
	void (*say)(void *ctx, const char *line);
	void *ctx;
	/* As origin__parse() left it. */
	struct origin origin;
	/* What live__start() made. */
	struct kernel kernel;
	struct sockets_source source; /* how the host's sockets can be listed */
	bool can_list;		      /* whether they can */
	struct stream *stream;
	struct feed *feed;
	struct pid_numbers *pids;
	struct tws_filter filter; /* with the host's PIDs */
	uint64_t begin_ns; /* CLOCK_MONOTONIC: from then on there are events */
	uint64_t reach_ns; /* likewise: from then on all is told, if what looks back asks for it */
	bool has_all;		  /* what the feed gives */
};

/*
 * live__start() - everything up to the first feed__poll(). @opts may go then, but what it points
 * to must stay. Returns 0, or a negative errno and has said why; live__close() in any case.
 */
int live__start(struct live *live, const struct live_options *opts);

/* live__blind() - why connect() that fails is not seen, or not always, in words for a line;
 * NULL: it is. */
const char *live__blind(const struct live *live);

/*
 * live__go_over() - from a recorder that was detached to the next one, if there is one within some
 * seconds, or to programs of one's own: all that it has is given. Other threads may go on to list sockets with
 * live->source. Meanwhile @turn(@ctx) is called, at once when @wake_fd is readable; if it returns anything but 0
 * that is returned, and there is no stream. Else returns as live__start().
 */
int live__go_over(struct live *live, const struct live_options *opts, int wake_fd,
		  int (*turn)(void *ctx), void *ctx);

/* live__close() - ends the stream and its source, of whatever was opened. */
void live__close(struct live *live);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A span of a recording as a feed (model/feed.h): its raw rows as the records that they were made
 * of, in the order of the recording, through the same filters with the same results as live.
 * Where minutes have lost their raw rows (coverage.h), their sums are given in their place.
 *
 *	history__open(&history, path, &failure);
 *	opts = (struct playback_options){ .history = history, .span = …, .put = … };
 *	err = playback__new(&playback, &opts);
 *	feed = playback__feed(playback);
 *	while (!err && !feed__is_complete(feed) && !feed__has_ended(feed))
 *		err = feed__poll(feed); (or loop__run())
 *	feed__account(feed, &account);
 *	playback__free(playback);
 *	history__close(history);
 */
#ifndef TWSNOOP_PLAYBACK_H
#define TWSNOOP_PLAYBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "model/feed.h"
#include "model/filter.h"
#include "store/coverage.h"
#include "store/history.h"

struct playback;

/* What is pointed to must outlive the playback. */
struct playback_options {
	struct history *history; /* nobody else calls its functions meanwhile but in callbacks */
	struct history_span span; /* by the wall clock of each record */
	struct tws_filter filter; /* but by_cgroup: wants() decides that */
	/* -C: whether the container of @who is one of those; NULL: no such filter. */
	bool (*wants)(void *ctx, const struct held_who *who);
	bool all;	      /* every outcome, not only TIME_WAIT */
	uint64_t max_records; /* none is given after so many, minutes included; 0: no end */
	feed_record_fn put;
	/*
	 * The sum of one minute: what @who (NULL: not known) did on @flow (NULL: ~other). As
	 * put(). NULL: nobody wants them.
	 */
	int (*put_minute)(void *ctx, const struct held_minute *minute, const struct held_who *who,
			  const struct held_flow *flow);
	void *ctx;
};

/* playback__new() - looks at what there is of the span. Returns 0 and *@playbackp, to be freed,
 * or a negative errno. */
int playback__new(struct playback **playbackp, const struct playback_options *opts);
void playback__free(struct playback *playback); /* NULL is allowed */

/*
 * playback__feed() - lives as long as the playback. A poll takes some milliseconds, and there is no
 * pause until it has ended. An error of the history ends it. The account tells delivered,
 * snapshot and unattributed of the records that were given, and the rest of the whole span,
 * whatever the filter.
 */
struct feed *playback__feed(struct playback *playback);

/* playback__coverage() - the minutes of the span that are told by their sums. */
const struct coverage *playback__coverage(const struct playback *playback);

/* playback__minutes() - sums that put_minute() took, and the events that they count. */
struct playback_minutes {
	uint64_t rows, events;
};
struct playback_minutes playback__minutes(const struct playback *playback);

#endif

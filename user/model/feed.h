/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a command's records come from: what happens now (events/stream.h), or what was
 * recorded (store/playback.h). Commands and the loop poll a feed and see no difference.
 * Each record goes to a callback that was given when the feed was made.
 */
#ifndef TWSNOOP_FEED_H
#define TWSNOOP_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

/*
 * One record; it lives until the callback returns. A negative errno says that it was not
 * taken: it is counted as lost, and the call that gave it ends and returns that.
 */
typedef int (*feed_record_fn)(void *ctx, const struct record *rec);

/* Why a feed cannot start, or go on: constants, for the user. */
struct feed_failure {
	const char *what; /* "cannot attach the BPF programs" */
	const char *todo; /* what helps; NULL: nobody knows */
};

/* What became of all that was to be told, so far; of the whole, after feed__finish(). */
struct feed_account {
	uint64_t delivered;    /* records that the callback took */
	uint64_t lost;	       /* made by the kernel, and not given or not taken */
	uint64_t map_full;     /* connections, and listening sockets, that found no room */
	uint64_t recursion;    /* calls of the programs that the kernel skipped, at most */
	uint64_t snapshot;     /* of those delivered: found later in the kernel's table */
	uint64_t unattributed; /* of those delivered: in TIME_WAIT, and nobody knows by whom */
	uint64_t no_end;       /* with all: sockets of which the end will never be told */
	uint64_t gaps;	       /* of a recording: spans of which not everything is in it */
};

/* feed_account__add() - to @sum, of feeds one after the other. */
static inline void feed_account__add(struct feed_account *sum, const struct feed_account *more)
{
	sum->delivered += more->delivered;
	sum->lost += more->lost;
	sum->map_full += more->map_full;
	sum->recursion += more->recursion;
	sum->snapshot += more->snapshot;
	sum->unattributed += more->unattributed;
	sum->no_end += more->no_end;
	sum->gaps += more->gaps;
}

/* feed_account__add_rise() - adds to @sum what has come between @from and @to; what has fallen counts as none. */
static inline void feed_account__add_rise(struct feed_account *sum, const struct feed_account *from,
					  const struct feed_account *to)
{
#define ADD_RISE(what) (sum->what += to->what > from->what ? to->what - from->what : 0)
	ADD_RISE(delivered);
	ADD_RISE(lost);
	ADD_RISE(map_full);
	ADD_RISE(recursion);
	ADD_RISE(snapshot);
	ADD_RISE(unattributed);
	ADD_RISE(no_end);
	ADD_RISE(gaps);
#undef ADD_RISE
}

struct feed;

struct feed_ops {
	int (*poll)(struct feed *feed);
	int (*pause_ms)(const struct feed *feed);
	bool (*is_complete)(const struct feed *feed);
	bool (*has_ended)(const struct feed *feed);
	bool (*has_containers)(const struct feed *feed);
	int (*finish)(struct feed *feed);
	bool (*failed)(const struct feed *feed, struct feed_failure *failure);
	void (*account)(struct feed *feed, struct feed_account *account);
};

/* The first member of each kind. */
struct feed {
	const struct feed_ops *ops;
};

/* feed__poll() - gives the records that have come; of a recording, a bounded number of them.
 * Returns 0, the negative errno of the callback, or of the source. It may be called again. */
static inline int feed__poll(struct feed *feed)
{
	return feed->ops->poll(feed);
}

/* feed__pause_ms() - how long to wait at most until the next poll; 0: there is more already. */
static inline int feed__pause_ms(const struct feed *feed)
{
	return feed->ops->pause_ms(feed);
}

/* feed__is_complete() - as many records were given as were asked for. */
static inline bool feed__is_complete(const struct feed *feed)
{
	return feed->ops->is_complete(feed);
}

/* feed__has_ended() - nothing more will come, and all was given. */
static inline bool feed__has_ended(const struct feed *feed)
{
	return feed->ops->has_ended(feed);
}

/* feed__has_containers() - whether there has been a container so far. */
static inline bool feed__has_containers(const struct feed *feed)
{
	return feed->ops->has_containers(feed);
}

/* feed__finish() - stops the source and gives what is left, unless the feed is complete. */
static inline int feed__finish(struct feed *feed)
{
	return feed->ops->finish(feed);
}

/* feed__failed() - whether the last poll or finish failed by itself, and not because the
 * callback did. Then it fills @failure. */
static inline bool feed__failed(const struct feed *feed, struct feed_failure *failure)
{
	return feed->ops->failed(feed, failure);
}

/* feed__account() - of a feed that was started. */
static inline void feed__account(struct feed *feed, struct feed_account *account)
{
	feed->ops->account(feed, account);
}

#endif

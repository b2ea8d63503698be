/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel side tells who sent a FIN and what became of the connection apart, on
 * whichever CPU each happens. Here they come together, by the connection's id, to
 * one event. Pure but for memory; knows neither the tracer nor a clock.
 */
#ifndef TWSNOOP_JOIN_H
#define TWSNOOP_JOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

#define JOIN_DEFAULT (1U << 18)

struct join;

/* An event that is whole; it lives until the callback returns. A negative return
 * value ends the call and becomes its result. */
typedef int (*join_fn)(void *ctx, const struct tws_event *event);

struct join_options {
	size_t max;	 /* connections whose end is awaited; then the dead give way, then the oldest */
	bool has_cookie; /* ids are socket cookies; else numbers that mean nothing */
	bool all;	 /* give also TWS_FIN_WAIT2 events; the kernel side tells them */
	/* Whether @ending, whose FIN was not seen, is nothing new: it was reported, or is
	 * nobody's business. NULL: none is. */
	bool (*known)(void *ctx, const struct tws_ending *ending);
	void *ctx; /* for known() */
};

/* join__new() - about 230 bytes a connection, of which what is used is touched.
 * Returns 0 and *@joinp, to be freed by join__free(), or -ENOMEM. */
int join__new(struct join **joinp, const struct join_options *opts);
void join__free(struct join *join); /* NULL is allowed */

/* join__fin() - the TWS_FIN event @fin: its end is awaited from now on. */
void join__fin(struct join *join, const struct tws_event *fin);

/*
 * join__ending() - what became of a connection: gives the events that are complete by
 * it to @fn. One whose FIN was not seen is an orphan, which only a snapshot can find,
 * unless it is known.
 * Returns 0 or the negative value of @fn.
 */
int join__ending(struct join *join, const struct tws_ending *ending, join_fn fn, void *ctx);

/*
 * join__take() - a TIME_WAIT socket was found whose end was not told: takes out the
 * FIN that belongs to it, by @cookie, or by @key if the kernel has no cookies. Returns
 * true and fills *@event, whose time is that of the FIN and whose action that of the
 * last record of it. Without cookies that is a
 * search; not more than some hundreds are made between two calls of join__rest().
 */
bool join__take(struct join *join, const struct tws_key *key, uint64_t cookie,
		struct tws_event *event);
void join__rest(struct join *join);

enum join_alive {
	JOIN_ALIVE,  /* the socket or a mini-socket is there */
	JOIN_GONE,   /* neither is */
	JOIN_UNSEEN, /* nobody could look for so long that it may well be gone */
};
typedef enum join_alive (*join_alive_fn)(void *ctx, const struct tws_event *fin);

/*
 * join__sweep() - asks @alive of each connection whose FIN was told before @before_ns
 * (CLOCK_MONOTONIC): no tracepoint tells the end of those that waited in FIN_WAIT2 in vain.
 * What is gone twice in a row is forgotten; what is gone once, or unseen, gives way before
 * all others when room is short.
 */
void join__sweep(struct join *join, uint64_t before_ns, join_alive_fn alive, void *ctx);

uint64_t join__orphans(const struct join *join); /* see join__ending() */
uint64_t join__dropped(const struct join *join); /* gave way before their end */
/* join__is_crowded() - more than half of the room is taken by what seems to be alive:
 * join__sweep() may find a good part of it gone. */
bool join__is_crowded(const struct join *join);
size_t join__count(const struct join *join);

#endif

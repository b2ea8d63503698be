/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The TIME_WAIT sockets that were reported and are not known to have ended, so
 * that each of their ends is told once, with its owner. Two things tell it:
 * other events of the same connection end, which show that its addresses are in
 * use again or that a reset came; and snapshots, which no longer show it.
 * Layer: above snapshot; knows neither the tracer nor a clock.
 */
#ifndef TWSNOOP_HELD_H
#define TWSNOOP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "sockets/snapshot.h"

struct held;

/* An end: a TWS_TIME_WAIT_END event with the owner of its time_wait event. It
 * lives until the callback returns; a negative return value stops the caller. */
typedef int (*held_fn)(void *ctx, const struct tws_event *end);

#define HELD_MAX (1U << 18) /* about 60 MB, of which what is used is touched */

/*
 * held__new() - room for @max sockets, all of it allocated now. @seed is any
 * number that peers cannot guess: they choose what is hashed.
 * Returns 0 and *@heldp, or -ENOMEM.
 */
int held__new(struct held **heldp, size_t max, uint64_t seed);

/*
 * held__add() - the time_wait event @ev was reported. What is held for the same
 * addresses is replaced: call held__ended() with @ev before. Without room, or if
 * a later one of the same addresses is held, it is counted, and its end will not
 * be told.
 */
void held__add(struct held *held, const struct tws_event *ev);

/*
 * held__ended() - whether @ev, any event of the kernel side, tells the end of a
 * socket that is held. If so it is held no more, and *@end says how it ended.
 */
bool held__ended(struct held *held, const struct tws_event *ev, struct tws_event *end);

/* held__due() - a snapshot taken now could tell the end of some socket. */
bool held__due(const struct held *held, uint64_t now_ns);

/*
 * held__compare() - looks for what is held in @snap, all records that were made
 * before it having been given to held__ended() and held__add(). Calls @fn for
 * each socket that is gone: it was missing in two snapshots, for one may miss a
 * socket while the table changes, and a new connection that took the addresses
 * over may need a moment to show. Returns 0, or the negative value of @fn.
 */
int held__compare(struct held *held, const struct snapshot *snap, held_fn fn, void *ctx);

size_t held__count(const struct held *held);

/* held__dropped() - sockets whose end will never be told: no room, or their
 * namespace cannot be looked into. */
uint64_t held__dropped(const struct held *held);

void held__free(struct held *held); /* NULL is allowed */

#endif

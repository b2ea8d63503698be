/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The TIME_WAIT sockets that were reported and are not known to have ended, so
 * that each of their ends is told once, with its owner. Two things tell it:
 * other events of the same connection end, which show that its addresses are in
 * use again or that a reset came; and snapshots, which no longer show it.
 * Knows neither the tracer nor a clock.
 */
#ifndef TWSNOOP_TIME_WAITS_H
#define TWSNOOP_TIME_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "sockets/snapshot.h"

struct time_waits;

/* An end: a TWS_TIME_WAIT_END event with the owner of its time_wait event. It
 * lives until the callback returns; a negative return value stops the caller. */
typedef int (*time_waits_fn)(void *ctx, const struct tws_event *end);

#define TIME_WAITS_MAX (1U << 18) /* about 60 MB, of which what is used is touched */

/*
 * time_waits__new() - room for @max sockets, all of it allocated now.
 * Returns 0 and *@tablep, or -ENOMEM.
 */
int time_waits__new(struct time_waits **tablep, size_t max);

/*
 * time_waits__add() - the time_wait event @ev was reported. What is held for the same
 * addresses is replaced: call time_waits__ended() with @ev before. Without room, or if
 * a later one of the same addresses is held, it is counted, and its end will not
 * be told. One that a snapshot has missed gives way first, and is counted.
 */
void time_waits__add(struct time_waits *table, const struct tws_event *ev);

/*
 * time_waits__ended() - whether @ev, any event of the kernel side, tells the end of a
 * socket that is held. If so it is held no more, and *@end says how it ended.
 */
bool time_waits__ended(struct time_waits *table, const struct tws_event *ev, struct tws_event *end);

/* time_waits__due() - a snapshot taken now could tell the end of some socket. */
bool time_waits__due(const struct time_waits *table, uint64_t now_ns);

/*
 * time_waits__begin() - a snapshot is begun. Then each @sk of it may be shown as it comes,
 * by time_waits__show(): if it is held by now, the snapshot need not keep it.
 */
void time_waits__begin(struct time_waits *table);
void time_waits__show(struct time_waits *table, const struct snapshot *snap,
		      const struct snapshot_socket *sk);

/*
 * time_waits__compare() - looks for what is held among what was shown and in @snap, all
 * records that were made before it having been given to time_waits__ended() and
 * time_waits__add(). Calls @fn for each socket that is gone: it was missing in two snapshots,
 * for one may miss a socket while the table changes, and a new connection that took the
 * addresses over may need a moment to show. Returns 0, or the negative value of @fn.
 */
int time_waits__compare(struct time_waits *table, const struct snapshot *snap, time_waits_fn fn,
			void *ctx);

/* time_waits__count() - those whose end is still waited for. */
size_t time_waits__count(const struct time_waits *table);

/* time_waits__dropped() - sockets whose end will never be told: no room, or their
 * namespace cannot be looked into. */
uint64_t time_waits__dropped(const struct time_waits *table);

void time_waits__free(struct time_waits *table); /* NULL is allowed */

#endif

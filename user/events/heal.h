/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finding what the programs missed. The kernel skips a program that is already
 * running on the CPU, and a full ring takes no record; but a TIME_WAIT socket
 * stands in the kernel's own table for a minute. Whatever stands there and was
 * not reported is reported then.
 * Hands events to one callback.
 */
#ifndef TWSNOOP_HEAL_H
#define TWSNOOP_HEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "events/join.h"
#include "sockets/snapshot.h"
#include "sockets/sockets.h"
#include "capture/source.h"

struct healer;

/* An event that was found; it lives until the callback returns. A negative
 * return value ends the search and becomes its result. */
typedef int (*heal_fn)(void *ctx, const struct tws_event *ev);

/*
 * healer__new() - @has_cookie: events carry cookies (else they are told apart
 * by their addresses, and a second life of the same is not noticed).
 * @source must outlive the healer. Returns 0 and *@healerp, or -ENOMEM.
 */
int healer__new(struct healer **healerp, bool has_cookie, const struct sockets_source *source);

/*
 * healer__baseline() - what is in the snapshot that healer__take() took, once the programs were
 * attached, is not ours to report; empties it. Of a source that looks back, once that has told
 * what it has of before: until then such a socket is not known.
 */
void healer__baseline(struct healer *healer);

/*
 * Where the kernel skips programs, a source that looks back may lack some of what was before
 * its start. Then, before healer__baseline():
 *
 * healer__look_back() - finds, in the snapshot that was taken after the start, what entered
 * TIME_WAIT after @since_ns (CLOCK_MONOTONIC: no record of later may have been written over) and
 * before the source's start at @cut_ns, and of which no record of the look back tells. What the
 * timer leaves in doubt is left out. Once, before the first poll. Returns 0 or -ENOMEM.
 *
 * healer__give_due() - gives to @fn what healer__look_back() has found and what entered until
 * @until_ns, in the order of time: before the record of that time is given. Returns 0 or the
 * negative value of @fn, which has been given that event.
 *
 * healer__find_newest() - once all is polled that was made before the snapshot: the same for what
 * entered about the source's start, or after it.
 */
int healer__look_back(struct healer *healer, struct source *source, uint64_t since_ns,
		      uint64_t cut_ns);
int healer__give_due(struct healer *healer, uint64_t until_ns, struct join *join, heal_fn fn,
		     void *ctx);
int healer__find_newest(struct healer *healer, const struct source *source, uint64_t since_ns,
			uint64_t cut_ns, struct join *join, heal_fn fn, void *ctx);

/* healer__doubt() - until the baseline: a FIN came for the mini-socket @cookie whose own FIN is not
 * known. If that FIN came again, the timer was set anew, and does not tell when it entered. */
void healer__doubt(struct healer *healer, uint64_t cookie);

/* healer__note() - this event was reported. Cheap; for each one. */
void healer__note(struct healer *healer, const struct tws_event *ev);

/* healer__told() - this record comes after its socket was found and reported: the
 * program that sent it was held up. It is to be dropped. */
bool healer__told(const struct healer *healer, const struct tws_event *ev);

/* healer__knows() - the TIME_WAIT socket @cookie was reported, or there before. */
bool healer__knows(const struct healer *healer, uint64_t cookie);

/* Each socket of a snapshot, as it comes. */
typedef void (*heal_show_fn)(void *ctx, const struct snapshot *snap,
			     const struct snapshot_socket *sk);

/*
 * healer__take() - takes the snapshot, of which it keeps what is not known by now. After it,
 * poll the source (and note what it gives), and then call healer__find(): what entered the
 * table before the snapshot has its record in the ring by then. @show is for who looks for other
 * things in it; NULL: nobody. Returns as snapshot__take().
 */
int healer__take(struct healer *healer, heal_show_fn show, void *ctx);

/* healer__snapshot() - what healer__take() took, until healer__find(), which
 * empties it. */
const struct snapshot *healer__snapshot(const struct healer *healer);

/*
 * healer__find() - calls @fn for each TIME_WAIT socket of the snapshot that was
 * not noted, and notes it; forgets what no longer exists, here, in @source and
 * in @join. Returns 0, or the negative value of @fn.
 */
int healer__find(struct healer *healer, struct source *source, struct join *join, heal_fn fn,
		 void *ctx);

void healer__free(struct healer *healer); /* NULL is allowed */

#endif

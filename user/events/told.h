/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Of which TIME_WAIT sockets the records of a look back tell, before they are given: by the
 * cookies of their FINs and endings, in whatever order. Where that leaves doubt, the answer is
 * that one is told. Pure but for memory.
 */
#ifndef TWSNOOP_TOLD_H
#define TWSNOOP_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

struct told;

/* told__new() - of nothing yet. Returns 0 and *@toldp, to be freed by told__free(), or -ENOMEM. */
int told__new(struct told **toldp);

/* told__fin() - a TWS_FIN event of the socket @cookie. told__ending() - what became of one. */
void told__fin(struct told *told, uint64_t cookie);
void told__ending(struct told *told, const struct tws_ending *ending);

/* told__event() - a TWS_TIME_WAIT event; @key is the socket's cookie, or a hash of its addresses
 * where it had none. */
void told__event(struct told *told, uint64_t key);

/*
 * told__has() - the socket @cookie is told, or may be: a TWS_ENTERED ending without its FIN may
 * be of a FIN that came again, long after the socket had entered TIME_WAIT.
 */
bool told__has(const struct told *told, uint64_t cookie);

/* told__has_event() - likewise, by the key of told__event() alone. */
bool told__has_event(const struct told *told, uint64_t key);

void told__free(struct told *told); /* NULL is allowed */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The owners of closed connections that the kernel side keeps: of a ledger that
 * `twsnoop attach` has pinned, and of every `twsnoop trace` that runs. Read only.
 * Layer: above event.h; knows neither bpffs' layout (pins.h) nor the sockets.
 */
#ifndef TWSNOOP_LEDGER_H
#define TWSNOOP_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/event.h"

struct ledger;

/* What ledger__open() met. */
#define LEDGER_DENIED 0x1 /* the kernel's programs may not be looked at */
#define LEDGER_OTHER 0x2  /* a ledger of another layout was left out */

/*
 * ledger__open() - maps all ledgers of this kernel, found by their programs
 * (CAP_SYS_ADMIN), and indexes them once: later events are not seen. None at all
 * is no error. Returns 0 and *@ledgerp, to be freed by ledger__free(), or -ENOMEM.
 */
int ledger__open(struct ledger **ledgerp, unsigned int *flags);
void ledger__free(struct ledger *ledger); /* NULL is allowed */

/* How many ledgers were found, and the meta data of each. The pointer lives as
 * long as the ledger. */
size_t ledger__count(const struct ledger *ledger);
const struct tws_meta *ledger__meta(const struct ledger *ledger, size_t index);

/*
 * ledger__find() - the close of the mini-socket @key with this @cookie: by the
 * cookie, or if that is 0 by @key and by the moment when the socket entered its
 * state, @entered_ns (CLOCK_MONOTONIC, from its timer). The event's addresses are
 * those of @key, always. NULL if none is known. Lives as long as the ledger.
 */
const struct tws_event *ledger__find(const struct ledger *ledger, const struct tws_key *key,
				     uint64_t cookie, uint64_t entered_ns);

/*
 * ledger__arguments() - how the closer of @event was started, if the kernel side
 * noted it: *@len bytes, each argument ends in a NUL, cut at TWS_ARGS_LEN. NULL if
 * unknown. Lives until the next call.
 */
const char *ledger__arguments(struct ledger *ledger, const struct tws_event *event, size_t *len);

/* Since when (CLOCK_MONOTONIC) every close of the host was recorded, without a
 * filter; 0: never. */
uint64_t ledger__complete_since(const struct ledger *ledger);

#endif

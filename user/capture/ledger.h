/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The owners of closed connections that the kernel side keeps: of a ledger that
 * `twsnoop attach` has pinned, and of every `twsnoop trace` that runs. Read only.
 * Knows neither how they are pinned (pins.h) nor the sockets.
 */
#ifndef TWSNOOP_LEDGER_H
#define TWSNOOP_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "host/bpffs.h"

#define LEDGER_BPFFS BPFFS_PLACE
#define LEDGER_FOLDER "twsnoop"	   /* in it: the pinned maps, by their names */

struct ledger;

/* What ledger__open() met. */
#define LEDGER_DENIED 0x1 /* the kernel's programs may not be looked at, nor a pinned ledger */
#define LEDGER_OTHER 0x2  /* a ledger of another layout was left out */

/*
 * ledger__open() - maps all ledgers of this kernel, found by their programs
 * (CAP_SYS_ADMIN), and indexes them once: later events are not seen. Without that
 * capability it takes the one pinned below LEDGER_BPFFS, if it is root's alone and
 * the caller may open it. None at all is no error. @hierarchy is that of the caller's
 * cgroups, as in struct tws_meta: where some ledger has them, no others are told. @flags
 * (may be NULL) gets LEDGER_* bits added. Returns 0 and *@ledgerp, to be freed by
 * ledger__free(), or -ENOMEM.
 *
 * So that every socket of a listing is found, list them first, then open.
 */
int ledger__open(struct ledger **ledgerp, uint32_t hierarchy, unsigned int *flags);
void ledger__free(struct ledger *ledger); /* NULL is allowed */

/* How many ledgers were found. */
size_t ledger__count(const struct ledger *ledger);

/*
 * ledger__find() - the close of the mini-socket @key with this @cookie: by the
 * cookie, or if that is 0, or the kernel side saw none, by @key and by the moment
 * when the socket entered its state, @entered_ns (CLOCK_MONOTONIC, from its timer).
 * Of several events the one that knows the closer, then the newest; of what several ledgers have
 * of one close, that with the caller's cgroups. The event's
 * addresses and netns are those of @key, always; its action may be TWS_FIN: time_ns
 * is then when the FIN was sent, and how many bytes went over is not known. Returns
 * true and fills *@event; false if none is known.
 */
bool ledger__find(const struct ledger *ledger, const struct tws_key *key, uint64_t cookie,
		  uint64_t entered_ns, struct tws_event *event);

/*
 * ledger__arguments() - how the closer of @event was started, if the kernel side
 * noted it: *@len bytes, each argument ends in a NUL, cut at TWS_ARGS_LEN. NULL if
 * unknown. Lives until the next call.
 */
const char *ledger__arguments(struct ledger *ledger, const struct tws_event *event, size_t *len);

/*
 * ledger__cgroup() - the path of the cgroup @id, if it was made, renamed or removed
 * since the ledger was attached: it may be gone. Returns false if nothing is known.
 */
bool ledger__cgroup(const struct ledger *ledger, uint64_t id, struct tws_cgroup *cgroup);

/* Since when (CLOCK_MONOTONIC) every close of the host was to be recorded, without a
 * filter; and since when all of that is still there, the rest having been written
 * over. 0: never. */
uint64_t ledger__recorded_since(const struct ledger *ledger);
uint64_t ledger__complete_since(const struct ledger *ledger);

#endif

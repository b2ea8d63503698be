/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What of a source's records was lost, and what of that was found in the kernel's own table: one
 * number for the account. A source says how many records it lost, not which; so what was found is
 * set off against that by its number. Only of an end that came without its FIN it is known which
 * socket it is of: that one alone makes up for it.
 *
 * What the kernel skipped was never a record and is not lost, but is found in the same table: as
 * far as it may be what was found, that makes up for nothing. In doubt it was lost.
 *
 * Pure but for memory: counters, times and whose a socket is are told by the caller.
 */
#ifndef TWSNOOP_LOSSES_H
#define TWSNOOP_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

struct losses;

/*
 * losses__new() - nothing is lost yet. @has_ids: an ending's id is its socket's cookie (Linux 5.12
 * or newer: struct kernel's atomics and cookie); else it says nothing of what is found.
 * Returns 0 and *@lossesp, to be freed by losses__free(), or -ENOMEM.
 */
int losses__new(struct losses **lossesp, bool has_ids);
void losses__free(struct losses *losses); /* NULL is allowed */

/* ---- ends that came without their FINs ---- */

/*
 * losses__fins() - of a source that filters in the kernel: @lost FINs that pass the filter were
 * lost until @now_ns (CLOCK_MONOTONIC), as source__fins_lost() has it; it may be less again. Before
 * each losses__ends_fin(), and at least once in two minutes: so long after the last of them their
 * ends have come, or will not come.
 */
void losses__fins(struct losses *losses, uint64_t lost, uint64_t now_ns);

/* losses__ends_fin() - such a source gave an end without its FIN: whether that may be the end of
 * one of those that were lost, which is one less then. Else the filter has left out its FIN. */
bool losses__ends_fin(struct losses *losses);

/* losses__orphan() - the FIN of @ending was lost, as far as is known. */
void losses__orphan(struct losses *losses, const struct tws_ending *ending);

/*
 * losses__looked() - the first @orphans (as join__orphans() counts them) were looked for in a
 * snapshot, or nobody will look any more: those of them that were not found are lost from now on.
 * losses__awaits() - of @orphans some were not looked for yet.
 */
void losses__looked(struct losses *losses, uint64_t orphans);
bool losses__awaits(const struct losses *losses, uint64_t orphans);

/* ---- what was found ---- */

/*
 * losses__found() - @ev was found in the kernel's table, and is what was asked for.
 * losses__found_others() - likewise, but a filter leaves it out here, and not in the kernel. What
 * entered before @cut_ns (CLOCK_MONOTONIC; 0: nothing did), when the source started, nobody lost.
 */
void losses__found(struct losses *losses, const struct tws_event *ev, uint64_t cut_ns);
void losses__found_others(struct losses *losses, const struct tws_event *ev, uint64_t cut_ns);

/* ---- the account ---- */

/* losses__num_found() - how often losses__found() was called. */
uint64_t losses__num_found(const struct losses *losses);

/*
 * losses__count() - how many records were lost and not made up for, of @event_lost that the source
 * counts. At most @recursion calls of the programs were skipped. It may be less again, once more
 * is found.
 */
uint64_t losses__count(const struct losses *losses, uint64_t event_lost, uint64_t recursion);

#endif

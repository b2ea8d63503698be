/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When the kernel's table of sockets is listed again for what was missed (heal.h). To list a
 * million sockets takes long: it is done where something seems to be missing, for a share of the
 * CPU time, and often enough that no socket's minute passes in between.
 *
 * Pure: times are CLOCK_MONOTONIC and counters are those of source.h, told by the caller.
 */
#ifndef TWSNOOP_HEAL_PACE_H
#define TWSNOOP_HEAL_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define HEAL_PACE_CHECK_NS 1000000000ULL /* how often heal_pace__is_due() is asked */

/* To begin with, zeros. Nothing in it is the caller's to read. */
struct heal_pace {
	uint64_t next_ns;  /* not before */
	uint64_t last_ns;  /* when the last snapshot was begun */
	uint64_t spent_ns; /* of CPU time, for all that was done with that one */
	uint64_t event_lost, walk_failed, recursion; /* when one was last due */
};

/* What may be missing, as it is now. */
struct heal_signs {
	uint64_t event_lost, walk_failed, recursion; /* since the source's start */
	bool skipped;	/* recursion has changed since the last time */
	bool orphans;	/* ends without their FINs were not looked for yet */
	bool crowded;	/* much of what is awaited may be gone: join__is_crowded() */
	bool ends;	/* the ends of TIME_WAITs could be told: time_waits__due() */
	bool ends_wait; /* these need not be told soon: 20 s after the last snapshot, or 45 */
};

/* heal_pace__start() - from @now_ns on; the first snapshot comes five seconds later at the earliest. */
void heal_pace__start(struct heal_pace *pace, uint64_t now_ns);

/*
 * heal_pace__is_due() - a snapshot is to be begun at @now_ns: by @signs there is something to find
 * that no snapshot has looked for, or the last one is 45 s ago. Then it counts as begun for those
 * signs, whatever becomes of it: tell that by one of the next two. Between two snapshots are five
 * seconds or more; orphans take four off, each time that they are told of here.
 */
bool heal_pace__is_due(struct heal_pace *pace, const struct heal_signs *signs, uint64_t now_ns);

/* heal_pace__failed() - the one that was begun at @begin_ns could not be taken. */
void heal_pace__failed(struct heal_pace *pace, uint64_t begin_ns);

/* heal_pace__done() - it was looked through at @end_ns, for @spent_ns of CPU time. Not of the
 * clock's: the process may have been stopped meanwhile, and much may have been lost. */
void heal_pace__done(struct heal_pace *pace, uint64_t begin_ns, uint64_t end_ns, uint64_t spent_ns);

#endif

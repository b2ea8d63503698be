// SPDX-License-Identifier: GPL-2.0
#include "events/heal_pace.h"

#include "base/clock.h"

#define NS_PER_S 1000000000ULL
#define MIN_NS (5 * NS_PER_S)
#define SHARE 100 /* of the time one part in this goes into healing */
/* From one snapshot's begin to the next one's, also if nothing seems to be missing: no socket's
 * minute is to pass in between. */
#define MAX_NS (45 * NS_PER_S)
/* Likewise, for the ends of TIME_WAITs that may wait: so long at least, and for so small a share of
 * the time, as far as MAX_NS. */
#define ENDS_WAIT_NS (20 * NS_PER_S)
#define ENDS_SHARE 1000

void heal_pace__start(struct heal_pace *pace, uint64_t now_ns)
{
	pace->last_ns = now_ns;
	pace->next_ns = now_ns + MIN_NS;
}

static bool ends_are_due(const struct heal_pace *pace, const struct heal_signs *signs, uint64_t now_ns)
{
	uint64_t wait_ns = pace->spent_ns * ENDS_SHARE;

	if (wait_ns < ENDS_WAIT_NS)
		wait_ns = ENDS_WAIT_NS;
	return signs->ends && (!signs->ends_wait || now_ns >= pace->last_ns + wait_ns);
}

static bool seems_missing(const struct heal_pace *pace, const struct heal_signs *signs, uint64_t now_ns)
{
	return signs->skipped || signs->recursion != pace->recursion ||
	       signs->event_lost != pace->event_lost || signs->orphans ||
	       signs->walk_failed != pace->walk_failed || now_ns > pace->last_ns + MAX_NS ||
	       signs->crowded || ends_are_due(pace, signs, now_ns);
}

bool heal_pace__is_due(struct heal_pace *pace, const struct heal_signs *signs, uint64_t now_ns)
{
	/* What has lost its owner does not wait. */
	if (signs->orphans)
		pace->next_ns = clock__before_ns(pace->next_ns, MIN_NS - HEAL_PACE_CHECK_NS);
	if (!seems_missing(pace, signs, now_ns) || now_ns < pace->next_ns)
		return false;
	pace->recursion = signs->recursion;
	pace->event_lost = signs->event_lost;
	pace->walk_failed = signs->walk_failed;
	return true;
}

void heal_pace__failed(struct heal_pace *pace, uint64_t begin_ns)
{
	pace->next_ns = begin_ns + MIN_NS;
}

void heal_pace__done(struct heal_pace *pace, uint64_t begin_ns, uint64_t end_ns, uint64_t spent_ns)
{
	uint64_t next_ns = end_ns + MIN_NS + spent_ns * SHARE;

	if (next_ns > begin_ns + MAX_NS)
		next_ns = begin_ns + MAX_NS;
	pace->next_ns = next_ns > end_ns + MIN_NS ? next_ns : end_ns + MIN_NS;
	pace->last_ns = begin_ns;
	pace->spent_ns = spent_ns;
}

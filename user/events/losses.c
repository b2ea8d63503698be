// SPDX-License-Identifier: GPL-2.0
#include "events/losses.h"

#include <errno.h>
#include <stdlib.h>

#include "base/seen.h"

#define ORPHANS_MAX (1U << 18) /* entries of seen.h */
/* How long an end may come after its FIN: a minute in FIN_WAIT2, and some in FIN_WAIT1. */
#define LATE_END_NS (120 * 1000000000ULL)

struct losses {
	bool has_ids;
	/* FINs that were lost, when the last one was, and how many of their ends have come or will
	 * not come any more. */
	uint64_t fins, fins_ns, fins_ended;
	uint64_t looked_for; /* of the orphans, the first ones */
	struct seen *orphans; /* which these are */
	uint64_t found;
	/* Of these, and of others: whose ends had come without their FINs, and the rest, but what
	 * was before the start. */
	uint64_t found_orphans, found_rest, found_others;
};

int losses__new(struct losses **lossesp, bool has_ids)
{
	struct losses *losses = calloc(1, sizeof(*losses));

	if (!losses)
		return -ENOMEM;
	losses->has_ids = has_ids;
	if (seen__new(&losses->orphans, ORPHANS_MAX)) {
		free(losses);
		return -ENOMEM;
	}
	*lossesp = losses;
	return 0;
}

void losses__free(struct losses *losses)
{
	if (!losses)
		return;
	seen__free(losses->orphans);
	free(losses);
}

void losses__fins(struct losses *losses, uint64_t lost, uint64_t now_ns)
{
	if (lost > losses->fins)
		losses->fins_ns = now_ns;
	losses->fins = lost;
	if (losses->fins_ended < lost && now_ns >= losses->fins_ns + LATE_END_NS)
		losses->fins_ended = lost;
}

bool losses__ends_fin(struct losses *losses)
{
	if (losses->fins_ended >= losses->fins)
		return false;
	losses->fins_ended++;
	return true;
}

void losses__orphan(struct losses *losses, const struct tws_ending *ending)
{
	seen__add(losses->orphans, ending->id, ending->time_ns);
}

void losses__looked(struct losses *losses, uint64_t orphans)
{
	losses->looked_for = orphans;
}

bool losses__awaits(const struct losses *losses, uint64_t orphans)
{
	return orphans != losses->looked_for;
}

static void count(struct losses *losses, const struct tws_event *ev, uint64_t cut_ns, uint64_t *rest)
{
	if (ev->time_ns < cut_ns)
		return;
	if (seen__has(losses->orphans, ev->cookie))
		losses->found_orphans++;
	else
		++*rest;
}

void losses__found(struct losses *losses, const struct tws_event *ev, uint64_t cut_ns)
{
	losses->found++;
	count(losses, ev, cut_ns, &losses->found_rest);
}

void losses__found_others(struct losses *losses, const struct tws_event *ev, uint64_t cut_ns)
{
	count(losses, ev, cut_ns, &losses->found_others);
}

uint64_t losses__num_found(const struct losses *losses)
{
	return losses->found;
}

static uint64_t without(uint64_t all, uint64_t part)
{
	return all > part ? all - part : 0;
}

/* Of an end without a FIN it is known that it was lost: one that was skipped and is found does not
 * make up for it. */
uint64_t losses__count(const struct losses *losses, uint64_t event_lost, uint64_t recursion)
{
	uint64_t orphans = without(losses->looked_for, losses->found_orphans);
	uint64_t found = losses->found_rest;

	/* What was skipped was not lost: as much as may have been is not taken off. */
	found += without(losses->found_others, recursion);
	if (!losses->has_ids || seen__forgotten_ns(losses->orphans))
		return without(event_lost + orphans, found);
	return without(event_lost, found) + orphans;
}

// SPDX-License-Identifier: GPL-2.0
#include "report/incidents.h"

#include <errno.h>
#include <stdlib.h>

#define PORTS_NEARLY_PERMILLE 900
#define LIMIT_NEARLY 0.9
#define QUIET_SLOTS 3	  /* between two that are one */
#define UNKNOWN_SLOTS 30 /* likewise */
#define DRAIN_SLOTS 2

/* What is left of closes that are over. */
#define DRAINING (STORY_TIME_WAIT | STORY_PORTS | STORY_LIMIT)

/* Which signs are on: once one is it stays until its values are well back. */
struct watch {
	const struct slots *slots;
	const struct story *story;
	unsigned int on;
};

static void watch_value(struct watch *watch, unsigned int sign, const struct usual *usual,
			double value)
{
	if (!usual->is_known)
		return;
	if (value > usual->leave)
		watch->on |= sign;
	else if (value <= usual->back)
		watch->on &= ~sign;
}

static bool is_near_limit(const struct slot *slot)
{
	return slot->overflows ||
	       (slot->limit && (double)slot->limited >= LIMIT_NEARLY * (double)slot->limit);
}

/* The signs of @slot; what was not recorded has none, and changes nothing. */
static unsigned int look_at(struct watch *watch, const struct slot *slot)
{
	const struct slots *slots = watch->slots;
	const struct story *story = watch->story;
	unsigned int signs = 0;

	if (!slot__is_known(slots, slot))
		return 0;
	watch_value(watch, STORY_RATE, &story->usual_rate,
		    slot__per_s(slots, slot, slot->closes));
	watch_value(watch, STORY_FAILURES, &story->usual_failed,
		    slot__per_s(slots, slot, slot->failed));
	if (slot->has_time_wait)
		watch_value(watch, STORY_TIME_WAIT, &story->usual_time_wait,
			    (double)slot->time_wait);
	if (slot->has_ports && slot->ports_permille >= PORTS_NEARLY_PERMILLE)
		signs |= STORY_PORTS;
	if (is_near_limit(slot))
		signs |= STORY_LIMIT;
	if (slot->failed_ports)
		signs |= STORY_NO_PORTS;
	return signs | watch->on;
}

static double excess_of(const struct watch *watch, const struct slot *slot)
{
	double usual = watch->story->usual_rate.median * (double)slot->recorded_ns / 1e9;

	return (double)slot->closes > usual ? (double)slot->closes - usual : 0;
}

/* What is between two intervals that are to be one. */
struct between {
	size_t quiet, unknown;
};

static int add(struct intervals *intervals, size_t index, const struct between *between,
	       unsigned int signs)
{
	struct interval *last = intervals->num ? &intervals->list[intervals->num - 1] : NULL;
	struct interval *grown;

	if (last && between->quiet <= QUIET_SLOTS && between->unknown <= UNKNOWN_SLOTS) {
		last->drained = index;
		if (signs & ~DRAINING)
			last->last = index;
		last->signs |= signs;
		return 0;
	}
	if (!(intervals->num & (intervals->num + 1))) { /* room for twice as many */
		grown = realloc(intervals->list,
				(2 * intervals->num + 2) * sizeof(*intervals->list));
		if (!grown)
			return -ENOMEM;
		intervals->list = grown;
	}
	intervals->list[intervals->num++] = (struct interval){
		.first = index, .last = index, .drained = index, .signs = signs,
	};
	return 0;
}

static void measure(struct interval *interval, const struct watch *watch)
{
	/* There is more to it than what is left. */
	if (interval->drained > interval->last + DRAIN_SLOTS || !(interval->signs & ~DRAINING))
		interval->last = interval->drained;
	for (size_t i = interval->first; i <= interval->last; i++) {
		const struct slot *slot = &watch->slots->slot[i];

		interval->excess += excess_of(watch, slot);
		interval->has_gap |= slot->has_gap || !slot__is_known(watch->slots, slot);
	}
}

/* Those that were over before the span go. */
static void keep_span(struct intervals *intervals, const struct slots *slots)
{
	size_t kept = 0;

	for (size_t i = 0; i < intervals->num; i++)
		if (intervals->list[i].drained >= slots->first)
			intervals->list[kept++] = intervals->list[i];
	intervals->num = kept;
}

int incidents__find(struct intervals *intervals, const struct slots *slots,
		    const struct story *story)
{
	struct watch watch = { slots, story, 0 };
	struct between between = { 0, 0 };

	*intervals = (struct intervals){ 0 };
	for (size_t i = 0; i < slots->num; i++) {
		unsigned int signs = look_at(&watch, &slots->slot[i]);

		if (signs) {
			if (add(intervals, i, &between, signs)) {
				incidents__free(intervals);
				return -ENOMEM;
			}
			between = (struct between){ 0, 0 };
		} else if (slot__is_known(slots, &slots->slot[i])) {
			between.quiet++;
		} else {
			between.unknown++;
		}
	}
	keep_span(intervals, slots);
	for (size_t i = 0; i < intervals->num; i++)
		measure(&intervals->list[i], &watch);
	return 0;
}

void incidents__free(struct intervals *intervals)
{
	free(intervals->list);
	*intervals = (struct intervals){ 0 };
}

double incidents__weight(const struct interval *interval, const struct slots *slots)
{
	double weight = interval->excess;

	for (size_t i = interval->first; i <= interval->last; i++) {
		weight += 1e6 * (double)slots->slot[i].failed_ports;
		weight += 1e3 * (double)slots->slot[i].overflows;
		weight += 10.0 * (double)slots->slot[i].failed;
	}
	if (interval->signs & (STORY_PORTS | STORY_LIMIT))
		weight += 1e5;
	return weight;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When something was not as usual: runs of slots, those close to each other as one.
 */
#ifndef TWSNOOP_REPORT_INCIDENTS_H
#define TWSNOOP_REPORT_INCIDENTS_H

#include "report/slots.h"
#include "report/story.h"

struct interval {
	size_t first, last; /* slots, both of it */
	size_t drained;     /* the last in which there were more TIME_WAITs than usual, or ports
			     * taken: those last for a minute longer than what made them */
	unsigned int signs; /* STORY_* */
	double excess;	    /* closes above the usual */
	bool has_gap;
};

struct intervals {
	size_t num;
	struct interval *list; /* in the order of time */
};

/*
 * incidents__find() - those that reach into the span. Rates come from @story. @intervals is to be
 * freed by incidents__free(). Returns 0 or -ENOMEM.
 */
int incidents__find(struct intervals *intervals, const struct slots *slots,
		    const struct story *story);
void incidents__free(struct intervals *intervals);

/* incidents__weight() - how bad, to be compared with others. */
double incidents__weight(const struct interval *interval, const struct slots *slots);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a pattern means, and what helps: a table of rules, the first that fits an incident counts.
 * A rule that is not sure does not fit: wrong advice is worse than none. Their ids are those of
 * findings. docs/time-wait.md has the reasons.
 */
#ifndef TWSNOOP_REPORT_ADVICE_H
#define TWSNOOP_REPORT_ADVICE_H

#include "report/story.h"

struct advice {
	const char *id;		 /* "ports-exhausted" */
	const char *means;	 /* a sentence */
	const char *remedy;	 /* sentences; NULL: nothing need be done, or nothing is known */
	const char *avoid;	 /* what does not help, or does harm; NULL */
	bool (*fits)(const struct story *story, const struct story_incident *incident);
	enum story_severity severity; /* at least; what was counted may be worse */
};

/* advice__of() - never NULL: the last one fits all. */
const struct advice *advice__of(const struct story *story, const struct story_incident *incident);

#endif

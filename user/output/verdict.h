/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `diagnose` has found, for people, as JSON, and as the line that monitoring plugins
 * print. Into a buffer: the caller writes it.
 */
#ifndef TWSNOOP_VERDICT_H
#define TWSNOOP_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "diagnosis/rules.h"
#include "model/feed.h"

struct verdict_style {
	unsigned int width; /* lines are no longer; 0: as for 80 columns */
	bool color;
	bool verbose;	    /* all of every finding; else so much of the gravest ones as a screen of 24
			     * lines has room for, and what others there are */
};

/* What it is of. */
struct verdict_of {
	const struct evidence *evidence;
	const struct rules_verdict *verdict;
	const struct feed_account *account;
	uint64_t wall_ns; /* when it was asked, or what for */
	int64_t shift_ns; /* to be added to the evidence's times for the wall clock's */
	const char *note; /* what could not be seen, in a line; NULL: nothing */
};

/* verdict__text() - with the end of its last line; verdict__json() - one object, in a line. */
void verdict__text(struct outbuf *ob, const struct verdict_of *of,
		   const struct verdict_style *style);
void verdict__json(struct outbuf *ob, const struct verdict_of *of);
/* verdict__plugin() - "TWSNOOP WARNING - …| …"; its exit status is 0, 1, 2 for OK, WARNING, CRITICAL. */
int verdict__plugin(struct outbuf *ob, const struct verdict_of *of);

#endif

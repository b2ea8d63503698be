/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is usual: the range that most values are in, which a few wild ones do not move. It is the
 * median, and around it as much as the values differ from it (the median absolute deviation).
 */
#ifndef TWSNOOP_REPORT_USUAL_H
#define TWSNOOP_REPORT_USUAL_H

#include <stdbool.h>
#include <stddef.h>

#define USUAL_LEAST 5 /* values: of fewer nothing is said */

struct usual {
	bool is_known;
	size_t count;	/* of values */
	double median;
	double low, high; /* most are between these two */
	double leave;	/* what is above this is not usual */
	double back;	/* and until it is below this, it is not over */
	bool grew;	/* the values grew so steadily that the first quarter is what is usual */
};

/*
 * usual__of() - of @values, in the order of time, which are sorted in place. What is above the
 * median by less than @floor is usual in any case. Fewer than USUAL_LEAST: not known.
 */
void usual__of(struct usual *usual, double *values, size_t count, double floor);

/* usual__median() - of sorted @values; 0 of none. */
double usual__median(const double *values, size_t count);

#endif

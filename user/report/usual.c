// SPDX-License-Identifier: GPL-2.0
#include "report/usual.h"

#include <stdlib.h>
#include <string.h>

/* How many times the spread: the spread is what the standard deviation would be, were the values
 * spread as noise is (1.4826 times the median deviation). */
#define SPREADS 6.0
#define SPREAD_OF_DEVIATION 1.4826
#define GROWTH 3.0 /* times, from the first quarter to the last */
#define QUARTER_LEAST 5

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double usual__median(const double *values, size_t count)
{
	if (!count)
		return 0;
	if (count % 2)
		return values[count / 2];
	return (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* @values are in order. */
static double deviation(const double *values, size_t count, double median)
{
	double *away = malloc(count * sizeof(*away)), result;

	if (!away) /* the range between the quartiles is twice that, of noise */
		return (values[count * 3 / 4] - values[count / 4]) / 2;
	for (size_t i = 0; i < count; i++)
		away[i] = values[i] > median ? values[i] - median : median - values[i];
	qsort(away, count, sizeof(*away), compare);
	result = usual__median(away, count);
	free(away);
	return result;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static void set_range(struct usual *usual, double *values, size_t count, double floor)
{
	double spread;

	qsort(values, count, sizeof(*values), compare);
	usual->median = usual__median(values, count);
	spread = SPREAD_OF_DEVIATION * deviation(values, count, usual->median);
	usual->low = values[count / 20];
	usual->high = values[count - 1 - count / 20];
	/* Of what grows the spread is that of the growth. */
	usual->leave = usual->median + (usual->grew ? larger(usual->median, floor) :
		larger(larger(SPREADS * spread, usual->median / 2), floor));
	usual->back = usual->median + (usual->leave - usual->median) / 2;
	if (usual->high > usual->leave)
		usual->high = usual->leave;
}

static double median_of_part(double *room, const double *values, size_t count)
{
	memcpy(room, values, count * sizeof(*values));
	qsort(room, count, sizeof(*room), compare);
	return usual__median(room, count);
}

/* Each quarter above the one before, and the last far above the first. */
static bool has_grown(const double *values, size_t count, double floor)
{
	size_t quarter = count / 4;
	double *room, medians[4];
	bool grew = true;

	if (quarter < QUARTER_LEAST)
		return false;
	room = malloc(quarter * sizeof(*room));
	if (!room)
		return false;
	for (size_t i = 0; i < 4; i++)
		medians[i] = median_of_part(room, values + i * quarter, quarter);
	for (size_t i = 1; i < 4; i++)
		grew &= medians[i] > medians[i - 1] * 1.1;
	free(room);
	return grew && medians[3] > GROWTH * medians[0] + floor;
}

void usual__of(struct usual *usual, double *values, size_t count, double floor)
{
	*usual = (struct usual){ .count = count };
	if (count < USUAL_LEAST)
		return;
	usual->is_known = true;
	usual->grew = has_grown(values, count, floor);
	set_range(usual, values, usual->grew ? count / 4 : count, floor);
}

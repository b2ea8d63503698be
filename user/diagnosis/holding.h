/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many TIME_WAITs are held, by when they came: each lasts for a minute. Second by second for the
 * last minute, and the most that were held at once in all the time before.
 */
#ifndef TWSNOOP_HOLDING_H
#define TWSNOOP_HOLDING_H

#include <stdint.h>

#define HOLDING_SECONDS 64

struct holding {
	uint64_t second;		   /* the newest in: */
	uint32_t seconds[HOLDING_SECONDS]; /* how many came, by second modulo the size */
	uint64_t now;			   /* of the minute that ends with that second */
	uint32_t most;			   /* of any minute */
	uint64_t minute_ns, in_minute;	   /* the last sums: of which minute, and how many */
};

/* holding__add() - one more that came then; in the order of time, or nearly so. */
void holding__add(struct holding *h, uint64_t time_ns);

/* holding__add_sum() - so many more, evenly spread over a span. It takes no longer for many than for one. */
void holding__add_sum(struct holding *h, uint64_t begin_ns, uint64_t span_ns, uint64_t count);

/* holding__came() - how many came in the last @span_s seconds (at most 60) before @until_ns. */
uint64_t holding__came(const struct holding *h, uint64_t until_ns, unsigned int span_s);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* The time as one number. */
#ifndef TWSNOOP_CLOCK_H
#define TWSNOOP_CLOCK_H

#include <stdint.h>
#include <time.h>

/* clock__now_ns() - the time of @clock (CLOCK_MONOTONIC, CLOCK_REALTIME, …), which must
 * be one that this system has. */
static inline uint64_t clock__now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* clock__before_ns() - @ns before @time_ns, and not before the clock began: a machine that was
 * just started is younger than most spans. */
static inline uint64_t clock__before_ns(uint64_t time_ns, uint64_t ns)
{
	return time_ns > ns ? time_ns - ns : 0;
}

#endif

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

#endif

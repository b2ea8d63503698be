// SPDX-License-Identifier: GPL-2.0
#include "base/clock.h"

static int64_t monotonic_shift_ns, boottime_shift_ns;

void clock__set_shift(int64_t monotonic_ns, int64_t boottime_ns)
{
	monotonic_shift_ns = monotonic_ns;
	boottime_shift_ns = boottime_ns;
}

/* As the kernel's timens_add_monotonic() and timens_add_boottime() are called. */
int64_t clock__shift_ns(clockid_t clock)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		return monotonic_shift_ns;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		return boottime_shift_ns;
	default:
		return 0;
	}
}

uint64_t clock__now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec -
	       (uint64_t)clock__shift_ns(clock);
}

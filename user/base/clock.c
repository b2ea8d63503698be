// SPDX-License-Identifier: GPL-2.0
#include "base/clock.h"

#define PAIR_TRIES 8
#define PAIR_GOOD_NS 1000 /* from one reading to the next but one */

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

int64_t clock__wall_offset_ns(void)
{
	uint64_t best_ns = UINT64_MAX;
	int64_t offset_ns = 0;

	for (int i = 0; i < PAIR_TRIES && best_ns > PAIR_GOOD_NS; i++) {
		uint64_t before_ns = clock__now_ns(CLOCK_MONOTONIC);
		uint64_t wall_ns = clock__now_ns(CLOCK_REALTIME);
		uint64_t took_ns = clock__now_ns(CLOCK_MONOTONIC) - before_ns;

		if (took_ns >= best_ns)
			continue;
		best_ns = took_ns;
		offset_ns = (int64_t)(wall_ns - before_ns - took_ns / 2);
	}
	return offset_ns;
}

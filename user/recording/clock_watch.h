/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether the wall clock was put forward or back, or the machine was suspended, since it was
 * looked at last. Slewing, as NTP does it, is neither. It reads no clock: they are passed in.
 */
#ifndef TWSNOOP_CLOCK_WATCH_H
#define TWSNOOP_CLOCK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* The three clocks at one moment, in ns. */
struct clock_moment {
	uint64_t wall_ns, monotonic_ns, boot_ns; /* CLOCK_REALTIME, _MONOTONIC, _BOOTTIME */
};

/* clock_moment__now() - as clock__now_ns(). */
struct clock_moment clock_moment__now(void);

struct clock_watch {
	struct clock_moment last;
	bool has_last;
};

#define CLOCK_WATCH_STEP_NS 200000000 /* less is not told */

/* What happened between two looks. */
struct clock_change {
	/* The machine was suspended between these, by the wall clock; 0: it was not. */
	uint64_t suspended_since_ns, suspended_until_ns;
	/* The clock was put from the first to the second (apart from that); 0: it was not. */
	uint64_t put_from_ns, put_to_ns;
};

/* clock_watch__look() - true: something happened, and *@change says what. */
bool clock_watch__look(struct clock_watch *watch, const struct clock_moment *now,
		       struct clock_change *change);

#endif

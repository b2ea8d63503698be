/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The time as one number, of the kernel's own clocks: those that BPF programs read. In a time
 * namespace this process would see CLOCK_MONOTONIC and CLOCK_BOOTTIME shifted, so whatever is
 * to be compared with an event's time comes from here.
 */
#ifndef TWSNOOP_CLOCK_H
#define TWSNOOP_CLOCK_H

#include <stdint.h>
#include <time.h>

/* clock__now_ns() - the time of @clock (CLOCK_MONOTONIC, CLOCK_REALTIME, …), which must
 * be one that this system has. */
uint64_t clock__now_ns(clockid_t clock);

/*
 * clock__wall_offset_ns() - what is to be added to a time of CLOCK_MONOTONIC for the time since
 * the epoch. The two clocks are read one after the other; where this process was kept from
 * running in between, they are read again.
 */
int64_t clock__wall_offset_ns(void);

/*
 * clock__set_shift() - by how much the time namespace shifts what this process sees of
 * CLOCK_MONOTONIC and of CLOCK_BOOTTIME; 0 until then. Once, before there are threads:
 * see host/time_namespace.h.
 */
void clock__set_shift(int64_t monotonic_ns, int64_t boottime_ns);

/* clock__shift_ns() - that of @clock: what is to be added to the kernel's time for what this
 * process is shown, in /proc too. */
int64_t clock__shift_ns(clockid_t clock);

/* clock__before_ns() - @ns before @time_ns, and not before the clock began: a machine that was
 * just started is younger than most spans. */
static inline uint64_t clock__before_ns(uint64_t time_ns, uint64_t ns)
{
	return time_ns > ns ? time_ns - ns : 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* The time namespace that this process is in (since Linux 5.6): see time_namespaces(7). */
#ifndef TWSNOOP_TIME_NAMESPACE_H
#define TWSNOOP_TIME_NAMESPACE_H

#include <stdint.h>

struct time_shift {
	int64_t monotonic_ns; /* what is added to the kernel's CLOCK_MONOTONIC */
	int64_t boottime_ns;  /* and to its CLOCK_BOOTTIME */
};

/*
 * time_namespace__shift() - by how much the namespace shifts the clocks, out of @proc ("/proc"):
 * nothing in the initial one, or where the kernel has none. Returns 0 and fills *@shift;
 * -EPROTO for what is not understood, -EXDEV if only the process's children will be in the
 * namespace that /proc tells of and its own is not the initial one, or another negative errno.
 */
int time_namespace__shift(const char *proc, struct time_shift *shift);

#endif

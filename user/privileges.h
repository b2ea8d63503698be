/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Giving up what is no longer needed. Layer: lowest.
 */
#ifndef TWSNOOP_PRIVILEGES_H
#define TWSNOOP_PRIVILEGES_H

#include <stdint.h>

/*
 * privileges__keep_only() - drops every capability that is not in @mask (bit
 * numbers: CAP_* of linux/capability.h) from the effective, permitted,
 * inheritable and ambient sets. Returns 0 or a negative errno. For programs of
 * a single thread: other threads keep theirs.
 */
int privileges__keep_only(uint64_t mask);

#endif

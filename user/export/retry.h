/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When to try again what a store did not take: later each time, not at the same time as a
 * thousand other hosts, and not before the store wants it (Retry-After, RFC 9110, 10.2.3).
 */
#ifndef TWSNOOP_RETRY_H
#define TWSNOOP_RETRY_H

#include <stddef.h>
#include <stdint.h>

#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS 30000
#define RETRY_AFTER_MOST_MS 3600000 /* whatever a store asks for */

/*
 * retry__after_ms() - the @len bytes at @value: seconds, or one of the three forms of a date; now
 * is @now_s since the epoch. Returns 0 and *@ms, at most RETRY_AFTER_MOST_MS and 0 for what has
 * passed; -EINVAL: neither of the two.
 */
int retry__after_ms(const char *value, size_t len, uint64_t now_s, uint64_t *ms);

/* retry__pause_ms() - after so many failures in a row, 1 or more: between half of a bound that
 * doubles and the whole of it, as @random says. */
uint64_t retry__pause_ms(unsigned int failures, uint64_t random);

#endif

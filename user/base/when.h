/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moments as people write them: "2m" (ago), "03:12", "yesterday 03:12", "2026-11-29 03:12",
 * RFC 3339, "@epoch". Knows no clock: the present and the zone are passed in.
 */
#ifndef TWSNOOP_WHEN_H
#define TWSNOOP_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* How the hands of a clock stand somewhere. */
struct when_zone {
	/* As localtime_r(3): false if it cannot be said. */
	bool (*break_down)(int64_t epoch_s, struct tm *tm);
	/* As mktime(3), by tm_isdst of 0 or 1; INT64_MIN if it cannot be said. */
	int64_t (*make)(struct tm *tm);
};

extern const struct when_zone when_local; /* TZ, or /etc/localtime */
extern const struct when_zone when_utc;

/* The edge of a time span that a moment is. */
enum when_edge { WHEN_SINCE, WHEN_UNTIL };

/*
 * when__parse() - @arg as a moment, in ns since the epoch. @now_ns is the present. A time of day
 * without a day is, as WHEN_SINCE, the last one up to @now_ns, and as WHEN_UNTIL the first one
 * after @since_ns, where the span begins. Where clocks were put back, and show a time twice, the
 * span is the longer one; a time that was left out, because they were put forward, is refused.
 * Returns 0, or -EINVAL (not understood) or -ERANGE (no such moment), and @why in words for
 * after a quotation of @arg.
 */
int when__parse(const char *arg, enum when_edge edge, uint64_t now_ns, uint64_t since_ns,
		const struct when_zone *zone, uint64_t *ns, const char **why);

/* when__width_ns() - how long that lasts which @arg, understood by when__parse(), names: a minute
 * if it has one and no seconds ("03:12"), else a second. */
uint64_t when__width_ns(const char *arg);

/* when__format() - "2026-11-29 03:12:40 CET", or "?"; cut off at the second. Returns @to. */
#define WHEN_BYTES 64
char *when__format(char to[WHEN_BYTES], uint64_t ns, const struct when_zone *zone);

#endif

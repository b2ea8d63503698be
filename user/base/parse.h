/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Strict numbers: the whole string or nothing. No sign, no blanks, no hex, no
 * locale. Each returns 0, -EINVAL (not understood) or -ERANGE (out of range),
 * and leaves its output alone on failure.
 */
#ifndef TWSNOOP_PARSE_H
#define TWSNOOP_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits, from @min to @max. */
int parse__u64(const char *s, uint64_t min, uint64_t max, uint64_t *value);

/* The same for the @len bytes at @s, which need no NUL. */
int parse__u64_n(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *value);

/*
 * parse__duration() - seconds, or a number with ms, s, m, h or d behind it; up
 * to nine digits may follow a decimal point (1.5s). What is finer than a
 * nanosecond is cut off. At most INT64_MAX ns.
 */
int parse__duration(const char *s, uint64_t *ns);

/* parse__size() - bytes, or a number with K, M, G or T (powers of 1024, either case). */
int parse__size(const char *s, uint64_t *bytes);

#endif

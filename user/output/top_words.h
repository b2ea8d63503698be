/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers as the screen of `twsnoop top` has them, short and fit to be read. Pure. Those that take a
 * size return how many bytes they made.
 */
#ifndef TWSNOOP_TOP_WORDS_H
#define TWSNOOP_TOP_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/fmt.h"
#include "output/top_layout.h"

#define FULL_WARNING 500 /* thousandths of a port set, or of the limit */
#define FULL_ALARM 800

/* "3.4" below ten, and whole numbers from then on. */
size_t top_words__rate(char *to, size_t size, uint64_t milli);

/* At most eight columns: 12345678, then 123456k, … */
size_t top_words__count(char *to, size_t size, uint64_t count);

/* Percent; "-" of nothing. */
size_t top_words__share(char *to, size_t size, uint64_t part, uint64_t whole);

/* "close", or "close 97% exit 3%". */
size_t top_words__causes(char *to, size_t size, const struct tally_counts *total);

/* "812", "3 PIDs", "many"; @row NULL: "-". */
size_t top_words__pids(char *to, size_t size, const struct tally_row *row);

/* "10.0.0.9:80", "[2001:db8::1]:80"; without a port if that is 0. It ends with a zero. */
size_t top_words__address(char text[FMT_IPV6_MAX + 10], uint8_t family, const uint8_t *addr,
			  uint32_t port);

/* How full something is, as a look. */
enum top_style top_words__look_of_share(unsigned int permille);

#endif

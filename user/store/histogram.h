/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The spread of a minute's lifetimes as few bytes: the first bucket that is not empty, then the
 * counts from there on, each seven bits a byte, the lowest first, the high bit where more
 * follow. Of one lifetime there is none: its bucket follows from the sum.
 */
#ifndef TWSNOOP_HISTOGRAM_H
#define TWSNOOP_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "store/held.h"

#define HISTOGRAM_BYTES (1 + HELD_BUCKETS * 5)

/* histogram__encode() - returns how many bytes; 0: there is none. */
size_t histogram__encode(uint8_t to[HISTOGRAM_BYTES], const struct held_minute *minute);

/* histogram__decode() - into @minute->buckets, by its lifetimes and lifetime_ns. Returns 0, or
 * -EBADMSG for bytes that were not written so; then all buckets are 0. */
int histogram__decode(const uint8_t *from, size_t bytes, struct held_minute *minute);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a key stands in the table of connections. For both sides: user space
 * looks up and sweeps the owners that are kept for mini-sockets.
 */
#ifndef TWSNOOP_TABLE_H
#define TWSNOOP_TABLE_H

#include "event.h"

#define TWS_PROBES 4	/* sets in which a key may stand */
#define TWS_HOT_SETS 128 /* a power of two, at most the least number of sets */

/* The key of a mini-socket. Bits 62 and 63 of a difference of two kernel
 * addresses are equal, so that this is never the key of a socket. */
static inline __attribute__((always_inline)) __u64 tws_mini_key(__u64 cookie)
{
	return cookie ^ 1ULL << 62;
}

static inline __attribute__((always_inline)) int tws_is_mini_key(__u64 key)
{
	return key >> 62 == 1;
}

/*
 * Fibonacci hashing; each probe takes other bits of the product, of which 20
 * are good for a set. Sockets come from a slab that hands out the same few
 * addresses again and again, so that their slots stay in the cache. Cookies
 * only grow: a mini-socket first looks for a place in a few sets that stay in
 * the cache too.
 */
static inline __attribute__((always_inline)) __u32 tws_set_of(__u64 key, int probe, __u32 set_mask)
{
	if (probe == 0 && tws_is_mini_key(key))
		return key & (TWS_HOT_SETS - 1) & set_mask;
	return key * 0x9e3779b97f4a7c15ULL >> (44 - 5 * probe) & set_mask;
}

/* What the way knows of a connection goes over what its slot has. */
static inline __attribute__((always_inline)) void tws_read_way(struct tws_conn *conn,
							       const struct tws_way *way)
{
	conn->open_ns = way->open & TWS_OPEN_NS;
	conn->side = way->open >> TWS_OPEN_SIDE;
}

/* The place of the lowest bit of @ways: TWS_WAYS bits, not all 0. Without a
 * branch, as ways_of() in conns.h. */
static inline __attribute__((always_inline)) __u32 tws_first_way(__u32 ways)
{
	__u32 below = (ways & -ways) - 1;

	return (below & 1) + (below >> 1 & 1) + (below >> 2 & 1);
}

#endif

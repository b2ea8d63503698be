// SPDX-License-Identifier: GPL-2.0
#include "store/held.h"

#define NS_PER_US 1000ULL
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S (1000 * NS_PER_MS)

static const uint64_t ends_ns[HELD_BUCKETS] = {
	100 * NS_PER_US, 316 * NS_PER_US,
	NS_PER_MS,	 3160 * NS_PER_US,
	10 * NS_PER_MS,	 31600 * NS_PER_US,
	100 * NS_PER_MS, 316 * NS_PER_MS,
	NS_PER_S,	 3160 * NS_PER_MS,
	10 * NS_PER_S,	 31600 * NS_PER_MS,
	100 * NS_PER_S,	 316 * NS_PER_S,
	1000 * NS_PER_S, UINT64_MAX,
};

unsigned int held__lifetime_bucket(uint64_t lifetime_ns)
{
	unsigned int bucket = 0;

	for (unsigned int half = HELD_BUCKETS / 2; half; half /= 2)
		if (lifetime_ns > ends_ns[bucket + half - 1])
			bucket += half;
	return bucket;
}

uint64_t held__bucket_end_ns(unsigned int bucket)
{
	return ends_ns[bucket < HELD_BUCKETS ? bucket : HELD_BUCKETS - 1];
}

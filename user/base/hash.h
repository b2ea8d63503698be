/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hashing of what others choose: peers choose addresses and ports, processes names. Whoever
 * does not know the seed cannot make keys meet.
 */
#ifndef TWSNOOP_HASH_H
#define TWSNOOP_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* hash__random_seed() - from the kernel's random numbers; the same in no two calls. */
uint64_t hash__random_seed(void);

/* Both halves of a product depend on all bits of both factors, and so does their sum. */
static inline uint64_t hash__mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* hash__number() - of one number. */
static inline uint64_t hash__number(uint64_t seed, uint64_t number)
{
	return hash__mix(hash__mix(number ^ seed, 0x9e3779b97f4a7c15ULL ^ seed >> 32) ^ seed,
			 0xd1342543de82ef95ULL);
}

/* hash__bytes() - of @len bytes at @data. What has the same bytes but another length has
 * another hash. */
static inline uint64_t hash__bytes(uint64_t seed, const void *data, size_t len)
{
	const unsigned char *from = data;
	uint64_t hash = seed ^ len * 0x9e3779b97f4a7c15ULL, word;

	for (; len >= sizeof(word); len -= sizeof(word), from += sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		hash = hash__mix(hash ^ word, 0xd1342543de82ef95ULL ^ seed);
	}
	if (len) {
		word = 0;
		memcpy(&word, from, len);
		hash = hash__mix(hash ^ word, 0xd1342543de82ef95ULL ^ seed);
	}
	return hash;
}

#endif

// SPDX-License-Identifier: GPL-2.0
#include "store/histogram.h"

#include <errno.h>
#include <string.h>

size_t histogram__encode(uint8_t to[HISTOGRAM_BYTES], const struct held_minute *minute)
{
	unsigned int first = 0, end = HELD_BUCKETS;
	size_t at = 0;

	while (first < end && !minute->buckets[first])
		first++;
	while (end > first && !minute->buckets[end - 1])
		end--;
	if (first == end || minute->lifetimes == 1)
		return 0;
	to[at++] = (uint8_t)first;
	for (unsigned int i = first; i < end; i++) {
		uint32_t count = minute->buckets[i];

		for (; count > 0x7f; count >>= 7)
			to[at++] = (uint8_t)(count | 0x80);
		to[at++] = (uint8_t)count;
	}
	return at;
}

/* Returns how many bytes it took, or 0. */
static size_t get_count(const uint8_t *from, size_t bytes, uint32_t *count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes && i < 5; i++) {
		value |= (uint64_t)(from[i] & 0x7f) << 7 * i;
		if (from[i] & 0x80)
			continue;
		if (value > UINT32_MAX)
			return 0;
		*count = (uint32_t)value;
		return i + 1;
	}
	return 0;
}

int histogram__decode(const uint8_t *from, size_t bytes, struct held_minute *minute)
{
	size_t at = 1, took;

	memset(minute->buckets, 0, sizeof(minute->buckets));
	if (!bytes) {
		if (minute->lifetimes == 1)
			minute->buckets[held__lifetime_bucket(minute->lifetime_ns)] = 1;
		return minute->lifetimes > 1 ? -EBADMSG : 0;
	}
	for (unsigned int i = from[0]; at < bytes; i++, at += took) {
		took = i < HELD_BUCKETS ?
			       get_count(from + at, bytes - at, &minute->buckets[i]) : 0;
		if (!took) {
			memset(minute->buckets, 0, sizeof(minute->buckets));
			return -EBADMSG;
		}
	}
	return 0;
}

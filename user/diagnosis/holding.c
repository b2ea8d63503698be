// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/holding.h"

#include <stdbool.h>
#include <string.h>

#define NS_PER_S 1000000000ULL
#define TIME_WAIT_S 60

static uint32_t *at(struct holding *h, uint64_t second)
{
	return &h->seconds[second % HOLDING_SECONDS];
}

/* The next second has begun. */
static void move_on(struct holding *h)
{
	h->second++;
	*at(h, h->second) = 0;
	if (h->second >= TIME_WAIT_S)
		h->now -= *at(h, h->second - TIME_WAIT_S);
}

/* Whether @second is one of those that are kept. */
static bool open_second(struct holding *h, uint64_t second)
{
	if (!h->second || second >= h->second + HOLDING_SECONDS) {
		memset(h->seconds, 0, sizeof(h->seconds));
		h->now = 0;
		h->second = second;
	}
	while (h->second < second)
		move_on(h);
	return second + HOLDING_SECONDS > h->second;
}

static void add(struct holding *h, uint64_t second, uint32_t num)
{
	if (!open_second(h, second))
		return;
	*at(h, second) += num;
	if (second + TIME_WAIT_S > h->second)
		h->now += num;
}

static void note_most(struct holding *h, uint64_t num)
{
	if (num > h->most)
		h->most = num < UINT32_MAX ? (uint32_t)num : UINT32_MAX;
}

void holding__add(struct holding *h, uint64_t time_ns)
{
	add(h, time_ns / NS_PER_S, 1);
	note_most(h, h->now);
}

/* Evenly spread, no minute that is shifted by some seconds has more than the fuller one of the two
 * that it has a part of. */
void holding__add_sum(struct holding *h, uint64_t begin_ns, uint64_t span_ns, uint64_t count)
{
	uint64_t first = begin_ns / NS_PER_S, num = span_ns / NS_PER_S ?: 1;

	if (h->minute_ns != begin_ns)
		h->in_minute = 0;
	h->minute_ns = begin_ns;
	h->in_minute += count;
	note_most(h, h->in_minute);
	/* what stays of the seconds is the end of it */
	for (uint64_t i = num > HOLDING_SECONDS ? num - HOLDING_SECONDS : 0; i < num; i++)
		add(h, first + i, (uint32_t)(count / num + (i < count % num)));
}

uint64_t holding__came(const struct holding *h, uint64_t until_ns, unsigned int span_s)
{
	uint64_t end_s = ((until_ns ?: 1) - 1) / NS_PER_S, came = 0; /* one that has not begun has nothing */

	for (uint64_t i = 0; i < span_s && i <= end_s; i++) {
		uint64_t s = end_s - i;

		if (s <= h->second && s + HOLDING_SECONDS > h->second)
			came += h->seconds[s % HOLDING_SECONDS];
	}
	return came;
}

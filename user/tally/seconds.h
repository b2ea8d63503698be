/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What comes and goes by the second: how often something happened in the last seconds,
 * and how many TIME_WAIT sockets will end in each of the next ones. Whoever has many of
 * these moves them all on, second by second, and gives the present one to each call.
 * A second is CLOCK_MONOTONIC's, whole.
 */
#ifndef TWSNOOP_SECONDS_H
#define TWSNOOP_SECONDS_H

#include <stdint.h>

#define RECENT_SECONDS 16 /* that are kept */
#define RECENT_WINDOW 10  /* that a rate is made of, and the present one as far as it went */
#define RECENT_IDLE_S 60  /* what did nothing for so long has ended */

struct recent {
	uint32_t counts[RECENT_SECONDS];
};

static inline void recent__add_many(struct recent *r, uint32_t second, uint32_t now_s, uint32_t num)
{
	if (now_s - second < RECENT_SECONDS) /* else it was long ago, or is yet to come */
		r->counts[second % RECENT_SECONDS] += num;
}

static inline void recent__add(struct recent *r, uint32_t second, uint32_t now_s)
{
	recent__add_many(r, second, now_s, 1);
}

/* recent__move_on() - @now_s has begun. */
static inline void recent__move_on(struct recent *r, uint32_t now_s)
{
	r->counts[now_s % RECENT_SECONDS] = 0;
}

/* recent__sum() - of the window. */
static inline uint64_t recent__sum(const struct recent *r, uint32_t now_s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i <= RECENT_WINDOW; i++)
		sum += r->counts[(now_s - i) % RECENT_SECONDS];
	return sum;
}

/*
 * A TIME_WAIT socket lives for TCP_TIMEWAIT_LEN, a minute, and then until its timer comes
 * up: the kernel's wheel has slots of one to four seconds for timers that far off.
 */
#define HELD_SECONDS 64
#define HELD_LIFE_S 61

struct held {
	uint32_t now; /* how many there are */
	uint32_t ends[HELD_SECONDS];
};

/* held__add_many() - @num that end in second @end_s, at most HELD_SECONDS - 1 from @now_s on. */
static inline void held__add_many(struct held *h, uint32_t end_s, uint32_t now_s, uint32_t num)
{
	if (end_s - now_s - 1 >= HELD_SECONDS - 1) /* they have ended already */
		return;
	h->ends[end_s % HELD_SECONDS] += num;
	h->now += num;
}

/* held__add() - likewise one. */
static inline void held__add(struct held *h, uint32_t end_s, uint32_t now_s)
{
	held__add_many(h, end_s, now_s, 1);
}

/* held__remove() - one that was to end in @end_s and did so sooner; it may have been
 * counted as ended already. */
static inline void held__remove(struct held *h, uint32_t end_s, uint32_t now_s)
{
	if (end_s - now_s - 1 >= HELD_SECONDS - 1 || !h->ends[end_s % HELD_SECONDS])
		return;
	h->ends[end_s % HELD_SECONDS]--;
	h->now--;
}

static inline void held__move_on(struct held *h, uint32_t now_s)
{
	h->now -= h->ends[now_s % HELD_SECONDS];
	h->ends[now_s % HELD_SECONDS] = 0;
}

/* held__merge() - adds what is in @from, of the same present. */
static inline void held__merge(struct held *h, const struct held *from)
{
	for (unsigned int i = 0; i < HELD_SECONDS; i++)
		h->ends[i] += from->ends[i];
	h->now += from->now;
}

#endif

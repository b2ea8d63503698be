/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether records that tell who listens were lost. A ring's writers count them before they
 * are made, and its reader counts those that it takes; but neither number tells at once which
 * of them are only on their way. What can be known at once is that nothing was written over.
 * So the ring is asked first, and the numbers show when what it has lost were others. Pure.
 */
#ifndef TWSNOOP_LISTENS_H
#define TWSNOOP_LISTENS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/loss.h"

/* Zeroed at the start. */
struct listens {
	uint64_t taken;	  /* TWS_LISTEN and TWS_UNLISTEN records that were read */
	uint64_t passed;  /* the ring's positions that were lost when it was last asked */
	uint64_t sure_ns; /* CLOCK_MONOTONIC: until then all of them are known */
	struct loss loss;
};

/*
 * listens__suspects() - after a poll: whether the ring has lost any records at all since the
 * last one, by @passed of its positions. @made of these were counted before the poll.
 */
bool listens__suspects(struct listens *listens, uint64_t made, uint64_t passed, bool is_last);

/* listens__lacks() - whether some of these are not known, where @made were counted after the
 * poll. Says no only if that is sure. */
bool listens__lacks(const struct listens *listens, uint64_t made);

#endif

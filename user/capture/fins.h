/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many FIN records were lost on the way to their reader. That nothing was written over is
 * known at once. If something was, it need not have been FINs, nor records at all: a CPU that
 * had nothing to write for long gives the rest of its chunk up. Then the numbers tell: of
 * records that were counted before a poll and are not there after it, the reader says at once
 * that they are lost, and takes it back if they come after all.
 *
 * It must not say too little, not even for a moment: an end whose FIN is lost is given by the
 * same poll, and passes for another's where no FIN was lost. So a FIN is counted before its time
 * is taken, and what has a later time than the poll's begin makes up for none of those that are
 * missing. Pure.
 */
#ifndef TWSNOOP_FINS_H
#define TWSNOOP_FINS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/loss.h"

/* Zeroed at the start. */
struct fins {
	struct taken taken; /* FIN records that were read */
	uint64_t lost;	 /* as far as is known, or more */
	uint64_t passed; /* the ring's positions that were lost when it was last asked */
	unsigned int suspicious; /* polls in which FINs that are missing count as lost */
	struct loss loss;
};

/* fins__take() - a FIN of @time_ns was read in a poll that began at @begun_ns. */
void fins__take(struct fins *fins, uint64_t begun_ns, uint64_t time_ns);

/* fins__note() - after a poll, before which @made FIN records had been counted; the ring has lost
 * @passed positions so far. With @is_last nobody writes any more. */
void fins__note(struct fins *fins, uint64_t made, uint64_t passed, bool is_last);

#endif

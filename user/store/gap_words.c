// SPDX-License-Identifier: GPL-2.0
#include "store/gap_words.h"

#include "store/held.h"

const char *gap_words__reason(uint8_t reason)
{
	static const char *const words[HELD_GAP_REASON_END] = {
		[HELD_GAP_STOPPED] = "nobody recorded",
		[HELD_GAP_DISK] = "the disk could not be written",
		[HELD_GAP_SIZE] = "a reader held the file, and it was full",
		[HELD_GAP_SLOW] = "the disk was too slow",
		[HELD_GAP_SUSPENDED] = "the machine was suspended",
		[HELD_GAP_CLOCK] = "the clock was put",
		[HELD_GAP_DAMAGED] = "what was there cannot be read",
	};

	return reason < HELD_GAP_REASON_END && words[reason] ? words[reason] :
							       "for a reason of a later version";
}

// SPDX-License-Identifier: GPL-2.0
#include "capture/loss.h"

void taken__begin(struct taken *taken)
{
	taken->counted += taken->newer;
	taken->newer = taken->unsure = 0;
}

void taken__add(struct taken *taken, const struct counting *when, uint64_t time_ns)
{
	if (time_ns > when->done_ns) {
		taken->newer++;
		return;
	}
	taken->counted++;
	taken->unsure += time_ns + LOSS_EDGE_NS > when->begun_ns;
}

/* Whether a poll tells more than the ones before it did. */
static bool tells_more(const struct loss *loss, bool is_sure)
{
	if (!loss->polls || is_sure != loss->is_sure)
		return !loss->polls || is_sure;
	return loss->missing < loss->least;
}

void loss__note(struct loss *loss, uint64_t made, const struct taken *taken, bool is_last)
{
	bool is_sure = !taken->unsure;

	loss->missing = made > taken->counted ? made - taken->counted : 0;
	if (is_last || tells_more(loss, is_sure)) {
		loss->least = loss->missing;
		loss->is_sure = is_sure;
	}
	if (++loss->polls < LOSS_SURE_POLLS && !is_last)
		return;
	loss->polls = 0;
	loss->lost = loss->least;
}

// SPDX-License-Identifier: GPL-2.0
#include "capture/loss.h"

void loss__note(struct loss *loss, uint64_t made, uint64_t taken, bool is_last)
{
	uint64_t now = made > taken ? made - taken : 0;

	if (!loss->polls || now < loss->least || is_last)
		loss->least = now;
	if (++loss->polls < LOSS_SURE_POLLS && !is_last)
		return;
	loss->polls = 0;
	loss->lost = loss->least;
}

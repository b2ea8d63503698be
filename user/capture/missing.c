// SPDX-License-Identifier: GPL-2.0
#include "capture/missing.h"

void missing__note(struct missing *missing, uint64_t made, uint64_t taken, bool is_last)
{
	uint64_t now = made > taken ? made - taken : 0;

	if (!missing->polls || now < missing->least || is_last)
		missing->least = now;
	if (++missing->polls < MISSING_SURE_POLLS && !is_last)
		return;
	missing->polls = 0;
	missing->lost = missing->least;
}

// SPDX-License-Identifier: GPL-2.0
#include "capture/listens.h"

bool listens__suspects(struct listens *listens, uint64_t made, uint64_t passed, bool is_last)
{
	/* Of those that were made since, some may be among them: then it says less. */
	const struct taken taken = { .counted = listens->taken };
	bool moved = passed != listens->passed;

	listens->passed = passed;
	loss__note(&listens->loss, made, &taken, is_last);
	return moved;
}

bool listens__lacks(const struct listens *listens, uint64_t made)
{
	return made > listens->taken + listens->loss.lost;
}

// SPDX-License-Identifier: GPL-2.0
#include "capture/fins.h"

/* Until loss.h has made up its mind about what was written over. */
#define SUSPICIOUS_POLLS (2 * LOSS_SURE_POLLS)

void fins__note(struct fins *fins, uint64_t made, uint64_t passed, bool is_last)
{
	uint64_t missing = made > fins->taken ? made - fins->taken : 0;

	if (passed != fins->passed)
		fins->suspicious = SUSPICIOUS_POLLS;
	else if (fins->suspicious)
		fins->suspicious--;
	fins->passed = passed;
	loss__note(&fins->loss, made, fins->taken, is_last);
	fins->lost = fins->suspicious ? missing : fins->loss.lost;
}

// SPDX-License-Identifier: GPL-2.0
#include "capture/fins.h"

/* Until loss.h has made up its mind about what was written over. */
#define SUSPICIOUS_POLLS (2 * LOSS_SURE_POLLS)

void fins__take(struct fins *fins, uint64_t begun_ns, uint64_t time_ns)
{
	const struct counting when = { begun_ns, begun_ns };

	taken__add(&fins->taken, &when, time_ns);
}

void fins__note(struct fins *fins, uint64_t made, uint64_t passed, bool is_last)
{
	if (passed != fins->passed)
		fins->suspicious = SUSPICIOUS_POLLS;
	else if (fins->suspicious)
		fins->suspicious--;
	fins->passed = passed;
	loss__note(&fins->loss, made, &fins->taken, is_last);
	fins->lost = fins->suspicious ? fins->loss.missing : fins->loss.lost;
	if (fins->lost > passed)
		fins->lost = passed; /* the others are being written */
}

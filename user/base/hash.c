// SPDX-License-Identifier: GPL-2.0
#include "base/hash.h"

#include <sys/random.h>
#include <time.h>

/* Early at boot the kernel may have no randomness yet; nobody is to wait for it. */
uint64_t hash__random_seed(void)
{
	struct timespec now = {};
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	clock_gettime(CLOCK_REALTIME, &now);
	/* and where the kernel has put this program is not known to others either */
	seed = (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
	return hash__number((uintptr_t)&now, seed ^ (uintptr_t)&hash__random_seed);
}

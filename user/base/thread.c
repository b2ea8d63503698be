// SPDX-License-Identifier: GPL-2.0
#include "base/thread.h"

#include <time.h>

#define NS_PER_MS 1000000L
#define NS_PER_S 1000000000L

bool thread__join(pthread_t thread, int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * NS_PER_MS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_sec++;
		until.tv_nsec -= NS_PER_S;
	}
	return !pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
}

// SPDX-License-Identifier: GPL-2.0
#include "base/thread.h"

#define NS_PER_MS 1000000L
#define NS_PER_S 1000000000L

struct timespec thread__in_ms(int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * NS_PER_MS;
	if (ts.tv_nsec >= NS_PER_S) {
		ts.tv_sec++;
		ts.tv_nsec -= NS_PER_S;
	}
	return ts;
}

bool thread__join(pthread_t thread, int timeout_ms)
{
	const struct timespec until = thread__in_ms(timeout_ms);

	return !pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
}

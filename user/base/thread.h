/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for other threads, for so long and no longer. */
#ifndef TWSNOOP_THREAD_H
#define TWSNOOP_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* thread__in_ms() - that moment, of CLOCK_MONOTONIC as pthread's calls take it: in a time namespace it is no
 * time of clock.h's. */
struct timespec thread__in_ms(int ms);

/* thread__join() - waits for its end, @timeout_ms at most. False: it goes on, and is not joined: it may hang in
 * a system call that nothing ends, as on a disk that does not answer. */
bool thread__join(pthread_t thread, int timeout_ms);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The end of a thread that may hang: in a system call that nothing ends, as on a disk or a file system that
 * does not answer.
 */
#ifndef TWSNOOP_THREAD_H
#define TWSNOOP_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* thread__join() - waits for its end, @timeout_ms at most. False: it goes on, and is not joined. */
bool thread__join(pthread_t thread, int timeout_ms);

#endif

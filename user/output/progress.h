/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A line on a terminal that says what takes so long, from the second second on.
 * One at a time: it is written by a signal handler (SIGALRM).
 */
#ifndef TWSNOOP_PROGRESS_H
#define TWSNOOP_PROGRESS_H

#include <stddef.h>

/* progress__begin() - on @fd, or nowhere if that is no terminal. */
void progress__begin(int fd);

/* progress__step() - what is being done from now on; a string constant. */
void progress__step(const char *what);

/* progress__count() - how far that is; 0: not shown. Cheap. */
void progress__count(size_t count);

/* progress__end() - erases the line. Before anything else is written there. */
void progress__end(void);

#endif

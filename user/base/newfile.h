/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that is there as a whole or not at all: written beside its name, then renamed.
 */
#ifndef TWSNOOP_NEWFILE_H
#define TWSNOOP_NEWFILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * newfile__write() - @len bytes as the file @path, in the place of what is there; where a symbolic
 * link leads, not in its place. What is no regular file (a pipe, a device) is written to. Until
 * it is done signals that end a process wait. Returns 0, or a negative errno: then nothing new
 * is left behind.
 */
int newfile__write(const char *path, mode_t mode, const char *data, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first line of a small file, such as those in /proc and /etc that hold one word.
 */
#ifndef TWSNOOP_FIRST_LINE_H
#define TWSNOOP_FIRST_LINE_H

#include <stddef.h>

/* first_line__read() - of the file at @path, without its end and cut off at @size, which is not 0; "" if
 * there is none, or it cannot be read. */
void first_line__read(const char *path, char *to, size_t size);

#endif

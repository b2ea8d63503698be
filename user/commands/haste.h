/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To start takes half a second of CPU time, most of it the verifier's: on a loaded host that were
 * seconds, of just what was to be seen. So a command goes before others until it traces, if it may.
 */
#ifndef TWSNOOP_HASTE_H
#define TWSNOOP_HASTE_H

/* haste__begin() - returns the nice value that the process had, for haste__end(). */
int haste__begin(void);

/* haste__end() - before there are threads, which would have it too. */
void haste__end(int nice);

#endif

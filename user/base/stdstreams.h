/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The three standard descriptors, and what stdio writes to two of them.
 */
#ifndef TWSNOOP_STDSTREAMS_H
#define TWSNOOP_STDSTREAMS_H

/*
 * stdstreams__open() - to be called first of all. A descriptor that whoever started us has closed
 * gets a stand-in on which reading or writing fails with EBADF, as it would without: else the next
 * file that is opened would take the number, and get what is printed. From then on stdout and
 * stderr are written by base/fdwriter.h, whole although the descriptor does not block; stderr a
 * line at a time. SIGPIPE is ignored: a reader that has gone is -EPIPE.
 */
void stdstreams__open(void);

#endif

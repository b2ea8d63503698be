/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a command ends that has printed something: the exit status, and the one line where the output
 * could not be written.
 */
#ifndef TWSNOOP_SAID_H
#define TWSNOOP_SAID_H

/*
 * said__status() - @err is 0 or the negative errno of writing the output. Returns the exit status: 0,
 * also if the reader has gone (-EPIPE), who knows that himself, or 1 after one line on stderr.
 */
int said__status(int err);

/* said__flush() - the same of what was printed to stdout. */
int said__flush(void);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where records go. A sink takes one record at a time and never calls back
 * into the stage before it.
 */
#ifndef TWSNOOP_SINK_H
#define TWSNOOP_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "model/record.h"

enum sink_format { SINK_TEXT, SINK_JSON, SINK_CSV };

struct sink_options {
	enum sink_format format;
	bool color;	 /* text only: the caller knows whether it is a terminal */
	bool containers; /* text only: print the CONTAINER column */
	bool actions;	 /* text only: print the EVENT column (--all) */
	bool sockets;	 /* JSON and CSV: records are sockets that exist, not events */
	unsigned int width; /* text only: no line is longer than this; 0: as it comes */
	long utc_offset_s; /* text only: seconds east of UTC to print times in;
			    * LONG_MIN: the system's local time zone */
};

struct sink;

/*
 * sink__new() - a sink that writes to @fd, which stays the caller's.
 * Output is buffered; nothing is written before sink__flush() or a full buffer.
 * Returns 0 and *sinkp (to be freed by sink__free()), or -ENOMEM.
 */
int sink__new(struct sink **sinkp, int fd, const struct sink_options *opts);

/* sink__begin() - the column headings, where the format has them. */
int sink__begin(struct sink *sink);

/*
 * sink__show_containers() - from now on as with the option @containers. After
 * sink__begin() call that again: the columns have changed.
 */
void sink__show_containers(struct sink *sink);

/*
 * sink__set_width() - text only: the terminal is as wide as this now. If that changes the
 * columns, their headings come again. Returns 0 or -ENOMEM.
 */
int sink__set_width(struct sink *sink, unsigned int width);

/*
 * sink__put() - append one record. Returns 0, or a negative errno of the write
 * that a full buffer forced (-EPIPE: the reader has gone; -ENOSPC: disk full).
 */
int sink__put(struct sink *sink, const struct record *rec);

/*
 * sink__flush() - write all that is buffered. Returns as sink__put(); what
 * could not be written stays counted by sink__pending().
 */
int sink__flush(struct sink *sink);

/*
 * sink__stop_by() - from now on, while sink__put() or sink__flush() waits for a
 * slow reader, they give up with -ECANCELED once @stop_fd is readable (such as
 * a signalfd, which stays the caller's). To be able to, the sink writes to a
 * pipe or terminal through a non-blocking descriptor of its own; where there is
 * none to be had, it waits for ever as before.
 */
void sink__stop_by(struct sink *sink, int stop_fd);

/* sink__pending() - records that were put and not yet wholly written. */
size_t sink__pending(const struct sink *sink);

/* Frees without flushing; NULL is allowed. */
void sink__free(struct sink *sink);

#endif

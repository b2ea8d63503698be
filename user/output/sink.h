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
	bool sums;	 /* CSV: columns for sink__put_sum(), too */
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
 * What some events have in common that are no longer known one by one, and their sums: of
 * a minute, as a recording keeps them.
 */
struct sink_sum {
	/* A time_wait or another event, with what is known of all of them; wall_ns is the begin of the
	 * span. Of a port that is 0, and of a closer's PID, nothing is known. */
	struct record rec;
	bool is_other; /* of anything else: but the time and the sums nothing is known */
	uint8_t peer_len; /* bits of the peer's address that are known */
	uint64_t interval_ns;
	uint64_t count;
	uint64_t lifetimes, lifetime_ns; /* how many have one that is known, and their sum */
	uint64_t tx_bytes, rx_bytes;
};

/* sink__put_sum() - as sink__put(): one line, or one object of event.action "minute". */
int sink__put_sum(struct sink *sink, const struct sink_sum *sum);

/*
 * sink__flush() - write all that is buffered. Returns as sink__put(); what
 * could not be written stays counted by sink__pending().
 */
int sink__flush(struct sink *sink);

/*
 * sink__wake_by() - from now on sink__put() and sink__flush() return -EINTR instead of waiting
 * for a slow reader once @wake_fd is readable (such as a signalfd, which stays the caller's). A
 * record that sink__put() was given is then not taken: nothing is lost if the caller looks at
 * what woke it and puts the record again. Call it before the first write.
 */
void sink__wake_by(struct sink *sink, int wake_fd);

/* sink__hurry() - from now on a reader that takes nothing for @ms is waited for no longer, and
 * never again: -ECANCELED. */
void sink__hurry(struct sink *sink, int ms);

/* sink__fd() - to be polled for a reader that has gone: POLLERR or POLLHUP. */
int sink__fd(const struct sink *sink);

/* sink__pending() - records that were put and not yet wholly written. */
size_t sink__pending(const struct sink *sink);

/* Frees without flushing; NULL is allowed. */
void sink__free(struct sink *sink);

#endif

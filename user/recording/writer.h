/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The thread that owns the recording: it takes bundles out of the queue and writes each until that
 * succeeds, however long the disk fails. If somebody removes or replaces the file, it begins
 * another one at the same place, and so it does if the file is damaged, which is moved aside. Nothing is printed here: writer__status() tells.
 */
#ifndef TWSNOOP_WRITER_H
#define TWSNOOP_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "recording/collector.h"
#include "recording/queue.h"
#include "store/recording.h"

struct writer;

/* What is pointed to must outlive the writer. */
struct writer_options {
	const char *path;
	struct recording_options recording;
	struct held_run run; /* as recording__open() takes it; since_ns moves on for a new file */
	struct queue *queue;
	bool wants_reach; /* for writer_status.reach */
	/* Before a file is made anew: makes its directory, if that is ours to make. NULL: nothing. */
	void (*prepare)(const char *path);
};

/* writer__new() - opens the recording, in the caller's thread. Returns as recording__open(). */
int writer__new(struct writer **writerp, const struct writer_options *opts,
		struct store_failure *failure);

/* writer__start() - from here on its thread writes. Returns 0 or a negative errno. */
int writer__start(struct writer *writer);

struct writer_status {
	int error; /* of the last attempt to write, a negative errno; 0: it went well */
	struct store_failure why; /* of one to open; "" otherwise */
	uint64_t restarts; /* how often another file was begun */
	bool was_damaged; /* the one before, which is FILE.damaged now */
	struct recording_next next; /* of the file that is open, as it was then */
	uint64_t lost_rows;  /* that were in the queue for a file that is gone, or were refused */
	bool epoch_is_over;  /* ids are to be given anew: see recording__epoch_is_over() */
	uint64_t file_bytes; /* with what SQLite keeps beside it */
	uint64_t written_rows;
	struct recording_reach reach; /* as of some seconds ago, with wants_reach */
};

/* writer__status() - as it is now; from any thread. */
void writer__status(struct writer *writer, struct writer_status *status);

/* writer__trouble() - why the queue is full. */
void writer__trouble(struct writer *writer, struct collector_trouble *trouble);

/* writer__end() - closes the queue; what is in it is written within @patience_ms, or not at all.
 * May be called again, with less. */
void writer__end(struct writer *writer, int patience_ms);

/* writer__await() - after writer__end(): whether its thread has ended, within @timeout_ms. Then
 * what is still in the queue was not written. */
bool writer__await(struct writer *writer, int timeout_ms);

/* writer__free() - ends it now; closes the recording. False: the disk answers nothing, and holds the
 * thread, which goes on using the queue, too, until the process ends. NULL is allowed. */
bool writer__free(struct writer *writer);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `record` does with a stream, as one object: the collector of its records, the queue, the
 * thread that writes, and the one that samples. Whoever polls the stream is never kept waiting.
 *
 *	err = recorder__open(&recorder, &opts, &failure);
 *	(give up privileges)
 *	err = recorder__start(recorder);
 *	while (...) {
 *		(the stream's records go to recorder__put())
 *		recorder__turn(recorder, &now);		some times a second
 *	}
 *	recorder__end(recorder, &now);
 *	while (!recorder__await(recorder, 100))
 *		;
 *	recorder__free(recorder);
 *
 * Memory, however long it runs, whatever is recorded: the queue (RECORDER_QUEUE_BYTES), the
 * collector (see collector.h) and the samples (see sampler.h) have their bounds, and so has
 * SQLite's cache. That is some 40 MB in common use, and less than 200 MB at worst.
 */
#ifndef TWSNOOP_RECORDER_OF_FILE_H
#define TWSNOOP_RECORDER_OF_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/feed.h"
#include "model/record.h"
#include "recording/clock_watch.h"
#include "recording/sampler.h"
#include "recording/writer.h"
#include "sockets/sockets.h"

struct recorder;

#define RECORDER_QUEUE_BYTES (32U << 20)
#define RECORDER_PATIENCE_MS 5000 /* for the disk, at the end */
#define RECORDER_HANG_MS 5000 /* and for one write that does not come back, after that */

/* What is pointed to must outlive the recorder. */
struct recorder_options {
	const char *path;
	struct recording_options recording;
	struct held_run run;
	const struct sockets_source *source; /* for samples */
	const struct tws_filter *filter;     /* likewise: its namespaces */
	sampler_ports_fn take_ports;	     /* port_sample__take() */
	bool wants_reach;		     /* recorder_status.writer.reach */
	void (*prepare)(const char *path);   /* as struct writer_options has it */
	/* What became of all that the stream was to tell, so far. */
	void (*account)(void *ctx, struct feed_account *account);
	/* Takes a line for the user, without its end. */
	void (*say)(void *ctx, const char *line);
	void *ctx;
};

/* recorder__open() - returns as recording__open(). */
int recorder__open(struct recorder **recorderp, const struct recorder_options *opts,
		   struct store_failure *failure);

/* recorder__start() - its threads. Returns 0 or a negative errno. */
int recorder__start(struct recorder *recorder);

/* recorder__put() - a record, in the order of arrival. */
void recorder__put(struct recorder *recorder, const struct record *rec);

/* recorder__turn() - what is due at @now. Returns 0 or -ENOMEM: then nothing can be recorded any
 * more. */
int recorder__turn(struct recorder *recorder, const struct clock_moment *now);

/* recorder__add_gap() - as collector__add_gap(). */
void recorder__add_gap(struct recorder *recorder, const struct held_gap *gap);

struct recorder_status {
	uint64_t rows; /* that were put in */
	uint64_t gap;  /* of these, that were let go */
	struct writer_status writer;
};
void recorder__status(struct recorder *recorder, struct recorder_status *status);

/* recorder__end() - nothing more comes: what is there is written, for RECORDER_PATIENCE_MS. Called
 * again: at once, or not at all. */
void recorder__end(struct recorder *recorder, const struct clock_moment *now);

/* recorder__await() - whether all was written, or given up, within @timeout_ms: so it is
 * RECORDER_PATIENCE_MS and RECORDER_HANG_MS after recorder__end(), whatever the disk does. */
bool recorder__await(struct recorder *recorder, int timeout_ms);

/* recorder__free() - false: some thread of it is still at work, and what was given to it must stay until
 * the process ends. NULL is allowed. */
bool recorder__free(struct recorder *recorder);

#endif

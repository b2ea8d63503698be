/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recorder (recording/recorder.h) as a command has it: what the file is told of this host and
 * this run, what the user is told, the privileges that it takes, and its end.
 *
 *	recording_of__share(&source);			before there is a stream
 *	(the stream is made and started)
 *	err = recording_of__open(&recorder, &opts);
 *	mask |= recording_of__privileges(opts.path, mask);
 *	(privileges are given up)
 *	err = recorder__start(recorder);
 *	(records go to recorder__put(), and turns to recorder__turn())
 *	recording_of__end(recorder, hurries, ctx);
 *	recorder__free(recorder);
 */
#ifndef TWSNOOP_RECORDING_OF_H
#define TWSNOOP_RECORDING_OF_H

#include <stdbool.h>
#include <stdint.h>

#include "model/feed.h"
#include "model/filter.h"
#include "recording/recorder.h"
#include "sockets/sockets.h"
#include "store/recording.h"

#define RECORDING_OF_DEFAULTS                                                                      \
	{ .size_bytes = 1ULL << 30, .keep_ns = 28 * 86400ULL * 1000000000, .raw_percent = 25 }

/* What is pointed to must outlive the recorder. */
struct recording_of_options {
	const char *path;
	struct recording_options recording;
	const char *kernel; /* its release */
	const char *filter; /* in words; NULL: everything is recorded */
	bool all, calls;    /* every outcome; with connect() that finds no way there */
	uint64_t begin_ns;  /* CLOCK_MONOTONIC: from then on there are events */
	const struct sockets_source *source; /* for samples */
	const struct tws_filter *wanted;     /* likewise: its namespaces */
	bool wants_reach;		     /* recorder_status.writer.reach */
	/* As struct recorder_options has them. */
	void (*account)(void *ctx, struct feed_account *account);
	void (*say)(void *ctx, const char *line);
	void *ctx;
};

/* recording_of__open() - the folder of the default file is made, if need be. Returns 0, or a
 * negative errno and has said why. */
int recording_of__open(struct recorder **recorderp, const struct recording_of_options *opts);

/* recording_of__privileges() - those that it takes beside @mask to write to the file, and to make it
 * and what SQLite has beside it anew. */
uint64_t recording_of__privileges(const char *path, uint64_t mask);

/* recording_of__share() - of @source: samples are taken by another thread than the stream's, and
 * count TIME_WAIT sockets without listing them. */
void recording_of__share(struct sockets_source *source);

/* recording_of__end() - what is there is written. The disk is waited for, for
 * RECORDER_PATIENCE_MS, and no longer once @hurries says so; it is asked some times a second. */
void recording_of__end(struct recorder *recorder, bool (*hurries)(void *ctx), void *ctx);

/* recording_of__filter_words() - the filters of a command line, in one string, for who reads the
 * recording; to be freed. NULL without memory. */
char *recording_of__filter_words(int argc, char **argv);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where `serve` lets records go beside the metrics: into a recording, and to stores elsewhere. One
 * object for all that is asked for; without any it does nothing.
 *
 *	err = serve_outputs__open(&outputs, &opts);
 *	(the stream is made, of serve_outputs__since_ns() where it looks back, and started)
 *	err = serve_outputs__prepare(outputs, &live, &mask);
 *	(privileges are given up)
 *	err = serve_outputs__start(outputs);
 *	... serve_outputs__put(outputs, rec); serve_outputs__turn(outputs, board) ...
 *	serve_outputs__end(outputs, hurries, ctx);
 *	serve_outputs__free(outputs);
 */
#ifndef TWSNOOP_SERVE_OUTPUTS_H
#define TWSNOOP_SERVE_OUTPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "commands/export_words.h"
#include "commands/live.h"
#include "commands/options.h"
#include "model/record.h"
#include "serving/board.h"

struct serve_outputs;

struct serve_record_options {
	const char *path; /* NULL: no recording */
	uint64_t size_bytes; /* 0: the default of record */
};

extern const struct option_spec serve_record_table[];

/* What is pointed to must outlive it. */
struct serve_outputs_options {
	struct serve_record_options record;
	struct export_options exports;
	char *filter_words; /* NULL: nothing is filtered; goes over to this */
	/* What became of all that the stream was to tell, so far. */
	void (*account)(void *ctx, struct feed_account *account);
	void (*say)(void *ctx, const char *line);
	void *ctx;
};

/* serve_outputs__open() - what is needed before there is a stream. Returns 0 and *@outputsp, or a
 * negative errno once it has said why. */
int serve_outputs__open(struct serve_outputs **outputsp, const struct serve_outputs_options *opts);

/* serve_outputs__since_ns() - from when on a recorder is to be read, so that stores lack nothing since
 * the last run (CLOCK_MONOTONIC); 0: from now on. */
uint64_t serve_outputs__since_ns(const struct serve_outputs *outputs);

/* serve_outputs__prepare() - of a stream that has started: opens files, and adds to @mask what writing
 * them takes. Returns likewise. */
int serve_outputs__prepare(struct serve_outputs *outputs, const struct live *live, uint64_t *mask);

/* serve_outputs__start() - their threads, after privileges were given up. Returns 0 or a negative
 * errno. */
int serve_outputs__start(struct serve_outputs *outputs);

/* serve_outputs__put() - one record: waits for nothing. */
void serve_outputs__put(struct serve_outputs *outputs, const struct record *rec);

/* serve_outputs__turn() - some times a second. Returns 0, or a negative errno if nothing can go on. */
int serve_outputs__turn(struct serve_outputs *outputs, struct board *board);

/* serve_outputs__add_gap() - nothing was seen from @since_ns to @until_ns, by the wall clock. */
void serve_outputs__add_gap(struct serve_outputs *outputs, uint64_t since_ns, uint64_t until_ns);

/* serve_outputs__end() - what was put is written; for some seconds, or until @hurries. */
void serve_outputs__end(struct serve_outputs *outputs, bool (*hurries)(void *ctx), void *ctx);

/* serve_outputs__free() - NULL is allowed. Returns false, as recorder__free(), if a disk holds it up: then
 * nothing that it was given, nor what it lists sockets with, may be freed. */
bool serve_outputs__free(struct serve_outputs *outputs);

#endif

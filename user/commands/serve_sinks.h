/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stores that serve sends events to: those that were asked for, opened, fed and ended together.
 */
#ifndef TWSNOOP_SERVE_SINKS_H
#define TWSNOOP_SERVE_SINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/when.h"
#include "commands/export_words.h"
#include "export/exporter.h"
#include "serving/board.h"

struct serve_sinks {
	struct exporter *exporters[EXPORT_WORDS_MAX];
	int num;
	bool has_started;
	const char *spool;
	/* Given: takes a line, without its end, for the user. */
	void (*say)(void *ctx, const char *line);
	void *ctx;
};

/* serve_sinks__open() - what @opts ask for, perhaps nothing. Returns 0, or a negative errno and has
 * said why. */
int serve_sinks__open(struct serve_sinks *sinks, const struct export_options *opts);

/* serve_sinks__since_ns() - from when on a recorder is to be read, so that nothing is missing since
 * the last run (CLOCK_MONOTONIC); 0: from now on. */
uint64_t serve_sinks__since_ns(const struct serve_sinks *sinks);

/* serve_sinks__say_gap() - what has happened between the last run and @reach_ns, if anything may have. */
void serve_sinks__say_gap(const struct serve_sinks *sinks, uint64_t reach_ns, const struct when_zone *zone);

/* serve_sinks__privileges() - what writing the spools takes beside those of @mask. */
uint64_t serve_sinks__privileges(const struct serve_sinks *sinks, uint64_t mask);

/* serve_sinks__start() - once privileges are given up. Returns 0, or a negative errno and has said why. */
int serve_sinks__start(struct serve_sinks *sinks);

/* serve_sinks__put() - to each of them: see exporter__put(). */
void serve_sinks__put(struct serve_sinks *sinks, const struct record *rec);

/* serve_sinks__turn() - some times a second: what there is to say, and the metrics of @board. */
void serve_sinks__turn(struct serve_sinks *sinks, struct board *board);

/* serve_sinks__end() - what is left is sent until @deadline_ns; it may be called again with an earlier
 * one. serve_sinks__has_ended() - it was, or the time is up. serve_sinks__close() - then says what waits
 * for the next run. */
void serve_sinks__end(struct serve_sinks *sinks, uint64_t deadline_ns);
bool serve_sinks__has_ended(const struct serve_sinks *sinks);
void serve_sinks__close(struct serve_sinks *sinks);

#endif

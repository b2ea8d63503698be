/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of a recording share: a folder of its own, rows, and seconds of a run. */
#ifndef TWSNOOP_TESTS_STORE_SUPPORT_H
#define TWSNOOP_TESTS_STORE_SUPPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/block.h"
#include "store/history.h"
#include "store/minutes.h"
#include "store/recording.h"

#define MINUTE_NS 60000000000ULL
#define SECOND_NS 1000000000ULL
#define HOUR_NS (60 * MINUTE_NS)
#define DAY_NS (24 * HOUR_NS)
#define STORE_BEGIN_NS (1795329600ULL * SECOND_NS) /* 2026-11-22 06:40:00 UTC */

/* A recorder as small as can be: rows by the second, minutes by the minute. */
struct writer {
	struct recording *rec;
	struct minutes *minutes;
	struct block_builder *builder;
	uint64_t row;	    /* the next one's number */
	uint64_t first_row; /* of the builder */
	uint32_t told;	    /* rows of the builder that are in tails */
	uint64_t since_ns, until_ns; /* of the rows in the builder */
	uint32_t run, num_whos, first_who, next_who;
	uint64_t minute;
	uint64_t made; /* rows, ever */
};

/* A new folder in memory or below /tmp, and a path in it; both to be freed and removed by
 * store_support__remove(). Aborts on failure. */
char *store_support__path(void);
void store_support__remove(char *path);

struct held_run store_support__run(uint64_t since_ns);

/* Returns what recording__open() did. @num_whos processes take turns. */
int writer__open(struct writer *w, const char *path, const struct recording_options *opts,
		 uint64_t now_ns, uint32_t num_whos, struct store_failure *failure);

/* @rows more, at @now_ns, and a commit; once a new minute has begun what it ends. Returns what
 * commit did; if it failed the rows wait for the next call. */
int writer__second(struct writer *w, uint64_t now_ns, uint32_t rows);

/* Ends the minute that is open, in a commit. */
int writer__end_minute(struct writer *w, uint64_t now_ns);

void writer__close(struct writer *w);

/* A recording that can be read, to be closed. Aborts if it cannot. */
struct history *store_support__open_history(const char *path);

/* The number that @sql gives, by a connection that has nothing of ours. Aborts on failure. */
int64_t store_support__ask(const char *path, const char *sql);

/* Whether SQLite finds nothing wrong in it. */
bool store_support__is_whole(const char *path);

/* The file, its WAL and its index. */
uint64_t store_support__bytes(const char *path);

#endif

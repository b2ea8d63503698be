/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a command's events come from, and of which span of time: the recorder that is attached,
 * if there is one that can give what is asked for, else programs of its own.
 */
#ifndef TWSNOOP_ORIGIN_H
#define TWSNOOP_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/when.h"
#include "capture/source.h"
#include "commands/options.h"
#include "host/kernel.h"

struct attached;
struct calls_obstacle;
struct tracer;

/* Filled by a command's options. */
struct origin_options {
	bool own; /* programs of its own, whatever is attached */
	bool utc; /* times are read and written in UTC, not in the local zone */
	const char *since, *until; /* as when__parse() takes them, or NULL */
	const char *bpffs;	   /* where a recorder is looked for; NULL: the usual place */
	uint64_t ring_bytes;	   /* as struct tracer_options says; 0: whatever there is */
	uint64_t max_connections;
};

extern const struct option_spec origin_option_table[]; /* into a struct origin_options */

struct origin {
	struct attached *attached; /* either of the two */
	struct tracer *tracer;
	/* CLOCK_MONOTONIC, as struct stream_options; since_ns is 0 with own programs. */
	uint64_t since_ns, until_ns;
	bool looks_back; /* --since was given */
	/* Takes a line, without its end, for the user. */
	void (*say)(void *ctx, const char *line);
	void *ctx;
	const struct when_zone *zone;
	uint64_t since_wall_ns;
	char not_used[320]; /* which recorder is not used, and why; "": there is none */
};

/*
 * origin__parse() - the times among @opts, into a zeroed @origin. Returns OPTIONS_OK, or
 * OPTIONS_WRONG_USAGE once it has complained.
 */
enum options_result origin__parse(struct origin *origin, const struct origin_options *opts,
				  const struct command_spec *spec);

/*
 * origin__find() - opens the recorder, if there is one that serves: then @kernel is filled, and
 * nothing of it was probed. Else why not is kept for origin__load(), unless there is none.
 * Returns whether it was opened.
 */
bool origin__find(struct origin *origin, const struct origin_options *opts, bool all,
		  struct kernel *kernel);

/*
 * origin__load() - programs of one's own, unattached: as tracer__new(), and says why not. What
 * keeps a recorder from being used is said in the same breath.
 */
int origin__load(struct origin *origin, const struct origin_options *opts,
		 const struct tws_filter *filter, bool all, const struct kernel *kernel);

/* origin__calls_obstacle() - with all, once the source has started: why failures that no
 * transition shows are not seen; NULL: they are. See tracer__calls_obstacle(). */
const struct calls_obstacle *origin__calls_obstacle(const struct origin *origin);

/* origin__source() - once it has one; it lives as long as @origin. */
struct source *origin__source(const struct origin *origin);

/* origin__say() - of a recorder that has started: how far back it reaches, and whether
 * everything since then is there. */
void origin__say(const struct origin *origin);

/* origin__close() - all of it; what was parsed stays. */
void origin__close(struct origin *origin);

#endif

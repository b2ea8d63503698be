/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording in the place of the kernel (--from), for every command: it is opened, times are
 * understood as of its end, and what is said of it to the user is said here.
 *
 *	past.say = …;
 *	if (past__open(&past, &opts, utc))
 *		status 1
 *	rc = past__set_span(&past, since, until, &spec); (or past__set_moment())
 *	(the command makes a playback of past.history and past.span)
 *	past__say_span(&past, playback__coverage(playback));
 *	past__close(&past);
 */
#ifndef TWSNOOP_PAST_H
#define TWSNOOP_PAST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/when.h"
#include "commands/options.h"
#include "commands/origin.h"
#include "store/coverage.h"
#include "store/history.h"

/* Filled by a command's options. */
struct past_options {
	const char *from; /* a recording; NULL: what happens now */
	const char *at;	  /* a moment, as when__parse() takes it, or NULL */
};

extern const struct option_spec past_option_table[]; /* into a struct past_options */

struct past {
	struct history *history; /* NULL: not open */
	struct history_status status;
	struct history_span span; /* until_ns is set: at the latest the end, as it was at first */
	uint64_t at_ns;		  /* past__set_moment() */
	const struct when_zone *zone;
	const char *path;
	uint64_t damage_told; /* gaps of damage that past__say_span() told of, or counted */
	bool asks_before, asks_behind; /* more than was recorded: the span is as asked for */
	/* Takes a line, without its end, for the user. Set by who opens it. */
	void (*say)(void *ctx, const char *line);
	void *ctx;
};

/* An option of a command that a recording cannot be asked for. */
struct past_refused {
	bool given;
	const char *option; /* "--wait" */
};

/*
 * past__check() - whether the options go together: with --from none of @refused, nor of those of
 * @from that are for what happens now; without it no --at. Returns OPTIONS_OK, or
 * OPTIONS_WRONG_USAGE once it has complained.
 */
enum options_result past__check(const struct past_options *opts, const struct origin_options *from,
				const struct past_refused *refused, size_t num,
				const struct command_spec *spec);

/* past__open() - @past is zeroed but for say and ctx. Returns 0, or a negative errno once that
 * was said. */
int past__open(struct past *past, const struct past_options *opts, bool utc);
void past__close(struct past *past);

/*
 * past__set_span() - from @since to @until, either of which may be NULL; or, if opts->at is given, the
 * minute or second that it names. "2m" and a time of day are as of the recording's end,
 * or of now while it is recorded; "today" and "yesterday" are as of now. Returns OPTIONS_OK, or
 * OPTIONS_WRONG_USAGE once it has complained.
 */
enum options_result past__set_span(struct past *past, const struct past_options *opts,
				   const char *since, const char *until,
				   const struct command_spec *spec);

/* past__set_moment() - at_ns by opts->at; without it the end. Returns likewise. */
enum options_result past__set_moment(struct past *past, const struct past_options *opts,
				     const struct command_spec *spec);

/*
 * past__say_span() - how far the recording reaches, with the zone; whether all is in it that
 * past->span asks for, and if not, what is missing: its gaps, and the minutes of @coverage,
 * of which it has sums only.
 */
void past__say_span(struct past *past, const struct coverage *coverage);

/* past__say_minutes() - of which parts of past->span there are sums of minutes only;
 * past__has_minutes() - whether there are any. */
bool past__has_minutes(const struct past *past, const struct coverage *coverage);
void past__say_minutes(const struct past *past, const struct coverage *coverage);

/* past__say_damage() - after the span was read: what cannot be read of it, as found on the way. */
void past__say_damage(struct past *past);

/* past__say_outcomes() - which of all outcomes the span's runs recorded, if it is not all of them:
 * by a filter, or without @all, that is asked for. */
void past__say_outcomes(const struct past *past, bool all);

/* past__say_gaps() - of @span. Returns how many there are. */
uint64_t past__say_gaps(const struct past *past, const struct history_span *span);

#endif

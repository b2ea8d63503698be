// SPDX-License-Identifier: GPL-2.0
#include "commands/past.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "store/gap_words.h"
#include "store/past_account.h"

#define LINES_MAX 5 /* of gaps, and of minutes: then they are counted */

const struct option_spec past_option_table[] = {
	{ 0, "from", "FILE", "answer from a recording that 'twsnoop record' makes, instead of\n"
	  "from the kernel", option__string, offsetof(struct past_options, from) },
	{ 0, "at", "TIME", "with --from: at this moment, as --since takes it", option__string,
	  offsetof(struct past_options, at) },
	{ 0 },
};

static void say(const struct past *past, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct past *past, const char *format, ...)
{
	char line[480];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	past->say(past->ctx, line);
}

static const char *quoted_path(const struct past *past, char to[160])
{
	return escape__quote(to, 160, past->path);
}

static enum options_result refuse(const struct past_refused *refused, size_t num,
				  const struct command_spec *spec)
{
	for (size_t i = 0; i < num; i++)
		if (refused[i].given)
			return options__complain(spec, "%s is for what happens now: not with --from",
						 refused[i].option);
	return OPTIONS_OK;
}

enum options_result past__check(const struct past_options *opts, const struct origin_options *from,
				const struct past_refused *refused, size_t num,
				const struct command_spec *spec)
{
	const struct past_refused of_origin[] = {
		{ from->own, "--own" },
		{ from->bpffs, "--bpffs" },
		{ from->ring_bytes, "--ring-size" },
		{ from->max_connections, "--max-connections" },
	};
	enum options_result rc;

	if (!opts->from)
		return opts->at ? options__complain(spec, "--at is a moment of a recording: --from says "
							  "which") : OPTIONS_OK;
	rc = refuse(of_origin, sizeof(of_origin) / sizeof(of_origin[0]), spec);
	return rc == OPTIONS_OK ? refuse(refused, num, spec) : rc;
}

int past__open(struct past *past, const struct past_options *opts, bool utc)
{
	struct store_failure failure = { "" };
	char path[160];
	int err;

	past->path = opts->from;
	past->zone = utc ? &when_utc : &when_local;
	err = history__open(&past->history, opts->from, &failure);
	if (err && failure.text[0]) {
		say(past, "%s", failure.text);
		return err;
	}
	err = err ?: history__status(past->history, &past->status);
	if (err)
		say(past, "%s: cannot be read: %s", quoted_path(past, path), strerror(-err));
	return err;
}

void past__close(struct past *past)
{
	history__close(past->history);
	past->history = NULL;
}

/* ---- times ---- */

/* Behind the last of all that is in it. */
static uint64_t end_of(const struct past *past)
{
	const struct history_status *status = &past->status;
	uint64_t end_ns = status->all.until_ns;

	return end_ns > status->last_commit_ns ? end_ns : status->last_commit_ns;
}

static bool is_by_the_day(const char *arg)
{
	return !strncmp(arg, "today", 5) || !strncmp(arg, "yesterday", 9);
}

/* As of when @arg is to be understood. */
static uint64_t present_of(const struct past *past, const char *arg)
{
	if (past->status.is_recording || is_by_the_day(arg))
		return clock__now_ns(CLOCK_REALTIME);
	return end_of(past);
}

static enum options_result parse(const struct past *past, const char *option, const char *arg,
				 enum when_edge edge, uint64_t since_ns, uint64_t *ns,
				 const struct command_spec *spec)
{
	char quoted[128];
	const char *why;

	if (!when__parse(arg, edge, present_of(past, arg), since_ns, past->zone, ns, &why))
		return OPTIONS_OK;
	return options__complain(spec, "%s: '%s' %s", option,
				 escape__quote(quoted, sizeof(quoted), arg), why);
}

static enum options_result complain_of_at(const struct past_options *opts,
					  const char *since, const char *until,
					  const struct command_spec *spec)
{
	if (opts->at && (since || until))
		return options__complain(spec, "--at is a moment: not with --since or --until");
	return OPTIONS_OK;
}

enum options_result past__set_span(struct past *past, const struct past_options *opts,
				   const char *since, const char *until,
				   const struct command_spec *spec)
{
	uint64_t end_ns = end_of(past), width_ns;
	enum options_result rc = complain_of_at(opts, since, until, spec);

	past->span = (struct history_span){ past->status.all.since_ns, end_ns + 1 };
	if (rc == OPTIONS_OK && opts->at) {
		rc = parse(past, "--at", opts->at, WHEN_SINCE, 0, &past->span.since_ns, spec);
		width_ns = when__width_ns(opts->at);
		past->span.until_ns = past->span.since_ns - past->span.since_ns % width_ns +
				      width_ns;
		past->span.since_ns -= past->span.since_ns % width_ns;
	}
	if (rc == OPTIONS_OK && since)
		rc = parse(past, "--since", since, WHEN_SINCE, 0, &past->span.since_ns, spec);
	if (rc == OPTIONS_OK && until)
		rc = parse(past, "--until", until, WHEN_UNTIL, past->span.since_ns,
			   &past->span.until_ns, spec);
	if (rc == OPTIONS_OK && until && past->span.until_ns <= past->span.since_ns)
		rc = options__complain(spec, "--until: '%s' is not after %s", until,
				       since ? "--since" : "the recording's beginning");
	past->asks_before = past->span.since_ns < past->status.all.since_ns;
	past->asks_behind = past->span.until_ns > end_ns + 1;
	return rc;
}

enum options_result past__set_moment(struct past *past, const struct past_options *opts,
				     const struct command_spec *spec)
{
	past->at_ns = end_of(past);
	if (!opts->at)
		return OPTIONS_OK;
	return parse(past, "--at", opts->at, WHEN_SINCE, 0, &past->at_ns, spec);
}

/* ---- what is said ---- */

struct gaps {
	const struct past *past;
	uint64_t num, told;
	uint64_t damage; /* of these */
	bool only_damage; /* and of it what comes behind the first @skip */
	uint64_t skip;
};

static int say_gap(void *ctx, const struct held_gap *gap)
{
	char since[WHEN_BYTES], until[WHEN_BYTES], detail[128] = "", events[64] = "";
	struct gaps *gaps = ctx;

	gaps->damage += gap->reason == HELD_GAP_DAMAGED;
	if (gaps->only_damage && (gap->reason != HELD_GAP_DAMAGED || gaps->damage <= gaps->skip))
		return 0;
	gaps->num++;
	if (gaps->told == LINES_MAX)
		return 0;
	gaps->told++;
	if (gap->detail)
		escape__quote(detail, sizeof(detail), gap->detail);
	if (gap->events)
		snprintf(events, sizeof(events), "; %" PRIu64 " events are known to be missing",
			 gap->events);
	say(gaps->past, "from %s to %s: %s%s%s%s",
	    when__format(since, gap->since_ns, gaps->past->zone),
	    when__format(until, gap->until_ns, gaps->past->zone),
	    gap_words__reason(gap->reason), detail[0] ? ": " : "", detail, events);
	return 0;
}

static void say_gaps(struct gaps *gaps, const struct history_span *span)
{
	if (history__each_gap(gaps->past->history, span, say_gap, gaps))
		say(gaps->past, "the gaps of the recording cannot be read");
	if (gaps->num > gaps->told)
		say(gaps->past, "and %" PRIu64 " more gaps", gaps->num - gaps->told);
}

uint64_t past__say_gaps(const struct past *past, const struct history_span *span)
{
	struct gaps gaps = { .past = past };

	say_gaps(&gaps, span);
	return gaps.num;
}

void past__say_damage(struct past *past)
{
	struct gaps gaps = { .past = past, .only_damage = true, .skip = past->damage_told };

	say_gaps(&gaps, &past->span);
	past->damage_told = gaps.damage;
}

/* A command may read more than it was asked for. */
static bool is_asked_for(const struct past *past, const struct history_span *hole)
{
	return hole->until_ns > past->span.since_ns &&
	       (!past->span.until_ns || hole->since_ns < past->span.until_ns);
}

bool past__has_minutes(const struct past *past, const struct coverage *coverage)
{
	for (size_t i = 0; i < coverage->num; i++)
		if (is_asked_for(past, &coverage->holes[i].span))
			return true;
	return false;
}

void past__say_minutes(const struct past *past, const struct coverage *coverage)
{
	char since[WHEN_BYTES], until[WHEN_BYTES];
	size_t num = 0;

	for (size_t i = 0; i < coverage->num; i++) {
		const struct history_span *span = &coverage->holes[i].span;

		if (!is_asked_for(past, span) || ++num > LINES_MAX)
			continue;
		say(past, "from %s to %s single events are gone: sums of each minute are left",
		    when__format(since, span->since_ns, past->zone),
		    when__format(until, span->until_ns, past->zone));
	}
	if (num > LINES_MAX)
		say(past, "and of %zu more spans sums are left", num - LINES_MAX);
}

static const char *completeness(const struct past *past, const struct feed_account *account,
				const struct coverage *coverage)
{
	const struct history_span *all = &past->status.all;

	if (!all->until_ns)
		return "; nothing was recorded yet";
	if (past->span.since_ns > end_of(past) || past->span.until_ns <= all->since_ns)
		return "; nothing of what was asked for is in it";
	if (past->asks_before)
		return "; what is before that was not recorded, or is gone";
	if (past->asks_behind)
		return past->status.is_recording ? "; what comes later is still to be recorded" :
						   "; what came later was not recorded";
	if (account->gaps || account->lost)
		return "; not all of what was asked for is in it";
	return coverage->num ? "" : ", and has everything of what was asked for";
}

void past__say_span(struct past *past, const struct coverage *coverage)
{
	char path[160], since[WHEN_BYTES], until[WHEN_BYTES];
	struct gaps gaps = { .past = past };
	struct feed_account account = {};
	const char *whole;

	if (past_account__count(&account, past->history, &past->span))
		account.gaps = 1; /* who knows */
	whole = completeness(past, &account, coverage);
	if (past->status.all.until_ns)
		say(past, "%s reaches from %s to %s%s", quoted_path(past, path),
		    when__format(since, past->status.all.since_ns, past->zone),
		    when__format(until, end_of(past), past->zone), whole);
	else
		say(past, "%s is empty%s", quoted_path(past, path), whole);
	say_gaps(&gaps, &past->span);
	past->damage_told = gaps.damage;
	past__say_minutes(past, coverage);
}

struct outcomes {
	const struct past *past;
	bool lacks_some, filters_told;
};

static int note_run(void *ctx, const struct held_run *run)
{
	struct outcomes *o = ctx;
	char filter[256];

	o->lacks_some |= !run->all;
	if (run->filter && run->filter[0] && !o->filters_told) {
		o->filters_told = true;
		say(o->past, "only a part was recorded: %s",
		    escape__quote(filter, sizeof(filter), run->filter));
	}
	return 0;
}

void past__say_outcomes(const struct past *past, bool all)
{
	struct outcomes o = { .past = past };

	if (history__each_run(past->history, &past->span, note_run, &o))
		return;
	if (all && o.lacks_some)
		say(past, "nothing but entries into TIME_WAIT was recorded, at least at times: not "
		    "every outcome is in it");
}

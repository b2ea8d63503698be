// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop report: what happened, out of a recording, as text, JSON or HTML.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fdwriter.h"
#include "base/newfile.h"
#include "commands/command.h"
#include "commands/options.h"
#include "commands/past.h"
#include "commands/said.h"
#include "commands/state_dir.h"
#include "report/input_history.h"
#include "report/report_html.h"
#include "report/report_json.h"
#include "report/report_text.h"

#define HOUR_NS 3600000000000ULL
#define DAY_NS (24 * HOUR_NS)
#define TRIES 3
#define MODE 0640 /* it has command lines */

struct report_options {
	const char *since, *until, *at, *html;
	bool json, utc;
};

static const struct option_spec report_table[] = {
	{ 0, "since", "TIME", "begin at TIME: 2h (before the recording's end), 03:12,\n"
	  "'yesterday 03:12', '2026-11-29 03:12', RFC 3339 or @EPOCH; the\n"
	  "default is an hour before the end", option__string,
	  offsetof(struct report_options, since) },
	{ 0, "until", "TIME", "end at TIME", option__string, offsetof(struct report_options, until) },
	{ 0, "at", "TIME", "half an hour before TIME, and after", option__string,
	  offsetof(struct report_options, at) },
	{ 0, "html", "OUT", "one self-contained HTML file; '-': to standard output",
	  option__string, offsetof(struct report_options, html) },
	{ 0, "json", NULL, "one JSON object", option__flag, offsetof(struct report_options, json) },
	{ 0, "utc", NULL, "times are in UTC, not in the local zone", option__flag,
	  offsetof(struct report_options, utc) },
	{ 0 },
};

struct report {
	struct report_options opts;
	const char *path;
	struct past past;
	struct history_span span;
};

/* ---- the span ---- */

static uint64_t before(uint64_t ns, uint64_t by_ns)
{
	return ns > by_ns ? ns - by_ns : 0;
}

/* The hour before @ns, or as much of it as was recorded. */
static uint64_t hour_before(const struct report *r, uint64_t ns)
{
	uint64_t since_ns = before(ns, HOUR_NS), first_ns = r->past.status.all.since_ns;

	return since_ns < first_ns && first_ns < ns ? first_ns : since_ns;
}

static enum options_result set_around(struct report *r, const struct past_options *from,
				      const struct command_spec *spec)
{
	enum options_result rc = past__set_moment(&r->past, from, spec);
	uint64_t at_ns = r->past.at_ns, end_ns = r->past.status.all.until_ns;

	if (rc != OPTIONS_OK)
		return rc;
	r->span.since_ns = before(at_ns, HOUR_NS / 2);
	r->span.until_ns = at_ns + HOUR_NS / 2;
	/* Of what has not come yet nothing can be told. */
	if (r->span.until_ns > end_ns && at_ns < end_ns)
		r->span.until_ns = end_ns;
	return OPTIONS_OK;
}

/* Without --since, --until is the last such time of the recording, and not the first. */
static enum options_result set_span(struct report *r, const struct past_options *from,
				    const struct command_spec *spec)
{
	const struct history_span *all = &r->past.status.all;
	const char *since = r->opts.since;
	enum options_result rc;
	char last_day[24];

	if (!since && r->opts.until) {
		snprintf(last_day, sizeof(last_day), "@%" PRIu64,
			 before(all->until_ns, DAY_NS) / 1000000000);
		since = last_day;
	}
	rc = past__set_span(&r->past, from, since, r->opts.until, spec);
	r->span = r->past.span;
	if (rc == OPTIONS_OK && !r->opts.since)
		r->span.since_ns = hour_before(r, r->span.until_ns);
	if (rc == OPTIONS_OK && r->span.since_ns >= r->span.until_ns)
		rc = options__complain(spec, "--since: is after the recording's end");
	return rc;
}

/* ---- reading and writing ---- */

static int complain(const struct report *r, int err)
{
	char quoted[256];

	fprintf(stderr, "twsnoop: cannot read %s: %s\n",
		escape__quote(quoted, sizeof(quoted), r->path), strerror(-err));
	return err;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "twsnoop: %s\n", line);
}

/* A recorder may sum up a minute meanwhile: then once more. */
static int tell(struct report *r, struct story **storyp)
{
	for (unsigned int try = 1;; try++) {
		struct input_history *input;
		bool moved;
		int err = input_history__new(&input, r->past.history);

		if (err)
			return err;
		err = story__tell(storyp, input_history__input(input), &r->span);
		moved = input_history__has_moved(input);
		input_history__free(input);
		if (err || !moved || try == TRIES)
			return err;
		story__free(*storyp);
	}
}

static void write_report(struct outbuf *to, const struct report *r, const struct story *story)
{
	if (r->opts.html)
		report_html__write(to, story, r->past.zone);
	else if (r->opts.json)
		report_json__write(to, story, r->past.zone);
	else
		report_text__write(to, story, r->past.zone);
}

/* Returns the exit status. */
static int put(const struct report *r, const struct outbuf *ob)
{
	const char *path = r->opts.html;
	char quoted[256];
	int err;

	if (!path || !strcmp(path, "-"))
		return said__status(fdwriter__write_all(STDOUT_FILENO, ob->data, ob->len));
	err = newfile__write(path, MODE, ob->data, ob->len);
	if (err)
		fprintf(stderr, "twsnoop: cannot write %s: %s\n",
			escape__quote(quoted, sizeof(quoted), path), strerror(-err));
	return err != 0;
}

static int report(struct report *r)
{
	struct outbuf ob = { 0 };
	struct story *story;
	int err = tell(r, &story), status;

	if (err) {
		complain(r, err);
		return 1;
	}
	err = outbuf__init(&ob, 65536);
	if (!err)
		write_report(&ob, r, story);
	if (err || ob.failed) {
		fprintf(stderr, "twsnoop: cannot write the report: %s\n", strerror(ENOMEM));
		status = 1;
	} else {
		status = put(r, &ob);
	}
	outbuf__free(&ob);
	story__free(story);
	return status;
}

/* ---- the command ---- */

static enum options_result check(const struct report_options *opts, int operands,
				 const struct command_spec *spec)
{
	if (operands > 1)
		return options__complain(spec, "one recording at a time");
	if (opts->html && opts->json)
		return options__complain(spec, "--html and --json: one of them");
	if (opts->at && (opts->since || opts->until))
		return options__complain(spec, "--at is for itself: not with --since or --until");
	return OPTIONS_OK;
}

int cmd_report(int argc, char **argv)
{
	struct report r = { .path = STATE_DIR_RECORDING };
	struct past_options from = { 0 };
	const struct option_part parts[] = { { NULL, report_table, &r.opts } };
	const struct command_spec spec = {
		"report", "[OPTION]... [FILE]",
		"Tell what happened, out of what 'twsnoop record' has recorded into FILE\n"
		"(default " STATE_DIR_RECORDING "): when closes or TIME_WAITs were more\n"
		"than usual, who did it, and what it did to ports and connects.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	int operand, status;
	enum options_result rc = options__parse(&spec, argc, argv, &operand);

	if (rc == OPTIONS_OK)
		rc = check(&r.opts, argc - operand, &spec);
	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	if (operand < argc)
		r.path = argv[operand];
	if (!r.path[0])
		return options__exit_status(options__complain(&spec, "FILE is empty"));
	from.from = r.path;
	from.at = r.opts.at;
	r.past.say = say;
	if (past__open(&r.past, &from, r.opts.utc))
		return 1;
	rc = from.at ? set_around(&r, &from, &spec) : set_span(&r, &from, &spec);
	status = rc == OPTIONS_OK ? report(&r) : options__exit_status(rc);
	past__close(&r.past);
	return status;
}

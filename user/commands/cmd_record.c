// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop record: a stream into a recording. The stream is polled here; the disk is another
 * thread's (see recording/recorder.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/parse.h"
#include "capture/calls.h"
#include "commands/command.h"
#include "commands/filter_words.h"
#include "commands/live.h"
#include "commands/messages.h"
#include "commands/options.h"
#include "commands/origin.h"
#include "commands/record_status.h"
#include "commands/record_text.h"
#include "commands/recording_of.h"
#include "commands/state_dir.h"
#include "containers/containers.h"
#include "events/loop.h"
#include "model/filter.h"
#include "output/fit.h"
#include "recording/recorder.h"

#define NS_PER_S 1000000000ULL

struct record_options {
	struct recording_options recording;
	uint64_t duration_ns;
	bool time_wait_only, quiet, status, json;
	bool no_names;
	const char *runtime_socket;
};

struct recording_command {
	struct record_options opts;
	struct filter_options filters;
	struct origin_options from;
	const char *path;
	char *words; /* of the filters, if there are any */
	struct live live;
	struct recorder *recorder; /* NULL: not opened yet */
	struct messages msg;
	uint64_t end_ns; /* CLOCK_MONOTONIC; 0: none */
	/* What earlier streams told, before the attached recorder was detached. */
	struct feed_account before;
	/* The line on a terminal. */
	bool has_line, line_is_shown;
	uint64_t next_line_ns, line_rows, line_ns;
};

static int parse_percent(void *field, const char *arg, char *why, size_t why_len)
{
	size_t len = strlen(arg);
	uint64_t percent;
	char quoted[64];

	if (len && arg[len - 1] == '%')
		len--;
	if (parse__u64_n(arg, len, 0, 100, &percent)) {
		snprintf(why, why_len, "'%s' is not a share from 0%% to 100%%",
			 escape__quote(quoted, sizeof(quoted), arg));
		return -EINVAL;
	}
	*(unsigned int *)field = (unsigned int)percent;
	return 0;
}

static const struct option_spec record_table[] = {
	{ 0, "size", "SIZE", "of the recording at most, with all that belongs to it (default 1G)",
	  option__size, offsetof(struct record_options, recording.size_bytes) },
	{ 0, "keep", "TIME", "what is older goes, even if there is room (default 28d)",
	  option__duration, offsetof(struct record_options, recording.keep_ns) },
	{ 0, "raw", "PERCENT", "of the size, for single events; the rest is for their sums by the\n"
	  "minute (default 25%)", parse_percent, offsetof(struct record_options, recording.raw_percent) },
	{ 0, "time-wait-only", NULL, "record entries into TIME_WAIT, and no other end of a "
	  "connection", option__flag, offsetof(struct record_options, time_wait_only) },
	{ 'd', "duration", "TIME", "stop after TIME: 10, 500ms, 5m, 1h", option__duration,
	  offsetof(struct record_options, duration_ns) },
	{ 'q', "quiet", NULL, "no line that shows how the recording grows", option__flag,
	  offsetof(struct record_options, quiet) },
	{ 0, "status", NULL, "say what FILE holds, and whether it is being recorded into",
	  option__flag, offsetof(struct record_options, status) },
	{ 0, "json", NULL, "with --status: as JSON", option__flag,
	  offsetof(struct record_options, json) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct record_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct record_options, runtime_socket) },
	{ 0 },
};

/* ---- what is said ---- */

static void say(void *ctx, const char *line)
{
	struct recording_command *c = ctx;

	messages__say(&c->msg, line);
}

/* Of all streams so far. */
static void add_up(void *ctx, struct feed_account *sum)
{
	struct recording_command *c = ctx;
	struct feed_account now = { 0 };

	if (c->live.feed)
		feed__account(c->live.feed, &now);
	*sum = c->before;
	feed_account__add(sum, &now);
}

/* What was let go does not count as delivered. */
static void print_account(void *ctx)
{
	struct recording_command *c = ctx;
	struct recorder_status status;
	struct feed_account account;
	char no_end[32] = "", more[64];

	add_up(c, &account);
	recorder__status(c->recorder, &status);
	account.delivered -= status.gap;
	if (!c->opts.time_wait_only)
		snprintf(no_end, sizeof(no_end), " no_end=%" PRIu64, account.no_end);
	snprintf(more, sizeof(more), "%s gap=%" PRIu64, no_end, status.gap);
	messages__tell_account(&c->msg, &account, more);
}

/* ---- the line on a terminal ---- */

static void erase_line(void *ctx)
{
	struct recording_command *c = ctx;

	if (c->line_is_shown)
		messages__write(&c->msg, "\r\033[K", 4);
	c->line_is_shown = false;
}

static void show_line(struct recording_command *c, const struct clock_moment *now)
{
	struct recorder_status status;
	struct feed_account account;
	uint64_t span_ns, rate;
	char text[512];
	struct outbuf line;

	if (!c->has_line || now->monotonic_ns < c->next_line_ns)
		return;
	recorder__status(c->recorder, &status);
	add_up(c, &account);
	span_ns = now->monotonic_ns - c->line_ns;
	rate = c->line_ns && span_ns ? (status.rows - c->line_rows) * NS_PER_S / span_ns : 0;
	c->line_rows = status.rows;
	c->line_ns = now->monotonic_ns;
	c->next_line_ns = now->monotonic_ns + NS_PER_S;
	outbuf__init_fixed(&line, text, sizeof(text));
	outbuf__lit(&line, "\r");
	record_text__line(&line, &status, rate, account.lost, c->opts.recording.size_bytes, now->wall_ns,
			  fit__terminal(STDERR_FILENO) ?: 80);
	outbuf__lit(&line, "\033[K");
	messages__write(&c->msg, line.data, line.len);
	c->line_is_shown = true;
}

/* ---- the start ---- */

static int open_recorder(struct recording_command *c)
{
	const struct live *live = &c->live;
	const struct recording_of_options opts = {
		.path = c->path,
		.recording = c->opts.recording,
		.kernel = live->kernel.release,
		.filter = c->words,
		.all = live->has_all,
		.calls = live->has_all && !origin__calls_obstacle(&live->origin),
		.begin_ns = live->begin_ns,
		.source = &live->source,
		.wanted = &live->filter,
		.wants_reach = c->has_line,
		.account = add_up,
		.say = say,
		.ctx = c,
	};

	return recording_of__open(&c->recorder, &opts);
}

/* The stream has started, and nothing was given up yet. */
static int prepare(void *ctx, struct live *live, uint64_t *mask)
{
	struct recording_command *c = ctx;
	int err = open_recorder(c);

	(void)live;
	if (err)
		return err;
	*mask |= recording_of__privileges(c->path, *mask);
	return messages__hold_signals(&c->msg);
}

static int put_record(void *ctx, const struct record *rec)
{
	struct recording_command *c = ctx;

	recorder__put(c->recorder, rec);
	return 0;
}

static struct live_options live_options(struct recording_command *c)
{
	return (struct live_options){
		.filters = &c->filters,
		.from = &c->from,
		.all = !c->opts.time_wait_only,
		.ends = !c->opts.time_wait_only,
		.shares = true,
		.no_names = c->opts.no_names,
		.runtime_socket = c->opts.runtime_socket,
		.put = put_record,
		.put_ctx = c,
		.before_giving_up = c->recorder ? NULL : prepare,
	};
}

static int start_live(struct recording_command *c)
{
	const struct live_options opts = live_options(c);

	return live__start(&c->live, &opts);
}

static int start_threads(struct recording_command *c)
{
	int err = recorder__start(c->recorder);

	return err ? messages__complain(&c->msg, "cannot start", err, NULL) : 0;
}

static void set_end(struct recording_command *c)
{
	c->end_ns = c->live.origin.until_ns;
	if (c->opts.duration_ns) {
		uint64_t end_ns = clock__now_ns(CLOCK_MONOTONIC) + c->opts.duration_ns;

		c->end_ns = c->end_ns && c->end_ns < end_ns ? c->end_ns : end_ns;
	}
}

static void tell_start(struct recording_command *c)
{
	const struct calls_obstacle *obstacle;
	char path[512];

	obstacle = c->live.has_all ? origin__calls_obstacle(&c->live.origin) : NULL;
	messages__tell(&c->msg, "twsnoop: recording %s on Linux %s into '%s'\n",
		       c->live.has_all ? "every close" : "entries into TIME_WAIT",
		       c->live.kernel.release, escape__quote(path, sizeof(path), c->path));
	if (obstacle)
		messages__tell(&c->msg, "twsnoop: bind() that fails, and connect() that finds no way there, "
			       "are not seen: %s: %s\n", obstacle->what, obstacle->remedy);
}

static int start(struct recording_command *c)
{
	int err = messages__open_signals(&c->msg) ?: start_live(c) ?: start_threads(c);

	if (err)
		return err;
	set_end(c);
	tell_start(c);
	return 0;
}

/* ---- running ---- */

static int on_signals(void *ctx, short revents)
{
	struct recording_command *c = ctx;

	(void)revents;
	return messages__attend(&c->msg);
}

static int turn(void *ctx)
{
	struct recording_command *c = ctx;
	struct clock_moment now = clock_moment__now();
	int err = recorder__turn(c->recorder, &now);

	if (err)
		return messages__complain(&c->msg, "cannot record", err, NULL);
	show_line(c, &now);
	return messages__attend(&c->msg);
}

static uint64_t time_left_ns(const struct recording_command *c)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (!c->end_ns)
		return 0;
	return c->end_ns > now_ns ? c->end_ns - now_ns : 1; /* 0 would be for ever */
}

static int run(struct recording_command *c)
{
	const struct loop_fd fds[] = { { c->msg.signals, POLLIN, on_signals } };
	const struct loop_options loop = {
		.feed = c->live.feed,
		.fds = fds,
		.num_fds = 1,
		.duration_ns = time_left_ns(c),
		.turn = turn,
		.ctx = c,
	};

	return loop__run(&loop);
}

/* ---- from an attached recorder to what comes after it ---- */

static int go_over(struct recording_command *c)
{
	struct held_gap gap = { .since_ns = clock__now_ns(CLOCK_REALTIME),
				.reason = HELD_GAP_STOPPED,
				.detail = "the attached recorder was detached" };
	const struct live_options opts = live_options(c);
	int err;

	messages__tell(&c->msg, "twsnoop: the recorder was detached: looking for the next one\n");
	add_up(c, &c->before);
	err = live__go_over(&c->live, &opts, c->msg.signals, turn, c);
	if (err)
		return err;
	gap.until_ns = clock__now_ns(CLOCK_REALTIME);
	recorder__add_gap(c->recorder, &gap);
	messages__tell(&c->msg, "twsnoop: recording goes on, %s\n",
		       c->live.origin.attached ? "from the next recorder" : "by programs of its own");
	return 0;
}

static int record_all(struct recording_command *c)
{
	int err;

	for (;;) {
		err = run(c);
		if (!err)
			err = feed__finish(c->live.feed);
		if (err || c->msg.stop || !feed__has_ended(c->live.feed))
			return err;
		err = go_over(c);
		if (err)
			return err == LOOP_END ? 0 : err;
	}
}

/* Whether a signal came while the disk is waited for. */
static bool hurries(void *ctx)
{
	struct recording_command *c = ctx;

	return messages__hurries(&c->msg);
}

static void end_recording(struct recording_command *c)
{
	recording_of__end(c->recorder, hurries, c);
}

static void close_all(struct recording_command *c)
{
	if (!recorder__free(c->recorder))
		return; /* a disk is hanging: the end of the process has to do */
	live__close(&c->live);
	messages__fini(&c->msg);
	free(c->words);
}

static int record(struct recording_command *c)
{
	struct feed_failure failure;
	int err = start(c);

	if (err) {
		close_all(c);
		return 1;
	}
	err = record_all(c);
	if (c->live.feed && feed__failed(c->live.feed, &failure))
		messages__complain(&c->msg, failure.what, err, failure.todo);
	end_recording(c);
	print_account(c);
	close_all(c);
	return err != 0;
}

/* ---- the command ---- */

static enum options_result check(struct recording_command *c, const struct command_spec *spec)
{
	if (c->opts.json && !c->opts.status)
		return options__complain(spec, "--json is for --status");
	if (c->opts.recording.size_bytes < RECORDING_SIZE_MIN)
		return options__complain(spec, "--size: at least %lluM", RECORDING_SIZE_MIN >> 20);
	if (c->opts.status)
		return OPTIONS_OK;
	return origin__parse(&c->live.origin, &c->from, spec);
}

int cmd_record(int argc, char **argv)
{
	static struct recording_command c = {
		.opts = { .recording = RECORDING_OF_DEFAULTS },
		.msg = { .account = print_account, .erase = erase_line, .ctx = &c },
		.live = { .say = messages__say, .ctx = &c.msg },
	};
	const struct option_part parts[] = {
		{ NULL, record_table, &c.opts },
		{ "Where from", origin_option_table, &c.from },
		{ "Filters", filter_option_table, &c.filters },
	};
	const struct command_spec spec = {
		"record", "[OPTION]... [FILE]",
		"Record each end of a connection into FILE (default " STATE_DIR_RECORDING "),\n"
		"which keeps single events for hours and their sums for weeks, within a size.\n"
		"Runs until it is interrupted.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	char *words = recording_of__filter_words(argc, argv);
	int operand, err = options__parse(&spec, argc, argv, &operand);

	if (err == OPTIONS_OK && argc - operand > 1)
		err = options__complain(&spec, "one FILE at most");
	if (err == OPTIONS_OK)
		err = check(&c, &spec);
	if (err != OPTIONS_OK) {
		free(words);
		return options__exit_status(err);
	}
	c.path = operand < argc ? argv[operand] : STATE_DIR_RECORDING;
	if (c.opts.status) {
		free(words);
		return record_status__print(c.path, c.opts.json, c.from.utc);
	}
	if (filter__is_empty(&c.filters.filter) && !c.filters.num_containers) {
		free(words);
		words = NULL;
	}
	c.words = words;
	messages__init(&c.msg);
	c.has_line = !c.opts.quiet && isatty(STDERR_FILENO) && fit__takes_escapes();
	return record(&c);
}

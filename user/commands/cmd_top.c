// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop top: a feed into a tally, and that onto a screen, or out as a frame of text or JSON at
 * each interval. Here are its options, and its life.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/privileges.h"
#include "commands/command.h"
#include "commands/group_words.h"
#include "commands/options.h"
#include "commands/top.h"
#include "containers/containers.h"
#include "events/loop.h"
#include "output/fit.h"

#define LEAST_INTERVAL_NS (NS_PER_S / 10)
#define PLAIN_ROWS 100	/* of a frame of text, unless --rows says how many */

/* ---- options ---- */

static int parse_sort(void *field, const char *arg, char *why, size_t why_len)
{
	const char *comma = "";
	char quoted[64];
	int n;

	for (int c = 0; c < TOP_SORTS; c++)
		if (!strcmp(arg, top_frame__word((enum top_column)c))) {
			*(enum top_column *)field = (enum top_column)c;
			return 0;
		}
	n = snprintf(why, why_len, "'%s' is none of", escape__quote(quoted, sizeof(quoted), arg));
	for (int c = 0; c < TOP_SORTS && n >= 0 && (size_t)n < why_len; c++, comma = ",")
		n += snprintf(why + n, why_len - (size_t)n, "%s %s", comma,
			      top_frame__word((enum top_column)c));
	return -EINVAL;
}

/* Of what is closed there is one state. */
static int parse_by(void *field, const char *arg, char *why, size_t why_len)
{
	struct group_keys keys;
	int err = group_words__by(&keys, arg, why, why_len);

	for (size_t i = 0; !err && i < keys.num; i++)
		if (!strcmp(keys.keys[i]->word, "state")) {
			snprintf(why, why_len, "'state': all that is counted here is in TIME_WAIT");
			return -EINVAL;
		}
	if (!err)
		*(struct group_keys *)field = keys;
	return err;
}

static int parse_interval(void *field, const char *arg, char *why, size_t why_len)
{
	uint64_t ns;
	int err = option__duration(&ns, arg, why, why_len);

	if (!err && ns < LEAST_INTERVAL_NS) {
		snprintf(why, why_len, "100ms at least");
		err = -EINVAL;
	}
	if (!err)
		*(uint64_t *)field = ns;
	return err;
}

static const struct option_spec top_table[] = {
	{ 'i', "interval", "TIME", "from one frame to the next: 500ms, 5, 1m (default 1s)",
	  parse_interval, offsetof(struct top_options, interval_ns) },
	{ 'n', "count", "N", "stop after N frames", option__count,
	  offsetof(struct top_options, count) },
	{ 'b', "batch", NULL, "frames of plain text, as where stdout is no terminal", option__flag,
	  offsetof(struct top_options, batch) },
	{ 0, "json", NULL, "each frame as one line of JSON", option__flag,
	  offsetof(struct top_options, json) },
	{ 0, "by", "KEY[,...]", "what the rows have in common (default: process): container,\n"
	  "pod, remote, remote,remote-port, local-port, side, cause, ...", parse_by,
	  offsetof(struct top_options, by) },
	{ 0, "sort", "KEY", "by closes (of late; the default), name, held, total, client,\n"
	  "ports, failed, lifetime", parse_sort, offsetof(struct top_options, sort) },
	{ 0, "reverse", NULL, "turn the order round", option__flag,
	  offsetof(struct top_options, reverse) },
	{ 0, "rows", "N", "at most, of a frame; the rest is ~other (default: 100 of plain\n"
	  "text, else all)", option__count, offsetof(struct top_options, rows) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct top_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct top_options, runtime_socket) },
	{ 0 },
};

/* What the keys 1 to 5 choose. */
static const char *const groups[][2] = {
	{ "process" }, { "container" }, { "remote" }, { "remote", "remote-port" }, { "local-port" },
};

#define NUM_GROUPS (sizeof(groups) / sizeof(groups[0]))

static struct tally_keys keys_of(const char *const words[2])
{
	struct tally_keys keys = { 0 };

	for (size_t i = 0; i < 2 && words[i]; i++)
		keys.keys[keys.num++] = field__key(words[i], strlen(words[i]));
	return keys;
}

static bool are_equal(const struct tally_keys *a, const struct tally_keys *b)
{
	return a->num == b->num && !memcmp(a->keys, b->keys, a->num * sizeof(a->keys[0]));
}

/* A screen counts by all groups at once, so that each has been counted from the start on. */
static void choose_views(struct top *t, bool has_screen)
{
	struct tally_keys by = { .num = t->opts.by.num };

	memcpy(by.keys, t->opts.by.keys, sizeof(by.keys));
	if (!by.num)
		by = keys_of(groups[0]);
	for (size_t i = 0; has_screen && i < NUM_GROUPS; i++) {
		t->views.views[t->views.num_views] = keys_of(groups[i]);
		if (are_equal(&t->views.views[t->views.num_views], &by))
			t->keys.view = t->views.num_views;
		t->views.num_views++;
	}
	if (!t->views.num_views || !are_equal(&t->views.views[t->keys.view], &by)) {
		t->keys.view = t->views.num_views;
		t->views.views[t->views.num_views++] = by;
	}
	t->keys.num_views = t->views.num_views;
}

static int put_record(void *ctx, const struct record *rec)
{
	struct top *t = ctx;

	tally__add(t->tally, rec);
	return 0;
}

/* ---- what was recorded ---- */

/* What a recording cannot be asked for. */
static enum options_result check_past(const struct top *t, const struct command_spec *spec)
{
	const struct past_refused refused[] = {
		{ t->opts.runtime_socket, "--runtime-socket" },
		{ t->opts.no_names, "--no-names" },
	};

	return past__check(&t->past_opts, &t->from, refused,
			   sizeof(refused) / sizeof(refused[0]), spec);
}

/* Returns the exit status, 0: it may begin. */
static int start_past(struct top *t, const struct command_spec *spec)
{
	enum options_result rc = past__set_span(&t->past, &t->past_opts, t->from.since,
						t->from.until, spec);

	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	if (!t->sort_given && !t->has_interval)
		t->view.sort = TOP_TOTAL; /* of the span, not of its last seconds */
	t->zone = t->past.zone;
	t->keys.has_recording = true;
	t->view.limits = "as recorded";
	past__say_outcomes(&t->past, true);
	past__say_gaps(&t->past, &t->past.span);
	return messages__hold_signals(&t->msg) || privileges__keep_only(PRIVILEGE(CAP_DAC_READ_SEARCH));
}

/* ---- its life ---- */

/* Keys come from the terminal, even if standard input is something else. */
static void open_keys(struct top *t)
{
	t->keys_fd = STDIN_FILENO;
	if (isatty(STDIN_FILENO))
		return;
	t->keys_fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	t->own_keys_fd = t->keys_fd >= 0;
}

static int open_screen(struct top *t)
{
	struct top_screen_options opts = { .fd = STDOUT_FILENO, .color = fit__wants_color() };
	const char *why;
	int err;

	if (t->opts.batch || t->opts.json || !t->on_terminal)
		return 0;
	if (!top_screen__possible(&why)) {
		messages__tell(&t->msg, "twsnoop: no screen, but plain frames: %s\n", why);
		return 0;
	}
	open_keys(t);
	opts.keys_fd = t->keys_fd;
	err = top_screen__new(&t->screen, &opts);
	return err ? messages__complain(&t->msg, "cannot use the terminal", err, NULL) : 0;
}

static int open_tally(struct top *t)
{
	int err;

	t->views.start_ns = clock__now_ns(CLOCK_MONOTONIC);
	if (t->live.origin.looks_back)
		t->views.start_ns = t->live.origin.since_ns;
	err = tally__new(&t->tally, &t->views);
	return err ? messages__complain(&t->msg, "cannot start", err, NULL) : 0;
}

static int start_live(struct top *t)
{
	const struct live_options opts = {
		.filters = &t->filters,
		.from = &t->from,
		.all = true,
		.spare_all = true,
		.warm_up_ns = WARM_UP_NS,
		.no_names = t->opts.no_names,
		.runtime_socket = t->opts.runtime_socket,
		.put = put_record,
		.put_ctx = t,
	};

	return live__start(&t->live, &opts);
}

static int start(struct top *t, const struct command_spec *spec)
{
	int err;

	t->view.ascii = !top_screen__uses_utf8() && t->on_terminal;
	t->view.sort = t->opts.sort;
	t->view.reverse = t->opts.reverse;
	err = open_screen(t) ?: top__open_signals(t);
	if (err)
		return err;
	choose_views(t, t->screen);
	if (!t->opts.rows && !t->opts.json)
		t->opts.rows = PLAIN_ROWS;
	if (outbuf__init(&t->text, 4096))
		return messages__complain(&t->msg, "cannot start", -ENOMEM, NULL);
	if (t->past_opts.from) {
		t->past.say = messages__say;
		t->past.ctx = &t->msg;
		return past__open(&t->past, &t->past_opts, t->from.utc) ? 1 : start_past(t, spec);
	}
	err = open_tally(t) ?: start_live(t) ?: messages__hold_signals(&t->msg);
	if (err)
		return err;
	t->feed = t->live.feed;
	t->zone = t->live.origin.zone;
	t->look = (struct top_look){ .source = &t->live.source, .filter = &t->live.filter,
				     .meanwhile = top__poll_feed, .ctx = t };
	t->view.blind = live__blind(&t->live);
	if (!t->live.can_list)
		t->view.limits = top__cannot_list;
	return 0;
}

static void close_all(struct top *t)
{
	top_screen__free(t->screen);
	t->screen = NULL;
	playback__free(t->playback);
	past__close(&t->past);
	live__close(&t->live);
	tally__free(t->tally);
	top_frame__free(&t->frame);
	top_layout__free(&t->cells);
	outbuf__free(&t->text);
	free(t->sums);
	fdwriter__fini(&t->out);
	messages__fini(&t->msg);
	if (t->own_keys_fd)
		close(t->keys_fd);
}

static void say_failure(struct top *t, int err)
{
	struct feed_failure failure;

	if (feed__failed(t->feed, &failure))
		messages__complain(&t->msg, failure.what, err, failure.todo);
	else if (err && err != -EPIPE)
		messages__complain(&t->msg, "cannot write the output", err, NULL);
}

static enum options_result check_times(struct top *t, const struct command_spec *spec)
{
	enum options_result rc;

	rc = check_past(t, spec);
	if (rc != OPTIONS_OK || t->past_opts.from)
		return rc;
	return origin__parse(&t->live.origin, &t->from, spec);
}

int cmd_top(int argc, char **argv)
{
	static struct top t = {
		.msg = { .account = top__print_account, .hurry = top__hurry,
			 .take = top__take_signal, .ctx = &t },
		.live = { .say = messages__say, .ctx = &t.msg },
		.keys_fd = -1,
		.opts = { .sort = TOP_COLUMNS /* not given */ },
	};
	const struct option_part parts[] = {
		{ NULL, top_table, &t.opts },
		{ "Where from", origin_option_table, &t.from },
		{ "What was recorded", past_option_table, &t.past_opts },
		{ "Filters", filter_option_table, &t.filters },
	};
	const struct command_spec spec = {
		"top", "[OPTION]...",
		"Show who closes TCP connections first, and so makes TIME_WAITs: how many a second,\n"
		"how many are held, how near ports are to their end. '?' lists the keys.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	int err = options__parse(&spec, argc, argv, NULL);

	if (err != OPTIONS_OK)
		return options__exit_status(err);
	t.has_interval = t.opts.interval_ns;
	t.sort_given = t.opts.sort != TOP_COLUMNS;
	if (!t.sort_given)
		t.opts.sort = TOP_CLOSES;
	if (!t.has_interval)
		t.opts.interval_ns = NS_PER_S;
	err = check_times(&t, &spec);
	if (err != OPTIONS_OK)
		return options__exit_status(err);
	messages__init(&t.msg);
	fdwriter__init(&t.out, STDOUT_FILENO);
	t.on_terminal = isatty(STDOUT_FILENO);
	err = start(&t, &spec);
	if (err) {
		close_all(&t);
		return err == 2 ? 2 : 1;
	}
	err = t.past.history ? top__run_past(&t) : top__run(&t);
	if (!err && !t.past.history)
		err = top__finish(&t);
	/* The terminal is as it was before anything is said on it. */
	top_screen__free(t.screen);
	t.screen = NULL;
	if (t.feed) {
		if (!err && !t.msg.stop && !t.past.history && feed__has_ended(t.feed))
			messages__say(&t.msg, "the recorder was detached");
		say_failure(&t, err);
		top__print_account(&t);
	}
	close_all(&t);
	return err && err != LOOP_END && err != -EPIPE;
}

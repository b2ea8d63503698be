// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop top: a feed into a tally, and that onto a screen, or out as a frame of text or JSON at
 * each interval.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fdwriter.h"
#include "base/when.h"
#include "commands/command.h"
#include "commands/end_signals.h"
#include "commands/filter_words.h"
#include "commands/group_words.h"
#include "commands/live.h"
#include "commands/options.h"
#include "commands/past.h"
#include "commands/top_look.h"
#include "containers/containers.h"
#include "containers/wanted.h"
#include "events/loop.h"
#include "host/privileges.h"
#include "inventory/group.h"
#include "output/fit.h"
#include "output/top_json.h"
#include "output/top_keys.h"
#include "output/top_layout.h"
#include "output/top_screen.h"
#include "store/playback.h"
#include "tally/tally.h"

#define NS_PER_S 1000000000ULL
#define LEAST_INTERVAL_NS (NS_PER_S / 10)
#define WARM_UP_NS (61 * NS_PER_S) /* a TIME_WAIT's life */
#define PATIENCE_MS 300 /* with a reader that takes nothing, once it is to end */
#define PLAIN_ROWS 100	/* of a frame of text, unless --rows says how many */

struct top_options {
	uint64_t interval_ns;
	uint64_t count;
	bool batch, json, reverse;
	struct group_keys by;
	enum top_column sort;
	uint64_t rows;
	bool no_names;
	const char *runtime_socket;
};

struct top {
	struct top_options opts;
	struct filter_options filters;
	struct origin_options from;
	struct live live;
	struct past_options past_opts;
	struct past past;	   /* history is NULL: it is live */
	struct playback *playback;
	struct feed *feed;
	const struct when_zone *zone;
	struct tally_options views;
	struct tally *tally;
	struct top_look look;
	struct top_frame frame;
	struct top_view view;
	struct top_keys keys;
	struct top_cells cells;
	struct top_screen *screen; /* NULL: plain frames */
	bool wants_draw; /* the terminal was behind */
	int keys_fd;	 /* -1: none */
	bool own_keys_fd;
	struct outbuf text;
	struct fdwriter out, messages;
	int signals;
	bool on_terminal;
	bool has_interval, sort_given; /* -i, --sort were given */
	bool is_complete;  /* of a recording: as many frames as were asked for */
	bool stop, wants_account;
	uint64_t next_ns, frames; /* when the next frame is due; how many there were */
	char time[WHEN_BYTES];
	uint64_t wall_ns; /* of the frame */
};

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

/* ---- messages and signals ---- */

static void read_signals(struct top *t);

static void tell(struct top *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct top *t, const char *format, ...)
{
	size_t done = 0, written, len;
	char line[512];
	va_list ap;
	int num;

	va_start(ap, format);
	num = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	len = num < 0 ? 0 : (size_t)num < sizeof(line) ? (size_t)num : sizeof(line) - 1;
	while (fdwriter__write(&t->messages, line + done, len - done, &written) == -EINTR) {
		done += written;
		read_signals(t);
	}
}

static void say(void *ctx, const char *line)
{
	tell(ctx, "twsnoop: %s\n", line);
}

static int complain(struct top *t, const char *what, int err)
{
	tell(t, "twsnoop: %s: %s\n", what, strerror(-err));
	return err;
}

static void print_account(struct top *t)
{
	struct feed_account a;

	feed__account(t->feed, &a);
	tell(t, "twsnoop: delivered=%" PRIu64 " lost=%" PRIu64 " map_full=%" PRIu64
	     " recursion=%" PRIu64 " snapshot=%" PRIu64 " unattributed=%" PRIu64 "\n",
	     a.delivered, a.lost, a.map_full, a.recursion, a.snapshot, a.unattributed);
}

/* Ctrl-Z: stopped here, with the terminal as it was; fg goes on behind it. */
static void suspend(struct top *t)
{
	sigset_t set;

	top_screen__leave(t->screen);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* it stops here */
	sigprocmask(SIG_BLOCK, &set, NULL);
	top_screen__enter(t->screen);
}

static void take_signal(struct top *t, uint32_t signal)
{
	switch (signal) {
	case SIGUSR1:
		t->wants_account = !t->screen; /* which shows it at all times */
		break;
	case SIGTSTP:
		suspend(t);
		t->wants_draw = true;
		break;
	case SIGCONT:
		top_screen__enter(t->screen);
		t->wants_draw = true;
		break;
	case SIGWINCH:
		t->wants_draw = true;
		break;
	default:
		fdwriter__hurry(&t->out, t->stop ? 0 : PATIENCE_MS);
		fdwriter__hurry(&t->messages, t->stop ? 0 : PATIENCE_MS);
		t->stop = true;
	}
}

static void read_signals(struct top *t)
{
	struct signalfd_siginfo info;

	while (read(t->signals, &info, sizeof(info)) == sizeof(info))
		take_signal(t, info.ssi_signo);
}

static void attend(struct top *t)
{
	read_signals(t);
	while (t->wants_account) {
		t->wants_account = false;
		print_account(t);
	}
}

/* Those of the screen. */
static const int *more_signals(const struct top *t)
{
	static const int of_screen[] = { SIGTSTP, SIGCONT, SIGWINCH, 0 };

	return t->screen ? of_screen : NULL;
}

static int open_signals(struct top *t)
{
	const char *what;

	t->signals = end_signals__open(more_signals(t), &what);
	if (t->signals < 0)
		return complain(t, what, t->signals);
	fdwriter__wake_by(&t->messages, t->signals);
	fdwriter__wake_by(&t->out, t->signals);
	return 0;
}

static int hold_signals(struct top *t)
{
	const char *what;
	int err = end_signals__hold(more_signals(t), &what);

	return err ? complain(t, what, err) : 0;
}

/* ---- frames ---- */

static struct top_want want_of(const struct top *t)
{
	return (struct top_want){
		.sort = t->view.sort,
		.reverse = t->view.reverse,
		.steady = t->screen,
		.frozen = t->view.frozen,
		.max_rows = t->screen ? 0 : t->opts.rows,
		.filter = t->view.filter,
	};
}

/* The row that was chosen, wherever it is now. */
static void follow_row(struct top *t)
{
	for (size_t i = 0; t->view.chosen && i < t->frame.num; i++)
		if (t->frame.lines[i].row->number == t->view.chosen_number) {
			t->view.selected = i;
			return;
		}
	t->view.chosen = false;
	if (t->view.page == TOP_DETAILS)
		t->view.page = TOP_ROWS;
}

static void arrange(struct top *t)
{
	const struct top_want want = want_of(t);

	top_frame__arrange(&t->frame, &want);
	follow_row(t);
}

static int fill(struct top *t, const struct tally_frame *frame)
{
	int err = top_frame__fill(&t->frame, t->tally, frame, &t->views.views[t->keys.view]);

	if (!err)
		arrange(t);
	return err;
}

static const char cannot_list[] = "this kernel cannot list its sockets";

static int poll_feed(void *ctx)
{
	return feed__poll(((struct top *)ctx)->live.feed);
}

static int take_look(struct top *t)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	bool impossible;
	int err;

	if (!t->live.can_list || !top_look__is_due(&t->look, t->tally, now_ns))
		return 0;
	err = top_look__take(&t->look, t->tally, &impossible);
	if (!impossible)
		return err;
	t->live.can_list = false;
	t->view.limits = cannot_list;
	return 0;
}

static void note_time(struct top *t)
{
	bool brief = t->screen && !t->past.history; /* the time of day is enough */
	char when[WHEN_BYTES];

	when__format(when, t->wall_ns, t->zone);
	snprintf(t->time, sizeof(t->time), "%.*s", brief ? 8 : WHEN_BYTES - 1,
		 when + (brief && strlen(when) > 19 ? 11 : 0));
	t->view.time = t->time;
}

/* The interval is over, at @now_ns of the tally's clock. */
static int make_frame(struct top *t, uint64_t now_ns)
{
	struct tally_frame frame;

	tally__frame(t->tally, t->keys.view, now_ns, &frame);
	t->view.has_account = true;
	feed__account(t->feed, &t->view.account);
	note_time(t);
	return fill(t, &frame);
}

static int next_frame(struct top *t)
{
	int err = take_look(t);

	t->wall_ns = clock__now_ns(CLOCK_REALTIME);
	return err ?: make_frame(t, clock__now_ns(CLOCK_MONOTONIC));
}

static int draw(struct top *t)
{
	int err;

	top_screen__size(t->screen, &t->view.width, &t->view.height);
	err = top_layout__make(&t->cells, &t->frame, &t->view) ?:
	      top_screen__draw(t->screen, &t->cells);
	t->wants_draw = err == -EAGAIN;
	return err == -EAGAIN ? 0 : err;
}

static int write_text(struct top *t)
{
	size_t done = 0, written;
	int err;

	while ((err = fdwriter__write(&t->out, t->text.data + done, t->text.len - done,
				      &written)) == -EINTR) {
		done += written;
		attend(t);
	}
	return err;
}

static int print(struct top *t)
{
	t->text.len = 0;
	if (t->opts.json) {
		top_json__write(&t->text, &t->frame, t->wall_ns, &t->view.account);
	} else {
		outbuf__lit(&t->text, "---\n");
		t->view.width = t->on_terminal ? fit__terminal(STDOUT_FILENO) : 0;
		if (top_layout__make(&t->cells, &t->frame, &t->view))
			return -ENOMEM;
		top_layout__plain(&t->cells, &t->text);
	}
	return t->text.failed ? -ENOMEM : write_text(t);
}

static int show_frame(struct top *t)
{
	int err = next_frame(t);

	if (err)
		return err;
	t->frames++;
	return t->screen ? draw(t) : print(t);
}

/* ---- running ---- */

static int put_record(void *ctx, const struct record *rec)
{
	struct top *t = ctx;

	tally__add(t->tally, rec);
	return 0;
}

static int on_signals(void *ctx, short revents)
{
	struct top *t = ctx;

	(void)revents;
	attend(t);
	return t->stop ? LOOP_END : 0;
}

static int on_output(void *ctx, short revents)
{
	(void)ctx;
	return revents & (POLLERR | POLLHUP | POLLNVAL) ? -EPIPE : 0;
}

static int step(struct top *t, bool later);

static int do_action(struct top *t, enum top_action action)
{
	struct tally_frame frame;
	int err = 0;

	switch (action) {
	case TOP_QUIT:
		return LOOP_END;
	case TOP_REGROUP:
		t->view.paused = false;
		tally__again(t->tally, t->keys.view, &frame);
		err = fill(t, &frame);
		break;
	case TOP_REORDER:
		arrange(t);
		break;
	case TOP_LATER:
	case TOP_EARLIER:
		return step(t, action == TOP_LATER);
	case TOP_REDRAW:
		break;
	default:
		return 0;
	}
	return err ?: draw(t);
}

static int on_keys(void *ctx, short revents)
{
	struct top *t = ctx;
	char bytes[256];
	ssize_t num = read(t->keys_fd, bytes, sizeof(bytes));

	(void)revents;
	if (num < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (num <= 0)
		return -EPIPE; /* hung up */
	return do_action(t, top_keys__read(&t->keys, &t->view, &t->frame, bytes, (size_t)num));
}

static bool is_last(const struct top *t)
{
	return t->opts.count && t->frames + 1 >= t->opts.count;
}

/* Whether a frame is due; then the next one is an interval later. */
static bool is_due(struct top *t)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (now_ns < t->next_ns)
		return false;
	t->next_ns += t->opts.interval_ns;
	if (t->next_ns <= now_ns) /* it was kept from running */
		t->next_ns = now_ns + t->opts.interval_ns;
	return true;
}

/* The last frame is shown by finish(), once all that was to come has. */
static int turn(void *ctx)
{
	struct top *t = ctx;
	int err = 0;

	if (is_due(t)) {
		if (is_last(t))
			return LOOP_END;
		if (!t->view.paused)
			err = show_frame(t);
	} else if (t->wants_draw) {
		err = draw(t);
	}
	attend(t);
	return err ?: t->stop ? LOOP_END : 0;
}

static uint64_t time_left_ns(const struct top *t)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC), until_ns = t->live.origin.until_ns;

	if (!until_ns)
		return 0;
	return until_ns > now_ns ? until_ns - now_ns : 1; /* 0 would be for ever */
}

static int run(struct top *t)
{
	const struct loop_fd fds[] = {
		{ t->signals, POLLIN, on_signals },
		{ STDOUT_FILENO, 0, on_output },
		{ t->screen ? t->keys_fd : -1, POLLIN, on_keys },
	};
	const struct loop_options loop = {
		.feed = t->feed,
		.fds = fds,
		.num_fds = sizeof(fds) / sizeof(fds[0]),
		.duration_ns = time_left_ns(t),
		.turn = turn,
		.ctx = t,
	};
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC);
	int err = 0;

	t->next_ns = begin_ns + t->opts.interval_ns;
	if (t->screen) {
		top_screen__enter(t->screen);
		err = feed__poll(t->feed) ?: next_frame(t) ?: draw(t);
	}
	return err ?: loop__run(&loop);
}

/* What is left counts in the last frame, if it is one of those that were asked for. */
static int finish(struct top *t)
{
	bool wants_frame = !t->stop && !t->screen && (is_last(t) || feed__has_ended(t->feed));
	int err = feed__finish(t->feed);

	return err ?: wants_frame ? show_frame(t) : 0;
}

/* ---- what was recorded ---- */

static bool wants(void *ctx, const struct held_who *who)
{
	const struct top *t = ctx;
	const struct wanted wanted = { t->filters.containers, t->filters.num_containers };

	return wanted__matches_recorded(&wanted, who->cgroup_path, &who->workload);
}

/* The frames that were due by @wall_ns. */
static int show_until(struct top *t, uint64_t wall_ns)
{
	int err = 0;

	while (!err && !t->stop && !t->is_complete && t->next_ns && t->next_ns <= wall_ns) {
		t->wall_ns = t->next_ns;
		t->next_ns += t->opts.interval_ns;
		t->frames++;
		err = make_frame(t, t->wall_ns) ?: print(t);
		attend(t);
		t->is_complete = t->opts.count && t->frames >= t->opts.count;
	}
	return err;
}

/* By the wall clock, which is all that a recording's runs have in common. */
static int put_recorded(void *ctx, const struct record *rec)
{
	struct top *t = ctx;
	struct tws_event ev = *rec->event;
	struct record at_wall = *rec;
	int err;

	ev.time_ns = rec->wall_ns;
	if (ev.conn.open_ns)
		ev.conn.open_ns += rec->wall_ns - rec->event->time_ns;
	at_wall.event = &ev;
	err = show_until(t, ev.time_ns);
	if (!err && !t->is_complete)
		tally__add(t->tally, &at_wall);
	return err;
}

/* A span anew: from a TIME_WAIT's life before it on, so that all that was held then is known. */
static int play(struct top *t, const struct history_span *span)
{
	struct playback_options playback = {
		.history = t->past.history,
		.span = *span,
		.filter = t->filters.filter,
		.wants = t->filters.num_containers ? wants : NULL,
		.all = true,
		.put = put_recorded,
		.ctx = t,
	};
	int err;

	playback__free(t->playback);
	t->playback = NULL;
	t->feed = NULL;
	tally__free(t->tally);
	t->tally = NULL;
	t->views.start_ns = span->since_ns;
	playback.span.since_ns = clock__before_ns(span->since_ns, WARM_UP_NS);
	err = tally__new(&t->tally, &t->views) ?: playback__new(&t->playback, &playback);
	if (err)
		return err;
	t->feed = playback__feed(t->playback);
	while (!err && !t->stop && !t->is_complete && !feed__has_ended(t->feed)) {
		err = feed__poll(t->feed);
		attend(t);
	}
	err = err ?: show_until(t, span->until_ns - 1);
	if (err || t->stop || t->is_complete)
		return err;
	t->frames++;
	t->wall_ns = span->until_ns;
	return make_frame(t, span->until_ns) ?: t->screen ? 0 : print(t);
}

/* What is shown next begins where this ends, or the other way round. */
static int step(struct top *t, bool later)
{
	struct history_span *span = &t->past.span;
	uint64_t len_ns = span->until_ns - span->since_ns;

	if (later)
		*span = (struct history_span){ span->until_ns, span->until_ns + len_ns };
	else if (span->since_ns > len_ns)
		*span = (struct history_span){ span->since_ns - len_ns, span->since_ns };
	t->view.chosen = false;
	t->view.page = TOP_ROWS;
	return play(t, span) ?: t->screen ? draw(t) : 0;
}

static int wait_for_keys(struct top *t)
{
	struct pollfd fds[] = { { .fd = t->signals, .events = POLLIN },
				{ .fd = t->keys_fd, .events = POLLIN } };
	int err = 0;

	while (!err && !t->stop) {
		poll(fds, 2, t->wants_draw ? 100 : -1);
		if (fds[1].revents)
			err = on_keys(t, fds[1].revents);
		attend(t);
		if (!err && t->wants_draw)
			err = draw(t);
	}
	return err;
}

static int run_past(struct top *t)
{
	int err;

	if (!t->screen)
		t->next_ns = t->has_interval ? t->past.span.since_ns + t->opts.interval_ns : 0;
	else
		top_screen__enter(t->screen);
	err = play(t, &t->past.span);
	return err || !t->screen ? err : draw(t) ?: wait_for_keys(t);
}

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
	return hold_signals(t) || privileges__keep_only(PRIVILEGE(CAP_DAC_READ_SEARCH));
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
		tell(t, "twsnoop: no screen, but plain frames: %s\n", why);
		return 0;
	}
	open_keys(t);
	opts.keys_fd = t->keys_fd;
	err = top_screen__new(&t->screen, &opts);
	return err ? complain(t, "cannot use the terminal", err) : 0;
}

static int open_tally(struct top *t)
{
	int err;

	t->views.start_ns = clock__now_ns(CLOCK_MONOTONIC);
	if (t->live.origin.looks_back)
		t->views.start_ns = t->live.origin.since_ns;
	err = tally__new(&t->tally, &t->views);
	return err ? complain(t, "cannot start", err) : 0;
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
	err = open_screen(t) ?: open_signals(t);
	if (err)
		return err;
	choose_views(t, t->screen);
	if (!t->opts.rows && !t->opts.json)
		t->opts.rows = PLAIN_ROWS;
	if (outbuf__init(&t->text, 4096))
		return complain(t, "cannot start", -ENOMEM);
	if (t->past_opts.from) {
		t->past.say = say;
		t->past.ctx = t;
		return past__open(&t->past, &t->past_opts, t->from.utc) ? 1 : start_past(t, spec);
	}
	err = open_tally(t) ?: start_live(t) ?: hold_signals(t);
	if (err)
		return err;
	t->feed = t->live.feed;
	t->zone = t->live.origin.zone;
	t->look = (struct top_look){ .source = &t->live.source, .filter = &t->live.filter,
				     .meanwhile = poll_feed, .ctx = t };
	t->view.blind = live__blind(&t->live);
	if (!t->live.can_list)
		t->view.limits = cannot_list;
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
	fdwriter__fini(&t->out);
	fdwriter__fini(&t->messages);
	if (t->own_keys_fd)
		close(t->keys_fd);
	if (t->signals >= 0)
		close(t->signals);
}

static void say_failure(struct top *t, int err)
{
	struct feed_failure failure;

	if (feed__failed(t->feed, &failure))
		tell(t, "twsnoop: %s: %s%s%s\n", failure.what, strerror(-err),
		     failure.todo ? ": " : "", failure.todo ?: "");
	else if (err && err != -EPIPE)
		complain(t, "cannot write the output", err);
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
	static struct top t = { .signals = -1, .keys_fd = -1, .live = { .say = say, .ctx = &t },
				.opts = { .sort = TOP_COLUMNS /* not given */ } };
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
	fdwriter__init(&t.messages, STDERR_FILENO);
	fdwriter__init(&t.out, STDOUT_FILENO);
	t.on_terminal = isatty(STDOUT_FILENO);
	err = start(&t, &spec);
	if (err) {
		close_all(&t);
		return err == 2 ? 2 : 1;
	}
	err = t.past.history ? run_past(&t) : run(&t);
	if (!err && !t.past.history)
		err = finish(&t);
	/* The terminal is as it was before anything is said on it. */
	top_screen__free(t.screen);
	t.screen = NULL;
	if (t.feed) {
		if (!err && !t.stop && !t.past.history && feed__has_ended(t.feed))
			say(&t, "the recorder was detached");
		say_failure(&t, err);
		print_account(&t);
	}
	close_all(&t);
	return err && err != LOOP_END && err != -EPIPE;
}

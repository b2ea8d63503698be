// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop trace: a stream into a sink, in one loop that wakes ten times a second.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/privileges.h"
#include "capture/calls.h"
#include "commands/command.h"
#include "commands/haste.h"
#include "containers/containers.h"
#include "containers/wanted.h"
#include "host/kernel.h"
#include "commands/filter_words.h"
#include "commands/messages.h"
#include "commands/options.h"
#include "commands/origin.h"
#include "commands/past.h"
#include "commands/pids.h"
#include "model/feed.h"
#include "output/fit.h"
#include "output/sink.h"
#include "sockets/sockiter.h"
#include "events/loop.h"
#include "events/stream.h"
#include "store/minute_filter.h"
#include "store/playback.h"

#define AWAIT_MS 250 /* how often a recorder is looked for */

struct duration {
	uint64_t ns;
	bool is_given; /* 0: it looks back, and ends */
};

struct trace_options {
	bool all;
	uint64_t count;
	struct duration duration;
	bool wait;
	bool no_names;
	const char *runtime_socket;
};

struct trace {
	struct trace_options opts;
	struct filter_options filters;
	struct output_options output;
	struct kernel kernel;
	struct sockets_source source;
	struct origin_options from;
	struct origin origin;
	struct past_options past_opts;
	struct past past;
	struct stream *stream;	   /* either of the two */
	struct playback *playback;
	struct feed *feed; /* of it; NULL: there is none now */
	struct sink *sink;
	bool shows_containers; /* the sink's column */
	bool on_terminal;      /* stdout is one */
	struct pid_numbers *pids; /* NULL: those of /proc are the host's */
	struct messages msg;
	bool gave_up;	       /* to write: nobody reads */
	uint64_t unwritten;    /* records that came after that */
	uint64_t end_ns;       /* CLOCK_MONOTONIC, 0: none */
	int nice;	       /* as it was started */
};

static int parse_duration(void *field, const char *arg, char *why, size_t why_len)
{
	struct duration *duration = field;
	uint64_t ns;
	int err = parse__duration(arg, &ns) || ns ? option__duration(&ns, arg, why, why_len) : 0;

	if (!err)
		*duration = (struct duration){ ns, true };
	return err;
}

static const struct option_spec trace_table[] = {
	{ 'a', "all", NULL, "print every way in which a connection can end", option__flag,
	  offsetof(struct trace_options, all) },
	{ 'n', "count", "N", "stop after N events", option__count,
	  offsetof(struct trace_options, count) },
	{ 'd', "duration", "TIME", "stop after TIME: 10, 500ms, 5m, 1h; 0 with --since: look\n"
	  "back only", parse_duration, offsetof(struct trace_options, duration) },
	{ 0, "wait", NULL, "when the recorder is detached, go on with the next one",
	  option__flag, offsetof(struct trace_options, wait) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct trace_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct trace_options, runtime_socket) },
	{ 0 },
};

/* ---- what is printed ---- */

/* Before anything was printed. */
static void begin_containers(struct trace *t)
{
	t->shows_containers = feed__has_containers(t->feed);
	if (t->shows_containers)
		sink__show_containers(t->sink);
}

/* The first container brings its column along, before the first record that has it. */
static int show_containers(struct trace *t)
{
	if (t->shows_containers || !feed__has_containers(t->feed))
		return 0;
	t->shows_containers = true;
	sink__show_containers(t->sink);
	return t->output.format == SINK_TEXT ? sink__begin(t->sink) : 0;
}

/* What the sink was given and could not write does not count as delivered. */
static void print_account(void *ctx)
{
	struct trace *t = ctx;
	uint64_t pending = sink__pending(t->sink) + t->unwritten, sums;
	char no_end[32] = "", past[96] = "", more[128];
	struct feed_account account;

	feed__account(t->feed, &account);
	if (t->opts.all)
		snprintf(no_end, sizeof(no_end), " no_end=%" PRIu64, account.no_end);
	if (t->playback) {
		/* The last lines are those that were not written. */
		sums = playback__minutes(t->playback).rows;
		account.delivered += sums;
		snprintf(past, sizeof(past), " minutes=%" PRIu64 " gaps=%" PRIu64, sums,
			 account.gaps);
	}
	account.delivered -= pending;
	account.lost += pending;
	snprintf(more, sizeof(more), "%s%s", no_end, past);
	messages__tell_account(&t->msg, &account, more);
}

/* Signals are attended to while a reader of the output takes nothing, too. */
static void hurry(void *ctx, int ms)
{
	struct trace *t = ctx;

	if (t->sink) /* else it was started with these blocked */
		sink__hurry(t->sink, ms);
}

/* What is given up is counted, so that the stream goes on to its end, and all is accounted for. */
static int put_record(void *ctx, const struct record *rec)
{
	struct trace *t = ctx;
	int err = 0;

	if (!t->gave_up) {
		while ((err = show_containers(t) ?: sink__put(t->sink, rec)) == -EINTR)
			messages__attend(&t->msg);
		t->gave_up = err == -ECANCELED;
	}
	if (!t->gave_up)
		return err;
	t->unwritten++;
	return 0;
}

/* The sum of a minute that has lost its events. */
static int put_minute(void *ctx, const struct held_minute *minute, const struct held_who *who,
		      const struct held_flow *flow)
{
	struct sink_sum sum = {
		.is_other = !flow,
		.peer_len = flow ? flow->peer_len : 0,
		.interval_ns = COVERAGE_MINUTE_NS,
		.count = minute->count,
		.lifetimes = minute->lifetimes,
		.lifetime_ns = minute->lifetime_ns,
		.tx_bytes = minute->tx_bytes,
		.rx_bytes = minute->rx_bytes,
	};
	struct tws_event ev = {};
	struct trace *t = ctx;
	int err = 0;

	if (flow)
		minute_filter__event(who, flow, &ev);
	sum.rec = (struct record){ .event = &ev, .wall_ns = minute->wall_ns };
	if (who) {
		sum.rec.command_line = who->command_line;
		sum.rec.cgroup_path = who->cgroup_path;
		sum.rec.workload = who->workload;
	}
	if (!t->gave_up) {
		while ((err = show_containers(t) ?: sink__put_sum(t->sink, &sum)) == -EINTR)
			messages__attend(&t->msg);
		t->gave_up = err == -ECANCELED;
	}
	if (!t->gave_up)
		return err;
	t->unwritten++;
	return 0;
}

/* The terminal may have been resized. */
static int follow_terminal(struct trace *t)
{
	/* A file is not asked again and again: it may be one that hangs. */
	if (!t->on_terminal)
		return 0;
	return sink__set_width(t->sink, fit__terminal(STDOUT_FILENO));
}

static int write_out(struct trace *t)
{
	int err;

	while ((err = show_containers(t) ?: follow_terminal(t) ?: sink__flush(t->sink)) == -EINTR)
		messages__attend(&t->msg);
	if (err != -ECANCELED)
		return err;
	t->gave_up = true;
	return 0;
}

/* ---- setting up ---- */

/* The recorder, or whether programs of one's own are possible. */
static int look_around(struct trace *t)
{
	const char *why;

	t->origin.say = messages__say;
	t->origin.ctx = &t->msg;
	if (origin__find(&t->origin, &t->from, t->opts.all, &t->kernel))
		return 0;
	kernel__probe(&t->kernel, "/sys", "/proc");
	why = kernel__why_not(&t->kernel);
	if (!why)
		return 0;
	messages__tell(&t->msg, "twsnoop: cannot trace: %s\n", why);
	return -EPERM;
}

static int load_own(struct trace *t)
{
	struct tws_filter filter = t->filters.filter;

	if (t->origin.attached)
		return 0;
	filter.by_cgroup = t->filters.num_containers > 0;
	return origin__load(&t->origin, &t->from, &filter, t->opts.all, &t->kernel);
}

static int open_sink(struct trace *t)
{
	const struct sink_options sink = {
		.format = t->output.format,
		.color = t->on_terminal && fit__wants_color(),
		.actions = t->opts.all,
		.width = fit__terminal(STDOUT_FILENO),
		.utc_offset_s = t->from.utc ? 0 : LONG_MIN,
		.sums = t->playback && playback__coverage(t->playback)->num,
	};
	int err = sink__new(&t->sink, STDOUT_FILENO, &sink);

	if (err)
		return messages__complain(&t->msg, "cannot start", err, NULL);
	sink__wake_by(t->sink, t->msg.signals);
	return 0;
}

static int open_stream(struct trace *t)
{
	const struct stream_options stream = {
		.kernel = &t->kernel,
		.events = origin__source(&t->origin),
		.source = &t->source,
		.proc_root = "/proc",
		.filter = t->filters.filter,
		.containers = t->filters.containers,
		.num_containers = t->filters.num_containers,
		.all = t->opts.all,
		.no_names = t->opts.no_names,
		.runtime_socket = t->opts.runtime_socket,
		.max_connections = t->from.max_connections,
		.max_records = t->opts.count,
		.since_ns = t->origin.since_ns,
		.until_ns = t->origin.until_ns,
		.put = put_record,
		.ctx = t,
	};
	int err = stream__new(&t->stream, &stream);

	if (err)
		return messages__complain(&t->msg, "cannot start", err, NULL);
	t->feed = stream__feed(t->stream);
	return 0;
}

/* All is open that is needed. */
static int give_up_privileges(struct trace *t)
{
	uint64_t mask;
	int err = stream__privileges(t->stream, &mask) ?: privileges__keep_only(mask);

	return err ? messages__complain(&t->msg, "cannot give up privileges", err, NULL) : 0;
}

static int start_stream(struct trace *t)
{
	struct feed_failure failure;
	int err;

	err = stream__start(t->stream, &failure);
	if (err)
		return messages__complain(&t->msg, failure.what, err, failure.todo);
	haste__end(t->nice);
	err = give_up_privileges(t);
	if (err)
		return err;
	err = stream__begin(t->stream, &failure);
	if (err)
		return messages__complain(&t->msg, failure.what, err, failure.todo);
	begin_containers(t);
	return 0;
}

/* What this trace cannot see. */
static void tell_limits(struct trace *t)
{
	const struct calls_obstacle *obstacle;

	obstacle = t->opts.all ? origin__calls_obstacle(&t->origin) : NULL;
	if (stream__lacks_listeners(t->stream))
		messages__tell(&t->msg, "twsnoop: who listens in some network namespace could not be read: "
			       "connections that it accepts have no opener\n");
	if (obstacle)
		messages__tell(&t->msg, "twsnoop: bind() that fails, and connect() that finds no way there, "
			       "are not seen: %s: %s\n", obstacle->what, obstacle->remedy);
}

/* Until when it runs at most. */
static void set_end(struct trace *t)
{
	const struct duration *duration = &t->opts.duration;

	t->end_ns = t->origin.until_ns;
	if (duration->is_given) {
		uint64_t end_ns = clock__now_ns(CLOCK_MONOTONIC) + duration->ns;

		t->end_ns = t->end_ns && t->end_ns < end_ns ? t->end_ns : end_ns;
	}
}

static int start(struct trace *t)
{
	const char *way = NULL;
	int err;

	t->nice = haste__begin();
	err = messages__open_signals(&t->msg) ?: look_around(t) ?:
	      pids__open(&t->pids, &t->filters.filter);
	if (err)
		return err;
	t->source.places = &netns_default_places;
	t->source.wants_cookies = t->opts.all; /* for the ends of TIME_WAIT */
	if (sockiter__choose(&t->source.dump, &way))
		way = NULL; /* as check says */
	err = load_own(t) ?: open_sink(t) ?: open_stream(t) ?: start_stream(t) ?:
	      messages__hold_signals(&t->msg);
	if (err)
		return err;
	set_end(t);
	origin__say(&t->origin);
	messages__tell(&t->msg, "twsnoop: tracing %s on Linux %s\n",
		       t->opts.all ? "every close" : "entries into TIME_WAIT", t->kernel.release);
	if (way)
		messages__tell(&t->msg, "twsnoop: %s\n", way);
	tell_limits(t);
	return 0;
}

/* ---- what was recorded ---- */

static bool wants(void *ctx, const struct held_who *who)
{
	const struct trace *t = ctx;
	const struct wanted wanted = { t->filters.containers, t->filters.num_containers };

	return wanted__matches_recorded(&wanted, who->cgroup_path, &who->workload);
}

static int open_playback(struct trace *t)
{
	const struct playback_options playback = {
		.history = t->past.history,
		.span = t->past.span,
		.filter = t->filters.filter,
		.wants = t->filters.num_containers ? wants : NULL,
		.all = t->opts.all,
		.max_records = t->opts.count,
		.put = put_record,
		.put_minute = put_minute,
		.ctx = t,
	};
	int err = playback__new(&t->playback, &playback);

	if (err)
		return messages__complain(&t->msg, "cannot read the recording", err, NULL);
	t->feed = playback__feed(t->playback);
	return 0;
}

/* Returns the exit status, 0: it may begin. */
static int start_past(struct trace *t, const struct command_spec *spec)
{
	enum options_result rc;
	int err;

	t->past.say = messages__say;
	t->past.ctx = &t->msg;
	if (messages__open_signals(&t->msg) || past__open(&t->past, &t->past_opts, t->from.utc))
		return 1;
	rc = past__set_span(&t->past, &t->past_opts, t->from.since, t->from.until, spec);
	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	err = open_playback(t) ?: open_sink(t) ?: messages__hold_signals(&t->msg) ?:
	      /* What is left to do is to read an open file, of which nothing is to be trusted. */
	      privileges__keep_only(PRIVILEGE(CAP_DAC_READ_SEARCH));
	if (err)
		return 1;
	begin_containers(t);
	past__say_span(&t->past, playback__coverage(t->playback));
	past__say_outcomes(&t->past, t->opts.all);
	if (t->filters.filter.num_pids && playback__coverage(t->playback)->num)
		messages__say(&t->msg, "sums of minutes know processes by name: -p passes none of them");
	return 0;
}

/* ---- running ---- */

static int on_signals(void *ctx, short revents)
{
	struct trace *t = ctx;

	(void)revents;
	return messages__attend(&t->msg);
}

/* A container may have come without a record, too, and a signal in the middle of a write. */
static int turn(void *ctx)
{
	struct trace *t = ctx;
	int err = write_out(t), end = messages__attend(&t->msg);

	return err ?: end;
}

static uint64_t time_left_ns(const struct trace *t)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (!t->end_ns)
		return 0;
	return t->end_ns > now_ns ? t->end_ns - now_ns : 1; /* 0 would be for ever */
}

static int run(struct trace *t)
{
	const struct loop_fd fds[] = {
		{ t->msg.signals, POLLIN, on_signals },
		{ sink__fd(t->sink), 0, loop__on_output },
	};
	const struct loop_options loop = {
		.feed = t->feed,
		.fds = fds,
		.num_fds = sizeof(fds) / sizeof(fds[0]),
		.duration_ns = time_left_ns(t),
		.turn = turn,
		.ctx = t,
	};

	return loop__run(&loop);
}

static int finish(struct trace *t)
{
	return feed__finish(t->feed) ?: write_out(t);
}

/* ---- from one recorder to the next ---- */

/* False if a signal, the end of the time or of the output came first. */
static bool await_recorder(struct trace *t)
{
	struct pollfd fds[] = { { .fd = t->msg.signals, .events = POLLIN },
				{ .fd = sink__fd(t->sink) } };

	while (!t->msg.stop) {
		if (origin__find(&t->origin, &t->from, t->opts.all, &t->kernel))
			break;
		if (t->end_ns && clock__now_ns(CLOCK_MONOTONIC) >= t->end_ns)
			return false;
		if (poll(fds, 2, AWAIT_MS) <= 0)
			continue;
		if (loop__on_output(t, fds[1].revents))
			return false;
		messages__read_signals(&t->msg);
	}
	return !t->msg.stop;
}

/* All that the next one has was not told yet. */
static int go_over(struct trace *t)
{
	struct feed_account account;
	int err;

	print_account(t);
	feed__account(t->feed, &account);
	if (t->opts.count)
		t->opts.count -= account.delivered;
	stream__free(t->stream);
	t->stream = NULL;
	t->feed = NULL;
	t->unwritten = 0;
	origin__close(&t->origin);
	if (!await_recorder(t))
		return LOOP_END;
	t->origin.since_ns = 1;
	t->origin.looks_back = false;
	err = open_stream(t) ?: start_stream(t);
	if (!err)
		origin__say(&t->origin);
	return err;
}

static int trace_all(struct trace *t)
{
	int err = sink__begin(t->sink) ?: write_out(t);

	for (;;) {
		err = err ?: run(t);
		if (!err)
			err = finish(t);
		if (err || t->msg.stop || t->playback || !feed__has_ended(t->feed))
			return err;
		messages__tell(&t->msg, "twsnoop: the recorder was detached%s\n",
			       t->opts.wait ? ": waiting for the next one" : "");
		if (!t->opts.wait || feed__is_complete(t->feed))
			return 0;
		err = go_over(t);
		if (err)
			return err;
	}
}

static void close_all(struct trace *t)
{
	stream__free(t->stream);
	playback__free(t->playback);
	past__close(&t->past);
	pids__close(t->pids);
	origin__close(&t->origin);
	sockiter__close();
	sink__free(t->sink);
	messages__fini(&t->msg);
}

static void say_failure(struct trace *t, int err)
{
	struct feed_failure failure;

	if (feed__failed(t->feed, &failure))
		messages__complain(&t->msg, failure.what, err, failure.todo);
	else if (err && err != -EPIPE)
		messages__complain(&t->msg, "cannot write the output", err, NULL);
}

/* What a recording cannot be asked for. */
static enum options_result check_past(const struct trace *t, const struct command_spec *spec)
{
	const struct past_refused refused[] = {
		{ t->opts.wait, "--wait" },
		{ t->opts.duration.is_given, "--duration" },
		{ t->opts.runtime_socket, "--runtime-socket" },
		{ t->opts.no_names, "--no-names" },
	};

	return past__check(&t->past_opts, &t->from, refused,
			   sizeof(refused) / sizeof(refused[0]), spec);
}

static enum options_result check_times(struct trace *t, const struct command_spec *spec)
{
	enum options_result rc;

	rc = check_past(t, spec);
	if (rc != OPTIONS_OK || t->past_opts.from)
		return rc;
	if (t->opts.duration.is_given && !t->opts.duration.ns && !t->from.since)
		return options__complain(spec, "--duration 0 looks back only: --since says how far");
	if (t->opts.wait && t->from.own)
		return options__complain(spec, "--wait is for a recorder: not with --own");
	return origin__parse(&t->origin, &t->from, spec);
}

int cmd_trace(int argc, char **argv)
{
	static struct trace t = {
		.msg = { .account = print_account, .hurry = hurry, .ctx = &t },
	};
	const struct option_part parts[] = {
		{ NULL, trace_table, &t.opts },
		{ "Where from", origin_option_table, &t.from },
		{ "What was recorded", past_option_table, &t.past_opts },
		{ "Output", output_option_table, &t.output },
		{ "Filters", filter_option_table, &t.filters },
	};
	const struct command_spec spec = {
		"trace", "[OPTION]...",
		"Print each connection end that enters TIME_WAIT: which process closed it first,\n"
		"from where to where, and how. Runs until it is interrupted.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	int err = options__parse(&spec, argc, argv, NULL);

	if (err != OPTIONS_OK)
		return options__exit_status(err);
	err = check_times(&t, &spec);
	if (err != OPTIONS_OK)
		return options__exit_status(err);
	messages__init(&t.msg);
	t.on_terminal = isatty(STDOUT_FILENO);
	err = t.past_opts.from ? start_past(&t, &spec) : start(&t) ? 1 : 0;
	if (err) {
		close_all(&t);
		return err;
	}
	err = trace_all(&t);
	if (t.feed) { /* else it waited for the next one */
		say_failure(&t, err);
		if (t.playback)
			past__say_damage(&t.past);
		print_account(&t);
	}
	close_all(&t);
	return err && err != LOOP_END && err != -EPIPE;
}

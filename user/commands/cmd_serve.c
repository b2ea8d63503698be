// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop serve: one stream, and what is made of it for a fleet. The stream is polled here; whoever
 * asks by HTTP, the looks at the host and the page have threads of their own, and share the board.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/parse.h"
#include "commands/command.h"
#include "commands/filter_words.h"
#include "commands/live.h"
#include "commands/messages.h"
#include "commands/options.h"
#include "commands/origin.h"
#include "commands/recording_of.h"
#include "commands/serve_outputs.h"
#include "commands/serve_web.h"
#include "containers/cgroup_mount.h"
#include "containers/containers.h"
#include "events/loop.h"
#include "serving/board.h"
#include "serving/gauges.h"

#define NS_PER_S 1000000000ULL
#define LEAST_INTERVAL_NS NS_PER_S
#define SILENT_NS (120 * NS_PER_S) /* the stream is stuck: a look at millions of sockets takes seconds */

struct serve_options {
	uint64_t max_series, interval_ns;
	bool time_wait_only, no_names;
	const char *runtime_socket;
};

struct serve {
	struct serve_options opts;
	struct serve_web_words web_words;
	struct serve_record_options record;
	struct export_options exports;
	struct filter_options filters;
	struct origin_options from;
	char *filter_words; /* NULL: there are none; goes over to outputs */
	struct serve_outputs *outputs;
	struct origin times; /* as origin__parse() left it */
	struct live live;
	struct feed_account before; /* of earlier streams, whose recorder was detached */
	uint64_t begin_ns; /* CLOCK_MONOTONIC: what is older is not counted */
	uint64_t account_ns; /* likewise: when it is due again */
	struct board *board;
	struct gauges *gauges;
	struct serve_web *web;
	char cgroup_mount[PATH_MAX];
	struct messages msg;
	bool has_started;
	_Atomic uint64_t turned_ns; /* when the loop last went round */
	atomic_bool traces;
};

/* ---- options ---- */

static int parse_interval(void *field, const char *arg, char *why, size_t why_len)
{
	uint64_t ns;
	int err = option__duration(&ns, arg, why, why_len);

	if (!err && ns < LEAST_INTERVAL_NS) {
		snprintf(why, why_len, "1s at least");
		err = -EINVAL;
	}
	if (!err)
		*(uint64_t *)field = ns;
	return err;
}

static int parse_series(void *field, const char *arg, char *why, size_t why_len)
{
	char quoted[64];

	if (!parse__u64(arg, METRICS_SERIES_MIN, METRICS_SERIES_MAX, field))
		return 0;
	snprintf(why, why_len, "'%s' is no number from %d to %d",
		 escape__quote(quoted, sizeof(quoted), arg), METRICS_SERIES_MIN, METRICS_SERIES_MAX);
	return -EINVAL;
}

static const struct option_spec serve_table[] = {
	{ 0, "max-series", "N", "of metrics, at most; what is over it counts as ~other (default 2000)",
	  parse_series, offsetof(struct serve_options, max_series) },
	{ 0, "interval", "TIME", "between two looks at ports, and two diagnoses (default 1m)",
	  parse_interval, offsetof(struct serve_options, interval_ns) },
	{ 0, "time-wait-only", NULL, "count entries into TIME_WAIT, and no other end of a connection",
	  option__flag, offsetof(struct serve_options, time_wait_only) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct serve_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct serve_options, runtime_socket) },
	{ 0 },
};

/* ---- what is said ---- */

static void say(void *ctx, const char *line)
{
	struct serve *s = ctx;

	messages__say(&s->msg, line);
}

/* Of all streams so far. */
static void add_up(const struct serve *s, struct feed_account *sum)
{
	struct feed_account now = { 0 };

	if (s->live.feed)
		feed__account(s->live.feed, &now);
	*sum = s->before;
	feed_account__add(sum, &now);
}

static void print_account(void *ctx)
{
	struct feed_account account;
	struct serve *s = ctx;

	add_up(s, &account);
	messages__tell_account(&s->msg, &account, "");
}

/* ---- how it stands, for who asks by HTTP: in that thread ---- */

static const char *why_unhealthy(void *ctx)
{
	struct serve *s = ctx;
	uint64_t turned_ns = atomic_load(&s->turned_ns);

	return clock__now_ns(CLOCK_MONOTONIC) > turned_ns + SILENT_NS ?
		       "the stream has not moved for two minutes\n" : NULL;
}

static const char *why_unready(void *ctx)
{
	struct serve *s = ctx;

	return atomic_load(&s->traces) ? why_unhealthy(s) : "nothing is traced now\n";
}

/* ---- the stream ---- */

static int put_record(void *ctx, const struct record *rec)
{
	struct serve *s = ctx;

	if (rec->event->time_ns >= s->begin_ns)
		board__put(s->board, rec);
	serve_outputs__put(s->outputs, rec);
	return 0;
}

/* The stream has started, and nothing was given up yet; a name's thread may be the next. */
static int prepare(void *ctx, struct live *live, uint64_t *mask)
{
	struct serve *s = ctx;

	return serve_outputs__prepare(s->outputs, live, mask) ?: messages__hold_signals(&s->msg);
}

static struct live_options live_options(struct serve *s)
{
	return (struct live_options){
		.filters = &s->filters,
		.from = &s->from,
		.all = !s->opts.time_wait_only,
		.ends = s->record.path && !s->opts.time_wait_only, /* a recording is asked for these */
		.shares = true,
		.no_names = s->opts.no_names,
		.runtime_socket = s->opts.runtime_socket,
		.put = put_record,
		.put_ctx = s,
		.since_ns = s->has_started ? 0 : serve_outputs__since_ns(s->outputs),
		.before_giving_up = s->has_started ? NULL : prepare,
	};
}

static int start_live(struct serve *s)
{
	const struct live_options opts = live_options(s);
	int err = live__start(&s->live, &opts);

	if (!err)
		atomic_store(&s->traces, true);
	return err;
}

/* ---- the start ---- */

static int open_board(struct serve *s)
{
	const struct metrics_options opts = {
		.max_series = s->opts.max_series,
		.version = TWSNOOP_VERSION,
		.all = !s->opts.time_wait_only,
	};
	int err = board__new(&s->board, &opts);

	return err ? messages__complain(&s->msg, "cannot start", err, NULL) : 0;
}

static void add_up_for(void *ctx, struct feed_account *sum)
{
	add_up(ctx, sum);
}

static int open_outputs(struct serve *s)
{
	const struct serve_outputs_options opts = {
		.record = s->record,
		.exports = s->exports,
		.filter_words = s->filter_words,
		.account = add_up_for,
		.say = say,
		.ctx = s,
	};

	s->filter_words = NULL;
	return serve_outputs__open(&s->outputs, &opts);
}

static int start_outputs(struct serve *s)
{
	int err = serve_outputs__start(s->outputs);

	return err ? messages__complain(&s->msg, "cannot start", err, NULL) : 0;
}

static int start_gauges(struct serve *s)
{
	const struct kernel *kernel = &s->live.kernel;
	const char *controller = kernel->v1_subsys >= 0 ? kernel->v1_controller : NULL;
	int found = cgroup_mount__find("/proc/self/mountinfo", controller, s->cgroup_mount,
				       sizeof(s->cgroup_mount));
	const struct gauges_options opts = {
		.board = s->board,
		.source = &s->live.source,
		.filter = &s->live.filter,
		.interval_ns = s->opts.interval_ns,
		.all = s->live.has_all,
		.calls = !live__blind(&s->live),
		.cgroup_mount = found ? NULL : s->cgroup_mount,
		.cgroup_v1 = controller,
		.no_names = s->opts.no_names,
		.runtime_socket = s->opts.runtime_socket,
	};
	int err;

	if (!s->live.can_list) {
		messages__tell(&s->msg, "twsnoop: this kernel cannot list its sockets: no metrics of "
			       "sockets, ports and findings\n");
		return 0;
	}
	err = gauges__start(&s->gauges, &opts);
	return err ? messages__complain(&s->msg, "cannot start", err, NULL) : 0;
}

static void tell_start(struct serve *s)
{
	const char *blind = s->opts.time_wait_only ? NULL : live__blind(&s->live);
	char url[SERVE_WEB_URL];

	serve_web__url(s->web, url);
	messages__tell(&s->msg, "twsnoop: tracing %s on Linux %s; metrics at %s/metrics\n",
		       s->live.has_all ? "every close" : "entries into TIME_WAIT",
		       s->live.kernel.release, url);
	if (!serve_web__is_local(s->web))
		messages__tell(&s->msg, "twsnoop: %s can be asked by whoever reaches it, without a password: "
			       "it names processes, containers and addresses\n", url);
	if (blind)
		messages__tell(&s->msg, "twsnoop: not every connect() that fails is seen: %s\n",
			       blind);
}

static int open_web(struct serve *s)
{
	const struct serve_web_options opts = {
		.words = s->web_words,
		.board = s->board,
		.zone = s->times.zone,
		.recording = s->record.path,
		.unhealthy = why_unhealthy,
		.unready = why_unready,
		.say = say,
		.ctx = s,
	};

	return serve_web__open(&s->web, &opts);
}

static int start(struct serve *s)
{
	int err;

	s->begin_ns = s->times.looks_back ? s->times.since_ns : clock__now_ns(CLOCK_MONOTONIC);
	atomic_store(&s->turned_ns, clock__now_ns(CLOCK_MONOTONIC));
	s->live.origin = s->times;
	err = messages__open_signals(&s->msg) ?: open_board(s) ?: open_web(s) ?: open_outputs(s) ?:
	      start_live(s);
	if (err)
		return err;
	s->has_started = true;
	err = start_outputs(s) ?: start_gauges(s) ?: serve_web__start(s->web);
	if (!err)
		tell_start(s);
	return err;
}

/* ---- running ---- */

static int on_signals(void *ctx, short revents)
{
	struct serve *s = ctx;

	(void)revents;
	return messages__attend(&s->msg);
}

static int turn(void *ctx)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	struct feed_account account;
	struct serve *s = ctx;
	int err;

	atomic_store(&s->turned_ns, now_ns);
	if (now_ns >= s->account_ns) {
		s->account_ns = now_ns + NS_PER_S;
		add_up(s, &account);
		board__turn(s->board, &account, now_ns);
	}
	err = serve_outputs__turn(s->outputs, s->board);
	if (err)
		return messages__complain(&s->msg, "cannot go on", err, NULL);
	return messages__attend(&s->msg);
}

static int run(struct serve *s)
{
	const struct loop_fd fds[] = { { s->msg.signals, POLLIN, on_signals } };
	const struct loop_options loop = {
		.feed = s->live.feed, .fds = fds, .num_fds = 1, .turn = turn, .ctx = s,
	};
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	struct loop_options until = loop;

	if (s->times.until_ns)
		until.duration_ns = s->times.until_ns > now_ns ? s->times.until_ns - now_ns : 1;
	return loop__run(&until);
}

static void say_failure(struct serve *s, int err)
{
	struct feed_failure failure;

	if (s->live.feed && feed__failed(s->live.feed, &failure))
		messages__complain(&s->msg, failure.what, err, failure.todo);
}

/* ---- from an attached recorder to what comes after it ---- */

static int go_over(struct serve *s)
{
	const struct live_options opts = live_options(s);
	uint64_t since_ns = clock__now_ns(CLOCK_REALTIME);
	int err;

	messages__tell(&s->msg, "twsnoop: the recorder was detached: looking for the next one\n");
	atomic_store(&s->traces, false);
	gauges__stop(s->gauges); /* what it is told of the stream may be something else then */
	s->gauges = NULL;
	add_up(s, &s->before);
	err = live__go_over(&s->live, &opts, s->msg.signals, turn, s);
	if (err)
		return err;
	atomic_store(&s->traces, true);
	err = start_gauges(s);
	if (err)
		return err;
	serve_outputs__add_gap(s->outputs, since_ns, clock__now_ns(CLOCK_REALTIME));
	messages__tell(&s->msg,
		       "twsnoop: tracing goes on, %s; what was closed in between is not counted\n",
		       s->live.origin.attached ? "with the next recorder" : "by programs of its own");
	return 0;
}

static int serve_all(struct serve *s)
{
	int err;

	for (;;) {
		err = run(s);
		if (!err)
			err = feed__finish(s->live.feed);
		turn(s);
		if (err || s->msg.stop || !feed__has_ended(s->live.feed))
			return err;
		err = go_over(s);
		if (err)
			return err == LOOP_END ? 0 : err;
	}
}

/* A second signal waits for nobody. */
static bool hurries(void *ctx)
{
	struct serve *s = ctx;

	return messages__hurries(&s->msg);
}

static void close_all(struct serve *s)
{
	if (!serve_web__close(s->web))
		return; /* a disk is hanging: the end of the process has to do */
	gauges__stop(s->gauges);
	if (!serve_outputs__free(s->outputs))
		return; /* likewise */
	free(s->filter_words);
	live__close(&s->live);
	board__free(s->board);
	messages__fini(&s->msg);
}

/* ---- the command ---- */

static enum options_result check(struct serve *s, const struct command_spec *spec)
{
	if (s->record.size_bytes && !s->record.path)
		return options__complain(spec, "--record-size is for --record");
	if (s->record.size_bytes && s->record.size_bytes < RECORDING_SIZE_MIN)
		return options__complain(spec, "--record-size: at least %lluM", RECORDING_SIZE_MIN >> 20);
	if (serve_web__check(&s->web_words, spec) != OPTIONS_OK ||
	    export_words__check(&s->exports, spec) != OPTIONS_OK)
		return OPTIONS_WRONG_USAGE;
	return origin__parse(&s->times, &s->from, spec);
}

int cmd_serve(int argc, char **argv)
{
	static struct serve s = {
		.msg = { .account = print_account, .ctx = &s },
		.live = { .say = messages__say, .ctx = &s.msg },
		.opts = { .max_series = METRICS_SERIES, .interval_ns = GAUGES_INTERVAL_NS },
	};
	const struct option_part parts[] = {
		{ NULL, serve_table, &s.opts },
		{ "HTTP", serve_web_table, &s.web_words },
		{ "What is kept", serve_record_table, &s.record },
		{ "Where events go", export_option_table, &s.exports },
		{ "Where from", origin_option_table, &s.from },
		{ "Filters", filter_option_table, &s.filters },
	};
	const struct command_spec spec = {
		"serve", "[OPTION]...",
		"Count who closes TCP connections first, and answer with metrics for Prometheus and\n"
		"whatever reads its format, at /metrics; record closes and send them to stores, if asked to.\n"
		"Runs until it is interrupted.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	int err;

	serve_web__set_defaults(&s.web_words);
	/* Before the words are put into another order. */
	s.filter_words = recording_of__filter_words(argc, argv);
	err = options__parse(&spec, argc, argv, NULL);
	if (err == OPTIONS_OK)
		err = check(&s, &spec);
	if (err != OPTIONS_OK) {
		free(s.filter_words);
		return options__exit_status(err);
	}
	if (filter__is_empty(&s.filters.filter) && !s.filters.num_containers) {
		free(s.filter_words);
		s.filter_words = NULL;
	}
	messages__init(&s.msg);
	err = start(&s);
	if (!err) {
		err = serve_all(&s);
		say_failure(&s, err);
		serve_outputs__end(s.outputs, hurries, &s);
		print_account(&s);
	}
	close_all(&s);
	return err != 0;
}

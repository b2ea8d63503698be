// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop diagnose: evidence from a feed and from the kernel's tables, the rules on it, and
 * what they found. It changes nothing.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdwriter.h"
#include "base/privileges.h"
#include "capture/calls.h"
#include "commands/command.h"
#include "commands/filter_words.h"
#include "commands/haste.h"
#include "commands/options.h"
#include "commands/origin.h"
#include "commands/past.h"
#include "commands/pids.h"
#include "commands/said.h"
#include "containers/containers.h"
#include "containers/wanted.h"
#include "diagnosis/observe.h"
#include "diagnosis/recall.h"
#include "diagnosis/rules.h"
#include "events/loop.h"
#include "events/stream.h"
#include "output/fit.h"
#include "output/verdict.h"
#include "sockets/sockiter.h"
#include "store/playback.h"

#define NS_PER_S 1000000000ULL
#define WATCH_NS (10 * NS_PER_S)     /* without a recorder */
#define LOOK_BACK_NS (300 * NS_PER_S) /* with one: longer would hide what is new */
#define BETWEEN_NS NS_PER_S	     /* the two looks at the kernel's tables, with one, */
#define BETWEEN_SOON_NS (NS_PER_S * 3 / 10) /* and where these tell as much */

/* Exit statuses beside 0, 1 and 2; and those of monitoring plugins. */
#define STATUS_WARNING 3
#define STATUS_CRITICAL 4
#define PLUGIN_UNKNOWN 3

struct diagnose_options {
	uint64_t duration_ns;
	bool verbose, plugin, no_names;
	const char *runtime_socket;
};

struct diagnose {
	struct diagnose_options opts;
	struct filter_options filters;
	struct output_options output;
	struct origin_options from;
	struct origin origin;
	struct past_options past_opts;
	struct past past;
	struct playback *playback;
	struct kernel kernel;
	struct sockets_source source;
	struct pid_numbers *pids;
	struct stream *stream;
	struct observe *observe;
	struct evidence evidence;
	struct rules_verdict verdict;
	struct feed_account account;
	bool has_all; /* every outcome is told */
	uint64_t looked_ns; /* CLOCK_MONOTONIC: the first look at the kernel's tables */
	uint64_t soon_ns; /* likewise: the second look may come from then on; 0: when it is due */
	int signals;
	char note[320];
};

static const struct option_spec diagnose_table[] = {
	{ 'd', "duration", "TIME", "how long to watch (default: 10s, or, with a recorder that is\n"
	  "attached, only to look back)", option__duration,
	  offsetof(struct diagnose_options, duration_ns) },
	{ 'v', "verbose", NULL, "all that is known of every finding, not only what fits in a screen",
	  option__flag, offsetof(struct diagnose_options, verbose) },
	{ 0, "plugin", NULL, "one line, and the exit status of a monitoring plugin (0, 1, 2, 3)",
	  option__flag, offsetof(struct diagnose_options, plugin) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct diagnose_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct diagnose_options, runtime_socket) },
	{ 0 },
};

static int complain(const char *what, int err, const char *todo)
{
	fprintf(stderr, "twsnoop: %s: %s%s%s\n", what, strerror(-err), todo ? ": " : "", todo ?: "");
	return err;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "twsnoop: %s\n", line);
}

/* ---- setting up ---- */

static int open_signals(struct diagnose *d)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return complain("cannot block signals", -errno, NULL);
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->signals < 0 ? complain("cannot wait for signals", -errno, NULL) : 0;
}

/* A recorder of every outcome, else any recorder, else programs of one's own. */
static int open_origin(struct diagnose *d)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	struct tws_filter filter = d->filters.filter;
	const char *why;

	d->origin.say = say;
	d->has_all = true;
	if (!origin__find(&d->origin, &d->from, true, &d->kernel) &&
	    origin__find(&d->origin, &d->from, false, &d->kernel))
		d->has_all = false;
	if (d->origin.attached) {
		if (!d->origin.looks_back)
			d->origin.since_ns = clock__before_ns(now_ns, LOOK_BACK_NS) ?: 1;
		return 0;
	}
	kernel__probe(&d->kernel, "/sys", "/proc");
	why = kernel__why_not(&d->kernel);
	if (why) {
		fprintf(stderr, "twsnoop: cannot diagnose: %s\n", why);
		return -EPERM;
	}
	filter.by_cgroup = d->filters.num_containers > 0;
	return origin__load(&d->origin, &d->from, &filter, true, &d->kernel);
}

static int put_record(void *ctx, const struct record *rec)
{
	struct diagnose *d = ctx;

	evidence__add(&d->evidence, rec);
	return 0;
}

static int open_stream(struct diagnose *d)
{
	const struct stream_options opts = {
		.kernel = &d->kernel,
		.events = origin__source(&d->origin),
		.source = &d->source,
		.proc_root = "/proc",
		.filter = d->filters.filter,
		.containers = d->filters.containers,
		.num_containers = d->filters.num_containers,
		.all = d->has_all,
		.ends_at_once = d->origin.attached && !d->opts.duration_ns,
		.no_names = d->opts.no_names,
		.runtime_socket = d->opts.runtime_socket,
		.max_connections = d->from.max_connections,
		.since_ns = d->origin.since_ns,
		.until_ns = d->origin.until_ns,
		.put = put_record,
		.ctx = d,
	};
	int err = stream__new(&d->stream, &opts);

	return err ? complain("cannot start", err, NULL) : 0;
}

static int begin_observing(struct diagnose *d)
{
	const struct observe_options opts = {
		.source = &d->source, .filter = &d->filters.filter,
		.containers = d->filters.containers, .num_containers = d->filters.num_containers,
		.no_names = d->opts.no_names, .runtime_socket = d->opts.runtime_socket,
	};
	int err = observe__begin(&d->observe, &opts);

	d->looked_ns = clock__now_ns(CLOCK_MONOTONIC);
	return err ? complain("cannot list sockets", err, NULL) : 0;
}

/* The second look at the tables loads an iterator, and reads the ledger. */
static int give_up_privileges(struct diagnose *d)
{
	uint64_t mask;
	int err = stream__privileges(d->stream, &mask) ?:
		  privileges__keep_only(mask | PRIVILEGE(CAP_BPF) | PRIVILEGE(CAP_PERFMON));

	return err ? complain("cannot give up privileges", err, NULL) : 0;
}

static int start(struct diagnose *d)
{
	struct feed_failure failure;
	int nice = haste__begin(), err;
	const char *way;

	err = open_signals(d) ?: pids__open(&d->pids, &d->filters.filter);
	if (err)
		return err;
	d->source.places = &netns_default_places;
	d->source.wants_cookies = true;
	if (sockiter__choose(&d->source.dump, &way) && way)
		fprintf(stderr, "twsnoop: %s\n", way);
	err = evidence__init(&d->evidence);
	if (err)
		return complain("cannot start", err, NULL);
	err = open_origin(d) ?: open_stream(d) ?: begin_observing(d);
	if (err)
		return err;
	err = stream__start(d->stream, &failure);
	if (err)
		return complain(failure.what, err, failure.todo);
	/* who asks is in a hurry, and it cannot be had back: it is kept where it is soon over */
	if (d->opts.duration_ns > WATCH_NS)
		haste__end(nice);
	err = give_up_privileges(d);
	if (err)
		return err;
	err = stream__begin(d->stream, &failure);
	return err ? complain(failure.what, err, failure.todo) : 0;
}

/* ---- watching ---- */

static int on_signals(void *ctx, short revents)
{
	struct diagnose *d = ctx;
	struct signalfd_siginfo info;

	(void)revents;
	while (read(d->signals, &info, sizeof(info)) > 0)
		;
	return LOOP_END;
}

static uint64_t watch_ns(const struct diagnose *d)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC), pause_ns = 1, ns;

	/* some of it has passed while the past was read */
	if (d->looked_ns + BETWEEN_NS > now_ns)
		pause_ns = d->looked_ns + BETWEEN_NS - now_ns;
	ns = d->opts.duration_ns ? d->opts.duration_ns : d->origin.attached ? pause_ns : WATCH_NS;
	if (d->origin.until_ns && d->origin.until_ns < now_ns + ns)
		ns = d->origin.until_ns > now_ns + pause_ns ? d->origin.until_ns - now_ns : pause_ns;
	return ns;
}

/* The rates are told by what was recorded. Who is asked for by name (-C) may wait for that name. */
static void set_soon(struct diagnose *d)
{
	if (d->origin.attached && !d->opts.duration_ns && !d->filters.num_containers)
		d->soon_ns = d->looked_ns + BETWEEN_SOON_NS;
}

static int end_soon(void *ctx)
{
	const struct diagnose *d = ctx;

	return d->soon_ns && clock__now_ns(CLOCK_MONOTONIC) >= d->soon_ns &&
		       observe__may_end(d->observe, &d->evidence, BETWEEN_SOON_NS) ? LOOP_END : 0;
}

/* What the events are of. */
static void set_span(struct diagnose *d, uint64_t begun_ns)
{
	struct evidence *e = &d->evidence;

	e->since_ns = begun_ns;
	e->looked_back = d->origin.attached != NULL;
	if (e->looked_back) {
		uint64_t reach_ns = origin__source(&d->origin)->reach_ns;

		e->since_ns = d->origin.since_ns > reach_ns ? d->origin.since_ns : reach_ns;
	}
	e->until_ns = clock__now_ns(CLOCK_MONOTONIC);
	if (d->origin.until_ns && d->origin.until_ns < e->until_ns)
		e->until_ns = d->origin.until_ns;
	if (e->since_ns > e->until_ns) /* it ends before the recorder began */
		e->since_ns = e->until_ns;
}

static int watch(struct diagnose *d)
{
	const struct loop_fd fds[] = { { d->signals, POLLIN, on_signals } };
	struct feed *feed = stream__feed(d->stream);
	const struct loop_options loop = {
		.feed = feed, .fds = fds, .num_fds = 1, .duration_ns = watch_ns(d), .turn = end_soon,
		.ctx = d,
	};
	uint64_t begun_ns = clock__now_ns(CLOCK_MONOTONIC);
	struct feed_failure failure;
	int err;

	if (!d->origin.attached && isatty(STDERR_FILENO) && !d->opts.plugin)
		fprintf(stderr, "twsnoop: watching for %llu s; Ctrl-C judges by what was seen until "
			"then\n", (unsigned long long)(watch_ns(d) / NS_PER_S));
	set_soon(d);
	err = loop__run(&loop);
	if (!err || err == LOOP_END)
		err = feed__finish(feed);
	if (err) {
		if (feed__failed(feed, &failure))
			return complain(failure.what, err, failure.todo);
		return complain("cannot watch", err, NULL);
	}
	set_span(d, begun_ns);
	return 0;
}

/* What it could not see, in one line. */
static void note_limits(struct diagnose *d)
{
	const struct calls_obstacle *obstacle = d->has_all ? origin__calls_obstacle(&d->origin) :
							     NULL;

	d->evidence.all = d->has_all;
	d->evidence.calls = d->has_all && !obstacle;
	if (!d->has_all)
		snprintf(d->note, sizeof(d->note), "Failing connects, resets and closes by peers were not "
			 "seen: the recorder was attached without --all ('twsnoop detach', then "
			 "'twsnoop attach --all'; or --own, to watch).");
	else if (obstacle)
		snprintf(d->note, sizeof(d->note), "bind() that fails was not seen: %s: %s.",
			 obstacle->what, obstacle->remedy);
}

static int judge(struct diagnose *d)
{
	int err = evidence__finish(&d->evidence);

	if (err)
		return complain("cannot sum up", err, NULL);
	feed__account(stream__feed(d->stream), &d->account);
	d->evidence.lost = d->account.lost;
	err = observe__end(d->observe, &d->evidence);
	if (err)
		return complain("cannot list sockets", err, NULL);
	note_limits(d);
	rules__apply(&d->evidence, &d->verdict);
	return 0;
}

/* ---- what was recorded ---- */

static bool wants(void *ctx, const struct held_who *who)
{
	const struct diagnose *d = ctx;
	const struct wanted wanted = { d->filters.containers, d->filters.num_containers };

	return wanted__matches_recorded(&wanted, who->cgroup_path, &who->workload);
}

static int recall_record(void *ctx, const struct record *rec)
{
	struct diagnose *d = ctx;

	recall__record(&d->evidence, rec);
	return 0;
}

static int recall_minute(void *ctx, const struct held_minute *minute, const struct held_who *who,
			 const struct held_flow *flow)
{
	struct diagnose *d = ctx;

	recall__minute(&d->evidence, minute, who, flow);
	return 0;
}

static int play(struct diagnose *d)
{
	const struct playback_options opts = {
		.history = d->past.history, .span = d->past.span, .filter = d->filters.filter,
		.wants = d->filters.num_containers ? wants : NULL, .all = true,
		.put = recall_record, .put_minute = recall_minute, .ctx = d,
	};
	struct feed *feed;
	int err = playback__new(&d->playback, &opts);

	if (err)
		return complain("cannot read the recording", err, NULL);
	feed = playback__feed(d->playback);
	while (!err && !feed__has_ended(feed))
		err = feed__poll(feed);
	err = err ?: evidence__finish(&d->evidence);
	err = err ?: recall__tables(&d->evidence, d->past.history, &d->past.span);
	if (err)
		return complain("cannot read the recording", err, NULL);
	feed__account(feed, &d->account);
	d->evidence.lost = d->account.lost;
	return 0;
}

/* Returns the exit status, 0: all of it is there to be judged. */
static int recall(struct diagnose *d, const struct command_spec *spec)
{
	enum options_result rc;

	d->past.say = say;
	if (past__open(&d->past, &d->past_opts, d->from.utc))
		return 1;
	rc = past__set_span(&d->past, &d->past_opts, d->from.since, d->from.until, spec);
	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	if (privileges__keep_only(PRIVILEGE(CAP_DAC_READ_SEARCH)) || evidence__init(&d->evidence))
		return 1;
	d->evidence.since_ns = d->past.span.since_ns;
	d->evidence.until_ns = d->past.span.until_ns;
	d->evidence.looked_back = d->evidence.all = d->evidence.calls = true;
	d->evidence.is_past = true;
	if (play(d))
		return 1;
	if (!d->opts.plugin) {
		past__say_span(&d->past, playback__coverage(d->playback));
		past__say_outcomes(&d->past, true);
	}
	snprintf(d->note, sizeof(d->note), "Who holds sockets is not in a recording: connections that a "
		 "process leaves in CLOSE_WAIT, and pools that are too small, are found live only.");
	rules__apply(&d->evidence, &d->verdict);
	return 0;
}

/* ---- what is printed ---- */

static int write_all(const struct outbuf *ob)
{
	struct fdwriter writer;
	size_t written;
	int err;

	if (ob->failed)
		return -ENOMEM;
	fdwriter__init(&writer, STDOUT_FILENO);
	err = fdwriter__write(&writer, ob->data, ob->len, &written);
	fdwriter__fini(&writer);
	return err;
}

static int print(struct diagnose *d)
{
	static const int statuses[] = { 0, 0, STATUS_WARNING, STATUS_CRITICAL };
	const struct verdict_of of = {
		.evidence = &d->evidence, .verdict = &d->verdict, .account = &d->account,
		.wall_ns = clock__now_ns(CLOCK_REALTIME), .note = d->note[0] ? d->note : NULL,
		/* a recording's times are on the wall already */
		.shift_ns = d->evidence.is_past ? 0 : clock__wall_offset_ns(),
	};
	const struct verdict_style style = {
		.width = fit__terminal(STDOUT_FILENO), .verbose = d->opts.verbose,
		.color = isatty(STDOUT_FILENO) && fit__wants_color(),
	};
	int status = statuses[d->verdict.severity], err;
	struct outbuf ob;

	if (outbuf__init(&ob, 65536))
		return 1;
	if (d->opts.plugin)
		status = verdict__plugin(&ob, &of);
	else if (d->output.format == SINK_JSON)
		verdict__json(&ob, &of);
	else
		verdict__text(&ob, &of, &style);
	err = said__status(write_all(&ob));
	outbuf__free(&ob);
	return err ? (d->opts.plugin ? PLUGIN_UNKNOWN : err) : status;
}

static void close_all(struct diagnose *d)
{
	observe__free(d->observe);
	playback__free(d->playback);
	past__close(&d->past);
	stream__free(d->stream);
	evidence__free(&d->evidence);
	pids__close(d->pids);
	origin__close(&d->origin);
	sockiter__close();
	if (d->signals >= 0)
		close(d->signals);
}

/* ---- the command ---- */

/* What a recording cannot be asked for. */
static enum options_result check_past(const struct diagnose *d, const struct command_spec *spec)
{
	const struct past_refused refused[] = {
		{ d->opts.duration_ns, "--duration" },
		{ d->opts.runtime_socket, "--runtime-socket" },
		{ d->opts.no_names, "--no-names" },
	};

	return past__check(&d->past_opts, &d->from, refused,
			   sizeof(refused) / sizeof(refused[0]), spec);
}

static enum options_result check(struct diagnose *d, const struct command_spec *spec)
{
	enum options_result rc;

	if (d->output.format == SINK_CSV)
		return options__complain(spec, "--output: findings are text or json");
	if (d->opts.plugin && (d->output.format == SINK_JSON || d->opts.verbose))
		return options__complain(spec, "--plugin prints one line: not with --json or --verbose");
	rc = check_past(d, spec);
	if (rc != OPTIONS_OK || d->past_opts.from)
		return rc;
	return origin__parse(&d->origin, &d->from, spec);
}

/* The exit status of what was asked for wrongly: to who monitors, 2 would be critical. */
static int refuse(const struct diagnose *d, enum options_result rc, int argc, char **argv)
{
	int status = options__exit_status(rc);
	bool plugin = d->opts.plugin;

	for (int i = 1; i < argc; i++)
		plugin |= !strcmp(argv[i], "--plugin");
	if (!status || !plugin)
		return status;
	puts("TWSNOOP UNKNOWN - it was called wrongly");
	return PLUGIN_UNKNOWN;
}

/* Evidence and verdict. Returns the exit status, 0: they are there. */
static int find_out(struct diagnose *d, const struct command_spec *spec)
{
	if (d->past_opts.from)
		return recall(d, spec);
	return start(d) || watch(d) || judge(d);
}

int cmd_diagnose(int argc, char **argv)
{
	static struct diagnose d = { .signals = -1 };
	const struct option_part parts[] = {
		{ NULL, diagnose_table, &d.opts },
		{ "Where from", origin_option_table, &d.from },
		{ "What was recorded", past_option_table, &d.past_opts },
		{ "Output", output_option_table, &d.output },
		{ "Filters", filter_option_table, &d.filters },
	};
	const struct command_spec spec = {
		"diagnose", "[OPTION]...",
		"Say whether the TIME_WAITs of this host are harmful, who makes them, and what to do about\n"
		"it. Changes nothing. Exit status: 0 nothing harmful, 3 a warning, 4 critical.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	int err = options__parse(&spec, argc, argv, NULL);

	err = err ?: (int)check(&d, &spec);
	if (err != OPTIONS_OK)
		return refuse(&d, (enum options_result)err, argc, argv);
	err = find_out(&d, &spec);
	if (!err)
		err = print(&d);
	else if (d.opts.plugin) {
		puts("TWSNOOP UNKNOWN - it could not be found out");
		err = PLUGIN_UNKNOWN;
	}
	close_all(&d);
	return err;
}

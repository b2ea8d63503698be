// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop trace: a stream into a sink, in one loop that wakes ten times a second.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "capture/tracer.h"
#include "commands/command.h"
#include "containers/containers.h"
#include "host/kernel.h"
#include "commands/filter_words.h"
#include "commands/options.h"
#include "commands/pids.h"
#include "host/quiet.h"
#include "output/sink.h"
#include "sockets/sockiter.h"
#include "events/loop.h"
#include "events/stream.h"
#include "host/privileges.h"

struct trace_options {
	bool all;
	uint64_t count;
	uint64_t duration_ns;
	uint64_t ring_bytes;
	uint64_t max_connections;
	bool no_names;
	const char *runtime_socket;
};

struct trace {
	struct trace_options opts;
	struct filter_options filters;
	struct output_options output;
	struct kernel kernel;
	struct sockets_source source;
	struct tracer *tracer;
	struct stream *stream;
	struct sink *sink;
	bool shows_containers; /* the sink's column */
	struct pid_numbers *pids; /* NULL: those of /proc are the host's */
	int signals;	       /* signalfd */
};

static const struct option_spec trace_table[] = {
	{ 'a', "all", NULL, "print every way in which a connection can end", option__flag,
	  offsetof(struct trace_options, all) },
	{ 'n', "count", "N", "stop after N events", option__count,
	  offsetof(struct trace_options, count) },
	{ 'd', "duration", "TIME", "stop after TIME: 10, 500ms, 5m, 1h", option__duration,
	  offsetof(struct trace_options, duration_ns) },
	{ 0, "ring-size", "SIZE", "of the ring of events, a power of two (default 32M)",
	  option__size, offsetof(struct trace_options, ring_bytes) },
	{ 0, "max-connections", "N", "that are watched at once\n"
	  "(default: 262144 to 1048576, by the host's memory)",
	  option__count, offsetof(struct trace_options, max_connections) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct trace_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct trace_options, runtime_socket) },
	{ 0 },
};

/* ---- what is printed ---- */

/* The first container brings its column along, before the first record that has it. */
static int show_containers(struct trace *t)
{
	if (t->shows_containers || !stream__has_containers(t->stream))
		return 0;
	t->shows_containers = true;
	sink__show_containers(t->sink);
	return t->output.format == SINK_TEXT ? sink__begin(t->sink) : 0;
}

static int put_record(void *ctx, const struct record *rec)
{
	struct trace *t = ctx;

	return show_containers(t) ?: sink__put(t->sink, rec);
}

/* What the sink was given and could not write does not count as delivered. */
static void print_account(struct trace *t)
{
	uint64_t pending = sink__pending(t->sink);
	struct stream_account account;
	char no_end[32] = "";

	stream__account(t->stream, &account);
	if (t->opts.all)
		snprintf(no_end, sizeof(no_end), " no_end=%" PRIu64, account.no_end);
	fprintf(stderr,
		"twsnoop: delivered=%" PRIu64 " lost=%" PRIu64 " map_full=%" PRIu64
		" recursion=%" PRIu64 " snapshot=%" PRIu64 " unattributed=%" PRIu64 "%s\n",
		account.delivered - pending, account.lost + pending, account.map_full,
		account.recursion, account.snapshot, account.unattributed, no_end);
}

static int complain(const char *what, int err, const char *todo)
{
	fprintf(stderr, "twsnoop: %s: %s%s%s\n", what, strerror(-err), todo ? ": " : "",
		todo ?: "");
	return err;
}

/* ---- setting up ---- */

static int open_signals(struct trace *t)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return complain("cannot block signals", -errno, NULL);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signals < 0 ? complain("cannot wait for signals", -errno, NULL) : 0;
}

static int open_tracer(struct trace *t)
{
	struct tracer_options opts = {
		.kernel = &t->kernel,
		.filter = t->filters.filter,
		.all = t->opts.all,
		.ring_bytes = t->opts.ring_bytes,
		.max_connections = t->opts.max_connections,
	};
	int err;

	if (!getenv("TWSNOOP_LIBBPF_DEBUG"))
		libbpf_set_print(quiet__print);
	opts.filter.by_cgroup = t->filters.num_containers > 0;
	err = tracer__new(&t->tracer, &opts);
	return err ? complain("cannot load the BPF programs", err,
			      kernel__why_not_loaded(&t->kernel, -err)) : 0;
}

static int open_stages(struct trace *t)
{
	const struct sink_options sink = {
		.format = t->output.format,
		.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
		.actions = t->opts.all,
		.utc_offset_s = LONG_MIN,
	};
	const struct stream_options stream = {
		.kernel = &t->kernel,
		.events = tracer__source(t->tracer),
		.source = &t->source,
		.proc_root = "/proc",
		.filter = t->filters.filter,
		.containers = t->filters.containers,
		.num_containers = t->filters.num_containers,
		.all = t->opts.all,
		.no_names = t->opts.no_names,
		.runtime_socket = t->opts.runtime_socket,
		.max_connections = t->opts.max_connections,
		.max_records = t->opts.count,
		.put = put_record,
		.ctx = t,
	};
	int err = stream__new(&t->stream, &stream) ?:
		  sink__new(&t->sink, STDOUT_FILENO, &sink);

	if (err)
		return complain("cannot start", err, NULL);
	sink__stop_by(t->sink, t->signals);
	return 0;
}

/* All is open that is needed. */
static int give_up_privileges(struct trace *t)
{
	uint64_t mask;
	int err = stream__privileges(t->stream, &mask) ?: privileges__keep_only(mask);

	return err ? complain("cannot give up privileges", err, NULL) : 0;
}

static int start_stream(struct trace *t)
{
	struct stream_failure failure;
	int err;

	err = stream__start(t->stream, &failure);
	if (err)
		return complain(failure.what, err, failure.todo);
	err = give_up_privileges(t);
	if (err)
		return err;
	err = stream__begin(t->stream, &failure);
	if (err)
		return complain(failure.what, err, failure.todo);
	t->shows_containers = stream__has_containers(t->stream);
	if (t->shows_containers)
		sink__show_containers(t->sink);
	return 0;
}

static int start(struct trace *t)
{
	const char *why, *way = NULL;
	int err;

	kernel__probe(&t->kernel, "/sys", "/proc");
	why = kernel__why_not(&t->kernel);
	if (why) {
		fprintf(stderr, "twsnoop: cannot trace: %s\n", why);
		return -EPERM;
	}
	err = pids__open(&t->pids, &t->filters.filter);
	if (err)
		return err;
	t->source.places = &netns_default_places;
	if (sockiter__choose(&t->source.dump, &way))
		way = NULL; /* as check says */
	err = open_signals(t) ?: open_tracer(t) ?: open_stages(t) ?: start_stream(t);
	if (err)
		return err;
	fprintf(stderr, "twsnoop: tracing %s on Linux %s\n",
		t->opts.all ? "every close" : "entries into TIME_WAIT", t->kernel.release);
	if (way)
		fprintf(stderr, "twsnoop: %s\n", way);
	if (stream__lacks_listeners(t->stream))
		fputs("twsnoop: who listens in some network namespace could not be read: "
		      "connections that it accepts have no opener\n", stderr);
	return 0;
}

/* ---- running ---- */

static int on_signals(void *ctx, short revents)
{
	struct signalfd_siginfo info;
	struct trace *t = ctx;
	int ret = 0;

	(void)revents;
	while (read(t->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			print_account(t);
			continue;
		}
		ret = LOOP_END;
		/* A second one ends a run that is stuck in a write. */
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
	}
	return ret;
}

/* A pipe without a reader. */
static int on_output(void *ctx, short revents)
{
	(void)ctx;
	return revents & POLLERR ? -EPIPE : 0;
}

/* A container may have come without a record, too. */
static int turn(void *ctx)
{
	struct trace *t = ctx;

	return show_containers(t) ?: sink__flush(t->sink);
}

static int run(struct trace *t)
{
	const struct loop_fd fds[] = {
		{ t->signals, POLLIN, on_signals },
		{ STDOUT_FILENO, 0, on_output },
	};
	const struct loop_options loop = {
		.stream = t->stream,
		.fds = fds,
		.num_fds = sizeof(fds) / sizeof(fds[0]),
		.duration_ns = t->opts.duration_ns,
		.turn = turn,
		.ctx = t,
	};

	return sink__begin(t->sink) ?: sink__flush(t->sink) ?: loop__run(&loop);
}

static int finish(struct trace *t)
{
	return stream__finish(t->stream) ?: show_containers(t) ?: sink__flush(t->sink);
}

static void close_all(struct trace *t)
{
	stream__free(t->stream);
	pids__close(t->pids);
	tracer__free(t->tracer);
	sockiter__close();
	sink__free(t->sink);
	if (t->signals >= 0)
		close(t->signals);
}

int cmd_trace(int argc, char **argv)
{
	static struct trace t = { .signals = -1 };
	const struct option_part parts[] = {
		{ NULL, trace_table, &t.opts },
		{ "Output", output_option_table, &t.output },
		{ "Filters", filter_option_table, &t.filters },
	};
	const struct command_spec spec = {
		"trace", "[OPTION]...",
		"Print each connection end that enters TIME_WAIT: which process closed it first,\n"
		"from where to where, and how. Runs until it is interrupted.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	struct stream_failure failure;
	int err = options__parse(&spec, argc, argv, NULL);

	if (err != OPTIONS_OK)
		return options__exit_status(err);
	if (t.opts.ring_bytes & (t.opts.ring_bytes - 1))
		return options__exit_status(options__complain(
			&spec, "--ring-size: not a power of two"));
	if (start(&t)) {
		close_all(&t);
		return 1;
	}
	err = run(&t);
	if (!err)
		err = finish(&t);
	if (stream__failed(t.stream, &failure))
		complain(failure.what, err, failure.todo);
	else if (err && err != -EPIPE && err != -ECANCELED)
		complain("cannot write the output", err, NULL);
	print_account(&t);
	close_all(&t);
	return err && err != -EPIPE && err != -ECANCELED;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop trace: a stream into a sink, in one loop that wakes ten times a second.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/fdwriter.h"
#include "capture/calls.h"
#include "capture/tracer.h"
#include "commands/command.h"
#include "containers/containers.h"
#include "host/kernel.h"
#include "commands/filter_words.h"
#include "commands/options.h"
#include "commands/pids.h"
#include "host/quiet.h"
#include "output/fit.h"
#include "output/sink.h"
#include "sockets/sockiter.h"
#include "events/loop.h"
#include "events/stream.h"
#include "host/privileges.h"

#define PATIENCE_MS 300 /* with a reader that takes nothing, once the trace is to end */

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
	struct fdwriter messages; /* to stderr */
	bool stop, wants_account; /* a signal said so */
	bool gave_up;	       /* to write: nobody reads */
	uint64_t unwritten;    /* records that came after that */
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

/* ---- signals ---- */

/*
 * Only takes note of them. From the first that ends the trace on, a reader that takes nothing is
 * not waited for; from the second on no reader is.
 */
static void read_signals(struct trace *t)
{
	struct signalfd_siginfo info;

	while (read(t->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			t->wants_account = true;
			continue;
		}
		sink__hurry(t->sink, t->stop ? 0 : PATIENCE_MS);
		fdwriter__hurry(&t->messages, t->stop ? 0 : PATIENCE_MS);
		t->stop = true;
	}
}

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

/* A line on stderr. Who waits for its reader is woken by signals, too: see attend(). */
static void tell(struct trace *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct trace *t, const char *format, ...)
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

/* What the sink was given and could not write does not count as delivered. */
static void print_account(struct trace *t)
{
	uint64_t pending = sink__pending(t->sink) + t->unwritten;
	struct stream_account account;
	char no_end[32] = "";

	stream__account(t->stream, &account);
	if (t->opts.all)
		snprintf(no_end, sizeof(no_end), " no_end=%" PRIu64, account.no_end);
	tell(t, "twsnoop: delivered=%" PRIu64 " lost=%" PRIu64 " map_full=%" PRIu64
	     " recursion=%" PRIu64 " snapshot=%" PRIu64 " unattributed=%" PRIu64 "%s\n",
	     account.delivered - pending, account.lost + pending, account.map_full,
	     account.recursion, account.snapshot, account.unattributed, no_end);
}

static int complain(struct trace *t, const char *what, int err, const char *todo)
{
	tell(t, "twsnoop: %s: %s%s%s\n", what, strerror(-err), todo ? ": " : "", todo ?: "");
	return err;
}

/* Does what signals ask for; also while a reader takes nothing. */
static void attend(struct trace *t)
{
	read_signals(t);
	while (t->wants_account) {
		t->wants_account = false;
		print_account(t);
	}
}

/* What is given up is counted, so that the stream goes on to its end, and all is accounted for. */
static int put_record(void *ctx, const struct record *rec)
{
	struct trace *t = ctx;
	int err = 0;

	if (!t->gave_up) {
		while ((err = show_containers(t) ?: sink__put(t->sink, rec)) == -EINTR)
			attend(t);
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
	return sink__set_width(t->sink, fit__terminal(STDOUT_FILENO));
}

static int write_out(struct trace *t)
{
	int err;

	while ((err = show_containers(t) ?: follow_terminal(t) ?: sink__flush(t->sink)) == -EINTR)
		attend(t);
	if (err != -ECANCELED)
		return err;
	t->gave_up = true;
	return 0;
}

/* ---- setting up ---- */

static void end_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

/* Those that end it do so by themselves until it traces: to load the programs takes a while, and
 * leaves nothing. */
static int open_signals(struct trace *t)
{
	sigset_t all, account;

	end_signals(&all);
	sigaddset(&all, SIGUSR1);
	sigemptyset(&account);
	sigaddset(&account, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &account, NULL))
		return complain(t, "cannot block signals", -errno, NULL);
	t->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals < 0)
		return complain(t, "cannot wait for signals", -errno, NULL);
	fdwriter__wake_by(&t->messages, t->signals);
	return 0;
}

static int hold_signals(struct trace *t)
{
	sigset_t set;

	end_signals(&set);
	return sigprocmask(SIG_BLOCK, &set, NULL) ?
		       complain(t, "cannot block signals", -errno, NULL) : 0;
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
	return err ? complain(t, "cannot load the BPF programs", err,
			      kernel__why_not_loaded(&t->kernel, -err)) : 0;
}

static int open_stages(struct trace *t)
{
	const struct sink_options sink = {
		.format = t->output.format,
		.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
		.actions = t->opts.all,
		.width = fit__terminal(STDOUT_FILENO),
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
		return complain(t, "cannot start", err, NULL);
	sink__wake_by(t->sink, t->signals);
	return 0;
}

/* All is open that is needed. */
static int give_up_privileges(struct trace *t)
{
	uint64_t mask;
	int err = stream__privileges(t->stream, &mask) ?: privileges__keep_only(mask);

	return err ? complain(t, "cannot give up privileges", err, NULL) : 0;
}

static int start_stream(struct trace *t)
{
	struct stream_failure failure;
	int err;

	err = stream__start(t->stream, &failure);
	if (err)
		return complain(t, failure.what, err, failure.todo);
	err = give_up_privileges(t);
	if (err)
		return err;
	err = stream__begin(t->stream, &failure);
	if (err)
		return complain(t, failure.what, err, failure.todo);
	t->shows_containers = stream__has_containers(t->stream);
	if (t->shows_containers)
		sink__show_containers(t->sink);
	return 0;
}

/* What this trace cannot see. */
static void tell_limits(struct trace *t)
{
	const struct calls_obstacle *obstacle;

	obstacle = t->opts.all ? tracer__calls_obstacle(t->tracer) : NULL;
	if (stream__lacks_listeners(t->stream))
		tell(t, "twsnoop: who listens in some network namespace could not be read: "
		     "connections that it accepts have no opener\n");
	if (obstacle)
		tell(t, "twsnoop: bind() that fails, and connect() that sends nothing, are not seen: "
		     "%s: %s\n", obstacle->what, obstacle->remedy);
}

static int start(struct trace *t)
{
	const char *why, *way = NULL;
	int err;

	kernel__probe(&t->kernel, "/sys", "/proc");
	why = kernel__why_not(&t->kernel);
	if (why) {
		tell(t, "twsnoop: cannot trace: %s\n", why);
		return -EPERM;
	}
	err = pids__open(&t->pids, &t->filters.filter);
	if (err)
		return err;
	t->source.places = &netns_default_places;
	if (sockiter__choose(&t->source.dump, &way))
		way = NULL; /* as check says */
	err = open_signals(t) ?: open_tracer(t) ?: open_stages(t) ?: start_stream(t) ?:
	      hold_signals(t);
	if (err)
		return err;
	tell(t, "twsnoop: tracing %s on Linux %s\n",
	     t->opts.all ? "every close" : "entries into TIME_WAIT", t->kernel.release);
	if (way)
		tell(t, "twsnoop: %s\n", way);
	tell_limits(t);
	return 0;
}

/* ---- running ---- */

static int on_signals(void *ctx, short revents)
{
	struct trace *t = ctx;

	(void)revents;
	attend(t);
	return t->stop ? LOOP_END : 0;
}

/* A pipe or socket without a reader, a terminal that was hung up. */
static int on_output(void *ctx, short revents)
{
	(void)ctx;
	return revents & (POLLERR | POLLHUP | POLLNVAL) ? -EPIPE : 0;
}

/* A container may have come without a record, too, and a signal in the middle of a write. */
static int turn(void *ctx)
{
	struct trace *t = ctx;
	int err = write_out(t);

	attend(t);
	return err ?: t->stop ? LOOP_END : 0;
}

static int run(struct trace *t)
{
	const struct loop_fd fds[] = {
		{ t->signals, POLLIN, on_signals },
		{ sink__fd(t->sink), 0, on_output },
	};
	const struct loop_options loop = {
		.stream = t->stream,
		.fds = fds,
		.num_fds = sizeof(fds) / sizeof(fds[0]),
		.duration_ns = t->opts.duration_ns,
		.turn = turn,
		.ctx = t,
	};

	return sink__begin(t->sink) ?: write_out(t) ?: loop__run(&loop);
}

static int finish(struct trace *t)
{
	return stream__finish(t->stream) ?: write_out(t);
}

static void close_all(struct trace *t)
{
	stream__free(t->stream);
	pids__close(t->pids);
	tracer__free(t->tracer);
	sockiter__close();
	sink__free(t->sink);
	fdwriter__fini(&t->messages);
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
	fdwriter__init(&t.messages, STDERR_FILENO);
	if (start(&t)) {
		close_all(&t);
		return 1;
	}
	err = run(&t);
	if (!err)
		err = finish(&t);
	if (stream__failed(t.stream, &failure))
		complain(&t, failure.what, err, failure.todo);
	else if (err && err != -EPIPE)
		complain(&t, "cannot write the output", err, NULL);
	print_account(&t);
	close_all(&t);
	return err && err != -EPIPE;
}

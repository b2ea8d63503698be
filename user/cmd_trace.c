// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop trace: source, decode, attribute, sink, in one loop that wakes ten
 * times a second.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "attribute.h"
#include "command.h"
#include "containers.h"
#include "decode.h"
#include "heal.h"
#include "held.h"
#include "join.h"
#include "kernel.h"
#include "options.h"
#include "privileges.h"
#include "quiet.h"
#include "sink.h"
#include "sockiter.h"
#include "tracer.h"

#define NS_PER_S 1000000000ULL
#define POLL_MS 100	 /* an event is shown within twice this */
#define BUSY_POLL_MS 10	 /* while the backlog is large */
#define CHECK_NS NS_PER_S /* how often the counters are looked at */
#define DRAIN_NS NS_PER_S /* at most, for records that are being written */
#define HEAL_MIN_NS (5 * NS_PER_S)
#define HEAL_IDLE_NS (60 * NS_PER_S)
#define HEAL_SHARE 100 /* of the time at most one part in this goes into healing */

/* Once attached: to enter others' network namespaces (SYS_ADMIN), to learn from
 * /proc which there are (SYS_PTRACE), and to find a cgroup by its id
 * (DAC_READ_SEARCH, for open_by_handle_at(2)). */
#define CAP_BIT(cap) (1ULL << (cap))
#define CAPS_KEPT \
	(CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH))

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
	struct healer *healer;
	struct join *join;
	struct held *held; /* NULL without --all */
	struct procinfo_cache *processes;
	struct listeners *listeners;
	struct containers *containers;
	bool shows_containers; /* the sink's column */
	struct attributor *attributor;
	struct sink *sink;
	int signals; /* signalfd */
	uint64_t delivered, unattributed, malformed, unwritten, found;
	struct tws_counters counters;
	uint64_t recursion, healed_recursion, healed_orphans;
	uint64_t start_ns, next_check_ns, next_heal_ns, last_heal_ns;
	bool stop;
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
	{ 0, "max-connections", "N", "that are watched at once (default 262144)",
	  option__count, offsetof(struct trace_options, max_connections) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct trace_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct trace_options, runtime_socket) },
	{ 0 },
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* ---- the way of an event ---- */

static int put_event(struct trace *t, const struct tws_event *ev)
{
	struct record rec;
	int err;

	if (t->opts.count && t->delivered >= t->opts.count)
		return 0;
	attributor__record(t->attributor, ev, &rec);
	err = sink__put(t->sink, &rec);
	if (err) {
		t->unwritten++;
		return err;
	}
	t->delivered++;
	if (t->held && ev->action == TWS_TIME_WAIT)
		held__add(t->held, rec.event);
	if (ev->action == TWS_TIME_WAIT && !(ev->conn.flags & TWS_F_CLOSER) &&
	    ev->conn.cause != TWS_CAUSE_KERNEL)
		t->unattributed++;
	if (t->opts.count && t->delivered >= t->opts.count)
		t->stop = true;
	return 0;
}

/* The end of a TIME_WAIT, if that is what @ev means to one that was printed. */
static int put_end_by(struct trace *t, const struct tws_event *ev)
{
	struct tws_event end;

	return t->held && held__ended(t->held, ev, &end) ? put_event(t, &end) : 0;
}

static int put_end(void *ctx, const struct tws_event *end)
{
	return put_event(ctx, end);
}

/* What the container filter lets pass, perhaps later. */
static int put_wanted(struct trace *t, const struct tws_event *ev)
{
	switch (containers__judge(t->containers, ev)) {
	case CONTAINERS_DROP:
		return 0;
	case CONTAINERS_WAIT:
		containers__hold(t->containers, ev);
		return 0;
	default:
		t->found += ev->conn.flags & TWS_F_SNAPSHOT ? 1 : 0;
		return put_event(t, ev);
	}
}

/* One that a name was awaited for. */
static int put_held(void *ctx, const struct tws_event *ev)
{
	struct trace *t = ctx;

	t->found += ev->conn.flags & TWS_F_SNAPSHOT ? 1 : 0;
	return put_event(t, ev);
}

/* The first container brings its column along. */
static int note_cgroup(struct trace *t, const struct tws_cgroup *cgroup)
{
	containers__note(t->containers, cgroup);
	if (t->shows_containers || !containers__any(t->containers))
		return 0;
	t->shows_containers = true;
	sink__show_containers(t->sink);
	return t->output.format == SINK_TEXT ? sink__begin(t->sink) : 0;
}

/* A socket bound to ::ffff:a.b.c.d takes IPv4 connections. The kernel side goes
 * by the peer's address, which a listener does not have. */
static void unmap_v4(struct listener *listener)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (listener->family != AF_INET6 || memcmp(listener->addr, mapped, sizeof(mapped)))
		return;
	listener->family = AF_INET;
	memmove(listener->addr, listener->addr + 12, 4);
	memset(listener->addr + 4, 0, 12);
}

static void note_listener(struct trace *t, const struct tws_event *ev)
{
	struct listener listener = {
		.cookie = ev->cookie,
		.netns = ev->netns,
		.tgid = ev->conn.opener_tgid,
		.port = ev->local_port,
		.family = ev->family,
	};

	if (ev->action == TWS_UNLISTEN) {
		if (ev->cookie)
			listeners__remove(t->listeners, ev->cookie);
		return;
	}
	memcpy(listener.addr, ev->local_addr, sizeof(listener.addr));
	unmap_v4(&listener);
	memcpy(listener.comm, ev->conn.opener_comm, sizeof(listener.comm));
	listeners__add(t->listeners, &listener);
}

static int put_joined(void *ctx, const struct tws_event *ev)
{
	struct trace *t = ctx;
	int err;

	if (healer__told(t->healer, ev))
		return 0;
	healer__note(t->healer, ev);
	err = put_end_by(t, ev);
	if (err) {
		t->unwritten++;
		return err;
	}
	return put_wanted(t, ev);
}

static int on_event(struct trace *t, const struct tws_event *ev)
{
	switch (ev->action) {
	case TWS_FIN:
		join__fin(t->join, ev);
		return 0;
	case TWS_LISTEN:
	case TWS_UNLISTEN:
		note_listener(t, ev);
		return 0;
	case TWS_OPEN:
	case TWS_TIME_WAIT_END:
		return put_end_by(t, ev);
	default:
		return put_joined(t, ev);
	}
}

static int on_record(void *ctx, const void *data, size_t len)
{
	const struct tws_ending *ending;
	const struct tws_cgroup *cgroup;
	const struct tws_event *ev;
	struct trace *t = ctx;

	if (t->opts.count && t->delivered >= t->opts.count)
		return 0;
	if (!decode__event(data, len, &ev))
		return on_event(t, ev);
	if (!decode__ending(data, len, &ending))
		return join__ending(t->join, ending, put_joined, t);
	if (!decode__cgroup(data, len, &cgroup))
		return note_cgroup(t, cgroup);
	t->malformed++;
	return 0;
}

static int on_found(void *ctx, const struct tws_event *ev)
{
	struct trace *t = ctx;

	if (!filter__match(&t->filters.filter, ev))
		return 0;
	return put_end_by(t, ev) ?: put_wanted(t, ev);
}

static int drain(struct trace *t)
{
	int num, err = 0;

	attributor__set_clock(t->attributor,
			      now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC));
	containers__tick(t->containers, now_ns(CLOCK_MONOTONIC));
	num = tracer__poll(t->tracer, on_record, t);
	if (num >= 0)
		err = containers__release(t->containers, false, put_held, t);
	return err ?: num;
}

/* All that is in the ring now. A program may still be writing a record, or its
 * CPU may not run for a moment if it is a virtual one. */
static int drain_all(struct trace *t)
{
	uint64_t mark = tracer__mark(t->tracer);
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + DRAIN_NS;
	int err = drain(t);

	while (err >= 0 && !tracer__passed(t->tracer, mark) &&
	       now_ns(CLOCK_MONOTONIC) < deadline_ns) {
		poll(NULL, 0, 1);
		err = drain(t);
	}
	return err;
}

/* ---- what was missed ---- */

/* A kernel that cannot list its sockets cannot heal: check says so, and nothing else can
 * be done about it here. */
static int heal(struct trace *t)
{
	uint64_t begin_ns = now_ns(CLOCK_MONOTONIC);
	int err;

	if (healer__take(t->healer)) {
		t->next_heal_ns = begin_ns + HEAL_MIN_NS;
		return 0;
	}
	err = drain_all(t);
	t->healed_orphans = join__orphans(t->join);
	if (err >= 0 && t->held)
		err = held__compare(t->held, healer__snapshot(t->healer), put_end, t);
	if (err >= 0)
		err = healer__find(t->healer, t->tracer, t->join, on_found, t);
	t->last_heal_ns = now_ns(CLOCK_MONOTONIC);
	t->next_heal_ns = t->last_heal_ns + HEAL_MIN_NS +
			  (t->last_heal_ns - begin_ns) * HEAL_SHARE;
	return err < 0 ? err : 0;
}

static int check_counters(struct trace *t)
{
	struct tws_counters before = t->counters;
	uint64_t skips = t->recursion, now = now_ns(CLOCK_MONOTONIC);
	bool moved;

	t->next_check_ns = now + CHECK_NS;
	if (tracer__counters(t->tracer, &t->counters, &t->recursion))
		return 0;
	if (t->counters.listen_lost != before.listen_lost)
		listeners__fill(t->listeners, &t->source, 0, NULL);
	if (t->counters.cgroup_lost != before.cgroup_lost)
		containers__refresh(t->containers);
	moved = t->recursion != t->healed_recursion || t->recursion != skips ||
		t->counters.event_lost != before.event_lost ||
		join__orphans(t->join) != t->healed_orphans ||
		t->counters.walk_failed != before.walk_failed ||
		now > t->last_heal_ns + HEAL_IDLE_NS || healer__needed(t->healer) ||
		(t->held && held__due(t->held, now));
	/* What has lost its owner does not wait. */
	if (join__orphans(t->join) != t->healed_orphans)
		t->next_heal_ns -= HEAL_MIN_NS - CHECK_NS;
	if (!moved || now < t->next_heal_ns)
		return 0;
	t->healed_recursion = t->recursion;
	return heal(t);
}

static void print_account(struct trace *t)
{
	uint64_t lost, pending;
	char no_end[32] = "";

	if (t->held)
		snprintf(no_end, sizeof(no_end), " no_end=%" PRIu64, held__dropped(t->held));
	tracer__counters(t->tracer, &t->counters, &t->recursion);
	/* What a snapshot found was lost, or skipped; the next one may find the rest. */
	lost = t->counters.event_lost + t->healed_orphans;
	lost = lost > t->found ? lost - t->found : 0;
	pending = sink__pending(t->sink);
	lost += t->malformed + t->unwritten + pending + containers__dropped(t->containers);
	fprintf(stderr,
		"twsnoop: delivered=%" PRIu64 " lost=%" PRIu64 " map_full=%" PRIu64
		" recursion=%" PRIu64 " snapshot=%" PRIu64 " unattributed=%" PRIu64 "%s\n",
		t->delivered - pending, lost, (uint64_t)t->counters.table_full + join__dropped(t->join),
		t->recursion + (uint64_t)t->counters.walk_failed, t->found, t->unattributed,
		no_end);
}

/* ---- setting up ---- */

static int complain(const char *what, int err, const char *todo)
{
	fprintf(stderr, "twsnoop: %s: %s%s%s\n", what, strerror(-err), todo ? ": " : "",
		todo ?: "");
	return err;
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
	err = tracer__new(&t->tracer, &opts);
	if (err)
		return complain("cannot load the BPF programs", err,
				kernel__why_not_loaded(&t->kernel, -err));
	err = tracer__attach(t->tracer);
	if (err)
		return complain("cannot attach the BPF programs", err, "see 'twsnoop check'");
	return 0;
}

static int pass_cgroup(void *ctx, uint64_t id, bool pass)
{
	return tracer__pass_cgroup(((struct trace *)ctx)->tracer, id, pass);
}

/*
 * Where kfree_skb names a mini-socket, its FIN is told whenever it has a cookie: also of
 * one that a filter left out, and again if the FIN comes again.
 */
static bool is_known(void *ctx, uint64_t cookie)
{
	const struct trace *t = ctx;

	if (t->kernel.rx_sk.state != FEATURE_PRESENT)
		return false;
	return !filter__is_empty(&t->filters.filter) || healer__knows(t->healer, cookie);
}

static int open_stages(struct trace *t)
{
	struct sink_options sink = {
		.format = t->output.format,
		.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
		.actions = t->opts.all,
		.utc_offset_s = LONG_MIN,
	};
	struct containers_options containers = {
		.controller = t->kernel.v1_subsys >= 0 ? t->kernel.v1_controller : NULL,
		.no_names = t->opts.no_names,
		.socket = t->opts.runtime_socket,
		.wanted = t->filters.containers,
		.num_wanted = t->filters.num_containers,
		.pass = pass_cgroup,
		.ctx = t,
	};
	struct attribute_sources sources;
	struct join_options join = {
		.max = t->opts.max_connections ?: JOIN_DEFAULT,
		.has_cookie = t->kernel.atomics.state == FEATURE_PRESENT,
		.all = t->opts.all,
		.known = is_known,
		.ctx = t,
	};
	int err;

	err = join__new(&t->join, &join) ?:
	      healer__new(&t->healer, t->kernel.cookie.state == FEATURE_PRESENT,
			  &t->source) ?:
	      (t->opts.all ? held__new(&t->held, HELD_MAX, now_ns(CLOCK_MONOTONIC)) : 0) ?:
	      procinfo__new(&t->processes, "/proc", PROCINFO_CACHE_DEFAULT) ?:
	      listeners__new(&t->listeners, LISTENERS_DEFAULT) ?:
	      containers__new(&t->containers, &containers) ?:
	      sink__new(&t->sink, STDOUT_FILENO, &sink);
	if (err)
		return complain("cannot start", err, NULL);
	sink__stop_by(t->sink, t->signals);
	sources = (struct attribute_sources){ t->processes, t->listeners, t->containers };
	err = attributor__new(&t->attributor, &sources);
	return err ? complain("cannot start", err, NULL) : 0;
}

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

/*
 * Before 5.19 a kernel with unprivileged_bpf_disabled answers no bpf(2) call
 * without CAP_BPF, not even for a counter; newer ones do. So try it.
 * CAP_SYS_ADMIN includes CAP_BPF.
 */
static int give_up_privileges(struct trace *t)
{
	uint64_t keep = CAPS_KEPT;
	int err;

	if (!kernel__has_cap(&t->kernel, CAP_SYS_ADMIN)) {
		err = privileges__use(CAPS_KEPT);
		if (err)
			return complain("cannot give up privileges", err, NULL);
		if (sockiter__is_open() ||
		    tracer__counters(t->tracer, &t->counters, &t->recursion))
			keep |= CAP_BIT(CAP_BPF);
	}
	err = privileges__keep_only(keep);
	return err ? complain("cannot give up privileges", err, NULL) : 0;
}

static int find_containers(struct trace *t)
{
	int err = containers__begin(t->containers, now_ns(CLOCK_MONOTONIC));

	if (err)
		return complain("cannot look for containers", err, NULL);
	t->shows_containers = containers__any(t->containers);
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
	t->source.places = &netns_default_places;
	if (sockiter__choose(&t->source.dump, &way))
		way = NULL; /* as check says */
	err = open_signals(t) ?: open_stages(t) ?: open_tracer(t);
	if (err)
		return err;
	healer__baseline(t->healer);
	listeners__fill(t->listeners, &t->source, 0, NULL);
	err = give_up_privileges(t) ?: find_containers(t);
	if (err)
		return err;
	t->start_ns = now_ns(CLOCK_MONOTONIC);
	t->last_heal_ns = t->start_ns;
	t->next_heal_ns = t->start_ns + HEAL_MIN_NS;
	fprintf(stderr, "twsnoop: tracing %s on Linux %s\n",
		t->opts.all ? "every close" : "entries into TIME_WAIT", t->kernel.release);
	if (way)
		fprintf(stderr, "twsnoop: %s\n", way);
	return 0;
}

/* ---- running ---- */

static void read_signals(struct trace *t)
{
	struct signalfd_siginfo info;

	while (read(t->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			print_account(t);
			continue;
		}
		t->stop = true;
		/* A second one ends a run that is stuck in a write. */
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
	}
}

/* Waits for the next look at the ring. Returns -EPIPE if the reader has gone. */
static int wait_for(struct trace *t, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO }, /* POLLERR: a pipe without a reader */
	};

	if (poll(fds, 2, timeout_ms) > 0) {
		if (fds[0].revents)
			read_signals(t);
		if (fds[1].revents & POLLERR)
			return -EPIPE;
	}
	return 0;
}

static int timeout_of(const struct trace *t, int records)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), left_ms;

	if (records > 20000)
		return BUSY_POLL_MS;
	if (!t->opts.duration_ns)
		return POLL_MS;
	if (now >= t->start_ns + t->opts.duration_ns)
		return 0;
	left_ms = (t->start_ns + t->opts.duration_ns - now) / 1000000 + 1;
	return left_ms < POLL_MS ? (int)left_ms : POLL_MS;
}

static bool time_is_up(const struct trace *t)
{
	return t->opts.duration_ns &&
	       now_ns(CLOCK_MONOTONIC) >= t->start_ns + t->opts.duration_ns;
}

/* One look at the ring. Returns 0 or a negative errno. */
static int turn(struct trace *t, int *records)
{
	int err = wait_for(t, timeout_of(t, *records));

	if (err)
		return err;
	*records = drain(t);
	if (*records < 0)
		return *records;
	if (now_ns(CLOCK_MONOTONIC) >= t->next_check_ns) {
		err = check_counters(t);
		if (err)
			return err;
	}
	return sink__flush(t->sink);
}

static int run(struct trace *t)
{
	int records = 0, err = sink__begin(t->sink) ?: sink__flush(t->sink);

	while (!err && !t->stop && !time_is_up(t)) {
		err = turn(t, &records);
		/* A signal came while a reader that takes nothing held us. */
		if (err == -ECANCELED) {
			read_signals(t);
			err = 0;
			records = 0;
		}
	}
	return err;
}

/* What is in the ring and what only the kernel's table still knows, unless
 * --count has been reached. */
static int finish(struct trace *t)
{
	bool complete = t->opts.count && t->delivered >= t->opts.count;
	int err = 0;

	if (!complete && !healer__take(t->healer)) {
		tracer__detach(t->tracer);
		err = drain_all(t);
		if (err >= 0)
			err = healer__find(t->healer, t->tracer, t->join, on_found, t);
	} else {
		tracer__detach(t->tracer);
		if (!complete)
			err = drain_all(t);
	}
	t->healed_orphans = join__orphans(t->join);
	if (err >= 0)
		err = containers__release(t->containers, true, put_held, t);
	return err < 0 ? err : sink__flush(t->sink);
}

static void close_all(struct trace *t)
{
	tracer__free(t->tracer);
	healer__free(t->healer);
	sockiter__close();
	join__free(t->join);
	held__free(t->held);
	attributor__free(t->attributor);
	procinfo__free(t->processes);
	listeners__free(t->listeners);
	containers__free(t->containers);
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
	int err = options__parse(&spec, argc, argv, NULL);

	if (err != OPTIONS_OK)
		return options__exit_status(err);
	t.filters.filter.by_cgroup = t.filters.num_containers > 0;
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
	if (err && err != -EPIPE && err != -ECANCELED)
		complain("cannot write the output", err, NULL);
	print_account(&t);
	close_all(&t);
	return err && err != -EPIPE && err != -ECANCELED;
}

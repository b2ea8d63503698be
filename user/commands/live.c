// SPDX-License-Identifier: GPL-2.0
#include "commands/live.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "commands/haste.h"
#include "commands/pids.h"
#include "commands/recording_of.h"
#include "events/stream.h"
#include "sockets/sockiter.h"

#define FIND_MS 200		/* how often the next recorder is looked for, */
#define FIND_NS 3000000000ULL	/* and for how long, before programs of one's own do */

static void say(const struct live *live, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct live *live, const char *format, ...)
{
	char line[480];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	live->say(live->ctx, line);
}

static int complain(const struct live *live, const char *what, int err, const char *todo)
{
	say(live, "%s: %s%s%s", what, strerror(-err), todo ? ": " : "", todo ?: "");
	return err;
}

/* The recorder, or whether programs of one's own are possible. */
static int look_around(struct live *live, const struct live_options *opts)
{
	const char *why;

	live->has_all = opts->all;
	if (origin__find(&live->origin, opts->from, opts->all, &live->kernel))
		return 0;
	live->has_all = false;
	if (opts->all && opts->spare_all &&
	    origin__find(&live->origin, opts->from, false, &live->kernel))
		return 0;
	live->has_all = opts->all;
	kernel__probe(&live->kernel, "/sys", "/proc");
	why = kernel__why_not(&live->kernel);
	if (!why)
		return 0;
	say(live, "cannot trace: %s", why);
	return -EPERM;
}

static int load_own(struct live *live, const struct live_options *opts)
{
	struct tws_filter filter = live->filter;

	if (live->origin.attached)
		return 0;
	filter.by_cgroup = opts->filters->num_containers > 0;
	return origin__load(&live->origin, opts->from, &filter, opts->all, &live->kernel);
}

static uint64_t since_ns(const struct live *live, const struct live_options *opts)
{
	uint64_t since_ns = live->origin.since_ns;

	if (live->origin.attached && opts->since_ns && opts->since_ns < since_ns)
		return opts->since_ns;
	if (!live->origin.attached || live->origin.looks_back || !opts->warm_up_ns)
		return since_ns;
	return since_ns > opts->warm_up_ns ? since_ns - opts->warm_up_ns : 1;
}

static int open_stream(struct live *live, const struct live_options *opts)
{
	const struct stream_options stream = {
		.kernel = &live->kernel,
		.events = origin__source(&live->origin),
		.source = &live->source,
		.proc_root = "/proc",
		.filter = live->filter,
		.containers = opts->filters->containers,
		.num_containers = opts->filters->num_containers,
		.all = live->has_all,
		.no_ends = !opts->ends,
		.ends_may_wait = true,
		.no_names = opts->no_names,
		.runtime_socket = opts->runtime_socket,
		.max_connections = opts->from->max_connections,
		.since_ns = since_ns(live, opts),
		.until_ns = live->origin.until_ns,
		.put = opts->put,
		.ctx = opts->put_ctx,
	};
	int err = stream__new(&live->stream, &stream);

	if (err)
		return complain(live, "cannot start", err, NULL);
	live->feed = stream__feed(live->stream);
	return 0;
}

static void set_begin(struct live *live, uint64_t now_ns)
{
	const uint64_t reach_ns = origin__source(&live->origin)->reach_ns;

	live->begin_ns = now_ns;
	live->reach_ns = live->origin.attached ? reach_ns : now_ns;
	if (live->origin.looks_back)
		live->begin_ns = live->origin.since_ns > reach_ns ? live->origin.since_ns : reach_ns;
}

static int give_up_privileges(struct live *live, const struct live_options *opts)
{
	uint64_t mask;
	int err = stream__privileges(live->stream, &mask);

	if (!err && opts->before_giving_up) {
		int ret = opts->before_giving_up(opts->put_ctx, live, &mask);

		if (ret)
			return ret;
	}
	if (!err)
		err = privileges__keep_only(mask);
	return err ? complain(live, "cannot give up privileges", err, NULL) : 0;
}

static int start_stream(struct live *live, const struct live_options *opts, int nice)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	struct feed_failure failure;
	int err = stream__start(live->stream, &failure);

	if (err)
		return complain(live, failure.what, err, failure.todo);
	set_begin(live, now_ns);
	haste__end(nice);
	err = give_up_privileges(live, opts);
	if (err)
		return err;
	err = stream__begin(live->stream, &failure);
	return err ? complain(live, failure.what, err, failure.todo) : 0;
}

/* How sockets are listed, from now on. What is to be said about that; NULL: nothing. */
static const char *choose_source(struct live *live, const struct live_options *opts)
{
	const char *way = NULL;

	live->source.places = &netns_default_places;
	live->source.wants_cookies = opts->ends;
	live->can_list = !sockiter__choose(&live->source.dump, &way);
	if (opts->shares)
		recording_of__share(&live->source);
	return way;
}

int live__start(struct live *live, const struct live_options *opts)
{
	const char *way = NULL;
	int nice = haste__begin(), err;

	live->origin.say = live->say;
	live->origin.ctx = live->ctx;
	live->filter = opts->filters->filter;
	err = look_around(live, opts) ?: pids__open(&live->pids, &live->filter);
	if (err)
		return err;
	if (!live->source.dump)
		way = choose_source(live, opts);
	err = load_own(live, opts) ?: open_stream(live, opts) ?: start_stream(live, opts, nice);
	if (err)
		return err;
	origin__say(&live->origin);
	if (live->can_list && way)
		say(live, "%s", way);
	if (stream__lacks_listeners(live->stream))
		say(live, "who listens in some network namespace could not be read: connections that "
			  "it accepts have no opener");
	return 0;
}

const char *live__blind(const struct live *live)
{
	if (!live->has_all)
		return "the recorder was attached without --all: --own shows them";
	if (origin__calls_obstacle(&live->origin))
		return "no address and no route: see 'twsnoop check', or --own";
	return NULL;
}

static void stop(struct live *live)
{
	stream__free(live->stream);
	pids__close(live->pids);
	origin__close(&live->origin);
	live->stream = NULL;
	live->feed = NULL;
	live->pids = NULL;
}

static bool finds_recorder(const struct live *live, const struct live_options *opts)
{
	struct origin probe = { .say = live->say, .ctx = live->ctx, .zone = live->origin.zone };
	struct kernel kernel = { 0 };
	bool found = origin__find(&probe, opts->from, opts->all, &kernel);

	origin__close(&probe);
	return found;
}

int live__go_over(struct live *live, const struct live_options *opts, int wake_fd,
		  int (*turn)(void *ctx), void *ctx)
{
	uint64_t until_ns = clock__now_ns(CLOCK_MONOTONIC) + FIND_NS;

	stop(live);
	while (!finds_recorder(live, opts) && clock__now_ns(CLOCK_MONOTONIC) < until_ns) {
		int err;

		poll(&(struct pollfd){ .fd = wake_fd, .events = POLLIN }, 1, FIND_MS);
		err = turn(ctx);
		if (err)
			return err;
	}
	live->origin.looks_back = false;
	live->origin.since_ns = 1; /* nothing of the next one was read */
	return live__start(live, opts);
}

void live__close(struct live *live)
{
	stop(live);
	sockiter__close();
}

// SPDX-License-Identifier: GPL-2.0
#include "commands/origin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fmt.h"
#include "capture/attached.h"
#include "capture/calls.h"
#include "capture/connections.h"
#include "capture/pins.h"
#include "capture/ring_size.h"
#include "capture/tracer.h"
#include "host/quiet.h"

#define MAX_RING_BYTES (4ULL << 30) /* the largest power of two that is not cut */
_Static_assert(MAX_RING_BYTES / sizeof(struct tws_record) / 2 < RING_SIZE_MAX_RECORDS, "cut");

const struct option_spec origin_option_table[] = {
	{ 0, "since", "TIME", "begin with what the attached recorder holds from TIME on: 2m (ago),\n"
	  "03:12, 'yesterday 03:12', '2026-11-29 03:12', RFC 3339 or @EPOCH", option__string,
	  offsetof(struct origin_options, since) },
	{ 0, "until", "TIME", "end at TIME", option__string,
	  offsetof(struct origin_options, until) },
	{ 0, "utc", NULL, "times are in UTC, not in the local zone", option__flag,
	  offsetof(struct origin_options, utc) },
	{ 0, "own", NULL, "load programs, even if a recorder is attached", option__flag,
	  offsetof(struct origin_options, own) },
	{ 0, "bpffs", "DIR", "where 'twsnoop attach' has its bpffs (default " PINS_BPFFS ")",
	  option__string, offsetof(struct origin_options, bpffs) },
	{ 0, "ring-size", "SIZE", "of the ring of events, a power of two (default 32M, or\n"
	  "the recorder's)", option__size, offsetof(struct origin_options, ring_bytes) },
	{ 0, "max-connections", "N", "that are watched at once (default: 262144 to 1048576,\n"
	  "by the host's memory, or the recorder's)", option__count,
	  offsetof(struct origin_options, max_connections) },
	{ 0 },
};

/* ---- times ---- */

static enum options_result complain_of(const struct command_spec *spec, const char *option,
				       const char *arg, const char *why)
{
	char quoted[128];

	return options__complain(spec, "%s: '%s' %s", option,
				 escape__quote(quoted, sizeof(quoted), arg), why);
}

/* CLOCK_MONOTONIC; what was before the host was up is its beginning. */
static uint64_t to_monotonic(uint64_t wall_ns)
{
	uint64_t begin_ns = (uint64_t)clock__wall_offset_ns();

	return wall_ns > begin_ns ? wall_ns - begin_ns : 1;
}

static enum options_result parse_since(struct origin *origin, const struct origin_options *opts,
				       const struct command_spec *spec, uint64_t now_ns)
{
	const char *why;

	origin->since_wall_ns = now_ns;
	if (!opts->since)
		return OPTIONS_OK;
	if (opts->own)
		return options__complain(spec, "--since looks back in what a recorder holds: not "
					       "with --own");
	if (when__parse(opts->since, WHEN_SINCE, now_ns, 0, origin->zone,
			&origin->since_wall_ns, &why))
		return complain_of(spec, "--since", opts->since, why);
	if (origin->since_wall_ns > now_ns)
		return complain_of(spec, "--since", opts->since, "is in the future");
	origin->looks_back = true;
	return OPTIONS_OK;
}

enum options_result origin__parse(struct origin *origin, const struct origin_options *opts,
				  const struct command_spec *spec)
{
	uint64_t now_ns = clock__now_ns(CLOCK_REALTIME), until_ns;
	enum options_result rc;
	const char *why;

	origin->zone = opts->utc ? &when_utc : &when_local;
	if (opts->ring_bytes & (opts->ring_bytes - 1))
		return options__complain(spec, "--ring-size: not a power of two");
	if (opts->ring_bytes > MAX_RING_BYTES)
		return options__complain(spec, "--ring-size: at most %lluG", MAX_RING_BYTES >> 30);
	if (opts->max_connections > CONNECTIONS_MAX)
		return options__complain(spec, "--max-connections: at most %u", CONNECTIONS_MAX);
	rc = parse_since(origin, opts, spec, now_ns);
	if (rc != OPTIONS_OK)
		return rc;
	origin->since_ns = to_monotonic(origin->since_wall_ns);
	if (!opts->until)
		return OPTIONS_OK;
	if (when__parse(opts->until, WHEN_UNTIL, now_ns, origin->since_wall_ns, origin->zone,
			&until_ns, &why))
		return complain_of(spec, "--until", opts->until, why);
	if (until_ns <= origin->since_wall_ns)
		return complain_of(spec, "--until", opts->until,
				   origin->looks_back ? "is not after --since" :
							"is past: --since says from when on");
	origin->until_ns = to_monotonic(until_ns);
	return OPTIONS_OK;
}

/* ---- the recorder ---- */

/* NULL: it gives all that is asked for. */
static const char *lacks(const struct tws_meta *meta, const struct origin_options *opts, bool all,
			 const struct kernel *kernel)
{
	if (all && !(meta->flags & TWS_META_ALL))
		return "it was attached without --all";
	/* Rounded down to a power of two of records, as the tracer does. */
	if (opts->ring_bytes / sizeof(struct tws_record) >= 2 * meta->entries)
		return "its ring is smaller than --ring-size";
	if (opts->max_connections > meta->connections)
		return "it watches fewer connections than --max-connections";
	if (kernel__cgroup_hierarchy(kernel) != meta->cgroup_hierarchy)
		return "it tells containers apart by other cgroups";
	return NULL;
}

static void say(const struct origin *origin, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct origin *origin, const char *format, ...)
{
	char line[480];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	origin->say(origin->ctx, line);
}

static void note_not_used(struct origin *origin, const char *bpffs, const char *why)
{
	char dir[160], quoted[160];

	snprintf(origin->not_used, sizeof(origin->not_used), "the recorder at %s/" LEDGER_FOLDER
		 " is not used: %s", escape__quote(dir, sizeof(dir), bpffs),
		 escape__quote(quoted, sizeof(quoted), why));
}

/* Where none was named, it is not missed. */
static void note_failure(struct origin *origin, const struct origin_options *opts, int err,
			 const char *why)
{
	char dir[160];

	/* Who may not look into bpffs cannot know. */
	if (!opts->bpffs && (err == -ENOENT || err == -ENODEV || err == -EACCES || err == -EPERM))
		return;
	if (err == -ENOENT || err == -ENODEV)
		snprintf(origin->not_used, sizeof(origin->not_used), "no recorder is attached at %s: "
			 "'twsnoop attach' %s", escape__quote(dir, sizeof(dir), opts->bpffs),
			 err == -ENODEV ? "needs a bpffs there" : "keeps what happens from then on");
	else
		note_not_used(origin, opts->bpffs ?: PINS_BPFFS, why[0] ? why : strerror(-err));
}

bool origin__find(struct origin *origin, const struct origin_options *opts, bool all,
		  struct kernel *kernel)
{
	const char *bpffs = opts->bpffs ?: PINS_BPFFS, *lack;
	char why[PINNED_WHY_BYTES] = "";
	struct kernel found = { .v1_subsys = -1 };
	int err;

	origin->not_used[0] = '\0';
	if (opts->own)
		return false;
	err = attached__open(&origin->attached, bpffs, why);
	if (err) {
		note_failure(origin, opts, err, why);
		return false;
	}
	kernel__read_files(&found, "/sys", "/proc");
	kernel__read_cgroups(&found, "/proc");
	lack = lacks(attached__meta(origin->attached), opts, all, &found);
	if (lack) {
		note_not_used(origin, bpffs, lack);
		attached__free(origin->attached);
		origin->attached = NULL;
		return false;
	}
	attached__describe(origin->attached, &found);
	*kernel = found;
	return true;
}

/* ---- programs of one's own ---- */

int origin__load(struct origin *origin, const struct origin_options *opts,
		 const struct tws_filter *filter, bool all, const struct kernel *kernel)
{
	const struct tracer_options tracer = {
		.kernel = kernel,
		.filter = *filter,
		.all = all,
		.calls = all,
		.ring_bytes = opts->ring_bytes,
		.max_connections = opts->max_connections,
	};
	int err;

	if (origin->looks_back) {
		say(origin, "cannot look back: %s", origin->not_used[0] ? origin->not_used :
		    "no recorder is attached: 'twsnoop attach' keeps what happens from then on");
		return -ENOENT;
	}
	if (origin->not_used[0])
		say(origin, "loading programs of its own: %s", origin->not_used);
	quiet__begin();
	err = tracer__new(&origin->tracer, &tracer);
	if (err)
		say(origin, "cannot load the BPF programs: %s: %s", strerror(-err),
		    kernel__why_not_loaded(kernel, -err));
	else
		origin->since_ns = 0;
	if (!err && opts->ring_bytes &&
	    tracer__ring_records(origin->tracer) > opts->ring_bytes / sizeof(struct tws_record))
		say(origin, "the ring of events is larger than --ring-size: %" PRIu64 " records are"
		    " the least for so many CPUs", tracer__ring_records(origin->tracer));
	return err;
}

const struct calls_obstacle *origin__calls_obstacle(const struct origin *origin)
{
	static const struct calls_obstacle not_recorded = {
		"the recorder was attached without --syscalls", "--own shows them"
	};

	if (!origin->attached)
		return tracer__calls_obstacle(origin->tracer);
	return attached__meta(origin->attached)->flags & TWS_META_CALLS ? NULL : &not_recorded;
}

struct source *origin__source(const struct origin *origin)
{
	return origin->attached ? attached__source(origin->attached) :
				  tracer__source(origin->tracer);
}

/* ---- what is said ---- */

void origin__say(const struct origin *origin)
{
	const struct source *source;
	uint64_t reach_ns, mono_ns = clock__now_ns(CLOCK_MONOTONIC), ago_ns, skipped;
	char when[WHEN_BYTES], ago[FMT_SHORT_MAX + 1], lacks_some[96] = "", gone[64] = "";

	if (!origin->attached)
		return;
	source = attached__source(origin->attached);
	reach_ns = source->reach_ns;
	ago_ns = mono_ns > reach_ns ? mono_ns - reach_ns : 0;
	ago[fmt__lifetime(ago, ago_ns)] = '\0';
	when__format(when, clock__now_ns(CLOCK_REALTIME) - ago_ns, origin->zone);
	skipped = attached__skipped(origin->attached);
	if (skipped)
		snprintf(lacks_some, sizeof(lacks_some), " but at most %" PRIu64
			 " that the kernel skipped", skipped);
	if (origin->looks_back && origin->since_ns < reach_ns)
		snprintf(gone, sizeof(gone), "; %s",
			 source->lacks_older ? "what was before is written over" :
					       "it was not attached before");
	say(origin, "the attached recorder reaches back to %s (%s), and has everything since then"
	    "%s%s", when, ago, lacks_some, gone);
}

void origin__close(struct origin *origin)
{
	attached__free(origin->attached);
	tracer__free(origin->tracer);
	origin->attached = NULL;
	origin->tracer = NULL;
}

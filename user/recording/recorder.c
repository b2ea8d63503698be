// SPDX-License-Identifier: GPL-2.0
#include "recording/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"
#include "store/block.h"

#define NS_PER_S 1000000000ULL
#define LOOK_NS 200000000ULL /* how often it is asked how the writer fares */
#define CALM_NS 10000000000ULL
#define QUOTED_BYTES 256
#define HURRY_MS 1000 /* for a write that does not come back, once nothing is waited for */

struct recorder {
	struct recorder_options opts;
	struct queue *queue;
	struct writer *writer;
	struct collector *collector;
	struct sampler *sampler;
	struct writer_status seen; /* what was seen to of it */
	uint64_t next_look_ns;	   /* CLOCK_MONOTONIC */
	uint64_t told_lost;	   /* of its lost_rows, in gaps */
	uint64_t gap_before;	   /* when writing began to fail */
	uint64_t slow_ns;	   /* CLOCK_MONOTONIC, when rows found no room last; 0: long ago */
	uint64_t unwritten;	   /* in the queue at the end */
	uint64_t give_up_ns;	   /* CLOCK_MONOTONIC, once it is to end: then it has, so or so */
	_Atomic uint64_t keep_until_ns; /* by the wall clock; the sampler says so */
	bool ends;
};

/* ---- what the parts ask for ---- */

static uint64_t gap_of(const struct recorder *r)
{
	return collector__dropped(r->collector) + r->seen.lost_rows + r->unwritten;
}

static void fill_account(void *ctx, struct held_account *account)
{
	struct recorder *r = ctx;
	uint64_t gap = gap_of(r);
	uint64_t *delivered = &account->told.delivered;

	r->opts.account(r->opts.ctx, &account->told);
	*delivered = *delivered > gap ? *delivered - gap : 0;
}

static void explain_trouble(void *ctx, struct collector_trouble *trouble)
{
	struct recorder *r = ctx;

	writer__trouble(r->writer, trouble);
}

static void keep(void *ctx, uint64_t until_ns)
{
	struct recorder *r = ctx;

	atomic_store(&r->keep_until_ns, until_ns);
}

/* ---- what is said ---- */

static void say(struct recorder *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct recorder *r, const char *format, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	r->opts.say(r->opts.ctx, line);
}

static void say_failing(struct recorder *r, const struct writer_status *now)
{
	char path[QUOTED_BYTES];

	r->gap_before = gap_of(r);
	if (now->why.text[0])
		say(r, "cannot record: %s: what happens meanwhile waits in memory, as far as there is "
		    "room", now->why.text);
	else if (now->error == -EFBIG)
		say(r, "cannot write to '%s': a reader holds the recording, so that nothing old can "
		    "be let go: what happens meanwhile waits in memory, as far as there is room",
		    escape__quote(path, sizeof(path), r->opts.path));
	else
		say(r, "cannot write to '%s': %s: what happens meanwhile waits in memory, as far as "
		    "there is room", escape__quote(path, sizeof(path), r->opts.path),
		    strerror(-now->error));
}

static void say_going_on(struct recorder *r)
{
	uint64_t missing = gap_of(r) - r->gap_before;
	char path[QUOTED_BYTES];

	escape__quote(path, sizeof(path), r->opts.path);
	if (missing)
		say(r, "recording to '%s' goes on; events that are missing: %" PRIu64, path, missing);
	else
		say(r, "recording to '%s' goes on; nothing is missing", path);
}

/* ---- turns ---- */

static int see_to_restart(struct recorder *r, const struct writer_status *now)
{
	char path[QUOTED_BYTES];
	int err;

	err = collector__restart(r->collector, &now->next, now->restarts,
				 now->lost_rows - r->told_lost);
	if (err)
		return err;
	r->told_lost = now->lost_rows;
	sampler__restart(r->sampler);
	escape__quote(path, sizeof(path), r->opts.path);
	if (now->was_damaged)
		say(r, "'%s' was damaged: it was moved to '%s.damaged', and another one was begun",
		    path, path);
	else
		say(r, "'%s' was removed or replaced: it was made anew", path);
	return 0;
}

static int look_at_writer(struct recorder *r)
{
	struct writer_status before = r->seen;
	int err = 0;

	writer__status(r->writer, &r->seen);
	if (r->seen.restarts != before.restarts)
		err = see_to_restart(r, &r->seen);
	if (r->seen.epoch_is_over && !before.epoch_is_over)
		collector__end_epoch(r->collector);
	if (r->seen.error && !before.error)
		say_failing(r, &r->seen);
	if (!r->seen.error && before.error)
		say_going_on(r);
	return err;
}

/* Rows find no room though the disk does not fail. */
static void look_for_slowness(struct recorder *r, uint64_t dropped_before, uint64_t now_ns)
{
	uint64_t dropped = collector__dropped(r->collector);

	if (dropped != dropped_before && !r->seen.error) {
		if (!r->slow_ns) {
			r->gap_before = gap_of(r) - (dropped - dropped_before);
			say(r, "the disk is too slow for what happens: some of it is not recorded");
		}
		r->slow_ns = now_ns;
	} else if (r->slow_ns && now_ns >= r->slow_ns + CALM_NS) {
		r->slow_ns = 0;
		say_going_on(r);
	}
}

int recorder__turn(struct recorder *r, const struct clock_moment *now)
{
	uint64_t dropped = collector__dropped(r->collector);
	int err;

	if (now->monotonic_ns >= r->next_look_ns) {
		r->next_look_ns = now->monotonic_ns + LOOK_NS;
		err = look_at_writer(r);
		if (err)
			return err;
		collector__keep_until(r->collector, atomic_load(&r->keep_until_ns));
	}
	collector__turn(r->collector, now);
	look_for_slowness(r, dropped, now->monotonic_ns);
	return 0;
}

void recorder__put(struct recorder *r, const struct record *rec)
{
	collector__put(r->collector, rec);
	if (rec->event->action == TWS_CONNECT_FAILED && rec->event->error == EADDRNOTAVAIL)
		sampler__hurry(r->sampler);
}

void recorder__add_gap(struct recorder *r, const struct held_gap *gap)
{
	collector__add_gap(r->collector, gap);
}

void recorder__status(struct recorder *r, struct recorder_status *status)
{
	writer__status(r->writer, &status->writer);
	status->rows = collector__rows(r->collector);
	status->gap = gap_of(r);
}

/* ---- its life ---- */

int recorder__open(struct recorder **recorderp, const struct recorder_options *opts,
		   struct store_failure *failure)
{
	struct recorder *r = calloc(1, sizeof(*r));
	struct collector_options collector = {
		.account = fill_account, .trouble = explain_trouble, .ctx = r,
	};
	int err;

	if (!r)
		return -ENOMEM;
	r->opts = *opts;
	err = queue__new(&r->queue, RECORDER_QUEUE_BYTES);
	if (!err) {
		const struct writer_options writer = {
			.path = opts->path, .recording = opts->recording, .run = opts->run,
			.queue = r->queue, .wants_reach = opts->wants_reach,
			.prepare = opts->prepare,
		};
		const struct sampler_options sampler = {
			.source = opts->source, .filter = opts->filter, .queue = r->queue,
			.take_ports = opts->take_ports, .keep = keep, .ctx = r,
		};

		err = writer__new(&r->writer, &writer, failure) ?:
		      sampler__new(&r->sampler, &sampler);
	}
	if (!err) {
		writer__status(r->writer, &r->seen);
		collector.queue = r->queue;
		/* A block must fit in a small file's WAL, too. */
		collector.block_rows = opts->recording.size_bytes / 1024 < BLOCK_ROWS ?
			(uint32_t)(opts->recording.size_bytes / 1024) : BLOCK_ROWS;
		collector.next = r->seen.next;
		err = collector__new(&r->collector, &collector);
	}
	if (err) {
		recorder__free(r);
		return err;
	}
	*recorderp = r;
	return 0;
}

int recorder__start(struct recorder *r)
{
	return writer__start(r->writer) ?: sampler__start(r->sampler);
}

static void set_give_up(struct recorder *r, uint64_t patience_ms)
{
	r->give_up_ns = clock__now_ns(CLOCK_MONOTONIC) + patience_ms * (NS_PER_S / 1000);
}

void recorder__end(struct recorder *r, const struct clock_moment *now)
{
	if (r->ends) {
		set_give_up(r, HURRY_MS);
		writer__end(r->writer, 0);
		return;
	}
	r->ends = true;
	sampler__end(r->sampler);
	writer__status(r->writer, &r->seen);
	collector__finish(r->collector, now);
	set_give_up(r, RECORDER_PATIENCE_MS + RECORDER_HANG_MS);
	writer__end(r->writer, RECORDER_PATIENCE_MS);
}

static void say_unwritten(struct recorder *r, bool hangs)
{
	const char *why = hangs ? "the disk does not answer" :
			  r->seen.error ? strerror(-r->seen.error) : NULL;

	r->unwritten = queue__rows(r->queue);
	if (r->unwritten)
		say(r, "events that could not be written any more: %" PRIu64 "%s%s", r->unwritten,
		    why ? ": " : "", why ?: "");
}

bool recorder__await(struct recorder *r, int timeout_ms)
{
	bool has_ended = writer__await(r->writer, timeout_ms);
	bool hangs = !has_ended && clock__now_ns(CLOCK_MONOTONIC) >= r->give_up_ns;

	writer__status(r->writer, &r->seen);
	if (!has_ended && !hangs)
		return false;
	say_unwritten(r, hangs);
	return true;
}

bool recorder__free(struct recorder *r)
{
	bool has_ended;

	if (!r)
		return true;
	has_ended = sampler__free(r->sampler);
	has_ended &= writer__free(r->writer);
	if (!has_ended)
		return false;
	collector__free(r->collector);
	queue__free(r->queue);
	free(r);
	return true;
}

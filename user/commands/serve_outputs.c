// SPDX-License-Identifier: GPL-2.0
#include "commands/serve_outputs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "capture/calls.h"
#include "commands/origin.h"
#include "commands/recording_of.h"
#include "commands/serve_sinks.h"
#include "recording/recorder.h"

#define SEND_NS 5000000000ULL /* at the end, for what was not sent yet */
#define AWAIT_MS 100

struct serve_outputs {
	struct serve_outputs_options opts;
	struct recorder *recorder;
	struct serve_sinks sinks;
	uint64_t begin_ns; /* what stores look back to is not for the recording */
};

const struct option_spec serve_record_table[] = {
	{ 0, "record", "FILE", "also record each end of a connection into FILE, as 'twsnoop record' does;\n"
	  "the page at / is the report of its last hour", option__string,
	  offsetof(struct serve_record_options, path) },
	{ 0, "record-size", "SIZE", "of the recording at most (default 1G)", option__size,
	  offsetof(struct serve_record_options, size_bytes) },
	{ 0 },
};

int serve_outputs__open(struct serve_outputs **outputsp, const struct serve_outputs_options *opts)
{
	struct serve_outputs *o = calloc(1, sizeof(*o));
	int err;

	if (!o) {
		free(opts->filter_words);
		return -ENOMEM;
	}
	o->opts = *opts;
	o->sinks = (struct serve_sinks){ .say = opts->say, .ctx = opts->ctx };
	err = serve_sinks__open(&o->sinks, &opts->exports);
	if (err) {
		serve_outputs__free(o);
		return err;
	}
	*outputsp = o;
	return 0;
}

uint64_t serve_outputs__since_ns(const struct serve_outputs *o)
{
	return serve_sinks__since_ns(&o->sinks);
}

static int open_recorder(struct serve_outputs *o, const struct live *live)
{
	struct recording_of_options opts = {
		.path = o->opts.record.path,
		.recording = RECORDING_OF_DEFAULTS,
		.kernel = live->kernel.release,
		.filter = o->opts.filter_words,
		.all = live->has_all,
		.calls = live->has_all && !origin__calls_obstacle(&live->origin),
		.begin_ns = live->begin_ns,
		.source = &live->source,
		.wanted = &live->filter,
		.account = o->opts.account,
		.say = o->opts.say,
		.ctx = o->opts.ctx,
	};

	if (o->opts.record.size_bytes)
		opts.recording.size_bytes = o->opts.record.size_bytes;
	return recording_of__open(&o->recorder, &opts);
}

int serve_outputs__prepare(struct serve_outputs *o, const struct live *live, uint64_t *mask)
{
	int err;

	o->begin_ns = live->begin_ns;
	serve_sinks__say_gap(&o->sinks, live->reach_ns, live->origin.zone);
	*mask |= serve_sinks__privileges(&o->sinks, *mask);
	if (!o->opts.record.path)
		return 0;
	err = open_recorder(o, live);
	if (!err)
		*mask |= recording_of__privileges(o->opts.record.path, *mask);
	return err;
}

int serve_outputs__start(struct serve_outputs *o)
{
	int err = o->recorder ? recorder__start(o->recorder) : 0;

	return err ?: serve_sinks__start(&o->sinks);
}

void serve_outputs__put(struct serve_outputs *o, const struct record *rec)
{
	if (o->recorder && (!o->sinks.num || rec->event->time_ns >= o->begin_ns))
		recorder__put(o->recorder, rec);
	/* ends come for the recording alone, and would be half of all that is sent */
	if (rec->event->action != TWS_TIME_WAIT_END)
		serve_sinks__put(&o->sinks, rec);
}

int serve_outputs__turn(struct serve_outputs *o, struct board *board)
{
	struct clock_moment now;

	serve_sinks__turn(&o->sinks, board);
	if (!o->recorder)
		return 0;
	now = clock_moment__now();
	return recorder__turn(o->recorder, &now);
}

void serve_outputs__add_gap(struct serve_outputs *o, uint64_t since_ns, uint64_t until_ns)
{
	const struct held_gap gap = {
		.since_ns = since_ns, .until_ns = until_ns, .reason = HELD_GAP_STOPPED,
		.detail = "the attached recorder was detached",
	};

	if (o->recorder)
		recorder__add_gap(o->recorder, &gap);
}

/* Both at the same time: the sending goes on while the recording is ended. */
void serve_outputs__end(struct serve_outputs *o, bool (*hurries)(void *ctx), void *ctx)
{
	bool in_haste = false;

	serve_sinks__end(&o->sinks, clock__now_ns(CLOCK_MONOTONIC) + SEND_NS);
	if (o->recorder)
		recording_of__end(o->recorder, hurries, ctx);
	while (!serve_sinks__has_ended(&o->sinks)) {
		in_haste |= hurries(ctx);
		if (in_haste)
			serve_sinks__end(&o->sinks, 0);
		poll(NULL, 0, AWAIT_MS);
	}
	serve_sinks__close(&o->sinks);
}

bool serve_outputs__free(struct serve_outputs *o)
{
	if (!o)
		return true;
	serve_sinks__close(&o->sinks);
	if (!recorder__free(o->recorder))
		return false;
	free(o->opts.filter_words);
	free(o);
	return true;
}

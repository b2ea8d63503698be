// SPDX-License-Identifier: GPL-2.0
#include "commands/serve_outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "capture/calls.h"
#include "commands/origin.h"
#include "commands/recording_of.h"
#include "recording/recorder.h"

struct serve_outputs {
	struct serve_outputs_options opts;
	struct recorder *recorder;
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

	if (!o) {
		free(opts->filter_words);
		return -ENOMEM;
	}
	o->opts = *opts;
	*outputsp = o;
	return 0;
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

	if (!o->opts.record.path)
		return 0;
	err = open_recorder(o, live);
	if (!err)
		*mask |= recording_of__privileges(o->opts.record.path, *mask);
	return err;
}

int serve_outputs__start(struct serve_outputs *o)
{
	return o->recorder ? recorder__start(o->recorder) : 0;
}

void serve_outputs__put(struct serve_outputs *o, const struct record *rec)
{
	if (o->recorder)
		recorder__put(o->recorder, rec);
}

int serve_outputs__turn(struct serve_outputs *o, struct board *board)
{
	struct clock_moment now;

	(void)board;
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

void serve_outputs__end(struct serve_outputs *o, bool (*hurries)(void *ctx), void *ctx)
{
	if (o->recorder)
		recording_of__end(o->recorder, hurries, ctx);
}

void serve_outputs__free(struct serve_outputs *o)
{
	if (!o)
		return;
	recorder__free(o->recorder);
	free(o->opts.filter_words);
	free(o);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop top on a recording: the same frames, by the wall clock.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "commands/top.h"
#include "containers/wanted.h"
#include "store/minute_filter.h"

#define MINUTE_S (COVERAGE_MINUTE_NS / NS_PER_S)
#define MOST_SUMS 4096 /* of a minute; a recorder writes 1,000 */

static bool wants(void *ctx, const struct held_who *who)
{
	const struct top *t = ctx;
	const struct wanted wanted = { t->filters.containers, t->filters.num_containers };

	return wanted__matches_recorded(&wanted, who->cgroup_path, &who->workload);
}

/* The frames that were due by @wall_ns. */
static int show_until(struct top *t, uint64_t wall_ns)
{
	int err = 0;

	while (!err && !t->msg.stop && !t->is_complete && t->next_ns && t->next_ns <= wall_ns) {
		t->wall_ns = t->next_ns;
		t->next_ns += t->opts.interval_ns;
		t->frames++;
		err = top__make_frame(t, t->wall_ns) ?: top__print(t);
		messages__attend(&t->msg);
		t->is_complete = t->opts.count && t->frames >= t->opts.count;
	}
	return err;
}

/* ---- sums of minutes ---- */

/* How many seconds of a minute are before @end_ns, a part of one as a whole. */
static uint32_t seconds_before(uint64_t minute_ns, uint64_t end_ns)
{
	uint64_t ns = end_ns > minute_ns ? end_ns - minute_ns : 0;

	return ns < COVERAGE_MINUTE_NS ? (uint32_t)((ns + NS_PER_S - 1) / NS_PER_S) : MINUTE_S;
}

/* Seconds @from to @until of the minute at hand, which has @whole of them, of each of its sums. */
static void count_seconds(struct top *t, uint32_t from, uint32_t until, uint32_t whole)
{
	for (size_t i = 0; i < t->num_sums; i++) {
		const struct held_minute *m = &t->sums[i];
		const struct held_flow *flow = history__flow(t->past.history, m->flow);
		const struct held_who *who = m->who ? history__who(t->past.history, m->who) : NULL;
		struct tally_sum sum = {
			.begin_s = (uint32_t)(m->wall_ns / NS_PER_S), .span_s = whole,
			.from = from, .until = until, .count = m->count,
			.lifetimes = m->lifetimes, .lifetime_ns = m->lifetime_ns,
		};
		struct record rec = { .wall_ns = m->wall_ns };
		struct tws_event ev;

		if (!flow)
			continue;
		minute_filter__event(who, flow, &ev);
		sum.some_peers = minute_filter__has_peers(flow);
		rec.event = &ev;
		if (who) {
			rec.command_line = who->command_line;
			rec.cgroup_path = who->cgroup_path;
			rec.workload = who->workload;
		}
		tally__add_sum(t->tally, &rec, &sum);
	}
}

/* The minute at hand, up to the end of the span, with the frames that are due in it. What the last
 * one of the recording has was before the recording's end. */
static int count_minute(struct top *t)
{
	uint64_t minute_ns = t->num_sums ? t->sums[0].wall_ns : 0;
	uint32_t whole = seconds_before(minute_ns, t->past.status.all.until_ns + 1) ?: MINUTE_S;
	uint32_t from = 0, end = seconds_before(minute_ns, t->past.span.until_ns);
	int err = 0;

	if (!t->num_sums)
		return 0;
	end = end < whole ? end : whole;
	while (!err && from < end && !t->msg.stop && !t->is_complete) {
		uint32_t until = end;

		err = show_until(t, minute_ns + from * NS_PER_S);
		if (t->next_ns && t->next_ns < minute_ns + end * NS_PER_S)
			until = t->next_ns > minute_ns ?
					(uint32_t)((t->next_ns - minute_ns) / NS_PER_S) : 0;
		until = until > from ? until : from + 1;
		if (!err && !t->is_complete)
			count_seconds(t, from, until, whole);
		from = until;
	}
	t->num_sums = 0;
	return err;
}

static int put_minute(void *ctx, const struct held_minute *minute, const struct held_who *who,
		      const struct held_flow *flow)
{
	struct top *t = ctx;
	int err = 0;

	(void)who;
	if (t->num_sums && t->sums[0].wall_ns != minute->wall_ns)
		err = count_minute(t);
	if (err)
		return err;
	if (!t->sums) {
		t->sums = calloc(MOST_SUMS, sizeof(*t->sums));
		if (!t->sums)
			return -ENOMEM;
	}
	if (flow && t->num_sums < MOST_SUMS)
		t->sums[t->num_sums++] = *minute;
	else
		tally__add_unknown(t->tally, minute->wall_ns, minute->count);
	return 0;
}

/* ---- single events ---- */

/* By the wall clock, which is all that a recording's runs have in common. */
static int put_recorded(void *ctx, const struct record *rec)
{
	struct top *t = ctx;
	struct tws_event ev = *rec->event;
	struct record at_wall = *rec;
	int err;

	ev.time_ns = rec->wall_ns;
	if (ev.conn.open_ns)
		ev.conn.open_ns += rec->wall_ns - rec->event->time_ns;
	at_wall.event = &ev;
	err = count_minute(t) ?: show_until(t, ev.time_ns);
	if (!err && !t->is_complete)
		tally__add(t->tally, &at_wall);
	return err;
}

/* That they are none of single events. */
static void say_sums(struct top *t)
{
	const struct coverage *coverage = playback__coverage(t->playback);
	bool has_sums = past__has_minutes(&t->past, coverage);

	t->view.limits = has_sums ? "as recorded, of some minutes the sums alone" : "as recorded";
	if (!t->screen)
		past__say_minutes(&t->past, coverage);
}

/* A span anew: from a TIME_WAIT's life before it on, so that all that was held then is known. */
static int play(struct top *t, const struct history_span *span)
{
	struct playback_options playback = {
		.history = t->past.history,
		.span = *span,
		.filter = t->filters.filter,
		.wants = t->filters.num_containers ? wants : NULL,
		.all = true,
		.put = put_recorded,
		.put_minute = put_minute,
		.ctx = t,
	};
	int err;

	playback__free(t->playback);
	t->playback = NULL;
	t->feed = NULL;
	tally__free(t->tally);
	t->tally = NULL;
	t->num_sums = 0;
	t->views.start_ns = span->since_ns;
	playback.span.since_ns = clock__before_ns(span->since_ns, WARM_UP_NS);
	err = tally__new(&t->tally, &t->views) ?: playback__new(&t->playback, &playback);
	if (err)
		return err;
	t->feed = playback__feed(t->playback);
	say_sums(t);
	while (!err && !t->msg.stop && !t->is_complete && !feed__has_ended(t->feed)) {
		err = feed__poll(t->feed);
		messages__attend(&t->msg);
	}
	err = err ?: count_minute(t) ?: show_until(t, span->until_ns - 1);
	if (err || t->msg.stop || t->is_complete)
		return err;
	t->frames++;
	t->wall_ns = span->until_ns;
	return top__make_frame(t, span->until_ns) ?: t->screen ? 0 : top__print(t);
}

/* What is shown next begins where this ends, or the other way round. */
int top__step(struct top *t, bool later)
{
	struct history_span *span = &t->past.span;
	uint64_t len_ns = span->until_ns - span->since_ns;

	if (later)
		*span = (struct history_span){ span->until_ns, span->until_ns + len_ns };
	else if (span->since_ns > len_ns)
		*span = (struct history_span){ span->since_ns - len_ns, span->since_ns };
	t->view.chosen = false;
	t->view.page = TOP_ROWS;
	return play(t, span) ?: t->screen ? top__draw(t) : 0;
}

static int wait_for_keys(struct top *t)
{
	struct pollfd fds[] = { { .fd = t->msg.signals, .events = POLLIN },
				{ .fd = t->keys_fd, .events = POLLIN } };
	int err = 0;

	while (!err && !t->msg.stop) {
		poll(fds, 2, t->wants_draw ? 100 : -1);
		if (fds[1].revents)
			err = top__on_keys(t, fds[1].revents);
		messages__attend(&t->msg);
		if (!err && t->wants_draw)
			err = top__draw(t);
	}
	return err;
}

int top__run_past(struct top *t)
{
	int err;

	if (!t->screen)
		t->next_ns = t->has_interval ? t->past.span.since_ns + t->opts.interval_ns : 0;
	else
		top_screen__enter(t->screen);
	err = play(t, &t->past.span);
	return err || !t->screen ? err : top__draw(t) ?: wait_for_keys(t);
}

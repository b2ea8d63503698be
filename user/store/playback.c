// SPDX-License-Identifier: GPL-2.0
#include "store/playback.h"

#include <errno.h>
#include <stdlib.h>

#include "model/decode.h"
#include "store/minute_filter.h"
#include "store/past_account.h"

#define ROWS_AT_ONCE 16384  /* of blocks, a poll */
#define SUMS_AT_ONCE 4096   /* of minutes, likewise, to the end of the last of them */
#define VERDICTS 1024
#define LOOK_AHEAD 1024 /* rows */

/* Whether -C lets a who pass, as it was found out. */
struct verdict {
	uint32_t who; /* 0: none */
	bool passes;
};

struct playback {
	struct feed feed;
	struct playback_options opts;
	struct coverage coverage;
	struct history_cursor *cursor;
	const struct block *block; /* NULL: the next one is to be read */
	uint64_t first_row;	   /* of it */
	uint32_t at;		   /* the row of it that comes next */
	bool no_more_blocks;
	size_t hole;	    /* of the coverage: that comes next */
	uint64_t minute_ns; /* of the hole: that is being given; 0: its first */
	uint64_t taken;	    /* sums of that minute that were looked at */
	uint64_t seen;	    /* of these, again in this call */
	uint64_t looked_at; /* sums, in this call */
	uint64_t delivered, snapshot, unattributed, untaken, malformed;
	struct playback_minutes minutes;
	bool has_containers;
	bool put_failed; /* in this call: the error is the callback's */
	struct feed_failure failure;
	struct feed_account span_account;
	struct verdict verdicts[VERDICTS];
};

static struct playback *of(struct feed *feed)
{
	return (struct playback *)feed; /* its first member */
}

static const struct playback *of_const(const struct feed *feed)
{
	return (const struct playback *)feed;
}

static bool is_complete(const struct playback *pb)
{
	return pb->opts.max_records &&
	       pb->delivered + pb->minutes.rows >= pb->opts.max_records;
}

static bool is_in_span(const struct playback *pb, uint64_t wall_ns)
{
	const struct history_span *span = &pb->opts.span;

	return wall_ns >= span->since_ns && (!span->until_ns || wall_ns < span->until_ns);
}

static bool wants(struct playback *pb, uint32_t id, const struct held_who *who)
{
	struct verdict *verdict = &pb->verdicts[id % VERDICTS];

	if (!pb->opts.wants)
		return true;
	if (!who)
		return false;
	if (verdict->who != id)
		*verdict = (struct verdict){ id, pb->opts.wants(pb->opts.ctx, who) };
	return verdict->passes;
}

static const struct held_who *find_who(struct playback *pb, uint32_t id)
{
	return id ? history__who(pb->opts.history, id) : NULL;
}

static void note_container(struct playback *pb, const struct held_who *who)
{
	if (who && (who->workload.container_id || who->workload.container_name))
		pb->has_containers = true;
}

/* ---- raw rows ---- */

static void fill_record(struct playback *pb, const struct held_row *row,
			const struct held_who *who, struct record *rec)
{
	*rec = (struct record){
		.event = &row->event,
		.wall_ns = row->wall_ns,
		.command_line = row->command ? history__command(pb->opts.history, row->command) :
					       NULL,
		.netns_name = row->netns_name,
		.interface = row->interface,
	};
	if (!who)
		return;
	rec->cgroup_path = who->cgroup_path;
	rec->workload = who->workload;
	note_container(pb, who);
}

static int put_record(struct playback *pb, const struct record *rec)
{
	const struct tws_event *ev = rec->event;
	int err = pb->opts.put(pb->opts.ctx, rec);

	if (err) {
		pb->untaken++;
		pb->put_failed = true;
		return err;
	}
	pb->delivered++;
	pb->snapshot += ev->conn.flags & TWS_F_SNAPSHOT ? 1 : 0;
	pb->unattributed += ev->action == TWS_TIME_WAIT && !(ev->conn.flags & TWS_F_CLOSER) &&
			    ev->conn.cause != TWS_CAUSE_KERNEL;
	return 0;
}

static int give_row(struct playback *pb, const struct held_row *row)
{
	const struct held_who *who;
	const struct tws_event *ev;
	struct record rec;

	if (!is_in_span(pb, row->wall_ns) || coverage__lacks_rows(&pb->coverage, row->wall_ns))
		return 0;
	if (decode__event(&row->event, sizeof(row->event), &ev) || ev->action >= TWS_LISTEN) {
		pb->malformed++;
		return 0;
	}
	if ((!pb->opts.all && ev->action != TWS_TIME_WAIT) ||
	    !filter__match(&pb->opts.filter, ev))
		return 0;
	who = find_who(pb, row->who);
	if (!wants(pb, row->who, who))
		return 0;
	fill_record(pb, row, who, &rec);
	return put_record(pb, &rec);
}

static int give_rows(struct playback *pb)
{
	uint32_t count = block__count(pb->block);
	struct held_row row;
	int err = 0;

	for (unsigned int i = 0; !err && i < ROWS_AT_ONCE && pb->at < count && !is_complete(pb);
	     i++) {
		block__row(pb->block, pb->at++, &row);
		err = give_row(pb, &row);
	}
	if (pb->at == count)
		pb->block = NULL;
	return err;
}

/* Returns 1, 0 if there is none, or a negative errno. */
static int next_block(struct playback *pb)
{
	struct held_block meta;
	int err = history_cursor__next(pb->cursor, &pb->block, &meta);

	if (err <= 0) {
		pb->block = NULL;
		pb->no_more_blocks = true;
		return err;
	}
	pb->first_row = meta.first_row;
	pb->at = 0;
	return 1;
}

/* ---- minutes ---- */

static bool passes(struct playback *pb, const struct held_minute *minute,
		   const struct held_who *who, const struct held_flow *flow)
{
	bool is_other = !minute->who && !minute->flow;

	if (!is_other && !flow) { /* of nothing that can be told */
		pb->malformed += minute->count;
		return false;
	}
	if (flow && ((!pb->opts.all && flow->action != TWS_TIME_WAIT) || !flow->action ||
		     flow->action >= TWS_LISTEN))
		return false;
	return minute_filter__match(&pb->opts.filter, who, flow) &&
	       wants(pb, minute->who, who);
}

static int give_minute(struct playback *pb, const struct held_minute *minute)
{
	const struct held_flow *flow =
		minute->flow ? history__flow(pb->opts.history, minute->flow) : NULL;
	const struct held_who *who = find_who(pb, minute->who);
	int err;

	if (!passes(pb, minute, who, flow))
		return 0;
	note_container(pb, who);
	err = pb->opts.put_minute(pb->opts.ctx, minute, who, flow);
	if (err) {
		pb->untaken += minute->count;
		pb->put_failed = true;
		return err;
	}
	pb->minutes.rows++;
	pb->minutes.events += minute->count;
	return 0;
}

#define ENOUGH 1

static int on_minute(void *ctx, const struct held_minute *minute)
{
	struct playback *pb = ctx;

	if (is_complete(pb))
		return ENOUGH;
	if (minute->wall_ns != pb->minute_ns) {
		pb->minute_ns = minute->wall_ns;
		pb->taken = pb->seen = 0;
		if (pb->looked_at >= SUMS_AT_ONCE)
			return ENOUGH;
	}
	/* Again after a callback failed: what it had before is not given twice. */
	if (pb->seen++ < pb->taken)
		return 0;
	pb->taken++;
	pb->looked_at++;
	return give_minute(pb, minute);
}

/* Some minutes of the hole at hand. */
static int give_minutes(struct playback *pb)
{
	struct history_span rest = pb->coverage.holes[pb->hole].span;
	int err = 0;

	pb->seen = pb->looked_at = 0;
	if (pb->minute_ns)
		rest.since_ns = pb->minute_ns;
	if (pb->opts.put_minute)
		err = history__each_minute(pb->opts.history, &rest, on_minute, pb);
	if (!err) {
		pb->hole++;
		pb->minute_ns = pb->taken = 0;
	}
	return err == ENOUGH ? 0 : err;
}

/* ---- the feed ---- */

/* Whether the next hole stands before what comes next of the blocks. */
static bool is_before_hole(const struct playback *pb)
{
	if (pb->hole == pb->coverage.num || (pb->block && pb->at))
		return false;
	return pb->no_more_blocks ||
	       (pb->block && pb->coverage.holes[pb->hole].before_row <= pb->first_row);
}

static bool has_ended(const struct playback *pb)
{
	return !pb->block && pb->no_more_blocks && pb->hole == pb->coverage.num;
}

static int step(struct playback *pb)
{
	int err;

	if (!pb->block && !pb->no_more_blocks) {
		err = next_block(pb);
		if (err < 0)
			return err;
	}
	if (is_before_hole(pb))
		return give_minutes(pb);
	return pb->block ? give_rows(pb) : 0;
}

/* What was found to be damaged on the way is missing, too. */
static int count_again(struct playback *pb)
{
	return past_account__count(&pb->span_account, pb->opts.history, &pb->opts.span);
}

static int feed_poll(struct feed *feed)
{
	struct playback *pb = of(feed);
	int err = is_complete(pb) || has_ended(pb) ? 0 : step(pb);

	if (!err && has_ended(pb))
		err = count_again(pb);
	pb->failure = (struct feed_failure){};
	if (err && !pb->put_failed) {
		pb->failure.what = "cannot read the recording";
		pb->failure.todo = err == -ENOMEM ? "there is no memory for it" : NULL;
	}
	pb->put_failed = false;
	return err;
}

static int feed_pause_ms(const struct feed *feed)
{
	(void)feed;
	return 0;
}

static bool feed_is_complete(const struct feed *feed)
{
	return is_complete(of_const(feed));
}

static bool feed_has_ended(const struct feed *feed)
{
	return has_ended(of_const(feed));
}

static bool feed_has_containers(const struct feed *feed)
{
	return of_const(feed)->has_containers;
}

/* There is no source to stop, and what was not asked for until now is not wanted. */
static int feed_finish(struct feed *feed)
{
	of(feed)->failure = (struct feed_failure){};
	return 0;
}

static bool feed_failed(const struct feed *feed, struct feed_failure *failure)
{
	const struct playback *pb = of_const(feed);

	if (!pb->failure.what)
		return false;
	*failure = pb->failure;
	return true;
}

static void feed_account(struct feed *feed, struct feed_account *account)
{
	const struct playback *pb = of(feed);

	*account = pb->span_account;
	account->delivered = pb->delivered;
	account->snapshot = pb->snapshot;
	account->unattributed = pb->unattributed;
	account->lost += pb->untaken + pb->malformed;
}

static const struct feed_ops playback_ops = {
	.poll = feed_poll,
	.pause_ms = feed_pause_ms,
	.is_complete = feed_is_complete,
	.has_ended = feed_has_ended,
	.has_containers = feed_has_containers,
	.finish = feed_finish,
	.failed = feed_failed,
	.account = feed_account,
};

struct feed *playback__feed(struct playback *pb)
{
	return &pb->feed;
}

const struct coverage *playback__coverage(const struct playback *pb)
{
	return &pb->coverage;
}

struct playback_minutes playback__minutes(const struct playback *pb)
{
	return pb->minutes;
}

/* Whether there are containers is wanted before the first record, for headings: so the first rows
 * are looked at. */
static int look_ahead(struct playback *pb)
{
	int err = next_block(pb);
	struct held_row row;

	for (uint32_t i = 0; err > 0 && i < LOOK_AHEAD && i < block__count(pb->block); i++) {
		block__row(pb->block, i, &row);
		if (is_in_span(pb, row.wall_ns))
			note_container(pb, find_who(pb, row.who));
	}
	return err < 0 ? err : 0;
}

int playback__new(struct playback **playbackp, const struct playback_options *opts)
{
	struct playback *pb = calloc(1, sizeof(*pb));
	int err;

	if (!pb)
		return -ENOMEM;
	pb->feed.ops = &playback_ops;
	pb->opts = *opts;
	err = coverage__find(&pb->coverage, opts->history, &opts->span, true) ?:
	      history_cursor__new(&pb->cursor, opts->history, &opts->span) ?: look_ahead(pb) ?:
	      count_again(pb);
	if (err) {
		playback__free(pb);
		return err;
	}
	*playbackp = pb;
	return 0;
}

void playback__free(struct playback *pb)
{
	if (!pb)
		return;
	history_cursor__free(pb->cursor);
	coverage__free(&pb->coverage);
	free(pb);
}

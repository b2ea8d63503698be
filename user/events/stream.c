// SPDX-License-Identifier: GPL-2.0
#include "events/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/privileges.h"
#include "base/clock.h"
#include "model/decode.h"
#include "model/filter.h"
#include "events/asked.h"
#include "events/heal.h"
#include "events/heal_pace.h"
#include "events/listening.h"
#include "events/losses.h"
#include "events/naming.h"
#include "events/time_waits.h"
#include "events/join.h"
#include "sockets/sockiter.h"

#define NS_PER_S 1000000000ULL
#define POLL_MS 100	 /* an event is shown within twice this */
#define BUSY_POLL_MS 10	 /* while the backlog is large */
#define BUSY_RECORDS 20000
#define DRAIN_NS NS_PER_S /* at most, for records that are being written */
#define NAMES_NS (NS_PER_S / 2) /* likewise, for names of containers, before the past is told */

struct stream {
	struct feed feed;
	struct stream_options opts;
	struct healer *healer;
	struct join *join;
	struct time_waits *time_waits; /* NULL without opts.all, or with no_ends */
	struct listening listening;
	struct naming naming;
	bool has_baseline;
	uint64_t cut_ns; /* of a source that looks back: what it tells of before is older */
	int backlog; /* records that the last poll found */
	uint64_t delivered, unattributed, malformed, untaken;
	struct losses *losses;
	struct tws_counters counters;
	uint64_t recursion;
	uint64_t next_check_ns;
	struct heal_pace pace;
	bool put_failed; /* in this call of the user's: an error is the callback's */
	struct feed_failure failure;
};

/* Of endings: else they are numbers that mean nothing. */
static bool ids_are_cookies(const struct kernel *kernel)
{
	return kernel->atomics.state == FEATURE_PRESENT && kernel->cookie.state == FEATURE_PRESENT;
}

/* ---- the way of an event ---- */

static bool is_complete(const struct stream *s)
{
	return s->opts.max_records && s->delivered >= s->opts.max_records;
}

static int put_event(struct stream *s, const struct tws_event *ev)
{
	struct record rec;
	int err;

	if (is_complete(s))
		return 0;
	attributor__record(s->naming.attributor, ev, &rec);
	err = s->opts.put(s->opts.ctx, &rec);
	if (err) {
		s->untaken++;
		s->put_failed = true;
		return err;
	}
	s->delivered++;
	if (s->time_waits && ev->action == TWS_TIME_WAIT)
		time_waits__add(s->time_waits, rec.event);
	if (ev->action == TWS_TIME_WAIT && !(ev->conn.flags & TWS_F_CLOSER) &&
	    ev->conn.cause != TWS_CAUSE_KERNEL)
		s->unattributed++;
	return 0;
}

/* The end of a TIME_WAIT, if that is what @ev means to one that was given. */
static int put_end_by(struct stream *s, const struct tws_event *ev)
{
	struct tws_event end;

	if (!s->time_waits || !time_waits__ended(s->time_waits, ev, &end) ||
	    (s->opts.until_ns && end.time_ns > s->opts.until_ns))
		return 0;
	return put_event(s, &end);
}

static int put_end(void *ctx, const struct tws_event *end)
{
	return put_event(ctx, end);
}

/* In the kernel's table. */
static void count_found(struct stream *s, const struct tws_event *ev)
{
	if (ev->conn.flags & TWS_F_SNAPSHOT)
		losses__found(s->losses, ev, s->cut_ns);
}

/* What the container filter lets pass, perhaps later. */
static int put_wanted(struct stream *s, const struct tws_event *ev)
{
	switch (containers__judge(s->naming.containers, ev)) {
	case CONTAINERS_DROP:
		return 0;
	case CONTAINERS_WAIT:
		containers__hold(s->naming.containers, ev);
		return 0;
	default:
		count_found(s, ev);
		return put_event(s, ev);
	}
}

/* One that a name was awaited for. */
static int put_held(void *ctx, const struct tws_event *ev)
{
	struct stream *s = ctx;

	count_found(s, ev);
	return put_event(s, ev);
}

static int put_told(struct stream *s, const struct tws_event *ev, bool owner_unknown)
{
	int err;

	if (healer__told(s->healer, ev))
		return 0;
	healer__note(s->healer, ev);
	err = put_end_by(s, ev);
	if (err) {
		s->untaken++;
		return err;
	}
	return asked__for(&s->opts, ev, owner_unknown) ? put_wanted(s, ev) : 0;
}

static int put_joined(void *ctx, const struct tws_event *ev)
{
	return put_told(ctx, ev, false);
}

static int on_event(struct stream *s, const struct tws_event *ev)
{
	switch (ev->action) {
	case TWS_FIN:
		join__fin(s->join, ev);
		return 0;
	case TWS_LISTEN:
	case TWS_UNLISTEN:
		listening__note(&s->listening, ev);
		return 0;
	case TWS_OPEN:
	case TWS_TIME_WAIT_END:
		return put_end_by(s, ev);
	default:
		return put_told(s, ev, ev->action == TWS_TIME_WAIT || ev->action == TWS_FIN_WAIT2);
	}
}

/* One that was found in the kernel's table. */
static int on_found(void *ctx, const struct tws_event *ev)
{
	struct stream *s = ctx;

	if (!filter__match(&s->opts.filter, ev)) {
		/* it was lost, or skipped, as others are */
		if (asked__is_others(&s->opts, ev))
			losses__found_others(s->losses, ev, s->cut_ns);
		return 0;
	}
	if (!asked__for(&s->opts, ev, false))
		return 0;
	return put_end_by(s, ev) ?: put_wanted(s, ev);
}

static int decode_record(struct stream *s, const void *data, size_t len)
{
	const struct tws_ending *ending;
	const struct tws_cgroup *cgroup;
	const struct tws_event *ev;

	if (!decode__event(data, len, &ev))
		return on_event(s, ev);
	if (!decode__ending(data, len, &ending))
		return join__ending(s->join, ending, put_joined, s);
	if (!decode__cgroup(data, len, &cgroup))
		containers__note(s->naming.containers, cgroup);
	else
		s->malformed++;
	return 0;
}

/* 0: it has no place in the order of time. Who listens is told before its time. */
static uint64_t time_of(const void *data, size_t len)
{
	const struct tws_ending *ending;
	const struct tws_event *ev;

	if (!decode__ending(data, len, &ending))
		return ending->time_ns;
	if (decode__event(data, len, &ev) || ev->action == TWS_LISTEN ||
	    ev->action == TWS_UNLISTEN)
		return 0;
	return ev->time_ns;
}

/* A record is taken, whatever became of those that were found to be before it. */
static int on_record(void *ctx, const void *data, size_t len)
{
	struct stream *s = ctx;
	int err = 0, more;

	if (is_complete(s))
		return 0;
	listening__doubt(&s->listening);
	if (!s->has_baseline)
		err = healer__give_due(s->healer, time_of(data, len), s->join, on_found, s);
	more = decode_record(s, data, len);
	return err ?: more;
}

static int drain(struct stream *s)
{
	int num, err = 0;

	attributor__set_clock(s->naming.attributor, clock__wall_offset_ns());
	containers__tick(s->naming.containers, clock__now_ns(CLOCK_MONOTONIC));
	num = source__poll(s->opts.events, on_record, s);
	listening__read(&s->listening);
	if (num >= 0)
		err = containers__release(s->naming.containers, false, put_held, s);
	return err ?: num;
}

/* All that is in the ring now. A program may still be writing a record, or its
 * CPU may not run for a moment if it is a virtual one. */
static int drain_all(struct stream *s)
{
	uint64_t mark = source__mark(s->opts.events);
	uint64_t deadline_ns = clock__now_ns(CLOCK_MONOTONIC) + DRAIN_NS;
	int err = drain(s);

	while (err >= 0 && !source__passed(s->opts.events, mark) &&
	       clock__now_ns(CLOCK_MONOTONIC) < deadline_ns) {
		poll(NULL, 0, 1);
		err = drain(s);
	}
	return err;
}

/* ---- what was missed ---- */

static void show_socket(void *ctx, const struct snapshot *snap, const struct snapshot_socket *sk)
{
	struct stream *s = ctx;

	if (s->time_waits)
		time_waits__show(s->time_waits, snap, sk);
}

/* A kernel that cannot list its sockets cannot heal: check says so, and nothing else can
 * be done about it here. */
static int heal(struct stream *s)
{
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC);
	uint64_t spent_ns = clock__now_ns(CLOCK_PROCESS_CPUTIME_ID);
	int err;

	if (s->time_waits)
		time_waits__begin(s->time_waits);
	if (healer__take(s->healer, show_socket, s)) {
		heal_pace__failed(&s->pace, begin_ns);
		return 0;
	}
	err = drain_all(s);
	losses__looked(s->losses, join__orphans(s->join));
	if (err >= 0 && s->time_waits)
		err = time_waits__compare(s->time_waits, healer__snapshot(s->healer), put_end, s);
	if (err >= 0)
		err = healer__find(s->healer, s->opts.events, s->join, on_found, s);
	spent_ns = clock__now_ns(CLOCK_PROCESS_CPUTIME_ID) - spent_ns;
	heal_pace__done(&s->pace, begin_ns, clock__now_ns(CLOCK_MONOTONIC), spent_ns);
	return err < 0 ? err : 0;
}

static void note_lost_fins(struct stream *s)
{
	uint64_t lost = source__fins_lost(s->opts.events);

	losses__fins(s->losses, lost, clock__now_ns(CLOCK_MONOTONIC));
}

/* @skipped: since the counters were last looked at. */
static bool heal_is_due(struct stream *s, bool skipped, uint64_t now)
{
	const struct heal_signs signs = {
		.event_lost = s->counters.event_lost,
		.walk_failed = s->counters.walk_failed,
		.recursion = s->recursion,
		.skipped = skipped,
		.orphans = losses__awaits(s->losses, join__orphans(s->join)),
		.crowded = join__is_crowded(s->join),
		.ends = s->time_waits && time_waits__due(s->time_waits, now),
		.ends_wait = s->opts.ends_may_wait,
	};

	return heal_pace__is_due(&s->pace, &signs, now);
}

static int check_counters(struct stream *s)
{
	struct tws_counters before = s->counters;
	uint64_t skips = s->recursion, now = clock__now_ns(CLOCK_MONOTONIC);

	s->next_check_ns = now + HEAL_PACE_CHECK_NS;
	note_lost_fins(s);
	if (source__counters(s->opts.events, &s->counters, &s->recursion))
		return 0;
	/* Where the kernel skips a program in a process's context, a listen() may be skipped: so it
	 * is read soon who listens. To name nobody until then would leave nearly all openers out
	 * on a busy host, for one in some million transitions. */
	if (s->recursion != skips && kernel__skips_matter(s->opts.kernel))
		listening__want(&s->listening);
	if (s->counters.cgroup_lost != before.cgroup_lost)
		containers__refresh(s->naming.containers);
	return heal_is_due(s, s->recursion != skips, now) ? heal(s) : 0;
}

/* A FIN that comes again sets a mini-socket's timer anew; where the kernel side does not tell of
 * each, the timer tells nothing of when it was set first. */
static bool timers_tell(const struct stream *s)
{
	return s->opts.events->looks_back && s->opts.kernel->rx_sk.state == FEATURE_PRESENT;
}

/* What is found is what programs missed: there is nothing to find if all have run. */
static bool has_skips(struct stream *s)
{
	source__counters(s->opts.events, &s->counters, &s->recursion);
	return s->opts.events->skipped || s->recursion || s->counters.walk_failed;
}

/* Of a source that looks back, once that has told what it has. Where records were lost, what is
 * not told may have been: that is counted. */
static int find_skipped(struct stream *s)
{
	int err;

	if (!has_skips(s))
		return 0;
	err = drain_all(s);
	if (err >= 0)
		err = healer__give_due(s->healer, UINT64_MAX, s->join, on_found, s);
	if (!err && !s->counters.event_lost)
		err = healer__find_newest(s->healer, s->opts.events, s->opts.since_ns, s->cut_ns,
					  s->join, on_found, s);
	return err;
}

/* What was there at the start, and was not told, is not ours to tell. */
static int set_baseline(struct stream *s)
{
	int err = timers_tell(s) ? find_skipped(s) : 0;

	healer__baseline(s->healer);
	s->has_baseline = true;
	return err < 0 ? err : 0;
}

/* ---- what a command calls ---- */

/* Whose error it is: all but the callback's are the stream's own. */
static int conclude(struct stream *s, int err)
{
	s->failure = (struct feed_failure){};
	if (err < 0 && !s->put_failed) {
		s->failure.what = "cannot read the events";
		s->failure.todo = err == -ENOMEM ? "there is no memory for them" : NULL;
	}
	s->put_failed = false;
	return err < 0 ? err : 0;
}

static struct stream *of(struct feed *feed)
{
	return (struct stream *)feed; /* its first member */
}

static const struct stream *of_const(const struct feed *feed)
{
	return (const struct stream *)feed;
}

static int feed_poll(struct feed *feed)
{
	struct stream *s = of(feed);
	int num = drain(s);

	s->backlog = num < 0 ? 0 : num;
	/* Before it, what looks back has told all that it can. */
	if (num >= 0 && !s->has_baseline)
		num = set_baseline(s);
	if (num >= 0 && clock__now_ns(CLOCK_MONOTONIC) >= s->next_check_ns)
		num = check_counters(s);
	return conclude(s, num);
}

static bool feed_failed(const struct feed *feed, struct feed_failure *failure)
{
	const struct stream *s = of_const(feed);

	if (!s->failure.what)
		return false;
	*failure = s->failure;
	return true;
}

static int feed_pause_ms(const struct feed *feed)
{
	return of_const(feed)->backlog > BUSY_RECORDS ? BUSY_POLL_MS : POLL_MS;
}

static bool feed_is_complete(const struct feed *feed)
{
	return is_complete(of_const(feed));
}

static bool feed_has_ended(const struct feed *feed)
{
	return source__has_ended(of_const(feed)->opts.events);
}

static bool feed_has_containers(const struct feed *feed)
{
	return containers__any(of_const(feed)->naming.containers);
}

/* Who is asked for an answer may leave it out where nothing seems to be missing. */
static bool needs_last_look(struct stream *s)
{
	if (!s->opts.ends_at_once || source__counters(s->opts.events, &s->counters, &s->recursion))
		return true;
	return s->recursion || s->counters.event_lost || s->counters.walk_failed ||
	       join__orphans(s->join);
}

static int feed_finish(struct feed *feed)
{
	struct stream *s = of(feed);
	bool complete = is_complete(s);
	bool taken = !complete && s->has_baseline && needs_last_look(s) &&
		     !healer__take(s->healer, NULL, NULL);
	int err = 0;

	source__stop(s->opts.events);
	if (!complete)
		err = drain_all(s);
	if (err >= 0 && taken)
		err = healer__find(s->healer, s->opts.events, s->join, on_found, s);
	losses__looked(s->losses, join__orphans(s->join));
	if (err >= 0)
		err = containers__release(s->naming.containers, true, put_held, s);
	return conclude(s, err);
}

static void feed_account(struct feed *feed, struct feed_account *account)
{
	struct stream *s = of(feed);

	source__counters(s->opts.events, &s->counters, &s->recursion);
	*account = (struct feed_account){
		.delivered = s->delivered,
		.lost = losses__count(s->losses, s->counters.event_lost, s->recursion) + s->malformed +
			s->untaken + containers__dropped(s->naming.containers),
		.map_full = s->counters.table_full + join__dropped(s->join) +
			    listeners__refused(s->listening.table),
		.recursion = s->recursion + s->counters.walk_failed,
		.snapshot = losses__num_found(s->losses),
		.unattributed = s->unattributed,
		.no_end = s->time_waits ? time_waits__dropped(s->time_waits) : 0,
	};
}

static const struct feed_ops stream_feed_ops = {
	.poll = feed_poll,
	.pause_ms = feed_pause_ms,
	.is_complete = feed_is_complete,
	.has_ended = feed_has_ended,
	.has_containers = feed_has_containers,
	.finish = feed_finish,
	.failed = feed_failed,
	.account = feed_account,
};

struct feed *stream__feed(struct stream *s)
{
	return &s->feed;
}

bool stream__lacks_listeners(const struct stream *s)
{
	return s->listening.flags & LISTENERS_NETNS_FAILED;
}

/* ---- its life ---- */

/*
 * Where kfree_skb names a mini-socket, its FIN is told whenever it has a cookie: again if
 * the FIN comes again, and also of one that a filter left out, if somebody else gave it
 * its cookie. What came after the end of the trace, or what was asked for, is not missed.
 */
static bool is_known(void *ctx, const struct tws_ending *ending)
{
	struct stream *s = ctx;

	if (!s->has_baseline && ending->action == TWS_ENTERED)
		healer__doubt(s->healer, ending->id);
	if (source__is_late(s->opts.events, ending->time_ns) ||
	    ending->time_ns < s->opts.since_ns ||
	    (s->opts.until_ns && ending->time_ns > s->opts.until_ns))
		return true;
	if (s->opts.kernel->rx_sk.state == FEATURE_PRESENT && healer__knows(s->healer, ending->id))
		return true;
	if (s->opts.events->is_filtered && !filter__is_empty(&s->opts.filter)) {
		note_lost_fins(s);
		if (!losses__ends_fin(s->losses))
			return true;
	}
	losses__orphan(s->losses, ending);
	return false;
}

static int open_stages(struct stream *s)
{
	const struct kernel *kernel = s->opts.kernel;
	const struct join_options join = {
		.max = s->opts.max_connections ?: JOIN_DEFAULT,
		.has_cookie = ids_are_cookies(kernel),
		.all = s->opts.all,
		.known = is_known,
		.ctx = s,
	};

	return join__new(&s->join, &join) ?:
	       losses__new(&s->losses, ids_are_cookies(kernel)) ?:
	       healer__new(&s->healer, kernel->cookie.state == FEATURE_PRESENT, s->opts.source) ?:
	       (s->opts.all && !s->opts.no_ends ? time_waits__new(&s->time_waits, TIME_WAITS_MAX) : 0) ?:
	       listening__new(&s->listening, s->opts.events, s->opts.source) ?:
	       naming__new(&s->naming, &s->opts, s->listening.table);
}

int stream__new(struct stream **streamp, const struct stream_options *opts)
{
	struct stream *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->feed.ops = &stream_feed_ops;
	s->opts = *opts;
	s->opts.filter.by_cgroup = opts->num_containers > 0;
	err = open_stages(s);
	if (err) {
		stream__free(s);
		return err;
	}
	*streamp = s;
	return 0;
}

void stream__free(struct stream *s)
{
	if (!s)
		return;
	healer__free(s->healer);
	join__free(s->join);
	losses__free(s->losses);
	time_waits__free(s->time_waits);
	naming__free(&s->naming);
	listening__free(&s->listening);
	free(s);
}

/* ---- the start ---- */

static int fail(struct feed_failure *failure, int err, const char *what, const char *todo)
{
	*failure = (struct feed_failure){ what, todo };
	return err;
}

/* Without memory for it, less is found. */
static void look_back(struct stream *s, uint64_t cut_ns)
{
	s->cut_ns = cut_ns;
	if (s->opts.events->skipped && timers_tell(s))
		healer__look_back(s->healer, s->opts.events, s->opts.since_ns, cut_ns);
}

/* The baseline is taken once the source has started, or what ends in between would be
 * nobody's; what lacks one is only healed less. */
int stream__start(struct stream *s, struct feed_failure *failure)
{
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC);
	int err = source__start(s->opts.events);

	if (err)
		return fail(failure, err, "cannot attach the BPF programs", "see 'twsnoop check'");
	/* Taken at once: what comes later may be lost, and is to be found then. */
	healer__take(s->healer, NULL, NULL);
	/* What is older is there in part only. */
	if (s->opts.since_ns < s->opts.events->reach_ns)
		s->opts.since_ns = s->opts.events->reach_ns;
	if (s->opts.events->looks_back)
		look_back(s, begin_ns);
	else
		set_baseline(s);
	if (s->opts.events->lacks_older)
		listeners__know_from(s->listening.table, s->opts.events->reach_ns);
	listening__begin(&s->listening);
	source__counters(s->opts.events, &s->counters, &s->recursion);
	return 0;
}

/*
 * Before 5.19 a kernel with unprivileged_bpf_disabled answers no bpf(2) call
 * without CAP_BPF, not even for a counter; newer ones do. So try it.
 * CAP_SYS_ADMIN includes CAP_BPF.
 */
int stream__privileges(struct stream *s, uint64_t *mask)
{
	uint64_t keep = PRIVILEGES_TO_LOOK;
	int err;

	if (!kernel__has_cap(s->opts.kernel, CAP_SYS_ADMIN)) {
		err = privileges__use(PRIVILEGES_TO_LOOK);
		if (err)
			return err;
		if (sockiter__is_open() ||
		    source__counters(s->opts.events, &s->counters, &s->recursion))
			keep |= PRIVILEGE(CAP_BPF);
	}
	*mask = keep;
	return 0;
}

int stream__begin(struct stream *s, struct feed_failure *failure)
{
	int err = containers__begin(s->naming.containers, clock__now_ns(CLOCK_MONOTONIC));

	if (err)
		return fail(failure, err, "cannot look for containers", NULL);
	/* what comes may wait for its name in passing; of what was before all comes at once */
	if (s->opts.events->looks_back)
		containers__await_all(s->naming.containers, NAMES_NS);
	heal_pace__start(&s->pace, clock__now_ns(CLOCK_MONOTONIC));
	return 0;
}

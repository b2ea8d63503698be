// SPDX-License-Identifier: GPL-2.0
/*
 * The whole way of an event, with a source, a kernel's table of sockets, and privileges
 * that are made up: what is given, what is counted, and in which order it starts.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/privileges.h"
#include "sockets/sockiter.h"
#include "base/clock.h"
#include "events/stream.h"
#include "tests/unit/support.h"

#define SEC 1000000000ULL
#define CAP_BIT(cap) (1ULL << (cap))
#define CAPS_KEPT \
	(CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH))

/* ---- what is below ---- */

static char steps[256]; /* what was done, each a word */
static int start_error, counters_error, poll_error;
static uint64_t fins_lost;
static bool is_admin;
static struct tws_counters counters;

static struct {
	union {
		struct tws_event event;
		struct tws_cgroup cgroup;
		struct tws_ending ending;
	};
	size_t len;
} ring[16];
static size_t ring_first, ring_end;
static int more_records; /* that a poll is said to have found */

static struct sockdiag_socket table[8];
static uint64_t entered_ns[8]; /* CLOCK_MONOTONIC, of these; 0: their timers stand */
static size_t num_sockets;
static time_t later_s, cpu_s;		/* by which the clocks are ahead; CPU time is made up */
static time_t dump_takes_s, dump_needs_s; /* by the clock, and of CPU time */
static uint64_t slow_ns; /* a clock that nobody who is held up finds ahead; 0: the kernel's */

/* The C library's. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock == CLOCK_MONOTONIC && slow_ns) {
		slow_ns += 1000;
		*ts = (struct timespec){ .tv_sec = (time_t)(slow_ns / SEC) + later_s,
					 .tv_nsec = (long)(slow_ns % SEC) };
		return 0;
	}
	if (clock == CLOCK_PROCESS_CPUTIME_ID) {
		*ts = (struct timespec){ .tv_sec = cpu_s };
		return 0;
	}
	if (syscall(SYS_clock_gettime, clock, ts))
		return -1;
	ts->tv_sec += later_s;
	return 0;
}

static void note_step(const char *step)
{
	size_t len = strlen(steps);

	assert_true(len + strlen(step) + 2 < sizeof(steps));
	snprintf(steps + len, sizeof(steps) - len, "%s ", step);
}

static int events_start(struct source *events)
{
	(void)events;
	note_step("start");
	return start_error;
}

static int events_poll(struct source *events, source_record_fn fn, void *ctx)
{
	int num = more_records, err;

	(void)events;
	if (poll_error)
		return poll_error;
	for (; ring_first < ring_end; num++) {
		size_t i = ring_first++;

		err = fn(ctx, &ring[i], ring[i].len);
		if (err)
			return err;
	}
	return num;
}

/* What the next poll gives. */
static int events_peek(struct source *events, source_record_fn fn, void *ctx)
{
	int err = 0;

	(void)events;
	for (size_t i = ring_first; !err && i < ring_end; i++)
		err = fn(ctx, &ring[i], ring[i].len);
	return err;
}

static uint64_t events_fins_lost(const struct source *events)
{
	(void)events;
	return fins_lost;
}

static bool events_is_late(const struct source *events, uint64_t time_ns)
{
	(void)events;
	(void)time_ns;
	return false;
}

static uint64_t events_mark(const struct source *events)
{
	(void)events;
	return ring_end;
}

static bool events_passed(const struct source *events, uint64_t mark)
{
	(void)events;
	return ring_first >= mark;
}

static uint64_t skips;

static int events_counters(const struct source *events, struct tws_counters *sum, uint64_t *recursion)
{
	(void)events;
	if (counters_error)
		return counters_error;
	*sum = counters;
	*recursion = skips;
	return 0;
}

static size_t events_sweep(struct source *events, uint64_t before_ns,
		     source_alive_fn alive, void *ctx)
{
	(void)events, (void)before_ns, (void)alive, (void)ctx;
	return 0;
}

static int events_pass_cgroup(struct source *events, uint64_t id, bool pass)
{
	(void)events, (void)id, (void)pass;
	return 0;
}

static void events_stop(struct source *events)
{
	(void)events;
	note_step("stop");
}

static const struct source_ops events_ops = {
	.start = events_start,
	.poll = events_poll,
	.peek = events_peek,
	.mark = events_mark,
	.passed = events_passed,
	.fins_lost = events_fins_lost,
	.is_late = events_is_late,
	.counters = events_counters,
	.sweep = events_sweep,
	.pass_cgroup = events_pass_cgroup,
	.stop = events_stop,
};
static struct source events = { .ops = &events_ops, .is_filtered = true };

bool kernel__has_cap(const struct kernel *k, int cap)
{
	(void)k;
	return cap == CAP_SYS_ADMIN && is_admin;
}

bool sockiter__is_open(void)
{
	return false;
}

int privileges__use(uint64_t mask)
{
	assert_int_equal(mask, CAPS_KEPT);
	note_step("use");
	return 0;
}

/* The rest of that module: threads keep what they have. */
int privileges__keep_only(uint64_t mask)
{
	(void)mask;
	return 0;
}

void privileges__of_thread(uint64_t mask)
{
	(void)mask;
}

/* As the kernel's, which goes on while a test waits for a processor. */
static void set_timer(struct sockdiag_socket *sk, uint64_t since_ns)
{
	uint64_t age_ms = (clock__now_ns(CLOCK_MONOTONIC) - since_ns) / 1000000;

	sk->expires_ms = age_ms < 60000 ? (uint32_t)(60000 - age_ms) : 0;
}

static int dump(int fd, uint32_t states, sockdiag_fn fn, void *ctx, unsigned int *flags)
{
	int err = 0;

	(void)fd, (void)flags;
	note_step("sockets");
	later_s += dump_takes_s;
	cpu_s += dump_needs_s;
	for (size_t i = 0; !err && i < num_sockets; i++) {
		if (entered_ns[i])
			set_timer(&table[i], entered_ns[i]);
		if (states & SOCKDIAG_MASK(table[i].state))
			err = fn(ctx, &table[i]);
	}
	return err;
}

/* ---- what is above ---- */

static char root[PATH_MAX]; /* an empty /proc */
static const char *const no_dirs[] = { NULL };
static const struct netns_places places = { root, no_dirs };
static const struct sockets_source source = { &places, dump, false, NULL };
static const struct kernel kernel = {
	.cookie = { .state = FEATURE_PRESENT },
	.atomics = { .state = FEATURE_PRESENT },
	.v1_subsys = -1,
};

static struct {
	uint64_t cookie, time_ns;
	uint32_t pid;
	uint8_t action;
	uint16_t flags;
} given[16];
static size_t num_given;
static int put_error;

static int put(void *ctx, const struct record *rec)
{
	assert_ptr_equal(ctx, given);
	if (put_error)
		return put_error;
	assert_true(num_given < COUNT(given));
	given[num_given].cookie = rec->event->cookie;
	given[num_given].time_ns = rec->event->time_ns;
	given[num_given].pid = rec->event->conn.tgid;
	given[num_given].flags = rec->event->conn.flags;
	given[num_given++].action = rec->event->action;
	return 0;
}

static struct stream_options options(void)
{
	return (struct stream_options){
		.kernel = &kernel, .events = &events, .source = &source, .proc_root = root,
		.no_names = true, .put = put, .ctx = given,
	};
}

static struct stream *started(const struct stream_options *opts)
{
	struct feed_failure failure;
	struct stream *stream = NULL;

	assert_int_equal(stream__new(&stream, opts), 0);
	assert_int_equal(stream__start(stream, &failure), 0);
	assert_int_equal(stream__begin(stream, &failure), 0);
	assert_int_equal(num_given, 0);
	return stream;
}

static struct tws_event *send_event(uint64_t cookie)
{
	struct tws_event *ev = &ring[ring_end].event;

	assert_true(ring_end < COUNT(ring));
	support__event(ev);
	ev->cookie = cookie;
	ev->conn.cgroup_id = 0;
	ring[ring_end++].len = sizeof(*ev);
	return ev;
}

/* What became of the connection of the event @fin. */
static void send_ending(const struct tws_event *fin, uint8_t action)
{
	uint32_t words[4];

	assert_true(ring_end < COUNT(ring));
	memcpy(words, fin->peer_addr, sizeof(words));
	ring[ring_end].ending = (struct tws_ending){
		.time_ns = fin->time_ns + 1, .id = fin->cookie, .action = action,
		.local_port = fin->local_port, .peer_port = fin->peer_port,
		.peer_hash = tws_peer_hash(words),
	};
	ring[ring_end++].len = sizeof(struct tws_ending);
}

/* A socket that has just entered TIME_WAIT. */
static void add_mini(uint64_t cookie)
{
	table[num_sockets++] = (struct sockdiag_socket){
		.cookie = cookie, .family = AF_INET, .state = SOCKDIAG_TIME_WAIT, .mini = true,
		.local_port = (uint16_t)(50000 + cookie), .peer_port = 80,
		.local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, 9 }, .expires_ms = 60000,
	};
}

static int setup(void **state)
{
	clock__set_shift(0, 0);
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/twsnoop-stream-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	steps[0] = '\0';
	start_error = counters_error = poll_error = put_error = 0;
	memset(entered_ns, 0, sizeof(entered_ns));
	ring_first = ring_end = num_sockets = num_given = 0;
	more_records = 0;
	fins_lost = 0;
	later_s = cpu_s = dump_takes_s = dump_needs_s = 0;
	slow_ns = 0;
	memset(&counters, 0, sizeof(counters));
	is_admin = true;
	events.is_filtered = true;
	events.looks_back = false;
	events.skipped = events.reach_ns = 0;
	skips = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(root);
}

/* ---- the start ---- */

static void test_order(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	assert_string_equal(steps, "start sockets sockets ");
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_string_equal(steps, "start sockets sockets sockets stop ");
	stream__free(stream);
	stream__free(NULL);
}

static uint64_t privileges_of(struct stream *stream)
{
	uint64_t mask = 0;

	assert_int_equal(stream__privileges(stream, &mask), 0);
	stream__free(stream);
	return mask;
}

/* A kernel that answers nothing without CAP_BPF. */
static void test_privileges(void **state)
{
	const struct stream_options opts = options();

	(void)state;
	assert_int_equal(privileges_of(started(&opts)), CAPS_KEPT);
	is_admin = false;
	assert_int_equal(privileges_of(started(&opts)), CAPS_KEPT);
	counters_error = -EPERM;
	assert_int_equal(privileges_of(started(&opts)), CAPS_KEPT | CAP_BIT(CAP_BPF));
}

static void check_failure(int want, const char *what, const char *todo)
{
	const struct stream_options opts = options();
	struct feed_failure failure = {};
	struct stream *stream;

	assert_int_equal(stream__new(&stream, &opts), 0);
	assert_int_equal(stream__start(stream, &failure), want);
	assert_string_equal(failure.what, what);
	if (todo)
		assert_string_equal(failure.todo, todo);
	else
		assert_null(failure.todo);
	stream__free(stream);
}

static void test_failures(void **state)
{
	(void)state;
	start_error = -EACCES;
	check_failure(-EACCES, "cannot attach the BPF programs", "see 'twsnoop check'");
}

/* Whose error it is that ends a trace. */
static void test_whose_error(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);
	struct feed_failure failure = {};

	(void)state;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_false(feed__failed(stream__feed(stream), &failure));
	poll_error = -ENOMEM;
	assert_int_equal(feed__poll(stream__feed(stream)), -ENOMEM);
	assert_true(feed__failed(stream__feed(stream), &failure));
	assert_string_equal(failure.what, "cannot read the events");
	poll_error = 0;
	put_error = -ENOMEM;
	send_event(1);
	assert_int_equal(feed__poll(stream__feed(stream)), -ENOMEM);
	assert_false(feed__failed(stream__feed(stream), &failure));
	poll_error = -EIO;
	assert_int_equal(feed__finish(stream__feed(stream)), -EIO);
	assert_true(feed__failed(stream__feed(stream), &failure));
	stream__free(stream);
}

/* ---- what is given ---- */

static struct feed_account account_of(struct stream *stream)
{
	struct feed_account account;

	feed__account(stream__feed(stream), &account);
	return account;
}

static void test_given(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);
	struct feed_account account;

	(void)state;
	send_event(1);
	send_event(2)->conn.flags = TWS_F_ACTIVE; /* nobody knows by whom */
	ring[ring_end++].len = 7;
	counters.table_full = 5;
	counters.walk_failed = 4;
	skips = 3;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[1].cookie, 2);
	assert_false(feed__is_complete(stream__feed(stream)));
	send_event(3);
	assert_int_equal(feed__finish(stream__feed(stream)), 0); /* what is still in the ring */
	assert_int_equal(num_given, 3);
	account = account_of(stream);
	assert_int_equal(account.delivered, 3);
	assert_int_equal(account.lost, 1);
	assert_int_equal(account.map_full, 5);
	assert_int_equal(account.recursion, 3 + 4);
	assert_int_equal(account.unattributed, 1);
	assert_int_equal(account.snapshot, 0);
	stream__free(stream);
}

static void test_pause(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	assert_int_equal(feed__pause_ms(stream__feed(stream)), 100);
	more_records = 1000000;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_in_range(feed__pause_ms(stream__feed(stream)), 1, 50);
	more_records = 0;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__pause_ms(stream__feed(stream)), 100);
	stream__free(stream);
}

/* Whatever comes after the last one is neither given nor lost. */
static void test_max_records(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.max_records = 2;
	stream = started(&opts);
	for (uint64_t cookie = 1; cookie <= 4; cookie++)
		send_event(cookie);
	add_mini(9);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_true(feed__is_complete(stream__feed(stream)));
	send_event(5);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(account_of(stream).delivered, 2);
	assert_int_equal(account_of(stream).lost, 0);
	assert_int_equal(account_of(stream).snapshot, 0);
	stream__free(stream);
}

static void test_not_taken(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	send_event(1);
	send_event(2);
	put_error = -ENOSPC;
	assert_int_equal(feed__poll(stream__feed(stream)), -ENOSPC);
	put_error = 0;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(given[0].cookie, 2);
	assert_int_equal(account_of(stream).delivered, 1);
	assert_int_equal(account_of(stream).lost, 1);
	stream__free(stream);
}

/* ---- what was missed ---- */

static void test_found(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	add_mini(1); /* was there before */
	stream = started(&opts);
	add_mini(2); /* is told */
	add_mini(3); /* is not */
	send_event(2);
	counters.event_lost = 1;
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[0].cookie, 2);
	assert_int_equal(given[1].cookie, 3);
	assert_true(given[1].flags & TWS_F_SNAPSHOT);
	assert_int_equal(account_of(stream).delivered, 2);
	assert_int_equal(account_of(stream).snapshot, 1);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* Something is lost when a snapshot was taken: it is found @rest_s after that, and not before. */
static void find_again(time_t rest_s)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	add_mini(1);
	counters.event_lost = 1;
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	add_mini(2);
	counters.event_lost = 2;
	later_s += rest_s - 2;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	later_s += 3;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* Nothing seems to be missing, and something is: it is found before its minute is over, however
 * long it takes to look. */
static void test_idle(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	dump_takes_s = 10;
	later_s += 46;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	add_mini(1);
	later_s += 30;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	stream__free(stream);
}

/* Records of who listens were lost: that is read anew, but not again and again. */
static void test_listeners_lost(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	dump_takes_s = 1;
	steps[0] = '\0';
	events.listens_lost_since_ns = 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "sockets ");
	assert_int_equal(events.listens_lost_since_ns, 0);
	events.listens_lost_since_ns = 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "sockets ");
	later_s += 60;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(events.listens_lost_since_ns, 0);
	stream__free(stream);
}

/* A program was skipped, perhaps for a listen(): that is read before anything else is given. */
static void test_listen_skipped(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	later_s += 2;
	steps[0] = '\0';
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "");
	skips++;
	later_s += 2;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_string_equal(steps, "sockets ");
	stream__free(stream);
}

/* The process was stopped. */
static void test_after_stop(void **state)
{
	(void)state;
	dump_takes_s = 2;
	find_again(5);
}

/* A table of millions. */
static void test_after_work(void **state)
{
	(void)state;
	dump_takes_s = dump_needs_s = 3;
	find_again(42);
}

static void test_filter(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.filter.num_peers = 1;
	opts.filter.peers[0].port = opts.filter.peers[0].last_port = 81;
	stream = started(&opts);
	add_mini(1); /* the kernel side does not see what is found */
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	stream__free(stream);
}

static void send_ends(struct stream *stream, uint64_t from, unsigned int num)
{
	const struct tws_event of = { .local_port = 1, .peer_port = 80 };

	while (num--) {
		struct tws_event ev = of;

		ev.cookie = from++;
		ev.time_ns = clock__now_ns(CLOCK_MONOTONIC);
		send_ending(&ev, TWS_ENTERED);
	}
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	ring_first = ring_end = 0;
}

/* With a filter, ends without a FIN are others', but for as many as FINs were lost lately. */
static void test_others_are_not_lost(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.filter.side = TWS_SIDE_CLIENT;
	stream = started(&opts);
	send_ends(stream, 100, 10);
	fins_lost = 2;
	send_ends(stream, 200, 10);
	fins_lost = 3;
	later_s += 3;
	send_ends(stream, 0, 0); /* this one's end has not come for two minutes */
	later_s += 121;
	send_ends(stream, 300, 10);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(account_of(stream).lost, 2);
	stream__free(stream);
}

/* A recorder gives all, and what it loses may be others': what is found of them was not ours. */
static void test_others_are_found(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	events.is_filtered = false;
	opts.filter.num_peers = 1;
	opts.filter.peers[0].port = opts.filter.peers[0].last_port = 81;
	stream = started(&opts);
	for (uint64_t cookie = 1; cookie < 5; cookie++)
		add_mini(cookie);
	table[3].peer_port = 81;
	counters.event_lost = 7;
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(account_of(stream).lost, 3);
	skips = 2; /* of what was found, two may not have been lost */
	assert_int_equal(account_of(stream).lost, 5);
	stream__free(stream);
}

/* Of two the FINs were lost, and one's socket is gone; of another two nothing was told, and they are
 * found: they make up for what is missing of the rings, but not for that one. */
static void test_skipped_is_not_lost(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);

	(void)state;
	send_ends(stream, 100, 2);
	add_mini(100);
	add_mini(2);
	add_mini(3);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 3);
	assert_int_equal(account_of(stream).snapshot, 3);
	assert_int_equal(account_of(stream).lost, 1);
	counters.event_lost = 2;
	assert_int_equal(account_of(stream).lost, 1);
	counters.event_lost = 3;
	assert_int_equal(account_of(stream).lost, 2);
	stream__free(stream);
}

/* Without its owner, one may be what was asked for. */
static void test_unowned_are_lost(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	events.is_filtered = false;
	opts.filter.side = TWS_SIDE_CLIENT;
	stream = started(&opts);
	add_mini(1);
	counters.event_lost = 1;
	later_s += 6;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	assert_int_equal(account_of(stream).lost, 1);
	stream__free(stream);
}

/* ---- ends, containers ---- */

static void test_ends(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	opts.all = true;
	stream = started(&opts);
	send_event(1);
	send_event(2)->action = TWS_OPEN; /* the same addresses */
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[1].cookie, 1);
	assert_int_equal(given[1].action, TWS_TIME_WAIT_END);
	assert_int_equal(account_of(stream).no_end, 0);
	stream__free(stream);
}

static void test_container(void **state)
{
	const struct stream_options opts = options();
	struct stream *stream = started(&opts);
	struct tws_cgroup *cgroup = &ring[ring_end].cgroup;

	(void)state;
	memset(cgroup, 0, sizeof(*cgroup));
	cgroup->action = TWS_CGROUP_ADDED;
	cgroup->id = 1ULL << 60 | 1; /* far from those that this machine has */
	snprintf(cgroup->path, sizeof(cgroup->path), "/docker/%064d", 1);
	ring[ring_end++].len = sizeof(*cgroup);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_true(feed__has_containers(stream__feed(stream)));
	assert_int_equal(num_given, 0);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* ---- a source that looks back ---- */

/* What was in the table at the start is the baseline, once the source has told what it has of
 * before: it was told, or is not to be. */
static void test_looks_back(void **state)
{
	struct stream_options opts = options();
	struct feed_account account;
	struct stream *stream;

	(void)state;
	events.looks_back = true;
	events.is_filtered = false;
	opts.since_ns = clock__now_ns(CLOCK_MONOTONIC) - 1000;
	opts.until_ns = opts.since_ns + 100;
	add_mini(1);
	add_mini(9); /* nobody told of it */
	stream = started(&opts);
	send_event(1)->time_ns = opts.since_ns - 1;
	send_event(2)->time_ns = opts.since_ns;
	send_event(3)->time_ns = opts.until_ns;
	send_event(4)->time_ns = opts.until_ns + 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	assert_int_equal(given[0].cookie, 2);
	assert_int_equal(given[1].cookie, 3);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 2);
	feed__account(stream__feed(stream), &account);
	assert_int_equal(account.lost, 0);
	assert_int_equal(account.snapshot, 0);
	stream__free(stream);
}

/* One that ends at once does not take the whole table for missed. */
static void test_looks_back_only(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;

	(void)state;
	events.looks_back = true;
	opts.since_ns = 1;
	stream = started(&opts);
	add_mini(9);
	send_event(1);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	stream__free(stream);
}

#define AGO(seconds) (clock__now_ns(CLOCK_MONOTONIC) - (uint64_t)((seconds) * 1e9))

static const struct kernel skipping_kernel = {
	.cookie = { .state = FEATURE_PRESENT },
	.atomics = { .state = FEATURE_PRESENT },
	.rx_sk = { .state = FEATURE_PRESENT },
	.v1_subsys = -1,
};

/* One that entered TIME_WAIT @ago_s ago, if the timer was set once. */
static void add_old_mini(uint64_t cookie, uint32_t ago_s)
{
	add_mini(cookie);
	entered_ns[num_sockets - 1] = AGO(ago_s);
}

/* Its FIN @ago_s ago, and how it ended right after, if @action is not 0. */
static void tell_close(uint64_t cookie, double ago_s, uint8_t action)
{
	struct tws_event *fin = send_event(cookie);

	fin->action = TWS_FIN;
	fin->time_ns = AGO(ago_s);
	fin->local_port = (uint16_t)(50000 + cookie);
	fin->peer_port = 80;
	assert_int_equal(netns__inode(-1, &fin->netns), 0);
	if (action)
		send_ending(fin, action);
}

/* What became of one whose FIN is not in the ring. */
static void tell_ending_alone(uint64_t cookie, double ago_s, uint8_t action)
{
	struct tws_event fin;

	support__event(&fin);
	fin.cookie = cookie;
	fin.time_ns = AGO(ago_s);
	send_ending(&fin, action);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	assert_return_code(clock_gettime(CLOCK_MONOTONIC, &now), errno);
	return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec;
}

/* On a machine that was just started nothing can be as old as these tests have it. */
static struct stream_options looking_back(double since_s)
{
	struct stream_options opts = options();

	if (clock__now_ns(CLOCK_MONOTONIC) < 100 * SEC)
		clock__set_shift(-1000LL * (int64_t)SEC, 0);
	slow_ns = slow_ns ?: monotonic_ns();
	opts.kernel = &skipping_kernel;
	opts.since_ns = AGO(since_s);
	events.looks_back = true;
	events.is_filtered = false;
	events.skipped = 1;
	return opts;
}

static void assert_given(const uint64_t *cookies, size_t num)
{
	assert_int_equal(num_given, num);
	for (size_t i = 0; i < num; i++)
		assert_int_equal(given[i].cookie, cookies[i]);
}

/* Some of what was before the start was skipped by the kernel: it is found in the table, and told
 * in its place, once. */
static void test_skipped_before(void **state)
{
	static const uint64_t want[] = { 1, 2, 3, 4, 5 };
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	tell_close(1, 10, TWS_TIME_WAIT);
	tell_close(3, 8, 0); /* how it ended was skipped */
	ring[ring_end - 1].event.conn.tgid = 33;
	tell_ending_alone(4, 7, TWS_TIME_WAIT); /* its FIN was */
	tell_close(5, 6, TWS_TIME_WAIT);
	add_old_mini(4, 7);
	add_old_mini(2, 9); /* both were */
	add_old_mini(3, 8);
	add_old_mini(1, 10);
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_given(want, COUNT(want));
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_int_equal(!!(given[i].flags & TWS_F_SNAPSHOT), want[i] > 1 && want[i] < 5);
		assert_true(!i || given[i].time_ns >= given[i - 1].time_ns);
	}
	assert_int_equal(given[2].pid, 33);
	assert_int_equal(given[1].pid, 0);
	later_s += 70;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, COUNT(want));
	assert_int_equal(account_of(stream).delivered, 5);
	assert_int_equal(account_of(stream).snapshot, 3);
	assert_int_equal(account_of(stream).lost, 0);
	stream__free(stream);
}

/* Who was skipped is not who was lost. */
static void test_skipped_are_not_lost(void **state)
{
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_old_mini(2, 9);
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	counters.event_lost = 4;
	assert_int_equal(account_of(stream).lost, 4);
	stream__free(stream);
}

/* What entered before the time that was asked for, or that the rings reach back to, or may have. */
static void test_skipped_too_early(void **state)
{
	const struct stream_options opts = looking_back(9);
	struct stream *stream;

	(void)state;
	events.reach_ns = AGO(7.05);
	add_old_mini(1, 20);
	add_old_mini(2, 8);
	add_old_mini(3, 7); /* the timer is not as exact as that */
	add_old_mini(4, 60); /* it has run out: nobody knows since when */
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	stream__free(stream);
}

/* A timer that was set anew shows one as younger than it is: its FIN came again. */
static void test_skipped_in_doubt(void **state)
{
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	tell_ending_alone(1, 5, TWS_ENTERED);
	add_old_mini(1, 5);
	add_mini(2);
	stream = started(&opts);
	tell_ending_alone(2, 0, TWS_ENTERED);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	stream__free(stream);
}

/* Where nothing was skipped, or FINs that come again are not seen, the table has nothing to add. */
static void test_nothing_skipped(void **state)
{
	struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_old_mini(1, 5);
	events.skipped = 0;
	for (int i = 0; i < 2; i++) {
		stream = started(&opts);
		assert_int_equal(feed__poll(stream__feed(stream)), 0);
		assert_int_equal(num_given, 0);
		stream__free(stream);
		opts.kernel = &kernel;
		events.skipped = 1;
	}
}

/* It entered while the reader began: its record may come late, and is not told again. */
static void test_skipped_meanwhile(void **state)
{
	static const uint64_t want[] = { 2, 1, 3 };
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_mini(1);
	add_mini(2);
	add_mini(3);
	stream = started(&opts);
	tell_close(2, 0, TWS_TIME_WAIT);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_given(want, COUNT(want));
	assert_false(given[0].flags & TWS_F_SNAPSHOT);
	assert_true(given[1].flags & TWS_F_SNAPSHOT);
	tell_close(3, 0, TWS_TIME_WAIT);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(num_given, COUNT(want));
	stream__free(stream);
}

/* What was lost meanwhile may have been told: it is counted, and not guessed at. */
static void test_lost_meanwhile(void **state)
{
	const struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_mini(1);
	stream = started(&opts);
	counters.event_lost = 1;
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 0);
	assert_int_equal(account_of(stream).lost, 1);
	stream__free(stream);
}

/* A filter leaves out of it what it leaves out of all. */
static void test_skipped_filtered(void **state)
{
	struct stream_options opts = looking_back(30);
	struct stream *stream;

	(void)state;
	add_old_mini(1, 5);
	add_old_mini(2, 4);
	table[0].peer_port = 81;
	opts.filter.num_peers = 1;
	opts.filter.peers[0].port = opts.filter.peers[0].last_port = 81;
	stream = started(&opts);
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(given[0].cookie, 1);
	stream__free(stream);
}

/* What the kernel side has not filtered is filtered here, with the same answers. */
static void test_filters_by_itself(void **state)
{
	struct stream_options opts = options();
	struct stream *stream;
	struct tws_event *ev;

	(void)state;
	events.is_filtered = false;
	opts.filter.side = TWS_SIDE_CLIENT;
	stream = started(&opts);
	ev = send_event(1); /* its FIN was missed: as the kernel side, it does not know by whom */
	ev->conn.side = TWS_SIDE_CLIENT;
	send_event(2)->action = TWS_RESET; /* recorded for others, with --all */
	for (uint64_t cookie = 3; cookie < 5; cookie++) {
		ev = send_event(cookie);
		ev->action = TWS_FIN;
		ev->conn.side = cookie == 3 ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER;
		ev->end = 0;
		send_ending(ev, TWS_TIME_WAIT);
	}
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
	assert_int_equal(num_given, 1);
	assert_int_equal(given[0].cookie, 3);
	stream__free(stream);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order), TEST(test_privileges), TEST(test_failures), TEST(test_whose_error),
		TEST(test_given), TEST(test_pause),	  TEST(test_max_records),
		TEST(test_found), TEST(test_not_taken),	  TEST(test_filter), TEST(test_others_are_not_lost),
		TEST(test_others_are_found), TEST(test_unowned_are_lost), TEST(test_skipped_is_not_lost),
		TEST(test_ends),  TEST(test_container),	  TEST(test_listeners_lost), TEST(test_listen_skipped), TEST(test_after_stop),
		TEST(test_after_work), TEST(test_idle),
		TEST(test_looks_back), TEST(test_looks_back_only), TEST(test_filters_by_itself),
		TEST(test_skipped_before), TEST(test_skipped_are_not_lost), TEST(test_skipped_too_early),
		TEST(test_skipped_in_doubt), TEST(test_nothing_skipped), TEST(test_skipped_meanwhile),
		TEST(test_lost_meanwhile), TEST(test_skipped_filtered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/events/stream_support.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "sockets/sockiter.h"
#include "tests/unit/support.h"

/* ---- what is below ---- */

char steps[256]; /* what was done, each a word */
int start_error, counters_error, poll_error;
uint64_t fins_lost;
bool is_admin;
struct tws_counters counters;

struct made_record ring[RING_SLOTS];
size_t ring_first, ring_end;
int more_records; /* that a poll is said to have found */

struct sockdiag_socket table[8];
uint64_t entered_ns[8]; /* CLOCK_MONOTONIC, of these; 0: their timers stand */
size_t num_sockets;
time_t later_s, cpu_s;		/* by which the clocks are ahead; CPU time is made up */
time_t dump_takes_s, dump_needs_s; /* by the clock, and of CPU time */
uint64_t slow_ns; /* a clock that nobody who is held up finds ahead; 0: the kernel's */

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

uint64_t skips;

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
struct source events = { .ops = &events_ops, .is_filtered = true };

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
const struct kernel kernel = {
	.cookie = { .state = FEATURE_PRESENT },
	.atomics = { .state = FEATURE_PRESENT },
	.v1_subsys = -1,
};

struct given_record given[GIVEN_SLOTS];
size_t num_given;
int put_error;

static int put(void *ctx, const struct record *rec)
{
	assert_ptr_equal(ctx, given);
	if (put_error)
		return put_error;
	assert_true(num_given < GIVEN_SLOTS);
	given[num_given].cookie = rec->event->cookie;
	given[num_given].time_ns = rec->event->time_ns;
	given[num_given].pid = rec->event->conn.tgid;
	given[num_given].flags = rec->event->conn.flags;
	given[num_given++].action = rec->event->action;
	return 0;
}

struct stream_options options(void)
{
	return (struct stream_options){
		.kernel = &kernel, .events = &events, .source = &source, .proc_root = root,
		.no_names = true, .put = put, .ctx = given,
	};
}

struct stream *started(const struct stream_options *opts)
{
	struct feed_failure failure;
	struct stream *stream = NULL;

	assert_int_equal(stream__new(&stream, opts), 0);
	assert_int_equal(stream__start(stream, &failure), 0);
	assert_int_equal(stream__begin(stream, &failure), 0);
	assert_int_equal(num_given, 0);
	return stream;
}

struct tws_event *send_event(uint64_t cookie)
{
	struct tws_event *ev = &ring[ring_end].event;

	assert_true(ring_end < RING_SLOTS);
	support__event(ev);
	ev->cookie = cookie;
	ev->conn.cgroup_id = 0;
	ring[ring_end++].len = sizeof(*ev);
	return ev;
}

/* What became of the connection of the event @fin. */
void send_ending(const struct tws_event *fin, uint8_t action)
{
	uint32_t words[4];

	assert_true(ring_end < RING_SLOTS);
	memcpy(words, fin->peer_addr, sizeof(words));
	ring[ring_end].ending = (struct tws_ending){
		.time_ns = fin->time_ns + 1, .id = fin->cookie, .action = action,
		.local_port = fin->local_port, .peer_port = fin->peer_port,
		.peer_hash = tws_peer_hash(words),
	};
	ring[ring_end++].len = sizeof(struct tws_ending);
}

/* A socket that has just entered TIME_WAIT. */
void add_mini(uint64_t cookie)
{
	table[num_sockets++] = (struct sockdiag_socket){
		.cookie = cookie, .family = AF_INET, .state = SOCKDIAG_TIME_WAIT, .mini = true,
		.local_port = (uint16_t)(50000 + cookie), .peer_port = 80,
		.local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, 9 }, .expires_ms = 60000,
	};
}

int setup(void **state)
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

int teardown(void **state)
{
	(void)state;
	return rmdir(root);
}

struct feed_account account_of(struct stream *stream)
{
	struct feed_account account;

	feed__account(stream__feed(stream), &account);
	return account;
}

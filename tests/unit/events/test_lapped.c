// SPDX-License-Identifier: GPL-2.0
/*
 * From the rings to the account, while the kernel side writes on between any two steps of its
 * reader: the real reader and the real stream over rings in memory. Whatever is written over
 * before it was read, what is given and what is counted as lost are all that was made.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/batch.h"
#include "capture/rings.h"
#include "events/stream.h"
#include "sockets/sockiter.h"
#include "tests/unit/support.h"

#define CPUS 3
#define RECORDS 256U
#define ENDINGS 512U
#define CGROUP_BYTES (TWS_CGROUP_RECORDS * sizeof(struct tws_cgroup_record))
#define CONNS 20000
#define STEP_NS 3000
#define SEEDS 150
#define FOREIGN (1ULL << 40) /* cookies of sockets that no filter lets pass */

/* ---- the kernel side ---- */

struct conn {
	uint64_t fin_ns; /* 0: not closed yet */
	uint64_t end_ns; /* 0: has not ended */
	bool told;       /* its FIN's record is whole */
	unsigned int given;
};

/* A writer whose processor was taken away. */
struct held {
	__u64 *seq; /* NULL: it was not */
	uint64_t position, ring;
	bool *told;
};

static struct {
	uint64_t now_ns, random;
	int fds[4];
	struct tws_head *heads;
	struct tws_record *records;
	struct tws_ending *endings;
	struct tws_cpu cpus[CPUS];
	struct held held[CPUS][TWS_WRITERS];
	struct conn conns[CONNS];
	size_t num_conns, num_ended, first_open; /* before the last all have ended */
	uint64_t foreign;
	/* At each step of the reader: one in how many lets the kernel side go on, and for how many
	 * steps at the most; 0: it stands still. */
	unsigned int one_in, steps;
	bool holds_up, makes_foreign, goes_on;
	void (*at_step)(void); /* instead */
} k;

static uint32_t rnd(uint32_t below)
{
	k.random = k.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(k.random >> 33) % below;
}

/* As is_fresh_chunk() in bpf/ring.h. */
static bool is_fresh_chunk(const struct tws_cpu *cpu, unsigned int ring, unsigned int writer)
{
	uint64_t next = cpu->ring[ring][writer].next, room = ring == TWS_RING_EVENTS ? RECORDS : ENDINGS;

	return next % TWS_CHUNK && k.now_ns - cpu->ring[ring][writer].asked_ns <= (room - 1) << 2;
}

static bool takes_new_chunk(const struct tws_cpu *cpu, unsigned int ring, unsigned int writer)
{
	uint64_t next = cpu->ring[ring][writer].next, room = ring == TWS_RING_EVENTS ? RECORDS : ENDINGS;

	return !(next % TWS_CHUNK) || k.heads[ring].next - next > room / 2;
}

static uint64_t time_at(unsigned int ring, uint64_t position)
{
	const struct tws_record *record = &k.records[position % RECORDS];
	const struct tws_ending *ending = &k.endings[position % ENDINGS];

	if (ring == TWS_RING_EVENTS)
		return record->seq == position + 1 ? record->event.time_ns : 0;
	return ending->seq == position + 1 ? ending->time_ns : 0;
}

/* As tws_write_over(). */
static void write_over(struct tws_cpu *cpu, unsigned int ring, unsigned int writer, uint64_t position)
{
	uint64_t room = ring == TWS_RING_EVENTS ? RECORDS : ENDINGS;

	for (uint64_t at = position; position >= room && at < position + TWS_CHUNK; at++) {
		uint64_t ns = time_at(ring, at - room);

		if (ns > cpu->written_over_ns[ring][writer])
			cpu->written_over_ns[ring][writer] = ns;
	}
}

/* As take_position() in bpf/ring.h. */
static uint64_t take_position(unsigned int cpu_nr, unsigned int ring, unsigned int writer, bool is_outcome)
{
	struct tws_cpu *cpu = &k.cpus[cpu_nr];
	uint64_t next = cpu->ring[ring][writer].next;

	if (!is_fresh_chunk(cpu, ring, writer)) {
		if (takes_new_chunk(cpu, ring, writer)) {
			next = k.heads[ring].next;
			k.heads[ring].next += TWS_CHUNK;
			write_over(cpu, ring, writer, next);
		}
		cpu->ring[ring][writer].asked_ns = k.now_ns;
	}
	cpu->ring[ring][writer].next = next + 1;
	cpu->ring[ring][writer].made += is_outcome;
	return next;
}

static void write_whole(struct held *held)
{
	*held->seq = held->position + 1;
	if (held->told)
		*held->told = true;
	held->seq = NULL;
}

/* What is held up goes on before the others have come round. */
static void let_go(void)
{
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		for (unsigned int writer = 0; writer < TWS_WRITERS; writer++) {
			struct held *held = &k.held[cpu][writer];
			uint64_t room = held->ring == TWS_RING_EVENTS ? RECORDS : ENDINGS;

			if (held->seq && (k.heads[held->ring].next - held->position > room / 2 ||
					  !rnd(4)))
				write_whole(held);
		}
}

/* Writes what is there but for its seq, now or later. */
static void finish_record(unsigned int cpu, unsigned int writer, struct held record)
{
	k.held[cpu][writer] = record;
	if (!k.holds_up || rnd(50))
		write_whole(&k.held[cpu][writer]);
}

static void fill_life(struct tws_ending *ending)
{
	struct tws_event like;
	uint32_t words[4];

	support__event(&like);
	memcpy(words, like.peer_addr, sizeof(words));
	ending->local_port = like.local_port;
	ending->peer_port = like.peer_port;
	ending->peer_hash = tws_peer_hash(words);
}

static void make_fin(unsigned int cpu)
{
	uint64_t cookie = k.num_conns, position;
	struct tws_record *record;
	struct conn *conn;

	if (k.num_conns == CONNS || k.held[cpu][TWS_PROCESS].seq)
		return;
	conn = &k.conns[k.num_conns++];
	k.cpus[cpu].ring[TWS_RING_EVENTS][TWS_PROCESS].fins++;
	k.now_ns += rnd(STEP_NS) + 1;
	conn->fin_ns = k.now_ns;
	position = take_position(cpu, TWS_RING_EVENTS, TWS_PROCESS, false);
	record = &k.records[position % RECORDS];
	record->seq = 0;
	support__event(&record->event);
	record->event.action = TWS_FIN;
	record->event.cookie = cookie + 1;
	record->event.netns = 1;
	record->event.time_ns = conn->fin_ns;
	record->event.conn.cgroup_id = 0;
	finish_record(cpu, TWS_PROCESS, (struct held){ &record->seq, position, TWS_RING_EVENTS,
						       &conn->told });
}

static void make_ending(unsigned int cpu, unsigned int writer, uint64_t cookie)
{
	struct tws_ending *ending;
	uint64_t position, time_ns;

	k.now_ns += rnd(STEP_NS) + 1;
	time_ns = k.now_ns;
	position = take_position(cpu, TWS_RING_ENDS, writer, true);
	ending = &k.endings[position % ENDINGS];
	ending->seq = 0;
	*ending = (struct tws_ending){
		.time_ns = time_ns, .id = cookie,
		.action = writer == TWS_DROP ? TWS_ENTERED : TWS_TIME_WAIT,
	};
	fill_life(ending);
	finish_record(cpu, writer, (struct held){ &ending->seq, position, TWS_RING_ENDS, NULL });
}

/* One of the oldest twenty that are open. */
static struct conn *choose_open(void)
{
	size_t tries = 20, at;

	while (k.first_open < k.num_conns && k.conns[k.first_open].end_ns)
		k.first_open++;
	for (at = k.first_open + rnd(20); tries && at < k.num_conns; at++, tries--)
		if (k.conns[at].told && !k.conns[at].end_ns)
			return &k.conns[at];
	return NULL;
}

static void end_one(unsigned int cpu)
{
	unsigned int writer = rnd(2) ? TWS_DROP : TWS_SOFTIRQ;
	struct conn *conn = choose_open();

	if (!conn || k.held[cpu][writer].seq)
		return;
	k.num_ended++;
	make_ending(cpu, writer, (uint64_t)(conn - k.conns) + 1);
	conn->end_ns = k.now_ns;
}

static void step_on(void)
{
	unsigned int cpu = rnd(4) ? 0 : rnd(CPUS); /* the others are idle for long */

	let_go();
	if (k.makes_foreign && !rnd(8) && !k.held[cpu][TWS_DROP].seq)
		make_ending(cpu, TWS_DROP, FOREIGN + k.foreign++);
	else if (rnd(2))
		make_fin(cpu);
	else
		end_one(cpu);
}

static void step_times(unsigned int times)
{
	while (times--)
		step_on();
}

/* Between any two steps of the reader. */
static void reader_steps(void)
{
	void (*at_step)(void) = k.at_step;

	if (at_step) {
		k.at_step = NULL;
		at_step();
		k.at_step = at_step;
	} else if (k.one_in && !rnd(k.one_in)) {
		step_times(rnd(k.steps) + 1);
	}
}

/* ---- what the reader asks ---- */

int libbpf_num_possible_cpus(void);
int libbpf_num_possible_cpus(void)
{
	return CPUS;
}

int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	(void)fd, (void)key;
	reader_steps();
	memcpy(value, k.cpus, sizeof(k.cpus));
	reader_steps();
	return 0;
}

/* The C library's. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	reader_steps();
	k.now_ns++;
	ts->tv_sec = (time_t)(k.now_ns / 1000000000);
	ts->tv_nsec = (long)(k.now_ns % 1000000000);
	return 0;
}

int poll(struct pollfd *fds, nfds_t num, int timeout_ms)
{
	(void)fds, (void)num;
	reader_steps();
	step_times(k.goes_on ? rnd(10) : 0);
	k.now_ns += (uint64_t)timeout_ms * 1000000;
	return 0;
}

/* As each record is read: see unit.mk. */
int __real_batch__add_event(struct batch *batch, const struct tws_event *event);
int __wrap_batch__add_event(struct batch *batch, const struct tws_event *event);
int __wrap_batch__add_event(struct batch *batch, const struct tws_event *event)
{
	int err = __real_batch__add_event(batch, event);

	reader_steps();
	return err;
}

int __real_batch__add_ending(struct batch *batch, const struct tws_ending *ending);
int __wrap_batch__add_ending(struct batch *batch, const struct tws_ending *ending);
int __wrap_batch__add_ending(struct batch *batch, const struct tws_ending *ending)
{
	int err = __real_batch__add_ending(batch, ending);

	reader_steps();
	return err;
}

bool kernel__has_cap(const struct kernel *kernel, int cap)
{
	(void)kernel, (void)cap;
	return true;
}

bool sockiter__is_open(void)
{
	return false;
}

/* A kernel that cannot list its sockets: nothing is healed. */
static int dump(int fd, uint32_t states, sockdiag_fn fn, void *ctx, unsigned int *flags)
{
	(void)fd, (void)states, (void)fn, (void)ctx, (void)flags;
	return -EOPNOTSUPP;
}

/* ---- the source: as a tracer's, or a recorder's, over the rings ---- */

static struct rings *rings;

static int start(struct source *source)
{
	if (!source->looks_back)
		return 0;
	return rings__cut(rings, true) ?: rings__reach_ns(rings, &source->reach_ns);
}

static int poll_rings(struct source *source, source_record_fn fn, void *ctx)
{
	return rings__poll(rings, fn, ctx, &source->listens_lost_since_ns);
}

static uint64_t mark(const struct source *source)
{
	(void)source;
	return rings__mark(rings);
}

static bool passed(const struct source *source, uint64_t up_to)
{
	(void)source;
	return rings__passed(rings, up_to);
}

static uint64_t fins_lost(const struct source *source)
{
	(void)source;
	return rings__fins_lost(rings);
}

static bool is_late(const struct source *source, uint64_t time_ns)
{
	uint64_t stopped_ns = rings__stopped_ns(rings);

	(void)source;
	return stopped_ns && time_ns > stopped_ns;
}

static int counters(const struct source *source, struct tws_counters *sum, uint64_t *recursion)
{
	(void)source;
	*sum = (struct tws_counters){ .event_lost = rings__lost(rings) };
	*recursion = 0;
	return 0;
}

static size_t sweep(struct source *source, uint64_t before_ns, source_alive_fn alive, void *ctx)
{
	(void)source, (void)before_ns, (void)alive, (void)ctx;
	return 0;
}

/* One's own programs are detached: nobody writes any more. A recorder's go on. */
static void stop(struct source *source)
{
	k.one_in = 0;
	k.at_step = NULL;
	k.goes_on = !source->is_filtered;
	if (source->is_filtered) {
		for (unsigned int cpu = 0; cpu < CPUS; cpu++)
			for (unsigned int writer = 0; writer < TWS_WRITERS; writer++)
				if (k.held[cpu][writer].seq)
					write_whole(&k.held[cpu][writer]);
	}
	rings__stop_at(rings, clock__now_ns(CLOCK_MONOTONIC), !source->is_filtered,
		       source->is_filtered);
}

static const struct source_ops ops = {
	.start = start, .poll = poll_rings, .mark = mark, .passed = passed, .fins_lost = fins_lost,
	.is_late = is_late, .counters = counters, .sweep = sweep, .stop = stop,
};

/* ---- what it gives ---- */

static char root[PATH_MAX]; /* an empty /proc */
static const char *const no_dirs[] = { NULL };
static const struct netns_places places = { root, no_dirs };
static const struct sockets_source sockets = { &places, dump, false, NULL };
static const struct kernel kernel = {
	.cookie = { .state = FEATURE_PRESENT },
	.atomics = { .state = FEATURE_PRESENT },
	.rx_sk = { .state = FEATURE_PRESENT },
	.v1_subsys = -1,
};
static struct source source;
static struct stream *stream;
static size_t num_given;
static unsigned int seed; /* of what happens */

static int put(void *ctx, const struct record *rec)
{
	uint64_t cookie = rec->event->cookie;

	(void)ctx;
	assert_true(cookie && cookie <= k.num_conns);
	assert_int_equal(k.conns[cookie - 1].given++, 0);
	num_given++;
	return 0;
}

static void *map(int *fd, size_t bytes)
{
	void *at;

	*fd = support__memfd();
	assert_int_equal(ftruncate(*fd, (off_t)bytes), 0);
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

/* The rings, empty. */
static void boot(unsigned int which)
{
	struct rings_maps maps = { .num_records = RECORDS, .num_endings = ENDINGS };

	memset(&k, 0, sizeof(k));
	k.now_ns = 1000000000;
	k.random = seed = which;
	k.heads = map(&k.fds[0], TWS_HEADS * sizeof(struct tws_head));
	k.records = map(&k.fds[1], RECORDS * sizeof(struct tws_record));
	k.endings = map(&k.fds[2], ENDINGS * sizeof(struct tws_ending));
	munmap(map(&k.fds[3], CGROUP_BYTES), CGROUP_BYTES);
	maps.heads = k.fds[0];
	maps.events = k.fds[1];
	maps.ends = k.fds[2];
	maps.cgroups = k.fds[3];
	assert_int_equal(rings__new(&rings, &maps, false), 0);
}

/* @is_filtered: programs of its own, with a filter that lets all pass but foreign ones. */
static void read_rings(bool is_filtered, bool looks_back)
{
	struct stream_options opts = {
		.kernel = &kernel, .events = &source, .source = &sockets, .proc_root = root,
		.no_names = true, .put = put, .max_connections = 2 * CONNS,
	};
	struct feed_failure failure;

	num_given = 0;
	source = (struct source){ .ops = &ops, .is_filtered = is_filtered,
				   .looks_back = looks_back };
	if (is_filtered)
		opts.filter.side = TWS_SIDE_CLIENT;
	assert_int_equal(stream__new(&stream, &opts), 0);
	assert_int_equal(stream__start(stream, &failure), 0);
	assert_int_equal(stream__begin(stream, &failure), 0);
}

static void begin(unsigned int which, bool is_filtered)
{
	boot(which);
	read_rings(is_filtered, false);
}

static void end(void)
{
	stream__free(stream);
	rings__free(rings);
	munmap(k.heads, TWS_HEADS * sizeof(struct tws_head));
	munmap(k.records, RECORDS * sizeof(struct tws_record));
	munmap(k.endings, ENDINGS * sizeof(struct tws_ending));
	for (size_t i = 0; i < COUNT(k.fds); i++)
		close(k.fds[i]);
}

static void poll_once(void)
{
	assert_int_equal(feed__poll(stream__feed(stream)), 0);
}

static uint64_t lost(void)
{
	struct feed_account account;

	feed__account(stream__feed(stream), &account);
	assert_int_equal(account.delivered, num_given);
	assert_int_equal(account.map_full, 0);
	return account.lost;
}

/* All that was made, and @more of others' that was lost perhaps. */
static void check(uint64_t made, uint64_t more)
{
	uint64_t sum = num_given + lost();

	if (sum < made || sum > made + more)
		fail_msg("seed %u: %zu were given, %lu lost, of %lu and %lu", seed, num_given,
			 (unsigned long)lost(), (unsigned long)made, (unsigned long)more);
}

/* ---- at a chosen step ---- */

static unsigned int steps_left;

static void write_over_all(void)
{
	if (steps_left && !--steps_left)
		step_times(8 * RECORDS);
}

/* The reader is stopped after so many of its steps, until its rings are written over. False:
 * it takes fewer. */
static bool stop_reader_after(unsigned int steps)
{
	begin(steps, true);
	step_times(RECORDS / 2);
	steps_left = steps;
	k.at_step = write_over_all;
	poll_once();
	poll_once();
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	check(k.num_ended, 0);
	if (!steps_left)
		assert_true(lost() > 0);
	end();
	return !steps_left;
}

static void stopped_at_any_step(void **state)
{
	unsigned int steps = 1;

	(void)state;
	while (stop_reader_after(steps))
		steps++;
	assert_true(steps > 100);
}

/* ---- at random ---- */

static void run(void)
{
	k.one_in = 1 + seed % 100;
	k.steps = seed % 3 ? 20 : 600;
	k.holds_up = seed % 2;
	for (int i = 0; i < 30; i++) {
		step_times(rnd(3) ? rnd(40) : rnd(1200));
		poll_once();
		k.now_ns += rnd(100000000);
	}
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
}

static void with_a_filter(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= SEEDS; i++) {
		begin(i, true);
		run();
		check(k.num_ended, 0);
		end();
	}
}

/* Others' ends may be taken for those whose FINs were lost: but for no more than there are. */
static void with_others(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= SEEDS; i++) {
		begin(i, true);
		k.makes_foreign = true;
		run();
		check(k.num_ended, k.foreign);
		end();
	}
}

/* The ring is large enough: nobody's end is lost. */
static void with_others_in_time(void **state)
{
	(void)state;
	begin(1, true);
	k.makes_foreign = true;
	for (int i = 0; i < 200; i++) {
		step_times(rnd(40));
		poll_once();
		k.now_ns += rnd(100000000);
	}
	assert_int_equal(feed__finish(stream__feed(stream)), 0);
	assert_int_equal(lost(), 0);
	assert_int_equal(num_given, k.num_ended);
	end();
}

static uint64_t ended_in(uint64_t since_ns, uint64_t until_ns)
{
	uint64_t num = 0;

	for (size_t i = 0; i < k.num_conns; i++)
		num += k.conns[i].end_ns && k.conns[i].end_ns >= since_ns &&
		       k.conns[i].end_ns <= until_ns;
	return num;
}

/* Which goes on when the reader has enough. */
static void of_a_recorder(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= SEEDS; i++) {
		begin(i, false);
		run();
		check(ended_in(0, rings__stopped_ns(rings)), 0);
		end();
	}
}

/* Which has gone on for long when the reader begins, and goes on meanwhile. */
static void of_a_recorder_that_runs(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= SEEDS; i++) {
		boot(i);
		step_times(rnd(6 * RECORDS));
		k.one_in = 20 + i % 40;
		k.steps = 3;
		read_rings(false, true);
		run();
		check(ended_in(source.reach_ns, rings__stopped_ns(rings)), 0);
		end();
	}
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	clock__set_shift(0, 0);
	snprintf(root, sizeof(root), "%s/twsnoop-lapped-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stopped_at_any_step, setup, teardown),
		cmocka_unit_test_setup_teardown(with_a_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(with_others, setup, teardown),
		cmocka_unit_test_setup_teardown(with_others_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(of_a_recorder, setup, teardown),
		cmocka_unit_test_setup_teardown(of_a_recorder_that_runs, setup, teardown),
	};

	return cmocka_run_group_tests_name("lapped", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * reader: how fast the user side is by itself. It feeds records from memory, as the
 * kernel side would leave them, through the very stages of `twsnoop trace`: decode,
 * the healer's note, attribution, a sink; and tells the time of each, by the CPU
 * clock of this thread. The stages are run one more at a time, so that each finds the
 * caches as the others leave them; the time of a stage is the difference. Between two
 * looks at the rings there come as many closes as at a rate of 50,000 a second.
 *
 * The load: closes of hundreds of processes with command lines in /proc (a directory
 * of its own), most of them in containers, IPv4 and IPv6, clients and servers. Each
 * pass has new cookies and later times. The records are many more than a CPU's own
 * caches hold, and where it says so another CPU has just written them.
 *
 * Prints a JSON object a line: cost.py makes a table of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf/event.h"
#include "owners/attribute.h"
#include "capture/batch.h"
#include "containers/containers.h"
#include "model/decode.h"
#include "events/heal.h"
#include "events/join.h"
#include "owners/listeners.h"
#include "capture/owners.h"
#include "host/procinfo.h"
#include "capture/ring_reader.h"
#include "output/sink.h"
#include "tests/bench/busy_host.h"

#define NS_PER_S 1000000000ULL
#define BATCH 5000u /* between two looks at the ring, at 50,000 closes a second */
#define PASSES_MAX 64
/* The healer remembers a million closes, and takes a snapshot then: not part of this. */
#define HEALER_EVENTS 700000u

enum stage { READ, JOIN, NOTE, ATTRIBUTE, WRITE, STAGES };

static const char *const stage_names[STAGES] = {
	[READ] = "read the rings, sort",
	[JOIN] = "decode, join",
	[NOTE] = "note for healing",
	[ATTRIBUTE] = "attribute",
	[WRITE] = "format, write",
};

enum target { TO_NULL, TO_FILE, TO_PIPE };

struct bench_case {
	const char *name;
	enum stage last;
	enum sink_format format;
	enum target target;
	bool foreign; /* another CPU writes the records just before */
};

enum cpu { CPUS = 2 };

/* A ring as the kernel side has it: each CPU's programs write chunks of their own. */
struct writing {
	void *records;
	size_t record_bytes, room;
	struct tws_head head;
	uint64_t next[CPUS][TWS_WRITERS];
	struct ring_reader ring; /* and as user space reads it */
};

struct bench {
	struct tws_event *closes; /* what the FIN events are made of */
	size_t count;
	struct writing events, ends;
	struct batch *batch;
	struct join *join;
	uint64_t written, given;
	unsigned int passes;
	bool quick;
	uint64_t cookie, time_ns;
	char proc_root[64];
	struct healer *healer;
	size_t noted;
	struct procinfo_cache *processes;
	struct listeners *listeners;
	struct containers *containers;
	struct attributor *attributor;
	struct sink *sink;
	/* What the run is to do. */
	enum stage last;
	uint64_t sum; /* of what was read, so that it is */
	uint64_t rejected;
};

static void die(const char *what)
{
	fprintf(stderr, "reader: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void die_of(const char *what, int err)
{
	errno = -err;
	die(what);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ---- what it goes by ---- */

static void make_containers(struct bench *b)
{
	static const struct containers_options opts = {
		.socket = "/nonexistent/runtime.sock", /* asks, and is told nothing */
	};
	int err = containers__new(&b->containers, &opts) ?:
		  containers__begin(b->containers, clock_ns(CLOCK_MONOTONIC));

	if (err)
		die_of("containers", err);
	busy_host__add_cgroups(b->containers);
}

static void make_listeners(struct bench *b)
{
	int err = listeners__new(&b->listeners, LISTENERS_DEFAULT);

	if (err)
		die_of("listeners", err);
	for (uint32_t i = 0; i < BUSY_HOST_PROCESSES; i++) {
		struct listener one = { .cookie = (1ULL << 50) + i, .tgid = busy_host__pid(i), .family = AF_INET6,
					.netns = busy_host__netns(i), .port = 8080 };

		memcpy(one.comm, busy_host__comm(i), strlen(busy_host__comm(i)));
		listeners__add(b->listeners, &one);
	}
}

static void make_ring(struct writing *w, size_t room, size_t record_bytes)
{
	int err;

	w->room = room;
	w->record_bytes = record_bytes;
	if (posix_memalign(&w->records, 4096, room * record_bytes))
		die("memory");
	memset(w->records, 0, room * record_bytes);
	err = ring_reader__init(&w->ring, w->records, record_bytes, &w->head, room);
	if (err)
		die_of("ring", err);
}

static void make_records(struct bench *b)
{
	b->closes = calloc(b->count, sizeof(*b->closes));
	if (!b->closes)
		die("memory");
	for (size_t i = 0; i < b->count; i++)
		busy_host__fill_event(&b->closes[i], i);
	make_ring(&b->events, b->count, sizeof(struct tws_record));
	make_ring(&b->ends, 2 * b->count, sizeof(struct tws_ending));
}

/* All but the last eight bytes, and then those, which say that it is whole. */
static void emit(struct writing *w, unsigned int cpu, enum tws_writer writer, const void *record)
{
	uint64_t *next = &w->next[cpu][writer], seq;
	char *to;

	if (*next % TWS_CHUNK == 0) {
		*next = w->head.next;
		__atomic_store_n(&w->head.next, *next + TWS_CHUNK, __ATOMIC_RELEASE);
	}
	to = (char *)w->records + (*next & (w->room - 1)) * w->record_bytes;
	seq = ++*next;
	memcpy(to, record, w->record_bytes - sizeof(seq));
	__atomic_store_n((uint64_t *)(to + w->record_bytes - sizeof(seq)), seq, __ATOMIC_RELEASE);
}

static void emit_ending(struct bench *b, unsigned int cpu, const struct tws_event *fin,
			uint8_t action, uint64_t after_ns)
{
	struct tws_ending ending = {
		.time_ns = fin->time_ns + after_ns,
		.id = fin->cookie,
		.rx_bytes = action == TWS_ENTERED ? 0 : fin->rx_bytes,
		.local_port = fin->local_port,
		.peer_port = fin->peer_port,
		.action = action,
	};
	uint32_t words[4];

	memcpy(words, fin->peer_addr, sizeof(words));
	ending.peer_hash = tws_peer_hash(words);

	emit(&b->ends, cpu, action == TWS_ENTERED ? TWS_DROP : TWS_SOFTIRQ, &ending);
}

/* What the kernel side does: other connections of the same processes, most of which
 * wait in FIN_WAIT2 first, of which nothing is told; and the peer's segments come in on whichever CPU. */
static void write_records(struct bench *b, size_t count)
{
	for (; count; b->written++, count--) {
		struct tws_event *fin = &b->closes[b->written % b->count];
		unsigned int cpu = b->written / 8 % CPUS, other = b->written / 3 % CPUS;

		if (b->written >= b->count) {
			fin->cookie += 2 * b->count;
			fin->time_ns += b->count * BUSY_HOST_EVENT_NS;
			fin->conn.open_ns += b->count * BUSY_HOST_EVENT_NS;
			fin->local_port ^= fin->conn.side == TWS_SIDE_CLIENT ? 5 : 0;
		}
		emit(&b->events, cpu, TWS_PROCESS, fin);
		if (b->written % 4 == 0) {
			emit_ending(b, other, fin, TWS_TIME_WAIT, 40000);
			continue;
		}
		emit_ending(b, other, fin, TWS_ENTERED, 40000);
	}
}

/* ---- the way of an event, as in user/events/stream.c ---- */

static int put_joined(void *ctx, const struct tws_event *ev)
{
	struct bench *b = ctx;
	struct record rec;

	b->given++;
	if (b->last == JOIN)
		return 0;
	if (healer__told(b->healer, ev))
		return 0;
	healer__note(b->healer, ev);
	if (b->last == NOTE)
		return 0;
	if (containers__judge(b->containers, ev) != CONTAINERS_KEEP)
		return 0;
	attributor__record(b->attributor, ev, &rec);
	b->sum += rec.wall_ns;
	return b->last == ATTRIBUTE ? 0 : sink__put(b->sink, &rec);
}

static int take_fin(void *ctx, const void *record)
{
	const struct tws_event *event = record, *ev;
	struct bench *b = ctx;

	b->sum += event->cookie + event->conn.tgid;
	if (b->last == READ)
		return 0;
	if (decode__event(event, sizeof(*event), &ev)) {
		b->rejected++;
		return 0;
	}
	join__fin(b->join, ev);
	return 0;
}

static int take_ending(void *ctx, const void *record)
{
	return batch__add_ending(((struct bench *)ctx)->batch, record);
}

static int on_ending(void *ctx, const void *data, size_t len)
{
	const struct tws_ending *ending = data;
	struct bench *b = ctx;

	b->sum += ending->id;
	if (b->last == READ)
		return 0;
	if (decode__ending(data, len, &ending)) {
		b->rejected++;
		return 0;
	}
	return join__ending(b->join, ending, put_joined, b);
}

/* As tracer.c does, with rings that programs write at once. */
static int poll_rings(struct bench *b)
{
	return ring_reader__take(&b->ends.ring, take_ending, b) ?:
	       ring_reader__take(&b->events.ring, take_fin, b) ?:
	       batch__give(b->batch, UINT64_MAX, on_ending, b);
}

static void new_healer(struct bench *b)
{
	static const struct sockets_source source = { &netns_default_places, sockdiag__dump, false, NULL };
	int err;

	healer__free(b->healer);
	err = healer__new(&b->healer, true, &source);
	if (err)
		die_of("healer", err);
	b->noted = 0;
}

/* ---- another CPU that writes ---- */

struct writer {
	struct bench *bench;
	size_t count;
	pthread_barrier_t turn;
	bool stop;
	pthread_t thread;
};

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU affinity");
}

static void *writer__run(void *arg)
{
	struct writer *w = arg;

	pin(1);
	for (;;) {
		pthread_barrier_wait(&w->turn);
		if (w->stop)
			return NULL;
		write_records(w->bench, w->count);
		pthread_barrier_wait(&w->turn);
	}
}

static void writer__start(struct writer *w, struct bench *b)
{
	w->bench = b;
	pin(0);
	if (pthread_barrier_init(&w->turn, NULL, 2) ||
	    pthread_create(&w->thread, NULL, writer__run, w))
		die("thread");
}

static void writer__write(struct writer *w, size_t count)
{
	w->count = count;
	pthread_barrier_wait(&w->turn);
	pthread_barrier_wait(&w->turn);
}

static void writer__end(struct writer *w)
{
	w->stop = true;
	pthread_barrier_wait(&w->turn);
	pthread_join(w->thread, NULL);
	pthread_barrier_destroy(&w->turn);
}

/* ---- passes ---- */

static uint64_t read_batch(struct bench *b)
{
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int err = poll_rings(b);

	if (err >= 0 && b->sink)
		err = sink__flush(b->sink);
	if (err < 0)
		die_of("sink", err);
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns;
}

/* As many events as there are records: CPU nanoseconds for each. */
static double pass(struct bench *b, struct writer *w)
{
	size_t count;
	uint64_t used_ns = 0, given = b->given;

	if (b->noted + b->count > HEALER_EVENTS)
		new_healer(b);
	b->noted += b->count;
	for (size_t done = 0; done < b->count; done += count) {
		count = b->count - done < BATCH ? b->count - done : BATCH;
		if (w)
			writer__write(w, count);
		else
			write_records(b, count);
		used_ns += read_batch(b);
	}
	if (b->last >= JOIN && b->given - given != b->count)
		die("not every close was joined to its end");
	return (double)used_ns / (double)b->count;
}

struct spread {
	double median, min, max;
};

static int compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return a < b ? -1 : a > b;
}

/* The child that empties the pipe, and where to write. */
struct outlet {
	int fd;
	pid_t drain;
};

static void drain_pipe(int fd)
{
	static char buf[1 << 16];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
	_exit(0);
}

static struct outlet outlet__open(enum target target)
{
	struct outlet out = { .fd = -1, .drain = -1 };
	char path[] = "/var/tmp/twsnoop-bench-XXXXXX";
	int fds[2];

	switch (target) {
	case TO_NULL:
		out.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		break;
	case TO_FILE:
		out.fd = mkostemp(path, O_CLOEXEC);
		unlink(path);
		break;
	case TO_PIPE:
		if (pipe(fds))
			break;
		out.fd = fds[1];
		out.drain = fork();
		if (!out.drain) {
			close(fds[1]);
			drain_pipe(fds[0]);
		}
		close(fds[0]);
		break;
	}
	if (out.fd < 0)
		die("output");
	return out;
}

static void outlet__close(struct outlet *out)
{
	close(out->fd);
	if (out->drain > 0)
		waitpid(out->drain, NULL, 0);
}

static struct spread spread_of(double *ns, unsigned int count)
{
	qsort(ns, count, sizeof(*ns), compare);
	return (struct spread){ ns[count / 2], ns[0], ns[count - 1] };
}

static void open_sink(struct bench *b, int fd, enum sink_format format)
{
	struct sink_options opts = { .format = format, .containers = true, .utc_offset_s = 0 };
	int err = sink__new(&b->sink, fd, &opts);

	if (err)
		die_of("sink", err);
}

static void close_sink(struct bench *b)
{
	sink__free(b->sink);
	b->sink = NULL;
}

/* All stages in turn, so that a slow moment of the machine slows each of them. */
static void print_stages(struct bench *b)
{
	struct outlet out = outlet__open(TO_NULL);
	double ns[STAGES][PASSES_MAX], before = 0;

	open_sink(b, out.fd, SINK_JSON);
	for (unsigned int i = 0; i <= b->passes; i++)
		for (b->last = READ; b->last < STAGES; b->last++)
			ns[b->last][i ? i - 1 : 0] = pass(b, NULL);
	for (enum stage stage = READ; stage < STAGES; stage++) {
		double median = spread_of(ns[stage], b->passes).median;

		printf("{\"stage\":\"%s\",\"ns\":%.1f}\n", stage_names[stage], median - before);
		before = median;
	}
	fflush(stdout);
	close_sink(b);
	outlet__close(&out);
}

static struct spread run_case(struct bench *b, const struct bench_case *c)
{
	struct outlet out = outlet__open(c->target);
	double ns[PASSES_MAX];
	struct writer writer = { 0 };

	b->last = c->last;
	open_sink(b, out.fd, c->format);
	if (c->foreign)
		writer__start(&writer, b);
	for (unsigned int i = 0; i <= b->passes; i++) {
		if (c->target == TO_FILE && ftruncate(out.fd, 0))
			die("file");
		ns[i ? i - 1 : 0] = pass(b, c->foreign ? &writer : NULL); /* the first warms up */
	}
	if (c->foreign)
		writer__end(&writer);
	close_sink(b);
	outlet__close(&out);
	return spread_of(ns, b->passes);
}

static void print_rate(const char *name, struct spread ns)
{
	printf("{\"output\":\"%s\",\"median\":%.1f,\"min\":%.1f,\"max\":%.1f}\n", name, ns.median,
	       ns.min, ns.max);
	fflush(stdout);
}

static const struct bench_case cases[] = {
	{ "JSON to /dev/null", WRITE, SINK_JSON, TO_NULL, false },
	{ "JSON to a file", WRITE, SINK_JSON, TO_FILE, false },
	{ "JSON to a pipe", WRITE, SINK_JSON, TO_PIPE, false },
	{ "text to /dev/null", WRITE, SINK_TEXT, TO_NULL, false },
	{ "CSV to /dev/null", WRITE, SINK_CSV, TO_NULL, false },
	{ "JSON, written by another CPU", WRITE, SINK_JSON, TO_NULL, true },
	{ "read only, written by another CPU", READ, SINK_JSON, TO_NULL, true },
};

static size_t find_all(struct bench *b, struct owners *owners)
{
	struct tws_event event;
	size_t found = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct tws_event *ev = &b->closes[i];
		struct tws_key key = { .netns = ev->netns, .local_port = ev->local_port,
				       .peer_port = ev->peer_port };

		memcpy(key.local_addr, ev->local_addr, sizeof(key.local_addr));
		memcpy(key.peer_addr, ev->peer_addr, sizeof(key.peer_addr));
		found += owners__find(owners, &key, ev->cookie, ev->time_ns, &event) &&
			 event.conn.tgid == ev->conn.tgid;
	}
	return found;
}

/* What `twsnoop list` does with the ring: an index over it, and each socket looked up. */
static void print_ledger(struct bench *b)
{
	double index_ns[PASSES_MAX], find_ns[PASSES_MAX];
	uint64_t seed = 0x9e3779b97f4a7c15ULL, found = 0;

	for (unsigned int i = 0; i < b->passes; i++) {
		uint64_t begin_ns, end_ns;
		struct owners *owners;
		int err;

		b->last = READ;
		pass(b, NULL);
		begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		err = owners__new(&owners, b->events.records, (uint32_t)b->count,
				  b->events.head.next, seed);
		if (err)
			die_of("ledger", err);
		end_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		index_ns[i] = (double)(end_ns - begin_ns) / (double)b->count;
		found += find_all(b, owners);
		begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		find_ns[i] = (double)(begin_ns - end_ns) / (double)b->count;
		owners__free(owners);
	}
	/* The last chunks are not full, and stand over older records. */
	if (found + b->passes * TWS_CHUNK * CPUS < b->passes * b->count)
		b->rejected += b->passes * b->count - found;
	print_rate("into the ledger's index", spread_of(index_ns, b->passes));
	print_rate("out of it, one for each socket", spread_of(find_ns, b->passes));
}

static void run_all(struct bench *b, const char *only)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!only)
		print_stages(b);
	if (!only || strstr("ledger", only))
		print_ledger(b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if ((cases[i].foreign && cpus < 2) || (only && !strstr(cases[i].name, only)))
			continue;
		print_rate(cases[i].name, run_case(b, &cases[i]));
	}
}

/* ---- all of it ---- */

static void set_up(struct bench *b)
{
	struct attribute_sources sources;
	int err;

	snprintf(b->proc_root, sizeof(b->proc_root), "/tmp/twsnoop-bench-XXXXXX");
	if (!mkdtemp(b->proc_root))
		die(b->proc_root);
	busy_host__make_processes(b->proc_root);
	make_containers(b);
	make_listeners(b);
	make_records(b);
	new_healer(b);
	err = batch__new(&b->batch) ?:
	      join__new(&b->join, &(struct join_options){ .max = JOIN_DEFAULT, .has_cookie = true });
	if (err)
		die_of("join", err);
	err = procinfo__new(&b->processes, b->proc_root, PROCINFO_CACHE_DEFAULT);
	if (err)
		die_of("processes", err);
	sources = (struct attribute_sources){ .processes = b->processes,
						.listeners = b->listeners,
						.containers = b->containers };
	err = attributor__new(&b->attributor, &sources);
	if (err)
		die_of("attribution", err);
	attributor__set_clock(b->attributor, 1700000000 * (int64_t)NS_PER_S);
}

static void tear_down(struct bench *b)
{
	attributor__free(b->attributor);
	procinfo__free(b->processes);
	listeners__free(b->listeners);
	containers__free(b->containers);
	healer__free(b->healer);
	batch__free(b->batch);
	join__free(b->join);
	ring_reader__fini(&b->events.ring);
	ring_reader__fini(&b->ends.ring);
	free(b->events.records);
	free(b->ends.records);
	free(b->closes);
	busy_host__remove_processes(b->proc_root);
	rmdir(b->proc_root);
}

/* One record, to look at what is measured. */
static void print_sample(struct bench *b)
{
	open_sink(b, STDOUT_FILENO, SINK_JSON);
	b->last = WRITE;
	write_records(b, 8);
	poll_rings(b);
	sink__flush(b->sink);
	close_sink(b);
}

static int usage(void)
{
	fprintf(stderr, "usage: reader [--quick] [--only PART-OF-NAME] [--passes N] [--sample]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "only", required_argument, NULL, 'o' },
		{ "passes", required_argument, NULL, 'p' },
		{ "sample", no_argument, NULL, 's' },
		{ 0 },
	};
	struct bench b = { .count = 1 << 17, .passes = 15 };
	const char *only = NULL;
	bool sample = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'q')
			b.passes = 3;
		else if (c == 'o')
			only = optarg;
		else if (c == 'p')
			b.passes = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 's')
			sample = true;
		else
			return usage();
	}
	if (optind != argc || !b.passes || b.passes > PASSES_MAX)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	set_up(&b);
	if (sample)
		print_sample(&b);
	else
		run_all(&b, only);
	tear_down(&b);
	if (b.rejected)
		fprintf(stderr, "reader: %llu records were refused\n",
			(unsigned long long)b.rejected);
	return b.rejected != 0;
}

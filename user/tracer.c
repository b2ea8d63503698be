// SPDX-License-Identifier: GPL-2.0
#include "tracer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/table.h"
#include "ring.h"
#include "twsnoop.skel.h"
#include "twsnoop_legacy.skel.h"

#define DEFAULT_CONNECTIONS (1U << 18)
#define MAX_SEARCHES 256
#define MIN_CONNECTIONS (1U << 12)
#define MAX_CONNECTIONS (1U << 22) /* tws_set_of() has 20 bits for the set */
#define HELD_BY_TUPLE (1U << 16)
#define DEFAULT_RING_BYTES (1U << 25)
#define MIN_RECORDS 16U
#define MAX_RECORDS (1U << 24)
#define LEGACY_OWNERS (1U << 15) /* while tracing; before 5.11 they are locked memory */
#define MAX_PASSING_CGROUPS (1U << 14)

struct tracer {
	struct twsnoop_bpf *skel;	   /* either this one */
	struct twsnoop_legacy_bpf *legacy; /* or this: kernels before 5.12 */
	struct bpf_object *obj;
	struct ring_buffer *control; /* cgroups' records; with legacy all */
	struct ring events; /* not with legacy */
	struct tws_set *sets; /* the table of connections, NULL with legacy */
	struct tws_slot *slots;
	uint32_t num_sets;
	bool pending_by_tuple; /* before 6.11 */
	bool has_filter;
	unsigned int searches; /* left until the next poll: see find_closer() */
	/* With legacy, the positions of control as the kernel lays its map out: a
	 * page that the consumer writes, and one that the producers do. */
	const unsigned long *consumer, *producer;
	tracer_record_fn fn;
	void *ctx;
};

static int on_record(void *ctx, void *data, size_t len)
{
	struct tracer *tracer = ctx;

	return tracer->fn(tracer->ctx, data, len);
}

static int on_event(void *ctx, const struct tws_event *event)
{
	return on_record(ctx, (void *)event, sizeof(*event));
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static uint32_t round_up_connections(size_t wanted)
{
	uint32_t n = MIN_CONNECTIONS;

	if (!wanted)
		return DEFAULT_CONNECTIONS;
	while (n < wanted && n < MAX_CONNECTIONS)
		n *= 2;
	return n;
}

static uint32_t records_of(const struct tracer_options *opts)
{
	size_t bytes = opts->ring_bytes ?: DEFAULT_RING_BYTES;
	size_t wanted = opts->entries ?: bytes / sizeof(struct tws_record);
	uint32_t n = MIN_RECORDS;

	while (n <= wanted / 2 && n < MAX_RECORDS)
		n *= 2;
	return n;
}

static void configure(struct tws_settings *to, const struct tracer_options *opts,
		      uint32_t connections)
{
	const struct kernel *k = opts->kernel;
	static const struct tws_filter empty;

	to->all = opts->all;
	to->has_task_btf = k->task_btf.state == FEATURE_PRESENT;
	to->has_cookie = k->cookie.state == FEATURE_PRESENT;
	to->has_rx_sk = k->rx_sk.state == FEATURE_PRESENT;
	to->cgroup_v1 = k->v1_subsys >= 0;
	to->v1_subsys = k->v1_subsys >= 0 ? k->v1_subsys : 0;
	to->cgroup_hierarchy = k->v1_subsys >= 0 ? k->v1_hierarchy : 0;
	to->has_filter = memcmp(&opts->filter, &empty, sizeof(empty)) != 0;
	to->set_mask = connections / TWS_WAYS - 1;
	to->keep_lost = connections / 8;
	to->event_mask = records_of(opts) - 1;
	to->ledger = opts->ledger;
	to->filter = opts->filter;
}

static void leave_out(struct bpf_object *obj, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	if (prog)
		bpf_program__set_autoload(prog, false);
}

/* What short-lived cgroups were called is worth having, and no more. When a
 * mini-socket enters TIME_WAIT is news for a reader only. */
static void choose_programs(struct bpf_object *obj, const struct tracer_options *opts)
{
	const struct kernel *k = opts->kernel;

	if (opts->ledger)
		leave_out(obj, "tws_drop");
	if (k->cgroup_events.state == FEATURE_PRESENT &&
	    (k->v1_subsys < 0 || k->v1_hierarchy))
		return;
	leave_out(obj, "tws_cgroup_mkdir");
	leave_out(obj, "tws_cgroup_rename");
	leave_out(obj, "tws_cgroup_rmdir");
}

static int set_max(struct bpf_object *obj, const char *name, uint32_t max)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	/* The two objects differ in their tables of connections. */
	return map && max ? bpf_map__set_max_entries(map, max) : 0;
}

static int set_sizes(struct tracer *tracer, const struct tracer_options *opts,
		     uint32_t connections)
{
	struct bpf_object *obj = tracer->obj;
	uint32_t records = records_of(opts);
	bool by_tuple = tracer->pending_by_tuple && !opts->ledger;

	return set_max(obj, "tws_events", records) ?:
	       set_max(obj, "tws_owners", opts->ledger ? records : LEGACY_OWNERS) ?:
	       set_max(obj, "tws_ring", tracer->legacy && !opts->ledger ?
				opts->ring_bytes ?: DEFAULT_RING_BYTES / 2 : 0) ?:
	       set_max(obj, "tws_sets", connections / TWS_WAYS) ?:
	       set_max(obj, "tws_slots", connections) ?:
	       set_max(obj, "tws_conns", connections) ?:
	       set_max(obj, "tws_cgroups", opts->filter.by_cgroup ? MAX_PASSING_CGROUPS : 1) ?:
	       set_max(obj, "tws_pending", by_tuple ? connections / 4 : 1) ?:
	       set_max(obj, "tws_held", by_tuple && opts->all ? HELD_BY_TUPLE : 1) ?:
	       set_max(obj, "tws_procs", opts->ledger ? 0 : 1) ?:
	       set_max(obj, "tws_paths", opts->ledger ? 0 : 1);
}

static int open_object(struct tracer *tracer, const struct tracer_options *opts,
		       uint32_t connections)
{
	struct tws_settings *settings;

	if (opts->kernel->atomics.state == FEATURE_PRESENT) {
		tracer->skel = twsnoop_bpf__open();
		if (!tracer->skel)
			return -errno;
		tracer->obj = tracer->skel->obj;
		settings = (struct tws_settings *)&tracer->skel->rodata->tws;
	} else {
		tracer->legacy = twsnoop_legacy_bpf__open();
		if (!tracer->legacy)
			return -errno;
		tracer->obj = tracer->legacy->obj;
		settings = (struct tws_settings *)&tracer->legacy->rodata->tws;
	}
	configure(settings, opts, connections);
	tracer->has_filter = settings->has_filter;
	choose_programs(tracer->obj, opts);
	tracer->pending_by_tuple = !settings->has_rx_sk || tracer->legacy;
	return set_sizes(tracer, opts, connections);
}

static void *map_table(struct bpf_map *map, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return at == MAP_FAILED ? NULL : at;
}

static int map_positions(struct tracer *tracer)
{
	int fd = bpf_object__find_map_fd_by_name(tracer->obj, "tws_ring");
	long page = sysconf(_SC_PAGESIZE);
	void *consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	void *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);

	tracer->consumer = consumer == MAP_FAILED ? NULL : consumer;
	tracer->producer = producer == MAP_FAILED ? NULL : producer;
	return tracer->consumer && tracer->producer ? 0 : -errno;
}

static int map_tables(struct tracer *tracer)
{
	size_t records = (size_t)tracer->events.mask + 1;

	tracer->events.head = map_table(tracer->skel->maps.tws_head, sizeof(struct tws_head));
	tracer->events.records = map_table(tracer->skel->maps.tws_events,
					   records * sizeof(struct tws_record));
	if (!tracer->events.head || !tracer->events.records)
		return -errno;
	tracer->sets = map_table(tracer->skel->maps.tws_sets,
				 tracer->num_sets * sizeof(*tracer->sets));
	tracer->slots = map_table(tracer->skel->maps.tws_slots,
				  tracer->num_sets * TWS_WAYS * sizeof(*tracer->slots));
	return tracer->sets && tracer->slots ? 0 : -errno;
}

/* For another twsnoop that meets it. */
static int describe(struct tracer *tracer, const struct tracer_options *opts)
{
	struct tws_meta meta = {
		.magic = TWS_META_MAGIC,
		.layout = TWS_LAYOUT,
		.flags = (tracer->legacy ? TWS_META_LEGACY : 0) |
			 (opts->ledger ? TWS_META_ATTACHED : 0) |
			 (opts->all ? TWS_META_ALL : 0) |
			 (tracer->has_filter ? TWS_META_FILTER : 0),
		.wall_ns = now_ns(CLOCK_REALTIME),
		.time_ns = now_ns(CLOCK_MONOTONIC),
		.entries = tracer->legacy && !opts->ledger ? LEGACY_OWNERS : records_of(opts),
		.version = TWSNOOP_VERSION,
	};
	int fd = bpf_object__find_map_fd_by_name(tracer->obj, "tws_meta");
	__u32 zero = 0;

	return bpf_map_update_elem(fd, &zero, &meta, BPF_ANY) ? -errno : 0;
}

int tracer__new(struct tracer **tracerp, const struct tracer_options *opts)
{
	struct tracer *tracer = calloc(1, sizeof(*tracer));
	uint32_t connections = round_up_connections(opts->max_connections);
	int err = -ENOMEM;

	if (!tracer)
		return err;
	tracer->num_sets = connections / TWS_WAYS;
	tracer->events.mask = records_of(opts) - 1;
	err = open_object(tracer, opts, connections);
	if (err)
		goto out;
	err = bpf_object__load(tracer->obj);
	if (err)
		goto out;
	err = (tracer->skel ? map_tables(tracer) : map_positions(tracer)) ?:
	      describe(tracer, opts);
	if (err)
		goto out;
	tracer->control = ring_buffer__new(
		bpf_object__find_map_fd_by_name(tracer->obj, "tws_ring"), on_record, tracer, NULL);
	if (!tracer->control) {
		err = -errno;
		goto out;
	}
	*tracerp = tracer;
	return 0;
out:
	tracer__free(tracer);
	return err;
}

int tracer__attach(struct tracer *tracer)
{
	return tracer->skel ? twsnoop_bpf__attach(tracer->skel) :
			      twsnoop_legacy_bpf__attach(tracer->legacy);
}

int tracer__poll(struct tracer *tracer, tracer_record_fn fn, void *ctx)
{
	uint64_t until = 0;
	int num, more;

	tracer->searches = MAX_SEARCHES;
	tracer->fn = fn;
	tracer->ctx = ctx;
	/* A cgroup is told of before the first event in it. */
	if (tracer->skel)
		until = ring__head(&tracer->events);
	num = ring_buffer__consume(tracer->control);
	if (num < 0 || tracer->legacy)
		return num;
	more = ring__poll(&tracer->events, until, now_ns(CLOCK_MONOTONIC), on_event, tracer);
	return more < 0 ? more : num + more;
}

uint64_t tracer__mark(const struct tracer *tracer)
{
	if (tracer->skel)
		return ring__head(&tracer->events);
	return __atomic_load_n(tracer->producer, __ATOMIC_ACQUIRE);
}

bool tracer__passed(const struct tracer *tracer, uint64_t mark)
{
	if (tracer->skel)
		return tracer->events.next >= mark;
	return __atomic_load_n(tracer->consumer, __ATOMIC_ACQUIRE) >= mark;
}

static int add_recursion(const struct bpf_program *prog, uint64_t *sum)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int err;

	if (!bpf_program__autoload(prog))
		return 0;
	err = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);
	if (err)
		return err;
	*sum += info.recursion_misses;
	return 0;
}

static int sum_stats(int fd, struct tws_counters *sum)
{
	int cpus = libbpf_num_possible_cpus();
	struct tws_counters *each, total = {};
	__u32 zero = 0;
	int err;

	if (cpus < 0)
		return cpus;
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	err = bpf_map_lookup_elem(fd, &zero, each);
	for (int i = 0; !err && i < cpus; i++) {
		total.time_wait_lost += each[i].time_wait_lost;
		total.other_lost += each[i].other_lost;
		total.listen_lost += each[i].listen_lost;
		total.table_full += each[i].table_full;
		total.walk_failed += each[i].walk_failed;
		total.cgroup_lost += each[i].cgroup_lost;
	}
	free(each);
	if (!err)
		*sum = total;
	return err;
}

int tracer__counters(const struct tracer *tracer, struct tws_counters *sum, uint64_t *recursion)
{
	struct bpf_program *prog;
	struct tws_counters total;
	uint64_t skips = 0;
	int err;

	err = sum_stats(bpf_object__find_map_fd_by_name(tracer->obj, "tws_stats"), &total);
	if (err)
		return err;
	bpf_object__for_each_program(prog, tracer->obj) {
		err = add_recursion(prog, &skips);
		if (err)
			return err;
	}
	total.time_wait_lost += tracer->events.lost;
	*sum = total;
	*recursion = skips;
	return 0;
}

uint64_t tracer__overwritten(const struct tracer *tracer)
{
	return tracer->events.lost;
}

/* Kernels before 5.12, where the table is a hash map. */
static int take_from_map(const struct bpf_map *map, const void *key, void *value)
{
	if (bpf_map_lookup_elem(bpf_map__fd(map), key, value))
		return -ENOENT;
	return bpf_map_delete_elem(bpf_map__fd(map), key) ? -EALREADY : 0;
}

static int take_from_table(struct tracer *tracer, uint64_t key, struct tws_slot *slot)
{
	for (int probe = 0; probe < TWS_PROBES; probe++) {
		uint32_t set = tws_set_of(key, probe, tracer->num_sets - 1);

		for (int i = 0; i < TWS_WAYS; i++) {
			struct tws_way *way = &tracer->sets[set].way[i];
			uint64_t tag = key;

			if (way->tag != key)
				continue;
			*slot = tracer->slots[set * TWS_WAYS + i];
			tws_read_way(&slot->conn, way);
			return __atomic_compare_exchange_n(&way->tag, &tag, 0, false,
							   __ATOMIC_SEQ_CST,
							   __ATOMIC_RELAXED) ? 0 : -EALREADY;
		}
	}
	return -ENOENT;
}

/*
 * A socket whose FIN was seen and whose CLOSE was skipped has left its way as it
 * was, unless another has taken its address since. Rare, so a plain search; and
 * not many of them in a row, or the ring would overflow meanwhile.
 */
static int find_closer(struct tracer *tracer, uint64_t cookie, struct tws_slot *slot)
{
	if (!tracer->searches)
		return -ENOENT;
	tracer->searches--;
	for (uint32_t i = 0; i < tracer->num_sets * TWS_WAYS; i++) {
		const struct tws_way *way = &tracer->sets[i / TWS_WAYS].way[i % TWS_WAYS];

		if (!way->tag || tws_is_mini_key(way->tag) || !(way->open & TWS_OPEN_FIN) ||
		    tracer->slots[i].own.cookie != cookie)
			continue;
		*slot = tracer->slots[i];
		tws_read_way(&slot->conn, way);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* Not another's that came while it was read. */
		if (tracer->slots[i].own.cookie != cookie)
			return -ENOENT;
		slot->own.time_ns = slot->tx_bytes = slot->rx_bytes = 0;
		return 0;
	}
	return -ENOENT;
}

static int take_pending(struct tracer *tracer, const struct tws_key *key, uint64_t cookie,
			struct tws_slot *slot)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(tracer->obj, "tws_pending");
	struct tws_pending pending;
	int err;

	if (bpf_map_lookup_elem(bpf_map__fd(map), key, &pending) ||
	    pending.event.cookie != cookie)
		return -ENOENT;
	err = take_from_map(map, key, &pending);
	if (err)
		return err;
	*slot = (struct tws_slot){
		.conn = pending.event.conn,
		.tx_bytes = pending.event.tx_bytes,
		.rx_bytes = pending.event.rx_bytes,
		.own.time_ns = pending.event.time_ns,
	};
	return 0;
}

int tracer__take_kept(struct tracer *tracer, const struct tws_key *key, uint64_t cookie,
		      struct tws_slot *slot)
{
	uint64_t mini = tws_mini_key(cookie);
	struct tws_entry entry;
	int err = -ENOENT;

	if (tracer->pending_by_tuple)
		err = take_pending(tracer, key, cookie, slot);
	if (err != -ENOENT || !cookie)
		return err;
	if (tracer->legacy) {
		err = take_from_map(tracer->legacy->maps.tws_conns, &mini, &entry);
		if (err)
			return err;
		*slot = entry.slot;
		tws_read_way(&slot->conn, &entry.way);
		return 0;
	}
	err = take_from_table(tracer, mini, slot);
	return err == -ENOENT ? find_closer(tracer, cookie, slot) : err;
}

static size_t sweep_sets(struct tracer *tracer, uint64_t before_ns,
			 bool (*alive)(void *ctx, const struct tws_key *key, uint64_t cookie),
			 void *ctx)
{
	size_t swept = 0;

	for (size_t i = 0; tracer->sets && i < tracer->num_sets; i++)
		for (int j = 0; j < TWS_WAYS; j++) {
			struct tws_way *way = &tracer->sets[i].way[j];
			const struct tws_slot *slot = &tracer->slots[i * TWS_WAYS + j];
			uint64_t tag = __atomic_load_n(&way->tag, __ATOMIC_ACQUIRE);

			if (!tws_is_mini_key(tag) || slot->own.time_ns >= before_ns ||
			    alive(ctx, NULL, tws_mini_key(tag)))
				continue;
			__atomic_compare_exchange_n(&way->tag, &tag, 0, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
			swept++;
		}
	return swept;
}

static size_t sweep_pending(struct tracer *tracer, uint64_t before_ns,
			    bool (*alive)(void *ctx, const struct tws_key *key,
					  uint64_t cookie),
			    void *ctx)
{
	int fd = bpf_object__find_map_fd_by_name(tracer->obj, "tws_pending");
	struct tws_pending pending;
	struct tws_key key, next;
	size_t swept = 0;
	int err = bpf_map_get_next_key(fd, NULL, &next);

	while (!err) {
		key = next;
		err = bpf_map_get_next_key(fd, &key, &next);
		if (bpf_map_lookup_elem(fd, &key, &pending) ||
		    pending.event.time_ns >= before_ns ||
		    alive(ctx, &key, pending.event.cookie))
			continue;
		bpf_map_delete_elem(fd, &key);
		swept++;
	}
	return swept;
}

size_t tracer__sweep(struct tracer *tracer, uint64_t before_ns,
		     bool (*alive)(void *ctx, const struct tws_key *key, uint64_t cookie),
		     void *ctx)
{
	size_t swept = sweep_sets(tracer, before_ns, alive, ctx);

	if (tracer->pending_by_tuple)
		swept += sweep_pending(tracer, before_ns, alive, ctx);
	return swept;
}

int tracer__pass_cgroup(struct tracer *tracer, uint64_t id, bool pass)
{
	int fd = bpf_object__find_map_fd_by_name(tracer->obj, "tws_cgroups");
	__u8 yes = 1;

	if (pass)
		return bpf_map_update_elem(fd, &id, &yes, BPF_ANY) ? -errno : 0;
	return bpf_map_delete_elem(fd, &id) && errno != ENOENT ? -errno : 0;
}

/* For a map or link that is not there there is nothing to do. */
static int pin_map(struct bpf_map *map, const char *dir)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(map)) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bpf_map__pin(map, path);
}

static int pin_link(struct bpf_link *link, const char *name, const char *dir)
{
	char path[PATH_MAX];

	if (!link)
		return 0;
	if (snprintf(path, sizeof(path), "%s/link_%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bpf_link__pin(link, path);
}

static int pin_links(const struct bpf_object_skeleton *skel, const char *dir)
{
	int err = 0;

	for (int i = 0; !err && i < skel->prog_cnt; i++)
		err = pin_link(*skel->progs[i].link, skel->progs[i].name, dir);
	return err;
}

/* The maps that another twsnoop reads. The programs hold the rest. */
int tracer__pin(struct tracer *tracer, const char *dir)
{
	static const char *const names[] = {
		"tws_meta", "tws_stats", "tws_head", "tws_events", "tws_owners",
		"tws_sets", "tws_slots", "tws_procs", "tws_paths",
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(names) / sizeof(names[0]); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(tracer->obj, names[i]);

		err = map ? pin_map(map, dir) : 0;
	}
	return err ?: pin_links(tracer->skel ? tracer->skel->skeleton :
					       tracer->legacy->skeleton, dir);
}

void tracer__detach(struct tracer *tracer)
{
	if (tracer->skel)
		twsnoop_bpf__detach(tracer->skel);
	if (tracer->legacy)
		twsnoop_legacy_bpf__detach(tracer->legacy);
}

void tracer__free(struct tracer *tracer)
{
	if (!tracer)
		return;
	if (tracer->sets)
		munmap(tracer->sets, tracer->num_sets * sizeof(*tracer->sets));
	if (tracer->slots)
		munmap(tracer->slots, tracer->num_sets * TWS_WAYS * sizeof(*tracer->slots));
	if (tracer->consumer)
		munmap((void *)tracer->consumer, sysconf(_SC_PAGESIZE));
	if (tracer->producer)
		munmap((void *)tracer->producer, sysconf(_SC_PAGESIZE));
	if (tracer->events.head)
		munmap((void *)tracer->events.head, sizeof(struct tws_head));
	if (tracer->events.records)
		munmap((void *)tracer->events.records,
		       ((size_t)tracer->events.mask + 1) * sizeof(struct tws_record));
	ring_buffer__free(tracer->control);
	twsnoop_bpf__destroy(tracer->skel);
	twsnoop_legacy_bpf__destroy(tracer->legacy);
	free(tracer);
}

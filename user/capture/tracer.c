// SPDX-License-Identifier: GPL-2.0
#include "capture/tracer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/calls.h"
#include "base/clock.h"
#include "capture/connections.h"
#include "capture/pending.h"
#include "capture/pin_files.h"
#include "model/decode.h"
#include "capture/ring_size.h"
#include "capture/rings.h"
#include "twsnoop.skel.h"
#include "twsnoop_legacy.skel.h"

#define HELD_BY_TUPLE (1U << 16)
#define DEFAULT_RING_BYTES (1U << 25)
#define LEGACY_OWNERS (1U << 15) /* while tracing; before 5.11 they are locked memory */
#define MAX_PASSING_CGROUPS (1U << 14)
/* What is known of processes that have gone, and of cgroups: of a recorder as long as its rings
 * reach back; else of cgroups, until the next poll. */
#define ATTACHED_PROCESSES (1U << 15)
#define OWN_PATHS (1U << 11)

struct tracer {
	struct source source;
	struct twsnoop_bpf *skel;	   /* either this one */
	struct twsnoop_legacy_bpf *legacy; /* or this: kernels before 5.12 */
	struct bpf_object *obj;
	struct rings *rings;	     /* not with legacy */
	struct ring_buffer *control; /* with legacy: all records */
	/* With legacy: how many of TWS_LISTEN and TWS_UNLISTEN found no room when it was last
	 * looked at, and until when (CLOCK_MONOTONIC) all that did not are known. */
	uint64_t listens_lost, listens_sure_ns;
	uint32_t connections;
	struct calls calls; /* opened if calls_error is 0, and only then attached */
	int calls_error;
	bool wants_calls;
	/* CLOCK_MONOTONIC: when all programs were attached, and when the first was to be
	 * detached again. What is between is seen by all of them. */
	uint64_t attached_ns, detached_ns;
	struct tws_meta meta;
	bool pending_by_tuple; /* before 6.11 */
	bool has_filter;
	bool skips_matter; /* as kernel__skips_matter() */
	/* With legacy, the positions of control as the kernel lays its map out: a
	 * page that the consumer writes, and one that the producers do. */
	const unsigned long *consumer, *producer;
	source_record_fn fn;
	void *ctx;
};

const struct calls_obstacle *tracer__calls_obstacle(const struct tracer *tracer)
{
	return tracer->calls_error ? calls__obstacle(tracer->calls_error) : NULL;
}

uint64_t tracer__ring_records(const struct tracer *tracer)
{
	return tracer->legacy ? 0 : tracer->meta.entries;
}

static const struct source_ops tracer_ops;

static struct tracer *tracer_of(struct source *source)
{
	return (struct tracer *)source; /* its first member */
}

static const struct tracer *const_tracer_of(const struct source *source)
{
	return (const struct tracer *)source;
}

static bool is_late(const struct tracer *tracer, uint64_t time_ns)
{
	return tracer->detached_ns && time_ns > tracer->detached_ns;
}

/* Older kernels' programs count at once what finds no room. */
static void look_for_lost_listens(struct tracer *tracer)
{
	uint64_t lost = __atomic_load_n(&tracer->legacy->bss->tws_listens_lost, __ATOMIC_ACQUIRE);

	if (lost != tracer->listens_lost && !tracer->source.listens_lost_since_ns)
		tracer->source.listens_lost_since_ns = tracer->listens_sure_ns ?: 1;
	tracer->listens_lost = lost;
}

/* @event, or @copy without what only some of the programs had seen; NULL: only some of them
 * saw it at all. */
static const struct tws_event *what_is_sure(const struct tracer *tracer,
					    const struct tws_event *event,
					    struct tws_event *copy)
{
	if (is_late(tracer, event->time_ns))
		return NULL;
	if (decode__opening_is_sure(event, tracer->attached_ns))
		return event;
	*copy = *event;
	decode__forget_opening(copy);
	return copy;
}

static int on_record(void *ctx, void *data, size_t len)
{
	struct tracer *tracer = ctx;
	const void *record = data;
	struct tws_event copy;

	look_for_lost_listens(tracer);
	if (len == sizeof(copy))
		record = what_is_sure(tracer, data, &copy);
	return record ? tracer->fn(tracer->ctx, record, len) : 0;
}

static uint32_t records_of(const struct tracer_options *opts)
{
	size_t bytes = opts->ring_bytes ?: DEFAULT_RING_BYTES;
	int cpus = libbpf_num_possible_cpus();

	return ring_size__records(opts->entries ?: bytes / sizeof(struct tws_record),
				  cpus > 0 ? (unsigned int)cpus : 1);
}

/* Two for each FIN, but four of them take less room than three FINs. */
static uint32_t endings_of(const struct tracer_options *opts)
{
	return 2 * records_of(opts);
}

/* Those of the hierarchy that containers are told apart by. */
static bool sees_cgroups(const struct kernel *k)
{
	return k->cgroup_events.state == FEATURE_PRESENT && (k->v1_subsys < 0 || k->v1_hierarchy);
}

static void configure(struct tws_settings *to, const struct tracer_options *opts,
		      uint32_t connections, bool sees_calls, bool has_task_storage)
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
	to->open_mask = connections - 1;
	to->event_mask = records_of(opts) - 1;
	to->end_mask = endings_of(opts) - 1;
	to->attached = opts->attached;
	to->sees_rmdir = sees_cgroups(k);
	to->sees_calls = sees_calls;
	to->has_task_storage = has_task_storage;
	to->may_miss = kernel__skips_matter(k);
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
static void choose_programs(const struct tracer *tracer, const struct tracer_options *opts)
{
	struct bpf_object *obj = tracer->obj;
	const struct kernel *k = opts->kernel;

	for (int i = 0; tracer->calls_error && i < CALLS_PROGRAMS; i++)
		leave_out(obj, calls_programs[i]);
	leave_out(obj, k->rx_sk.state == FEATURE_PRESENT ? "tws_segment" : "tws_drop");
	if (tracer->legacy && opts->attached) {
		leave_out(obj, "tws_drop");
		leave_out(obj, "tws_segment");
	}
	if (!kernel__has_spare(k))
		leave_out(obj, "tws_spare");
	if (sees_cgroups(k))
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

/* Nobody sweeps what a recorder has kept of sockets that are gone: the oldest give way. */
static int set_pending(const struct tracer *tracer, const struct tracer_options *opts,
		       uint32_t connections)
{
	struct bpf_map *map = bpf_object__find_map_by_name(tracer->obj, "tws_pending");
	bool read = !tracer->legacy || !opts->attached;
	uint32_t max = (opts->max_connections ? connections : CONNECTIONS_DEFAULT) / 4;
	int err = 0;

	if (opts->attached && tracer->pending_by_tuple)
		err = bpf_map__set_type(map, BPF_MAP_TYPE_LRU_HASH);
	return err ?: bpf_map__set_max_entries(map, tracer->pending_by_tuple && read ? max : 1);
}

/* They are kept in one of two maps. */
static int set_calls(struct bpf_object *obj, bool sees_calls, bool has_task_storage)
{
	struct bpf_map *threads = bpf_object__find_map_by_name(obj, "tws_thread_calls");

	return (threads ? bpf_map__set_autocreate(threads, has_task_storage) : 0) ?:
	       set_max(obj, "tws_calls", sees_calls && !has_task_storage ? 0 : 1);
}

static int set_sizes(struct tracer *tracer, const struct tracer_options *opts,
		     const struct tws_settings *settings, uint32_t connections)
{
	struct bpf_object *obj = tracer->obj;
	uint32_t records = records_of(opts);
	bool read = !tracer->legacy || !opts->attached;
	bool by_tuple = tracer->pending_by_tuple && read;

	return set_max(obj, "tws_events", records) ?:
	       set_max(obj, "tws_owners", opts->attached ? records : LEGACY_OWNERS) ?:
	       set_max(obj, "tws_ring", tracer->legacy && !opts->attached ?
				opts->ring_bytes ?: DEFAULT_RING_BYTES / 2 : 0) ?:
	       set_max(obj, "tws_ends", endings_of(opts)) ?:
	       set_max(obj, "tws_opens", connections) ?:
	       set_max(obj, "tws_cgroups", opts->filter.by_cgroup ? MAX_PASSING_CGROUPS : 1) ?:
	       set_max(obj, "tws_pids", opts->filter.num_pids ?: 1) ?:
	       set_pending(tracer, opts, connections) ?:
	       set_max(obj, "tws_time_waits", by_tuple && opts->all ? HELD_BY_TUPLE : 1) ?:
	       set_calls(obj, !tracer->calls_error, settings->has_task_storage) ?:
	       set_max(obj, "tws_procs", opts->attached ? ATTACHED_PROCESSES : 1) ?:
	       set_max(obj, "tws_paths", opts->attached ? 0 : OWN_PATHS);
}

static int open_object(struct tracer *tracer, const struct tracer_options *opts)
{
	struct tws_settings *settings;
	uint32_t connections;

	if (opts->kernel->atomics.state == FEATURE_PRESENT &&
	    opts->kernel->cookie.state == FEATURE_PRESENT &&
	    opts->kernel->task_btf.state == FEATURE_PRESENT) {
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
	connections = connections__round_up(opts->max_connections ?:
					    connections__default(tracer->legacy));
	tracer->wants_calls = opts->all && opts->calls;
	if (!tracer->wants_calls)
		tracer->calls_error = -ENODATA;
	else if (tracer->legacy && opts->attached)
		tracer->calls_error = CALLS_NO_PIN;
	else
		tracer->calls_error = calls__open(&tracer->calls);
	configure(settings, opts, connections, !tracer->calls_error,
		  tracer->skel && !tracer->calls_error && kernel__has_task_storage(opts->kernel));
	tracer->connections = connections;
	tracer->has_filter = settings->has_filter;
	choose_programs(tracer, opts);
	tracer->pending_by_tuple = !settings->has_rx_sk || tracer->legacy;
	return set_sizes(tracer, opts, settings, connections);
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

static int open_rings(struct tracer *tracer, const struct tracer_options *opts)
{
	const struct twsnoop_bpf *skel = tracer->skel;
	const struct rings_maps maps = {
		.events = bpf_map__fd(skel->maps.tws_events),
		.ends = bpf_map__fd(skel->maps.tws_ends),
		.heads = bpf_map__fd(skel->maps.tws_heads),
		.cpus = bpf_map__fd(skel->maps.tws_cpus),
		.cgroups = bpf_map__fd(skel->maps.tws_cgroup_log),
		.num_records = records_of(opts),
		.num_endings = endings_of(opts),
	};

	return rings__new(&tracer->rings, &maps, opts->all);
}

/* Of each ring: what is larger than twice the usual one is left to the connections. */
#define TOUCHED_BYTES (48U << 20)

/*
 * Looks once at each page of an array, by the address that the programs use. Where a hypervisor keeps
 * page tables of its own for the kernel's (shadow paging), the first look at a page takes ten microseconds,
 * which a connection would pay: half of what all the programs cost it, until the ring has come
 * round. Elsewhere a look is nothing.
 */
static void touch_pages(const struct bpf_map *map)
{
	const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	const size_t entry_bytes = bpf_map__value_size(map); /* a multiple of eight */
	struct tws_record entry;

	_Static_assert(sizeof(entry) >= sizeof(struct tws_ending), "room for an entry of either ring");
	for (size_t at = 0; at < bpf_map__max_entries(map) * entry_bytes && at < TOUCHED_BYTES; at += page_bytes) {
		__u32 index = (__u32)(at / entry_bytes);

		bpf_map_lookup_elem(bpf_map__fd(map), &index, &entry);
	}
}

static int open_control(struct tracer *tracer)
{
	int err = map_positions(tracer);

	if (err)
		return err;
	tracer->control = ring_buffer__new(
		bpf_object__find_map_fd_by_name(tracer->obj, "tws_ring"), on_record, tracer, NULL);
	return tracer->control ? 0 : -errno;
}

static int put_meta(struct tracer *tracer)
{
	int fd = bpf_object__find_map_fd_by_name(tracer->obj, "tws_meta");
	__u32 zero = 0;

	return bpf_map_update_elem(fd, &zero, &tracer->meta, BPF_ANY) ? -errno : 0;
}

/* All programs are attached: from now on it records, and may be taken for a ledger. */
static int stamp_meta(struct tracer *tracer)
{
	tracer->meta.time_ns = clock__now_ns(CLOCK_MONOTONIC);
	tracer->meta.wall_ns = tracer->meta.time_ns + (uint64_t)clock__wall_offset_ns();
	return put_meta(tracer);
}

/* For another twsnoop that meets it. Without a time it has recorded nothing yet. */
static int describe(struct tracer *tracer, const struct tracer_options *opts)
{
	int process = bpf_program__fd(bpf_object__find_program_by_name(tracer->obj,
								       "tws_state"));
	const struct kernel *k = opts->kernel;

	tracer->meta = (struct tws_meta){
		.magic = TWS_META_MAGIC,
		.layout = TWS_LAYOUT,
		.flags = (tracer->legacy ? TWS_META_LEGACY : 0) |
			 (opts->attached ? TWS_META_ATTACHED : 0) |
			 (opts->all ? TWS_META_ALL : 0) |
			 (tracer->has_filter ? TWS_META_FILTER : 0) |
			 (k->rx_sk.state == FEATURE_PRESENT ? TWS_META_RX_SK : 0) |
			 (tracer->skips_matter ? TWS_META_SKIPS : 0),
		.entries = tracer->legacy && !opts->attached ? LEGACY_OWNERS : records_of(opts),
		.version = TWSNOOP_VERSION,
		.endings = tracer->legacy ? 0 : endings_of(opts),
		.connections = tracer->connections,
		.v1_subsys = k->v1_subsys >= 0 ? k->v1_subsys : -1,
		.cgroup_hierarchy = k->v1_subsys >= 0 ? k->v1_hierarchy : 0,
	};

	/* Bound to a program that does not use them, they are found by that (ledger.c). */
	return put_meta(tracer) ?:
	       bpf_prog_bind_map(process, bpf_object__find_map_fd_by_name(tracer->obj,
									 "tws_meta"), NULL) ?:
	       bpf_prog_bind_map(process, bpf_object__find_map_fd_by_name(tracer->obj,
									 "tws_paths"), NULL);
}

static int fill_pids(const struct tracer *tracer, const struct tws_filter *filter)
{
	int fd = bpf_object__find_map_fd_by_name(tracer->obj, "tws_pids");

	for (__u32 i = 0; i < filter->num_pids; i++) {
		__u8 passes = i >= filter->not_pids;

		/* One that is named twice is excluded if it is so once. */
		if (bpf_map_update_elem(fd, &filter->pids[i], &passes, BPF_NOEXIST) &&
		    errno != EEXIST)
			return -errno;
	}
	return 0;
}

int tracer__new(struct tracer **tracerp, const struct tracer_options *opts)
{
	struct tracer *tracer = calloc(1, sizeof(*tracer));
	int err = -ENOMEM;

	if (!tracer)
		return err;
	tracer->source = (struct source){ .ops = &tracer_ops, .is_filtered = true };
	calls__init(&tracer->calls);
	err = open_object(tracer, opts);
	if (err)
		goto out;
	/* With legacy there is no tws_spare. */
	tracer->skips_matter = tracer->legacy || kernel__skips_matter(opts->kernel);
	err = bpf_object__load(tracer->obj);
	if (err)
		goto out;
	if (tracer->skel) {
		touch_pages(tracer->skel->maps.tws_events);
		touch_pages(tracer->skel->maps.tws_ends);
	}
	err = fill_pids(tracer, &opts->filter) ?:
	      (tracer->skel ? open_rings(tracer, opts) : open_control(tracer)) ?:
	      describe(tracer, opts);
	if (err)
		goto out;
	*tracerp = tracer;
	return 0;
out:
	tracer__free(tracer);
	return err;
}

/* First of all: see bpf/percpu.h. */
static int attach_rmdir(struct tracer *tracer)
{
	struct bpf_program *rmdir = tracer->skel->progs.tws_cgroup_rmdir;

	if (!bpf_program__autoload(rmdir))
		return 0;
	tracer->skel->links.tws_cgroup_rmdir = bpf_program__attach(rmdir);
	return tracer->skel->links.tws_cgroup_rmdir ? 0 : -errno;
}

/* Last of all: what begins from here on is seen by the others too. They can be done without. */
static void attach_calls(struct tracer *tracer)
{
	if (tracer->calls_error)
		return;
	tracer->calls_error = calls__attach(&tracer->calls, tracer->obj);
	if (tracer->calls_error)
		calls__close(&tracer->calls);
}

int tracer__attach(struct tracer *tracer)
{
	int err = tracer->skel ? attach_rmdir(tracer) : 0;

	if (!err)
		err = tracer->skel ? twsnoop_bpf__attach(tracer->skel) :
				     twsnoop_legacy_bpf__attach(tracer->legacy);
	if (!err)
		attach_calls(tracer);
	if (!err)
		err = stamp_meta(tracer);
	tracer->attached_ns = tracer->meta.time_ns;
	if (tracer->rings)
		rings__attached_at(tracer->rings, tracer->attached_ns);
	return err;
}

static int poll_legacy(struct tracer *tracer)
{
	uint64_t begun_ns = clock__now_ns(CLOCK_MONOTONIC);
	int num;

	look_for_lost_listens(tracer);
	num = ring_buffer__consume(tracer->control);
	if (!tracer->source.listens_lost_since_ns)
		tracer->listens_sure_ns = begun_ns;
	return num;
}

static int tracer_poll(struct source *source, source_record_fn fn, void *ctx)
{
	struct tracer *tracer = tracer_of(source);

	if (tracer->rings)
		return rings__poll(tracer->rings, fn, ctx, &tracer->source.listens_lost_since_ns);
	tracer->fn = fn;
	tracer->ctx = ctx;
	return poll_legacy(tracer);
}

static uint64_t tracer_mark(const struct source *source)
{
	const struct tracer *tracer = const_tracer_of(source);

	return tracer->rings ? rings__mark(tracer->rings) :
			       __atomic_load_n(tracer->producer, __ATOMIC_ACQUIRE);
}

static bool tracer_passed(const struct source *source, uint64_t mark)
{
	const struct tracer *tracer = const_tracer_of(source);

	return tracer->rings ? rings__passed(tracer->rings, mark) :
			       __atomic_load_n(tracer->consumer, __ATOMIC_ACQUIRE) >= mark;
}

bool tracer__is_of_state(const char *program)
{
	return !strcmp(program, "tws_state") || !strcmp(program, "tws_spare");
}

static int add_recursion(const struct tracer *tracer, const struct bpf_program *prog,
			 uint64_t *sum)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int err;

	if (!bpf_program__autoload(prog) ||
	    (!tracer->skips_matter && tracer__is_of_state(bpf_program__name(prog))))
		return 0;
	err = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);
	if (err)
		return err;
	*sum += info.recursion_misses;
	return 0;
}

static uint64_t tracer_fins_lost(const struct source *source)
{
	const struct tracer *tracer = const_tracer_of(source);

	return tracer->rings ? rings__fins_lost(tracer->rings) : 0;
}

static bool tracer_is_late(const struct source *source, uint64_t time_ns)
{
	return is_late(const_tracer_of(source), time_ns);
}

static int tracer_counters(const struct source *source, struct tws_counters *sum,
			   uint64_t *recursion)
{
	const struct tracer *tracer = const_tracer_of(source);
	struct bpf_program *prog;
	struct tws_counters total;
	uint64_t skips = 0;
	int err;

	err = rings__sum_stats(bpf_object__find_map_fd_by_name(tracer->obj, "tws_stats"), &total);
	if (err)
		return err;
	bpf_object__for_each_program(prog, tracer->obj) {
		err = add_recursion(tracer, prog, &skips);
		if (err)
			return err;
	}
	if (tracer->rings) {
		total.event_lost += rings__lost(tracer->rings);
		total.cgroup_lost += rings__cgroups_lost(tracer->rings);
	}
	*sum = total;
	*recursion = skips;
	return 0;
}

static size_t tracer_sweep(struct source *source, uint64_t before_ns, source_alive_fn alive,
			   void *ctx)
{
	struct tracer *tracer = tracer_of(source);
	const struct bpf_map *map = bpf_object__find_map_by_name(tracer->obj, "tws_pending");

	if (!tracer->pending_by_tuple)
		return 0;
	return pending__sweep(bpf_map__fd(map), bpf_map__max_entries(map), before_ns, alive, ctx);
}

/* There is no room for one that is to pass. */
static void pass_all_cgroups(struct tracer *tracer)
{
	__u64 *full = tracer->skel ? &tracer->skel->bss->tws_cgroups_full :
				     &tracer->legacy->bss->tws_cgroups_full;

	__atomic_store_n(full, 1, __ATOMIC_RELEASE);
}

static int tracer_pass_cgroup(struct source *source, uint64_t id, bool pass)
{
	int fd = bpf_object__find_map_fd_by_name(tracer_of(source)->obj, "tws_cgroups");
	__u8 yes = 1;

	if (pass && bpf_map_update_elem(fd, &id, &yes, BPF_ANY)) {
		pass_all_cgroups(tracer_of(source));
		return 0;
	}
	if (pass)
		return 0;
	return bpf_map_delete_elem(fd, &id) && errno != ENOENT ? -errno : 0;
}

/* What cannot be pinned would go with this process: so not without them, if they are wanted. */
static int pin_calls(struct tracer *tracer, const char *dir)
{
	if (!tracer->wants_calls)
		return 0;
	for (int i = 0; !tracer->calls_error && i < CALLS_PROGRAMS; i++)
		if (pin_files__link(tracer->calls.links[i], calls_programs[i], dir))
			tracer->calls_error = CALLS_NO_PIN;
	if (tracer->calls_error) {
		calls__close(&tracer->calls);
		return tracer->calls_error;
	}
	tracer->meta.flags |= TWS_META_CALLS;
	return put_meta(tracer);
}

/* The maps that another twsnoop reads. The programs hold the rest. */
int tracer__pin(struct tracer *tracer, const char *dir)
{
	static const char *const names[] = {
		"tws_meta", "tws_stats", "tws_heads", "tws_cpus", "tws_events", "tws_ends",
		"tws_owners", "tws_procs", "tws_paths", "tws_cgroup_log",
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(names) / sizeof(names[0]); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(tracer->obj, names[i]);

		err = map ? pin_files__map(map, dir) : 0;
	}
	return err ?: pin_files__links(tracer->skel ? tracer->skel->skeleton :
						      tracer->legacy->skeleton, dir) ?:
	       pin_calls(tracer, dir);
}

void tracer__detach(struct tracer *tracer)
{
	tracer->detached_ns = clock__now_ns(CLOCK_MONOTONIC);
	calls__close(&tracer->calls);
	if (tracer->rings)
		rings__stop_at(tracer->rings, tracer->detached_ns, false, false);
	if (tracer->skel)
		twsnoop_bpf__detach(tracer->skel);
	if (tracer->legacy)
		twsnoop_legacy_bpf__detach(tracer->legacy);
	if (tracer->rings)
		rings__stop_at(tracer->rings, tracer->detached_ns, false, true);
}

static int tracer_start(struct source *source)
{
	struct tracer *tracer = tracer_of(source);

	return tracer->attached_ns ? 0 : tracer__attach(tracer);
}

static void tracer_stop(struct source *source)
{
	tracer__detach(tracer_of(source));
}

static const struct source_ops tracer_ops = {
	.start = tracer_start,
	.poll = tracer_poll,
	.mark = tracer_mark,
	.passed = tracer_passed,
	.fins_lost = tracer_fins_lost,
	.is_late = tracer_is_late,
	.counters = tracer_counters,
	.sweep = tracer_sweep,
	.pass_cgroup = tracer_pass_cgroup,
	.stop = tracer_stop,
};

struct source *tracer__source(struct tracer *tracer)
{
	return &tracer->source;
}

void tracer__free(struct tracer *tracer)
{
	if (!tracer)
		return;
	calls__close(&tracer->calls);
	rings__free(tracer->rings);
	if (tracer->consumer)
		munmap((void *)tracer->consumer, sysconf(_SC_PAGESIZE));
	if (tracer->producer)
		munmap((void *)tracer->producer, sysconf(_SC_PAGESIZE));
	ring_buffer__free(tracer->control);
	twsnoop_bpf__destroy(tracer->skel);
	twsnoop_legacy_bpf__destroy(tracer->legacy);
	free(tracer);
}

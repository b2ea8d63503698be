// SPDX-License-Identifier: GPL-2.0
#include "capture/attached.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "capture/arguments.h"
#include "capture/rings.h"

#define MAX_PATHS (1U << 14) /* more than there are: the walk may begin anew */
#define CHECK_NS 500000000ULL /* whether its folder is there still */

struct attached {
	struct source source;
	struct pinned pinned;
	struct rings *rings;
	struct tws_counters before; /* what was counted before the start */
	uint64_t recursion_before, recursion; /* the second: at the end */
	uint64_t next_check_ns;
	bool paths_given, has_ended;
	struct tws_proc proc; /* that was asked for last */
};

static struct attached *attached_of(struct source *source)
{
	return (struct attached *)source; /* its first member */
}

static const struct attached *const_attached_of(const struct source *source)
{
	return (const struct attached *)source;
}

/* ---- what was counted ---- */

static uint64_t sum_recursion(const struct attached *a)
{
	bool skips_matter = a->pinned.meta.flags & TWS_META_SKIPS;
	uint64_t sum = 0;

	for (size_t i = 0; i < a->pinned.num_programs; i++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if ((!skips_matter && a->pinned.is_state[i]) ||
		    bpf_obj_get_info_by_fd(a->pinned.programs[i], &info, &len))
			continue;
		sum += info.recursion_misses;
	}
	return sum;
}

static int read_counters(const struct attached *a, struct tws_counters *sum)
{
	return rings__sum_stats(a->pinned.maps[PINNED_STATS], sum);
}

static int attached_counters(const struct source *source, struct tws_counters *sum,
			     uint64_t *recursion)
{
	const struct attached *a = const_attached_of(source);
	struct tws_counters now;
	int err = read_counters(a, &now);

	if (err)
		return err;
	*sum = (struct tws_counters){
		.event_lost = rings__lost(a->rings),
		.table_full = now.table_full - a->before.table_full,
		.walk_failed = now.walk_failed - a->before.walk_failed,
		.cgroup_lost = rings__cgroups_lost(a->rings),
	};
	*recursion = (a->has_ended ? a->recursion : sum_recursion(a)) - a->recursion_before;
	return 0;
}

/* ---- following it ---- */

static int attached_start(struct source *source)
{
	struct attached *a = attached_of(source);
	uint64_t over_ns = 0;
	int err = read_counters(a, &a->before) ?: rings__cut(a->rings, true) ?:
		  rings__reach_ns(a->rings, &over_ns);

	if (err)
		return err;
	a->recursion_before = sum_recursion(a);
	source->skipped = a->recursion_before + a->before.walk_failed;
	source->lacks_older = over_ns > a->pinned.meta.time_ns;
	source->reach_ns = source->lacks_older ? over_ns : a->pinned.meta.time_ns;
	return 0;
}

/* The cgroups that came and went before the reader did. Returns how many were given, or @fn's
 * error. */
static int give_paths(struct attached *a, source_record_fn fn, void *ctx)
{
	int fd = a->pinned.maps[PINNED_PATHS], num = 0, err = 0;
	struct tws_cgroup cgroup;
	__u64 id, next;

	if (a->paths_given)
		return 0;
	a->paths_given = true;
	for (size_t i = 0; i < MAX_PATHS && !err; i++) {
		if (bpf_map_get_next_key(fd, i ? &id : NULL, &next))
			break;
		id = next;
		if (bpf_map_lookup_elem(fd, &id, &cgroup) || cgroup.id != id)
			continue;
		num++;
		err = fn(ctx, &cgroup, sizeof(cgroup));
	}
	return err < 0 ? err : num;
}

/* Whoever detaches it says so first; an older twsnoop removes the folder alone. */
static uint64_t ended_ns(struct attached *a, uint64_t now_ns)
{
	struct tws_meta meta;
	struct stat st;

	if (!pinned__read_meta(&a->pinned, &meta) && meta.ended_ns)
		return meta.ended_ns < now_ns ? meta.ended_ns : now_ns;
	if (now_ns < a->next_check_ns)
		return 0;
	a->next_check_ns = now_ns + CHECK_NS;
	return !fstat(a->pinned.folder, &st) && !st.st_nlink ? now_ns : 0;
}

static void look_for_end(struct attached *a)
{
	uint64_t end_ns = a->has_ended || rings__stopped_ns(a->rings) ? 0 :
			  ended_ns(a, clock__now_ns(CLOCK_MONOTONIC));

	if (!end_ns)
		return;
	a->recursion = sum_recursion(a);
	a->has_ended = true;
	rings__stop_at(a->rings, end_ns, true, false);
	pinned__let_go(&a->pinned);
}

static int attached_poll(struct source *source, source_record_fn fn, void *ctx)
{
	struct attached *a = attached_of(source);
	int num = give_paths(a, fn, ctx), more;

	if (num < 0)
		return num;
	look_for_end(a);
	more = rings__poll(a->rings, fn, ctx, &source->listens_lost_since_ns);
	return more < 0 ? more : num + more;
}

static int attached_peek(struct source *source, source_record_fn fn, void *ctx)
{
	return rings__peek(attached_of(source)->rings, fn, ctx);
}

static uint64_t attached_mark(const struct source *source)
{
	return rings__mark(const_attached_of(source)->rings);
}

static bool attached_passed(const struct source *source, uint64_t mark)
{
	return rings__passed(const_attached_of(source)->rings, mark);
}

static uint64_t attached_fins_lost(const struct source *source)
{
	return rings__fins_lost(const_attached_of(source)->rings);
}

static bool attached_is_late(const struct source *source, uint64_t time_ns)
{
	uint64_t stopped_ns = rings__stopped_ns(const_attached_of(source)->rings);

	return stopped_ns && time_ns > stopped_ns;
}

/* The oldest give way to new ones by themselves. */
static size_t attached_sweep(struct source *source, uint64_t before_ns, source_alive_fn alive,
			     void *ctx)
{
	(void)source, (void)before_ns, (void)alive, (void)ctx;
	return 0;
}

/* Every cgroup passes: the reader judges. */
static int attached_pass_cgroup(struct source *source, uint64_t id, bool pass)
{
	(void)source, (void)id, (void)pass;
	return 0;
}

static const char *attached_arguments(struct source *source, const struct tws_event *event,
				      size_t *len)
{
	struct attached *a = attached_of(source);

	return arguments__find(a->pinned.maps[PINNED_PROCS], event, &a->proc, len);
}

static bool attached_has_ended(const struct source *source)
{
	return const_attached_of(source)->has_ended;
}

static void attached_stop(struct source *source)
{
	struct attached *a = attached_of(source);

	if (!rings__stopped_ns(a->rings))
		rings__stop_at(a->rings, clock__now_ns(CLOCK_MONOTONIC), true, false);
}

static const struct source_ops attached_ops = {
	.start = attached_start,
	.poll = attached_poll,
	.peek = attached_peek,
	.mark = attached_mark,
	.passed = attached_passed,
	.fins_lost = attached_fins_lost,
	.is_late = attached_is_late,
	.counters = attached_counters,
	.sweep = attached_sweep,
	.pass_cgroup = attached_pass_cgroup,
	.arguments = attached_arguments,
	.has_ended = attached_has_ended,
	.stop = attached_stop,
};

/* ---- its life ---- */

static int open_rings(struct attached *a)
{
	const int *fds = a->pinned.maps;
	const struct rings_maps maps = {
		.events = fds[PINNED_EVENTS],
		.ends = fds[PINNED_ENDS],
		.heads = fds[PINNED_HEADS],
		.cpus = fds[PINNED_CPUS],
		.cgroups = fds[PINNED_CGROUPS],
		.num_records = a->pinned.meta.entries,
		.num_endings = a->pinned.meta.endings,
	};
	int err = rings__new(&a->rings, &maps, a->pinned.meta.flags & TWS_META_ALL);

	if (!err)
		rings__attached_at(a->rings, a->pinned.meta.time_ns);
	return err;
}

int attached__open(struct attached **attachedp, const char *bpffs, char why[PINNED_WHY_BYTES])
{
	struct attached *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->source = (struct source){ .ops = &attached_ops, .looks_back = true };
	err = pinned__open(&a->pinned, bpffs, why);
	if (err) {
		free(a);
		return err;
	}
	err = open_rings(a);
	if (err) {
		attached__free(a);
		return err;
	}
	*attachedp = a;
	return 0;
}

void attached__free(struct attached *a)
{
	if (!a)
		return;
	rings__free(a->rings);
	pinned__close(&a->pinned);
	free(a);
}

const struct tws_meta *attached__meta(const struct attached *a)
{
	return &a->pinned.meta;
}

void attached__describe(const struct attached *a, struct kernel *kernel)
{
	const struct feature present = { FEATURE_PRESENT, 0 }, missing = { FEATURE_MISSING, 0 };
	const struct tws_meta *meta = &a->pinned.meta;

	/* The object for Linux 5.12 and newer is chosen by these. */
	kernel->btf = kernel->tp_btf = kernel->atomics = kernel->cookie = kernel->task_btf =
		kernel->kfree_skb = present;
	kernel->rx_sk = meta->flags & TWS_META_RX_SK ? present : missing;
	kernel->preempts = meta->flags & TWS_META_SKIPS ? present : missing;
	kernel->v1_subsys = meta->v1_subsys;
}

struct source *attached__source(struct attached *a)
{
	return &a->source;
}

uint64_t attached__skipped(const struct attached *a)
{
	return a->recursion_before + a->before.walk_failed + a->before.table_full;
}

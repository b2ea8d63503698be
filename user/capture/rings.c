// SPDX-License-Identifier: GPL-2.0
#include "capture/rings.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "capture/batch.h"
#include "capture/fins.h"
#include "capture/listens.h"
#include "capture/loss.h"
#include "capture/ring_reader.h"
#include "model/decode.h"

#define CUT_TRIES 1000 /* each takes some microseconds */
#define WRITTEN_TRIES 20 /* of a millisecond, for records that are being written */

struct memory {
	void *at; /* NULL: not mapped */
	size_t bytes;
};

struct rings {
	struct rings_maps maps;
	struct memory heads, event_memory, end_memory, cgroup_memory;
	struct ring_reader events, ends;
	struct batch *batch; /* the rings are in order for each CPU alone */
	int num_cpus;
	struct tws_cpu *cpus, *cpus_again;
	struct counting counting; /* of this poll */
	uint64_t base;	/* outcomes that were made before the cut */
	uint64_t made;	/* since, before the last poll */
	struct taken taken; /* that were read since */
	struct loss loss; /* of them */
	uint64_t listens_base; /* as base, of records that tell who listens */
	struct listens listens;
	uint64_t fins_base; /* likewise */
	struct fins fins;
	uint64_t next_cgroup, cgroups_lost;
	uint64_t sure_ns, stopped_ns;
	bool endings_stop, is_last;
	struct batch *old_listens; /* of a look back, until the next poll; else NULL */
	bool all;
	source_record_fn fn;
	void *ctx;
};

/* ---- memory ---- */

static int map_memory(struct memory *memory, int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*memory = (struct memory){ at, bytes };
	return 0;
}

static void unmap_memory(struct memory *memory)
{
	if (memory->at)
		munmap(memory->at, memory->bytes);
}

static const struct tws_head *head_of(const struct rings *rings, size_t index)
{
	return (const struct tws_head *)rings->heads.at + index;
}

static uint64_t next_of(const struct rings *rings, size_t index)
{
	return __atomic_load_n(&head_of(rings, index)->next, __ATOMIC_ACQUIRE);
}

static int map_all(struct rings *rings)
{
	const struct rings_maps *maps = &rings->maps;

	return map_memory(&rings->heads, maps->heads, TWS_HEADS * sizeof(struct tws_head)) ?:
	       map_memory(&rings->event_memory, maps->events,
			  maps->num_records * sizeof(struct tws_record)) ?:
	       map_memory(&rings->end_memory, maps->ends,
			  maps->num_endings * sizeof(struct tws_ending)) ?:
	       map_memory(&rings->cgroup_memory, maps->cgroups,
			  TWS_CGROUP_RECORDS * sizeof(struct tws_cgroup_record)) ?:
	       ring_reader__init(&rings->events, rings->event_memory.at,
				 sizeof(struct tws_record), head_of(rings, TWS_RING_EVENTS),
				 maps->num_records) ?:
	       ring_reader__init(&rings->ends, rings->end_memory.at, sizeof(struct tws_ending),
				 head_of(rings, TWS_RING_ENDS), maps->num_endings);
}

int rings__new(struct rings **ringsp, const struct rings_maps *maps, bool all)
{
	struct rings *rings = calloc(1, sizeof(*rings));
	int err = -ENOMEM;

	if (!rings)
		return err;
	rings->maps = *maps;
	rings->all = all;
	rings->num_cpus = libbpf_num_possible_cpus();
	if (rings->num_cpus < 0) {
		err = rings->num_cpus;
		goto out;
	}
	rings->cpus = calloc(rings->num_cpus, sizeof(*rings->cpus));
	rings->cpus_again = calloc(rings->num_cpus, sizeof(*rings->cpus_again));
	if (!rings->cpus || !rings->cpus_again)
		goto out;
	err = batch__new(&rings->batch) ?: map_all(rings);
	if (err)
		goto out;
	rings->next_cgroup = next_of(rings, TWS_HEAD_CGROUPS);
	*ringsp = rings;
	return 0;
out:
	rings__free(rings);
	return err;
}

void rings__free(struct rings *rings)
{
	if (!rings)
		return;
	ring_reader__fini(&rings->events);
	ring_reader__fini(&rings->ends);
	unmap_memory(&rings->heads);
	unmap_memory(&rings->event_memory);
	unmap_memory(&rings->end_memory);
	unmap_memory(&rings->cgroup_memory);
	batch__free(rings->batch);
	batch__free(rings->old_listens);
	free(rings->cpus);
	free(rings->cpus_again);
	free(rings);
}

/* ---- what was made ---- */

static int read_cpus(const struct rings *rings, struct tws_cpu *cpus)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(rings->maps.cpus, &zero, cpus) ? -errno : 0;
}

static uint64_t listens_on(const struct rings *rings, const struct tws_cpu *cpus)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < rings->num_cpus; cpu++)
		for (int writer = 0; writer < TWS_WRITERS; writer++)
			sum += cpus[cpu].listens[writer];
	return sum;
}

static uint64_t made_on(const struct rings *rings, const struct tws_cpu *cpus)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < rings->num_cpus; cpu++)
		for (int ring = 0; ring < TWS_RINGS; ring++)
			for (int writer = 0; writer < TWS_WRITERS; writer++)
				sum += cpus[cpu].ring[ring][writer].made;
	return sum;
}

/* With a filter: FIN records. */
static uint64_t fins_on(const struct rings *rings, const struct tws_cpu *cpus)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < rings->num_cpus; cpu++)
		for (int writer = 0; writer < TWS_WRITERS; writer++)
			sum += cpus[cpu].ring[TWS_RING_EVENTS][writer].fins;
	return sum;
}

/* Outcomes that the programs have written since the cut, or are writing. */
static int sum_made(const struct rings *rings, uint64_t *made)
{
	int err = read_cpus(rings, rings->cpus);

	if (!err)
		*made = made_on(rings, rings->cpus) - rings->base;
	return err;
}

int rings__sum_stats(int fd, struct tws_counters *sum)
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
	err = bpf_map_lookup_elem(fd, &zero, each) ? -errno : 0;
	for (int i = 0; !err && i < cpus; i++) {
		total.event_lost += each[i].event_lost;
		total.table_full += each[i].table_full;
		total.walk_failed += each[i].walk_failed;
		total.cgroup_lost += each[i].cgroup_lost;
		total.young_lost += each[i].young_lost;
	}
	free(each);
	if (!err)
		*sum = total;
	return err;
}

/* ---- reading ---- */

void rings__attached_at(struct rings *rings, uint64_t ns)
{
	rings->sure_ns = rings->listens.sure_ns = ns;
}

void rings__stop_at(struct rings *rings, uint64_t ns, bool endings_too, bool is_last)
{
	rings->stopped_ns = ns;
	rings->endings_stop = endings_too;
	rings->is_last = is_last;
}

uint64_t rings__stopped_ns(const struct rings *rings)
{
	return rings->stopped_ns;
}

static bool is_late(const struct rings *rings, uint64_t time_ns)
{
	return rings->stopped_ns && time_ns > rings->stopped_ns;
}

static int keep_event(struct rings *rings, const struct tws_event *event)
{
	struct tws_event copy;

	if (is_late(rings, event->time_ns))
		return 0;
	if (decode__opening_is_sure(event, rings->sure_ns))
		return batch__add_event(rings->batch, event);
	copy = *event;
	decode__forget_opening(&copy);
	return batch__add_event(rings->batch, &copy);
}

static int keep_ending(struct rings *rings, const struct tws_ending *ending)
{
	return rings->endings_stop && is_late(rings, ending->time_ns) ?
		       0 : batch__add_ending(rings->batch, ending);
}

static void count_event(struct rings *rings, const struct tws_event *event)
{
	if (TWS_IS_OUTCOME(event->action, rings->all))
		taken__add(&rings->taken, &rings->counting, event->time_ns);
	if (event->action == TWS_LISTEN || event->action == TWS_UNLISTEN)
		rings->listens.taken++;
	if (event->action == TWS_FIN)
		fins__take(&rings->fins, rings->counting.begun_ns, event->time_ns);
}

static int on_event(void *ctx, const void *record)
{
	const struct tws_event *event = record;
	struct rings *rings = ctx;

	if (!rings->events.is_old)
		count_event(rings, event);
	return keep_event(rings, event);
}

static int on_ending(void *ctx, const void *record)
{
	const struct tws_ending *ending = record;
	struct rings *rings = ctx;

	if (!rings->ends.is_old && TWS_IS_OUTCOME(ending->action, rings->all))
		taken__add(&rings->taken, &rings->counting, ending->time_ns);
	return keep_ending(rings, ending);
}

static bool copy_cgroup(const struct rings *rings, uint64_t position, struct tws_cgroup *to)
{
	const struct tws_cgroup_record *record = rings->cgroup_memory.at;

	record += position % TWS_CGROUP_RECORDS;
	if (__atomic_load_n(&record->seq, __ATOMIC_ACQUIRE) != position + 1)
		return false;
	memcpy(to, &record->cgroup, sizeof(*to));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&record->seq, __ATOMIC_RELAXED) == position + 1;
}

/* What cannot be read has been written over. Returns how many were given, or @fn's error. */
static int give_cgroups(struct rings *rings)
{
	uint64_t head = next_of(rings, TWS_HEAD_CGROUPS);
	struct tws_cgroup cgroup;
	int num = 0, err;

	if (head - rings->next_cgroup > TWS_CGROUP_RECORDS) {
		rings->cgroups_lost += head - rings->next_cgroup - TWS_CGROUP_RECORDS;
		rings->next_cgroup = head - TWS_CGROUP_RECORDS;
	}
	while (rings->next_cgroup != head) {
		if (!copy_cgroup(rings, rings->next_cgroup++, &cgroup)) {
			rings->cgroups_lost++;
			continue;
		}
		num++;
		err = rings->fn(rings->ctx, &cgroup, sizeof(cgroup));
		if (err < 0)
			return err;
	}
	return num;
}

static int give_old_listens(struct rings *rings)
{
	int num = rings->old_listens ? batch__give(rings->old_listens, UINT64_MAX, rings->fn,
						   rings->ctx) : 0;

	return num < 0 ? num : 0;
}

/* What follows a look back, or a time in which the reader was stopped, is no more than comes in a
 * tenth of a second. */
static void give_back(struct rings *rings)
{
	batch__free(rings->old_listens);
	rings->old_listens = NULL;
	batch__trim(rings->batch);
}

/*
 * After all rings were read in a poll that was begun at @begun_ns, when @made records had been
 * made that tell who listens: whether some of them were lost.
 */
static void watch_listens(struct rings *rings, uint64_t made, uint64_t begun_ns,
			  uint64_t *lost_since_ns)
{
	ring_reader__settle(&rings->events);
	if (listens__suspects(&rings->listens, made, rings->events.passed, rings->is_last) &&
	    (read_cpus(rings, rings->cpus) ||
	     listens__lacks(&rings->listens,
			    listens_on(rings, rings->cpus) - rings->listens_base)) &&
	    !*lost_since_ns)
		*lost_since_ns = rings->listens.sure_ns ?: 1;
	if (!*lost_since_ns)
		rings->listens.sure_ns = begun_ns;
}

/* What was made, and when that was read. */
static int count_made(struct rings *rings)
{
	int err;

	taken__begin(&rings->taken);
	taken__begin(&rings->fins.taken);
	rings->counting.begun_ns = clock__now_ns(CLOCK_MONOTONIC);
	err = sum_made(rings, &rings->made);
	rings->counting.done_ns = clock__now_ns(CLOCK_MONOTONIC);
	return err;
}

int rings__poll(struct rings *rings, source_record_fn fn, void *ctx,
		uint64_t *listens_lost_since_ns)
{
	uint64_t listens, fins, begun_ns;
	int num, err;

	rings->fn = fn;
	rings->ctx = ctx;
	/* In this order, everything comes after what it needs: an ending after its
	 * FIN, and an event after the cgroup that it is in. */
	err = count_made(rings);
	begun_ns = rings->counting.begun_ns;
	listens = listens_on(rings, rings->cpus) - rings->listens_base;
	fins = fins_on(rings, rings->cpus) - rings->fins_base;
	err = err ?: ring_reader__take(&rings->ends, on_ending, rings);
	num = err ? err : give_cgroups(rings);
	err = num < 0 ? num : ring_reader__take(&rings->events, on_event, rings);
	if (err < 0)
		return err;
	loss__note(&rings->loss, rings->made, &rings->taken, rings->is_last);
	watch_listens(rings, listens, begun_ns, listens_lost_since_ns);
	fins__note(&rings->fins, fins, rings->events.passed, rings->is_last);
	err = give_old_listens(rings) ?:
	      batch__give(rings->batch, begun_ns, rings->fn, rings->ctx);
	if (err >= 0)
		give_back(rings);
	return err < 0 ? err : num + err;
}

int rings__peek(const struct rings *rings, source_record_fn fn, void *ctx)
{
	return batch__each(rings->batch, fn, ctx);
}

uint64_t rings__mark(const struct rings *rings)
{
	uint64_t made = 0;

	sum_made(rings, &made);
	return made;
}

bool rings__passed(const struct rings *rings, uint64_t mark)
{
	return rings->made >= mark && rings->loss.missing <= rings->loss.lost;
}

uint64_t rings__fins_lost(const struct rings *rings)
{
	return rings->fins.lost;
}

uint64_t rings__lost(const struct rings *rings)
{
	return rings->loss.lost;
}

uint64_t rings__cgroups_lost(const struct rings *rings)
{
	return rings->cgroups_lost;
}

/* ---- beginning in the middle ---- */

static bool is_same_place(const struct rings *rings)
{
	for (int cpu = 0; cpu < rings->num_cpus; cpu++)
		if (memcmp(rings->cpus[cpu].ring, rings->cpus_again[cpu].ring,
			   sizeof(rings->cpus[cpu].ring)))
			return false;
	return true;
}

/*
 * Where all writers are, and what they had made there: a writer moves on first and counts then,
 * so that what is the same twice belongs together. Under load that takes some tries; if none is
 * good, the last one is wrong by a few records at the most.
 */
static int find_place(struct rings *rings, uint64_t heads[TWS_RINGS])
{
	for (int i = 0; i < CUT_TRIES; i++) {
		bool same;
		int err;

		for (size_t ring = 0; ring < TWS_RINGS; ring++)
			heads[ring] = next_of(rings, ring);
		err = read_cpus(rings, rings->cpus) ?: read_cpus(rings, rings->cpus_again);
		if (err)
			return err;
		same = is_same_place(rings);
		for (size_t ring = 0; ring < TWS_RINGS; ring++) {
			same = same && heads[ring] == next_of(rings, ring);
			heads[ring] = next_of(rings, ring);
		}
		if (same)
			break;
	}
	return 0;
}

/* The writers' places in @ring, from which on a reader has to read; and what was taken before
 * is waited for. */
static int cut_ring(struct rings *rings, struct ring_reader *reader, enum tws_ring_index ring,
		    uint64_t head)
{
	uint64_t *places = calloc(rings->num_cpus * TWS_WRITERS, sizeof(*places));
	int tries = WRITTEN_TRIES, err;
	size_t num = 0;

	if (!places)
		return -ENOMEM;
	for (int cpu = 0; cpu < rings->num_cpus; cpu++)
		for (int writer = 0; writer < TWS_WRITERS; writer++)
			if (rings->cpus_again[cpu].ring[ring][writer].next)
				places[num++] = rings->cpus_again[cpu].ring[ring][writer].next;
	for (size_t i = 0; i < num; i++)
		while (!ring_reader__is_written(reader, places[i] - 1) && tries-- > 0)
			poll(NULL, 0, 1);
	err = ring_reader__cut(reader, head, places, num);
	free(places);
	return err;
}

/* Who listened when is told first, and again in its place. */
static int keep_old_event(void *ctx, const void *record)
{
	const struct tws_event *event = record;
	struct rings *rings = ctx;
	int err = 0;

	if (event->action == TWS_LISTEN || event->action == TWS_UNLISTEN)
		err = batch__add_event(rings->old_listens, event);
	return err ?: keep_event(rings, event);
}

static int keep_old_ending(void *ctx, const void *record)
{
	return keep_ending(ctx, record);
}

int rings__cut(struct rings *rings, bool look_back)
{
	uint64_t heads[TWS_RINGS];
	int err;

	rings->next_cgroup = next_of(rings, TWS_HEAD_CGROUPS);
	err = find_place(rings, heads);
	if (err)
		return err;
	rings->base = made_on(rings, rings->cpus_again);
	rings->listens_base = listens_on(rings, rings->cpus_again);
	rings->fins_base = fins_on(rings, rings->cpus_again);
	rings->fins = (struct fins){ .lost = 0 };
	rings->listens = (struct listens){ .sure_ns = clock__now_ns(CLOCK_MONOTONIC) };
	rings->made = 0;
	rings->taken = (struct taken){ .counted = 0 };
	rings->loss = (struct loss){ .lost = 0 };
	err = cut_ring(rings, &rings->events, TWS_RING_EVENTS, heads[TWS_RING_EVENTS]) ?:
	      cut_ring(rings, &rings->ends, TWS_RING_ENDS, heads[TWS_RING_ENDS]);
	if (err || !look_back)
		return err;
	err = batch__new(&rings->old_listens);
	if (err)
		return err;
	/* The ends first, as in a poll: an ending that is found has its FIN before it. */
	return ring_reader__look_back(&rings->ends, keep_old_ending, rings) ?:
	       ring_reader__look_back(&rings->events, keep_old_event, rings);
}

int rings__reach_ns(const struct rings *rings, uint64_t *reach_ns)
{
	uint64_t newest_ns = 0;
	int err = read_cpus(rings, rings->cpus);

	for (int cpu = 0; !err && cpu < rings->num_cpus; cpu++)
		for (int ring = 0; ring < TWS_RINGS; ring++)
			for (int writer = 0; writer < TWS_WRITERS; writer++) {
				uint64_t ns = rings->cpus[cpu].written_over_ns[ring][writer];

				newest_ns = ns > newest_ns ? ns : newest_ns;
			}
	if (!err)
		*reach_ns = newest_ns;
	return err;
}

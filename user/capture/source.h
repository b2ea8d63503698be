/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where events come from: programs of one's own (tracer.h), or a recorder that `twsnoop attach`
 * has pinned (attached.h). What reads a source sees no difference.
 */
#ifndef TWSNOOP_SOURCE_H
#define TWSNOOP_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/*
 * One record: @len bytes, aligned to 8, that live until the callback returns. Its
 * length tells what it is: struct tws_event, tws_ending or tws_cgroup. An ending
 * comes after its TWS_FIN event: all of them come in the order of time.
 * A negative return value stops the poll and becomes its result.
 */
typedef int (*source_record_fn)(void *ctx, const void *data, size_t len);

/* Whether a mini-socket is there still. */
typedef bool (*source_alive_fn)(void *ctx, const struct tws_key *key, uint64_t cookie);

struct source;

/* What a source does; the functions below say how. */
struct source_ops {
	int (*start)(struct source *source);
	int (*poll)(struct source *source, source_record_fn fn, void *ctx);
	int (*peek)(struct source *source, source_record_fn fn, void *ctx);
	uint64_t (*mark)(const struct source *source);
	bool (*passed)(const struct source *source, uint64_t mark);
	uint64_t (*fins_lost)(const struct source *source);
	bool (*is_late)(const struct source *source, uint64_t time_ns);
	int (*counters)(const struct source *source, struct tws_counters *sum,
			uint64_t *recursion);
	size_t (*sweep)(struct source *source, uint64_t before_ns, source_alive_fn alive,
			void *ctx);
	int (*pass_cgroup)(struct source *source, uint64_t id, bool pass);
	const char *(*arguments)(struct source *source, const struct tws_event *event,
				 size_t *len);
	bool (*has_ended)(const struct source *source);
	void (*stop)(struct source *source);
};

/* The first member of each kind. */
struct source {
	const struct source_ops *ops;
	bool is_filtered; /* it gives only what its reader's filter lets pass */
	bool looks_back;  /* its first poll also gives what was made before the start: what it
			   * has of TWS_LISTEN and TWS_UNLISTEN first, then all in order */
	/* Of one that looks back, once it has started: since when (CLOCK_MONOTONIC) it has
	 * everything, and whether there was anything before. */
	uint64_t reach_ns;
	bool lacks_older;
	/* Likewise: at most how many calls of its programs the kernel had skipped: records that
	 * are missing in what it has of before. */
	uint64_t skipped;
	/*
	 * TWS_LISTEN or TWS_UNLISTEN records of after this moment (CLOCK_MONOTONIC) were lost, or
	 * perhaps were; 0: none. Set by source__poll() before it gives the first record
	 * that may be of after the loss. Who has read from the kernel since who listens
	 * sets it to 0.
	 */
	uint64_t listens_lost_since_ns;
};

/*
 * source__start() - events flow from here on. Returns 0 or a negative errno.
 */
static inline int source__start(struct source *source)
{
	return source->ops->start(source);
}

/*
 * source__poll() - hands all records that are there to @fn and returns their
 * number, or the negative value that @fn returned. Does not wait: the kernel
 * side wakes nobody, because a wake-up costs more than an event.
 */
static inline int source__poll(struct source *source, source_record_fn fn, void *ctx)
{
	return source->ops->poll(source, fn, ctx);
}

/*
 * source__peek() - of a source that looks back, before its first poll: calls @fn for each
 * record of before the start that the poll will give, in no order. Returns 0 or the negative
 * value of @fn.
 */
static inline int source__peek(struct source *source, source_record_fn fn, void *ctx)
{
	return source->ops->peek ? source->ops->peek(source, fn, ctx) : 0;
}

/*
 * source__mark() - how far the rings are filled now; source__passed() - whether all
 * that was there then has been polled. A poll leaves out a record that a program
 * on another CPU is still writing, so that one poll need not be enough.
 */
static inline uint64_t source__mark(const struct source *source)
{
	return source->ops->mark(source);
}

static inline bool source__passed(const struct source *source, uint64_t mark)
{
	return source->ops->passed(source, mark);
}

/* source__fins_lost() - of a source that is filtered: how many FINs that pass the filter were lost,
 * and not counted in event_lost. It may be less again, if some of them come after all. */
static inline uint64_t source__fins_lost(const struct source *source)
{
	return source->ops->fins_lost(source);
}

/*
 * source__is_late() - whether @time_ns (CLOCK_MONOTONIC) is after the source began to stop.
 * Events of then are not given, because only some programs saw what they tell of; endings
 * are, whose FINs may have come before.
 */
static inline bool source__is_late(const struct source *source, uint64_t time_ns)
{
	return source->ops->is_late(source, time_ns);
}

/*
 * source__counters() - the sums over all CPUs since the source's start, what was written over
 * before it was polled counted in event_lost, and in *@recursion how often the kernel skipped
 * one of the programs because it was already running, where it may have been needed.
 * Returns 0 or a negative errno.
 */
static inline int source__counters(const struct source *source, struct tws_counters *sum,
				   uint64_t *recursion)
{
	return source->ops->counters(source, sum, recursion);
}

/*
 * source__sweep() - on kernels before 6.11, forgets the FIN_WAIT2 mini-sockets that
 * were put there before @before_ns (CLOCK_MONOTONIC) and of which @alive says no, or that are
 * older than one can be: they expired or were reset, which no tracepoint tells. Returns how many.
 */
static inline size_t source__sweep(struct source *source, uint64_t before_ns,
				   source_alive_fn alive, void *ctx)
{
	return source->ops->sweep(source, before_ns, alive, ctx);
}

/*
 * source__pass_cgroup() - with a filter by cgroup: whether events of the cgroup @id
 * pass, where the source is the one to leave them out. New cgroups do until told otherwise; and
 * once more than 16,384 would have to, all do: whoever reads looks again. Returns 0 or a
 * negative errno.
 */
static inline int source__pass_cgroup(struct source *source, uint64_t id, bool pass)
{
	return source->ops->pass_cgroup(source, id, pass);
}

/*
 * source__arguments() - how the closer of @event was started, if the kernel side noted it:
 * *@len bytes, each argument ends in a NUL, cut at TWS_ARGS_LEN. NULL if unknown. Lives until
 * the next call.
 */
static inline const char *source__arguments(struct source *source, const struct tws_event *event,
					    size_t *len)
{
	return source->ops->arguments ? source->ops->arguments(source, event, len) : NULL;
}

/* source__has_ended() - nothing more will come, whoever ended it. As the last poll saw it. */
static inline bool source__has_ended(const struct source *source)
{
	return source->ops->has_ended && source->ops->has_ended(source);
}

/* source__stop() - nothing that is made after this is given; poll once more for the rest. */
static inline void source__stop(struct source *source)
{
	source->ops->stop(source);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The source of live events: the BPF programs and their rings.
 * Hands raw bytes to one callback.
 */
#ifndef TWSNOOP_TRACER_H
#define TWSNOOP_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "host/kernel.h"

struct tracer;

struct tracer_options {
	const struct kernel *kernel; /* probed; need not outlive tracer__new() */
	struct tws_filter filter;
	bool all;		/* every outcome, not only TIME_WAIT */
	bool ledger;		/* nobody will read: for `twsnoop attach` */
	size_t ring_bytes;	/* of the ring of events, a power of two and whole pages;
				 * 0: 32 MiB. Rounded down to a power of two of records */
	size_t entries;		/* with ledger: closes that are kept, a power of two */
	size_t max_connections; /* watched at once, rounded up to a power of two
				 * from 4,096 to 4,194,304; 0: one for each 16 KiB of
				 * memory from 262,144 to 1,048,576; before 5.12 262,144 */
};

/*
 * One record: @len bytes, aligned to 8, that live until the callback returns. Its
 * length tells what it is: struct tws_event, tws_ending or tws_cgroup. An ending
 * comes after its TWS_FIN event: all of them come in the order of time.
 * A negative return value stops the poll and becomes its result.
 */
typedef int (*tracer_record_fn)(void *ctx, const void *data, size_t len);

/*
 * tracer__new() - loads the programs, unattached.
 * Returns 0 and *@tracerp, to be freed by tracer__free(), or a negative errno:
 * -EPERM no privilege, -ENOMEM, -EINVAL or -EACCES if the verifier refused.
 */
int tracer__new(struct tracer **tracerp, const struct tracer_options *opts);

/*
 * tracer__attach() - events flow from here on. The programs are attached one after the
 * other: what is told of an opening before the last one was is left out of its events.
 * Returns 0 or a negative errno.
 */
int tracer__attach(struct tracer *tracer);

/*
 * tracer__poll() - hands all records that are there to @fn and returns their
 * number, or the negative value that @fn returned. Does not wait: the kernel
 * side wakes nobody, because a wake-up costs more than an event.
 */
int tracer__poll(struct tracer *tracer, tracer_record_fn fn, void *ctx);

/*
 * tracer__is_late() - whether @time_ns (CLOCK_MONOTONIC) is after the tracer began to detach
 * its programs. Events of then are not given, because only some programs saw what they tell
 * of; endings are, whose FINs may have come before.
 */
bool tracer__is_late(const struct tracer *tracer, uint64_t time_ns);

/*
 * tracer__mark() - how far the rings are filled now; tracer__passed() - whether all
 * that was there then has been polled. A poll leaves out a record that a program
 * on another CPU is still writing, so that one poll need not be enough.
 */
uint64_t tracer__mark(const struct tracer *tracer);
bool tracer__passed(const struct tracer *tracer, uint64_t mark);

/* tracer__passed_over() - a number that grows when FINs may have been written over before
 * they were read: by positions of the ring, of which not each need have had a record. */
uint64_t tracer__passed_over(const struct tracer *tracer);

/* tracer__is_of_state() - whether @program is one of the two at inet_sock_set_state. */
bool tracer__is_of_state(const char *program);

/*
 * tracer__counters() - the sums over all CPUs, what was written over before it was
 * polled counted in event_lost, and in *@recursion how often the kernel skipped one of
 * the programs because it was already running, where it may have been needed.
 * Returns 0 or a negative errno.
 */
int tracer__counters(const struct tracer *tracer, struct tws_counters *sum,
		     uint64_t *recursion);

/*
 * tracer__sweep() - on kernels before 6.11, forgets the FIN_WAIT2 mini-sockets that
 * were put there before @before_ns (CLOCK_MONOTONIC) and of which @alive says no: they
 * expired or were reset, which no tracepoint tells. Returns how many.
 */
size_t tracer__sweep(struct tracer *tracer, uint64_t before_ns,
		     bool (*alive)(void *ctx, const struct tws_key *key, uint64_t cookie),
		     void *ctx);

/*
 * tracer__pass_cgroup() - with filter.by_cgroup: whether events of the cgroup @id
 * pass the kernel side. New cgroups do until told otherwise. Returns 0 or a
 * negative errno: -E2BIG for more than 16,384 of them.
 */
int tracer__pass_cgroup(struct tracer *tracer, uint64_t id, bool pass);

/*
 * tracer__pin() - pins the links of the attached programs, and the maps that another
 * twsnoop reads, below the folder @dir of a bpffs. What was pinned before an error
 * stays. Returns 0 or a negative errno.
 */
int tracer__pin(struct tracer *tracer, const char *dir);

/* tracer__detach() - no event is made after this; poll once more for the rest. */
void tracer__detach(struct tracer *tracer);

void tracer__free(struct tracer *tracer); /* NULL is allowed */

#endif

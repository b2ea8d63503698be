/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which container: the table of cgroups, the runtimes' names, and the container
 * filter (-C), as one.
 *
 * The filter is decided twice. The kernel side lets pass only what it was told
 * to, and each new cgroup until it is told not to; what comes is judged again
 * here, where the names are. An event of a container whose name is not known yet
 * waits for it, for a bounded time, in a bounded queue.
 */
#ifndef TWSNOOP_CONTAINERS_H
#define TWSNOOP_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "containers/wanted.h" /* CONTAINERS_MIN_PREFIX */
#include "model/record.h"

struct containers;

struct containers_options {
	const char *controller; /* the v1 controller that tells them apart, NULL: v2 */
	bool no_names;		/* ask no runtime */
	const char *socket;	/* ask this one instead of the usual, or NULL: Docker's
				 * API, Podman's, or CRI is found out */
	/* The filter: names of containers (their runtime's, or Kubernetes') or pods,
	 * NAMESPACE/POD[/CONTAINER], or starts of an id of at least CONTAINERS_MIN_PREFIX hex
	 * digits. They must outlive the containers. */
	const char *const *wanted;
	unsigned int num_wanted; /* 0: no filter */
	/* Tells the kernel side whether a cgroup's events pass. */
	int (*pass)(void *ctx, uint64_t id, bool pass);
	void *ctx;
};

enum containers_verdict {
	CONTAINERS_DROP,
	CONTAINERS_KEEP,
	CONTAINERS_WAIT, /* may become either */
};

/* containers__new() - returns 0 and *@containersp, -ENOMEM, or the errno of
 * opening the hierarchy's mount. @opts->wanted is copied, not what it points to. */
int containers__new(struct containers **containersp, const struct containers_options *opts);
void containers__free(struct containers *containers); /* NULL is allowed */

/*
 * containers__begin() - looks for what exists, once the kernel side is attached and
 * privileges that shall not be kept are given up: this starts the thread that asks
 * for names. Returns 0, or -ENOMEM, -EAGAIN (no thread).
 */
int containers__begin(struct containers *containers, uint64_t now_ns);

/* containers__tick() - the time (CLOCK_MONOTONIC) for what follows. */
void containers__tick(struct containers *containers, uint64_t now_ns);

/* containers__note() - the kernel side's record, checked by decode__cgroup(). */
void containers__note(struct containers *containers, const struct tws_cgroup *cgroup);

/* containers__dropped() - events that may have passed, but could not wait, because too many
 * did, or waited in vain for a runtime's answer. Of a container that no runtime knows there
 * are none. */
uint64_t containers__dropped(const struct containers *c);

/* containers__refresh() - looks again: records were lost. If it has just done so,
 * with a later containers__tick(): the more cgroups there are, the later. */
void containers__refresh(struct containers *containers);

/* Whether there has been a container since containers__begin(). */
bool containers__any(const struct containers *containers);

/* containers__judge() - whether the filter lets @ev pass. Without one it does. */
enum containers_verdict containers__judge(struct containers *containers,
					  const struct tws_event *ev);

/*
 * containers__hold() - keeps a copy of @ev, which is to CONTAINERS_WAIT. If
 * there is no room, the one held for the longest is dropped: those of containers that no
 * runtime knows (yet) have room of their own.
 *
 * containers__release() - collects the names that have come, and gives those held
 * to @fn that pass. What has waited for two seconds, or with @all for any time,
 * is dropped. Returns 0 or the non-zero value of @fn, which ends it.
 */
typedef int (*containers_fn)(void *ctx, const struct tws_event *ev);
void containers__hold(struct containers *containers, const struct tws_event *ev);
int containers__release(struct containers *containers, bool all, containers_fn fn, void *ctx);

/* containers__fill() - the cgroup's path and the workload of @rec->event. They
 * live until the next call on @containers. */
void containers__fill(struct containers *containers, struct record *rec);

/* containers__await() - waits until the names that were asked for have come, or
 * until @wait_ns are over. For who asks once, not for a trace. Returns whether
 * something has come. */
bool containers__await(struct containers *containers, uint64_t wait_ns);

/* containers__await_all() - waits until all of them have come, for @wait_ns at most: for who tells what
 * was before, of which the first events else come before the first name. */
void containers__await_all(struct containers *containers, uint64_t wait_ns);

/*
 * containers__parse_socket() - an option_handler (options.h) for --runtime-socket: a
 * const char * into argv. -EINVAL, and why, where nobody listens at that path, or where this
 * build can ask none: who names one is not to be ignored in silence.
 */
int containers__parse_socket(void *field, const char *arg, char *why, size_t why_len);

#endif

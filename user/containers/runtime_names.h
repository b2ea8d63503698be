/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of containers, images and pods, asked of the runtimes in one helper
 * thread and kept. Never in the way: the caller's thread makes no system call
 * but to wake the helper once for each new container, and to load libcurl for the first.
 *
 *	struct runtime_names *names = NULL;	// NULL: --no-names, asks nobody
 *	err = runtime_names__new(&names, NULL, NULL, 0);
 *	// at each cgroup_mkdir, so that the answer is there before the first close
 *	runtime_names__get(names, &cgroup->identity, now_ns);
 *	// for each event
 *	cgroup_path__workload(&cgroup->identity, &rec->workload);
 *	runtime_names__fill(names, &cgroup->identity, now_ns, &rec->workload);
 */
#ifndef TWSNOOP_RUNTIME_NAMES_H
#define TWSNOOP_RUNTIME_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "containers/runtime_source.h"

#define RUNTIME_NAMES_DEFAULT 1024 /* containers kept, about 2 KiB each */

struct runtime_names;

/*
 * runtime_names__new() - @places and @limits as with runtime_source__new(), and
 * like there they must outlive it; @entries containers are kept (0:
 * RUNTIME_NAMES_DEFAULT). If there are more, the one that was called gone
 * (runtime_names__retire()) the longest ago gives way, else the longest unused: in
 * constant time, and it can be asked for again. Starts the helper, which blocks all
 * signals. Returns 0 and *@namesp, or
 * -ENOMEM, -EAGAIN (no thread), -EOPNOTSUPP (built without JSON), or what eventfd()
 * fails with.
 */
int runtime_names__new(struct runtime_names **namesp, const struct runtime_places *places,
		       const struct runtime_limits *limits, size_t entries);

/*
 * runtime_names__free() - ends the helper, also amid a hanging answer. NULL is allowed. Returns
 * false if the helper hangs in a system call that cannot be ended: it is not waited for any
 * longer than half a second, and what it uses, @places among it, must stay as it is.
 */
bool runtime_names__free(struct runtime_names *names);

/*
 * runtime_names__get() - what is known of @identity's outermost container, the one
 * the host's runtimes know; NULL: nothing (yet). Asks for what is not known:
 * again after 1, 4, 16 and then every 60 s while it stays unknown and is used.
 * @now_ns is CLOCK_MONOTONIC. Good until the next call on @names. NULL for a NULL
 * @names, and without a host_id.
 */
const struct runtime_names_of *runtime_names__get(struct runtime_names *names,
						  const struct cgroup_identity *identity,
						  uint64_t now_ns);

/* runtime_names__changes() - as long as it says the same number, what runtime_names__get()
 * returned is there, and would be returned again. 0 for NULL. */
uint64_t runtime_names__changes(const struct runtime_names *names);

/* runtime_names__retire() - the container is gone: it gives way before others do, unless it is
 * asked for again. */
void runtime_names__retire(struct runtime_names *names, const struct cgroup_identity *identity);

/* runtime_names__nobody_knows() - all runtimes have answered, and none knows it. Else, without
 * a name, it has not been asked for, or some runtime has not answered. */
bool runtime_names__nobody_knows(const struct runtime_names *names,
				 const struct cgroup_identity *identity);

/* runtime_names__peek() - the same of what has been collected, and nobody is asked:
 * for who looks at all containers at once. */
const struct runtime_names_of *runtime_names__peek(struct runtime_names *names,
						   const struct cgroup_identity *identity);

/*
 * runtime_names__apply() - add what the other two returned (also NULL) to @workload,
 * which cgroup_path__workload() made. Of a nested container only the pod's names:
 * the rest is the outer one's. None of the pod's where the runtime tells another
 * pod UID than the path. The pointers lead into @found.
 *
 * runtime_names__fill() - the same, with what runtime_names__get() returns.
 */
void runtime_names__apply(const struct runtime_names_of *found,
			  const struct cgroup_identity *identity, struct workload *workload);
void runtime_names__fill(struct runtime_names *names, const struct cgroup_identity *identity,
			 uint64_t now_ns, struct workload *workload);

/*
 * runtime_names__fd() - a descriptor that polls readable from when an answer has
 * come until runtime_names__collect(). For who waits for a name (-C NAME): poll
 * it, collect, look again. Who does not, need not collect. -1 for NULL.
 */
int runtime_names__fd(const struct runtime_names *names);
void runtime_names__collect(struct runtime_names *names, uint64_t now_ns);

/* runtime_names__awaited() - whether answers are on the way that were not collected. */
bool runtime_names__awaited(const struct runtime_names *names);

#endif

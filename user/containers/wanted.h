/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether a container is one of those that -C names: by the start of an id of at least
 * CONTAINERS_MIN_PREFIX hex digits, by the name that its runtime or its path has for it, or
 * by its pod. The same for what runs and for what was recorded. Pure.
 */
#ifndef TWSNOOP_WANTED_H
#define TWSNOOP_WANTED_H

#include <stdbool.h>

#include "containers/cgroup_path.h"
#include "model/record.h"

#define CONTAINERS_MIN_PREFIX 4

struct wanted {
	const char *const *names;
	unsigned int num;
};

/* wanted__matches() - @runtime_name: of the outermost container; NULL: not known. @workload has all
 * that is known beside it. */
bool wanted__matches(const struct wanted *wanted, const struct cgroup_identity *who,
		     const char *runtime_name, const struct workload *workload);

/*
 * wanted__matches_recorded() - of what a recording has of a process: @path of its cgroup (NULL: not
 * known) and @workload. The runtime's name of a container around the innermost one is in no
 * recording: such a one is found by its id alone.
 */
bool wanted__matches_recorded(const struct wanted *wanted, const char *path,
			      const struct workload *workload);

#endif

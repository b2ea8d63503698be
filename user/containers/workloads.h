/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The containers, pods and units of a listing's rows, each asked for once and with
 * a bounded wait for its name.
 */
#ifndef TWSNOOP_WORKLOADS_H
#define TWSNOOP_WORKLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "model/record.h"

struct workloads;

struct workloads_options {
	bool no_names;
	const char *socket;	   /* as in struct containers_options */
	const char *const *wanted; /* -C */
	unsigned int num_wanted;
	/* What is known of a cgroup that may be gone; NULL: nothing. */
	bool (*find)(void *ctx, uint64_t cgroup_id, struct tws_cgroup *cgroup);
	void *ctx;
};

/* One cgroup. All strings live as long as the workloads. */
struct workload_of {
	uint64_t cgroup_id;
	const char *path;  /* NULL: nobody knows it any more */
	const char *label; /* as the text output's column has it, "cgroup:ID" without a path;
			    * NULL: none */
	struct workload workload;
	bool kept;	   /* -C lets it pass */
};

int workloads__new(struct workloads **workloadsp, const struct workloads_options *opts);
void workloads__free(struct workloads *workloads); /* NULL is allowed */

/* workloads__want() - @v1: it is of a v1 controller's hierarchy (TWS_F_CGROUP_V1).
 * 0 is passed over. Returns 0 or -ENOMEM. */
int workloads__want(struct workloads *workloads, uint64_t cgroup_id, bool v1);

/* workloads__resolve() - looks up all that was wanted. Waits up to a second for
 * names. Returns 0, or as containers__new() and containers__begin(). */
int workloads__resolve(struct workloads *workloads);

/*
 * workloads__put() - what is known already of a cgroup, as of one that was recorded: @path may be NULL.
 * Strings are copied. Of several for one cgroup the first that has a name counts. It is @kept.
 * Not for who calls the two above. Returns 0 or -ENOMEM.
 */
int workloads__put(struct workloads *workloads, uint64_t cgroup_id, const char *path,
		   const struct workload *workload);

/* workloads__get() - NULL: was not wanted. */
const struct workload_of *workloads__get(const struct workloads *workloads, uint64_t cgroup_id);

/* Whether some of them has a label. */
bool workloads__any(const struct workloads *workloads);

#endif

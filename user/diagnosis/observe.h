/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `diagnose` finds in the kernel's tables now, as evidence: it looks twice, at the begin
 * and at the end of the watch, so that what stays is told from what passes.
 */
#ifndef TWSNOOP_OBSERVE_H
#define TWSNOOP_OBSERVE_H

#include <stdbool.h>

#include "bpf/event.h"
#include "diagnosis/evidence.h"
#include "sockets/sockets.h"

struct observe;

/* All that is pointed to must outlive it. */
struct observe_options {
	const struct sockets_source *source;
	const struct tws_filter *filter; /* of what a process leaves open; of the rest its namespaces */
	const char *const *containers; /* -C: likewise */
	unsigned int num_containers;
	bool no_names;
	const char *runtime_socket; /* as in struct workloads_options */
};

/* Connections that may be looked for at the end; with more, the rest counts as passing. */
#define OBSERVE_STAYING (1U << 18)

/* observe__begin() - the first look. Returns 0 and *@observep, to be freed by observe__free(), or
 * as listing__take(). */
int observe__begin(struct observe **observep, const struct observe_options *opts);

/*
 * observe__may_end() - whether a second look @pause_ns after the first one would tell what stays from
 * what passes as well as a later one, by what @e has so far: there is nothing in CLOSE_WAIT that may
 * become more, and who makes short connections makes much shorter ones.
 */
bool observe__may_end(const struct observe *observe, const struct evidence *e, uint64_t pause_ns);

/*
 * observe__end() - the second look, into @e, whose flows are all there. It loads a BPF iterator
 * where it may (CAP_BPF, CAP_PERFMON), and opens the ledger; without them less is known. Returns 0 or
 * as the steps of gather.h.
 */
int observe__end(struct observe *observe, struct evidence *e);

void observe__free(struct observe *observe); /* NULL is allowed */

#endif

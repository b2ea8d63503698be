/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A reader of the kernel side's two rings and its log of cgroups, by the maps that they are
 * in: mapped read-only, with cursors of its own, so that any number of them follow one
 * kernel side. What both kinds of source are made of (Linux 5.12 and newer).
 */
#ifndef TWSNOOP_RINGS_H
#define TWSNOOP_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "capture/source.h"

struct rings;

/* File descriptors, which stay the caller's and must outlive the rings. */
struct rings_maps {
	int events, ends, heads, cpus, cgroups;
	size_t num_records, num_endings; /* entries of the first two, powers of two */
};

/*
 * rings__new() - at the place where the rings are now; the counts begin at 0, and so the kernel
 * side must have made nothing yet, or rings__cut() follows. @all as in struct tws_settings.
 * Takes 1/24 of the rings' memory, and what one poll finds. Returns 0 and *@ringsp, to be freed
 * by rings__free(), or -ENOMEM, or the errno of mapping.
 */
int rings__new(struct rings **ringsp, const struct rings_maps *maps, bool all);
void rings__free(struct rings *rings); /* NULL is allowed */

/*
 * rings__cut() - begins now, in the midst of what others write: what was made before is not
 * given, nor counted. With @look_back all that is still there is given by the next poll as well,
 * in its order, and needs the memory for it; what is written over before that is not counted as
 * lost. Returns 0 or a negative errno.
 */
int rings__cut(struct rings *rings, bool look_back);

/* rings__reach_ns() - since when all records that were made are there, but what was written
 * over since was read by rings__cut(). CLOCK_MONOTONIC, 0: all. */
int rings__reach_ns(const struct rings *rings, uint64_t *reach_ns);

/* rings__attached_at() - of what was opened up to @ns (CLOCK_MONOTONIC), the opening is not sure:
 * not all programs were attached yet. */
void rings__attached_at(struct rings *rings, uint64_t ns);

/*
 * rings__stop_at() - events after @ns are not given, and with @endings_too no endings either.
 * @is_last: nobody writes any more. rings__stopped_ns() - 0: it was not.
 */
void rings__stop_at(struct rings *rings, uint64_t ns, bool endings_too, bool is_last);
uint64_t rings__stopped_ns(const struct rings *rings);

/* As source__peek() says, after a cut that looks back. */
int rings__peek(const struct rings *rings, source_record_fn fn, void *ctx);

/* As source__poll(), source__mark(), source__passed() and source__fins_lost() say, and
 * @listens_lost_since_ns as in struct source. */
int rings__poll(struct rings *rings, source_record_fn fn, void *ctx,
		uint64_t *listens_lost_since_ns);
uint64_t rings__mark(const struct rings *rings);
bool rings__passed(const struct rings *rings, uint64_t mark);
uint64_t rings__fins_lost(const struct rings *rings);

/* Outcomes, and cgroups' records, that were written over before they were read. */
uint64_t rings__lost(const struct rings *rings);
uint64_t rings__cgroups_lost(const struct rings *rings);

/* rings__sum_stats() - the sums over all CPUs of a map of struct tws_counters. Returns 0 or a
 * negative errno. */
int rings__sum_stats(int fd, struct tws_counters *sum);

#endif

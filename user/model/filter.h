/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which events pass a filter: the same decision that the kernel side takes, for
 * events that user space finds itself. commands/filter_words.h makes filters.
 */
#ifndef TWSNOOP_FILTER_H
#define TWSNOOP_FILTER_H

#include <stdbool.h>

#include "bpf/event.h"

/* -4 and -6: both together mean both. */
void filter__set_family(struct tws_filter *f, int family);

/* filter__is_empty() - it passes everything. */
bool filter__is_empty(const struct tws_filter *f);

/* filter__sort_pids() - whoever has put PIDs in calls it: filter__match() wants both parts of
 * their list in order, those that exclude and the others. */
void filter__sort_pids(struct tws_filter *f);

/* filter__of_socket() - of @f what a socket without an owner can be held against:
 * addresses, ports, family, namespace. */
struct tws_filter filter__of_socket(const struct tws_filter *f);

/* filter__asks_owner() - whether there is more in it than that. */
bool filter__asks_owner(const struct tws_filter *f);

/* filter__passes_netns() - whether anything of the network namespace @inode may pass. */
bool filter__passes_netns(const struct tws_filter *f, __u32 inode);

/*
 * filter__match() - what the kernel side decides in bpf/filter.h. @by_cgroup is
 * left to the caller. A process filter goes by the closer or, where no closer
 * is known, the opener; a comm filter by the closer's process or thread name. Who is
 * not known passes neither of them, not even if they only exclude: it may be one of those.
 */
bool filter__match(const struct tws_filter *f, const struct tws_event *ev);

#endif

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

bool filter__is_empty(const struct tws_filter *f);

/*
 * filter__match() - what the kernel side decides in bpf/filter.h. @by_cgroup is
 * left to the caller. A process filter matches the closer or, where no closer
 * is known, the opener; a comm filter the closer's process or thread name.
 */
bool filter__match(const struct tws_filter *f, const struct tws_event *ev);

#endif

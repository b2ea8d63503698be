/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The filters that every command shares: from the words of a command line to
 * struct tws_filter, and the same decision that the kernel side takes, for
 * events that user space finds itself.
 */
#ifndef TWSNOOP_FILTER_H
#define TWSNOOP_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/event.h"

/*
 * The filter__add_*() functions parse one option's argument and add it to @f,
 * which is zeroed at first. They return 0, or -EINVAL (not understood) or
 * -E2BIG (more than TWS_MAX_FILTER entries); on an error @f is unchanged and
 * @why (of @why_len bytes) says in a few words what is wrong with which part.
 */
int filter__add_pids(struct tws_filter *f, const char *arg, char *why, size_t why_len);
int filter__add_comm(struct tws_filter *f, const char *arg, char *why, size_t why_len);
/* [ADDR[/LEN]][:PORT]; IPv6 with a port in brackets; a v4-mapped one is IPv4. */
int filter__add_local(struct tws_filter *f, const char *arg, char *why, size_t why_len);
int filter__add_peer(struct tws_filter *f, const char *arg, char *why, size_t why_len);
int filter__set_side(struct tws_filter *f, const char *arg, char *why, size_t why_len);
/* An inode number, or a path such as /proc/812/ns/net or /run/netns/blue;
 * -ENOENT, -EACCES, … if the path cannot be had. */
int filter__add_netns(struct tws_filter *f, const char *arg, char *why, size_t why_len);

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

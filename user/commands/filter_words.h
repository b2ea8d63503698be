/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The filters that every command shares: from the words of a command line to
 * struct tws_filter. A new filter is a function here and a row in filter_option_table;
 * model/filter.h and bpf/filter.h decide what passes it.
 */
#ifndef TWSNOOP_FILTER_WORDS_H
#define TWSNOOP_FILTER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "commands/options.h"
#include "model/filter.h"

/* -p -c -C -4 -6 -l -r --side --netns: a part of a command's options. */
struct filter_options {
	struct tws_filter filter; /* all but by_cgroup, which is the caller's */
	bool ipv4, ipv6;	  /* -4, -6; filter.family says the same */
	unsigned int num_containers;
	const char *containers[TWS_MAX_FILTER]; /* names or id prefixes, in argv */
};

extern const struct option_spec filter_option_table[];

/*
 * Each of these parses one option's argument and adds it to @f, which is zeroed at
 * first. They return 0, or -EINVAL (not understood) or -E2BIG (more than
 * TWS_MAX_FILTER entries, or TWS_MAX_PIDS); on an error @f is unchanged and @why (of
 * @why_len bytes) says in a few words what is wrong with which part.
 *
 * A '!' before an argument (a PID, with several of them) excludes what it matches. A
 * name that begins with one is written '\!name'.
 */
int filter_words__add_pids(struct tws_filter *f, const char *arg, char *why, size_t why_len);
/* filter_words__map_pids() - each PID becomes what @map gives for it. -ESRCH if that is 0 for
 * one that does not exclude: then *@unknown is it, and @f is as before. */
int filter_words__map_pids(struct tws_filter *f, __u32 (*map)(void *ctx, __u32 pid), void *ctx,
			   __u32 *unknown);
int filter_words__add_comm(struct tws_filter *f, const char *arg, char *why, size_t why_len);
/* [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]; IPv6 with a port in brackets; a v4-mapped one is IPv4.
 * A device by its name in this network namespace, or by its number in any. */
int filter_words__add_local(struct tws_filter *f, const char *arg, char *why, size_t why_len);
int filter_words__add_peer(struct tws_filter *f, const char *arg, char *why, size_t why_len);
int filter_words__set_side(struct tws_filter *f, const char *arg, char *why, size_t why_len);
/* An inode number, or a path such as /proc/812/ns/net or /run/netns/blue;
 * -ENOENT, -EACCES, … if the path cannot be had. */
int filter_words__add_netns(struct tws_filter *f, const char *arg, char *why, size_t why_len);

#endif

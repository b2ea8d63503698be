/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Giving up what is no longer needed.
 */
#ifndef TWSNOOP_PRIVILEGES_H
#define TWSNOOP_PRIVILEGES_H

#include <linux/capability.h>
#include <stdint.h>

#define PRIVILEGE(cap) (1ULL << (cap))

/* What looking at the host takes, once nothing has to be loaded any more: to enter
 * others' network namespaces (SYS_ADMIN), to learn from /proc which there are
 * (SYS_PTRACE), and to find a cgroup by its id (DAC_READ_SEARCH, for
 * open_by_handle_at(2)). */
#define PRIVILEGES_TO_LOOK                                                     \
	(PRIVILEGE(CAP_SYS_ADMIN) | PRIVILEGE(CAP_SYS_PTRACE) | PRIVILEGE(CAP_DAC_READ_SEARCH))

/*
 * In both, @mask has a bit for each capability (CAP_* of linux/capability.h).
 * Both return 0 or a negative errno, and are for programs of a single thread:
 * other threads keep theirs.
 */

/*
 * privileges__keep_only() - drops every capability that is not in @mask from the
 * effective, permitted, inheritable and ambient sets, and sees to it that no
 * program that is executed from here on gets any back (no_new_privs).
 */
int privileges__keep_only(uint64_t mask);

/*
 * privileges__use() - makes just those of the permitted capabilities effective
 * that are in @mask. The others can be taken up again.
 */
int privileges__use(uint64_t mask);

#endif

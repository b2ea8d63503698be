/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Giving up what is no longer needed. Capabilities are each thread's own: a new one has those of the thread
 * that makes it, and what one gives up the others keep.
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

/* What reading and writing files takes that belong to others, if the program has kept it. */
#define PRIVILEGES_TO_FILES (PRIVILEGE(CAP_DAC_READ_SEARCH) | PRIVILEGE(CAP_DAC_OVERRIDE))

/*
 * In all, @mask has a bit for each capability (CAP_* of linux/capability.h), and it
 * is about the calling thread. The first two return 0 or a negative errno.
 */

/*
 * privileges__keep_only() - drops every capability that is not in @mask from the
 * effective, permitted, inheritable and ambient sets, and sees to it that no
 * program that is executed from here on gets any back (no_new_privs).
 */
int privileges__keep_only(uint64_t mask);

/* privileges__of_thread() - the same at the beginning of a thread that does less than the one that made it; ends the
 * program if that cannot be. */
void privileges__of_thread(uint64_t mask);

/*
 * privileges__use() - makes just those of the permitted capabilities effective
 * that are in @mask. The others can be taken up again.
 */
int privileges__use(uint64_t mask);

#endif

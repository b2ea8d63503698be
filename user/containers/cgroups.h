/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cgroups of one hierarchy by their id, also those that are gone. Filled by
 * a walk of what exists, kept up by the kernel's cgroup_mkdir, cgroup_rmdir and
 * cgroup_rename events, and by asking the kernel for what is between the two.
 *
 * A cgroup's id (bpf_get_current_cgroup_id(), kernfs_node.id) is unique in its
 * hierarchy and never used again; two hierarchies use the same numbers. So one
 * table serves one hierarchy (TWS_F_CGROUP_V1 tells which), and only events of
 * that hierarchy's root may be fed to it. Where ino_t has 64 bits, the inode
 * number of a cgroup's directory is its id (kernfs_ino(), 5.5).
 *
 * To miss nothing: attach to the events, then cgroups__walk(), then read the
 * events from the first on. Those that the walk foresaw change nothing.
 *
 * One thread only. No system calls but in new, walk, and the first look-up of
 * an id that no event and no walk has told.
 */
#ifndef TWSNOOP_CGROUPS_H
#define TWSNOOP_CGROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "containers/cgroup_path.h"

/*
 * The kernel cuts a path in a cgroup tracepoint to TRACE_CGROUP_PATH_LEN - 1
 * bytes: one that is this long may have lost its end.
 */
#define CGROUPS_EVENT_PATH_MAX 1023

struct cgroup {
	uint64_t id;
	const char *path; /* from the hierarchy's root; any byte but NUL */
	struct cgroup_identity identity;
	uint64_t number; /* of the two: what is another has another one */
	bool removed;
};

struct cgroups_limits {
	size_t max_live;     /* cgroups known at once, up to about 0.7 KiB + path each */
	size_t max_removed;  /* removed ones (and ids that lead nowhere) remembered */
	uint64_t removed_ns; /* for how long after their removal */
};

/* 32768, 8192, 300 s: an event may name a cgroup two minutes after its close
 * (FIN_WAIT2 and TIME_WAIT last 60 s each). */
extern const struct cgroups_limits cgroups_default_limits;

struct cgroups;

/*
 * cgroups__new() - a table for the hierarchy mounted at @mount; NULL: none is,
 * only events fill it. @limits may be NULL for the default ones. Entries are
 * allocated as they come, up to the limits; beyond them the longest removed
 * one gives way to one that is removed, and the longest unused live one to one that lives: that
 * can be asked for again. Each look-up pays for one step of the search at the most. Returns 0 and
 * *@cgroupsp (to be freed by cgroups__free()), or -ENOMEM, -EINVAL (a limit of 0), or the errno
 * of opening @mount.
 */
int cgroups__new(struct cgroups **cgroupsp, const char *mount,
		 const struct cgroups_limits *limits);
void cgroups__free(struct cgroups *cgroups); /* NULL is allowed */

/*
 * cgroups__walk() - add what exists. Directories that vanish meanwhile are
 * skipped. Returns 0, or -ENODEV (no mount), -ENOMEM, -EMFILE, or -ELOOP (deeper
 * than 64 levels: the rest is there, and deeper ones are found when asked for).
 */
int cgroups__walk(struct cgroups *cgroups);

/*
 * cgroups__added() - the event cgroup_mkdir, or cgroup_rename with the new path.
 * @path NULL, or of CGROUPS_EVENT_PATH_MAX bytes or more: it was cut; the kernel
 * is asked for the whole one. No effect on an id that was removed already.
 * Returns the cgroup, or NULL (cut and gone, or no memory); good until the next
 * call on @cgroups.
 */
const struct cgroup *cgroups__added(struct cgroups *cgroups, uint64_t id, const char *path);

/*
 * cgroups__removed() - the event cgroup_rmdir at @now_ns (any clock, the same as
 * with cgroups__get()). @path, as with cgroups__added(), tells of a cgroup that
 * was not known yet.
 */
void cgroups__removed(struct cgroups *cgroups, uint64_t id, const char *path, uint64_t now_ns);

/*
 * cgroups__get() - the cgroup @id, or NULL: never heard of, or removed too long
 * ago. Good until the next call on @cgroups. An id that is not known is asked of
 * the kernel once (open_by_handle_at(), CAP_DAC_READ_SEARCH, 5.5), and the
 * answer kept, also that there is none.
 *
 * Somebody who controls a container, or a user with their own manager, may give
 * a cgroup another container's ID. Where that other container is known, such
 * a claim does not count: the container around it is named, or none.
 */
const struct cgroup *cgroups__get(struct cgroups *cgroups, uint64_t id, uint64_t now_ns);

/* cgroups__changes() - as long as it says the same number, what cgroups__get() returned is there, and
 * would be returned again. */
uint64_t cgroups__changes(const struct cgroups *cgroups);

/*
 * cgroups__each() - call @fn for each live cgroup, in no order; @fn must not
 * call back into @cgroups. A non-zero return of @fn ends it and is returned.
 */
typedef int (*cgroups_fn)(void *ctx, const struct cgroup *cgroup);
int cgroups__each(const struct cgroups *cgroups, cgroups_fn fn, void *ctx);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a hierarchy of cgroups is mounted, and from a cgroup's id to its path: by the file handles
 * of kernfs, which are these ids.
 */
#ifndef TWSNOOP_CGROUP_MOUNT_H
#define TWSNOOP_CGROUP_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * cgroup_mount__find() - where the whole hierarchy is mounted: the v2 one, or
 * if @controller is not NULL that v1 controller's ("memory", "pids", …).
 * @mountinfo is "/proc/self/mountinfo". Returns 0 and *@path (@size bytes), or
 * -ENOENT (not mounted), -EXDEV (only a part of it is, as in a cgroup namespace:
 * its paths would not match the kernel's), -ENAMETOOLONG, or another negative errno
 * if @mountinfo cannot be read.
 */
int cgroup_mount__find(const char *mountinfo, const char *controller, char *path, size_t size);

struct cgroup_mount {
	int fd; /* -1: no mount */
	dev_t dev;
	char *path;	 /* as /proc/self/fd shows fd */
	bool no_handles; /* the kernel or our privileges do not allow them */
};

#define CGROUP_MOUNT_NONE ((struct cgroup_mount){ .fd = -1 })

/* cgroup_mount__open() - the hierarchy that is mounted at @dir. Returns 0 or a negative errno;
 * *@mount is to be closed in either case. */
int cgroup_mount__open(struct cgroup_mount *mount, const char *dir);
void cgroup_mount__close(struct cgroup_mount *mount); /* CGROUP_MOUNT_NONE is allowed */

/*
 * cgroup_mount__path_of() - the path of the cgroup @id from the hierarchy's root, in @buf of @size
 * bytes: *@path points into it. Returns 0, -ESTALE (there is none), -EOPNOTSUPP (it cannot be
 * asked, now or later), or another negative errno.
 */
int cgroup_mount__path_of(struct cgroup_mount *mount, uint64_t id, char *buf, size_t size,
			  const char **path);

#endif

// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "containers/cgroup_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/mountinfo.h"

#define ROOT_INODE 1 /* a kernfs root's id: the first that it gives out */
#define FILEID_KERNFS 0xfe /* enum fid_type in the kernel's exportfs.h */

/* ---- where it is mounted ---- */

struct sought {
	const char *controller; /* NULL: v2 */
	char *path;
	size_t size;
	int err;
};

/* The first whole hierarchy, whose root has the inode that kernfs gives it. */
static int look_at_mount(void *ctx, const struct mountinfo *mount)
{
	struct sought *sought = ctx;
	struct stat st;

	if (strcmp(mount->type, sought->controller ? "cgroup" : "cgroup2") != 0 ||
	    (sought->controller && !mountinfo__has_option(mount->options, sought->controller)) ||
	    stat(mount->point, &st))
		return 0;
	if (st.st_ino != ROOT_INODE) {
		sought->err = -EXDEV;
		return 0;
	}
	if (strlen(mount->point) >= sought->size) {
		sought->err = -ENAMETOOLONG;
		return 1;
	}
	memcpy(sought->path, mount->point, strlen(mount->point) + 1);
	sought->err = 0;
	return 1;
}

int cgroup_mount__find(const char *mountinfo, const char *controller, char *path, size_t size)
{
	struct sought sought = { controller, path, size, -ENOENT };
	int err = mountinfo__each(mountinfo, look_at_mount, &sought);

	return err < 0 ? err : sought.err;
}

/* ---- asking the kernel ---- */

union handle {
	struct file_handle head;
	/* a handle's data has no fixed length: room behind the head */
	unsigned char room[sizeof(struct file_handle) + sizeof(uint64_t)];
};

static int open_cgroup(const struct cgroup_mount *mount, uint64_t id)
{
	union handle handle = { .head = { .handle_bytes = sizeof(id),
					  .handle_type = FILEID_KERNFS } };
	int fd;

	memcpy(handle.room + offsetof(struct file_handle, f_handle), &id, sizeof(id));
	fd = open_by_handle_at(mount->fd, &handle.head, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int path_of_fd(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, size);
	if (len < 0)
		return -errno;
	if ((size_t)len >= size)
		return -ENAMETOOLONG;
	path[len] = '\0';
	return 0;
}

/*
 * The path of @fd from the hierarchy's root, in *@path. The name is looked up
 * again: "… (deleted)" may be put behind it, or truly be a part of it.
 */
static int path_below(const struct cgroup_mount *mount, int fd, uint64_t id, char *buf, size_t size,
		      const char **path)
{
	size_t len = strlen(mount->path);
	struct stat st;
	int err;

	err = path_of_fd(fd, buf, size);
	if (err)
		return err;
	if (len == 1)
		len = 0; /* mounted as "/" */
	if (strncmp(buf, mount->path, len) != 0 || (buf[len] && buf[len] != '/'))
		return -ESTALE;
	*path = buf[len] ? buf + len : "/";
	if (fstatat(mount->fd, (*path)[1] ? *path + 1 : ".", &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? -ESTALE : -errno;
	return st.st_dev == mount->dev && st.st_ino == id ? 0 : -ESTALE;
}

int cgroup_mount__path_of(struct cgroup_mount *mount, uint64_t id, char *buf, size_t size,
			  const char **path)
{
	int fd, err;

	if (mount->fd < 0 || mount->no_handles)
		return -EOPNOTSUPP;
	fd = open_cgroup(mount, id);
	if (fd == -EPERM || fd == -EACCES || fd == -EOPNOTSUPP || fd == -EINVAL ||
	    fd == -ENOSYS) {
		mount->no_handles = true;
		return -EOPNOTSUPP;
	}
	if (fd < 0)
		return fd;
	err = path_below(mount, fd, id, buf, size, path);
	close(fd);
	return err;
}

/* ---- its life ---- */

int cgroup_mount__open(struct cgroup_mount *mount, const char *dir)
{
	char path[PATH_MAX];
	struct stat st;
	int err;

	mount->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount->fd < 0)
		return -errno;
	if (fstat(mount->fd, &st))
		return -errno;
	mount->dev = st.st_dev;
	err = path_of_fd(mount->fd, path, sizeof(path));
	if (err) {
		/* no /proc: the walk and the events still work */
		mount->no_handles = true;
		return 0;
	}
	mount->path = strdup(path);
	return mount->path ? 0 : -ENOMEM;
}

void cgroup_mount__close(struct cgroup_mount *mount)
{
	if (mount->fd >= 0)
		close(mount->fd);
	free(mount->path);
	*mount = CGROUP_MOUNT_NONE;
}

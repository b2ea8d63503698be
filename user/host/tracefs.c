// SPDX-License-Identifier: GPL-2.0
#include "host/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/parse.h"

/* Of linux/mount.h, which the C library's sys/mount.h does not go with everywhere. */
#define FS_OPEN_CLOEXEC 0x1
#define FS_CONFIG_CREATE 6
#define FS_MOUNT_CLOEXEC 0x1

/* The three calls have no wrappers in older C libraries. */
static int mount_nowhere(void)
{
	int fs = (int)syscall(SYS_fsopen, "tracefs", FS_OPEN_CLOEXEC), err = 0, dir;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FS_CONFIG_CREATE, NULL, NULL, 0))
		err = -errno;
	dir = err ? -1 : (int)syscall(SYS_fsmount, fs, FS_MOUNT_CLOEXEC, 0);
	if (!err && dir < 0)
		err = -errno;
	close(fs);
	return err ?: dir;
}

int tracefs__open(const char *place)
{
	int dir = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (dir >= 0 && !fstatfs(dir, &fs) && fs.f_type == TRACEFS_MAGIC)
		return dir;
	if (dir >= 0)
		close(dir);
	return mount_nowhere();
}

int tracefs__event_id(int dir, const char *event, uint64_t *id)
{
	char path[128], text[32];
	ssize_t len;
	int fd;

	if (snprintf(path, sizeof(path), "events/%s/id", event) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text));
	close(fd);
	if (len > 0 && text[len - 1] == '\n')
		len--;
	return len > 0 && !parse__u64_n(text, (size_t)len, 0, UINT32_MAX, id) ? 0 : -EBADMSG;
}

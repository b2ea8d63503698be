// SPDX-License-Identifier: GPL-2.0
/* How far the kernel is locked down, wherever that stands. */
#include "host/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* "none [integrity] confidentiality": the one in brackets holds. */
static void take_level(struct kernel *k, char *line)
{
	char *begin = strchr(line, '['), *end = begin ? strchr(begin, ']') : NULL;

	if (!end)
		return;
	*end = '\0';
	snprintf(k->lockdown, sizeof(k->lockdown), "%s", begin + 1);
}

/* A line, or "". Returns 0 or a negative errno. */
static int read_line(int dir, const char *name, char *line, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t len;

	line[0] = '\0';
	if (fd < 0)
		return -errno;
	len = read(fd, line, size - 1);
	if (len < 0)
		err = -errno;
	else
		line[len] = '\0';
	close(fd);
	return err;
}

/* In the open root of a securityfs, or where one should be. It always has the file lsm, also
 * where there is no lockdown. */
static void read_securityfs(struct kernel *k, int dir)
{
	char line[128];
	int err;

	if (!read_line(dir, "lockdown", line, sizeof(line)))
		take_level(k, line);
	err = read_line(dir, "lsm", line, sizeof(line));
	k->securityfs = !err || err == -EACCES || k->lockdown[0];
}

void kernel__read_lockdown(struct kernel *k, const char *sysfs)
{
	char path[512];
	int dir;

	snprintf(path, sizeof(path), "%s/kernel/security", sysfs);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	read_securityfs(k, dir);
	close(dir);
}

/*
 * A mount that is attached nowhere: fsopen() and fsmount(), since 5.2 (ecdab150fddb, 93766fbd2696).
 * glibc has them since 2.36.
 */
static int mount_unattached(const char *type)
{
	int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), mnt;

	if (fs < 0)
		return -errno;
	mnt = syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ? -1 :
	      (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	if (mnt < 0)
		mnt = -errno;
	close(fs);
	return mnt;
}

void kernel__read_hidden_lockdown(struct kernel *k)
{
	int dir = mount_unattached("securityfs");

	if (dir < 0)
		return;
	read_securityfs(k, dir);
	close(dir);
}

/* What the last "lockdown=" among the kernel's parameters says; those after "--" are init's. */
void kernel__read_asked_lockdown(struct kernel *k, const char *procfs)
{
	static const char name[] = "lockdown=";
	char path[512], line[4096], *save;
	int err;

	snprintf(path, sizeof(path), "%s/cmdline", procfs);
	err = read_line(AT_FDCWD, path, line, sizeof(line));
	for (char *word = strtok_r(line, " \n", &save); !err && word && strcmp(word, "--");
	     word = strtok_r(NULL, " \n", &save)) {
		const char *level = word + sizeof(name) - 1;

		if (strncmp(word, name, sizeof(name) - 1) ||
		    (strcmp(level, "integrity") && strcmp(level, "confidentiality")))
			continue;
		snprintf(k->lockdown, sizeof(k->lockdown), "%s", level);
		k->lockdown_asked = true;
	}
}

// SPDX-License-Identifier: GPL-2.0
#include "base/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdwriter.h"

#define SUFFIX ".XXXXXX"

static int write_to(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY), err;

	if (fd < 0)
		return -errno;
	err = fdwriter__write_all(fd, data, len);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int fill(int fd, mode_t mode, const char *data, size_t len)
{
	mode_t mask = umask(0);
	int err;

	umask(mask);
	err = fdwriter__write_all(fd, data, len);
	if (!err && (fchmod(fd, mode & ~mask) || fsync(fd)))
		err = -errno;
	return err;
}

static int write_beside(const char *path, mode_t mode, const char *data, size_t len)
{
	char beside[PATH_MAX + sizeof(SUFFIX)];
	int fd, err;

	if (snprintf(beside, sizeof(beside), "%s" SUFFIX, path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fill(fd, mode, data, len);
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(beside, path))
		err = -errno;
	if (err)
		unlink(beside);
	return err;
}

int newfile__write(const char *path, mode_t mode, const char *data, size_t len)
{
	sigset_t ending, before;
	char real[PATH_MAX];
	struct stat st;
	int err;

	if (!stat(path, &st)) {
		if (S_ISDIR(st.st_mode))
			return -EISDIR;
		if (!S_ISREG(st.st_mode))
			return write_to(path, data, len);
		if (!realpath(path, real))
			return -errno;
		path = real;
	}
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	sigaddset(&ending, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &ending, &before);
	err = write_beside(path, mode, data, len);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

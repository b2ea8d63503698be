// SPDX-License-Identifier: GPL-2.0
#include "store/writer_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LOCK_AT (1LL << 61)

static struct flock lock_of(short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = LOCK_AT, .l_len = 1 };
}

int writer_lock__take(int fd)
{
	struct flock lock = lock_of(F_WRLCK);

	if (!fcntl(fd, F_OFD_SETLK, &lock))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

bool writer_lock__is_taken(int fd)
{
	struct flock lock = lock_of(F_WRLCK);

	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

// SPDX-License-Identifier: GPL-2.0
#include "base/stdstreams.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fdwriter.h"

/* The lowest number is free, so that open() takes it. */
static void stand_in(int fd)
{
	int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

	if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
		return;
	if (open("/dev/null", flags) < 0 && open("/", O_RDONLY | O_DIRECTORY) < 0)
		_exit(1); /* nothing can be told */
}

/* As fopencookie() wants it: how much was written, and errno. */
static ssize_t write_cookie(void *cookie, const char *data, size_t len)
{
	int err = fdwriter__write_all((int)(intptr_t)cookie, data, len);

	if (!err)
		return (ssize_t)len;
	errno = -err;
	return 0;
}

static void replace(FILE **stream, int fd, int mode)
{
	const cookie_io_functions_t functions = { .write = write_cookie };
	FILE *f = fopencookie((void *)(intptr_t)fd, "w", functions);

	if (!f)
		return; /* no memory: the old one will do */
	setvbuf(f, NULL, mode, BUFSIZ);
	*stream = f;
}

void stdstreams__open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		stand_in(fd);
	signal(SIGPIPE, SIG_IGN);
	/* glibc's are variables, to be assigned to. */
	replace(&stdout, STDOUT_FILENO, _IOFBF);
	replace(&stderr, STDERR_FILENO, _IOLBF);
}

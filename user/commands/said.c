// SPDX-License-Identifier: GPL-2.0
#include "commands/said.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int said__status(int err)
{
	if (!err || err == -EPIPE)
		return 0;
	fprintf(stderr, "twsnoop: cannot write the output: %s\n", strerror(-err));
	return 1;
}

int said__flush(void)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return said__status(0);
	return said__status(errno ? -errno : -EIO);
}

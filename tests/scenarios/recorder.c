// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "recorder.h"

#include "tracer.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *bpffs;
static bool attached;

bool recorder__is_attached(void)
{
	return attached;
}

const char *recorder__bpffs(void)
{
	return bpffs;
}

int recorder__begin(void)
{
	static const char *const places[] = { "/mnt", "/media", "/tmp", NULL };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	for (const char *const *p = places; *p; p++) {
		if (mount("bpf", *p, "bpf", 0, "mode=0700"))
			continue;
		bpffs = *p;
		return 0;
	}
	return -errno;
}

static int run(const char *twsnoop, const char *word, const char *more, const char *argument)
{
	const char *const args[] = { word, "--bpffs", bpffs, more, argument, NULL };
	int status = -1;
	pid_t pid = tracer__fork(twsnoop, args, STDERR_FILENO, STDERR_FILENO);

	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? -EIO : 0;
}

int recorder__attach(const char *twsnoop, bool all)
{
	int err = attached ? recorder__detach(twsnoop) : 0;

	if (!err)
		err = run(twsnoop, "attach", all ? "--all" : NULL,
			  all ? "--syscalls" : NULL);
	attached = !err;
	tracer__bpffs = attached ? bpffs : NULL;
	return err;
}

int recorder__attach_sized(const char *twsnoop, const char *size)
{
	int err = run(twsnoop, "detach", NULL, NULL);

	return err ? err : run(twsnoop, "attach", "--size", size);
}

int recorder__detach(const char *twsnoop)
{
	attached = false;
	tracer__bpffs = NULL;
	return run(twsnoop, "detach", NULL, NULL);
}

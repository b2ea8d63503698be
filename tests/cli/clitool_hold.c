// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

/*
 * The last that a loader does with its programs is to bind maps to them that they do not use; the
 * next memory that it gives back is that of the rings, when it is done.
 */
static bool is_loaded(const struct ptrace_syscall_info *info)
{
	static bool bound;

	if (info->op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	if (info->entry.nr == SYS_bpf)
		bound = info->entry.args[0] == BPF_PROG_BIND_MAP;
	return bound && info->entry.nr == SYS_munmap;
}

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	execvp(argv[0], argv);
	_exit(127);
}

/* Up to the next stop, which may be for a signal: that is passed on. */
static void step(pid_t pid)
{
	static int sig;
	int status;

	if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig) ||
	    waitpid(pid, &status, 0) != pid)
		die("ptrace");
	errno = 0;
	if (!WIFSTOPPED(status))
		die("the program ended before");
	sig = WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == (SIGTRAP | 0x80) ?
		      0 : WSTOPSIG(status);
}

int tool__hold(int argc, char **argv)
{
	struct ptrace_syscall_info info = {};
	int status;
	pid_t pid;
	FILE *f;

	if (argc < 2)
		die("hold FILE PROGRAM...");
	pid = start(argv + 1);
	if (waitpid(pid, &status, 0) != pid ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)))
		die("ptrace");
	do {
		step(pid);
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) < 0)
			die("ptrace");
	} while (!is_loaded(&info));
	f = fopen(argv[0], "we");
	if (!f || fprintf(f, "held %d\n", (int)pid) < 0 || fclose(f))
		die(argv[0]);
	pause();
	return 0;
}

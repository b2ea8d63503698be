// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

static const struct {
	const char *name;
	long number;
} calls[] = {
	{ "epoll_create1", SYS_epoll_create1 }, /* a reader of BPF ring buffers is made */
};

static long call_number(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(name, calls[i].name))
			return calls[i].number;
	errno = 0;
	die(name);
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
	long number, entered = -1;
	int status;
	pid_t pid;
	FILE *f;

	if (argc < 3)
		die("hold FILE CALL PROGRAM...");
	number = call_number(argv[1]);
	pid = start(argv + 2);
	if (waitpid(pid, &status, 0) != pid ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)))
		die("ptrace");
	do {
		step(pid);
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) < 0)
			die("ptrace");
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			entered = (long)info.entry.nr;
	} while (info.op != PTRACE_SYSCALL_INFO_EXIT || entered != number);
	f = fopen(argv[0], "we");
	if (!f || fprintf(f, "held %d\n", (int)pid) < 0 || fclose(f))
		die(argv[0]);
	pause();
	return 0;
}

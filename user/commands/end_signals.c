// SPDX-License-Identifier: GPL-2.0
#include "commands/end_signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

static void fill(sigset_t *set, const int *more)
{
	struct sigaction hangup;

	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	if (!sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
	for (; more && *more; more++)
		sigaddset(set, *more);
}

static int block(const sigset_t *set, const char **what)
{
	*what = "cannot block signals";
	return sigprocmask(SIG_BLOCK, set, NULL) ? -errno : 0;
}

int end_signals__open(const int *more, const char **what)
{
	sigset_t all, account;
	int fd;

	fill(&all, more);
	sigaddset(&all, SIGUSR1);
	sigemptyset(&account);
	sigaddset(&account, SIGUSR1);
	fd = block(&account, what);
	if (fd)
		return fd;
	*what = "cannot wait for signals";
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int end_signals__hold(const int *more, const char **what)
{
	sigset_t set;

	fill(&set, more);
	return block(&set, what);
}

// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "play.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void play__start(struct play *p)
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "sc-stage");
		stage__play(p->sc, p->rec);
	}
	p->pid = pid;
}

bool play__over(struct play *p)
{
	int status;

	if (__atomic_load_n(&p->rec->verdict, __ATOMIC_SEQ_CST) != V_PENDING)
		return true;
	if (waitpid(p->pid, &status, WNOHANG) != p->pid)
		return false;
	p->pid = 0;
	p->rec->end_real_ns = net__real_ns();
	stage__died(p->rec, status);
	return true;
}

/* Without --all the events are not there that are held against them. */
void play__count(struct play *p)
{
	if (p->pid > 0 && p->rec->verdict == V_DONE && !(p->sc->flags & SCN_TIME_WAIT_ONLY))
		counters__read(p->pid, &p->rec->counters);
}

void play__retire(struct play *p)
{
	char path[64];

	if (p->pid <= 0)
		return;
	play__count(p);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)p->pid);
	p->nsfds[p->replays] = open(path, O_RDONLY | O_CLOEXEC);
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

void play__reset(struct play *p)
{
	play__retire(p);
	memset(p->rec, 0, sizeof(*p->rec));
	p->replays++;
}

void play__end(struct play *p)
{
	play__retire(p);
	for (unsigned int i = 0; i <= p->replays; i++)
		if (p->nsfds[i] > 0)
			close(p->nsfds[i]);
}

// SPDX-License-Identifier: GPL-2.0
/* What the tests with tracers of their own share. */
#define _GNU_SOURCE
#include "judge.h"
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int home_ns = -1;

static void complain(struct stage *st, const struct tracer *t, int err)
{
	stage__fail(st, "twsnoop does not trace: %s; it said: %.150s", strerror(-err), t->err);
}

void solo__spawn(struct stage *st, struct tracer *t, const char *twsnoop,
		 const char *const args[])
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), err;

	EXPECT(st, here >= 0 && setns(home_ns, CLONE_NEWNET) == 0);
	err = tracer__spawn(t, twsnoop, args);
	EXPECT(st, setns(here, CLONE_NEWNET) == 0);
	close(here);
	if (err)
		complain(st, t, err);
}

void solo__await(struct stage *st, struct tracer *t)
{
	int err = tracer__await_start(t);

	if (err)
		complain(st, t, err);
}

void solo__trace(struct stage *st, struct tracer *t, const char *twsnoop,
		 const char *const args[])
{
	solo__spawn(st, t, twsnoop, args);
	solo__await(st, t);
}

void solo__ended_well(struct stage *st, struct tracer *t, int status)
{
	if (status != 0)
		stage__fail(st, "twsnoop ended with wait status %#x: %.150s", (unsigned int)status,
			    t->err);
	if (t->bad_lines)
		stage__fail(st, "%lu lines break the contract: %.180s", t->bad_lines, t->bad);
	if (!t->account.seen)
		stage__fail(st, "no accounting line: %.150s", t->err);
	if (t->account.delivered != t->lines)
		stage__fail(st, "delivered=%lu, but %lu lines came", t->account.delivered, t->lines);
}

void solo__stop_and_judge(struct stage *st, struct tracer *t, int sig)
{
	uint64_t end = net__mono_ns() + 8000 * 1000000ULL;
	char why[256];

	while (!judge__complete(st->rec, t) && net__mono_ns() < end)
		tracer__pump(t, 20);
	st->rec->end_real_ns = net__real_ns();
	solo__ended_well(st, t, tracer__stop(t, sig));
	judge__mark(st->rec, t);
	if (judge__record(st->rec, t, why, sizeof(why)) != RIGHT)
		stage__fail(st, "%s", why);
	tracer__free(t);
}

struct job {
	void (*run)(struct stage *st, const char *twsnoop);
	const char *twsnoop;
};

/* The solo's path into stage__play(): one at a time, so that a static will do. */
static struct job job;

static void run_job(struct stage *st)
{
	job.run(st, job.twsnoop);
}

enum verdict solo__run(void (*run)(struct stage *st, const char *twsnoop), const char *twsnoop,
		       char *why, size_t size)
{
	static const struct scenario sc = { .name = "solo", .run = run_job };
	struct record *rec = mmap(NULL, sizeof(*rec), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	enum verdict v;
	pid_t pid;

	if (rec == MAP_FAILED)
		abort();
	job = (struct job){ run, twsnoop };
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		home_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		stage__play(&sc, rec);
	}
	if (pid < 0)
		abort();
	while (__atomic_load_n(&rec->verdict, __ATOMIC_SEQ_CST) == V_PENDING)
		if (waitpid(pid, &status, WNOHANG) == pid)
			stage__died(rec, status);
		else
			usleep(2000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	v = rec->verdict;
	snprintf(why, size, "%s", rec->why);
	munmap(rec, sizeof(*rec));
	return v;
}

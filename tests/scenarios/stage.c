// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "stage.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct call {
	actor_fn fn;
	long a, b, c;
};

void stage__strike(struct stage *st)
{
	for (int i = 0; i < st->nactors; i++)
		if (st->actors[i].pid > 0)
			kill(st->actors[i].pid, SIGKILL);
	for (int i = 0; i < st->nactors; i++)
		if (st->actors[i].pid > 0)
			actor__await_end(&st->actors[i]);
	st->nactors = 0;
}

/* What of the truths is left where only TIME_WAIT is told: that of all else nothing is. */
static void leave_time_wait(struct record *rec)
{
	for (unsigned int i = 0; i < rec->ntruths; i++) {
		struct truth *t = &rec->truths[i];

		t->once &= A(TIME_WAIT);
		t->one_of &= A(TIME_WAIT);
		t->maybe &= A(TIME_WAIT);
	}
}

static void __attribute__((noreturn)) stage__end(struct stage *st, enum verdict v)
{
	stage__strike(st);
	if (st->sc->flags & SCN_TIME_WAIT_ONLY)
		leave_time_wait(st->rec);
	st->rec->end_real_ns = net__real_ns();
	alarm(0);
	__atomic_store_n(&st->rec->verdict, v, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

void stage__fail(struct stage *st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(st->rec->why, sizeof(st->rec->why), fmt, ap);
	va_end(ap);
	stage__end(st, V_FAIL);
}

void stage__skip(struct stage *st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(st->rec->why, sizeof(st->rec->why), fmt, ap);
	va_end(ap);
	stage__end(st, V_SKIP);
}

int stage__set(struct stage *st, const struct scenario *sc, struct record *rec)
{
	int err;

	memset(st, 0, sizeof(*st));
	st->sc = sc;
	st->rec = rec;
	err = net__new_netns();
	if (err)
		return err;
	rec->begin_real_ns = net__real_ns();
	rec->netns = net__netns_inode();
	st->arena = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (st->arena == MAP_FAILED)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, st->scm))
		return -errno;
	for (int i = 0; i < SPARES_MAX; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, st->spares[i].chan))
			return -errno;
	return 0;
}

/* Only ends a hang. */
static unsigned int limit_s(void)
{
	return net__is_emulated() ? 600 : 300;
}

void stage__play(const struct scenario *sc, struct record *rec)
{
	struct stage *st = calloc(1, sizeof(*st));
	int err;

	if (!st)
		_exit(1);
	alarm(limit_s());
	signal(SIGPIPE, SIG_IGN);
	err = stage__set(st, sc, rec);
	if (err)
		stage__fail(st, "cannot set up: %s", strerror(-err));
	sc->run(st);
	stage__end(st, V_DONE);
}

void stage__died(struct record *rec, int status)
{
	size_t len = strlen(rec->why);
	const char *and = len ? "; " : ""; /* it had failed, or was to be skipped, and did not end */

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(rec->why + len, sizeof(rec->why) - len, "%snot finished in %u s", and,
			 limit_s());
	else
		snprintf(rec->why + len, sizeof(rec->why) - len,
			 "%sthe stage died (wait status %#x)", and, (unsigned int)status);
	rec->verdict = V_FAIL;
}

static void actor__loop(int chan)
{
	struct call call;

	while (recv(chan, &call, sizeof(call), 0) == sizeof(call)) {
		long ret = call.fn(call.a, call.b, call.c);

		if (send(chan, &ret, sizeof(ret), MSG_NOSIGNAL) != sizeof(ret))
			break;
	}
	_exit(0);
}

static struct actor *actor__new(struct stage *st, const char *name)
{
	struct actor *a;

	EXPECT(st, st->nactors < ACTORS_MAX);
	a = &st->actors[st->nactors];
	memset(a, 0, sizeof(*a));
	a->st = st;
	snprintf(a->name, sizeof(a->name), "%s", name);
	return a;
}

struct actor *actor__start(struct stage *st, const char *name, unsigned int flags)
{
	struct actor *a = actor__new(st, name);
	unsigned long clone_flags = SIGCHLD;
	int chan[2];

	EXPECT(st, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, chan) == 0);
	if (flags & ACTOR_PIDNS)
		clone_flags |= CLONE_NEWPID;
	/* fork(), but into a new PID namespace if asked; the result is the host's pid. */
	a->pid = (pid_t)syscall(SYS_clone, clone_flags, 0, 0, 0, 0);
	EXPECT(st, a->pid >= 0);
	if (a->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		for (int i = 0; i < st->nactors; i++)
			close(st->actors[i].chan);
		close(chan[0]);
		actor__loop(chan[1]);
	}
	close(chan[1]);
	a->chan = chan[0];
	a->is_child = true;
	st->nactors++;
	return a;
}

static long do_fork(long chan, long name, long b)
{
	pid_t pid = fork();

	(void)b;
	if (pid)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_NAME, (const char *)name);
	actor__loop((int)chan);
	return 0;
}

struct actor *actor__fork(struct actor *parent, const char *name)
{
	struct stage *st = parent->st;
	struct actor *a = actor__new(st, name);
	struct spare *sp;

	EXPECT(st, st->nspares < SPARES_MAX);
	sp = &st->spares[st->nspares++];
	a->pid = (pid_t)actor__call(parent, do_fork, sp->chan[1], (long)name, 0);
	EXPECT(st, a->pid > 0);
	close(sp->chan[1]);
	a->chan = sp->chan[0];
	st->nactors++;
	return a;
}

void actor__post(struct actor *a, actor_fn fn, long x, long y, long z)
{
	struct call call = { fn, x, y, z };

	EXPECT(a->st, send(a->chan, &call, sizeof(call), MSG_NOSIGNAL) == sizeof(call));
}

long actor__answer(struct actor *a)
{
	long ret;

	if (recv(a->chan, &ret, sizeof(ret), 0) != sizeof(ret))
		stage__fail(a->st, "actor %s died", a->name);
	return ret;
}

long actor__call(struct actor *a, actor_fn fn, long x, long y, long z)
{
	actor__post(a, fn, x, y, z);
	return actor__answer(a);
}

void actor__await_end(struct actor *a)
{
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;
	pid_t pid = a->pid;

	a->pid = 0;
	if (a->chan >= 0)
		close(a->chan);
	a->chan = -1;
	if (a->is_child) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return;
	}
	/* Another actor's child: gone, or a zombie that has let go of its files. */
	while (kill(pid, 0) == 0 && net__mono_ns() < end) {
		char path[64], state = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		f = fopen(path, "re");
		if (f) {
			if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
				state = 0;
			fclose(f);
		}
		if (state == 'Z' || state == 'X')
			return;
		usleep(1000);
	}
}

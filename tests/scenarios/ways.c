// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "ways.h"

#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNUSED(x) ((void)(x))

static struct truth *first(struct stage *st, struct pair *p, int e, const struct actor *who,
			   unsigned int causes)
{
	return truth__add(st, p, e, A(TIME_WAIT), who, causes);
}

static struct truth *way_close(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);

	EXPECT(st, actor__call(p->e[e].a, do_close, p->e[e].fd, 0, 0) == 0);
	return t;
}

static struct truth *way_shut_wr(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_SHUTDOWN);

	EXPECT(st, actor__call(p->e[e].a, do_shutdown, p->e[e].fd, SHUT_WR, 0) == 0);
	return t;
}

static struct truth *way_shut_rdwr(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_SHUTDOWN);

	EXPECT(st, actor__call(p->e[e].a, do_shutdown, p->e[e].fd, SHUT_RDWR, 0) == 0);
	return t;
}

/* A child shuts it down, and the parent closes the last descriptor afterwards. */
static struct truth *way_shut_other(struct stage *st, struct pair *p, int e)
{
	struct actor *child = actor__fork(p->e[e].a, "sc-child");
	struct truth *t = first(st, p, e, child, CAUSE_SHUTDOWN);

	EXPECT(st, actor__call(child, do_shutdown, p->e[e].fd, SHUT_WR, 0) == 0);
	EXPECT(st, actor__call(child, do_close, p->e[e].fd, 0, 0) == 0);
	return t;
}

/* Lingering close(): the process waits in close() until its FIN is acknowledged. */
static struct truth *way_linger(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);

	EXPECT(st, actor__call(p->e[e].a, do_linger, p->e[e].fd, 1, 5) == 0);
	EXPECT(st, actor__call(p->e[e].a, do_close, p->e[e].fd, 0, 0) == 0);
	return t;
}

static struct truth *way_exit(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_EXIT);

	actor__post(p->e[e].a, do_exit, 0, 0, 0);
	actor__await_end(p->e[e].a);
	return t;
}

static struct truth *way_kill(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_EXIT);

	kill(p->e[e].a->pid, SIGKILL);
	actor__await_end(p->e[e].a);
	return t;
}

static struct actor *hand_to_child(struct stage *st, struct pair *p, int e)
{
	struct actor *child = actor__fork(p->e[e].a, "sc-child");

	EXPECT(st, actor__call(p->e[e].a, do_close, p->e[e].fd, 0, 0) == 0);
	stage__see(st, &p->e[e], REF_STATE(ST_ESTABLISHED) | REF_STATE(ST_CLOSE_WAIT));
	return child;
}

static struct truth *way_forked(struct stage *st, struct pair *p, int e)
{
	struct actor *child = hand_to_child(st, p, e);
	struct truth *t = first(st, p, e, child, CAUSE_CLOSE);

	EXPECT(st, actor__call(child, do_close, p->e[e].fd, 0, 0) == 0);
	return t;
}

static struct truth *way_forked_exit(struct stage *st, struct pair *p, int e)
{
	struct actor *child = hand_to_child(st, p, e);
	struct truth *t = first(st, p, e, child, CAUSE_EXIT);

	actor__post(child, do_exit, 0, 0, 0);
	return t;
}

static long do_fd_send(long sock, long fd, long b)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int num = (int)fd;

	UNUSED(b);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &num, sizeof(num));
	return sendmsg((int)sock, &msg, 0) == 1 ? 0 : -errno;
}

static long do_fd_recv(long sock, long b, long c)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	UNUSED(b), UNUSED(c);
	if (recvmsg((int)sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EIO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

long actor__pass(struct actor *from, int fd, struct actor *to)
{
	struct stage *st = from->st;
	long got;

	EXPECT(st, actor__call(from, do_fd_send, st->scm[0], fd, 0) == 0);
	got = actor__call(to, do_fd_recv, st->scm[1], 0, 0);
	EXPECT(st, got >= 0);
	return got;
}

static struct truth *way_scm(struct stage *st, struct pair *p, int e)
{
	struct actor *other = actor__start(st, "sc-receiver", 0);
	long fd = actor__pass(p->e[e].a, p->e[e].fd, other);
	struct truth *t;

	EXPECT(st, actor__call(p->e[e].a, do_close, p->e[e].fd, 0, 0) == 0);
	stage__see(st, &p->e[e], REF_STATE(ST_ESTABLISHED) | REF_STATE(ST_CLOSE_WAIT));
	t = first(st, p, e, other, CAUSE_CLOSE);
	EXPECT(st, actor__call(other, do_close, fd, 0, 0) == 0);
	return t;
}

/* Leaves the only reference in a unix socket's queue, and closes that socket. */
static long do_scm_drop(long fd, long b, long c)
{
	int sv[2];
	long err;

	UNUSED(b), UNUSED(c);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	err = do_fd_send(sv[0], fd, 0);
	close((int)fd);
	close(sv[1]);
	close(sv[0]);
	return err;
}

static struct truth *way_scm_drop(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);

	EXPECT(st, actor__call(p->e[e].a, do_scm_drop, p->e[e].fd, 0, 0) == 0);
	return t;
}

/*
 * Puts two unix sockets into each other's queue, and the TCP socket beside them: only the
 * garbage collector (unix_gc(): the closing task up to 6.9 or so, then a kworker) frees it.
 */
static long do_scm_gc(long fd, long b, long c)
{
	int sv[2], more[2];
	long err;

	UNUSED(b), UNUSED(c);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	err = do_fd_send(sv[0], fd, 0);
	if (!err)
		err = do_fd_send(sv[0], sv[1], 0);
	if (!err)
		err = do_fd_send(sv[1], sv[0], 0);
	close((int)fd);
	close(sv[0]);
	close(sv[1]);
	/* Another unix socket's end gives the collector a reason to run. */
	if (!err && !socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, more)) {
		close(more[0]);
		close(more[1]);
	}
	return err;
}

/* The kernel may do it in its own thread: then nobody is named, but never a wrong process. */
static struct truth *maybe_kernel(struct truth *t)
{
	t->pid_optional = true;
	t->causes = CAUSE_CLOSE | CAUSE_EXIT | CAUSE_KERNEL | CAUSE_UNKNOWN;
	t->tid = 0;
	t->tname[0] = '\0';
	return t;
}

/*
 * Since 8b90a9f819dc (6.9) a kworker collects. Before, whoever happened to close a Unix socket
 * did, in its own name: there is nothing to tell it from a close of its own.
 */
static struct truth *way_scm_gc(struct stage *st, struct pair *p, int e)
{
	struct truth *t;

	if (!net__kernel_at_least(6, 9))
		stage__skip(st, "before Linux 6.9 any process may have to collect");
	t = maybe_kernel(first(st, p, e, p->e[e].a, CAUSE_CLOSE));
	EXPECT(st, actor__call(p->e[e].a, do_scm_gc, p->e[e].fd, 0, 0) == 0);
	return t;
}

struct thread_job {
	int fd;
	pid_t tid;
};

static void *thread_main(void *arg)
{
	struct thread_job *job = arg;

	prctl(PR_SET_NAME, "sc-thread");
	job->tid = (pid_t)syscall(SYS_gettid);
	close(job->fd);
	return NULL;
}

static long do_thread_close(long fd, long b, long c)
{
	struct thread_job job = { .fd = (int)fd };
	pthread_t thread;

	UNUSED(b), UNUSED(c);
	if (pthread_create(&thread, NULL, thread_main, &job))
		return -EAGAIN;
	pthread_join(thread, NULL);
	return job.tid;
}

static struct truth *way_thread(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);

	t->tid = (pid_t)actor__call(p->e[e].a, do_thread_close, p->e[e].fd, 0, 0);
	EXPECT(st, t->tid > 0);
	snprintf(t->tname, sizeof(t->tname), "sc-thread");
	return t;
}

static long do_exec(long a, long b, long c)
{
	char *argv[] = { (char *)"sc-exec", (char *)"--idle", NULL };

	UNUSED(a), UNUSED(b), UNUSED(c);
	execv("/proc/self/exe", argv);
	return -errno;
}

static struct truth *way_exec(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);

	/*
	 * The descriptor has FD_CLOEXEC. Its release is delayed work of the task, so that the
	 * name is the new program's already: the basename of what was executed, "exe".
	 */
	snprintf(t->name_alt, sizeof(t->name_alt), "exe");
	t->tname[0] = '\0';
	actor__post(p->e[e].a, do_exec, 0, 0, 0);
	return t;
}

static void need_uring(struct stage *st, struct actor *a)
{
	long err = actor__call(a, do_uring_probe, 0, 0, 0);

	if (err)
		stage__skip(st, "no io_uring here: %s", strerror((int)-err));
}

static struct truth *way_uring(struct stage *st, struct pair *p, int e)
{
	struct truth *t;

	need_uring(st, p->e[e].a);
	t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);
	/* The kernel may hand it to a worker thread of the ring, which belongs to the process. */
	t->tid = 0;
	t->tname[0] = '\0';
	EXPECT(st, actor__call(p->e[e].a, do_uring_close, p->e[e].fd, 0, 0) == 0);
	return t;
}

/* A worker thread: of the process since 5.12, a kernel thread before. */
static struct truth *way_uring_async(struct stage *st, struct pair *p, int e)
{
	struct truth *t;

	need_uring(st, p->e[e].a);
	t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);
	if (!net__kernel_at_least(5, 12))
		maybe_kernel(t);
	t->tid = 0;
	t->tname[0] = '\0';
	EXPECT(st, actor__call(p->e[e].a, do_uring_close, p->e[e].fd, 1, 0) == 0);
	return t;
}

static struct truth *uring_fixed(struct stage *st, struct pair *p, int e, long how)
{
	struct truth *t;

	need_uring(st, p->e[e].a);
	EXPECT(st, actor__call(p->e[e].a, do_uring_register, p->e[e].fd, 0, 0) == 0);
	stage__see(st, &p->e[e], REF_STATE(ST_ESTABLISHED) | REF_STATE(ST_CLOSE_WAIT));
	t = maybe_kernel(first(st, p, e, p->e[e].a, CAUSE_CLOSE));
	EXPECT(st, actor__call(p->e[e].a, do_uring_release, how, 0, 0) == 0);
	return t;
}

static struct truth *way_uring_unregister(struct stage *st, struct pair *p, int e)
{
	return uring_fixed(st, p, e, 0);
}

static struct truth *way_uring_ring_close(struct stage *st, struct pair *p, int e)
{
	return uring_fixed(st, p, e, 1);
}

static struct truth *way_uring_exit(struct stage *st, struct pair *p, int e)
{
	struct truth *t;

	need_uring(st, p->e[e].a);
	EXPECT(st, actor__call(p->e[e].a, do_uring_register, p->e[e].fd, 0, 0) == 0);
	t = maybe_kernel(first(st, p, e, p->e[e].a, CAUSE_EXIT));
	actor__post(p->e[e].a, do_exit, 0, 0, 0);
	actor__await_end(p->e[e].a);
	return t;
}

static long do_setuid(long uid, long b, long c)
{
	UNUSED(b), UNUSED(c);
	return setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) ? -errno : 0;
}

static struct truth *way_setuid(struct stage *st, struct pair *p, int e)
{
	struct truth *t;

	EXPECT(st, actor__call(p->e[e].a, do_setuid, 12345, 0, 0) == 0);
	t = way_close(st, p, e);
	t->uid = 12345;
	return t;
}

static long do_dup2(long fd, long b, long c)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	UNUSED(b), UNUSED(c);
	if (null < 0)
		return -errno;
	return dup2(null, (int)fd) == fd ? 0 : -errno;
}

static struct truth *way_dup2(struct stage *st, struct pair *p, int e)
{
	struct truth *t = first(st, p, e, p->e[e].a, CAUSE_CLOSE);

	EXPECT(st, actor__call(p->e[e].a, do_dup2, p->e[e].fd, 0, 0) == 0);
	return t;
}

const struct way ways[] = {
	{ "close", way_close, FAMS_ALL, 0, false },
	{ "shutdown-wr", way_shut_wr, FAMS_ALL, 0, true },
	{ "shutdown-rdwr", way_shut_rdwr, FAMS_ALL, 0, true },
	{ "shutdown-by-other", way_shut_other, FAMS_46, 0, true },
	{ "linger", way_linger, FAMS_46, 0, false },
	{ "exit", way_exit, FAMS_ALL, 0, false },
	{ "sigkill", way_kill, FAMS_46, 0, false },
	{ "forked", way_forked, FAMS_46, 0, false },
	{ "forked-exit", way_forked_exit, FAMS_46, 0, false },
	{ "scm", way_scm, FAMS_46, 0, false },
	{ "scm-dropped", way_scm_drop, FAMS_46, 0, false },
	{ "scm-collected", way_scm_gc, FAMS_46, 0, false },
	{ "thread", way_thread, FAMS_46, 0, false },
	{ "exec-cloexec", way_exec, FAMS_46, 0, false },
	{ "uring-close", way_uring, FAMS_46, 0, false },
	{ "uring-worker", way_uring_async, FAMS_46, 0, false },
	{ "uring-unregister", way_uring_unregister, FAMS_46, 0, false },
	{ "uring-ring-close", way_uring_ring_close, FAMS_46, 0, false },
	{ "uring-exit", way_uring_exit, FAMS_46, 0, false },
	{ "pidns", way_close, FAMS_46, ACTOR_PIDNS, false },
	{ "setuid", way_setuid, FAMS_46, 0, false },
	{ "dup2", way_dup2, FAMS_46, 0, false },
};
const int ways_nr = (int)(sizeof(ways) / sizeof(ways[0]));

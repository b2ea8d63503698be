// SPDX-License-Identifier: GPL-2.0
/*
 * A process that closes connections, while another one looks at its descriptors in /proc as fast as it can:
 * who looks holds the socket's file for a moment, and what its owner closes then is closed by the looker.
 * That one may never be named: each end has its owner, or nobody.
 */
#define _GNU_SOURCE
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of thousand ends that are looked at so, one is met by a link that is read, on two processors. */
#define CONNECTIONS (net__is_emulated() ? 300 : 6000)
#define ENOUGH_NS 5000000000ULL /* on a machine that is slow */
/* A kernel with silent tasks (docs/limits.md) lets no program see one now and then, and a snapshot would
 * tell it too late for this. */
#define UNSEEN(closed) (1 + (unsigned int)(closed) / 1000)
#define FDS 2 /* of a connection: each end once */
#ifndef ENOTSUPP
#define ENOTSUPP 524 /* the kernel's own */
#endif

struct sight {
	int begun, closed, fault;
	unsigned long seen;
	pid_t owner;
	int fd[FDS];
};

static struct sight *looked_at;
static int epoll_fd = -1; /* of both, where it is that which looks */
static char path[FDS][64], info[FDS][64], folder[64];

/* Each returns whether there was something to see: between connections there is not. */

static bool read_links(void)
{
	char to[64];

	return (readlink(path[0], to, sizeof(to)) > 0) | (readlink(path[1], to, sizeof(to)) > 0);
}

static bool look_up(void)
{
	struct stat st;

	return !lstat(path[0], &st) | !lstat(path[1], &st);
}

static bool follow(void)
{
	struct stat st;

	return !stat(path[0], &st) | !stat(path[1], &st);
}

/* A socket is nothing that can be opened so. */
static bool open_links(void)
{
	return (open(path[0], O_RDONLY | O_CLOEXEC) < 0 && errno == ENXIO) |
	       (open(path[1], O_RDONLY | O_CLOEXEC) < 0 && errno == ENXIO);
}

static bool read_folder(void)
{
	char entries[4096];
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool seen = false;

	while (fd >= 0 && syscall(SYS_getdents64, fd, entries, sizeof(entries)) > 0)
		seen = true;
	close(fd);
	return seen;
}

/* The file may have been opened when the descriptor was that of an earlier connection. */
static bool read_info(void)
{
	static int fd[FDS] = { -1, -1 };
	char text[512];
	bool seen = false;

	for (int i = 0; i < FDS; i++) {
		if (fd[i] < 0)
			fd[i] = open(info[i], O_RDONLY | O_CLOEXEC);
		seen |= fd[i] >= 0 && pread(fd[i], text, sizeof(text), 0) > 0;
	}
	return seen;
}

static void heed(int sig)
{
	(void)sig;
}

/* While signals come: on arm64 the kernel forgets then which call it was before it is through with it. */
static bool be_interrupted(void)
{
	static const struct itimerval often = { { 0, 100 }, { 0, 100 } };
	static const struct sigaction act = { .sa_handler = heed, .sa_flags = SA_RESTART };
	static bool begun;

	if (!begun)
		begun = !sigaction(SIGALRM, &act, NULL) && !setitimer(ITIMER_REAL, &often, NULL);
	return read_info() && begun;
}

/* As bpftool does, which asks it of all descriptors of all processes. */
static bool ask_bpf(void)
{
	bool seen = false;

	for (int i = 0; i < FDS; i++) {
		union bpf_attr attr = { .task_fd_query = { .pid = looked_at->owner, .fd = looked_at->fd[i] } };

		/* A socket is nothing that BPF has made. */
		seen |= syscall(SYS_bpf, BPF_TASK_FD_QUERY, &attr, sizeof(attr)) < 0 && errno == ENOTSUPP;
	}
	return seen;
}

static bool change_owner(void)
{
	return !lchown(path[0], 0, 0) | !lchown(path[1], 0, 0);
}

/* What another process has told to watch: since 6.9 the kernel holds what it finds ready. */
static bool wait_for_events(void)
{
	struct epoll_event ready[FDS];

	return epoll_wait(epoll_fd, ready, FDS, 0) > 0;
}

static void be_looker(struct sight *s, bool (*look)(void))
{
	looked_at = s;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "la-looker");
	setpriority(PRIO_PROCESS, 0, -20);
	while (!__atomic_load_n(&s->begun, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (int i = 0; i < FDS; i++) {
		snprintf(path[i], sizeof(path[i]), "/proc/%d/fd/%d", s->owner, s->fd[i]);
		snprintf(info[i], sizeof(info[i]), "/proc/%d/fdinfo/%d", s->owner, s->fd[i]);
	}
	snprintf(folder, sizeof(folder), "/proc/%d/fd", s->owner);
	for (;;)
		s->seen += look();
}

/* Both ends are its own, and the one or the other is closed first. */
static void connect_and_close(struct sight *s, int lfd, const struct sockaddr *to, socklen_t len, int first)
{
	int fd[FDS];
	char rest;

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd[0] < 0 || connect(fd[0], to, len) || (fd[1] = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) < 0)
		__atomic_store_n(&s->fault, errno ?: -1, __ATOMIC_SEQ_CST);
	for (int i = 0; epoll_fd >= 0 && i < FDS; i++)
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd[i], &(struct epoll_event){ .events = EPOLLOUT });
	memcpy(s->fd, fd, sizeof(fd));
	__atomic_store_n(&s->begun, 1, __ATOMIC_RELEASE);
	close(fd[first]);
	/* Until it has been closed, whoever did. */
	if (recv(fd[!first], &rest, 1, 0))
		__atomic_store_n(&s->fault, errno ?: -1, __ATOMIC_SEQ_CST);
	close(fd[!first]);
	__atomic_add_fetch(&s->closed, 1, __ATOMIC_RELAXED);
}

static void be_owner(struct sight *s)
{
	struct sockaddr_storage ss;
	socklen_t len = net__loopback(FAM_V4, 0, &ss);
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t end = net__mono_ns() + ENOUGH_NS;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "la-owner");
	/* On a busy machine the two would hardly ever run at once. */
	setpriority(PRIO_PROCESS, 0, -20);
	s->owner = getpid();
	if (lfd < 0 || bind(lfd, (struct sockaddr *)&ss, len) || listen(lfd, 8) ||
	    getsockname(lfd, (struct sockaddr *)&ss, &len))
		_exit(1);
	for (int i = 0; i < CONNECTIONS && !s->fault && net__mono_ns() < end; i++)
		connect_and_close(s, lfd, (struct sockaddr *)&ss, len, i % 2);
	_exit(s->fault != 0);
}

static void judge(struct stage *st, const struct tracer *t, const struct sight *s, pid_t looker)
{
	unsigned int by_owner = 0, by_nobody = 0, by_looker = 0, by_others = 0;

	for (size_t i = 0; i < t->nevents; i++) {
		const struct event *ev = &t->events[i];

		if (ev->t.netns != st->rec->netns || ev->action != ACT_TIME_WAIT)
			continue;
		by_owner += ev->pid == s->owner;
		by_looker += ev->pid == looker;
		by_others += ev->pid && ev->pid != s->owner && ev->pid != looker;
		by_nobody += !ev->pid;
	}
	if (by_looker || by_others)
		stage__fail(st, "of %d ends %u are put down to who looked, %u to others, %u to nobody",
			    s->closed, by_looker, by_others, by_nobody);
	if (by_owner + by_nobody + t->account.lost + t->account.recursion + UNSEEN(s->closed) <
		    (unsigned int)s->closed ||
	    (by_nobody > by_owner && epoll_fd < 0))
		stage__fail(st, "of %d ends %u are put down to their owner, %u to nobody; lost=%lu map_full=%lu "
			    "recursion=%lu snapshot=%lu delivered=%lu", s->closed, by_owner, by_nobody,
			    t->account.lost, t->account.map_full, t->account.recursion, t->account.snapshot,
			    t->account.delivered);
	if (by_nobody)
		fprintf(stderr, "# looked-at: of %d ends %u are nobody's\n", s->closed, by_nobody);
}

static void run(struct stage *st, const char *twsnoop, bool (*look)(void))
{
	static const char *const args[] = { "trace", "--json", NULL };
	struct sight *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct tracer t = { .defer = true };
	int status = -1;
	pid_t owner, looker;

	EXPECT(st, s != MAP_FAILED);
	EXPECT(st, net__sysctl("tcp_max_tw_buckets", 100000) == 0);
	EXPECT(st, look != wait_for_events || (epoll_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	tracer__keep(&t, &st->rec->netns, 1);
	solo__trace(st, &t, twsnoop, args);
	looker = fork();
	if (!looker)
		be_looker(s, look);
	owner = fork();
	if (!owner)
		be_owner(s);
	EXPECT(st, looker > 0 && owner > 0);
	while (waitpid(owner, &status, WNOHANG) == 0)
		tracer__pump(&t, 20);
	kill(looker, SIGKILL);
	waitpid(looker, NULL, 0);
	EXPECT(st, status == 0 && s->seen);
	solo__ended_well(st, &t, tracer__stop(&t, SIGINT));
	judge(st, &t, s, looker);
	tracer__free(&t);
}

#define LOOKED_AT(name, look)                                                      \
	static void run_##name(struct stage *st, const char *twsnoop)              \
	{                                                                          \
		run(st, twsnoop, look);                                            \
	}
LOOKED_AT(readlink, read_links)
LOOKED_AT(lstat, look_up)
LOOKED_AT(stat, follow)
LOOKED_AT(open, open_links)
LOOKED_AT(getdents, read_folder)
LOOKED_AT(fdinfo, read_info)
LOOKED_AT(interrupted, be_interrupted)
LOOKED_AT(bpf, ask_bpf)
LOOKED_AT(chown, change_owner)
LOOKED_AT(epoll, wait_for_events)

const struct solo solo_looked_at[] = {
	{ "looked-at/readlink", run_readlink }, { "looked-at/lstat", run_lstat },
	{ "looked-at/stat", run_stat },		{ "looked-at/open", run_open },
	{ "looked-at/getdents", run_getdents }, { "looked-at/fdinfo", run_fdinfo },
	{ "looked-at/interrupted", run_interrupted },
	{ "looked-at/bpf", run_bpf },		{ "looked-at/chown", run_chown },
	{ "looked-at/epoll", run_epoll },
	{ NULL, NULL },
};

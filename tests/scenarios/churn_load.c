// SPDX-License-Identifier: GPL-2.0
/* Churn: the processes that open and close connections. */
#define _GNU_SOURCE
#include "churn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PORT 10000
#define HURRIED 4 /* children of a listener that is closed */

static void fault(struct churn_shared *sh, int line)
{
	sh->fault_line = line;
	__atomic_store_n(&sh->failed, errno ? errno : EIO, __ATOMIC_SEQ_CST);
	_exit(1);
}

/* Pair w: IPv4 for even ones, each with its own server address; IPv6 with its own port. */
static socklen_t server_address(int w, struct sockaddr_storage *ss)
{
	socklen_t len = net__loopback(w % 2 ? FAM_V6 : FAM_V4, (uint16_t)(CHURN_PORT + w), ss);

	if (w % 2 == 0)
		((struct sockaddr_in *)ss)->sin_addr.s_addr =
			htonl(0x7f010001u + ((uint32_t)w << 8));
	return len;
}

/* Serves connections until it is killed: closes first where the client asks for it. */
static void serve(int w, struct churn_shared *sh)
{
	struct sockaddr_storage ss;
	socklen_t len = server_address(w, &ss);
	int lfd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[16];

	snprintf(name, sizeof(name), "ch-server%d", w);
	prctl(PR_SET_NAME, name);
	if (lfd < 0 || bind(lfd, (struct sockaddr *)&ss, len) || listen(lfd, 1024))
		fault(sh, __LINE__);
	__atomic_add_fetch(&sh->ready, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		char who = 0, rest;

		if (fd < 0 || recv(fd, &who, 1, 0) != 1)
			fault(sh, __LINE__);
		if (who == 'c' && recv(fd, &rest, 1, 0) != 0)
			fault(sh, __LINE__);
		close(fd);
	}
}

void churn__spawn_servers(struct stage *st, struct churn_shared *sh, int procs)
{
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;

	for (int w = 0; w < procs; w++) {
		pid_t pid = fork();

		EXPECT(st, pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(w, sh);
		}
		sh->server[w] = pid;
	}
	while (__atomic_load_n(&sh->ready, __ATOMIC_SEQ_CST) < procs && !sh->failed) {
		EXPECT(st, net__mono_ns() < end);
		usleep(1000);
	}
}

void churn__end_servers(const struct churn_shared *sh, const struct churn *how)
{
	for (int w = 0; w < how->procs; w++)
		if (sh->server[w] > 0)
			kill(sh->server[w], SIGKILL);
}

/*
 * No tuple may come twice, or TIME_WAIT sockets would be taken over. IPv4: a fresh source
 * address each time, the kernel picks the port; IPv6 has one loopback address, so a fresh port.
 */
static int client_socket(int w, long i)
{
	struct sockaddr_storage from;
	struct sockaddr_in *in = (struct sockaddr_in *)&from;
	socklen_t len = net__loopback(w % 2 ? FAM_V6 : FAM_V4, 0, &from);
	int fd = socket(from.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (w % 2) {
		((struct sockaddr_in6 *)&from)->sin6_port = htons((uint16_t)(FIRST_PORT + i));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	} else {
		in->sin_addr.s_addr = htonl(0x7f400000u + ((uint32_t)w << 16) + (uint32_t)i + 1);
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	}
	if (fd >= 0 && bind(fd, (struct sockaddr *)&from, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void one_connection(int w, long i, struct churn_shared *sh, struct deed *d)
{
	struct sockaddr_storage ss;
	socklen_t len = server_address(w, &ss);
	struct tuple t;
	char who = i % 2 || sh->servers_close ? 's' : 'c', rest;
	int fd = client_socket(w, i);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) || tuple__from_fd(fd, &t))
		fault(sh, __LINE__);
	d->server_first = who == 's';
	if (d->server_first)
		t = tuple__flip(&t);
	churn__set_key(&d->key, &t);
	d->client = getpid();
	d->before_ns = net__mono_ns();
	d->pid = d->server_first ? sh->server[w] : d->client;
	if (send(fd, &who, 1, MSG_NOSIGNAL) != 1)
		fault(sh, __LINE__);
	if (d->server_first && recv(fd, &rest, 1, 0) != 0)
		fault(sh, __LINE__);
	close(fd);
	__atomic_add_fetch(&sh->made, 1, __ATOMIC_RELAXED);
}

static void be_client(int w, long n, struct churn_shared *sh)
{
	char name[24];

	snprintf(name, sizeof(name), "ch-client%d", w);
	prctl(PR_SET_NAME, name);
	for (long i = 0; i < n && !__atomic_load_n(&sh->enough, __ATOMIC_RELAXED); i++)
		one_connection(w, i, sh, &sh->deeds[(long)w * n + i]);
	_exit(0);
}

void churn__spawn_clients(struct stage *st, struct churn_shared *sh, const struct churn *how,
			  pid_t *pids)
{
	for (int w = 0; w < how->procs; w++) {
		pids[w] = fork();
		EXPECT(st, pids[w] >= 0);
		if (pids[w] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			be_client(w, how->conns, sh);
		}
	}
}

/* Whether one is left. */
bool churn__clients_run(const struct churn *how, pid_t *pids)
{
	bool any = false;

	for (int w = 0; w < how->procs; w++) {
		if (pids[w] > 0 && waitpid(pids[w], NULL, WNOHANG) == pids[w])
			pids[w] = 0;
		any |= pids[w] > 0;
	}
	return any;
}

void churn__end_clients(struct stage *st, const struct churn_shared *sh, const struct churn *how,
			const pid_t *pids)
{
	for (int w = 0; w < how->procs; w++)
		if (pids[w] > 0)
			kill(pids[w], SIGKILL);
	if (sh->failed)
		stage__fail(st, "churn_load.c:%d failed: %s", sh->fault_line, strerror(sh->failed));
}

long churn__made(const struct churn_shared *sh)
{
	return __atomic_load_n(&sh->made, __ATOMIC_RELAXED);
}

/*
 * For churn.hurried, until it is killed: children that nobody has accepted end with their listener, by
 * the hand of the process that closes that, as if in a softirq. It has real-time priority, and
 * wakes up at any moment: on a real-time kernel while a softirq is in the midst of the same.
 */
static void hurry(struct churn_shared *sh)
{
	const struct sched_param priority = { .sched_priority = 60 };
	unsigned int seed = 1,
		     slower = net__is_emulated() ? 50 : 1; /* it is to leave some time to others */

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "ch-hurried");
	sched_setscheduler(0, SCHED_FIFO, &priority);
	for (;;) {
		struct sockaddr_storage ss;
		socklen_t len = net__loopback(FAM_V4, 0, &ss);
		int lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd[HURRIED];

		if (lfd < 0 || bind(lfd, (struct sockaddr *)&ss, len) || listen(lfd, HURRIED) ||
		    getsockname(lfd, (struct sockaddr *)&ss, &len))
			fault(sh, __LINE__);
		for (int i = 0; i < HURRIED; i++) {
			fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (fd[i] < 0 || connect(fd[i], (struct sockaddr *)&ss, len))
				fault(sh, __LINE__);
		}
		usleep(slower * (50 + (useconds_t)(rand_r(&seed) % 300)));
		close(lfd);
		for (int i = 0; i < HURRIED; i++)
			close(fd[i]);
	}
}

pid_t churn__start_hurried(struct stage *st, struct churn_shared *sh)
{
	pid_t pid = fork();

	EXPECT(st, pid >= 0);
	if (!pid)
		hurry(sh);
	return pid;
}

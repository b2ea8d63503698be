// SPDX-License-Identifier: GPL-2.0
/*
 * The soak's load: connections as fast as can be, each between a client and a server that stay, in one
 * network namespace; and beside them processes that live for one connection, each with a listener and a
 * cgroup of its own, some with a network namespace. What was made is noted where the judges can read it.
 */
#define _GNU_SOURCE
#include "soak.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void fault(int line)
{
	soak->fault_errno = errno;
	__atomic_store_n(&soak->fault_line, line, __ATOMIC_SEQ_CST);
	_exit(1);
}

/* ---- connections ---- */

static void serve(int pair)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)(PORT + pair)),
				  .sin_addr.s_addr = htonl(SERVERS + ((uint32_t)pair << 8)) };
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (lfd < 0 || bind(lfd, (struct sockaddr *)&at, sizeof(at)) || listen(lfd, 1024))
		fault(__LINE__);
	__atomic_add_fetch(&soak->ready, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		char who = 0, rest;

		if (fd < 0 || recv(fd, &who, 1, 0) != 1 || (who == 'c' && recv(fd, &rest, 1, 0)))
			fault(__LINE__);
		close(fd);
	}
}

static void one_connection(int pair, uint64_t number)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)(PORT + pair)),
				  .sin_addr.s_addr = htonl(SERVERS + ((uint32_t)pair << 8)) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	char who = number % 2 ? 's' : 'c', rest;

	from.sin_addr.s_addr = htonl(CLIENTS + ((uint32_t)pair << SLOT_BITS) +
				     (uint32_t)(number % SLOTS));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) || send(fd, &who, 1, 0) != 1 ||
	    (who == 's' && recv(fd, &rest, 1, 0)))
		fault(__LINE__);
	soak->before_ns[pair][number % SLOTS] = net__mono_ns();
	close(fd);
}

static void be_client(int pair)
{
	while (!__atomic_load_n(&soak->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (uint64_t i = 0; !__atomic_load_n(&soak->enough, __ATOMIC_RELAXED); i++) {
		one_connection(pair, i);
		__atomic_store_n(&soak->made[pair], i + 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

/* ---- who lives for one connection ---- */

static void join_cgroup(const char *path)
{
	char file[300];
	int fd;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		fault(__LINE__);
	close(fd);
}

/* In a namespace of its own: what goes with that would not enter TIME_WAIT. */
static void await_time_wait(void)
{
	char line[256];
	FILE *f;

	for (int ms = 0; ms < AWAIT_MS; ms++, usleep(1000)) {
		bool found = false;

		f = fopen("/proc/self/net/tcp", "re");
		while (f && fgets(line, sizeof(line), f))
			found |= strstr(line, " 06 ") != NULL;
		if (f)
			fclose(f);
		if (found)
			return;
	}
	fault(__LINE__);
}

/* A listener, one connection to it, of which one end or the other is closed first; then all is gone. */
static void pass_by(uint32_t slot, bool has_netns)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)(PASSER_PORT + (slot >> 16))),
				  .sin_addr.s_addr = htonl(PASSER_SERVERS + (slot & 0xffff)) };
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(CLIENTS + ((uint32_t)PASSERS << SLOT_BITS) +
							     slot) };
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, accepted, one = 1;
	char rest;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (lfd < 0 || fd < 0 || bind(lfd, (struct sockaddr *)&to, sizeof(to)) || listen(lfd, 8) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    (accepted = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) < 0)
		fault(__LINE__);
	soak->before_ns[PASSERS][slot] = net__mono_ns();
	close(slot % 2 ? accepted : fd);
	if (recv(slot % 2 ? fd : accepted, &rest, 1, 0))
		fault(__LINE__);
	close(slot % 2 ? fd : accepted);
	if (has_netns)
		await_time_wait();
	_exit(0);
}

static void be_passer(uint32_t slot, bool has_netns, const char *cgroup)
{
	char name[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(name, sizeof(name), "soak-p%07u", slot);
	prctl(PR_SET_NAME, name);
	if (cgroup)
		join_cgroup(cgroup);
	if (has_netns && net__new_netns())
		fault(__LINE__);
	soak->passer_pid[slot] = (uint32_t)getpid();
	soak->passer_netns[slot] = (uint32_t)net__netns_inode();
	pass_by(slot, has_netns);
}

/* One after the other. */
static void be_passers(void)
{
	char path[256];

	/* Else hardly one of them comes to pass, beside those who do nothing but connect. */
	setpriority(PRIO_PROCESS, 0, -10);
	while (!__atomic_load_n(&soak->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (uint64_t i = 0; !__atomic_load_n(&soak->enough, __ATOMIC_RELAXED); i++) {
		bool has_netns = i % NETNS_EACH == 0, has_cgroup = soak->hierarchy[0];
		int status = -1;
		pid_t pid;

		snprintf(path, sizeof(path), "%s/lxc.payload.soak-%lu", soak->hierarchy, i);
		/* A soak that was killed may have left it. */
		if (has_cgroup && mkdir(path, 0755) && errno != EEXIST)
			fault(__LINE__);
		pid = fork();
		if (!pid)
			be_passer((uint32_t)(i % SLOTS), has_netns, has_cgroup ? path : NULL);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			fault(__LINE__);
		if (has_cgroup && rmdir(path))
			fault(__LINE__);
		soak->cgroups += has_cgroup;
		soak->namespaces += has_netns;
		soak->outside += has_netns;
		__atomic_store_n(&soak->made[PASSERS], i + 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

/* ---- all of them ---- */

static pid_t fork_pair(int pair, void (*run)(int pair), const char *what)
{
	char name[16];
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(name, sizeof(name), "soak-%s%d", what, pair);
	prctl(PR_SET_NAME, name);
	run(pair);
	_exit(0);
}

void soak__be_world(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_IGN); /* it is told when to end */
	/* The segments that come late are not to end what the table is compared with. */
	if (net__new_netns() || net__sysctl("tcp_max_tw_buckets", 4000000) ||
	    net__sysctl("tcp_rfc1337", 1))
		fault(__LINE__);
	soak->netns = net__netns_inode();
	for (int i = 0; i < PAIRS; i++) {
		soak->server[i] = fork_pair(i, serve, "server");
		soak->client[i] = fork_pair(i, be_client, "client");
	}
	soak->client[PASSERS] = fork();
	if (!soak->client[PASSERS]) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_passers();
	}
	for (int i = 0; i < GROUPS; i++)
		waitpid(soak->client[i], NULL, 0);
	__atomic_add_fetch(&soak->ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

uint64_t soak__made(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < GROUPS; i++)
		sum += __atomic_load_n(&soak->made[i], __ATOMIC_RELAXED);
	return sum;
}

bool soak__await_ready(int num)
{
	for (int ms = 0; ms < AWAIT_MS && !soak->fault_line; ms += 10) {
		if (__atomic_load_n(&soak->ready, __ATOMIC_SEQ_CST) >= num)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

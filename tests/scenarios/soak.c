// SPDX-License-Identifier: GPL-2.0
/*
 * For long: connections as fast as can be, two readers of one recorder, one of which is stopped
 * for a while, lists, and readers with filters that come and go. So do others beside: processes that live for
 * one connection, each with a listener and a cgroup of its own, some with a network namespace. Each
 * reader has to have told every end once, or to have counted it as lost; the kernel has to have
 * made as many; a list has to show what the kernel's table has; a filter may let nothing pass but what it is
 * for; and the readers' memory, and what a connection costs them, have to stay as they are.
 */
#define _GNU_SOURCE
#include "counters.h"
#include "referee.h"
#include "scenarios.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS 4		/* of a server and a client */
#define PASSERS PAIRS	/* who lives for one connection: their place beside the pairs */
#define GROUPS (PAIRS + 1)
#define PORT 7000	/* of the first server */
#define SLOT_BITS 20	/* client addresses of a pair: none comes again within its TIME_WAIT */
#define SLOTS (1U << SLOT_BITS)
#define SERVERS 0x7f010001U /* 127.1.0.1, and 127.1.1.1 and so on */
#define CLIENTS 0x7f400000U
#define PASSER_SERVERS 0x7f030000U /* of 65,536 addresses and PASSER_PORT, the next, ... */
#define PASSER_PORT 7100
#define NETNS_EACH 8	/* of so many passers one has a network namespace */
#define FILTERS 20	/* readers with one, in the whole time */
#define FILTER_MS 300	/* how long one stays after its first line */
#define READERS 2
#define STOPPED 1	/* the reader that is */
#define STOP_S 10
#define LISTS 10	/* in the whole time */
#define LIST_S 50	/* one that takes longer may have what came and went between the two dumps */
#define SETTLE_MS 120000
#define AWAIT_MS 300000
/* What a reader remembers, for some minutes, of a close, at most, and of one that a snapshot has
 * found; and what tables grow by at once. */
#define BYTES_A_CLOSE 4
#define BYTES_A_FIND 64
#define SLACK_KB 16384
/* What a connection costs a reader may differ so much from one quarter of the time to the next, where a
 * quarter is long enough for a table full of TIME_WAIT. */
#define COST_RATIO 1.5
#define COST_MIN_S 480
/* A reader that was lapped has FINs whose ends were lost: they wait in a table of fixed size, of
 * which what was once used stays (JOIN_DEFAULT). */
#define LAPPED_KB 65536

/* An end by who it is of: a pair's client address. Every other connection is closed first by the
 * server, so that this also tells by whom. */
struct ends {
	uint16_t times[GROUPS][SLOTS];
};

struct reader {
	struct ends ends;
	uint64_t lines, ours, others, found, nobody;
	uint64_t lost; /* as it says */
	uint64_t foreign, wrong_pid;
	uint64_t of[GROUPS][2]; /* ends of clients, and of servers */
	char example[200]; /* of what nobody made */
	char nobody_line[400]; /* the last that is not from a snapshot */
};

struct soak {
	int ready, go, enough;
	int fault_line, fault_errno;
	unsigned int failed;
	uint64_t netns;
	pid_t server[PAIRS], client[GROUPS];
	uint64_t made[GROUPS], outside; /* of the namespace that the rest is in */
	uint64_t before_ns[GROUPS][SLOTS]; /* CLOCK_MONOTONIC, before the last close of each */
	/* Of each passer, since before it connected. */
	uint32_t passer_pid[SLOTS], passer_netns[SLOTS];
	uint64_t cgroups, namespaces, filters;
	char hierarchy[200]; /* where cgroups are made, "": nowhere */
	struct reader reader[READERS], list, filtered;
};

static struct soak *soak;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void fail(const char *format, ...)
{
	va_list ap;

	soak->failed++;
	printf("FAIL soak: ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

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
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)(PASSER_PORT + (slot >> 16))),
				  .sin_addr.s_addr = htonl(PASSER_SERVERS + (slot & 0xffff)) };
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(CLIENTS + ((uint32_t)PASSERS << SLOT_BITS) + slot) };
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
		if (has_cgroup && mkdir(path, 0755))
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

/* The process that the network namespace is of. */
static void be_world(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
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

static uint64_t made(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < GROUPS; i++)
		sum += __atomic_load_n(&soak->made[i], __ATOMIC_RELAXED);
	return sum;
}

/* ---- what is said of them ---- */

/* Of our client's or server's end, by its addresses; false: nobody made such a connection. */
static bool find_end(const char *laddr, unsigned int lport, const char *raddr, unsigned int rport,
		     unsigned int *pair, unsigned int *slot, bool *is_server)
{
	struct in_addr local, remote;
	uint32_t client, server;
	unsigned int port;

	if (inet_pton(AF_INET, laddr, &local) != 1 || inet_pton(AF_INET, raddr, &remote) != 1)
		return false;
	*is_server = ntohl(local.s_addr) < CLIENTS;
	client = ntohl(*is_server ? remote.s_addr : local.s_addr) - CLIENTS;
	server = ntohl(*is_server ? local.s_addr : remote.s_addr) - SERVERS;
	port = *is_server ? lport : rport;
	*pair = client >> SLOT_BITS;
	*slot = client & (SLOTS - 1);
	if (*pair >= GROUPS || *slot % 2 != *is_server)
		return false;
	if (*pair == PASSERS)
		return port == PASSER_PORT + (*slot >> 16) &&
		       server + SERVERS == PASSER_SERVERS + (*slot & 0xffff);
	return port == PORT + *pair && server == *pair << 8;
}

/* The first @num fields of a line of CSV. None of them has quotes but a name that we gave not. */
static bool split(char *line, char *fields[], int num)
{
	for (int i = 0; i < num; i++) {
		fields[i] = line;
		line = strchr(line, ',');
		if (!line)
			return false;
		*line++ = '\0';
	}
	return true;
}

/* See docs/formats.md; list has no event.action and event.source. */
enum { F_ACTION = 1, F_SOURCE, F_LADDR = 5, F_LPORT, F_RADDR, F_RPORT, F_NETNS, F_PID = 13,
       FIELDS };

static void note_line(struct reader *r, char *line, bool is_list)
{
	char *all[FIELDS], **f = is_list ? all - 2 : all;
	unsigned int pair, slot;
	char whole[sizeof(r->nobody_line)];
	bool is_server, is_known;
	uint64_t netns;
	pid_t pid;

	r->lines++;
	snprintf(whole, sizeof(whole), "%.390s", line);
	if (!split(line, all, is_list ? FIELDS - 2 : FIELDS)) {
		r->foreign++;
		return;
	}
	netns = strtoull(f[F_NETNS], NULL, 10);
	is_known = find_end(f[F_LADDR], (unsigned int)strtoul(f[F_LPORT], NULL, 10), f[F_RADDR],
			    (unsigned int)strtoul(f[F_RPORT], NULL, 10), &pair, &slot, &is_server);
	if (netns != soak->netns && (!is_known || pair != PASSERS || slot % NETNS_EACH)) {
		r->others++;
		return;
	}
	if (is_known && pair == PASSERS)
		is_known = netns == soak->passer_netns[slot];
	if (!is_known) {
		r->foreign++;
		snprintf(r->example, sizeof(r->example), " (%s:%s to %s:%s)", f[F_LADDR], f[F_LPORT],
			 f[F_RADDR], f[F_RPORT]);
		return;
	}
	r->ours++;
	r->found += !is_list && f[F_SOURCE][0];
	r->ends.times[pair][slot]++;
	r->of[pair][is_server]++;
	pid = (pid_t)strtol(f[F_PID], NULL, 10);
	r->nobody += !pid;
	if (!pid && !is_list && !f[F_SOURCE][0])
		memcpy(r->nobody_line, whole, sizeof(whole));
	r->wrong_pid += pid && pid != (pair == PASSERS ? (pid_t)soak->passer_pid[slot] :
				       is_server       ? soak->server[pair] : soak->client[pair]);
}

/* Reads lines to the end, in a process of its own, so that nobody waits for another. */
static void drain(struct reader *r, int fd, bool is_list)
{
	static char buf[1 << 18];
	size_t have = 0;
	ssize_t len;
	bool heading = true;

	while ((len = read(fd, buf + have, sizeof(buf) - have)) > 0) {
		char *line = buf, *end;

		have += (size_t)len;
		for (; (end = memchr(line, '\n', have - (size_t)(line - buf))); line = end + 1) {
			*end = '\0';
			if (!heading)
				note_line(r, line, is_list);
			heading = false;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
	}
	_exit(0);
}

/* ---- processes of twsnoop ---- */

struct program {
	pid_t pid, drain;
	int err; /* a file that has its stderr */
};

static bool start_program(struct program *p, const char *twsnoop, const char *const args[],
			  struct reader *r, bool is_list)
{
	int out[2];

	p->err = memfd_create("stderr", MFD_CLOEXEC);
	if (p->err < 0 || pipe2(out, O_CLOEXEC))
		return false;
	fcntl(out[0], F_SETPIPE_SZ, 1 << 20);
	p->drain = fork();
	if (!p->drain) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(out[1]);
		drain(r, out[0], is_list);
	}
	close(out[0]);
	p->pid = tracer__fork(twsnoop, args, out[1], p->err);
	close(out[1]);
	return p->pid > 0 && p->drain > 0;
}

static void read_stderr(const struct program *p, char *text, size_t size)
{
	ssize_t len = pread(p->err, text, size - 1, 0);

	text[len < 0 ? 0 : len] = '\0';
}

static bool await_words(const struct program *p, const char *words)
{
	char text[4096];

	for (int ms = 0; ms < AWAIT_MS; ms += 10) {
		read_stderr(p, text, sizeof(text));
		if (strstr(text, words))
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/* Both have ended. */
static bool end_program(struct program *p, const char *what)
{
	int status = -1, drained = -1;

	waitpid(p->pid, &status, 0);
	waitpid(p->drain, &drained, 0);
	if (status || drained)
		fail("%s ended with wait status %#x", what, (unsigned int)(status ?: drained));
	return !status && !drained;
}

static unsigned long number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? strtoul(at + strlen(word), NULL, 10) : ~0UL;
}

/* ---- memory ---- */

static unsigned long anon_kb(pid_t pid)
{
	unsigned long kb = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/*
 * What each reader had at most, and at least in the third and in the last quarter of the time. At
 * any one moment it may hold a snapshot of a million sockets, and what came while it was kept
 * waiting: for seconds, if the machine is busy.
 */
struct memory {
	unsigned long most[READERS], third[READERS], last[READERS];
	uint64_t made_at_half;
	/* Processor time in ticks, and what was made, at the begin of the last two quarters and at their end. */
	unsigned long ticks[READERS][3];
	uint64_t made[3];
};

static unsigned long ticks_of(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64], line[512];
	const char *rest;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f) && (rest = strrchr(line, ')')))
		sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	if (f)
		fclose(f);
	return user + system;
}

static void note_cost(struct memory *m, const struct program *readers, uint64_t ms, uint64_t total_ms)
{
	for (int i = 0; i < 3; i++) {
		if (m->made[i] || ms < total_ms / 4 * (2 + (uint64_t)i))
			continue;
		m->made[i] = made();
		for (int r = 0; r < READERS; r++)
			m->ticks[r][i] = ticks_of(readers[r].pid);
	}
}

static void judge_cost(const struct memory *m, unsigned int seconds)
{
	long hz = sysconf(_SC_CLK_TCK);

	for (int i = 0; i < READERS; i++) {
		double us[2];

		for (int q = 0; q < 2; q++)
			us[q] = (double)(m->ticks[i][q + 1] - m->ticks[i][q]) * 1e6 / (double)hz /
				((double)(m->made[q + 1] - m->made[q]) + 1);
		printf("# reader %d: %.2f us of processor time a connection in the third quarter of the "
		       "time, %.2f in the last\n", i, us[0], us[1]);
		if (seconds >= COST_MIN_S && us[1] > us[0] * COST_RATIO)
			fail("reader %d: a connection costs %.2f us, and did cost %.2f", i, us[1], us[0]);
	}
}

static void note_memory(struct memory *m, const struct program *readers, uint64_t ms,
			uint64_t total_ms)
{
	note_cost(m, readers, ms, total_ms);
	if (ms >= total_ms / 2 && !m->made_at_half)
		m->made_at_half = made();
	for (int i = 0; i < READERS; i++) {
		unsigned long kb = anon_kb(readers[i].pid);
		unsigned long *least = ms >= total_ms / 4 * 3 ? &m->last[i] : &m->third[i];

		m->most[i] = kb > m->most[i] ? kb : m->most[i];
		if (ms >= total_ms / 2 && (!*least || kb < *least))
			*least = kb;
	}
}

/* ---- lists ---- */

struct look {
	struct ends before, after;
	uint64_t begun_ns; /* of the first dump; CLOCK_MONOTONIC */
	uint64_t others; /* that are not in TIME_WAIT yet */
};

static struct ends *looking;

static void on_diag(const struct diag *d, void *ctx)
{
	unsigned int pair, slot;
	bool is_server;

	if (!d->mini || d->state != ST_TIME_WAIT)
		((struct look *)ctx)->others += d->state != ST_CLOSE;
	else if (find_end(d->t.laddr, d->t.lport, d->t.raddr, d->t.rport, &pair, &slot, &is_server))
		looking->times[pair][slot] = 1;
}

static int dump(struct look *look, struct ends *ends, int netns, int home)
{
	int err;

	looking = ends;
	look->others = 0;
	memset(ends, 0, sizeof(*ends));
	if (setns(netns, CLONE_NEWNET))
		return -errno;
	err = referee__dump(on_diag, look);
	return setns(home, CLONE_NEWNET) ? -errno : err;
}

/* The kernel's table before and after: what is in both has to be listed, once; and nothing is
 * that neither has, but for what came and one dump of a changing table has missed. */
static void judge_list(const struct look *look, const char *account, unsigned int number,
		       uint64_t at_ms)
{
	const struct reader *l = &soak->list;
	uint64_t both = 0, absent = 0, twice = 0, in_none = 0;
	bool is_slow = net__mono_ns() - look->begun_ns > LIST_S * 1000000000ULL;

	for (int pair = 0; pair < GROUPS; pair++)
		for (size_t i = 0; i < SLOTS; i++) {
			bool before = look->before.times[pair][i], after = look->after.times[pair][i];
			uint16_t times = l->ends.times[pair][i];

			both += before && after;
			absent += before && after && !times;
			twice += times > 1;
			in_none += times && !before && !after;
		}
	printf("# list %u at %.0f s: %lu rows, %lu in both dumps, absent=%lu twice=%lu in_none=%lu "
	       "wrong_pid=%lu foreign=%lu; seen=%lu\n", number, (double)at_ms / 1000, l->lines, both,
	       absent, twice, in_none, l->wrong_pid, l->foreign, number_after(account, "seen="));
	fflush(stdout);
	if (l->lines != number_after(account, "listed="))
		fail("list %u: %lu rows, but it says %.200s", number, l->lines, account);
	if (twice || l->foreign || l->wrong_pid)
		fail("list %u: %lu sockets twice, %lu that nobody made%s, %lu wrong owners", number,
		     twice, l->foreign, l->example, l->wrong_pid);
	if (absent > both / 1000 || (!is_slow && in_none > both / 1000))
		fail("list %u: of %lu sockets %lu are absent; %lu are in no dump", number, both, absent,
		     in_none);
}

static void take_list(const char *twsnoop, int netns, int home, unsigned int number,
		      uint64_t begun_ns)
{
	static struct look look;
	char inode[24], text[1024];
	const char *const args[] = { "list", "-o", "csv", "--no-names", "--netns", inode, NULL };
	struct program p;

	snprintf(inode, sizeof(inode), "%lu", soak->netns);
	memset(&soak->list, 0, sizeof(soak->list));
	look.begun_ns = net__mono_ns();
	if (dump(&look, &look.before, netns, home) ||
	    !start_program(&p, twsnoop, args, &soak->list, true)) {
		fail("list %u could not be taken", number);
		return;
	}
	if (end_program(&p, "list") && dump(&look, &look.after, netns, home) == 0) {
		read_stderr(&p, text, sizeof(text));
		judge_list(&look, text, number, (net__mono_ns() - begun_ns) / 1000000);
	}
	close(p.err);
}

/* ---- readers with a filter ---- */

/* One that lets pass what one server closes, by its process or by its address. */
static void filter_once(const char *twsnoop, unsigned int number)
{
	unsigned int pair = number % PAIRS;
	struct reader *r = &soak->filtered;
	char value[24];
	bool by_pid = number / PAIRS % 2;
	const char *const args[] = { "trace", "-o", "csv", "--no-names", by_pid ? "-p" : "-l", value,
				     NULL };
	uint64_t rest = 0, end_ns = net__mono_ns() + AWAIT_MS * 1000000ULL;
	struct program p;

	if (by_pid)
		snprintf(value, sizeof(value), "%d", (int)soak->server[pair]);
	else
		snprintf(value, sizeof(value), "127.1.%u.1", pair);
	memset(r, 0, sizeof(*r));
	if (!start_program(&p, twsnoop, args, r, false) || !await_words(&p, "tracing ")) {
		fail("a reader with a filter cannot begin");
		return;
	}
	while (!__atomic_load_n(&r->ours, __ATOMIC_RELAXED) && net__mono_ns() < end_ns && !soak->enough)
		poll(NULL, 0, 10);
	poll(NULL, 0, FILTER_MS);
	kill(p.pid, SIGINT);
	if (end_program(&p, "a reader with a filter")) {
		for (unsigned int i = 0; i < GROUPS; i++)
			rest += r->of[i][0] + (i == pair ? 0 : r->of[i][1]);
		/* Others on this machine may have the same addresses. */
		rest += by_pid ? r->others : 0;
		if (rest || r->foreign || r->wrong_pid)
			fail("%s %s: %lu ends of others, %lu that nobody made, %lu wrong processes",
			     args[4], value, rest, r->foreign, r->wrong_pid);
		if (!r->ours && !soak->enough)
			fail("%s %s: nothing was told", args[4], value);
	}
	soak->filters++;
	close(p.err);
}

static pid_t fork_filters(const char *twsnoop, uint64_t total_ms)
{
	uint64_t begun_ns = net__mono_ns(), ms = 0;
	unsigned int filters = 0;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; ms < total_ms && !soak->enough; ms = (net__mono_ns() - begun_ns) / 1000000) {
		if (ms >= (filters + 1) * total_ms / (FILTERS + 1))
			filter_once(twsnoop, filters++);
		poll(NULL, 0, 100);
	}
	_exit(0);
}

/* ---- the whole ---- */

static uint64_t uses_of(int pair, size_t slot)
{
	uint64_t num = soak->made[pair];

	return num / SLOTS + (slot < num % SLOTS);
}

/* Of one of the lives of a client's address. */
static void say_missing(int pair, size_t slot, unsigned int times, uint64_t uses)
{
	uint64_t ns = soak->before_ns[pair][slot];

	printf("# missing: client %zu of pair %d, closed first by the %s, %u of %lu told, the last at "
	       "%lu.%06lu\n", slot, pair, slot % 2 ? "server" : "client", times, uses,
	       ns / 1000000000, ns / 1000 % 1000000);
}

static void compare(const struct reader *r, uint64_t *missing, uint64_t *twice)
{
	for (int pair = 0; pair < GROUPS; pair++)
		for (size_t slot = 0; slot < SLOTS; slot++) {
			uint64_t uses = uses_of(pair, slot);
			uint16_t times = r->ends.times[pair][slot];

			if (times < uses && *missing < 10)
				say_missing(pair, slot, times, uses);
			*missing += times < uses ? uses - times : 0;
			*twice += times > uses ? times - uses : 0;
		}
}

/* What reader @i has told against what was done, and what it counts as lost. */
static void judge_reader(int i, const struct program *p, uint64_t sum)
{
	struct reader *r = &soak->reader[i];
	uint64_t missing = 0, twice = 0;
	unsigned long lost, delivered;
	char text[4096], *account;

	compare(r, &missing, &twice);
	read_stderr(p, text, sizeof(text));
	account = strstr(text, "delivered=") ?: text;
	lost = number_after(account, "lost=");
	delivered = number_after(account, "delivered=");
	r->lost = lost;
	printf("# reader %d%s: %lu told, %lu of them by snapshots, %lu without a process; missing=%lu "
	       "twice=%lu wrong_pid=%lu foreign=%lu others=%lu; %s", i, i == STOPPED ? ", stopped" : "",
	       r->ours, r->found, r->nobody, missing, twice, r->wrong_pid, r->foreign, r->others,
	       account);
	if (r->nobody_line[0])
		printf("# by nobody: %s\n", r->nobody_line);
	if (twice || r->foreign || r->wrong_pid)
		fail("reader %d: %lu ends twice, %lu that nobody made%s, %lu wrong processes", i, twice,
		     r->foreign, r->example, r->wrong_pid);
	if (delivered != r->lines)
		fail("reader %d: delivered=%lu, but %lu lines came", i, delivered, r->lines);
	/* Of others' on this machine it is not known which were lost. */
	if (missing > lost || lost > missing + soak->reader[!i].others)
		fail("reader %d: %lu of %lu are missing, but lost=%lu", i, missing, sum, lost);
}

static void judge_memory(const struct memory *m, uint64_t sum)
{
	uint64_t later = sum - m->made_at_half;

	for (int i = 0; i < READERS; i++) {
		uint64_t bound_kb = (later * BYTES_A_CLOSE +
				     soak->reader[i].found * BYTES_A_FIND) / 1024 + SLACK_KB +
				    (soak->reader[i].lost ? LAPPED_KB : 0);

		printf("# reader %d: %lu KiB of its own in the third quarter of the time, %lu in the "
		       "last, %lu at most\n", i, m->third[i], m->last[i], m->most[i]);
		if (m->last[i] > m->third[i] + bound_kb)
			fail("reader %d has grown from %lu to %lu KiB in the second half", i, m->third[i],
			     m->last[i]);
	}
}

static bool await_ready(int num)
{
	for (int ms = 0; ms < AWAIT_MS && !soak->fault_line; ms += 10) {
		if (__atomic_load_n(&soak->ready, __ATOMIC_SEQ_CST) >= num)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static bool start_readers(struct program *readers, const char *twsnoop)
{
	static const char *const args[] = { "trace", "-o", "csv", "--no-names", NULL };

	for (int i = 0; i < READERS; i++)
		if (!start_program(&readers[i], twsnoop, args, &soak->reader[i], false))
			return false;
	return await_words(&readers[0], "tracing ") && await_words(&readers[1], "tracing ");
}

/* The reader that is stopped for a while. */
static void stop_and_go(pid_t pid, uint64_t ms, uint64_t total_ms)
{
	static uint64_t since_ms, over;
	uint64_t for_ms = total_ms / 4 < STOP_S * 1000 ? total_ms / 4 : STOP_S * 1000;

	if (!since_ms && ms >= total_ms / 6) {
		since_ms = ms;
		kill(pid, SIGSTOP);
	} else if (since_ms && !over && ms >= since_ms + for_ms) {
		over = kill(pid, SIGCONT) == 0;
	}
}

static void say_progress(uint64_t ms, const struct program *readers)
{
	static uint64_t said;

	if (ms / 30000 == said)
		return;
	said = ms / 30000;
	printf("# %lu s: %lu made; the readers have %lu and %lu KiB\n", ms / 1000, made(),
	       anon_kb(readers[0].pid), anon_kb(readers[1].pid));
	fflush(stdout);
}

/* One list after the other, in a process of its own: a long one is to delay nothing. */
static pid_t fork_lists(const char *twsnoop, uint64_t total_ms, int netns, int home)
{
	uint64_t begun_ns = net__mono_ns(), ms = 0;
	unsigned int lists = 0;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; ms < total_ms && !soak->enough; ms = (net__mono_ns() - begun_ns) / 1000000) {
		if (ms >= (lists + 1) * total_ms / (LISTS + 1))
			take_list(twsnoop, netns, home, ++lists, begun_ns);
		poll(NULL, 0, 100);
	}
	_exit(0);
}

/* Connections for @seconds, with all that happens meanwhile. */
static void churn(const char *twsnoop, unsigned int seconds, const struct program *readers,
		  int netns, int home, struct memory *memory)
{
	uint64_t begun_ns = net__mono_ns(), total_ms = seconds * 1000ULL, ms = 0;
	pid_t lists = fork_lists(twsnoop, total_ms, netns, home);
	pid_t filters = fork_filters(twsnoop, total_ms);

	__atomic_store_n(&soak->go, 1, __ATOMIC_RELEASE);
	for (; ms < total_ms && !soak->fault_line; ms = (net__mono_ns() - begun_ns) / 1000000) {
		stop_and_go(readers[STOPPED].pid, ms, total_ms);
		note_memory(memory, readers, ms, total_ms);
		say_progress(ms, readers);
		poll(NULL, 0, 100);
	}
	kill(readers[STOPPED].pid, SIGCONT);
	__atomic_store_n(&soak->enough, 1, __ATOMIC_RELAXED);
	note_memory(memory, readers, total_ms, total_ms);
	waitpid(lists, NULL, 0);
	waitpid(filters, NULL, 0);
}

static bool settle(int netns, int home)
{
	uint64_t end_ns = net__mono_ns() + SETTLE_MS * 1000000ULL;
	static struct look look;

	while (dump(&look, &look.before, netns, home) == 0 && net__mono_ns() < end_ns) {
		if (!look.others)
			return true;
		poll(NULL, 0, 50);
	}
	return false;
}

static void judge_kernel(pid_t world, uint64_t sum)
{
	struct counters c;

	counters__read(world, &c);
	printf("# the kernel made %lu mini-sockets, and %lu connections were closed; recycled=%lu "
	       "overflow=%lu resets=%lu aborts=%lu\n", c.minis, sum, c.recycled, c.overflow,
	       c.estab_resets, c.abort_on_data + c.abort_on_close + c.abort_on_memory +
	       c.abort_on_timeout);
	if (!c.known || c.minis != sum)
		fail("%lu connections were closed, but the kernel has made %lu mini-sockets", sum,
		     c.minis);
}

static void play(const char *twsnoop, unsigned int seconds, pid_t world)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), netns;
	struct program readers[READERS];
	struct memory memory = { 0 };
	char path[64];

	if (!await_ready(PAIRS) || !start_readers(readers, twsnoop)) {
		fail("it cannot begin: soak.c:%d: %s", soak->fault_line, strerror(soak->fault_errno));
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)world);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	churn(twsnoop, seconds, readers, netns, home, &memory);
	if (!await_ready(PAIRS + 1) || !settle(netns, home))
		fail("connections do not come to an end: soak.c:%d: %s", soak->fault_line,
		     strerror(soak->fault_errno));
	judge_kernel(world, made() - soak->outside);
	for (int i = 0; i < READERS; i++)
		kill(readers[i].pid, SIGINT);
	for (int i = 0; i < READERS; i++)
		if (end_program(&readers[i], "a reader"))
			judge_reader(i, &readers[i], made());
	judge_memory(&memory, made());
	judge_cost(&memory, seconds);
	printf("# came and went: %lu processes with a listener each, %lu cgroups, %lu network namespaces, "
	       "%lu readers with a filter\n", soak->made[PASSERS], soak->cgroups, soak->namespaces,
	       soak->filters);
}

static int run(const char *twsnoop, const char *const args[])
{
	pid_t pid = tracer__fork(twsnoop, args, STDERR_FILENO, STDERR_FILENO);
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

/* In mounts of its own, so that no other recorder is in the way. */
static int attach(const char *twsnoop, const char *size)
{
	const char *const args[] = { "attach", size ? "--size" : NULL, size, NULL };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		return -errno;
	return run(twsnoop, args);
}

/* Where the hierarchy is mounted that containers are told apart by, if cgroups can be made there. */
static void find_hierarchy(const char *twsnoop)
{
	static const char *const args[] = { "check", "--json", NULL };
	static const char *const keys[] = { "\"v1_path\":\"", "\"v2_path\":\"" };
	int out = memfd_create("check", MFD_CLOEXEC), status;
	char text[16384] = "", path[256], *at;
	ssize_t len;

	waitpid(tracer__fork(twsnoop, args, out, STDERR_FILENO), &status, 0);
	len = pread(out, text, sizeof(text) - 1, 0);
	text[len < 0 ? 0 : len] = '\0';
	close(out);
	for (int i = 0; i < 2 && !soak->hierarchy[0]; i++) {
		at = strstr(text, keys[i]);
		if (at)
			sscanf(at + strlen(keys[i]), "%199[^\"]", soak->hierarchy);
	}
	snprintf(path, sizeof(path), "%s/lxc.payload.soak", soak->hierarchy);
	if (mkdir(path, 0755) || rmdir(path))
		soak->hierarchy[0] = '\0';
}

int soak__main(int argc, char **argv)
{
	static const struct option longs[] = { { "twsnoop", required_argument, NULL, 't' },
					       { "seconds", required_argument, NULL, 's' },
					       { "size", required_argument, NULL, 'S' },
					       { NULL, 0, NULL, 0 } };
	static const char *const detach[] = { "detach", NULL };
	const char *twsnoop = "build/twsnoop", *size = NULL;
	unsigned int seconds = 600;
	pid_t world;
	int c;

	while ((c = getopt_long(argc, argv, "t:s:S:", longs, NULL)) >= 0) {
		if (c == '?')
			return 2;
		twsnoop = c == 't' ? optarg : twsnoop;
		size = c == 'S' ? optarg : size;
		seconds = c == 's' ? (unsigned int)strtoul(optarg, NULL, 10) : seconds;
	}
	if (seconds < 10 || seconds > 864000 || optind < argc)
		return 2;
	soak = mmap(NULL, sizeof(*soak), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soak == MAP_FAILED || attach(twsnoop, size)) {
		fputs("soak: no recorder could be attached\n", stderr);
		return 1;
	}
	find_hierarchy(twsnoop);
	world = fork();
	if (!world)
		be_world();
	play(twsnoop, seconds, world);
	kill(world, SIGKILL);
	waitpid(world, NULL, 0);
	if (run(twsnoop, detach))
		fail("twsnoop detach failed");
	printf("%s%d passed, %u failed\n", soak->failed ? "" : "ok soak\n", !soak->failed,
	       soak->failed);
	return soak->failed != 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Churn: pairs of processes open and close connections as fast as they can, half of them
 * closed first by the client and half by the server. Then three lists are compared: what the
 * processes did, what the kernel's table holds, and what twsnoop said.
 */
#define _GNU_SOURCE
#include "recorder.h"
#include "scenarios.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 7000
#define FIRST_PORT 10000
#define CONNS_MAX 55000
#define SETTLE_MS 60000
/* A snapshot may have to wait for its turn, and a guest is slow. Only a failure takes so long. */
#define SNAPSHOT_MS 20000
#define EDGE_US 200000
#define HURRIED 4 /* children of a listener that is closed */
#define SLOW_STEPS 100 /* of a twentieth of a second */

/* An end in TIME_WAIT, so laid out that memcmp() orders it. */
struct key {
	uint8_t family, pad;
	uint16_t lport, rport;
	uint8_t laddr[16], raddr[16];
};

/* What a process did: written by the client's process, in shared memory. */
struct deed {
	struct key key;
	uint8_t server_first;
	pid_t pid;    /* who closed first */
	pid_t client; /* who connected */
	uint64_t before_ns; /* CLOCK_MONOTONIC, before either end closed */
};

/* What somebody says about an end: the kernel's table, or twsnoop. */
struct claim {
	struct key key;
	uint64_t cookie;
	const struct event *ev; /* NULL: from the kernel's table */
};

struct claims {
	struct claim *c;
	size_t n, cap;
	unsigned long others; /* seen, but not TIME_WAIT: not settled yet */
	uint64_t taken_ns;    /* CLOCK_MONOTONIC */
	uint64_t ended_ns;    /* when the tracers had */
};

struct churn_shared {
	uint64_t begun_ns; /* CLOCK_REALTIME */
	pid_t server[64];
	long made;	/* by all, for the one who waits */
	int ready;
	bool servers_close; /* always the server first, not half the time */
	int enough;	    /* the clients are to end */
	int failed;	/* errno of the first fault */
	int fault_line;
	struct deed deeds[];
};

static void key__set(struct key *k, const struct tuple *t)
{
	memset(k, 0, sizeof(*k));
	k->family = t->family == AF_INET ? 4 : 6;
	k->lport = t->lport;
	k->rport = t->rport;
	inet_pton(t->family, t->laddr, k->laddr);
	inet_pton(t->family, t->raddr, k->raddr);
}

static void fault(struct churn_shared *sh, int line)
{
	sh->fault_line = line;
	__atomic_store_n(&sh->failed, errno ? errno : EIO, __ATOMIC_SEQ_CST);
	_exit(1);
}

/* Pair w: IPv4 for even ones, each with its own server address; IPv6 with its own port. */
static socklen_t server_address(int w, struct sockaddr_storage *ss)
{
	socklen_t len = net__loopback(w % 2 ? FAM_V6 : FAM_V4, (uint16_t)(PORT + w), ss);

	if (w % 2 == 0)
		((struct sockaddr_in *)ss)->sin_addr.s_addr = htonl(0x7f010001u + ((uint32_t)w << 8));
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
	key__set(&d->key, &t);
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

static void claims__add(struct claims *cs, const struct tuple *t, uint64_t cookie,
			const struct event *ev)
{
	if (cs->n == cs->cap) {
		cs->cap = cs->cap ? 2 * cs->cap : 4096;
		cs->c = realloc(cs->c, cs->cap * sizeof(*cs->c));
		if (!cs->c)
			abort();
	}
	cs->c[cs->n].cookie = cookie;
	cs->c[cs->n].ev = ev;
	key__set(&cs->c[cs->n++].key, t);
}

static void from_table(const struct diag *d, void *ctx)
{
	struct claims *cs = ctx;

	if (d->mini && d->state == ST_TIME_WAIT)
		claims__add(cs, &d->t, d->cookie, NULL);
	else if (d->state != ST_CLOSE)
		cs->others++;
}

/* Every struct here begins with its key. */
static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct key));
}

static void spawn_servers(struct stage *st, struct churn_shared *sh, int procs)
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

/* The events of the stage's own connections. */
static size_t our_events(const struct stage *st, const struct tracer *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nevents; i++)
		n += t->events[i].t.netns == st->rec->netns;
	return n;
}

static void spawn_clients(struct stage *st, struct churn_shared *sh, const struct churn *how,
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
static bool clients_run(const struct churn *how, pid_t *pids)
{
	bool any = false;

	for (int w = 0; w < how->procs; w++) {
		if (pids[w] > 0 && waitpid(pids[w], NULL, WNOHANG) == pids[w])
			pids[w] = 0;
		any |= pids[w] > 0;
	}
	return any;
}

static void end_clients(struct stage *st, const struct churn_shared *sh, const struct churn *how,
			const pid_t *pids)
{
	for (int w = 0; w < how->procs; w++)
		if (pids[w] > 0)
			kill(pids[w], SIGKILL);
	if (sh->failed)
		stage__fail(st, "churn.c:%d failed: %s", sh->fault_line, strerror(sh->failed));
}

/* The tracers of one churn. */
struct watch {
	const char *twsnoop;
	struct tracer t, second; /* the other one with churn.second */
};

static void start_tracer(struct stage *st, struct tracer *t, const char *twsnoop,
			 const struct churn *how, const struct churn_shared *sh);

static void pump(struct watch *watch)
{
	if (watch->second.pid > 0)
		tracer__pump(&watch->second, 1);
	if (watch->t.pid > 0)
		tracer__pump(&watch->t, 10);
	else
		usleep(1000);
}

static long made_so_far(const struct churn_shared *sh)
{
	return __atomic_load_n(&sh->made, __ATOMIC_RELAXED);
}

/*
 * Lets it go on, at first with hardly any of the processor, as on a machine that is too busy: a
 * snapshot then takes longer than the trace had run before it was stopped.
 */
static void wake_slowly(const struct tracer *t)
{
	for (int i = 0; i < SLOW_STEPS; i++) {
		kill(t->pid, SIGCONT);
		usleep(1000);
		kill(t->pid, SIGSTOP);
		usleep(49000);
	}
	kill(t->pid, SIGCONT);
}

/*
 * For churn.hurried, until it is killed: children that nobody has accepted end with their listener, by
 * the hand of the process that closes that, as if in a softirq. It has real-time priority, and
 * wakes up at any moment: on a real-time kernel while a softirq is in the midst of the same.
 */
static void hurry(struct churn_shared *sh)
{
	const struct sched_param priority = { .sched_priority = 60 };
	unsigned int seed = 1, slower = net__is_emulated() ? 50 : 1; /* it is to leave some time to others */

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

static pid_t start_hurried(struct stage *st, struct churn_shared *sh)
{
	pid_t pid = fork();

	EXPECT(st, pid >= 0);
	if (!pid)
		hurry(sh);
	return pid;
}

/* Runs the clients to their end, the tracers' output being read meanwhile. */
static void run_clients(struct stage *st, struct churn_shared *sh, const struct churn *how,
			struct watch *watch)
{
	struct tracer *stopped = how->second ? &watch->second : &watch->t;
	bool stops = how->stop_reader || how->second;
	long total = how->procs * how->conns, stop_at = stops ? total / 10 : -1;
	pid_t pids[64], hurried = how->hurried ? start_hurried(st, sh) : 0;

	spawn_clients(st, sh, how, pids);
	while (clients_run(how, pids) && !__atomic_load_n(&sh->failed, __ATOMIC_SEQ_CST)) {
		if (stop_at >= 0 && made_so_far(sh) >= stop_at) {
			kill(stopped->pid, SIGSTOP);
			stop_at = -1;
		}
		if (how->late && !watch->t.pid && made_so_far(sh) >= total / 3)
			start_tracer(st, &watch->t, watch->twsnoop, how, sh);
		pump(watch);
	}
	if (hurried) {
		kill(hurried, SIGKILL);
		waitpid(hurried, NULL, 0);
	}
	if (how->second)
		wake_slowly(stopped);
	else if (stops)
		kill(stopped->pid, SIGCONT);
	if (how->late && !watch->t.pid)
		start_tracer(st, &watch->t, watch->twsnoop, how, sh);
	end_clients(st, sh, how, pids);
}

/*
 * Waits until every connection has reached its end, and takes the kernel's list. A dump that
 * runs while sockets change places may miss some: so the one after the first quiet one counts.
 */
static void take_table(struct stage *st, struct tracer *t, struct claims *cs)
{
	uint64_t end = net__mono_ns() + SETTLE_MS * 1000000ULL;
	int quiet = 0;

	do {
		cs->n = 0;
		cs->others = 0;
		EXPECT(st, referee__dump(from_table, cs) == 0);
		cs->taken_ns = net__mono_ns();
		tracer__pump(t, 10);
		EXPECT(st, net__mono_ns() < end);
		quiet = cs->others ? 0 : quiet + 1;
	} while (quiet < 2);
	qsort(cs->c, cs->n, sizeof(*cs->c), by_key);
}

static void take_events(struct stage *st, const struct tracer *t, struct claims *cs)
{
	for (size_t i = 0; i < t->nevents; i++) {
		const struct event *ev = &t->events[i];

		if (ev->t.netns == st->rec->netns && ev->action == ACT_TIME_WAIT)
			claims__add(cs, &ev->t, ev->cookie, ev);
	}
	qsort(cs->c, cs->n, sizeof(*cs->c), by_key);
}

struct faults {
	char example[160]; /* of an end that was reported twice, or wrongly */
	char missed[1024];
	unsigned long unhealed; /* of those missing: were in the table to the end */
	unsigned long missing, twice, nobody, wrong_pid, wrong_side, wrong, foreign, cookies, not_in_table;
};

static bool event_wrong(const struct deed *d, const struct event *ev)
{
	char name[16];

	if (!ev->pid)
		return false;
	snprintf(name, sizeof(name), "ch-%s%d", d->server_first ? "server" : "client",
		 (d->server_first ? d->key.lport : d->key.rport) - PORT);
	/* What was skipped is unknown, which is not wrong. */
	return !(ev->cause & (CAUSE_CLOSE | CAUSE_UNKNOWN)) || strcmp(ev->name, name) != 0;
}

/*
 * The documented limit: if the kernel skips the CLOSE of one socket and then the opening of the
 * next at the same address, that one gets the side of the first.
 */
static bool side_wrong(const struct deed *d, const struct event *ev)
{
	unsigned int side = d->server_first ? SIDE_SERVER : SIDE_CLIENT;

	return ev->pid && !(ev->side & (side | SIDE_UNKNOWN));
}

static void describe(const struct claim *c, unsigned int times, char *out, size_t size)
{
	size_t n = 0;

	for (unsigned int i = 0; i < times && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%scookie %lu pid %d%s", i ? ", " : " (",
				      (unsigned long)c[i].cookie, (int)c[i].ev->pid,
				      c[i].ev->healed ? " by snapshot" : "");
	if (n < size)
		snprintf(out + n, size - n, ")");
}

/* On a slow machine the first ones' minute may be over when the table is taken, or the trace ends. */
static bool may_have_expired(const struct deed *d, uint64_t at_ns)
{
	return at_ns > d->before_ns + 60 * 1000000000ULL;
}

static void compare(const struct deed *deeds, size_t n, const struct claims *table,
		    const struct claims *events, struct faults *ty)
{
	bool cookies = net__kernel_at_least(5, 12);
	size_t e = 0, k = 0;

	for (size_t i = 0; i < n; i++) {
		const struct deed *d = &deeds[i];
		const struct claim *c, *in_table = NULL;
		unsigned int times = 0;

		for (; k < table->n && by_key(&table->c[k], d) < 0; k++)
			ty->foreign++;
		if (k < table->n && by_key(&table->c[k], d) == 0)
			in_table = &table->c[k++];
		ty->not_in_table += !in_table && !may_have_expired(d, table->taken_ns);
		for (; e < events->n && by_key(&events->c[e], d) < 0; e++)
			ty->foreign++;
		for (; e < events->n && by_key(&events->c[e], d) == 0; e++) {
			c = &events->c[e];
			times++;
			ty->nobody += !c->ev->pid;
			ty->wrong_pid += c->ev->pid && c->ev->pid != d->pid;
			if (event_wrong(d, c->ev) && ty->wrong++ == 0)
				snprintf(ty->example, sizeof(ty->example),
					 " (%s of pid %d, side %#x, cause %#x)", c->ev->name,
					 (int)c->ev->pid, c->ev->side, c->ev->cause);
			ty->wrong_side += side_wrong(d, c->ev);
			ty->cookies += cookies && in_table && c->cookie &&
				       c->cookie != in_table->cookie;
		}
		ty->unhealed += !times && in_table && !may_have_expired(d, table->ended_ns);
		if (!times && ty->missing++ < 9)
			snprintf(ty->missed + strlen(ty->missed), sizeof(ty->missed) - strlen(ty->missed), " (port %u, cookie %lu, closed "
				 "at %lu.%06lu by the %s)", d->key.lport,
				 (unsigned long)(in_table ? in_table->cookie : 0),
				 (unsigned long)(d->before_ns / 1000000000),
				 (unsigned long)(d->before_ns / 1000 % 1000000),
				 d->server_first ? "server" : "client");
		ty->twice += times > 1;
		if (times > 1 && !ty->example[0])
			describe(&events->c[e - times], times, ty->example, sizeof(ty->example));
	}
	ty->foreign += table->n - k + events->n - e;
}

static void judge(struct stage *st, const struct churn *how, const struct tracer *t,
		  const struct faults *ty, size_t n)
{
	const struct account *a = &t->account;

	if (how->report)
		printf("# %zu closes: missing=%lu twice=%lu nobody=%lu wrong_pid=%lu wrong=%lu "
		       "cookies=%lu foreign=%lu not_in_table=%lu; delivered=%lu lost=%lu map_full=%lu "
		       "recursion=%lu snapshot=%lu unattributed=%lu\n",
		       n, ty->missing, ty->twice, ty->nobody, ty->wrong_pid, ty->wrong, ty->cookies,
		       ty->foreign, ty->not_in_table, a->delivered, a->lost, a->map_full,
		       a->recursion, a->snapshot, a->unattributed);
	fflush(stdout);
	if (ty->wrong_pid || ty->wrong)
		stage__fail(st, "%lu events name a wrong pid, %lu a wrong name, side or cause%s",
			    ty->wrong_pid, ty->wrong, ty->example);
	/* Two skips for one wrong side. */
	if (ty->wrong_side * 2 > a->recursion)
		stage__fail(st, "%lu sides are wrong, and only %lu calls were skipped",
			    ty->wrong_side, a->recursion);
	if (ty->twice || ty->foreign)
		stage__fail(st, "%lu ends reported twice%s, %lu that nobody made", ty->twice,
			    ty->example, ty->foreign);
	if (ty->cookies)
		stage__fail(st, "%lu cookies are not the kernel's", ty->cookies);
	if (ty->not_in_table)
		stage__fail(st, "%lu ends are not in the kernel's table", ty->not_in_table);
	/*
	 * Whatever is missing has to be confessed; if there was nothing else, exactly that. With a
	 * filter there may have been, for what is lost is lost before anybody knows if it passes.
	 */
	if (ty->missing > a->lost ||
	    (!how->filter && a->delivered + ty->missing == n && a->lost != ty->missing))
		stage__fail(st, "%lu ends missing, but lost=%lu; delivered=%lu map_full=%lu "
			    "recursion=%lu snapshot=%lu; %.600s;%s", ty->missing, a->lost, a->delivered,
			    a->map_full, a->recursion, a->snapshot, t->err, ty->missed);
	/* But for those that a dump of a changing table may miss. */
	if (how->second && ty->unhealed > n / 100)
		stage__fail(st,
			    "%lu of %zu ends missing that were in the kernel's table to the end",
			    ty->unhealed, n);
	if (ty->missing && !how->stop_reader)
		stage__fail(st, "%lu of %zu ends missing though the reader ran", ty->missing, n);
	if (ty->nobody > a->unattributed)
		stage__fail(st, "%lu events name nobody, but unattributed=%lu", ty->nobody,
			    a->unattributed);
}

/* What passes -p is only known of those whose closer is known: no number to wait for. */
static void await_tracer(struct stage *st, struct tracer *t, const struct churn *how,
			 const struct claims *table)
{
	uint64_t end = net__mono_ns() + (how->filter == CHURN_IPV4 ? SNAPSHOT_MS : 8000) * 1000000ULL;

	while (how->filter != CHURN_SERVERS && net__mono_ns() < end &&
	       (t->defer ? t->lines : our_events(st, t)) < table->n && tracer__pump(t, 20))
		;
	/* The kernel's table has them all and -4 lets them pass: no need to wait for the end. */
	if (how->filter == CHURN_IPV4 && our_events(st, t) < table->n)
		stage__fail(st, "%zu of %zu ends are shown while the trace runs",
			    our_events(st, t), table->n);
}

/* The servers' process numbers, as -p wants them. */
static void say_pids(const struct churn_shared *sh, int procs, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int w = 0; w < procs && n < size; w++)
		n += (size_t)snprintf(out + n, size - n, "%s%d", w ? "," : "", (int)sh->server[w]);
}

static void start_tracer(struct stage *st, struct tracer *t, const char *twsnoop,
			 const struct churn *how, const struct churn_shared *sh)
{
	const char *args[10] = { "trace", "--json" };
	char since[32];
	char pids[1024];
	int n = 2;

	if (how->all)
		args[n++] = "--all";
	if (how->lap) {
		args[n++] = "--ring-size";
		args[n++] = "64K";
	}
	if (how->filter == CHURN_IPV4)
		args[n++] = "-4";
	if (how->filter == CHURN_SERVERS) {
		say_pids(sh, how->procs, pids, sizeof(pids));
		args[n++] = "-p";
		args[n++] = pids;
	}
	if (how->late) {
		snprintf(since, sizeof(since), "@%lu.%09lu",
			 (unsigned long)(sh->begun_ns / 1000000000),
			 (unsigned long)(sh->begun_ns % 1000000000));
		args[n++] = "--since";
		args[n++] = since;
	}
	solo__trace(st, t, twsnoop, args);
}

static size_t shared_bytes(const struct churn *how)
{
	return sizeof(struct churn_shared) +
	       (size_t)how->procs * (size_t)how->conns * sizeof(struct deed);
}

/* The servers, and what the network needs; to be ended by end_servers(). */
static struct churn_shared *set_up(struct stage *st, const struct churn *how)
{
	struct churn_shared *sh = mmap(NULL, shared_bytes(how), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT(st, sh != MAP_FAILED && how->procs <= 60);
	EXPECT(st, net__sysctl("tcp_max_tw_buckets", 4000000) == 0);
	/*
	 * On several CPUs the client's ACK may be overtaken by its FIN; TIME_WAIT answers the
	 * late one, the client that is gone answers with a RST, and without this it would kill
	 * a few in 100,000 of the sockets that the table is to be compared with.
	 */
	EXPECT(st, net__sysctl("tcp_rfc1337", 1) == 0);
	EXPECT(st, net__sysctl_text("ip_local_port_range", "10000 65535") == 0);
	sh->servers_close = how->filter == CHURN_SERVERS;
	spawn_servers(st, sh, how->procs);
	return sh;
}

static void end_servers(const struct churn_shared *sh, const struct churn *how)
{
	for (int w = 0; w < how->procs; w++)
		if (sh->server[w] > 0)
			kill(sh->server[w], SIGKILL);
}

/* What one of them has said, against what was done and what the kernel's table had. */
static void judge_tracer(struct stage *st, struct tracer *t, const struct churn *how,
			 const struct churn_shared *sh, const struct claims *table)
{
	size_t n = (size_t)how->procs * (size_t)how->conns;
	struct claims events = { 0 };
	struct faults ty = { 0 };

	take_events(st, t, &events);
	compare(sh->deeds, n, table, &events, &ty);
	judge(st, how, t, &ty, n);
	free(events.c);
}

void churn__run(struct stage *st, const char *twsnoop, const struct churn *how)
{
	size_t n = (size_t)how->procs * (size_t)how->conns;
	struct churn_shared *sh = set_up(st, how);
	struct claims table = { 0 };
	/* Of a few with a filter it is asked meanwhile which are ours. */
	struct watch w = { twsnoop, { .defer = !how->filter }, { .defer = !how->filter } };
	struct churn others = *how;

	others.late = false;
	others.stop_reader = true;
	sh->begun_ns = net__real_ns();
	/* What a kernel from 7.0 on skips at the edge of the time that is asked for is left out: the
	 * timers of sockets are not that exact. */
	if (how->late)
		usleep(EDGE_US);
	if (!how->late)
		start_tracer(st, &w.t, twsnoop, how, sh);
	if (how->second)
		start_tracer(st, &w.second, twsnoop, &others, sh);
	run_clients(st, sh, how, &w);
	take_table(st, &w.t, &table);
	await_tracer(st, &w.t, how, &table);
	solo__ended_well(st, &w.t, tracer__stop(&w.t, SIGINT));
	if (how->second)
		solo__ended_well(st, &w.second, tracer__stop(&w.second, SIGINT));
	table.ended_ns = net__mono_ns();
	end_servers(sh, how);
	qsort(sh->deeds, n, sizeof(sh->deeds[0]), by_key);
	judge_tracer(st, &w.t, how, sh, &table);
	if (how->second)
		judge_tracer(st, &w.second, &others, sh, &table);
	tracer__free(&w.t);
	tracer__free(&w.second);
	free(table.c);
	munmap(sh, shared_bytes(how));
}

/* ---- traces that begin and end while connections are made ---- */

#define EDGE_TRACES 3
#define EDGE_LINES 300 /* of each, at least */

/* What a trace says of a connection that it saw in part has to be right all the same. */
static void check_edge(struct stage *st, const struct churn_shared *sh, size_t n,
		       const struct claim *c)
{
	const struct event *ev = c->ev;
	const struct deed *d = bsearch(c, sh->deeds, n, sizeof(*d), by_key);
	unsigned int side;

	if (!d || !d->pid)
		stage__fail(st, "an end that nobody made");
	side = d->server_first ? SIDE_SERVER : SIDE_CLIENT;
	if (!(ev->side & (side | SIDE_UNKNOWN)))
		stage__fail(st, "the side of the %s that closed first is wrong",
			    d->server_first ? "server" : "client");
	/* Of a server's end it is who listens, which here is who accepts and closes. */
	if (ev->opener && ev->opener != (d->server_first ? d->pid : d->client))
		stage__fail(st, "opener %d of a %s's end, client %d", (int)ev->opener,
			    d->server_first ? "server" : "client", (int)d->client);
	if (ev->pid && ev->pid != d->pid)
		stage__fail(st, "pid %d, but %d closed", (int)ev->pid, (int)d->pid);
}

/* Once each, by the keys' order. */
static void check_edges(struct stage *st, const struct churn_shared *sh, size_t n,
			struct tracer *t)
{
	struct claims events = { 0 };

	take_events(st, t, &events);
	for (size_t i = 0; i < events.n; i++) {
		if (i && by_key(&events.c[i - 1], &events.c[i]) == 0)
			stage__fail(st, "an end reported twice");
		check_edge(st, sh, n, &events.c[i]);
	}
	free(events.c);
}

void churn__edges(struct stage *st, const char *twsnoop, const struct churn *how)
{
	size_t n = (size_t)how->procs * (size_t)how->conns;
	struct tracer traces[EDGE_TRACES];
	struct churn_shared *sh;
	pid_t pids[64];

	/* "Oops: int3" in inet_sk_state_store(), Linux 7.3: most likely the breakpoint by which
	 * the kernel patches the tracepoint, run after it was gone. */
	if (net__is_emulated())
		stage__skip(st, "a guest's kernel has died of it on an emulated processor");
	sh = set_up(st, how);
	spawn_clients(st, sh, how, pids);
	for (int i = 0; i < EDGE_TRACES; i++) {
		struct tracer *t = &traces[i];

		memset(t, 0, sizeof(*t));
		t->defer = true;
		start_tracer(st, t, twsnoop, how, sh);
		while (t->lines < EDGE_LINES && clients_run(how, pids))
			tracer__pump(t, 10);
		solo__ended_well(st, t, tracer__stop(t, SIGINT));
	}
	__atomic_store_n(&sh->enough, 1, __ATOMIC_RELAXED);
	while (clients_run(how, pids) && !__atomic_load_n(&sh->failed, __ATOMIC_SEQ_CST))
		usleep(1000);
	end_clients(st, sh, how, pids);
	end_servers(sh, how);
	qsort(sh->deeds, n, sizeof(sh->deeds[0]), by_key);
	for (int i = 0; i < EDGE_TRACES; i++) {
		check_edges(st, sh, n, &traces[i]);
		tracer__free(&traces[i]);
	}
	munmap(sh, shared_bytes(how));
}

static struct churn asked = { .procs = 4, .conns = 5000, .report = true };

static void run_asked(struct stage *st, const char *twsnoop)
{
	churn__run(st, twsnoop, &asked);
}

int churn__main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "twsnoop", required_argument, NULL, 't' }, { "procs", required_argument, NULL, 'p' },
		{ "conns", required_argument, NULL, 'n' },   { "stop-reader", no_argument, NULL, 's' },
		{ "all", no_argument, NULL, 'a' },	     { "attached", no_argument, NULL, 'A' },
		{ "hurried", no_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	const char *twsnoop = "build/twsnoop";
	bool attached = false;
	char why[512] = "";
	enum verdict v;
	int c;

	while ((c = getopt_long(argc, argv, "t:p:n:sa", longs, NULL)) >= 0) {
		if (c == '?')
			return 2;
		twsnoop = c == 't' ? optarg : twsnoop;
		asked.procs = c == 'p' ? (int)strtol(optarg, NULL, 10) : asked.procs;
		asked.conns = c == 'n' ? strtol(optarg, NULL, 10) : asked.conns;
		asked.stop_reader |= c == 's';
		asked.all |= c == 'a';
		asked.hurried |= c == 'u';
		attached |= c == 'A';
	}
	if (asked.procs < 1 || asked.procs > 60 || asked.conns < 1 || asked.conns > CONNS_MAX ||
	    optind < argc)
		return 2;
	if (attached && (recorder__begin() || recorder__attach(twsnoop, asked.all)))
		return 1;
	v = solo__run(run_asked, twsnoop, why, sizeof(why));
	if (attached)
		recorder__detach(twsnoop);
	printf("%s churn%s%s\n", v == V_DONE ? "ok" : v == V_SKIP ? "skip" : "FAIL",
	       v == V_DONE ? "" : ": ", v == V_DONE ? "" : why);
	printf("%d passed, %d failed, %d skipped\n", v == V_DONE, v == V_FAIL, v == V_SKIP);
	return v == V_FAIL;
}

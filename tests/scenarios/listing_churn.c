// SPDX-License-Identifier: GPL-2.0
/*
 * `twsnoop list` under churn, in several namespaces: compared socket for socket with the kernel's
 * table before and after it, and the owner of each with who it must be.
 */
#define _GNU_SOURCE
#include "listing.h"

#include "listing_solo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORLDS 3
#define PORT 7100	 /* and one more for each family */
#define FIRST_PORT 20000 /* of clients that choose their port */
#define CONNS_MAX 5000	 /* of a world: no tuple may come twice */
#define ENOUGH 100	 /* connections of a world before each list */
#define FAST 400	 /* so many more are made as fast as can be, and then */
#define PAUSE_US 30000	 /* one after each pause: a slow guest would list for long else */
#define ROUNDS 2

struct world {
	uint64_t netns;
	pid_t pid, server, client;
	long made;
	long fast;	/* up to here without pauses */
	int ready;
	int fault; /* a line of this file */
};

struct worlds {
	struct world w[WORLDS];
	int stop;
};

static void fault(struct world *w, int line)
{
	__atomic_store_n(&w->fault, line, __ATOMIC_SEQ_CST);
	_exit(1);
}

/* Half of the connections are closed first by this end: the first byte tells which. */
static void serve_one(struct world *w, int lfd)
{
	int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
	char who = 0, rest;

	if (fd < 0 || recv(fd, &who, 1, 0) != 1 || (who == 'c' && recv(fd, &rest, 1, 0) != 0))
		fault(w, __LINE__);
	close(fd);
}

static void serve(struct world *w)
{
	struct pollfd p[FAM_NR];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "lc-server");
	for (int fam = 0; fam < FAM_NR; fam++) {
		p[fam] = (struct pollfd){ .fd = (int)do_listen(fam, PORT + fam, 0),
					  .events = POLLIN };
		if (p[fam].fd < 0)
			fault(w, __LINE__);
	}
	w->server = getpid();
	__atomic_add_fetch(&w->ready, 1, __ATOMIC_SEQ_CST);
	while (poll(p, FAM_NR, -1) > 0)
		for (int fam = 0; fam < FAM_NR; fam++)
			if (p[fam].revents)
				serve_one(w, p[fam].fd);
	fault(w, __LINE__);
}

/*
 * A fresh address each time, or a fresh port where the family has one address: a tuple that came
 * twice would end the server's TIME_WAIT between two looks at the table.
 */
static int client_socket(enum fam fam, long i)
{
	struct sockaddr_storage ss;
	socklen_t len = net__loopback(fam, fam == FAM_V6 ? (uint16_t)(FIRST_PORT + i / 8) : 0, &ss);
	uint32_t addr = htonl(0x7f400001u + (uint32_t)i);
	int fd = socket(fam == FAM_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fam == FAM_V4)
		((struct sockaddr_in *)&ss)->sin_addr.s_addr = addr;
	else if (fam == FAM_MAPPED)
		memcpy(&((struct sockaddr_in6 *)&ss)->sin6_addr.s6_addr[12], &addr, sizeof(addr));
	setsockopt(fd, fam == FAM_V6 ? SOL_SOCKET : IPPROTO_IP,
		   fam == FAM_V6 ? SO_REUSEADDR : IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (fd >= 0 && bind(fd, (struct sockaddr *)&ss, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void one_connection(struct world *w, long i)
{
	enum fam fam = i % 8 == 7 ? FAM_V6 : i % 8 % 3 == 1 ? FAM_MAPPED : FAM_V4;
	struct sockaddr_storage ss;
	socklen_t len = net__loopback(fam, (uint16_t)(PORT + (int)fam), &ss);
	char who = i / 8 % 2 ? 's' : 'c', rest;
	int fd = client_socket(fam, i);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) ||
	    send(fd, &who, 1, MSG_NOSIGNAL) != 1 || (who == 's' && recv(fd, &rest, 1, 0) != 0))
		fault(w, __LINE__);
	close(fd);
	__atomic_add_fetch(&w->made, 1, __ATOMIC_SEQ_CST);
}

static void be_client(struct worlds *ws, struct world *w)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "lc-client");
	w->client = getpid();
	for (long i = 0; i < CONNS_MAX && !__atomic_load_n(&ws->stop, __ATOMIC_SEQ_CST); i++) {
		one_connection(w, i);
		if (i >= __atomic_load_n(&w->fast, __ATOMIC_SEQ_CST))
			usleep(PAUSE_US);
	}
	_exit(0);
}

/* One world, in a namespace of its own, which it holds until it is killed. */
static void be_world(struct worlds *ws, struct world *w)
{
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (net__new_netns())
		fault(w, __LINE__);
	w->netns = net__netns_inode();
	if (fork() == 0)
		serve(w);
	while (!__atomic_load_n(&w->ready, __ATOMIC_SEQ_CST) && !w->fault)
		usleep(1000);
	pid = fork();
	if (pid == 0)
		be_client(ws, w);
	if (pid < 0)
		fault(w, __LINE__);
	__atomic_add_fetch(&w->ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

/* Waits until each world has made so many connections, or all of its. */
static void await_made(struct stage *st, struct worlds *ws, long more)
{
	uint64_t end = net__mono_ns() + 2 * DEADLINE_MS * 1000000ULL;
	long goal[WORLDS];

	for (int i = 0; i < WORLDS; i++) {
		goal[i] = __atomic_load_n(&ws->w[i].made, __ATOMIC_SEQ_CST) + more;
		goal[i] = goal[i] > CONNS_MAX ? CONNS_MAX : goal[i];
		__atomic_store_n(&ws->w[i].fast, goal[i] + FAST, __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < WORLDS; i++)
		while (__atomic_load_n(&ws->w[i].made, __ATOMIC_SEQ_CST) < goal[i]) {
			if (ws->w[i].fault)
				stage__fail(st, "listing_churn.c:%d failed", ws->w[i].fault);
			if (net__mono_ns() > end)
				stage__fail(st, "world %d made only %ld connections", i,
					    ws->w[i].made);
			usleep(1000);
		}
}

static void look(struct stage *st, const struct worlds *ws, struct minis *ms)
{
	for (int i = 0; i < WORLDS; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)ws->w[i].pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		EXPECT(st, fd >= 0 && minis__add(ms, fd) == 0);
		close(fd);
	}
	minis__sort(ms);
}

static const struct world *world_of(const struct worlds *ws, uint64_t netns)
{
	for (int i = 0; i < WORLDS; i++)
		if (ws->w[i].netns == netns)
			return &ws->w[i];
	return NULL;
}

/* Who is at this end follows from its port. False if it is not he. */
static bool owner_right(const struct world *w, const struct row *row)
{
	bool server = row->ev.t.lport >= PORT && row->ev.t.lport < PORT + FAM_NR;

	return row->ev.pid == (server ? w->server : w->client) &&
	       strcmp(row->ev.name, server ? "lc-server" : "lc-client") == 0 &&
	       row->ev.side & (server ? SIDE_SERVER | SIDE_UNKNOWN : SIDE_CLIENT | SIDE_UNKNOWN) &&
	       row->ev.cause == CAUSE_CLOSE && row->ev.uid == 0 &&
	       (row->command_line[0] || net__faults_on_forked_pages());
}

struct findings {
	unsigned long rows, unseen, wrong, nowhere, unlisted, states;
	unsigned long no_side; /* seen, but not who opened it */
	char example[300];
};

static void note(struct findings *f, const char *what, const struct row *row)
{
	snprintf(f->example, sizeof(f->example),
		 "%s: %s %u - %s %u: pid %d (%s), side %#x, cause %#x, evidence %u, state %u", what,
		 row->ev.t.laddr, row->ev.t.lport, row->ev.t.raddr, row->ev.t.rport, row->ev.pid,
		 row->ev.name, row->ev.side, row->ev.cause, row->evidence, row->state);
}

static bool same_socket(const struct mini *m, const struct row *row)
{
	return m && (!net__kernel_at_least(5, 12) || m->cookie == row->ev.cookie);
}

/* Each row of ours against the tables before and after. */
static void judge_rows(const struct worlds *ws, const struct minis *before,
		       const struct minis *after, const struct rows *rows, struct findings *f)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->r[i];
		const struct world *w = world_of(ws, row->ev.t.netns);
		const struct mini *b, *a;

		if (!w)
			continue;
		f->rows++;
		b = minis__find(before, &row->ev.t);
		a = minis__find(after, &row->ev.t);
		if (!same_socket(b, row) && !same_socket(a, row) && f->nowhere++ == 0)
			note(f, "in no table", row);
		if (same_socket(b, row) && same_socket(a, row) && b->state == a->state &&
		    row->state != a->state && f->states++ == 0)
			note(f, "of another state", row);
		if (row->evidence != EVIDENCE_SEEN) {
			if (f->unseen++ == 0 && !f->example[0])
				note(f, "not seen", row);
		} else if (!owner_right(w, row)) {
			if (f->wrong++ == 0)
				note(f, "wrong", row);
		} else if (row->ev.side == SIDE_UNKNOWN) {
			f->no_side++;
		}
	}
}

/* What was in the table before and after has to be listed. */
static void judge_tables(const struct minis *before, const struct minis *after,
			 const struct rows *rows, struct findings *f)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct mini *b = &before->m[i], *a = minis__find(after, &b->t);

		if (a && a->cookie == b->cookie && !rows__find(rows, &b->t) && f->unlisted++ == 0)
			snprintf(f->example, sizeof(f->example), "not listed: %s %u - %s %u",
				 b->t.laddr, b->t.lport, b->t.raddr, b->t.rport);
	}
}

static void one_round(struct stage *st, const char *twsnoop, const struct worlds *ws, bool churns)
{
	struct minis before = { 0 }, after = { 0 };
	struct findings f = { 0 };
	unsigned long skipped;
	struct rows rows;
	char args[WORLDS][24], why[256];
	const char *more[] = { "--netns", args[0], "--netns", args[1], "--netns", args[2], NULL };

	for (int i = 0; i < WORLDS; i++)
		snprintf(args[i], sizeof(args[i]), "%lu", (unsigned long)ws->w[i].netns);
	look(st, ws, &before);
	if (rows__take(&rows, twsnoop, more, why, sizeof(why)))
		stage__fail(st, "%s", why);
	look(st, ws, &after);
	judge_rows(ws, &before, &after, &rows, &f);
	judge_tables(&before, &after, &rows, &f);
	if (f.rows != rows.n || f.wrong || f.nowhere || f.unlisted || f.states)
		stage__fail(st, "%zu rows, %lu ours, %lu wrong, %lu in no table, %lu not listed, %lu of "
			    "another state; %s", rows.n, f.rows, f.wrong, f.nowhere, f.unlisted,
			    f.states, f.example);
	/* All but what the kernel skipped, which it counts. */
	skipped = solo__recursion(st, twsnoop);
	if (f.unseen + f.no_side > skipped || (rows.missed && !skipped))
		stage__fail(st, "%lu of %lu were not seen, of %lu not the side, missed=%lu "
			    "recursion=%lu; %s", f.unseen, f.rows, f.no_side, rows.missed, skipped,
			    f.example);
	/* Only their minute may end meanwhile, on a slow machine. */
	if (!churns && (rows.n > before.n || rows.n < after.n ||
			(before.n != after.n && !net__is_emulated())))
		stage__fail(st, "all is quiet: %zu and %zu sockets, but %zu rows", before.n, after.n,
			    rows.n);
	rows__free(&rows);
	minis__free(&before);
	minis__free(&after);
}

static void await_clients(struct stage *st, struct worlds *ws)
{
	uint64_t end = net__mono_ns() + 2 * DEADLINE_MS * 1000000ULL;
	struct minis ms;
	bool settled = false;

	__atomic_store_n(&ws->stop, 1, __ATOMIC_SEQ_CST);
	/* Zombies of the worlds' own: they are not waited for. The table tells. */
	while (!settled) {
		size_t fin_wait2 = 0;

		if (net__mono_ns() > end)
			stage__fail(st, "the sockets do not come to rest");
		ms = (struct minis){ 0 };
		look(st, ws, &ms);
		for (size_t i = 0; i < ms.n; i++)
			fin_wait2 += ms.m[i].state == ST_FIN_WAIT2;
		settled = !fin_wait2;
		for (int i = 0; i < WORLDS; i++) {
			long made = __atomic_load_n(&ws->w[i].made, __ATOMIC_SEQ_CST);

			usleep(1000);
			settled &= made == __atomic_load_n(&ws->w[i].made, __ATOMIC_SEQ_CST);
		}
		minis__free(&ms);
	}
}

void listing__churn(struct stage *st, const char *twsnoop)
{
	struct worlds *ws = mmap(NULL, sizeof(*ws), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT(st, ws != MAP_FAILED);
	solo__command(st, twsnoop, "attach", NULL);
	for (int i = 0; i < WORLDS; i++) {
		pid_t pid = fork();

		EXPECT(st, pid >= 0);
		if (pid == 0)
			be_world(ws, &ws->w[i]);
		ws->w[i].pid = pid;
	}
	for (int i = 0; i < ROUNDS; i++) {
		await_made(st, ws, ENOUGH);
		one_round(st, twsnoop, ws, true);
	}
	await_clients(st, ws);
	one_round(st, twsnoop, ws, false);
	for (int i = 0; i < WORLDS; i++) {
		kill(ws->w[i].pid, SIGKILL);
		waitpid(ws->w[i].pid, NULL, 0);
	}
	solo__command(st, twsnoop, "detach", NULL);
	munmap(ws, sizeof(*ws));
}

// SPDX-License-Identifier: GPL-2.0
/* Tests of the list that need ledgers of their own: lives of a tuple, restarts, inference. */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <errno.h>
#include <jansson.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOUND_PORT 20001 /* of the client, where a tuple is to be used again */

/* ---- running twsnoop ---- */

void solo__command(struct stage *st, const char *twsnoop, const char *word,
		   const char *const more[])
{
	struct output o;

	EXPECT(st, listing__command(&o, twsnoop, word, more) == 0);
	if (o.status)
		stage__fail(st, "%s: wait status %#x: %.150s", word, (unsigned int)o.status, o.err);
	output__free(&o);
}

/* The same, but it has to fail with status 1 and say these words. */
static void refused(struct stage *st, const char *twsnoop, const char *const args[],
		    const char *words)
{
	struct output o;

	EXPECT(st, output__run(&o, twsnoop, args) == 0);
	if (!WIFEXITED(o.status) || WEXITSTATUS(o.status) != 1 || !strstr(o.err, words) ||
	    o.out_len)
		stage__fail(st, "%s: wait status %#x: %.150s", args[0], (unsigned int)o.status,
			    o.err);
	output__free(&o);
}

/* `ledger` of `twsnoop check --json`; borrowed from *root. */
static json_t *check(struct stage *st, const char *twsnoop, json_t **root)
{
	static const char *const args[] = { "check", "--json", NULL };
	struct output o;
	json_t *ledger;

	/* What check looks at is the default place; without it, this is not used. */
	EXPECT(st, output__run(&o, twsnoop, args) == 0);
	*root = json_loadb(o.out, o.out_len, 0, NULL);
	ledger = json_object_get(*root, "ledger");
	if (!ledger)
		stage__fail(st, "check: no ledger in %.100s", o.out);
	output__free(&o);
	return ledger;
}

static bool is_default_place(void)
{
	return strcmp(listing__bpffs(), "/sys/fs/bpf") == 0;
}

/* A number of the attached ledger, 0 where it cannot be had. */
static unsigned long ledger_number(struct stage *st, const char *twsnoop, const char *key)
{
	unsigned long number;
	json_t *root;

	if (!is_default_place())
		return 0;
	number = (unsigned long)json_integer_value(
		json_object_get(check(st, twsnoop, &root), key));
	json_decref(root);
	return number;
}

unsigned long solo__recursion(struct stage *st, const char *twsnoop)
{
	return ledger_number(st, twsnoop, "recursion");
}

static void take(struct stage *st, const char *twsnoop, struct rows *rows)
{
	char why[256], netns[24];
	const char *more[] = { "--netns", netns, NULL };

	snprintf(netns, sizeof(netns), "%lu", (unsigned long)st->rec->netns);
	if (rows__take(rows, twsnoop, more, why, sizeof(why)))
		stage__fail(st, "%s", why);
}

/* ---- other watchers of this machine ---- */

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* twsnoop's programs that are loaded, whoever did it. */
static unsigned int watchers(void)
{
	unsigned int found = 0;
	uint32_t id = 0;

	for (;;) {
		struct bpf_prog_info info = { 0 };
		union bpf_attr attr = { .start_id = id };
		int fd;

		if (bpf(BPF_PROG_GET_NEXT_ID, &attr))
			return found;
		id = attr.next_id;
		attr = (union bpf_attr){ .prog_id = id };
		fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		if (fd < 0)
			continue;
		attr = (union bpf_attr){ .info = { .bpf_fd = (uint32_t)fd, .info_len = sizeof(info),
						   .info = (uint64_t)(uintptr_t)&info } };
		if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0)
			found += strcmp(info.name, "tws_state") == 0;
		close(fd);
	}
}

static bool watchers_become(unsigned int n, int deadline_ms)
{
	uint64_t end = net__mono_ns() + (uint64_t)deadline_ms * 1000000ULL;

	while (watchers() != n) {
		if (net__mono_ns() > end)
			return false;
		usleep(10000);
	}
	return true;
}

static bool alone; /* the test needs to be */

static void skip_if_more(struct stage *st, unsigned int n)
{
	if (alone && watchers() > n)
		stage__skip(st, "another twsnoop watches this machine");
}

/* Where nobody else may record anything. */
static void need_nobody(struct stage *st)
{
	alone = true;
	if (!watchers_become(0, 3000))
		skip_if_more(st, 0);
}

/* ---- connections ---- */

struct scene {
	struct stage *st;
	const char *twsnoop;
	struct actor *c, *s, *other;
	long lfd, port;
	struct tuple client; /* of the connection that was opened last, the client's end */
	int cfd, sfd;
	unsigned int ledgers; /* of our own */
};

static struct scene scene(struct stage *st, const char *twsnoop, enum fam fam)
{
	struct scene x = { .st = st, .twsnoop = twsnoop };

	x.s = actor__start(st, "sc-server", 0);
	x.lfd = actor__call(x.s, do_listen, fam, 0, 0);
	EXPECT(st, x.lfd >= 0);
	x.port = actor__call(x.s, do_port, x.lfd, 0, 0);
	x.c = actor__start(st, "sc-client", 0);
	x.other = actor__start(st, "sc-other", 0);
	return x;
}

/* client connects, and server, who has the listening socket, accepts. */
static void open_by(struct scene *x, struct actor *client, struct actor *server, enum fam fam,
		    int bind_port)
{
	struct tuple *t = (struct tuple *)x->st->arena;
	long fd = actor__call(client, do_connect, fam, x->port, bind_port);

	if (fd < 0)
		stage__fail(x->st, "cannot connect: %s", strerror((int)-fd));
	x->cfd = (int)fd;
	EXPECT(x->st, actor__call(client, do_tuple, fd, (long)t, 0) == 0);
	x->client = *t;
	x->sfd = (int)actor__call(server, do_accept, x->lfd, 0, 0);
	EXPECT(x->st, x->sfd >= 0);
}

static void await(struct scene *x, const struct tuple *t, unsigned int mask)
{
	if (referee__await(t, mask, DEADLINE_MS, NULL))
		stage__fail(x->st, "port %u is %s, not %s", t->lport,
			    referee__name(referee__look(t, NULL)), referee__name(mask));
}

/* Both ends are closed, the one first; that one has the TIME_WAIT then. */
static void close_by(struct scene *x, struct actor *first, int fd, struct actor *then, int then_fd,
		     const struct tuple *t)
{
	EXPECT(x->st, actor__call(first, do_close, fd, 0, 0) == 0);
	EXPECT(x->st, actor__call(then, do_recv_eof, then_fd, 0, 0) == 0);
	EXPECT(x->st, actor__call(then, do_close, then_fd, 0, 0) == 0);
	await(x, t, REF_TIME_WAIT);
}

/* As close_by(), but the peer vanishes without a FIN. */
static void close_half(struct scene *x, struct actor *first, int fd, struct actor *then,
		       int then_fd, const struct tuple *t)
{
	struct tuple peer = tuple__flip(t);

	EXPECT(x->st, actor__call(first, do_close, fd, 0, 0) == 0);
	await(x, &peer, REF_STATE(ST_CLOSE_WAIT));
	EXPECT(x->st, actor__call(then, do_sockopt, then_fd, 12 /* TCP_QUICKACK */, 1) == 0);
	await(x, t, REF_FW2_MINI);
	EXPECT(x->st, actor__call(then, do_sockopt, then_fd, 19 /* TCP_REPAIR */, 1) == 0);
	EXPECT(x->st, actor__call(then, do_close, then_fd, 0, 0) == 0);
}

/* ---- what has to be listed ---- */

#define NOT_SEEN (EVIDENCE_INFERRED | EVIDENCE_UNKNOWN)

/* The tuple's row; its evidence is one of these, and its process, if any, this one. */
static void expect_row(struct scene *x, const struct tuple *t, unsigned int evidence,
		       const struct actor *who, unsigned int side)
{
	struct row *row;
	struct rows rows;
	struct diag d;

	EXPECT(x->st, referee__find(t, &d) == 1 && d.mini);
	take(x->st, x->twsnoop, &rows);
	row = rows__find(&rows, t);
	if (!row)
		stage__fail(x->st, "port %u is not listed", t->lport);
	/* Our own ledger, if there is one, does not know of those. */
	if (evidence & NOT_SEEN && row->evidence == EVIDENCE_SEEN)
		skip_if_more(x->st, x->ledgers);
	if (!(row->evidence & evidence))
		stage__fail(x->st, "port %u: evidence %u, not %u; pid %d (%s)", t->lport,
			    row->evidence, evidence, row->ev.pid, row->ev.name);
	if (row->ev.pid && who && row->ev.pid != who->pid)
		stage__fail(x->st, "port %u: pid %d (%s), not %d (%s)", t->lport, row->ev.pid,
			    row->ev.name, who->pid, who->name);
	if (row->ev.pid && (!who || strcmp(row->ev.name, who->name) != 0))
		stage__fail(x->st, "port %u: names %s", t->lport, row->ev.name);
	if (who && !row->ev.pid && row->evidence != EVIDENCE_UNKNOWN)
		stage__fail(x->st, "port %u: no process", t->lport);
	if (!(row->ev.side & side))
		stage__fail(x->st, "port %u: side %#x", t->lport, row->ev.side);
	if (row->state != d.state)
		stage__fail(x->st, "port %u: state %u, not %u", t->lport, row->state, d.state);
	if (net__kernel_at_least(5, 12) && row->ev.cookie != d.cookie)
		stage__fail(x->st, "port %u: not the kernel's cookie", t->lport);
	rows__free(&rows);
}

static void expect_none(struct scene *x, const struct tuple *t)
{
	struct rows rows;

	take(x->st, x->twsnoop, &rows);
	if (rows__find(&rows, t))
		stage__fail(x->st, "port %u is listed still", t->lport);
	rows__free(&rows);
}

/* ---- lives of a tuple ---- */

/* Opened and closed once more, by another process: it is its own. */
static void live_again(struct scene *x, enum fam fam)
{
	open_by(x, x->other, x->s, fam, BOUND_PORT);
	expect_none(x, &x->client);
	close_by(x, x->other, x->cfd, x->s, x->sfd, &x->client);
	expect_row(x, &x->client, EVIDENCE_SEEN, x->other, SIDE_CLIENT);
}

/* A connect() takes the client's TIME_WAIT over. */
static void run_reuse_connect(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);

	EXPECT(st, net__sysctl("tcp_tw_reuse", 1) == 0);
	solo__command(st, twsnoop, "attach", NULL);
	open_by(&x, x.c, x.s, FAM_V4, BOUND_PORT);
	close_by(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	/* tcp_twsk_unique() wants an age over a second; the kernel's clock counts whole ones. */
	usleep(2200000);
	live_again(&x, FAM_V4);
}

/* A SYN takes the server's over; who accepts and closes is another process. */
static void run_reuse_syn(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V6);
	struct actor *worker;
	struct tuple server;

	solo__command(st, twsnoop, "attach", NULL);
	open_by(&x, x.c, x.s, FAM_V6, BOUND_PORT);
	server = tuple__flip(&x.client);
	close_by(&x, x.s, x.sfd, x.c, x.cfd, &server);
	expect_row(&x, &server, EVIDENCE_SEEN, x.s, SIDE_SERVER);
	worker = actor__fork(x.s, "sc-worker");
	open_by(&x, x.other, worker, FAM_V6, BOUND_PORT);
	expect_none(&x, &server);
	close_by(&x, worker, x.sfd, x.other, x.cfd, &server);
	expect_row(&x, &server, EVIDENCE_SEEN, worker, SIDE_SERVER);
	/* And once more with the other end. */
	usleep(1100000);
	open_by(&x, x.c, x.s, FAM_V6, BOUND_PORT);
	expect_none(&x, &server);
	close_by(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	expect_none(&x, &server);
}

/*
 * The same with a trace that records one process alone: of the other's socket nothing is known,
 * and least of all that it is the first one's.
 */
static void run_reuse_filtered(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);
	char pid[24];
	const char *const args[] = { "trace", "--json", "--pid", pid, NULL };
	struct tracer t = { 0 };

	need_nobody(st);
	EXPECT(st, net__sysctl("tcp_tw_reuse", 1) == 0);
	snprintf(pid, sizeof(pid), "%d", (int)x.c->pid);
	solo__trace(st, &t, twsnoop, args);
	x.ledgers = 1;
	open_by(&x, x.c, x.s, FAM_V4, BOUND_PORT);
	close_by(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	usleep(2200000);
	open_by(&x, x.other, x.s, FAM_V4, BOUND_PORT);
	expect_none(&x, &x.client);
	close_by(&x, x.other, x.cfd, x.s, x.sfd, &x.client);
	expect_row(&x, &x.client, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	tracer__stop(&t, SIGINT);
	tracer__free(&t);
}

/* A FIN_WAIT2 mini-socket expires. */
static void run_expired(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V6);

	EXPECT(st, net__sysctl("tcp_fin_timeout", 3) == 0);
	solo__command(st, twsnoop, "attach", NULL);
	open_by(&x, x.c, x.s, FAM_V6, BOUND_PORT);
	close_half(&x, x.c, x.cfd, x.s, x.sfd, &x.client);
	expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	await(&x, &x.client, REF_GONE);
	expect_none(&x, &x.client);
	live_again(&x, FAM_V6);
}

/* A RST kills it. */
static void run_killed(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct tuple peer;

	solo__command(st, twsnoop, "attach", NULL);
	open_by(&x, x.c, x.s, FAM_V4, BOUND_PORT);
	peer = tuple__flip(&x.client);
	EXPECT(st, actor__call(x.c, do_close, x.cfd, 0, 0) == 0);
	await(&x, &peer, REF_STATE(ST_CLOSE_WAIT));
	EXPECT(st, actor__call(x.s, do_sockopt, x.sfd, 12 /* TCP_QUICKACK */, 1) == 0);
	await(&x, &x.client, REF_FW2_MINI);
	expect_row(&x, &x.client, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	EXPECT(st, actor__call(x.s, do_linger, x.sfd, 1, 0) == 0);
	EXPECT(st, actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	await(&x, &x.client, REF_GONE);
	expect_none(&x, &x.client);
	live_again(&x, FAM_V4);
}

/* ---- restarts ---- */

static struct tuple one_close(struct scene *x, struct actor *client, enum fam fam)
{
	open_by(x, client, x->s, fam, 0);
	close_by(x, client, x->cfd, x->s, x->sfd, &x->client);
	return x->client;
}

static void end_actor(struct actor *a)
{
	actor__post(a, do_exit, 0, 0, 0);
	actor__await_end(a);
}

/* The owner has exited; the list is taken several times; the ledger goes, and comes anew. */
static void run_restarts(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct actor gone = { .pid = x.c->pid, .name = "sc-client" };
	struct tuple a, b, c;
	struct rows rows;

	need_nobody(st);
	solo__command(st, twsnoop, "attach", NULL);
	a = one_close(&x, x.c, FAM_V4);
	end_actor(x.c);
	for (int i = 0; i < 3; i++)
		expect_row(&x, &a, EVIDENCE_SEEN, &gone, SIDE_CLIENT);
	solo__command(st, twsnoop, "detach", NULL);
	expect_row(&x, &a, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	b = one_close(&x, x.other, FAM_V4);
	/* A timer is no clock: what entered its state just now may be taken for older. */
	solo__command(st, twsnoop, "attach", NULL);
	x.ledgers = 1;
	expect_row(&x, &a, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	expect_row(&x, &b, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	c = one_close(&x, x.other, FAM_V4);
	expect_row(&x, &c, EVIDENCE_SEEN, x.other, SIDE_CLIENT);
	take(st, twsnoop, &rows);
	if (rows.n != 3 || rows.seen != 1 || rows.missed ||
	    !strstr(rows.err, "owners are known only since"))
		stage__fail(st, "%zu rows, seen=%lu missed=%lu; it said: %.150s", rows.n, rows.seen,
			    rows.missed, rows.err);
	rows__free(&rows);
	solo__command(st, twsnoop, "detach", NULL);
	x.ledgers = 0;
	expect_row(&x, &c, NOT_SEEN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
}

/* ---- a ledger that is too small ---- */

#define SMALL 16384
#define MANY 18000
/* What a slow machine makes: all of it has to be there. Their minute must not be over before. */
#define FEW 2500
#define MANY_NS (5 * 1000000000ULL)
/* Half of it: so far behind the others a CPU may still write into a chunk of its own. */
#define SURE 8000

/* Connections with itself, each with an address of its own. */
static long do_many(long from, long listener, long to)
{
	for (long i = from; i < to; i++) {
		struct sockaddr_storage ss;
		struct sockaddr_in *in = (struct sockaddr_in *)&ss;
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, peer;
		socklen_t len = net__loopback(FAM_V4, 0, &ss);

		in->sin_addr.s_addr = htonl(0x7f400001u + (uint32_t)i);
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len))
			return -errno;
		len = net__loopback(FAM_V4, (uint16_t)(listener >> 16), &ss);
		if (connect(fd, (struct sockaddr *)&ss, len))
			return -errno;
		peer = accept4((int)(listener & 0xffff), NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0)
			return -errno;
		close(fd);
		close(peer);
	}
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->age_ns > y->age_ns) - (x->age_ns < y->age_ns);
}

/* Of so many newest that surely have room, @others closes being those of other processes. */
static size_t surely(size_t n, size_t others)
{
	size_t sure = SURE;

	if (n + others < SMALL / 2)
		return n;
	/* Before 5.12 it is an LRU hash, which is less exact about who goes first. */
	return net__kernel_at_least(5, 12) && others < sure ? sure - others : 0;
}

/* @made connections, and some more rows: where both ends close at once, both are in TIME_WAIT. */
static void judge_small(struct stage *st, struct rows *rows, size_t made, const struct actor *who,
			const char *twsnoop)
{
	size_t written = ledger_number(st, twsnoop, "written");
	size_t others = written > rows->n ? written - rows->n : 0;
	size_t sure = surely(rows->n, others), unseen = 0;

	qsort(rows->r, rows->n, sizeof(*rows->r), by_age);
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->r[i];

		if (row->ev.pid && row->ev.pid != who->pid)
			stage__fail(st, "row %zu is %d's (%s)", i, row->ev.pid, row->ev.name);
		unseen += row->evidence != EVIDENCE_SEEN && i < sure;
	}
	if (unseen > solo__recursion(st, twsnoop))
		stage__fail(st, "%zu of the newest %zu of %zu (and %zu others) were not seen", unseen,
			    sure, rows->n, others);
	if (rows->seen > SMALL || (made == MANY && rows->seen + others < SMALL / 2))
		stage__fail(st, "seen=%lu of %zu", rows->seen, rows->n);
	if (rows->missed != rows->n - rows->seen)
		stage__fail(st, "seen=%lu of %zu, but missed=%lu; it said: %.150s", rows->seen,
			    rows->n, rows->missed, rows->err);
	if (rows->missed && net__kernel_at_least(5, 12) &&
	    !strstr(rows->err, "the ledger is too small"))
		stage__fail(st, "missed=%lu, but it said: %.150s", rows->missed, rows->err);
}

static void make_many(struct scene *x, long from, long to)
{
	long err = actor__call(x->s, do_many, from, x->port << 16 | x->lfd, to);

	if (err)
		stage__fail(x->st, "cannot make so many: %s", strerror((int)-err));
}

static void run_small(struct stage *st, const char *twsnoop)
{
	static const char *const size[] = { "--size", "16384", NULL };
	struct scene x = scene(st, twsnoop, FAM_V4);
	size_t made = FEW;
	struct rows rows;
	uint64_t begin;

	need_nobody(st);
	EXPECT(st, net__sysctl("tcp_max_tw_buckets", 1000000) == 0);
	solo__command(st, twsnoop, "attach", size);
	/* Sockets that enter their state in the ledger's first moments may be older, for all that
	 * their timers tell. */
	usleep(1000000);
	begin = net__mono_ns();
	make_many(&x, 0, FEW);
	if (!net__is_emulated() || (net__mono_ns() - begin) * MANY / FEW < MANY_NS) {
		make_many(&x, FEW, MANY);
		made = MANY;
	}
	take(st, twsnoop, &rows);
	skip_if_more(st, 1);
	judge_small(st, &rows, made, x.s, twsnoop);
	rows__free(&rows);
}

/* ---- inferred ---- */

static long do_reap(long pid, long b, long c)
{
	(void)b, (void)c;
	/* Whoever it was that waited: the kernel has counted it. */
	return waitpid((pid_t)pid, NULL, 0) < 0 && errno != ECHILD ? -errno : 0;
}

/* Does the text form mark the process with a tilde? */
static void expect_tilde(struct scene *x, const char *name)
{
	char netns[24];
	const char *const args[] = { "list", "--netns", netns, NULL };
	struct output o;

	snprintf(netns, sizeof(netns), "%lu", (unsigned long)x->st->rec->netns);
	EXPECT(x->st, output__run(&o, x->twsnoop, args) == 0 && o.status == 0);
	if (!strchr(o.out, '~') || !strstr(o.out, name))
		stage__fail(x->st, "the text has no ~%s: %.150s", name, o.out);
	output__free(&o);
}

/* The one process that listens on the port. */
static void run_inferred_server(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_MAPPED);
	struct tuple server;

	need_nobody(st);
	open_by(&x, x.c, x.s, FAM_MAPPED, 0);
	server = tuple__flip(&x.client);
	close_by(&x, x.s, x.sfd, x.c, x.cfd, &server);
	expect_row(&x, &server, EVIDENCE_INFERRED, x.s, SIDE_SERVER);
	expect_tilde(&x, "sc-server");
	/* Two hold it: it may have been either. */
	actor__fork(x.s, "sc-worker");
	expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
}

/* The one that listens has accepted the connection, and given it to a child that closes it: also
 * when that one has gone nobody is named. */
static void run_handed_on(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct actor *child;
	struct tuple server;

	need_nobody(st);
	open_by(&x, x.c, x.s, FAM_V4, 0);
	server = tuple__flip(&x.client);
	child = actor__fork(x.s, "sc-child");
	EXPECT(st, actor__call(child, do_close, x.lfd, 0, 0) == 0);
	EXPECT(st, actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	close_by(&x, child, x.sfd, x.c, x.cfd, &server);
	expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
	actor__post(child, do_exit, 0, 0, 0);
	actor__await_end(child);
	expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
	EXPECT(st, actor__call(x.s, do_reap, child->pid, 0, 0) == 0);
	expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
}

/* The one that listens gives what it accepts to another process, no child of its own. */
static void run_passed_on(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct tuple server;
	long fd, held;

	need_nobody(st);
	open_by(&x, x.c, x.s, FAM_V4, 0);
	server = tuple__flip(&x.client);
	fd = actor__pass(x.s, x.sfd, x.other);
	EXPECT(st, fd >= 0 && actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	close_by(&x, x.other, (int)fd, x.c, x.cfd, &server);
	open_by(&x, x.c, x.s, FAM_V4, 0);
	held = actor__pass(x.s, x.sfd, x.other);
	EXPECT(st, held >= 0 && actor__call(x.s, do_close, x.sfd, 0, 0) == 0);
	expect_row(&x, &server, EVIDENCE_UNKNOWN, NULL, SIDE_SERVER);
}

/* Who has live connections to the same place. */
static void run_inferred_client(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct tuple closed;
	int fd;

	need_nobody(st);
	closed = one_close(&x, x.c, FAM_V4);
	expect_row(&x, &closed, EVIDENCE_UNKNOWN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	open_by(&x, x.c, x.s, FAM_V4, 0);
	open_by(&x, x.c, x.s, FAM_V4, 0);
	expect_row(&x, &closed, EVIDENCE_INFERRED, x.c, SIDE_CLIENT);
	expect_tilde(&x, "sc-client");
	/* Another's there, too: it may have been either. */
	open_by(&x, x.other, x.s, FAM_V4, 0);
	fd = x.cfd;
	expect_row(&x, &closed, EVIDENCE_UNKNOWN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	/* What is attached now does not know of it either; but of what comes. */
	solo__command(st, twsnoop, "attach", NULL);
	x.ledgers = 1;
	expect_row(&x, &closed, EVIDENCE_UNKNOWN, NULL, SIDE_CLIENT | SIDE_UNKNOWN);
	close_by(&x, x.other, fd, x.s, x.sfd, &x.client);
	expect_row(&x, &x.client, EVIDENCE_SEEN, x.other, SIDE_CLIENT);
	expect_row(&x, &closed, EVIDENCE_INFERRED, x.c, SIDE_CLIENT);
}

/* Open before attach, closed after: seen, whoever opened it. */
static void run_open_before(struct stage *st, const char *twsnoop)
{
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct tuple half, server;
	int cfd, sfd;

	need_nobody(st);
	open_by(&x, x.other, x.s, FAM_V4, 0);
	half = x.client;
	cfd = x.cfd;
	sfd = x.sfd;
	EXPECT(st, actor__call(x.other, do_close, cfd, 0, 0) == 0);
	await(&x, &half, REF_FW2_MINI | REF_STATE(ST_FIN_WAIT2));
	open_by(&x, x.c, x.s, FAM_V4, 0);
	server = tuple__flip(&x.client);
	solo__command(st, twsnoop, "attach", NULL);
	x.ledgers = 1;
	close_by(&x, x.s, x.sfd, x.c, x.cfd, &server);
	expect_row(&x, &server, EVIDENCE_SEEN, x.s, SIDE_SERVER);
	/* The FIN of this one was not seen, though its TIME_WAIT comes now. */
	EXPECT(st, actor__call(x.s, do_close, sfd, 0, 0) == 0);
	await(&x, &half, REF_TIME_WAIT);
	expect_row(&x, &half, NOT_SEEN, x.other, SIDE_CLIENT | SIDE_UNKNOWN);
}

/* ---- attach and detach ---- */

static void run_twice(struct stage *st, const char *twsnoop)
{
	const char *const attach[] = { "attach", "--bpffs", listing__bpffs(), NULL };
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct tuple t;

	solo__command(st, twsnoop, "attach", NULL);
	t = one_close(&x, x.c, FAM_V4);
	refused(st, twsnoop, attach, "already attached since");
	expect_row(&x, &t, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	t = one_close(&x, x.c, FAM_V4);
	expect_row(&x, &t, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	solo__command(st, twsnoop, "detach", NULL);
	solo__command(st, twsnoop, "detach", NULL);
}

/* Starts attach and kills it after so long, or finds that it has ended before. */
static void kill_attach(struct stage *st, const char *twsnoop, uint64_t after_ns)
{
	uint64_t end = net__mono_ns() + after_ns;
	pid_t pid = fork();
	int status;

	EXPECT(st, pid >= 0);
	if (pid == 0) {
		struct output o;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		_exit(listing__command(&o, twsnoop, "attach", NULL) || o.status);
	}
	setpgid(pid, pid);
	while (net__mono_ns() < end && waitpid(pid, &status, WNOHANG) == 0)
		usleep(200);
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static bool state_is_one_of(struct stage *st, const char *twsnoop, const char *words)
{
	const char *state;
	json_t *root;
	bool found;

	if (!is_default_place())
		return true;
	state = json_string_value(json_object_get(check(st, twsnoop, &root), "state"));
	found = state && strstr(words, state);
	json_decref(root);
	return found;
}

/* Whenever it dies, the next attach and detach find their way, and nothing stays. */
static void run_killed_attach(struct stage *st, const char *twsnoop)
{
	unsigned int others = watchers();
	uint64_t begin, whole_ns;

	begin = net__mono_ns();
	solo__command(st, twsnoop, "attach", NULL);
	whole_ns = net__mono_ns() - begin;
	solo__command(st, twsnoop, "detach", NULL);
	srand48(getpid());
	for (int i = 0; i < 5; i++) {
		kill_attach(st, twsnoop, (uint64_t)(drand48() * 1.1 * (double)whole_ns));
		if (!state_is_one_of(st, twsnoop, "none attached interrupted busy"))
			stage__fail(st, "check tells another state after a killed attach");
		if (i % 2) /* Now and then without cleaning up in between. */
			solo__command(st, twsnoop, "detach", NULL);
	}
	solo__command(st, twsnoop, "detach", NULL);
	solo__command(st, twsnoop, "attach", NULL);
	solo__command(st, twsnoop, "detach", NULL);
	EXPECT(st, state_is_one_of(st, twsnoop, "none"));
	/* On a busy machine another's may have come or gone meanwhile. */
	if (others == 0 && !watchers_become(0, DEADLINE_MS))
		stage__fail(st, "%u programs stay loaded", watchers());
}

static void run_no_bpffs(struct stage *st, const char *twsnoop)
{
	static const char *const nowhere[] = { "attach", "--bpffs", "/proc", NULL };
	static const char *const missing[] = { "attach", "--bpffs", "/no/such/folder", NULL };
	static const char *const detach[] = { "detach", "--bpffs", "/proc", NULL };

	refused(st, twsnoop, nowhere, "mount -t bpf bpf /proc");
	refused(st, twsnoop, missing, "no bpffs is mounted");
	refused(st, twsnoop, detach, "no bpffs is mounted");
}

/* As nobody: attach is refused, and list tells what it may. */
static void run_unprivileged(struct stage *st, const char *twsnoop)
{
	const char *const attach[] = { "attach", "--bpffs", listing__bpffs(), NULL };
	const char *const detach[] = { "detach", "--bpffs", listing__bpffs(), NULL };
	struct scene x = scene(st, twsnoop, FAM_V4);
	struct tuple t;
	struct rows rows;
	struct row *row;
	char why[256];

	solo__command(st, twsnoop, "attach", NULL);
	t = one_close(&x, x.c, FAM_V4);
	expect_row(&x, &t, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	EXPECT(st, setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	refused(st, twsnoop, attach, "twsnoop: ");
	refused(st, twsnoop, detach, "run as root");
	if (rows__take(&rows, twsnoop, NULL, why, sizeof(why)))
		stage__fail(st, "%s", why);
	row = rows__find(&rows, &t);
	if (!row || row->evidence == EVIDENCE_SEEN || !strstr(rows.err, "missing CAP_SYS_ADMIN"))
		stage__fail(st, "%s; it said: %.150s", row ? "seen without privilege" : "not listed",
			    rows.err);
	rows__free(&rows);
}

const struct solo solo_listing[] = {
	{ "list/churn", listing__churn },
	{ "list/reused-by-connect", run_reuse_connect },
	{ "list/reused-by-syn", run_reuse_syn },
	{ "list/reused-under-a-filter", run_reuse_filtered },
	{ "list/expired", run_expired },
	{ "list/killed", run_killed },
	{ "list/restarts", run_restarts },
	{ "list/too-small", run_small },
	{ "list/inferred-server", run_inferred_server },
	{ "list/handed-on", run_handed_on },
	{ "list/passed-on", run_passed_on },
	{ "list/inferred-client", run_inferred_client },
	{ "list/open-before", run_open_before },
	{ "list/attach-twice", run_twice },
	{ "list/attach-killed", run_killed_attach },
	{ "list/no-bpffs", run_no_bpffs },
	{ "list/unprivileged", run_unprivileged },
	{ "list/all-states", listing__all_states },
	{ "list/ports-live", listing__ports_live },
	{ "list/ports-bound", listing__ports_bound },
	{ "list/ports-holder", listing__ports_holder },
	{ "list/ports-own", listing__ports_own },
	{ "list/ports-reusable", listing__ports_reusable },
	{ "list/ports-unprivileged", listing__ports_unprivileged },
	{ NULL, NULL },
};

// SPDX-License-Identifier: GPL-2.0
/* What the tests of the list that need ledgers of their own share, and which there are. */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <jansson.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
void solo__refused(struct stage *st, const char *twsnoop, const char *const args[],
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
json_t *solo__check(struct stage *st, const char *twsnoop, json_t **root)
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

bool solo__is_default_place(void)
{
	return strcmp(listing__bpffs(), "/sys/fs/bpf") == 0;
}

/* A number of the attached ledger, 0 where it cannot be had. */
unsigned long solo__ledger_number(struct stage *st, const char *twsnoop, const char *key)
{
	unsigned long number;
	json_t *root;

	if (!solo__is_default_place())
		return 0;
	number = (unsigned long)json_integer_value(
		json_object_get(solo__check(st, twsnoop, &root), key));
	json_decref(root);
	return number;
}

unsigned long solo__recursion(struct stage *st, const char *twsnoop)
{
	return solo__ledger_number(st, twsnoop, "recursion");
}

void solo__take(struct stage *st, const char *twsnoop, struct rows *rows)
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
unsigned int solo__watchers(void)
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
		attr = (union bpf_attr){ .info = { .bpf_fd = (uint32_t)fd,
						   .info_len = sizeof(info),
						   .info = (uint64_t)(uintptr_t)&info } };
		if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0)
			found += strcmp(info.name, "tws_state") == 0;
		close(fd);
	}
}

bool solo__watchers_become(unsigned int n, int deadline_ms)
{
	uint64_t end = net__mono_ns() + (uint64_t)deadline_ms * 1000000ULL;

	while (solo__watchers() != n) {
		if (net__mono_ns() > end)
			return false;
		usleep(10000);
	}
	return true;
}

static bool alone; /* the test needs to be */

void solo__skip_if_more(struct stage *st, unsigned int n)
{
	if (alone && solo__watchers() > n)
		stage__skip(st, "another twsnoop watches this machine");
}

/* Where nobody else may record anything. */
void solo__need_nobody(struct stage *st)
{
	alone = true;
	if (!solo__watchers_become(0, 3000))
		solo__skip_if_more(st, 0);
}

/* ---- connections ---- */

struct scene scene__begin(struct stage *st, const char *twsnoop, enum fam fam)
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
void scene__open(struct scene *x, struct actor *client, struct actor *server, enum fam fam,
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

void scene__await(struct scene *x, const struct tuple *t, unsigned int mask)
{
	if (referee__await(t, mask, DEADLINE_MS, NULL))
		stage__fail(x->st, "port %u is %s, not %s", t->lport,
			    referee__name(referee__look(t, NULL)), referee__name(mask));
}

/* Both ends are closed, the one first; that one has the TIME_WAIT then. */
void scene__close(struct scene *x, struct actor *first, int fd, struct actor *then, int then_fd,
		  const struct tuple *t)
{
	EXPECT(x->st, actor__call(first, do_close, fd, 0, 0) == 0);
	EXPECT(x->st, actor__call(then, do_recv_eof, then_fd, 0, 0) == 0);
	EXPECT(x->st, actor__call(then, do_close, then_fd, 0, 0) == 0);
	scene__await(x, t, REF_TIME_WAIT);
}

/* As scene__close(), but the peer vanishes without a FIN. */
void scene__close_half(struct scene *x, struct actor *first, int fd, struct actor *then,
		       int then_fd, const struct tuple *t)
{
	struct tuple peer = tuple__flip(t);

	EXPECT(x->st, actor__call(first, do_close, fd, 0, 0) == 0);
	scene__await(x, &peer, REF_STATE(ST_CLOSE_WAIT));
	EXPECT(x->st, actor__call(then, do_sockopt, then_fd, 12 /* TCP_QUICKACK */, 1) == 0);
	scene__await(x, t, REF_FW2_MINI);
	EXPECT(x->st, actor__call(then, do_sockopt, then_fd, 19 /* TCP_REPAIR */, 1) == 0);
	EXPECT(x->st, actor__call(then, do_close, then_fd, 0, 0) == 0);
}

/* ---- what has to be listed ---- */

/* The tuple's row; its evidence is one of these, and its process, if any, this one. */
void scene__expect_row(struct scene *x, const struct tuple *t, unsigned int evidence,
		       const struct actor *who, unsigned int side)
{
	struct row *row;
	struct rows rows;
	struct diag d;

	EXPECT(x->st, referee__find(t, &d) == 1 && d.mini);
	solo__take(x->st, x->twsnoop, &rows);
	row = rows__find(&rows, t);
	if (!row)
		stage__fail(x->st, "port %u is not listed", t->lport);
	/* Our own ledger, if there is one, does not know of those. */
	if (evidence & NOT_SEEN && row->evidence == EVIDENCE_SEEN)
		solo__skip_if_more(x->st, x->ledgers);
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

void scene__expect_none(struct scene *x, const struct tuple *t)
{
	struct rows rows;

	solo__take(x->st, x->twsnoop, &rows);
	if (rows__find(&rows, t))
		stage__fail(x->st, "port %u is listed still", t->lport);
	rows__free(&rows);
}

struct tuple scene__one_close(struct scene *x, struct actor *client, enum fam fam)
{
	scene__open(x, client, x->s, fam, 0);
	scene__close(x, client, x->cfd, x->s, x->sfd, &x->client);
	return x->client;
}

/* ---- all of them ---- */

const struct solo solo_listing[] = {
	{ "list/churn", listing__churn },
	{ "list/reused-by-connect", listing__reused_by_connect },
	{ "list/reused-by-syn", listing__reused_by_syn },
	{ "list/reused-under-a-filter", listing__reused_under_a_filter },
	{ "list/expired", listing__expired },
	{ "list/killed", listing__killed },
	{ "list/restarts", listing__restarts },
	{ "list/too-small", listing__too_small },
	{ "list/inferred-server", listing__inferred_server },
	{ "list/handed-on", listing__handed_on },
	{ "list/passed-on", listing__passed_on },
	{ "list/inferred-client", listing__inferred_client },
	{ "list/open-before", listing__open_before },
	{ "list/attach-twice", listing__attach_twice },
	{ "list/attach-killed", listing__attach_killed },
	{ "list/no-bpffs", listing__no_bpffs },
	{ "list/unprivileged", listing__unprivileged },
	{ "list/all-states", listing__all_states },
	{ "list/ports-live", listing__ports_live },
	{ "list/ports-bound", listing__ports_bound },
	{ "list/ports-holder", listing__ports_holder },
	{ "list/ports-own", listing__ports_own },
	{ "list/ports-reusable", listing__ports_reusable },
	{ "list/ports-unprivileged", listing__ports_unprivileged },
	{ NULL, NULL },
};

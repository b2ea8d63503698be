// SPDX-License-Identifier: GPL-2.0
/* Connections that are not opened by connect(), SYN, SYN/ACK, ACK. */
#define _GNU_SOURCE
#include "act.h"
#include "scenarios.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SELF_PORT 20051
#define FIRST_BYTES 10
/* tcp_fastopen: client, server, and both without a cookie. */
#define FAST_OPEN_FOR_ALL (0x1 | 0x2 | 0x4 | 0x200)

static struct tuple self_tuple(enum fam fam)
{
	struct tuple t = { .family = fam == FAM_V6 ? AF_INET6 : AF_INET, .lport = SELF_PORT,
			   .rport = SELF_PORT, .netns = net__netns_inode() };

	strcpy(t.laddr, fam == FAM_V6 ? "::1" : "127.0.0.1");
	strcpy(t.raddr, t.laddr);
	return t;
}

/* A socket that connects to itself: the simultaneous open of RFC 9293, 3.5. */
static void run_self(struct stage *st)
{
	struct actor *a = actor__start(st, "sc-self", 0);
	struct tuple *tuple = (struct tuple *)st->arena;
	struct pair p = { .fam = st->sc->fam, .before_ns = net__mono_ns() };
	long fd = actor__call(a, do_connect, st->sc->fam, SELF_PORT, SELF_PORT);
	struct truth *t;

	EXPECT(st, fd >= 0);
	p.opened_ns = net__mono_ns();
	EXPECT(st, actor__call(a, do_tuple, fd, (long)tuple, 0) == 0);
	p.e[END_C] = (struct end){ .a = a, .fd = (int)fd, .t = *tuple, .side = SIDE_CLIENT,
				   .opener = a->pid };
	t = truth__add(st, &p, END_C, A(TIME_WAIT), a, CAUSE_CLOSE);
	EXPECT(st, actor__call(a, do_close, fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
}

/* The same, up to the SYN: what comes next does not come through the valve. */
static long do_meet(long fam, long port, long valve_ptr)
{
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, (uint16_t)port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	long err = fd < 0 ? -errno : do_valve(fd, valve_ptr, 0);

	if (!err && bind(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	if (!err && connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS)
		err = -errno;
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

/*
 * A simultaneous open whose socket is closed in SYN_RECV, its own SYN not acknowledged
 * yet: it is a client all the same.
 */
static void run_self_early(struct stage *st)
{
	struct valve *valve = (struct valve *)(st->arena + 4096);
	struct tuple *tuple = (struct tuple *)st->arena;
	struct pair p = { .fam = st->sc->fam, .before_ns = net__mono_ns() };
	struct actor *a;
	struct truth *t;
	long fd;

	EXPECT(st, valve__new(valve) == 0);
	a = actor__start(st, "sc-self", 0);
	EXPECT(st, valve__set(valve, SEG_ACK) == 0);
	fd = actor__call(a, do_meet, st->sc->fam, SELF_PORT, (long)valve);
	EXPECT(st, fd >= 0);
	p.opened_ns = net__mono_ns();
	*tuple = self_tuple(st->sc->fam);
	p.e[END_C] = (struct end){ .a = a, .fd = (int)fd, .t = *tuple, .side = SIDE_CLIENT,
				   .opener = a->pid };
	stage__await(st, &p.e[END_C], REF_STATE(ST_SYN_RECV));
	t = truth__add(st, &p, END_C, A(TIME_WAIT), a, CAUSE_CLOSE);
	EXPECT(st, actor__call(a, do_close, fd, 0, 0) == 0);
	EXPECT(st, valve__set(valve, 0) == 0);
	truth__in_time_wait(st, t);
}

/* Opens a connection with its first bytes in the SYN. */
static long do_fast_open(long fam, long port, long bytes)
{
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, (uint16_t)port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char data[FIRST_BYTES] = "";

	if (fd < 0)
		return -errno;
	if (sendto(fd, data, (size_t)bytes, MSG_FASTOPEN, (struct sockaddr *)&ss, len) != bytes) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static void open_fast(struct stage *st, struct pair *p, struct valve *valve, unsigned int lost)
{
	struct tuple *tuple = (struct tuple *)st->arena;
	struct actor *c, *s;
	long lfd, fd;

	stage__sysctl(st, "tcp_fastopen", FAST_OPEN_FOR_ALL);
	EXPECT(st, valve__new(valve) == 0);
	c = actor__start(st, "sc-client", 0);
	s = actor__start(st, "sc-server", 0);
	lfd = actor__call(s, do_listen, st->sc->fam, 0, 0);
	EXPECT(st, lfd >= 0);
	EXPECT(st, actor__call(s, do_sockopt, lfd, TCP_FASTOPEN, 16) == 0);
	/* A child has its listener's valve. */
	EXPECT(st, actor__call(s, do_valve, lfd, (long)valve, 0) == 0);
	EXPECT(st, valve__set(valve, lost) == 0);
	p->fam = st->sc->fam;
	p->before_ns = net__mono_ns();
	fd = actor__call(c, do_fast_open, p->fam, actor__call(s, do_port, lfd, 0, 0), FIRST_BYTES);
	EXPECT(st, fd >= 0);
	EXPECT(st, actor__call(c, do_tuple, fd, (long)tuple, 0) == 0);
	p->e[END_C] = (struct end){ .a = c, .fd = (int)fd, .t = *tuple, .side = SIDE_CLIENT,
				    .opener = c->pid, .sent = FIRST_BYTES };
	fd = actor__call(s, do_accept, lfd, 0, 0);
	EXPECT(st, fd >= 0);
	p->e[END_S] = (struct end){ .a = s, .fd = (int)fd, .t = tuple__flip(tuple),
				    .side = SIDE_SERVER, .opener = s->pid };
	EXPECT(st, actor__call(s, do_recv, fd, FIRST_BYTES, 0) == FIRST_BYTES);
	p->opened_ns = net__mono_ns();
}

static void finish(struct stage *st, struct pair *p, int e, struct truth *t)
{
	struct truth *peer;

	stage__await(st, &p->e[!e], REF_STATE(ST_CLOSE_WAIT));
	peer = truth__add(st, p, !e, A(PASSIVE_CLOSE), p->e[!e].a, CAUSE_CLOSE);
	EXPECT(st, actor__call(p->e[!e].a, do_close, p->e[!e].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

static void run_fast(struct stage *st)
{
	struct valve *valve = (struct valve *)(st->arena + 4096);
	struct pair p = {};
	int e = st->sc->first;
	struct truth *t;

	open_fast(st, &p, valve, 0);
	stage__await(st, &p.e[END_S], REF_STATE(ST_ESTABLISHED));
	t = truth__add(st, &p, e, A(TIME_WAIT), p.e[e].a, CAUSE_CLOSE);
	EXPECT(st, actor__call(p.e[e].a, do_close, p.e[e].fd, 0, 0) == 0);
	finish(st, &p, e, t);
}

/* The server answers and closes before the handshake's last ACK has come. */
static void run_fast_early(struct stage *st)
{
	struct valve *valve = (struct valve *)(st->arena + 4096);
	struct pair p = {};
	struct truth *t;

	open_fast(st, &p, valve, SEG_ACK);
	stage__see(st, &p.e[END_S], REF_STATE(ST_SYN_RECV));
	t = truth__add(st, &p, END_S, A(TIME_WAIT), p.e[END_S].a, CAUSE_CLOSE);
	EXPECT(st, actor__call(p.e[END_S].a, do_close, p.e[END_S].fd, 0, 0) == 0);
	stage__see(st, &p.e[END_S], REF_STATE(ST_FIN_WAIT1));
	EXPECT(st, valve__set(valve, 0) == 0);
	finish(st, &p, END_S, t);
}

struct entry {
	const char *name;
	void (*run)(struct stage *st);
	enum fam fam;
	int first;
};

static const struct entry entries[] = {
	{ "self-connect/v4", run_self, FAM_V4, END_C },
	{ "self-connect/v6", run_self, FAM_V6, END_C },
	{ "self-connect-early/v4", run_self_early, FAM_V4, END_C },
	{ "self-connect-early/v6", run_self_early, FAM_V6, END_C },
	{ "fast-open/client/v4", run_fast, FAM_V4, END_C },
	{ "fast-open/client/v6", run_fast, FAM_V6, END_C },
	{ "fast-open/server/v4", run_fast, FAM_V4, END_S },
	{ "fast-open/server/v6", run_fast, FAM_V6, END_S },
	{ "fast-open-early/v4", run_fast_early, FAM_V4, END_S },
	{ "fast-open-early/v6", run_fast_early, FAM_V6, END_S },
};

void scen_open__add(struct table *table)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		const struct entry *n = &entries[i];
		struct scenario model = { .run = n->run, .fam = n->fam, .first = n->first };

		table__add(table, &model, "%s", n->name);
	}
}

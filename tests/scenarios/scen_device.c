// SPDX-License-Identifier: GPL-2.0
/* The same addresses on two devices: two sockets that live beside each other. */
#define _GNU_SOURCE
#include "scenarios.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNUSED(x) ((void)(x))
#define CLIENT_PORT 20300

/* As do_connect() from CLIENT_PORT, by device @name (NULL: any). */
static long do_connect_by(long fam, long port, long name)
{
	const char *device = (const char *)name;
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, CLIENT_PORT, &ss);
	int fd = socket(fam == FAM_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, err = 0;

	if (fd < 0)
		return -errno;
	if (device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)))
		err = -errno;
	if (!err && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		     bind(fd, (struct sockaddr *)&ss, len)))
		err = -errno;
	len = net__loopback((enum fam)fam, (uint16_t)port, &ss);
	if (!err && connect(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static void connect_by(struct stage *st, struct pair *p, struct actor *c, struct actor *s, long port,
		       const char *device)
{
	struct tuple *t = (struct tuple *)st->arena;
	long fd;

	p->before_ns = net__mono_ns();
	fd = actor__call(c, do_connect_by, st->sc->fam, port, (long)device);
	EXPECT(st, fd >= 0);
	p->e[END_C] = (struct end){ .a = c, .fd = (int)fd, .side = SIDE_CLIENT, .opener = c->pid };
	EXPECT(st, actor__call(c, do_tuple, fd, (long)t, 0) == 0);
	p->e[END_C].t = *t;
	p->e[END_C].t.ifindex = device ? if_nametoindex(device) : 0;
	fd = actor__call(s, do_accept, p->lfd, 0, 0);
	EXPECT(st, fd >= 0);
	p->opened_ns = net__mono_ns();
	p->e[END_S] = (struct end){ .a = s, .fd = (int)fd, .side = SIDE_SERVER, .opener = s->pid };
	p->e[END_S].t = tuple__flip(&p->e[END_C].t);
	p->e[END_S].t.ifindex = 0;
}

/* @first closes first; the truths of both ends into *t and *peer. */
static void close_both(struct stage *st, struct pair *p, int first, struct truth **t,
		       struct truth **peer)
{
	struct end *a = &p->e[first], *b = &p->e[!first];

	*t = truth__add(st, p, first, A(TIME_WAIT), a->a, CAUSE_CLOSE);
	EXPECT(st, actor__call(a->a, do_close, a->fd, 0, 0) == 0);
	EXPECT(st, actor__call(b->a, do_recv_eof, b->fd, 0, 0) == 0);
	*peer = truth__add(st, p, !first, A(PASSIVE_CLOSE), b->a, CAUSE_CLOSE);
	EXPECT(st, actor__call(b->a, do_close, b->fd, 0, 0) == 0);
}

/* A socket that is bound to a device is in TIME_WAIT; one that is not takes its addresses. */
static void run_two_devices(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-server", 0);
	struct truth *first, *second, *peer;
	struct pair p = { .fam = st->sc->fam };
	long port;

	p.lfd = (int)actor__call(s, do_listen, st->sc->fam, 0, 0);
	EXPECT(st, p.lfd >= 0);
	port = actor__call(s, do_port, p.lfd, 0, 0);
	connect_by(st, &p, c, s, port, "lo");
	close_both(st, &p, END_C, &first, &peer);
	snprintf(first->ifname, sizeof(first->ifname), "lo");
	first->ends = END_EXPIRED | END_PURGED | END_UNKNOWN; /* it lives on */
	truth__in_time_wait(st, first);

	connect_by(st, &p, c, s, port, NULL);
	close_both(st, &p, END_S, &second, &peer);
	truth__in_time_wait(st, second);
	EXPECT(st, referee__await(&first->t, REF_TIME_WAIT, DEADLINE_MS, NULL) == 0);
}

#define FE80 "fe80::5"

/* Not to be bound to yet (IFA_F_TENTATIVE): for a moment, also on lo. */
static bool is_tentative(void)
{
	FILE *f = fopen("/proc/net/if_inet6", "re");
	bool ready = false;
	unsigned int flags;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "fe80%*s %*x %*x %*x %x", &flags) == 1)
			ready = !(flags & 0x40);
	if (f)
		fclose(f);
	return !ready;
}

static int add_link_local(void)
{
	struct {
		struct in6_addr addr;
		uint32_t prefixlen;
		int ifindex;
	} req = { .prefixlen = 64, .ifindex = (int)if_nametoindex("lo") };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	inet_pton(AF_INET6, FE80, &req.addr);
	if (ioctl(fd, SIOCSIFADDR, &req))
		err = -errno;
	close(fd);
	for (uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL; !err && is_tentative();
	     usleep(1000))
		err = net__mono_ns() > end ? -ETIMEDOUT : 0;
	return err;
}

static void link_local(struct sockaddr_in6 *in6, uint16_t port)
{
	memset(in6, 0, sizeof(*in6));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_scope_id = if_nametoindex("lo");
	inet_pton(AF_INET6, FE80, &in6->sin6_addr);
}

static long do_listen_link_local(long port, long b, long c)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6;

	UNUSED(b), UNUSED(c);
	link_local(&in6, (uint16_t)port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in6, sizeof(in6)) || listen(fd, 8))
		return -errno;
	return fd;
}

static long do_connect_link_local(long port, long b, long c)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6;

	UNUSED(b), UNUSED(c);
	link_local(&in6, (uint16_t)port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&in6, sizeof(in6)))
		return -errno;
	return fd;
}

/* Both ends have a scope, which is the device's. */
static void run_link_local(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-server", 0);
	struct tuple *tuple = (struct tuple *)st->arena;
	struct pair p = { .fam = FAM_V6 };
	struct truth *t, *peer;
	long fd;

	if (add_link_local())
		stage__skip(st, "lo takes no link-local address");
	p.lfd = (int)actor__call(s, do_listen_link_local, 20310, 0, 0);
	EXPECT(st, p.lfd >= 0);
	fd = actor__call(c, do_connect_link_local, 20310, 0, 0);
	EXPECT(st, fd >= 0);
	p.e[END_C] = (struct end){ .a = c, .fd = (int)fd, .side = SIDE_CLIENT, .opener = c->pid };
	EXPECT(st, actor__call(c, do_tuple, fd, (long)tuple, 0) == 0);
	p.e[END_C].t = *tuple;
	p.e[END_C].t.ifindex = if_nametoindex("lo");
	fd = actor__call(s, do_accept, p.lfd, 0, 0);
	EXPECT(st, fd >= 0);
	p.opened_ns = net__mono_ns();
	p.e[END_S] = (struct end){ .a = s, .fd = (int)fd, .side = SIDE_SERVER, .opener = s->pid };
	p.e[END_S].t = tuple__flip(&p.e[END_C].t);
	close_both(st, &p, st->sc->first, &t, &peer);
	truth__in_time_wait(st, t);
	snprintf(t->ifname, sizeof(t->ifname), "lo");
	snprintf(peer->ifname, sizeof(peer->ifname), "lo");
}

/* The kernel side goes by the device too. lo has this number everywhere. */
static void run_filter(struct stage *st, const char *twsnoop)
{
	static const char *const args[] = { "trace", "--json", "--local", "127.0.0.1%1", NULL };
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-server", 0);
	struct pair p = { .fam = FAM_V4 };
	struct truth *t, *peer;
	struct tracer tracer = { 0 };
	long port;

	solo__trace(st, &tracer, twsnoop, args);
	p.lfd = (int)actor__call(s, do_listen, FAM_V4, 0, 0);
	EXPECT(st, p.lfd >= 0);
	port = actor__call(s, do_port, p.lfd, 0, 0);
	for (int bound = 1; bound >= 0; bound--) {
		connect_by(st, &p, c, s, port, bound ? "lo" : NULL);
		close_both(st, &p, bound ? END_C : END_S, &t, &peer);
		truth__in_time_wait(st, t);
		/* Only what is bound is shown, and what closed first. */
		peer->once = 0;
		if (bound)
			snprintf(t->ifname, sizeof(t->ifname), "lo");
		else
			t->once = t->maybe = 0;
	}
	solo__stop_and_judge(st, &tracer, SIGINT);
}

const struct solo solo_device[] = { { "filter-device", run_filter }, { NULL, NULL } };

void scen_device__add(struct table *table)
{
	static const enum fam fams[] = { FAM_V4, FAM_V6 };

	for (int i = 0; i < 2; i++) {
		const struct scenario two = { .run = run_two_devices, .fam = fams[i] };
		const struct scenario scope = { .run = run_link_local, .fam = FAM_V6,
						.first = i ? END_S : END_C };

		table__add(table, &two, "two-devices/%s", fam_names[fams[i]]);
		table__add(table, &scope, "link-local/%s", i ? "server" : "client");
	}
}

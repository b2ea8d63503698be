// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "stage.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNUSED(x) ((void)(x))
/* How long a send queue has to be full before it counts as that: acknowledgements are faster. */
#define FULL_MS 20

static int domain(long fam)
{
	return fam == FAM_V4 ? AF_INET : AF_INET6;
}

long do_listen(long fam, long port, long backlog)
{
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, (uint16_t)port, &ss);
	int one = 1, fd = socket(domain(fam), SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&ss, len) || listen(fd, backlog ? (int)backlog : 64)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

long do_port(long fd, long b, long c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	UNUSED(b), UNUSED(c);
	if (getsockname((int)fd, (struct sockaddr *)&ss, &len))
		return -errno;
	if (ss.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
}

long do_connect(long fam, long port, long bind_port)
{
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, (uint16_t)bind_port, &ss);
	int one = 1, err = 0, fd = socket(domain(fam), SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind_port && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
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

long do_accept(long lfd, long b, long c)
{
	int fd = accept4((int)lfd, NULL, NULL, SOCK_CLOEXEC);

	UNUSED(b), UNUSED(c);
	return fd < 0 ? -errno : fd;
}

long do_tuple(long fd, long tuple_ptr, long c)
{
	UNUSED(c);
	return tuple__from_fd((int)fd, (struct tuple *)tuple_ptr);
}

long do_send(long fd, long bytes, long c)
{
	static const char block[65536];

	UNUSED(c);
	for (long left = bytes; left > 0;) {
		size_t n = left < (long)sizeof(block) ? (size_t)left : sizeof(block);
		ssize_t done = send((int)fd, block, n, MSG_NOSIGNAL);

		if (done < 0)
			return -errno;
		left -= done;
	}
	return bytes;
}

long do_fill(long fd, long b, long c)
{
	static const char block[65536];
	struct pollfd p = { .fd = (int)fd, .events = POLLOUT };
	long total = 0;

	UNUSED(b), UNUSED(c);
	for (;;) {
		ssize_t n = send((int)fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
		int waiting = 0;

		if (n > 0) {
			total += n;
			continue;
		}
		if (errno != EAGAIN || ioctl((int)fd, SIOCOUTQNSD, &waiting))
			return -errno;
		/* The queue may only be full because an acknowledgement is on its way. */
		if (!poll(&p, 1, FULL_MS) && waiting)
			return total;
	}
}

long do_recv(long fd, long bytes, long c)
{
	char block[65536];

	UNUSED(c);
	for (long left = bytes; left > 0;) {
		size_t n = left < (long)sizeof(block) ? (size_t)left : sizeof(block);
		ssize_t done = recv((int)fd, block, n, 0);

		if (done < 0)
			return -errno;
		if (done == 0)
			return bytes - left;
		left -= done;
	}
	return bytes;
}

long do_recv_eof(long fd, long b, long c)
{
	char block[4096];
	long total = 0;

	UNUSED(b), UNUSED(c);
	for (;;) {
		ssize_t n = recv((int)fd, block, sizeof(block), 0);

		if (n < 0)
			return -errno;
		if (n == 0)
			return total;
		total += n;
	}
}

long do_close(long fd, long b, long c)
{
	UNUSED(b), UNUSED(c);
	return close((int)fd) ? -errno : 0;
}

long do_shutdown(long fd, long how, long c)
{
	UNUSED(c);
	return shutdown((int)fd, (int)how) ? -errno : 0;
}

long do_exit(long code, long b, long c)
{
	UNUSED(b), UNUSED(c);
	_exit((int)code);
}

long do_sockopt(long fd, long name, long value)
{
	int v = (int)value;

	return setsockopt((int)fd, IPPROTO_TCP, (int)name, &v, sizeof(v)) ? -errno : 0;
}

long do_linger(long fd, long onoff, long seconds)
{
	struct linger l = { .l_onoff = (int)onoff, .l_linger = (int)seconds };

	return setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) ? -errno : 0;
}

long do_valve(long fd, long valve_ptr, long c)
{
	UNUSED(c);
	return valve__attach((const struct valve *)valve_ptr, (int)fd);
}

/* Waits for the socket's error (a reset, a timeout); returns it, 0 at the deadline. */
long do_await_err(long fd, long b, long c)
{
	struct pollfd p = { .fd = (int)fd };
	socklen_t len = sizeof(int);
	int err = 0;

	UNUSED(b), UNUSED(c);
	if (poll(&p, 1, DEADLINE_MS) > 0)
		getsockopt((int)fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

void pair__connect(struct stage *st, struct pair *p, struct actor *c, struct actor *s,
		   enum fam fam, int bind_port)
{
	/* A mapped client reaches a listener on ::, so that both ends are AF_INET6. */
	long lfd = actor__call(s, do_listen, fam, 0, 0), port, fd;
	struct tuple *t = (struct tuple *)st->arena;

	EXPECT(st, lfd >= 0);
	memset(p, 0, sizeof(*p));
	p->fam = fam;
	p->lfd = (int)lfd;
	port = actor__call(s, do_port, lfd, 0, 0);
	p->before_ns = net__mono_ns();
	fd = actor__call(c, do_connect, fam, port, bind_port);
	EXPECT(st, fd >= 0);
	p->e[END_C] = (struct end){ .a = c, .fd = (int)fd, .side = SIDE_CLIENT, .opener = c->pid };
	EXPECT(st, actor__call(c, do_tuple, fd, (long)t, 0) == 0);
	p->e[END_C].t = *t;
	fd = actor__call(s, do_accept, lfd, 0, 0);
	EXPECT(st, fd >= 0);
	p->opened_ns = net__mono_ns();
	p->e[END_S] = (struct end){ .a = s, .fd = (int)fd, .side = SIDE_SERVER, .opener = s->pid };
	p->e[END_S].t = tuple__flip(&p->e[END_C].t);
}

void pair__talk(struct pair *p)
{
	struct end *c = &p->e[END_C], *s = &p->e[END_S];
	struct stage *st = c->a->st;

	EXPECT(st, actor__call(c->a, do_send, c->fd, PAIR_TX, 0) == PAIR_TX);
	EXPECT(st, actor__call(s->a, do_recv, s->fd, PAIR_TX, 0) == PAIR_TX);
	EXPECT(st, actor__call(s->a, do_send, s->fd, PAIR_RX, 0) == PAIR_RX);
	EXPECT(st, actor__call(c->a, do_recv, c->fd, PAIR_RX, 0) == PAIR_RX);
	c->sent += PAIR_TX;
	s->sent += PAIR_RX;
}

void pair__open(struct stage *st, struct pair *p, struct actor *c, struct actor *s, enum fam fam)
{
	pair__connect(st, p, c, s, fam, 0);
	pair__talk(p);
}

void stage__await(struct stage *st, const struct end *e, unsigned int mask)
{
	if (referee__await(&e->t, mask, DEADLINE_MS, NULL))
		stage__fail(st, "port %u is %s in the kernel's table, not %s", e->t.lport,
			    referee__name(referee__look(&e->t, NULL)), referee__name(mask));
}

void stage__ack_fin(struct stage *st, const struct end *e)
{
	/* On a slow machine the timer may be faster, and a RST the answer to its ACK. */
	stage__await(st, e, REF_STATE(ST_CLOSE_WAIT) | REF_GONE);
	EXPECT(st, actor__call(e->a, do_sockopt, e->fd, TCP_QUICKACK, 1) == 0);
}

void stage__see(struct stage *st, const struct end *e, unsigned int mask)
{
	unsigned int now = referee__look(&e->t, NULL);

	if (!(now & mask))
		stage__fail(st, "port %u is %s in the kernel's table, not %s", e->t.lport,
			    referee__name(now), referee__name(mask));
}

struct truth *truth__add(struct stage *st, struct pair *p, int end, unsigned int once,
			 const struct actor *who, unsigned int causes)
{
	struct end *e = &p->e[end];
	struct truth *t;

	EXPECT(st, st->rec->ntruths < TRUTHS_MAX);
	t = &st->rec->truths[st->rec->ntruths++];
	memset(t, 0, sizeof(*t));
	snprintf(t->label, sizeof(t->label), "%s", end == END_C ? "client" : "server");
	t->t = e->t;
	t->once = once;
	if (once & A(TIME_WAIT))
		t->maybe = A(FIN_WAIT2) | A(TIME_WAIT_END);
	t->uid = -1;
	if (who) {
		t->pid = who->pid;
		t->tid = who->pid;
		t->uid = 0;
		memcpy(t->name, who->name, sizeof(t->name));
		memcpy(t->tname, who->name, sizeof(t->tname));
		t->who_on = A(TIME_WAIT) | A(FIN_WAIT2) | A(PASSIVE_CLOSE);
	}
	t->causes = causes;
	t->sides = e->side;
	t->opener = e->opener;
	t->tx_bytes = e->sent;
	t->rx_bytes = p->e[!end].sent;
	t->life_min_ns = net__mono_ns() - p->opened_ns;
	return t;
}

void truth__in_time_wait(struct stage *st, struct truth *t)
{
	struct diag d = { 0 };

	if (referee__await(&t->t, REF_TIME_WAIT, DEADLINE_MS, &d))
		stage__fail(st, "%s: %s in the kernel's table, not TIME_WAIT", t->label,
			    referee__name(referee__look(&t->t, NULL)));
	if (!d.mini)
		stage__fail(st, "%s: TIME_WAIT, but no mini-socket", t->label);
	if (net__kernel_at_least(5, 12))
		t->cookie = d.cookie;
}

void truth__gone(struct stage *st, struct truth *t)
{
	if (referee__await(&t->t, REF_GONE, DEADLINE_MS, NULL))
		stage__fail(st, "%s: %s in the kernel's table, not gone", t->label,
			    referee__name(referee__look(&t->t, NULL)));
}

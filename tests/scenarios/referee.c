// SPDX-License-Identifier: GPL-2.0
#include "referee.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#ifndef SOCK_DESTROY
#define SOCK_DESTROY 21
#endif

struct request {
	struct nlmsghdr nlh;
	struct inet_diag_req_v2 req;
};

static void read_msg(const struct inet_diag_msg *m, struct diag *d)
{
	memset(d, 0, sizeof(*d));
	d->t.family = net__addr_text(m->idiag_family, m->id.idiag_src, d->t.laddr);
	net__addr_text(m->idiag_family, m->id.idiag_dst, d->t.raddr);
	d->t.lport = ntohs(m->id.idiag_sport);
	d->t.rport = ntohs(m->id.idiag_dport);
	d->state = m->idiag_state;
	d->mini = m->idiag_timer == 3;
	d->expires_ms = m->idiag_expires;
	d->cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
	d->family = m->idiag_family;
}

/* 1 more to come, 0 done, -errno. */
static int read_batch(const char *buf, ssize_t len, referee_fn fn, void *ctx)
{
	const struct nlmsghdr *nlh = (const void *)buf;
	struct diag d;

	for (; NLMSG_OK(nlh, (size_t)len); nlh = NLMSG_NEXT(nlh, len)) {
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(nlh))->error;
		read_msg(NLMSG_DATA(nlh), &d);
		fn(&d, ctx);
	}
	return 1;
}

static int dump_family(int fd, uint8_t family, referee_fn fn, void *ctx)
{
	struct request r = {
		.nlh = { .nlmsg_len = sizeof(r), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = ~(1u << ST_LISTEN) },
	};
	static char buf[65536];
	int ret;

	if (send(fd, &r, sizeof(r), 0) != sizeof(r))
		return -errno;
	do {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);

		if (len < 0)
			return -errno;
		ret = read_batch(buf, len, fn, ctx);
	} while (ret > 0);
	return ret;
}

int referee__dump(referee_fn fn, void *ctx)
{
	int fd, err;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	err = dump_family(fd, AF_INET, fn, ctx);
	if (!err)
		err = dump_family(fd, AF_INET6, fn, ctx);
	close(fd);
	return err;
}

/* Asks about one socket and reads the answer into buf. Returns its length or -errno. */
static ssize_t ask(const struct request *r, char *buf, size_t size)
{
	ssize_t len = -1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	if (send(fd, r, sizeof(*r), 0) == sizeof(*r))
		len = recv(fd, buf, size, 0);
	if (len < 0)
		len = -errno;
	close(fd);
	return len;
}

/* A request for exactly this end: much cheaper than a dump of the whole table. */
static struct request exact(const struct tuple *t)
{
	struct request r = {
		.nlh = { .nlmsg_len = sizeof(r), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.req = { .sdiag_family = (uint8_t)t->family, .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = ~0u },
	};

	r.req.id.idiag_if = t->ifindex;
	r.req.id.idiag_sport = htons(t->lport);
	r.req.id.idiag_dport = htons(t->rport);
	inet_pton(t->family, t->laddr, r.req.id.idiag_src);
	inet_pton(t->family, t->raddr, r.req.id.idiag_dst);
	r.req.id.idiag_cookie[0] = r.req.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return r;
}

int referee__find(const struct tuple *t, struct diag *out)
{
	struct request r = exact(t);
	struct nlmsghdr *nlh;
	struct diag d;
	char buf[8192];
	ssize_t len = ask(&r, buf, sizeof(buf));

	nlh = (struct nlmsghdr *)buf;
	if (len < 0 || !NLMSG_OK(nlh, (size_t)len))
		return len < 0 ? (int)len : -EBADMSG;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		int err = ((struct nlmsgerr *)NLMSG_DATA(nlh))->error;

		return err == -ENOENT ? 0 : err;
	}
	read_msg(NLMSG_DATA(nlh), &d);
	/* Where there is no such connection, the kernel answers with the listener. */
	if (!tuple__equal(&d.t, t))
		return 0;
	if (out)
		*out = d;
	return 1;
}

unsigned int referee__look(const struct tuple *t, struct diag *out)
{
	struct diag d;
	int ret = referee__find(t, &d);

	if (ret <= 0)
		return ret ? 0 : REF_GONE;
	if (out)
		*out = d;
	if (d.mini && d.state == ST_FIN_WAIT2)
		return REF_FW2_MINI;
	return REF_STATE(d.state);
}

int referee__await(const struct tuple *t, unsigned int mask, int deadline_ms, struct diag *out)
{
	uint64_t end = net__mono_ns() + (uint64_t)deadline_ms * 1000000ULL;

	for (int pause_ms = 1; !(referee__look(t, out) & mask); pause_ms += pause_ms < 10) {
		if (net__mono_ns() > end)
			return -ETIMEDOUT;
		poll(NULL, 0, pause_ms);
	}
	return 0;
}

int referee__destroy(const struct tuple *t)
{
	struct request r = exact(t);
	struct nlmsghdr *nlh;
	char buf[8192];
	ssize_t len;

	r.nlh.nlmsg_type = SOCK_DESTROY;
	len = ask(&r, buf, sizeof(buf));
	nlh = (struct nlmsghdr *)buf;
	if (len < 0 || !NLMSG_OK(nlh, (size_t)len))
		return len < 0 ? (int)len : -EBADMSG;
	return nlh->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(nlh))->error : 0;
}

const char *referee__name(unsigned int mask)
{
	static const char *const names[] = {
		"?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
		"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
	};

	if (mask & REF_FW2_MINI)
		return "FIN_WAIT2 mini-socket";
	if (mask & REF_GONE)
		return "gone";
	for (unsigned int i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (mask & (1u << i))
			return names[i];
	return "error";
}

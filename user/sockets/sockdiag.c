// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "sockets/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/netns.h"

/*
 * The kernel makes a dump's datagrams as large as the largest buffer it has
 * seen offered, up to 32 KiB (netlink_recvmsg()). Twice that never truncates.
 */
#define RECEIVE_BYTES (64 * 1024)

/* inet_twsk_diag_fill() gives this timer to mini-sockets, and nobody else */
#define TIMER_TIMEWAIT 3

/* ---- decoding ---- */

static bool is_v4_mapped(const void *local, const void *peer)
{
	struct in6_addr src, dst;

	memcpy(&src, local, sizeof(src));
	memcpy(&dst, peer, sizeof(dst));
	/* a listener bound to a v4-mapped address has no peer: :: */
	return IN6_IS_ADDR_V4MAPPED(&src) &&
	       (IN6_IS_ADDR_V4MAPPED(&dst) || IN6_IS_ADDR_UNSPECIFIED(&dst));
}

void sockdiag__set_addresses(struct sockdiag_socket *sk, uint8_t family, const void *local,
			     const void *peer)
{
	size_t offset = 0, len = 16;

	sk->family = family;
	if (family == AF_INET) {
		len = 4;
	} else if (is_v4_mapped(local, peer)) {
		sk->family = AF_INET;
		offset = 12;
		len = 4;
	}
	memset(sk->local_addr, 0, sizeof(sk->local_addr));
	memset(sk->peer_addr, 0, sizeof(sk->peer_addr));
	memcpy(sk->local_addr, (const char *)local + offset, len);
	memcpy(sk->peer_addr, (const char *)peer + offset, len);
}

struct tws_key sockdiag__key(const struct sockdiag_socket *sk, uint32_t netns)
{
	struct tws_key key = {
		.netns = netns,
		.ifindex = sk->ifindex,
		.local_port = sk->local_port,
		.peer_port = sk->peer_port,
	};

	memcpy(key.local_addr, sk->local_addr, sizeof(sk->local_addr));
	memcpy(key.peer_addr, sk->peer_addr, sizeof(sk->peer_addr));
	return key;
}

static uint64_t cookie_of(const struct inet_diag_msg *msg)
{
	const uint32_t *half = msg->id.idiag_cookie;

	if (half[0] == INET_DIAG_NOCOOKIE && half[1] == INET_DIAG_NOCOOKIE)
		return 0;
	/* sock_diag_save_cookie(): the low half first, on any machine */
	return half[0] | (uint64_t)half[1] << 32;
}

/* The payload of that attribute, and its length, or NULL. */
static const unsigned char *find_attr(const unsigned char *attrs, size_t len, uint16_t type,
				      size_t *attr_len)
{
	struct nlattr attr;
	size_t step;

	while (len >= sizeof(attr)) {
		memcpy(&attr, attrs, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > len)
			return NULL;
		if ((attr.nla_type & NLA_TYPE_MASK) == type) {
			*attr_len = attr.nla_len - sizeof(attr);
			return attrs + sizeof(attr);
		}
		step = NLA_ALIGN(attr.nla_len);
		if (step > len)
			return NULL;
		attrs += step;
		len -= step;
	}
	return NULL;
}

static bool has_v6only(const unsigned char *attrs, size_t len)
{
	size_t attr_len;
	const unsigned char *attr = find_attr(attrs, len, INET_DIAG_SKV6ONLY, &attr_len);

	return attr && attr_len && *attr;
}

/* tcp_ack() notes when a segment came, a FIN too. */
static uint32_t quiet_ms(const unsigned char *attrs, size_t len)
{
	const size_t at = offsetof(struct tcp_info, tcpi_last_ack_recv);
	size_t attr_len;
	const unsigned char *info = find_attr(attrs, len, INET_DIAG_INFO, &attr_len);
	uint32_t ms;

	if (!info || attr_len < at + sizeof(ms))
		return 0;
	memcpy(&ms, info + at, sizeof(ms));
	return ms;
}

static int parse_socket(const unsigned char *payload, size_t len, sockdiag_fn fn, void *ctx)
{
	struct sockdiag_socket sk = { 0 };
	struct inet_diag_msg msg;

	if (len < sizeof(msg))
		return -EPROTO;
	memcpy(&msg, payload, sizeof(msg));
	if (msg.idiag_family != AF_INET && msg.idiag_family != AF_INET6)
		return 0;

	sockdiag__set_addresses(&sk, msg.idiag_family, msg.id.idiag_src, msg.id.idiag_dst);
	sk.cookie = cookie_of(&msg);
	sk.inode = msg.idiag_inode;
	sk.uid = msg.idiag_uid;
	sk.expires_ms = msg.idiag_expires;
	sk.ifindex = msg.id.idiag_if;
	sk.local_port = ntohs(msg.id.idiag_sport);
	sk.peer_port = ntohs(msg.id.idiag_dport);
	sk.state = msg.idiag_state;
	sk.mini = msg.idiag_timer == TIMER_TIMEWAIT;
	if (sk.state == SOCKDIAG_LISTEN && sk.family == AF_INET6)
		sk.v6only = has_v6only(payload + sizeof(msg), len - sizeof(msg));
	if (sk.state == SOCKDIAG_CLOSE_WAIT)
		sk.quiet_ms = quiet_ms(payload + sizeof(msg), len - sizeof(msg));
	return fn(ctx, &sk);
}

/* The error in NLMSG_ERROR, and in NLMSG_DONE since a dump's own error comes
 * there. A DONE without one is a good end. */
static int parse_end(const struct nlmsghdr *hdr, const unsigned char *payload, size_t len)
{
	int32_t err = 0;

	if (len >= sizeof(err))
		memcpy(&err, payload, sizeof(err));
	else if (hdr->nlmsg_type == NLMSG_ERROR)
		return -EPROTO;
	if (err < 0)
		return err < -4095 ? -EPROTO : err;
	/* NLMSG_ERROR of 0 is an acknowledgement: no dump will come */
	return 1;
}

int sockdiag__parse(const void *buf, size_t len, sockdiag_fn fn, void *ctx,
		    unsigned int *flags)
{
	const unsigned char *p = buf;
	struct nlmsghdr hdr;
	size_t payload_len, step;
	int err;

	for (; len >= sizeof(hdr); p += step, len -= step) {
		memcpy(&hdr, p, sizeof(hdr));
		if (hdr.nlmsg_len < sizeof(hdr) || hdr.nlmsg_len > len)
			return -EPROTO;
		payload_len = hdr.nlmsg_len - NLMSG_HDRLEN;
		if (flags && (hdr.nlmsg_flags & NLM_F_DUMP_INTR))
			*flags |= SOCKDIAG_INTERRUPTED;

		switch (hdr.nlmsg_type) {
		case NLMSG_DONE:
		case NLMSG_ERROR:
			return parse_end(&hdr, p + NLMSG_HDRLEN, payload_len);
		case SOCK_DIAG_BY_FAMILY:
		case TCPDIAG_GETSOCK:
			err = parse_socket(p + NLMSG_HDRLEN, payload_len, fn, ctx);
			if (err)
				return err;
			break;
		default:
			break;
		}
		step = NLMSG_ALIGN((size_t)hdr.nlmsg_len);
		if (step > len)
			step = len;
	}
	return len ? -EPROTO : 0;
}

/* ---- asking ---- */

static int send_all(int fd, const void *buf, size_t len)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do {
		n = sendto(fd, buf, len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/*
 * The request of before sock_diag, which every kernel still takes: it asks for
 * both families at once (inet_diag_dump_compat()), and so walks the table, which
 * is one for all namespaces, once instead of twice.
 */
static int request_both(int fd, uint32_t states, uint8_t ext)
{
	struct {
		struct nlmsghdr hdr;
		struct inet_diag_req req;
	} ask = {
		.hdr = { .nlmsg_len = sizeof(ask), .nlmsg_type = TCPDIAG_GETSOCK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .idiag_family = AF_INET, .idiag_states = states, .idiag_ext = ext },
	};

	return send_all(fd, &ask, sizeof(ask));
}

static int request_family(int fd, uint32_t states, uint8_t ext, uint8_t family)
{
	struct {
		struct nlmsghdr hdr;
		struct inet_diag_req_v2 req;
	} ask = {
		.hdr = { .nlmsg_len = sizeof(ask), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
			 .idiag_ext = ext, .idiag_states = states },
	};

	return send_all(fd, &ask, sizeof(ask));
}

/* One datagram of the kernel's; what anybody else sends is passed over. */
static ssize_t receive(int fd, void *buf, size_t size)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg;
	ssize_t n;

	for (;;) {
		from = (struct sockaddr_nl){ 0 };
		msg = (struct msghdr){
			.msg_name = &from, .msg_namelen = sizeof(from),
			.msg_iov = &iov, .msg_iovlen = 1,
		};
		n = recvmsg(fd, &msg, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPROTO;
		if (from.nl_pid != 0)
			continue;
		return (msg.msg_flags & MSG_TRUNC) ? -EPROTO : n;
	}
}

struct counted {
	uint8_t ext; /* what is asked for of each, INET_DIAG_* bits */
	sockdiag_fn fn;
	void *ctx;
	size_t count;
	uint64_t asked_ns; /* as in struct sockdiag_socket, of this datagram's */
	struct sockdiag_recent recent;
	int ret; /* the callback's, apart from the kernel's errors */
};

bool sockdiag__repeats(struct sockdiag_recent *recent, uint64_t cookie)
{
	if (!cookie)
		return false;
	for (size_t i = 0; i < SOCKDIAG_RECENT; i++)
		if (recent->cookies[i] == cookie)
			return true;
	recent->cookies[recent->next++ % SOCKDIAG_RECENT] = cookie;
	return false;
}

static int count_socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct counted *counted = ctx;
	struct sockdiag_socket timed = *sk;

	counted->count++;
	if (sockdiag__repeats(&counted->recent, sk->cookie))
		return 0;
	timed.asked_ns = counted->asked_ns;
	counted->ret = counted->fn(counted->ctx, &timed);
	/* any other value than the parser's own ones */
	return counted->ret ? -ECANCELED : 0;
}

/*
 * The kernel is one datagram ahead: it makes the first one when it gets the request, and another
 * whenever one is fetched (__netlink_dump_start(), netlink_recvmsg()). So what comes was made
 * in the call before, which was begun at @asked_ns for the first one.
 */
static int drain(int fd, void *buf, struct counted *counted, uint64_t asked_ns, unsigned int *flags)
{
	int ret = 0;

	while (!ret) {
		uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
		ssize_t n = receive(fd, buf, RECEIVE_BYTES);

		counted->asked_ns = asked_ns;
		asked_ns = now_ns;
		ret = n < 0 ? (int)n :
			      sockdiag__parse(buf, (size_t)n, count_socket, counted, flags);
	}
	return ret;
}

static int dump_once(int netns_fd, uint32_t states, int family, void *buf,
		     struct counted *counted, unsigned int *flags)
{
	uint64_t asked_ns;
	int fd, ret;

	fd = netns__socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return fd == -EPROTONOSUPPORT ? -EOPNOTSUPP : fd;
	asked_ns = clock__now_ns(CLOCK_MONOTONIC);
	if (family == AF_UNSPEC)
		ret = request_both(fd, states, counted->ext);
	else
		ret = request_family(fd, states, counted->ext, (uint8_t)family);
	if (!ret)
		ret = drain(fd, buf, counted, asked_ns, flags);
	close(fd);
	if (counted->ret)
		return counted->ret;
	/* no handler: sock_diag's words for a module that is not there */
	if (ret == -ENOENT)
		return -EOPNOTSUPP;
	return ret < 0 ? ret : 0;
}

static int dump(int netns_fd, uint32_t states, uint8_t ext, sockdiag_fn fn, void *ctx,
		unsigned int *flags)
{
	struct counted counted = { .ext = ext, .fn = fn, .ctx = ctx };
	unsigned int seen = 0;
	void *buf;
	int err;

	buf = malloc(RECEIVE_BYTES);
	if (!buf)
		return -ENOMEM;
	err = dump_once(netns_fd, states, AF_UNSPEC, buf, &counted, &seen);
	/* should the old request go one day: as new kernels want it */
	if ((err == -EINVAL || err == -EOPNOTSUPP) && !counted.count) {
		err = dump_once(netns_fd, states, AF_INET, buf, &counted, &seen);
		if (!err)
			err = dump_once(netns_fd, states, AF_INET6, buf, &counted, &seen);
	}
	free(buf);
	if (flags)
		*flags |= seen;
	return err;
}

int sockdiag__dump(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
		   unsigned int *flags)
{
	return dump(netns_fd, states, 0, fn, ctx, flags);
}

int sockdiag__dump_quiet(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
			 unsigned int *flags)
{
	return dump(netns_fd, states, 1U << (INET_DIAG_INFO - 1), fn, ctx, flags);
}

// SPDX-License-Identifier: GPL-2.0
/* Needs: user/sockets/sockdiag.c user/host/netns.c user/host/procinfo.c, -pthread. The tests on
 * the real kernel need a network namespace of their own (root or unprivileged
 * user namespaces), else they are skipped. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "sockets/sockdiag.h"
#include "tests/unit/support.h"

#define MAX_SOCKETS 4096
#define DEADLINE_S 20

struct table {
	size_t count;
	struct sockdiag_socket sockets[MAX_SOCKETS];
};

static int collect(void *ctx, const struct sockdiag_socket *sk)
{
	struct table *table = ctx;

	if (table->count == MAX_SOCKETS)
		return -E2BIG;
	table->sockets[table->count++] = *sk;
	return 0;
}

static struct table table;

static int stop_at_second(void *ctx, const struct sockdiag_socket *sk)
{
	(void)sk;
	return ++*(int *)ctx == 2 ? -ECHRNG : 0;
}

/* ---- pure: a recorded dump ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/*
 * What Linux 6.18 answered to LISTEN, FIN_WAIT2 and TIME_WAIT: a dual-stack
 * listener at :::8080, one that is v6only at ::1:8081 on lo, a TIME_WAIT of a
 * v4-mapped server end, and one of an IPv4 client.
 */
static const unsigned char recorded[] = {
	0x84, 0x00, 0x00, 0x00, 0x12, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x5c, 0x7f, 0x00, 0x00, 0x0a, 0x0a, 0x00, 0x00, 0x1f, 0x90, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0xa5, 0x97, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0xd0, 0xf9, 0x00, 0x05, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x05, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x0f, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x15, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x16, 0x00, 0x12, 0x00, 0x00, 0x00,
	0x84, 0x00, 0x00, 0x00, 0x12, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x5c, 0x7f, 0x00, 0x00, 0x0a, 0x0a, 0x00, 0x00, 0x1f, 0x91, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0xa6, 0x97, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0xe0, 0xf9, 0x00, 0x05, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x05, 0x00, 0x0b, 0x00, 0x01, 0x00, 0x00, 0x00, 0x08, 0x00, 0x0f, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x15, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x16, 0x00, 0x12, 0x00, 0x00, 0x00,
	0x60, 0x00, 0x00, 0x00, 0x12, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x5c, 0x7f, 0x00, 0x00, 0x0a, 0x06, 0x03, 0x00, 0x1f, 0x90, 0x86, 0x0a,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
	0x7f, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0xff, 0xff, 0x7f, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
	0xa7, 0x97, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x5c, 0xea, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x60, 0x00, 0x00, 0x00, 0x12, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x5c, 0x7f, 0x00, 0x00, 0x02, 0x06, 0x03, 0x00, 0x86, 0x1a, 0x1f, 0x90,
	0x7f, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x7f, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0xa8, 0x97, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x5c, 0xea, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static const unsigned char recorded_done[] = {
	0x14, 0x00, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x5c, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static void test_recorded(void **state)
{
	static const uint8_t loopback4[4] = { 127, 0, 0, 1 }, any[16], one[16] = { [15] = 1 };
	const struct sockdiag_socket *sk = table.sockets;
	unsigned int flags = 0;

	(void)state;
	table.count = 0;
	assert_int_equal(sockdiag__parse(recorded, sizeof(recorded), collect, &table, &flags), 0);
	assert_int_equal(table.count, 4);
	assert_int_equal(flags, 0);

	assert_int_equal(sk[0].family, AF_INET6);
	assert_int_equal(sk[0].state, SOCKDIAG_LISTEN);
	assert_int_equal(sk[0].local_port, 8080);
	assert_memory_equal(sk[0].local_addr, any, 16);
	assert_false(sk[0].v6only);
	assert_false(sk[0].mini);
	assert_int_equal(sk[0].inode, 16371712);
	assert_int_equal(sk[0].cookie, 0x6097a5);

	assert_memory_equal(sk[1].local_addr, one, 16);
	assert_true(sk[1].v6only);
	assert_int_equal(sk[1].ifindex, 1);

	assert_int_equal(sk[2].family, AF_INET);
	assert_int_equal(sk[2].state, SOCKDIAG_TIME_WAIT);
	assert_true(sk[2].mini);
	assert_int_equal(sk[2].expires_ms, 59996);
	assert_int_equal(sk[2].local_port, 8080);
	assert_int_equal(sk[2].peer_port, 34314);
	assert_memory_equal(sk[2].local_addr, loopback4, 4);
	assert_memory_equal(sk[2].local_addr + 4, any, 12);

	assert_int_equal(sk[3].family, AF_INET);
	assert_int_equal(sk[3].local_port, 34330);
	assert_int_equal(sk[3].cookie, 0x6097a8);
	assert_memory_equal(sk[3].peer_addr, loopback4, 4);

	assert_int_equal(sockdiag__parse(recorded_done, sizeof(recorded_done), collect, &table,
					 &flags), 1);
	assert_int_equal(table.count, 4);
}

/* However it is cut, no byte beyond is read (the sanitizer's matter). */
static void test_recorded_cut(void **state)
{
	size_t len;
	void *copy;
	int ret;

	(void)state;
	for (len = 0; len < sizeof(recorded); len++) {
		copy = malloc(len ? len : 1);
		memcpy(copy, recorded, len);
		table.count = 0;
		ret = sockdiag__parse(copy, len, collect, &table, NULL);
		assert_true(ret == 0 || ret == -EPROTO);
		assert_true(table.count < 4);
		free(copy);
	}
}

static void test_callback_ends_it(void **state)
{
	int calls = 0;

	(void)state;
	assert_int_equal(sockdiag__parse(recorded, sizeof(recorded), stop_at_second, &calls,
					 NULL), -ECHRNG);
	assert_int_equal(calls, 2);
}
#endif

/* ---- pure: messages of our own ---- */

struct message {
	struct nlmsghdr hdr;
	union {
		struct inet_diag_msg diag;
		int32_t err;
	};
	struct nlattr attr;
	unsigned char value[4];
};

static struct message diag_message(uint8_t family, uint8_t state, uint8_t timer)
{
	struct message msg = {
		.hdr = { .nlmsg_len = offsetof(struct message, attr),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		.diag = { .idiag_family = family, .idiag_state = state, .idiag_timer = timer },
	};

	return msg;
}

static int parse_one(const struct message *msg, size_t len, unsigned int *flags)
{
	table.count = 0;
	memset(table.sockets, 0xff, sizeof(table.sockets[0]));
	return sockdiag__parse(msg, len, collect, &table, flags);
}

static int parse_end(uint16_t type, int32_t err, uint32_t len)
{
	struct message msg = { .hdr = { .nlmsg_len = len, .nlmsg_type = type }, .err = err };

	return parse_one(&msg, len, NULL);
}

static void test_ends_and_errors(void **state)
{
	(void)state;
	assert_int_equal(parse_end(NLMSG_DONE, 0, 20), 1);
	assert_int_equal(parse_end(NLMSG_DONE, 0, 16), 1);
	assert_int_equal(parse_end(NLMSG_DONE, -ENOENT, 20), -ENOENT);
	assert_int_equal(parse_end(NLMSG_ERROR, -EOPNOTSUPP, 36), -EOPNOTSUPP);
	assert_int_equal(parse_end(NLMSG_ERROR, -EPERM, 20), -EPERM);
	assert_int_equal(parse_end(NLMSG_ERROR, 0, 16), -EPROTO);
	assert_int_equal(parse_end(NLMSG_ERROR, INT32_MIN, 20), -EPROTO);
	assert_int_equal(parse_end(NLMSG_NOOP, 0, 16), 0);
	assert_int_equal(parse_end(999, 0, 20), 0);
}

static void test_bad_lengths(void **state)
{
	struct message msg = diag_message(AF_INET, 6, 3);
	size_t len = msg.hdr.nlmsg_len;

	(void)state;
	assert_int_equal(parse_one(&msg, len, NULL), 0);
	assert_int_equal(table.count, 1);
	assert_int_equal(parse_one(&msg, len - 1, NULL), -EPROTO);
	assert_int_equal(parse_one(&msg, len + 4, NULL), -EPROTO);
	msg.hdr.nlmsg_len = 0;
	assert_int_equal(parse_one(&msg, len, NULL), -EPROTO);
	msg.hdr.nlmsg_len = 15;
	assert_int_equal(parse_one(&msg, len, NULL), -EPROTO);
	msg.hdr.nlmsg_len = UINT32_MAX;
	assert_int_equal(parse_one(&msg, len, NULL), -EPROTO);
	msg.hdr.nlmsg_len = 16 + sizeof(struct inet_diag_msg) - 4;
	assert_int_equal(parse_one(&msg, msg.hdr.nlmsg_len, NULL), -EPROTO);
	assert_int_equal(table.count, 0);
	assert_int_equal(parse_one(&msg, 0, NULL), 0);
}

static void test_attributes(void **state)
{
	static const struct {
		uint16_t len, type;
		uint8_t value;
		bool v6only;
	} cases[] = {
		{ 5, INET_DIAG_SKV6ONLY, 1, true },  { 5, INET_DIAG_SKV6ONLY, 0, false },
		{ 4, INET_DIAG_SKV6ONLY, 1, false }, { 3, INET_DIAG_SKV6ONLY, 1, false },
		{ 0, INET_DIAG_SKV6ONLY, 1, false }, { 9, INET_DIAG_SKV6ONLY, 1, false },
		{ 5, INET_DIAG_SHUTDOWN, 1, false },
	};
	struct message msg;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		msg = diag_message(AF_INET6, SOCKDIAG_LISTEN, 0);
		msg.hdr.nlmsg_len = sizeof(msg);
		msg.attr.nla_len = cases[i].len;
		msg.attr.nla_type = cases[i].type;
		memset(msg.value, cases[i].value, sizeof(msg.value));
		assert_int_equal(parse_one(&msg, sizeof(msg), NULL), 0);
		assert_int_equal(table.sockets[0].v6only, cases[i].v6only);
	}
}

/* A tcp_info that is cut off tells nothing. */
static void test_quiet_cut(void **state)
{
	struct message msg = diag_message(AF_INET, SOCKDIAG_CLOSE_WAIT, 0);

	(void)state;
	msg.hdr.nlmsg_len = sizeof(msg);
	msg.attr.nla_len = sizeof(msg.attr) + sizeof(msg.value);
	msg.attr.nla_type = INET_DIAG_INFO;
	memset(msg.value, 0xff, sizeof(msg.value));
	assert_int_equal(parse_one(&msg, sizeof(msg), NULL), 0);
	assert_int_equal(table.sockets[0].quiet_ms, 0);
}

static void test_fields(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, 5 };
	static const uint8_t plain[16] = { 10, 0, 0, 5 };
	struct message msg = diag_message(AF_INET6, SOCKDIAG_FIN_WAIT2, 3);
	const struct sockdiag_socket *sk = table.sockets;
	unsigned int flags = 0;

	(void)state;
	memcpy(msg.diag.id.idiag_src, mapped, 16);
	memcpy(msg.diag.id.idiag_dst, mapped, 16);
	msg.diag.id.idiag_cookie[0] = 0x11223344;
	msg.diag.id.idiag_cookie[1] = 0x55667788;
	msg.hdr.nlmsg_flags = NLM_F_DUMP_INTR;
	assert_int_equal(parse_one(&msg, msg.hdr.nlmsg_len, &flags), 0);
	assert_int_equal(flags, SOCKDIAG_INTERRUPTED);
	assert_int_equal(sk->family, AF_INET);
	assert_memory_equal(sk->local_addr, plain, 16);
	assert_true(sk->cookie == 0x5566778811223344ULL);
	assert_true(sk->mini);

	/* the same state without that timer: a full socket */
	msg.diag.idiag_timer = 2;
	/* mapped to a real IPv6 peer: no such socket, so nothing is cut off */
	memset(msg.diag.id.idiag_dst, 0x20, 16);
	msg.diag.id.idiag_cookie[0] = msg.diag.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	assert_int_equal(parse_one(&msg, msg.hdr.nlmsg_len, &flags), 0);
	assert_int_equal(sk->family, AF_INET6);
	assert_true(sk->cookie == 0);
	assert_false(sk->mini);

	/* a listener bound to a mapped address has no peer */
	memset(msg.diag.id.idiag_dst, 0, 16);
	assert_int_equal(parse_one(&msg, msg.hdr.nlmsg_len, &flags), 0);
	assert_int_equal(sk->family, AF_INET);

	msg.diag.idiag_family = AF_UNIX;
	assert_int_equal(parse_one(&msg, msg.hdr.nlmsg_len, &flags), 0);
	assert_int_equal(table.count, 0);
}

/* ---- the real kernel, in a namespace of our own ---- */

static bool have_namespace;

static int setup(void **state)
{
	(void)state;
	have_namespace = (unshare(CLONE_NEWNET) == 0 ||
			  unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) && support__lo_up() == 0;
	return 0;
}

/* How a connection's ends are to be addressed. */
struct kind {
	int listen_family, connect_family;
	const char *listen_addr, *connect_addr;
	int seen_family; /* by sockdiag, at the server's end */
};

static const struct kind kinds[] = {
	{ AF_INET, AF_INET, "127.0.0.1", "127.0.0.1", AF_INET },
	{ AF_INET6, AF_INET6, "::1", "::1", AF_INET6 },
	{ AF_INET6, AF_INET, "::", "127.0.0.2", AF_INET },
	{ AF_INET6, AF_INET6, "::", "::ffff:127.0.0.3", AF_INET },
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t fill_address(union address *a, int family, const char *text, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		assert_int_equal(inet_pton(family, text, &a->v4.sin_addr), 1);
		a->v4.sin_port = htons(port);
		return sizeof(a->v4);
	}
	assert_int_equal(inet_pton(family, text, &a->v6.sin6_addr), 1);
	a->v6.sin6_port = htons(port);
	return sizeof(a->v6);
}

static uint16_t port_of(int fd)
{
	union address a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, &a.any, &len), 0);
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

struct pair {
	int listener, client, server;
	uint64_t client_cookie, server_cookie;
	uint16_t listen_port, client_port;
};

static void pair__open(struct pair *pair, const struct kind *kind)
{
	union address a;
	socklen_t len;

	pair->listener = socket(kind->listen_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	len = fill_address(&a, kind->listen_family, kind->listen_addr, 0);
	assert_int_equal(bind(pair->listener, &a.any, len), 0);
	assert_int_equal(listen(pair->listener, 8), 0);
	pair->listen_port = port_of(pair->listener);

	pair->client = socket(kind->connect_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	len = fill_address(&a, kind->connect_family, kind->connect_addr, pair->listen_port);
	assert_int_equal(connect(pair->client, &a.any, len), 0);
	pair->server = accept4(pair->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair->server >= 0);
	pair->client_port = port_of(pair->client);
	pair->client_cookie = cookie_of(pair->client);
	pair->server_cookie = cookie_of(pair->server);
}

static const struct sockdiag_socket *find(uint64_t cookie)
{
	size_t i;

	for (i = 0; i < table.count; i++)
		if (table.sockets[i].cookie == cookie)
			return &table.sockets[i];
	return NULL;
}

static void dump(uint32_t states)
{
	unsigned int flags = 0;

	table.count = 0;
	assert_int_equal(sockdiag__dump(-1, states, collect, &table, &flags), 0);
	assert_int_equal(flags & ~(unsigned int)SOCKDIAG_INTERRUPTED, 0);
}

/* Until the socket is in that state; ACKs on loopback may be delayed. */
static const struct sockdiag_socket *wait_for(uint64_t cookie, int state, bool mini)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	const struct sockdiag_socket *sk;
	time_t end = time(NULL) + DEADLINE_S;

	do {
		dump(SOCKDIAG_MASK_ALL);
		sk = find(cookie);
		if (sk && sk->state == state && sk->mini == mini)
			return sk;
		nanosleep(&pause, NULL);
	} while (time(NULL) < end);
	fail_msg("socket %#llx did not come to state %d", (unsigned long long)cookie, state);
	return NULL;
}

static void test_real_established_and_listen(void **state)
{
	const struct sockdiag_socket *sk;
	struct pair pair;
	struct stat st;
	size_t i;

	(void)state;
	if (!have_namespace)
		skip();
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pair__open(&pair, &kinds[i]);
		sk = wait_for(pair.server_cookie, SOCKDIAG_ESTABLISHED, false);
		assert_int_equal(sk->family, kinds[i].seen_family);
		assert_int_equal(sk->local_port, pair.listen_port);
		assert_int_equal(sk->peer_port, pair.client_port);
		assert_int_equal(fstat(pair.server, &st), 0);
		assert_int_equal(sk->inode, st.st_ino);
		assert_int_equal(sk->uid, geteuid());
		sk = find(pair.client_cookie);
		assert_int_equal(sk->family, kinds[i].seen_family);

		/* the mask is the kernel's to honour */
		dump(SOCKDIAG_MASK(SOCKDIAG_LISTEN));
		sk = find(cookie_of(pair.listener));
		assert_non_null(sk);
		assert_int_equal(sk->state, SOCKDIAG_LISTEN);
		assert_int_equal(sk->family, kinds[i].listen_family);
		assert_null(find(pair.server_cookie));
		dump(SOCKDIAG_MASK_MINI);
		assert_null(find(pair.server_cookie));
		close(pair.client);
		close(pair.server);
		close(pair.listener);
	}
}

/* Each kind of end, closed first by the client, then by the server. */
static void test_real_time_wait(void **state)
{
	const struct sockdiag_socket *sk;
	struct pair pair;
	size_t i;
	int server;

	(void)state;
	if (!have_namespace)
		skip();
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (server = 0; server < 2; server++) {
			pair__open(&pair, &kinds[i]);
			close(server ? pair.server : pair.client);
			close(server ? pair.client : pair.server);
			sk = wait_for(server ? pair.server_cookie : pair.client_cookie,
				      SOCKDIAG_TIME_WAIT, true);
			assert_int_equal(sk->family, kinds[i].seen_family);
			assert_int_equal(sk->local_port,
					 server ? pair.listen_port : pair.client_port);
			assert_true(sk->expires_ms > 0 && sk->expires_ms <= 60000);
			assert_in_range(sk->asked_ns, 1, clock__now_ns(CLOCK_MONOTONIC));
			assert_int_equal(sk->inode, 0);
			assert_null(find(server ? pair.client_cookie : pair.server_cookie));
			close(pair.listener);
		}
	}
}

static void test_real_fin_wait2(void **state)
{
	const struct sockdiag_socket *sk;
	struct pair full, mini;

	(void)state;
	if (!have_namespace)
		skip();
	pair__open(&full, &kinds[0]);
	pair__open(&mini, &kinds[1]);
	assert_int_equal(shutdown(full.client, SHUT_WR), 0);
	close(mini.client);
	sk = wait_for(full.client_cookie, SOCKDIAG_FIN_WAIT2, false);
	assert_true(sk->inode != 0);
	sk = wait_for(mini.client_cookie, SOCKDIAG_FIN_WAIT2, true);
	assert_int_equal(sk->inode, 0);
	assert_true(sk->expires_ms > 0);
	assert_int_equal(find(mini.server_cookie)->state, SOCKDIAG_CLOSE_WAIT);

	/* the peer's FIN makes a TIME_WAIT of it, with the same cookie */
	close(mini.server);
	wait_for(mini.client_cookie, SOCKDIAG_TIME_WAIT, true);
	close(full.server);
	close(full.client);
	close(full.listener);
	close(mini.listener);
}

static int run_dump_elsewhere(int netns_fd)
{
	table.count = 0;
	return sockdiag__dump(netns_fd, SOCKDIAG_MASK_ALL, collect, &table, NULL);
}

/* In CLOSE_WAIT, since when: it is asked for, or is not told. */
static void test_real_close_wait(void **state)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	time_t end = time(NULL) + DEADLINE_S;
	const struct sockdiag_socket *sk;
	struct pair pair;

	(void)state;
	if (!have_namespace)
		skip();
	pair__open(&pair, &kinds[0]);
	close(pair.client);
	sk = wait_for(pair.server_cookie, SOCKDIAG_CLOSE_WAIT, false);
	assert_int_equal(sk->quiet_ms, 0);
	do {
		nanosleep(&pause, NULL);
		table.count = 0;
		assert_int_equal(sockdiag__dump_quiet(-1, SOCKDIAG_MASK(SOCKDIAG_CLOSE_WAIT), collect, &table,
						      NULL), 0);
		sk = find(pair.server_cookie);
		assert_non_null(sk);
	} while (sk->quiet_ms < 50 && time(NULL) < end);
	assert_in_range(sk->quiet_ms, 50, DEADLINE_S * 1000);
	assert_int_equal(table.count, 1);
	close(pair.server);
	close(pair.listener);
}

static void test_real_other_namespace(void **state)
{
	struct pair pair;
	int here, err;

	(void)state;
	if (!have_namespace || geteuid() != 0)
		skip();
	pair__open(&pair, &kinds[0]);
	here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(here >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	err = run_dump_elsewhere(-1);
	if (!err && table.count == 0)
		err = run_dump_elsewhere(here);
	else
		err = -ENOTEMPTY;
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	assert_int_equal(err, 0);
	assert_non_null(find(pair.server_cookie));
	close(pair.client);
	close(pair.server);
	close(pair.listener);

	here = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(run_dump_elsewhere(here), -EINVAL);
	close(here);
}

static void test_real_callback_value(void **state)
{
	int calls = 0;
	struct pair pair;

	(void)state;
	if (!have_namespace)
		skip();
	pair__open(&pair, &kinds[0]);
	calls = 1;
	/* not mistaken for the kernel's own word, nor asked again */
	assert_int_equal(sockdiag__dump(-1, SOCKDIAG_MASK_ALL, stop_at_second, &calls, NULL),
			 -ECHRNG);
	assert_int_equal(calls, 2);
	close(pair.client);
	close(pair.server);
	close(pair.listener);
}

/* ---- ss is the judge ---- */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static size_t ask_ss(uint64_t *cookies, size_t size)
{
	char line[1024], *sk;
	size_t count = 0;
	FILE *pipe = popen("ss -Htane 2>/dev/null", "r");

	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		sk = strstr(line, " sk:");
		if (sk && count < size && sscanf(sk, " sk:%" SCNx64, &cookies[count]) == 1)
			count++;
	}
	return pclose(pipe) == 0 ? count : SIZE_MAX;
}

static void test_real_same_as_ss(void **state)
{
	static uint64_t theirs[MAX_SOCKETS], ours[MAX_SOCKETS];
	struct pair pairs[sizeof(kinds) / sizeof(kinds[0])], done;
	size_t i, n, count;

	(void)state;
	if (!have_namespace)
		skip();
	/* more than the kernel puts into one datagram */
	for (i = 0; i < 400; i++) {
		pair__open(&done, &kinds[i % 4]);
		close(i & 1 ? done.client : done.server);
		close(i & 1 ? done.server : done.client);
		close(done.listener);
	}
	n = sizeof(kinds) / sizeof(kinds[0]);
	for (i = 0; i < n; i++)
		pair__open(&pairs[i], &kinds[i]);

	count = ask_ss(theirs, MAX_SOCKETS);
	dump(SOCKDIAG_MASK_ALL);
	for (i = 0; i < n; i++) {
		close(pairs[i].client);
		close(pairs[i].server);
		close(pairs[i].listener);
	}
	if (count == SIZE_MAX)
		skip(); /* no ss here */
	assert_true(count > 400);
	assert_int_equal(table.count, count);
	for (i = 0; i < count; i++)
		ours[i] = table.sockets[i].cookie;
	qsort(ours, count, sizeof(*ours), compare_u64);
	qsort(theirs, count, sizeof(*theirs), compare_u64);
	assert_memory_equal(ours, theirs, count * sizeof(*ours));
}

/* What the kernel shows twice comes soon after. */
static void test_repeats(void **state)
{
	struct sockdiag_recent recent = { .next = 0 };

	(void)state;
	assert_false(sockdiag__repeats(&recent, 0));
	assert_false(sockdiag__repeats(&recent, 7));
	assert_false(sockdiag__repeats(&recent, 8));
	assert_true(sockdiag__repeats(&recent, 7));
	assert_true(sockdiag__repeats(&recent, 8));
	assert_false(sockdiag__repeats(&recent, 0));
	for (uint64_t cookie = 10; cookie < 10 + SOCKDIAG_RECENT; cookie++)
		assert_false(sockdiag__repeats(&recent, cookie));
	assert_false(sockdiag__repeats(&recent, 7));
	recent.next = UINT32_MAX;
	assert_false(sockdiag__repeats(&recent, 40));
	assert_false(sockdiag__repeats(&recent, 41));
	assert_true(sockdiag__repeats(&recent, 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_recorded_cut),
		cmocka_unit_test(test_callback_ends_it),
#endif
		cmocka_unit_test(test_ends_and_errors),
		cmocka_unit_test(test_bad_lengths),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_quiet_cut),
		cmocka_unit_test(test_real_established_and_listen),
		cmocka_unit_test(test_real_time_wait),
		cmocka_unit_test(test_real_fin_wait2),
		cmocka_unit_test(test_real_close_wait),
		cmocka_unit_test(test_real_other_namespace),
		cmocka_unit_test(test_real_callback_value),
		cmocka_unit_test(test_real_same_as_ss),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The socket iterator against what the test made itself, and against sock_diag where
 * the kernel has that: field by field, in two network namespaces. Needs root; the
 * top Makefile has its rule, since it links the BPF object.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sockets/sockdiag.h"
#include "sockets/sockiter.h"

#define MAX_SOCKETS 8192
#define MAX_HELD 4096
#define MANY 700 /* connections; more than the kernel's buffer holds at once */
#define DEADLINE_S 30
#define SOME_UID 4242
#define TIMER_SLACK_MS 1500 /* a guest may be slow between two dumps */

struct table {
	size_t count;
	struct sockdiag_socket sockets[MAX_SOCKETS];
};

/* A socket that the test holds a descriptor of. */
struct time_waits {
	uint64_t cookie;
	uint32_t inode, uid;
};

struct space {
	int fd;
	size_t num_held;
	struct time_waits held[MAX_HELD];
	/* by state, with 0 for mini-sockets in FIN_WAIT2 */
	size_t wanted[SOCKDIAG_STATE_END];
};

static struct space spaces[2];
static struct table ours, again, theirs;

static int collect(void *ctx, const struct sockdiag_socket *sk)
{
	struct table *table = ctx;

	if (table->count == MAX_SOCKETS)
		return -E2BIG;
	table->sockets[table->count++] = *sk;
	return 0;
}

/* ---- sockets in every state ---- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void hold(struct space *space, int fd, uint32_t uid)
{
	struct time_waits *held = &space->held[space->num_held++];
	socklen_t len = sizeof(held->cookie);
	struct stat st;

	assert_true(space->num_held < MAX_HELD);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &held->cookie, &len), 0);
	assert_int_equal(fstat(fd, &st), 0);
	held->inode = (uint32_t)st.st_ino;
	held->uid = uid;
}

static int listen_at(struct space *space, int family, int backlog, union address *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(at, 0, sizeof(*at));
	at->any.sa_family = (sa_family_t)family;
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &at->any, family == AF_INET ? sizeof(at->v4) : sizeof(at->v6)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, &at->any, &len), 0);
	hold(space, fd, 0);
	space->wanted[SOCKDIAG_LISTEN]++;
	return fd;
}

/* A non-blocking connect from @family to the port of @at on loopback. */
static int begin_connect(int family, const union address *at, bool to_device)
{
	in_port_t port = at->any.sa_family == AF_INET ? at->v4.sin_port : at->v6.sin6_port;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	union address to = { .any.sa_family = (sa_family_t)family };

	assert_true(fd >= 0);
	if (to_device)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	if (family == AF_INET) {
		to.v4.sin_port = port;
		to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		err = connect(fd, &to.any, sizeof(to.v4));
	} else {
		to.v6.sin6_port = port;
		to.v6.sin6_addr = in6addr_loopback;
		err = connect(fd, &to.any, sizeof(to.v6));
	}
	assert_true(err == 0 || errno == EINPROGRESS);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	assert_int_equal(poll(&pfd, 1, DEADLINE_S * 1000), 1);
}

static void make_pair(int listener, int family, const union address *at, int pair[2])
{
	pair[0] = begin_connect(family, at, false);
	wait_for(listener, POLLIN);
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	wait_for(pair[0], POLLOUT);
}

static void wait_for_end(int fd)
{
	char byte;

	wait_for(fd, POLLIN);
	assert_int_equal(read(fd, &byte, 1), 0);
}

/* The end @first closes first, and the other if @both. Which end keeps the server's
 * addresses is thereby tried, too. */
static void make_mini(struct space *space, int pair[2], int first, bool both)
{
	close(pair[first]);
	wait_for_end(pair[1 - first]);
	if (both) {
		close(pair[1 - first]);
		space->wanted[SOCKDIAG_TIME_WAIT]++;
	} else {
		hold(space, pair[1 - first], 0);
		space->wanted[0]++;
		space->wanted[SOCKDIAG_CLOSE_WAIT]++;
	}
}

static void make_established(struct space *space, int listener, int family,
			     const union address *at)
{
	int pair[2];

	setfsuid(SOME_UID);
	make_pair(listener, family, at, pair);
	setfsuid(0);
	hold(space, pair[0], SOME_UID);
	hold(space, pair[1], SOME_UID);
	space->wanted[SOCKDIAG_ESTABLISHED] += 2;

	make_pair(listener, family, at, pair);
	hold(space, pair[0], 0);
	hold(space, pair[1], 0);
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
	wait_for_end(pair[1]);
	space->wanted[SOCKDIAG_FIN_WAIT2]++;
	space->wanted[SOCKDIAG_CLOSE_WAIT]++;

	for (int i = 0; i < 4; i++) {
		make_pair(listener, family, at, pair);
		make_mini(space, pair, i & 1, i & 2);
	}
}

/* The listener waits for data before it makes a socket of the request. */
static void make_request(struct space *space, int family, int listener_family)
{
	union address at;
	int listener = listen_at(space, listener_family, 16, &at), seconds = 100, client;

	assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
				    sizeof(seconds)), 0);
	client = begin_connect(family, &at, true);
	wait_for(client, POLLOUT);
	hold(space, client, 0);
	space->wanted[SOCKDIAG_ESTABLISHED]++;
	space->wanted[SOCKDIAG_SYN_RECV]++;
}

/* One connection fills the queue of a listener; nobody accepts it: no file, no inode.
 * The next one's SYN is not answered. */
static void make_syn_sent(struct space *space, int family, int listener_family)
{
	union address at;
	int client;

	listen_at(space, listener_family, 0, &at);
	client = begin_connect(family, &at, false);
	wait_for(client, POLLOUT);
	hold(space, client, 0);
	hold(space, begin_connect(family, &at, false), 0);
	space->wanted[SOCKDIAG_ESTABLISHED] += 2;
	space->wanted[SOCKDIAG_SYN_SENT]++;
}

static void make_v6only(struct space *space)
{
	union address at = { .v6.sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, &at.any, sizeof(at.v6)), 0);
	assert_int_equal(listen(fd, 1), 0);
	hold(space, fd, 0);
	space->wanted[SOCKDIAG_LISTEN]++;
}

static void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

/* A namespace of its own; the caller is in it afterwards. */
static void fill_space(struct space *space, size_t more)
{
	static const int families[][2] = {
		{ AF_INET, AF_INET }, { AF_INET6, AF_INET6 }, { AF_INET, AF_INET6 },
	};
	union address at;
	int pair[2], listener;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	lo_up();
	space->fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(space->fd >= 0);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		listener = listen_at(space, families[i][1], 16, &at);
		make_established(space, listener, families[i][0], &at);
		make_request(space, families[i][0], families[i][1]);
		make_syn_sent(space, families[i][0], families[i][1]);
	}
	make_v6only(space);
	listener = listen_at(space, AF_INET, 16, &at);
	for (size_t i = 0; i < more; i++) {
		make_pair(listener, AF_INET, &at, pair);
		hold(space, pair[0], 0);
		hold(space, pair[1], 0);
		space->wanted[SOCKDIAG_ESTABLISHED] += 2;
	}
}

/* ---- what was read ---- */

static int by_identity(const void *a, const void *b)
{
	const struct sockdiag_socket *x = a, *y = b;
	int order = memcmp(x->local_addr, y->local_addr, sizeof(x->local_addr)) ?:
		    memcmp(x->peer_addr, y->peer_addr, sizeof(x->peer_addr));

	return order ?: x->local_port != y->local_port ? x->local_port - y->local_port :
			x->peer_port != y->peer_port   ? x->peer_port - y->peer_port :
			x->family != y->family	       ? x->family - y->family :
							 x->state - y->state;
}

static void read_space(struct table *table, const struct space *space, uint32_t states)
{
	table->count = 0;
	assert_int_equal(sockiter__dump(space->fd, states, collect, table, NULL), 0);
	qsort(table->sockets, table->count, sizeof(table->sockets[0]), by_identity);
}

static void count_states(const struct table *table, size_t counts[SOCKDIAG_STATE_END])
{
	memset(counts, 0, SOCKDIAG_STATE_END * sizeof(counts[0]));
	for (size_t i = 0; i < table->count; i++) {
		const struct sockdiag_socket *sk = &table->sockets[i];

		counts[sk->mini && sk->state == SOCKDIAG_FIN_WAIT2 ? 0 : sk->state]++;
	}
}

/* One that was being worked on when its FIN was acknowledged stays a full socket in
 * FIN_WAIT2, without a file: see tcp_rcv_state_process(). */
static bool are_wanted(const size_t counts[SOCKDIAG_STATE_END], const struct space *space)
{
	size_t wanted[SOCKDIAG_STATE_END];

	memcpy(wanted, space->wanted, sizeof(wanted));
	if (counts[0] < wanted[0]) {
		wanted[SOCKDIAG_FIN_WAIT2] += wanted[0] - counts[0];
		wanted[0] = counts[0];
	}
	return !memcmp(counts, wanted, sizeof(wanted));
}

/* All is in its last state as soon as the last segment has gone over loopback. */
static void wait_for_states(const struct space *space)
{
	time_t deadline = time(NULL) + DEADLINE_S;
	size_t counts[SOCKDIAG_STATE_END];

	do {
		read_space(&ours, space, SOCKDIAG_MASK_ALL);
		count_states(&ours, counts);
		if (are_wanted(counts, space))
			return;
		poll(NULL, 0, 10);
	} while (time(NULL) < deadline);
	for (int i = 0; i < SOCKDIAG_STATE_END; i++)
		if (counts[i] != space->wanted[i])
			print_error("state %d: %zu, not %zu\n", i, counts[i], space->wanted[i]);
	fail_msg("the sockets are not those that were made");
}

static const struct sockdiag_socket *find_cookie(const struct table *table, uint64_t cookie)
{
	const struct sockdiag_socket *found = NULL;

	for (size_t i = 0; i < table->count; i++) {
		if (table->sockets[i].cookie != cookie)
			continue;
		assert_null(found);
		found = &table->sockets[i];
	}
	return found;
}

static void test_as_made(void **state)
{
	(void)state;
	for (size_t s = 0; s < 2; s++) {
		const struct space *space = &spaces[s];
		size_t devices = 0, v6only = 0;

		wait_for_states(space);
		for (size_t i = 0; i < space->num_held; i++) {
			const struct sockdiag_socket *sk = find_cookie(&ours, space->held[i].cookie);

			assert_non_null(sk);
			assert_int_equal(sk->inode, space->held[i].inode);
			assert_int_equal(sk->uid, space->held[i].uid);
			assert_false(sk->mini);
			devices += sk->ifindex == 1;
			v6only += sk->v6only;
		}
		assert_int_equal(devices, 3);
		assert_int_equal(v6only, 1);
	}
}

static void test_minis(void **state)
{
	size_t minis = 0, v6 = 0;

	(void)state;
	read_space(&ours, &spaces[0], SOCKDIAG_MASK_MINI);
	for (size_t i = 0; i < ours.count; i++) {
		const struct sockdiag_socket *sk = &ours.sockets[i];

		if (!sk->mini)
			continue;
		minis++;
		v6 += sk->family == AF_INET6;
		assert_int_equal(sk->inode, 0);
		assert_int_equal(sk->uid, 0);
		assert_in_range(sk->expires_ms, 10000, 61000);
	}
	/* those in TIME_WAIT, and as many in FIN_WAIT2 or a few less */
	assert_in_range(minis, 6, 12);
	assert_in_range(v6, 2, 4);
}

static void test_each_state(void **state)
{
	size_t sum = 0;

	(void)state;
	for (int i = 1; i < SOCKDIAG_STATE_END; i++) {
		read_space(&ours, &spaces[0], SOCKDIAG_MASK(i));
		for (size_t k = 0; k < ours.count; k++)
			assert_int_equal(ours.sockets[k].state, i);
		sum += ours.count;
	}
	read_space(&again, &spaces[0], SOCKDIAG_MASK_ALL);
	assert_int_equal(sum, again.count);
	read_space(&again, &spaces[0], 0);
	assert_int_equal(again.count, 0);
}

static void same_sockets(const struct table *table, bool cookies)
{
	assert_int_equal(table->count, theirs.count);
	for (size_t i = 0; i < table->count; i++) {
		struct sockdiag_socket a = table->sockets[i], b = theirs.sockets[i];

		if (a.mini)
			assert_true(abs((int)(a.expires_ms - b.expires_ms)) < TIMER_SLACK_MS);
		assert_true(a.cookie == b.cookie || (!cookies && !a.cookie));
		assert_true(a.asked_ns && b.asked_ns);
		a.asked_ns = b.asked_ns = 0;
		a.expires_ms = b.expires_ms = 0;
		a.cookie = b.cookie = 0;
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void test_as_sock_diag(void **state)
{
	(void)state;
	for (size_t s = 0; s < 2; s++) {
		int err;

		read_space(&ours, &spaces[s], SOCKDIAG_MASK_ALL);
		memset(&theirs, 0, sizeof(theirs));
		err = sockdiag__dump(spaces[s].fd, SOCKDIAG_MASK_ALL, collect, &theirs, NULL);
		if (err == -EOPNOTSUPP)
			skip();
		assert_int_equal(err, 0);
		qsort(theirs.sockets, theirs.count, sizeof(theirs.sockets[0]), by_identity);
		/* before 5.12 the dump above is what gave some their cookies */
		same_sockets(&ours, false);
		read_space(&ours, &spaces[s], SOCKDIAG_MASK_ALL);
		same_sockets(&ours, true);
	}
}

static void test_own_namespace(void **state)
{
	static const struct space own = { .fd = -1 };

	(void)state;
	/* the caller is in the second one */
	read_space(&ours, &spaces[1], SOCKDIAG_MASK(SOCKDIAG_LISTEN));
	read_space(&again, &own, SOCKDIAG_MASK(SOCKDIAG_LISTEN));
	assert_int_equal(ours.count, spaces[1].wanted[SOCKDIAG_LISTEN]);
	assert_int_equal(ours.count, again.count);
	for (size_t i = 0; i < ours.count; i++) {
		assert_true(ours.sockets[i].asked_ns <= again.sockets[i].asked_ns);
		again.sockets[i].asked_ns = ours.sockets[i].asked_ns;
	}
	assert_memory_equal(ours.sockets, again.sockets, ours.count * sizeof(ours.sockets[0]));
}

static int stop_at_second(void *ctx, const struct sockdiag_socket *sk)
{
	(void)sk;
	return ++*(int *)ctx == 2 ? -ECHRNG : 0;
}

static void test_stops(void **state)
{
	int calls = 0;

	(void)state;
	assert_int_equal(sockiter__dump(-1, SOCKDIAG_MASK_ALL, stop_at_second, &calls, NULL),
			 -ECHRNG);
	assert_int_equal(calls, 2);
}

static void test_choose(void **state)
{
	sockets_dump_fn dump;
	const char *why;

	(void)state;
	setenv(SOCKITER_FORCE, "1", 1);
	assert_int_equal(sockiter__choose(&dump, &why), 0);
	assert_ptr_equal(dump, sockiter__dump);
	assert_non_null(strstr(why, SOCKITER_FORCE));
	unsetenv(SOCKITER_FORCE);
	assert_int_equal(sockiter__choose(&dump, &why), 0);
	if (sockdiag__dump(-1, 0, collect, &ours, NULL) == -EOPNOTSUPP) {
		assert_ptr_equal(dump, sockiter__dump);
		assert_non_null(strstr(why, "inet_diag"));
	} else {
		assert_ptr_equal(dump, sockdiag__dump);
		assert_null(why);
	}
}

static void test_not_a_namespace(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(sockiter__dump(fd, SOCKDIAG_MASK_ALL, collect, &ours, NULL), -EINVAL);
	close(fd);
}

static void test_closed(void **state)
{
	(void)state;
	sockiter__close();
	sockiter__close();
	assert_false(sockiter__is_open());
	assert_int_equal(sockiter__dump(-1, SOCKDIAG_MASK_ALL, collect, &ours, NULL), -EOPNOTSUPP);
	assert_int_equal(sockiter__open(), 0);
	assert_int_equal(sockiter__open(), 0);
}

static int set_up(void **state)
{
	struct rlimit files = { MAX_HELD, MAX_HELD };
	int err;

	(void)state;
	if (geteuid()) {
		print_error("root is needed\n");
		return -1;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	err = sockiter__open();
	if (err) {
		print_error("the iterator cannot be opened: %s\n", strerror(-err));
		return -1;
	}
	fill_space(&spaces[0], MANY);
	fill_space(&spaces[1], 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_made),
		cmocka_unit_test(test_minis),
		cmocka_unit_test(test_each_state),
		cmocka_unit_test(test_as_sock_diag),
		cmocka_unit_test(test_own_namespace),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_not_a_namespace),
		cmocka_unit_test(test_closed),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

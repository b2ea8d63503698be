// SPDX-License-Identifier: GPL-2.0
/* The table of listeners, filled from the real kernel: that needs root, else it is skipped. */
#include "tests/unit/owners/listeners_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/support.h"

static bool have_namespace;
static uint32_t own_netns;

static int setup(void **state)
{
	(void)state;
	have_namespace = geteuid() == 0 && unshare(CLONE_NEWNET) == 0 && support__lo_up() == 0 &&
			 netns__inode(-1, &own_netns) == 0;
	return 0;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* port 0: any; returns the socket and its port */
static int listen_at(int family, const char *text, uint16_t *port, bool v6only)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, only = v6only;
	union address a = { .any.sa_family = (sa_family_t)family };
	socklen_t len = family == AF_INET ? sizeof(a.v4) : sizeof(a.v6);

	if (family == AF_INET6) {
		a.v6.sin6_port = htons(*port);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
		inet_pton(family, text, &a.v6.sin6_addr);
	} else {
		a.v4.sin_port = htons(*port);
		inet_pton(family, text, &a.v4.sin_addr);
	}
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    bind(fd, &a.any, len) || listen(fd, 1) || getsockname(fd, &a.any, &len))
		return -1;
	*port = ntohs(family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return fd;
}

struct child {
	pid_t pid;
};

struct greeting {
	uint32_t netns;
	uint16_t port;
	uint16_t pad;
};

/* A process that holds what we hold, and, if @apart, listens in a namespace of
 * its own, or, if @port, at the same port as well. */
static void child__main(int ready, bool apart, uint16_t port, bool close_all, int inherited)
{
	struct greeting hello = { .port = port };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "kid");
	if (close_all)
		close(inherited);
	if ((apart && unshare(CLONE_NEWNET)) || netns__inode(-1, &hello.netns))
		_exit(1);
	if ((apart || port) && listen_at(AF_INET, "0.0.0.0", &hello.port, false) < 0)
		_exit(2);
	if (write(ready, &hello, sizeof(hello)) != sizeof(hello))
		_exit(3);
	for (;;)
		pause();
}

static struct greeting child__start(struct child *child, bool apart, uint16_t port,
				    bool close_all, int inherited)
{
	struct greeting hello;
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	child->pid = fork();
	if (child->pid == 0)
		child__main(ready[1], apart, port, close_all, inherited);
	assert_true(child->pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &hello, sizeof(hello)), sizeof(hello));
	close(ready[0]);
	return hello;
}

static void child__stop(struct child *child)
{
	assert_int_equal(kill(child->pid, SIGKILL), 0);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

static const struct sockets_source everywhere = { &netns_default_places, sockdiag__dump, false, NULL };

/* What a single holder is called: the machine may hide some process, even
 * from root, if it has more capabilities. */
static enum listeners_owner fill(struct listeners *table, size_t max_fds)
{
	unsigned int flags = 0;

	assert_int_equal(listeners__fill(table, &everywhere, max_fds, &flags), 0);
	assert_false(flags & LISTENERS_TABLE_FULL);
	if (flags & LISTENERS_FDS_LIMITED)
		return LISTENERS_CALLER;
	return flags & LISTENERS_FDS_DENIED ? LISTENERS_LIKELY : LISTENERS_ONE;
}

static void test_fill_one_and_inherited(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	uint32_t me = (uint32_t)getpid();
	enum listeners_owner one;
	uint16_t port = 0;
	struct child kid;
	int fd, copy;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	fd = listen_at(AF_INET, "127.0.0.1", &port, false);
	assert_true(fd >= 0);
	copy = dup(fd);
	one = fill(table, 0);
	assert_true(one != LISTENERS_CALLER);
	assert_int_equal(owner_at(table, own_netns, AF_INET,
				  (const uint8_t[16]){ 127, 0, 0, 1 }, port, me), one);
	assert_int_equal(owner_at(table, own_netns, AF_INET, ten, port, 0), LISTENERS_NONE);

	/* a fork holds it too: parent or not, that is nobody's in particular */
	child__start(&kid, false, 0, false, fd);
	fill(table, 0);
	assert_int_equal(owner_at(table, own_netns, AF_INET,
				  (const uint8_t[16]){ 127, 0, 0, 1 }, port, 0),
			 LISTENERS_SEVERAL);

	/* only the child has it: it is the one, whoever called listen() */
	close(fd);
	close(copy);
	one = fill(table, 0);
	assert_int_equal(owner_at(table, own_netns, AF_INET,
				  (const uint8_t[16]){ 127, 0, 0, 1 }, port,
				  (uint32_t)kid.pid), one);
	child__stop(&kid);
	fill(table, 0);
	assert_int_equal(owner_then(table, own_netns, AF_INET,
				    (const uint8_t[16]){ 127, 0, 0, 1 }, port,
				    clock__now_ns(CLOCK_MONOTONIC) + MS, 0),
			 LISTENERS_NONE);
	listeners__free(table);
}

static void test_fill_limited(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	struct listeners_place place;
	struct listeners_match match;
	uint16_t port = 0;
	int fd;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	fd = listen_at(AF_INET, "0.0.0.0", &port, false);
	assert_int_equal(fill(table, 1), LISTENERS_CALLER);
	place = place_at(own_netns, AF_INET, ten, port, 0);
	assert_true(listeners__lookup(table, &place, &match));
	assert_int_equal(match.owner, LISTENERS_UNSURE);
	close(fd);
	listeners__free(table);
}

static void test_fill_reuseport(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	uint16_t port = 0;
	struct child kid;
	int fd;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	fd = listen_at(AF_INET, "0.0.0.0", &port, false);
	child__start(&kid, false, port, true, fd);
	fill(table, 0);
	assert_int_equal(owner_at(table, own_netns, AF_INET, ten, port, 0), LISTENERS_SEVERAL);
	child__stop(&kid);
	close(fd);
	listeners__free(table);
}

static void test_fill_dual_stack(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	uint32_t me = (uint32_t)getpid();
	uint16_t dual = 0, only = 0, mapped = 0;
	enum listeners_owner one;
	int fds[3], i;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	fds[0] = listen_at(AF_INET6, "::", &dual, false);
	fds[1] = listen_at(AF_INET6, "::", &only, true);
	fds[2] = listen_at(AF_INET6, "::ffff:127.0.0.9", &mapped, false);
	one = fill(table, 0);
	assert_int_equal(owner_at(table, own_netns, AF_INET, ten, dual, me), one);
	assert_int_equal(owner_at(table, own_netns, AF_INET6, six, dual, me), one);
	assert_int_equal(owner_at(table, own_netns, AF_INET, ten, only, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, own_netns, AF_INET6, six, only, me), one);
	assert_int_equal(owner_at(table, own_netns, AF_INET,
				  (const uint8_t[16]){ 127, 0, 0, 9 }, mapped, me), one);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	listeners__free(table);
}

static void test_fill_other_namespace(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	struct listeners_place place;
	struct listeners_match match;
	enum listeners_owner one;
	struct greeting hello;
	struct child kid;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	hello = child__start(&kid, true, 0, false, -1);
	one = fill(table, 0);
	place = place_at(hello.netns, AF_INET, ten, hello.port, 0);
	assert_true(listeners__lookup(table, &place, &match));
	assert_int_equal(match.owner, one);
	assert_int_equal(match.tgid, kid.pid);
	assert_string_equal(match.comm, "kid");
	place.netns = own_netns;
	assert_false(listeners__lookup(table, &place, &match));
	child__stop(&kid);
	listeners__free(table);
}

/* Attach, fill, then the events that came meanwhile: nothing gets worse. */
static void test_event_after_fill(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	struct listener event = socket_at(AF_INET, any, 0, (uint32_t)getpid());
	enum listeners_owner one;
	socklen_t len = sizeof(event.cookie);
	size_t count;
	int fd;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	fd = listen_at(AF_INET, "0.0.0.0", &event.port, false);
	one = fill(table, 0);
	count = listeners__count(table);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &event.cookie, &len), 0);
	event.netns = own_netns;
	add(table, event);
	assert_int_equal(listeners__count(table), count);
	assert_int_equal(owner_at(table, own_netns, AF_INET, ten, event.port, event.tgid), one);
	close(fd);
	listeners__free(table);
}

/* Lost records: what listens no more has ended when they began to be lost, and what began
 * to listen is known from now on alone. Records of the past that come after that change
 * nothing. */
static void test_fill_after_doubt(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	struct listener gone = socket_at(AF_INET, any, 0, 4711);
	uint32_t me = (uint32_t)getpid();
	uint64_t known_ns, now_ns;
	enum listeners_owner one;
	int fd;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	fill(table, 0);
	gone.netns = own_netns;
	gone.cookie = 1ULL << 50;
	known_ns = clock__now_ns(CLOCK_MONOTONIC) + MS;
	gone.since_ns = known_ns - MS / 2;
	fd = listen_at(AF_INET, "0.0.0.0", &gone.port, false);
	add(table, gone);
	while (clock__now_ns(CLOCK_MONOTONIC) < known_ns + MS)
		;
	listeners__doubt(table, known_ns);
	one = fill(table, 0);
	now_ns = clock__now_ns(CLOCK_MONOTONIC);
	assert_false(listeners__needs_fill(table));
	assert_int_equal(owner_then(table, own_netns, AF_INET, ten, gone.port, known_ns - MS / 4,
				    4711), LISTENERS_CALLER);
	assert_int_equal(owner_then(table, own_netns, AF_INET, ten, gone.port,
				    known_ns + MS / 2, 0), LISTENERS_NONE);
	assert_int_equal(owner_then(table, own_netns, AF_INET, ten, gone.port, now_ns, me), one);
	add(table, gone);
	gone.cookie++;
	gone.since_ns += MS;
	add(table, gone); /* another one, that nobody found */
	assert_int_equal(owner_then(table, own_netns, AF_INET, ten, gone.port, now_ns, me), one);
	listeners__remove(table, &gone, known_ns + MS);
	assert_int_equal(owner_then(table, own_netns, AF_INET, ten, gone.port,
				    known_ns + 3 * MS / 4, 4711), LISTENERS_CALLER);
	close(fd);
	listeners__free(table);
}

/* The one namespace cannot be read, and the others are. */
static uint32_t unreadable;

static int dump_but_one(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
			unsigned int *flags)
{
	uint32_t inode;
	int err = netns__inode(netns_fd, &inode);

	if (err || inode == unreadable)
		return err ?: -EIO;
	return sockdiag__dump(netns_fd, states, fn, ctx, flags);
}

static void test_fill_one_fails(void **state)
{
	const struct sockets_source source = { &netns_default_places, dump_but_one, false, NULL };
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	struct listener there = socket_at(AF_INET, ten, 80, 4711);
	uint32_t me = (uint32_t)getpid();
	enum listeners_owner one;
	struct greeting hello;
	unsigned int flags = 0;
	struct child kid;
	uint16_t port = 0;
	int fd;

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	hello = child__start(&kid, true, 0, false, -1);
	fd = listen_at(AF_INET, "0.0.0.0", &port, false);
	there.netns = unreadable = hello.netns;
	there.cookie = 1ULL << 50;
	add(table, there);
	assert_int_equal(listeners__fill(table, &source, 0, &flags), 0);
	assert_true(flags & LISTENERS_NETNS_FAILED);
	one = flags & LISTENERS_FDS_DENIED ? LISTENERS_LIKELY : LISTENERS_ONE;
	assert_int_equal(owner_at(table, own_netns, AF_INET, ten, port, me), one);
	/* it is known that somebody listens there, but not who else does */
	assert_int_equal(owner_at(table, hello.netns, AF_INET, ten, 80, 0), LISTENERS_UNSURE);
	unreadable = 0;
	flags = 0;
	assert_int_equal(listeners__fill(table, &source, 0, &flags), 0);
	assert_false(flags & LISTENERS_NETNS_FAILED);
	assert_int_equal(owner_then(table, hello.netns, AF_INET, ten, hello.port,
				    clock__now_ns(CLOCK_MONOTONIC), (uint32_t)kid.pid), one);
	child__stop(&kid);
	close(fd);
	listeners__free(table);
}

static void test_fill_table_full(void **state)
{
	struct listeners *table = new_table(1);
	unsigned int flags = 0;
	uint16_t port = 0, other = 0;
	int fds[2];

	(void)state;
	if (!have_namespace) {
		listeners__free(table);
		skip();
	}
	fds[0] = listen_at(AF_INET, "0.0.0.0", &port, false);
	fds[1] = listen_at(AF_INET, "0.0.0.0", &other, false);
	assert_int_equal(listeners__fill(table, &everywhere, 0, &flags), 0);
	assert_true(flags & LISTENERS_TABLE_FULL);
	assert_int_equal(listeners__count(table), 1);
	assert_true(listeners__refused(table) > 0);
	close(fds[0]);
	close(fds[1]);
	listeners__free(table);
}

static int dump_none(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
		     unsigned int *flags)
{
	(void)netns_fd, (void)states, (void)fn, (void)ctx, (void)flags;
	return -EIO;
}

static void test_fill_failure_keeps_the_content(void **state)
{
	const struct netns_places no_places = { .proc_root = "/nonexistent", .run_dirs = NULL };
	const struct sockets_source nowhere = { &no_places, dump_none, false, NULL };
	struct listeners *table = new_table(4);
	unsigned int flags = 77;

	(void)state;
	add(table, socket_at(AF_INET, any, 80, 100));
	assert_int_equal(listeners__fill(table, &nowhere, 0, &flags), -EIO);
	assert_int_equal(flags, 77);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_CALLER);
	listeners__free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill_one_and_inherited),
		cmocka_unit_test(test_fill_limited),
		cmocka_unit_test(test_fill_reuseport),
		cmocka_unit_test(test_fill_dual_stack),
		cmocka_unit_test(test_fill_other_namespace),
		cmocka_unit_test(test_event_after_fill),
		cmocka_unit_test(test_fill_after_doubt),
		cmocka_unit_test(test_fill_one_fails),
		cmocka_unit_test(test_fill_table_full),
		cmocka_unit_test(test_fill_failure_keeps_the_content),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

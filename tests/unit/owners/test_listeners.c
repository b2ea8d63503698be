// SPDX-License-Identifier: GPL-2.0
/* Needs: user/owners/listeners.c user/sockets/sockdiag.c user/host/netns.c user/host/procinfo.c,
 * -pthread. The tests on the real kernel need root, else they are skipped. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owners/listeners.h"

static const uint8_t any[16];
static const uint8_t ten[16] = { 10, 0, 0, 1 };
static const uint8_t eleven[16] = { 10, 0, 0, 2 };
static const uint8_t six[16] = { 0xfd, [15] = 1 };

static struct listener socket_at(uint8_t family, const uint8_t *addr, uint16_t port,
				 uint32_t tgid)
{
	struct listener socket = { .netns = 1, .family = family, .port = port, .tgid = tgid };

	memcpy(socket.addr, addr, 16);
	memcpy(socket.comm, "srv", 4);
	return socket;
}

static struct listeners *new_table(size_t entries)
{
	struct listeners *table;

	assert_int_equal(listeners__new(&table, entries), 0);
	return table;
}

static enum listeners_owner owner_at(const struct listeners *table, uint32_t netns,
				     uint8_t family, const uint8_t *addr, uint16_t port,
				     uint32_t tgid)
{
	struct listeners_match match;
	bool found;

	memset(&match, 0xff, sizeof(match));
	found = listeners__lookup(table, netns, family, addr, port, &match);
	assert_int_equal(found, match.owner != LISTENERS_NONE);
	assert_int_equal(match.tgid, tgid);
	if (!tgid)
		assert_string_equal(match.comm, "");
	return match.owner;
}

static void add(struct listeners *table, struct listener socket)
{
	assert_int_equal(listeners__add(table, &socket), 0);
}

/* ---- pure ---- */

static void test_empty_and_bad(void **state)
{
	struct listeners *table = NULL;
	struct listener socket = socket_at(AF_UNIX, any, 80, 1);

	(void)state;
	assert_int_equal(listeners__new(&table, 0), -EINVAL);
	assert_null(table);
	table = new_table(4);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 0), LISTENERS_NONE);
	assert_int_equal(listeners__add(table, &socket), -EINVAL);
	assert_int_equal(listeners__count(table), 0);
	listeners__free(table);
	listeners__free(NULL);
}

static void test_addresses(void **state)
{
	struct listeners *table = new_table(16);

	(void)state;
	add(table, socket_at(AF_INET, any, 80, 100));
	add(table, socket_at(AF_INET, ten, 81, 101));
	add(table, socket_at(AF_INET6, any, 82, 102));
	add(table, socket_at(AF_INET6, six, 83, 103));

	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 80, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 2, AF_INET, ten, 80, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 101), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET, eleven, 81, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 1, AF_INET, eleven, 82, 102), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 82, 102), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 83, 103), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 83, 0), LISTENERS_NONE);
	listeners__free(table);
}

static void test_the_most_specific_wins(void **state)
{
	struct listeners *table = new_table(16);
	struct listener v6only = socket_at(AF_INET6, any, 81, 104);

	(void)state;
	add(table, socket_at(AF_INET6, any, 80, 101));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 101), LISTENERS_CALLER);
	add(table, socket_at(AF_INET, any, 80, 102));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 102), LISTENERS_CALLER);
	add(table, socket_at(AF_INET, ten, 80, 103));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 103), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 80, 101), LISTENERS_CALLER);

	v6only.v6only = true;
	add(table, v6only);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 81, 104), LISTENERS_CALLER);
	listeners__free(table);
}

static void test_two_processes_are_nobody(void **state)
{
	struct listeners *table = new_table(16);
	struct listener a = socket_at(AF_INET, any, 80, 100);
	struct listener b = socket_at(AF_INET, any, 80, 100);

	(void)state;
	/* one process with several sockets (SO_REUSEPORT) is one */
	a.cookie = 7;
	b.cookie = 8;
	add(table, a);
	add(table, a);
	add(table, b);
	assert_int_equal(listeners__count(table), 2);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_CALLER);

	b.cookie = 9;
	b.tgid = 200;
	add(table, b);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 0), LISTENERS_SEVERAL);

	/* the same socket by another process, and back */
	a = socket_at(AF_INET, any, 81, 100);
	a.cookie = 11;
	add(table, a);
	a.tgid = 200;
	add(table, a);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 0), LISTENERS_SEVERAL);
	a.tgid = 100;
	add(table, a);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 0), LISTENERS_SEVERAL);
	listeners__free(table);
}

static void test_ended(void **state)
{
	struct listeners *table = new_table(16);
	struct listener first = socket_at(AF_INET, any, 80, 100);
	struct listener second = socket_at(AF_INET, any, 80, 101);

	(void)state;
	first.cookie = 7;
	second.cookie = 8;
	add(table, first);
	listeners__remove(table, 7);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_CALLER);
	add(table, second);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 101), LISTENERS_CALLER);
	assert_int_equal(listeners__count(table), 1);
	listeners__remove(table, 9);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 101), LISTENERS_CALLER);
	listeners__free(table);
}

static void test_without_cookies(void **state)
{
	struct listeners *table = new_table(16);

	(void)state;
	add(table, socket_at(AF_INET, any, 80, 100));
	add(table, socket_at(AF_INET, any, 80, 100));
	assert_int_equal(listeners__count(table), 1);
	add(table, socket_at(AF_INET, any, 80, 0));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_UNSURE);
	add(table, socket_at(AF_INET, any, 80, 101));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 0), LISTENERS_SEVERAL);
	listeners__free(table);
}

static void test_name_is_bounded(void **state)
{
	struct listener socket = socket_at(AF_INET, any, 80, 100);
	struct listeners *table = new_table(1);
	struct listeners_match match;

	(void)state;
	memset(socket.comm, 'x', sizeof(socket.comm));
	add(table, socket);
	assert_true(listeners__lookup(table, 1, AF_INET, ten, 80, &match));
	assert_int_equal(strlen(match.comm), LISTENERS_COMM_LEN - 1);
	listeners__free(table);
}

static void test_the_oldest_gives_way(void **state)
{
	struct listeners *table = new_table(8);
	uint16_t port;

	(void)state;
	for (port = 1; port <= 20; port++)
		add(table, socket_at(AF_INET, any, port, port));
	assert_int_equal(listeners__count(table), 8);
	assert_int_equal(listeners__dropped(table), 12);
	for (port = 1; port <= 12; port++)
		assert_int_equal(owner_at(table, 1, AF_INET, ten, port, 0), LISTENERS_NONE);
	for (port = 13; port <= 20; port++)
		assert_int_equal(owner_at(table, 1, AF_INET, ten, port, port),
				 LISTENERS_CALLER);
	listeners__free(table);
}

/* ---- the real kernel ---- */

static bool have_namespace;
static uint32_t own_netns;

static int set_up_lo(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	err = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr);
	if (fd >= 0)
		close(fd);
	return err;
}

static int setup(void **state)
{
	(void)state;
	have_namespace = geteuid() == 0 && unshare(CLONE_NEWNET) == 0 && set_up_lo() == 0 &&
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

static const struct sockets_source everywhere = { &netns_default_places, sockdiag__dump };

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
	add(table, socket_at(AF_INET, any, 1, 1)); /* to be replaced */
	one = fill(table, 0);
	assert_true(one != LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 1, 0), LISTENERS_NONE);
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
	assert_int_equal(owner_at(table, own_netns, AF_INET,
				  (const uint8_t[16]){ 127, 0, 0, 1 }, port, 0),
			 LISTENERS_NONE);
	listeners__free(table);
}

static void test_fill_limited(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
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
	assert_true(listeners__lookup(table, own_netns, AF_INET, ten, port, &match));
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
	assert_true(listeners__lookup(table, hello.netns, AF_INET, ten, hello.port, &match));
	assert_int_equal(match.owner, one);
	assert_int_equal(match.tgid, kid.pid);
	assert_string_equal(match.comm, "kid");
	assert_false(listeners__lookup(table, own_netns, AF_INET, ten, hello.port, &match));
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
	assert_true(listeners__dropped(table) > 0);
	close(fds[0]);
	close(fds[1]);
	listeners__free(table);
}

static void test_fill_failure_keeps_the_content(void **state)
{
	const struct netns_places no_places = { .proc_root = "/nonexistent", .run_dirs = NULL };
	const struct sockets_source nowhere = { &no_places, sockdiag__dump };
	struct listeners *table = new_table(4);
	unsigned int flags = 77;

	(void)state;
	add(table, socket_at(AF_INET, any, 80, 100));
	assert_int_equal(listeners__fill(table, &nowhere, 0, &flags), -ENOENT);
	assert_int_equal(flags, 77);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_CALLER);
	listeners__free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_and_bad),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_the_most_specific_wins),
		cmocka_unit_test(test_two_processes_are_nobody),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_without_cookies),
		cmocka_unit_test(test_name_is_bounded),
		cmocka_unit_test(test_the_oldest_gives_way),
		cmocka_unit_test(test_fill_one_and_inherited),
		cmocka_unit_test(test_fill_limited),
		cmocka_unit_test(test_fill_reuseport),
		cmocka_unit_test(test_fill_dual_stack),
		cmocka_unit_test(test_fill_other_namespace),
		cmocka_unit_test(test_event_after_fill),
		cmocka_unit_test(test_fill_table_full),
		cmocka_unit_test(test_fill_failure_keeps_the_content),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

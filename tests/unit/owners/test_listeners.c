// SPDX-License-Identifier: GPL-2.0
/* The tests on the real kernel need root, else they are skipped. */
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

#include "base/clock.h"
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

static struct listeners_place place_at(uint32_t netns, uint8_t family, const uint8_t *addr,
				       uint16_t port, uint64_t opened_ns)
{
	struct listeners_place place = {
		.opened_ns = opened_ns, .netns = netns, .port = port, .family = family,
	};

	memcpy(place.addr, addr, 16);
	return place;
}

/* Of a connection that was opened at @opened_ns. */
static enum listeners_owner owner_then(const struct listeners *table, uint32_t netns,
				       uint8_t family, const uint8_t *addr, uint16_t port,
				       uint64_t opened_ns, uint32_t tgid)
{
	struct listeners_place place = place_at(netns, family, addr, port, opened_ns);
	struct listeners_match match;
	bool found;

	memset(&match, 0xff, sizeof(match));
	found = listeners__lookup(table, &place, &match);
	assert_int_equal(found, match.owner != LISTENERS_NONE);
	assert_int_equal(match.tgid, tgid);
	if (!tgid)
		assert_string_equal(match.comm, "");
	return match.owner;
}

static enum listeners_owner owner_at(const struct listeners *table, uint32_t netns,
				     uint8_t family, const uint8_t *addr, uint16_t port,
				     uint32_t tgid)
{
	return owner_then(table, netns, family, addr, port, 0, tgid);
}

/* In namespace 1, over IPv4. */
static enum listeners_owner owner_of(const struct listeners *table, const uint8_t *addr,
				     uint16_t port, uint64_t opened_ns, uint32_t tgid)
{
	return owner_then(table, 1, AF_INET, addr, port, opened_ns, tgid);
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

#define MS 1000000ULL

static struct listener born(uint8_t family, const uint8_t *addr, uint16_t port, uint32_t tgid,
			    uint64_t since_ns)
{
	struct listener socket = socket_at(family, addr, port, tgid);

	socket.cookie = tgid;
	socket.since_ns = since_ns;
	return socket;
}

static void end(struct listeners *table, struct listener socket, uint64_t ended_ns)
{
	listeners__remove(table, &socket, ended_ns);
}

/* One after the other at one place: each answers for its own time. */
static void test_lifetimes(void **state)
{
	struct listeners *table = new_table(16);
	struct listener first = born(AF_INET, any, 80, 100, 10 * MS);
	struct listener second = born(AF_INET, any, 80, 101, 30 * MS);

	(void)state;
	add(table, first);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 5 * MS, 0), LISTENERS_NONE);
	end(table, first, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 25 * MS, 0), LISTENERS_NONE);
	add(table, second);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 35 * MS, 101), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 25 * MS, 0), LISTENERS_NONE);
	/* so near to a border that clocks decide */
	assert_int_equal(owner_of(table, ten, 80, 20 * MS + 1, 100), LISTENERS_UNSURE);
	assert_int_equal(owner_of(table, ten, 80, 30 * MS - 1, 101), LISTENERS_UNSURE);
	listeners__free(table);
}

/* Neither the inode of a namespace that is gone, nor an address that was nearer. */
static void test_ended_long_ago(void **state)
{
	struct listeners *table = new_table(16);
	struct listener gone = born(AF_INET, ten, 80, 100, 10 * MS);

	(void)state;
	add(table, gone);
	end(table, gone, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 900 * MS, 0), LISTENERS_NONE);
	add(table, born(AF_INET, any, 80, 101, 15 * MS));
	end(table, born(AF_INET, any, 80, 101, 0), 950 * MS);
	assert_int_equal(owner_of(table, ten, 80, 17 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 900 * MS, 101), LISTENERS_CALLER);
	listeners__free(table);
}

/* The moment is not known: who began to listen before our eyes may not be the one, nor may
 * who listens still, where another one listened too. All of them tell the side. */
static void test_no_moment(void **state)
{
	struct listeners *table = new_table(16);
	struct listener first = born(AF_INET, any, 80, 100, 0);

	(void)state;
	add(table, first);
	assert_int_equal(owner_of(table, ten, 80, 0, 100), LISTENERS_CALLER);
	end(table, first, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 0, 100), LISTENERS_UNSURE);
	add(table, born(AF_INET, any, 80, 101, 30 * MS));
	assert_int_equal(owner_of(table, ten, 80, 0, 0), LISTENERS_SEVERAL);
	add(table, born(AF_INET, any, 81, 102, 30 * MS));
	assert_int_equal(owner_of(table, ten, 81, 0, 102), LISTENERS_UNSURE);
	listeners__free(table);
}

/* A socket that ended and listens anew, elsewhere. */
static void test_anew(void **state)
{
	struct listeners *table = new_table(16);
	struct listener socket = born(AF_INET, any, 80, 100, 10 * MS);

	(void)state;
	add(table, socket);
	end(table, socket, 20 * MS);
	socket.port = 81;
	socket.since_ns = 30 * MS;
	add(table, socket);
	assert_int_equal(listeners__count(table), 1);
	assert_int_equal(owner_of(table, ten, 81, 35 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 35 * MS, 0), LISTENERS_NONE);
	/* what comes late changes nothing */
	socket.port = 80;
	socket.since_ns = 10 * MS;
	add(table, socket);
	end(table, socket, 20 * MS);
	assert_int_equal(owner_of(table, ten, 81, 35 * MS, 100), LISTENERS_CALLER);
	listeners__free(table);
}

/* Without cookies the place tells which one has ended, if it is the only one there. */
static void test_ended_without_cookie(void **state)
{
	struct listeners *table = new_table(16);
	struct listener first = born(AF_INET, any, 80, 100, 10 * MS);
	struct listener second = born(AF_INET, any, 80, 101, 15 * MS);

	(void)state;
	first.cookie = second.cookie = 0;
	add(table, first);
	end(table, first, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 30 * MS, 0), LISTENERS_NONE);
	first.since_ns = 40 * MS;
	second.since_ns = 41 * MS;
	add(table, first);
	add(table, second);
	end(table, first, 50 * MS);
	assert_int_equal(owner_of(table, ten, 80, 60 * MS, 0), LISTENERS_UNSURE);
	listeners__free(table);
}

/* Records are missing since 20 ms: what was before is known still. */
static void test_doubt(void **state)
{
	struct listeners *table = new_table(16);

	(void)state;
	add(table, born(AF_INET, any, 80, 100, 10 * MS));
	assert_false(listeners__needs_fill(table));
	listeners__doubt(table, 20 * MS);
	listeners__doubt(table, 30 * MS);
	assert_true(listeners__needs_fill(table));
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 25 * MS, 0), LISTENERS_UNSURE);
	assert_int_equal(owner_of(table, ten, 80, 0, 0), LISTENERS_UNSURE);
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
	struct listeners_place place = place_at(1, AF_INET, ten, 80, 0);
	struct listeners_match match;

	(void)state;
	memset(socket.comm, 'x', sizeof(socket.comm));
	add(table, socket);
	assert_true(listeners__lookup(table, &place, &match));
	assert_int_equal(strlen(match.comm), LISTENERS_COMM_LEN - 1);
	listeners__free(table);
}

/* What has ended goes first, the longest ago before all. */
static void test_the_dead_give_way(void **state)
{
	struct listeners *table = new_table(8);
	uint16_t port;

	(void)state;
	add(table, born(AF_INET, any, 80, 80, MS));
	for (port = 100; port < 140; port++) {
		add(table, born(AF_INET, any, port, port, MS));
		end(table, born(AF_INET, any, port, port, 0), 2 * MS);
	}
	assert_int_equal(listeners__count(table), 8);
	assert_int_equal(listeners__refused(table), 0);
	assert_int_equal(owner_of(table, ten, 80, 3 * MS, 80), LISTENERS_CALLER);
	for (port = 100; port < 133; port++)
		assert_int_equal(owner_of(table, ten, port, MS + 1, 0), LISTENERS_NONE);
	for (port = 133; port < 140; port++)
		assert_int_equal(owner_of(table, ten, port, MS + 10000, port), LISTENERS_CALLER);
	listeners__free(table);
}

/* If all of them listen the new one finds no room, and its port has no owner: at its own
 * address somebody else might be named. A fill sets that right, once there is room. */
static void test_the_living_stay(void **state)
{
	struct listener refused = born(AF_INET, ten, 80, 100, MS);
	struct listeners *table = new_table(8);
	uint16_t port;

	(void)state;
	for (port = 80; port < 88; port++)
		add(table, born(AF_INET, any, port, port, MS));
	assert_int_equal(listeners__add(table, &refused), -ENOSPC);
	assert_int_equal(listeners__refused(table), 1);
	assert_int_equal(owner_of(table, ten, 80, 3 * MS, 0), LISTENERS_UNSURE);
	assert_int_equal(owner_of(table, ten, 81, 3 * MS, 81), LISTENERS_CALLER);
	assert_false(listeners__needs_fill(table));
	for (port = 84; port < 88; port++)
		end(table, born(AF_INET, any, port, port, 0), 2 * MS);
	assert_true(listeners__needs_fill(table));
	listeners__free(table);
}

/* Who makes any number of sockets at one port makes nobody else's answer slow or wrong. */
static void test_many_at_one_port(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	struct listener socket = born(AF_INET, any, 80, 100, MS);

	(void)state;
	for (int i = 0; i < LISTENERS_AT_PORT_MAX; i++, socket.cookie++)
		add(table, socket);
	assert_int_equal(listeners__add(table, &socket), -ENOSPC);
	assert_int_equal(owner_of(table, ten, 80, 3 * MS, 0), LISTENERS_UNSURE);
	for (int i = 0; i < LISTENERS_AT_PORT_MAX; i++) {
		socket.cookie = 100 + (uint64_t)i;
		end(table, socket, 2 * MS);
	}
	assert_int_equal(listeners__count(table), LISTENERS_ENDED_MAX);
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
	end(table, gone, known_ns + MS);
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
		cmocka_unit_test(test_empty_and_bad),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_the_most_specific_wins),
		cmocka_unit_test(test_two_processes_are_nobody),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_ended_long_ago),
		cmocka_unit_test(test_no_moment),
		cmocka_unit_test(test_anew),
		cmocka_unit_test(test_ended_without_cookie),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_without_cookies),
		cmocka_unit_test(test_name_is_bounded),
		cmocka_unit_test(test_the_dead_give_way),
		cmocka_unit_test(test_the_living_stay),
		cmocka_unit_test(test_many_at_one_port),
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

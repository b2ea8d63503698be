// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of `twsnoop list --ports`: what it says is left is held against the kernel, by
 * connects made at that moment until one fails. All sockets are the stage's own.
 */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST 40000
#define LAST 40019
#define USABLE 20
#define WEB 80 /* listened on, and so is the next one */
#define ALIAS "10.77.0.1" /* on lo, and no loopback address */
#define ANY ((const char *)NULL)

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/* ---- the stage's sockets ---- */

struct set {
	struct stage *st;
	const char *twsnoop;
	int web[2];
	int fds[256]; /* kept open until the stage ends */
	size_t n;
};

static struct sockaddr_in address(const char *addr, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (addr)
		inet_pton(AF_INET, addr, &sin.sin_addr);
	return sin;
}

static int keep(struct set *x, int fd)
{
	EXPECT(x->st, fd >= 0 && x->n < sizeof(x->fds) / sizeof(x->fds[0]));
	x->fds[x->n++] = fd;
	return fd;
}

/* Of SO_REUSEADDR, bound; a negative errno if it cannot be. */
static int bound(const char *addr, uint16_t port, bool no_port)
{
	struct sockaddr_in sin = address(addr, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (no_port)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (!bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int listening(struct set *x, const char *addr, uint16_t port)
{
	int fd = keep(x, bound(addr, port, false));

	EXPECT(x->st, listen(fd, 200) == 0);
	return fd;
}

/* From this address and port, 0: one that connect() chooses. Or a negative errno. */
static int connected(const char *from, uint16_t port, const char *to, uint16_t to_port)
{
	struct sockaddr_in sin = address(to, to_port);
	int fd = bound(from, port, port == 0), err;

	if (fd < 0 || !connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* As many connects as succeed; what fails has to fail for want of a port. */
static long fill(struct set *x, const char *from, const char *to, uint16_t to_port)
{
	long n = 0;
	int fd;

	while ((fd = connected(from, 0, to, to_port)) >= 0) {
		keep(x, fd);
		n++;
	}
	EXPECT(x->st, fd == -EADDRNOTAVAIL);
	return n;
}

/* The server's end of this one; those that wait before it are kept. */
static int accepted(struct set *x, int lfd, uint16_t client_port)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int fd;

	while ((fd = accept(lfd, (struct sockaddr *)&peer, &len)) >= 0) {
		if (ntohs(peer.sin_port) == client_port)
			break;
		keep(x, fd);
	}
	return fd;
}

/* Ends one from the client's side; its TIME_WAIT is the kernel's from then on. */
static void end_first(struct set *x, int fd, int lfd)
{
	struct end end = { 0 };
	char byte;
	int sfd;

	EXPECT(x->st, fd >= 0 && tuple__from_fd(fd, &end.t) == 0);
	sfd = accepted(x, lfd, end.t.lport);
	EXPECT(x->st, sfd >= 0 && close(fd) == 0);
	EXPECT(x->st, read(sfd, &byte, 1) == 0 && close(sfd) == 0);
	stage__await(x->st, &end, REF_TIME_WAIT);
}

static void add_alias(struct stage *st)
{
	struct ifreq ifr = { .ifr_name = "lo:1" };
	struct sockaddr_in sin = address(ALIAS, 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	EXPECT(st, fd >= 0 && ioctl(fd, SIOCSIFADDR, &ifr) == 0);
	close(fd);
}

static struct set set_up(struct stage *st, const char *twsnoop)
{
	struct set x = { .st = st, .twsnoop = twsnoop };

	EXPECT(st, net__sysctl_text("ip_local_port_range", "40000 40019") == 0);
	add_alias(st);
	x.web[0] = listening(&x, ANY, WEB);
	x.web[1] = listening(&x, ANY, WEB + 1);
	return x;
}

/* ---- what is said of them ---- */

struct place {
	long usable, time_wait, live, close_wait, bound, left, reusable; /* -1: absent */
	long first, last;
	long pid;
};

static long number(json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? (long)json_integer_value(v) : -1;
}

static bool is_text(json_t *v, const char *text)
{
	return text ? json_is_string(v) && !strcmp(json_string_value(v), text) : !v;
}

static bool read_place(json_t *root, const char *scope, const char *local, const char *peer,
		       long port, struct place *place)
{
	json_t *net = json_object_get(root, "network"), *to = json_object_get(net, "peer");
	json_t *p = json_object_get(root, "ports");

	if (!is_text(json_object_get(p, "scope"), scope) ||
	    !is_text(json_object_get(json_object_get(net, "local"), "address"), local) ||
	    !is_text(json_object_get(to, "address"), peer) || number(to, "port") != port)
		return false;
	*place = (struct place){
		.usable = number(p, "usable"), .time_wait = number(p, "time_wait"),
		.live = number(p, "live"), .close_wait = number(p, "close_wait"),
		.bound = number(p, "bound"), .left = number(p, "left"),
		.reusable = number(p, "reusable"), .first = number(p, "first"),
		.last = number(p, "last"), .pid = number(json_object_get(root, "process"), "pid"),
	};
	return true;
}

/* The list's words on stderr go to @err, if not NULL. False: there is no such place. */
static bool find_place(struct set *x, const char *scope, const char *local, const char *peer,
		       long port, struct place *place, char *err, size_t err_size)
{
	char netns[24];
	const char *const args[] = { "list", "--ports", "--json", "--netns", netns, NULL };
	bool found = false;
	struct output o;

	snprintf(netns, sizeof(netns), "%lu", (unsigned long)x->st->rec->netns);
	EXPECT(x->st, output__run(&o, x->twsnoop, args) == 0 && o.status == 0);
	for (char *line = strtok(o.out, "\n"); !found && line; line = strtok(NULL, "\n")) {
		json_t *root = json_loads(line, 0, NULL);

		EXPECT(x->st, root);
		found = read_place(root, scope, local, peer, port, place);
		json_decref(root);
	}
	if (err)
		snprintf(err, err_size, "%s", o.err);
	output__free(&o);
	return found;
}

static struct place towards(struct set *x, const char *local, const char *peer, uint16_t port)
{
	struct place place;

	if (!find_place(x, "peer", local, peer, port, &place, NULL, 0))
		stage__fail(x->st, "nothing is said of %s to %s:%u", local, peer, port);
	return place;
}

/* As many as it says, and not one more. */
static void expect_left(struct set *x, const char *local, const char *peer, uint16_t port,
			long left)
{
	struct place place = towards(x, local, peer, port);
	long made;

	if (place.left != left)
		stage__fail(x->st, "%s to %s:%u: %ld left, %ld expected", local, peer, port,
			    place.left, left);
	made = fill(x, local, peer, port);
	if (made != left)
		stage__fail(x->st, "%s to %s:%u: %ld left, and %ld connects succeed", local, peer,
			    port, left, made);
}

/* ---- the tests ---- */

/* A leak, a pool: no TIME_WAIT at all, and connects fail. */
void listing__ports_live(struct stage *st, const char *twsnoop)
{
	struct set x = set_up(st, twsnoop);
	struct place place;

	for (int i = 0; i < 12; i++)
		keep(&x, connected(ALIAS, 0, ALIAS, WEB));
	for (int i = 0; i < 3; i++) {
		int fd = accept(x.web[0], NULL, NULL);
		char byte;

		EXPECT(st, fd >= 0 && close(fd) == 0);
		EXPECT(st, read(x.fds[2 + i], &byte, 1) == 0); /* in CLOSE_WAIT now */
	}
	place = towards(&x, ALIAS, ALIAS, WEB);
	EXPECT(st, place.usable == USABLE && place.live == 12 && place.time_wait == 0);
	EXPECT(st, place.close_wait == 3 && place.bound == 0 && place.pid == getpid());
	expect_left(&x, ALIAS, ALIAS, WEB, 8);
	expect_left(&x, ALIAS, ALIAS, WEB, 0);
	/* All of that is no matter to another source, and to another port. */
	keep(&x, connected("127.0.0.2", 0, ALIAS, WEB));
	expect_left(&x, "127.0.0.2", ALIAS, WEB, 19);
	keep(&x, connected(ALIAS, 0, ALIAS, WEB + 1));
	expect_left(&x, ALIAS, ALIAS, WEB + 1, 19);
}

/* What bind() and listen() have taken is taken for every destination. */
void listing__ports_bound(struct stage *st, const char *twsnoop)
{
	struct set x = set_up(st, twsnoop);
	struct place place;

	EXPECT(st, net__sysctl_text("ip_local_reserved_ports", "40010,40011,50000") == 0);
	listening(&x, "127.0.0.1", 40002);
	keep(&x, bound("127.0.0.1", 40004, false));
	keep(&x, connected("127.0.0.1", 40006, ALIAS, WEB));
	end_first(&x, connected("127.0.0.1", 40008, ALIAS, WEB + 1), x.web[1]);
	EXPECT(st, find_place(&x, "all", "127.0.0.1", NULL, -1, &place, NULL, 0));
	EXPECT(st, place.usable == 18 && place.live == 3 && place.time_wait == 1);
	EXPECT(st, place.bound == 0 && place.left == 14);
	/* From another address to where nothing is yet. */
	keep(&x, connected(ALIAS, 0, ALIAS, WEB));
	place = towards(&x, ALIAS, ALIAS, WEB);
	EXPECT(st, place.live == 1 && place.bound == 4);
	expect_left(&x, ALIAS, ALIAS, WEB, 13);
	/* Where the bound port's own connection is, it is not counted twice. */
	place = towards(&x, "127.0.0.1", ALIAS, WEB);
	EXPECT(st, place.live == 1 && place.bound == 3);
	expect_left(&x, "127.0.0.1", ALIAS, WEB, 14);
}

/* The holder of a port that is bound and nothing more, whose address is any. */
void listing__ports_holder(struct stage *st, const char *twsnoop)
{
	struct set x = set_up(st, twsnoop);
	struct place place;

	keep(&x, bound(ANY, 40001, false));
	EXPECT(st, find_place(&x, "all", NULL, NULL, -1, &place, NULL, 0));
	EXPECT(st, place.live == 1 && place.left == 19 && place.pid == getpid());
}

/* Ports that the program chooses outside of the range. */
void listing__ports_own(struct stage *st, const char *twsnoop)
{
	struct set x = set_up(st, twsnoop);
	struct place place;

	for (int i = 0; i < 10; i++)
		keep(&x, connected(ALIAS, (uint16_t)(10000 + i), ALIAS, WEB));
	EXPECT(st, find_place(&x, "own", ALIAS, ALIAS, WEB, &place, NULL, 0));
	EXPECT(st, place.first == 10000 && place.last == 10009 && place.live == 10);
	EXPECT(st, place.usable == -1 && place.left == 0 && place.pid == getpid());
	for (int i = 0; i < 10; i++)
		EXPECT(st, connected(ALIAS, (uint16_t)(10000 + i), ALIAS, WEB) < 0);
	/* One fixed port, in TIME_WAIT: taken over, for it has timestamps. */
	end_first(&x, connected(ALIAS, 9999, ALIAS, WEB + 1), x.web[1]);
	EXPECT(st, find_place(&x, "own", ALIAS, ALIAS, WEB + 1, &place, NULL, 0));
	EXPECT(st, place.time_wait == 1 && place.left == 0 && place.reusable == 1);
	keep(&x, connected(ALIAS, 9999, ALIAS, WEB + 1));
	EXPECT(st, net__sysctl("tcp_timestamps", 0) == 0);
	end_first(&x, connected(ALIAS, 9998, ALIAS, WEB + 1), x.web[1]);
	EXPECT(st, find_place(&x, "own", ALIAS, ALIAS, WEB + 1, &place, NULL, 0));
	EXPECT(st, place.first == 9998 && place.time_wait == 1 && place.reusable == 0);
	EXPECT(st, connected(ALIAS, 9998, ALIAS, WEB + 1) < 0);
}

/* TIME_WAIT holds a port, until tcp_tw_reuse and a second have passed. */
void listing__ports_reusable(struct stage *st, const char *twsnoop)
{
	uint64_t end = net__mono_ns() + DEADLINE_MS * 1000000ULL;
	struct set x = set_up(st, twsnoop);
	struct place place;

	EXPECT(st, net__sysctl("tcp_tw_reuse", 2) == 0); /* on loopback, which this is not */
	for (int i = 0; i < 6; i++)
		end_first(&x, connected(ALIAS, 0, ALIAS, WEB), x.web[0]);
	place = towards(&x, ALIAS, ALIAS, WEB);
	EXPECT(st, place.time_wait == 6 && place.reusable == 0 && place.pid != 0);
	expect_left(&x, ALIAS, ALIAS, WEB, 14);
	EXPECT(st, net__sysctl("tcp_tw_reuse", 1) == 0);
	while (place.reusable < 6 && net__mono_ns() < end)
		place = towards(&x, ALIAS, ALIAS, WEB);
	EXPECT(st, place.time_wait == 6 && place.reusable == 6 && place.left == 0);
	EXPECT(st, fill(&x, ALIAS, ALIAS, WEB) == 6);
	place = towards(&x, ALIAS, ALIAS, WEB);
	EXPECT(st, place.time_wait == 0 && place.live == 20 && place.left == 0);
}

struct seen_socket {
	char state[32], evidence[16];
	long pid;
};

/* The first socket that `list --all` has with this local port and this peer's; 0: none. */
static struct seen_socket socket_of(struct set *x, long local_port, long peer_port)
{
	char netns[24];
	const char *const args[] = { "list", "--all", "--json", "--netns", netns, NULL };
	struct seen_socket seen = { .pid = -2 };
	struct output o;
	long peer;

	snprintf(netns, sizeof(netns), "%lu", (unsigned long)x->st->rec->netns);
	EXPECT(x->st, output__run(&o, x->twsnoop, args) == 0 && o.status == 0);
	for (char *line = strtok(o.out, "\n"); seen.pid == -2 && line; line = strtok(NULL, "\n")) {
		json_t *root = json_loads(line, 0, NULL), *net = json_object_get(root, "network");
		json_t *tcp = json_object_get(root, "tcp"), *owner = json_object_get(root, "owner");

		EXPECT(x->st, root && tcp && owner);
		peer = number(json_object_get(net, "peer"), "port");
		if (number(json_object_get(net, "local"), "port") == local_port &&
		    (peer == peer_port || (peer < 0 && !peer_port))) {
			snprintf(seen.state, sizeof(seen.state), "%s",
				 json_string_value(json_object_get(tcp, "state")));
			snprintf(seen.evidence, sizeof(seen.evidence), "%s",
				 json_string_value(json_object_get(owner, "evidence")));
			seen.pid = number(json_object_get(root, "process"), "pid");
		}
		json_decref(root);
	}
	output__free(&o);
	return seen;
}

static void expect_socket(struct set *x, uint16_t local_port, uint16_t peer_port,
			  const char *state, const char *evidence, long pid)
{
	struct seen_socket seen = socket_of(x, local_port, peer_port);

	if (strcmp(seen.state, state) || strcmp(seen.evidence, evidence) || seen.pid != pid)
		stage__fail(x->st, "port %u: %s, %s, process %ld; expected %s, %s, %ld",
			    local_port, seen.state, seen.evidence, seen.pid, state, evidence, pid);
}

/* Who holds this port, whatever the state. */
void listing__all_states(struct stage *st, const char *twsnoop)
{
	struct set x = set_up(st, twsnoop);
	struct tuple tuple;
	long self = getpid();
	int fd, sfd;

	expect_socket(&x, WEB, 0, "listen", "holds", self);
	keep(&x, bound(ALIAS, 40002, false));
	expect_socket(&x, 40002, 0, "close", "holds", self);
	fd = keep(&x, connected(ALIAS, 40004, ALIAS, WEB));
	expect_socket(&x, 40004, WEB, "established", "holds", self);
	/* The other end waits for accept(). */
	expect_socket(&x, WEB, 40004, "established", "inferred", self);
	sfd = accepted(&x, x.web[0], 40004);
	expect_socket(&x, WEB, 40004, "established", "holds", self);
	EXPECT(st, shutdown(fd, SHUT_WR) == 0 && tuple__from_fd(sfd, &tuple) == 0);
	stage__await(st, &(struct end){ .t = tuple }, REF_STATE(ST_CLOSE_WAIT));
	expect_socket(&x, 40004, WEB, "fin_wait2", "holds", self);
	expect_socket(&x, WEB, 40004, "close_wait", "holds", self);
	end_first(&x, connected(ALIAS, 40006, ALIAS, WEB), x.web[0]);
	EXPECT(st, !strcmp(socket_of(&x, 40006, WEB).state, "time_wait"));
}

/* Who may not read the table of bound ports is told no harmless number. */
void listing__ports_unprivileged(struct stage *st, const char *twsnoop)
{
	struct set x = set_up(st, twsnoop);
	struct place place;
	char err[1024];

	keep(&x, connected(ALIAS, 0, ALIAS, WEB));
	EXPECT(st, setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	EXPECT(st, find_place(&x, "peer", ALIAS, ALIAS, WEB, &place, err, sizeof(err)));
	EXPECT(st, place.live == 1 && place.left == -1);
	EXPECT(st, strstr(err, "LEFT is not known") && strstr(err, "CAP_BPF"));
	/* Nothing is left: that is known, whatever else is bound. */
	EXPECT(st, fill(&x, ALIAS, ALIAS, WEB) == 19);
	place = towards(&x, ALIAS, ALIAS, WEB);
	EXPECT(st, place.live == USABLE && place.left == 0);
}

// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME(literal) { literal, sizeof(literal) - 1 }

const struct hostile_name hostile_names[] = {
	NAME("\033[31mred\033[0m"),	  /* colours */
	NAME("\033]0;title\007"),	  /* a window's title */
	NAME("\033[2J\033[H"),		  /* clears the screen */
	NAME("two\nlines"),
	NAME("cr\rover"),
	NAME("tab\tbed\bback"),
	NAME("\"quo\"ted'"),
	NAME("back\\slash\\"),
	NAME("a,b;c|d"),
	NAME("=1+cmd|'x'!A1"),		  /* a formula to a spreadsheet */
	NAME(" blank "),
	NAME("{\"a\":1}"),
	NAME("<b>&amp;</b>"),
	NAME("\xff\xfe bad"),		  /* no UTF-8 at all */
	NAME("cut\xe2\x82"),		  /* half a character */
	NAME("\xc0\xaf overlong"),
	NAME("\xed\xa0\x80 half"),	  /* a surrogate */
	NAME("\xe2\x80\xaegnp.exe"),	  /* right-to-left override */
	NAME("\xc2\x9b""31mC1"),	  /* CSI as one C1 character */
	NAME("del\x7f\x01\x1f"),
	NAME("\\x41\\n\\u0041"),	  /* looks escaped already */
	NAME("%s%n%d"),
	NAME("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac"), /* two columns each */
	NAME("e\xcc\x81\xcc\x82\xcc\x83\xcc\x84"), /* four marks on one letter */
	NAME("caf\xc3\xa9"),		  /* nothing wrong with this one */
};
const size_t num_hostile_names = sizeof(hostile_names) / sizeof(hostile_names[0]);

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t length_of(const union address *addr)
{
	return addr->any.sa_family == AF_INET ? sizeof(addr->v4) : sizeof(addr->v6);
}

static int listen_on(sa_family_t family, union address *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (union address){ .any.sa_family = family };
	if (family == AF_INET)
		addr->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		addr->v6.sin6_addr = in6addr_loopback;
	if (fd < 0 || bind(fd, &addr->any, length_of(addr)) || listen(fd, 16) ||
	    getsockname(fd, &addr->any, &len))
		die("listen");
	return fd;
}

/* The client's end goes straight into TIME_WAIT. */
static void close_once(int listener, const union address *addr)
{
	int client = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	char byte;

	if (client < 0 || connect(client, &addr->any, length_of(addr)))
		die("connect");
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		die("accept");
	shutdown(client, SHUT_WR);
	if (read(server, &byte, 1) != 0)
		die("end of file at the server");
	close(server);
	if (read(client, &byte, 1) != 0)
		die("end of file at the client");
	close(client);
}

static unsigned int state_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		die("TCP_INFO");
	return info.tcpi_state;
}

#define KNOWN_AT_ONCE 100 /* the answer to a FIN may be delayed */

struct known {
	int client, server;
};

static struct known open_with_cookie(int listener, const union address *addr)
{
	struct known pair = { .client = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	if (pair.client < 0 || connect(pair.client, &addr->any, length_of(addr)))
		die("connect");
	pair.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (pair.server < 0 || getsockopt(pair.client, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		die("accept");
	return pair;
}

/* The clients' ends wait in FIN_WAIT2 without a process, and have cookies that they were asked
 * for: their FINs' answers are seen, whoever else gave the cookies. */
static void close_with_cookies(int listener, const union address *addr, unsigned long num)
{
	struct known pairs[KNOWN_AT_ONCE];

	for (unsigned long i = 0; i < num; i++) {
		pairs[i] = open_with_cookie(listener, addr);
		shutdown(pairs[i].client, SHUT_WR);
	}
	for (unsigned long i = 0; i < num; i++) {
		while (state_of(pairs[i].client) != TCP_FIN_WAIT2)
			rest();
		close(pairs[i].client);
		close(pairs[i].server);
	}
}

int tool__close_known(int argc, char **argv)
{
	unsigned long num = number(argc > 0 ? argv[0] : "");
	union address addr;
	int listener = listen_on(AF_INET, &addr);

	for (unsigned long some; num; num -= some) {
		some = num < KNOWN_AT_ONCE ? num : KNOWN_AT_ONCE;
		close_with_cookies(listener, &addr, some);
	}
	return 0;
}

static int close_many(sa_family_t family, int argc, char **argv)
{
	unsigned long num = number(argc > 0 ? argv[0] : "");
	union address addr;
	int listener = listen_on(family, &addr);

	if (argc > 1)
		prctl(PR_SET_NAME, argv[1]);
	while (num--)
		close_once(listener, &addr);
	return 0;
}

int tool__close(int argc, char **argv)
{
	return close_many(AF_INET, argc, argv);
}

/* Each lives for a millisecond or so, and is told from the others by its arguments alone. */
int tool__brief(int argc, char **argv)
{
	unsigned long num = number(argc > 0 ? argv[0] : "");
	char which[32], *child[] = { "clitool", "close", "1", "clitool", which, NULL };
	int status;
	pid_t pid;

	for (unsigned long i = 0; i < num; i++) {
		snprintf(which, sizeof(which), "%lu", i);
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, child, NULL) ||
		    waitpid(pid, &status, 0) != pid || status)
			die(which);
	}
	return 0;
}

int tool__close6(int argc, char **argv)
{
	return close_many(AF_INET6, argc, argv);
}

int tool__hostile(int argc, char **argv)
{
	union address addr;
	int listener = listen_on(AF_INET, &addr);

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < num_hostile_names; i++) {
		prctl(PR_SET_NAME, hostile_names[i].bytes);
		close_once(listener, &addr);
	}
	return 0;
}

/* ---- latency ---- */

struct tracer {
	pid_t pid;
	int out, err;
};

static void start(struct tracer *t, char **argv)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe");
	t->pid = fork();
	if (t->pid < 0)
		die("fork");
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	t->out = out[0];
	t->err = err[0];
}

/* Reads what is there until a line is complete, or dies at the deadline. */
static void read_line(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char bytes[65536];
	ssize_t num;

	do {
		errno = 0;
		if (poll(&pfd, 1, DEADLINE_S * 1000) <= 0)
			die("no line before the deadline");
		num = read(fd, bytes, sizeof(bytes));
		if (num <= 0)
			die("the program ended");
	} while (bytes[num - 1] != '\n');
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* An odd number of closes, at times that have nothing to do with the tracer's. */
int tool__latency(int argc, char **argv)
{
	enum { NUM = 15 };
	uint64_t took_ns[NUM];
	union address addr;
	struct tracer t;
	int listener = listen_on(AF_INET, &addr);

	if (argc < 1)
		die("latency PROGRAM...");
	start(&t, argv);
	read_line(t.err);
	for (int i = 0; i < NUM; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 + 17000000 * i }, NULL);
		took_ns[i] = now_ns();
		close_once(listener, &addr);
		read_line(t.out);
		took_ns[i] = now_ns() - took_ns[i];
	}
	kill(t.pid, SIGTERM);
	waitpid(t.pid, NULL, 0);
	qsort(took_ns, NUM, sizeof(took_ns[0]), by_value);
	printf("%u\n", (unsigned int)(took_ns[NUM / 2] / 1000000));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * One end of a TCP connection, or both, for use in a container without anything
 * else in it: static. Over 127.0.0.1.
 *
 *	end pair PORT		both ends; the client's is closed first
 *	end hold PORT FIFO...	the same, but says "open" on stdout and closes once
 *				the file FIFO can be opened
 *	end serve PORT FIRST	takes two connections; closes the first ("first") or
 *				second ("second") of them itself, and waits for the
 *				end of the other
 *	end meet PORT FIRST	the other side of it: closes the one that serve does not
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address_of(const char *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	char *end;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((uint16_t)strtoul(port, &end, 10));
	return addr;
}

static int listen_on(const char *port)
{
	struct sockaddr_in addr = address_of(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8))
		die("listen");
	return fd;
}

/* The other container may not listen yet. */
static int connect_to(const char *port)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct sockaddr_in addr = address_of(port);

	for (int tries = 0; tries < 1000; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			die("socket");
		if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
			return fd;
		if (errno != ECONNREFUSED)
			die("connect");
		close(fd);
		nanosleep(&pause, NULL);
	}
	die("connect");
	return -1;
}

static void wait_for_end(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 0)
		die("read");
}

/* Once the last FIN is acknowledged, the other end is in TIME_WAIT; with the last
 * process the network namespace goes, and all that is on its way in it. */
static void end_last(int fd)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct tcp_info info;
	socklen_t len;

	if (shutdown(fd, SHUT_WR))
		die("shutdown");
	do {
		nanosleep(&pause, NULL);
		len = sizeof(info);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
			die("getsockopt");
	} while (info.tcpi_state != TCP_CLOSE);
	close(fd);
}

static void pair(const char *port, const char *fifo)
{
	int listener = listen_on(port), client = connect_to(port);
	int server = accept(listener, NULL, NULL), wait;

	if (server < 0)
		die("accept");
	if (fifo) {
		printf("open\n");
		fflush(stdout);
		wait = open(fifo, O_RDONLY);
		if (wait < 0)
			die("fifo");
	}
	close(client);
	wait_for_end(server);
	end_last(server);
}

static void end_both(int first, int second, int close_second)
{
	int mine = close_second ? second : first, other = close_second ? first : second;

	close(mine);
	wait_for_end(other);
	end_last(other);
}

static void serve(const char *port, const char *which)
{
	int listener = listen_on(port), first = accept(listener, NULL, NULL);
	int second = accept(listener, NULL, NULL);

	if (first < 0 || second < 0)
		die("accept");
	end_both(first, second, !strcmp(which, "second"));
}

static void meet(const char *port, const char *which)
{
	int first = connect_to(port), second = connect_to(port);

	end_both(first, second, strcmp(which, "second"));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "pair"))
		pair(argv[2], NULL);
	else if (argc == 4 && !strcmp(argv[1], "hold"))
		pair(argv[2], argv[3]);
	else if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], argv[3]);
	else if (argc == 4 && !strcmp(argv[1], "meet"))
		meet(argv[2], argv[3]);
	else
		return 2;
	return 0;
}

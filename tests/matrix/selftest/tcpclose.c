// SPDX-License-Identifier: GPL-2.0
/*
 * tcpclose ADDRESS PORT COUNT: open and close COUNT TCP connections to a listener of its own, the
 * client's end first, and say how long it took. For the harness's own test only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct endpoint {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} addr;
	socklen_t len;
};

static int number__parse(const char *text, unsigned long max, unsigned long *value)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || end == text || v > max)
		return -EINVAL;
	*value = v;
	return 0;
}

static int endpoint__parse(const char *address, unsigned long port, struct endpoint *ep)
{
	struct endpoint e;

	memset(&e, 0, sizeof(e));
	if (inet_pton(AF_INET, address, &e.addr.in4.sin_addr) == 1) {
		e.addr.in4.sin_family = AF_INET;
		e.addr.in4.sin_port = htons((uint16_t)port);
		e.len = sizeof(e.addr.in4);
	} else if (inet_pton(AF_INET6, address, &e.addr.in6.sin6_addr) == 1) {
		e.addr.in6.sin6_family = AF_INET6;
		e.addr.in6.sin6_port = htons((uint16_t)port);
		e.len = sizeof(e.addr.in6);
	} else {
		return -EINVAL;
	}
	*ep = e;
	return 0;
}

static int listener__open(const struct endpoint *ep)
{
	int one = 1;
	int fd = socket(ep->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &ep->addr.sa, ep->len) || listen(fd, 16)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* One connection; the client closes first, the server after it. */
static int connection__make_and_close(int listener, const struct endpoint *ep)
{
	int client, server, err = 0;

	client = socket(ep->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client < 0)
		return -errno;
	if (connect(client, &ep->addr.sa, ep->len)) {
		err = -errno;
		close(client);
		return err;
	}
	server = accept(listener, NULL, NULL);
	if (server < 0)
		err = -errno;
	close(client);
	if (server >= 0)
		close(server);
	return err;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	struct endpoint ep;
	unsigned long port, count, i;
	uint64_t start_ns;
	int listener, err = 0;

	if (argc != 4 || number__parse(argv[2], 65535, &port) ||
	    number__parse(argv[3], 1000000, &count) || endpoint__parse(argv[1], port, &ep)) {
		fprintf(stderr, "usage: tcpclose ADDRESS PORT COUNT\n");
		return 2;
	}
	listener = listener__open(&ep);
	if (listener < 0) {
		fprintf(stderr, "tcpclose: cannot listen: %s\n", strerror(-listener));
		return 1;
	}
	start_ns = now_ns();
	for (i = 0; i < count && !err; i++)
		err = connection__make_and_close(listener, &ep);
	if (err)
		fprintf(stderr, "tcpclose: connection %lu: %s\n", i, strerror(-err));
	else
		printf("%lu connections, %llu us each\n", count,
		       (unsigned long long)((now_ns() - start_ns) / 1000 / (count ? count : 1)));
	close(listener);
	return err ? 1 : 0;
}

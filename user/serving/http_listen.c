// SPDX-License-Identifier: GPL-2.0
#include "serving/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"

#define BACKLOG 128

static void set_ipv4(struct http_listen *to, struct in_addr addr, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&to->addr;

	memset(to, 0, sizeof(*to));
	in->sin_family = AF_INET;
	in->sin_addr = addr;
	in->sin_port = htons(port);
	to->len = sizeof(*in);
}

static void set_ipv6(struct http_listen *to, const struct in6_addr *addr, uint16_t port)
{
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)&to->addr;

	memset(to, 0, sizeof(*to));
	in->sin6_family = AF_INET6;
	in->sin6_addr = *addr;
	in->sin6_port = htons(port);
	to->len = sizeof(*in);
}

/* @text of @len bytes stands before the last colon. */
static int set_address(struct http_listen *to, const char *text, size_t len, uint16_t port)
{
	char host[INET6_ADDRSTRLEN];
	struct in6_addr ipv6;
	struct in_addr ipv4;
	bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (!len) {
		set_ipv6(to, &in6addr_any, port);
		return 0;
	}
	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!bracketed && inet_pton(AF_INET, host, &ipv4) == 1)
		set_ipv4(to, ipv4, port);
	else if (bracketed && inet_pton(AF_INET6, host, &ipv6) == 1)
		set_ipv6(to, &ipv6, port);
	else
		return -EINVAL;
	return 0;
}

int http_listen__parse(struct http_listen *to, const char *arg, char *why, size_t why_len)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	const char *colon = strrchr(arg, ':');
	uint64_t port;

	if (parse__u64(colon ? colon + 1 : arg, 0, UINT16_MAX, &port)) {
		snprintf(why, why_len, "no port from 0 to 65535: 127.0.0.1:9810, [::1]:9810, :9810");
		return -EINVAL;
	}
	if (!colon) {
		set_ipv4(to, loopback, (uint16_t)port);
		return 0;
	}
	if (set_address(to, arg, (size_t)(colon - arg), (uint16_t)port)) {
		snprintf(why, why_len, "no address in digits: 127.0.0.1:9810, [::1]:9810, :9810");
		return -EINVAL;
	}
	return 0;
}

bool http_listen__is_local(const struct http_listen *of)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&of->addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&of->addr;

	if (of->addr.ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static int prepare(int fd, const struct http_listen *of)
{
	const int one = 1, zero = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		return -errno;
	/* ":9810" is for both; where IPv6 is switched off it is none. */
	if (of->addr.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (const struct sockaddr *)&of->addr, of->len) || listen(fd, BACKLOG))
		return -errno;
	return 0;
}

static int open_one(struct http_listen *of)
{
	int fd = socket(of->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	err = prepare(fd, of);
	of->len = sizeof(of->addr);
	if (!err && getsockname(fd, (struct sockaddr *)&of->addr, &of->len))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static bool is_any_ipv6(const struct http_listen *of)
{
	const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&of->addr;

	return in->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in->sin6_addr);
}

int http_listen__open(struct http_listen *of)
{
	const struct in_addr any = { htonl(INADDR_ANY) };
	int fd = open_one(of);

	if ((fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL) || !is_any_ipv6(of))
		return fd;
	set_ipv4(of, any, ntohs(((struct sockaddr_in6 *)&of->addr)->sin6_port));
	return open_one(of);
}

const char *http_listen__text(const struct http_listen *of, char to[HTTP_LISTEN_BYTES])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&of->addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&of->addr;
	char host[INET6_ADDRSTRLEN] = "";

	if (of->addr.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(to, HTTP_LISTEN_BYTES, "%s:%u", host, ntohs(in->sin_port));
	} else {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(to, HTTP_LISTEN_BYTES, "[%s]:%u", host, ntohs(in6->sin6_port));
	}
	return to;
}

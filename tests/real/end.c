// SPDX-License-Identifier: GPL-2.0
#include "end.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int end__parse_address(const char *text, struct in6_addr *out)
{
	struct in6_addr addr = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (inet_pton(AF_INET, text, &addr.s6_addr[12]) != 1 &&
	    inet_pton(AF_INET6, text, &addr) != 1)
		return -EINVAL;
	*out = addr;
	return 0;
}

int end__parse_port(const char *text, uint16_t *out)
{
	char *rest;
	unsigned long port;

	errno = 0;
	port = strtoul(text, &rest, 10);
	if (errno || rest == text || *rest || *text == '-' || port > 65535)
		return -EINVAL;
	*out = (uint16_t)port;
	return 0;
}

int end__compare(const struct end *a, const struct end *b)
{
	if (a->local_port != b->local_port)
		return a->local_port < b->local_port ? -1 : 1;
	if (a->peer_port != b->peer_port)
		return a->peer_port < b->peer_port ? -1 : 1;
	return memcmp(a, b, 2 * sizeof(struct in6_addr));
}

static const char *address_text(const struct in6_addr *addr, char text[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(addr))
		inet_ntop(AF_INET, &addr->s6_addr[12], text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, addr, text, INET6_ADDRSTRLEN);
	return text;
}

static const char *format(const struct end *end, const char *how, char text[END_TEXT_LEN])
{
	char local[INET6_ADDRSTRLEN], peer[INET6_ADDRSTRLEN];

	snprintf(text, END_TEXT_LEN, how, address_text(&end->local, local), end->local_port,
		 address_text(&end->peer, peer), end->peer_port);
	return text;
}

const char *end__format(const struct end *end, char text[END_TEXT_LEN])
{
	return format(end, "[%s]:%u [%s]:%u", text);
}

const char *end__columns(const struct end *end, char text[END_TEXT_LEN])
{
	return format(end, "%s %u %s %u", text);
}

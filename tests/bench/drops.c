// SPDX-License-Identifier: GPL-2.0
#include "drops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 9

bool drops__parse(const char *name, enum drops_kind *kind)
{
	if (!strcmp(name, "udp"))
		*kind = DROPS_UDP;
	else if (!strcmp(name, "tcp"))
		*kind = DROPS_TCP;
	else
		return false;
	return true;
}

static struct sockaddr_in address(void)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* A datagram socket with a full buffer that nobody empties, and one to send. */
static int open_udp(struct drops *drops)
{
	struct sockaddr_in addr = address();
	int small = 1;

	drops->full = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	drops->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (drops->full < 0 || drops->fd < 0 ||
	    setsockopt(drops->full, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) ||
	    bind(drops->full, (struct sockaddr *)&addr, sizeof(addr)) ||
	    connect(drops->fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	drops->packet[0] = 'x';
	drops->len = 1;
	return drops__send(drops, 64) == 64 ? 0 : -EIO;
}

/* Of 16-bit words in network order, folded: RFC 1071. */
static uint16_t checksum(const uint16_t *words, size_t count, uint32_t sum)
{
	while (count--)
		sum += *words++;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static int open_tcp(struct drops *drops)
{
	struct sockaddr_in addr = address();
	struct tcphdr header = {
		.source = htons(40000),
		.dest = htons(PORT),
		.seq = htonl(1),
		.doff = 5,
		.rst = 1,
	};
	uint32_t pseudo = 2 * (htons(0x7f00) + htons(0x0001)) + htons(IPPROTO_TCP) +
			  htons(sizeof(header));
	uint16_t words[sizeof(header) / 2];

	drops->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	if (drops->fd < 0 || connect(drops->fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	memcpy(words, &header, sizeof(header));
	header.check = checksum(words, sizeof(words) / 2, pseudo);
	memcpy(drops->packet, &header, sizeof(header));
	drops->len = sizeof(header);
	return 0;
}

int drops__open(struct drops *drops, enum drops_kind kind)
{
	int err;

	*drops = (struct drops){ .fd = -1, .full = -1 };
	err = kind == DROPS_UDP ? open_udp(drops) : open_tcp(drops);
	if (err)
		drops__close(drops);
	return err;
}

void drops__close(struct drops *drops)
{
	if (drops->fd >= 0)
		close(drops->fd);
	if (drops->full >= 0)
		close(drops->full);
	drops->fd = drops->full = -1;
}

int drops__send(const struct drops *drops, unsigned int num)
{
	int sent = 0;

	while (num--)
		if (send(drops->fd, drops->packet, drops->len, 0) == (ssize_t)drops->len)
			sent++;
		else if (errno != ENOBUFS && errno != ECONNREFUSED)
			return -errno;
	return sent;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * flood: packets that the kernel drops, as fast as one process can send them,
 * in a network namespace of its own: what everybody else's drops pay for a
 * program on kfree_skb.
 *
 *   udp: datagrams to a socket whose receive buffer is full
 *   tcp: RST segments to a port where nobody listens (no answer is sent)
 *
 * It drives like churn: prints "ready", waits for a line on stdin, prints the
 * result. --now waits for nothing.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 9

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return addr;
}

/* A datagram socket with a full buffer that nobody empties, and one to send. */
static int udp__open(void)
{
	struct sockaddr_in addr = address();
	int small = 1, full, fd, i;

	full = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (full < 0 || fd < 0 || setsockopt(full, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) ||
	    bind(full, (struct sockaddr *)&addr, sizeof(addr)) ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("udp");
	for (i = 0; i < 64; i++)
		if (send(fd, "x", 1, 0) < 0)
			die("udp send");
	return fd;
}

static int tcp__open(void)
{
	struct sockaddr_in addr = address();
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("raw socket");
	return fd;
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

static size_t tcp__segment(char *out)
{
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

	memcpy(words, &header, sizeof(header));
	header.check = checksum(words, sizeof(words) / 2, pseudo);
	memcpy(out, &header, sizeof(header));
	return sizeof(header);
}

static void flood__run(int fd, const char *packet, size_t len, uint64_t millis)
{
	uint64_t start_ns = load__now_ns(), cpu_ns = load__cpu_ns(), now_ns = start_ns;
	uint64_t packets = 0;

	while (now_ns - start_ns < millis * 1000000u) {
		int i;

		for (i = 0; i < 64; i++)
			if (send(fd, packet, len, 0) == (ssize_t)len)
				packets++;
			else if (errno != ENOBUFS && errno != ECONNREFUSED)
				die("send");
		now_ns = load__now_ns();
	}
	printf("{\"packets\":%llu,\"seconds\":%.6f,\"rate\":%.1f,\"cpu_ns_per_packet\":%.1f}\n",
	       (unsigned long long)packets, (double)(now_ns - start_ns) / 1e9,
	       (double)packets * 1e9 / (double)(now_ns - start_ns),
	       (double)(load__cpu_ns() - cpu_ns) / (double)(packets ? packets : 1));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool now = argc == 4 && !strcmp(argv[3], "--now");
	char packet[64] = "x", line[16];
	uint64_t millis;
	size_t len = 1;
	bool tcp;
	int err, fd;

	if ((argc != 3 && !now) || load__parse(argv[2], 3600000, &millis) ||
	    (strcmp(argv[1], "udp") && strcmp(argv[1], "tcp"))) {
		fprintf(stderr, "usage: flood udp|tcp MILLISECONDS [--now]\n");
		return 2;
	}
	err = load__enter_netns(0);
	if (err) {
		errno = -err;
		die("network namespace (root is needed)");
	}
	tcp = !strcmp(argv[1], "tcp");
	fd = tcp ? tcp__open() : udp__open();
	if (tcp)
		len = tcp__segment(packet);
	printf("{\"ready\":true,\"netns\":%llu}\n", (unsigned long long)load__netns_inode());
	fflush(stdout);
	if (!now && !fgets(line, sizeof(line), stdin))
		return 0;
	flood__run(fd, packet, len, millis);
	close(fd);
	return 0;
}

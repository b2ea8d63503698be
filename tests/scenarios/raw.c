// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "raw.h"
#include "stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP_BYTES 20
#define TCP_BYTES 20
#define MAX_DATA 64

int raw__listen(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	return fd < 0 ? -errno : fd;
}

static void read_segment(struct segment *s, size_t len)
{
	size_t ip_bytes = 4 * (s->bytes[0] & 15);
	struct tcphdr th;

	memcpy(&th, s->bytes + ip_bytes, sizeof(th));
	s->sport = ntohs(th.th_sport);
	s->dport = ntohs(th.th_dport);
	s->seq = ntohl(th.th_seq);
	s->ack = ntohl(th.th_ack);
	s->flags = th.th_flags;
	s->data_bytes = len - ip_bytes - 4 * (size_t)th.th_off;
	s->len = len < sizeof(s->bytes) ? len : sizeof(s->bytes);
}

int raw__await(int fd, uint16_t sport, uint16_t dport, unsigned int flags, struct segment *s)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, DEADLINE_MS) > 0) {
		ssize_t len = recv(fd, s->bytes, sizeof(s->bytes), MSG_TRUNC);

		if (len < 0)
			return -errno;
		if (len < IP_BYTES + TCP_BYTES)
			continue;
		read_segment(s, (size_t)len);
		if ((!sport || s->sport == sport) && (!dport || s->dport == dport) &&
		    (s->flags & flags) == flags)
			return 0;
	}
	return -ETIMEDOUT;
}

static uint32_t add_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	return sum;
}

/* RFC 1071. */
static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

int raw__answer(int fd, const struct segment *to, uint32_t seq, uint32_t ack, unsigned int flags,
		size_t data_bytes)
{
	struct sockaddr_in dst = { .sin_family = AF_INET }, src = { .sin_family = AF_INET };
	uint8_t out[TCP_BYTES + MAX_DATA] = { 0 };
	size_t len = TCP_BYTES + data_bytes;
	struct tcphdr th = {
		.th_sport = htons(to->dport), .th_dport = htons(to->sport), .th_seq = htonl(seq),
		.th_ack = htonl(ack), .th_off = TCP_BYTES / 4, .th_flags = (uint8_t)flags,
		.th_win = htons(65535),
	};

	if (data_bytes > MAX_DATA)
		return -EINVAL;
	memcpy(&dst.sin_addr, to->bytes + 12, 4);
	memcpy(&src.sin_addr, to->bytes + 16, 4);
	memcpy(out, &th, sizeof(th));
	/* The pseudo header: both addresses, the protocol, and the length. */
	th.th_sum = checksum(add_words(add_words(IPPROTO_TCP + (uint32_t)len, to->bytes + 12, 8),
				       out, len));
	memcpy(out, &th, sizeof(th));
	if (bind(fd, (struct sockaddr *)&src, sizeof(src)) ||
	    sendto(fd, out, len, 0, (struct sockaddr *)&dst, sizeof(dst)) != (ssize_t)len)
		return -errno;
	return 0;
}

int raw__unreachable(const struct segment *s, uint8_t code)
{
	struct sockaddr_in dst = { .sin_family = AF_INET };
	size_t quoted = s->len < IP_BYTES + TCP_BYTES ? s->len : IP_BYTES + TCP_BYTES;
	uint8_t out[8 + IP_BYTES + TCP_BYTES] = { ICMP_DEST_UNREACH, code };
	uint16_t sum;
	int fd, err = 0;

	memcpy(out + 8, s->bytes, quoted);
	sum = checksum(add_words(0, out, 8 + quoted));
	memcpy(out + 2, &sum, sizeof(sum));
	memcpy(&dst.sin_addr, s->bytes + 12, 4);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0)
		return -errno;
	if (sendto(fd, out, 8 + quoted, 0, (struct sockaddr *)&dst, sizeof(dst)) < 0)
		err = -errno;
	close(fd);
	return err;
}

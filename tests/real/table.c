// SPDX-License-Identifier: GPL-2.0
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int append(struct table *table, const struct sock *sock)
{
	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 256;
		struct sock *socks = realloc(table->socks, room * sizeof(*socks));

		if (!socks)
			return -ENOMEM;
		table->socks = socks;
		table->room = room;
	}
	table->socks[table->count++] = *sock;
	return 0;
}

static void read_address(uint8_t family, const __be32 raw[4], struct in6_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		out->s6_addr[10] = out->s6_addr[11] = 0xff;
		memcpy(&out->s6_addr[12], raw, 4);
	} else {
		memcpy(out, raw, sizeof(*out));
	}
}

static int append_message(struct table *table, const struct inet_diag_msg *msg)
{
	struct sock sock = {
		.end.local_port = ntohs(msg->id.idiag_sport),
		.end.peer_port = ntohs(msg->id.idiag_dport),
		.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0],
		.state = msg->idiag_state,
	};

	read_address(msg->idiag_family, msg->id.idiag_src, &sock.end.local);
	read_address(msg->idiag_family, msg->id.idiag_dst, &sock.end.peer);
	return append(table, &sock);
}

/* One datagram of the answer. 1 when it was the last. */
static int read_answer(struct table *table, int fd)
{
	static _Alignas(struct nlmsghdr) char buf[64 * 1024];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	int len = (int)n;
	int err;

	if (n <= 0)
		return n ? -errno : -EPROTO;
	for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, (unsigned int)len);
	     h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EAGAIN;
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(h))->error ?: -EPROTO;
		err = append_message(table, NLMSG_DATA(h));
		if (err)
			return err;
	}
	return 0;
}

static int dump_family(struct table *table, int fd, uint8_t family)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 req;
	} msg = {
		.h = { .nlmsg_len = sizeof(msg), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = ~0u },
	};
	int err = 0;

	if (send(fd, &msg, sizeof(msg), 0) < 0)
		return -errno;
	while (!err)
		err = read_answer(table, fd);
	return err == 1 ? 0 : err;
}

int table__dump(struct table *table)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int err;

	if (fd < 0)
		return -errno;
	err = dump_family(table, fd, AF_INET);
	if (!err)
		err = dump_family(table, fd, AF_INET6);
	close(fd);
	return err;
}

size_t table__count(const struct table *table, uint32_t states, uint16_t local_port)
{
	size_t n = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct sock *s = &table->socks[i];

		n += states >> s->state & 1 && (!local_port || s->end.local_port == local_port);
	}
	return n;
}

int table__save(const struct table *table, const char *path)
{
	FILE *f = fopen(path, "we");
	char text[END_TEXT_LEN];

	if (!f)
		return -errno;
	for (size_t i = 0; i < table->count; i++) {
		const struct sock *s = &table->socks[i];

		if (s->state == TCP_TIME_WAIT)
			fprintf(f, "%s %" PRIu64 "\n", end__columns(&s->end, text), s->cookie);
	}
	return fclose(f) ? -errno : 0;
}

static int by_end(const void *a, const void *b)
{
	return end__compare(&((const struct sock *)a)->end, &((const struct sock *)b)->end);
}

int table__load(struct table *table, const char *path)
{
	char local[INET6_ADDRSTRLEN], peer[INET6_ADDRSTRLEN];
	struct sock s = { .state = TCP_TIME_WAIT };
	FILE *f = fopen(path, "re");
	int n, err = 0;

	if (!f)
		return -errno;
	while (!err && (n = fscanf(f, "%45s %" SCNu16 " %45s %" SCNu16 " %" SCNu64, local,
				   &s.end.local_port, peer, &s.end.peer_port, &s.cookie)) == 5) {
		if (end__parse_address(local, &s.end.local) ||
		    end__parse_address(peer, &s.end.peer))
			err = -EINVAL;
		else
			err = append(table, &s);
	}
	if (!err && n != EOF)
		err = -EINVAL;
	fclose(f);
	if (!err && table->count)
		qsort(table->socks, table->count, sizeof(*table->socks), by_end);
	return err;
}

void table__free(struct table *table)
{
	free(table->socks);
	*table = (struct table){ 0 };
}

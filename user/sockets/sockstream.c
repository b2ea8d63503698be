// SPDX-License-Identifier: GPL-2.0
#include "sockets/sockstream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* bpf_seq_read() gives at most eight pages at a time. */
#define READ_RECORDS 1024

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static bool is_valid(const struct tws_socket *record)
{
	bool mini = record->flags & TWS_SOCKET_MINI;

	if (record->flags & ~TWS_SOCKET_FLAGS || record->zero)
		return false;
	if (record->state == 0 || record->state >= SOCKDIAG_STATE_END)
		return false;
	if (mini ? !(SOCKDIAG_MASK(record->state) & SOCKDIAG_MASK_MINI) :
		   record->state == SOCKDIAG_TIME_WAIT || record->ticks_left)
		return false;
	if (mini && (record->inode || record->uid))
		return false;
	if (record->family == AF_INET)
		return is_zero(record->local_addr + 4, sizeof(record->local_addr) - 4) &&
		       is_zero(record->peer_addr + 4, sizeof(record->peer_addr) - 4);
	return record->family == AF_INET6;
}

static uint32_t ms_of(uint32_t ticks, uint64_t tick_ns)
{
	uint64_t ms = tick_ns < UINT32_MAX ? ticks * tick_ns / 1000000 : UINT32_MAX;

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

int sockstream__decode(const struct tws_socket *record, uint64_t tick_ns,
		       struct sockdiag_socket *sk)
{
	if (!is_valid(record))
		return -EPROTO;
	*sk = (struct sockdiag_socket){
		.cookie = record->cookie,
		.inode = record->inode,
		.uid = record->uid,
		.expires_ms = ms_of(record->ticks_left, tick_ns),
		.ifindex = record->ifindex,
		.local_port = record->local_port,
		.peer_port = record->peer_port,
		.state = record->state,
		.mini = record->flags & TWS_SOCKET_MINI,
	};
	sockdiag__set_addresses(sk, record->family, record->local_addr, record->peer_addr);
	sk->v6only = sk->state == SOCKDIAG_LISTEN && sk->family == AF_INET6 &&
		     record->flags & TWS_SOCKET_V6ONLY;
	return 0;
}

static int show_all(const struct tws_socket *records, size_t num, uint64_t tick_ns,
		    sockdiag_fn fn, void *ctx)
{
	struct sockdiag_socket sk;
	int err = 0;

	for (size_t i = 0; !err && i < num; i++)
		err = sockstream__decode(&records[i], tick_ns, &sk) ?: fn(ctx, &sk);
	return err;
}

int sockstream__read(int fd, uint64_t tick_ns, sockdiag_fn fn, void *ctx)
{
	struct tws_socket *records = malloc(READ_RECORDS * sizeof(*records));
	char *bytes = (char *)records;
	size_t have = 0, num;
	int err = 0;

	if (!records)
		return -ENOMEM;
	while (!err) {
		ssize_t got = read(fd, bytes + have, READ_RECORDS * sizeof(*records) - have);

		/* EAGAIN: a million sockets and none that is wanted; it goes on from there */
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0) {
			err = got < 0 ? -errno : have ? -EPROTO : 0;
			break;
		}
		have += (size_t)got;
		num = have / sizeof(*records);
		err = show_all(records, num, tick_ns, fn, ctx);
		have -= num * sizeof(*records);
		memmove(bytes, &records[num], have);
	}
	free(records);
	return err;
}

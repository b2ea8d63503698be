// SPDX-License-Identifier: GPL-2.0
#include "sockets/sockstream.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/records.h"

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

struct reader {
	uint64_t tick_ns, asked_ns;
	sockdiag_fn fn;
	void *ctx;
};

static int show(void *ctx, const void *record)
{
	const struct reader *reader = ctx;
	struct sockdiag_socket sk;
	int err = sockstream__decode(record, reader->tick_ns, &sk);

	if (err)
		return err;
	sk.asked_ns = reader->asked_ns;
	return reader->fn(reader->ctx, &sk);
}

int sockstream__read(int fd, uint64_t tick_ns, sockdiag_fn fn, void *ctx)
{
	struct reader reader = { .tick_ns = tick_ns, .fn = fn, .ctx = ctx };

	return records__read(fd, sizeof(struct tws_socket), show, &reader, &reader.asked_ns);
}

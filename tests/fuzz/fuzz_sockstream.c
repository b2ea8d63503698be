// SPDX-License-Identifier: GPL-2.0
/* Any bytes as records of the socket iterator. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sockets/sockstream.h"
#include "fuzz.h"

static void check(const struct tws_socket *record, const struct sockdiag_socket *sk)
{
	CHECK(sk->state > 0 && sk->state < SOCKDIAG_STATE_END);
	CHECK(sk->family == AF_INET || sk->family == AF_INET6);
	CHECK(sk->family == record->family || record->family == AF_INET6);
	CHECK(sk->mini || sk->state != SOCKDIAG_TIME_WAIT);
	CHECK(!sk->mini || SOCKDIAG_MASK(sk->state) & SOCKDIAG_MASK_MINI);
	CHECK(!sk->v6only || (sk->state == SOCKDIAG_LISTEN && sk->family == AF_INET6));
	if (sk->family == AF_INET)
		for (size_t i = 4; i < sizeof(sk->local_addr); i++)
			CHECK(!sk->local_addr[i] && !sk->peer_addr[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tws_socket record;
	struct sockdiag_socket sk;
	uint64_t tick_ns = 4000000;
	int err;

	if (size % sizeof(record) >= sizeof(tick_ns))
		memcpy(&tick_ns, data + size - sizeof(tick_ns), sizeof(tick_ns));
	for (; size >= sizeof(record); data += sizeof(record), size -= sizeof(record)) {
		memcpy(&record, data, sizeof(record));
		err = sockstream__decode(&record, tick_ns, &sk);
		CHECK(err == 0 || err == -EPROTO);
		if (!err)
			check(&record, &sk);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* Needs: user/sockets/sockdiag.c user/host/netns.c user/host/procinfo.c, -pthread.
 * Any bytes as one datagram of a sock_diag dump. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sockets/sockdiag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *ctx, const struct sockdiag_socket *sk)
{
	size_t *count = ctx, i;

	++*count;
	if (sk->family == AF_INET) {
		for (i = 4; i < 16; i++)
			if (sk->local_addr[i] || sk->peer_addr[i])
				abort();
	} else if (sk->family != AF_INET6) {
		abort();
	}
	if (sk->v6only && (sk->state != SOCKDIAG_LISTEN || sk->family != AF_INET6))
		abort();
	/* so that stopping is tried too */
	return sk->uid == 0x5055 ? -ECANCELED : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int flags = 0;
	size_t count = 0;
	uint8_t *copy;
	int ret;

	/* one byte off, so that nothing relies on alignment */
	copy = malloc(size + 1);
	if (!copy)
		return 0;
	memcpy(copy + 1, data, size);
	ret = sockdiag__parse(copy + 1, size, check, &count, &flags);
	if (ret > 1 || ret < -4095 || count > size / 88 || flags & ~SOCKDIAG_INTERRUPTED)
		abort();
	free(copy);
	return 0;
}

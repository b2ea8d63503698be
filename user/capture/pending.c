// SPDX-License-Identifier: GPL-2.0
#include "capture/pending.h"

#include <bpf/bpf.h>

#define MINI_LIFE_NS (420 * 1000000000ULL)

/*
 * A FIN_WAIT2 mini-socket lives for 3.5 times the retransmission timeout at most, which is two
 * minutes at most: tcp_fin_time(), tcp_time_wait(). So what is older is gone, also where
 * nobody can look.
 */
static bool is_gone(const struct tws_key *key, const struct tws_pending *pending,
		    uint64_t before_ns, source_alive_fn alive, void *ctx)
{
	return pending->time_ns < before_ns &&
	       (before_ns - pending->time_ns > MINI_LIFE_NS || !alive(ctx, key, pending->cookie));
}

/* Where a key has vanished meanwhile, the walk begins again: so it has a bound. */
size_t pending__sweep(int fd, uint32_t max, uint64_t before_ns, source_alive_fn alive, void *ctx)
{
	struct tws_pending pending;
	struct tws_key key, next;
	size_t swept = 0;
	int err;

	err = bpf_map_get_next_key(fd, NULL, &next);
	for (uint64_t steps = 2 * (uint64_t)max; !err && steps; steps--) {
		key = next;
		err = bpf_map_get_next_key(fd, &key, &next);
		if (bpf_map_lookup_elem(fd, &key, &pending) ||
		    !is_gone(&key, &pending, before_ns, alive, ctx))
			continue;
		bpf_map_delete_elem(fd, &key);
		swept++;
	}
	return swept;
}

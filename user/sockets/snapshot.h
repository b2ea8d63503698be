/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sockets that have sent a FIN and exist at one moment, mini-sockets above all,
 * in every network namespace that may be entered.
 */
#ifndef TWSNOOP_SNAPSHOT_H
#define TWSNOOP_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "sockets/sockets.h"

struct snapshot_socket {
	uint64_t cookie;
	struct tws_key key;
	uint32_t expires_ms;
	uint8_t family;
	uint8_t state; /* enum sockdiag_state, from FIN_WAIT1 on; TIME_WAIT: a mini-socket */
	uint32_t after_ms; /* how long after taken_ns the kernel was asked for it */
};

struct snapshot {
	uint64_t taken_ns; /* CLOCK_MONOTONIC, when it was begun */
	uint64_t done_ns;  /* and when all was read */
	size_t num;
	struct snapshot_socket *sockets; /* that were to be kept */
	size_t num_netns;
	uint32_t *netns; /* the namespaces that were read to the end, by inode */
	uint64_t *netns_cookies; /* of each of them, 0: not known; NULL: of none */
	unsigned int flags; /* SNAPSHOT_* */
};

#define SNAPSHOT_PARTIAL 0x1 /* some namespace could not be read */

/* More sockets than this are not kept: -E2BIG. 256 MB. */
#define SNAPSHOT_MAX (4U << 20)

/*
 * snapshot__asked_ns() - the moment, or one just before it, of which @sk's expires_ms is: the
 * process may have been stopped, or kept from running, while the snapshot was taken.
 */
static inline uint64_t snapshot__asked_ns(const struct snapshot *snap,
					  const struct snapshot_socket *sk)
{
	return snap->taken_ns + sk->after_ms * 1000000ULL;
}

/* Each socket as it comes, of a snapshot that has nothing but taken_ns and those that were kept before.
 * False: it need not be kept, because that was all. There may be hundreds of thousands. */
typedef bool (*snapshot_keep_fn)(void *ctx, const struct snapshot *snap,
				 const struct snapshot_socket *sk);

/*
 * snapshot__take() - fills @snap, to be emptied by snapshot__free(). Where no
 * other namespace may be entered, the caller's own alone is read. Returns 0,
 * -EOPNOTSUPP where the kernel has no sock_diag, -ENOMEM, -E2BIG; on an error
 * @snap is unchanged, though @keep was asked.
 */
int snapshot__take(struct snapshot *snap, const struct sockets_source *source,
		   snapshot_keep_fn keep, void *ctx);

void snapshot__free(struct snapshot *snap);

#endif

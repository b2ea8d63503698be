/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live connections towards given remote ends, and at given local ports, and which processes
 * hold them.
 */
#ifndef TWSNOOP_LIVE_H
#define TWSNOOP_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "sockets/sockets.h"

/* More live sockets than this are not kept: what they say is then unsure. 300 MB. */
#define LIVE_MAX (4U << 20)

struct live;

/* live__new() - returns 0 and *@livep, to be freed by live__free(), or -ENOMEM. */
int live__new(struct live **livep);
void live__free(struct live *live); /* NULL is allowed */

/*
 * live__want_remote() - asks for the connections from @key's namespace to its peer's address
 * and port. live__want_local() - for those at its local port. Idempotent. Return 0,
 * -ENOMEM, or -ENOSPC.
 */
int live__want_remote(struct live *live, const struct tws_key *key);
int live__want_local(struct live *live, const struct tws_key *key);

/*
 * live__read() - reads the sockets that were asked for, and then every process's
 * descriptors. Call it once. @flags gets SOCKETS_* bits added. Returns as
 * sockets__each() or procinfo__each_socket().
 */
int live__read(struct live *live, const struct sockets_source *source, unsigned int *flags);

/*
 * live__holder() - the one process that holds all live connections to the remote end of
 * @key that any process can hold, or 0: there are none, several processes do,
 * or of some it cannot be told.
 */
uint32_t live__holder(const struct live *live, const struct tws_key *key);

/* live__others_hold() - some live connection at @key's local port is held by another process
 * than @tgid as well, or instead, or by nobody knows whom. */
bool live__others_hold(const struct live *live, const struct tws_key *key, uint32_t tgid);

#endif

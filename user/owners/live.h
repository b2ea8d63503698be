/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live connections towards given remote ends, and which processes hold them.
 */
#ifndef TWSNOOP_LIVE_H
#define TWSNOOP_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "sockets/sockets.h"

/* More live sockets than this are not kept: what they say is then unsure. 100 MB. */
#define LIVE_MAX (4U << 20)

struct live;

/* live__new() - @by_local: the local address tells two places apart, too.
 * Returns 0 and *@livep, to be freed by live__free(), or -ENOMEM. */
int live__new(struct live **livep, bool by_local);
void live__free(struct live *live); /* NULL is allowed */

/* live__want() - asks for a place: namespace, peer address, peer port, and with
 * by_local the local address of @key. Idempotent. Returns 0 or -ENOMEM. */
int live__want(struct live *live, const struct tws_key *key);

/*
 * live__read() - reads the sockets of the places that were asked for, and then
 * every process's descriptors. Call it once. @flags gets SOCKETS_* bits added.
 * Returns as sockets__each() or procinfo__each_socket().
 */
int live__read(struct live *live, const struct sockets_source *source, unsigned int *flags);

/*
 * live__holder() - the one process that holds all live connections of the place of
 * @key that any process can hold, or 0: there are none, several processes do,
 * or of some it cannot be told.
 */
uint32_t live__holder(const struct live *live, const struct tws_key *key);

/* live__each() - each live connection: @key as asked for, but with its local port.
 * @tgid 0: not known, several, or an orphan. */
typedef int (*live_fn)(void *ctx, uint8_t family, const struct tws_key *key, uint32_t tgid);
int live__each(const struct live *live, live_fn fn, void *ctx);

#endif

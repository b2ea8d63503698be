/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The busiest remote ends of a row, in fixed room: each new one takes the place of the
 * least, and starts from its count (the "space-saving" counter of Metwally, Agrawal and
 * El Abbadi). So whoever has more than a REMOTES_KEPT-th of all is among them, and no
 * count is too small; error says by how much it may be too great.
 *
 * Of a client's connections a remote end is an address and a port, seen from one local
 * address: these share their local ports. Of others it is the peer's address alone, whose
 * ports mean nothing.
 */
#ifndef TWSNOOP_REMOTES_H
#define TWSNOOP_REMOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

#define REMOTES_KEPT 8

/* What shares local ports. All bytes count: it is hashed. */
struct port_set_key {
	uint8_t local_addr[16]; /* as in struct tws_event */
	uint8_t peer_addr[16];
	uint32_t netns;
	uint16_t peer_port; /* 0: not a client's, and only peer_addr and family count */
	uint8_t family;
	uint8_t pad;
};

struct remote {
	struct port_set_key key;
	uint64_t hash;
	uint64_t count;
	uint64_t error; /* of count, at most */
};

struct remotes {
	uint32_t num;
	struct remote kept[REMOTES_KEPT];
};

/* remotes__key() - that of @ev. */
struct port_set_key remotes__key(const struct tws_event *ev);

/* remotes__add() - @num more of @key; @hash is a hash of its bytes. */
void remotes__add(struct remotes *remotes, const struct port_set_key *key, uint64_t hash,
		  uint64_t num);

/* remotes__order() - the busiest first: fills @order with places in kept[], returns how many. */
size_t remotes__order(const struct remotes *remotes, uint8_t order[REMOTES_KEPT]);

#endif

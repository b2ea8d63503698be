/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How near clients are to running out of local ports: for each local address,
 * remote address and remote port whose local ports TIME_WAIT holds, how many are
 * taken, and by whom.
 */
#ifndef TWSNOOP_PORTS_H
#define TWSNOOP_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "owners/listeners.h"
#include "inventory/listing.h"
#include "sockets/sockets.h"

#define PORTS_OWNERS 3 /* of a place are named */

struct ports_owner {
	char comm[TWS_COMM_LEN];
	uint32_t tgid;	/* 0: several processes of this name */
	uint32_t count; /* ports */
	uint32_t inferred; /* of these, by an inferred owner */
};

struct ports_place {
	struct tws_key key; /* local_port is 0 */
	uint8_t family;
	uint32_t usable;    /* ports that connect() may choose */
	uint32_t time_wait; /* of these held by mini-sockets, of both states */
	uint32_t live;	    /* and by live sockets */
	uint32_t unknown;   /* of both, with no owner that is known */
	uint32_t names;	    /* how many owners there are, by name */
	struct ports_owner owners[PORTS_OWNERS]; /* the largest first */
};

struct ports {
	size_t num;
	struct ports_place *places; /* nearest to exhaustion first */
};

/*
 * ports__count() - from the mini-sockets of @l, which was taken with ports and has
 * its owners, and from the live sockets now. @listeners are filled: a port that is
 * listened on is the server's end. @ports is to be freed by ports__free(). Returns
 * 0, -ENOMEM, or as live__read().
 */
int ports__count(struct ports *ports, struct listing *l, const struct sockets_source *source,
		 const struct listeners *listeners, unsigned int *flags);
void ports__free(struct ports *ports);

#endif

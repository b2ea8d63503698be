/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How near clients are to running out of local ports: towards each remote end, and
 * towards all of them at once; what holds the ports, whose they are, and what is left.
 *
 * connect() chooses a port of ip_local_port_range that is not reserved, and takes it if
 * its bucket is one that only connect() shares, and no socket has the same addresses and
 * ports (__inet_hash_connect()). A port with another bucket is taken for every
 * destination, from whatever address: see sockets/binds.h.
 */
#ifndef TWSNOOP_PORTS_H
#define TWSNOOP_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "owners/listeners.h"
#include "inventory/listing.h"
#include "sockets/binds.h"

#define PORTS_OWNERS 3 /* of a place are named */

struct ports_owner {
	char comm[TWS_COMM_LEN];
	uint32_t tgid;	/* 0: several processes of this name */
	uint32_t count; /* ports */
	uint32_t inferred; /* of these, by an inferred owner */
};

enum ports_scope {
	PORTS_PEER, /* towards one remote end */
	PORTS_ALL,  /* taken at this local address for every remote end */
	PORTS_OWN,  /* as PORTS_PEER, by ports that connect() would not choose itself */
};

struct ports_place {
	struct tws_key key; /* local_port is 0; of PORTS_ALL the peer and the device, too */
	enum ports_scope scope;
	uint8_t family;
	uint32_t usable;    /* ports that connect() may choose; 0: not known (PORTS_OWN) */
	uint32_t time_wait; /* of these held by mini-sockets, of both states */
	uint32_t live;	    /* and by live sockets */
	uint32_t close_wait; /* of these, whose peer has closed already */
	uint32_t bound;	    /* taken for every remote end, and not among those two */
	uint32_t left;	    /* what connect() may choose still; see has_left */
	bool has_left;	    /* else not known */
	uint32_t reusable;  /* of time_wait: what connect() may take over */
	uint32_t first_port, last_port; /* PORTS_OWN: that were seen */
	uint32_t unknown;   /* of time_wait and live, with no owner that is known */
	uint32_t names;	    /* how many owners there are, by name */
	struct ports_owner owners[PORTS_OWNERS]; /* the largest first */
};

struct ports {
	size_t num;
	struct ports_place *places; /* nearest to exhaustion first */
};

struct ports_want {
	const struct tws_filter *filter; /* of the places that are told: addresses, ports */
	const struct listeners *listeners; /* filled: who listens is the server's end */
	const struct binds *binds;	   /* if not complete, what is left is not known */
	size_t most; /* so many places are told, those nearest to exhaustion; 0: all of them */
};

/*
 * ports__count() - from the rows of @l, which was taken with ports and all, and has its
 * owners. @ports is to be freed by ports__free(). Returns 0 or -ENOMEM. It takes some 80 bytes
 * a row, and 200 for each place that is told.
 */
int ports__count(struct ports *ports, struct listing *l, const struct ports_want *want);
void ports__free(struct ports *ports);

#endif

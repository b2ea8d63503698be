/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who listens where: from (network namespace, local address, port) to the
 * process. It tells the server side of a connection that was opened before
 * tracing, and infers owners.
 */
#ifndef TWSNOOP_LISTENERS_H
#define TWSNOOP_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockets/sockets.h"

#define LISTENERS_COMM_LEN 16	/* TASK_COMM_LEN, with the NUL */
#define LISTENERS_DEFAULT 16384 /* sockets; about 100 bytes each */

/* One listening socket. */
struct listener {
	uint64_t cookie;   /* 0: unknown */
	uint32_t netns;	   /* inode */
	uint32_t tgid;	   /* who called listen(), or holds it; 0: unknown */
	uint16_t port;	   /* host byte order */
	uint8_t family;	   /* AF_INET or AF_INET6 */
	bool v6only;	   /* AF_INET6: takes no IPv4 */
	uint8_t addr[16];  /* network byte order, IPv4 in the first four; 0: any */
	char comm[LISTENERS_COMM_LEN]; /* of tgid; need not end in a NUL */
};

enum listeners_owner {
	LISTENERS_NONE = 0, /* nobody is known to listen there */
	/* Somebody does. tgid, if not 0, is one process that holds or opened the
	 * socket; whether others hold it too (forked workers) was not looked at,
	 * or could not be. Good for the side, not as an owner. */
	LISTENERS_UNSURE,
	/* tgid called listen(), as its event told. Whether others hold the socket
	 * too was not looked at. */
	LISTENERS_CALLER,
	LISTENERS_LIKELY, /* one process held it, of those that could be read; some
			   * could not (listeners__fill()'s flags say why) */
	LISTENERS_ONE,	   /* exactly one process held it when /proc was read */
	LISTENERS_SEVERAL, /* several do: tgid is 0, whatever their kinship */
};

struct listeners_match {
	enum listeners_owner owner;
	uint32_t tgid;
	char comm[LISTENERS_COMM_LEN];
};

struct listeners;

/*
 * listeners__new() - an empty table of at most @entries sockets, all allocated
 * here. When it is full the oldest entry gives way (listeners__dropped()).
 * Returns 0 and *@tablep (to be freed by listeners__free()), or -EINVAL, -ENOMEM.
 */
int listeners__new(struct listeners **tablep, size_t entries);
void listeners__free(struct listeners *table); /* NULL is allowed */

/* What listeners__fill() could not do; the table holds what it could. */
#define LISTENERS_NETNS_DENIED 0x1 /* not every network namespace was read */
#define LISTENERS_FDS_DENIED 0x2   /* some processes' descriptors may not be read */
#define LISTENERS_FDS_LIMITED 0x4  /* max_fds was reached */
#define LISTENERS_TABLE_FULL 0x8   /* more listening sockets than entries */

/*
 * listeners__fill() - replace the content by what is true now: @source's
 * LISTEN sockets of every namespace, joined with every process's descriptors
 * (at most @max_fds of them, 0: no bound). If any process could not be read, all
 * owners are LISTENERS_LIKELY at best; if max_fds was reached, LISTENERS_UNSURE.
 * To miss nothing, attach the programs first, fill then, and add the events'
 * after that: adding is idempotent.
 * Returns 0 with *@flags (may be NULL) as above, -EOPNOTSUPP where sock_diag is
 * missing, or another negative errno; on an error the content is as before.
 */
int listeners__fill(struct listeners *table, const struct sockets_source *source,
		    size_t max_fds, unsigned int *flags);

/*
 * listeners__add() - a process began to listen (TWS_LISTEN). A socket that
 * listeners__fill() found already (by its cookie) stays as it is. Other sockets
 * at the same address and port stay too: without SO_REUSEPORT they are gone, but
 * that cannot be known here, and the lookup is LISTENERS_SEVERAL or
 * LISTENERS_UNSURE then, never the wrong one.
 * Returns 0, or -EINVAL (family).
 */
int listeners__add(struct listeners *table, const struct listener *listener);

/*
 * listeners__remove() - the socket of this @cookie (not 0) listens no more. It
 * still answers for connections that it accepted, as long as no other socket is
 * known to listen at its address and port.
 */
void listeners__remove(struct listeners *table, uint64_t cookie);

/*
 * listeners__lookup() - who takes connections to @addr (16 bytes as above) and
 * @port in @netns. As the kernel does, an address that is bound goes before the
 * any-address, that before a dual-stack :: listener for IPv4. Fills *@match
 * always; returns whether somebody listens (match->owner != LISTENERS_NONE).
 */
bool listeners__lookup(const struct listeners *table, uint32_t netns, uint8_t family,
		       const uint8_t addr[16], uint16_t port, struct listeners_match *match);

size_t listeners__count(const struct listeners *table);
uint64_t listeners__dropped(const struct listeners *table); /* gave way, ever */

#endif

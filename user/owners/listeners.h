/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who listened where, and when: from (network namespace, local address, port) and a moment
 * to the process. It tells who opened a server's end, the side of a connection that was opened
 * before tracing, and infers owners.
 *
 * The inode of a namespace, an address and a port are used again by others. So each socket
 * has the time in which it listened, and answers for the connections of that time alone. One
 * that has ended stays for as long as there is room: its connections outlive it.
 *
 * The table is bounded. What gives way first is the socket that ended the longest ago; at one
 * port of one namespace no more than LISTENERS_ENDED_MAX ended ones are kept. If all the
 * others listen still, a new one is not kept, and from then on its port has no owner:
 * what is not known might answer better than what is. All of it in constant time.
 */
#ifndef TWSNOOP_LISTENERS_H
#define TWSNOOP_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockets/sockets.h"

#define LISTENERS_COMM_LEN 16	/* TASK_COMM_LEN, with the NUL */
#define LISTENERS_DEFAULT 65536 /* sockets; about 200 bytes each, when they come */
#define LISTENERS_AT_PORT_MAX 1024 /* that listen at one port of one namespace */
#define LISTENERS_ENDED_MAX 16	   /* that did */

/* One listening socket. */
struct listener {
	uint64_t cookie;   /* 0: unknown */
	uint64_t since_ns; /* CLOCK_MONOTONIC; 0: before anybody looked */
	uint32_t netns;	   /* inode */
	uint32_t tgid;	   /* who called listen(), or holds it; 0: unknown */
	uint16_t port;	   /* host byte order */
	uint8_t family;	   /* AF_INET or AF_INET6 */
	bool v6only;	   /* AF_INET6: takes no IPv4 */
	uint8_t addr[16];  /* network byte order, IPv4 in the first four; 0: any */
	char comm[LISTENERS_COMM_LEN]; /* of tgid; need not end in a NUL */
};

enum listeners_owner {
	LISTENERS_NONE = 0, /* nobody is known to have listened there */
	/* Somebody did. tgid, if not 0, is one process that holds or opened the
	 * socket; whether others hold it too (forked workers), or whether another one
	 * listened at that moment, was not looked at, or could not be. Good for the side,
	 * not as an owner. */
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
 * listeners__new() - an empty table of at most @entries sockets.
 * Returns 0 and *@tablep (to be freed by listeners__free()), or -EINVAL, -ENOMEM.
 */
int listeners__new(struct listeners **tablep, size_t entries);
void listeners__free(struct listeners *table); /* NULL is allowed */

/* What listeners__fill() could not do; the table holds what it could. */
#define LISTENERS_NETNS_DENIED 0x1 /* not every network namespace was read */
#define LISTENERS_FDS_DENIED 0x2   /* some processes' descriptors may not be read */
#define LISTENERS_FDS_LIMITED 0x4  /* max_fds was reached */
#define LISTENERS_TABLE_FULL 0x8   /* more listening sockets than entries */
#define LISTENERS_NETNS_FAILED 0x10 /* a namespace could not be read for another reason */

/*
 * listeners__fill() - what is true now: @source's LISTEN sockets of every namespace, joined
 * with every process's descriptors (at most @max_fds of them, 0: no bound). If any process
 * could not be read, all owners are LISTENERS_LIKELY at best; if max_fds was reached,
 * LISTENERS_UNSURE. A socket of the table that is not found has ended; in a namespace that
 * was not read to its end it stays as it is, unless listeners__doubt() was called: then
 * nobody knows about it any more, and it answers for the time before alone.
 *
 * To miss nothing, attach the programs first, fill then, and add the events' after that,
 * those from before too: they change nothing that is newer.
 * Returns 0 with *@flags (may be NULL) as above, or as sockets__each(); on an error the
 * content is as before.
 */
int listeners__fill(struct listeners *table, const struct sockets_source *source,
		    size_t max_fds, unsigned int *flags);

/*
 * listeners__know_from() - what happened before @known_ns (CLOCK_MONOTONIC) was not told: who
 * listens now, and whose beginning nothing told, is not named for connections of before, nor
 * for those of which nobody knows when they were opened. 0: all was told, as before the call.
 */
void listeners__know_from(struct listeners *table, uint64_t known_ns);

/*
 * listeners__doubt() - what happened after @known_ns (CLOCK_MONOTONIC) may not have been told:
 * until the next listeners__fill() nobody is named as the owner of a later connection.
 */
void listeners__doubt(struct listeners *table, uint64_t known_ns);

/* listeners__needs_fill() - in doubt, or a socket found no room and there would be some now. */
bool listeners__needs_fill(const struct listeners *table);

/*
 * listeners__add() - a process began to listen (TWS_LISTEN), at listener->since_ns. A socket
 * that listeners__fill() found already (by its cookie) stays as it is, but for the time. One
 * that began before the last listeners__fill(), which did not find it, has ended. Other
 * sockets at the same address and port stay: without SO_REUSEPORT they are gone, but
 * that cannot be known here, and the lookup is LISTENERS_SEVERAL or LISTENERS_UNSURE then,
 * never the wrong one.
 * Returns 0, -EINVAL (family), or -ENOSPC, -ENOMEM: its port has no owner then.
 */
int listeners__add(struct listeners *table, const struct listener *listener);

/*
 * listeners__remove() - the socket of @listener's cookie listens no more since @ended_ns; where
 * there is no cookie, the only one at its address and port. It still answers for
 * connections that it accepted.
 */
void listeners__remove(struct listeners *table, const struct listener *listener,
		       uint64_t ended_ns);

/* A connection's end, or what is known of it. */
struct listeners_place {
	uint64_t opened_ns; /* when it was accepted (CLOCK_MONOTONIC); 0: not known, or before
			     * anybody looked */
	uint32_t netns;
	uint16_t port;	  /* host byte order */
	uint8_t family;
	uint8_t addr[16]; /* as in struct listener; of IPv4 the first four count */
};

/*
 * listeners__lookup() - who took connections to @place at that moment. As the kernel does, an
 * address that is bound goes before the any-address, that before a dual-stack :: listener for
 * IPv4. Where the moment is not known, only who has listened since before anybody looked is
 * an owner. Fills *@match always; returns whether somebody listened (match->owner !=
 * LISTENERS_NONE).
 */
bool listeners__lookup(const struct listeners *table, const struct listeners_place *place,
		       struct listeners_match *match);

size_t listeners__count(const struct listeners *table); /* that listen, and that did */
uint64_t listeners__refused(const struct listeners *table); /* found no room, ever */

#endif

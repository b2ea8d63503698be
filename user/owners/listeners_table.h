/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of the table of listeners, for the two files that it is made of:
 * listeners.c, what is asked and what records tell, and listeners_fill.c, what
 * the kernel and /proc tell.
 */
#ifndef TWSNOOP_LISTENERS_TABLE_H
#define TWSNOOP_LISTENERS_TABLE_H

#include "base/seen.h"
#include "base/table.h"
#include "owners/listeners.h"

#define LISTENERS_LISTENING UINT64_MAX /* listeners_entry.ended_ns */
#define LISTENERS_PORTS	    65536

struct listeners_entry {
	uint64_t number; /* the cookie, or a number of ours: the key */
	struct listener socket;
	uint64_t ended_ns; /* CLOCK_MONOTONIC, or LISTENERS_LISTENING */
	uint64_t found_ns; /* the last listeners__fill() that found it began then; 0:
                        none did */
	uint64_t holder_since_ns; /* whom /proc names did not live before;
                               CLOCK_MONOTONIC */
	struct listeners_port *port;
	struct listeners_entry *older, *newer; /* in the port's list */
	enum listeners_owner owner; /* how sure socket.tgid is; LISTENERS_NONE never */
};

struct listeners_list {
	struct listeners_entry *oldest, *newest;
	size_t count;
};

/* One port of one namespace. */
struct listeners_port {
	uint64_t key;
	struct listeners_list listening, ended;
};

struct listeners {
	size_t max;
	struct table *sockets; /* struct listeners_entry; the dead are those that have ended */
	struct table *ports;   /* struct listeners_port, of which each has a socket */
	uint64_t next_number;
	uint64_t filled_ns; /* when listeners__fill() last began; 0: never */
	/* The namespaces that it has begun to read, and those that it has read to their end. */
	struct seen *unread, *read;
	uint64_t from_ns; /* what came before was not told; 0: all was */
	uint64_t known_ns; /* what came later may not have been told; UINT64_MAX: all was */
	uint64_t refused;
	bool refuses; /* since it was last filled */
	uint64_t refused_ports[LISTENERS_PORTS / 64]; /* of these, a bit each */
};

/*
 * listeners_table__insert() - @socket, which is not there, without an owner. Returns 0 and
 * *@entryp, or -ENOSPC, -ENOMEM; then the port of one that listens has no owner any more.
 */
int listeners_table__insert(struct listeners *table, const struct listener *socket,
			    uint64_t ended_ns, struct listeners_entry **entryp);

/* listeners_table__next_at() - the next one after @entry that listens at @socket's place; for
 * NULL the first. NULL: that was all. */
struct listeners_entry *listeners_table__next_at(const struct listeners *table,
						 const struct listener *socket,
						 struct listeners_entry *entry);

/* The same namespace, family, address and port, whoever listens. */
bool listeners_table__same_place(const struct listener *a, const struct listener *b);

/* @comm is cut off where it is too long. */
void listeners_table__set_owner(struct listeners_entry *entry, enum listeners_owner owner,
				uint32_t tgid, const char *comm);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own table of TCP sockets, by sock_diag, of this network namespace. */
#ifndef REAL_TABLE_H
#define REAL_TABLE_H

#include "end.h"

struct sock {
	struct end end;
	uint64_t cookie; /* 0: unknown */
	uint8_t state;	 /* TCP_*; a mini-socket's is its substate */
};

struct table {
	struct sock *socks; /* owned */
	size_t count;
	size_t room;
};

/* Appends all sockets that exist now, IPv4 and IPv6. 0 or negative errno; call
 * table__free() in any case. */
int table__dump(struct table *table);

/* How many are in one of the states (bit 1 << TCP_*), of any or of one local port. */
size_t table__count(const struct table *table, uint32_t states, uint16_t local_port);

/* Writes the TIME_WAIT sockets, "ADDRESS PORT ADDRESS PORT COOKIE" a line. */
int table__save(const struct table *table, const char *path);

/* Reads what table__save() wrote; sorted by end__compare(). 0 or negative errno. */
int table__load(struct table *table, const char *path);

/* A legal call on an empty table. */
void table__free(struct table *table);

#endif

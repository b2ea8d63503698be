// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "owners/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "host/procinfo.h"

#define NO_ENTRY UINT32_MAX

/*
 * A chained hash table over a fixed pool, which is used as a ring: when it is
 * full, the oldest entry gives way. That suits what it holds: nobody tells when
 * a process stops to listen, so the oldest events are the likeliest to be stale.
 */
struct entry {
	struct listener socket;
	uint32_t inode; /* of the socket's file, 0: unknown */
	uint32_t next;	/* in its chain of the address, or NO_ENTRY */
	uint32_t next_inode; /* in its chain of the inode, while filling */
	/* how sure socket.tgid is; LISTENERS_NONE never */
	enum listeners_owner owner;
	bool ended; /* listens no more */
};

struct listeners {
	uint32_t num_entries;
	uint32_t num_chains; /* a power of two */
	uint32_t count;
	uint32_t oldest; /* the next to give way, once count == num_entries */
	uint64_t dropped;
	uint32_t *chains;
	struct entry *entries;
};

/* ---- the table ---- */

int listeners__new(struct listeners **tablep, size_t entries)
{
	struct listeners *table;
	uint32_t i;

	if (entries == 0 || entries > UINT32_MAX / 4)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->num_entries = (uint32_t)entries;
	table->num_chains = 1;
	while (table->num_chains < table->num_entries)
		table->num_chains *= 2;
	table->chains = calloc(table->num_chains, sizeof(*table->chains));
	table->entries = calloc(table->num_entries, sizeof(*table->entries));
	if (!table->chains || !table->entries) {
		listeners__free(table);
		return -ENOMEM;
	}
	for (i = 0; i < table->num_chains; i++)
		table->chains[i] = NO_ENTRY;
	*tablep = table;
	return 0;
}

void listeners__free(struct listeners *table)
{
	if (!table)
		return;
	free(table->entries);
	free(table->chains);
	free(table);
}

size_t listeners__count(const struct listeners *table)
{
	return table->count;
}

uint64_t listeners__dropped(const struct listeners *table)
{
	return table->dropped;
}

/* The address is left out: a port's few listeners share a chain, and a lookup
 * asks for several addresses. */
static uint32_t *chain_of(const struct listeners *table, uint32_t netns, uint16_t port)
{
	uint64_t hash = ((uint64_t)netns << 16 | port) * 0x9e3779b97f4a7c15ULL;

	return &table->chains[(hash >> 32) & (table->num_chains - 1)];
}

static void unlink_entry(struct listeners *table, uint32_t index)
{
	const struct listener *socket = &table->entries[index].socket;
	uint32_t *link = chain_of(table, socket->netns, socket->port);

	while (*link != index)
		link = &table->entries[*link].next;
	*link = table->entries[index].next;
}

static struct entry *insert(struct listeners *table, const struct listener *socket)
{
	struct entry *entry;
	uint32_t index, *chain;

	if (table->count < table->num_entries) {
		index = table->count++;
	} else {
		index = table->oldest;
		table->oldest = (index + 1) % table->num_entries;
		unlink_entry(table, index);
		table->dropped++;
	}
	chain = chain_of(table, socket->netns, socket->port);
	entry = &table->entries[index];
	*entry = (struct entry){
		.socket = *socket, .next = *chain, .next_inode = NO_ENTRY,
		.owner = LISTENERS_UNSURE,
	};
	*chain = index;
	return entry;
}

static bool same_place(const struct listener *a, const struct listener *b)
{
	return a->netns == b->netns && a->port == b->port && a->family == b->family &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static struct entry *find_same(const struct listeners *table, const struct listener *socket)
{
	uint32_t i = *chain_of(table, socket->netns, socket->port);

	for (; i != NO_ENTRY; i = table->entries[i].next) {
		struct entry *entry = &table->entries[i];

		if (!same_place(&entry->socket, socket))
			continue;
		/* without a cookie the process has to tell them apart */
		if (socket->cookie && entry->socket.cookie
			    ? entry->socket.cookie == socket->cookie
			    : entry->socket.tgid == socket->tgid)
			return entry;
	}
	return NULL;
}

static void set_owner(struct entry *entry, uint32_t tgid, const char *comm)
{
	entry->socket.tgid = tgid;
	memset(entry->socket.comm, 0, sizeof(entry->socket.comm));
	memcpy(entry->socket.comm, comm, strnlen(comm, sizeof(entry->socket.comm) - 1));
}

/* The entry of a socket at the same place that has ended: one that restarts
 * again and again must not make its chain longer each time. */
static struct entry *take_over(struct listeners *table, const struct listener *socket)
{
	uint32_t i = *chain_of(table, socket->netns, socket->port);

	for (; i != NO_ENTRY; i = table->entries[i].next) {
		struct entry *entry = &table->entries[i];

		if (!entry->ended || !same_place(&entry->socket, socket))
			continue;
		entry->socket = *socket;
		entry->owner = LISTENERS_UNSURE;
		entry->ended = false;
		return entry;
	}
	return NULL;
}

int listeners__add(struct listeners *table, const struct listener *listener)
{
	struct listener socket = *listener;
	struct entry *entry;

	if (socket.family != AF_INET && socket.family != AF_INET6)
		return -EINVAL;
	if (socket.family == AF_INET)
		memset(socket.addr + 4, 0, sizeof(socket.addr) - 4);
	socket.comm[sizeof(socket.comm) - 1] = '\0';

	entry = find_same(table, &socket);
	if (!entry) {
		entry = take_over(table, &socket) ?: insert(table, &socket);
		set_owner(entry, socket.tgid, socket.comm);
		if (socket.tgid)
			entry->owner = LISTENERS_CALLER;
		return 0;
	}
	/* what /proc said is later than, and so better than, who called listen() */
	if (entry->owner > LISTENERS_CALLER || !socket.tgid ||
	    entry->socket.tgid == socket.tgid)
		return 0;
	if (entry->socket.tgid) {
		entry->owner = LISTENERS_SEVERAL;
		set_owner(entry, 0, "");
	} else {
		set_owner(entry, socket.tgid, socket.comm);
		entry->owner = LISTENERS_CALLER;
	}
	return 0;
}

/* Its connections outlive a listener: it stays, for want of a better one. */
void listeners__remove(struct listeners *table, uint64_t cookie)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i].socket.cookie == cookie)
			table->entries[i].ended = true;
}

/* ---- lookup ---- */

static void match_entry(struct listeners_match *match, const struct entry *entry)
{
	if (match->owner == LISTENERS_NONE) {
		match->owner = entry->owner;
		match->tgid = entry->socket.tgid;
		memcpy(match->comm, entry->socket.comm, sizeof(match->comm));
		return;
	}
	/* A second socket at the same place: SO_REUSEPORT, or one of them is
	 * gone. Of one process, all the same; else nobody's in particular. */
	if (entry->owner == LISTENERS_SEVERAL || match->owner == LISTENERS_SEVERAL ||
	    (match->tgid && entry->socket.tgid && match->tgid != entry->socket.tgid)) {
		*match = (struct listeners_match){ .owner = LISTENERS_SEVERAL };
		return;
	}
	/* the less sure one decides: the enum is in that order */
	if (entry->owner < match->owner)
		match->owner = entry->owner;
	if (!match->tgid) {
		match->tgid = entry->socket.tgid;
		memcpy(match->comm, entry->socket.comm, sizeof(match->comm));
	}
}

static bool lookup_at(const struct listeners *table, const struct listener *place,
		      bool dual_stack, bool ended, struct listeners_match *match)
{
	uint32_t i = *chain_of(table, place->netns, place->port);

	for (; i != NO_ENTRY; i = table->entries[i].next) {
		const struct entry *entry = &table->entries[i];

		if (entry->ended == ended && same_place(&entry->socket, place) &&
		    !(dual_stack && entry->socket.v6only))
			match_entry(match, entry);
	}
	return match->owner != LISTENERS_NONE;
}

/* The order is that of the scores in compute_score() of inet_hashtables.c. */
static bool lookup(const struct listeners *table, struct listener place, bool ended,
		   struct listeners_match *match)
{
	if (lookup_at(table, &place, false, ended, match))
		return true;
	memset(place.addr, 0, sizeof(place.addr));
	if (lookup_at(table, &place, false, ended, match))
		return true;
	if (place.family != AF_INET)
		return false;
	place.family = AF_INET6;
	return lookup_at(table, &place, true, ended, match);
}

bool listeners__lookup(const struct listeners *table, uint32_t netns, uint8_t family,
		       const uint8_t addr[16], uint16_t port, struct listeners_match *match)
{
	struct listener place = { .netns = netns, .family = family, .port = port };

	*match = (struct listeners_match){ .owner = LISTENERS_NONE };
	memcpy(place.addr, addr, family == AF_INET ? 4 : 16);
	return lookup(table, place, false, match) || lookup(table, place, true, match);
}

/* ---- filling ---- */

struct fill {
	struct listeners *table;
	uint32_t *by_inode; /* as many chains as the table has */
	uint32_t netns;
	unsigned int flags;
	const struct sockets_source *source;
};

static uint32_t *inode_chain_of(const struct fill *fill, uint32_t inode)
{
	return &fill->by_inode[(inode * 0x9e3779b1U >> 8) & (fill->table->num_chains - 1)];
}

static int fill__socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct fill *fill = ctx;
	struct listener socket = {
		.cookie = sk->cookie,
		.netns = fill->netns,
		.port = sk->local_port,
		.family = sk->family,
		.v6only = sk->v6only,
	};
	struct entry *entry;
	uint32_t *chain;

	if (fill->table->count == fill->table->num_entries) {
		fill->flags |= LISTENERS_TABLE_FULL;
		fill->table->dropped++;
		return 0;
	}
	memcpy(socket.addr, sk->local_addr, sizeof(socket.addr));
	entry = insert(fill->table, &socket);
	entry->inode = sk->inode;
	if (!sk->inode)
		return 0;
	chain = inode_chain_of(fill, sk->inode);
	entry->next_inode = *chain;
	*chain = (uint32_t)(entry - fill->table->entries);
	return 0;
}

static int fill__namespace(void *ctx, const struct netns_entry *ns)
{
	struct fill *fill = ctx;
	int err;

	fill->netns = ns->inode;
	err = fill->source->dump(ns->fd, SOCKDIAG_MASK(SOCKDIAG_LISTEN), fill__socket, fill,
				 NULL);
	if (err == -EPERM) {
		fill->flags |= LISTENERS_NETNS_DENIED;
		return 0;
	}
	return err;
}

static int fill__holder(void *ctx, uint32_t pid, uint32_t inode)
{
	struct fill *fill = ctx;
	uint32_t i = *inode_chain_of(fill, inode);

	for (; i != NO_ENTRY; i = fill->table->entries[i].next_inode) {
		struct entry *entry = &fill->table->entries[i];

		if (entry->inode != inode || entry->owner == LISTENERS_SEVERAL ||
		    entry->socket.tgid == pid)
			continue;
		entry->owner = entry->socket.tgid ? LISTENERS_SEVERAL : LISTENERS_ONE;
		entry->socket.tgid = entry->socket.tgid ? 0 : pid;
	}
	return 0;
}

/* @best: what a single holder may be called at most. */
static void fill__owners(struct fill *fill, enum listeners_owner best)
{
	struct procinfo info;
	uint32_t i;

	for (i = 0; i < fill->table->count; i++) {
		struct entry *entry = &fill->table->entries[i];

		if (entry->owner != LISTENERS_ONE)
			continue;
		entry->owner = best;
		if (procinfo__read(fill->source->places->proc_root, entry->socket.tgid, &info) == 0) {
			set_owner(entry, entry->socket.tgid, info.comm);
		} else { /* it has gone meanwhile */
			set_owner(entry, 0, "");
			entry->owner = LISTENERS_UNSURE;
		}
	}
}

static int fill__new(struct fill *fill, size_t entries)
{
	uint32_t i;
	int err;

	err = listeners__new(&fill->table, entries);
	if (err)
		return err;
	fill->by_inode = calloc(fill->table->num_chains, sizeof(*fill->by_inode));
	if (!fill->by_inode)
		return -ENOMEM;
	for (i = 0; i < fill->table->num_chains; i++)
		fill->by_inode[i] = NO_ENTRY;
	return 0;
}

static int fill__all(struct fill *fill, size_t max_fds)
{
	const struct netns_places *places = fill->source->places;
	enum listeners_owner best = LISTENERS_ONE;
	unsigned int netns_flags = 0, fd_flags = 0;
	int err;

	err = netns__each(places, fill__namespace, fill, &netns_flags);
	if (err)
		return err;
	if (netns_flags & NETNS_DENIED)
		fill->flags |= LISTENERS_NETNS_DENIED;
	if (fill->table->count == 0)
		return 0;

	err = procinfo__each_socket(places->proc_root, max_fds, fill__holder, fill, &fd_flags);
	if (err)
		return err;
	if (fd_flags & PROCINFO_DENIED) {
		fill->flags |= LISTENERS_FDS_DENIED;
		best = LISTENERS_LIKELY;
	}
	if (fd_flags & PROCINFO_LIMITED) {
		fill->flags |= LISTENERS_FDS_LIMITED;
		best = LISTENERS_UNSURE;
	}
	fill__owners(fill, best);
	return 0;
}

int listeners__fill(struct listeners *table, const struct sockets_source *source,
		    size_t max_fds, unsigned int *flags)
{
	struct fill fill = { .source = source };
	struct listeners old;
	int err;

	err = fill__new(&fill, table->num_entries);
	if (!err)
		err = fill__all(&fill, max_fds);
	if (!err) {
		old = *table;
		fill.table->dropped += old.dropped;
		*table = *fill.table;
		*fill.table = old;
		if (flags)
			*flags = fill.flags;
	}
	free(fill.by_inode);
	listeners__free(fill.table);
	return err;
}

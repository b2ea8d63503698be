// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "owners/listeners_table.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/procinfo.h"


/* A listening socket's file, and whose socket it is. */
struct held {
	uint64_t inode;
	struct listeners_entry *entry;
};

struct fill {
	struct listeners *table; /* what is true now; then the old one takes its place */
	struct table *by_inode; /* struct held */
	uint32_t netns;
	uint64_t begun_ns; /* CLOCK_MONOTONIC */
	bool is_first; /* there is nothing to tell when a socket began to listen */
	unsigned int flags;
	const struct sockets_source *source;
};

static int fill__begin(void *ctx, const struct netns_entry *ns)
{
	struct fill *fill = ctx;

	fill->netns = ns->inode;
	seen__add(fill->table->unread, ns->inode, fill->begun_ns);
	return 0;
}

static int fill__socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct fill *fill = ctx;
	struct listener socket = {
		.cookie = sk->cookie,
		.since_ns = fill->is_first ? 0 : fill->begun_ns,
		.netns = fill->netns,
		.port = sk->local_port,
		.family = sk->family,
		.v6only = sk->v6only,
	};
	uint64_t inode = sk->inode;
	struct listeners_entry *entry;
	void *held;
	int err;

	memcpy(socket.addr, sk->local_addr, sizeof(socket.addr));
	/* A dump may show a socket twice. */
	if (sk->cookie && table__find(fill->table->sockets, &sk->cookie))
		return 0;
	err = listeners_table__insert(fill->table, &socket, LISTENERS_LISTENING, &entry);
	if (err == -ENOSPC)
		fill->flags |= LISTENERS_TABLE_FULL;
	if (err)
		return err == -ENOSPC ? 0 : err;
	entry->found_ns = fill->begun_ns;
	if (!inode)
		return 0;
	err = table__get(fill->by_inode, &inode, &held);
	if (err < 0)
		return err;
	((struct held *)held)->entry = entry;
	return 0;
}

static int fill__end(void *ctx, const struct netns_entry *ns)
{
	struct fill *fill = ctx;

	seen__add(fill->table->read, ns->inode, fill->begun_ns);
	return 0;
}

static int fill__holder(void *ctx, uint32_t pid, uint32_t inode)
{
	struct fill *fill = ctx;
	uint64_t key = inode;
	const struct held *held = table__find(fill->by_inode, &key);
	struct listeners_entry *entry = held ? held->entry : NULL;

	if (!entry || entry->owner == LISTENERS_SEVERAL || entry->socket.tgid == pid)
		return 0;
	entry->owner = entry->socket.tgid ? LISTENERS_SEVERAL : LISTENERS_ONE;
	entry->socket.tgid = entry->socket.tgid ? 0 : pid;
	return 0;
}

/* In CLOCK_MONOTONIC, and not too late: as if the host had slept before that alone. */
static uint64_t started_ns(const struct procinfo *info)
{
	uint64_t suspended_ns = clock__now_ns(CLOCK_BOOTTIME) - clock__now_ns(CLOCK_MONOTONIC);

	return clock__before_ns(procinfo__start_ns(info), suspended_ns);
}

/* @best: what a single holder may be called at most. */
static void fill__owners(struct fill *fill, enum listeners_owner best)
{
	const char *proc_root = fill->source->places->proc_root;
	struct listeners_entry *entry = table__oldest(fill->table->sockets);
	struct procinfo info;

	for (; entry; entry = table__newer(fill->table->sockets, entry)) {
		if (entry->owner != LISTENERS_ONE)
			continue;
		if (procinfo__read(proc_root, entry->socket.tgid, &info) == 0) {
			listeners_table__set_owner(entry, best, entry->socket.tgid, info.comm);
			entry->holder_since_ns = started_ns(&info);
		} else { /* it has gone meanwhile */
			listeners_table__set_owner(entry, LISTENERS_UNSURE, 0, "");
		}
	}
}

static int fill__new(struct fill *fill, size_t entries)
{
	const struct table_options by_inode = {
		.key_bytes = sizeof(uint64_t),
		.entry_bytes = sizeof(struct held),
		.max = entries,
	};

	return listeners__new(&fill->table, entries) ?: table__new(&fill->by_inode, &by_inode);
}

static int fill__all(struct fill *fill, size_t max_fds)
{
	static const struct sockets_visitor visitor = {
		SOCKDIAG_MASK(SOCKDIAG_LISTEN),
		fill__begin,
		fill__socket,
		fill__end,
	};
	enum listeners_owner best = LISTENERS_ONE;
	unsigned int flags = 0, fd_flags = 0;
	int err = sockets__each(fill->source, &visitor, fill, &flags);

	if (err)
		return err;
	fill->flags |= (flags & SOCKETS_DENIED ? LISTENERS_NETNS_DENIED : 0) |
		       (flags & SOCKETS_FAILED ? LISTENERS_NETNS_FAILED : 0);
	if (!table__count(fill->by_inode))
		return 0;

	err = procinfo__each_socket(fill->source->places->proc_root, max_fds, fill__holder, fill,
				    &fd_flags);
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

/* The same socket; who called listen() is better than what /proc told of it, unless that is
 * another one. */
static void fill__keep_known(struct listeners_entry *now, const struct listeners_entry *old)
{
	now->socket.since_ns = old->socket.since_ns;
	if (now->owner > LISTENERS_LIKELY || !old->socket.tgid ||
	    (now->socket.tgid && now->socket.tgid != old->socket.tgid))
		return;
	listeners_table__set_owner(now, old->owner, old->socket.tgid, old->socket.comm);
	now->holder_since_ns = old->holder_since_ns;
}

static struct listeners_entry *fill__found(const struct fill *fill,
					   const struct listeners_entry *old)
{
	if (old->socket.cookie)
		return table__find(fill->table->sockets, &old->socket.cookie);
	return listeners_table__next_at(fill->table, &old->socket, NULL);
}

/* One that is not there any more, or is where nobody could look. */
static void fill__keep_old(struct fill *fill, const struct listeners *before,
			   const struct listeners_entry *old)
{
	uint64_t ended_ns = old->ended_ns;
	struct listeners_entry *entry;

	if (ended_ns == LISTENERS_LISTENING && before->known_ns != UINT64_MAX)
		ended_ns = before->known_ns;
	else if (ended_ns == LISTENERS_LISTENING &&
		 seen__has(fill->table->read, old->socket.netns))
		ended_ns = fill->begun_ns;
	if (listeners_table__insert(fill->table, &old->socket, ended_ns, &entry))
		return;
	entry->owner = old->owner;
	entry->found_ns = old->found_ns;
	entry->holder_since_ns = old->holder_since_ns;
}

/* Those that have ended first: in the order in which they did. */
static void fill__merge(struct fill *fill, const struct listeners *before)
{
	const struct listeners_entry *old = table__oldest_dead(before->sockets);
	struct listeners_entry *now;

	for (; old; old = table__newer(before->sockets, old))
		if (!old->socket.cookie || !fill__found(fill, old))
			fill__keep_old(fill, before, old);
	for (old = table__oldest(before->sockets); old; old = table__newer(before->sockets, old)) {
		now = fill__found(fill, old);
		if (!now)
			fill__keep_old(fill, before, old);
		else if (listeners_table__same_place(&now->socket, &old->socket))
			fill__keep_known(now, old);
	}
}

int listeners__fill(struct listeners *table, const struct sockets_source *source, size_t max_fds,
		    unsigned int *flags)
{
	struct fill fill = {
		.source = source,
		.begun_ns = clock__now_ns(CLOCK_MONOTONIC),
		.is_first = !table->filled_ns && table->known_ns == UINT64_MAX,
	};
	struct listeners old;
	int err;

	err = fill__new(&fill, table->max);
	if (!err)
		err = fill__all(&fill, max_fds);
	if (!err) {
		fill.table->filled_ns = fill.begun_ns;
		fill__merge(&fill, table);
		fill.table->refused += table->refused;
		old = *table;
		*table = *fill.table;
		*fill.table = old;
		if (flags)
			*flags = fill.flags;
	}
	table__free(fill.by_inode);
	listeners__free(fill.table);
	return err;
}

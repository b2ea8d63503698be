// SPDX-License-Identifier: GPL-2.0
#include "owners/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "owners/listeners_table.h"

#define MAX_NAMESPACES (1U << 20) /* of which it is known whether they were read */
/* So close to the begin or the end of a socket's listening nobody is named: the kernel reads
 * the two clocks differently, and the moment of a fast open is in microseconds. */
#define SLACK_NS 2000ULL
/* Where sockets have no cookie they get a number of ours; the kernel's do not come so far. */
#define OWN_NUMBER (1ULL << 63)

/* ---- the table ---- */

static void list__add(struct listeners_list *list, struct listeners_entry *entry)
{
	entry->newer = NULL;
	entry->older = list->newest;
	if (list->newest)
		list->newest->newer = entry;
	else
		list->oldest = entry;
	list->newest = entry;
	list->count++;
}

static void list__remove(struct listeners_list *list, struct listeners_entry *entry)
{
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		list->oldest = entry->newer;
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		list->newest = entry->older;
	list->count--;
}

static struct listeners_list *list_of(struct listeners_entry *entry)
{
	return entry->ended_ns == LISTENERS_LISTENING ? &entry->port->listening
						      : &entry->port->ended;
}

/* Takes @entry from its port, which goes with its last socket. */
static void leave_port(struct table *ports, struct listeners_entry *entry)
{
	struct listeners_port *port = entry->port;

	list__remove(list_of(entry), entry);
	if (!port->listening.count && !port->ended.count)
		table__remove(ports, port);
}

static void on_evict(void *ctx, void *entry)
{
	leave_port(ctx, entry);
}

static int open_tables(struct listeners *table)
{
	const struct table_options ports = {
		.key_bytes = sizeof(uint64_t),
		.entry_bytes = sizeof(struct listeners_port),
		.max = table->max,
	};
	struct table_options sockets = {
		.key_bytes = sizeof(uint64_t),
		.entry_bytes = sizeof(struct listeners_entry),
		.max = table->max,
		.in_sequence = true,
		.evict = on_evict,
	};
	int err = table__new(&table->ports, &ports);

	sockets.ctx = table->ports;
	return err ?: table__new(&table->sockets, &sockets) ?:
	       seen__new(&table->read, MAX_NAMESPACES) ?:
	       seen__new(&table->unread, MAX_NAMESPACES);
}

int listeners__new(struct listeners **tablep, size_t entries)
{
	struct listeners *table;
	int err;

	if (entries == 0 || entries > TABLE_MAX)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->max = entries;
	table->known_ns = UINT64_MAX;
	err = open_tables(table);
	if (err) {
		listeners__free(table);
		return err;
	}
	*tablep = table;
	return 0;
}

void listeners__free(struct listeners *table)
{
	if (!table)
		return;
	table__free(table->sockets);
	table__free(table->ports);
	seen__free(table->read);
	seen__free(table->unread);
	free(table);
}

size_t listeners__count(const struct listeners *table)
{
	return table__count(table->sockets);
}

uint64_t listeners__refused(const struct listeners *table)
{
	return table->refused;
}

static uint64_t port_key(uint32_t netns, uint16_t port)
{
	return (uint64_t)netns << 16 | port;
}

static struct listeners_port *find_port(const struct listeners *table, uint32_t netns,
					uint16_t port)
{
	uint64_t key = port_key(netns, port);

	return table__find(table->ports, &key);
}

/* A socket that has ended is not missed so much. */
static int refuse(struct listeners *table, uint16_t port, uint64_t ended_ns, int err)
{
	if (ended_ns != LISTENERS_LISTENING)
		return err;
	table->refused_ports[port / 64] |= 1ULL << port % 64;
	table->refuses = true;
	table->refused++;
	return err;
}

static bool was_refused(const struct listeners *table, uint16_t port)
{
	return table->refused_ports[port / 64] >> port % 64 & 1;
}

/* What stands in @entry->socket and @entry->ended_ns decides where it goes. */
static int join_port(struct listeners *table, struct listeners_entry *entry)
{
	uint64_t key = port_key(entry->socket.netns, entry->socket.port);
	void *port;
	int err = table__get(table->ports, &key, &port);

	if (err < 0)
		return err;
	entry->port = port;
	list__add(list_of(entry), entry);
	return 0;
}

static void drop(struct listeners *table, struct listeners_entry *entry)
{
	leave_port(table->ports, entry);
	table__remove(table->sockets, entry);
}

int listeners_table__insert(struct listeners *table, const struct listener *socket,
			    uint64_t ended_ns, struct listeners_entry **entryp)
{
	uint64_t number = socket->cookie ?: OWN_NUMBER | table->next_number++;
	const struct listeners_port *port = find_port(table, socket->netns, socket->port);
	struct listeners_entry *entry;
	void *place;
	int err;

	if (ended_ns == LISTENERS_LISTENING && port &&
	    port->listening.count >= LISTENERS_AT_PORT_MAX)
		return refuse(table, socket->port, ended_ns, -ENOSPC);
	err = table__get(table->sockets, &number, &place);
	if (err < 0)
		return refuse(table, socket->port, ended_ns, err);
	entry = place;
	entry->socket = *socket;
	entry->ended_ns = ended_ns;
	entry->owner = LISTENERS_UNSURE;
	err = join_port(table, entry);
	if (err) {
		table__remove(table->sockets, entry);
		return refuse(table, socket->port, ended_ns, err);
	}
	if (ended_ns != LISTENERS_LISTENING) {
		table__retire(table->sockets, entry);
		if (entry->port->ended.count > LISTENERS_ENDED_MAX)
			drop(table, entry->port->ended.oldest);
	}
	*entryp = entry;
	return 0;
}

static void end(struct listeners *table, struct listeners_entry *entry, uint64_t ended_ns)
{
	struct listeners_port *port = entry->port;

	list__remove(&port->listening, entry);
	entry->ended_ns = ended_ns;
	list__add(&port->ended, entry);
	table__retire(table->sockets, entry);
	if (port->ended.count > LISTENERS_ENDED_MAX)
		drop(table, port->ended.oldest);
}

bool listeners_table__same_place(const struct listener *a, const struct listener *b)
{
	return a->netns == b->netns && a->port == b->port && a->family == b->family &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

struct listeners_entry *listeners_table__next_at(const struct listeners *table,
						 const struct listener *socket,
						 struct listeners_entry *entry)
{
	const struct listeners_port *port;

	if (entry) {
		entry = entry->older;
	} else {
		port = find_port(table, socket->netns, socket->port);
		entry = port ? port->listening.newest : NULL;
	}
	while (entry && !listeners_table__same_place(&entry->socket, socket))
		entry = entry->older;
	return entry;
}

/* Where either has no cookie the process has to tell them apart. */
static struct listeners_entry *find_same(const struct listeners *table,
					 const struct listener *socket)
{
	struct listeners_entry *entry;

	if (socket->cookie) {
		entry = table__find(table->sockets, &socket->cookie);
		if (entry)
			return entry;
	}
	for (entry = listeners_table__next_at(table, socket, NULL); entry;
	     entry = listeners_table__next_at(table, socket, entry))
		if (!(socket->cookie && entry->socket.cookie) &&
		    entry->socket.tgid == socket->tgid)
			return entry;
	return NULL;
}

void listeners_table__set_owner(struct listeners_entry *entry, enum listeners_owner owner,
				uint32_t tgid, const char *comm)
{
	entry->owner = owner;
	entry->socket.tgid = tgid;
	memset(entry->socket.comm, 0, sizeof(entry->socket.comm));
	memcpy(entry->socket.comm, comm, strnlen(comm, sizeof(entry->socket.comm) - 1));
}

static void set_caller(struct listeners_entry *entry, const struct listener *socket)
{
	entry->holder_since_ns = 0;
	listeners_table__set_owner(entry, socket->tgid ? LISTENERS_CALLER : LISTENERS_UNSURE,
				   socket->tgid, socket->comm);
}

/* Another process called listen() on a socket that listens, as far as is known. What /proc
 * said is later than, and so better than, who called. */
static void add_caller(struct listeners_entry *entry, const struct listener *socket)
{
	if (entry->owner > LISTENERS_CALLER || !socket->tgid || entry->socket.tgid == socket->tgid)
		return;
	if (entry->socket.tgid)
		listeners_table__set_owner(entry, LISTENERS_SEVERAL, 0, "");
	else
		set_caller(entry, socket);
}

/* One that began before the last fill, which did not find it where it looked, has ended. */
static int add_new(struct listeners *table, const struct listener *socket)
{
	bool has_ended = socket->since_ns && socket->since_ns < table->filled_ns &&
			 seen__has(table->read, socket->netns);
	struct listeners_entry *entry;
	int err = listeners_table__insert(
		table, socket, has_ended ? socket->since_ns : LISTENERS_LISTENING, &entry);

	if (!err)
		set_caller(entry, socket);
	return err;
}

/* A socket that is known listens, by what a record says. */
static int hear_again(struct listeners *table, struct listeners_entry *entry,
		      const struct listener *socket)
{
	bool listens = entry->ended_ns == LISTENERS_LISTENING;
	uint64_t newest_ns = !listens ? entry->ended_ns :
			     entry->found_ns ?: entry->socket.since_ns;

	if (listens && listeners_table__same_place(&entry->socket, socket)) {
		if (socket->since_ns)
			entry->socket.since_ns = socket->since_ns;
		add_caller(entry, socket);
		return 0;
	}
	if (socket->since_ns && socket->since_ns < newest_ns)
		return 0;
	/* It listens anew: of its earlier life nothing is kept. */
	drop(table, entry);
	return add_new(table, socket);
}

int listeners__add(struct listeners *table, const struct listener *listener)
{
	struct listener socket = *listener;
	struct listeners_entry *entry;

	if (socket.family != AF_INET && socket.family != AF_INET6)
		return -EINVAL;
	if (socket.family == AF_INET)
		memset(socket.addr + 4, 0, sizeof(socket.addr) - 4);
	socket.comm[sizeof(socket.comm) - 1] = '\0';

	entry = find_same(table, &socket);
	return entry ? hear_again(table, entry, &socket) : add_new(table, &socket);
}

/* Nothing tells which of several it was. */
static void end_at_place(struct listeners *table, const struct listener *socket, uint64_t ended_ns)
{
	struct listeners_entry *first = listeners_table__next_at(table, socket, NULL), *entry;

	if (first && !listeners_table__next_at(table, socket, first)) {
		end(table, first, ended_ns);
		return;
	}
	for (entry = first; entry; entry = listeners_table__next_at(table, socket, entry))
		listeners_table__set_owner(entry, LISTENERS_UNSURE, 0, "");
}

void listeners__remove(struct listeners *table, const struct listener *listener, uint64_t ended_ns)
{
	struct listeners_entry *entry;

	if (!listener->cookie) {
		end_at_place(table, listener, ended_ns);
		return;
	}
	entry = table__find(table->sockets, &listener->cookie);
	if (!entry)
		return;
	if (entry->ended_ns != LISTENERS_LISTENING) {
		if (ended_ns > entry->ended_ns)
			entry->ended_ns = ended_ns;
		return;
	}
	/* One of the past: it was found listening since. */
	if (ended_ns && (ended_ns < entry->found_ns || ended_ns < entry->socket.since_ns))
		return;
	end(table, entry, ended_ns);
}

void listeners__know_from(struct listeners *table, uint64_t known_ns)
{
	table->from_ns = known_ns;
}

void listeners__doubt(struct listeners *table, uint64_t known_ns)
{
	if (known_ns < table->known_ns)
		table->known_ns = known_ns;
}

bool listeners__needs_fill(const struct listeners *table)
{
	size_t listening = table__count(table->sockets) - table__count_dead(table->sockets);

	return table->known_ns != UINT64_MAX ||
	       (table->refuses && listening <= table->max / 4 * 3);
}

/* ---- lookup ---- */

enum fit { NEVER, PERHAPS, SURELY };

/* Whether @entry took connections at @when_ns. */
static enum fit fit_of(const struct listeners_entry *entry, uint64_t when_ns)
{
	uint64_t since_ns = entry->socket.since_ns, ended_ns = entry->ended_ns;

	if (!when_ns)
		return since_ns || ended_ns != LISTENERS_LISTENING ? PERHAPS : SURELY;
	if (when_ns + SLACK_NS < since_ns ||
	    (ended_ns != LISTENERS_LISTENING && when_ns > ended_ns + SLACK_NS))
		return NEVER;
	if (when_ns < since_ns || when_ns > ended_ns || when_ns < entry->holder_since_ns)
		return PERHAPS;
	return SURELY;
}

static void match_entry(struct listeners_match *match, const struct listeners_entry *entry,
			enum fit fit)
{
	enum listeners_owner owner = fit == SURELY || entry->owner == LISTENERS_SEVERAL
					     ? entry->owner
					     : LISTENERS_UNSURE;

	if (match->owner == LISTENERS_NONE) {
		match->owner = owner;
		match->tgid = entry->socket.tgid;
		memcpy(match->comm, entry->socket.comm, sizeof(match->comm));
		return;
	}
	/* A second socket at the same place: SO_REUSEPORT, or one of them is
   * gone. Of one process, all the same; else nobody's in particular. */
	if (owner == LISTENERS_SEVERAL || match->owner == LISTENERS_SEVERAL ||
	    (match->tgid && entry->socket.tgid && match->tgid != entry->socket.tgid)) {
		*match = (struct listeners_match){ .owner = LISTENERS_SEVERAL };
		return;
	}
	/* the less sure one decides: the enum is in that order */
	if (owner < match->owner)
		match->owner = owner;
	if (!match->tgid) {
		match->tgid = entry->socket.tgid;
		memcpy(match->comm, entry->socket.comm, sizeof(match->comm));
	}
}

static void match_list(const struct listeners_list *list, const struct listener *place,
		       bool dual_stack, uint64_t when_ns, struct listeners_match *match)
{
	for (const struct listeners_entry *entry = list->newest; entry; entry = entry->older) {
		enum fit fit = fit_of(entry, when_ns);

		if (fit != NEVER && listeners_table__same_place(&entry->socket, place) &&
		    !(dual_stack && entry->socket.v6only))
			match_entry(match, entry, fit);
	}
}

/* With a moment, those that have ended are as good as those that listen. */
static bool match_place(const struct listeners_port *port, const struct listener *place,
			bool dual_stack, uint64_t when_ns, bool ended,
			struct listeners_match *match)
{
	if (when_ns || !ended)
		match_list(&port->listening, place, dual_stack, when_ns, match);
	if (when_ns || ended)
		match_list(&port->ended, place, dual_stack, when_ns, match);
	return match->owner != LISTENERS_NONE;
}

/* The order is that of the scores in compute_score() of inet_hashtables.c. */
static bool match_port(const struct listeners_port *port, struct listener place, uint64_t when_ns,
		       bool ended, struct listeners_match *match)
{
	if (match_place(port, &place, false, when_ns, ended, match))
		return true;
	memset(place.addr, 0, sizeof(place.addr));
	if (match_place(port, &place, false, when_ns, ended, match))
		return true;
	if (place.family != AF_INET)
		return false;
	place.family = AF_INET6;
	return match_place(port, &place, true, when_ns, ended, match);
}

/* Without a moment: whoever has ended since may have been the one as well. */
static void match_any_time(const struct listeners_port *port, const struct listener *place,
			   struct listeners_match *match)
{
	struct listeners_match past = { .owner = LISTENERS_NONE };

	match_port(port, *place, 0, false, match);
	if (!match_port(port, *place, 0, true, &past))
		return;
	if (match->owner == LISTENERS_NONE)
		*match = past;
	else if (past.tgid != match->tgid)
		*match = (struct listeners_match){ .owner = LISTENERS_SEVERAL };
}

/* It was begun to be read, and not read to its end. */
static bool is_unread(const struct listeners *table, uint32_t netns)
{
	return seen__has(table->unread, netns) && !seen__has(table->read, netns);
}

/* Whether somebody else may have listened there, and the table does not know.
 */
static bool may_lack_some(const struct listeners *table, const struct listeners_place *place)
{
	bool is_after = !place->opened_ns || place->opened_ns > table->known_ns;

	return place->opened_ns < table->from_ns ||
	       (table->known_ns != UINT64_MAX && is_after) || was_refused(table, place->port) ||
	       is_unread(table, place->netns);
}

bool listeners__lookup(const struct listeners *table, const struct listeners_place *place,
		       struct listeners_match *match)
{
	struct listener at = { .netns = place->netns,
			       .family = place->family,
			       .port = place->port };
	const struct listeners_port *port = find_port(table, place->netns, place->port);

	*match = (struct listeners_match){ .owner = LISTENERS_NONE };
	memcpy(at.addr, place->addr, place->family == AF_INET ? 4 : 16);
	if (!port)
		return false;
	if (place->opened_ns)
		match_port(port, at, place->opened_ns, false, match);
	else
		match_any_time(port, &at, match);
	if (match->owner != LISTENERS_NONE && may_lack_some(table, place))
		*match = (struct listeners_match){ .owner = LISTENERS_UNSURE };
	return match->owner != LISTENERS_NONE;
}

// SPDX-License-Identifier: GPL-2.0
#include "owners/attribute.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct attributor {
	struct attribute_sources from;
	int64_t wall_offset_ns;
	struct tws_event changed; /* a copy, where something is to be added */
	char arguments[TWS_ARGS_LEN + 1];
};

int attributor__new(struct attributor **attributorp, const struct attribute_sources *sources)
{
	struct attributor *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->from = *sources;
	*attributorp = a;
	return 0;
}

void attributor__set_clock(struct attributor *a, int64_t wall_offset_ns)
{
	a->wall_offset_ns = wall_offset_ns;
}

static bool listens(const struct attributor *a, const struct tws_event *ev,
		    const uint8_t addr[16], uint16_t port, struct listeners_match *match)
{
	struct listeners_place place = {
		.opened_ns = ev->conn.open_ns,
		.netns = ev->netns,
		.port = port,
		.family = ev->family,
	};

	memcpy(place.addr, addr, sizeof(place.addr));
	return port && listeners__lookup(a->from.listeners, &place, match);
}

/*
 * The side of a connection that was opened before tracing: the one whose port
 * is listened on. Where the peer lives in the same namespace and its port is,
 * ours is the client.
 */
static uint8_t find_side(const struct attributor *a, const struct tws_event *ev)
{
	struct listeners_match match;
	bool here = listens(a, ev, ev->local_addr, ev->local_port, &match);
	bool there = listens(a, ev, ev->peer_addr, ev->peer_port, &match);
	bool loopback = !memcmp(ev->local_addr, ev->peer_addr, sizeof(ev->local_addr));

	if (here && !(loopback && there))
		return TWS_SIDE_SERVER;
	if (!here && loopback && there)
		return TWS_SIDE_CLIENT;
	return TWS_SIDE_UNKNOWN;
}

/* For a server the opener is the process that called listen(), as we saw it, or
 * the only one that holds the listening socket. */
static void find_listener(struct attributor *a, struct tws_event *ev)
{
	struct listeners_match match;

	if (!listens(a, ev, ev->local_addr, ev->local_port, &match) || !match.tgid ||
	    (match.owner != LISTENERS_ONE && match.owner != LISTENERS_CALLER))
		return;
	ev->conn.opener_tgid = match.tgid;
	memcpy(ev->conn.opener_comm, match.comm, sizeof(ev->conn.opener_comm));
	ev->conn.flags |= TWS_F_OPENER;
}

static const struct tws_event *add_listener(struct attributor *a, const struct tws_event *ev)
{
	bool no_side = ev->conn.side == TWS_SIDE_UNKNOWN && !(ev->conn.flags & TWS_F_OPENER);
	bool no_opener = ev->conn.side == TWS_SIDE_SERVER && !(ev->conn.flags & TWS_F_OPENER);

	/* bind() that failed has no connection: who listens there is somebody else. */
	if (!a->from.listeners || (!no_side && !no_opener) || ev->action == TWS_BIND_FAILED)
		return ev;
	a->changed = *ev;
	if (no_side)
		a->changed.conn.side = find_side(a, ev);
	if (a->changed.conn.side == TWS_SIDE_SERVER)
		find_listener(a, &a->changed);
	return &a->changed;
}

/* As /proc shows it, but for the length. */
static const char *noted_arguments(struct attributor *a, const struct tws_event *ev)
{
	size_t len;
	const char *args = a->from.arguments ?
				   a->from.arguments(a->from.arguments_ctx, ev, &len) : NULL;

	if (!args || len >= sizeof(a->arguments))
		return NULL;
	memcpy(a->arguments, args, len);
	procinfo__join_arguments(a->arguments, len);
	return a->arguments[0] ? a->arguments : NULL;
}

static const char *find_interface(const struct attributor *a, const struct tws_event *ev)
{
	const struct tws_conn *conn = &ev->conn;

	if (!a->from.interfaces || !conn->ifindex)
		return NULL;
	return ifnames__of(a->from.interfaces, ev->netns, conn->ifindex,
			   conn->flags & TWS_F_CLOSER ? conn->tgid : conn->opener_tgid,
			   clock__now_ns(CLOCK_MONOTONIC));
}

static void find_command_line(struct attributor *a, const struct tws_event *ev,
			      struct record *rec)
{
	const struct procinfo *info = procinfo__get(a->from.processes, ev->conn.tgid,
						    ev->conn.closer_start_ns, ev->conn.comm);

	if (!info || !info->command_line[0])
		return;
	rec->command_line = info->command_line;
	rec->command_number = info->number;
}

void attributor__record(struct attributor *a, const struct tws_event *ev, struct record *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->wall_ns = ev->time_ns + a->wall_offset_ns;
	rec->event = add_listener(a, ev);
	if (a->from.processes && ev->conn.flags & TWS_F_CLOSER)
		find_command_line(a, ev, rec);
	if (!rec->command_line && ev->conn.flags & TWS_F_CLOSER)
		rec->command_line = noted_arguments(a, ev);
	rec->interface = find_interface(a, ev);
	if (a->from.containers && ev->conn.cgroup_id)
		containers__fill(a->from.containers, rec);
}

void attributor__free(struct attributor *a)
{
	free(a);
}

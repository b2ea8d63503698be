// SPDX-License-Identifier: GPL-2.0
#include "events/listening.h"

#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define MIN_NS 500000000ULL /* from the end of one time to the next, */
#define SHARE 20	    /* and one part in this of the time at most */

int listening__new(struct listening *listening, struct source *events,
		   const struct sockets_source *sockets)
{
	*listening = (struct listening){ .events = events, .sockets = sockets };
	return listeners__new(&listening->table, LISTENERS_DEFAULT);
}

void listening__free(struct listening *listening)
{
	listeners__free(listening->table);
	listening->table = NULL;
}

void listening__begin(struct listening *listening)
{
	listeners__fill(listening->table, listening->sockets, 0, &listening->flags);
}

/* A socket bound to ::ffff:a.b.c.d takes IPv4 connections. The kernel side goes
 * by the peer's address, which a listener does not have. */
static void unmap_v4(struct listener *listener)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (listener->family != AF_INET6 || memcmp(listener->addr, mapped, sizeof(mapped)))
		return;
	listener->family = AF_INET;
	memmove(listener->addr, listener->addr + 12, 4);
	memset(listener->addr + 4, 0, 12);
}

void listening__note(struct listening *listening, const struct tws_event *ev)
{
	struct listener listener = {
		.cookie = ev->cookie,
		.since_ns = ev->time_ns,
		.netns = ev->netns,
		.tgid = ev->conn.opener_tgid,
		.port = ev->local_port,
		.family = ev->family,
	};

	memcpy(listener.addr, ev->local_addr, sizeof(listener.addr));
	unmap_v4(&listener);
	if (ev->action == TWS_UNLISTEN) {
		listeners__remove(listening->table, &listener, ev->time_ns);
		return;
	}
	memcpy(listener.comm, ev->conn.opener_comm, sizeof(listener.comm));
	listeners__add(listening->table, &listener);
}

void listening__read(struct listening *listening)
{
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC), end_ns;

	listening__doubt(listening);
	if ((!listening->is_wanted && !listeners__needs_fill(listening->table)) ||
	    begin_ns < listening->next_ns)
		return;
	if (!listeners__fill(listening->table, listening->sockets, 0, &listening->flags)) {
		listening->events->listens_lost_since_ns = 0;
		listening->is_wanted = false;
	}
	end_ns = clock__now_ns(CLOCK_MONOTONIC);
	listening->next_ns = end_ns + MIN_NS + (end_ns - begin_ns) * SHARE;
}

void listening__want(struct listening *listening)
{
	listening->is_wanted = true;
	listening__read(listening);
}

// SPDX-License-Identifier: GPL-2.0
#include "sockets/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* From the FIN on: those of full sockets, and of mini-sockets. */
#define CLOSING_STATES \
	(SOCKDIAG_MASK_MINI | SOCKDIAG_MASK(SOCKDIAG_FIN_WAIT1) | \
	 SOCKDIAG_MASK(SOCKDIAG_CLOSING) | SOCKDIAG_MASK(SOCKDIAG_LAST_ACK))

struct collector {
	struct snapshot snap;
	size_t room;
	uint32_t netns;
	bool wants_cookies;
	snapshot_keep_fn keep;
	void *ctx;
};

/* In whole milliseconds, so that it is not too late. */
static uint32_t after_ms(const struct collector *c, const struct sockdiag_socket *sk)
{
	uint64_t ms =
		sk->asked_ns > c->snap.taken_ns ? (sk->asked_ns - c->snap.taken_ns) / 1000000 : 0;

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static int make_room(struct collector *c)
{
	size_t room = c->room ? c->room * 2 : 1024;
	void *more;

	if (c->snap.num == SNAPSHOT_MAX)
		return -E2BIG;
	if (c->snap.num < c->room)
		return 0;
	more = realloc(c->snap.sockets, room * sizeof(*c->snap.sockets));
	if (!more)
		return -ENOMEM;
	c->snap.sockets = more;
	c->room = room;
	return 0;
}

static int add(void *ctx, const struct sockdiag_socket *sk)
{
	struct collector *c = ctx;
	const struct snapshot_socket found = {
		.cookie = sk->cookie,
		.key = sockdiag__key(sk, c->netns),
		.expires_ms = sk->expires_ms,
		.family = sk->family,
		.state = sk->state,
		.after_ms = after_ms(c, sk),
	};
	int err;

	if (!c->keep(c->ctx, &c->snap, &found))
		return 0;
	err = make_room(c);
	if (!err)
		c->snap.sockets[c->snap.num++] = found;
	return err;
}

/* Grows by doubling: a power of two is a full array. */
static int add_netns(struct snapshot *snap, uint32_t inode)
{
	size_t num = snap->num_netns;

	if (!(num & (num - 1))) {
		void *more = realloc(snap->netns, (num ? num * 2 : 1) * sizeof(*snap->netns));

		if (!more)
			return -ENOMEM;
		snap->netns = more;
	}
	snap->netns[snap->num_netns++] = inode;
	return 0;
}

/* Likewise; before the namespace itself is counted. */
static int add_cookie(struct snapshot *snap, const struct netns_entry *ns)
{
	size_t num = snap->num_netns;

	if (!(num & (num - 1))) {
		void *more = realloc(snap->netns_cookies,
				     (num ? num * 2 : 1) * sizeof(*snap->netns_cookies));

		if (!more)
			return -ENOMEM;
		snap->netns_cookies = more;
	}
	snap->netns_cookies[num] = 0;
	netns__cookie(ns->fd, &snap->netns_cookies[num]); /* or it is not known */
	return 0;
}

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	((struct collector *)ctx)->netns = ns->inode;
	return 0;
}

static int end_netns(void *ctx, const struct netns_entry *ns)
{
	struct collector *c = ctx;
	int err = c->wants_cookies ? add_cookie(&c->snap, ns) : 0;

	return err ?: add_netns(&c->snap, ns->inode);
}

int snapshot__take(struct snapshot *snap, const struct sockets_source *source,
		   snapshot_keep_fn keep, void *ctx)
{
	static const struct sockets_visitor visitor = {
		CLOSING_STATES, begin_netns, add, end_netns,
	};
	struct collector c = { .wants_cookies = source->wants_cookies, .keep = keep, .ctx = ctx };
	unsigned int flags = 0;
	int err;

	c.snap.taken_ns = clock__now_ns(CLOCK_MONOTONIC);
	err = sockets__each(source, &visitor, &c, &flags);
	if (err) {
		snapshot__free(&c.snap);
		return err;
	}
	c.snap.done_ns = clock__now_ns(CLOCK_MONOTONIC);
	if (flags)
		c.snap.flags |= SNAPSHOT_PARTIAL;
	*snap = c.snap;
	return 0;
}

void snapshot__free(struct snapshot *snap)
{
	free(snap->sockets);
	free(snap->netns);
	free(snap->netns_cookies);
	memset(snap, 0, sizeof(*snap));
}

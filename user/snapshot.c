// SPDX-License-Identifier: GPL-2.0
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sockdiag.h"

struct collector {
	struct snapshot snap;
	size_t room;
	uint32_t netns;
	int error; /* of the first namespace that could not be dumped at all */
};

static int add(void *ctx, const struct sockdiag_socket *sk)
{
	struct collector *c = ctx;
	struct snapshot_mini *mini;

	if (!sk->mini)
		return 0;
	if (c->snap.num == SNAPSHOT_MAX)
		return -E2BIG;
	if (c->snap.num == c->room) {
		size_t room = c->room ? c->room * 2 : 1024;
		void *more = realloc(c->snap.minis, room * sizeof(*c->snap.minis));

		if (!more)
			return -ENOMEM;
		c->snap.minis = more;
		c->room = room;
	}
	mini = &c->snap.minis[c->snap.num++];
	memset(mini, 0, sizeof(*mini));
	mini->cookie = sk->cookie;
	memcpy(mini->key.local_addr, sk->local_addr, sizeof(sk->local_addr));
	memcpy(mini->key.peer_addr, sk->peer_addr, sizeof(sk->peer_addr));
	mini->key.netns = c->netns;
	mini->key.local_port = sk->local_port;
	mini->key.peer_port = sk->peer_port;
	mini->expires_ms = sk->expires_ms;
	mini->family = sk->family;
	mini->state = sk->state;
	return 0;
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

static int dump_one(struct collector *c, int fd, uint32_t inode)
{
	int err;

	c->netns = inode;
	err = sockdiag__dump(fd, SOCKDIAG_MASK_MINI, add, c, NULL);
	if (!err)
		err = add_netns(&c->snap, inode);
	if (err == -ENOMEM || err == -E2BIG)
		return err;
	if (err) {
		c->snap.flags |= SNAPSHOT_PARTIAL;
		c->error = c->error ?: err;
	}
	return 0;
}

static int on_netns(void *ctx, const struct netns_entry *ns)
{
	return dump_one(ctx, ns->fd, ns->inode);
}

static int dump_all(struct collector *c, const struct netns_places *places)
{
	unsigned int flags = 0;
	uint32_t own;
	int err = netns__each(places, on_netns, c, &flags);

	if (flags & NETNS_DENIED)
		c->snap.flags |= SNAPSHOT_PARTIAL;
	if (err == -ENOMEM || err == -E2BIG)
		return err;
	/* Without privilege not even one's own namespace need have come up. */
	if (!c->snap.num && c->error) {
		c->error = 0;
		err = netns__inode(-1, &own) ?: dump_one(c, -1, own);
	}
	return err ?: c->snap.num ? 0 : c->error;
}

int snapshot__take(struct snapshot *snap, const struct netns_places *places)
{
	struct collector c = {};
	struct timespec now;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	c.snap.taken_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	err = dump_all(&c, places);
	if (err) {
		snapshot__free(&c.snap);
		return err;
	}
	*snap = c.snap;
	return 0;
}

void snapshot__free(struct snapshot *snap)
{
	free(snap->minis);
	free(snap->netns);
	memset(snap, 0, sizeof(*snap));
}

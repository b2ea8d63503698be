// SPDX-License-Identifier: GPL-2.0
#include "owners/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "host/procinfo.h"

/* Whoever is in one of these states holds its local port towards its peer. */
#define STATES \
	(SOCKDIAG_MASK(SOCKDIAG_ESTABLISHED) | SOCKDIAG_MASK(SOCKDIAG_SYN_SENT) | \
	 SOCKDIAG_MASK(SOCKDIAG_FIN_WAIT1) | SOCKDIAG_MASK(SOCKDIAG_FIN_WAIT2) | \
	 SOCKDIAG_MASK(SOCKDIAG_CLOSE_WAIT) | SOCKDIAG_MASK(SOCKDIAG_LAST_ACK) | \
	 SOCKDIAG_MASK(SOCKDIAG_CLOSING))

enum holders { HELD_BY_NONE, HELD_BY_ONE, HELD_BY_SEVERAL };

/* A remote end, or a local port: the rest of the key is zero. */
struct place {
	struct tws_key key;
	uint32_t tgid;
	enum holders holders;
	bool unsure; /* of some socket no holder was found */
};

/* One at each of its places. */
struct live_socket {
	uint64_t inode;
	struct place *place;
	uint32_t tgid;
	enum holders holders;
};

struct live {
	bool full; /* LIVE_MAX was reached */
	struct table *places, *sockets;
	struct table *wanted; /* uint64_t: the places' namespaces */
	uint32_t netns;	      /* that is being read */
};

int live__new(struct live **livep)
{
	const struct table_options places = {
		.key_bytes = sizeof(struct tws_key), .entry_bytes = sizeof(struct place),
		.max = LIVE_MAX,
	};
	const struct table_options sockets = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct live_socket),
		.max = LIVE_MAX,
	};
	const struct table_options wanted = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(uint64_t), .max = LIVE_MAX,
	};
	struct live *live = calloc(1, sizeof(*live));
	int err;

	if (!live)
		return -ENOMEM;
	err = table__new(&live->places, &places) ?: table__new(&live->sockets, &sockets) ?:
	      table__new(&live->wanted, &wanted);
	if (err) {
		live__free(live);
		return err;
	}
	*livep = live;
	return 0;
}

void live__free(struct live *live)
{
	if (!live)
		return;
	table__free(live->places);
	table__free(live->sockets);
	table__free(live->wanted);
	free(live);
}

/* ---- places ---- */

static struct tws_key remote_of(const struct tws_key *key)
{
	struct tws_key place = { .netns = key->netns, .peer_port = key->peer_port };

	memcpy(place.peer_addr, key->peer_addr, sizeof(place.peer_addr));
	return place;
}

static struct tws_key local_of(const struct tws_key *key)
{
	return (struct tws_key){ .netns = key->netns, .local_port = key->local_port };
}

static int want(struct live *live, const struct tws_key *place)
{
	uint64_t netns = place->netns;
	void *entry;
	int err = table__get(live->places, place, &entry);

	if (err >= 0)
		err = table__get(live->wanted, &netns, &entry);
	return err < 0 ? err : 0;
}

int live__want_remote(struct live *live, const struct tws_key *key)
{
	const struct tws_key place = remote_of(key);

	return want(live, &place);
}

int live__want_local(struct live *live, const struct tws_key *key)
{
	const struct tws_key place = local_of(key);

	return want(live, &place);
}

/* ---- reading ---- */

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	struct live *live = ctx;
	uint64_t netns = ns->inode;

	live->netns = ns->inode;
	return table__find(live->wanted, &netns) ? 0 : 1;
}

static int add_at(struct live *live, uint64_t inode, const struct tws_key *key)
{
	struct place *place = table__find(live->places, key);
	void *entry;
	int err = place ? table__add(live->sockets, &inode, &entry) : 0;

	if (err == -ENOSPC)
		live->full = true;
	else if (err > 0)
		((struct live_socket *)entry)->place = place;
	return err < 0 && err != -ENOSPC ? err : 0;
}

/* An orphan, and one that nobody has accepted yet, is held by nobody. */
static int add_socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct live *live = ctx;
	struct tws_key key = {
		.netns = live->netns, .local_port = sk->local_port, .peer_port = sk->peer_port,
	}, remote, local;

	if (sk->mini || !sk->inode)
		return 0;
	memcpy(key.peer_addr, sk->peer_addr, sizeof(key.peer_addr));
	remote = remote_of(&key);
	local = local_of(&key);
	return add_at(live, sk->inode, &remote) ?: add_at(live, sk->inode, &local);
}

static int add_holder(void *ctx, uint32_t pid, uint32_t inode)
{
	struct live *live = ctx;
	uint64_t key = inode;
	struct live_socket *sk = table__find(live->sockets, &key);

	for (; sk; sk = table__find_next(live->sockets, sk)) {
		if (sk->tgid == pid)
			continue;
		sk->holders = sk->tgid ? HELD_BY_SEVERAL : HELD_BY_ONE;
		sk->tgid = sk->tgid ?: pid;
	}
	return 0;
}

static void judge_places(struct live *live)
{
	const struct live_socket *sk = table__oldest(live->sockets);

	for (; sk; sk = table__newer(live->sockets, sk)) {
		struct place *place = sk->place;

		if (sk->holders == HELD_BY_NONE)
			place->unsure = true;
		else if (sk->holders == HELD_BY_SEVERAL ||
			 (place->tgid && place->tgid != sk->tgid))
			place->holders = HELD_BY_SEVERAL;
		else if (place->holders == HELD_BY_NONE)
			place->holders = HELD_BY_ONE;
		place->tgid = place->tgid ?: sk->tgid;
	}
}

int live__read(struct live *live, const struct sockets_source *source, unsigned int *flags)
{
	static const struct sockets_visitor visitor = { STATES, begin_netns, add_socket, NULL };
	int err;

	if (!table__count(live->places))
		return 0;
	err = sockets__each(source, &visitor, live, flags);
	if (err || !table__count(live->sockets))
		return err;
	err = procinfo__each_socket(source->places->proc_root, 0, add_holder, live, NULL);
	if (!err)
		judge_places(live);
	return err;
}

uint32_t live__holder(const struct live *live, const struct tws_key *key)
{
	const struct tws_key wanted = remote_of(key);
	const struct place *place = live->full ? NULL : table__find(live->places, &wanted);

	return place && place->holders == HELD_BY_ONE && !place->unsure ? place->tgid : 0;
}

bool live__others_hold(const struct live *live, const struct tws_key *key, uint32_t tgid)
{
	const struct tws_key wanted = local_of(key);
	const struct place *place = table__find(live->places, &wanted);

	return live->full || (place && (place->unsure || place->holders == HELD_BY_SEVERAL ||
					(place->holders == HELD_BY_ONE && place->tgid != tgid)));
}

// SPDX-License-Identifier: GPL-2.0
#include "model/key.h"
#include "owners/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/procinfo.h"

/* Whoever is in one of these states holds its local port towards its peer. */
#define STATES \
	(SOCKDIAG_MASK(SOCKDIAG_ESTABLISHED) | SOCKDIAG_MASK(SOCKDIAG_SYN_SENT) | \
	 SOCKDIAG_MASK(SOCKDIAG_FIN_WAIT1) | SOCKDIAG_MASK(SOCKDIAG_FIN_WAIT2) | \
	 SOCKDIAG_MASK(SOCKDIAG_CLOSE_WAIT) | SOCKDIAG_MASK(SOCKDIAG_LAST_ACK) | \
	 SOCKDIAG_MASK(SOCKDIAG_CLOSING))

enum holders { HELD_BY_NONE, HELD_BY_ONE, HELD_BY_SEVERAL };

struct place {
	struct tws_key key; /* local_port is 0 */
	uint32_t tgid;
	enum holders holders;
	bool unsure; /* of some socket no holder was found */
};

struct live_socket {
	uint32_t place;
	uint32_t inode; /* 0: an orphan */
	uint32_t next;	/* in its chain of inodes, plus 1; 0: the last */
	uint32_t tgid;
	uint16_t local_port;
	uint8_t family;
	uint8_t holders; /* enum holders */
};

struct live {
	bool by_local;
	bool full; /* LIVE_MAX was reached */
	struct place *places;
	size_t num_places, place_room;
	uint32_t *place_slots; /* of twice place_room; plus 1 */
	struct live_socket *sockets;
	size_t num_sockets, socket_room;
	uint32_t *chains;
	size_t num_chains; /* a power of two */
	uint32_t *wanted;  /* the places' namespaces, hardly any of them twice */
	size_t num_wanted, wanted_room;
	uint32_t netns;	   /* that is being read */
};

int live__new(struct live **livep, bool by_local)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live)
		return -ENOMEM;
	live->by_local = by_local;
	*livep = live;
	return 0;
}

void live__free(struct live *live)
{
	if (!live)
		return;
	free(live->places);
	free(live->place_slots);
	free(live->sockets);
	free(live->chains);
	free(live->wanted);
	free(live);
}

/* ---- places ---- */

static struct tws_key place_key(const struct live *live, const struct tws_key *key)
{
	struct tws_key place = *key;

	place.local_port = 0;
	if (!live->by_local)
		memset(place.local_addr, 0, sizeof(place.local_addr));
	return place;
}

/* Where @key, as place_key() made it, stands or would stand. */
static uint32_t *place_slot(const struct live *live, const struct tws_key *key)
{
	size_t mask = 2 * live->place_room - 1;
	size_t i = key__hash(key) & mask;

	while (live->place_slots[i] &&
	       memcmp(&live->places[live->place_slots[i] - 1].key, key, sizeof(*key)) != 0)
		i = (i + 1) & mask;
	return &live->place_slots[i];
}

static int grow_places(struct live *live)
{
	size_t room = live->place_room ? live->place_room * 2 : 256;
	struct place *places = realloc(live->places, room * sizeof(*places));
	uint32_t *slots;

	if (!places)
		return -ENOMEM;
	live->places = places;
	slots = calloc(2 * room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(live->place_slots);
	live->place_slots = slots;
	live->place_room = room;
	for (size_t i = 0; i < live->num_places; i++)
		*place_slot(live, &places[i].key) = (uint32_t)i + 1;
	return 0;
}

/* Whoever asks goes namespace by namespace. */
static int want_netns(struct live *live, uint32_t netns)
{
	size_t room = live->wanted_room ? live->wanted_room * 2 : 16;
	void *more;

	if (live->num_wanted && live->wanted[live->num_wanted - 1] == netns)
		return 0;
	if (live->num_wanted == live->wanted_room) {
		more = realloc(live->wanted, room * sizeof(*live->wanted));
		if (!more)
			return -ENOMEM;
		live->wanted = more;
		live->wanted_room = room;
	}
	live->wanted[live->num_wanted++] = netns;
	return 0;
}

int live__want(struct live *live, const struct tws_key *key)
{
	struct tws_key wanted = place_key(live, key);
	uint32_t *slot;

	if (live->num_places == live->place_room && grow_places(live))
		return -ENOMEM;
	slot = place_slot(live, &wanted);
	if (*slot)
		return 0;
	if (want_netns(live, key->netns))
		return -ENOMEM;
	live->places[live->num_places++] = (struct place){ .key = wanted };
	*slot = (uint32_t)live->num_places;
	return 0;
}

/* ---- reading ---- */

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	struct live *live = ctx;

	live->netns = ns->inode;
	for (size_t i = 0; i < live->num_wanted; i++)
		if (live->wanted[i] == ns->inode)
			return 0;
	return 1;
}

static int make_room(struct live *live)
{
	size_t room = live->socket_room ? live->socket_room * 2 : 1024;
	void *more;

	if (live->num_sockets < live->socket_room)
		return 0;
	more = realloc(live->sockets, room * sizeof(*live->sockets));
	if (!more)
		return -ENOMEM;
	live->sockets = more;
	live->socket_room = room;
	return 0;
}

static int add_socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct live *live = ctx;
	struct tws_key key = { .netns = live->netns, .peer_port = sk->peer_port };
	uint32_t *slot;
	int err;

	if (sk->mini)
		return 0;
	memcpy(key.peer_addr, sk->peer_addr, sizeof(key.peer_addr));
	if (live->by_local)
		memcpy(key.local_addr, sk->local_addr, sizeof(key.local_addr));
	slot = place_slot(live, &key);
	if (!*slot)
		return 0;
	if (live->num_sockets == LIVE_MAX) {
		live->full = true;
		return 0;
	}
	err = make_room(live);
	if (err)
		return err;
	live->sockets[live->num_sockets++] = (struct live_socket){
		.place = *slot - 1, .inode = sk->inode, .local_port = sk->local_port,
		.family = sk->family,
	};
	return 0;
}

static uint32_t *chain_of(const struct live *live, uint32_t inode)
{
	return &live->chains[(inode * 0x9e3779b1U >> 4) & (live->num_chains - 1)];
}

static int chain_inodes(struct live *live)
{
	live->num_chains = 64;
	while (live->num_chains < live->num_sockets)
		live->num_chains *= 2;
	live->chains = calloc(live->num_chains, sizeof(*live->chains));
	if (!live->chains)
		return -ENOMEM;
	for (size_t i = 0; i < live->num_sockets; i++) {
		uint32_t *chain = chain_of(live, live->sockets[i].inode);

		live->sockets[i].next = *chain;
		*chain = (uint32_t)i + 1;
	}
	return 0;
}

static int add_holder(void *ctx, uint32_t pid, uint32_t inode)
{
	struct live *live = ctx;

	if (!inode)
		return 0;
	for (uint32_t i = *chain_of(live, inode); i; i = live->sockets[i - 1].next) {
		struct live_socket *sk = &live->sockets[i - 1];

		if (sk->inode != inode || sk->tgid == pid)
			continue;
		sk->holders = sk->tgid ? HELD_BY_SEVERAL : HELD_BY_ONE;
		sk->tgid = sk->tgid ?: pid;
	}
	return 0;
}

static void judge_places(struct live *live)
{
	for (size_t i = 0; i < live->num_sockets; i++) {
		const struct live_socket *sk = &live->sockets[i];
		struct place *place = &live->places[sk->place];

		if (!sk->inode)
			continue;
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

	if (!live->num_places)
		return 0;
	err = sockets__each(source, &visitor, live, flags);
	if (err || !live->num_sockets)
		return err;
	err = chain_inodes(live) ?:
	      procinfo__each_socket(source->places->proc_root, 0, add_holder, live, NULL);
	if (!err)
		judge_places(live);
	return err;
}

uint32_t live__holder(const struct live *live, const struct tws_key *key)
{
	struct tws_key wanted = place_key(live, key);
	const struct place *place;
	uint32_t *slot;

	if (!live->num_places || live->full)
		return 0;
	slot = place_slot(live, &wanted);
	if (!*slot)
		return 0;
	place = &live->places[*slot - 1];
	return place->holders == HELD_BY_ONE && !place->unsure ? place->tgid : 0;
}

int live__each(const struct live *live, live_fn fn, void *ctx)
{
	int err = 0;

	for (size_t i = 0; !err && i < live->num_sockets; i++) {
		const struct live_socket *sk = &live->sockets[i];
		struct tws_key key = live->places[sk->place].key;

		key.local_port = sk->local_port;
		err = fn(ctx, sk->family, &key, sk->holders == HELD_BY_ONE ? sk->tgid : 0);
	}
	return err;
}

// SPDX-License-Identifier: GPL-2.0
#include "inventory/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "owners/live.h"

/* One local port that is taken. */
struct use {
	struct tws_key key;
	uint32_t tgid; /* 0: unknown */
	char comm[TWS_COMM_LEN];
	uint8_t family;
	bool live;
	bool inferred;
};

struct counter {
	struct listing *l;
	const struct listeners *listeners;
	const char *proc_root;
	struct live *live;
	struct use *uses;
	size_t num, room;
};

/* ---- collecting ---- */

static int add_use(struct counter *c, const struct use *use)
{
	size_t room = c->room ? c->room * 2 : 1024;
	void *more;

	if (c->num == c->room) {
		more = realloc(c->uses, room * sizeof(*c->uses));
		if (!more)
			return -ENOMEM;
		c->uses = more;
		c->room = room;
	}
	c->uses[c->num++] = *use;
	return 0;
}

/* Whether this local port was chosen by a connect() that had no other wish. */
static bool is_clients(const struct counter *c, uint8_t family, const struct tws_key *key)
{
	const struct listing_netns *ns = listing__netns(c->l, key->netns);
	struct listeners_place place = {
		.netns = key->netns, .port = key->local_port, .family = family,
	};
	struct listeners_match match;

	memcpy(place.addr, key->local_addr, sizeof(place.addr));
	return ns && netlimits__is_usable(&ns->limits, key->local_port) &&
	       !listeners__lookup(c->listeners, &place, &match);
}

static int add_row(struct counter *c, const struct listing_row *row)
{
	struct use use = { .key = row->key, .family = row->family,
			   .inferred = row->evidence == OWNER_INFERRED };
	struct listing_process process;
	int err;

	if (row->side == TWS_SIDE_SERVER || !is_clients(c, row->family, &row->key))
		return 0;
	if (listing__process(c->l, row, &process)) {
		use.tgid = process.tgid;
		memcpy(use.comm, process.comm, strnlen(process.comm, sizeof(use.comm)));
	}
	err = add_use(c, &use);
	return err ?: live__want(c->live, &row->key);
}

static int add_live(void *ctx, uint8_t family, const struct tws_key *key, uint32_t tgid)
{
	struct counter *c = ctx;
	struct use use = { .key = *key, .live = true, .family = family };
	uint32_t index = 0;
	int err = tgid ? listing__owner(c->l, c->proc_root, tgid, &index) : 0;

	if (err || !is_clients(c, family, key))
		return err;
	if (index) {
		use.tgid = tgid;
		memcpy(use.comm, c->l->owners[index - 1].comm, sizeof(use.comm));
	}
	return add_use(c, &use);
}

/* ---- counting ---- */

static int compare_places(const struct tws_key *a, const struct tws_key *b)
{
	int order = memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr));

	if (!order)
		order = memcmp(a->peer_addr, b->peer_addr, sizeof(a->peer_addr));
	if (order)
		return order;
	if (a->netns != b->netns)
		return a->netns < b->netns ? -1 : 1;
	return (a->peer_port > b->peer_port) - (a->peer_port < b->peer_port);
}

/* A live socket goes before the mini-socket whose port it has taken over. */
static int compare_ports(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = compare_places(&x->key, &y->key);

	if (order)
		return order;
	if (x->key.local_port != y->key.local_port)
		return x->key.local_port < y->key.local_port ? -1 : 1;
	return (int)y->live - (int)x->live;
}

static int compare_owners(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = strncmp(x->comm, y->comm, sizeof(x->comm));

	return order ?: (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

/* The tables were read one after the other: a port may be in both. */
static void remove_doubles(struct counter *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->num; i++) {
		const struct use *last = kept ? &c->uses[kept - 1] : NULL;

		if (last && last->key.local_port == c->uses[i].key.local_port &&
		    !compare_places(&last->key, &c->uses[i].key))
			continue;
		c->uses[kept++] = c->uses[i];
	}
	c->num = kept;
}

static void rank_owner(struct ports_place *place, const struct ports_owner *owner)
{
	size_t at = PORTS_OWNERS;

	while (at > 0 && place->owners[at - 1].count < owner->count)
		at--;
	place->names++;
	if (at == PORTS_OWNERS)
		return;
	memmove(&place->owners[at + 1], &place->owners[at],
		(PORTS_OWNERS - 1 - at) * sizeof(*owner));
	place->owners[at] = *owner;
}

static void count_owners(struct ports_place *place, struct use *uses, size_t num)
{
	struct ports_owner owner = {};

	qsort(uses, num, sizeof(*uses), compare_owners);
	for (size_t i = 0; i < num; i++) {
		if (!uses[i].tgid) {
			place->unknown++;
			continue;
		}
		if (owner.count && strncmp(owner.comm, uses[i].comm, sizeof(owner.comm))) {
			rank_owner(place, &owner);
			owner.count = owner.inferred = 0;
		}
		if (!owner.count) {
			memcpy(owner.comm, uses[i].comm, sizeof(owner.comm));
			owner.tgid = uses[i].tgid;
		}
		if (owner.tgid != uses[i].tgid)
			owner.tgid = 0;
		owner.count++;
		owner.inferred += uses[i].inferred;
	}
	if (owner.count)
		rank_owner(place, &owner);
}

static void count_place(const struct counter *c, struct ports_place *place, struct use *uses,
			size_t num)
{
	memset(place, 0, sizeof(*place));
	place->key = uses->key;
	place->key.local_port = 0;
	place->family = uses->family;
	place->usable = listing__netns(c->l, uses->key.netns)->limits.usable_ports;
	for (size_t i = 0; i < num; i++) {
		place->live += uses[i].live;
		place->time_wait += !uses[i].live;
	}
	count_owners(place, uses, num);
}

/* Where the next place begins. */
static size_t end_of_place(const struct counter *c, size_t from)
{
	size_t to = from + 1;

	while (to < c->num && !compare_places(&c->uses[from].key, &c->uses[to].key))
		to++;
	return to;
}

/* The larger part of its ports first; nothing is divided, so nothing is rounded. */
static int compare_ranks(const void *a, const void *b)
{
	const struct ports_place *x = a, *y = b;
	uint64_t m = (uint64_t)(x->time_wait + x->live) * y->usable;
	uint64_t n = (uint64_t)(y->time_wait + y->live) * x->usable;

	if (m != n)
		return m > n ? -1 : 1;
	return compare_places(&x->key, &y->key);
}

static int count_places(struct counter *c, struct ports *ports)
{
	struct ports_place *places;
	size_t num = 0;

	for (size_t i = 0; i < c->num; i = end_of_place(c, i))
		num++;
	if (!num)
		return 0;
	places = calloc(num, sizeof(*places));
	if (!places)
		return -ENOMEM;
	num = 0;
	for (size_t i = 0, end; i < c->num; i = end) {
		end = end_of_place(c, i);
		count_place(c, &places[num++], &c->uses[i], end - i);
	}
	qsort(places, num, sizeof(*places), compare_ranks);
	*ports = (struct ports){ num, places };
	return 0;
}

int ports__count(struct ports *ports, struct listing *l, const struct sockets_source *source,
		 const struct listeners *listeners, unsigned int *flags)
{
	struct counter c = {
		.l = l, .listeners = listeners, .proc_root = source->places->proc_root,
	};
	int err = live__new(&c.live, true);

	for (size_t i = 0; !err && i < l->num; i++)
		err = add_row(&c, &l->rows[i]);
	if (!err)
		err = live__read(c.live, source, flags);
	if (!err)
		err = live__each(c.live, add_live, &c);
	if (!err && c.num) {
		qsort(c.uses, c.num, sizeof(*c.uses), compare_ports);
		remove_doubles(&c);
		err = count_places(&c, ports);
	}
	live__free(c.live);
	free(c.uses);
	return err;
}

void ports__free(struct ports *ports)
{
	free(ports->places);
	*ports = (struct ports){};
}

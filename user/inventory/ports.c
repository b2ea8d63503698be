// SPDX-License-Identifier: GPL-2.0
#include "inventory/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/filter.h"

#define NS_PER_MS 1000000ULL
#define TIME_WAIT_NS (60000 * NS_PER_MS) /* TCP_TIMEWAIT_LEN */
/* Ports of a program's own that are further apart are not of one range of its. */
#define OWN_GAP 64
/* So many of a range are more than a program with a fixed port. */
#define OWN_MANY 8

/* What holds a port, the better answer to "who" first. */
enum rank { RANK_LISTENS, RANK_BOUND, RANK_LIVE, RANK_MINI, RANK_NOTHING };

/* One local port that is taken. */
struct use {
	struct tws_key key;
	uint32_t tgid; /* 0: unknown, or several */
	char comm[TWS_COMM_LEN]; /* "": unknown */
	uint8_t family;
	uint8_t scope; /* enum ports_scope */
	uint8_t rank;
	bool inferred;
	bool close_wait;
	bool reusable;
	bool bound; /* taken for every destination */
};

struct uses {
	struct use *uses;
	size_t num, room;
};

/* A network namespace: the ports that are taken for every destination. */
struct space {
	struct port_set bound;
	struct port_set told; /* of these, whose holder is known */
	uint32_t num_bound;   /* of these that connect() may choose else */
};

struct counter {
	struct listing *l;
	const struct ports_want *want;
	struct tws_filter local; /* of the filter what all remote ends have in common */
	struct space *spaces;	 /* beside l->netns */
	struct uses towards;	 /* PORTS_PEER and PORTS_OWN */
	struct uses all;	 /* PORTS_ALL */
};

/* ---- what is taken for every destination ---- */

static const struct netlimits *limits_of(const struct counter *c, const struct space *space)
{
	return &c->l->netns[space - c->spaces].limits;
}

static struct space *space_of(const struct counter *c, uint32_t netns)
{
	const struct listing_netns *ns = listing__netns(c->l, netns);

	return ns ? &c->spaces[ns - c->l->netns] : NULL;
}

static void set_bound(const struct counter *c, struct space *space, uint16_t port)
{
	if (!netlimits__is_usable(limits_of(c, space), port) ||
	    port_set__has(&space->bound, port))
		return;
	port_set__add(&space->bound, port);
	space->num_bound++;
}

static bool is_only_bound(const struct listing_row *row)
{
	return row->state == SOCKDIAG_LISTEN || row->state == SOCKDIAG_CLOSE;
}

static void fill_space(const struct counter *c, struct space *space, uint32_t netns)
{
	const struct binds *binds = c->want->binds;

	for (size_t i = binds__first(binds, netns);
	     i < binds->num && binds->binds[i].netns == netns; i++)
		set_bound(c, space, binds->binds[i].port);
}

static int fill_spaces(struct counter *c)
{
	c->spaces = calloc(c->l->num_netns ?: 1, sizeof(*c->spaces));
	if (!c->spaces)
		return -ENOMEM;
	for (size_t i = 0; i < c->l->num_netns; i++)
		fill_space(c, &c->spaces[i], c->l->netns[i].inode);
	if (c->want->binds->complete)
		return 0;
	/* That much can be told at any rate. */
	for (size_t i = 0; i < c->l->num; i++) {
		const struct listing_row *row = &c->l->rows[i];
		struct space *space = space_of(c, row->key.netns);

		if (space && is_only_bound(row))
			set_bound(c, space, row->key.local_port);
	}
	return 0;
}

/* ---- collecting ---- */

static int add_use(struct uses *uses, const struct use *use)
{
	size_t room = uses->room ? uses->room * 2 : 1024;
	void *more;

	if (uses->num == uses->room) {
		more = realloc(uses->uses, room * sizeof(*uses->uses));
		if (!more)
			return -ENOMEM;
		uses->uses = more;
		uses->room = room;
	}
	uses->uses[uses->num++] = *use;
	return 0;
}

static bool matches(const struct tws_filter *filter, const struct use *use)
{
	struct tws_event ev = { .family = use->family, .netns = use->key.netns,
				.local_port = use->key.local_port,
				.peer_port = use->key.peer_port,
				.conn = { .ifindex = use->key.ifindex } };

	memcpy(ev.local_addr, use->key.local_addr, sizeof(ev.local_addr));
	memcpy(ev.peer_addr, use->key.peer_addr, sizeof(ev.peer_addr));
	return filter__match(filter, &ev);
}

static bool is_loopback(uint8_t family, const uint8_t *addr)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return family == AF_INET ? addr[0] == 127 : !memcmp(addr, v6, sizeof(v6));
}

/*
 * tcp_twsk_unique(): a connect() that chooses its port asks tcp_tw_reuse, and that time
 * has passed; one whose port bind() has fixed asks for timestamps only.
 */
static bool is_reusable(const struct netlimits *limits, const struct listing_row *row,
			enum ports_scope scope)
{
	uint64_t age_ns = row->left_ns < TIME_WAIT_NS ? TIME_WAIT_NS - row->left_ns : 0;
	uint64_t delay_ms = limits->reuse_delay_ms ?: 1000;

	if (!row->mini || row->state != SOCKDIAG_TIME_WAIT || limits->timestamps != 1)
		return false;
	if (scope == PORTS_OWN)
		return true;
	if (age_ns < delay_ms * NS_PER_MS)
		return false;
	return limits->tw_reuse == 1 ||
	       (limits->tw_reuse == 2 && (is_loopback(row->family, row->key.local_addr) ||
					  is_loopback(row->family, row->key.peer_addr)));
}

static enum rank rank_of(const struct listing_row *row)
{
	if (row->state == SOCKDIAG_LISTEN)
		return RANK_LISTENS;
	if (row->state == SOCKDIAG_CLOSE)
		return RANK_BOUND;
	return row->mini ? RANK_MINI : RANK_LIVE;
}

static void fill_use(const struct counter *c, struct use *use, const struct listing_row *row)
{
	struct listing_process process;

	*use = (struct use){
		.key = row->key, .family = row->family, .rank = (uint8_t)rank_of(row),
		.inferred = row->evidence == OWNER_INFERRED,
		.close_wait = row->state == SOCKDIAG_CLOSE_WAIT,
	};
	if (!listing__process(c->l, row, &process))
		return;
	use->tgid = row->shared ? 0 : process.tgid;
	memcpy(use->comm, process.comm, strnlen(process.comm, sizeof(use->comm)));
}

/* The any-addresses of both families are one place: such a socket has the port at all. */
static void forget_peer(struct use *use)
{
	static const uint8_t any[16];

	use->scope = PORTS_ALL;
	use->key.ifindex = 0; /* a bucket knows no device */
	use->key.peer_port = 0;
	memset(use->key.peer_addr, 0, sizeof(use->key.peer_addr));
	if (!memcmp(use->key.local_addr, any, sizeof(any)))
		use->family = AF_INET;
}

static int add_bound(struct counter *c, struct space *space, struct use use)
{
	port_set__add(&space->told, use.key.local_port);
	forget_peer(&use);
	return matches(&c->local, &use) ? add_use(&c->all, &use) : 0;
}

/*
 * A connection whose own port connect() would not choose, and whose peer's it would, is
 * the end of a server that listens no more, unless it was seen to be opened from here.
 */
static bool is_server(const struct counter *c, const struct netlimits *limits,
		      const struct listing_row *row)
{
	struct listeners_place place = {
		.opened_ns = row->seen ? row->seen->open_ns : 0,
		.netns = row->key.netns, .port = row->key.local_port, .family = row->family,
	};
	struct listeners_match match;

	if (row->side == TWS_SIDE_SERVER || row->state == SOCKDIAG_SYN_RECV)
		return true;
	memcpy(place.addr, row->key.local_addr, sizeof(place.addr));
	if (listeners__lookup(c->want->listeners, &place, &match))
		return true;
	return row->side == TWS_SIDE_UNKNOWN &&
	       !netlimits__is_usable(limits, row->key.local_port) &&
	       netlimits__is_usable(limits, row->key.peer_port);
}

static int add_row(struct counter *c, const struct listing_row *row)
{
	struct space *space = space_of(c, row->key.netns);
	const struct netlimits *limits;
	struct use use;
	int err = 0;

	if (!space || !row->key.local_port)
		return 0;
	limits = limits_of(c, space);
	fill_use(c, &use, row);
	use.bound = port_set__has(&space->bound, row->key.local_port);
	if (use.bound)
		err = add_bound(c, space, use);
	if (err || is_only_bound(row) || is_server(c, limits, row) ||
	    !matches(c->want->filter, &use))
		return err;
	use.scope = netlimits__is_usable(limits, row->key.local_port) ? PORTS_PEER : PORTS_OWN;
	use.reusable = !use.bound && is_reusable(limits, row, (enum ports_scope)use.scope);
	return add_use(&c->towards, &use);
}

/* Whom a port belongs to that no row tells of: nobody knows. */
static int add_untold(struct counter *c, struct space *space, uint32_t netns)
{
	struct use use = { .family = AF_INET, .scope = PORTS_ALL, .rank = RANK_NOTHING,
			   .bound = true };
	int err = 0;

	for (uint32_t port = 1; !err && port <= UINT16_MAX; port++) {
		if (!port_set__has(&space->bound, (uint16_t)port) ||
		    port_set__has(&space->told, (uint16_t)port))
			continue;
		use.key.netns = netns;
		use.key.local_port = (uint16_t)port;
		err = matches(&c->local, &use) ? add_use(&c->all, &use) : 0;
	}
	return err;
}

static int collect(struct counter *c)
{
	int err = 0;

	c->local = *c->want->filter;
	c->local.num_peers = c->local.not_peers = 0;
	for (size_t i = 0; !err && i < c->l->num; i++)
		err = add_row(c, &c->l->rows[i]);
	for (size_t i = 0; !err && i < c->l->num_netns; i++)
		err = add_untold(c, &c->spaces[i], c->l->netns[i].inode);
	return err;
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
	if (a->ifindex != b->ifindex)
		return a->ifindex < b->ifindex ? -1 : 1;
	return (a->peer_port > b->peer_port) - (a->peer_port < b->peer_port);
}

static int compare_uses(const struct use *x, const struct use *y)
{
	if (x->scope != y->scope)
		return x->scope < y->scope ? -1 : 1;
	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return compare_places(&x->key, &y->key);
}

/* A live socket goes before the mini-socket whose port it has taken over. */
static int compare_ports(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = compare_uses(x, y);

	if (order)
		return order;
	if (x->key.local_port != y->key.local_port)
		return x->key.local_port < y->key.local_port ? -1 : 1;
	return (int)x->rank - (int)y->rank;
}

/* By port alone: what holds it best, wherever that is. */
static int compare_bound(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->key.netns != y->key.netns)
		return x->key.netns < y->key.netns ? -1 : 1;
	if (x->key.local_port != y->key.local_port)
		return x->key.local_port < y->key.local_port ? -1 : 1;
	return (int)x->rank - (int)y->rank;
}

static int compare_owners(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = strncmp(x->comm, y->comm, sizeof(x->comm));

	return order ?: (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

/* A table that moved while it was read may have a port twice. */
static void remove_doubles(struct uses *uses)
{
	size_t kept = 0;

	for (size_t i = 0; i < uses->num; i++) {
		const struct use *last = kept ? &uses->uses[kept - 1] : NULL;

		if (last && last->key.local_port == uses->uses[i].key.local_port &&
		    !compare_uses(last, &uses->uses[i]))
			continue;
		uses->uses[kept++] = uses->uses[i];
	}
	uses->num = kept;
}

/* Of each port what holds it best; ordered by place then. */
static void choose_holders(struct uses *uses)
{
	size_t kept = 0;

	if (!uses->num)
		return;
	qsort(uses->uses, uses->num, sizeof(*uses->uses), compare_bound);
	for (size_t i = 0; i < uses->num; i++) {
		const struct use *last = kept ? &uses->uses[kept - 1] : NULL;

		if (!last || last->key.netns != uses->uses[i].key.netns ||
		    last->key.local_port != uses->uses[i].key.local_port)
			uses->uses[kept++] = uses->uses[i];
	}
	uses->num = kept;
	qsort(uses->uses, uses->num, sizeof(*uses->uses), compare_ports);
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
		if (!uses[i].comm[0]) {
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

/* Two tables that were read one after the other may together have more than there is. */
static void count_left(const struct counter *c, struct ports_place *place, uint32_t bound_here)
{
	const struct space *space = space_of(c, place->key.netns);
	uint32_t taken;

	place->usable = limits_of(c, space)->usable_ports;
	place->bound = space->num_bound > bound_here ? space->num_bound - bound_here : 0;
	taken = place->time_wait + place->live + place->bound;
	place->left = taken < place->usable ? place->usable - taken : 0;
	/* A socket that is bound to the device also meets those that are bound to none. */
	place->has_left = (c->want->binds->complete && !place->key.ifindex) || !place->left;
}

static void count_place(const struct counter *c, struct ports_place *place, struct use *uses,
			size_t num)
{
	uint32_t bound_here = 0;

	memset(place, 0, sizeof(*place));
	place->key = uses->key;
	place->key.local_port = 0;
	place->family = uses->family;
	place->scope = (enum ports_scope)uses->scope;
	place->first_port = uses[0].key.local_port;
	place->last_port = uses[num - 1].key.local_port;
	for (size_t i = 0; i < num; i++) {
		bool mini = uses[i].rank == RANK_MINI;

		place->live += !mini;
		place->time_wait += mini;
		place->close_wait += uses[i].close_wait;
		place->reusable += uses[i].reusable;
		bound_here += uses[i].bound;
	}
	if (place->scope == PORTS_OWN)
		/* Of the ports between the first and the last; of others nobody knows. */
		place->has_left = num == place->last_port - place->first_port + 1;
	else
		count_left(c, place, bound_here);
}

/* Where the next place begins. */
static size_t end_of_place(const struct uses *uses, size_t from)
{
	const struct use *u = uses->uses;
	size_t to = from + 1;

	while (to < uses->num && !compare_uses(&u[from], &u[to]) &&
	       (u[from].scope != PORTS_OWN ||
		u[to].key.local_port - u[to - 1].key.local_port <= OWN_GAP))
		to++;
	return to;
}

static size_t count_ends(const struct uses *uses)
{
	size_t num = 0;

	for (size_t i = 0; i < uses->num; i = end_of_place(uses, i))
		num++;
	return num;
}

/* One fixed port that is in use is nothing unusual; a range that is used up is. */
static uint64_t size_of(const struct ports_place *place)
{
	if (place->scope != PORTS_OWN)
		return place->usable;
	return place->time_wait + place->live >= OWN_MANY ?
		       place->last_port - place->first_port + 1 : UINT32_MAX;
}

/* The larger part of its ports first; nothing is divided, so nothing is rounded. */
static int compare_ranks(const void *a, const void *b)
{
	const struct ports_place *x = a, *y = b;
	uint64_t m = (uint64_t)(x->time_wait + x->live + x->bound) * size_of(y);
	uint64_t n = (uint64_t)(y->time_wait + y->live + y->bound) * size_of(x);
	int order;

	if (m != n)
		return m > n ? -1 : 1;
	if (x->time_wait + x->live != y->time_wait + y->live)
		return x->time_wait + x->live > y->time_wait + y->live ? -1 : 1;
	order = compare_places(&x->key, &y->key);
	return order ?: (x->first_port > y->first_port) - (x->first_port < y->first_port);
}

/* Of more than are wanted the one that is nearest to exhaustion last gives way, if it may stay at all. */
static struct ports_place *place_for(struct ports *ports, size_t most, const struct ports_place *fresh)
{
	size_t last = 0;

	if (ports->num < most)
		return &ports->places[ports->num++];
	for (size_t i = 1; i < most; i++)
		if (compare_ranks(&ports->places[i], &ports->places[last]) > 0)
			last = i;
	return compare_ranks(fresh, &ports->places[last]) < 0 ? &ports->places[last] : NULL;
}

static void count_uses(const struct counter *c, struct ports *ports, size_t most,
		       const struct uses *uses)
{
	for (size_t i = 0, end; i < uses->num; i = end) {
		struct ports_place fresh, *place;

		end = end_of_place(uses, i);
		count_place(c, &fresh, &uses->uses[i], end - i);
		place = place_for(ports, most, &fresh);
		if (!place)
			continue;
		*place = fresh;
		count_owners(place, &uses->uses[i], end - i);
	}
}

static int count_places(struct counter *c, struct ports *ports)
{
	struct ports found = {};
	size_t num;

	if (c->towards.num)
		qsort(c->towards.uses, c->towards.num, sizeof(struct use), compare_ports);
	remove_doubles(&c->towards);
	choose_holders(&c->all);
	num = count_ends(&c->towards) + count_ends(&c->all);
	if (c->want->most && num > c->want->most)
		num = c->want->most;
	if (!num)
		return 0;
	found.places = calloc(num, sizeof(*found.places));
	if (!found.places)
		return -ENOMEM;
	count_uses(c, &found, num, &c->towards);
	count_uses(c, &found, num, &c->all);
	qsort(found.places, found.num, sizeof(*found.places), compare_ranks);
	*ports = found;
	return 0;
}

int ports__count(struct ports *ports, struct listing *l, const struct ports_want *want)
{
	struct counter c = { .l = l, .want = want };
	int err = fill_spaces(&c);

	if (!err)
		err = collect(&c);
	if (!err)
		err = count_places(&c, ports);
	free(c.spaces);
	free(c.towards.uses);
	free(c.all.uses);
	return err;
}

void ports__free(struct ports *ports)
{
	free(ports->places);
	*ports = (struct ports){};
}

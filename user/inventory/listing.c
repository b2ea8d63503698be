// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inventory/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pages.h"
#include "base/table.h"
#include "model/filter.h"
#include "host/procinfo.h"
#include "sockets/sockstat.h"

#define NS_PER_MS 1000000ULL
#define TIME_WAIT_MS 60000 /* TCP_TIMEWAIT_LEN */
#define TICK_ROWS 1024	   /* the clock is looked at this often */

/* ---- room ---- */

int listing__reserve(struct listing *l, size_t rows)
{
	size_t room = l->room ? l->room * 2 : 1024;
	void *more;

	if (rows > LISTING_MAX - l->num)
		return -E2BIG;
	if (rows <= l->room - l->num)
		return 0;
	room = room < l->num + rows ? l->num + rows : room > LISTING_MAX ? LISTING_MAX : room;
	more = pages__grow(l->rows, l->room * sizeof(*l->rows), room * sizeof(*l->rows));
	if (!more)
		return -ENOMEM;
	l->rows = more;
	l->room = room;
	return 0;
}

/* ---- taking ---- */

struct collector {
	struct listing *l;
	const struct listing_want *want;
	const char *proc_root;
	struct tws_filter filter; /* of want->filter what needs no owner */
	bool filters;
	uint32_t netns;
	uint32_t fin_timeout_ms; /* of this namespace */
	bool has_fin_wait2;
	size_t first; /* row of this namespace */
	size_t asked; /* sockets since the clock was looked at */
	uint64_t now_ns;
};

static int add_netns(struct listing *l, const struct netns_entry *ns, struct netlimits *limits)
{
	size_t num = l->num_netns;

	if (!(num & (num - 1))) { /* grows by doubling: a power of two is full */
		void *more = realloc(l->netns, (num ? num * 2 : 1) * sizeof(*l->netns));

		if (!more)
			return -ENOMEM;
		l->netns = more;
	}
	l->netns[num].inode = ns->inode;
	l->netns[num].name = strdup(ns->name);
	if (!l->netns[num].name)
		return -ENOMEM;
	l->netns[num].limits = *limits;
	*limits = (struct netlimits){};
	l->num_netns++;
	return 0;
}

/* Room for @num mini-sockets, and some that come meanwhile; that there is none is told when they are there. */
static void expect_minis(const struct collector *c, uint64_t num)
{
	if (num < LISTING_MAX && !c->filters) /* a filter may leave few */
		listing__reserve(c->l, num + num / 16);
}

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	struct collector *c = ctx;
	uint64_t minis;

	if (!filter__passes_netns(&c->filter, ns->inode))
		return 1;
	if (!c->want->all && !sockstat__count_minis(ns->fd, c->proc_root, &minis)) {
		/* To list none is a walk through the table of all namespaces. */
		if (!minis)
			return add_netns(c->l, ns, &(struct netlimits)NETLIMITS_UNKNOWN) ?: 1;
		expect_minis(c, minis);
	}
	c->netns = ns->inode;
	c->first = c->l->num;
	c->has_fin_wait2 = false;
	c->now_ns = clock__now_ns(CLOCK_MONOTONIC);
	return 0;
}

static void fill_row(struct listing_row *row, const struct collector *c,
		     const struct sockdiag_socket *sk)
{
	memset(row, 0, sizeof(*row));
	row->key = sockdiag__key(sk, c->netns);
	row->cookie = sk->cookie;
	row->left_ns = sk->mini ? sk->expires_ms * NS_PER_MS : 0;
	row->since_ns = (int64_t)c->now_ns;
	row->inode = sk->inode;
	row->family = sk->family;
	row->mini = sk->mini;
	row->state = sk->state;
}

static bool is_wanted(const struct collector *c, const struct listing_row *row)
{
	struct tws_event ev = { .family = row->family, .netns = row->key.netns,
				.local_port = row->key.local_port,
				.peer_port = row->key.peer_port,
				.conn = { .ifindex = row->key.ifindex } };

	memcpy(ev.local_addr, row->key.local_addr, sizeof(ev.local_addr));
	memcpy(ev.peer_addr, row->key.peer_addr, sizeof(ev.peer_addr));
	return filter__match(&c->filter, &ev);
}

static int add_socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct collector *c = ctx;
	int err;

	if (!sk->mini && !c->want->all)
		return 0;
	if (++c->asked == TICK_ROWS) {
		c->asked = 0;
		c->now_ns = clock__now_ns(CLOCK_MONOTONIC);
		err = c->want->tick ? c->want->tick(c->want->ctx, c->l->num) : 0;
		if (err)
			return err;
	}
	err = listing__reserve(c->l, 1);
	if (err)
		return err;
	fill_row(&c->l->rows[c->l->num], c, sk);
	if (c->filters && !is_wanted(c, &c->l->rows[c->l->num]))
		return 0;
	c->has_fin_wait2 |= sk->mini && sk->state == SOCKDIAG_FIN_WAIT2;
	c->l->num++;
	return 0;
}

/* From when a row was read and what is left of its timer to when that began. A
 * FIN_WAIT2 mini-socket lives no longer than a TIME_WAIT: see tcp_fin_time(). */
static void set_entered(struct collector *c)
{
	for (size_t i = c->first; i < c->l->num; i++) {
		struct listing_row *row = &c->l->rows[i];
		uint64_t whole_ns = TIME_WAIT_MS * NS_PER_MS;

		if (!row->mini)
			continue;
		if (row->state == SOCKDIAG_FIN_WAIT2 && c->fin_timeout_ms &&
		    c->fin_timeout_ms < TIME_WAIT_MS)
			whole_ns = c->fin_timeout_ms * NS_PER_MS;
		if (row->left_ns < whole_ns)
			row->since_ns -= (int64_t)(whole_ns - row->left_ns);
	}
}

static int end_netns(void *ctx, const struct netns_entry *ns)
{
	struct collector *c = ctx;
	struct netlimits limits = NETLIMITS_UNKNOWN;
	int err;

	/* A namespace that has just gone has none to tell. */
	if (c->has_fin_wait2 || c->want->ports)
		netlimits__read(&limits, ns->fd, c->proc_root, c->want->ports);
	c->fin_timeout_ms = (uint32_t)limits.fin_timeout_ms;
	set_entered(c);
	err = add_netns(c->l, ns, &limits);
	netlimits__free(&limits);
	return err;
}

static int compare_netns(const void *a, const void *b)
{
	uint32_t x = ((const struct listing_netns *)a)->inode;
	uint32_t y = ((const struct listing_netns *)b)->inode;

	return (x > y) - (x < y);
}

int listing__take(struct listing *l, const struct sockets_source *source,
		  const struct listing_want *want, unsigned int *flags)
{
	const struct sockets_visitor visitor = {
		want->all ? SOCKDIAG_MASK_ALL | SOCKDIAG_MASK_BOUND : SOCKDIAG_MASK_MINI,
		begin_netns, add_socket, end_netns,
	};
	struct collector c = {
		.l = l, .want = want, .filter = filter__of_socket(want->filter),
		.proc_root = source->places->proc_root,
	};
	int err;

	c.filters = !filter__is_empty(&c.filter);
	err = sockets__each(source, &visitor, &c, flags);
	l->taken_ns = clock__now_ns(CLOCK_MONOTONIC);
	l->wall_ns = l->taken_ns + (uint64_t)clock__wall_offset_ns();
	if (l->num_netns)
		qsort(l->netns, l->num_netns, sizeof(*l->netns), compare_netns);
	return err;
}

int listing__add_bound(struct listing *l, const struct binds *binds)
{
	for (size_t i = 0; i < binds->num; i++) {
		const struct tws_bind *bind = &binds->binds[i];
		struct sockdiag_socket sk = { .state = SOCKDIAG_CLOSE, .inode = bind->inode,
					      .local_port = bind->port };
		const struct collector c = { .netns = bind->netns,
					     .now_ns = l->taken_ns };
		int err;

		if (!bind->inode || !listing__netns(l, bind->netns))
			continue;
		err = listing__reserve(l, 1);
		if (err)
			return err;
		sockdiag__set_addresses(&sk, bind->family, bind->addr, (const uint8_t[16]){});
		fill_row(&l->rows[l->num++], &c, &sk);
	}
	return 0;
}

void listing__free(struct listing *l)
{
	for (size_t i = 0; i < l->num_netns; i++) {
		free(l->netns[i].name);
		netlimits__free(&l->netns[i].limits);
	}
	free(l->netns);
	pages__free(l->rows, l->room * sizeof(*l->rows));
	free(l->owners);
	table__free(l->owner_places);
	closes__free(l->closes);
	memset(l, 0, sizeof(*l));
}

/* ---- owners ---- */

int listing__see(struct listing *l, struct listing_row *row, const struct tws_event *ev)
{
	int err = l->closes ? 0 : closes__new(&l->closes, l->room);

	if (err)
		return err;
	row->seen = closes__add(l->closes, ev);
	return row->seen ? 0 : -ENOMEM;
}

void listing__join(struct listing *l, const struct ledger *ledger)
{
	struct tws_event ev;

	for (size_t i = 0; i < l->num; i++) {
		struct listing_row *row = &l->rows[i];

		if (!ledger__find(ledger, &row->key, row->cookie,
				  row->since_ns > 0 ? (uint64_t)row->since_ns : 0, &ev) ||
		    listing__see(l, row, &ev))
			continue;
		row->since_ns = (int64_t)ev.time_ns;
		row->side = ev.conn.side;
		/* Seen, and yet not who: open before anyone watched, or not in a process's
		 * name ("Who closed" in docs/kernel.md). That is no answer. */
		if (ev.conn.flags & TWS_F_CLOSER || ev.conn.cause == TWS_CAUSE_KERNEL)
			row->evidence = OWNER_SEEN;
	}
}

/* Where the owner of a process stands. */
struct place {
	uint64_t tgid;
	uint32_t index; /* plus one */
};

/* Room for one more. */
static int grow_owners(struct listing *l)
{
	const struct table_options opts = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct place),
		.max = TABLE_MAX,
	};
	size_t room = l->owner_room ? l->owner_room * 2 : 64;
	struct listing_owner *owners;

	if (!l->owner_places && table__new(&l->owner_places, &opts))
		return -ENOMEM;
	if (l->num_owners < l->owner_room)
		return 0;
	owners = realloc(l->owners, room * sizeof(*owners));
	if (!owners)
		return -ENOMEM;
	l->owners = owners;
	l->owner_room = room;
	return 0;
}

static void read_owner(struct listing_owner *owner, const char *proc_root)
{
	struct procinfo info;

	if (procinfo__read(proc_root, owner->tgid, &info))
		return;
	owner->uid = info.uid;
	owner->start_ns = procinfo__start_ns(&info);
	memcpy(owner->comm, info.comm, sizeof(owner->comm));
}

int listing__owner(struct listing *l, const char *proc_root, uint32_t tgid, uint32_t *index)
{
	const uint64_t key = tgid;
	struct place *place;
	void *entry;
	int err = grow_owners(l);

	if (!err)
		err = table__get(l->owner_places, &key, &entry);
	if (err < 0)
		return err;
	place = entry;
	if (err) { /* a new one */
		l->owners[l->num_owners] = (struct listing_owner){ .tgid = tgid };
		read_owner(&l->owners[l->num_owners], proc_root);
		place->index = (uint32_t)++l->num_owners;
	}
	*index = l->owners[place->index - 1].start_ns ? place->index : 0;
	return 0;
}

void listing__keep(struct listing *l, listing_keep_fn keep, void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->num; i++)
		if (keep(ctx, &l->rows[i]))
			l->rows[kept++] = l->rows[i];
	l->num = kept;
}

/* ---- what a row tells ---- */

bool listing__process(const struct listing *l, const struct listing_row *row,
		      struct listing_process *process)
{
	if (row->owner) {
		const struct listing_owner *owner = &l->owners[row->owner - 1];

		*process = (struct listing_process){ owner->tgid, owner->uid, owner->start_ns,
						     owner->comm };
		return true;
	}
	if (row->evidence == OWNER_SEEN && row->seen->conn->flags & TWS_F_CLOSER) {
		const struct tws_conn *conn = row->seen->conn;

		*process = (struct listing_process){ conn->tgid, conn->uid,
						     conn->closer_start_ns, conn->comm };
		return true;
	}
	return false;
}

uint64_t listing__cgroup(const struct listing *l, const struct listing_row *row)
{
	if (row->seen && row->seen->conn->cgroup_id)
		return row->seen->conn->cgroup_id;
	return row->owner ? l->owners[row->owner - 1].cgroup : 0;
}

uint64_t listing__age_ns(const struct listing *l, const struct listing_row *row)
{
	int64_t taken_ns = (int64_t)l->taken_ns;

	return row->since_ns < taken_ns ? (uint64_t)(taken_ns - row->since_ns) : 0;
}

static void fill_owner(const struct listing *l, const struct listing_row *row,
		       struct tws_conn *conn)
{
	const struct listing_owner *owner = &l->owners[row->owner - 1];

	conn->tgid = owner->tgid;
	conn->uid = owner->uid;
	conn->closer_start_ns = owner->start_ns;
	memcpy(conn->comm, owner->comm, sizeof(conn->comm));
	conn->flags |= TWS_F_CLOSER;
}

void listing__event(const struct listing *l, const struct listing_row *row,
		    struct tws_event *ev)
{
	const struct seen_close *seen = row->seen;

	if (seen) {
		*ev = (struct tws_event){ .time_ns = seen->time_ns, .tx_bytes = seen->tx_bytes,
					  .rx_bytes = seen->rx_bytes, .conn = *seen->conn };
		ev->conn.open_ns = seen->open_ns;
	} else {
		*ev = (struct tws_event){ .time_ns = (uint64_t)row->since_ns };
		ev->conn.flags = TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	}
	ev->action = row->state == SOCKDIAG_FIN_WAIT2 ? TWS_FIN_WAIT2 : TWS_TIME_WAIT;
	ev->family = row->family;
	ev->cookie = row->cookie;
	ev->netns = row->key.netns;
	ev->local_port = row->key.local_port;
	ev->peer_port = row->key.peer_port;
	ev->conn.ifindex = row->key.ifindex;
	memcpy(ev->local_addr, row->key.local_addr, sizeof(ev->local_addr));
	memcpy(ev->peer_addr, row->key.peer_addr, sizeof(ev->peer_addr));
	ev->conn.side = row->side;
	if (row->owner)
		fill_owner(l, row, &ev->conn);
}

const struct listing_netns *listing__netns(const struct listing *l, uint32_t inode)
{
	const struct listing_netns key = { .inode = inode };

	return l->num_netns ? bsearch(&key, l->netns, l->num_netns, sizeof(*l->netns),
				      compare_netns) : NULL;
}

const char *listing__netns_name(const struct listing *l, uint32_t inode)
{
	const struct listing_netns *found = listing__netns(l, inode);

	return found ? found->name : NULL;
}

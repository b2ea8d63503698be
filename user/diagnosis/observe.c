// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/observe.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "diagnosis/append.h"
#include "diagnosis/close_waits.h"
#include "diagnosis/namespaces.h"
#include "host/netns.h"
#include "inventory/gather.h"
#include "inventory/ports.h"
#include "model/filter.h"

#define NS_PER_MINUTE 60000000000ULL
#define SPAN_END_NS (5 * 1000000000ULL) /* as long after it the tables are still those of its end */

struct observe {
	struct observe_options opts;
	struct tws_filter filter; /* of namespaces alone */
	struct tws_filter asked;  /* all of it but the side, which is not known of all that lives */
	struct table *stays;	  /* of struct stay, by cookie */
	struct table *wanted;	  /* of struct remote_end: those of flows */
	struct table *pools;	  /* of struct pool_place */
	struct table *leaks;	  /* of struct leak_place */
	struct table *served;	  /* of numbers: ports that are listened on, see served_key() */
	struct close_waits *ages; /* NULL: not known, or not needed */
	uint64_t close_waits;	  /* at the first look */
};

/* A connection that was there at the first look. */
struct stay {
	uint64_t cookie;
	uint64_t state;
};

/* ---- the first look ---- */

static bool may_stay(const struct listing_row *row)
{
	return row->cookie && !row->mini &&
	       (row->state == SOCKDIAG_ESTABLISHED || row->state == SOCKDIAG_CLOSE_WAIT);
}

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	const struct observe *o = ctx;

	return !filter__passes_netns(&o->filter, ns->inode);
}

static int note_staying(void *ctx, const struct sockdiag_socket *sk)
{
	struct observe *o = ctx;
	struct stay *stay;
	int err;

	if (!sk->cookie || sk->mini)
		return 0;
	err = table__get(o->stays, &sk->cookie, (void **)&stay);
	if (err < 0)
		return err == -ENOSPC ? 0 : err;
	o->close_waits += err && sk->state == SOCKDIAG_CLOSE_WAIT;
	stay->state = sk->state;
	return 0;
}

/* Of what may stay alone: there may be a hundred times as many TIME_WAITs. */
static int look_first(struct observe *o)
{
	const struct sockets_visitor visitor = {
		SOCKDIAG_MASK(SOCKDIAG_ESTABLISHED) | SOCKDIAG_MASK(SOCKDIAG_CLOSE_WAIT),
		begin_netns, note_staying, NULL,
	};

	return sockets__each(o->opts.source, &visitor, o, NULL);
}

int observe__begin(struct observe **observep, const struct observe_options *opts)
{
	const struct table_options stays = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct stay),
		.max = OBSERVE_STAYING,
	};
	struct observe *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->opts = *opts;
	o->filter.num_netns = opts->filter->num_netns;
	o->filter.not_netns = opts->filter->not_netns;
	memcpy(o->filter.netns, opts->filter->netns, sizeof(o->filter.netns));
	o->asked = *opts->filter;
	o->asked.side = 0;
	filter__sort_pids(&o->asked);
	err = table__new(&o->stays, &stays) ?: look_first(o);
	if (err) {
		observe__free(o);
		return err;
	}
	*observep = o;
	return 0;
}

void observe__free(struct observe *o)
{
	if (!o)
		return;
	table__free(o->stays);
	table__free(o->wanted);
	table__free(o->pools);
	table__free(o->leaks);
	table__free(o->served);
	close_waits__free(o->ages);
	free(o);
}

#define BRIEF 3 /* so many times as long as the longest, and who is there still is kept */

bool observe__may_end(const struct observe *o, const struct evidence *e, uint64_t pause_ns)
{
	return o->close_waits < EVIDENCE_LEAK_FEW && evidence__is_brief(e, pause_ns / BRIEF);
}

static bool was_there(const struct observe *o, const struct listing_row *row)
{
	return row->cookie && table__find(o->stays, &row->cookie);
}

/* It was there at the first look, and in the same state. */
static bool stayed(const struct observe *o, const struct listing_row *row)
{
	const struct stay *stay = row->cookie ? table__find(o->stays, &row->cookie) : NULL;

	return stay && stay->state == row->state;
}

/* ---- ports ---- */

static int add_ports(struct evidence *e, const struct ports *ports)
{
	for (size_t i = 0; i < ports->num; i++) {
		const struct ports_place *from = &ports->places[i];
		struct evidence_ports *to;

		if (from->scope == PORTS_OWN)
			continue;
		to = APPEND(e->ports, e->num_ports);
		if (!to)
			return -ENOMEM;
		to->netns = from->key.netns;
		to->family = from->family;
		to->all_peers = from->scope == PORTS_ALL;
		memcpy(to->local_addr, from->key.local_addr, sizeof(to->local_addr));
		memcpy(to->peer_addr, from->key.peer_addr, sizeof(to->peer_addr));
		to->peer_port = from->key.peer_port;
		to->usable = from->usable;
		to->time_wait = from->time_wait;
		to->live = from->live;
		to->bound = from->bound;
		to->reusable = from->reusable;
		to->left = from->left;
		to->has_left = from->has_left;
		for (size_t o = 0; o < EVIDENCE_OWNERS && o < PORTS_OWNERS; o++) {
			memcpy(to->owners[o].comm, from->owners[o].comm, TWS_COMM_LEN);
			to->owners[o].pid = from->owners[o].tgid;
			to->owners[o].count = from->owners[o].count;
		}
	}
	return 0;
}

/* ---- processes ---- */

/* Where in leaks, pools: there may be a hundred thousand sockets of as many. */
struct leak_place {
	uint32_t pid, netns;
	size_t place;
	bool asked_for;
};

struct remote_end {
	uint32_t netns;
	uint16_t family, port;
	uint8_t addr[16];
};

struct pool_key {
	struct remote_end end;
	char comm[TWS_COMM_LEN];
};

struct pool_place {
	struct pool_key key;
	size_t place;
};

static int make_tables(struct observe *o, const struct evidence *e, size_t num_rows)
{
	const struct table_options leaks = {
		.key_bytes = offsetof(struct leak_place, place),
		.entry_bytes = sizeof(struct leak_place), .max = num_rows ?: 1,
	}, pools = {
		.key_bytes = sizeof(struct pool_key), .entry_bytes = sizeof(struct pool_place),
		.max = num_rows ?: 1,
	}, wanted = {
		.key_bytes = sizeof(struct remote_end), .entry_bytes = sizeof(struct remote_end),
		.max = e->num_flows ?: 1,
	};
	int err = table__new(&o->leaks, &leaks) ?: table__new(&o->pools, &pools) ?:
		  table__new(&o->wanted, &wanted);

	/* Only where closes were seen beside it: who else has a pool needs no advice. */
	for (size_t i = 0; !err && i < e->num_flows; i++) {
		const struct evidence_flow_key *key = &e->flows[i]->key;
		struct remote_end end = { .netns = key->netns, .family = key->family,
					  .port = key->port };
		void *unused;
		int got;

		if (key->side == TWS_SIDE_SERVER)
			continue;
		memcpy(end.addr, key->peer_addr, sizeof(end.addr));
		got = table__get(o->wanted, &end, &unused);
		err = got < 0 ? got : 0;
	}
	return err;
}

static bool is_asked_for(const struct observe *o, const struct listing *l,
			 const struct listing_row *row, const struct listing_process *process)
{
	struct tws_event ev;

	listing__event(l, row, &ev);
	ev.conn.flags |= TWS_F_CLOSER; /* once it closes */
	ev.conn.tgid = process->tgid;
	memcpy(ev.conn.comm, process->comm, sizeof(ev.conn.comm));
	return filter__match(&o->asked, &ev);
}

static uint64_t served_key(const struct listing_row *row)
{
	return (uint64_t)row->key.netns << 16 | row->key.local_port;
}

/* Who listens, where some are in CLOSE_WAIT. */
static int note_listeners(struct observe *o, const struct listing *l)
{
	const struct table_options served = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(uint64_t), .max = l->num ?: 1,
	};
	int err = table__new(&o->served, &served);

	for (size_t i = 0; !err && i < l->num; i++) {
		uint64_t key = served_key(&l->rows[i]);
		void *unused;
		int got = l->rows[i].state == SOCKDIAG_LISTEN ? table__get(o->served, &key, &unused) : 0;

		err = got < 0 ? got : 0;
	}
	return err;
}

static void note_age(const struct observe *o, const struct evidence *e, const struct listing_row *row,
		     struct evidence_leak *leak)
{
	uint64_t ns, minute;

	if (!close_waits__age(o->ages, row->cookie, &ns))
		return;
	minute = ns / NS_PER_MINUTE;
	leak->aged++;
	leak->calm += ns >= NS_PER_MINUTE / 6;
	leak->settled += minute > 0;
	leak->in_span += ns < e->until_ns - e->since_ns;
	if (minute < EVIDENCE_LEAK_MINUTES)
		leak->came[minute]++;
}

static int add_leak(struct observe *o, struct evidence *e, const struct gathered *g,
		    const struct listing_row *row, const struct listing_process *process)
{
	const struct leak_place key = { .pid = process->tgid, .netns = row->key.netns };
	const struct workload_of *of;
	struct evidence_leak *leak;
	struct leak_place *at;
	uint64_t key_served;
	int got = table__get(o->leaks, &key, (void **)&at);

	if (got < 0)
		return got;
	of = g->workloads ? workloads__get(g->workloads, listing__cgroup(&g->listing, row)) : NULL;
	if (got) {
		at->place = e->num_leaks;
		leak = APPEND(e->leaks, e->num_leaks);
		if (!leak)
			return -ENOMEM;
		memcpy(leak->comm, process->comm, sizeof(leak->comm));
		leak->pid = process->tgid;
		leak->netns = row->key.netns;
		if (of && of->label)
			snprintf(leak->label, sizeof(leak->label), "%s", of->label);
	}
	leak = &e->leaks[at->place];
	at->asked_for |= (!o->opts.num_containers || (of && of->kept)) &&
			 is_asked_for(o, &g->listing, row, process);
	leak->now++;
	leak->stayed += stayed(o, row);
	leak->made += !was_there(o, row);
	key_served = served_key(row);
	leak->served += table__find(o->served, &key_served) != NULL;
	note_age(o, e, row, leak);
	return 0;
}

/* Other connections of those that have some in CLOSE_WAIT. */
static void count_made(const struct observe *o, struct evidence *e, const struct listing *l)
{
	for (size_t i = 0; e->num_leaks && i < l->num; i++) {
		const struct listing_row *row = &l->rows[i];
		struct listing_process process;
		struct leak_place key = { .netns = row->key.netns };
		const struct leak_place *at;

		if (row->state != SOCKDIAG_ESTABLISHED || was_there(o, row) ||
		    !listing__process(l, row, &process))
			continue;
		key.pid = process.tgid;
		at = table__find(o->leaks, &key);
		if (at)
			e->leaks[at->place].made++;
	}
}

/* What is known of a process that holds many. */
static void look_at_holder(const struct observe *o, const struct evidence *e, struct evidence_leak *leak)
{
	if (leak->now < EVIDENCE_LEAK_FEW)
		return;
	leak->limit = close_waits__descriptors(o->opts.source->places->proc_root, leak->pid);
	for (size_t i = 0; i < e->num_flows; i++) {
		const struct evidence_flow *flow = e->flows[i];

		if (flow->key.netns == leak->netns &&
		    !strncmp(flow->key.comm, leak->comm, sizeof(leak->comm)))
			leak->closed += flow->passive;
	}
}

static int add_pool(struct observe *o, struct evidence *e, const struct listing_row *row,
		    const struct listing_process *process)
{
	struct pool_key key = { .end = { .netns = row->key.netns, .family = row->family,
					 .port = row->key.peer_port } };
	struct evidence_pool *pool;
	struct pool_place *at;
	int got;

	memcpy(key.end.addr, row->key.peer_addr, sizeof(key.end.addr));
	memcpy(key.comm, process->comm, sizeof(key.comm));
	if (!table__find(o->wanted, &key.end))
		return 0;
	got = table__get(o->pools, &key, (void **)&at);
	if (got < 0)
		return got;
	if (got) {
		at->place = e->num_pools;
		pool = APPEND(e->pools, e->num_pools);
		if (!pool)
			return -ENOMEM;
		memcpy(pool->comm, process->comm, sizeof(pool->comm));
		pool->netns = row->key.netns;
		pool->family = row->family;
		pool->peer_port = row->key.peer_port;
		memcpy(pool->peer_addr, row->key.peer_addr, sizeof(pool->peer_addr));
	}
	e->pools[at->place].kept++;
	return 0;
}

/*
 * Whose they were at the first look was not read: those that have gone since may have been
 * anybody's, and so each one's.
 */
static void count_before(const struct observe *o, struct evidence *e)
{
	uint64_t gone = o->close_waits;

	for (size_t i = 0; i < e->num_leaks; i++)
		gone -= e->leaks[i].stayed < gone ? e->leaks[i].stayed : gone;
	for (size_t i = 0; i < e->num_leaks; i++)
		e->leaks[i].before = e->leaks[i].stayed + gone;
}

/* They were needed to know whose those are that have gone. */
static void drop_unasked(struct observe *o, struct evidence *e)
{
	size_t num = 0;

	for (size_t i = 0; i < e->num_leaks; i++) {
		const struct evidence_leak *leak = &e->leaks[i];
		const struct leak_place key = { .pid = leak->pid, .netns = leak->netns };
		const struct leak_place *at = table__find(o->leaks, &key);

		if (at && at->asked_for)
			e->leaks[num++] = *leak;
	}
	e->num_leaks = num;
}

static int most_first(const void *a, const void *b)
{
	const struct evidence_leak *x = a, *y = b;

	return x->now < y->now ? 1 : -(x->now > y->now);
}

static int add_processes(struct observe *o, struct evidence *e, const struct gathered *g)
{
	int failed = make_tables(o, e, g->listing.num) ?: note_listeners(o, &g->listing);

	if (failed)
		return failed;
	for (size_t i = 0; i < g->listing.num; i++) {
		const struct listing_row *row = &g->listing.rows[i];
		struct listing_process process;
		int err = 0;

		if (!may_stay(row) || !listing__process(&g->listing, row, &process))
			continue;
		if (row->state == SOCKDIAG_CLOSE_WAIT)
			err = add_leak(o, e, g, row, &process);
		else if (stayed(o, row))
			err = add_pool(o, e, row, &process);
		if (err)
			return err;
	}
	count_before(o, e);
	count_made(o, e, &g->listing);
	drop_unasked(o, e);
	for (size_t i = 0; i < e->num_leaks; i++)
		look_at_holder(o, e, &e->leaks[i]);
	if (e->num_leaks)
		qsort(e->leaks, e->num_leaks, sizeof(*e->leaks), most_first);
	return 0;
}

/* ---- listeners ---- */

static int add_listener(struct evidence *e, const struct listing *l,
			const struct evidence_flow *flow)
{
	struct evidence_listener *to = APPEND(e->listeners, e->num_listeners);

	if (!to)
		return -ENOMEM;
	to->netns = flow->key.netns;
	to->port = flow->key.port;
	for (size_t i = 0; i < l->num; i++) {
		const struct listing_row *row = &l->rows[i];

		if (row->key.netns != to->netns || row->key.local_port != to->port)
			continue;
		to->listens |= row->state == SOCKDIAG_LISTEN;
		to->time_waits += row->mini;
	}
	return 0;
}

static int add_listeners(struct evidence *e, const struct listing *l)
{
	for (size_t i = 0; i < e->num_flows; i++) {
		int err = e->flows[i]->address_in_use ? add_listener(e, l, e->flows[i]) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* ---- the second look ---- */

static int look_last(struct observe *o, struct gathered *g, struct ports *ports)
{
	const struct gather_want want = {
		.source = o->opts.source, .filter = &o->filter, .ports = true,
		.containers = o->opts.containers, .num_containers = o->opts.num_containers,
		.marks_containers = true, /* who else takes its ports counts */
		.no_names = o->opts.no_names, .runtime_socket = o->opts.runtime_socket,
	};

	/* To ask for the names of containers takes a while: they are told of who leaks alone. */
	bool needs_names = o->opts.num_containers || o->close_waits >= EVIDENCE_LEAK_FEW;

	return gather__sockets(g, &want) ?: gather__ledger(g, &want) ?: gather__owners(g, &want) ?:
	       (needs_names ? gather__workloads(g, &want) : 0) ?: gather__ports(g, &want, ports);
}

int observe__end(struct observe *o, struct evidence *e)
{
	uint64_t begun_ns = clock__now_ns(CLOCK_MONOTONIC);
	struct gathered g = {};
	struct ports ports = {};
	int err;

	/* without it less is said of them */
	if (o->close_waits >= EVIDENCE_LEAK_FEW)
		close_waits__read(&o->ages, o->opts.source, &o->filter, OBSERVE_STAYING);
	err = look_last(o, &g, &ports);

	err = err ?: namespaces__add(e, &g.listing, o->opts.source->places);
	err = err ?: add_ports(e, &ports) ?: evidence__index_ports(e);
	e->has_ports = !err && begun_ns < e->until_ns + SPAN_END_NS;
	err = err ?: add_processes(o, e, &g);
	if (o->opts.num_containers)
		namespaces__keep_theirs(e); /* the containers that are asked for did nothing in others */
	err = err ?: add_listeners(e, &g.listing);
	ports__free(&ports);
	gather__free(&g);
	return err;
}

// SPDX-License-Identifier: GPL-2.0
#include "inventory/census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/filter.h"

#define TICK_SOCKETS 1024

struct counter {
	struct census *census;
	const struct listing_want *want;
	const char *proc_root;
	struct census_counts now; /* of this namespace */
	uint64_t minis;		  /* of it, the filter aside */
	uint32_t netns;
	bool filters;
	size_t all;
	/* Of TIME_WAIT sockets, which are not listed then; see struct sockets_source. */
	int (*count_minis)(int netns_fd, const char *proc_root, uint64_t *num);
	bool lacks_minis; /* it failed */
};

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	struct counter *c = ctx;
	const struct tws_filter *f = c->want->filter;

	memset(&c->now, 0, sizeof(c->now));
	c->minis = 0;
	c->netns = ns->inode;
	return filter__passes_netns(f, ns->inode) ? 0 : 1;
}

static bool is_wanted(const struct counter *c, const struct sockdiag_socket *sk)
{
	struct tws_event ev = { .family = sk->family, .netns = c->netns,
				.local_port = sk->local_port, .peer_port = sk->peer_port,
				.conn = { .ifindex = sk->ifindex } };

	memcpy(ev.local_addr, sk->local_addr, sizeof(ev.local_addr));
	memcpy(ev.peer_addr, sk->peer_addr, sizeof(ev.peer_addr));
	return filter__match(c->want->filter, &ev);
}

static int count_socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct counter *c = ctx;

	if (++c->all % TICK_SOCKETS == 0 && c->want->tick) {
		int err = c->want->tick(c->want->ctx, c->all);

		if (err)
			return err;
	}
	c->minis += sk->mini;
	if (sk->state >= SOCKDIAG_STATE_END || (c->filters && !is_wanted(c, sk)))
		return 0;
	if (sk->state == SOCKDIAG_FIN_WAIT2 && sk->mini)
		c->now.fin_wait2_minis++;
	else
		c->now.states[sk->state]++;
	c->now.total++;
	return 0;
}

static void add_up(struct census_counts *sum, const struct census_counts *counts)
{
	for (int state = 0; state < SOCKDIAG_STATE_END; state++)
		sum->states[state] += counts->states[state];
	sum->fin_wait2_minis += counts->fin_wait2_minis;
	sum->total += counts->total;
}

/* Those that were not listed. */
static void count_minis(struct counter *c, const struct netns_entry *ns)
{
	uint64_t minis, listed = c->minis;

	if (c->count_minis(ns->fd, c->proc_root, &minis)) {
		c->lacks_minis = true;
		return;
	}
	if (minis <= listed)
		return;
	c->minis = minis;
	c->now.states[SOCKDIAG_TIME_WAIT] = minis - listed;
	c->now.total += minis - listed;
}

static int end_netns(void *ctx, const struct netns_entry *ns)
{
	struct counter *c = ctx;
	struct census *census = c->census;
	struct census_netns *entry;
	size_t num = census->num;

	if (c->count_minis)
		count_minis(c, ns);
	if (!(num & (num - 1))) { /* grows by doubling: a power of two is full */
		void *more = realloc(census->netns, (num ? num * 2 : 1) * sizeof(*entry));

		if (!more)
			return -ENOMEM;
		census->netns = more;
	}
	entry = &census->netns[num];
	memset(entry, 0, sizeof(*entry));
	entry->inode = ns->inode;
	entry->counts = c->now;
	entry->minis = c->minis;
	entry->name = strdup(ns->name);
	if (!entry->name)
		return -ENOMEM;
	census->num++;
	add_up(&census->host, &c->now);
	/* A namespace that has just gone has no limits to tell. */
	entry->limits = (struct netlimits)NETLIMITS_UNKNOWN;
	netlimits__read(&entry->limits, ns->fd, c->proc_root, false);
	return 0;
}

static int compare_netns(const void *a, const void *b)
{
	const struct census_netns *x = a, *y = b;

	if (x->minis != y->minis)
		return x->minis > y->minis ? -1 : 1;
	if (x->counts.total != y->counts.total)
		return x->counts.total > y->counts.total ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

void census__sort(struct census *census)
{
	if (census->num)
		qsort(census->netns, census->num, sizeof(*census->netns), compare_netns);
}

/* The namespaces decide, and nothing else of it: then the kernel's counts will do. */
static bool is_of_netns(const struct tws_filter *filter)
{
	struct tws_filter rest = *filter;

	rest.num_netns = 0;
	return filter__is_empty(&rest);
}

static int take(struct counter *c, const struct sockets_source *source, unsigned int *flags)
{
	static const struct sockets_visitor all = {
		SOCKDIAG_MASK_ALL, begin_netns, count_socket, end_netns,
	}, rest = {
		SOCKDIAG_MASK_ALL & ~SOCKDIAG_MASK(SOCKDIAG_TIME_WAIT), begin_netns, count_socket,
		end_netns,
	};

	return sockets__each(source, c->count_minis ? &rest : &all, c, flags);
}

int census__take(struct census *census, const struct sockets_source *source,
		 const struct listing_want *want, unsigned int *flags)
{
	struct counter c = {
		.census = census, .want = want, .proc_root = source->places->proc_root,
		.filters = !filter__is_empty(want->filter),
	};
	int err;

	if (is_of_netns(want->filter))
		c.count_minis = source->count_minis;
	err = take(&c, source, flags);
	if (!err && c.lacks_minis) {
		c.count_minis = NULL;
		census__free(census);
		err = take(&c, source, flags);
	}
	census__sort(census);
	return err;
}

void census__free(struct census *census)
{
	for (size_t i = 0; i < census->num; i++) {
		free(census->netns[i].name);
		netlimits__free(&census->netns[i].limits);
	}
	free(census->netns);
	memset(census, 0, sizeof(*census));
}

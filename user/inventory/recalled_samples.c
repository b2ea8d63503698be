// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inventory/recalled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/recalled_netns.h"
#include "model/filter.h"

_Static_assert(HELD_STATES == SOCKDIAG_STATE_END, "states");
_Static_assert((int)HELD_PORTS_PEER == PORTS_PEER && (int)HELD_PORTS_ALL == PORTS_ALL &&
	       (int)HELD_PORTS_OWN == PORTS_OWN, "scopes");

/* ---- states ---- */

struct census_taker {
	struct census *census;
	const struct tws_filter *filter;
	struct recalled_netns netns;
	struct census_counts sum; /* of the namespaces */
	bool has_host;
};

static void set_counts(struct census_counts *counts, const struct held_states *states)
{
	*counts = (struct census_counts){ .fin_wait2_minis = states->fin_wait2_minis };
	memcpy(counts->states, states->states, sizeof(counts->states));
	counts->total = states->fin_wait2_minis;
	for (int i = 0; i < HELD_STATES; i++)
		counts->total += states->states[i];
}

static void add_up(struct census_counts *sum, const struct census_counts *counts)
{
	for (int i = 0; i < SOCKDIAG_STATE_END; i++)
		sum->states[i] += counts->states[i];
	sum->fin_wait2_minis += counts->fin_wait2_minis;
	sum->total += counts->total;
}

static struct census_netns *make_entry(struct census *census, uint32_t inode)
{
	struct census_netns *more;

	for (size_t i = 0; i < census->num; i++)
		if (census->netns[i].inode == inode)
			return &census->netns[i];
	more = realloc(census->netns, (census->num + 1) * sizeof(*more));
	if (!more)
		return NULL;
	census->netns = more;
	more[census->num] = (struct census_netns){ .inode = inode, .limits = NETLIMITS_UNKNOWN };
	return &more[census->num++];
}

static int set_name(struct census_netns *entry, const char *name)
{
	free(entry->name);
	entry->name = NULL;
	if (name)
		entry->name = strdup(name);
	else if (asprintf(&entry->name, "%u", entry->inode) < 0)
		entry->name = NULL;
	return entry->name ? 0 : -ENOMEM;
}

static int add_states(void *ctx, const struct held_states *states)
{
	struct census_taker *t = ctx;
	const struct recalled_netns_entry *known;
	struct census_netns *entry;

	if (!states->netns) {
		set_counts(&t->census->host, states);
		t->has_host = true;
		return 0;
	}
	if (!filter__passes_netns(t->filter, states->netns))
		return 0;
	entry = make_entry(t->census, states->netns);
	if (!entry)
		return -ENOMEM;
	set_counts(&entry->counts, states);
	entry->minis = states->states[SOCKDIAG_TIME_WAIT] + states->fin_wait2_minis;
	known = recalled_netns__find(&t->netns, states->netns);
	if (known)
		entry->limits = known->limits;
	return set_name(entry, states->netns_name ?: known ? known->name : NULL);
}

int recalled__census(struct census *census, const struct recall_want *want, uint64_t *taken_ns)
{
	struct census_taker t = { .census = census, .filter = want->filter };
	int err = recalled_netns__read(&t.netns, want->history, want->at_ns) ?:
		  recalled_netns__each_state(want->history, want->at_ns, add_states, &t, taken_ns);

	for (size_t i = 0; i < census->num; i++)
		add_up(&t.sum, &census->netns[i].counts);
	if (!t.has_host || want->filter->num_netns)
		census->host = t.sum;
	census__sort(census);
	recalled_netns__free(&t.netns);
	return err;
}

/* ---- ports ---- */

struct ports_taker {
	struct ports *ports;
	const struct tws_filter *filter;
	size_t room;
	uint64_t taken_ns;
};

static int note_time(void *ctx, const struct held_ports *ports)
{
	struct ports_taker *t = ctx;

	if (ports->wall_ns > t->taken_ns)
		t->taken_ns = ports->wall_ns;
	return 0;
}

/* Towards all remote ends: whatever the filter says of these. */
static bool is_wanted(const struct tws_filter *filter, const struct held_ports *ports)
{
	struct tws_event ev = { .family = ports->family, .netns = ports->key.netns,
				.local_port = (uint16_t)ports->first_port,
				.peer_port = ports->key.peer_port,
				.conn = { .ifindex = ports->key.ifindex } };
	struct tws_filter f = *filter;

	memcpy(ev.local_addr, ports->key.local_addr, sizeof(ev.local_addr));
	memcpy(ev.peer_addr, ports->key.peer_addr, sizeof(ev.peer_addr));
	if (ports->scope == HELD_PORTS_ALL)
		f.num_peers = f.not_peers = 0;
	return filter__match(&f, &ev);
}

static void fill_place(struct ports_place *place, const struct held_ports *ports)
{
	*place = (struct ports_place){
		.key = ports->key, .scope = (enum ports_scope)ports->scope,
		.family = ports->family, .usable = ports->usable,
		.time_wait = ports->time_wait, .live = ports->live,
		.close_wait = ports->close_wait, .bound = ports->bound, .left = ports->left,
		.has_left = ports->has_left, .reusable = ports->reusable,
		.first_port = ports->first_port, .last_port = ports->last_port,
		.unknown = ports->unknown, .names = ports->names,
	};
	for (size_t i = 0; i < PORTS_OWNERS; i++) {
		memcpy(place->owners[i].comm, ports->owners[i].comm, TWS_COMM_LEN);
		place->owners[i].tgid = ports->owners[i].tgid;
		place->owners[i].count = ports->owners[i].count;
		place->owners[i].inferred = ports->owners[i].inferred;
	}
}

static int add_ports(void *ctx, const struct held_ports *ports)
{
	struct ports_taker *t = ctx;
	struct ports_place *more;

	if (ports->scope > HELD_PORTS_OWN || !is_wanted(t->filter, ports))
		return 0;
	if (t->ports->num == t->room) {
		size_t room = t->room ? t->room * 2 : 16;

		more = realloc(t->ports->places, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		t->ports->places = more;
		t->room = room;
	}
	fill_place(&t->ports->places[t->ports->num++], ports);
	return 0;
}

static int read_ports(struct ports_taker *t, const struct recall_want *want)
{
	struct history_span span = {
		want->at_ns > SAMPLE_LOOK_BACK_NS ? want->at_ns - SAMPLE_LOOK_BACK_NS : 0,
		want->at_ns + 1,
	};
	int err = history__each_ports(want->history, &span, note_time, t);

	if (err || !t->taken_ns)
		return err ?: -ENOENT;
	span = (struct history_span){
		t->taken_ns > SAMPLE_TAKES_NS ? t->taken_ns - SAMPLE_TAKES_NS : 0,
		t->taken_ns + 1,
	};
	return history__each_ports(want->history, &span, add_ports, t);
}

int recalled__ports(struct ports *ports, struct listing *listing,
		    const struct recall_want *want, uint64_t *taken_ns)
{
	struct ports_taker t = { .ports = ports, .filter = want->filter };
	struct recalled_netns netns = {};
	int err = recalled_netns__read(&netns, want->history, want->at_ns) ?:
		  recalled_netns__list(&netns, listing) ?: read_ports(&t, want);

	recalled_netns__free(&netns);
	if (!err)
		*taken_ns = t.taken_ns;
	return err;
}

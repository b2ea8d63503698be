// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inventory/recalled_netns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/recalled.h"

/* ---- the last sample ---- */

static int note_time(void *ctx, const struct held_states *states)
{
	uint64_t *taken_ns = ctx;

	if (states->wall_ns > *taken_ns)
		*taken_ns = states->wall_ns;
	return 0;
}

int recalled_netns__each_state(struct history *history, uint64_t at_ns, history_states_fn fn,
			       void *ctx, uint64_t *taken_ns)
{
	const struct history_span before = {
		at_ns > SAMPLE_LOOK_BACK_NS ? at_ns - SAMPLE_LOOK_BACK_NS : 0, at_ns + 1,
	};
	struct history_span sample;
	uint64_t last_ns = 0;
	int err = history__each_states(history, &before, note_time, &last_ns);

	if (err || !last_ns)
		return err ?: -ENOENT;
	sample = (struct history_span){
		last_ns > SAMPLE_TAKES_NS ? last_ns - SAMPLE_TAKES_NS : 0, last_ns + 1,
	};
	err = history__each_states(history, &sample, fn, ctx);
	if (!err)
		*taken_ns = last_ns;
	return err;
}

/* ---- the set ---- */

/* Where @inode stands, or would. */
static size_t place_of(const struct recalled_netns *netns, uint32_t inode)
{
	size_t low = 0, high = netns->num;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (netns->entries[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct recalled_netns_entry *find(const struct recalled_netns *netns, uint32_t inode)
{
	size_t at = place_of(netns, inode);

	return at < netns->num && netns->entries[at].inode == inode ? &netns->entries[at] : NULL;
}

static struct recalled_netns_entry *insert(struct recalled_netns *netns, uint32_t inode)
{
	size_t at = place_of(netns, inode), room = netns->room ? netns->room * 2 : 16;
	struct recalled_netns_entry *entries = netns->entries;

	if (netns->num == netns->room) {
		entries = realloc(entries, room * sizeof(*entries));
		if (!entries)
			return NULL;
		netns->entries = entries;
		netns->room = room;
	}
	memmove(&entries[at + 1], &entries[at], (netns->num - at) * sizeof(*entries));
	entries[at] = (struct recalled_netns_entry){
		.inode = inode, .limits = NETLIMITS_UNKNOWN,
	};
	netns->num++;
	return &entries[at];
}

int recalled_netns__add(struct recalled_netns *netns, uint32_t inode, const char *name)
{
	struct recalled_netns_entry *entry = inode ? find(netns, inode) : NULL;

	if (!inode)
		return 0;
	if (!entry)
		entry = insert(netns, inode);
	if (!entry)
		return -ENOMEM;
	if (!name || entry->name)
		return 0;
	entry->name = strdup(name);
	return entry->name ? 0 : -ENOMEM;
}

const struct recalled_netns_entry *recalled_netns__find(const struct recalled_netns *netns,
							uint32_t inode)
{
	return find(netns, inode);
}

uint64_t recalled_netns__fin_timeout_ms(const struct recalled_netns *netns, uint32_t inode)
{
	const struct recalled_netns_entry *entry = find(netns, inode);

	return entry ? entry->limits.fin_timeout_ms : 0;
}

/* ---- reading ---- */

static int add_states(void *ctx, const struct held_states *states)
{
	return recalled_netns__add(ctx, states->netns, states->netns_name);
}

struct netlimits recalled__limits(const struct held_limits *limits)
{
	return (struct netlimits){
		.max_tw_buckets = limits->max_tw_buckets,
		.fin_timeout_ms = limits->fin_timeout_ms,
		.tw_reuse = limits->tw_reuse,
		.timestamps = limits->timestamps,
		.reuse_delay_ms = limits->reuse_delay_ms,
		.first_port = limits->first_port,
		.last_port = limits->last_port,
		.usable_ports = limits->usable_ports,
	};
}

/* Those of namespaces that are gone are not wanted. The last of each counts. */
static int add_limits(void *ctx, const struct held_limits *limits)
{
	struct recalled_netns_entry *entry = find(ctx, limits->netns);

	if (!entry)
		return 0;
	entry->limits = recalled__limits(limits);
	return recalled_netns__add(ctx, limits->netns, limits->netns_name);
}

int recalled_netns__read(struct recalled_netns *netns, struct history *history, uint64_t at_ns)
{
	const struct history_span moment = { at_ns, at_ns + 1 };
	uint64_t taken_ns;
	int err = recalled_netns__each_state(history, at_ns, add_states, netns, &taken_ns);

	if (err && err != -ENOENT)
		return err;
	return history__each_limits(history, &moment, add_limits, netns);
}

int recalled_netns__list(const struct recalled_netns *netns, struct listing *l)
{
	l->netns = calloc(netns->num ?: 1, sizeof(*l->netns));
	if (!l->netns)
		return -ENOMEM;
	for (size_t i = 0; i < netns->num; i++) {
		const struct recalled_netns_entry *entry = &netns->entries[i];

		l->netns[i].inode = entry->inode;
		l->netns[i].limits = entry->limits;
		l->num_netns++;
		l->netns[i].name = entry->name ? strdup(entry->name) : NULL;
		if (entry->name && !l->netns[i].name)
			return -ENOMEM;
	}
	return 0;
}

void recalled_netns__free(struct recalled_netns *netns)
{
	for (size_t i = 0; i < netns->num; i++)
		free(netns->entries[i].name);
	free(netns->entries);
	memset(netns, 0, sizeof(*netns));
}

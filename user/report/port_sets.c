// SPDX-License-Identifier: GPL-2.0
/* The fullest sets of ports: a part of details.h. */
#include "report/details.h"

#include <errno.h>
#include <string.h>

#define PORT_SETS 1024

struct set_key {
	uint8_t local_addr[16], peer_addr[16];
	uint32_t netns;
	uint16_t peer_port;
	uint8_t scope, family;
};

/* When it was at its fullest, in the span and in each incident; permille of -1: it was not told. */
struct set {
	struct set_key key;
	struct story_port_set span, in[STORY_INCIDENTS];
};

struct collecting {
	struct table *sets;
	const struct slots *slots;
	const uint8_t *incident_of;
};

static void keep_fuller(struct story_port_set *set, const struct held_ports *ports, int permille)
{
	if (set->ports.wall_ns && permille <= set->permille)
		return;
	set->ports = *ports;
	set->permille = permille;
}

static int on_ports(void *ctx, const struct held_ports *ports)
{
	struct collecting *c = ctx;
	const struct slot *slot = slots__at(c->slots, ports->wall_ns);
	struct set_key key = { .netns = ports->key.netns, .peer_port = ports->key.peer_port,
			       .scope = ports->scope, .family = ports->family };
	int permille = slots__ports_permille(ports), ret;
	struct set *set;
	uint8_t incident;

	if (!slot || permille < 0)
		return 0;
	memcpy(key.local_addr, ports->key.local_addr, 16);
	memcpy(key.peer_addr, ports->key.peer_addr, 16);
	ret = table__get(c->sets, &key, (void **)&set);
	if (ret < 0)
		return ret == -ENOSPC ? 0 : ret;
	incident = c->incident_of[slot - c->slots->slot];
	if (incident < STORY_INCIDENTS)
		keep_fuller(&set->in[incident], ports, permille);
	if (slot >= c->slots->slot + c->slots->first)
		keep_fuller(&set->span, ports, permille);
	return 0;
}

/* Those that are as full in the order of how much they hold. */
static bool is_fuller(const struct story_port_set *a, const struct story_port_set *b)
{
	if (a->permille != b->permille)
		return a->permille > b->permille;
	return a->ports.time_wait > b->ports.time_wait;
}

/* Its ports are those that were short there. */
static bool is_short(const struct story_port_set *set, const struct story_place *short_of)
{
	const struct held_ports *ports = &set->ports;

	if (!short_of || !short_of->family)
		return false;
	return ports->scope == HELD_PORTS_ALL ||
	       (ports->family == short_of->family && ports->key.peer_port == short_of->port &&
		!memcmp(ports->key.peer_addr, short_of->addr, sizeof(short_of->addr)));
}

/* Sets of which ports were short at @short_of (NULL: of none that is known) come first. */
static bool goes_first(const struct story_port_set *a, const struct story_port_set *b,
		       const struct story_place *short_of)
{
	bool is_a = is_short(a, short_of);

	return is_a == is_short(b, short_of) ? is_fuller(a, b) : is_a;
}

static void keep_fullest(struct story_port_set *list, unsigned int *num, unsigned int max,
			 const struct story_port_set *set, const struct story_place *short_of)
{
	unsigned int at;

	if (!set->ports.wall_ns || (*num == max && !goes_first(set, &list[max - 1], short_of)))
		return;
	*num += *num < max;
	for (at = *num - 1; at && goes_first(set, &list[at - 1], short_of); at--)
		list[at] = list[at - 1];
	list[at] = *set;
}

int details__ports(struct story *story, const struct report_input *input,
		   const struct slots *slots, const uint8_t *incident_of)
{
	const struct history_span span = { slots->since_ns, story->span.until_ns };
	const struct table_options opts = {
		.key_bytes = sizeof(struct set_key), .entry_bytes = sizeof(struct set),
		.max = PORT_SETS,
	};
	struct collecting c = { NULL, slots, incident_of };
	int err = table__new(&c.sets, &opts);

	err = err ?: input->each_ports(input->ctx, &span, on_ports, &c);
	for (struct set *set = NULL; !err && (set = table__next(c.sets, set));) {
		keep_fullest(story->ports, &story->num_ports, STORY_ROWS, &set->span, NULL);
		for (unsigned int i = 0; i < story->num_incidents; i++)
			keep_fullest(story->incidents[i].ports, &story->incidents[i].num_ports,
				     STORY_NAMES, &set->in[i],
				     &story->incidents[i].short_of);
	}
	table__free(c.sets);
	return err;
}

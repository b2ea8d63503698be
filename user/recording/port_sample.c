// SPDX-License-Identifier: GPL-2.0
#include "recording/port_sample.h"

#include <string.h>

#include "inventory/gather.h"

_Static_assert((int)HELD_PORTS_OWN == PORTS_OWN && (int)HELD_PORTS_ALL == PORTS_ALL, "scopes");

static void fill_ports(struct held_ports *held, const struct ports_place *place, uint64_t wall_ns)
{
	*held = (struct held_ports){
		.wall_ns = wall_ns,
		.key = place->key,
		.family = place->family,
		.scope = (uint8_t)place->scope,
		.usable = place->usable,
		.time_wait = place->time_wait,
		.live = place->live,
		.close_wait = place->close_wait,
		.bound = place->bound,
		.reusable = place->reusable,
		.left = place->left,
		.has_left = place->has_left,
		.first_port = place->first_port,
		.last_port = place->last_port,
		.unknown = place->unknown,
		.names = place->names,
	};
	for (int i = 0; i < PORTS_OWNERS; i++) {
		memcpy(held->owners[i].comm, place->owners[i].comm, TWS_COMM_LEN);
		held->owners[i].tgid = place->owners[i].tgid;
		held->owners[i].count = place->owners[i].count;
		held->owners[i].inferred = place->owners[i].inferred;
	}
}

_Static_assert(PORTS_OWNERS == 3, "held_ports.owners");

static int add_ports(struct bundle *bundle, const struct ports *ports, uint64_t wall_ns)
{
	int err = 0;

	for (size_t i = 0; !err && i < ports->num; i++) {
		struct held_ports held;

		fill_ports(&held, &ports->places[i], wall_ns);
		err = bundle__add_ports(bundle, &held);
	}
	return err;
}

int port_sample__take(struct bundle *bundle, const struct sockets_source *source,
		      const struct listing_want *of, uint64_t wall_ns)
{
	const struct gather_want want = {
		.source = source, .filter = of->filter, .ports = true, .no_names = true,
		.most_ports = SAMPLER_PORTS,
		.tick = of->tick, .ctx = of->ctx,
	};
	struct gathered gathered = { 0 };
	struct ports ports = { 0 };
	int err = gather__sockets(&gathered, &want) ?:
		  gather__ledger(&gathered, &want) ?:
		  gather__owners(&gathered, &want) ?:
		  gather__ports(&gathered, &want, &ports) ?:
		  add_ports(bundle, &ports, wall_ns);

	ports__free(&ports);
	gather__free(&gathered);
	return err;
}

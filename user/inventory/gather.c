// SPDX-License-Identifier: GPL-2.0
#include "inventory/gather.h"

#include <errno.h>
#include <string.h>

#include "host/kernel.h"
#include "inventory/holders.h"
#include "inventory/infer.h"
#include "model/filter.h"
#include "sockets/bindhash.h"

/* Ports are taken by sockets that no filter of places may leave out. */
static struct tws_filter of_namespaces(const struct tws_filter *filter)
{
	struct tws_filter only = { .num_netns = filter->num_netns,
				   .not_netns = filter->not_netns };

	memcpy(only.netns, filter->netns, sizeof(only.netns));
	return only;
}

int gather__sockets(struct gathered *g, const struct gather_want *want)
{
	const struct tws_filter namespaces = of_namespaces(want->filter);
	const struct listing_want rows = {
		.filter = want->ports ? &namespaces : want->filter, .ports = want->ports,
		.all = want->ports || want->all, .tick = want->tick, .ctx = want->ctx,
	};
	int err;

	if (rows.all) {
		g->binds_error = bindhash__read(&g->binds);
		if (!g->binds_error && !g->binds.complete)
			g->binds_error = -EAGAIN;
	}
	err = listing__take(&g->listing, want->source, &rows, &g->flags);
	return err ?: listing__add_bound(&g->listing, &g->binds);
}

int gather__ledger(struct gathered *g, const struct gather_want *want)
{
	int err;

	kernel__read_cgroups(&g->kernel, want->source->places->proc_root);
	err = ledger__open(&g->ledger, kernel__cgroup_hierarchy(&g->kernel), &g->ledger_flags);
	if (!err)
		listing__join(&g->listing, g->ledger);
	return err;
}

static bool keep_match(void *ctx, const struct listing_row *row)
{
	const void **both = ctx;
	const struct gathered *g = both[0];
	const struct gather_want *want = both[1];
	struct tws_event ev;

	listing__event(&g->listing, row, &ev);
	return filter__match(want->filter, &ev);
}

static int infer_owners(struct gathered *g, const struct gather_want *want)
{
	unsigned int flags = 0;
	int err;

	if (!g->listing.num ||
	    (!want->listeners && !want->ports && !infer__needed(&g->listing)))
		return 0;
	err = listeners__new(&g->listeners, LISTENERS_DEFAULT);
	if (err)
		return err;
	/* What cannot be had is not inferred from. */
	if (!listeners__fill(g->listeners, want->source, 0, &flags))
		g->flags |= (flags & LISTENERS_NETNS_DENIED ? SOCKETS_DENIED : 0) |
			    (flags & LISTENERS_NETNS_FAILED ? SOCKETS_FAILED : 0);
	return infer__owners(&g->listing, want->source, g->listeners, &g->flags);
}

int gather__owners(struct gathered *g, const struct gather_want *want)
{
	const void *both[] = { g, want };
	int err = infer_owners(g, want);

	if (!err && (want->ports || want->all))
		err = holders__find(&g->listing, want->source->places->proc_root);
	if (!err && !want->ports && !filter__is_empty(want->filter))
		listing__keep(&g->listing, keep_match, both);
	return err;
}

static bool keep_container(void *ctx, const struct listing_row *row)
{
	const struct gathered *g = ctx;
	const struct workload_of *of = workloads__get(g->workloads, listing__cgroup(&g->listing, row));

	return of && of->kept;
}

static bool find_cgroup(void *ctx, uint64_t id, struct tws_cgroup *cgroup)
{
	const struct gathered *g = ctx;

	return owner_cgroups__find(g->owner_cgroups, id, cgroup) ||
	       (g->ledger && ledger__cgroup(g->ledger, id, cgroup));
}

int gather__workloads(struct gathered *g, const struct gather_want *want)
{
	const struct workloads_options opts = {
		.no_names = want->no_names,
		.socket = want->runtime_socket,
		.wanted = want->containers,
		.num_wanted = want->num_containers,
		.find = find_cgroup,
		.ctx = g,
	};
	int err = workloads__new(&g->workloads, &opts);

	if (!err && g->listing.num_owners)
		err = owner_cgroups__read(&g->owner_cgroups, &g->listing,
					  want->source->places->proc_root, g->kernel.v1_controller);
	for (size_t i = 0; !err && i < g->listing.num; i++) {
		const struct listing_row *row = &g->listing.rows[i];
		uint64_t id = listing__cgroup(&g->listing, row);
		bool v1 = row->seen && row->seen->conn->cgroup_id == id ?
				  row->seen->conn->flags & TWS_F_CGROUP_V1 :
				  g->kernel.v1_controller[0] != '\0';

		err = workloads__want(g->workloads, id, v1);
	}
	if (!err)
		err = workloads__resolve(g->workloads);
	if (!err && want->num_containers && !want->marks_containers)
		listing__keep(&g->listing, keep_container, g);
	return err;
}

int gather__ports(struct gathered *g, const struct gather_want *want, struct ports *ports)
{
	const struct ports_want places = {
		.filter = want->filter, .listeners = g->listeners, .binds = &g->binds,
		.most = want->most_ports,
	};

	return g->listing.num ? ports__count(ports, &g->listing, &places) : 0;
}

void gather__free(struct gathered *g)
{
	workloads__free(g->workloads);
	owner_cgroups__free(g->owner_cgroups);
	listeners__free(g->listeners);
	listing__free(&g->listing);
	ledger__free(g->ledger);
	binds__free(&g->binds);
}

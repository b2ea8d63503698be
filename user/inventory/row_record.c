// SPDX-License-Identifier: GPL-2.0
#include "inventory/row_record.h"

#include <time.h>

#include "base/clock.h"
#include "host/ifnames.h"

void row_record__fill(const struct group_context *ctx, const struct listing_row *row,
		      struct tws_event *ev, struct record *rec)
{
	const struct listing *l = ctx->listing;
	const struct workload_of *of = workloads__get(ctx->workloads, listing__cgroup(l, row));

	listing__event(l, row, ev);
	*rec = (struct record){
		.event = ev,
		.wall_ns = l->wall_ns,
		.netns_name = listing__netns_name(l, row->key.netns),
		.evidence = row->evidence,
		.state = row->state,
		.expires_ns = row->left_ns,
		.age_ns = listing__age_ns(l, row),
	};
	if (ctx->interfaces && ev->conn.ifindex)
		rec->interface = ifnames__of(ctx->interfaces, ev->netns, ev->conn.ifindex,
					     ev->conn.tgid, clock__now_ns(CLOCK_MONOTONIC));
	rec->is_open = !row->mini;
	rec->shared = row->shared;
	if (of) {
		rec->workload = of->workload;
		rec->label = of->label;
		rec->cgroup_path = of->path;
	}
	if (ctx->tell)
		ctx->tell(ctx->tell_ctx, row, rec);
}

// SPDX-License-Identifier: GPL-2.0
#include "inventory/recalled.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/coverage.h"
#include "store/minute_filter.h"

/* Numbers that no cgroup of the kernel's has: see owner_cgroups.c. */
#define FIRST_CGROUP (1ULL << 63)

struct recalled_minute {
	struct history *history;
	const struct recall_want *want;
	struct gathered *g;
	struct recalled_sums *sums;
};

static int add_rows(struct listing *l, const struct listing_row *row, uint64_t count)
{
	int err = listing__reserve(l, count);

	for (uint64_t i = 0; !err && i < count; i++)
		l->rows[l->num++] = *row;
	return err;
}

static int put_workload(struct recalled_minute *m, const struct held_who *who,
			struct tws_event *ev)
{
	if (!who || !who->cgroup_path)
		return 0;
	ev->conn.cgroup_id = FIRST_CGROUP + who->id;
	return workloads__put(m->g->workloads, ev->conn.cgroup_id, who->cgroup_path,
			      &who->workload);
}

static int add_sum(struct recalled_minute *m, const struct held_minute *minute,
		   const struct held_who *who, const struct held_flow *flow)
{
	struct listing_row row = { .mini = true, .state = SOCKDIAG_TIME_WAIT,
				   .family = flow->family, .side = flow->side };
	struct tws_event ev = {};
	int err;

	minute_filter__event(who, flow, &ev);
	err = put_workload(m, who, &ev) ?: listing__see(&m->g->listing, &row, &ev);
	if (err)
		return err;
	row.key = (struct tws_key){ .netns = ev.netns, .local_port = ev.local_port,
				    .peer_port = ev.peer_port };
	memcpy(row.key.local_addr, ev.local_addr, sizeof(row.key.local_addr));
	memcpy(row.key.peer_addr, ev.peer_addr, sizeof(row.key.peer_addr));
	if (ev.conn.flags & TWS_F_CLOSER || ev.conn.cause == TWS_CAUSE_KERNEL)
		row.evidence = OWNER_SEEN;
	m->sums->counted += minute->count;
	return add_rows(&m->g->listing, &row, minute->count);
}

static int on_minute(void *ctx, const struct held_minute *minute)
{
	struct recalled_minute *m = ctx;
	const struct held_flow *flow =
		minute->flow ? history__flow(m->history, minute->flow) : NULL;
	const struct held_who *who = minute->who ? history__who(m->history, minute->who) : NULL;

	if (!flow) {
		m->sums->other += minute->count;
		return 0;
	}
	if (flow->action != TWS_TIME_WAIT || !minute_filter__match(m->want->filter, who, flow) ||
	    (m->want->wants && (!who || !m->want->wants(m->want->ctx, who))))
		return 0;
	return add_sum(m, minute, who, flow);
}

int recalled__sums(struct recalled_minute **minutep, struct gathered *g,
		   const struct recall_want *want, struct recalled_sums *sums)
{
	const uint64_t until_ns = want->at_ns - want->at_ns % COVERAGE_MINUTE_NS;
	const struct history_span minute = {
		until_ns > COVERAGE_MINUTE_NS ? until_ns - COVERAGE_MINUTE_NS : 0, until_ns,
	};
	const struct workloads_options no_options = {};
	struct recalled_minute *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	*sums = (struct recalled_sums){ .since_ns = minute.since_ns };
	*m = (struct recalled_minute){ .history = want->history, .want = want, .g = g,
				       .sums = sums };
	g->listing.wall_ns = want->at_ns;
	err = workloads__new(&g->workloads, &no_options);
	if (!err && until_ns)
		err = history__each_minute(want->history, &minute, on_minute, m);
	if (err)
		recalled_minute__free(m);
	else
		*minutep = m;
	return err;
}

void recalled_minute__free(struct recalled_minute *m)
{
	if (!m)
		return;
	free(m);
}

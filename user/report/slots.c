// SPDX-License-Identifier: GPL-2.0
#include "report/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

#define KNOWN_PART 12 /* of a slot at least a twelfth is to be recorded: five seconds */
#define NAMESPACES 4096
#define COUNTERS 4096
#define OVERFLOW_COUNTER "TcpExt.TCPTimeWaitOverflow"

/* The last settings of a network namespace that were told. */
struct settings {
	uint64_t netns; /* the key */
	uint64_t max_tw_buckets, reuse_delay_ms;
	int64_t tw_reuse;
	uint32_t first_port, last_port;
};

struct counter {
	uint64_t netns; /* the key */
	uint64_t value;
};

struct filling {
	struct slots *slots;
	const struct report_input *input;
	struct history_span span; /* with its past */
	struct table *settings, *counters;
	size_t runs;
};

struct slot *slots__at(const struct slots *slots, uint64_t wall_ns)
{
	uint64_t index;

	if (wall_ns < slots->since_ns)
		return NULL;
	index = (wall_ns - slots->since_ns) / slots->slot_ns;
	return index < slots->num ? &slots->slot[index] : NULL;
}

bool slot__is_known(const struct slots *slots, const struct slot *slot)
{
	return slot->recorded_ns >= slots->slot_ns / KNOWN_PART ||
	       (!slot->recorded_ns && (slot->closes || slot->failed));
}

double slot__per_s(const struct slots *slots, const struct slot *slot, uint64_t count)
{
	uint64_t ns = slot->recorded_ns;

	/* Something was counted, so it was recorded, whatever the runs say. */
	if (!ns)
		ns = slots->slot_ns;
	return (double)count * 1e9 / (double)ns;
}

int slots__ports_permille(const struct held_ports *ports)
{
	uint64_t used = (uint64_t)ports->time_wait + ports->live + ports->bound;

	if (!ports->usable)
		return -1;
	if (ports->has_left)
		used = ports->left < ports->usable ? ports->usable - ports->left : 0;
	/* What connect() may take over is as good as free. */
	used -= ports->reusable < used ? ports->reusable : used;
	return used >= ports->usable ? 1000 : (int)(used * 1000 / ports->usable);
}

/* ---- how much was recorded ---- */

enum change { ADD, REMOVE, MARK };

static void change_slot(struct slot *slot, uint64_t ns, enum change what)
{
	if (what == ADD)
		slot->recorded_ns += ns;
	if (what == REMOVE)
		slot->recorded_ns -= ns < slot->recorded_ns ? ns : slot->recorded_ns;
	if (what != ADD)
		slot->has_gap = true;
}

/* Of every slot that @since_ns to @until_ns has a part of. */
static void change(struct slots *slots, uint64_t since_ns, uint64_t until_ns, enum change what)
{
	uint64_t end_ns = slots__since_ns(slots, slots->num);

	if (since_ns < slots->since_ns)
		since_ns = slots->since_ns;
	if (until_ns > end_ns)
		until_ns = end_ns;
	while (since_ns < until_ns) {
		size_t index = (since_ns - slots->since_ns) / slots->slot_ns;
		uint64_t next_ns = slots__since_ns(slots, index + 1);

		if (next_ns > until_ns)
			next_ns = until_ns;
		change_slot(&slots->slot[index], next_ns - since_ns, what);
		since_ns = next_ns;
	}
}

static int on_run(void *ctx, const struct held_run *run)
{
	struct filling *f = ctx;

	f->runs++;
	f->slots->is_all |= run->all;
	change(f->slots, run->since_ns, run->until_ns, ADD);
	return 0;
}

static int on_gap(void *ctx, const struct held_gap *gap)
{
	struct filling *f = ctx;

	switch (gap->reason) {
	case HELD_GAP_CLOCK:
		/* Put back: what is between was shown twice, as one run that goes on. */
		if (gap->until_ns < gap->since_ns)
			change(f->slots, gap->until_ns, gap->since_ns, ADD);
		else
			change(f->slots, gap->since_ns, gap->until_ns, REMOVE);
		break;
	case HELD_GAP_STOPPED:
	case HELD_GAP_SUSPENDED:
	case HELD_GAP_DISK:
		change(f->slots, gap->since_ns, gap->until_ns, REMOVE);
		break;
	default: /* a part of it is there */
		change(f->slots, gap->since_ns, gap->until_ns, MARK);
	}
	return 0;
}

/* Where no run is told, what is between the first and the last that was counted. */
static void assume_recorded(struct slots *slots)
{
	size_t first = slots->num, last = 0;

	for (size_t i = 0; i < slots->num; i++) {
		const struct slot *slot = &slots->slot[i];

		if (!slot->closes && !slot->other && !slot->failed && !slot->has_time_wait)
			continue;
		first = first < i ? first : i;
		last = i;
	}
	if (first < slots->num)
		change(slots, slots__since_ns(slots, first), slots__since_ns(slots, last + 1), ADD);
}

/* ---- what was counted ---- */

static int on_minute(void *ctx, const struct held_minute *minute)
{
	struct filling *f = ctx;
	struct slot *slot = slots__at(f->slots, minute->wall_ns);
	const struct held_flow *flow;

	if (!slot)
		return 0;
	flow = minute->flow ? f->input->flow(f->input->ctx, minute->flow) : NULL;
	if (!flow) {
		slot->other += minute->count;
		return 0;
	}
	if (flow->action == TWS_TIME_WAIT)
		slot->closes += minute->count;
	if (flow->action == TWS_OVERFLOW)
		slot->overflows += minute->count;
	if (flow->action == TWS_CONNECT_FAILED) {
		slot->failed += minute->count;
		slot->failed_ports += flow->error == EADDRNOTAVAIL ? minute->count : 0;
	}
	return 0;
}

/* Where only TIME_WAITs are recorded, ~other has nothing else. The kernel counts what the programs
 * may not have seen, and the other way round. */
static void complete(struct slots *slots)
{
	for (size_t i = 0; i < slots->num; i++) {
		struct slot *slot = &slots->slot[i];

		if (!slots->is_all)
			slot->closes += slot->other;
		if (slot->overflows_counted > slot->overflows)
			slot->overflows = slot->overflows_counted;
	}
}

/* ---- what was sampled ---- */

static void note_change(struct slots *slots, uint64_t wall_ns, const char *name, uint64_t from,
			uint64_t to)
{
	if (from == to || slots->num_changes == SLOTS_CHANGES ||
	    wall_ns < slots__since_ns(slots, slots->first))
		return;
	slots->changes[slots->num_changes++] = (struct slots_change){ wall_ns, name, from, to };
}

static void note_changes(struct filling *f, const struct settings *old,
			 const struct held_limits *now)
{
	struct slots *slots = f->slots;

	if (old->max_tw_buckets && now->max_tw_buckets)
		note_change(slots, now->wall_ns, "net.ipv4.tcp_max_tw_buckets",
			    old->max_tw_buckets, now->max_tw_buckets);
	if (old->tw_reuse >= 0 && now->tw_reuse >= 0)
		note_change(slots, now->wall_ns, "net.ipv4.tcp_tw_reuse", (uint64_t)old->tw_reuse,
			    (uint64_t)now->tw_reuse);
	if (!old->last_port || !now->last_port)
		return;
	note_change(slots, now->wall_ns, "the first of net.ipv4.ip_local_port_range",
		    old->first_port, now->first_port);
	note_change(slots, now->wall_ns, "the last of net.ipv4.ip_local_port_range",
		    old->last_port, now->last_port);
}

static int on_limits(void *ctx, const struct held_limits *limits)
{
	struct filling *f = ctx;
	uint64_t netns = limits->netns;
	struct settings *settings;
	int ret = table__get(f->settings, &netns, (void **)&settings);

	if (ret < 0)
		return ret == -ENOSPC ? 0 : ret;
	if (!ret)
		note_changes(f, settings, limits);
	settings->max_tw_buckets = limits->max_tw_buckets;
	settings->tw_reuse = limits->tw_reuse;
	settings->first_port = limits->first_port;
	settings->last_port = limits->last_port;
	return 0;
}

/* Which is nearer to its limit, without overflow. */
static bool is_nearer(uint64_t used, uint64_t limit, const struct slot *slot)
{
	return !slot->limit || (double)used / (double)limit >
			       (double)slot->limited / (double)slot->limit;
}

static int on_states(void *ctx, const struct held_states *states)
{
	struct filling *f = ctx;
	struct slot *slot = slots__at(f->slots, states->wall_ns);
	uint64_t netns = states->netns, used = states->states[6] + states->fin_wait2_minis;
	const struct settings *settings = table__find(f->settings, &netns);

	if (!slot)
		return 0;
	if (!states->netns && (!slot->has_time_wait || used > slot->time_wait)) {
		slot->has_time_wait = true;
		slot->time_wait = used;
		slot->time_wait_ns = states->wall_ns;
	}
	if (states->netns && settings && settings->max_tw_buckets &&
	    is_nearer(used, settings->max_tw_buckets, slot)) {
		slot->limited = used;
		slot->limit = settings->max_tw_buckets;
	}
	return 0;
}

static int on_ports(void *ctx, const struct held_ports *ports)
{
	struct filling *f = ctx;
	struct slot *slot = slots__at(f->slots, ports->wall_ns);
	int permille = slots__ports_permille(ports);

	if (!slot || permille < 0)
		return 0;
	slot->has_ports = true;
	if (permille > slot->ports_permille)
		slot->ports_permille = (uint16_t)permille;
	return 0;
}

/* What it rose by. */
static int on_counter(void *ctx, const struct held_counter *told)
{
	struct filling *f = ctx;
	struct slot *slot = slots__at(f->slots, told->wall_ns);
	uint64_t netns = told->netns, rise;
	struct counter *counter;
	int ret;

	if (strcmp(told->name, OVERFLOW_COUNTER))
		return 0;
	ret = table__get(f->counters, &netns, (void **)&counter);
	if (ret < 0)
		return ret == -ENOSPC ? 0 : ret;
	rise = !ret && told->value > counter->value ? told->value - counter->value : 0;
	counter->value = told->value;
	if (slot)
		slot->overflows_counted += rise;
	return 0;
}

/* ---- all of it ---- */

static int make_slots(struct slots *slots, const struct history_span *span, uint64_t past_ns)
{
	uint64_t since_ns = past_ns < span->since_ns ? past_ns : span->since_ns, minutes;

	since_ns -= since_ns % SLOTS_MINUTE_NS;
	minutes = (span->until_ns - since_ns + SLOTS_MINUTE_NS - 1) / SLOTS_MINUTE_NS;
	slots->slot_ns = (minutes / SLOTS_MAX + 1) * SLOTS_MINUTE_NS;
	slots->since_ns = since_ns;
	slots->num = (size_t)((span->until_ns - since_ns + slots->slot_ns - 1) / slots->slot_ns);
	slots->first = (size_t)((span->since_ns - since_ns) / slots->slot_ns);
	slots->slot = calloc(slots->num ? slots->num : 1, sizeof(*slots->slot));
	return slots->slot ? 0 : -ENOMEM;
}

static int gather(struct filling *f)
{
	const struct report_input *input = f->input;
	const struct history_span *span = &f->span;
	int err = input->each_run(input->ctx, span, on_run, f);

	err = err ?: input->each_minute(input->ctx, span, on_minute, f);
	err = err ?: input->each_limits(input->ctx, span, on_limits, f);
	err = err ?: input->each_states(input->ctx, span, on_states, f);
	err = err ?: input->each_ports(input->ctx, span, on_ports, f);
	err = err ?: input->each_counter(input->ctx, span, on_counter, f);
	if (!err && !f->runs)
		assume_recorded(f->slots);
	return err ?: input->each_gap(input->ctx, span, on_gap, f);
}

static int make_tables(struct filling *f)
{
	const struct table_options settings = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct settings),
		.max = NAMESPACES,
	};
	const struct table_options counters = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct counter),
		.max = COUNTERS,
	};
	int err = table__new(&f->settings, &settings);

	return err ?: table__new(&f->counters, &counters);
}

int slots__fill(struct slots *slots, const struct report_input *input,
		const struct history_span *span, uint64_t past_ns)
{
	struct filling f = { .slots = slots, .input = input };
	int err;

	*slots = (struct slots){ 0 };
	err = make_slots(slots, span, past_ns);
	f.span = (struct history_span){ slots->since_ns, span->until_ns };
	err = err ?: make_tables(&f);
	err = err ?: gather(&f);
	table__free(f.settings);
	table__free(f.counters);
	if (err) {
		slots__free(slots);
		return err;
	}
	complete(slots);
	return 0;
}

void slots__free(struct slots *slots)
{
	free(slots->slot);
	*slots = (struct slots){ 0 };
}

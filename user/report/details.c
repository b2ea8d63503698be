// SPDX-License-Identifier: GPL-2.0
#include "report/details.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART_PERMILLE 50 /* of an excess, to be named as a culprit beside the first */

static unsigned int permille(double part, double whole)
{
	if (whole <= 0 || part <= 0)
		return 0;
	return part >= whole ? 1000 : (unsigned int)(part * 1000 / whole + 0.5);
}

/* Of "a/b": which is larger, without overflow. */
static bool is_nearer(uint64_t used, uint64_t limit, uint64_t best, uint64_t best_limit)
{
	return limit && (!best_limit || (double)used / (double)limit >
						(double)best / (double)best_limit);
}

/* ---- culprits ---- */

/* Closes that would have been there anyway. */
static double expected(const struct shares *shares, uint32_t who, unsigned int index)
{
	if (!shares->usual_ns)
		return 0;
	return (double)shares->who[who].usual * (double)shares->in_ns[index] /
	       (double)shares->usual_ns;
}

static double excess_of(const struct shares *shares, uint32_t who, unsigned int index)
{
	double excess = (double)shares->who[who].in[index].closes - expected(shares, who, index);

	return excess > 0 ? excess : 0;
}

static void set_lifetime(struct story_culprit *culprit, const struct shares_part *part)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; part->lifetimes && i < HELD_BUCKETS; i++) {
		sum += part->buckets[i];
		if (sum * 2 < part->lifetimes)
			continue;
		culprit->lifetime_above_ns = i ? held__bucket_end_ns(i - 1) : 0;
		culprit->lifetime_ns = held__bucket_end_ns(i);
		return;
	}
}

static bool same_where(const struct story_place *a, const struct story_place *b)
{
	return a->family == b->family && a->port == b->port && a->side == b->side &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* The place where most went, or where ports were short; then how many went there, whatever the
 * cause. */
static void set_places(struct story_culprit *culprit, const struct story_place *short_of,
		       const struct shares *shares, unsigned int index)
{
	uint64_t best = 0, there = 0, client = 0, server = 0, cause = 0;

	for (const struct shares_place *p = NULL; (p = table__next(shares->places, p));) {
		struct story_place place;

		if (p->key.who != culprit->who || p->key.action != TWS_TIME_WAIT)
			continue;
		client += p->key.side == TWS_SIDE_CLIENT ? p->in[index] : 0;
		server += p->key.side == TWS_SIDE_SERVER ? p->in[index] : 0;
		place = shares__place(&p->key);
		if (p->in[index] <= best || (short_of && !same_where(&place, short_of)))
			continue;
		best = p->in[index];
		culprit->place = place;
	}
	for (const struct shares_place *p = NULL; (p = table__next(shares->places, p));) {
		struct story_place place = shares__place(&p->key);

		if (p->key.who != culprit->who || p->key.action != TWS_TIME_WAIT)
			continue;
		there += same_where(&place, &culprit->place) ? p->in[index] : 0;
		cause += place.cause == culprit->place.cause ? p->in[index] : 0;
	}
	culprit->place_permille = permille((double)there, (double)culprit->closes);
	culprit->client_permille = permille((double)client, (double)culprit->closes);
	culprit->server_permille = permille((double)server, (double)culprit->closes);
	culprit->cause_permille = permille((double)cause, (double)culprit->closes);
}

/* ---- and who took the ports ---- */

/* Where most connects failed for want of a port, and what each closed towards there as client. */
static void find_short(struct story_incident *incident, const struct shares *shares,
		       unsigned int index)
{
	uint64_t most = 0;

	for (const struct shares_place *p = NULL; (p = table__next(shares->places, p));) {
		if (p->key.action != TWS_CONNECT_FAILED || p->key.error != EADDRNOTAVAIL ||
		    p->in[index] <= most)
			continue;
		most = p->in[index];
		incident->short_of = shares__place(&p->key);
		incident->short_of.side = TWS_SIDE_CLIENT;
	}
	if (!most)
		return;
	for (const struct shares_place *p = NULL; (p = table__next(shares->places, p));) {
		struct shares_part *part = &shares->who[p->key.who].in[index];

		if (p->key.action != TWS_TIME_WAIT || p->key.side != TWS_SIDE_CLIENT ||
		    p->key.family != incident->short_of.family ||
		    p->key.port != incident->short_of.port ||
		    memcmp(p->key.addr, incident->short_of.addr, sizeof(p->key.addr)) != 0)
			continue;
		part->taken += p->in[index];
		incident->takes_ports |= p->in[index] > 0;
	}
}

/* Those who only closed more than usual are not to blame for ports that others took. */
static double blame_of(const struct story_incident *incident, const struct shares *shares,
		       uint32_t who, unsigned int index)
{
	return incident->takes_ports ? (double)shares->who[who].in[index].taken :
				       excess_of(shares, who, index);
}

static void fill_culprit(struct story_incident *incident, uint32_t who, double all,
			 const struct shares *shares, unsigned int index)
{
	double seconds = (double)shares->in_ns[index] / 1e9;
	const struct shares_part *part = &shares->who[who].in[index];
	struct story_culprit *culprit = &incident->culprits[incident->num_culprits];

	*culprit = (struct story_culprit){ .who = who, .closes = part->closes };
	culprit->permille = permille(blame_of(incident, shares, who, index), all);
	if (seconds > 0) {
		culprit->per_s = (double)part->closes / seconds;
		culprit->usual_per_s = expected(shares, who, index) / seconds;
	}
	set_lifetime(culprit, part);
	set_places(culprit, incident->takes_ports ? &incident->short_of : NULL, shares, index);
}

/* The next one after those that there are already; 0, which is ~other, if it has most. */
static uint32_t most_of(const struct story_incident *incident, const struct shares *shares,
			unsigned int index)
{
	uint32_t most = UINT32_MAX;
	double best = 0;

	for (uint32_t who = 0; who < shares->story->num_who; who++) {
		double blame = blame_of(incident, shares, who, index);
		bool has = false;

		for (unsigned int i = 0; i < incident->num_culprits; i++)
			has |= incident->culprits[i].who == who;
		if (has || blame <= best)
			continue;
		best = blame;
		most = who;
	}
	return most;
}

static void find_culprits(struct story_incident *incident, const struct shares *shares,
			  unsigned int index)
{
	double all = 0;
	uint32_t who;

	find_short(incident, shares, index);
	for (uint32_t i = 0; i < shares->story->num_who; i++)
		all += blame_of(incident, shares, i, index);
	while (incident->num_culprits < STORY_NAMES) {
		const struct story_culprit *culprit = &incident->culprits[incident->num_culprits];

		who = most_of(incident, shares, index);
		if (who == UINT32_MAX)
			return;
		fill_culprit(incident, who, all, shares, index);
		if (incident->num_culprits && culprit->permille < PART_PERMILLE)
			return;
		incident->num_culprits++;
	}
}

/* ---- rows of places ---- */

#define ALL_SPAN STORY_INCIDENTS

static uint64_t count_in(const struct shares_place *place, unsigned int index)
{
	return index == ALL_SPAN ? place->count : place->in[index];
}

/* The @max largest of @action, the largest first. Returns how many. */
static unsigned int largest(struct story_row *rows, unsigned int max, const struct shares *shares,
			    uint8_t action, unsigned int index)
{
	unsigned int num = 0, at;

	for (const struct shares_place *p = NULL; (p = table__next(shares->places, p));) {
		uint64_t count = count_in(p, index);

		if (p->key.action != action || !count ||
		    (num == max && rows[num - 1].count >= count))
			continue;
		num += num < max;
		for (at = num - 1; at && rows[at - 1].count < count; at--)
			rows[at] = rows[at - 1];
		rows[at] = (struct story_row){ p->key.who, shares__place(&p->key), count };
	}
	return num;
}

/* ---- an incident ---- */

static void add_slot(struct story_incident *incident, const struct slots *slots, size_t i)
{
	const struct slot *slot = &slots->slot[i];
	double per_s = slot__is_known(slots, slot) ? slot__per_s(slots, slot, slot->closes) : 0;

	incident->closes += slot->closes;
	incident->failed += slot->failed;
	incident->failed_ports += slot->failed_ports;
	incident->overflows += slot->overflows;
	if (per_s > incident->peak_per_s) {
		incident->peak_per_s = per_s;
		incident->peak_ns = slots__since_ns(slots, i);
	}
	if (slot->has_time_wait && slot->time_wait > incident->time_wait) {
		incident->time_wait = slot->time_wait;
		incident->time_wait_ns = slot->time_wait_ns;
	}
	if (is_nearer(slot->limited, slot->limit, incident->limited, incident->limit)) {
		incident->limited = slot->limited;
		incident->limit = slot->limit;
	}
}

/* The first and the last slot of which something is known. */
static size_t first_known(const struct slots *slots)
{
	size_t i = 0;

	while (i < slots->num && !slot__is_known(slots, &slots->slot[i]))
		i++;
	return i;
}

static size_t last_known(const struct slots *slots)
{
	size_t i = slots->num;

	while (i && !slot__is_known(slots, &slots->slot[i - 1]))
		i--;
	return i ? i - 1 : 0;
}

void details__incident(struct story *story, unsigned int index, const struct interval *interval,
		       const struct slots *slots, const struct shares *shares)
{
	struct story_incident *incident = &story->incidents[index];
	double seconds = (double)shares->in_ns[index] / 1e9;

	*incident = (struct story_incident){
		.signs = interval->signs, .has_gap = interval->has_gap,
		.since_ns = slots__since_ns(slots, interval->first),
		.until_ns = slots__since_ns(slots, interval->last + 1),
		.began_before = interval->first <= first_known(slots),
		.goes_on = interval->last >= last_known(slots),
		.drained_ns = interval->drained > interval->last &&
			      interval->drained < last_known(slots) ?
			      slots__since_ns(slots, interval->drained + 1) : 0,
		.grew = (interval->signs & STORY_RATE && story->usual_rate.grew) ||
			(interval->signs & STORY_TIME_WAIT && story->usual_time_wait.grew),
	};
	if (incident->until_ns > story->span.until_ns)
		incident->until_ns = story->span.until_ns;
	for (size_t i = interval->first; i <= interval->last; i++)
		add_slot(incident, slots, i);
	if (seconds > 0)
		incident->per_s = (double)incident->closes / seconds;
	find_culprits(incident, shares, index);
	incident->num_failures = largest(incident->failures, STORY_NAMES, shares,
					 TWS_CONNECT_FAILED, index);
}

/* ---- the whole span ---- */

static void add_to_span(struct story *story, const struct slots *slots, size_t i)
{
	const struct slot *slot = &slots->slot[i];
	double per_s = slot__is_known(slots, slot) ? slot__per_s(slots, slot, slot->closes) : 0;

	story->closes += slot->closes;
	story->other += slot->other;
	story->failed += slot->failed;
	story->failed_ports += slot->failed_ports;
	story->overflows += slot->overflows;
	story->recorded_ns += slot->recorded_ns;
	if (per_s > story->peak_per_s) {
		story->peak_per_s = per_s;
		story->peak_ns = slots__since_ns(slots, i);
	}
	if (slot->has_time_wait && slot->time_wait > story->time_wait) {
		story->time_wait = slot->time_wait;
		story->time_wait_ns = slot->time_wait_ns;
	}
	if (is_nearer(slot->limited, slot->limit, story->limited, story->limit)) {
		story->limited = slot->limited;
		story->limit = slot->limit;
	}
}

static void list_closers(struct story *story)
{
	unsigned int at;

	for (uint32_t who = 0; who < story->num_who; who++) {
		uint64_t closes = story->who[who].closes;

		if (!closes || (story->num_closers == STORY_ROWS &&
				story->who[story->closers[STORY_ROWS - 1]].closes >= closes))
			continue;
		story->num_closers += story->num_closers < STORY_ROWS;
		at = story->num_closers - 1;
		for (; at && story->who[story->closers[at - 1]].closes < closes; at--)
			story->closers[at] = story->closers[at - 1];
		story->closers[at] = who;
	}
}

void details__span(struct story *story, const struct slots *slots, const struct shares *shares)
{
	for (size_t i = slots->first; i < slots->num; i++)
		add_to_span(story, slots, i);
	if (story->recorded_ns)
		story->per_s = (double)story->closes * 1e9 / (double)story->recorded_ns;
	list_closers(story);
	story->num_places = largest(story->places, STORY_ROWS, shares, TWS_TIME_WAIT, ALL_SPAN);
	story->num_failures = largest(story->failures, STORY_ROWS, shares, TWS_CONNECT_FAILED,
				      ALL_SPAN);
}

/* ---- over time ---- */

static void add_series(struct story *story, uint32_t who)
{
	if (!who) /* it is among the others */
		return;
	for (unsigned int i = 0; i < story->num_series; i++)
		if (story->series[i] == who)
			return;
	if (story->num_series < STORY_SERIES - 1)
		story->series[story->num_series++] = who;
}

/* Culprits first, so that they are there in any case; then those that closed most. */
static void choose_series(struct story *story)
{
	for (unsigned int i = 0; i < story->num_incidents; i++)
		if (story->incidents[i].num_culprits)
			add_series(story, story->incidents[i].culprits[0].who);
	for (unsigned int i = 0; i < story->num_closers; i++)
		add_series(story, story->closers[i]);
	story->num_series++;
}

struct plotting {
	struct story *story;
	const struct report_input *input;
	const struct slots *slots;
	const struct shares *shares;
	size_t each; /* slots of a point */
	uint64_t (*counts)[STORY_SERIES];
};

static int on_minute(void *ctx, const struct held_minute *minute)
{
	struct plotting *p = ctx;
	const struct slot *slot = slots__at(p->slots, minute->wall_ns);
	const struct held_flow *flow;
	unsigned int series = 0;
	size_t index;
	uint32_t who;

	if (!slot || slot < p->slots->slot + p->slots->first)
		return 0;
	flow = minute->flow ? p->input->flow(p->input->ctx, minute->flow) : NULL;
	if (flow ? flow->action != TWS_TIME_WAIT : p->slots->is_all)
		return 0;
	who = shares__who(p->shares, minute);
	while (series < p->story->num_series - 1 && p->story->series[series] != who)
		series++;
	index = ((size_t)(slot - p->slots->slot) - p->slots->first) / p->each;
	p->counts[index][series] += minute->count;
	return 0;
}

static void add_point(struct story_point *point, const struct slot *slot)
{
	point->has_gap |= slot->has_gap;
	point->failed_per_s += (double)slot->failed;
	point->failed_ports_per_s += (double)slot->failed_ports;
	if (slot->has_time_wait && slot->time_wait >= point->time_wait) {
		point->has_time_wait = true;
		point->time_wait = slot->time_wait;
	}
	if (is_nearer(slot->limited, slot->limit, point->limited, point->limit)) {
		point->limited = slot->limited;
		point->limit = slot->limit;
	}
	if (slot->has_ports) {
		point->has_ports = true;
		if (slot->ports_permille > point->ports_permille)
			point->ports_permille = slot->ports_permille;
	}
}

static void fill_point(const struct plotting *p, unsigned int index)
{
	struct story_point *point = &p->story->points[index];
	size_t first = p->slots->first + index * p->each, last = first + p->each;
	struct slot sum = { 0 };
	double seconds;

	last = last < p->slots->num ? last : p->slots->num;
	point->since_ns = slots__since_ns(p->slots, first);
	point->until_ns = slots__since_ns(p->slots, last);
	for (size_t i = first; i < last; i++) {
		const struct slot *slot = &p->slots->slot[i];

		point->is_known |= slot__is_known(p->slots, slot);
		sum.recorded_ns += slot->recorded_ns;
		add_point(point, slot);
	}
	seconds = slot__per_s(p->slots, &sum, 1);
	for (unsigned int i = 0; i < p->story->num_series; i++)
		point->per_s[i] = (double)p->counts[index][i] * seconds;
	point->failed_per_s *= seconds;
	point->failed_ports_per_s *= seconds;
}

int details__points(struct story *story, const struct report_input *input,
		    const struct slots *slots, const struct shares *shares)
{
	struct plotting p = { story, input, slots, shares, 0, NULL };
	size_t num = slots->num - slots->first;
	int err;

	choose_series(story);
	p.each = (num + STORY_POINTS - 1) / STORY_POINTS;
	if (!num)
		return 0;
	story->num_points = (unsigned int)((num + p.each - 1) / p.each);
	p.counts = calloc(story->num_points, sizeof(*p.counts));
	if (!p.counts)
		return -ENOMEM;
	err = input->each_minute(input->ctx, &story->span, on_minute, &p);
	for (unsigned int i = 0; i < story->num_points && !err; i++)
		fill_point(&p, i);
	free(p.counts);
	return err;
}

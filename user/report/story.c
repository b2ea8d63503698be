// SPDX-License-Identifier: GPL-2.0
#include "report/story.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/advice.h"
#include "report/details.h"
#include "report/incidents.h"
#include "report/shares.h"

#define HOUR_NS 3600000000000ULL
#define PAST_TIMES 3 /* the span, for what is usual */
#define PAST_LEAST_NS (3 * HOUR_NS)
#define PAST_MOST_NS (24 * HOUR_NS)
#define RUNS 4096

/* So little more than usual is nothing to tell of. */
#define RATE_FLOOR 2.0	      /* closes a second */
#define TIME_WAIT_FLOOR 200.0
#define FAILED_FLOOR 0.2     /* connects a second */

#define FEW_FAILURES 10
#define PORTS_FULL_PERMILLE 950

struct telling {
	struct story *story;
	const struct report_input *input;
	struct slots slots;
	struct intervals intervals;
	struct shares shares;
	uint8_t *incident_of;
	struct table *runs;
};

/* ---- the span ---- */

static uint64_t limited(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

static void set_span(struct telling *t, const struct history_span *asked)
{
	struct story *story = t->story;
	uint64_t past;

	story->asked = *asked;
	story->all = t->input->all;
	story->span.since_ns = asked->since_ns - asked->since_ns % SLOTS_MINUTE_NS;
	story->span.until_ns = asked->until_ns;
	if (asked->until_ns % SLOTS_MINUTE_NS &&
	    asked->until_ns < UINT64_MAX - 2 * SLOTS_MINUTE_NS)
		story->span.until_ns += SLOTS_MINUTE_NS - asked->until_ns % SLOTS_MINUTE_NS;
	past = limited(story->span.until_ns - story->span.since_ns, 0, PAST_MOST_NS);
	past = limited(past * PAST_TIMES, PAST_LEAST_NS, PAST_MOST_NS);
	story->past_ns = story->span.since_ns > past ? story->span.since_ns - past : 0;
	if (story->past_ns < story->all.since_ns)
		story->past_ns = story->all.since_ns < story->span.since_ns ?
					 story->all.since_ns : story->span.since_ns;
}

/* ---- what is usual ---- */

static double rate_of(const struct slots *slots, const struct slot *slot)
{
	return slot__per_s(slots, slot, slot->closes);
}

static double failed_of(const struct slots *slots, const struct slot *slot)
{
	return slot__per_s(slots, slot, slot->failed);
}

static double time_wait_of(const struct slots *slots, const struct slot *slot)
{
	(void)slots;
	return slot->has_time_wait ? (double)slot->time_wait : -1;
}

static void find_usual(const struct slots *slots, double *room, struct usual *usual, double floor,
		       double (*value_of)(const struct slots *, const struct slot *))
{
	size_t num = 0;

	for (size_t i = 0; i < slots->num; i++) {
		double value = slot__is_known(slots, &slots->slot[i]) ?
			       value_of(slots, &slots->slot[i]) : -1;

		if (value >= 0)
			room[num++] = value;
	}
	usual__of(usual, room, num, floor);
}

static int set_usual(struct telling *t)
{
	struct story *story = t->story;
	double *room = calloc(t->slots.num ? t->slots.num : 1, sizeof(*room));

	if (!room)
		return -ENOMEM;
	find_usual(&t->slots, room, &story->usual_rate, RATE_FLOOR, rate_of);
	find_usual(&t->slots, room, &story->usual_time_wait, TIME_WAIT_FLOOR, time_wait_of);
	find_usual(&t->slots, room, &story->usual_failed, FAILED_FLOOR, failed_of);
	free(room);
	return 0;
}

/* ---- incidents ---- */

/* The worst ones keep their order; *@chosen says which are told of. */
static void choose(const struct telling *t, bool *chosen)
{
	for (unsigned int n = 0; n < STORY_INCIDENTS && n < t->intervals.num; n++) {
		size_t worst = SIZE_MAX;
		double most = -1;

		for (size_t i = 0; i < t->intervals.num; i++) {
			double weight = incidents__weight(&t->intervals.list[i], &t->slots);

			if (chosen[i] || weight <= most)
				continue;
			most = weight;
			worst = i;
		}
		chosen[worst] = true;
		if (!n)
			t->story->worst = (unsigned int)worst; /* among all, for now */
	}
}

static void mark(struct telling *t, const struct interval *interval, unsigned int number)
{
	for (size_t i = interval->first; i <= interval->last; i++)
		t->incident_of[i] = (uint8_t)number;
}

/* Moves those that are told of to the front. */
static int choose_incidents(struct telling *t)
{
	struct story *story = t->story;
	struct intervals *all = &t->intervals;
	bool *chosen = calloc(all->num ? all->num : 1, sizeof(*chosen));

	t->incident_of = malloc(t->slots.num ? t->slots.num : 1);
	if (!chosen || !t->incident_of) {
		free(chosen);
		return -ENOMEM;
	}
	memset(t->incident_of, SHARES_USUAL, t->slots.num);
	choose(t, chosen);
	for (size_t i = 0; i < all->num; i++) {
		bool is_worst = i == story->worst;

		mark(t, &all->list[i], chosen[i] ? story->num_incidents : SHARES_APART);
		if (!chosen[i])
			continue;
		all->list[story->num_incidents] = all->list[i];
		if (is_worst)
			story->worst = story->num_incidents;
		story->num_incidents++;
	}
	story->more_incidents = (unsigned int)(all->num - story->num_incidents);
	free(chosen);
	return 0;
}

static bool ports_are_full(const struct story_incident *incident)
{
	return incident->num_ports && incident->ports[0].permille >= PORTS_FULL_PERMILLE;
}

static enum story_severity judge(const struct story_incident *incident)
{
	if (incident->failed_ports >= FEW_FAILURES ||
	    (incident->failed_ports && ports_are_full(incident)))
		return STORY_CRITICAL;
	if (incident->signs & (STORY_NO_PORTS | STORY_PORTS | STORY_LIMIT | STORY_FAILURES))
		return STORY_WARNING;
	return STORY_NOTICE;
}

static void judge_all(struct story *story)
{
	for (unsigned int i = 0; i < story->num_incidents; i++) {
		struct story_incident *incident = &story->incidents[i];

		incident->severity = judge(incident);
		incident->advice = advice__of(story, incident);
		if (incident->advice->severity > incident->severity)
			incident->severity = incident->advice->severity;
		if (incident->severity > story->severity)
			story->severity = incident->severity;
	}
	for (unsigned int i = 0; i < story->num_incidents; i++)
		if (story->incidents[i].severity > story->incidents[story->worst].severity)
			story->worst = i;
	for (unsigned int i = 0; i < story->num_findings; i++)
		if (story->findings[i].severity > story->severity)
			story->severity = story->findings[i].severity;
}

/* ---- what is said of the recording itself ---- */

static int keep(char **to, const char *from)
{
	free(*to);
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

struct run {
	uint64_t id; /* the key */
	bool began;  /* in the span */
	bool has_first;
	struct held_account first, last;
};

static int on_run(void *ctx, const struct held_run *run)
{
	struct telling *t = ctx;
	struct story *story = t->story;
	uint64_t id = run->id;
	struct run *entry;
	int err;

	story->is_all = story->runs ? story->is_all && run->all : run->all;
	story->sees_calls = story->runs ? story->sees_calls && run->calls : run->calls;
	story->runs++;
	err = keep(&story->host, run->host);
	err = err ?: keep(&story->kernel, run->kernel);
	err = err ?: keep(&story->version, run->version);
	err = err ?: keep(&story->zone, run->zone);
	if (run->filter)
		err = err ?: keep(&story->filter, run->filter);
	if (err)
		return err;
	err = table__get(t->runs, &id, (void **)&entry);
	if (err < 0)
		return err == -ENOSPC ? 0 : err;
	entry->began = run->since_ns >= story->span.since_ns;
	return 0;
}

static int on_account(void *ctx, const struct held_account *account)
{
	struct telling *t = ctx;
	uint64_t id = account->run;
	struct run *run = table__find(t->runs, &id);

	if (!run)
		return 0;
	/* What was there already when the span began does not count. */
	if (!run->began && (!run->has_first || account->wall_ns <= t->story->span.since_ns))
		run->first = *account;
	run->has_first = true;
	run->last = *account;
	return 0;
}

static void sum_accounts(struct telling *t)
{
	for (const struct run *run = NULL; (run = table__next(t->runs, run));) {
		if (!run->has_first)
			continue;
		t->story->has_account = true;
		feed_account__add_rise(&t->story->account, &run->first.told, &run->last.told);
	}
}

/* How much of it is in the span; of a clock that was put back, nothing. */
static uint64_t in_span(const struct story *story, const struct held_gap *gap)
{
	uint64_t since_ns = limited(gap->since_ns, story->span.since_ns, UINT64_MAX);
	uint64_t until_ns = limited(gap->until_ns, 0, story->span.until_ns);

	return until_ns > since_ns ? until_ns - since_ns : 0;
}

static int on_gap(void *ctx, const struct held_gap *gap)
{
	struct story *story = ((struct telling *)ctx)->story;
	struct story_gap *to = &story->gaps[story->num_gaps];

	story->gap_ns += in_span(story, gap);
	story->gap_events += gap->events;
	if (story->num_gaps == STORY_GAPS) {
		story->more_gaps++;
		return 0;
	}
	*to = (struct story_gap){ gap->since_ns, gap->until_ns, gap->events, gap->reason, NULL };
	story->num_gaps++;
	return keep(&to->detail, gap->detail);
}

static int on_finding(void *ctx, const struct held_finding *finding)
{
	struct story *story = ((struct telling *)ctx)->story;
	struct story_finding *to = &story->findings[story->num_findings];
	int err;

	if (story->num_findings == STORY_FINDINGS) {
		story->more_findings++;
		return 0;
	}
	*to = (struct story_finding){ finding->wall_ns, finding->count,
				      finding->severity > STORY_CRITICAL ? STORY_CRITICAL :
									   finding->severity,
				      NULL, NULL };
	story->num_findings++;
	err = keep(&to->id, finding->id);
	return err ?: keep(&to->text, finding->text);
}

static int tell_recording(struct telling *t)
{
	const struct table_options runs = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct run), .max = RUNS,
	};
	const struct report_input *input = t->input;
	struct story *story = t->story;
	const struct history_span with_past = { story->past_ns, story->span.until_ns };
	uint64_t first_ns;
	int err = table__new(&t->runs, &runs);

	err = err ?: input->each_run(input->ctx, &story->span, on_run, t);
	err = err ?: input->each_account(input->ctx, &with_past, on_account, t);
	err = err ?: input->each_gap(input->ctx, &story->span, on_gap, t);
	err = err ?: input->each_finding(input->ctx, &story->span, on_finding, t);
	if (err)
		return err;
	sum_accounts(t);
	first_ns = limited(story->all.since_ns, story->span.since_ns, UINT64_MAX / 2);
	story->minutes_only = !input->raw.until_ns ||
			      input->raw.since_ns >= first_ns + SLOTS_MINUTE_NS;
	return 0;
}

/* ---- all of it ---- */

static int tell(struct telling *t)
{
	struct story *story = t->story;
	int err = slots__fill(&t->slots, t->input, &story->span, story->past_ns);

	if (err)
		return err;
	story->slot_ns = t->slots.slot_ns;
	story->num_changes = (unsigned int)t->slots.num_changes;
	memcpy(story->changes, t->slots.changes, sizeof(story->changes));
	err = set_usual(t);
	err = err ?: incidents__find(&t->intervals, &t->slots, story);
	err = err ?: choose_incidents(t);
	err = err ?: shares__fill(&t->shares, story, t->input, &t->slots, t->incident_of);
	if (err)
		return err;
	for (unsigned int i = 0; i < story->num_incidents; i++)
		details__incident(story, i, &t->intervals.list[i], &t->slots, &t->shares);
	details__span(story, &t->slots, &t->shares);
	err = details__ports(story, t->input, &t->slots, t->incident_of);
	err = err ?: details__points(story, t->input, &t->slots, &t->shares);
	err = err ?: tell_recording(t);
	if (!err)
		judge_all(story);
	return err;
}

int story__tell(struct story **storyp, const struct report_input *input,
		const struct history_span *asked)
{
	struct telling t = { .story = calloc(1, sizeof(struct story)), .input = input };
	int err;

	if (!t.story)
		return -ENOMEM;
	set_span(&t, asked);
	err = tell(&t);
	slots__free(&t.slots);
	incidents__free(&t.intervals);
	shares__free(&t.shares);
	table__free(t.runs);
	free(t.incident_of);
	if (err)
		story__free(t.story);
	else
		*storyp = t.story;
	return err;
}

void story__free(struct story *story)
{
	if (!story)
		return;
	for (uint32_t i = 0; story->who && i < story->num_who; i++) {
		free(story->who[i].label);
		free(story->who[i].command_line);
	}
	for (unsigned int i = 0; i < story->num_gaps; i++)
		free(story->gaps[i].detail);
	for (unsigned int i = 0; i < story->num_findings; i++) {
		free(story->findings[i].id);
		free(story->findings[i].text);
	}
	free(story->who);
	free(story->host);
	free(story->kernel);
	free(story->version);
	free(story->zone);
	free(story->filter);
	free(story);
}

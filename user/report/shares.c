// SPDX-License-Identifier: GPL-2.0
#include "report/shares.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define IDS 262144 /* are remembered; others are looked up again */

/* By what it is called: two hashes of that, with seeds that nobody else knows. */
struct identity {
	uint64_t name[2];
	uint32_t number, pad;
};

struct id {
	uint64_t id;
	uint32_t number, pad;
};


static int make_tables(struct shares *shares)
{
	const struct table_options ids = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct id), .max = IDS,
		.drop_living = true,
	};
	const struct table_options identities = {
		.key_bytes = sizeof(((struct identity *)0)->name),
		.entry_bytes = sizeof(struct identity), .max = SHARES_WHO,
	};
	const struct table_options places = {
		.key_bytes = sizeof(struct shares_key), .entry_bytes = sizeof(struct shares_place),
		.max = SHARES_PLACES,
	};
	int err = table__new(&shares->ids, &ids);

	err = err ?: table__new(&shares->identities, &identities);
	return err ?: table__new(&shares->places, &places);
}

/* ---- who ---- */

static int name_who(struct story_who *to, const struct held_who *who, const char *label,
		    size_t len)
{
	if (!who)
		return 0;
	memcpy(to->comm, who->comm, TWS_COMM_LEN);
	if (label)
		to->label = strndup(label, len);
	if (who->command_line)
		to->command_line = strdup(who->command_line);
	return (label && !to->label) || (who->command_line && !to->command_line) ? -ENOMEM : 0;
}

/* The number of @who; NULL: nobody knows who. */
static int identify(struct shares *shares, const struct held_who *who, uint32_t *number)
{
	char own[RECORD_LABEL_BYTES];
	size_t len = 0, comm_len = who ? strnlen(who->comm, TWS_COMM_LEN) : 0;
	const char *label = who ? record__label(&who->workload, own, &len) : NULL;
	struct identity *identity;
	uint64_t name[2];
	int ret;

	for (size_t i = 0; i < 2; i++)
		name[i] = hash__mix(hash__bytes(shares->seeds[i], who ? who->comm : "", comm_len),
				    hash__bytes(~shares->seeds[i], label ?: "", len));
	ret = table__get(shares->identities, name, (void **)&identity);
	*number = 0;
	if (ret == -ENOSPC)
		return 0;
	if (ret > 0) {
		if (shares->story->num_who == SHARES_WHO)
			return 0;
		identity->number = shares->story->num_who;
		ret = name_who(&shares->story->who[identity->number], who, label, len);
		shares->story->num_who++;
	}
	if (ret < 0)
		return ret;
	*number = identity->number;
	return 0;
}

static int number_of(struct shares *shares, const struct held_minute *minute, uint32_t *number)
{
	uint64_t key = minute->who;
	struct id *id;
	int ret;

	*number = 0;
	if (!minute->flow)
		return 0;
	ret = table__get(shares->ids, &key, (void **)&id);
	if (ret < 0)
		return ret;
	if (ret)
		ret = identify(shares, key ? shares->input->who(shares->input->ctx, minute->who) :
					    NULL, &id->number);
	*number = id->number;
	return ret;
}

uint32_t shares__who(const struct shares *shares, const struct held_minute *minute)
{
	uint64_t key = minute->who;
	const struct id *id = minute->flow ? table__find(shares->ids, &key) : NULL;

	return id ? id->number : 0;
}

/* ---- where ---- */

static void set_key(struct shares_key *key, uint32_t who, const struct held_flow *flow)
{
	bool here = flow->side == TWS_SIDE_SERVER || flow->action == TWS_BIND_FAILED ||
		    (flow->side == TWS_SIDE_UNKNOWN && flow->local_port);

	*key = (struct shares_key){
		.who = who, .error = flow->error, .family = flow->family, .side = flow->side,
		.cause = flow->cause, .action = flow->action,
		.port = here ? flow->local_port : flow->peer_port,
	};
	memcpy(key->addr, here ? flow->local_addr : flow->peer_addr, sizeof(key->addr));
}

struct story_place shares__place(const struct shares_key *key)
{
	struct story_place place = {
		.error = key->error, .port = key->port, .family = key->family,
		.side = key->side, .cause = key->cause, .action = key->action,
	};

	memcpy(place.addr, key->addr, sizeof(place.addr));
	return place;
}

/* ---- counting ---- */

struct counted {
	struct shares *shares;
	const struct held_minute *minute;
	uint8_t incident;
	bool in_span;
};

static void count_close(const struct counted *c, uint32_t number, const struct held_flow *flow)
{
	struct story_who *who = &c->shares->story->who[number];
	struct shares_who *in = &c->shares->who[number];
	struct shares_part *part;

	if (c->in_span) {
		who->closes += c->minute->count;
		if (flow && flow->side == TWS_SIDE_CLIENT)
			who->as_client += c->minute->count;
		if (flow && flow->side == TWS_SIDE_SERVER)
			who->as_server += c->minute->count;
	}
	if (c->incident == SHARES_USUAL)
		in->usual += c->minute->count;
	if (c->incident >= STORY_INCIDENTS)
		return;
	part = &in->in[c->incident];
	part->closes += c->minute->count;
	part->lifetimes += c->minute->lifetimes;
	for (unsigned int i = 0; i < HELD_BUCKETS; i++)
		part->buckets[i] += c->minute->buckets[i];
}

static int count_place(const struct counted *c, uint32_t number, const struct held_flow *flow)
{
	struct shares_place *place;
	struct shares_key key;
	int ret;

	if (!c->in_span && c->incident >= STORY_INCIDENTS)
		return 0;
	set_key(&key, number, flow);
	ret = table__get(c->shares->places, &key, (void **)&place);
	if (ret < 0)
		return ret == -ENOSPC ? 0 : ret;
	if (c->in_span)
		place->count += c->minute->count;
	if (c->incident < STORY_INCIDENTS)
		place->in[c->incident] += c->minute->count;
	return 0;
}

static int on_minute(void *ctx, const struct held_minute *minute)
{
	struct shares *shares = ctx;
	const struct slots *slots = shares->slots;
	const struct slot *slot = slots__at(slots, minute->wall_ns);
	struct counted c = { shares, minute, SHARES_USUAL, false };
	const struct held_flow *flow;
	uint32_t number;
	int err;

	if (!slot)
		return 0;
	c.incident = shares->incident_of[slot - slots->slot];
	c.in_span = slot - slots->slot >= (ptrdiff_t)slots->first;
	err = number_of(shares, minute, &number);
	flow = minute->flow ? shares->input->flow(shares->input->ctx, minute->flow) : NULL;
	if (err || (flow && flow->action != TWS_TIME_WAIT && flow->action != TWS_CONNECT_FAILED))
		return err;
	if (flow && flow->action == TWS_CONNECT_FAILED && c.in_span)
		shares->story->who[number].failed += minute->count;
	else if (flow ? flow->action == TWS_TIME_WAIT : !slots->is_all)
		count_close(&c, number, flow);
	return flow ? count_place(&c, number, flow) : 0;
}

static void add_recorded(struct shares *shares)
{
	for (size_t i = 0; i < shares->slots->num; i++) {
		uint64_t ns = shares->slots->slot[i].recorded_ns;

		if (shares->incident_of[i] == SHARES_USUAL)
			shares->usual_ns += ns;
		else if (shares->incident_of[i] < STORY_INCIDENTS)
			shares->in_ns[shares->incident_of[i]] += ns;
	}
}

int shares__fill(struct shares *shares, struct story *story, const struct report_input *input,
		const struct slots *slots, const uint8_t *incident_of)
{
	const struct history_span span = { slots->since_ns, slots__since_ns(slots, slots->num) };
	int err;

	*shares = (struct shares){
		.slots = slots, .input = input, .incident_of = incident_of, .story = story,
		.who = calloc(SHARES_WHO, sizeof(*shares->who)),
		.seeds = { hash__random_seed(), hash__random_seed() },
	};
	story->who = calloc(SHARES_WHO, sizeof(*story->who));
	story->num_who = 1;
	err = shares->who && story->who ? make_tables(shares) : -ENOMEM;
	err = err ?: input->each_minute(input->ctx, &span, on_minute, shares);
	if (err) {
		shares__free(shares);
		return err;
	}
	add_recorded(shares);
	return 0;
}

void shares__free(struct shares *shares)
{
	table__free(shares->ids);
	table__free(shares->identities);
	table__free(shares->places);
	free(shares->who);
	*shares = (struct shares){ 0 };
}

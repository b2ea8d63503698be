// SPDX-License-Identifier: GPL-2.0
#include "store/block_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "model/decode.h"

#define PLACE_OF(table) { .of = (table), .steps = true }
#define NAME { .of = BLOCK_NAMES, .optional = true, .steps = true }
#define BITS(n) { .bits = (n) }
#define STEPS(n) { .bits = (n), .steps = true }

const struct block_layout block_layouts[BLOCK_TABLES] = {
	[BLOCK_ADDRESSES] = { ADDRESS_COLUMNS, {
		[ADDRESS_HIGH] = BITS(64),
		[ADDRESS_LOW] = BITS(64),
	} },
	[BLOCK_PLACES] = { PLACE_COLUMNS, {
		[PLACE_NETNS] = BITS(32),
		[PLACE_NAME] = NAME,
		[PLACE_IFINDEX] = BITS(32),
		[PLACE_INTERFACE] = NAME,
	} },
	[BLOCK_TALKS] = { TALK_COLUMNS, {
		[TALK_FAMILY] = BITS(8),
		[TALK_CLIENT] = PLACE_OF(BLOCK_ADDRESSES),
		[TALK_SERVICE] = PLACE_OF(BLOCK_ADDRESSES),
		[TALK_PORT] = BITS(16),
	} },
	[BLOCK_FLOWS] = { FLOW_COLUMNS, {
		[FLOW_PLACE] = PLACE_OF(BLOCK_PLACES),
		[FLOW_TALK] = PLACE_OF(BLOCK_TALKS),
		[FLOW_IS_SERVICE] = BITS(1),
	} },
	[BLOCK_OPENERS] = { OPENER_COLUMNS, {
		[OPENER_TGID] = STEPS(32),
		[OPENER_COMM] = NAME,
	} },
	[BLOCK_ACTORS] = { ACTOR_COLUMNS, {
		[ACTOR_WHO] = STEPS(32),
		[ACTOR_COMMAND] = STEPS(32),
		[ACTOR_COMM] = NAME,
		[ACTOR_THREAD] = NAME,
		[ACTOR_TGID] = STEPS(32),
		[ACTOR_TID] = BITS(32),
		[ACTOR_UID] = BITS(32),
		[ACTOR_NS_TGID] = BITS(32),
		[ACTOR_PID_NS] = BITS(32),
		[ACTOR_CGROUP] = BITS(64),
		[ACTOR_START] = STEPS(64),
	} },
	[BLOCK_KINDS] = { KIND_COLUMNS, {
		[KIND_ACTION] = BITS(8),
		[KIND_END] = BITS(8),
		[KIND_SIDE] = BITS(8),
		[KIND_CAUSE] = BITS(8),
		[KIND_FLAGS] = BITS(16),
		[KIND_ERROR] = BITS(32),
		[KIND_HAS] = BITS(2),
		[KIND_FLOW] = PLACE_OF(BLOCK_FLOWS),
		[KIND_OPENER] = { .of = BLOCK_OPENERS, .optional = true, .steps = true },
	} },
	[BLOCK_BATCHES] = { BATCH_COLUMNS, {
		[BATCH_NUMBER] = STEPS(64 - BLOCK_BATCH_BITS),
	} },
};

uint32_t block_format__max(enum block_table table)
{
	switch (table) {
	case BLOCK_NAMES:
		return BLOCK_NAMES_MAX;
	case BLOCK_ADDRESSES:
		return BLOCK_ADDRESSES_MAX;
	default:
		return BLOCK_ROWS;
	}
}

uint32_t block_format__crc(const uint8_t *data, size_t size)
{
	uLong crc = crc32_z(0, data, BLOCK_AT_CRC);

	return (uint32_t)crc32_z(crc, data + BLOCK_HEADER, size - BLOCK_HEADER);
}

bool block_format__is_sound(const struct tws_event *ev)
{
	const struct tws_event *checked;

	return !decode__event(ev, sizeof(*ev), &checked) &&
	       (ev->action < TWS_LISTEN);
}

int block_guess__init(struct block_guess *guess, uint32_t kinds, uint32_t talks, uint32_t batches)
{
	memset(guess, 0, sizeof(*guess));
	guess->kinds = calloc(kinds ? kinds : 1, sizeof(*guess->kinds));
	guess->talks = calloc(talks ? talks : 1, sizeof(*guess->talks));
	guess->batches = calloc(batches ? batches : 1, sizeof(*guess->batches));
	guess->tuples = calloc(BLOCK_TUPLES, sizeof(*guess->tuples));
	if (guess->kinds && guess->talks && guess->batches && guess->tuples)
		return 0;
	block_guess__fini(guess);
	return -ENOMEM;
}

void block_guess__fini(struct block_guess *guess)
{
	free(guess->kinds);
	free(guess->talks);
	free(guess->batches);
	free(guess->tuples);
	memset(guess, 0, sizeof(*guess));
}

void block_guess__begin(struct block_guess *guess, uint32_t num_kinds)
{
	uint32_t at = 0, num;

	for (uint32_t i = 0; i < num_kinds; i++) {
		num = guess->kinds[i].at;
		guess->kinds[i].at = at;
		at += num;
	}
}

static struct block_tuple *tuple_of(const struct block_guess *guess,
				    const struct block_known *known, enum block_told *told)
{
	uint32_t at = (known->talk * 0x9e37U + known->port) % BLOCK_TUPLES;
	struct block_tuple *tuple = &guess->tuples[at];
	bool same = tuple->talk == known->talk && tuple->port == known->port;

	*told = same ? tuple->told : BLOCK_TOLD_NOTHING;
	return tuple;
}

/* Whether the row that left @tuple there, which has @told, was of the same connection. */
static bool is_of_same(const struct block_tuple *tuple, enum block_told told,
		       const struct block_known *known)
{
	uint64_t apart_ns = known->time_ns - tuple->time_ns + BLOCK_PAIR_NS;

	if (known->is_end)
		return told == BLOCK_TOLD_ONE_END || told == BLOCK_TOLD_BOTH_ENDS;
	return told == BLOCK_TOLD_ONE_END && apart_ns < 2 * BLOCK_PAIR_NS;
}

void block_guess__expect(const struct block_guess *guess, const struct block_known *known,
			 struct block_rest *expected)
{
	const struct block_kind_guess *kind = &guess->kinds[known->kind];
	enum block_told told;
	const struct block_tuple *tuple = tuple_of(guess, known, &told);

	*expected = (struct block_rest){
		.has_open = known->is_end,
		.open_ns = guess->end_open_ns,
		.tx_bytes = kind->tx,
		.rx_bytes = kind->rx,
	};
	if (!known->has_open)
		return;
	if (is_of_same(tuple, told, known)) {
		bool other = tuple->is_service != known->is_service;

		expected->tx_bytes = other ? tuple->rx_bytes : tuple->tx_bytes;
		expected->rx_bytes = other ? tuple->tx_bytes : tuple->rx_bytes;
	} else if (known->is_end || told != BLOCK_TOLD_NEXT) {
		return;
	}
	expected->has_open = true;
	expected->open_ns = tuple->open_ns;
}

void block_guess__learn(struct block_guess *guess, const struct block_known *known,
			const struct block_rest *rest)
{
	struct block_kind_guess *kind = &guess->kinds[known->kind];
	enum block_told told;
	struct block_tuple *tuple = tuple_of(guess, known, &told);

	kind->tx = rest->tx_bytes;
	kind->rx = rest->rx_bytes;
	if (!known->has_open)
		return;
	if (known->is_end)
		guess->end_open_ns = rest->open_ns;
	*tuple = (struct block_tuple){
		.open_ns = known->is_end ? known->time_ns : rest->open_ns,
		.time_ns = known->time_ns,
		.tx_bytes = rest->tx_bytes,
		.rx_bytes = rest->rx_bytes,
		.talk = known->talk,
		.port = known->port,
		.is_service = known->is_service,
		.told = known->is_end ? BLOCK_TOLD_NEXT :
			told == BLOCK_TOLD_ONE_END ? BLOCK_TOLD_BOTH_ENDS : BLOCK_TOLD_ONE_END,
	};
}

void block_guess__use(struct block_guess *guess, uint32_t rank, uint32_t batch)
{
	if (rank == guess->num_recent && guess->num_recent < BLOCK_RECENT)
		guess->num_recent++;
	else if (rank == guess->num_recent)
		rank--;
	memmove(&guess->recent[1], &guess->recent[0], rank * sizeof(guess->recent[0]));
	guess->recent[0] = batch;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who did what, where and how often: in each incident, and when all was as usual. Several ids of
 * the same identity are one.
 */
#ifndef TWSNOOP_REPORT_SHARES_H
#define TWSNOOP_REPORT_SHARES_H

#include "base/table.h"
#include "report/slots.h"
#include "report/story.h"

#define SHARES_WHO 4096	 /* the others are ~other */
#define SHARES_PLACES 65536 /* likewise */

#define SHARES_USUAL 0xff /* of a slot: in no incident */
#define SHARES_APART 0xfe /* in one that is not told of */

/* What one who did in one incident. */
struct shares_part {
	uint64_t closes, lifetimes;
	uint64_t taken; /* of these, as client to where ports were short: see details.c */
	uint64_t buckets[HELD_BUCKETS];
};

struct shares_who {
	uint64_t usual; /* closes in no incident */
	struct shares_part in[STORY_INCIDENTS];
};

struct shares_key {
	uint8_t addr[16];
	uint32_t who, error;
	uint16_t port;
	uint8_t family, side, cause, action, pad[2];
};

struct shares_place {
	struct shares_key key;
	uint64_t count; /* in the span */
	uint64_t in[STORY_INCIDENTS];
};

struct shares {
	const struct slots *slots;
	const struct report_input *input;
	const uint8_t *incident_of; /* of each slot: a number, SHARES_USUAL or SHARES_APART */
	struct story *story;	    /* its who are filled in */
	struct shares_who *who;	    /* SHARES_WHO of them */
	struct table *ids, *identities, *places;
	uint64_t seeds[2]; /* of hashes */
	uint64_t usual_ns, in_ns[STORY_INCIDENTS]; /* how much of each was recorded */
};

/* shares__fill() - @story must live as long. Returns 0 and @shares, to be freed by shares__free(),
 * -ENOMEM, or what @input returned. */
int shares__fill(struct shares *shares, struct story *story, const struct report_input *input,
		const struct slots *slots, const uint8_t *incident_of);
void shares__free(struct shares *shares);

/* shares__who() - the number among the story's who of @minute's. */
uint32_t shares__who(const struct shares *shares, const struct held_minute *minute);

/* shares__place() - the same without who. */
struct story_place shares__place(const struct shares_key *key);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many of the records that were made are lost, where nobody numbers them: who makes one
 * counts it before it is written, and who reads counts what was whole. Pure.
 *
 * Both go on at once, so that what was read is compared with what was counted before: a record
 * that was made since makes up for none that is missing, although the same poll has read it. Its
 * time tells it from the others. What was made just when the count was read may be in it or not:
 * such a poll says little, and another one is asked if there is one.
 */
#ifndef TWSNOOP_LOSS_H
#define TWSNOOP_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/* What is being written is missing too, but not in so many polls in a row. */
#define LOSS_SURE_POLLS 8

/* From the time that a record has to its being counted. */
#define LOSS_EDGE_NS 20000

/* Of one kind of records, those that were read. Zeroed at the start. */
struct taken {
	uint64_t counted; /* made before the last poll's count was read */
	uint64_t newer;	  /* made since */
	uint64_t unsure;  /* of the counted ones: perhaps since */
};

/* When a poll's count was read: after the first, before the second. CLOCK_MONOTONIC. */
struct counting {
	uint64_t begun_ns, done_ns;
};

/* taken__begin() - another poll, which counts anew what was made. taken__add() - one that was
 * made at @time_ns was read, in the poll that counted at @when. */
void taken__begin(struct taken *taken);
void taken__add(struct taken *taken, const struct counting *when, uint64_t time_ns);

/* Zeroed at the start. */
struct loss {
	uint64_t lost; /* as far as is known: what comes late after all is no longer among it */
	uint64_t missing; /* after the last poll: lost, or being written */
	uint64_t least;
	unsigned int polls;
	bool is_sure; /* least is of a poll that left nothing in doubt */
};

/*
 * loss__note() - after a poll: of @made records, counted before, those of @taken were read.
 * With @is_last nobody writes any more.
 */
void loss__note(struct loss *loss, uint64_t made, const struct taken *taken, bool is_last);

#endif

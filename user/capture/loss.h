/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many of the records that were made are lost, where nobody numbers them: who makes one
 * counts it before it is written, and who reads counts what was whole. Pure.
 */
#ifndef TWSNOOP_LOSS_H
#define TWSNOOP_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/* What is being written is missing too, but not in so many polls in a row. */
#define LOSS_SURE_POLLS 8

/* Zeroed at the start. */
struct loss {
	uint64_t lost; /* as far as is known: what comes late after all is no longer among it */
	uint64_t least;
	unsigned int polls;
};

/*
 * loss__note() - of @made records, counted before a poll, @taken had been read after it.
 * With @is_last nobody writes any more.
 */
void loss__note(struct loss *loss, uint64_t made, uint64_t taken, bool is_last);

#endif

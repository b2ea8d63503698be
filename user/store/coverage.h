/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Of which minutes of a span a recording has sums only: raw rows are let go before minutes are,
 * and of the oldest ones first, but near something critical they stay for longer; and blocks of
 * them may be damaged. So there may be holes. A minute is one or the other: it is told by its raw
 * rows if all of them are there, else by its sums, so that nothing is told twice.
 */
#ifndef TWSNOOP_COVERAGE_H
#define TWSNOOP_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/history.h"

#define COVERAGE_MINUTE_NS 60000000000ULL

/* Minutes without their raw rows, and where they stand among those that are there. */
struct coverage_hole {
	uint64_t before_row; /* the first row behind them; UINT64_MAX: there is none */
	struct history_span span; /* whole minutes; until_ns is not in it */
};

/* In the order of the recording; spans rise, and do not overlap. */
struct coverage {
	size_t num, room;
	struct coverage_hole *holes;
};

/*
 * coverage__find() - fills @coverage, zeroed before, to be emptied by coverage__free() in any
 * case. A minute that @span has a part of is in it. Reads the raw blocks beside each hole, and
 * with @looks_for_damage whether those of the span are whole: else only what was let go is a hole.
 * Returns 0 or a negative errno.
 */
int coverage__find(struct coverage *coverage, struct history *history,
		   const struct history_span *span, bool looks_for_damage);
void coverage__free(struct coverage *coverage);

/* coverage__lacks_rows() - the minute of @wall_ns is told by its sums. */
bool coverage__lacks_rows(const struct coverage *coverage, uint64_t wall_ns);

#endif

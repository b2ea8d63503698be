/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests of `twsnoop list`: each scenario once more, beside a ledger that `twsnoop attach` left in
 * the kernel, and beside a running trace; and tests of their own (solo_listing).
 */
#ifndef SCENARIOS_LISTING_H
#define SCENARIOS_LISTING_H

#include "rows.h"
#include "scenarios.h"

/*
 * Runs all that are chosen, in a process with a mount namespace and a bpffs of its own, so that
 * nothing of it is left behind whatever happens.
 */
void listing__run(const struct options *o, const struct table *table, struct tally *tally);
/* Prints their names. */
void listing__names(const struct options *o, const struct table *table);

extern const struct solo solo_listing[]; /* ends with a NULL name */

/* Where listing__run() has mounted the bpffs. */
const char *listing__bpffs(void);

/* Runs `twsnoop WORD --bpffs …` and more (NULL at the end, or NULL). 0 or -errno. */
int listing__command(struct output *o, const char *twsnoop, const char *word,
		     const char *const more[]);

#endif

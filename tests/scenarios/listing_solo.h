/* SPDX-License-Identifier: GPL-2.0 */
/* What the solo tests of the list share. All of it ends the stage if something is wrong. */
#ifndef SCENARIOS_LISTING_SOLO_H
#define SCENARIOS_LISTING_SOLO_H

#include "listing.h"

/* `twsnoop WORD --bpffs …`, which has to succeed. */
void solo__command(struct stage *st, const char *twsnoop, const char *word,
		   const char *const more[]);

/* The sum of the attached programs' skips so far: what may be missing for want of a call. */
unsigned long solo__recursion(struct stage *st, const char *twsnoop);

/* listing_churn.c */
void listing__churn(struct stage *st, const char *twsnoop);

/* listing_ports.c */
void listing__all_states(struct stage *st, const char *twsnoop);
void listing__ports_live(struct stage *st, const char *twsnoop);
void listing__ports_bound(struct stage *st, const char *twsnoop);
void listing__ports_holder(struct stage *st, const char *twsnoop);
void listing__ports_own(struct stage *st, const char *twsnoop);
void listing__ports_reusable(struct stage *st, const char *twsnoop);
void listing__ports_unprivileged(struct stage *st, const char *twsnoop);

#endif

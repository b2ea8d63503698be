/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listing's rows as records with all that is known of them, as trace has them: beside
 * what the row says the process's command line and who listens.
 */
#ifndef TWSNOOP_LIST_RECORDS_H
#define TWSNOOP_LIST_RECORDS_H

#include "capture/ledger.h"
#include "inventory/group.h"
#include "model/record.h"
#include "owners/listeners.h"

struct list_records;

/* Where is asked what rows do not say. They must outlive the records. */
struct list_records_sources {
	struct ledger *ledger;	     /* command lines of processes that are gone */
	struct listeners *listeners; /* who listens on servers' ports; NULL: nobody says */
	const char *proc_root;	     /* "/proc" */
};

/* list_records__new() - returns 0 and *@recordsp, to be freed, or -ENOMEM. @ctx and what it
 * points to must outlive it. */
int list_records__new(struct list_records **recordsp, const struct group_context *ctx,
		      const struct list_records_sources *sources);
void list_records__free(struct list_records *records); /* NULL is allowed */

/* list_records__get() - the record of a row, which lives until the next call. */
const struct record *list_records__get(struct list_records *records,
				       const struct listing_row *row);

#endif

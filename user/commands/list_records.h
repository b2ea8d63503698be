/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listing's rows as records, through a sink: JSON and CSV, where each is told as
 * trace tells an event.
 */
#ifndef TWSNOOP_LIST_RECORDS_H
#define TWSNOOP_LIST_RECORDS_H

#include <stdint.h>

#include "inventory/group.h"
#include "capture/ledger.h"
#include "owners/listeners.h"
#include "output/sink.h"

/* Where is asked what rows do not say. */
struct list_records_sources {
	struct ledger *ledger;	     /* command lines of processes that are gone */
	struct listeners *listeners; /* who listens on servers' ports; NULL: nobody says */
	const char *proc_root;	     /* "/proc" */
};

/* list_records__write() - the rows of @order, one for each of the listing, to @fd.
 * Returns 0, -ENOMEM, or as sink__flush(). */
int list_records__write(const struct group_context *ctx,
			const struct list_records_sources *sources, enum sink_format format,
			const uint32_t *order, int fd);

#endif

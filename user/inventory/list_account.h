/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many owners a listing knows, and when the others closed: before anybody recorded
 * it, or after.
 */
#ifndef TWSNOOP_LIST_ACCOUNT_H
#define TWSNOOP_LIST_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "capture/ledger.h"
#include "inventory/listing.h"

/* Moments are of CLOCK_MONOTONIC. */
struct list_account {
	size_t listed, seen, inferred, unknown; /* mini-sockets, and by evidence */
	size_t open;	     /* rows that are none */
	size_t missed;	     /* not seen, though all was recorded when they closed */
	size_t written_over; /* of those: that the ledger was too small for */
	size_t before;	     /* not seen, and nothing was recorded when they closed */
	size_t ledgers;
	uint64_t since_ns;   /* all is recorded since; 0: never was */
	uint64_t whole_ns;   /* and still there since */
	uint64_t taken_ns, wall_ns; /* when it was listed, and the same since the epoch */
};

/* list_account__count() - of rows that are joined and inferred. */
void list_account__count(struct list_account *account, const struct listing *listing,
			 const struct ledger *ledger);

/* list_account__count_rows() - of a listing without a ledger: adds up how many there are, and how
 * their owners are known. The rest of @account is left as it is. */
void list_account__count_rows(struct list_account *account, const struct listing *listing);

#endif

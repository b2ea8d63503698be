// SPDX-License-Identifier: GPL-2.0
#include "inventory/list_account.h"

#define NS_PER_S 1000000000ULL
/* A socket that entered its state this long after the ledger was complete was surely
 * closed after that: a timer is no clock. */
#define TIMER_SLACK_NS (NS_PER_S / 2)

void list_account__count_rows(struct list_account *account, const struct listing *listing)
{
	for (size_t i = 0; i < listing->num; i++) {
		const struct listing_row *row = &listing->rows[i];

		if (!row->mini) { /* nobody has closed these to the end */
			account->open++;
			continue;
		}
		account->listed++;
		account->seen += row->evidence == OWNER_SEEN;
		account->inferred += row->evidence == OWNER_INFERRED;
		account->unknown += row->evidence == OWNER_UNKNOWN;
	}
}

void list_account__count(struct list_account *account, const struct listing *listing,
			 const struct ledger *ledger)
{
	uint64_t since_ns = ledger__recorded_since(ledger);
	uint64_t whole_ns = ledger__complete_since(ledger);

	*account = (struct list_account){
		.ledgers = ledger__count(ledger),
		.since_ns = since_ns,
		.whole_ns = whole_ns,
		.taken_ns = listing->taken_ns,
		.wall_ns = listing->wall_ns,
	};
	list_account__count_rows(account, listing);
	for (size_t i = 0; i < listing->num; i++) {
		const struct listing_row *row = &listing->rows[i];
		bool after = since_ns && row->since_ns > (int64_t)(since_ns + TIMER_SLACK_NS);

		if (!row->mini)
			continue;
		account->missed += !row->seen && after;
		account->before += !row->seen && !after;
		account->written_over += !row->seen && after && whole_ns > since_ns &&
					 row->since_ns <= (int64_t)whole_ns;
	}
}

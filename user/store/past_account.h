/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a recording says of its own completeness in a span: what its runs lost there, and its gaps.
 */
#ifndef TWSNOOP_PAST_ACCOUNT_H
#define TWSNOOP_PAST_ACCOUNT_H

#include "model/feed.h"
#include "store/history.h"

/*
 * past_account__count() - fills lost, map_full, recursion, no_end and gaps of @account, and zeroes the
 * rest. Runs tell sums since their begin, now and then: what counts is the difference over the span,
 * to the last time that they told it. Gaps add the events that are known to be missing. That the
 * clock was put, or the machine suspended, is no gap here: nothing is missing. Returns 0 or a
 * negative errno.
 */
int past_account__count(struct feed_account *account, struct history *history,
			const struct history_span *span);

/* past_account__is_loss() - whether something of the span of a gap may be missing. */
bool past_account__is_loss(const struct held_gap *gap);

#endif

// SPDX-License-Identifier: GPL-2.0
/* The sentences of words.h on what is not known: what a recording lacks, and gaps of it. */
#include "report/words_put.h"
#include "store/gap_words.h"

#define FILTER_COLUMNS 300
#define DETAIL_COLUMNS 120

static bool say_outside(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;

	if (story->all.since_ns > story->span.since_ns) {
		outbuf__text(to, "The recording begins at ");
		words__time(to, words, story->all.since_ns);
		outbuf__text(to, ".");
	}
	if (story->all.until_ns && story->all.until_ns + SLOTS_MINUTE_NS <=
	    story->span.until_ns) {
		begin_sentence(to);
		outbuf__text(to, "The recording ends at ");
		words__time(to, words, story->all.until_ns);
		outbuf__text(to, ".");
	}
	return to->len;
}

static bool say_scope(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;

	if (!story->runs)
		return false;
	if (!story->is_all)
		outbuf__text(to, "Only TIME_WAITs were recorded: connects that failed are not known.");
	else if (!story->sees_calls)
		outbuf__text(to, "Connects that fail at once, for want of a port, were not seen, and are "
			"not in the numbers.");
	return to->len;
}

static bool say_filter(struct outbuf *to, const struct words *words)
{
	if (!words->story->filter)
		return false;
	outbuf__text(to, "A filter was set, and what it kept out is not in the numbers: ");
	words__name(to, words->story->filter, FILTER_COLUMNS);
	outbuf__text(to, ".");
	return true;
}

static bool say_lost(struct outbuf *to, const struct words *words)
{
	const struct feed_account *account = &words->story->account;

	if (account->lost) {
		put_number(to, account->lost, "event was", "events were");
		outbuf__text(to, " lost on the way. ");
	}
	if (account->map_full) {
		put_number(to, account->map_full, "connection", "connections");
		outbuf__text(to, " found no room in the kernel's tables. ");
	}
	if (account->recursion) {
		outbuf__text(to, "At most ");
		put_number(to, account->recursion, "event was", "events were");
		outbuf__text(to, " skipped by the kernel. ");
	}
	while (to->len && to->data[to->len - 1] == ' ')
		to->len--;
	return to->len;
}

static bool say_unattributed(struct outbuf *to, const struct words *words)
{
	uint64_t num = words->story->account.unattributed;

	if (!num)
		return false;
	outbuf__text(to, "Of ");
	put_number(to, num, "TIME_WAIT nobody knows", "TIME_WAITs nobody knows");
	outbuf__text(to, " who closed.");
	return true;
}

static bool say_other(struct outbuf *to, const struct words *words)
{
	if (!words->story->other)
		return false;
	put_number(to, words->story->other, "event is", "events are");
	outbuf__text(to, " counted as ~other: their minutes had no room for one more process or remote "
		"end.");
	return true;
}

static bool say_minutes(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;

	if (story->slot_ns > SLOTS_MINUTE_NS) {
		outbuf__text(to, "The span is long: times are known to ");
		words__duration(to, story->slot_ns);
		outbuf__text(to, ".");
		return true;
	}
	if (story__is_empty(story))
		return false;
	outbuf__text(to, story->minutes_only ?
		"Single events of this time are gone, or not all there: times are known to the "
		"minute." : "Times of closes are given to the minute; 'twsnoop trace --from' has "
		"each event.");
	return true;
}

static bool say_little(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;

	if (story__is_empty(story) || story->closes >= STORY_LITTLE)
		return false;
	outbuf__text(to, "Too little was seen to be sure of anything: ");
	put_number(to, story->closes, "close", "closes");
	outbuf__text(to, ".");
	return true;
}

static bool say_more(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;

	if (story->more_incidents) {
		put_number(to, story->more_incidents, "lesser one is", "lesser ones are");
		outbuf__text(to, " not told of.");
	}
	if (story->more_gaps) {
		begin_sentence(to);
		put_number(to, story->more_gaps, "gap", "gaps");
		outbuf__text(to, " more.");
	}
	return to->len;
}

static void put_gap(struct outbuf *to, const struct words *words, const struct story_gap *gap)
{
	outbuf__text(to, "Gap: ");
	if (gap->until_ns < gap->since_ns) {
		outbuf__text(to, "the clock was put back from ");
		words__times(to, words, gap->since_ns, gap->until_ns);
	} else {
		words__times(to, words, gap->since_ns, gap->until_ns);
		outbuf__text(to, " (");
		words__duration(to, gap->until_ns - gap->since_ns);
		outbuf__text(to, "): ");
		outbuf__text(to, gap_words__reason(gap->reason));
		if (gap->reason == HELD_GAP_CLOCK)
			outbuf__text(to, " forward");
	}
	if (gap->detail) {
		outbuf__text(to, ", ");
		words__name(to, gap->detail, DETAIL_COLUMNS);
	}
	if (gap->events) {
		outbuf__text(to, ", ");
		put_number(to, gap->events, "event is", "events are");
		outbuf__text(to, " missing");
	}
	outbuf__text(to, ".");
}

bool words__unknown(struct outbuf *to, const struct words *words, unsigned int index)
{
	static bool (*const says[])(struct outbuf *, const struct words *) = {
		say_outside, say_scope, say_filter, say_lost, say_unattributed, say_other,
		say_little, say_more, say_minutes,
	};
	const struct story *story = words->story;

	if (index < story->num_gaps) {
		put_gap(to, words, &story->gaps[index]);
		return true;
	}
	index -= story->num_gaps;
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		size_t len = to->len;

		if (!says[i](to, words))
			continue;
		if (!index--)
			return true;
		to->len = len;
	}
	return false;
}

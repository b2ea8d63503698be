// SPDX-License-Identifier: GPL-2.0
/* What is not known, in sentences: of stories that are made by hand. */
#include "tests/unit/unit.h"

#include <string.h>

#include "report/words.h"

#define MINUTE_NS 60000000000ULL
#define AT(minute) (1795329600000000000ULL + (minute) * MINUTE_NS) /* 2026-11-22 06:40 UTC */

static struct story story;
static struct words words;

/* An hour in which there is nothing to say but this last sentence. */
#define LAST "Times of closes are given to the minute; 'twsnoop trace --from' has each event."

static int setup(void **state)
{
	(void)state;
	story = (struct story){
		.span = { AT(0), AT(60) }, .all = { AT(0), AT(60) }, .slot_ns = MINUTE_NS,
		.recorded_ns = 60 * MINUTE_NS, .closes = STORY_LITTLE, .runs = 1, .is_all = true,
		.sees_calls = true,
	};
	words__init(&words, &story, &when_utc);
	return 0;
}

static void check(unsigned int index, const char *text)
{
	struct outbuf ob;

	assert_int_equal(outbuf__init(&ob, 64), 0);
	assert_true(words__unknown(&ob, &words, index));
	assert_string_equal(outbuf__terminate(&ob), text);
	outbuf__free(&ob);
}

/* These two, and no more. */
static void check_two(const char *first)
{
	struct outbuf ob;

	check(0, first);
	check(1, LAST);
	assert_int_equal(outbuf__init(&ob, 64), 0);
	assert_false(words__unknown(&ob, &words, 2));
	assert_int_equal(ob.len, 0);
	outbuf__free(&ob);
}

static void test_outside(void **state)
{
	(void)state;
	check(0, LAST);
	story.all.since_ns = AT(1);
	check_two("The recording begins at 06:41.");
	story.all.until_ns = AT(59);
	check_two("The recording begins at 06:41. The recording ends at 07:39.");
	story.all.since_ns = AT(0);
	story.all.until_ns = AT(59) + 1; /* the last minute is there in part */
	check(0, LAST);
}

static void test_scope(void **state)
{
	(void)state;
	story.sees_calls = false;
	check_two("Connects that fail at once, for want of a port, were not seen, and are not in "
		  "the numbers.");
	story.is_all = false;
	check_two("Only TIME_WAITs were recorded: connects that failed are not known.");
	story.runs = 0; /* nothing tells what was recorded */
	check(0, LAST);
}

static void test_lost(void **state)
{
	(void)state;
	story.account.lost = 1;
	check_two("1 event was lost on the way.");
	story.account.map_full = 1;
	story.account.recursion = 1234;
	check_two("1 event was lost on the way. 1 connection found no room in the kernel's tables. "
		  "At most 1,234 events were skipped by the kernel.");
	memset(&story.account, 0, sizeof(story.account));
	story.account.unattributed = 2;
	check_two("Of 2 TIME_WAITs nobody knows who closed.");
}

static void test_little(void **state)
{
	(void)state;
	story.closes--;
	check_two("Too little was seen to be sure of anything: 99 closes.");
	story.closes = STORY_LITTLE;
	story.more_incidents = 1;
	story.more_gaps = 2;
	check_two("1 lesser one is not told of. 2 gaps more.");
}

/* Gaps come first, each a sentence; names in them are marked. */
static void test_gaps(void **state)
{
	(void)state;
	story.gaps[0] = (struct story_gap){ AT(1), AT(3), 1, HELD_GAP_DISK, (char *)"full\n" };
	story.gaps[1] = (struct story_gap){ AT(9), AT(8), 0, HELD_GAP_CLOCK, NULL };
	story.gaps[2] = (struct story_gap){ AT(8), AT(9), 0, HELD_GAP_CLOCK, NULL };
	story.num_gaps = 3;
	check(0, "Gap: 06:41 to 06:43 (2 min): the disk could not be written, \x01" "full\\n\x02, "
		 "1 event is missing.");
	check(1, "Gap: the clock was put back from 06:49 to 06:48.");
	check(2, "Gap: 06:48 to 06:49 (1 min): the clock was put forward.");
	check(3, LAST);
}

static void test_minutes(void **state)
{
	(void)state;
	story.minutes_only = true;
	check(0, "Single events of this time are gone, or not all there: times are known to the "
		 "minute.");
	story.slot_ns = 10 * MINUTE_NS;
	check(0, "The span is long: times are known to 10 min.");
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_outside), TEST(test_scope), TEST(test_lost),
		TEST(test_little), TEST(test_gaps), TEST(test_minutes),
	};

	return cmocka_run_group_tests_name("words_unknown", tests, NULL, NULL);
}

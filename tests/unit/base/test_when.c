// SPDX-License-Identifier: GPL-2.0
/* Moments: each form, what is refused, and the days on which clocks are put forward and back. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/when.h"

#define S 1000000000ULL
#define NOW 1764385920ULL /* 2025-11-29 03:12:00 UTC */
#define DAY 86400ULL

static uint64_t since(const char *arg, uint64_t now_s, const struct when_zone *zone)
{
	const char *why;
	uint64_t ns = 7;
	int err = when__parse(arg, WHEN_SINCE, now_s * S, 0, zone, &ns, &why);

	if (err)
		fail_msg("%s %s", arg, why);
	return ns;
}

static uint64_t until(const char *arg, uint64_t since_s, const struct when_zone *zone)
{
	const char *why;
	uint64_t ns = 7;

	assert_int_equal(when__parse(arg, WHEN_UNTIL, NOW * S, since_s * S, zone, &ns, &why), 0);
	return ns;
}

static void refuses(const char *arg, int error, const struct when_zone *zone)
{
	const char *why = NULL;
	uint64_t ns = 7;

	if (when__parse(arg, WHEN_SINCE, NOW * S, 0, zone, &ns, &why) != error)
		fail_msg("'%s'", arg);
	assert_int_equal(ns, 7);
	assert_non_null(strstr(why, "is "));
}

static void test_forms(void **state)
{
	(void)state;
	assert_int_equal(since("2m", NOW, &when_utc), (NOW - 120) * S);
	assert_int_equal(since("90", NOW, &when_utc), (NOW - 90) * S);
	assert_int_equal(since("1.5s", NOW, &when_utc), NOW * S - 1500000000);
	assert_int_equal(since("2m", 60, &when_utc), 0); /* the epoch is the beginning */
	assert_int_equal(since("@12", NOW, &when_utc), 12 * S);
	assert_int_equal(since("@12.25", NOW, &when_utc), 12250000000);
	assert_int_equal(since("03:12", NOW, &when_utc), NOW * S);
	assert_int_equal(since("03:11:59", NOW, &when_utc), (NOW - 1) * S);
	assert_int_equal(since("03:13", NOW, &when_utc), (NOW + 60 - DAY) * S);
	assert_int_equal(since("today 03:13", NOW, &when_utc), (NOW + 60) * S);
	assert_int_equal(since("yesterday 03:12", NOW, &when_utc), (NOW - DAY) * S);
	assert_int_equal(since("yesterday 23:59:59.5", NOW, &when_utc),
			 (NOW - 3 * 3600 - 12 * 60) * S - S / 2);
	assert_int_equal(since("2025-11-29 03:12", NOW, &when_utc), NOW * S);
	assert_int_equal(since("2025-11-29", NOW, &when_utc), (NOW - 3 * 3600 - 12 * 60) * S);
	assert_int_equal(since("2025-11-29T03:12:00Z", NOW, &when_local), NOW * S);
	assert_int_equal(since("2025-11-29T03:12:00.123456789Z", NOW, &when_utc),
			 NOW * S + 123456789);
	assert_int_equal(since("2025-11-29T04:12:00+01:00", NOW, &when_utc), NOW * S);
	assert_int_equal(since("2025-11-28T22:42:00-04:30", NOW, &when_utc), NOW * S);
}

static void test_until(void **state)
{
	(void)state;
	/* The first after the beginning. */
	assert_int_equal(until("03:12", NOW, &when_utc), (NOW + DAY) * S);
	assert_int_equal(until("03:13", NOW, &when_utc), (NOW + 60) * S);
	assert_int_equal(until("00:10", NOW - 4 * 3600, &when_utc), (NOW - 3 * 3600 - 120) * S);
	assert_int_equal(until("1m", NOW - 3600, &when_utc), (NOW - 60) * S);
}

/* Within one second it is the fraction that counts. */
static void test_fractions(void **state)
{
	const char *why;
	uint64_t ns;

	(void)state;
	assert_int_equal(when__parse("03:12:00.5", WHEN_SINCE, NOW * S + S / 4, 0, &when_utc, &ns,
				     &why), 0);
	assert_int_equal(ns, (NOW - DAY) * S + S / 2);
	assert_int_equal(when__parse("03:12:00.5", WHEN_UNTIL, NOW * S, NOW * S + S / 4, &when_utc,
				     &ns, &why), 0);
	assert_int_equal(ns, NOW * S + S / 2);
	assert_int_equal(when__parse("03:12:00.25", WHEN_UNTIL, NOW * S, NOW * S + S / 4,
				     &when_utc, &ns, &why), 0);
	assert_int_equal(ns, (NOW + DAY) * S + S / 4);
}

static void test_refused(void **state)
{
	static const char *const words[] = {
		"", "@", "@x", "@1.", "@-1", "@1.1234567891", "now", "3:12", "03:1", "03:12:", "03:12:4",
		"24:00", "03:60", "03:12:60", "03:12Z", "03:12 ", " 03:12", "yesterday", "yesterday ",
		"yesterday 2m", "tomorrow 03:12", "2025-11-29x", "2025-11-29 ", "2025-13-01 03:12",
		"2025-00-01", "2025-01-00", "1969-12-31", "2025-11-29 03:12+1", "2025-11-29 03:12+01:60",
		"2025-11-29T03:12:00ZZ", "2025-11-29T03:12:00+24:00", "2m ", "-2m",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		refuses(words[i], -EINVAL, &when_utc);
	refuses("2025-02-29", -ERANGE, &when_utc);
	refuses("2025-11-31 03:12", -ERANGE, &when_utc);
	refuses("1970-01-01T00:00:00+01:00", -ERANGE, &when_utc);
}

static void use_zone(const char *tz)
{
	assert_int_equal(setenv("TZ", tz, 1), 0);
}

/* Central Europe: on 2025-03-30 at 01:00 UTC clocks go from 02:00 to 03:00, and on 2025-10-26 at
 * 01:00 UTC from 03:00 back to 02:00. */
#define FORWARD 1743296400ULL
#define BACK 1761440400ULL

static void test_summer_time(void **state)
{
	char text[WHEN_BYTES];

	(void)state;
	use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_int_equal(since("2025-07-01 12:00", NOW, &when_local), 1751364000 * S);
	assert_int_equal(since("2025-03-30 01:59:59", NOW, &when_local), (FORWARD - 1) * S);
	assert_int_equal(since("2025-03-30 03:00", NOW, &when_local), FORWARD * S);
	refuses("2025-03-30 02:30", -ERANGE, &when_local);
	/* The last one, and the next, are of a day that has it. */
	assert_int_equal(since("02:30", FORWARD + 10 * 3600, &when_local),
			 (FORWARD - DAY + 1800) * S);
	assert_int_equal(until("02:30", FORWARD - 3600, &when_local), (FORWARD + DAY - 1800) * S);
	/* Twice: the span is the longer one. */
	assert_int_equal(since("2025-10-26 02:30", NOW, &when_local), (BACK - 1800) * S);
	assert_int_equal(until("2025-10-26 02:30", 0, &when_local), (BACK + 1800) * S);
	/* A day of 23 hours, and one of 25. */
	assert_int_equal(since("yesterday 12:00", FORWARD + 10 * 3600, &when_local),
			 (FORWARD - 14 * 3600) * S);
	assert_int_equal(since("yesterday 12:00", BACK + 11 * 3600 + 23 * 3600, &when_local),
			 (BACK + 10 * 3600) * S);
	assert_int_equal(since("12:00", BACK + 12 * 3600, &when_local), (BACK + 10 * 3600) * S);
	assert_string_equal(when__format(text, FORWARD * S, &when_local),
			    "2025-03-30 03:00:00 CEST");
	assert_string_equal(when__format(text, (FORWARD - 1) * S, &when_local),
			    "2025-03-30 01:59:59 CET");
	assert_string_equal(when__format(text, NOW * S, &when_utc), "2025-11-29 03:12:00 UTC");
}

/* South of the equator, half an hour off, and where a change goes across midnight. */
static void test_other_zones(void **state)
{
	(void)state;
	use_zone("IST-5:30");
	assert_int_equal(since("2025-11-29 08:42", NOW, &when_local), NOW * S);
	assert_int_equal(since("08:42", NOW, &when_local), NOW * S);
	use_zone("AEST-10AEDT,M10.1.0,M4.1.0/3");
	assert_int_equal(since("2025-11-29 14:12", NOW, &when_local), NOW * S);
	use_zone("XXX3YYY,M3.5.0/0,M10.5.0/0");
	refuses("2025-03-30 00:30", -ERANGE, &when_local);
	assert_int_equal(since("2025-03-30 01:00", NOW, &when_local), (FORWARD + 2 * 3600) * S);
	use_zone("UTC0");
}

static void test_width(void **state)
{
	const uint64_t second = 1000000000ULL, minute = 60 * second;

	(void)state;
	assert_int_equal(when__width_ns("03:12"), minute);
	assert_int_equal(when__width_ns("yesterday 03:12"), minute);
	assert_int_equal(when__width_ns("2026-11-29 03:12"), minute);
	assert_int_equal(when__width_ns("2026-11-29T03:12+01:00"), minute);
	assert_int_equal(when__width_ns("03:12:40"), second);
	assert_int_equal(when__width_ns("2026-11-29T03:12:00Z"), second);
	assert_int_equal(when__width_ns("03:12:40.5"), second);
	assert_int_equal(when__width_ns("2m"), second);
	assert_int_equal(when__width_ns("@1764385920"), second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms), cmocka_unit_test(test_until),
		cmocka_unit_test(test_fractions),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_summer_time),
		cmocka_unit_test(test_other_zones),
		cmocka_unit_test(test_width),
	};

	return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}

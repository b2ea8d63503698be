// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/headers.h"
#include "export/retry.h"

#define NOW_S 784111777ULL /* Sun, 06 Nov 1994 08:49:37 GMT */
#define UNTOUCHED 77ULL

static void check(const char *value, uint64_t now_s, int rc, uint64_t want_ms)
{
	uint64_t ms = UNTOUCHED;

	assert_int_equal(retry__after_ms(value, strlen(value), now_s, &ms), rc);
	assert_int_equal(ms, rc ? UNTOUCHED : want_ms);
}

static void test_seconds(void **state)
{
	(void)state;
	check("0", NOW_S, 0, 0);
	check("120", NOW_S, 0, 120000);
	check(" 7 \r\n", NOW_S, 0, 7000);
	check("3601", NOW_S, 0, RETRY_AFTER_MOST_MS);
	check("99999999999999999999999999", NOW_S, 0, RETRY_AFTER_MOST_MS);
	check("", NOW_S, -EINVAL, 0);
	check("  ", NOW_S, -EINVAL, 0);
	check("-1", NOW_S, -EINVAL, 0);
	check("1.5", NOW_S, -EINVAL, 0);
	check("soon", NOW_S, -EINVAL, 0);
}

/* The three forms that RFC 9110, 5.6.7, shows. */
static void test_dates(void **state)
{
	(void)state;
	check("Sun, 06 Nov 1994 08:49:37 GMT", NOW_S - 30, 0, 30000);
	check("Sunday, 06-Nov-94 08:49:37 GMT", NOW_S - 30, 0, 30000);
	check("Sun Nov  6 08:49:37 1994", NOW_S - 30, 0, 30000);
	check("Mon Nov 16 08:49:37 1994", NOW_S + 10 * 86400 - 1, 0, 1000);
	check("Sun, 06 Nov 1994 08:49:37 GMT", NOW_S, 0, 0);
	check("Sun, 06 Nov 1994 08:49:37 GMT", NOW_S + 5, 0, 0);
	check("Sun, 06 Nov 2094 08:49:37 GMT", NOW_S, 0, RETRY_AFTER_MOST_MS);
	check("Sunday, 06-Nov-94 08:49:37 GMT", 1795329600, 0, 0); /* 2026: 94 is 1994 */
	check("Monday, 06-Nov-28 08:49:37 GMT", 1795329600, 0, RETRY_AFTER_MOST_MS);
}

static void test_no_dates(void **state)
{
	static const char *const wrong[] = {
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun", "Sun,", "Sunday, 06-Nov-94",
		"Sun Nov  6 08:49:37 1994 GMT", "Sunday Nov  6 08:49:37 1994",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		check(wrong[i], NOW_S, -EINVAL, 0);
}

static void test_pause(void **state)
{
	(void)state;
	assert_int_equal(retry__pause_ms(1, 0), RETRY_FIRST_MS / 2);
	assert_int_equal(retry__pause_ms(1, RETRY_FIRST_MS / 2), RETRY_FIRST_MS);
	assert_int_equal(retry__pause_ms(2, RETRY_FIRST_MS), 2 * RETRY_FIRST_MS);
	for (unsigned int failures = 1; failures < 2000; failures += 7)
		for (uint64_t random = 1; random; random <<= 3) {
			uint64_t ms = retry__pause_ms(failures, random);

			assert_in_range(ms, RETRY_FIRST_MS / 2, RETRY_MOST_MS);
			if (failures > 10)
				assert_true(ms >= RETRY_MOST_MS / 2);
		}
}

static void test_headers(void **state)
{
	static const char *const wrong[] = { "a", "=b", "a b=c", "a=b%0d%0ac", "a=%", "a=%4", "a=%zz",
					     "a=\x01", "a:b=c", "ok=1,a\n=b" };
	struct headers headers = { 0 };
	char many[(HEADERS_MAX + 1) * 4 + 1] = "";

	(void)state;
	assert_int_equal(headers__parse(&headers, " api-key = abc%20def%2C ,, x=a=b"), 0);
	assert_int_equal(headers.num, 2);
	assert_string_equal(headers__lines(&headers)[0], "api-key: abc def,");
	assert_string_equal(headers__lines(&headers)[1], "x: a=b");
	assert_null(headers__lines(&headers)[2]);
	headers__free(&headers);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(headers__parse(&headers, wrong[i]), -EINVAL);
		assert_int_equal(headers.num, 0);
	}
	for (int i = 0; i <= HEADERS_MAX; i++)
		strcat(many, "a=b,");
	assert_int_equal(headers__parse(&headers, many), -EINVAL);
	many[HEADERS_MAX * 4] = '\0';
	assert_int_equal(headers__parse(&headers, many), 0);
	assert_null(headers__lines(&headers)[HEADERS_MAX]);
	headers__free(&headers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seconds), cmocka_unit_test(test_dates),
		cmocka_unit_test(test_no_dates), cmocka_unit_test(test_pause),
		cmocka_unit_test(test_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

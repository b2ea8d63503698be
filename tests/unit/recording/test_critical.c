// SPDX-License-Identifier: GPL-2.0
/* Critical moments: when they are told, how often, and in which words. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "recording/critical.h"
#include "tests/unit/support.h"

#define S 1000000000ULL

static struct held_row failed_connect(uint64_t wall_s, uint32_t who)
{
	struct held_row row = { .wall_ns = wall_s * S, .who = who };

	support__event(&row.event);
	row.event.action = TWS_CONNECT_FAILED;
	row.event.error = EADDRNOTAVAIL;
	return row;
}

static void test_told_once_a_minute(void **state)
{
	struct critical critical = { 0 };
	char text[CRITICAL_TEXT_BYTES];
	struct held_finding finding;
	struct held_row row;
	unsigned int told = 0;

	(void)state;
	for (uint64_t s = 1000; s < 1120; s++) {
		row = failed_connect(s, s % 3 == 2 ? 8 : 7);
		assert_true(critical__note(&critical, &row));
		while (critical__take(&critical, s * S, &finding, text)) {
			assert_string_equal(finding.id, "ports-exhausted");
			assert_int_equal(finding.severity, 3);
			assert_int_equal(finding.wall_ns, (told ? 1001 : 1000) * S);
			assert_int_equal(finding.count, told ? 60 : 1);
			assert_int_equal(finding.who, 7);
			told++;
		}
	}
	assert_int_equal(told, 2);
	assert_non_null(strstr(text, "nginx to 10.0.0.9:8080"));
	/* Put back, the clock keeps nothing from being told. */
	row = failed_connect(5, 9);
	critical__note(&critical, &row);
	assert_true(critical__take(&critical, 5 * S, &finding, text));
	assert_false(critical__take(&critical, 5 * S, &finding, text));
}

static void test_others_are_none(void **state)
{
	struct critical critical = { 0 };
	char text[CRITICAL_TEXT_BYTES];
	struct held_finding finding;
	struct held_row row = failed_connect(1000, 1);

	(void)state;
	row.event.error = ECONNREFUSED;
	assert_false(critical__note(&critical, &row));
	row.event.error = EADDRNOTAVAIL;
	row.event.action = TWS_BIND_FAILED;
	assert_false(critical__note(&critical, &row));
	row.event.action = TWS_TIME_WAIT;
	assert_false(critical__note(&critical, &row));
	assert_false(critical__note_limit(&critical, S, 1, 899, 1000));
	assert_false(critical__note_limit(&critical, S, 1, 100, 0));
	assert_false(critical__take(&critical, 1000 * S, &finding, text));
}

static void test_limit(void **state)
{
	struct critical critical = { 0 };
	char text[CRITICAL_TEXT_BYTES];
	struct held_finding finding;
	struct held_row row = failed_connect(1000, 5);

	(void)state;
	assert_true(critical__note_limit(&critical, 999 * S, 4026531840U, 900, 1000));
	assert_true(critical__take(&critical, 1000 * S, &finding, text));
	assert_string_equal(finding.id, "limit-near");
	assert_int_equal(finding.severity, 2);
	assert_int_equal(finding.wall_ns, 999 * S);
	assert_int_equal(finding.who, 0);
	assert_non_null(strstr(text, "900 of 1000"));
	row.event.action = TWS_OVERFLOW;
	row.wall_ns = 1010 * S;
	assert_true(critical__note(&critical, &row));
	assert_false(critical__take(&critical, 1011 * S, &finding, text));
	assert_true(critical__take(&critical, 1060 * S, &finding, text));
	assert_int_equal(finding.severity, 3);
	assert_int_equal(finding.who, 5);
	assert_int_equal(finding.count, 1);
	/* A limit near the largest number is one, too. */
	assert_false(critical__note_limit(&critical, S, 1, 1ULL << 62, UINT64_MAX));
	assert_true(critical__note_limit(&critical, S, 1, UINT64_MAX, UINT64_MAX));
}

static void test_hostile_name(void **state)
{
	struct critical critical = { 0 };
	char text[CRITICAL_TEXT_BYTES];
	struct held_finding finding;
	struct held_row row = failed_connect(1000, 1);

	(void)state;
	memset(row.event.conn.comm, 0x1b, TWS_COMM_LEN);
	support__make_ipv6(&row.event);
	memset(row.event.peer_addr, 0xff, 16);
	critical__note(&critical, &row);
	assert_true(critical__take(&critical, 1000 * S, &finding, text));
	assert_true(support__is_safe_text(text, strlen(text)));
	assert_true(strlen(text) < CRITICAL_TEXT_BYTES - 1);
	critical__note(&critical, &row);
	critical__forget_who(&critical);
	assert_true(critical__take(&critical, 1100 * S, &finding, text));
	assert_int_equal(finding.who, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_once_a_minute),
		cmocka_unit_test(test_others_are_none),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_hostile_name),
	};

	return cmocka_run_group_tests_name("recording_critical", tests, NULL, NULL);
}

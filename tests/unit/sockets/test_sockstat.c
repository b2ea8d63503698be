// SPDX-License-Identifier: GPL-2.0
/* The kernel's count of mini-sockets. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "sockets/sockstat.h"

static int parse(const char *text, uint64_t *num)
{
	return sockstat__parse(text, strlen(text), num);
}

static void test_text(void **state)
{
	uint64_t num = 7;

	(void)state;
	assert_int_equal(parse("sockets: used 171\nTCP: inuse 5 orphan 0 tw 23 alloc 9 mem 1\n"
			       "UDP: inuse 4 mem 0\n", &num), 0);
	assert_int_equal(num, 23);
	assert_int_equal(parse("TCP: inuse 0 orphan 0 tw 0", &num), 0);
	assert_int_equal(num, 0);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
		"", "\n", "TCP", "TCP: ", "TCP: inuse 5\nUDP: inuse 4 tw 3\n", "TCP: inuse 1 tw ",
		"TCP: inuse 1 tw x\n", "TCP: inuse 1 tw -1\n", "TCP6: inuse 1 tw 3\n",
		"TCP: inuse 1 tw 99999999999999999999999\n",
	};
	uint64_t num = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i], &num), -EBADMSG);
	assert_int_equal(num, 7);
}

static void test_here(void **state)
{
	uint64_t num = UINT64_MAX;

	(void)state;
	assert_int_equal(sockstat__count_minis(-1, "/proc", &num), 0);
	assert_true(num < UINT32_MAX);
	assert_true(sockstat__count_minis(-1, "/nowhere", &num) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_here),
	};

	return cmocka_run_group_tests_name("sockstat", tests, NULL, NULL);
}

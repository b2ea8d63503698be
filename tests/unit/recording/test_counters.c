// SPDX-License-Identifier: GPL-2.0
/* /proc/net/netstat and snmp: what is known of it is found, the rest is passed over. */
#include "tests/unit/unit.h"

#include <string.h>

#include "recording/counters.h"

static const struct counters *parse(const char *text)
{
	static struct counters counters;

	memset(&counters, 0, sizeof(counters));
	counters__parse(&counters, text, strlen(text));
	return &counters;
}

static uint64_t value_of(const struct counters *counters, const char *name)
{
	for (size_t i = 0; i < counters__num; i++)
		if (!strcmp(counters__names[i], name))
			return counters->known[i] ? counters->values[i] : UINT64_MAX;
	fail_msg("%s is no counter", name);
	return 0;
}

static void test_both_files(void **state)
{
	const struct counters *c = parse(
		"TcpExt: SyncookiesSent TW TWRecycled NewOne PAWSActive\n"
		"TcpExt: 5 11 12 13 14\n"
		"IpExt: InNoRoutes TW\nIpExt: 3 4\n"
		"Tcp: RtoAlgorithm MaxConn ActiveOpens CurrEstab\n"
		"Tcp: 1 -1 18446744073709551615 4\n");

	(void)state;
	assert_int_equal(value_of(c, "TcpExt.SyncookiesSent"), 5);
	assert_int_equal(value_of(c, "TcpExt.TW"), 11);
	assert_int_equal(value_of(c, "TcpExt.PAWSActive"), 14);
	assert_int_equal(value_of(c, "Tcp.ActiveOpens"), UINT64_MAX);
	assert_int_equal(value_of(c, "Tcp.CurrEstab"), 4);
	assert_int_equal(value_of(c, "Tcp.PassiveOpens"), UINT64_MAX);
}

static void test_not_understood(void **state)
{
	static const char *const texts[] = {
		"", "\n", "TcpExt", "TcpExt:", "TcpExt: TW", "TcpExt: TW\n", "TcpExt: TW\nTcp: 7\n",
		"TcpExt: TW\nTcpExt:\n", "TcpExt: TW\nTcpExt: x\n", "TcpExt: TW\nTcpExt: -7\n",
		"TW\n7\n", ": TW\n: 7\n", "TcpExt: TW\nTcpExt: 99999999999999999999\n",
		"TcpExt: TWx\nTcpExt: 7\n", "TcpEx: tTW\nTcpEx: 7\n", "TcpExt:TW\nTcp",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct counters *c = parse(texts[i]);

		for (size_t j = 0; j < counters__num; j++)
			assert_false(c->known[j]);
	}
	/* More names than values, and the other way round. */
	assert_int_equal(value_of(parse("TcpExt: TW TWKilled\nTcpExt: 7\n"), "TcpExt.TW"), 7);
	assert_int_equal(value_of(parse("TcpExt: TW\nTcpExt: 7 8\n"), "TcpExt.TW"), 7);
	assert_int_equal(value_of(parse("TcpExt: TW\nTcpExt: 7"), "TcpExt.TW"), 7);
}

static void test_this_kernel(void **state)
{
	struct counters c = { 0 };

	(void)state;
	assert_int_equal(counters__read(&c, -1, "/proc"), 0);
	assert_true(value_of(&c, "Tcp.ActiveOpens") != UINT64_MAX);
	assert_true(value_of(&c, "TcpExt.TW") != UINT64_MAX);
	assert_true(counters__read(&c, -1, "/nowhere") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_files),
		cmocka_unit_test(test_not_understood),
		cmocka_unit_test(test_this_kernel),
	};

	return cmocka_run_group_tests_name("recording_counters", tests, NULL, NULL);
}

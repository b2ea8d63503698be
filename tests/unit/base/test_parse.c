// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>

#include "base/parse.h"

#define UNTOUCHED 0xdeadbeefULL

struct number {
	const char *given;
	int rc;
	uint64_t want;
};

static void ports(void **unused)
{
	static const struct number cases[] = {
		{ "1", 0, 1 },
		{ "80", 0, 80 },
		{ "0080", 0, 80 },
		{ "65535", 0, 65535 },
		{ "65536", -ERANGE, 0 },
		{ "70000", -ERANGE, 0 },
		{ "0", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "184467440737095516160000000000000", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "x", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "99999999999999999999x", -EINVAL, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(parse__u64(cases[i].given, 1, 65535, &value), cases[i].rc);
		assert_int_equal(value, cases[i].rc ? UNTOUCHED : cases[i].want);
	}
}

static void ends_of_u64(void **unused)
{
	uint64_t value = 0;

	(void)unused;
	assert_int_equal(parse__u64("18446744073709551615", 0, UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(parse__u64("18446744073709551616", 0, UINT64_MAX, &value), -ERANGE);
	assert_int_equal(parse__u64("0", 0, UINT64_MAX, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(parse__u64_n("123456", 3, 0, 1000, &value), 0);
	assert_int_equal(value, 123);
	assert_int_equal(parse__u64_n("123", 0, 0, 1000, &value), -EINVAL);
}

static void durations(void **unused)
{
	static const uint64_t s = 1000000000ULL;
	const struct number cases[] = {
		{ "10", 0, 10 * s },
		{ "0", 0, 0 },
		{ "1.5s", 0, 1500000000 },
		{ "1.5", 0, 1500000000 },
		{ "500ms", 0, 500000000 },
		{ "0.5ms", 0, 500000 },
		{ "0.000000001", 0, 1 },
		{ "0.000000001ms", 0, 0 },
		{ "1.123456789ms", 0, 1123456 },
		{ "5m", 0, 300 * s },
		{ "1.5m", 0, 90 * s },
		{ "0.000000001m", 0, 60 },
		{ "1h", 0, 3600 * s },
		{ "2d", 0, 172800 * s },
		{ "9223372036", 0, 9223372036 * s },
		{ "9223372036.854775807", 0, INT64_MAX },
		{ "9223372036.854775808", -ERANGE, 0 },
		{ "9223372037", -ERANGE, 0 },
		{ "18446744074s", -ERANGE, 0 },
		{ "99999999999999999999999h", -ERANGE, 0 },
		{ "18446744073709551615d", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ ".5", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ "1.0000000001", -EINVAL, 0 },
		{ "1.99999999999999999999999999", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1msx", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(parse__duration(cases[i].given, &value), cases[i].rc);
		assert_int_equal(value, cases[i].rc ? UNTOUCHED : cases[i].want);
	}
}

static void sizes(void **unused)
{
	static const struct number cases[] = {
		{ "0", 0, 0 },
		{ "65536", 0, 65536 },
		{ "64K", 0, 65536 },
		{ "64k", 0, 65536 },
		{ "16M", 0, 16 << 20 },
		{ "1G", 0, 1 << 30 },
		{ "2T", 0, 2ULL << 40 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "16777215T", 0, 16777215ULL << 40 },
		{ "16777216T", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551615K", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },
		{ "1 K", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1X", -EINVAL, 0 },
		{ "-1K", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(parse__size(cases[i].given, &value), cases[i].rc);
		assert_int_equal(value, cases[i].rc ? UNTOUCHED : cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports),
		cmocka_unit_test(ends_of_u64),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}

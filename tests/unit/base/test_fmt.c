// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fmt.h"
#include "base/outbuf.h"

/* A formatter's bytes as a string, in an array of exactly its stated maximum. */
#define CHECK_TEXT(max, call, expected)                              \
	do {                                                         \
		char *to = malloc(max);                              \
		char text[64];                                       \
		size_t len = call;                                   \
		assert_in_range(len, 1, max);                        \
		memcpy(text, to, len);                               \
		text[len] = '\0';                                    \
		free(to);                                            \
		assert_string_equal(text, expected);                 \
	} while (0)

static void u64_is_printf(void **unused)
{
	uint64_t power = 1;
	char want[32];

	(void)unused;
	CHECK_TEXT(FMT_U64_MAX, fmt__u64(to, 0), "0");
	for (int i = 0; i < 20; i++, power *= 10) {
		for (uint64_t v = power - 1; v != power + 2; v++) {
			snprintf(want, sizeof(want), "%" PRIu64, v);
			CHECK_TEXT(FMT_U64_MAX, fmt__u64(to, v), want);
			assert_int_equal(fmt__u64_len(v), strlen(want));
		}
	}
	for (int bit = 0; bit < 64; bit++) {
		snprintf(want, sizeof(want), "%" PRIu64, (uint64_t)1 << bit);
		CHECK_TEXT(FMT_U64_MAX, fmt__u64(to, (uint64_t)1 << bit), want);
	}
	CHECK_TEXT(FMT_U64_MAX, fmt__u64(to, UINT64_MAX), "18446744073709551615");
}

static void hex(void **unused)
{
	static const uint8_t bytes[] = { 0x00, 0x09, 0xa0, 0xff };

	(void)unused;
	CHECK_TEXT(8, fmt__hex(to, bytes, sizeof(bytes)), "0009a0ff");
	CHECK_TEXT(2, fmt__hex(to, bytes + 1, 1), "09");
}

/* Numbers of every length, and all that share their eight digits with a pattern. */
static void u64_of_all_lengths(void **unused)
{
	uint64_t state = 0x9e3779b97f4a7c15ULL;
	char want[32];

	(void)unused;
	for (uint64_t v = 0; v < 20000; v++) {
		snprintf(want, sizeof(want), "%" PRIu64, v);
		CHECK_TEXT(FMT_U64_MAX, fmt__u64(to, v), want);
	}
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t v;

		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		v = state >> i % 64;
		snprintf(want, sizeof(want), "%" PRIu64, v);
		CHECK_TEXT(FMT_U64_MAX, fmt__u64(to, v), want);
		snprintf(want, sizeof(want), "%020" PRIu64, v);
		for (size_t width = 1; width <= FMT_U64_MAX; width++)
			CHECK_TEXT(width, fmt__padded(to, v, width), want + 20 - width);
	}
}

static void padded(void **unused)
{
	(void)unused;
	CHECK_TEXT(9, fmt__padded(to, 1, 9), "000000001");
	CHECK_TEXT(3, fmt__padded(to, 987, 3), "987");
	CHECK_TEXT(3, fmt__padded(to, 1987, 3), "987");
	CHECK_TEXT(1, fmt__padded(to, 5, 1), "5");
}

static void ipv4(void **unused)
{
	static const char *const texts[] = {
		"0.0.0.0",	  "127.0.0.1", "10.0.0.5",	"255.255.255.255",
		"100.109.99.200", "1.10.19.9", "192.168.101.0",
	};
	uint8_t addr[4];

	(void)unused;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(inet_pton(AF_INET, texts[i], addr), 1);
		CHECK_TEXT(FMT_IPV4_MAX, fmt__ipv4(to, addr), texts[i]);
	}
}

static void ipv4_each_octet(void **unused)
{
	char want[INET_ADDRSTRLEN];

	(void)unused;
	for (unsigned int octet = 0; octet < 256; octet++) {
		uint8_t addr[4] = { (uint8_t)octet, (uint8_t)(octet * 7), (uint8_t)(octet * 31),
				    (uint8_t)~octet };

		inet_ntop(AF_INET, addr, want, sizeof(want));
		CHECK_TEXT(FMT_IPV4_MAX, fmt__ipv4(to, addr), want);
		assert_int_equal(fmt__ipv4_len(addr), strlen(want));
	}
}

static void ipv6_each_group(void **unused)
{
	char want[INET6_ADDRSTRLEN];

	(void)unused;
	for (unsigned int group = 1; group < 65536; group++) {
		uint8_t addr[16] = { 0x20, 1, (uint8_t)(group >> 8), (uint8_t)group, 1, 1, 1, 1,
				     1, 1, 1, 1, 1, 1, (uint8_t)(group >> 8), (uint8_t)group };

		inet_ntop(AF_INET6, addr, want, sizeof(want));
		CHECK_TEXT(FMT_IPV6_MAX, fmt__ipv6(to, addr), want);
	}
}

/* RFC 5952, sections 4 and 5. */
static void ipv6(void **unused)
{
	static const struct {
		const char *given, *want;
	} cases[] = {
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		{ "2001:0db8::0001", "2001:db8::1" },
		{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:DB8::ABCD", "2001:db8::abcd" },
		{ "0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1" },
		{ "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0" },
		{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
		{ "0:0:3:4:5:6:7:8", "::3:4:5:6:7:8" },
		{ "::ffff:10.0.0.5", "::ffff:10.0.0.5" },
		{ "::ffff:255.255.255.255", "::ffff:255.255.255.255" },
		{ "::1.2.3.4", "::102:304" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	uint8_t addr[16];

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(inet_pton(AF_INET6, cases[i].given, addr), 1);
		CHECK_TEXT(FMT_IPV6_MAX, fmt__ipv6(to, addr), cases[i].want);
	}
}

/* Every pattern of zero groups, against the C library's own writer. */
static void ipv6_zero_runs(void **unused)
{
	char want[INET6_ADDRSTRLEN];
	uint8_t addr[16], back[16];

	(void)unused;
	for (unsigned int pattern = 0; pattern < 256; pattern++) {
		for (int i = 0; i < 8; i++) {
			addr[2 * i] = pattern >> i & 1 && i % 3 ? (uint8_t)(0xa0 + i) : 0;
			addr[2 * i + 1] = pattern >> i & 1 ? (uint8_t)(i + 1) : 0;
		}
		inet_ntop(AF_INET6, addr, want, sizeof(want));
		if (strchr(want, '.')) {
			/* glibc still writes the deprecated ::a.b.c.d */
			char text[FMT_IPV6_MAX + 1] = { 0 };

			fmt__ipv6(text, addr);
			assert_int_equal(inet_pton(AF_INET6, text, back), 1);
			assert_memory_equal(addr, back, sizeof(addr));
			continue;
		}
		CHECK_TEXT(FMT_IPV6_MAX, fmt__ipv6(to, addr), want);
	}
}

static void second_is_gmtime(void **unused)
{
	static const uint64_t given[] = {
		0,	    1,		86399,	    86400,	951782400,  951868799, 951868800,
		1709164800, 1709251199, 1795329600, 4102444799, 4107542400, 18446744073ULL,
	};
	char want[32];

	(void)unused;
	CHECK_TEXT(FMT_SECOND_LEN, fmt__second(to, 1795329600), "2026-11-22T06:40:00");
	for (size_t i = 0; i < COUNT(given); i++) {
		time_t t = (time_t)given[i];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		CHECK_TEXT(FMT_SECOND_LEN, fmt__second(to, given[i]), want);
	}
	for (uint64_t day = 0; day < 213503; day += 1) {
		time_t t = (time_t)(day * 86400 + day % 86400);
		char text[FMT_SECOND_LEN + 1] = { 0 };
		struct tm tm;

		gmtime_r(&t, &tm);
		fmt__second(text, (uint64_t)t);
		if (day % 97)
			continue;
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		assert_string_equal(text, want);
	}
}

static void lifetime(void **unused)
{
	static const uint64_t s = 1000000000ULL;
	const struct {
		uint64_t ns;
		const char *want;
	} cases[] = {
		{ 0, "0ns" },
		{ 999, "999ns" },
		{ 1000, "1.00us" },
		{ 12345, "12.3us" },
		{ 999999, "999us" },
		{ 3120000, "3.12ms" },
		{ 31200000, "31.2ms" },
		{ 999999999, "999ms" },
		{ s, "1.00s" },
		{ 59 * s + 999999999, "59.9s" },
		{ 60 * s, "1m00s" },
		{ 312 * s, "5m12s" },
		{ 3599 * s, "59m59s" },
		{ 3600 * s, "1h00m" },
		{ 86399 * s, "23h59m" },
		{ 86400 * s, "1d00h" },
		{ 99 * 86400 * s + 86399 * s, "99d23h" },
		{ 100 * 86400 * s, "100d" },
		{ UINT64_MAX, "213503d" },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_TEXT(FMT_SHORT_MAX, fmt__lifetime(to, cases[i].ns), cases[i].want);
}

static void size(void **unused)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} cases[] = {
		{ 0, "0" },
		{ 99999, "99999" },
		{ 100000, "97.6K" },
		{ 1000 * 1024 - 1, "999K" },
		{ 1000 * 1024, "0.97M" },
		{ 1 << 20, "1.00M" },
		{ 1536ULL << 20, "1.50G" },
		{ 5ULL << 40, "5.00T" },
		{ 7ULL << 50, "7.00P" },
		{ 1ULL << 60, "1.00E" },
		{ UINT64_MAX, "15.9E" },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_TEXT(FMT_SHORT_MAX, fmt__size(to, cases[i].bytes), cases[i].want);
}

static void outbuf_grows(void **unused)
{
	struct outbuf ob;

	(void)unused;
	assert_int_equal(outbuf__init(&ob, 1), 0);
	for (int i = 0; i < 1000; i++)
		outbuf__u64(&ob, 1234567890123ULL);
	outbuf__lit(&ob, "end");
	outbuf__fill(&ob, '.', 5000);
	assert_int_equal(outbuf__grow(&ob, 1), 0);
	assert_false(ob.failed);
	assert_int_equal(ob.len, 13 * 1000 + 3 + 5000);
	assert_memory_equal(outbuf__terminate(&ob) + 13 * 999, "1234567890123end...", 19);
	assert_null(outbuf__room(&ob, SIZE_MAX));
	assert_null(outbuf__room(&ob, SIZE_MAX / 2));
	assert_true(ob.failed);
	outbuf__free(&ob);
	outbuf__free(&ob);
}

static void outbuf_fixed_stops(void **unused)
{
	struct outbuf ob;
	char array[8];

	(void)unused;
	outbuf__init_fixed(&ob, array, sizeof(array));
	outbuf__lit(&ob, "12345");
	outbuf__u64(&ob, 6789);
	assert_true(ob.failed);
	assert_string_equal(outbuf__terminate(&ob), "12345");
	outbuf__u64(&ob, 678);
	assert_int_equal(ob.len, 8);
	assert_string_equal(outbuf__terminate(&ob), "1234567");
	outbuf__init_fixed(&ob, array, 0);
	outbuf__char(&ob, 'x');
	assert_string_equal(outbuf__terminate(&ob), "");
	outbuf__free(&ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(u64_is_printf),    cmocka_unit_test(padded),
		cmocka_unit_test(ipv4),		    cmocka_unit_test(ipv6),
		cmocka_unit_test(ipv6_zero_runs),   cmocka_unit_test(second_is_gmtime),
		cmocka_unit_test(lifetime),	    cmocka_unit_test(size),
		cmocka_unit_test(outbuf_grows),	    cmocka_unit_test(outbuf_fixed_stops),
		cmocka_unit_test(u64_of_all_lengths), cmocka_unit_test(ipv4_each_octet),
		cmocka_unit_test(ipv6_each_group),  cmocka_unit_test(hex),
	};

	return cmocka_run_group_tests_name("fmt", tests, NULL, NULL);
}

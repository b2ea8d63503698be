// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "serving/http_listen.h"

static void test_what_is_understood(void **unused)
{
	static const struct {
		const char *arg, *text;
		bool is_local;
	} cases[] = {
		{ "127.0.0.1:9810", "127.0.0.1:9810", true },
		{ "127.3.2.1:1", "127.3.2.1:1", true },
		{ "9810", "127.0.0.1:9810", true },
		{ "[::1]:9810", "[::1]:9810", true },
		{ "[::ffff:127.0.0.1]:9810", "[::ffff:127.0.0.1]:9810", true },
		{ ":9810", "[::]:9810", false },
		{ "0.0.0.0:65535", "0.0.0.0:65535", false },
		{ "10.0.0.5:80", "10.0.0.5:80", false },
		{ "[fd00::5]:80", "[fd00::5]:80", false },
		{ "[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]:80", false },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char why[128] = "", text[HTTP_LISTEN_BYTES];
		struct http_listen listen;

		assert_int_equal(http_listen__parse(&listen, cases[i].arg, why, sizeof(why)), 0);
		assert_string_equal(http_listen__text(&listen, text), cases[i].text);
		assert_int_equal(http_listen__is_local(&listen), cases[i].is_local);
	}
}

static void test_what_is_not(void **unused)
{
	static const char *const cases[] = {
		"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 80",
		"localhost:80", "::1:80", "[::1]", "[::1:80", "::1]:80", "[127.0.0.1]:80", "1.2.3:80",
		"[]:80", "[fe80::1%lo]:80",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
	};
	struct http_listen listen, before;

	(void)unused;
	memset(&listen, 7, sizeof(listen));
	before = listen;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char why[128] = "";

		if (http_listen__parse(&listen, cases[i], why, sizeof(why)) != -EINVAL)
			fail_msg("'%s' was understood", cases[i]);
		assert_string_not_equal(why, "");
		assert_memory_equal(&listen, &before, sizeof(listen));
	}
}

static void test_a_port_that_is_free(void **unused)
{
	char why[128], text[HTTP_LISTEN_BYTES];
	struct http_listen listen, again;
	int fd, other;

	(void)unused;
	assert_int_equal(http_listen__parse(&listen, "127.0.0.1:0", why, sizeof(why)), 0);
	fd = http_listen__open(&listen);
	assert_true(fd >= 0);
	assert_string_not_equal(http_listen__text(&listen, text), "127.0.0.1:0");
	again = listen;
	other = http_listen__open(&again);
	assert_int_equal(other, -EADDRINUSE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_understood),
		cmocka_unit_test(test_what_is_not),
		cmocka_unit_test(test_a_port_that_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

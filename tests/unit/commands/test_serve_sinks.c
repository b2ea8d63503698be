// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/libcurl.h"
#include "commands/serve_sinks.h"

static char dir[64], said[2048];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/twsnoop-sinks-XXXXXX");
	said[0] = '\0';
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void say(void *ctx, const char *line)
{
	size_t len = strlen(said);

	(void)ctx;
	snprintf(said + len, sizeof(said) - len, "%s\n", line);
}

/* The first may be gone, what it says included, when the second ends. */
static void test_both_end(void **state)
{
	const struct export_options opts = {
		.otlp = "http://127.0.0.1:1/", .clickhouse = "http://127.0.0.1:1/", .spool = dir,
	};
	struct serve_sinks sinks = { .say = say };

	(void)state;
	if (libcurl__load())
		skip();
	assert_int_equal(serve_sinks__open(&sinks, &opts), 0);
	assert_int_equal(sinks.num, 2);
	assert_int_equal(serve_sinks__start(&sinks), 0);
	serve_sinks__end(&sinks, 0);
	serve_sinks__close(&sinks);
	assert_ptr_equal(strstr(said, "otlp: sent=0 "), said);
	assert_non_null(strstr(said, "\nclickhouse: sent=0 "));
	serve_sinks__close(&sinks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

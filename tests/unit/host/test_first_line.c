// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "host/first_line.h"
#include "tests/unit/support.h"

static const char *read_from(const char *content, size_t len)
{
	static char line[8];
	char path[64];
	int fd = support__memfd();

	assert_int_equal(write(fd, content, len), len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	first_line__read(path, line, sizeof(line));
	close(fd);
	return line;
}

#define LINE(content) read_from(content, sizeof(content) - 1)

static void test_lines(void **state)
{
	(void)state;
	assert_string_equal(LINE("one\ntwo\n"), "one");
	assert_string_equal(LINE("one"), "one");
	assert_string_equal(LINE("\ntwo\n"), "");
	assert_string_equal(LINE(""), "");
	assert_string_equal(LINE("123456789\n"), "1234567");
	assert_string_equal(LINE("12\0" "4\n"), "12");
}

static void test_no_file(void **state)
{
	char line[8] = "before";

	(void)state;
	first_line__read("/no/such/file", line, sizeof(line));
	assert_string_equal(line, "");
	first_line__read("/proc/self", line, sizeof(line)); /* can be opened, but not read */
	assert_string_equal(line, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

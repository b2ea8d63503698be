// SPDX-License-Identifier: GPL-2.0
/* By how much a time namespace shifts the clocks, out of a /proc that is made up; and what
 * that means for a process's start. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/procinfo.h"
#include "host/time_namespace.h"

static char proc[PATH_MAX / 2];

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/self/%s", proc, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char other[PATH_MAX];

	(void)state;
	snprintf(proc, sizeof(proc), "%s/twsnoop-time-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(proc) || mkdir(path_of(""), 0755) || mkdir(path_of("ns"), 0755))
		return -1;
	put("ns/time", "");
	snprintf(other, sizeof(other), "%s/self/ns/time_for_children", proc);
	return link(path_of("ns/time"), other);
}

static int teardown(void **state)
{
	(void)state;
	unlink(path_of("timens_offsets"));
	unlink(path_of("ns/time_for_children"));
	unlink(path_of("ns/time"));
	rmdir(path_of("ns"));
	rmdir(path_of(""));
	return rmdir(proc);
}

static void check(const char *text, int64_t monotonic_ns, int64_t boottime_ns)
{
	struct time_shift shift = { 1, 1 };

	put("timens_offsets", text);
	assert_int_equal(time_namespace__shift(proc, &shift), 0);
	assert_int_equal(shift.monotonic_ns, monotonic_ns);
	assert_int_equal(shift.boottime_ns, boottime_ns);
}

static void test_shifts(void **state)
{
	(void)state;
	check("monotonic           0         0\nboottime            0         0\n", 0, 0);
	check("monotonic      864000         5\nboottime        -3600 500000000\n",
	      864000000000005, -3599500000000);
	check("boottime 7 0\nsomething new\n", 0, 7000000000);
	check("", 0, 0);
}

static void test_not_understood(void **state)
{
	static const char *const wrong[] = {
		"monotonic\n", "monotonic 1\n", "monotonic x 0\n", "monotonic 1 1000000000\n",
		"monotonic --1 0\n", "monotonic 99999999999999999999 0\n", "boottime 1 -1\n",
	};
	struct time_shift shift = { 1, 2 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		put("timens_offsets", wrong[i]);
		assert_int_equal(time_namespace__shift(proc, &shift), -EPROTO);
	}
	assert_int_equal(shift.monotonic_ns, 1);
	unlink(path_of("timens_offsets"));
	assert_int_equal(time_namespace__shift(proc, &shift), -ENOENT);
	/* The file is of the children's. */
	assert_int_equal(unlink(path_of("ns/time_for_children")), 0);
	put("ns/time_for_children", "");
	assert_int_equal(time_namespace__shift(proc, &shift), -EXDEV);
}

/* Before 5.6, and in the initial one. */
static void test_none(void **state)
{
	struct time_shift shift = { 1, 2 };

	(void)state;
	assert_int_equal(unlink(path_of("ns/time")), 0);
	assert_int_equal(time_namespace__shift(proc, &shift), 0);
	assert_int_equal(shift.monotonic_ns, 0);
	assert_int_equal(shift.boottime_ns, 0);
}

/* What /proc shows of a start, and what this process sees of the clocks, is shifted; the
 * kernel's own times are not. */
static void test_clocks(void **state)
{
	const int64_t hour_ns = 3600 * 1000000000LL;
	uint64_t before_ns = clock__now_ns(CLOCK_MONOTONIC);
	const struct procinfo info = { .start_ticks = 360100 };

	(void)state;
	clock__set_shift(-hour_ns, hour_ns);
	assert_true(clock__now_ns(CLOCK_MONOTONIC) >= before_ns + (uint64_t)hour_ns);
	if (sysconf(_SC_CLK_TCK) == 100) {
		assert_int_equal(procinfo__ticks_of_ns(1009000000), 360100);
		assert_int_equal(procinfo__start_ns(&info), 1000000000);
	}
	clock__set_shift(0, 0);
	assert_int_equal(procinfo__ticks_of_ns(0), 0);
	assert_true(clock__now_ns(CLOCK_MONOTONIC) < before_ns + (uint64_t)hour_ns);
	assert_int_equal(clock__before_ns(5, 3), 2);
	assert_int_equal(clock__before_ns(3, 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shifts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_understood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests_name("time_namespace", tests, NULL, NULL);
}

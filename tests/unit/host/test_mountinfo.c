// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/mountinfo.h"

/* The last one seen, and how many. */
static char root[64], point[64], type[64], options[64];
static int num, stop_at;

static int see(void *ctx, const struct mountinfo *mount)
{
	assert_ptr_equal(ctx, &num);
	snprintf(root, sizeof(root), "%s", mount->root);
	snprintf(point, sizeof(point), "%s", mount->point);
	snprintf(type, sizeof(type), "%s", mount->type);
	snprintf(options, sizeof(options), "%s", mount->options);
	return ++num == stop_at ? -ECANCELED : 0;
}

static int read_text(const char *text)
{
	char path[] = "/tmp/twsnoop-test-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	num = 0;
	err = mountinfo__each(path, see, &num);
	unlink(path);
	return err;
}

static void test_forms(void **state)
{
	(void)state;
	assert_int_equal(read_text("31 23 0:27 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup "
				   "cgroup rw,memory\n"), 0);
	assert_int_equal(num, 1);
	assert_string_equal(root, "/");
	assert_string_equal(point, "/sys/fs/cgroup/memory");
	assert_string_equal(type, "cgroup");
	assert_string_equal(options, "rw,memory");
	/* No tags, or several; an empty source; what is written as \ooo; no newline at the end. */
	assert_int_equal(read_text("1 2 0:4 net:[4026532281] /run/a\\040b\\134c rw - nsfs  rw"), 0);
	assert_int_equal(num, 1);
	assert_string_equal(root, "net:[4026532281]");
	assert_string_equal(point, "/run/a b\\c");
	assert_string_equal(type, "nsfs");
	assert_string_equal(options, "rw");
	assert_int_equal(read_text("1 2 0:4 /x /y rw shared:1 master:2 - ext4 /dev/a rw\n"
				   "1 2 0:4 / /\\999 rw - tmpfs t rw,size=1k\n"), 0);
	assert_int_equal(num, 2);
	assert_string_equal(point, "/\\999");
}

static void test_nonsense(void **state)
{
	(void)state;
	assert_int_equal(read_text("\n1 2 3\n - - -\n1 2 0:4 / / rw\n1 2 0:4 / / rw - tmpfs\n"
				   "1 2 0:4 / / rw - tmpfs x\n- - -"), 0);
	assert_int_equal(num, 0);
	assert_int_equal(mountinfo__each("/nowhere/mountinfo", see, &num), -ENOENT);
}

static void test_stops(void **state)
{
	(void)state;
	stop_at = 2;
	assert_int_equal(read_text("1 2 0:4 / /a rw - t s o\n1 2 0:4 / /b rw - t s o\n"
				   "1 2 0:4 / /c rw - t s o\n"), -ECANCELED);
	stop_at = 0;
	assert_string_equal(point, "/b");
}

static void test_options(void **state)
{
	(void)state;
	assert_true(mountinfo__has_option("rw,memory", "memory"));
	assert_true(mountinfo__has_option("cpu,cpuacct", "cpu"));
	assert_false(mountinfo__has_option("rw,memory_x,xmemory", "memory"));
	assert_false(mountinfo__has_option("", "memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests_name("mountinfo", tests, NULL, NULL);
}

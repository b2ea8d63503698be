// SPDX-License-Identifier: GPL-2.0
/* A file that is there as a whole or not at all. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/newfile.h"

static char dir[] = "/tmp/newfile.XXXXXX", path[64], other[64];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/report", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static size_t count_files(void)
{
	DIR *d = opendir(dir);
	size_t num = 0;

	while (readdir(d))
		num++;
	closedir(d);
	return num - 2;
}

static void holds(const char *file, const char *text)
{
	char data[64] = "";
	int fd = open(file, O_RDONLY);

	assert_true(fd >= 0 && read(fd, data, sizeof(data) - 1) >= 0);
	close(fd);
	assert_string_equal(data, text);
}

static void test_files(void **state)
{
	struct stat st;

	(void)state;
	umask(022);
	assert_int_equal(newfile__write(path, 0660, "one", 3), 0);
	holds(path, "one");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(newfile__write(path, 0660, "two", 3), 0);
	holds(path, "two");
	/* Where a link leads, and not in its place. */
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(newfile__write(other, 0660, "three", 5), 0);
	holds(path, "three");
	assert_true(!lstat(other, &st) && S_ISLNK(st.st_mode));
	assert_int_equal(count_files(), 2);
	unlink(other);
	/* A device stays one. */
	assert_int_equal(newfile__write("/dev/null", 0660, "x", 1), 0);
	assert_true(!stat("/dev/null", &st) && S_ISCHR(st.st_mode));
	unlink(path);
}

static void test_failures(void **state)
{
	char deep[96];

	(void)state;
	assert_int_equal(newfile__write(dir, 0660, "x", 1), -EISDIR);
	snprintf(deep, sizeof(deep), "%s/no/such", dir);
	assert_int_equal(newfile__write(deep, 0660, "x", 1), -ENOENT);
	assert_int_equal(newfile__write("/dev/full", 0660, "x", 1), -ENOSPC);
	assert_int_equal(count_files(), 0);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests_name("newfile", tests, set_up, NULL);
}

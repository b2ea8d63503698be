// SPDX-License-Identifier: GPL-2.0
/* Needs: user/host/tracefs.c user/base/parse.c. Some of it needs root. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/tracefs.h"

static char root[] = "/tmp/test_tracefs.XXXXXX";
static int dir = -1;

static void write_id(const char *text)
{
	int fd = openat(dir, "events/syscalls/sys_exit_bind/id", O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int make_root(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || mkdirat(dir, "events", 0700) || mkdirat(dir, "events/syscalls", 0700) ||
	       mkdirat(dir, "events/syscalls/sys_exit_bind", 0700);
}

static int remove_root(void **state)
{
	(void)state;
	unlinkat(dir, "events/syscalls/sys_exit_bind/id", 0);
	unlinkat(dir, "events/syscalls/sys_exit_bind", AT_REMOVEDIR);
	unlinkat(dir, "events/syscalls", AT_REMOVEDIR);
	unlinkat(dir, "events", AT_REMOVEDIR);
	close(dir);
	return rmdir(root);
}

static void reads_a_number(void **state)
{
	uint64_t id = 7;

	(void)state;
	assert_int_equal(tracefs__event_id(dir, "syscalls/sys_exit_bind", &id), -ENOENT);
	write_id("1234\n");
	assert_int_equal(tracefs__event_id(dir, "syscalls/sys_exit_bind", &id), 0);
	assert_int_equal(id, 1234);
	assert_int_equal(tracefs__event_id(dir, "syscalls/sys_exit_connect", &id), -ENOENT);
	assert_int_equal(id, 1234);
}

static void refuses_anything_else(void **state)
{
	static const char *const texts[] = { "", "\n", "12x\n", "-1\n", "99999999999\n",
					     "11111111111111111111111111111111111111\n" };
	char name[256];
	uint64_t id = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_id(texts[i]);
		assert_int_equal(tracefs__event_id(dir, "syscalls/sys_exit_bind", &id), -EBADMSG);
	}
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(tracefs__event_id(dir, name, &id), -ENAMETOOLONG);
	assert_int_equal(id, 7);
}

/* What stands at the place is no tracefs: one that nobody sees is made, if that is allowed. */
static void mounts_where_there_is_none(void **state)
{
	struct statfs fs;
	int fd = tracefs__open(root);

	(void)state;
	if (fd < 0)
		skip(); /* no privilege, or no tracefs */
	assert_int_equal(fstatfs(fd, &fs), 0);
	assert_int_equal(fs.f_type, TRACEFS_MAGIC);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(statfs(root, &fs), 0);
	assert_int_not_equal(fs.f_type, TRACEFS_MAGIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_number),
		cmocka_unit_test(refuses_anything_else),
		cmocka_unit_test(mounts_where_there_is_none),
	};

	return cmocka_run_group_tests_name("tracefs", tests, make_root, remove_root);
}

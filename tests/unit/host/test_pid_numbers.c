// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/pid_numbers.h"
#include "host/procinfo.h"

#define TICK_NS (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK))

/* What exists: changed by the tests, told by list(). */
static struct tws_process processes[8];
static unsigned int num_processes, num_lists;
static int list_error;

static int list(void *ctx, pid_numbers_put_fn put, void *to)
{
	assert_ptr_equal(ctx, processes);
	num_lists++;
	for (unsigned int i = 0; i < num_processes; i++) {
		int err = put(to, &processes[i]);

		if (err)
			return err;
	}
	return list_error;
}

static int start(void **state)
{
	(void)state;
	processes[0] = (struct tws_process){ .host_pid = 5001, .pid = 1, .start_ns = 100 * TICK_NS };
	processes[1] = (struct tws_process){ .host_pid = 4000, .pid = 7, .start_ns = 200 * TICK_NS };
	processes[2] = (struct tws_process){ .host_pid = 6000, .pid = 3, .start_ns = 300 * TICK_NS };
	num_processes = 3;
	num_lists = 0;
	list_error = 0;
	return 0;
}

static void test_both_ways(void **state)
{
	struct pid_numbers *numbers;

	(void)state;
	assert_int_equal(pid_numbers__new(&numbers, list, processes), 0);
	assert_int_equal(pid_numbers__find(numbers, 1)->host_pid, 5001);
	assert_int_equal(pid_numbers__find(numbers, 7)->host_pid, 4000);
	assert_int_equal(pid_numbers__find_host(numbers, 6000)->pid, 3);
	assert_int_equal(num_lists, 1);
	assert_null(pid_numbers__find(numbers, 2));
	assert_null(pid_numbers__find_host(numbers, 1)); /* the host's own */
	assert_int_equal(num_lists, 3);
	/* One that came later. */
	processes[num_processes++] = (struct tws_process){ .host_pid = 6001, .pid = 9 };
	assert_int_equal(pid_numbers__find_host(numbers, 6001)->pid, 9);
	/* What cannot be listed changes nothing. */
	list_error = -EPERM;
	assert_int_equal(pid_numbers__refresh(numbers), -EPERM);
	assert_int_equal(pid_numbers__find(numbers, 9)->host_pid, 6001);
	pid_numbers__free(numbers);
	assert_int_equal(pid_numbers__new(&numbers, list, processes), -EPERM);
	num_processes = 0;
	list_error = 0;
	assert_int_equal(pid_numbers__new(&numbers, list, processes), 0);
	assert_null(pid_numbers__find(numbers, 1));
	pid_numbers__free(numbers);
	pid_numbers__free(NULL);
}

/* ---- procinfo by the host's numbers, from a /proc that has others ---- */

static char root[PATH_MAX / 2];

static void write_file(unsigned int pid, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%u", root, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%u/%s", root, pid, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make_process(unsigned int pid, const char *comm, unsigned int start_ticks)
{
	char text[256];

	snprintf(text, sizeof(text), "%u (%s) S 1 2 3 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0 %u 999 5\n",
		 pid, comm, start_ticks);
	write_file(pid, "stat", text);
	write_file(pid, "status", "Name:\tx\nUid:\t1\t2\t2\t2\n");
	write_file(pid, "comm", comm);
	write_file(pid, "cmdline", comm);
}

static void make_socket(unsigned int pid, const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%u/fd", root, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%u/fd/3", root, pid);
	assert_int_equal(symlink(target, path), 0);
}

static void remove_root(void)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

static uint32_t seen[8];
static unsigned int num_seen;

static int see(void *ctx, uint32_t pid, uint32_t inode)
{
	(void)ctx;
	assert_true(num_seen < 8 && inode == pid * 2);
	seen[num_seen++] = pid;
	return 0;
}

static void test_procinfo(void **state)
{
	struct pid_numbers *numbers;
	unsigned int flags = 0;
	struct procinfo info;

	(void)state;
	snprintf(root, sizeof(root), "%s/twsnoop-test-XXXXXX", getenv("TMPDIR") ?: "/tmp");
	assert_non_null(mkdtemp(root));
	make_process(1, "init", 100);
	make_socket(1, "socket:[10002]");
	make_process(7, "another", 201); /* the number is used again, and nobody knows */
	make_socket(7, "socket:[8000]");
	assert_int_equal(pid_numbers__new(&numbers, list, processes), 0);
	procinfo__use_numbers(numbers);
	assert_int_equal(procinfo__read(root, 5001, &info), 0);
	assert_int_equal(info.pid, 5001);
	assert_string_equal(info.comm, "init");
	assert_int_equal(procinfo__read(root, 1, &info), -ESRCH);
	assert_int_equal(procinfo__read(root, 4000, &info), -ESRCH);
	assert_int_equal(procinfo__read(root, 6000, &info), -ESRCH);
	assert_int_equal(procinfo__each_socket(root, 0, see, NULL, &flags), 0);
	assert_int_equal(num_seen, 1);
	assert_int_equal(seen[0], 5001);
	assert_int_equal(flags, PROCINFO_DENIED);
	/* Now it is known. */
	processes[1] = (struct tws_process){ .host_pid = 4000, .pid = 7, .start_ns = 201 * TICK_NS };
	assert_int_equal(procinfo__read(root, 4000, &info), 0);
	assert_string_equal(info.comm, "another");
	procinfo__use_numbers(NULL);
	assert_int_equal(procinfo__read(root, 7, &info), 0);
	pid_numbers__free(numbers);
	remove_root();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_both_ways, start),
		cmocka_unit_test_setup(test_procinfo, start),
	};

	return cmocka_run_group_tests_name("pid_numbers", tests, NULL, NULL);
}

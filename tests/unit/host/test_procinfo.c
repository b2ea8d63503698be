// SPDX-License-Identifier: GPL-2.0
/* Needs: user/host/procinfo.c */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/procinfo.h"

#define TICK_NS (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK))

/* ---- a /proc of our own ---- */

static char root[PATH_MAX];

static void write_file(const char *pid, const char *name, const char *data, size_t len)
{
	char path[PATH_MAX + 64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", root, pid, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void make_process(const char *pid, const char *comm, unsigned long long start_ticks,
			 unsigned int uid, const char *args, size_t args_len)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text),
		     "%s (%s) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %llu 999 5\n", pid,
		     comm, start_ticks);
	write_file(pid, "stat", text, (size_t)n);
	n = snprintf(text, sizeof(text), "Name:\tx\nPid:\t%s\nUid:\t1\t%u\t2\t3\nGid:\t1\n", pid,
		     uid);
	write_file(pid, "status", text, (size_t)n);
	write_file(pid, "cmdline", args, args_len);
	n = snprintf(text, sizeof(text), "%s\n", comm);
	write_file(pid, "comm", text, (size_t)n);
}

static void remove_process(const char *pid)
{
	static const char *const names[] = { "stat", "status", "cmdline", "comm" };
	char path[PATH_MAX + 64];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", root, pid, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/%s", root, pid);
	rmdir(path);
}

static int setup_root(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/procinfo.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown_root(void **state)
{
	static const char *const pids[] = { "7", "8", "9", "10", "11" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pids) / sizeof(pids[0]); i++)
		remove_process(pids[i]);
	return rmdir(root);
}

static void test_read_fields(void **state)
{
	static const char args[] = "/bin/x\0-a\0b c\0\0";
	struct procinfo info;

	(void)state;
	make_process("7", "a) (b 1 2", 4242, 33, args, sizeof(args) - 1);
	assert_int_equal(procinfo__read(root, 7, &info), 0);
	assert_int_equal(info.pid, 7);
	assert_int_equal(info.uid, 33);
	assert_int_equal(info.start_ticks, 4242);
	assert_string_equal(info.comm, "a) (b 1 2");
	assert_string_equal(info.command_line, "/bin/x -a b c");
}

static void test_kin(void **state)
{
	static const char childless[] = "8 (x) y) S 7 2 3 0 -1 4194560 1 0 3 0 5 6\n";
	struct procinfo_kin kin;

	(void)state;
	make_process("7", "a) (b 1 2", 4242, 33, "", 0);
	make_process("8", "b", 4242, 33, "", 0);
	write_file("8", "stat", childless, sizeof(childless) - 1);
	assert_int_equal(procinfo__kin(root, 7, &kin), 0);
	assert_int_equal(kin.pid, 7);
	assert_int_equal(kin.parent, 1);
	assert_true(kin.had_children);
	assert_int_equal(procinfo__kin(root, 8, &kin), 0);
	assert_int_equal(kin.parent, 7);
	assert_false(kin.had_children);
	write_file("8", "stat", childless, 20);
	assert_int_equal(procinfo__kin(root, 8, &kin), -EPROTO);
	assert_int_equal(procinfo__kin(root, 99, &kin), -ESRCH);
	assert_int_equal(kin.parent, 7);
	remove_process("7");
	remove_process("8");
}

static void test_read_failures_leave_the_output(void **state)
{
	struct procinfo info = { .pid = 77, .uid = 88 };

	(void)state;
	assert_int_equal(procinfo__read(root, 12345, &info), -ESRCH);
	make_process("7", "x", 1, 0, "", 0);
	write_file("7", "stat", "7 (x", 4);
	assert_int_equal(procinfo__read(root, 7, &info), -EPROTO);
	write_file("7", "stat", "7 (x) S 1 2", 11);
	assert_int_equal(procinfo__read(root, 7, &info), -EPROTO);
	make_process("7", "x", 1, 0, "", 0);
	write_file("7", "status", "Name:\tx\nUid:\t1\n", 15);
	assert_int_equal(procinfo__read(root, 7, &info), -EPROTO);
	assert_int_equal(info.pid, 77);
	assert_int_equal(info.uid, 88);
}

static void test_long_command_line_is_cut(void **state)
{
	char args[3 * PROCINFO_COMMAND_MAX];
	struct procinfo info;

	(void)state;
	memset(args, 'a', sizeof(args));
	make_process("7", "x", 1, 0, args, sizeof(args));
	assert_int_equal(procinfo__read(root, 7, &info), 0);
	assert_int_equal(strlen(info.command_line), PROCINFO_COMMAND_MAX - 1);
}

static void test_ticks_round_down(void **state)
{
	(void)state;
	assert_int_equal(procinfo__ticks_of_ns(0), 0);
	assert_int_equal(procinfo__ticks_of_ns(TICK_NS - 1), 0);
	assert_int_equal(procinfo__ticks_of_ns(TICK_NS), 1);
	assert_int_equal(procinfo__ticks_of_ns(5 * TICK_NS + 3), 5);
}

static void test_cache_keeps_the_dead(void **state)
{
	struct procinfo_cache *cache;
	const struct procinfo *info;

	(void)state;
	assert_int_equal(procinfo__new(&cache, root, 4), 0);
	make_process("8", "srv", 100, 5, "srv\0-x", 6);
	assert_string_equal(procinfo__command_line(cache, 8, 100 * TICK_NS + 7, "srv"), "srv -x");
	remove_process("8");
	info = procinfo__get(cache, 8, 100 * TICK_NS + 7, "srv");
	assert_non_null(info);
	assert_int_equal(info->uid, 5);
	procinfo__free(cache);
}

static void test_reused_pid_is_another(void **state)
{
	struct procinfo_cache *cache;

	(void)state;
	assert_int_equal(procinfo__new(&cache, root, 4), 0);
	make_process("8", "new", 101, 0, "new", 3);
	/* asked for the one before, that began a tick earlier */
	assert_null(procinfo__command_line(cache, 8, 101 * TICK_NS - 1, "new"));
	assert_null(procinfo__command_line(cache, 8, 102 * TICK_NS, "new"));
	assert_string_equal(procinfo__command_line(cache, 8, 101 * TICK_NS, "new"), "new");
	assert_null(procinfo__command_line(cache, 8, 0, "new"));
	assert_null(procinfo__command_line(cache, 0, 101 * TICK_NS, "new"));
	procinfo__free(cache);
}

static void test_exec_changes_the_name(void **state)
{
	struct procinfo_cache *cache;

	(void)state;
	assert_int_equal(procinfo__new(&cache, root, 4), 0);
	make_process("8", "curl", 200, 0, "curl", 4);
	assert_null(procinfo__command_line(cache, 8, 200 * TICK_NS, "sh"));
	assert_string_equal(procinfo__command_line(cache, 8, 200 * TICK_NS, "curl"), "curl");
	assert_string_equal(procinfo__command_line(cache, 8, 200 * TICK_NS, NULL), "curl");
	assert_string_equal(procinfo__command_line(cache, 8, 200 * TICK_NS, ""), "curl");
	procinfo__free(cache);
}

static void test_no_is_remembered(void **state)
{
	struct procinfo_cache *cache;

	(void)state;
	remove_process("9");
	assert_int_equal(procinfo__new(&cache, root, 4), 0);
	assert_null(procinfo__get(cache, 9, 300 * TICK_NS, NULL));
	make_process("9", "late", 300, 0, "late", 4);
	/* not read again: this is how the test sees that it is cached */
	assert_null(procinfo__get(cache, 9, 300 * TICK_NS, NULL));
	procinfo__free(cache);
}

static void test_empty_command_line_is_unknown(void **state)
{
	struct procinfo_cache *cache;

	(void)state;
	assert_int_equal(procinfo__new(&cache, root, 4), 0);
	make_process("8", "kworker/0:1", 10, 0, "", 0);
	assert_null(procinfo__command_line(cache, 8, 10 * TICK_NS, NULL));
	assert_string_equal(procinfo__get(cache, 8, 10 * TICK_NS, NULL)->comm, "kworker/0:1");
	procinfo__free(cache);
}

static void test_oldest_unused_gives_way(void **state)
{
	static const char *const pids[] = { "7", "8", "9", "10" };
	struct procinfo_cache *cache;
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		make_process(pids[i], "p", 50, 0, pids[i], strlen(pids[i]));
	assert_int_equal(procinfo__new(&cache, root, 3), 0);
	for (i = 0; i < 3; i++)
		assert_non_null(procinfo__get(cache, (uint32_t)(7 + i), 50 * TICK_NS, NULL));
	/* all were just used: the first one the longest ago */
	assert_non_null(procinfo__get(cache, 10, 50 * TICK_NS, NULL));
	for (i = 0; i < 4; i++)
		remove_process(pids[i]);
	assert_non_null(procinfo__get(cache, 8, 50 * TICK_NS, NULL));
	assert_non_null(procinfo__get(cache, 9, 50 * TICK_NS, NULL));
	assert_non_null(procinfo__get(cache, 10, 50 * TICK_NS, NULL));
	assert_null(procinfo__get(cache, 7, 50 * TICK_NS, NULL));
	procinfo__free(cache);
}

/* However many are asked for that nobody knows: those that are known stay. */
static void test_the_unknown_give_way(void **state)
{
	struct procinfo_cache *cache;

	(void)state;
	make_process("7", "p", 50, 0, "7", 1);
	make_process("8", "p", 50, 0, "8", 1);
	assert_int_equal(procinfo__new(&cache, root, 3), 0);
	assert_non_null(procinfo__get(cache, 7, 50 * TICK_NS, NULL));
	assert_non_null(procinfo__get(cache, 8, 50 * TICK_NS, NULL));
	for (uint32_t pid = 100; pid < 200; pid++)
		assert_null(procinfo__get(cache, pid, 50 * TICK_NS, NULL));
	remove_process("7");
	remove_process("8");
	assert_non_null(procinfo__get(cache, 7, 50 * TICK_NS, NULL));
	assert_non_null(procinfo__get(cache, 8, 50 * TICK_NS, NULL));
	procinfo__free(cache);
}

static void test_cache_of_one_and_many(void **state)
{
	struct procinfo_cache *cache = NULL;
	uint32_t pid;

	(void)state;
	assert_int_equal(procinfo__new(&cache, root, 0), -EINVAL);
	assert_null(cache);
	assert_int_equal(procinfo__new(&cache, root, 1), 0);
	for (pid = 1000; pid < 3000; pid++)
		assert_null(procinfo__get(cache, pid, pid, NULL));
	procinfo__free(cache);
	procinfo__free(NULL);
}

/* ---- the real one ---- */

static void test_real_self(void **state)
{
	struct procinfo info;
	char comm[16] = "";

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, comm), 0);
	assert_int_equal(procinfo__read("/proc", (uint32_t)getpid(), &info), 0);
	assert_string_equal(info.comm, comm);
	assert_int_equal(info.uid, geteuid());
	assert_non_null(strstr(info.command_line, program_invocation_name));
}

static void test_real_hostile_name(void **state)
{
	static const char name[] = "a)\n\\ (b \x1b\xff";
	struct procinfo info;
	char before[16] = "";

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	assert_int_equal(procinfo__read("/proc", (uint32_t)getpid(), &info), 0);
	prctl(PR_SET_NAME, before);
	assert_string_equal(info.comm, name);
	assert_true(info.start_ticks > 0);
}

static void test_real_zombie_and_gone(void **state)
{
	struct procinfo_cache *cache;
	struct procinfo info;
	siginfo_t si;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(procinfo__read("/proc", (uint32_t)pid, &info), 0);
	assert_string_equal(info.command_line, "");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procinfo__read("/proc", (uint32_t)pid, &info), -ESRCH);

	assert_int_equal(procinfo__new(&cache, "/proc", 8), 0);
	assert_null(procinfo__get(cache, (uint32_t)pid, info.start_ticks * TICK_NS, NULL));
	procinfo__free(cache);
}

struct search {
	uint32_t pid;
	uint32_t inode;
	unsigned int found;
};

static int find_pid(void *ctx, uint32_t pid)
{
	struct search *search = ctx;

	search->found += search->pid == pid;
	return 0;
}

static int find_socket(void *ctx, uint32_t pid, uint32_t inode)
{
	struct search *search = ctx;

	search->found += search->pid == pid && search->inode == inode;
	return 0;
}

static int stop_at_first(void *ctx, uint32_t pid)
{
	(void)ctx;
	(void)pid;
	return 7;
}

static void test_real_walks(void **state)
{
	struct search search = { .pid = (uint32_t)getpid() };
	unsigned int flags = 0;
	struct stat st;
	int fd, copy;

	(void)state;
	assert_int_equal(procinfo__each_pid("/proc", find_pid, &search), 0);
	assert_int_equal(search.found, 1);
	assert_int_equal(procinfo__each_pid("/proc", stop_at_first, NULL), 7);
	assert_int_equal(procinfo__each_pid("/nonexistent", stop_at_first, NULL), -ENOENT);

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	copy = dup(fd);
	assert_int_equal(fstat(fd, &st), 0);
	search = (struct search){ .pid = (uint32_t)getpid(), .inode = (uint32_t)st.st_ino };
	assert_int_equal(procinfo__each_socket("/proc", 0, find_socket, &search, &flags), 0);
	assert_int_equal(search.found, 2);
	assert_false(flags & PROCINFO_LIMITED);

	flags = 0;
	assert_int_equal(procinfo__each_socket("/proc", 1, find_socket, &search, &flags), 0);
	assert_true(flags & PROCINFO_LIMITED);
	close(copy);
	close(fd);
}

static void test_denied_is_told(void **state)
{
	unsigned int flags = 0;
	struct search search = { 0 };
	int status = -1;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		if (setresuid(65534, 65534, 65534))
			_exit(2);
		if (procinfo__each_socket("/proc", 0, find_socket, &search, &flags))
			_exit(3);
		_exit(flags & PROCINFO_DENIED ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_fields),
		cmocka_unit_test(test_kin),
		cmocka_unit_test(test_read_failures_leave_the_output),
		cmocka_unit_test(test_long_command_line_is_cut),
		cmocka_unit_test(test_ticks_round_down),
		cmocka_unit_test(test_cache_keeps_the_dead),
		cmocka_unit_test(test_reused_pid_is_another),
		cmocka_unit_test(test_exec_changes_the_name),
		cmocka_unit_test(test_no_is_remembered),
		cmocka_unit_test(test_empty_command_line_is_unknown),
		cmocka_unit_test(test_oldest_unused_gives_way),
		cmocka_unit_test(test_the_unknown_give_way),
		cmocka_unit_test(test_cache_of_one_and_many),
		cmocka_unit_test(test_real_self),
		cmocka_unit_test(test_real_hostile_name),
		cmocka_unit_test(test_real_zombie_and_gone),
		cmocka_unit_test(test_real_walks),
		cmocka_unit_test(test_denied_is_told),
	};

	return cmocka_run_group_tests(tests, setup_root, teardown_root);
}

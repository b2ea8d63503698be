// SPDX-License-Identifier: GPL-2.0
/* A recorder that is killed at any instant, and a disk that fails: nothing that was committed is
 * lost, nothing is counted twice, and it goes on. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/unit/store/disk.h"
#include "tests/unit/store/store_support.h"

#define ROWS 20 /* a second */

static const struct recording_options small = {
	.size_bytes = RECORDING_SIZE_MIN, .raw_percent = 25,
};
static const struct history_span whole = { 0, 0 };
static struct store_failure failure;

static void open_writer(struct writer *w, const char *path, uint64_t now_ns)
{
	int err = writer__open(w, path, &small, now_ns, 5, &failure);

	if (err)
		fail_msg("%d: %s", err, failure.text);
}

static int sum_minutes(void *ctx, const struct held_minute *minute)
{
	*(uint64_t *)ctx += minute->count;
	return 0;
}

static uint64_t count_minutes(const char *path)
{
	struct history *history;
	uint64_t count = 0;

	if (history__open(&history, path, &failure))
		fail_msg("%s", failure.text);
	assert_int_equal(history__each_minute(history, &whole, sum_minutes, &count), 0);
	history__close(history);
	return count;
}

/* ---- killed ---- */

/* Records until it is killed, and tells each second that was committed. */
static void record_for_ever(const char *path, uint64_t second, int told)
{
	struct writer w;

	if (writer__open(&w, path, &small, STORE_BEGIN_NS + second * SECOND_NS, 5, &failure))
		_exit(1);
	for (;; second++) {
		if (writer__second(&w, STORE_BEGIN_NS + second * SECOND_NS, ROWS))
			_exit(2);
		if (write(told, &second, sizeof(second)) != sizeof(second))
			_exit(3);
	}
}

/* After @us, if @at_work of its first second. Returns how many seconds were committed for
 * certain. */
static uint64_t record_and_kill(const char *path, uint64_t *second, unsigned int us, bool at_work)
{
	uint64_t seconds = 0, told;
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pipes[0]);
		record_for_ever(path, *second, pipes[1]);
	}
	close(pipes[1]);
	if (at_work && read(pipes[0], &told, sizeof(told)) == sizeof(told)) {
		*second = told + 1;
		seconds++;
	}
	usleep(us);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (; read(pipes[0], &told, sizeof(told)) == sizeof(told); seconds++)
		*second = told + 1;
	close(pipes[0]);
	return seconds;
}

static void test_killed_at_any_instant(void **state)
{
	char *path = store_support__path();
	uint64_t second = 0, seconds = 0, rows;
	unsigned int random = 1;
	struct writer w;

	(void)state;
	disk = (struct disk){ 0 };
	for (unsigned int i = 0; i < 50; i++) {
		random = random * 1103515245 + 12345;
		seconds += record_and_kill(path, &second, random / 65536 % 25000, i % 3);
		/* It may have been killed before there was anything. */
		if (access(path, F_OK) || !seconds)
			continue;
		assert_true(store_support__is_whole(path));
		second += 2;
	}
	assert_true(seconds > 100);
	open_writer(&w, path, STORE_BEGIN_NS + second * SECOND_NS);
	rows = w.row - 1;
	writer__close(&w);
	/* A second may have been committed and not told. */
	assert_in_range(rows, seconds * ROWS, (seconds + 50) * ROWS);
	assert_int_equal(count_minutes(path), rows);
	assert_int_equal(store_support__ask(path, "SELECT sum(rows) FROM block WHERE is_tail"), 0);
	assert_true(store_support__ask(path, "SELECT count(*) FROM run") > 25);
	assert_int_equal(store_support__ask(path, "SELECT count(*) FROM gap WHERE reason = 1 AND "
				   "detail = 'the recorder was killed'"),
			 store_support__ask(path, "SELECT count(*) - 1 FROM run"));
	/* What no run has, a gap has: all but two seconds at each change. */
	assert_int_equal(store_support__ask(path, "SELECT count(*) FROM (SELECT until_ns AS was, lead(since_ns) "
				   "OVER (ORDER BY id) AS next FROM run) WHERE next > was AND NOT "
				   "EXISTS (SELECT 1 FROM gap WHERE since_ns = was AND until_ns = next)"), 0);
	assert_true(store_support__is_whole(path));
	store_support__remove(path);
}

/* What a killed recorder has left is read as it is, and nothing changed. */
static void test_read_after_a_kill(void **state)
{
	char *path = store_support__path(), *wal = NULL;
	uint64_t second = 0, rows = 0, seconds;
	struct history_cursor *cursor;
	const struct block *block;
	struct history *history;
	struct held_block meta;
	struct stat before, after;

	(void)state;
	seconds = record_and_kill(path, &second, 10000, true);
	assert_true(asprintf(&wal, "%s-wal", path) > 0);
	assert_int_equal(stat(wal, &before), 0);
	assert_true(before.st_size > 0);
	assert_int_equal(history__open(&history, path, &failure), 0);
	assert_int_equal(history_cursor__new(&cursor, history, &whole), 0);
	while (history_cursor__next(cursor, &block, &meta) > 0)
		rows += meta.rows;
	history_cursor__free(cursor);
	history__close(history);
	assert_in_range(rows, seconds * ROWS, (seconds + 1) * ROWS);
	assert_int_equal(rows % ROWS, 0);
	assert_int_equal(stat(wal, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	free(wal);
	store_support__remove(path);
}

/* ---- a disk that fails ---- */

/* All that was made is there in the end, once. */
static void fail_and_go_on(int with, int expected, uint64_t from, uint64_t writes)
{
	char *path = store_support__path();
	struct writer w;

	disk = (struct disk){ 0 };
	open_writer(&w, path, STORE_BEGIN_NS);
	disk.fail_with = with;
	disk.fail_from = disk.writes + from;
	disk.fail_until = disk.fail_from + writes;
	for (unsigned int s = 0; s < 400 && disk.writes < disk.fail_until + 200; s++) {
		int err = writer__second(&w, STORE_BEGIN_NS + s * SECOND_NS, 300);

		if (err && err != expected)
			fail_msg("second %u: %d instead of %d", s, err, expected);
	}
	assert_true(disk.writes > disk.fail_until);
	disk.fail_until = 0;
	assert_int_equal(writer__end_minute(&w, STORE_BEGIN_NS + 500 * SECOND_NS), 0);
	writer__close(&w);
	assert_true(store_support__is_whole(path));
	assert_int_equal(count_minutes(path), w.made);
	assert_int_equal(store_support__ask(path, "SELECT max(first_row + rows) - 1 FROM block"), w.made);
	store_support__remove(path);
}

static void test_disk_fails(void **state)
{
	static const struct {
		int with, expected;
	} kinds[] = {
		{ SQLITE_FULL, -ENOSPC },
		{ SQLITE_IOERR_WRITE, -EIO },
		{ SQLITE_IOERR_FSYNC, -EIO },
	};

	(void)state;
	for (unsigned int kind = 0; kind < COUNT(kinds); kind++)
		for (unsigned int from = 0; from < 700; from += 61 + 2 * kind)
			fail_and_go_on(kinds[kind].with, kinds[kind].expected, from, 1 + from % 40);
}

/* Little is recorded: it is on the disk ten seconds later all the same. */
static void test_synchronised(void **state)
{
	char *path = store_support__path();
	unsigned int s = 0;
	uint64_t syncs;
	struct writer w;

	(void)state;
	disk = (struct disk){ 0 };
	open_writer(&w, path, STORE_BEGIN_NS);
	for (unsigned int round = 0; round < 5; round++) {
		syncs = disk.syncs;
		for (unsigned int i = 0; i < 11; i++)
			assert_int_equal(writer__second(&w, STORE_BEGIN_NS + s++ * SECOND_NS, 1), 0);
		assert_true(disk.syncs > syncs);
		assert_true(disk.syncs < syncs + 6);
	}
	/* The clock is set back. */
	syncs = disk.syncs;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(writer__second(&w, STORE_BEGIN_NS - HOUR_NS + i * SECOND_NS, 1), 0);
	assert_true(disk.syncs > syncs);
	writer__close(&w);
	store_support__remove(path);
}

/* As a disk whose writes fail in the kernel's time: only fsync() tells. */
static void test_not_synchronised(void **state)
{
	char *path = store_support__path();
	unsigned int s = 0, failures = 0;
	struct writer w;

	(void)state;
	disk = (struct disk){ 0 };
	open_writer(&w, path, STORE_BEGIN_NS);
	assert_int_equal(writer__second(&w, STORE_BEGIN_NS + s++ * SECOND_NS, ROWS), 0);
	disk.fail_with = SQLITE_IOERR_FSYNC;
	disk.refuses_syncs = true;
	for (unsigned int i = 0; i < 30; i++) {
		int err = writer__second(&w, STORE_BEGIN_NS + s++ * SECOND_NS, ROWS);

		assert_true(!err || err == -EIO);
		assert_true(!failures || err); /* once it is known it stays so */
		failures += err != 0;
	}
	assert_in_range(failures, 18, 21);
	disk.refuses_syncs = false;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(writer__second(&w, STORE_BEGIN_NS + s++ * SECOND_NS, ROWS), 0);
	assert_int_equal(writer__end_minute(&w, STORE_BEGIN_NS + (s + 60) * SECOND_NS), 0);
	writer__close(&w);
	assert_true(store_support__is_whole(path));
	assert_int_equal(count_minutes(path), w.made);
	store_support__remove(path);
}

/* In a process and a mount namespace of its own; returns what it exits with. */
static int in_namespace(int (*fn)(const char *dir))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		char dir[] = "/tmp/twsnoop-disk-XXXXXX";
		int ret;

		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		if (!mkdtemp(dir) || mount("small", dir, "tmpfs", 0, "size=1500k"))
			_exit(78);
		ret = fn(dir);
		umount2(dir, MNT_DETACH);
		rmdir(dir);
		_exit(ret);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* A name in @dir, which must end with the process. */
static const char *name_in(const char *dir, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int fill_disk(const char *dir)
{
	const char *path = name_in(dir, "recording.db");
	unsigned int s = 0, full = 0;
	struct writer w;
	int err = 0;

	if (writer__open(&w, path, &small, STORE_BEGIN_NS, 5, &failure))
		return 1;
	for (; s < 1000 && !full; s++) {
		err = writer__second(&w, STORE_BEGIN_NS + s * SECOND_NS, 1000);
		full = err == -ENOSPC;
		if (err && !full)
			return 2;
	}
	if (!full)
		return 3;
	/* And then there is room. */
	if (mount("small", dir, "tmpfs", MS_REMOUNT, "size=32m"))
		return 4;
	for (unsigned int more = 0; more < 100; more++)
		if (writer__second(&w, STORE_BEGIN_NS + (s + more) * SECOND_NS, 100))
			return 5;
	if (writer__end_minute(&w, STORE_BEGIN_NS + (s + 200) * SECOND_NS))
		return 6;
	writer__close(&w);
	assert_true(store_support__is_whole(path));
	return count_minutes(path) == w.made ? 0 : 7;
}

/* What is on it can be read, with a WAL or without, and recording into it fails in words. */
static int read_only_disk(const char *dir)
{
	const char *path = name_in(dir, "recording.db");
	uint64_t second = 0;
	struct writer w;

	record_and_kill(path, &second, 10000, true);
	for (unsigned int round = 0; round < 2; round++) {
		if (mount("small", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL))
			return 1;
		if (writer__open(&w, path, &small, STORE_BEGIN_NS + DAY_NS, 5, &failure) != -EROFS ||
		    !strstr(failure.text, path))
			return 2;
		/* Nobody has counted yet what the killed one left. */
		if (round && count_minutes(path) != second * ROWS)
			return 3;
		count_minutes(path);
		if (mount("small", dir, "tmpfs", MS_REMOUNT, NULL))
			return 4;
		if (writer__open(&w, path, &small, STORE_BEGIN_NS + DAY_NS, 5, &failure))
			return 5;
		second = (w.row - 1) / ROWS;
		writer__close(&w);
	}
	return 0;
}

static void test_full_disk(void **state)
{
	(void)state;
	disk = (struct disk){ 0 };
	if (getuid())
		skip();
	assert_int_equal(in_namespace(fill_disk), 0);
}

static void test_read_only_disk(void **state)
{
	(void)state;
	disk = (struct disk){ 0 };
	if (getuid())
		skip();
	assert_int_equal(in_namespace(read_only_disk), 0);
}

static void test_vanished_folder(void **state)
{
	char *path = store_support__path(), *moved = NULL, *dir = strdup(path);
	struct writer w;

	(void)state;
	disk = (struct disk){ 0 };
	open_writer(&w, path, STORE_BEGIN_NS);
	assert_int_equal(writer__second(&w, STORE_BEGIN_NS, ROWS), 0);
	*strrchr(dir, '/') = '\0';
	assert_true(asprintf(&moved, "%s.moved", dir) > 0);
	assert_int_equal(rename(dir, moved), 0);
	assert_true(recording__is_gone(w.rec));
	assert_int_equal(writer__second(&w, STORE_BEGIN_NS + SECOND_NS, ROWS), -ENOENT);
	assert_int_equal(rename(moved, dir), 0);
	assert_int_equal(writer__second(&w, STORE_BEGIN_NS + 2 * SECOND_NS, ROWS), 0);
	assert_int_equal(writer__end_minute(&w, STORE_BEGIN_NS + 3 * SECOND_NS), 0);
	writer__close(&w);
	assert_int_equal(count_minutes(path), 3 * ROWS);
	free(moved);
	free(dir);
	store_support__remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_any_instant),
		cmocka_unit_test(test_read_after_a_kill),
		cmocka_unit_test(test_disk_fails),
		cmocka_unit_test(test_synchronised),
		cmocka_unit_test(test_not_synchronised),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_read_only_disk),
		cmocka_unit_test(test_vanished_folder),
	};

	disk__insert();
	return cmocka_run_group_tests_name("recording_crash", tests, NULL, NULL);
}

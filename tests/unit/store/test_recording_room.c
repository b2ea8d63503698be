// SPDX-License-Identifier: GPL-2.0
/* A recording stays below its size, at each write, and lets the right things go. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "store/guard.h"
#include "tests/unit/store/disk.h"
#include "tests/unit/store/store_support.h"

static struct store_failure failure;

static struct history_status status_of(const char *path)
{
	struct history *history = store_support__open_history(path);
	struct history_status status;

	assert_int_equal(history__status(history, &status), 0);
	history__close(history);
	return status;
}

static char *begin(void)
{
	char *path = store_support__path();

	disk = (struct disk){ .path = path };
	return path;
}

static void open_writer(struct writer *w, const char *path, const struct recording_options *opts,
			uint64_t now_ns, uint32_t whos)
{
	int err = writer__open(w, path, opts, now_ns, whos, &failure);

	if (err)
		fail_msg("%d: %s", err, failure.text);
}

/* Seconds of @rows each from @second on; returns the next one. */
static uint64_t record(struct writer *w, uint64_t second, uint64_t seconds, uint32_t rows)
{
	for (uint64_t end = second + seconds; second < end; second++) {
		int err = writer__second(w, STORE_BEGIN_NS + second * SECOND_NS, rows);

		if (err)
			fail_msg("second %u: %d", (unsigned int)second, err);
	}
	return second;
}

/* ---- the limit ---- */

/* The smallest one, far more rows than fit, and minutes with a thousand rows each. */
static void test_never_larger(void **state)
{
	const struct recording_options opts = { .size_bytes = RECORDING_SIZE_MIN, .raw_percent = 25 };
	char *path = begin();
	struct history_status status;
	struct writer w;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 150);
	/* Far apart, so that there are many minutes of little work. */
	for (unsigned int i = 0; i < 150; i++)
		record(&w, i * 61, 2, 1000);
	status = status_of(path);
	assert_true(disk.most_bytes > opts.size_bytes / 2);
	assert_true(disk.most_bytes <= opts.size_bytes);
	assert_true(status.file_bytes <= opts.size_bytes);
	assert_true(status.raw_bytes <= opts.size_bytes / 4);
	/* Both kinds went on being recorded, and the oldest of both is gone. */
	assert_true(status.raw_rows > 5000);
	assert_true(status.raw_rows < w.made);
	assert_true(status.minutes.since_ns > STORE_BEGIN_NS);
	assert_true(status.minutes.until_ns > STORE_BEGIN_NS + 145 * 61 * SECOND_NS);
	assert_int_equal(status.minute_rows, store_support__ask(path, "SELECT count(*) FROM minute"));
	assert_true(status.minute_rows > 5000);
	writer__close(&w);
	assert_true(disk.most_bytes <= opts.size_bytes);
	assert_true(store_support__is_whole(path));
	store_support__remove(path);
}

/* So many rows a second that raw blocks are let go all the time. */
static void test_much_at_once(void **state)
{
	const struct recording_options opts = { .size_bytes = RECORDING_SIZE_MIN, .raw_percent = 50 };
	char *path = begin();
	struct writer w;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 10);
	record(&w, 0, 16, 30000);
	assert_true(disk.most_bytes <= opts.size_bytes);
	assert_true(store_support__ask(path, "SELECT max(first_row + rows) FROM block") > 450000);
	writer__close(&w);
	assert_true(store_support__is_whole(path));
	store_support__remove(path);
}

static void test_no_raw(void **state)
{
	const struct recording_options opts = { .size_bytes = RECORDING_SIZE_MIN, .raw_percent = 0 };
	char *path = begin();
	struct writer w;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 10);
	record(&w, 0, 130, 10);
	/* Those of the minute that is open, and the one that ended last. */
	assert_int_equal(store_support__ask(path, "SELECT count(*) FROM block WHERE NOT is_tail"), 0);
	assert_int_equal(store_support__ask(path, "SELECT sum(rows) FROM block"), 10 * 10);
	assert_int_equal(store_support__ask(path, "SELECT sum(count) FROM minute"), 1200);
	writer__close(&w);
	store_support__remove(path);
}

/* The layer itself, should all reckoning above it be wrong. */
static void test_guard(void **state)
{
	char *path = begin();
	struct guard *guard;
	sqlite3 *db;
	int rc = SQLITE_OK;

	(void)state;
	assert_int_equal(guard__new(&guard), 0);
	guard__limit(guard, 1 << 20, 600000);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
					 guard__name(guard)), SQLITE_OK);
	rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL; CREATE TABLE t(x)", NULL, NULL, NULL);
	for (unsigned int i = 0; i < 1000 && rc == SQLITE_OK; i++)
		rc = sqlite3_exec(db, "INSERT INTO t VALUES(randomblob(9000))", NULL, NULL, NULL);
	assert_int_equal(rc, SQLITE_FULL);
	assert_true(guard__was_refused(guard));
	assert_false(guard__was_refused(guard));
	assert_false(guard__disk_was_full(guard));
	assert_true(disk.most_bytes > 500000);
	assert_true(disk.most_bytes <= 1 << 20);
	assert_int_equal(guard__bytes(guard), store_support__bytes(path));
	sqlite3_close(db);
	guard__free(guard);
	store_support__remove(path);
}

/* ---- what goes first ---- */

static void test_keep(void **state)
{
	const struct recording_options opts = {
		.size_bytes = RECORDING_SIZE_MIN, .raw_percent = 50,
	};
	const uint64_t since = STORE_BEGIN_NS + 100 * SECOND_NS, until = since + 5 * MINUTE_NS;
	char *path = begin(), sql[128];
	struct writer w;
	uint64_t second;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 10);
	second = record(&w, 0, 200, 100);
	assert_int_equal(recording__begin(w.rec), 0);
	assert_int_equal(recording__keep_raw(w.rec, since, until), 0);
	assert_int_equal(recording__commit(w.rec, STORE_BEGIN_NS + second * SECOND_NS), 0);
	second = record(&w, second, 700, 100);
	/* Then far more than there is room for. */
	for (unsigned int i = 0; i < 10; i++)
		second = record(&w, second + 60, 1, 30000);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM block WHERE keep AND since_ns <= %llu",
		 (unsigned long long)until);
	assert_in_range(store_support__ask(path, sql), 6, 7);
	assert_int_equal(store_support__ask(path, "SELECT sum(rows) FROM block WHERE keep") % 6000, 0);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM block WHERE NOT keep AND since_ns < %llu",
		 (unsigned long long)until);
	assert_int_equal(store_support__ask(path, sql), 0);
	assert_true(disk.most_bytes <= opts.size_bytes);
	writer__close(&w);
	store_support__remove(path);
}

static void test_age(void **state)
{
	const struct recording_options opts = {
		.size_bytes = 64 << 20, .raw_percent = 25, .keep_ns = 30 * MINUTE_NS,
	};
	char *path = begin();
	struct history_status status;
	struct writer w;
	uint64_t now_ns;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 10);
	for (unsigned int i = 0; i < 100; i++)
		record(&w, i * 60, 1, 10);
	now_ns = STORE_BEGIN_NS + 99 * MINUTE_NS;
	status = status_of(path);
	assert_in_range(status.minutes.since_ns, now_ns - 31 * MINUTE_NS, now_ns - 29 * MINUTE_NS);
	assert_in_range(status.raw.since_ns, now_ns - 31 * MINUTE_NS, now_ns - 29 * MINUTE_NS);
	assert_int_equal(status.raw_rows, status.raw.until_ns ? store_support__ask(path, "SELECT sum(rows) FROM block") : 0);
	writer__close(&w);
	store_support__remove(path);
}

/* A clock that was years ahead for some minutes: that is past, and goes as such. */
static void test_clock_was_ahead(void **state)
{
	const struct recording_options opts = {
		.size_bytes = 64 << 20, .raw_percent = 25, .keep_ns = 30 * MINUTE_NS,
	};
	char *path = begin();
	struct writer w;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 10);
	record(&w, 100000000, 200, 10);
	for (unsigned int i = 0; i < 100; i++)
		record(&w, i * 60, 1, 10);
	assert_true(store_support__ask(path, "SELECT min(first_row) FROM block") > 2000);
	assert_true(store_support__ask(path, "SELECT count(*) FROM minute") < 32 * 100);
	writer__close(&w);
	assert_true(store_support__is_whole(path));
	store_support__remove(path);
}

/* Identities go with their epoch, but not before the last row that names them. */
static void test_epochs(void **state)
{
	const struct recording_options opts = {
		.size_bytes = 64 << 20, .raw_percent = 25, .keep_ns = 30 * MINUTE_NS,
	};
	static const char dangling[] =
		"SELECT count(*) FROM minute WHERE (who > 0 AND who NOT IN (SELECT id FROM who)) "
		"OR (flow > 0 AND flow NOT IN (SELECT id FROM flow))";
	char *path = begin();
	struct writer w;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 10);
	for (unsigned int i = 0; i < 200; i++) {
		record(&w, i * 60, 1, 10);
		assert_int_equal(writer__end_minute(&w, STORE_BEGIN_NS + (i * 60 + 1) * SECOND_NS), 0);
		if (i % 10 == 9) {
			recording__begin_epoch(w.rec);
			minutes__forget_flows(w.minutes);
			w.first_who = w.next_who;
		}
		assert_int_equal(store_support__ask(path, dangling), 0);
	}
	assert_true(w.next_who > 190);
	assert_in_range(store_support__ask(path, "SELECT count(*) FROM who"), 30, 50);
	assert_in_range(store_support__ask(path, "SELECT count(*) FROM epoch"), 3, 6);
	assert_true(store_support__ask(path, "SELECT min(id) FROM flow") > 100);
	writer__close(&w);
	/* No id is given again, though those that had the last ones have gone. */
	open_writer(&w, path, &opts, STORE_BEGIN_NS + DAY_NS, 1);
	record(&w, 86400, 130, 1);
	assert_true(w.first_who > 190);
	writer__close(&w);
	store_support__remove(path);
}

/* ---- another size ---- */

static void test_shrinks(void **state)
{
	const struct recording_options large = { .size_bytes = 32 << 20, .raw_percent = 50 };
	const struct recording_options small = { .size_bytes = RECORDING_SIZE_MIN, .raw_percent = 25 };
	char *path = begin();
	struct history_status before, after;
	struct stat st;
	struct writer w;

	(void)state;
	open_writer(&w, path, &large, STORE_BEGIN_NS, 100);
	for (unsigned int i = 0; i < 150; i++)
		record(&w, i * 60, 1, 4000);
	writer__close(&w);
	before = status_of(path);
	assert_true(before.file_bytes > 9 << 20);
	disk.most_bytes = 0;
	open_writer(&w, path, &small, STORE_BEGIN_NS + 400 * MINUTE_NS, 100);
	assert_int_equal(stat(path, &st), 0);
	assert_true((uint64_t)st.st_size < RECORDING_SIZE_MIN - 3000000);
	assert_true(disk.most_bytes < before.file_bytes + 4000000);
	disk.most_bytes = 0;
	record(&w, 400 * 60, 20, 100);
	assert_true(disk.most_bytes <= small.size_bytes);
	after = status_of(path);
	assert_true(after.minutes.since_ns > before.minutes.since_ns);
	/* What was the newest is there still. */
	assert_true(after.raw.since_ns < STORE_BEGIN_NS + 150 * MINUTE_NS);
	assert_true(after.minutes.since_ns < STORE_BEGIN_NS + 149 * MINUTE_NS);
	writer__close(&w);
	assert_true(store_support__is_whole(path));
	/* And grows again. */
	open_writer(&w, path, &large, STORE_BEGIN_NS + 500 * MINUTE_NS, 100);
	for (unsigned int i = 500; i < 560; i++)
		record(&w, i * 60, 1, 4000);
	assert_true(store_support__bytes(path) > small.size_bytes);
	assert_true(disk.most_bytes <= large.size_bytes);
	writer__close(&w);
	store_support__remove(path);
}

/* ---- readers ---- */

/* Somebody reads and does not end: the WAL cannot be emptied, and is full in the end. */
static void test_a_reader_holds_it(void **state)
{
	const struct recording_options opts = { .size_bytes = RECORDING_SIZE_MIN, .raw_percent = 25 };
	char *path = begin();
	uint64_t second = 0;
	struct writer w;
	sqlite3 *db;
	int err = 0;

	(void)state;
	open_writer(&w, path, &opts, STORE_BEGIN_NS, 10);
	second = record(&w, 0, 10, 100);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM block", NULL, NULL, NULL),
			 SQLITE_OK);
	for (; second < 2000 && !err; second++)
		err = writer__second(&w, STORE_BEGIN_NS + second * SECOND_NS, 100);
	assert_int_equal(err, -EFBIG);
	assert_true(disk.most_bytes <= opts.size_bytes);
	/* It is tried again, and is in vain as long as he reads. */
	assert_int_equal(writer__second(&w, STORE_BEGIN_NS + second * SECOND_NS, 0), -EFBIG);
	sqlite3_close(db);
	assert_int_equal(writer__second(&w, STORE_BEGIN_NS + second * SECOND_NS, 0), 0);
	record(&w, second + 1, 100, 100);
	writer__end_minute(&w, STORE_BEGIN_NS + (second + 200) * SECOND_NS);
	assert_true(disk.most_bytes <= opts.size_bytes);
	assert_int_equal(store_support__ask(path, "SELECT sum(count) FROM minute"), w.made);
	writer__close(&w);
	assert_true(store_support__is_whole(path));
	store_support__remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_larger),
		cmocka_unit_test(test_much_at_once),
		cmocka_unit_test(test_no_raw),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_clock_was_ahead),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_a_reader_holds_it),
	};

	disk__insert();
	return cmocka_run_group_tests_name("recording_room", tests, NULL, NULL);
}

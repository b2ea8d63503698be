// SPDX-License-Identifier: GPL-2.0
/* A recording that is damaged, foreign, or made to do harm: all that can be read is read, what
 * cannot is told as a gap, and nothing crashes. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/unit/store/store_support.h"

#define PAGE 4096
#define MINUTES 60
#define WHOS 40
#define ROWS 200 /* a minute */
#define SQL_ID "PRAGMA application_id = 1953985394; PRAGMA user_version = 1;"

static const struct history_span whole = { 0, 0 };
static struct store_failure failure;

static char *path;
static unsigned char *good; /* a whole recording */
static size_t good_bytes;

/* ---- files ---- */

static void put_file(const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void get_file(void)
{
	FILE *file = fopen(path, "r");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	good_bytes = (size_t)st.st_size;
	good = malloc(good_bytes);
	assert_non_null(good);
	assert_int_equal(fread(good, 1, good_bytes, file), good_bytes);
	fclose(file);
}

static int set_up(void **state)
{
	const struct recording_options opts = { .size_bytes = 32 << 20, .raw_percent = 50 };
	struct writer w;

	(void)state;
	path = store_support__path();
	if (writer__open(&w, path, &opts, STORE_BEGIN_NS, WHOS, &failure))
		return -1;
	for (unsigned int i = 0; i < MINUTES; i++)
		if (writer__second(&w, STORE_BEGIN_NS + i * MINUTE_NS, ROWS / 2) ||
		    writer__second(&w, STORE_BEGIN_NS + i * MINUTE_NS + 20 * SECOND_NS, ROWS / 2))
			return -1;
	writer__end_minute(&w, STORE_BEGIN_NS + MINUTES * MINUTE_NS);
	writer__close(&w);
	get_file();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_support__remove(path);
	free(good);
	return 0;
}

/* ---- reading all ---- */

struct sum {
	uint64_t count[MINUTES]; /* of minutes */
	uint64_t rows[MINUTES];	 /* raw ones */
	bool damaged[MINUTES];	 /* a gap is there */
	unsigned int names, gaps;
	uint64_t missing; /* events, as gaps tell it */
};

static struct sum whole_sum;

static unsigned int minute_of(uint64_t ns)
{
	uint64_t at = (ns - STORE_BEGIN_NS) / MINUTE_NS;

	return ns < STORE_BEGIN_NS ? 0 : at >= MINUTES ? MINUTES - 1 : (unsigned int)at;
}

static int take_minute(void *ctx, const struct held_minute *minute)
{
	((struct sum *)ctx)->count[minute_of(minute->wall_ns)] += minute->count;
	return 0;
}

static int take_gap(void *ctx, const struct held_gap *gap)
{
	struct sum *sum = ctx;
	uint64_t until_ns = gap->until_ns ? gap->until_ns : UINT64_MAX;

	if (gap->reason != HELD_GAP_DAMAGED)
		return 0;
	assert_non_null(gap->detail);
	sum->gaps++;
	sum->missing += gap->events;
	for (unsigned int i = 0; i < MINUTES; i++)
		if (gap->since_ns < STORE_BEGIN_NS + (i + 1) * MINUTE_NS &&
		    until_ns >= STORE_BEGIN_NS + i * MINUTE_NS)
			sum->damaged[i] = true;
	return 0;
}

#define TAKE(name)                                                                                 \
	static int take_##name(void *ctx, const struct held_##name *name)                          \
	{                                                                                          \
		++*(unsigned int *)ctx;                                                            \
		return name ? 0 : 1;                                                               \
	}
TAKE(run)
TAKE(states)
TAKE(limits)
TAKE(ports)
TAKE(counter)
TAKE(account)
TAKE(finding)

static int take_block(void *ctx, const struct held_block *block)
{
	*(uint64_t *)ctx += block->rows;
	return 0;
}

static void read_rows(struct history *history, struct sum *sum)
{
	struct history_cursor *cursor;
	const struct block *block;
	struct held_block meta;
	struct held_row row;
	int ret;

	assert_int_equal(history_cursor__new(&cursor, history, &whole), 0);
	while ((ret = history_cursor__next(cursor, &block, &meta)) > 0)
		for (uint32_t i = 0; i < block__count(block); i++) {
			block__row(block, i, &row);
			sum->rows[minute_of(row.wall_ns)]++;
		}
	assert_int_equal(ret, 0);
	history_cursor__free(cursor);
}

static void read_all(struct history *history, struct sum *sum)
{
	struct history_status status = { 0 };
	unsigned int num = 0;
	uint64_t rows = 0;
	int err;

	memset(sum, 0, sizeof(*sum));
	err = history__status(history, &status);
	assert_int_equal(history__each_run(history, &whole, take_run, &num), 0);
	assert_int_equal(history__each_block(history, &whole, take_block, &rows), 0);
	if (!err && rows && rows <= MINUTES * ROWS)
		assert_int_equal(status.raw_rows, rows);
	assert_int_equal(history__each_minute(history, &whole, take_minute, sum), 0);
	assert_int_equal(history__each_states(history, &whole, take_states, &num), 0);
	assert_int_equal(history__each_limits(history, &whole, take_limits, &num), 0);
	assert_int_equal(history__each_ports(history, &whole, take_ports, &num), 0);
	assert_int_equal(history__each_counter(history, &whole, take_counter, &num), 0);
	assert_int_equal(history__each_account(history, &whole, take_account, &num), 0);
	assert_int_equal(history__each_finding(history, &whole, take_finding, &num), 0);
	read_rows(history, sum);
	for (uint32_t id = 0; id < 200; id++)
		sum->names += (history__who(history, id) != NULL) +
			      (history__flow(history, id) != NULL) +
			      (history__command(history, id) != NULL);
	assert_int_equal(history__each_gap(history, &whole, take_gap, sum), 0);
}

/* Returns what opening did. */
static int read_file(struct sum *sum)
{
	struct history *history = NULL;
	int err;

	memset(&failure, 0, sizeof(failure));
	err = history__open(&history, path, &failure);
	if (err) {
		assert_null(history);
		assert_non_null(strstr(failure.text, path));
		return err;
	}
	read_all(history, sum);
	history__close(history);
	return 0;
}

static void read_good(void)
{
	put_file(good, good_bytes);
	assert_int_equal(read_file(&whole_sum), 0);
	for (unsigned int i = 0; i < MINUTES; i++) {
		assert_int_equal(whole_sum.count[i], ROWS);
		assert_int_equal(whole_sum.rows[i], ROWS);
	}
	assert_int_equal(whole_sum.gaps, 0);
}

/* ---- damage ---- */

/* Nothing is missing of which no gap tells. */
static void assert_told(const struct sum *sum)
{
	for (unsigned int i = 0; i < MINUTES; i++) {
		if (sum->damaged[i])
			continue;
		if (sum->count[i] != ROWS || sum->rows[i] != ROWS)
			fail_msg("minute %u has %u, and %u rows, and no gap", i,
				 (unsigned int)sum->count[i], (unsigned int)sum->rows[i]);
	}
}

static uint64_t total(const uint64_t counts[MINUTES])
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < MINUTES; i++)
		sum += counts[i];
	return sum;
}

/* Each page by itself is lost; all but what was on it is there. */
static void test_lost_pages(void **state)
{
	uint64_t all = (uint64_t)MINUTES * ROWS, counts = 0, rows = 0;
	unsigned int opened = 0, told = 0;

	(void)state;
	read_good();
	for (size_t at = 0; at + PAGE <= good_bytes; at += 3 * PAGE) {
		unsigned char *bytes = malloc(good_bytes);
		struct sum sum;

		assert_non_null(bytes);
		memcpy(bytes, good, good_bytes);
		memset(bytes + at, 0, PAGE);
		put_file(bytes, good_bytes);
		free(bytes);
		if (read_file(&sum))
			continue;
		opened++;
		assert_told(&sum);
		told += sum.gaps > 0;
		counts += total(sum.count);
		rows += total(sum.rows);
	}
	assert_true(opened > good_bytes / PAGE / 3 - 4);
	assert_true(told > opened / 2);
	/* Most is there each time. */
	assert_true(counts > opened * all / 10 * 9);
	assert_true(rows > opened * all / 10 * 9);
}

/* Of a file whose end is missing there is at least what stands before it, or words. */
static void test_truncated(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < 16; i++) {
		struct sum sum;

		put_file(good, good_bytes * i / 16 + i);
		if (!read_file(&sum))
			assert_true(sum.gaps > 0);
	}
}

static void test_flipped_bytes(void **state)
{
	unsigned int random = 7;

	(void)state;
	for (unsigned int i = 0; i < 200; i++) {
		unsigned char *bytes = malloc(good_bytes);
		struct sum sum;

		assert_non_null(bytes);
		memcpy(bytes, good, good_bytes);
		for (unsigned int n = 0; n < 20; n++) {
			random = random * 1103515245 + 12345;
			bytes[(random / 7) % good_bytes] ^= (unsigned char)(1 + random / 65536);
		}
		put_file(bytes, good_bytes);
		free(bytes);
		read_file(&sum);
	}
}

/* ---- what is no recording ---- */

static void make_database(const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	unlink(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, sql, NULL, NULL, &message);
	if (message)
		fail_msg("%s: %s", sql, message);
	sqlite3_close(db);
}

static int open_to_write(void)
{
	const struct recording_options opts = { .size_bytes = 32 << 20, .raw_percent = 50 };
	struct held_run run = store_support__run(STORE_BEGIN_NS);
	struct recording *rec = NULL;
	int err = recording__open(&rec, path, &opts, &run, &failure);

	assert_true(err || rec);
	recording__close(rec);
	return err;
}

static void test_no_recording(void **state)
{
	struct stat before, after;
	struct sum sum;

	(void)state;
	unlink(path);
	assert_int_equal(read_file(&sum), -ENOENT);
	put_file("", 0);
	assert_int_equal(read_file(&sum), -EBADMSG);
	assert_non_null(strstr(failure.text, "empty"));
	put_file("SQLite", 6);
	assert_int_equal(read_file(&sum), -EBADMSG);
	put_file("# not a database at all\nkey = value\n", 36);
	assert_int_equal(read_file(&sum), -EBADMSG);
	assert_int_equal(open_to_write(), -EBADMSG);

	make_database("CREATE TABLE bookmarks(url TEXT); INSERT INTO bookmarks VALUES('x')");
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(read_file(&sum), -EBADMSG);
	assert_int_equal(open_to_write(), -EBADMSG);
	assert_non_null(strstr(failure.text, "another program"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);

	/* A folder, and what never ends. */
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(read_file(&sum) < 0);
	assert_true(open_to_write() < 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(read_file(&sum) < 0);
	assert_true(open_to_write() < 0);
	unlink(path);
	/* An empty file is a recording to be. */
	put_file("", 0);
	assert_int_equal(open_to_write(), 0);
	assert_int_equal(read_file(&sum), 0);
}

static void test_versions(void **state)
{
	struct sum sum;

	(void)state;
	read_good();
	make_database("PRAGMA application_id = 1953985394; PRAGMA user_version = 2;"
		      "CREATE TABLE minute(x)");
	assert_int_equal(read_file(&sum), -ENOTSUP);
	assert_non_null(strstr(failure.text, "newer"));
	assert_int_equal(open_to_write(), -ENOTSUP);
	/* A column more than is known, as a later version may have. */
	unlink(path);
	put_file(good, good_bytes);
	{
		sqlite3 *db;

		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, "ALTER TABLE minute ADD COLUMN packets INTEGER",
					      NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
	}
	assert_int_equal(read_file(&sum), 0);
	assert_memory_equal(&sum, &whole_sum, sizeof(sum));
	/* Who writes takes it for what it is not: better not at all than wrongly. */
	assert_int_equal(open_to_write(), -EBADMSG);
}

/* ---- what was made to do harm ---- */

static void test_hostile_schema(void **state)
{
	static const char *const made[] = {
		SQL_ID,
		SQL_ID "CREATE TABLE a(x); CREATE VIEW minute AS SELECT * FROM minute",
		SQL_ID "CREATE TABLE run(id); CREATE VIEW minute AS WITH RECURSIVE n(i) AS (SELECT "
		       "1 UNION ALL SELECT i + 1 FROM n) SELECT i AS minute, 1 AS who, 1 AS flow "
		       "FROM n",
		SQL_ID "CREATE VIRTUAL TABLE minute USING fts5(minute, who, flow)",
		SQL_ID "CREATE TABLE minute(minute, who, flow, count AS (randomblob(1000000000)))",
		SQL_ID "CREATE TABLE minute(minute, who, flow, count, tx_bytes, rx_bytes, "
		       "lifetime_ns, lifetimes, histogram); INSERT INTO minute VALUES(NULL, 'a', "
		       "x'00', -1, 1e300, 9223372036854775807, -9223372036854775808, 'x', 5), "
		       "(9223372036854775807, 1, 1, 1, 1, 1, 1, 1, x'ffffffffffffffff'), "
		       "(-9223372036854775808, 1, 1, 1, 1, 1, 1, 1, zeroblob(1000000))",
		SQL_ID "CREATE TABLE who(id INTEGER PRIMARY KEY, name, uid, command_line, cgroup, "
		       "container, container_id, image, runtime, unit, pod, pod_uid, "
		       "pod_namespace, pod_container); INSERT INTO who VALUES(1, "
		       "zeroblob(9000000), 'root', printf('%.*c', 9000000, 'x'), 1, 2.5, NULL, "
		       "x'', '', x'00', 'a', 'b', 'c', 'd'), (-5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
		       "1, 1)",
		SQL_ID "CREATE TABLE flow(id INTEGER PRIMARY KEY, local_address, local_port, "
		       "peer_address, peer_port, netns, action, side, cause, end, errno); "
		       "INSERT INTO flow VALUES(1, '10.0.0.1', 99999, '10.0.0.1/99', 1, 1, 1, 1, "
		       "1, 1, 1), (2, x'00', 1, 1, 1, 1, 250, 1, 1, 1, 1), (3, '::1', 1, "
		       "'10.0.0.0/24', 1, 1, 1, 1, 1, 1, 1), (4, '10.0.0.1', 1, NULL, 1, 1, 255, "
		       "255, 255, 255, -1)",
		SQL_ID "CREATE TABLE block(first_row INTEGER PRIMARY KEY, rows, run, epoch, "
		       "since_ns, until_ns, is_tail, keep, bytes); CREATE TABLE "
		       "block_data(first_row INTEGER PRIMARY KEY, data); INSERT INTO block "
		       "VALUES(1, 5, 1, 1, 1, 2, 0, 0, 10), (2, 4294967296, 1, 1, 1, 2, 0, 0, 10), "
		       "(3, 65536, 1, 1, 1, 2, 0, 0, 10), (9223372036854775807, 65536, 1, 1, 1, 2, "
		       "0, 0, 1), (-3, 1, 1, 1, 1, 1, 1, 1, 1); INSERT INTO block_data VALUES(1, "
		       "'text'), (3, zeroblob(5000000)), (9223372036854775807, x'28b52ffd')",
		SQL_ID "CREATE TABLE run(id INTEGER PRIMARY KEY, since_ns, until_ns, has_ended, "
		       "pid, boot_id, version, kernel, host, zone, has_all, has_calls, filter); "
		       "INSERT INTO run VALUES(1, -1, 'x', 1, 1, printf('%.*c', 100000, 'b'), "
		       "printf('%.*c', 1000000, 'v'), printf('%.*c', 1000000, 'k'), "
		       "printf('%.*c', 1000000, 'h'), printf('%.*c', 1000000, 'z'), 1, 1, "
		       "printf('%.*c', 1000000, 'f')); CREATE TABLE gap(id INTEGER PRIMARY KEY, "
		       "since_ns, until_ns, run, reason, events, detail); INSERT INTO gap "
		       "VALUES(1, 5, 1, 1, 200, -1, x'ff00'), (2, NULL, NULL, NULL, NULL, NULL, "
		       "NULL)",
		SQL_ID "CREATE TABLE counter(at_ns, netns, name, value); CREATE TABLE "
		       "counter_name(id, name); INSERT INTO counter_name VALUES(1, printf('%.*c', "
		       "100000, 'n')); INSERT INTO counter VALUES(1, 1, 1, 1), (2, 1, 2, 1), (3, "
		       "1, 'x', 1)",
		SQL_ID "CREATE TABLE minute(minute, who, flow, count, tx_bytes, rx_bytes, "
		       "lifetime_ns, lifetimes, histogram); CREATE INDEX i ON minute(minute, who, "
		       "flow, abs(-9223372036854775808))",
		SQL_ID "CREATE TABLE t(x); CREATE TRIGGER gap INSTEAD OF INSERT ON v BEGIN SELECT "
		       "1; END",
	};

	(void)state;
	for (unsigned int i = 0; i < COUNT(made); i++) {
		struct sum sum;
		sqlite3 *db;

		/* Some cannot even be made here. */
		unlink(path);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		sqlite3_exec(db, made[i], NULL, NULL, NULL);
		sqlite3_close(db);
		if (!read_file(&sum))
			assert_true(sum.gaps > 0);
		assert_true(open_to_write() < 0);
	}
}

/* The three bytes at @at of @page, a B-tree's page, lead to the page itself: a tree with no end. */
static void test_endless_trees(void **state)
{
	unsigned int tried = 0;

	(void)state;
	for (size_t page = 1; page < good_bytes / PAGE; page++) {
		unsigned char *own = good + page * PAGE;
		unsigned char *bytes;
		struct sum sum;

		/* An inner page of a table, or of an index. */
		if ((own[0] != 5 && own[0] != 2) || tried > 20)
			continue;
		tried++;
		bytes = malloc(good_bytes);
		assert_non_null(bytes);
		memcpy(bytes, good, good_bytes);
		/* All children are the first one. */
		for (unsigned int cell = 1; cell < (unsigned int)own[3] * 256 + own[4]; cell++) {
			unsigned int first = own[12] * 256 + own[13];
			unsigned int at = own[12 + 2 * cell] * 256 + own[13 + 2 * cell];

			if (at + 4 <= PAGE && first + 4 <= PAGE)
				memcpy(bytes + page * PAGE + at, own + first, 4);
		}
		put_file(bytes, good_bytes);
		free(bytes);
		if (!read_file(&sum))
			assert_true(total(sum.count) <= MINUTES * ROWS);
	}
	assert_true(tried > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_pages),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped_bytes),
		cmocka_unit_test(test_no_recording),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_hostile_schema),
		cmocka_unit_test(test_endless_trees),
	};

	return cmocka_run_group_tests_name("history", tests, set_up, tear_down);
}

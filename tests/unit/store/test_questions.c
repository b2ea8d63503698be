// SPDX-License-Identifier: GPL-2.0
/* What docs/formats.md says of a recording: its tables and columns, and questions in SQL with the
 * answers that they must give. To be run from the top folder. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/schema.h"
#include "tests/unit/store/store_support.h"

#define DOCUMENT "docs/formats.md"
#define QUESTIONS 5

static struct store_failure failure;
static char *path;
static char *document;
static char *questions[QUESTIONS];
static sqlite3 *db;

/* ---- the document ---- */

static void read_document(void)
{
	FILE *file = fopen(DOCUMENT, "r");
	size_t bytes;

	if (!file)
		fail_msg("%s: %s", DOCUMENT, strerror(errno));
	document = calloc(1, 1 << 20);
	assert_non_null(document);
	bytes = fread(document, 1, (1 << 20) - 1, file);
	assert_true(bytes > 0 && bytes < (1 << 20) - 1);
	fclose(file);
}

static void find_questions(void)
{
	const char *at = strstr(document, "### Questions to a recording");
	unsigned int num = 0;

	assert_non_null(at);
	while ((at = strstr(at, "```sql\n"))) {
		const char *end;

		at += strlen("```sql\n");
		end = strstr(at, "```");
		assert_non_null(end);
		assert_true(num < QUESTIONS);
		questions[num] = strndup(at, (size_t)(end - at));
		assert_non_null(questions[num++]);
	}
	assert_int_equal(num, QUESTIONS);
}

/* ---- a recording ---- */

static void add_flow(struct recording *rec, uint32_t id, const char *peer, uint16_t port,
		     uint8_t action, uint32_t error)
{
	struct held_flow flow = {
		.id = id, .netns = 7, .family = AF_INET, .peer_len = 32, .side = TWS_SIDE_CLIENT,
		.cause = TWS_CAUSE_CLOSE, .action = action, .error = error, .peer_port = port,
	};

	assert_int_equal(inet_pton(AF_INET, "10.0.0.5", flow.local_addr), 1);
	assert_int_equal(inet_pton(AF_INET, peer, flow.peer_addr), 1);
	assert_int_equal(recording__add_flow(rec, &flow), 0);
}

static void add_minute(struct recording *rec, unsigned int minute, uint32_t who, uint32_t flow,
		       uint64_t count)
{
	const struct held_minute held = {
		.wall_ns = STORE_BEGIN_NS + minute * MINUTE_NS, .who = who, .flow = flow,
		.count = count, .lifetimes = count, .lifetime_ns = count * 2500000,
		.buckets = { [3] = (uint32_t)count },
	};

	assert_int_equal(recording__add_minute(rec, &held), 0);
}

static void add_samples(struct recording *rec)
{
	const struct held_limits limits = {
		.wall_ns = STORE_BEGIN_NS, .netns = 7, .max_tw_buckets = 20000,
	};
	struct held_states states = { .netns = 7, .fin_wait2_minis = 100 };
	const struct held_gap gap = {
		.since_ns = STORE_BEGIN_NS + 10 * MINUTE_NS, .reason = HELD_GAP_DISK, .run = 1,
		.until_ns = STORE_BEGIN_NS + 11 * MINUTE_NS, .events = 12,
		.detail = "No space left on device",
	};

	assert_int_equal(recording__add_limits(rec, &limits), 0);
	for (unsigned int i = 0; i < 90; i++) {
		states.wall_ns = STORE_BEGIN_NS + i * MINUTE_NS;
		states.states[6] = 100 * i;
		assert_int_equal(recording__add_states(rec, &states), 0);
	}
	assert_int_equal(recording__add_gap(rec, &gap), 0);
}

static void make_recording(void)
{
	const struct recording_options opts = { .size_bytes = 32 << 20, .raw_percent = 25 };
	const struct held_who whos[] = {
		{ .id = 1, .comm = "checkout", .workload.container_name = "shop" },
		{ .id = 2, .comm = "nginx" },
		{ .id = 3, .comm = "checkout", .workload.container_name = "shop", .uid = 1,
		  .has_uid = true },
	};
	struct held_run run = store_support__run(STORE_BEGIN_NS);
	struct recording *rec;

	path = store_support__path();
	if (recording__open(&rec, path, &opts, &run, &failure))
		fail_msg("%s", failure.text);
	assert_int_equal(recording__begin(rec), 0);
	for (unsigned int i = 0; i < COUNT(whos); i++)
		assert_int_equal(recording__add_who(rec, &whos[i]), 0);
	add_flow(rec, 1, "10.0.0.9", 80, TWS_TIME_WAIT, 0);
	add_flow(rec, 2, "10.0.0.8", 443, TWS_TIME_WAIT, 0);
	add_flow(rec, 3, "10.0.0.9", 80, TWS_CONNECT_FAILED, EADDRNOTAVAIL);
	for (unsigned int minute = 0; minute < 10; minute++) {
		add_minute(rec, minute, 1, 1, 1000);
		add_minute(rec, minute, 3, 1, 500);
		add_minute(rec, minute, 1, 2, 10);
		add_minute(rec, minute, 2, 2, 700);
		add_minute(rec, minute, 0, 0, 3);
	}
	add_minute(rec, 3, 1, 3, 42);
	add_samples(rec);
	assert_int_equal(recording__commit(rec, STORE_BEGIN_NS + HOUR_NS), 0);
	recording__close(rec);
}

static int set_up(void **state)
{
	(void)state;
	read_document();
	find_questions();
	make_recording();
	return sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK;
}

static int tear_down(void **state)
{
	(void)state;
	sqlite3_close(db);
	store_support__remove(path);
	free(document);
	for (unsigned int i = 0; i < QUESTIONS; i++)
		free(questions[i]);
	return 0;
}

/* ---- answers ---- */

/* All rows: columns are parted by '|', rows by a line's end. */
static void assert_answer(const char *sql, const char *expected)
{
	char answer[4096];
	size_t at = 0;
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	answer[0] = '\0';
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *text = (const char *)sqlite3_column_text(stmt, i);
			bool is_last = i + 1 == sqlite3_column_count(stmt);

			at += (size_t)snprintf(answer + at, sizeof(answer) - at, "%s%c",
					       text ? text : "", is_last ? '\n' : '|');
			assert_true(at < sizeof(answer));
		}
	sqlite3_finalize(stmt);
	assert_string_equal(answer, expected);
}

static void test_who(void **state)
{
	(void)state;
	assert_answer(questions[0], "checkout|shop|7550\nnginx||3500\n");
}

static void test_where(void **state)
{
	(void)state;
	assert_answer(questions[1], "10.0.0.9|80|15000|2.5\n10.0.0.8|443|100|2.5\n");
}

static void test_failures(void **state)
{
	(void)state;
	assert_answer(questions[2], "2026-11-22 06:43:00|checkout|shop|10.0.0.9|80|99|42\n");
}

static void test_limit(void **state)
{
	(void)state;
	assert_answer(questions[3], "2026-11-22 06:00|7|2000|20000|10.0\n"
				    "2026-11-22 07:00|7|8000|20000|40.0\n"
				    "2026-11-22 08:00|7|9000|20000|45.0\n");
}

static void test_missing(void **state)
{
	(void)state;
	assert_answer(questions[4], "2026-11-22 06:50:00|2026-11-22 06:51:00|60.0|disk|12|"
				    "No space left on device\n");
}

static void test_other(void **state)
{
	(void)state;
	assert_answer("SELECT sum(count) FROM closes WHERE process = '~other'", "30\n");
}

/* By the index, whatever the size. */
static void test_is_quick(void **state)
{
	char sql[1024];
	sqlite3_stmt *stmt;
	bool found = false;

	(void)state;
	assert_true(strlen(questions[0]) < 900);
	snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", questions[0]);

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		found |= strstr((const char *)sqlite3_column_text(stmt, 3),
				"SEARCH minute USING PRIMARY KEY (minute>? AND minute<?)") != NULL;
	sqlite3_finalize(stmt);
	assert_true(found);
}

/* ---- tables ---- */

/* Between backquotes, in the section about recordings. */
static bool is_said(const char *name)
{
	const char *begin = strstr(document, "\n## A recording\n");
	const char *end = strstr(document, "### Questions to a recording");
	const char *at;
	char quoted[128];

	assert_non_null(begin);
	snprintf(quoted, sizeof(quoted), "`%s`", name);
	at = strstr(begin, quoted);
	return at && at < end;
}

static void test_columns_are_said(void **state)
{
	sqlite3_stmt *stmt;

	(void)state;
	assert_int_equal(sqlite3_prepare_v2(db,
		"SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c "
		"WHERE t.type = 'table'", -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *table = (const char *)sqlite3_column_text(stmt, 0);
		const char *column = (const char *)sqlite3_column_text(stmt, 1);
		char numbered[64];

		/* owner2 is between owner1 and owner3. */
		snprintf(numbered, sizeof(numbered), "%s", column);
		if (numbered[0] && numbered[strlen(numbered) - 1] == '2' && strcmp(column, "fin_wait2"))
			numbered[strlen(numbered) - 1] = '1';
		if (!is_said(table) || !is_said(numbered))
			fail_msg("%s says nothing of %s.%s", DOCUMENT, table, column);
	}
	sqlite3_finalize(stmt);
	for (unsigned int i = 0; schema_tables[i]; i++)
		assert_int_equal(sqlite3_table_column_metadata(db, NULL, schema_tables[i], NULL, NULL,
							       NULL, NULL, NULL, NULL), SQLITE_OK);
}

static void test_views_work(void **state)
{
	sqlite3_stmt *views, *stmt;

	(void)state;
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT name, 'SELECT * FROM ' || name FROM sqlite_schema "
					    "WHERE type = 'view'", -1, &views, NULL), SQLITE_OK);
	while (sqlite3_step(views) == SQLITE_ROW) {
		const char *sql = (const char *)sqlite3_column_text(views, 1);

		assert_true(is_said((const char *)sqlite3_column_text(views, 0)));
		if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		while (sqlite3_step(stmt) == SQLITE_ROW)
			;
		assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	}
	sqlite3_finalize(views);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_is_quick),
		cmocka_unit_test(test_columns_are_said),
		cmocka_unit_test(test_views_work),
	};

	return cmocka_run_group_tests_name("questions", tests, set_up, tear_down);
}

// SPDX-License-Identifier: GPL-2.0
#include "store/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "base/outbuf.h"
#include "store/db.h"
#include "store/history_file.h"
#include "store/schema.h"

#define BUSY_MS 2000
#define WORK_STEPS 10000 /* of SQLite's machine, between two looks */
#define WORK_MAX 2000	 /* looks without a row: parts of a second */
#define LENGTH_MAX (80 << 20)

static int say(struct store_failure *failure, int err, const char *path, const char *what)
{
	char quoted[384];

	snprintf(failure->text, sizeof(failure->text), "%s: %s",
		 escape__quote(quoted, sizeof(quoted), path), what);
	return err;
}

static int say_errno(struct store_failure *failure, int err, const char *path)
{
	char text[128];

	if (err == -EBADMSG)
		return say(failure, err, path, "is damaged so that nothing of it can be read");
	snprintf(text, sizeof(text), "cannot be read: %s", strerror(-err));
	return say(failure, err, path, text);
}

/* ---- a database that others may have made ---- */

static int on_progress(void *ctx)
{
	struct history *history = ctx;

	history->is_endless |= ++history->work > WORK_MAX;
	return history->is_endless;
}

int history__step(struct history *history, sqlite3_stmt *stmt)
{
	history->work = 0;
	history->is_endless = false;
	return sqlite3_step(stmt);
}

static void restrict_database(struct history *history)
{
	sqlite3 *db = history->db;

	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 100000);
	sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 100);
	sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 50);
	sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 25000);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
	sqlite3_progress_handler(db, WORK_STEPS, on_progress, history);
}

/* A path as a URI: all but the plainest characters by their numbers. */
static int make_uri(struct outbuf *ob, const char *path, const char *query)
{
	char hex[2];

	outbuf__lit(ob, "file:");
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c == '/' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z')) {
			outbuf__char(ob, (char)c);
			continue;
		}
		outbuf__char(ob, '%');
		outbuf__bytes(ob, hex, fmt__hex(hex, &c, 1));
	}
	outbuf__bytes(ob, query, strlen(query) + 1);
	return ob->failed ? -ENOMEM : 0;
}

static bool has_wal(const char *path)
{
	char *name = NULL;
	struct stat st;
	bool has = asprintf(&name, "%s-wal", path) >= 0 && !stat(name, &st) && st.st_size > 0;

	free(name);
	return has;
}

/*
 * If nobody records into it nothing is locked, and nothing written beside it: it may stand on a
 * read-only disk. A WAL that was left is read with an index in our own memory.
 */
static int connect(struct history *history)
{
	bool wal = has_wal(history->path);
	struct outbuf uri = { 0 };
	int rc, err;

	history->is_live = writer_look__is_taken(&history->look);
	err = outbuf__init(&uri, 256);
	if (!err)
		err = make_uri(&uri, history->path,
			       history->is_live ? "?mode=ro" :
			       wal		? "?mode=ro&vfs=unix-none" :
						  "?mode=ro&immutable=1");
	if (err)
		goto out;
	rc = sqlite3_open_v2(uri.data, &history->db,
			     SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	err = db__errno(history->db, rc);
	if (err)
		goto out;
	restrict_database(history);
	if (!history->is_live && wal)
		err = db__exec(history->db, "PRAGMA locking_mode = EXCLUSIVE");
	if (!err)
		err = db__exec(history->db, "PRAGMA cell_size_check = ON; PRAGMA query_only = ON;"
					    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
					    "PRAGMA cache_size = -8192");
out:
	outbuf__free(&uri);
	return err;
}

static void disconnect(struct history *history)
{
	for (unsigned int i = 0; i < NAMES; i++) {
		sqlite3_finalize(history->name_stmts[i]);
		history->name_stmts[i] = NULL;
	}
	sqlite3_close(history->db);
	history->db = NULL;
}

int history__refresh(struct history *history)
{
	int err;

	if (history->is_live || !writer_look__is_taken(&history->look))
		return 0;
	disconnect(history);
	err = connect(history);
	return err ? err : 1;
}

/* ---- what there is ---- */

bool history__has_table(const struct history *history, const char *name)
{
	for (unsigned int i = 0; schema_tables[i]; i++)
		if (!strcmp(schema_tables[i], name))
			return history->usable & 1U << i;
	return false;
}

void history__give_up(struct history *history, const char *name)
{
	for (unsigned int i = 0; schema_tables[i]; i++)
		if (!strcmp(schema_tables[i], name))
			history->usable &= ~(1U << i);
}

/* No view, nothing virtual, and no column that is an expression. */
static int find_tables(struct history *history)
{
	static const char sql[] =
		"SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND rootpage > 0 "
		"AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1) WHERE hidden <> 0)";
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(history->db, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return db__errno(history->db, rc);
	for (unsigned int i = 0; schema_tables[i]; i++) {
		sqlite3_bind_text(stmt, 1, schema_tables[i], -1, SQLITE_STATIC);
		rc = history__step(history, stmt);
		sqlite3_reset(stmt);
		if (rc == SQLITE_ROW)
			history->usable |= 1U << i;
		else if (rc != SQLITE_DONE)
			break;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db__errno(history->db, rc);
}

static int check_format(struct history *history, struct store_failure *failure)
{
	int64_t id = 0, version = 0;
	int err = db__number(history->db, "PRAGMA application_id", &id);

	if (!err)
		err = db__number(history->db, "PRAGMA user_version", &version);
	if (err)
		return say_errno(failure, err, history->path);
	if (id != SCHEMA_APPLICATION_ID)
		return say(failure, -EBADMSG, history->path, "is no recording of twsnoop");
	if (version > SCHEMA_VERSION)
		return say(failure, -ENOTSUP, history->path,
			   "was recorded by a newer twsnoop: read it with that one");
	err = find_tables(history);
	if (!err && !history->usable)
		err = -EBADMSG;
	return err ? say_errno(failure, err, history->path) : 0;
}

/* ---- opening ---- */

static int check_file(struct history *history, struct store_failure *failure)
{
	static const char magic[16] = "SQLite format 3";
	char head[16];
	struct stat st;
	int err = writer_look__open(&history->look, history->path);

	if (err == -EINVAL)
		return say(failure, err, history->path, "is no file");
	/* What this process records into is a recording. */
	if (!err && history->look.fd < 0)
		return 0;
	if (!err && fstat(history->look.fd, &st))
		err = -errno;
	if (err)
		return say_errno(failure, err, history->path);
	if (!st.st_size)
		return say(failure, -EBADMSG, history->path,
			   "is empty: nothing was recorded into it");
	if (pread(history->look.fd, head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head, magic, sizeof(head)))
		return say(failure, -EBADMSG, history->path, "is no recording of twsnoop");
	return 0;
}

int history__open(struct history **historyp, const char *path, struct store_failure *failure)
{
	struct history *history = calloc(1, sizeof(*history));
	int err;

	if (!history)
		return say_errno(failure, -ENOMEM, path);
	history->look.fd = -1;
	history->path = realpath(path, NULL);
	if (!history->path) {
		err = say_errno(failure, -errno, path);
		goto fail;
	}
	err = check_file(history, failure);
	if (err)
		goto fail;
	err = connect(history);
	if (!err)
		err = history__new_names(history);
	if (err)
		err = say_errno(failure, err, history->path);
	else
		err = check_format(history, failure);
	if (err)
		goto fail;
	*historyp = history;
	return 0;
fail:
	history__close(history);
	return err;
}

void history__close(struct history *history)
{
	if (!history)
		return;
	history__free_names(history);
	disconnect(history);
	writer_look__close(&history->look);
	free(history->path);
	free(history);
}

/* ---- damage ---- */

static void extend(struct held_gap *gap, uint64_t since_ns, uint64_t until_ns, uint64_t events)
{
	if (since_ns < gap->since_ns)
		gap->since_ns = since_ns;
	if (until_ns > gap->until_ns)
		gap->until_ns = until_ns;
	gap->events += events;
}

void history__note_damage(struct history *history, uint64_t since_ns, uint64_t until_ns,
			  uint64_t events, const char *detail)
{
	struct history_damage *damage = &history->damage;

	/* What was read twice is damaged once. */
	for (unsigned int i = 0; i < damage->num; i++)
		if (damage->gaps[i].since_ns == since_ns && damage->gaps[i].until_ns == until_ns &&
		    damage->gaps[i].detail == detail)
			return;
	if (damage->num == HISTORY_GAPS) {
		extend(&damage->gaps[HISTORY_GAPS - 1], since_ns, until_ns, events);
		return;
	}
	damage->gaps[damage->num++] = (struct held_gap){
		.since_ns = since_ns, .until_ns = until_ns, .reason = HELD_GAP_DAMAGED,
		.events = events, .detail = detail,
	};
}

/* ---- status ---- */

static uint64_t file_bytes(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < 3; i++) {
		char *name = NULL;
		struct stat st;

		if (asprintf(&name, "%s%s", path, suffixes[i]) >= 0 && !stat(name, &st))
			bytes += (uint64_t)st.st_size;
		free(name);
	}
	return bytes;
}

/* @sql's first row into up to @num numbers; what cannot be read stays 0. Returns whether there
 * was one. */
static bool ask(struct history *history, const char *table, const char *sql, unsigned int num,
		uint64_t *numbers)
{
	sqlite3_stmt *stmt;
	bool has_row;

	if (!history__has_table(history, table) ||
	    sqlite3_prepare_v2(history->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return false;
	has_row = history__step(history, stmt) == SQLITE_ROW;
	for (unsigned int i = 0; has_row && i < num; i++)
		numbers[i] = db__column_u64(stmt, (int)i);
	sqlite3_finalize(stmt);
	return has_row;
}

static int add_block(void *ctx, const struct held_block *block)
{
	struct history_status *status = ctx;

	if (!status->raw_rows || block->since_ns < status->raw.since_ns)
		status->raw.since_ns = block->since_ns;
	if (block->until_ns >= status->raw.until_ns)
		status->raw.until_ns = block->until_ns + 1;
	status->raw_rows += block->rows;
	status->raw_bytes += block->size;
	return 0;
}

/* SQLite adds up quickly, but says nothing once a page is damaged. */
static void ask_raw(struct history *history, struct history_status *status)
{
	const struct history_span whole = { 0, 0 };
	uint64_t raw[4] = { 0 };

	if (!ask(history, "block",
		 "SELECT min(since_ns), max(until_ns) + 1, sum(rows), sum(bytes) FROM block", 4,
		 raw)) {
		history__each_block(history, &whole, add_block, status);
		return;
	}
	status->raw = (struct history_span){ raw[0], raw[1] };
	status->raw_rows = raw[2];
	status->raw_bytes = raw[3];
}

/* Runs come in their order: the last one stays. */
static int take_run(void *ctx, const struct held_run *run)
{
	struct history_status *status = ctx;

	if (!status->all.since_ns || run->since_ns < status->all.since_ns)
		status->all.since_ns = run->since_ns;
	if (run->until_ns > status->all.until_ns)
		status->all.until_ns = run->until_ns;
	status->last_commit_ns = run->until_ns;
	status->last_run = *run;
	return 0;
}

static void keep_strings(struct history *history, struct held_run *run)
{
	const char **strings[] = { &run->version, &run->kernel, &run->host, &run->zone,
				   &run->filter };

	for (unsigned int i = 0; i < 5; i++) {
		char *own = history->run_strings[i];

		if (!*strings[i])
			continue;
		snprintf(own, sizeof(history->run_strings[i]), "%s", *strings[i]);
		*strings[i] = own;
	}
}

static void ask_all(struct history *history, struct history_status *status)
{
	struct held_account *account = &status->account;
	uint64_t minutes[2] = { 0 }, counts[9] = { 0 };

	ask_raw(history, status);
	ask(history, "minute",
	    "SELECT (SELECT min(minute) FROM minute), (SELECT max(minute) + 1 FROM minute)", 2,
	    minutes);
	if (minutes[1] && minutes[1] <= INT64_MAX / HISTORY_NS_PER_MINUTE) {
		status->minutes.since_ns = minutes[0] * HISTORY_NS_PER_MINUTE;
		status->minutes.until_ns = minutes[1] * HISTORY_NS_PER_MINUTE;
	}
	ask(history, "meta", "SELECT value FROM meta WHERE name = 'size_bytes'", 1,
	    &status->size_bytes);
	ask(history, "meta", "SELECT value FROM meta WHERE name = 'minute_rows'", 1,
	    &status->minute_rows);
	ask(history, "gap", "SELECT count(*), sum(events) FROM gap", 2, counts);
	status->gaps = counts[0];
	status->gap_events = counts[1];
	memset(counts, 0, sizeof(counts));
	/* The newest, wherever the clock was: a run's number and what it has delivered only grow. */
	ask(history, "account",
	    "SELECT at_ns, run, delivered, lost, map_full, recursion, snapshot, unattributed, "
	    "no_end FROM account ORDER BY run DESC, delivered DESC, at_ns DESC LIMIT 1", 9, counts);
	*account = (struct held_account){
		.wall_ns = counts[0], .run = (uint32_t)counts[1],
		.told = {
			.delivered = counts[2], .lost = counts[3], .map_full = counts[4],
			.recursion = counts[5], .snapshot = counts[6], .unattributed = counts[7],
			.no_end = counts[8],
		},
	};
}

/* The strings of a run live as long as the call that gives it. */
struct status_run {
	struct history *history;
	struct history_status *status;
};

static int on_run(void *ctx, const struct held_run *run)
{
	struct status_run *at = ctx;

	take_run(at->status, run);
	keep_strings(at->history, &at->status->last_run);
	return 0;
}

/* While the clock was put forward, or back, a run was before its beginning or after its end: until_ns
 * is the last moment, as that of a run is. */
static void widen(struct history_span *all, uint64_t since_ns, uint64_t until_ns)
{
	if (since_ns < all->since_ns)
		all->since_ns = since_ns;
	if (until_ns > all->until_ns)
		all->until_ns = until_ns;
}

int history__status(struct history *history, struct history_status *status)
{
	const struct history_span whole = { 0, 0 };
	struct history_status told = { 0 };
	struct status_run at = { history, &told };
	int err = history__refresh(history);

	if (err >= 0)
		err = history__each_run(history, &whole, on_run, &at);
	if (err)
		return err;
	ask_all(history, &told);
	if (!told.all.since_ns)
		told.all = told.minutes;
	if (told.raw_rows)
		widen(&told.all, told.raw.since_ns, told.raw.until_ns - 1);
	/* Of the first and the last minute only a part need be of a run. */
	if (told.minutes.until_ns)
		widen(&told.all, told.minutes.since_ns + HISTORY_NS_PER_MINUTE - 1,
		      told.minutes.until_ns - HISTORY_NS_PER_MINUTE);
	told.file_bytes = file_bytes(history->path);
	told.is_recording = writer_look__is_taken(&history->look);
	*status = told;
	return 0;
}

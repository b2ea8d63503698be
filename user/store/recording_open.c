// SPDX-License-Identifier: GPL-2.0
/*
 * Opening a recording: whether the file is one, and nobody else's; what SQLite is told of it; where
 * the last run has stopped; and the row of this run.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "store/db.h"
#include "store/guard.h"
#include "store/recording_file.h"
#include "store/schema.h"

#define FRAME_BYTES (RECORDING_PAGE_BYTES + 24) /* of the WAL */
#define WAL_BYTES(frames) (32 + (uint64_t)(frames) * FRAME_BYTES)
#define SHM_BYTES 32768U /* the index of a WAL of up to 4,062 frames */
#define MOST_FRAMES 4000U
#define LEAST_FRAMES 760U

/* ---- whether it is ours ---- */

static int say(struct store_failure *failure, int err, const char *path, const char *what)
{
	char quoted[384];

	snprintf(failure->text, sizeof(failure->text), "%s: %s",
		 escape__quote(quoted, sizeof(quoted), path), what);
	return err;
}

static int say_errno(struct store_failure *failure, int err, const char *path, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", what,
		 err == -EBADMSG ? "the file is damaged" : strerror(-err));
	return say(failure, err, path, text);
}

/* Who has the lock, as the file tells it. */
static int say_busy(struct store_failure *failure, const char *path)
{
	char text[96] = "another twsnoop records into it";
	int64_t pid = 0;
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
	    SQLITE_OK) {
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_busy_timeout(db, RECORDING_BUSY_MS);
		db__number(db, "SELECT pid FROM run ORDER BY id DESC LIMIT 1", &pid);
	}
	sqlite3_close(db);
	if (pid > 0 && pid <= INT_MAX)
		snprintf(text, sizeof(text), "another twsnoop records into it (PID %d)", (int)pid);
	return say(failure, -EBUSY, path, text);
}

static int open_locked(struct recording *rec, struct store_failure *failure)
{
	static const char magic[16] = "SQLite format 3";
	char head[16];
	struct stat st;
	int err;

	err = writer_lock__open(&rec->lock, rec->path);
	if (err == -EBUSY)
		return say_busy(failure, rec->path);
	if (err == -EINVAL)
		return say(failure, err, rec->path, "is no file");
	if (!err && fstat(rec->lock.fd, &st))
		err = -errno;
	if (err)
		return say_errno(failure, err, rec->path, "cannot be opened");
	if (st.st_size && (pread(rec->lock.fd, head, sizeof(head), 0) != sizeof(head) ||
			   memcmp(head, magic, sizeof(head))))
		return say(failure, -EBADMSG, rec->path, "is no recording; it is left as it is");
	return 0;
}

/* A name that begins like a URI is a name all the same. */
static char *plain_path(const char *path)
{
	char *plain = NULL;

	if (!*path || asprintf(&plain, "%s%s", *path == '/' ? "" : "./", path) < 0)
		return NULL;
	return plain;
}

static int open_database(struct recording *rec, struct store_failure *failure)
{
	int rc, err = guard__new(&rec->guard);

	if (err)
		return say_errno(failure, err, rec->path, "cannot be opened");
	rc = sqlite3_open_v2(rec->path, &rec->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			     guard__name(rec->guard));
	if (rc != SQLITE_OK)
		return say_errno(failure, db__errno(rec->db, rc), rec->path, "cannot be opened");
	sqlite3_extended_result_codes(rec->db, 1);
	sqlite3_busy_timeout(rec->db, RECORDING_BUSY_MS);
	sqlite3_db_config(rec->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(rec->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(rec->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	/* Not before it is known to be ours. */
	sqlite3_db_config(rec->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return 0;
}

static int make_schema(struct recording *rec)
{
	char version[96];
	int err;

	snprintf(version, sizeof(version), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		 SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
	err = db__exec(rec->db, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;"
				"PRAGMA encoding = 'UTF-8'; BEGIN IMMEDIATE;");
	if (!err)
		err = db__exec(rec->db, version);
	if (!err)
		err = db__exec(rec->db, schema_sql);
	return err ? err : db__exec(rec->db, "COMMIT");
}

/* Each table must be as it was made: no other way in, and no surprises on the way. */
static int check_schema(struct recording *rec)
{
	sqlite3 *model = NULL;
	sqlite3_stmt *theirs = NULL, *ours = NULL;
	int rc, err = 0;

	rc = sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(model, schema_sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(model, "SELECT name, sql FROM sqlite_schema WHERE type = "
					"'table'", -1, &ours, NULL);
	if (rc != SQLITE_OK)
		err = -ENOMEM;
	if (!err)
		err = db__errno(rec->db, sqlite3_prepare_v2(rec->db,
			"SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND sql = "
			"?2 AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger')",
			-1, &theirs, NULL));
	while (!err && sqlite3_step(ours) == SQLITE_ROW) {
		sqlite3_bind_value(theirs, 1, sqlite3_column_value(ours, 0));
		sqlite3_bind_value(theirs, 2, sqlite3_column_value(ours, 1));
		rc = sqlite3_step(theirs);
		if (rc != SQLITE_ROW)
			err = rc == SQLITE_DONE ? -EBADMSG : db__errno(rec->db, rc);
		sqlite3_reset(theirs);
	}
	sqlite3_finalize(theirs);
	sqlite3_finalize(ours);
	sqlite3_close(model);
	return err;
}

static int check_format(struct recording *rec, struct store_failure *failure)
{
	int64_t id = 0, version = 0, tables = 0;
	int err = db__number(rec->db, "PRAGMA application_id", &id);

	if (!err)
		err = db__number(rec->db, "PRAGMA user_version", &version);
	if (!err)
		err = db__number(rec->db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (err)
		return say_errno(failure, err, rec->path, "cannot be read");
	if (!id && !version && !tables) {
		err = make_schema(rec);
		if (!err)
			sqlite3_db_config(rec->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		return err ? say_errno(failure, err, rec->path, "cannot be written") : 0;
	}
	if (id != SCHEMA_APPLICATION_ID)
		return say(failure, -EBADMSG, rec->path,
			   "is a database of another program; it is left as it is");
	if (version > SCHEMA_VERSION)
		return say(failure, -ENOTSUP, rec->path,
			   "is of a newer twsnoop; it is left as it is");
	err = check_schema(rec);
	if (!err)
		sqlite3_db_config(rec->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	if (err == -EBADMSG)
		return say(failure, err, rec->path,
			   "has other tables than twsnoop's; it is left as it is");
	return err ? say_errno(failure, err, rec->path, "cannot be read") : 0;
}

/* ---- setting up ---- */

static int on_wal(void *ctx, sqlite3 *db, const char *name, int frames)
{
	struct recording *rec = ctx;

	(void)db;
	(void)name;
	rec->frames = (uint32_t)frames;
	return SQLITE_OK;
}

static int set_up(struct recording *rec)
{
	char limit[64];
	int err = db__exec(rec->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
				    "PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = OFF;"
				    "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;"
				    "PRAGMA cache_spill = OFF; PRAGMA cell_size_check = ON;"
				    "PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF;");
	int64_t page_bytes = 0;

	if (!err)
		err = db__number(rec->db, "PRAGMA page_size", &page_bytes);
	if (!err && page_bytes != RECORDING_PAGE_BYTES)
		err = -EBADMSG;
	if (err)
		return err;
	sqlite3_wal_hook(rec->db, on_wal, rec);
	guard__limit(rec->guard, rec->opts.size_bytes, WAL_BYTES(rec->max_frames));
	err = recording__checkpoint(rec, SQLITE_CHECKPOINT_TRUNCATE);
	if (err && err != -EBUSY)
		return err;
	err = recording__shrink(rec);
	if (err)
		return err;
	snprintf(limit, sizeof(limit), "PRAGMA max_page_count = %u", rec->max_pages);
	return db__exec(rec->db, limit);
}

/* The database has what the WAL and its index leave. */
static void divide(struct recording *rec)
{
	uint64_t frames = rec->opts.size_bytes / 8 / FRAME_BYTES;

	rec->max_frames = frames < LEAST_FRAMES ? LEAST_FRAMES :
			  frames > MOST_FRAMES	? MOST_FRAMES :
						  (uint32_t)frames;
	frames = rec->opts.size_bytes - WAL_BYTES(rec->max_frames) - SHM_BYTES;
	frames /= RECORDING_PAGE_BYTES;
	rec->max_pages = frames > INT32_MAX ? INT32_MAX : (uint32_t)frames;
	rec->spare_pages = rec->max_pages / 8 > 768 ? 768 : rec->max_pages / 8;
}

static int read_marks(struct recording *rec)
{
	struct recording_next *next = &rec->now.next;
	const struct {
		const char *ask;
		uint64_t least;
		uint64_t *u64;
		uint32_t *u32;
	} marks[] = {
		{ "SELECT max(max(value, 1), ifnull((SELECT max(first_row + rows) FROM block), 1)) "
		  "FROM meta WHERE name = 'counted'", 1, &next->row, NULL },
		{ "SELECT value FROM meta WHERE name = 'counted'", 1, &rec->now.counted, NULL },
		{ "SELECT ifnull(sum(bytes), 0) FROM block", 0, &rec->now.raw_bytes, NULL },
		{ "SELECT value FROM meta WHERE name = 'minute_rows'", 0, &rec->now.minute_rows,
		  NULL },
		{ "SELECT max(ifnull((SELECT max(id) + 1 FROM who), 1), "
		  "ifnull((SELECT max(first_who) FROM epoch), 1))", 1, NULL, &next->who },
		{ "SELECT max(ifnull((SELECT max(id) + 1 FROM command), 1), "
		  "ifnull((SELECT max(first_command) FROM epoch), 1))", 1, NULL, &next->command },
		{ "SELECT max(ifnull((SELECT max(id) + 1 FROM flow), 1), "
		  "ifnull((SELECT max(first_flow) FROM epoch), 1))", 1, NULL, &next->flow },
		{ "SELECT ifnull(max(id), 0) FROM run", 0, NULL, &next->run },
		{ "SELECT ifnull(max(id), 0) FROM epoch", 0, NULL, &rec->epoch },
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		int64_t number = 0;
		int err = db__number(rec->db, marks[i].ask, &number);

		if (err && err != -ENOENT)
			return err;
		if (number < (int64_t)marks[i].least)
			number = (int64_t)marks[i].least;
		if (marks[i].u32 && number >= UINT32_MAX)
			return -EBADMSG;
		if (marks[i].u32)
			*marks[i].u32 = (uint32_t)number;
		else
			*marks[i].u64 = (uint64_t)number;
	}
	rec->now.has_epoch = rec->epoch > 0;
	rec->now.has_last_minute = true;
	return 0;
}

/* Before this a run has an end, and behind it there is nothing. */
static int begin_run(struct recording *rec, const struct held_run *run)
{
	sqlite3_stmt *stmt = NULL;
	int rc, err = recording__begin(rec);

	if (err)
		goto out;
	rc = sqlite3_prepare_v2(rec->db, "INSERT INTO run VALUES(?1, ?2, ?2, 0, ?3, ?4, ?5, ?6, "
					 "?7, ?8, ?9, ?10, ?11)", -1, &stmt, NULL);
	if (rc != SQLITE_OK) {
		recording__fail(rec, rc);
		goto out;
	}
	rec->now.next.run++;
	db__bind_number(stmt, 1, rec->now.next.run);
	db__bind_number(stmt, 2, run->since_ns);
	db__bind_number(stmt, 3, (uint64_t)getpid());
	db__bind_string(stmt, 4, run->boot_id);
	db__bind_string(stmt, 5, run->version);
	db__bind_string(stmt, 6, run->kernel);
	db__bind_string(stmt, 7, run->host);
	db__bind_string(stmt, 8, run->zone);
	db__bind_number(stmt, 9, run->all);
	db__bind_number(stmt, 10, run->calls);
	db__bind_string(stmt, 11, run->filter);
	recording__run(rec, stmt);
	if (!rec->err)
		recording__set_meta(rec, "size_bytes", rec->opts.size_bytes);
	if (!rec->err)
		recording__set_meta(rec, "keep_ns", rec->opts.keep_ns);
	if (!rec->err)
		recording__set_meta(rec, "raw_percent", rec->opts.raw_percent);
out:
	sqlite3_finalize(stmt);
	err = recording__commit(rec, run->since_ns);
	if (err)
		return err;
	rec->has_run = true;
	rec->now.has_epoch = true;
	recording__begin_epoch(rec);
	return 0;
}

int recording__open(struct recording **recp, const char *path,
		    const struct recording_options *opts, const struct held_run *run,
		    struct store_failure *failure)
{
	struct recording *rec;
	int err;

	if (opts->size_bytes < RECORDING_SIZE_MIN)
		return say(failure, -EINVAL, path, "a recording needs at least 8M");
	rec = calloc(1, sizeof(*rec));
	if (!rec)
		return say_errno(failure, -ENOMEM, path, "cannot be opened");
	rec->lock.fd = -1;
	rec->opts = *opts;
	rec->path = plain_path(path);
	if (!rec->path) {
		recording__close(rec);
		return say(failure, -EINVAL, path, "is no file");
	}
	divide(rec);
	err = open_locked(rec, failure);
	if (!err)
		err = open_database(rec, failure);
	if (!err)
		err = check_format(rec, failure);
	if (err) {
		recording__close(rec);
		return err;
	}
	err = read_marks(rec);
	if (!err)
		err = set_up(rec);
	if (!err)
		err = recording__resume(rec, run->since_ns);
	if (!err)
		err = begin_run(rec, run);
	if (err) {
		say_errno(failure, err, rec->path, "cannot be written");
		recording__close(rec);
		return err;
	}
	*recp = rec;
	return 0;
}

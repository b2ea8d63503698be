// SPDX-License-Identifier: GPL-2.0
#include "store/recording.h"

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
#define EPOCH_COMMITS 21600U /* six hours */
#define EPOCH_IDS 50000U
#define BUSY_MS 1000 /* for somebody who writes by hand */

static const char *const sql[STMTS] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_TOUCH_RUN] = "UPDATE run SET until_ns = ?2 WHERE id = ?1",
	[STMT_END_RUN] = "UPDATE run SET has_ended = 1 WHERE id = ?1",
	[STMT_SET_META] = "INSERT INTO meta(name, value) VALUES(?1, ?2) "
			  "ON CONFLICT(name) DO UPDATE SET value = excluded.value",
	[STMT_ADD_EPOCH] = "INSERT INTO epoch(id, run, first_who, first_command, first_flow, "
			   "last_minute) VALUES(?1, ?2, ?3, ?4, ?5, 0)",
	[STMT_SET_LAST_MINUTE] = "UPDATE epoch SET last_minute = max(last_minute, ?2) "
				 "WHERE id = ?1",
	[STMT_ADD_WHO] = "INSERT OR REPLACE INTO who(id, name, uid, command_line, cgroup, "
			 "container, container_id, image, runtime, unit, pod, pod_uid, "
			 "pod_namespace, pod_container) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
			 "?10, ?11, ?12, ?13, ?14)",
	[STMT_ADD_COMMAND] = "INSERT OR REPLACE INTO command(id, command_line) VALUES(?1, ?2)",
	[STMT_ADD_FLOW] = "INSERT OR REPLACE INTO flow(id, local_address, local_port, "
			  "peer_address, peer_port, netns, action, side, cause, end, errno) "
			  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[STMT_ADD_BLOCK] = "INSERT INTO block(first_row, rows, run, epoch, since_ns, until_ns, "
			   "is_tail, keep, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[STMT_ADD_BLOCK_DATA] = "INSERT INTO block_data(first_row, data) VALUES(?1, ?2)",
	[STMT_FIND_TAIL] = "SELECT first_row, bytes, keep FROM block WHERE first_row >= ?1 AND "
			   "first_row < ?2 AND is_tail ORDER BY first_row LIMIT 1",
	[STMT_KEEP_BLOCKS] = "UPDATE block SET keep = 1 WHERE since_ns <= ?2 AND until_ns >= ?1 "
			     "AND NOT keep",
	[STMT_ADD_MINUTE] = "INSERT INTO minute(minute, who, flow, count, tx_bytes, rx_bytes, "
			    "lifetime_ns, lifetimes, histogram) "
			    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[STMT_GET_MINUTE] = "SELECT count, tx_bytes, rx_bytes, lifetime_ns, lifetimes, histogram "
			    "FROM minute WHERE minute = ?1 AND who = ?2 AND flow = ?3",
	[STMT_SET_MINUTE] = "UPDATE minute SET count = ?4, tx_bytes = ?5, rx_bytes = ?6, "
			    "lifetime_ns = ?7, lifetimes = ?8, histogram = ?9 "
			    "WHERE minute = ?1 AND who = ?2 AND flow = ?3",
	[STMT_ADD_STATES] = "INSERT OR REPLACE INTO states VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
			    "?9, ?10, ?11, ?12, ?13, ?14, ?15)",
	[STMT_ADD_LIMITS] = "INSERT OR REPLACE INTO limits VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
			    "?9, ?10, ?11)",
	[STMT_ADD_PORTS] = "INSERT OR REPLACE INTO ports VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
			   "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, "
			   "?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31)",
	[STMT_ADD_COUNTER_NAME] = "INSERT INTO counter_name(name) VALUES(?1)",
	[STMT_GET_COUNTER_NAME] = "SELECT id FROM counter_name WHERE name = ?1",
	[STMT_ADD_COUNTER] = "INSERT OR REPLACE INTO counter(at_ns, netns, name, value) "
			     "VALUES(?1, ?2, ?3, ?4)",
	[STMT_ADD_ACCOUNT] = "INSERT OR REPLACE INTO account(at_ns, run, delivered, lost, "
			     "map_full, recursion, snapshot, unattributed, no_end) "
			     "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[STMT_ADD_GAP] = "INSERT INTO gap(since_ns, until_ns, run, reason, events, detail) "
			 "VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[STMT_ADD_FINDING] = "INSERT INTO finding(at_ns, finding, severity, who, flow, count, "
			     "sentence) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[STMT_PAGE_COUNT] = "PRAGMA page_count",
	[STMT_FREE_COUNT] = "PRAGMA freelist_count",
	[STMT_OLDEST_BLOCK] = "SELECT first_row, bytes FROM block WHERE NOT keep AND NOT is_tail "
			      "AND first_row + rows <= ?1 ORDER BY first_row LIMIT 1",
	[STMT_OLDEST_KEPT_BLOCK] = "SELECT first_row, bytes FROM block WHERE NOT is_tail AND "
				   "first_row + rows <= ?1 ORDER BY first_row LIMIT 1",
	/* What is later than the present is of a time when the clock went wrong. */
	[STMT_FIRST_YOUNG_BLOCK] = "SELECT first_row FROM block WHERE until_ns BETWEEN ?1 AND ?2 "
				   "ORDER BY first_row LIMIT 1",
	[STMT_REMOVE_BLOCK] = "DELETE FROM block WHERE first_row = ?1",
	[STMT_REMOVE_BLOCK_DATA] = "DELETE FROM block_data WHERE first_row = ?1",
	[STMT_OLDEST_NS] = "SELECT min(ns) FROM (SELECT min(minute) * 60000000000 AS ns FROM "
			   "minute UNION ALL SELECT min(at_ns) FROM states "
			   "UNION ALL SELECT min(at_ns) FROM limits "
			   "UNION ALL SELECT min(at_ns) FROM ports "
			   "UNION ALL SELECT min(at_ns) FROM counter "
			   "UNION ALL SELECT min(at_ns) FROM account)",
	[STMT_NEWEST_MINUTE] = "SELECT max(minute) FROM minute",
	[STMT_REMOVE_FUTURE] = "DELETE FROM minute WHERE minute = ?1",
	[STMT_LIMIT_EPOCHS] = "UPDATE epoch SET last_minute = ?1 WHERE last_minute > ?1",
	[STMT_REMOVE_MINUTES] = "DELETE FROM minute WHERE minute < ?1",
	[STMT_REMOVE_STATES] = "DELETE FROM states WHERE at_ns < ?1",
	[STMT_REMOVE_LIMITS] = "DELETE FROM limits WHERE at_ns < ?1",
	[STMT_REMOVE_PORTS] = "DELETE FROM ports WHERE at_ns < ?1",
	[STMT_REMOVE_COUNTERS] = "DELETE FROM counter WHERE at_ns < ?1",
	[STMT_REMOVE_ACCOUNTS] = "DELETE FROM account WHERE at_ns < ?1",
	[STMT_REMOVE_GAPS] = "DELETE FROM gap WHERE until_ns < ?1",
	[STMT_REMOVE_FINDINGS] = "DELETE FROM finding WHERE at_ns < ?1",
	/* A block's row leads to its run. */
	[STMT_REMOVE_RUNS] = "DELETE FROM run WHERE until_ns < ?1 AND id < ?2 AND id NOT IN "
			     "(SELECT run FROM epoch)",
	[STMT_OLD_EPOCH] = "SELECT id, last_minute, first_who, first_command, first_flow, "
			   "lead(first_who) OVER later, lead(first_command) OVER later, "
			   "lead(first_flow) OVER later FROM epoch WINDOW later AS (ORDER BY id) "
			   "ORDER BY id LIMIT ?1",
	[STMT_EPOCH_HAS_BLOCKS] = "SELECT 1 FROM block WHERE epoch = ?1 LIMIT 1",
	[STMT_REMOVE_COMMANDS] = "DELETE FROM command WHERE id >= ?1 AND id < ?2",
	[STMT_REMOVE_WHOS] = "DELETE FROM who WHERE id >= ?1 AND id < ?2",
	[STMT_REMOVE_FLOWS] = "DELETE FROM flow WHERE id >= ?1 AND id < ?2",
	[STMT_REMOVE_EPOCH] = "DELETE FROM epoch WHERE id = ?1",
	[STMT_UNCOUNTED] = "SELECT first_row, rows, run, epoch, since_ns, until_ns, is_tail, keep "
			   "FROM block WHERE first_row >= ?1 AND (first_row + rows > ?2 OR "
			   "is_tail) ORDER BY first_row LIMIT 1",
	[STMT_BLOCK_DATA] = "SELECT data FROM block_data WHERE first_row = ?1",
	[STMT_REMOVE_STOPPED] = "DELETE FROM gap WHERE run = ?1 AND reason = ?2 AND since_ns = ?3",
	[STMT_END_TAILS] = "UPDATE block SET is_tail = 0 WHERE is_tail",
};

/* ---- statements ---- */

int recording__fail(struct recording *rec, int rc)
{
	int err = db__errno(rec->db, rc);

	if ((rc & 0xff) == SQLITE_FULL) {
		rec->has_to_truncate = true;
		err = guard__disk_was_full(rec->guard) ? -ENOSPC : -EFBIG;
		guard__was_refused(rec->guard);
	} else if (rc == SQLITE_IOERR_SHMSIZE) {
		err = -ENOSPC;
	}
	if (!rec->err)
		rec->err = err;
	return err;
}

sqlite3_stmt *recording__stmt(struct recording *rec, enum recording_stmt which)
{
	int rc = SQLITE_OK;

	if (!rec->stmts[which])
		rc = sqlite3_prepare_v3(rec->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
					&rec->stmts[which], NULL);
	if (rc != SQLITE_OK)
		recording__fail(rec, rc);
	return rec->stmts[which];
}

int recording__run(struct recording *rec, sqlite3_stmt *stmt)
{
	int rc;

	if (!stmt)
		return rec->err;
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : recording__fail(rec, rc);
}

/* ---- transactions ---- */

static int on_wal(void *ctx, sqlite3 *db, const char *name, int frames)
{
	struct recording *rec = ctx;

	(void)db;
	(void)name;
	rec->frames = (uint32_t)frames;
	return SQLITE_OK;
}

int recording__checkpoint(struct recording *rec, int mode)
{
	int frames, done, rc;

	/* Nobody is waited for but within begin, and there not long. */
	sqlite3_busy_timeout(rec->db, mode == SQLITE_CHECKPOINT_PASSIVE ? 0 : BUSY_MS / 4);
	rc = sqlite3_wal_checkpoint_v2(rec->db, NULL, mode, &frames, &done);
	sqlite3_busy_timeout(rec->db, BUSY_MS);
	if (rc == SQLITE_BUSY)
		return -EBUSY;
	if (rc != SQLITE_OK) {
		rec->checkpoint_err = db__errno(rec->db, rc);
		if ((rc & 0xff) == SQLITE_FULL)
			rec->checkpoint_err = -ENOSPC;
		return rec->checkpoint_err;
	}
	rec->checkpoint_err = 0;
	if (mode != SQLITE_CHECKPOINT_PASSIVE)
		rec->frames = 0;
	return frames == done ? 0 : -EBUSY;
}

/*
 * So that a transaction finds room in the WAL for as much as it may be. And if the disk has not taken
 * what is in the WAL, nothing is added to that before the database has it all: the kernel tells of
 * a write that failed once, at the next fsync, and a WAL that has lost some of its middle would
 * count, after a power cut, more than what is newer in the database.
 */
static int make_wal_room(struct recording *rec)
{
	bool has_room = rec->frames <= rec->max_frames / 2;
	int err;

	if (!rec->has_to_truncate && !rec->checkpoint_err && has_room)
		return 0;
	err = recording__checkpoint(rec, SQLITE_CHECKPOINT_TRUNCATE);
	if (!err)
		rec->has_to_truncate = false;
	if (!err || (err == -EBUSY && has_room))
		return 0;
	/* The WAL itself was synchronised before that. */
	if (err == -ENOSPC && has_room && !rec->has_to_truncate)
		return 0;
	return err == -EBUSY ? -EFBIG : err;
}

/*
 * Commits synchronise nothing, checkpoints do: what a power cut may take is what has come since the
 * last one, and what the disk refuses shows then. The clock may have been set back.
 */
static bool checkpoint_is_due(struct recording *rec, uint64_t now_wall_ns)
{
	if (rec->frames <= rec->max_frames / 3 && now_wall_ns >= rec->checkpoint_ns &&
	    now_wall_ns - rec->checkpoint_ns < RECORDING_SYNC_NS)
		return false;
	rec->checkpoint_ns = now_wall_ns;
	return true;
}

int recording__begin(struct recording *rec)
{
	int err;

	if (rec->is_begun)
		return -EALREADY;
	rec->is_begun = true;
	rec->err = 0;
	rec->before = rec->now;
	rec->now.places = 0;
	err = make_wal_room(rec);
	if (err) {
		rec->err = err;
		return err;
	}
	return recording__run(rec, recording__stmt(rec, STMT_BEGIN));
}

static int set_meta(struct recording *rec, const char *name, uint64_t value)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_SET_META);

	if (!stmt)
		return rec->err;
	db__bind_string(stmt, 1, name);
	db__bind_number(stmt, 2, value);
	return recording__run(rec, stmt);
}

static int touch_run(struct recording *rec, uint64_t now_ns)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_TOUCH_RUN);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, rec->now.next.run);
	db__bind_number(stmt, 2, now_ns);
	return recording__run(rec, stmt);
}

int recording__put_epoch(struct recording *rec)
{
	sqlite3_stmt *stmt;

	if (rec->err || rec->now.has_epoch)
		return rec->err;
	stmt = recording__stmt(rec, STMT_ADD_EPOCH);
	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, rec->epoch);
	db__bind_number(stmt, 2, rec->now.next.run);
	db__bind_number(stmt, 3, rec->now.next.who);
	db__bind_number(stmt, 4, rec->now.next.command);
	db__bind_number(stmt, 5, rec->now.next.flow);
	rec->now.has_epoch = true;
	return recording__run(rec, stmt);
}

static int put_marks(struct recording *rec)
{
	sqlite3_stmt *stmt;

	if (rec->now.counted != rec->before.counted && set_meta(rec, "counted", rec->now.counted))
		return rec->err;
	if (rec->now.minute_rows != rec->before.minute_rows &&
	    set_meta(rec, "minute_rows", rec->now.minute_rows))
		return rec->err;
	if (rec->now.has_last_minute)
		return 0;
	stmt = recording__stmt(rec, STMT_SET_LAST_MINUTE);
	if (!stmt)
		return rec->err;
	sqlite3_bind_int64(stmt, 1, rec->epoch);
	sqlite3_bind_int64(stmt, 2, rec->now.last_minute);
	rec->now.has_last_minute = true;
	return recording__run(rec, stmt);
}

int recording__end_transaction(struct recording *rec, uint64_t now_ns, bool of_this_run)
{
	if (!rec->err && recording__is_gone(rec))
		rec->err = -ENOENT;
	if (!rec->err && of_this_run)
		touch_run(rec, now_ns);
	if (!rec->err)
		recording__tend(rec, now_ns);
	if (!rec->err)
		put_marks(rec);
	if (!rec->err)
		recording__run(rec, recording__stmt(rec, STMT_COMMIT));
	rec->is_begun = false;
	if (!rec->err)
		return 0;
	rec->now = rec->before;
	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(rec->db))
		sqlite3_exec(rec->db, "ROLLBACK", NULL, NULL, NULL);
	return rec->err;
}

int recording__commit(struct recording *rec, uint64_t now_wall_ns)
{
	int err;

	if (!rec->is_begun)
		return -EINVAL;
	err = recording__end_transaction(rec, now_wall_ns, true);
	if (err)
		return err;
	rec->epoch_commits++;
	/* If it fails the next transaction tells. */
	if (checkpoint_is_due(rec, now_wall_ns))
		recording__checkpoint(rec, SQLITE_CHECKPOINT_PASSIVE);
	return 0;
}

void recording__next(const struct recording *rec, struct recording_next *next)
{
	*next = rec->now.next;
}

static uint32_t ids(const struct recording *rec)
{
	return rec->now.next.who + rec->now.next.command + rec->now.next.flow;
}

bool recording__epoch_is_over(const struct recording *rec)
{
	return rec->epoch_commits > EPOCH_COMMITS || ids(rec) - rec->epoch_first_ids > EPOCH_IDS;
}

void recording__begin_epoch(struct recording *rec)
{
	if (rec->is_begun)
		return;
	rec->epoch_commits = 0;
	if (!rec->now.has_epoch)
		return;
	rec->epoch++;
	rec->epoch_first_ids = ids(rec);
	rec->now.has_epoch = false;
	rec->now.has_last_minute = true;
	rec->now.last_minute = 0;
}

bool recording__is_gone(const struct recording *rec)
{
	struct stat st;

	return stat(rec->path, &st) || st.st_dev != rec->lock.dev || st.st_ino != rec->lock.ino;
}

/* ---- opening ---- */

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
		sqlite3_busy_timeout(db, BUSY_MS);
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
	sqlite3_busy_timeout(rec->db, BUSY_MS);
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
		set_meta(rec, "size_bytes", rec->opts.size_bytes);
	if (!rec->err)
		set_meta(rec, "keep_ns", rec->opts.keep_ns);
	if (!rec->err)
		set_meta(rec, "raw_percent", rec->opts.raw_percent);
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

static void end_run(struct recording *rec)
{
	sqlite3_stmt *stmt;

	/* What was not committed is not in it. */
	if (rec->is_begun) {
		rec->err = -ECANCELED;
		recording__end_transaction(rec, 0, true);
	}
	if (recording__begin(rec))
		return;
	stmt = recording__stmt(rec, STMT_END_RUN);
	if (!stmt)
		return;
	db__bind_number(stmt, 1, rec->now.next.run);
	recording__run(rec, stmt);
	if (!rec->err)
		recording__run(rec, recording__stmt(rec, STMT_COMMIT));
}

void recording__close(struct recording *rec)
{
	if (!rec)
		return;
	if (rec->has_run)
		end_run(rec);
	for (unsigned int i = 0; i < STMTS; i++)
		sqlite3_finalize(rec->stmts[i]);
	sqlite3_close(rec->db);
	guard__free(rec->guard);
	writer_lock__close(&rec->lock);
	free(rec->path);
	free(rec);
}

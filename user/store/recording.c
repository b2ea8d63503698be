// SPDX-License-Identifier: GPL-2.0
/* Transactions, epochs and the end of a recording. */
#include "store/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/db.h"
#include "store/guard.h"
#include "store/recording_file.h"

#define EPOCH_COMMITS 21600U /* six hours */
#define EPOCH_IDS 50000U

/* ---- transactions ---- */

int recording__checkpoint(struct recording *rec, int mode)
{
	int frames, done, rc;

	/* Nobody is waited for but within begin, and there not long. */
	sqlite3_busy_timeout(rec->db, mode == SQLITE_CHECKPOINT_PASSIVE ? 0 : RECORDING_BUSY_MS / 4);
	rc = sqlite3_wal_checkpoint_v2(rec->db, NULL, mode, &frames, &done);
	sqlite3_busy_timeout(rec->db, RECORDING_BUSY_MS);
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

int recording__set_meta(struct recording *rec, const char *name, uint64_t value)
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

	if (rec->now.counted != rec->before.counted && recording__set_meta(rec, "counted", rec->now.counted))
		return rec->err;
	if (rec->now.minute_rows != rec->before.minute_rows &&
	    recording__set_meta(rec, "minute_rows", rec->now.minute_rows))
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

/* ---- the end ---- */

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

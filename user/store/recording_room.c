// SPDX-License-Identifier: GPL-2.0
/* What has to go: by age, by the share of raw rows, and so that the next transaction fits. */
#include <errno.h>

#include "store/db.h"
#include "store/recording_file.h"

#define NS_PER_DAY 86400000000000ULL
#define PIECES 8 /* blocks or minutes that a commit removes at most, but what it needs itself */
#define IDS_AT_ONCE 2000
#define EPOCHS_AT_ONCE 4
#define VACUUM_PAGES 256

static int step_number(struct recording *rec, enum recording_stmt which, int64_t *number)
{
	sqlite3_stmt *stmt = recording__stmt(rec, which);
	int rc;

	*number = 0;
	if (!stmt)
		return rec->err;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*number = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : recording__fail(rec, rc);
}

int recording__free_pages(struct recording *rec, uint32_t *pages)
{
	int64_t all, unused, left;

	if (step_number(rec, STMT_PAGE_COUNT, &all) || step_number(rec, STMT_FREE_COUNT, &unused))
		return rec->err;
	left = rec->max_pages - all + unused;
	*pages = left > 0 ? (uint32_t)left : 0;
	return 0;
}

/* ---- pieces ---- */

int recording__remove_block(struct recording *rec, uint64_t first_row, uint64_t bytes)
{
	static const enum recording_stmt which[] = { STMT_REMOVE_BLOCK, STMT_REMOVE_BLOCK_DATA };

	for (unsigned int i = 0; i < 2; i++) {
		sqlite3_stmt *stmt = recording__stmt(rec, which[i]);

		if (!stmt)
			return rec->err;
		db__bind_number(stmt, 1, first_row);
		if (recording__run(rec, stmt))
			return rec->err;
	}
	rec->now.raw_bytes -= bytes < rec->now.raw_bytes ? bytes : rec->now.raw_bytes;
	return 0;
}

/* The oldest that @which finds among those that are counted. Returns 1 if one was removed. */
static int remove_oldest_block(struct recording *rec, enum recording_stmt which)
{
	sqlite3_stmt *stmt = recording__stmt(rec, which);
	uint64_t first_row = 0, bytes = 0;
	int rc;

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, rec->now.counted);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		first_row = db__column_u64(stmt, 0);
		bytes = db__column_u64(stmt, 1);
	}
	sqlite3_reset(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 0 : recording__fail(rec, rc);
	return recording__remove_block(rec, first_row, bytes) ? rec->err : 1;
}

static int remove_by(struct recording *rec, enum recording_stmt which, int64_t number)
{
	sqlite3_stmt *stmt = recording__stmt(rec, which);

	if (!stmt)
		return rec->err;
	sqlite3_bind_int64(stmt, 1, number);
	return recording__run(rec, stmt);
}

static int remove_minutes(struct recording *rec, enum recording_stmt which, int64_t minute)
{
	uint64_t removed;

	if (remove_by(rec, which, minute))
		return rec->err;
	removed = (uint64_t)sqlite3_changes64(rec->db);
	rec->now.minute_rows -= removed < rec->now.minute_rows ? removed : rec->now.minute_rows;
	return 0;
}

/* All but raw rows that is older than the minute @end. */
static int remove_before(struct recording *rec, int64_t end)
{
	static const enum recording_stmt by_time[] = {
		STMT_REMOVE_STATES, STMT_REMOVE_LIMITS, STMT_REMOVE_PORTS, STMT_REMOVE_COUNTERS,
		STMT_REMOVE_ACCOUNTS, STMT_REMOVE_GAPS, STMT_REMOVE_FINDINGS,
	};
	int64_t end_ns = end > INT64_MAX / (int64_t)RECORDING_NS_PER_MINUTE ?
				 INT64_MAX : end * (int64_t)RECORDING_NS_PER_MINUTE;
	sqlite3_stmt *stmt;

	if (remove_minutes(rec, STMT_REMOVE_MINUTES, end))
		return rec->err;
	for (unsigned int i = 0; i < sizeof(by_time) / sizeof(by_time[0]); i++)
		if (remove_by(rec, by_time[i], end_ns))
			return rec->err;
	stmt = recording__stmt(rec, STMT_REMOVE_RUNS);
	if (!stmt)
		return rec->err;
	sqlite3_bind_int64(stmt, 1, end_ns);
	db__bind_number(stmt, 2, rec->now.next.run);
	return recording__run(rec, stmt);
}

/* Minutes that have not come yet are of a time when the clock went wrong: they are older than
 * all others. Returns 1 if there were any, of which one is gone. */
static int remove_future(struct recording *rec, int64_t now_minute)
{
	int64_t newest;

	if (step_number(rec, STMT_NEWEST_MINUTE, &newest))
		return rec->err;
	if (newest <= now_minute + 1440)
		return 0;
	if (remove_by(rec, STMT_LIMIT_EPOCHS, now_minute) ||
	    remove_minutes(rec, STMT_REMOVE_FUTURE, newest))
		return rec->err;
	return 1;
}

/* The oldest minute with all that is beside it, but not the last one. Returns 1 if there was
 * one. */
static int remove_oldest_minute(struct recording *rec)
{
	int64_t oldest_ns, end;
	int ret = rec->tended_minute ? remove_future(rec, (int64_t)rec->tended_minute) : 0;

	if (ret)
		return ret;
	if (step_number(rec, STMT_OLDEST_NS, &oldest_ns))
		return rec->err;
	end = oldest_ns / (int64_t)RECORDING_NS_PER_MINUTE + 1;
	if (oldest_ns <= 0 || (rec->tended_minute && end >= (int64_t)rec->tended_minute))
		return 0;
	return remove_before(rec, end) ? rec->err : 1;
}

static bool has_too_much_raw(const struct recording *rec)
{
	return rec->now.raw_bytes > (uint64_t)rec->max_pages * RECORDING_PAGE_BYTES *
					    rec->opts.raw_percent / 100;
}

/* One piece of what goes first. Returns 1 if there was one. */
static int remove_piece(struct recording *rec)
{
	int ret = 0;

	if (has_too_much_raw(rec))
		ret = remove_oldest_block(rec, STMT_OLDEST_BLOCK);
	if (!ret && has_too_much_raw(rec))
		ret = remove_oldest_block(rec, STMT_OLDEST_KEPT_BLOCK);
	if (!ret)
		ret = remove_oldest_minute(rec);
	if (!ret)
		ret = remove_oldest_block(rec, STMT_OLDEST_BLOCK);
	if (!ret)
		ret = remove_oldest_block(rec, STMT_OLDEST_KEPT_BLOCK);
	return ret;
}

int recording__make_room(struct recording *rec, uint32_t pages, unsigned int pieces)
{
	uint32_t left = 0;
	int ret;

	for (; pieces && !rec->err; pieces--) {
		if (recording__free_pages(rec, &left))
			return rec->err;
		if (left >= pages)
			return 0;
		ret = remove_piece(rec);
		if (ret <= 0)
			return ret;
	}
	return rec->err;
}

/* ---- each commit ---- */

static int trim_raw(struct recording *rec)
{
	for (unsigned int i = 0; i < PIECES && has_too_much_raw(rec); i++) {
		int ret = remove_oldest_block(rec, STMT_OLDEST_BLOCK);

		if (!ret)
			ret = remove_oldest_block(rec, STMT_OLDEST_KEPT_BLOCK);
		if (ret <= 0)
			return ret;
	}
	return 0;
}

/* Raw blocks go in the order of rows: up to the first one that is young enough. */
static int expire_blocks(struct recording *rec, uint64_t cutoff_ns, uint64_t now_ns)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_FIRST_YOUNG_BLOCK);
	uint64_t first_young = rec->now.counted;
	int rc;

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, cutoff_ns);
	db__bind_number(stmt, 2, now_ns + NS_PER_DAY);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && db__column_u64(stmt, 0) < first_young)
		first_young = db__column_u64(stmt, 0);
	sqlite3_reset(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return recording__fail(rec, rc);
	for (unsigned int i = 0; i < PIECES; i++) {
		uint64_t counted = rec->now.counted;
		int ret;

		rec->now.counted = first_young;
		ret = remove_oldest_block(rec, STMT_OLDEST_KEPT_BLOCK);
		rec->now.counted = counted;
		if (ret <= 0)
			return ret;
	}
	return 0;
}

static int expire_minutes(struct recording *rec, uint64_t cutoff_ns)
{
	int64_t cutoff = (int64_t)(cutoff_ns / RECORDING_NS_PER_MINUTE), oldest_ns;

	for (unsigned int i = 0; i < PIECES; i++) {
		int64_t end;

		if (step_number(rec, STMT_OLDEST_NS, &oldest_ns))
			return rec->err;
		end = oldest_ns / (int64_t)RECORDING_NS_PER_MINUTE + 1;
		if (oldest_ns <= 0 || end > cutoff)
			return 0;
		if (remove_before(rec, end))
			return rec->err;
	}
	return 0;
}

/* The identities of an epoch of which nothing else is left. */
struct epoch {
	int64_t id, last_minute;
	int64_t who, command, flow, end_who, end_command, end_flow;
};

static int remove_ids(struct recording *rec, enum recording_stmt which, int64_t from, int64_t end,
		      bool *all)
{
	sqlite3_stmt *stmt = recording__stmt(rec, which);

	if (!stmt)
		return rec->err;
	sqlite3_bind_int64(stmt, 1, from);
	sqlite3_bind_int64(stmt, 2, end);
	if (recording__run(rec, stmt))
		return rec->err;
	*all &= sqlite3_changes(rec->db) < IDS_AT_ONCE;
	return 0;
}

static int forget_epoch(struct recording *rec, const struct epoch *epoch, int64_t oldest_minute)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_EPOCH_HAS_BLOCKS);
	bool all = true;
	int rc;

	if (!stmt)
		return rec->err;
	sqlite3_bind_int64(stmt, 1, epoch->id);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE)
		return rc == SQLITE_ROW ? 0 : recording__fail(rec, rc);
	if (remove_ids(rec, STMT_REMOVE_COMMANDS, epoch->command, epoch->end_command, &all))
		return rec->err;
	if (epoch->last_minute >= oldest_minute)
		return 0;
	if (remove_ids(rec, STMT_REMOVE_WHOS, epoch->who, epoch->end_who, &all) ||
	    remove_ids(rec, STMT_REMOVE_FLOWS, epoch->flow, epoch->end_flow, &all))
		return rec->err;
	return all ? remove_by(rec, STMT_REMOVE_EPOCH, epoch->id) : 0;
}

static int list_epochs(struct recording *rec, struct epoch epochs[EPOCHS_AT_ONCE],
		       unsigned int *num)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_OLD_EPOCH);
	int rc;

	if (!stmt)
		return rec->err;
	sqlite3_bind_int(stmt, 1, EPOCHS_AT_ONCE);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *num < EPOCHS_AT_ONCE) {
		/* The newest has no end: it is the present one, or there will be one. */
		if (sqlite3_column_type(stmt, 5) == SQLITE_NULL)
			continue;
		epochs[(*num)++] = (struct epoch){
			.id = sqlite3_column_int64(stmt, 0),
			.last_minute = sqlite3_column_int64(stmt, 1),
			.who = sqlite3_column_int64(stmt, 2),
			.command = sqlite3_column_int64(stmt, 3),
			.flow = sqlite3_column_int64(stmt, 4),
			.end_who = sqlite3_column_int64(stmt, 5),
			.end_command = sqlite3_column_int64(stmt, 6),
			.end_flow = sqlite3_column_int64(stmt, 7),
		};
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : recording__fail(rec, rc);
}

static int forget_epochs(struct recording *rec)
{
	struct epoch epochs[EPOCHS_AT_ONCE] = { 0 };
	int64_t oldest_ns, oldest_minute = INT64_MAX;
	unsigned int num = 0;

	if (step_number(rec, STMT_OLDEST_NS, &oldest_ns) || list_epochs(rec, epochs, &num))
		return rec->err;
	if (oldest_ns)
		oldest_minute = oldest_ns / (int64_t)RECORDING_NS_PER_MINUTE;
	for (unsigned int i = 0; i < num; i++)
		if (forget_epoch(rec, &epochs[i], oldest_minute))
			return rec->err;
	return 0;
}

int recording__tend(struct recording *rec, uint64_t now_wall_ns)
{
	uint64_t minute = now_wall_ns / RECORDING_NS_PER_MINUTE;
	uint64_t cutoff_ns = rec->opts.keep_ns && now_wall_ns > rec->opts.keep_ns ?
				     now_wall_ns - rec->opts.keep_ns : 0;

	if (trim_raw(rec) || recording__make_room(rec, rec->spare_pages, PIECES))
		return rec->err;
	if (minute == rec->tended_minute)
		return 0;
	rec->tended_minute = minute;
	if (cutoff_ns && (expire_blocks(rec, cutoff_ns, now_wall_ns) ||
			  expire_minutes(rec, cutoff_ns)))
		return rec->err;
	return forget_epochs(rec);
}

/* ---- a file that is larger than it may be ---- */

static int vacuum(struct recording *rec)
{
	static const char sql[] = "PRAGMA incremental_vacuum(256)";
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(rec->db, sql, -1, &stmt, NULL);

	/* A step for each page. */
	while (rc == SQLITE_OK || rc == SQLITE_ROW)
		rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : recording__fail(rec, rc);
}

static int remove_pieces(struct recording *rec, uint32_t pages)
{
	int64_t all, unused;
	int ret = 1, err = db__exec(rec->db, "BEGIN IMMEDIATE");

	if (err)
		return err;
	for (unsigned int i = 0; i < PIECES && ret > 0; i++) {
		if (step_number(rec, STMT_PAGE_COUNT, &all) ||
		    step_number(rec, STMT_FREE_COUNT, &unused))
			break;
		ret = all - unused > pages ? remove_piece(rec) : 0;
	}
	if (!rec->err)
		recording__run(rec, recording__stmt(rec, STMT_COMMIT));
	if (rec->err)
		db__exec(rec->db, "ROLLBACK");
	return rec->err ? rec->err : ret;
}

/* After each piece the WAL is emptied into the database, which gets smaller by that, too. */
static int empty_wal(struct recording *rec)
{
	int err = recording__checkpoint(rec, SQLITE_CHECKPOINT_TRUNCATE);

	return err == -EBUSY ? -EFBIG : err;
}

int recording__shrink(struct recording *rec)
{
	int64_t all;
	int ret = 1;

	rec->err = 0;
	if (step_number(rec, STMT_PAGE_COUNT, &all))
		return rec->err;
	if (all <= rec->max_pages)
		return 0;
	while (ret > 0) {
		ret = remove_pieces(rec, rec->max_pages - rec->spare_pages);
		if (ret >= 0 && rec->frames > rec->max_frames / 2 && empty_wal(rec))
			return rec->checkpoint_err;
	}
	while (!ret && all > rec->max_pages) {
		int64_t before = all;

		ret = vacuum(rec);
		if (!ret)
			ret = empty_wal(rec);
		if (!ret)
			ret = step_number(rec, STMT_PAGE_COUNT, &all);
		if (!ret && all >= before)
			return -EFBIG;
	}
	return ret;
}

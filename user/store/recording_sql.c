// SPDX-License-Identifier: GPL-2.0
/* The statements of a recording, and what becomes of their errors. */
#include <errno.h>

#include "store/db.h"
#include "store/guard.h"
#include "store/recording_file.h"

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

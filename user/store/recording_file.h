/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of recording.h, for the files that it is made of: recording_open.c, recording_sql.c
 * (statements), recording.c (transactions), recording_add.c, recording_room.c (what has to go) and
 * recording_resume.c (what the last run has left undone).
 */
#ifndef TWSNOOP_RECORDING_FILE_H
#define TWSNOOP_RECORDING_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "store/recording.h"
#include "store/writer_lock.h"

#define RECORDING_PAGE_BYTES 4096U
#define RECORDING_NS_PER_MINUTE 60000000000ULL
#define RECORDING_BUSY_MS 1000 /* for somebody who writes by hand */

/* Prepared once each: their texts are in recording_sql.c. */
enum recording_stmt {
	STMT_BEGIN, STMT_COMMIT, STMT_TOUCH_RUN, STMT_END_RUN, STMT_SET_META, STMT_ADD_EPOCH,
	STMT_SET_LAST_MINUTE,
	/* recording_add.c */
	STMT_ADD_WHO, STMT_ADD_COMMAND, STMT_ADD_FLOW, STMT_ADD_BLOCK, STMT_ADD_BLOCK_DATA,
	STMT_FIND_TAIL, STMT_KEEP_BLOCKS, STMT_ADD_MINUTE, STMT_GET_MINUTE, STMT_SET_MINUTE,
	STMT_ADD_STATES, STMT_ADD_LIMITS, STMT_ADD_PORTS, STMT_ADD_COUNTER_NAME,
	STMT_GET_COUNTER_NAME, STMT_ADD_COUNTER, STMT_ADD_ACCOUNT, STMT_ADD_GAP, STMT_ADD_FINDING,
	/* recording_room.c */
	STMT_PAGE_COUNT, STMT_FREE_COUNT, STMT_OLDEST_BLOCK, STMT_OLDEST_KEPT_BLOCK,
	STMT_FIRST_YOUNG_BLOCK, STMT_REMOVE_BLOCK, STMT_REMOVE_BLOCK_DATA, STMT_OLDEST_NS,
	STMT_NEWEST_MINUTE, STMT_REMOVE_FUTURE, STMT_LIMIT_EPOCHS, STMT_REMOVE_MINUTES,
	STMT_REMOVE_STATES, STMT_REMOVE_LIMITS, STMT_REMOVE_PORTS, STMT_REMOVE_COUNTERS,
	STMT_REMOVE_ACCOUNTS, STMT_REMOVE_GAPS, STMT_REMOVE_FINDINGS, STMT_REMOVE_RUNS,
	STMT_OLD_EPOCH, STMT_EPOCH_HAS_BLOCKS, STMT_REMOVE_COMMANDS, STMT_REMOVE_WHOS,
	STMT_REMOVE_FLOWS, STMT_REMOVE_EPOCH,
	/* recording_resume.c */
	STMT_UNCOUNTED, STMT_BLOCK_DATA, STMT_REMOVE_STOPPED,
	STMT_END_TAILS,
	STMTS,
};

/* What a transaction changes beside the file, and takes back with it. */
struct recording_mark {
	struct recording_next next;
	uint64_t counted;
	uint64_t raw_bytes;    /* of all blocks */
	uint64_t minute_rows;
	int64_t last_minute;   /* of the epoch */
	bool has_epoch;	       /* it is in the file */
	bool has_last_minute;  /* as it is here */
	uint32_t places;       /* of held_ports in this transaction */
};

#define RECORDING_KEEPS 8

struct recording_keep {
	uint64_t since_ns, until_ns;
};

struct recording {
	char *path;
	struct writer_lock lock;
	sqlite3 *db;
	struct guard *guard;
	sqlite3_stmt *stmts[STMTS];
	struct recording_options opts;
	uint32_t max_pages;  /* of the database */
	uint32_t spare_pages; /* free ones that each transaction finds */
	uint32_t max_frames; /* of the WAL */
	uint32_t frames;     /* now */
	uint32_t epoch, epoch_commits;
	uint32_t epoch_first_ids; /* who, command and flow together, when it began */
	struct recording_mark now, before;
	struct recording_keep keeps[RECORDING_KEEPS]; /* what recording__keep_raw() has said */
	unsigned int num_keeps;
	uint64_t checkpoint_ns; /* when the last one was tried at a commit, CLOCK_REALTIME */
	uint64_t tended_minute; /* when what is too old was looked for last */
	bool has_run, is_begun, has_to_truncate;
	int err; /* of this transaction */
	int checkpoint_err;
};

/* recording__stmt() - ready to be bound; NULL: it failed, and so has the transaction. */
sqlite3_stmt *recording__stmt(struct recording *rec, enum recording_stmt which);

/* recording__run() - does a statement that gives no rows, and makes it ready again. NULL is
 * allowed. Returns 0 or what has failed, as recording__fail(). */
int recording__run(struct recording *rec, sqlite3_stmt *stmt);

/* recording__fail() - the transaction has failed because of SQLite's @rc. Returns its errno. */
int recording__fail(struct recording *rec, int rc);

/* recording__set_meta() - a row of that table. Returns as recording__run(). */
int recording__set_meta(struct recording *rec, const char *name, uint64_t value);

/* recording__end_transaction() - as recording__commit(); but for @of_this_run the last run's end
 * stays as it is. */
int recording__end_transaction(struct recording *rec, uint64_t now_ns, bool of_this_run);

/* recording__put_epoch() - what is added next names ids of this epoch: it gets its row. */
int recording__put_epoch(struct recording *rec);

/* ---- recording_room.c ---- */

/* recording__free_pages() - what can be added until the database is full, in pages. */
int recording__free_pages(struct recording *rec, uint32_t *pages);

/* recording__make_room() - removes what goes first until @pages are free, but at most @pieces.
 * Returns 0, even if there is less, or a negative errno. */
int recording__make_room(struct recording *rec, uint32_t pages, unsigned int pieces);

/* recording__tend() - a bounded piece of what has to be removed by age, share or size. */
int recording__tend(struct recording *rec, uint64_t now_wall_ns);

/* recording__shrink() - down to the size that it may have; not within a transaction. */
int recording__shrink(struct recording *rec);

/* recording__checkpoint() - @mode is SQLite's. Returns 0 when all of the WAL is in the database. */
int recording__checkpoint(struct recording *rec, int mode);

/* recording__remove_block() - and its data. @bytes: of the latter. */
int recording__remove_block(struct recording *rec, uint64_t first_row, uint64_t bytes);

/* ---- recording_resume.c ---- */

/* recording__resume() - sees to what an earlier run has left; not within a transaction. @now_ns:
 * when this run begins. */
int recording__resume(struct recording *rec, uint64_t now_ns);

#endif

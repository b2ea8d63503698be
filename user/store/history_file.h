/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of history.h, for the files that it is made of: history.c (opening, status),
 * history_read.c (rows out of a table that may be damaged), history_rows.c (what each row
 * says), history_cursor.c and history_names.c.
 */
#ifndef TWSNOOP_HISTORY_FILE_H
#define TWSNOOP_HISTORY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "store/history.h"
#include "store/writer_lock.h"

#define HISTORY_GAPS 256 /* of damage that are told apart; the last one takes the rest in */
#define HISTORY_NS_PER_MINUTE 60000000000ULL

struct history_damage {
	struct held_gap gaps[HISTORY_GAPS];
	unsigned int num;
};

enum history_name { NAME_WHO, NAME_COMMAND, NAME_FLOW, NAMES };

struct table;

struct history {
	char *path;
	struct writer_look look;
	sqlite3 *db;
	bool is_live; /* opened with the locks that a writer needs */
	uint32_t usable; /* schema_tables by their bits: they are tables */
	unsigned int work; /* of SQLite since the last row */
	bool is_endless;   /* it was too much */
	struct history_damage damage;
	sqlite3_stmt *name_stmts[NAMES];
	struct table *names[NAMES];
	char run_strings[5][256];
};

/* ---- history.c ---- */

/* history__step() - sqlite3_step() with a bound on its work: a file may be made so that there
 * is no end. */
int history__step(struct history *history, sqlite3_stmt *stmt);

/* history__refresh() - to be called before and after what is read as one: returns 1 if somebody
 * began to record since the last time, so that what was read in between may be wrong; 0, or a
 * negative errno. */
int history__refresh(struct history *history);

/* history__has_table() - older recordings lack some. */
bool history__has_table(const struct history *history, const char *name);

/* history__give_up() - no more is read of a table that is made so that there is no end. */
void history__give_up(struct history *history, const char *name);

/* history__note_damage() - a gap for history__each_gap(); @detail is a constant. */
void history__note_damage(struct history *history, uint64_t since_ns, uint64_t until_ns,
			  uint64_t events, const char *detail);

/* ---- history_read.c ---- */

#define HISTORY_KEYS 3
#define HISTORY_BATCH 512

/* Strings of a batch. */
struct history_arena {
	char *bytes;
	size_t used, size;
};

/* A way to read a table, in the order of its key. */
struct history_reading {
	const char *table;
	const char *damaged; /* what is said of rows that cannot be read */
	/* Columns, and then the three parts of the key, of which what is not needed is 0.
	 * Parameters: ?1 to ?3 the key to begin after, ?4 the end of its first part, ?5 how
	 * many rows. */
	const char *sql;
	int columns; /* before the key */
	size_t item_bytes;
	uint64_t key_ns; /* of the first part of the key, in time; 0: it is none */
	/* Makes an item of a row. Returns 1, 0 (not in the span, or means nothing) or -ENOMEM. */
	int (*fill)(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		    struct history_arena *arena);
};

typedef int (*history_item_fn)(void *ctx, const void *item);

/* history__read() - from the row after @from on, to before @end in the first part of the key. */
int history__read(struct history *history, const struct history_reading *reading,
		  const struct history_span *span, int64_t from, int64_t end, history_item_fn fn,
		  void *ctx);

/* arena__copy() - of a text or blob column as a C string; NULL: there is none, or no memory, and
 * then *@failed. */
const char *arena__copy(struct history_arena *arena, sqlite3_stmt *stmt, int column, bool *failed);

/* ---- history_rows.c ---- */

/* history__read_blocks() - metas of those that have rows from @first_row on, in order. */
int history__read_blocks(struct history *history, const struct history_span *span,
			 uint64_t first_row, history_block_fn fn, void *ctx);

/* ---- history_names.c ---- */

/* history__new_names() - empty. Returns 0 or -ENOMEM; history__free_names() in any case. */
int history__new_names(struct history *history);
void history__free_names(struct history *history);

#endif

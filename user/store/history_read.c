// SPDX-License-Identifier: GPL-2.0
/*
 * Rows out of a table that may be damaged. They are read by batches, so that no transaction is
 * open while they are used. Where SQLite finds a page that cannot be, the keys behind it are
 * tried in steps that grow, until rows can be read again: what lies between is a gap.
 *
 * Whatever the file says, keys rise: a tree whose pages lead back into it would never end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/history_file.h"

#define ARENA_BYTES 65536
#define TRIES 3
#define SKIPS 256 /* of a reading: then the rest is one gap */

struct batch {
	void *items;
	unsigned int num;
	bool is_last; /* there is nothing behind it */
	struct history_arena arena;
	int64_t key[HISTORY_KEYS]; /* of the last row that was read */
};

/* ---- strings ---- */

const char *arena__copy(struct history_arena *arena, sqlite3_stmt *stmt, int column, bool *failed)
{
	const char *bytes;
	char *to;
	size_t len;

	bytes = db__column_bytes(stmt, column, &len);
	if (!bytes)
		return NULL;
	if (arena->size - arena->used <= len) {
		*failed = true;
		return NULL;
	}
	to = arena->bytes + arena->used;
	memcpy(to, bytes, len);
	to[len] = '\0';
	arena->used += len + 1;
	return to;
}

/* ---- a batch ---- */

static bool is_above(const int64_t a[HISTORY_KEYS], const int64_t b[HISTORY_KEYS])
{
	for (unsigned int i = 0; i < HISTORY_KEYS; i++)
		if (a[i] != b[i])
			return a[i] > b[i];
	return false;
}

/* Returns 0, or -EBADMSG: it is none, or does not rise. */
static int read_key(const struct history_reading *reading, sqlite3_stmt *stmt,
		    int64_t key[HISTORY_KEYS])
{
	int64_t next[HISTORY_KEYS];

	for (int i = 0; i < HISTORY_KEYS; i++) {
		if (sqlite3_column_type(stmt, reading->columns + i) != SQLITE_INTEGER)
			return -EBADMSG;
		next[i] = sqlite3_column_int64(stmt, reading->columns + i);
	}
	if (!is_above(next, key))
		return -EBADMSG;
	memcpy(key, next, sizeof(next));
	return 0;
}

static int prepare(struct history *history, const struct history_reading *reading,
		   const int64_t key[HISTORY_KEYS], int64_t end, int rows, sqlite3_stmt **stmt)
{
	int rc = sqlite3_prepare_v2(history->db, reading->sql, -1, stmt, NULL);

	if (rc != SQLITE_OK)
		return db__errno(history->db, rc);
	for (int i = 0; i < HISTORY_KEYS; i++)
		sqlite3_bind_int64(*stmt, 1 + i, key[i]);
	sqlite3_bind_int64(*stmt, 4, end);
	sqlite3_bind_int(*stmt, 5, rows);
	return 0;
}

/* Rows until the batch is full. Returns 0, -EBADMSG (damage behind what it has), or another. */
static int fill_batch(struct history *history, const struct history_reading *reading,
		      const struct history_span *span, sqlite3_stmt *stmt, struct batch *batch)
{
	int rc, ret, rows = 0;

	while ((rc = history__step(history, stmt)) == SQLITE_ROW) {
		int64_t key[HISTORY_KEYS];

		memcpy(key, batch->key, sizeof(key));
		ret = read_key(reading, stmt, key);
		if (ret)
			return ret;
		ret = reading->fill(span, stmt,
				    (char *)batch->items + batch->num * reading->item_bytes,
				    &batch->arena);
		/* The arena is full: this row begins the next batch. */
		if (ret == -ENOMEM && batch->num)
			return 0;
		if (ret < 0)
			return ret;
		memcpy(batch->key, key, sizeof(key));
		batch->num += (unsigned int)ret;
		rows++;
	}
	batch->is_last = rc == SQLITE_DONE && rows < HISTORY_BATCH;
	return db__errno(history->db, rc);
}

static int read_batch(struct history *history, const struct history_reading *reading,
		      const struct history_span *span, int64_t end, struct batch *batch)
{
	int64_t from[HISTORY_KEYS];
	int ret;

	memcpy(from, batch->key, sizeof(from));
	for (unsigned int i = 0; i < TRIES; i++) {
		sqlite3_stmt *stmt = NULL;

		memcpy(batch->key, from, sizeof(from));
		batch->num = 0;
		batch->arena.used = 0;
		batch->is_last = false;
		ret = history__refresh(history);
		if (ret < 0)
			return ret;
		ret = prepare(history, reading, from, end, HISTORY_BATCH, &stmt);
		if (!ret)
			ret = fill_batch(history, reading, span, stmt, batch);
		sqlite3_finalize(stmt);
		/* Somebody began to record: what was read may have been half new. */
		if (ret != -EBUSY && !history__refresh(history))
			return ret;
	}
	return ret;
}

/* ---- damage ---- */

/* Whether the first row from @at on can be read, or there is none. */
static bool can_read(struct history *history, const struct history_reading *reading, int64_t at,
		     int64_t end)
{
	const int64_t key[HISTORY_KEYS] = { at - 1, INT64_MAX, INT64_MAX };
	sqlite3_stmt *stmt = NULL;
	int64_t found[HISTORY_KEYS];
	bool good = false;

	memcpy(found, key, sizeof(found));
	if (!prepare(history, reading, key, end, 1, &stmt)) {
		int rc = history__step(history, stmt);

		good = rc == SQLITE_DONE || (rc == SQLITE_ROW && !read_key(reading, stmt, found));
	}
	sqlite3_finalize(stmt);
	return good;
}

/* The least key behind @from from which on rows can be read again; @end: there is none. */
static int64_t find_good(struct history *history, const struct history_reading *reading,
			 int64_t from, int64_t end)
{
	uint64_t step = reading->key_ns && reading->key_ns < HISTORY_NS_PER_MINUTE ?
				HISTORY_NS_PER_MINUTE / 1000 : 1;
	int64_t bad = from, good;

	for (;; step *= 2) {
		if (step >= (uint64_t)end - (uint64_t)bad)
			return end;
		good = bad + (int64_t)step;
		if (can_read(history, reading, good, end))
			break;
		bad = good;
	}
	while (good - bad > 1) {
		int64_t middle = bad + (good - bad) / 2;

		if (can_read(history, reading, middle, end))
			good = middle;
		else
			bad = middle;
	}
	return good;
}

static uint64_t ns_of(const struct history_reading *reading, int64_t key)
{
	if (key < 0)
		return 0;
	if (!reading->key_ns)
		return 0;
	return (uint64_t)key > UINT64_MAX / reading->key_ns ? UINT64_MAX :
							      (uint64_t)key * reading->key_ns;
}

/* From after @key on. Returns where it goes on. */
static int64_t pass_over(struct history *history, const struct history_reading *reading,
			 const struct history_span *span, const int64_t key[HISTORY_KEYS],
			 int64_t end, bool is_hopeless)
{
	int64_t from = key[0] < 0 ? 0 : key[0];
	int64_t good = is_hopeless || !history__has_table(history, reading->table) ?
			       end : find_good(history, reading, from, end);
	uint64_t until_ns = ns_of(reading, good);

	if (span->until_ns && (until_ns > span->until_ns || !reading->key_ns))
		until_ns = span->until_ns;
	history__note_damage(history, reading->key_ns ? ns_of(reading, from) : span->since_ns,
			     until_ns, 0, reading->damaged);
	return good;
}

/* ---- all of it ---- */

static bool is_damage(int err)
{
	return err == -EBADMSG || err == -EIO || err == -ENOENT || err == -EROFS;
}

int history__read(struct history *history, const struct history_reading *reading,
		  const struct history_span *span, int64_t from, int64_t end, history_item_fn fn,
		  void *ctx)
{
	struct batch batch = { .key = { from, INT64_MAX, INT64_MAX } };
	unsigned int skips = 0;
	int ret = 0;

	batch.items = calloc(HISTORY_BATCH, reading->item_bytes);
	batch.arena.bytes = malloc(ARENA_BYTES + DB_STRING_MAX * 5);
	batch.arena.size = ARENA_BYTES + DB_STRING_MAX * 5;
	if (!batch.items || !batch.arena.bytes)
		ret = -ENOMEM;
	while (!ret && !batch.is_last) {
		int err = history__has_table(history, reading->table) ?
				  read_batch(history, reading, span, end, &batch) : -EBADMSG;

		if (err && !is_damage(err)) {
			ret = err;
			break;
		}
		for (unsigned int i = 0; i < batch.num && !ret; i++)
			ret = fn(ctx, (char *)batch.items + i * reading->item_bytes);
		if (!err || ret)
			continue;
		if (history->is_endless)
			history__give_up(history, reading->table);
		batch.key[0] = pass_over(history, reading, span, batch.key, end,
					 skips++ >= SKIPS) - 1;
		batch.key[1] = batch.key[2] = INT64_MAX;
		batch.is_last = batch.key[0] >= end - 1;
		batch.num = 0;
	}
	free(batch.items);
	free(batch.arena.bytes);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0
/* Raw rows by blocks. What there is, is looked up some blocks ahead; a block that has gone
 * meanwhile was removed, or replaced by one that has its rows, too: so it is looked up anew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/history_file.h"

#define AHEAD 256
#define DAMAGED "damaged: raw events"

struct history_cursor {
	struct history *history;
	struct history_span span;
	uint64_t next_row; /* all before it was given, or is not there */
	struct held_block metas[AHEAD];
	unsigned int num, at;
	struct block *block; /* that was given last */
};

int history_cursor__new(struct history_cursor **cursorp, struct history *history,
			const struct history_span *span)
{
	struct history_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return -ENOMEM;
	cursor->history = history;
	cursor->span = *span;
	cursor->next_row = 1;
	*cursorp = cursor;
	return 0;
}

void history_cursor__free(struct history_cursor *cursor)
{
	if (!cursor)
		return;
	block__free(cursor->block);
	free(cursor);
}

static int take_meta(void *ctx, const struct held_block *meta)
{
	struct history_cursor *cursor = ctx;

	if (meta->first_row + meta->rows <= cursor->next_row)
		return 0;
	cursor->metas[cursor->num++] = *meta;
	return cursor->num == AHEAD;
}

/* A block that begins before the next row may have it still. */
static int look_ahead(struct history_cursor *cursor)
{
	uint64_t from = cursor->next_row > BLOCK_ROWS ? cursor->next_row - BLOCK_ROWS : 0;
	int ret;

	cursor->num = cursor->at = 0;
	ret = history__read_blocks(cursor->history, &cursor->span, from, take_meta, cursor);
	return ret < 0 ? ret : 0;
}

/* The bytes of @meta into *@block; NULL: only whether they could be. 0 or a negative errno. */
static int decode_data(sqlite3_stmt *stmt, const struct held_block *meta, struct block **block)
{
	const void *data = sqlite3_column_blob(stmt, 0);
	size_t size = (size_t)sqlite3_column_bytes(stmt, 0);

	if (!data || sqlite3_column_type(stmt, 0) != SQLITE_BLOB)
		return -EBADMSG;
	if (block)
		return block__decode(block, data, size);
	return block__is_whole(data, size, meta->rows) ? 0 : -EBADMSG;
}

/* As decode_data(). Returns 1; 0: it is not there any more; -EBADMSG: damaged; or another. */
static int read_data(struct history *history, const struct held_block *meta, struct block **block)
{
	static const char sql[] = "SELECT data FROM block_data WHERE first_row = ?1";
	sqlite3_stmt *stmt = NULL;
	int rc, ret = history__refresh(history);

	if (ret < 0)
		return ret;
	rc = sqlite3_prepare_v2(history->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK) {
		db__bind_number(stmt, 1, meta->first_row);
		rc = history__step(history, stmt);
	}
	ret = db__errno(history->db, rc);
	if (rc == SQLITE_ROW)
		ret = decode_data(stmt, meta, block);
	sqlite3_finalize(stmt);
	if (ret == -ENOMEM || ret == -EBUSY)
		return ret;
	if (ret)
		return -EBADMSG;
	return rc == SQLITE_ROW;
}

/* The rows of *@block from @from on as a block of their own. A block that was made by hand may have
 * more different rows than the builder lets in: -EBADMSG. */
static int cut_block(struct block **block, uint32_t from)
{
	struct block_builder *builder = NULL;
	struct block *rest = NULL;
	const uint8_t *data;
	struct held_row row;
	size_t size;
	int err = block_builder__new(&builder);

	for (uint32_t i = from; i < block__count(*block) && !err; i++) {
		block__row(*block, i, &row);
		err = block_builder__add(builder, &row);
	}
	if (!err)
		err = block_builder__encode(builder, 0, 1, &data, &size);
	if (!err)
		err = block__decode(&rest, data, size);
	block_builder__free(builder);
	if (err)
		return err == -ENOMEM ? err : -EBADMSG;
	block__free(*block);
	*block = rest;
	return 0;
}

/* What history_cursor__next() gives for @meta. Returns 1, 0 (look ahead anew), or a negative errno. */
static int open_block(struct history_cursor *cursor, struct held_block *meta)
{
	int ret = read_data(cursor->history, meta, &cursor->block);

	if (ret <= 0)
		return ret;
	if (block__count(cursor->block) != meta->rows)
		return -EBADMSG;
	if (meta->first_row < cursor->next_row) {
		uint32_t given = (uint32_t)(cursor->next_row - meta->first_row);

		ret = cut_block(&cursor->block, given);
		if (ret)
			return ret;
		meta->first_row += given;
		meta->rows -= given;
	}
	return 1;
}

int history_cursor__next(struct history_cursor *cursor, const struct block **block,
			 struct held_block *meta)
{
	bool is_fresh = false;

	for (;;) {
		int ret;

		block__free(cursor->block);
		cursor->block = NULL;
		if (cursor->at == cursor->num) {
			ret = is_fresh ? 0 : look_ahead(cursor);
			if (ret || !cursor->num || is_fresh)
				return ret;
			is_fresh = true;
		}
		*meta = cursor->metas[cursor->at];
		if (meta->first_row + meta->rows <= cursor->next_row) {
			cursor->at++;
			continue;
		}
		ret = open_block(cursor, meta);
		if (!ret && !is_fresh) {
			cursor->num = cursor->at = 0;
			continue;
		}
		if (ret < 0 && ret != -EBADMSG)
			return ret;
		cursor->next_row = meta->first_row + meta->rows;
		cursor->at++;
		is_fresh = false;
		if (ret == 1) {
			*block = cursor->block;
			return 1;
		}
		history__note_damage(cursor->history, meta->since_ns, meta->until_ns, meta->rows,
				     DAMAGED);
	}
}

/* ---- looking for damage ---- */

/* Returns 1 and *@meta: a block that is damaged; 0: no more; or a negative errno. */
static int next_damaged(struct history_cursor *cursor, struct held_block *meta)
{
	int ret;

	for (;;) {
		if (cursor->at == cursor->num) {
			ret = look_ahead(cursor);
			if (ret || !cursor->num)
				return ret;
		}
		*meta = cursor->metas[cursor->at++];
		if (meta->first_row + meta->rows <= cursor->next_row)
			continue;
		cursor->next_row = meta->first_row + meta->rows;
		ret = read_data(cursor->history, meta, NULL);
		if (ret == -EBADMSG)
			return 1;
		if (ret < 0)
			return ret;
	}
}

int history__each_damaged_block(struct history *history, const struct history_span *span,
				history_block_fn fn, void *ctx)
{
	struct history_cursor *cursor;
	struct held_block meta;
	int ret = history_cursor__new(&cursor, history, span);

	if (ret)
		return ret;
	while ((ret = next_damaged(cursor, &meta)) == 1) {
		history__note_damage(history, meta.since_ns, meta.until_ns, meta.rows, DAMAGED);
		ret = fn(ctx, &meta);
		if (ret)
			break;
	}
	history_cursor__free(cursor);
	return ret;
}

void history__block_is_told(struct history *history, const struct held_block *block)
{
	struct history_damage *damage = &history->damage;

	for (unsigned int i = 0; i < damage->num; i++)
		if (damage->gaps[i].since_ns == block->since_ns &&
		    damage->gaps[i].until_ns == block->until_ns &&
		    !strcmp(damage->gaps[i].detail, DAMAGED))
			damage->gaps[i].events = 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What an earlier run has left undone, because it was killed: rows of which no minute knows yet,
 * in tails. They are counted as the run would have, and the tails become a block. The time since
 * its last transaction is a gap.
 */
#include <errno.h>

#include "store/block.h"
#include "store/db.h"
#include "store/minutes.h"
#include "store/recording_file.h"

#define LEVEL 3 /* of zstd */

/* A stretch of blocks that goes in one transaction. */
struct resumption {
	struct recording *rec;
	struct minutes *minutes;
	struct block_builder *builder; /* the rows of tails */
	struct held_block tails;       /* that they become; no rows: there are none */
	uint64_t damaged;	       /* rows that could not be read */
	struct held_gap gap;	       /* where they were */
};

static int add_flow(void *ctx, const struct held_flow *flow)
{
	return recording__add_flow(ctx, flow);
}

static int add_minute(void *ctx, const struct held_minute *minute)
{
	return recording__add_minute(ctx, minute);
}

static int flush(struct resumption *res)
{
	const struct minutes_sink sink = { add_flow, add_minute, res->rec };

	/* It is one transaction with all that follows: it cannot fail and be tried again. */
	int err = minutes__flush(res->minutes, &sink);

	if (!err)
		minutes__flushed(res->minutes);
	return err;
}

static int count_row(struct resumption *res, const struct held_row *row)
{
	int err = minutes__add(res->minutes, row);

	if (err != -ENOSPC)
		return err;
	err = flush(res);
	return err ? err : minutes__add(res->minutes, row);
}

/* Its rows that are not counted yet. */
static int count_block(struct resumption *res, const struct block *block,
		       const struct held_block *meta)
{
	uint64_t counted = res->rec->now.counted;
	int err = 0;

	for (uint32_t i = 0; i < block__count(block) && !err; i++) {
		struct held_row row;

		if (meta->first_row + i < counted)
			continue;
		block__row(block, i, &row);
		err = count_row(res, &row);
	}
	return err;
}

/* The tails so far as one block. */
static int end_tails(struct resumption *res)
{
	struct held_block *tails = &res->tails;
	int err;

	if (!tails->rows)
		return 0;
	tails->is_tail = false;
	err = block_builder__encode(res->builder, 0, LEVEL, &tails->data, &tails->size);
	if (!err)
		err = recording__add_block(res->rec, tails);
	block_builder__clear(res->builder);
	*tails = (struct held_block){ 0 };
	return err;
}

static void widen_tails(struct resumption *res, const struct held_block *meta)
{
	struct held_block *tails = &res->tails;

	if (!tails->rows) {
		*tails = *meta;
		return;
	}
	tails->rows += meta->rows;
	tails->keep |= meta->keep;
	if (meta->since_ns < tails->since_ns)
		tails->since_ns = meta->since_ns;
	if (meta->until_ns > tails->until_ns)
		tails->until_ns = meta->until_ns;
}

/*
 * All rows of a tail, for the block that it becomes. The tails of a recorder fit into one, as they came
 * out of one; where others do not, each of them stays the block that it is.
 */
static int add_tail(struct resumption *res, const struct block *block, const struct held_block *meta)
{
	struct held_row row;
	int err = 0;

	for (uint32_t i = 0; i < block__count(block) && !err; i++) {
		block__row(block, i, &row);
		err = block_builder__add(res->builder, &row);
	}
	if (!err)
		widen_tails(res, meta);
	if (err != -ENOSPC && err != -EINVAL)
		return err;
	block_builder__clear(res->builder);
	res->tails = (struct held_block){ 0 };
	return 0;
}

static void note_damage(struct resumption *res, const struct held_block *meta)
{
	struct held_gap *gap = &res->gap;

	if (!gap->events || meta->since_ns < gap->since_ns)
		gap->since_ns = meta->since_ns;
	if (!gap->events || meta->until_ns > gap->until_ns)
		gap->until_ns = meta->until_ns;
	gap->events += meta->rows;
	gap->run = meta->run;
	gap->reason = HELD_GAP_DAMAGED;
	gap->detail = "a block that cannot be read";
}

/* Returns 1 and *@block, 0 if it is damaged. */
static int read_block(struct recording *rec, uint64_t first_row, uint32_t rows,
		      struct block **block)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_BLOCK_DATA);
	int rc, err = -EBADMSG;

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, first_row);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		err = block__decode(block, sqlite3_column_blob(stmt, 0),
				    (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_reset(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return recording__fail(rec, rc);
	if (!err && block__count(*block) != rows) {
		block__free(*block);
		err = -EBADMSG;
	}
	return err == -EBADMSG || err == -ENOTSUP ? 0 : err ? err : 1;
}

static int resume_block(struct resumption *res, const struct held_block *meta)
{
	struct block *block = NULL;
	int ret;

	/* What is no continuation of the tails before it is a block of its own. */
	if (res->tails.rows && (!meta->is_tail || meta->run != res->tails.run ||
				meta->first_row != res->tails.first_row + res->tails.rows ||
				res->tails.rows + meta->rows > BLOCK_ROWS)) {
		ret = end_tails(res);
		if (ret)
			return ret;
	}
	ret = read_block(res->rec, meta->first_row, meta->rows, &block);
	if (ret < 0)
		return ret;
	if (!ret) {
		note_damage(res, meta);
		return 0;
	}
	ret = count_block(res, block, meta);
	if (!ret && meta->is_tail)
		ret = add_tail(res, block, meta);
	block__free(block);
	return ret;
}

/* The first block from @row on that has a row which is not counted. Returns 1 if there is one. */
static int find_uncounted(struct recording *rec, uint64_t row, struct held_block *meta)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_UNCOUNTED);
	int rc;

	*meta = (struct held_block){ 0 };
	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, row);
	db__bind_number(stmt, 2, rec->now.counted);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*meta = (struct held_block){
			.first_row = db__column_u64(stmt, 0), .rows = db__column_u32(stmt, 1),
			.run = db__column_u32(stmt, 2), .since_ns = db__column_u64(stmt, 4),
			.until_ns = db__column_u64(stmt, 5),
			.is_tail = sqlite3_column_int(stmt, 6) != 0,
			.keep = sqlite3_column_int(stmt, 7) != 0,
		};
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : recording__fail(rec, rc);
}

static int count_rest(struct resumption *res)
{
	struct recording *rec = res->rec;
	uint64_t from = 0, end = rec->now.counted;
	struct held_block meta;
	int ret;

	while ((ret = find_uncounted(rec, from, &meta)) > 0) {
		ret = resume_block(res, &meta);
		if (ret)
			return ret;
		from = meta.first_row + 1;
		end = meta.first_row + meta.rows;
	}
	if (!ret)
		ret = end_tails(res);
	if (!ret)
		ret = flush(res);
	if (!ret)
		ret = recording__run(rec, recording__stmt(rec, STMT_END_TAILS));
	if (!ret && res->gap.events)
		ret = recording__add_gap(rec, &res->gap);
	return ret ? ret : recording__set_counted(rec, end);
}

static int remove_stopped(struct recording *rec, const struct held_gap *gap)
{
	sqlite3_stmt *stmt = recording__stmt(rec, STMT_REMOVE_STOPPED);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, gap->run);
	db__bind_number(stmt, 2, gap->reason);
	db__bind_number(stmt, 3, gap->since_ns);
	return recording__run(rec, stmt);
}

static int add_stopped(struct recording *rec, uint64_t now_ns)
{
	struct held_gap gap = {
		.run = rec->now.next.run, .reason = HELD_GAP_STOPPED, .until_ns = now_ns,
	};
	int64_t until_ns = 0, has_ended = 0;
	int err = db__number(rec->db, "SELECT until_ns FROM run ORDER BY id DESC LIMIT 1",
			     &until_ns);

	if (!err)
		err = db__number(rec->db, "SELECT has_ended FROM run ORDER BY id DESC LIMIT 1",
				 &has_ended);
	if (err)
		return err == -ENOENT ? 0 : err;
	gap.detail = has_ended ? "nobody recorded" : "the recorder was killed";
	gap.since_ns = (uint64_t)until_ns;
	/* The clock was put back meanwhile: how long it was is not known. */
	if (gap.since_ns > now_ns)
		gap.since_ns = now_ns;
	/* One that was killed before it had begun has said the same. */
	err = remove_stopped(rec, &gap);
	return err ? err : recording__add_gap(rec, &gap);
}

int recording__resume(struct recording *rec, uint64_t now_ns)
{
	struct resumption res = { .rec = rec };
	int err, begun;

	if (!rec->now.next.run)
		return 0;
	err = minutes__new(&res.minutes, rec->now.next.flow);
	if (!err)
		err = block_builder__new(&res.builder);
	begun = err ? err : recording__begin(rec);
	if (!begun)
		err = count_rest(&res);
	if (!begun && !err)
		err = add_stopped(rec, now_ns);
	if (!begun && err && !rec->err)
		rec->err = err;
	/* As of its end: only its own run may say that it went on. */
	if (!err)
		err = recording__end_transaction(rec, now_ns, false);
	block_builder__free(res.builder);
	minutes__free(res.minutes);
	return err;
}

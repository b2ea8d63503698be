/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rows of a block as they are gathered, for block_builder.c, which adds them, and block_encode.c,
 * which writes them.
 */
#ifndef TWSNOOP_BLOCK_BUILDER_H
#define TWSNOOP_BLOCK_BUILDER_H

#include <stdint.h>

#include <zstd.h>

#include "base/outbuf.h"
#include "base/table.h"
#include "store/block_format.h"

/*
 * What is found again in the rows: by its words, which each entry begins with. After them come
 * the cells of its columns, unless the words are these.
 */
struct block_dictionary {
	struct table *table;
	unsigned int words, columns;
	uint64_t **cells;  /* by the entry's index */
	uint32_t *numbers; /* its place in the block that is being written, plus one; 0: none */
	uint32_t *used;	   /* the entries that have one, by it */
	uint32_t num_used;
};

struct block_name {
	uint64_t hash;
	uint32_t at, len; /* in the names' bytes */
};

struct block_row {
	uint64_t time_ns, wall_ns, open_ns, cookie, tx_bytes, rx_bytes;
	uint32_t kind, actor, batch;
	uint16_t port;	/* the client's */
	uint8_t is_end; /* of a TIME_WAIT */
};

struct block_builder {
	struct block_row *rows;
	uint32_t num_rows;
	struct block_dictionary dictionaries[BLOCK_TABLES];
	struct outbuf names;
	uint32_t num_entries; /* of all dictionaries */
	uint64_t seed;
	/* Of the block that is being written. */
	uint64_t *cells[ROW_COLUMNS]; /* the first has room for any table's */
	struct outbuf plain, packed;
	uint32_t ends[2048]; /* where in @plain the kind of its bytes changes */
	uint32_t num_ends;
	ZSTD_CCtx *zstd;
};

#endif

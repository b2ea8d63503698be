// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "store/block_builder.h"

/* Bytes of different columns, and in these of different kinds of rows, are compressed apart,
 * unless there are few. */
#define PIECE_BYTES 1024U
#define KIND_PIECE_BYTES 8192U

/* ---- which entries it needs, in the order of their first use ---- */

static uint32_t number_in(struct block_dictionary *d, uint32_t index, bool *fresh)
{
	*fresh = !d->numbers[index];
	if (*fresh) {
		d->used[d->num_used++] = index;
		d->numbers[index] = d->num_used;
	}
	return d->numbers[index] - 1;
}

static void number_one(struct block_builder *b, enum block_table which, uint32_t index);

/* What the new entry names in other tables. */
static void number_named(struct block_builder *b, enum block_table which, const uint64_t *cells)
{
	const struct block_layout *layout = &block_layouts[which];

	for (unsigned int i = 0; i < layout->columns; i++) {
		const struct block_column *column = &layout->column[i];

		if (!column->bits && (cells[i] || !column->optional))
			number_one(b, column->of, (uint32_t)cells[i] - column->optional);
	}
}

/* It calls itself as deep as tables name each other: from kinds to names. */
// NOLINTNEXTLINE(misc-no-recursion)
static void number_one(struct block_builder *b, enum block_table which, uint32_t index)
{
	struct block_dictionary *d = &b->dictionaries[which];
	bool fresh;

	number_in(d, index, &fresh);
	if (fresh)
		number_named(b, which, d->cells[index]);
}

static void number_all(struct block_builder *b, uint32_t from)
{
	for (uint32_t i = from; i < b->num_rows; i++) {
		const struct block_row *row = &b->rows[i];

		number_one(b, BLOCK_KINDS, row->kind);
		number_one(b, BLOCK_ACTORS, row->actor);
		number_one(b, BLOCK_BATCHES, row->batch);
	}
}

static void forget_numbers(struct block_builder *b)
{
	for (unsigned int i = 0; i < BLOCK_TABLES; i++) {
		struct block_dictionary *d = &b->dictionaries[i];

		while (d->num_used)
			d->numbers[d->used[--d->num_used]] = 0;
	}
}

static uint32_t number_of(const struct block_builder *b, enum block_table which, uint32_t index)
{
	return b->dictionaries[which].numbers[index] - 1;
}

/* ---- columns ---- */

/* Here other bytes follow. */
static void end_piece(struct block_builder *b, size_t end, size_t least)
{
	size_t since = b->num_ends ? b->ends[b->num_ends - 1] : 0;

	if (end >= since + least && b->num_ends < sizeof(b->ends) / sizeof(*b->ends))
		b->ends[b->num_ends++] = (uint32_t)end;
}

static void put_byte(struct outbuf *ob, uint8_t byte)
{
	outbuf__char(ob, (char)byte);
}

static void put_u32(struct outbuf *ob, uint32_t value)
{
	uint8_t bytes[4];

	block_format__put32(bytes, value);
	outbuf__bytes(ob, (const char *)bytes, sizeof(bytes));
}

/* How many bytes the largest has; then the lowest byte of all values, the next one of all, …
 * If they are in the order of @kinds, these know where each one's end. */
static void put_column(struct block_builder *b, const uint64_t *values, uint32_t num,
		       const struct block_kind_guess *kinds, uint32_t num_kinds)
{
	uint64_t all = 0;
	unsigned int width = 0;
	char *to;

	for (uint32_t i = 0; i < num; i++)
		all |= values[i];
	while (width < 8 && all >> 8 * width)
		width++;
	put_byte(&b->plain, (uint8_t)width);
	for (unsigned int byte = 0; byte < width; byte++) {
		to = outbuf__room(&b->plain, num);
		if (!to)
			return;
		for (uint32_t i = 0; i < num; i++)
			to[i] = (char)(values[i] >> 8 * byte);
		for (uint32_t i = 0; i < num_kinds; i++)
			end_piece(b, b->plain.len + kinds[i].at, KIND_PIECE_BYTES);
		b->plain.len += num;
		end_piece(b, b->plain.len, PIECE_BYTES);
	}
}

/* ---- tables ---- */

static void put_names(struct block_builder *b)
{
	const struct block_dictionary *d = &b->dictionaries[BLOCK_NAMES];
	const struct block_name *name;
	uint8_t len;

	put_u32(&b->plain, d->num_used);
	for (uint32_t i = 0; i < d->num_used; i++) {
		name = (const void *)d->cells[d->used[i]];
		len = (uint8_t)name->len;
		put_byte(&b->plain, len);
	}
	for (uint32_t i = 0; i < d->num_used; i++) {
		name = (const void *)d->cells[d->used[i]];
		outbuf__bytes(&b->plain, b->names.data + name->at, name->len);
	}
	end_piece(b, b->plain.len, PIECE_BYTES);
}

/* As it stands in the block: a place there instead of one in the builder's table. */
static uint64_t cell_of(const struct block_builder *b, const struct block_column *column,
			uint64_t cell)
{
	if (column->bits || (column->optional && !cell))
		return cell;
	return number_of(b, column->of, (uint32_t)cell - column->optional) + column->optional;
}

static void put_table(struct block_builder *b, enum block_table which)
{
	const struct block_dictionary *d = &b->dictionaries[which];
	const struct block_layout *layout = &block_layouts[which];
	uint64_t *values = b->cells[0], cell, before;

	put_u32(&b->plain, d->num_used);
	for (unsigned int i = 0; i < layout->columns; i++) {
		before = 0;
		for (uint32_t at = 0; at < d->num_used; at++) {
			cell = cell_of(b, &layout->column[i], d->cells[d->used[at]][i]);
			values[at] = layout->column[i].steps ?
					     block_format__zigzag(cell - before) : cell;
			before = cell;
		}
		put_column(b, values, d->num_used, NULL, 0);
	}
}

/* ---- rows ---- */

static uint64_t guess_kind(struct block_guess *g, uint32_t kind)
{
	g->kinds[kind].at++;
	if (kind != g->next_kind)
		return kind + 1ULL;
	g->next_kind++;
	return 0;
}

static uint64_t guess_actor(struct block_guess *g, struct block_kind_guess *kind, uint32_t actor)
{
	uint32_t before = kind->actor;

	kind->actor = actor + 1;
	if (actor == g->next_actor) {
		g->next_actor++;
		return BLOCK_ACTOR_NEXT;
	}
	return before == actor + 1 ? BLOCK_ACTOR_SAME : (uint64_t)BLOCK_ACTOR_PLACE + actor;
}

static uint64_t guess_batch(struct block_guess *g, uint32_t batch)
{
	uint32_t rank = 0;

	while (rank < g->num_recent && g->recent[rank] != batch)
		rank++;
	if (rank < g->num_recent) {
		block_guess__use(g, rank, batch);
		return (uint64_t)BLOCK_BATCH_RECENT + rank;
	}
	block_guess__use(g, rank, batch);
	if (batch != g->next_batch)
		return (uint64_t)BLOCK_BATCH_PLACE + batch;
	g->next_batch++;
	return BLOCK_BATCH_NEXT;
}

/* The step from *@before to @now, which takes its place. */
static uint64_t step(uint64_t *before, uint64_t now)
{
	uint64_t difference = now - *before;

	*before = now;
	return block_format__zigzag(difference);
}

static uint64_t step16(uint16_t *before, uint16_t now)
{
	int16_t difference = (int16_t)(now - *before);

	*before = now;
	return block_format__zigzag((uint64_t)(int64_t)difference) & 0xffff;
}

static uint64_t guess_cookie(struct block_guess *g, uint32_t batch, uint64_t cookie)
{
	uint64_t before = g->batches[batch];
	uint64_t now = cookie & ((1U << BLOCK_BATCH_BITS) - 1);

	g->batches[batch] = (uint16_t)now;
	return block_format__zigzag(now - before);
}

/* When it was opened, and its bytes. */
static void fill_rest(struct block_builder *b, struct block_guess *g, const struct block_row *row,
		      const struct block_known *known, uint32_t at)
{
	const struct block_rest rest = {
		.open_ns = row->open_ns,
		.tx_bytes = row->tx_bytes,
		.rx_bytes = row->rx_bytes,
	};
	struct block_rest expected;
	uint64_t open = 0;

	block_guess__expect(g, known, &expected);
	block_guess__learn(g, known, &rest);
	if (known->has_open)
		open = expected.has_open ? block_format__zigzag(row->open_ns - expected.open_ns) :
					   row->time_ns - row->open_ns;
	b->cells[ROW_OPEN][at] = open;
	b->cells[ROW_TX][at] = block_format__zigzag(row->tx_bytes - expected.tx_bytes);
	b->cells[ROW_RX][at] = block_format__zigzag(row->rx_bytes - expected.rx_bytes);
}

static void fill_row(struct block_builder *b, struct block_guess *g, const struct block_row *row)
{
	const uint64_t *kind = b->dictionaries[BLOCK_KINDS].cells[row->kind];
	const uint64_t *flow = b->dictionaries[BLOCK_FLOWS].cells[kind[KIND_FLOW]];
	const struct block_known known = {
		.time_ns = row->time_ns,
		.kind = number_of(b, BLOCK_KINDS, row->kind),
		.talk = number_of(b, BLOCK_TALKS, (uint32_t)flow[FLOW_TALK]),
		.port = row->port,
		.is_end = row->is_end,
		.is_service = flow[FLOW_IS_SERVICE],
		.has_open = row->open_ns,
	};
	uint32_t actor = number_of(b, BLOCK_ACTORS, row->actor);
	uint32_t batch = number_of(b, BLOCK_BATCHES, row->batch);
	uint32_t at = g->kinds[known.kind].at++;
	uint64_t **cells = b->cells;

	cells[ROW_ACTOR][at] = guess_actor(g, &g->kinds[known.kind], actor);
	cells[ROW_TIME][at] = step(&g->time_ns[row->is_end], row->time_ns);
	cells[ROW_WALL][at] = step(&g->wall_offset_ns, row->wall_ns - row->time_ns);
	cells[ROW_BATCH][at] = guess_batch(g, batch);
	cells[ROW_COOKIE][at] = guess_cookie(g, batch, row->cookie);
	cells[ROW_PORT][at] = step16(&g->talks[known.talk].port[row->is_end], row->port);
	fill_rest(b, g, row, &known, at);
}

static int put_rows(struct block_builder *b, uint32_t from)
{
	uint32_t num = b->num_rows - from, num_kinds = b->dictionaries[BLOCK_KINDS].num_used;
	struct block_guess guess;
	uint32_t kind;
	int err = block_guess__init(&guess, num_kinds,
				    b->dictionaries[BLOCK_TALKS].num_used,
				    b->dictionaries[BLOCK_BATCHES].num_used);

	if (err)
		return err;
	for (uint32_t i = 0; i < num; i++) {
		kind = number_of(b, BLOCK_KINDS, b->rows[from + i].kind);
		b->cells[ROW_KIND][i] = guess_kind(&guess, kind);
	}
	block_guess__begin(&guess, num_kinds);
	for (uint32_t i = 0; i < num; i++)
		fill_row(b, &guess, &b->rows[from + i]);
	put_column(b, b->cells[ROW_KIND], num, NULL, 0);
	for (unsigned int i = ROW_KIND + 1; i < ROW_COLUMNS; i++)
		put_column(b, b->cells[i], num, guess.kinds, num_kinds);
	block_guess__fini(&guess);
	return 0;
}

/* ---- compression ---- */

/* Room for what the compressor has to give; it always has some, or it could not end. */
static int pack_piece(struct block_builder *b, size_t from, size_t to, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = { b->plain.data + from, to - from, 0 };
	ZSTD_outBuffer out;
	size_t left;

	do {
		if (!outbuf__room(&b->packed, ZSTD_compressBound(to - from) + 64))
			return -ENOMEM;
		out = (ZSTD_outBuffer){ b->packed.data, b->packed.cap, b->packed.len };
		left = ZSTD_compressStream2(b->zstd, &out, &in, how);
		b->packed.len = out.pos;
		if (ZSTD_isError(left))
			return -ENOMEM;
	} while (left);
	return 0;
}

static int pack(struct block_builder *b, int level)
{
	size_t from = 0;
	int err = 0;

	ZSTD_CCtx_reset(b->zstd, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setPledgedSrcSize(b->zstd, b->plain.len);
	for (uint32_t i = 0; i < b->num_ends && !err; i++) {
		err = pack_piece(b, from, b->ends[i], ZSTD_e_flush);
		from = b->ends[i];
	}
	return err ?: pack_piece(b, from, b->plain.len, ZSTD_e_end);
}

static void put_header(struct block_builder *b, uint32_t rows)
{
	uint8_t *header = (uint8_t *)b->packed.data;

	block_format__put32(header + BLOCK_AT_MAGIC, BLOCK_MAGIC);
	block_format__put32(header + BLOCK_AT_VERSION, BLOCK_VERSION);
	block_format__put32(header + BLOCK_AT_ROWS, rows);
	block_format__put32(header + BLOCK_AT_PLAIN, (uint32_t)b->plain.len);
	block_format__put32(header + BLOCK_AT_PACKED, (uint32_t)b->packed.len - BLOCK_HEADER);
	block_format__put32(header + BLOCK_AT_CRC, block_format__crc(header, b->packed.len));
}

static int put_all(struct block_builder *b, uint32_t from)
{
	int err;

	b->plain.len = 0;
	b->num_ends = 0;
	put_names(b);
	for (unsigned int i = BLOCK_NAMES + 1; i < BLOCK_TABLES; i++)
		put_table(b, i);
	err = put_rows(b, from);
	if (!err && b->plain.failed)
		err = -ENOMEM;
	b->plain.failed = false;
	return err;
}

int block_builder__encode(struct block_builder *b, uint32_t from, int level,
			  const uint8_t **data, size_t *size)
{
	static const char header[BLOCK_HEADER];
	int err;

	if (from > b->num_rows)
		from = b->num_rows;
	number_all(b, from);
	err = put_all(b, from);
	forget_numbers(b);
	if (err)
		return err;
	b->packed.len = 0;
	b->packed.failed = false;
	outbuf__bytes(&b->packed, header, sizeof(header));
	err = b->packed.failed ? -ENOMEM : pack(b, level);
	if (err)
		return err;
	put_header(b, b->num_rows - from);
	*data = (const uint8_t *)b->packed.data;
	*size = b->packed.len;
	return 0;
}

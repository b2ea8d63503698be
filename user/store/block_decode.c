// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "store/block_format.h"

/* A row, once it is known what its numbers mean. */
struct numbers {
	uint64_t time_ns, wall_ns, open_ns, cookie, tx_bytes, rx_bytes;
	uint32_t kind, actor;
	uint16_t port; /* the client's */
};

struct block {
	struct numbers *rows;
	uint32_t num_rows;
	uint32_t num[BLOCK_TABLES];
	uint64_t *cells[BLOCK_TABLES]; /* column after column; of names: where each begins */
	char *names; /* each followed by a NUL */
};

/* What is left to be read. */
struct reader {
	const uint8_t *at, *end;
};

/* ---- columns ---- */

static bool take(struct reader *r, size_t size, const uint8_t **bytes)
{
	if ((size_t)(r->end - r->at) < size)
		return false;
	*bytes = r->at;
	r->at += size;
	return true;
}

static bool take_u32(struct reader *r, uint32_t *value)
{
	const uint8_t *bytes;

	if (!take(r, 4, &bytes))
		return false;
	*value = block_format__get32(bytes);
	return true;
}

static bool take_column(struct reader *r, uint64_t *values, uint32_t num)
{
	const uint8_t *width, *bytes;

	if (!take(r, 1, &width) || *width > 8 || !take(r, (size_t)*width * num, &bytes))
		return false;
	memset(values, 0, num * sizeof(*values));
	for (unsigned int byte = 0; byte < *width; byte++, bytes += num)
		for (uint32_t i = 0; i < num; i++)
			values[i] |= (uint64_t)bytes[i] << 8 * byte;
	return true;
}

/* ---- tables ---- */

static uint64_t *column_of(const struct block *block, enum block_table which, unsigned int column)
{
	return block->cells[which] + (size_t)column * block->num[which];
}

static uint64_t cell(const struct block *block, enum block_table which, unsigned int column,
		     uint64_t at)
{
	return column_of(block, which, column)[at];
}

static int take_num(struct block *block, struct reader *r, enum block_table which, unsigned int columns)
{
	uint32_t num;

	if (!take_u32(r, &num) || num > block_format__max(which))
		return -EBADMSG;
	block->num[which] = num;
	block->cells[which] = calloc((size_t)num * columns + 1, sizeof(uint64_t));
	return block->cells[which] ? 0 : -ENOMEM;
}

static int take_names(struct block *block, struct reader *r)
{
	const uint8_t *lengths, *bytes;
	size_t total = 0, at = 0;
	uint32_t num;
	int err = take_num(block, r, BLOCK_NAMES, 1);

	if (err)
		return err;
	num = block->num[BLOCK_NAMES];
	if (!take(r, num, &lengths))
		return -EBADMSG;
	for (uint32_t i = 0; i < num; i++)
		total += lengths[i];
	if (!take(r, total, &bytes))
		return -EBADMSG;
	block->names = calloc(total + num + 1, 1);
	if (!block->names)
		return -ENOMEM;
	for (uint32_t i = 0; i < num; i++) {
		block->cells[BLOCK_NAMES][i] = at;
		memcpy(block->names + at, bytes, lengths[i]);
		at += lengths[i] + 1U;
		bytes += lengths[i];
	}
	block->cells[BLOCK_NAMES][num] = at;
	return 0;
}

static bool undo_steps(const struct block_column *column, uint64_t *values, uint32_t num)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < num; i++) {
		if (column->steps)
			values[i] = before += block_format__unzigzag(values[i]);
		if (column->bits && column->bits < 64 && values[i] >> column->bits)
			return false;
	}
	return true;
}

static int take_table(struct block *block, struct reader *r, enum block_table which)
{
	const struct block_layout *layout = &block_layouts[which];
	int err = take_num(block, r, which, layout->columns);
	uint64_t *values;

	if (err)
		return err;
	for (unsigned int i = 0; i < layout->columns; i++) {
		values = column_of(block, which, i);
		if (!take_column(r, values, block->num[which]) ||
		    !undo_steps(&layout->column[i], values, block->num[which]))
			return -EBADMSG;
	}
	return 0;
}

static bool is_within(const uint64_t *values, uint32_t num, uint64_t below)
{
	for (uint32_t i = 0; i < num; i++)
		if (values[i] >= below)
			return false;
	return true;
}

/* Places are in their tables. */
static bool places_are_sound(const struct block *block)
{
	for (unsigned int which = 0; which < BLOCK_TABLES; which++) {
		const struct block_layout *layout = &block_layouts[which];

		for (unsigned int i = 0; i < layout->columns; i++) {
			const struct block_column *column = &layout->column[i];

			if (!column->bits &&
			    !is_within(column_of(block, which, i), block->num[which],
				       (uint64_t)block->num[column->of] + column->optional))
				return false;
		}
	}
	return true;
}

static size_t name_len(const struct block *block, uint64_t name)
{
	const uint64_t *begins = block->cells[BLOCK_NAMES];

	return (size_t)(begins[name + 1] - begins[name]) - 1;
}

/* @column has names of processes, of @max bytes, or strings, which have no NUL inside. */
static bool names_fit(const struct block *block, enum block_table which, unsigned int column,
		      size_t max)
{
	const uint64_t *values = column_of(block, which, column);

	for (uint32_t i = 0; i < block->num[which]; i++) {
		const char *name;
		size_t len;

		if (!values[i])
			continue;
		name = block->names + block->cells[BLOCK_NAMES][values[i] - 1];
		len = name_len(block, values[i] - 1);
		if (max ? len > max : memchr(name, '\0', len) != NULL)
			return false;
	}
	return true;
}

static int take_tables(struct block *block, struct reader *r)
{
	int err = take_names(block, r);

	for (unsigned int i = BLOCK_NAMES + 1; i < BLOCK_TABLES && !err; i++)
		err = take_table(block, r, i);
	if (err)
		return err;
	if (!places_are_sound(block) ||
	    !names_fit(block, BLOCK_OPENERS, OPENER_COMM, TWS_COMM_LEN) ||
	    !names_fit(block, BLOCK_ACTORS, ACTOR_COMM, TWS_COMM_LEN) ||
	    !names_fit(block, BLOCK_ACTORS, ACTOR_THREAD, TWS_COMM_LEN) ||
	    !names_fit(block, BLOCK_PLACES, PLACE_NAME, 0) ||
	    !names_fit(block, BLOCK_PLACES, PLACE_INTERFACE, 0))
		return -EBADMSG;
	return 0;
}

/* ---- rows ---- */

static bool take_kinds(const struct block *block, struct block_guess *g, const uint64_t *told,
		       uint32_t *kinds)
{
	uint64_t kind;

	for (uint32_t i = 0; i < block->num_rows; i++) {
		kind = told[i] ? told[i] - 1 : g->next_kind++;
		if (kind >= block->num[BLOCK_KINDS])
			return false;
		kinds[i] = (uint32_t)kind;
	}
	block_guess__begin(g, kinds, block->num_rows, block->num[BLOCK_KINDS]);
	return true;
}

static bool take_actor(const struct block *block, struct block_guess *g,
		       struct block_kind_guess *kind, uint64_t told, uint32_t *actor)
{
	uint64_t at = told - BLOCK_ACTOR_PLACE;

	if (told == BLOCK_ACTOR_SAME)
		at = kind->actor - 1ULL;
	else if (told == BLOCK_ACTOR_NEXT)
		at = g->next_actor++;
	if (at >= block->num[BLOCK_ACTORS])
		return false;
	*actor = (uint32_t)at;
	kind->actor = *actor + 1;
	return true;
}

static bool take_batch(const struct block *block, struct block_guess *g, uint64_t told,
		       uint32_t *batch)
{
	uint64_t at = told - BLOCK_BATCH_PLACE;
	uint32_t rank = g->num_recent;

	if (told == BLOCK_BATCH_NEXT) {
		at = g->next_batch++;
	} else if (told < BLOCK_BATCH_PLACE) {
		rank = (uint32_t)(told - BLOCK_BATCH_RECENT);
		if (rank >= g->num_recent)
			return false;
		at = g->recent[rank];
	}
	if (at >= block->num[BLOCK_BATCHES])
		return false;
	*batch = (uint32_t)at;
	block_guess__use(g, rank, *batch);
	return true;
}

static uint64_t step(uint64_t *before, uint64_t told)
{
	return *before += block_format__unzigzag(told);
}

static uint64_t take_cookie(const struct block *block, struct block_guess *g, uint32_t batch,
			    uint64_t told)
{
	uint64_t low = g->batches[batch] + block_format__unzigzag(told);

	g->batches[batch] = (uint16_t)(low & ((1U << BLOCK_BATCH_BITS) - 1));
	return cell(block, BLOCK_BATCHES, BATCH_NUMBER, batch) << BLOCK_BATCH_BITS |
	       g->batches[batch];
}

static void take_open(struct block_guess *g, uint64_t told, uint32_t talk, bool is_end,
		      struct numbers *row)
{
	struct block_opening opening = {
		.time_ns = row->time_ns,
		.talk = talk,
		.port = row->port,
		.is_end = is_end,
	};
	uint64_t open_ns;

	if (block_guess__open(g, &opening, &open_ns))
		row->open_ns = open_ns + block_format__unzigzag(told);
	else
		row->open_ns = row->time_ns - told;
	opening.open_ns = row->open_ns;
	block_guess__opened(g, &opening);
}

static bool take_row(const struct block *block, struct block_guess *g,
		     const uint64_t told[ROW_COLUMNS], struct numbers *row)
{
	struct block_kind_guess *kind = &g->kinds[row->kind];
	uint64_t flow, talk;
	uint32_t batch;
	bool is_end;

	if (!take_actor(block, g, kind, told[ROW_ACTOR], &row->actor) ||
	    !take_batch(block, g, told[ROW_BATCH], &batch))
		return false;
	flow = cell(block, BLOCK_KINDS, KIND_FLOW, row->kind);
	talk = cell(block, BLOCK_FLOWS, FLOW_TALK, flow);
	is_end = cell(block, BLOCK_KINDS, KIND_ACTION, row->kind) == TWS_TIME_WAIT_END;
	row->time_ns = step(&g->time_ns[is_end], told[ROW_TIME]);
	row->wall_ns = row->time_ns + step(&g->wall_offset_ns, told[ROW_WALL]);
	row->cookie = take_cookie(block, g, batch, told[ROW_COOKIE]);
	row->port = g->talks[talk].port[is_end] +=
		(uint16_t)block_format__unzigzag(told[ROW_PORT]);
	row->tx_bytes = step(&kind->tx, told[ROW_TX]);
	row->rx_bytes = step(&kind->rx, told[ROW_RX]);
	if (cell(block, BLOCK_KINDS, KIND_HAS, row->kind) & BLOCK_HAS_OPEN)
		take_open(g, told[ROW_OPEN], (uint32_t)talk, is_end, row);
	return true;
}

static bool take_all_rows(struct block *block, struct block_guess *guess, const uint64_t *columns,
			  const uint32_t *kinds)
{
	uint64_t told[ROW_COLUMNS];
	struct held_row row;
	size_t at;

	for (uint32_t i = 0; i < block->num_rows; i++) {
		at = guess->kinds[kinds[i]].at++;
		for (unsigned int column = ROW_KIND + 1; column < ROW_COLUMNS; column++)
			told[column] = columns[column * (size_t)block->num_rows + at];
		block->rows[i].kind = kinds[i];
		if (!take_row(block, guess, told, &block->rows[i]))
			return false;
		block__row(block, i, &row);
		if (!block_format__is_sound(&row.event))
			return false;
	}
	return true;
}

static int take_rows(struct block *block, struct reader *r)
{
	size_t num = block->num_rows;
	uint64_t *columns = calloc(num * ROW_COLUMNS + 1, sizeof(*columns));
	uint32_t *kinds = calloc(num + 1, sizeof(*kinds));
	struct block_guess guess = { 0 };
	int err = -ENOMEM;

	block->rows = calloc(num + 1, sizeof(*block->rows));
	if (!columns || !kinds || !block->rows ||
	    block_guess__init(&guess, block->num[BLOCK_KINDS], block->num[BLOCK_TALKS],
			      block->num[BLOCK_BATCHES]))
		goto out;
	err = -EBADMSG;
	for (unsigned int i = 0; i < ROW_COLUMNS; i++)
		if (!take_column(r, columns + i * num, block->num_rows))
			goto out;
	if (r->at == r->end && take_kinds(block, &guess, columns, kinds) &&
	    take_all_rows(block, &guess, columns, kinds))
		err = 0;
out:
	block_guess__fini(&guess);
	free(columns);
	free(kinds);
	return err;
}

/* ---- the block ---- */

/* What its header says is true. */
static int check_header(const uint8_t *data, size_t size)
{
	if (size < BLOCK_HEADER || block_format__get32(data + BLOCK_AT_MAGIC) != BLOCK_MAGIC ||
	    block_format__get32(data + BLOCK_AT_PACKED) != size - BLOCK_HEADER ||
	    block_format__get32(data + BLOCK_AT_CRC) != block_format__crc(data, size))
		return -EBADMSG;
	if (block_format__get32(data + BLOCK_AT_VERSION) > BLOCK_VERSION)
		return -ENOTSUP;
	if (block_format__get32(data + BLOCK_AT_VERSION) == 0 ||
	    block_format__get32(data + BLOCK_AT_ROWS) > BLOCK_ROWS ||
	    block_format__get32(data + BLOCK_AT_PLAIN) > BLOCK_BYTES_MAX)
		return -EBADMSG;
	return 0;
}

static int unpack(const uint8_t *data, size_t size, uint8_t **plainp, size_t *plain_size)
{
	size_t want = block_format__get32(data + BLOCK_AT_PLAIN);
	uint8_t *plain;

	/* Nothing is taken for what the compressed bytes do not have. */
	if (ZSTD_getFrameContentSize(data + BLOCK_HEADER, size - BLOCK_HEADER) != want ||
	    ZSTD_findFrameCompressedSize(data + BLOCK_HEADER, size - BLOCK_HEADER) !=
		    size - BLOCK_HEADER)
		return -EBADMSG;
	plain = malloc(want + 1);
	if (!plain)
		return -ENOMEM;
	if (ZSTD_decompress(plain, want, data + BLOCK_HEADER, size - BLOCK_HEADER) != want) {
		free(plain);
		return -EBADMSG;
	}
	*plainp = plain;
	*plain_size = want;
	return 0;
}

int block__decode(struct block **blockp, const uint8_t *data, size_t size)
{
	struct block *block = NULL;
	uint8_t *plain = NULL;
	size_t plain_size;
	struct reader r;
	int err = check_header(data, size);

	err = err ?: unpack(data, size, &plain, &plain_size);
	if (err)
		return err;
	r = (struct reader){ plain, plain + plain_size };
	block = calloc(1, sizeof(*block));
	err = -ENOMEM;
	if (!block)
		goto out;
	block->num_rows = block_format__get32(data + BLOCK_AT_ROWS);
	err = take_tables(block, &r) ?: take_rows(block, &r);
	if (err)
		goto out;
	*blockp = block;
	block = NULL;
out:
	block__free(block);
	free(plain);
	return err;
}

void block__free(struct block *block)
{
	if (!block)
		return;
	for (unsigned int i = 0; i < BLOCK_TABLES; i++)
		free(block->cells[i]);
	free(block->names);
	free(block->rows);
	free(block);
}

uint32_t block__count(const struct block *block)
{
	return block->num_rows;
}

/* ---- a row, put together ---- */

static const char *string_of(const struct block *block, uint64_t name)
{
	return name ? block->names + block->cells[BLOCK_NAMES][name - 1] : NULL;
}

static void fill_comm(const struct block *block, uint64_t name, char comm[TWS_COMM_LEN])
{
	memset(comm, 0, TWS_COMM_LEN);
	if (name)
		memcpy(comm, string_of(block, name), name_len(block, name - 1));
}

static void fill_address(const struct block *block, uint64_t address, uint8_t addr[16])
{
	uint64_t high = cell(block, BLOCK_ADDRESSES, ADDRESS_HIGH, address);
	uint64_t low = cell(block, BLOCK_ADDRESSES, ADDRESS_LOW, address);

	for (int i = 0; i < 8; i++) {
		addr[i] = (uint8_t)(high >> (56 - 8 * i));
		addr[8 + i] = (uint8_t)(low >> (56 - 8 * i));
	}
}

static void fill_flow(const struct block *block, uint64_t flow, uint16_t client_port,
		      struct held_row *row)
{
	struct tws_event *ev = &row->event;
	bool service = cell(block, BLOCK_FLOWS, FLOW_IS_SERVICE, flow);
	uint64_t place = cell(block, BLOCK_FLOWS, FLOW_PLACE, flow);
	uint64_t talk = cell(block, BLOCK_FLOWS, FLOW_TALK, flow);
	uint16_t port = (uint16_t)cell(block, BLOCK_TALKS, TALK_PORT, talk);

	ev->netns = (uint32_t)cell(block, BLOCK_PLACES, PLACE_NETNS, place);
	ev->conn.ifindex = (uint32_t)cell(block, BLOCK_PLACES, PLACE_IFINDEX, place);
	row->netns_name = string_of(block, cell(block, BLOCK_PLACES, PLACE_NAME, place));
	row->interface = string_of(block, cell(block, BLOCK_PLACES, PLACE_INTERFACE, place));
	ev->family = (uint8_t)cell(block, BLOCK_TALKS, TALK_FAMILY, talk);
	fill_address(block, cell(block, BLOCK_TALKS, TALK_CLIENT, talk),
		     service ? ev->peer_addr : ev->local_addr);
	fill_address(block, cell(block, BLOCK_TALKS, TALK_SERVICE, talk),
		     service ? ev->local_addr : ev->peer_addr);
	ev->local_port = service ? port : client_port;
	ev->peer_port = service ? client_port : port;
}

static void fill_actor(const struct block *block, uint32_t actor, struct held_row *row)
{
	struct tws_conn *conn = &row->event.conn;

	row->who = (uint32_t)cell(block, BLOCK_ACTORS, ACTOR_WHO, actor);
	row->command = (uint32_t)cell(block, BLOCK_ACTORS, ACTOR_COMMAND, actor);
	conn->tgid = (uint32_t)cell(block, BLOCK_ACTORS, ACTOR_TGID, actor);
	conn->tid = conn->tgid + (uint32_t)cell(block, BLOCK_ACTORS, ACTOR_TID, actor);
	conn->uid = (uint32_t)cell(block, BLOCK_ACTORS, ACTOR_UID, actor);
	conn->ns_tgid = conn->tgid + (uint32_t)cell(block, BLOCK_ACTORS, ACTOR_NS_TGID, actor);
	conn->pid_ns = (uint32_t)cell(block, BLOCK_ACTORS, ACTOR_PID_NS, actor);
	conn->cgroup_id = cell(block, BLOCK_ACTORS, ACTOR_CGROUP, actor);
	conn->closer_start_ns = cell(block, BLOCK_ACTORS, ACTOR_START, actor);
	fill_comm(block, cell(block, BLOCK_ACTORS, ACTOR_COMM, actor), conn->comm);
	fill_comm(block, cell(block, BLOCK_ACTORS, ACTOR_THREAD, actor), conn->thread_comm);
}

static void fill_opener(const struct block *block, uint32_t kind, struct tws_conn *conn)
{
	uint64_t opener = cell(block, BLOCK_KINDS, KIND_OPENER, kind);

	conn->opener_tgid = 0;
	memset(conn->opener_comm, 0, sizeof(conn->opener_comm));
	if (cell(block, BLOCK_KINDS, KIND_HAS, kind) & BLOCK_HAS_SELF) {
		conn->opener_tgid = conn->tgid;
		memcpy(conn->opener_comm, conn->comm, sizeof(conn->comm));
	} else if (opener) {
		conn->opener_tgid = (uint32_t)cell(block, BLOCK_OPENERS, OPENER_TGID, opener - 1);
		fill_comm(block, cell(block, BLOCK_OPENERS, OPENER_COMM, opener - 1),
			  conn->opener_comm);
	}
}

void block__row(const struct block *block, uint32_t index, struct held_row *row)
{
	const struct numbers *numbers = &block->rows[index];
	struct tws_event *ev = &row->event;
	uint32_t kind = numbers->kind;

	ev->action = (uint8_t)cell(block, BLOCK_KINDS, KIND_ACTION, kind);
	ev->end = (uint8_t)cell(block, BLOCK_KINDS, KIND_END, kind);
	ev->pad = 0;
	ev->error = (uint32_t)cell(block, BLOCK_KINDS, KIND_ERROR, kind);
	ev->time_ns = numbers->time_ns;
	ev->cookie = numbers->cookie;
	ev->tx_bytes = numbers->tx_bytes;
	ev->rx_bytes = numbers->rx_bytes;
	ev->conn.open_ns = numbers->open_ns;
	ev->conn.side = (uint8_t)cell(block, BLOCK_KINDS, KIND_SIDE, kind);
	ev->conn.cause = (uint8_t)cell(block, BLOCK_KINDS, KIND_CAUSE, kind);
	ev->conn.flags = (uint16_t)cell(block, BLOCK_KINDS, KIND_FLAGS, kind);
	row->wall_ns = numbers->wall_ns;
	fill_flow(block, cell(block, BLOCK_KINDS, KIND_FLOW, kind), numbers->port, row);
	fill_actor(block, numbers->actor, row);
	fill_opener(block, kind, &ev->conn);
}

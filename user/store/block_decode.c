// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
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
	uint32_t num_entries; /* of all tables */
	uint32_t num[BLOCK_TABLES];
	uint64_t *cells[BLOCK_TABLES]; /* entry after entry; of names: where each begins */
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

/* The values of a column: the lowest byte of each, the next one of each, … */
struct column {
	const uint8_t *bytes;
	unsigned int width;
	uint32_t num;
};

static bool take_column(struct reader *r, uint32_t num, struct column *column)
{
	const uint8_t *width;

	if (!take(r, 1, &width) || *width > 8 || !take(r, (size_t)*width * num, &column->bytes))
		return false;
	column->width = *width;
	column->num = num;
	return true;
}

static uint64_t value_at(const struct column *column, size_t at)
{
	const uint8_t *byte = column->bytes + at;
	uint64_t value = 0;

	for (unsigned int i = 0; i < column->width; i++, byte += column->num)
		value |= (uint64_t)*byte << 8 * i;
	return value;
}

/* ---- tables ---- */

static const uint64_t *entry_of(const struct block *block, enum block_table which, uint64_t at)
{
	return block->cells[which] + at * block_layouts[which].columns;
}

static int take_num(struct block *block, struct reader *r, enum block_table which,
		    unsigned int columns)
{
	uint32_t num;

	if (!take_u32(r, &num) || num > block_format__max(which) ||
	    num > BLOCK_ENTRIES_MAX - block->num_entries)
		return -EBADMSG;
	block->num[which] = num;
	block->num_entries += num;
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
	if (total > BLOCK_NAMES_BYTES || !take(r, total, &bytes))
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

/* The most that a value may be; false: none may be. */
static bool most_of(const struct block *block, const struct block_column *column, uint64_t *most)
{
	uint64_t values = UINT64_MAX;

	if (!column->bits)
		values = (uint64_t)block->num[column->of] + column->optional;
	else if (column->bits < 64)
		values = 1ULL << column->bits;
	*most = values == UINT64_MAX ? values : values - 1;
	return values;
}

/* One cell of each of @num entries. */
static bool fill_cells(const struct block *block, const struct block_column *layout,
		       const struct column *told, uint64_t *cells, unsigned int columns)
{
	uint64_t before = 0, most;

	if (!most_of(block, layout, &most))
		return !told->num;
	for (uint32_t i = 0; i < told->num; i++, cells += columns) {
		*cells = value_at(told, i);
		if (layout->steps)
			*cells = before += block_format__unzigzag(*cells);
		if (*cells > most)
			return false;
	}
	return true;
}

/* Tables come after those of which they name entries. */
static int take_table(struct block *block, struct reader *r, enum block_table which)
{
	const struct block_layout *layout = &block_layouts[which];
	int err = take_num(block, r, which, layout->columns);
	struct column told;

	if (err)
		return err;
	for (unsigned int i = 0; i < layout->columns; i++)
		if (!take_column(r, block->num[which], &told) ||
		    !fill_cells(block, &layout->column[i], &told, block->cells[which] + i,
				layout->columns))
			return -EBADMSG;
	return 0;
}

static size_t name_len(const struct block *block, uint64_t name)
{
	const uint64_t *begins = block->cells[BLOCK_NAMES];

	return (size_t)(begins[name + 1] - begins[name]) - 1;
}

/* @column has names of processes, of @max bytes, or strings, which have no NUL inside: 0. */
static bool names_fit(const struct block *block, enum block_table which, unsigned int column,
		      size_t max)
{
	const char *bytes;
	uint64_t name;
	size_t len;

	for (uint32_t i = 0; i < block->num[which]; i++) {
		name = entry_of(block, which, i)[column];
		if (!name)
			continue;
		bytes = block->names + block->cells[BLOCK_NAMES][name - 1];
		len = name_len(block, name - 1);
		if (max ? len > max : memchr(bytes, '\0', len) != NULL)
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
	if (!names_fit(block, BLOCK_OPENERS, OPENER_COMM, TWS_COMM_LEN) ||
	    !names_fit(block, BLOCK_ACTORS, ACTOR_COMM, TWS_COMM_LEN) ||
	    !names_fit(block, BLOCK_ACTORS, ACTOR_THREAD, TWS_COMM_LEN) ||
	    !names_fit(block, BLOCK_PLACES, PLACE_NAME, 0) ||
	    !names_fit(block, BLOCK_PLACES, PLACE_INTERFACE, 0))
		return -EBADMSG;
	return 0;
}

/* ---- rows ---- */

static bool take_kinds(struct block *block, struct block_guess *g, const struct column *told)
{
	uint64_t kind;

	for (uint32_t i = 0; i < block->num_rows; i++) {
		kind = value_at(told, i);
		kind = kind ? kind - 1 : g->next_kind++;
		if (kind >= block->num[BLOCK_KINDS])
			return false;
		block->rows[i].kind = (uint32_t)kind;
		g->kinds[kind].at++;
	}
	block_guess__begin(g, block->num[BLOCK_KINDS]);
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
	return entry_of(block, BLOCK_BATCHES, batch)[BATCH_NUMBER] << BLOCK_BATCH_BITS |
	       g->batches[batch];
}

/* When it was opened, and its bytes. */
static void take_rest(struct block_guess *g, const uint64_t told[ROW_COLUMNS],
		      const struct block_known *known, struct numbers *row)
{
	struct block_rest rest;

	block_guess__expect(g, known, &rest);
	rest.tx_bytes += block_format__unzigzag(told[ROW_TX]);
	rest.rx_bytes += block_format__unzigzag(told[ROW_RX]);
	if (!known->has_open)
		rest.open_ns = 0;
	else if (rest.has_open)
		rest.open_ns += block_format__unzigzag(told[ROW_OPEN]);
	else
		rest.open_ns = row->time_ns - told[ROW_OPEN];
	block_guess__learn(g, known, &rest);
	row->open_ns = rest.open_ns;
	row->tx_bytes = rest.tx_bytes;
	row->rx_bytes = rest.rx_bytes;
}

static bool take_row(const struct block *block, struct block_guess *g,
		     const uint64_t told[ROW_COLUMNS], struct numbers *row)
{
	const uint64_t *kind = entry_of(block, BLOCK_KINDS, row->kind);
	const uint64_t *flow = entry_of(block, BLOCK_FLOWS, kind[KIND_FLOW]);
	struct block_known known = {
		.kind = row->kind,
		.talk = (uint32_t)flow[FLOW_TALK],
		.is_end = kind[KIND_ACTION] == TWS_TIME_WAIT_END,
		.is_service = flow[FLOW_IS_SERVICE],
		.has_open = kind[KIND_HAS] & BLOCK_HAS_OPEN,
	};
	uint32_t batch;

	if (!take_actor(block, g, &g->kinds[row->kind], told[ROW_ACTOR], &row->actor) ||
	    !take_batch(block, g, told[ROW_BATCH], &batch))
		return false;
	row->time_ns = step(&g->time_ns[known.is_end], told[ROW_TIME]);
	row->wall_ns = row->time_ns + step(&g->wall_offset_ns, told[ROW_WALL]);
	row->cookie = take_cookie(block, g, batch, told[ROW_COOKIE]);
	row->port = g->talks[known.talk].port[known.is_end] +=
		(uint16_t)block_format__unzigzag(told[ROW_PORT]);
	known.time_ns = row->time_ns;
	known.port = row->port;
	take_rest(g, told, &known, row);
	return true;
}

/* What decode__event() checks is told by the kind and the actor. */
static bool is_sound(const struct block *block, uint32_t at)
{
	struct held_row row;

	block__row(block, at, &row);
	return block_format__is_sound(&row.event);
}

static bool take_all_rows(struct block *block, struct block_guess *g, const struct column *columns)
{
	struct block_kind_guess *kind;
	uint64_t told[ROW_COLUMNS];
	uint32_t actor;

	for (uint32_t i = 0; i < block->num_rows; i++) {
		kind = &g->kinds[block->rows[i].kind];
		actor = kind->actor;
		for (unsigned int column = ROW_KIND + 1; column < ROW_COLUMNS; column++)
			told[column] = value_at(&columns[column], kind->at);
		kind->at++;
		if (!take_row(block, g, told, &block->rows[i]))
			return false;
		if (kind->actor != actor && !is_sound(block, i))
			return false;
	}
	return true;
}

static int take_rows(struct block *block, struct reader *r)
{
	struct column columns[ROW_COLUMNS];
	struct block_guess guess;
	int err;

	for (unsigned int i = 0; i < ROW_COLUMNS; i++)
		if (!take_column(r, block->num_rows, &columns[i]))
			return -EBADMSG;
	if (r->at != r->end)
		return -EBADMSG;
	block->rows = calloc(block->num_rows + 1U, sizeof(*block->rows));
	if (!block->rows)
		return -ENOMEM;
	err = block_guess__init(&guess, block->num[BLOCK_KINDS], block->num[BLOCK_TALKS],
				block->num[BLOCK_BATCHES]);
	if (err)
		return err;
	if (!take_kinds(block, &guess, &columns[ROW_KIND]) ||
	    !take_all_rows(block, &guess, columns))
		err = -EBADMSG;
	block_guess__fini(&guess);
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

bool block__is_whole(const uint8_t *data, size_t size, uint32_t rows)
{
	return !check_header(data, size) && block_format__get32(data + BLOCK_AT_ROWS) == rows;
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
	const uint64_t *cells = entry_of(block, BLOCK_ADDRESSES, address);
	const uint64_t halves[2] = { htobe64(cells[ADDRESS_HIGH]), htobe64(cells[ADDRESS_LOW]) };

	memcpy(addr, halves, sizeof(halves));
}

static void fill_flow(const struct block *block, uint64_t at, uint16_t client_port,
		      struct held_row *row)
{
	const uint64_t *flow = entry_of(block, BLOCK_FLOWS, at);
	const uint64_t *place = entry_of(block, BLOCK_PLACES, flow[FLOW_PLACE]);
	const uint64_t *talk = entry_of(block, BLOCK_TALKS, flow[FLOW_TALK]);
	struct tws_event *ev = &row->event;
	uint16_t port = (uint16_t)talk[TALK_PORT];
	bool service = flow[FLOW_IS_SERVICE];

	ev->netns = (uint32_t)place[PLACE_NETNS];
	ev->conn.ifindex = (uint32_t)place[PLACE_IFINDEX];
	row->netns_name = string_of(block, place[PLACE_NAME]);
	row->interface = string_of(block, place[PLACE_INTERFACE]);
	ev->family = (uint8_t)talk[TALK_FAMILY];
	fill_address(block, talk[TALK_CLIENT], service ? ev->peer_addr : ev->local_addr);
	fill_address(block, talk[TALK_SERVICE], service ? ev->local_addr : ev->peer_addr);
	ev->local_port = service ? port : client_port;
	ev->peer_port = service ? client_port : port;
}

static void fill_actor(const struct block *block, uint32_t at, struct held_row *row)
{
	const uint64_t *actor = entry_of(block, BLOCK_ACTORS, at);
	struct tws_conn *conn = &row->event.conn;

	row->who = (uint32_t)actor[ACTOR_WHO];
	row->command = (uint32_t)actor[ACTOR_COMMAND];
	conn->tgid = (uint32_t)actor[ACTOR_TGID];
	conn->tid = conn->tgid + (uint32_t)actor[ACTOR_TID];
	conn->uid = (uint32_t)actor[ACTOR_UID];
	conn->ns_tgid = conn->tgid + (uint32_t)actor[ACTOR_NS_TGID];
	conn->pid_ns = (uint32_t)actor[ACTOR_PID_NS];
	conn->cgroup_id = actor[ACTOR_CGROUP];
	conn->closer_start_ns = actor[ACTOR_START];
	fill_comm(block, actor[ACTOR_COMM], conn->comm);
	fill_comm(block, actor[ACTOR_THREAD], conn->thread_comm);
}

static void fill_opener(const struct block *block, const uint64_t *kind, struct tws_conn *conn)
{
	const uint64_t *opener;

	conn->opener_tgid = 0;
	memset(conn->opener_comm, 0, sizeof(conn->opener_comm));
	if (kind[KIND_HAS] & BLOCK_HAS_SELF) {
		conn->opener_tgid = conn->tgid;
		memcpy(conn->opener_comm, conn->comm, sizeof(conn->comm));
	} else if (kind[KIND_OPENER]) {
		opener = entry_of(block, BLOCK_OPENERS, kind[KIND_OPENER] - 1);
		conn->opener_tgid = (uint32_t)opener[OPENER_TGID];
		fill_comm(block, opener[OPENER_COMM], conn->opener_comm);
	}
}

void block__row(const struct block *block, uint32_t index, struct held_row *row)
{
	const struct numbers *numbers = &block->rows[index];
	const uint64_t *kind = entry_of(block, BLOCK_KINDS, numbers->kind);
	struct tws_event *ev = &row->event;

	ev->action = (uint8_t)kind[KIND_ACTION];
	ev->end = (uint8_t)kind[KIND_END];
	ev->pad = 0;
	ev->error = (uint32_t)kind[KIND_ERROR];
	ev->time_ns = numbers->time_ns;
	ev->cookie = numbers->cookie;
	ev->tx_bytes = numbers->tx_bytes;
	ev->rx_bytes = numbers->rx_bytes;
	ev->conn.open_ns = numbers->open_ns;
	ev->conn.side = (uint8_t)kind[KIND_SIDE];
	ev->conn.cause = (uint8_t)kind[KIND_CAUSE];
	ev->conn.flags = (uint16_t)kind[KIND_FLAGS];
	row->wall_ns = numbers->wall_ns;
	fill_flow(block, kind[KIND_FLOW], numbers->port, row);
	fill_actor(block, numbers->actor, row);
	fill_opener(block, kind, &ev->conn);
}

// SPDX-License-Identifier: GPL-2.0
#include "store/block_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define BUFFER_BYTES 4096 /* at first */

/* The words that entries are found by; where they are no cells, the cells follow. */
struct actor_key {
	uint64_t who_command, tgid_tid, uid_ns_tgid, pid_ns, cgroup, start_ns;
	char comm[TWS_COMM_LEN], thread_comm[TWS_COMM_LEN];
};

struct flow_key {
	uint64_t netns_ifindex, names;
	uint8_t local_addr[16], peer_addr[16];
	uint64_t port_family_side;
};

struct opener_key {
	uint64_t tgid;
	char comm[TWS_COMM_LEN];
};

struct kind_key {
	uint64_t what, error_flow, opener;
};

#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

static const unsigned int own_words[BLOCK_TABLES] = {
	[BLOCK_NAMES] = WORDS(struct block_name),
	[BLOCK_FLOWS] = WORDS(struct flow_key),
	[BLOCK_OPENERS] = WORDS(struct opener_key),
	[BLOCK_ACTORS] = WORDS(struct actor_key),
	[BLOCK_KINDS] = WORDS(struct kind_key),
};

static uint64_t pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

/* ---- dictionaries ---- */

static int dictionary_init(struct block_dictionary *d, enum block_table which)
{
	uint32_t max = block_format__max(which);
	struct table_options opts = { .max = max };

	d->columns = block_layouts[which].columns;
	d->words = own_words[which] ? own_words[which] : d->columns;
	opts.key_bytes = d->words * sizeof(uint64_t);
	opts.entry_bytes = opts.key_bytes;
	if (own_words[which])
		opts.entry_bytes += d->columns * sizeof(uint64_t);
	if (which == BLOCK_NAMES)
		opts.key_bytes = sizeof(uint64_t); /* the hash */
	/* Pages that are never used are never there. */
	d->cells = calloc(max, sizeof(*d->cells));
	d->numbers = calloc(max, sizeof(*d->numbers));
	d->used = calloc(max, sizeof(*d->used));
	return d->cells && d->numbers && d->used ? table__new(&d->table, &opts) : -ENOMEM;
}

static void dictionary_free(struct block_dictionary *d)
{
	table__free(d->table);
	free(d->cells);
	free(d->numbers);
	free(d->used);
}

/* The entry of @key: a new one with @cells, unless these are NULL, because the key is they. */
static int intern(struct block_builder *b, enum block_table which, const void *key,
		  const uint64_t *cells, uint32_t *index)
{
	struct block_dictionary *d = &b->dictionaries[which];
	void *entry;
	uint64_t *own;
	int ret = table__get(d->table, key, &entry);

	if (ret < 0)
		return ret;
	*index = table__index(entry);
	if (!ret)
		return 0;
	b->num_entries++;
	own = entry;
	if (cells) {
		own += d->words;
		memcpy(own, cells, d->columns * sizeof(*own));
	}
	d->cells[*index] = own;
	return 0;
}

static bool find(const struct block_builder *b, enum block_table which, const void *key,
		 uint32_t *index)
{
	const void *entry = table__find(b->dictionaries[which].table, key);

	if (entry)
		*index = table__index(entry);
	return entry;
}

/* ---- what entries are made of ---- */

/* A name's place plus one. */
static int intern_name(struct block_builder *b, const char *bytes, size_t len, uint64_t *cell)
{
	struct block_dictionary *d = &b->dictionaries[BLOCK_NAMES];
	uint64_t hash = hash__bytes(b->seed, bytes, len);
	struct block_name *name;
	void *entry;
	int ret;

	for (name = table__find(d->table, &hash); name; name = table__find_next(d->table, name))
		if (name->len == len && !memcmp(b->names.data + name->at, bytes, len))
			break;
	if (!name) {
		if (b->names.len + len > BLOCK_NAMES_BYTES)
			return -ENOSPC;
		if (!outbuf__room(&b->names, len)) {
			b->names.failed = false;
			return -ENOMEM;
		}
		ret = table__add(d->table, &hash, &entry);
		if (ret < 0)
			return ret;
		name = entry;
		name->at = (uint32_t)b->names.len;
		name->len = (uint32_t)len;
		outbuf__bytes(&b->names, bytes, len);
		d->cells[table__index(name)] = entry;
		b->num_entries++;
	}
	*cell = table__index(name) + 1ULL;
	return 0;
}

/* 0 for none, as distinct from "". */
static int intern_string(struct block_builder *b, const char *s, uint64_t *cell)
{
	size_t len = s ? strnlen(s, BLOCK_NAME_MAX + 1) : 0;

	*cell = 0;
	if (len > BLOCK_NAME_MAX)
		return -EINVAL;
	return s ? intern_name(b, s, len, cell) : 0;
}

/* All of its bytes, but for the zeros at its end; 0 if there are no others. */
static int intern_comm(struct block_builder *b, const char comm[TWS_COMM_LEN], uint64_t *cell)
{
	size_t len = TWS_COMM_LEN;

	while (len && !comm[len - 1])
		len--;
	*cell = 0;
	return len ? intern_name(b, comm, len, cell) : 0;
}

static uint64_t big_endian(const uint8_t from[8])
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | from[i];
	return value;
}

static int intern_address(struct block_builder *b, const uint8_t addr[16], uint64_t *cell)
{
	const uint64_t cells[ADDRESS_COLUMNS] = {
		[ADDRESS_HIGH] = big_endian(addr),
		[ADDRESS_LOW] = big_endian(addr + 8),
	};
	uint32_t index = 0;
	int err = intern(b, BLOCK_ADDRESSES, cells, NULL, &index);

	*cell = index;
	return err;
}

/* ---- the parts of a row ---- */

static int add_opener(struct block_builder *b, const struct tws_conn *conn, uint32_t *index)
{
	struct opener_key key = { .tgid = conn->opener_tgid };
	uint64_t cells[OPENER_COLUMNS] = { [OPENER_TGID] = conn->opener_tgid };
	int err;

	memcpy(key.comm, conn->opener_comm, sizeof(key.comm));
	if (find(b, BLOCK_OPENERS, &key, index))
		return 0;
	err = intern_comm(b, conn->opener_comm, &cells[OPENER_COMM]);
	return err ?: intern(b, BLOCK_OPENERS, &key, cells, index);
}

static int intern_actor(struct block_builder *b, const struct held_row *row, const struct actor_key *key,
			uint32_t *index)
{
	const struct tws_conn *conn = &row->event.conn;
	uint64_t cells[ACTOR_COLUMNS] = {
		[ACTOR_WHO] = row->who,
		[ACTOR_COMMAND] = row->command,
		[ACTOR_TGID] = conn->tgid,
		[ACTOR_TID] = conn->tid - conn->tgid,
		[ACTOR_UID] = conn->uid,
		[ACTOR_NS_TGID] = conn->ns_tgid - conn->tgid,
		[ACTOR_PID_NS] = conn->pid_ns,
		[ACTOR_CGROUP] = conn->cgroup_id,
		[ACTOR_START] = conn->closer_start_ns,
	};
	int err = intern_comm(b, conn->comm, &cells[ACTOR_COMM]) ?:
		  intern_comm(b, conn->thread_comm, &cells[ACTOR_THREAD]);

	return err ?: intern(b, BLOCK_ACTORS, key, cells, index);
}

static int add_actor(struct block_builder *b, const struct held_row *row, uint32_t *index)
{
	const struct tws_conn *conn = &row->event.conn;
	struct actor_key key = {
		.who_command = pair(row->who, row->command),
		.tgid_tid = pair(conn->tgid, conn->tid),
		.uid_ns_tgid = pair(conn->uid, conn->ns_tgid),
		.pid_ns = conn->pid_ns,
		.cgroup = conn->cgroup_id,
		.start_ns = conn->closer_start_ns,
	};

	memcpy(key.comm, conn->comm, sizeof(key.comm));
	memcpy(key.thread_comm, conn->thread_comm, sizeof(key.thread_comm));
	return find(b, BLOCK_ACTORS, &key, index) ? 0 : intern_actor(b, row, &key, index);
}

/* Which end a service is: the other one's port is any. */
static bool is_service(const struct tws_event *ev)
{
	if (ev->conn.side != TWS_SIDE_UNKNOWN)
		return ev->conn.side == TWS_SIDE_SERVER;
	return ev->local_port < ev->peer_port;
}

static int intern_flow(struct block_builder *b, const struct held_row *row,
		       const struct flow_key *key, const uint64_t names[2], uint32_t *index)
{
	const struct tws_event *ev = &row->event;
	bool service = is_service(ev);
	const uint64_t place[PLACE_COLUMNS] = {
		[PLACE_NETNS] = ev->netns,
		[PLACE_NAME] = names[0],
		[PLACE_IFINDEX] = ev->conn.ifindex,
		[PLACE_INTERFACE] = names[1],
	};
	uint64_t talk[TALK_COLUMNS] = {
		[TALK_FAMILY] = ev->family,
		[TALK_PORT] = service ? ev->local_port : ev->peer_port,
	};
	uint64_t cells[FLOW_COLUMNS] = { [FLOW_IS_SERVICE] = service };
	uint32_t at_place = 0, at_talk = 0;
	int err;

	err = intern_address(b, service ? ev->peer_addr : ev->local_addr, &talk[TALK_CLIENT]) ?:
	      intern_address(b, service ? ev->local_addr : ev->peer_addr, &talk[TALK_SERVICE]) ?:
	      intern(b, BLOCK_PLACES, place, NULL, &at_place) ?:
	      intern(b, BLOCK_TALKS, talk, NULL, &at_talk);
	if (err)
		return err;
	cells[FLOW_PLACE] = at_place;
	cells[FLOW_TALK] = at_talk;
	return intern(b, BLOCK_FLOWS, key, cells, index);
}

static int add_flow(struct block_builder *b, const struct held_row *row, uint32_t *index)
{
	const struct tws_event *ev = &row->event;
	bool service = is_service(ev);
	uint64_t names[2];
	struct flow_key key = {
		.netns_ifindex = pair(ev->netns, ev->conn.ifindex),
		.port_family_side = (uint64_t)(service ? ev->local_port : ev->peer_port) << 16 |
				    ev->family << 1 | service,
	};
	int err = intern_string(b, row->netns_name, &names[0]) ?:
		  intern_string(b, row->interface, &names[1]);

	if (err)
		return err;
	key.names = pair((uint32_t)names[0], (uint32_t)names[1]);
	memcpy(key.local_addr, ev->local_addr, sizeof(key.local_addr));
	memcpy(key.peer_addr, ev->peer_addr, sizeof(key.peer_addr));
	return find(b, BLOCK_FLOWS, &key, index) ? 0 : intern_flow(b, row, &key, names, index);
}

static bool has_opener(const struct tws_conn *conn)
{
	static const char none[TWS_COMM_LEN];

	return conn->opener_tgid || memcmp(conn->opener_comm, none, sizeof(none)) != 0;
}

/* What is known of the opener, and whether it was opened while somebody watched. */
static unsigned int has(const struct tws_conn *conn)
{
	unsigned int has = conn->open_ns ? BLOCK_HAS_OPEN : 0;

	if (has_opener(conn) && conn->opener_tgid == conn->tgid &&
	    !memcmp(conn->opener_comm, conn->comm, sizeof(conn->comm)))
		has |= BLOCK_HAS_SELF;
	return has;
}

static int add_kind(struct block_builder *b, const struct held_row *row, uint32_t *index)
{
	const struct tws_event *ev = &row->event;
	const struct tws_conn *conn = &ev->conn;
	uint64_t cells[KIND_COLUMNS] = {
		[KIND_ACTION] = ev->action,
		[KIND_END] = ev->end,
		[KIND_SIDE] = conn->side,
		[KIND_CAUSE] = conn->cause,
		[KIND_FLAGS] = conn->flags,
		[KIND_ERROR] = ev->error,
		[KIND_HAS] = has(conn),
	};
	struct kind_key key = {
		.what = pair(conn->flags, ev->action | (uint32_t)ev->end << 8 |
					  (uint32_t)conn->side << 16 |
					  (uint32_t)conn->cause << 24) |
			cells[KIND_HAS] << 48,
	};
	uint32_t flow = 0, opener = 0;
	int err = add_flow(b, row, &flow);

	if (!err && !(cells[KIND_HAS] & BLOCK_HAS_SELF) && has_opener(conn)) {
		err = add_opener(b, conn, &opener);
		cells[KIND_OPENER] = opener + 1ULL;
	}
	if (err)
		return err;
	cells[KIND_FLOW] = flow;
	key.error_flow = pair(ev->error, flow);
	key.opener = cells[KIND_OPENER];
	return intern(b, BLOCK_KINDS, &key, cells, index);
}

/* ---- the builder ---- */

void block_builder__clear(struct block_builder *b)
{
	for (unsigned int i = 0; i < BLOCK_TABLES; i++)
		table__clear(b->dictionaries[i].table);
	b->names.len = 0;
	b->num_entries = 0;
	b->num_rows = 0;
}

int block_builder__add(struct block_builder *b, const struct held_row *row)
{
	const struct tws_event *ev = &row->event;
	uint64_t batch = ev->cookie >> BLOCK_BATCH_BITS;
	struct block_row fresh = {
		.time_ns = ev->time_ns,
		.wall_ns = row->wall_ns,
		.open_ns = ev->conn.open_ns,
		.cookie = ev->cookie,
		.tx_bytes = ev->tx_bytes,
		.rx_bytes = ev->rx_bytes,
		.port = is_service(ev) ? ev->peer_port : ev->local_port,
		.is_end = ev->action == TWS_TIME_WAIT_END,
	};
	int err;

	if (!block_format__is_sound(ev))
		return -EINVAL;
	if (!b->num_rows && b->num_entries)
		block_builder__clear(b); /* of rows that were refused half-way */
	if (b->num_rows == BLOCK_ROWS ||
	    b->num_entries + BLOCK_ROW_ENTRIES > BLOCK_ENTRIES_MAX)
		return -ENOSPC;
	err = add_kind(b, row, &fresh.kind) ?: add_actor(b, row, &fresh.actor) ?:
	      intern(b, BLOCK_BATCHES, &batch, NULL, &fresh.batch);
	if (!err)
		b->rows[b->num_rows++] = fresh;
	return err;
}

uint32_t block_builder__count(const struct block_builder *b)
{
	return b->num_rows;
}

int block_builder__new(struct block_builder **builderp)
{
	struct block_builder *b = calloc(1, sizeof(*b));
	int err = 0;

	if (!b)
		return -ENOMEM;
	b->seed = hash__random_seed();
	b->rows = calloc(BLOCK_ROWS, sizeof(*b->rows));
	b->zstd = ZSTD_createCCtx();
	for (unsigned int i = 0; i < ROW_COLUMNS && !err; i++) {
		b->cells[i] = calloc(i ? BLOCK_ROWS : BLOCK_ADDRESSES_MAX, sizeof(*b->cells[i]));
		err = b->cells[i] ? 0 : -ENOMEM;
	}
	for (unsigned int i = 0; i < BLOCK_TABLES && !err; i++)
		err = dictionary_init(&b->dictionaries[i], i);
	err = err ?: outbuf__init(&b->names, BUFFER_BYTES) ?:
	      outbuf__init(&b->plain, BUFFER_BYTES) ?: outbuf__init(&b->packed, BUFFER_BYTES);
	if (err || !b->rows || !b->zstd) {
		block_builder__free(b);
		return -ENOMEM;
	}
	*builderp = b;
	return 0;
}

void block_builder__free(struct block_builder *b)
{
	if (!b)
		return;
	for (unsigned int i = 0; i < BLOCK_TABLES; i++)
		dictionary_free(&b->dictionaries[i]);
	for (unsigned int i = 0; i < ROW_COLUMNS; i++)
		free(b->cells[i]);
	outbuf__free(&b->names);
	outbuf__free(&b->plain);
	outbuf__free(&b->packed);
	ZSTD_freeCCtx(b->zstd);
	free(b->rows);
	free(b);
}

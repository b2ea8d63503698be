// SPDX-License-Identifier: GPL-2.0
#include "inventory/closes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/table.h"
#include "model/decode.h"

#define CHUNK_LEAST 1024
#define CHUNK_MOST 52000 /* a huge page, nearly */

struct chunk {
	struct chunk *next;
	size_t used;
	struct seen_close closes[];
};

struct closes {
	struct chunk *chunks;
	size_t chunk_closes; /* of each */
	struct table *conns; /* struct tws_conn, whose bytes all count */
	const struct tws_conn *last; /* the next one is often its like */
};

static size_t chunk_bytes(const struct closes *closes)
{
	return sizeof(struct chunk) + closes->chunk_closes * sizeof(struct seen_close);
}

int closes__new(struct closes **closesp, size_t expected)
{
	const struct table_options opts = {
		.key_bytes = sizeof(struct tws_conn), .entry_bytes = sizeof(struct tws_conn),
		.max = TABLE_MAX,
	};
	struct closes *closes = calloc(1, sizeof(*closes));

	if (!closes)
		return -ENOMEM;
	if (table__new(&closes->conns, &opts)) {
		free(closes);
		return -ENOMEM;
	}
	closes->chunk_closes = expected < CHUNK_LEAST ? CHUNK_LEAST :
			       expected > CHUNK_MOST ? CHUNK_MOST : expected;
	*closesp = closes;
	return 0;
}

void closes__free(struct closes *closes)
{
	struct chunk *chunk;

	if (!closes)
		return;
	while ((chunk = closes->chunks)) {
		closes->chunks = chunk->next;
		pages__free(chunk, chunk_bytes(closes));
	}
	table__free(closes->conns);
	free(closes);
}

static struct seen_close *claim(struct closes *closes)
{
	struct chunk *chunk = closes->chunks;

	if (!chunk || chunk->used == closes->chunk_closes) {
		chunk = pages__new(chunk_bytes(closes));
		if (!chunk)
			return NULL;
		chunk->next = closes->chunks;
		closes->chunks = chunk;
	}
	return &chunk->closes[chunk->used++];
}

static const struct tws_conn *share(struct closes *closes, const struct tws_event *ev)
{
	struct tws_conn conn = ev->conn;
	void *entry;

	conn.open_ns = 0;
	conn.ifindex = 0;
	if (!decode__bytes_are_final(ev))
		conn.flags |= TWS_F_NO_BYTES;
	if (!closes->last || memcmp(closes->last, &conn, sizeof(conn))) {
		if (table__get(closes->conns, &conn, &entry) < 0)
			return NULL;
		closes->last = entry;
	}
	return closes->last;
}

const struct seen_close *closes__add(struct closes *closes, const struct tws_event *ev)
{
	const struct tws_conn *conn = share(closes, ev);
	struct seen_close *close = conn ? claim(closes) : NULL;

	if (close)
		*close = (struct seen_close){ ev->time_ns, ev->conn.open_ns, ev->tx_bytes,
					      ev->rx_bytes, conn };
	return close;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is asked of ClickHouse over HTTP, so that any server from 18.16 on takes a batch once, however
 * often it is sent:
 *
 *  - The rows come as external data (a table of the request, in JSONEachRow), and the server inserts
 *    them only where the table has no row of this batch. So a request that was cut off, and is
 *    executed all the same while or after it is sent again, does no harm.
 *  - The batch is the query's id too: a server refuses a second query of the same id while the
 *    first one runs (QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING).
 *  - All rows of a batch have one batch_date, by which the table is partitioned, and are fewer than a
 *    block of an insert: they become one part, which is there as a whole or not at all.
 *  - Servers that know it (22.2) get the batch as insert_deduplication_token, which replicas share.
 *
 * Text only: pure but for memory.
 */
#ifndef TWSNOOP_CLICKHOUSE_H
#define TWSNOOP_CLICKHOUSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"

#define CLICKHOUSE_TABLE "twsnoop_events"
#define CLICKHOUSE_BATCH_LEN 32 /* hexadecimal digits */

/* A batch; its first and last event are in seconds since the epoch, as UTC. */
struct clickhouse_batch {
	char id[CLICKHOUSE_BATCH_LEN + 1];
	uint64_t first_s, last_s;
	uint64_t made_s; /* when it was made: its batch_date */
};

/* clickhouse__query() - the INSERT of @batch, of the external table "rows". */
void clickhouse__query(struct outbuf *ob, const struct clickhouse_batch *batch);

/* clickhouse__structure() - of the external table: names and types. */
void clickhouse__structure(struct outbuf *ob);

/* clickhouse__ask_token() - the query whose answer is "1" where servers know the token. */
const char *clickhouse__ask_token(void);

enum clickhouse_verdict {
	CLICKHOUSE_RETRY,  /* it may take it later, or when somebody has seen to it */
	CLICKHOUSE_REFUSE, /* it will never take these rows */
};

/* clickhouse__verdict() - of an exception's code: whether the rows themselves cannot be read. */
enum clickhouse_verdict clickhouse__verdict(unsigned int code);

/* clickhouse__code() - of an answer's text, "Code: 60, e.displayText() = …" or "Code: 60. DB::…";
 * 0: it has none. */
unsigned int clickhouse__code(const char *text, size_t len);

#endif

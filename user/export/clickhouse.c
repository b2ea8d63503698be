// SPDX-License-Identifier: GPL-2.0
#include "export/clickhouse.h"

#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "base/parse.h"
#include "export/encoder.h"

/* ErrorCodes.cpp of ClickHouse: numbers that have not changed since 2016. */
#define CANNOT_PARSE_TEXT 6
#define CANNOT_PARSE_ESCAPE_SEQUENCE 25
#define CANNOT_PARSE_QUOTED_STRING 26
#define CANNOT_PARSE_INPUT_ASSERTION_FAILED 27
#define CANNOT_PARSE_DATE 38
#define CANNOT_PARSE_DATETIME 41
#define CANNOT_PARSE_NUMBER 72
#define INCORRECT_DATA 117

#define DAY_LEN 10 /* 2026-11-22 */

/* ---- rows ---- */

/* tcp.side is tcp_side: a dot would ask for quotes in each query. */
static void put_column(struct outbuf *ob, const struct field *field)
{
	for (const char *c = field->name; *c; c++)
		outbuf__char(ob, *c == '.' ? '_' : *c);
}

static void begin_member(struct outbuf *ob, const struct field *field)
{
	outbuf__lit(ob, ",\"");
	put_column(ob, field);
	outbuf__lit(ob, "\":");
}

static void begin(struct outbuf *ob, const struct encoder_host *host)
{
	(void)ob, (void)host;
}

static void put_member(struct outbuf *ob, const struct field *field, const struct field_value *v)
{
	begin_member(ob, field);
	if (field->type == FIELD_TRUE)
		outbuf__char(ob, '1');
	else if (field->type == FIELD_NUMBER)
		outbuf__u64(ob, v->number);
	else
		encoder__text(ob, field, v);
}

static void put(struct outbuf *ob, const struct encoder_host *host, const struct record *rec,
		bool is_first, uint64_t now_ns)
{
	char *uid;
	struct field_value v;

	(void)is_first, (void)now_ns;
	outbuf__lit(ob, "{\"second\":");
	outbuf__u64(ob, rec->wall_ns / 1000000000);
	outbuf__lit(ob, ",\"nanosecond\":");
	outbuf__u64(ob, rec->wall_ns % 1000000000);
	outbuf__lit(ob, ",\"uid\":\"");
	uid = outbuf__room(ob, IDENTITY_UID_LEN);
	if (!uid)
		return;
	identity__uid(host->boot, rec->event, uid);
	ob->len += IDENTITY_UID_LEN;
	outbuf__lit(ob, "\",\"host\":");
	escape__json(ob, host->name, strlen(host->name));
	for (size_t i = 0; i < field__count; i++)
		if (encoder__is_sent(&field__table[i]) &&
		    field__read(&field__table[i], rec, &v))
			put_member(ob, &field__table[i], &v);
	outbuf__lit(ob, "}\n");
}

static void end(struct outbuf *ob)
{
	(void)ob;
}

const struct encoder encoder_clickhouse = {
	.content_type = "application/x-ndjson", .begin = begin, .put = put, .end = end,
};

/* ---- queries ---- */

static void put_columns(struct outbuf *ob)
{
	for (size_t i = 0; i < field__count; i++) {
		if (!encoder__is_sent(&field__table[i]))
			continue;
		outbuf__char(ob, ',');
		put_column(ob, &field__table[i]);
	}
}

/* What is not known is NULL where it is a number, and '' where it is text. */
void clickhouse__structure(struct outbuf *ob)
{
	outbuf__lit(ob, "second UInt32,nanosecond UInt32,uid String,host String");
	for (size_t i = 0; i < field__count; i++) {
		const struct field *field = &field__table[i];

		if (!encoder__is_sent(field))
			continue;
		outbuf__char(ob, ',');
		put_column(ob, field);
		if (field->type == FIELD_NUMBER)
			outbuf__lit(ob, " Nullable(UInt64)");
		else if (field->type == FIELD_TRUE)
			outbuf__lit(ob, " UInt8");
		else
			outbuf__lit(ob, " String");
	}
}

static void put_time(struct outbuf *ob, uint64_t seconds)
{
	outbuf__lit(ob, "toDateTime(");
	outbuf__u64(ob, seconds);
	outbuf__char(ob, ')');
}

/* The times let the server find the few granules in which the batch could be. */
void clickhouse__query(struct outbuf *ob, const struct clickhouse_batch *batch)
{
	char day[FMT_SECOND_LEN];

	outbuf__lit(ob, "INSERT INTO " CLICKHOUSE_TABLE
			" (batch,batch_date,timestamp,nanosecond,uid,host");
	put_columns(ob);
	outbuf__lit(ob, ") SELECT '");
	outbuf__text(ob, batch->id);
	outbuf__lit(ob, "',toDate('");
	fmt__second(day, batch->made_s);
	outbuf__bytes(ob, day, DAY_LEN);
	outbuf__lit(ob, "'),toDateTime(second),nanosecond,uid,host");
	put_columns(ob);
	outbuf__lit(ob, " FROM rows WHERE (SELECT count() FROM " CLICKHOUSE_TABLE
			" WHERE timestamp>=");
	put_time(ob, batch->first_s);
	outbuf__lit(ob, " AND timestamp<=");
	put_time(ob, batch->last_s);
	outbuf__lit(ob, " AND batch='");
	outbuf__text(ob, batch->id);
	outbuf__lit(ob, "')=0");
}

const char *clickhouse__ask_token(void)
{
	return "SELECT count() FROM system.settings WHERE name='insert_deduplication_token'";
}

/* ---- answers ---- */

enum clickhouse_verdict clickhouse__verdict(unsigned int code)
{
	switch (code) {
	case CANNOT_PARSE_TEXT:
	case CANNOT_PARSE_ESCAPE_SEQUENCE:
	case CANNOT_PARSE_QUOTED_STRING:
	case CANNOT_PARSE_INPUT_ASSERTION_FAILED:
	case CANNOT_PARSE_DATE:
	case CANNOT_PARSE_DATETIME:
	case CANNOT_PARSE_NUMBER:
	case INCORRECT_DATA:
		return CLICKHOUSE_REFUSE;
	default:
		return CLICKHOUSE_RETRY;
	}
}

unsigned int clickhouse__code(const char *text, size_t len)
{
	static const char begin_of[] = "Code: ";
	uint64_t code = 0;
	size_t digits = 0;

	if (len < sizeof(begin_of) || memcmp(text, begin_of, sizeof(begin_of) - 1) != 0)
		return 0;
	text += sizeof(begin_of) - 1;
	len -= sizeof(begin_of) - 1;
	while (digits < len && text[digits] >= '0' && text[digits] <= '9')
		digits++;
	if (parse__u64_n(text, digits, 1, 100000, &code))
		return 0;
	return (unsigned int)code;
}

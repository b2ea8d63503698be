/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records as the body of one request to a store: a beginning, the records, an end. Members are
 * those of the table of fields, so that a field that is added there is sent.
 */
#ifndef TWSNOOP_ENCODER_H
#define TWSNOOP_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "export/identity.h"
#include "model/field.h"
#include "model/record.h"

/* Where the events are from. An empty string is left out. */
struct encoder_host {
	char name[256];
	char id[33]; /* of /etc/machine-id */
	char kernel[65];
	uint8_t boot[IDENTITY_BOOT_BYTES];
};

struct encoder {
	const char *content_type;
	void (*begin)(struct outbuf *ob, const struct encoder_host *host);
	/* @is_first: of this body. @now_ns: since the epoch, when it was taken. */
	void (*put)(struct outbuf *ob, const struct encoder_host *host, const struct record *rec,
		    bool is_first, uint64_t now_ns);
	void (*end)(struct outbuf *ob);
};

/* OTLP/HTTP, logs, as JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
extern const struct encoder encoder_otlp;
/* ClickHouse's JSONEachRow, for the table of packaging/clickhouse/schema.sql */
extern const struct encoder encoder_clickhouse;

/* encoder__is_sent() - this row of the table of fields is, beside the time. */
bool encoder__is_sent(const struct field *field);

/* encoder__text() - an address, word or name of @field, as a JSON string with its quotes. */
void encoder__text(struct outbuf *ob, const struct field *field, const struct field_value *v);

#endif

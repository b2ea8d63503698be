// SPDX-License-Identifier: GPL-2.0
/*
 * ExportLogsServiceRequest as JSON: names in lowerCamelCase, 64-bit numbers as decimal strings,
 * enumerations as numbers. One resource, which is this host, and one scope; a record has its
 * members as attributes, of the same names as in our JSON, which are OpenTelemetry's where that has
 * some.
 */
#include "export/encoder.h"

#include <stdint.h>
#include <string.h>

#include "base/escape.h"
#include "model/names.h"

/* SeverityNumber of opentelemetry/proto/logs/v1/logs.proto */
#define SEVERITY_INFO "9"
#define SEVERITY_WARN "13"

/* A 64-bit number is a string, between quotes. */
static void put_number(struct outbuf *ob, uint64_t value)
{
	outbuf__char(ob, '"');
	outbuf__u64(ob, value);
	outbuf__char(ob, '"');
}

static void begin_attribute(struct outbuf *ob, const char *key)
{
	if (ob->len && ob->data[ob->len - 1] != '[')
		outbuf__char(ob, ',');
	outbuf__lit(ob, "{\"key\":\"");
	outbuf__text(ob, key);
	outbuf__lit(ob, "\",\"value\":{");
}

static void put_string(struct outbuf *ob, const char *key, const char *value, size_t len)
{
	if (!len)
		return;
	begin_attribute(ob, key);
	outbuf__lit(ob, "\"stringValue\":");
	escape__json(ob, value, len);
	outbuf__lit(ob, "}}");
}

/* intValue is an int64. */
static void put_attribute(struct outbuf *ob, const struct field *field,
			  const struct field_value *v)
{
	begin_attribute(ob, field->name);
	if (field->type == FIELD_TRUE) {
		outbuf__lit(ob, "\"boolValue\":true");
	} else if (field->type != FIELD_NUMBER) {
		outbuf__lit(ob, "\"stringValue\":");
		encoder__text(ob, field, v);
	} else {
		if (v->number <= INT64_MAX)
			outbuf__lit(ob, "\"intValue\":");
		else
			outbuf__lit(ob, "\"stringValue\":");
		put_number(ob, v->number);
	}
	outbuf__lit(ob, "}}");
}

static void begin(struct outbuf *ob, const struct encoder_host *host)
{
	outbuf__lit(ob, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
	put_string(ob, "service.name", "twsnoop", strlen("twsnoop"));
	put_string(ob, "service.version", TWSNOOP_VERSION, strlen(TWSNOOP_VERSION));
	put_string(ob, "host.name", host->name, strlen(host->name));
	put_string(ob, "host.id", host->id, strlen(host->id));
	put_string(ob, "os.type", "linux", strlen("linux"));
	put_string(ob, "os.version", host->kernel, strlen(host->kernel));
	outbuf__lit(ob, "]},\"scopeLogs\":[{\"scope\":{\"name\":\"twsnoop\",\"version\":\"");
	outbuf__lit(ob, TWSNOOP_VERSION);
	outbuf__lit(ob, "\"},\"logRecords\":[");
}

/* What an application sees as an error, or what takes its protection away. */
static bool is_warning(const struct tws_event *ev)
{
	return ev->action == TWS_CONNECT_FAILED || ev->action == TWS_BIND_FAILED ||
	       ev->action == TWS_OVERFLOW || ev->action == TWS_TIMEOUT;
}

static void put_head(struct outbuf *ob, const struct record *rec, uint64_t now_ns)
{
	const struct word *action = names__action(rec->event->action);

	outbuf__lit(ob, "{\"timeUnixNano\":");
	put_number(ob, rec->wall_ns);
	outbuf__lit(ob, ",\"observedTimeUnixNano\":");
	put_number(ob, now_ns);
	if (is_warning(rec->event))
		outbuf__lit(ob, ",\"severityNumber\":" SEVERITY_WARN ",\"severityText\":\"WARN\"");
	else
		outbuf__lit(ob, ",\"severityNumber\":" SEVERITY_INFO ",\"severityText\":\"INFO\"");
	outbuf__lit(ob, ",\"eventName\":\"twsnoop.");
	outbuf__bytes(ob, action->text, action->len);
	outbuf__lit(ob, "\",\"body\":{\"stringValue\":\"");
	outbuf__bytes(ob, action->text, action->len);
	outbuf__lit(ob, "\"},\"attributes\":[");
}

static void put(struct outbuf *ob, const struct encoder_host *host, const struct record *rec,
		bool is_first, uint64_t now_ns)
{
	char uid[IDENTITY_UID_LEN];
	struct field_value v;

	if (!is_first)
		outbuf__char(ob, ',');
	put_head(ob, rec, now_ns);
	identity__uid(host->boot, rec->event, uid);
	put_string(ob, "log.record.uid", uid, sizeof(uid));
	for (size_t i = 0; i < field__count; i++)
		if (encoder__is_sent(&field__table[i]) &&
		    field__read(&field__table[i], rec, &v))
			put_attribute(ob, &field__table[i], &v);
	outbuf__lit(ob, "]}");
}

static void end(struct outbuf *ob)
{
	outbuf__lit(ob, "]}]}]}");
}

const struct encoder encoder_otlp = {
	.content_type = "application/json", .begin = begin, .put = put, .end = end,
};

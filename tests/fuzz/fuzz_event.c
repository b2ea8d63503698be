// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes as a record of the ring buffer: decode__event() refuses them or the
 * three sinks write a line that a reader takes back apart. Bytes that are
 * refused are mended and tried again, or hardly any would reach a sink.
 */
#include "fuzz.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "model/decode.h"
#include "output/sink_format.h"
#include "tests/unit/support.h"

/* The strings of a record, from what is left of the input, apart by NULs. */
static void fill(struct record *rec, char *rest, size_t size)
{
	const char **fields[] = {
		&rec->command_line,		&rec->cgroup_path,
		&rec->netns_name,		&rec->workload.container_id,
		&rec->workload.container_name,	&rec->workload.container_image,
		&rec->workload.container_runtime, &rec->workload.unit,
		&rec->workload.pod_name,	&rec->workload.pod_uid,
		&rec->workload.pod_namespace,	&rec->workload.pod_container,
	};
	char *end = rest + size;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && rest < end; i++) {
		/* a lone 0xff is "unknown" */
		*fields[i] = strcmp(rest, "\xff") ? rest : NULL;
		rest += strlen(rest) + 1;
	}
}

static void check_name(const json_t *object, const char *key, const char *want, size_t want_len)
{
	const json_t *string = json_object_get(object, key);
	char *back;
	size_t len;

	CHECK(json_is_string(string));
	back = malloc(json_string_length(string) + 1);
	len = support__unescape_json(back, json_string_value(string),
				     json_string_length(string));
	CHECK(len == want_len && !memcmp(back, want, len));
	free(back);
}

static void check_json(const struct outbuf *out, const struct record *rec)
{
	const struct tws_conn *conn = &rec->event->conn;
	json_t *value = json_loadb(out->data, out->len,
				   JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	const json_t *process;

	CHECK(json_is_object(value));
	process = json_object_get(value, "process");
	CHECK(!process == !(conn->flags & TWS_F_CLOSER));
	if (process) {
		check_name(process, "name", conn->comm, strlen(conn->comm));
		check_name(json_object_get(process, "thread"), "name", conn->thread_comm,
			   strlen(conn->thread_comm));
		if (rec->command_line)
			check_name(process, "command_line", rec->command_line,
				   strlen(rec->command_line));
	}
	CHECK(!json_object_get(value, "opener") == !(conn->flags & TWS_F_OPENER));
	if (rec->cgroup_path)
		check_name(json_object_get(value, "cgroup"), "path", rec->cgroup_path,
			   strlen(rec->cgroup_path));
	json_decref(value);
}

static void check_csv(const struct outbuf *out)
{
	size_t commas = 0;
	bool quoted = false;

	for (size_t i = 0; i < out->len; i++) {
		if (out->data[i] == '"')
			quoted = !quoted;
		else if (out->data[i] == ',' && !quoted)
			commas++;
	}
	for (size_t i = 0; i < field__count; i++)
		commas -= field__table[i].in & FIELD_IN_EVENTS ? 1 : 0;
	CHECK(!quoted && commas + 1 == 0);
}

/* One line that holds nothing dangerous. */
static void check_line(const struct outbuf *out)
{
	CHECK(!out->failed && out->len && out->data[out->len - 1] == '\n');
	CHECK(support__is_safe_text(out->data, out->len - 1));
}

/* Its plan is made once: it is the same for all records. */
static struct sink_state json, csv;

static void open_sinks(void)
{
	if (json.plan)
		return;
	CHECK(!outbuf__init(&json.out, 64) && !outbuf__init(&csv.out, 64));
	CHECK(!sink_json.open(&json));
}

/* On a terminal headings may come before it, if it needs more room than there was. */
static void check_text(const struct record *rec, unsigned int options, unsigned int width)
{
	struct sink_state s = {
		.opts = { .containers = options & 1,
			  .actions = options & 2,
			  .width = width,
			  .utc_offset_s = (long)(options >> 2) * 3600 - 100000 },
	};
	struct outbuf line;
	char *end;

	CHECK(!outbuf__init(&s.out, 64) && !sink_text.open(&s));
	sink_text.put(&s, rec);
	CHECK(!s.out.failed && s.out.len);
	for (line = s.out; line.data < s.out.data + s.out.len; line.data = end + 1) {
		end = memchr(line.data, '\n', (size_t)(s.out.data + s.out.len - line.data));
		CHECK(end && (width || end + 1 == s.out.data + s.out.len));
		line.len = (size_t)(end + 1 - line.data);
		check_line(&line);
	}
	sink_text.close(&s);
	outbuf__free(&s.out);
}

static void check_sinks(const struct record *rec, unsigned int options)
{
	open_sinks();
	json.out.len = csv.out.len = 0;
	sink_json.put(&json, rec);
	check_line(&json.out);
	check_json(&json.out, rec);
	sink_csv.put(&csv, rec);
	check_line(&csv.out);
	check_csv(&csv.out);
	check_text(rec, options, 0);
	check_text(rec, options, 1 + options);
}

/* The other kind of record, mended too. */
static void check_cgroup(const uint8_t *data, size_t size)
{
	const struct tws_cgroup *got = NULL;
	struct tws_cgroup record = { 0 };
	int rc;

	memcpy(&record, data, size < sizeof(record) ? size : sizeof(record));
	rc = decode__cgroup(&record, sizeof(record), &got);
	CHECK(rc == 0 || (rc == -EBADMSG && !got));
	record.action = (__u8)(TWS_CGROUP_ADDED + (record.action & 1));
	memset(record.pad, 0, sizeof(record.pad));
	if (decode__cgroup(&record, sizeof(record), &got))
		return;
	CHECK(got == &record && got->id && memchr(got->path, '\0', sizeof(got->path)));
	CHECK(!got->path[0] || (got->path[0] == '/' && !strchr(got->path, '\n')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record rec = { 0 };
	const struct tws_event *ev = NULL;
	struct tws_event mended;
	char *copy = fuzz__copy(data, size), *rest = NULL;
	int rc = decode__event(copy, size, &ev);

	CHECK(rc == 0 || (rc == -EBADMSG && !ev));
	check_cgroup(data, size);
	if (size < sizeof(mended) + 10)
		goto out;
	memcpy(&mended, data, sizeof(mended));
	rc = decode__event(&mended, sizeof(mended), &ev);
	if (rc || ev->action == TWS_LISTEN)
		support__mend_event(&mended, mended.family & 1 ? AF_INET : AF_INET6);
	CHECK(!decode__event(&mended, sizeof(mended), &ev) && ev == &mended);
	rec.event = ev;
	memcpy(&rec.wall_ns, data + sizeof(mended), sizeof(rec.wall_ns));
	rec.evidence = data[sizeof(mended) + 8] % 3;
	rest = fuzz__string(data + sizeof(mended) + 10, size - sizeof(mended) - 10);
	fill(&rec, rest, size - sizeof(mended) - 10);
	check_sinks(&rec, data[sizeof(mended) + 9]);
out:
	free(rest);
	free(copy);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/output/sink_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support.h"

/* CSV: sink_csv.c. */

#define NETWORK_COLUMNS \
	"network.transport,network.type,network.local.address,network.local.port,network.peer.address," \
	"network.peer.port,network.netns,network.netns_name,network.interface.name,network.interface.index,"
#define PROCESS_COLUMNS \
	"process.pid,process.vpid,process.name,process.thread.id,process.thread.name," \
	"process.command_line,process.user.id,process.killed,"
#define WORKLOAD_COLUMNS \
	"opener.pid,opener.name,container.id,container.name,container.runtime,container.image.name," \
	"cgroup.id,cgroup.path,k8s.pod.name,k8s.pod.uid,k8s.namespace.name,k8s.container.name,systemd.unit,"
#define TCP_COLUMNS \
	"tcp.side,tcp.cause,tcp.end,tcp.errno,tcp.cookie,tcp.lifetime_ns,tcp.tx_bytes,tcp.rx_bytes\n"

/* And what is in them. */
#define Q "\"x,\"\"y\"\"\""
#define NETWORK "tcp,ipv4,10.0.0.5,43768,10.0.0.9,8080,4026531840," Q ",,,"
#define PROCESS "812,7," Q ",813," Q "," Q ",33,true,"
#define WORKLOAD "700," Q "," Q "," Q "," Q "," Q ",5123," Q "," Q "," Q "," Q "," Q "," Q ","
#define TCP "client,close,expired,110,78,3120000,512,4096\n"

/* The columns and their order, and each value where there is one, byte for byte. */
static void csv_contract(void **unused)
{
	struct sink_options opts = as_csv;
	struct tws_event ev;
	struct record rec;

	(void)unused;
	render__set_names(&ev, &rec, "x,\"y\"");
	ev.conn.pid_ns = 1;
	ev.conn.ns_tgid = 7;
	ev.conn.flags |= TWS_F_SIGNALED | TWS_F_SNAPSHOT;
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_EXPIRED;
	ev.error = ETIMEDOUT;
	render__check_all(&opts, &rec,
			  "timestamp,event.action,event.source," NETWORK_COLUMNS PROCESS_COLUMNS
			  "process.evidence," WORKLOAD_COLUMNS TCP_COLUMNS
			  "2026-11-22T06:40:00.123456789Z,time_wait_end,snapshot," NETWORK PROCESS
			  "," WORKLOAD TCP);
	opts.sockets = true;
	rec.evidence = OWNER_SEEN;
	rec.state = 5;
	rec.expires_ns = 8;
	rec.age_ns = 9;
	render__check_all(&opts, &rec,
			  "timestamp," NETWORK_COLUMNS PROCESS_COLUMNS "owner.evidence,owner.shared,"
			  WORKLOAD_COLUMNS "tcp.state,tcp.expires_ns,tcp.age_ns," TCP_COLUMNS
			  "2026-11-22T06:40:00.123456789Z," NETWORK PROCESS "seen,,"
			  WORKLOAD "fin_wait2,8,9," TCP);
}

static void csv_socket(void **unused)
{
	const struct sink_options opts = { .format = SINK_CSV, .sockets = true };
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS, .netns_name = "blue",
			      .evidence = OWNER_INFERRED, .expires_ns = 5, .age_ns = 6 };
	size_t commas = 0;
	char *text, *p;

	(void)unused;
	support__event(&ev);
	ev.conn.flags = TWS_F_CLOSER | TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	ev.conn.tid = 0;
	text = render__record(&opts, &rec, true);
	for (p = text; *p != '\n'; p++)
		commas += *p == ',';
	for (p++; *p != '\n'; p++)
		commas -= *p == ',';
	assert_int_equal(commas, 0);
	assert_non_null(strstr(text, ",owner.evidence,owner.shared,"));
	assert_non_null(strstr(text, ",nginx,,,,33,,inferred,"));
	assert_non_null(strstr(text, ",time_wait,5,6,client,close,,"));
	free(text);
}

/* Splits one line by RFC 4180 in place; returns how many fields. */
static size_t split_csv(char *line, char **fields, size_t max)
{
	size_t count = 0;
	char *from = line, *to = line;

	for (;;) {
		bool quoted = *from == '"';

		assert_in_range(count, 0, max - 1);
		fields[count++] = to;
		from += quoted;
		while (quoted ? *from != '"' || from[1] == '"' : *from != ',' && *from != '\n') {
			assert_int_not_equal(*from, '\0');
			from += *from == '"';
			*to++ = *from++;
		}
		from += quoted;
		if (*from == '\n')
			break;
		assert_int_equal(*from, ',');
		from++;
		*to++ = '\0';
	}
	*to = '\0';
	assert_int_equal(from[1], '\0');
	return count;
}

#define CSV_COLUMNS 43

/* The value of the column named @name. */
static const char *column(char **names, char **values, const char *name)
{
	for (size_t i = 0; i < CSV_COLUMNS; i++) {
		if (!strcmp(names[i], name))
			return values[i];
	}
	fail_msg("no column %s", name);
	return NULL;
}

struct table {
	char *text;
	char *names[CSV_COLUMNS], *values[CSV_COLUMNS];
};

static void render_csv(struct table *t, const struct record *rec)
{
	char *second;
	char *names;

	t->text = render__record(&as_csv, rec, true);
	second = strchr(t->text, '\n') + 1;
	names = strndup(t->text, (size_t)(second - t->text));
	assert_int_equal(split_csv(names, t->names, CSV_COLUMNS), CSV_COLUMNS);
	assert_int_equal(split_csv(second, t->values, CSV_COLUMNS), CSV_COLUMNS);
	/* the names are pieces of this copy: keep it by its first one */
	assert_ptr_equal(t->names[0], names);
}

static void free_csv(struct table *t)
{
	free(t->names[0]);
	free(t->text);
}

static void check_json_leaf(struct table *t, const char *path, const json_t *leaf)
{
	const char *value = column(t->names, t->values, path);
	char number[32];

	if (json_is_string(leaf)) {
		assert_string_equal(value, json_string_value(leaf));
	} else if (json_is_integer(leaf)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(leaf));
		assert_string_equal(value, number);
	} else {
		assert_true(json_is_true(leaf));
		assert_string_equal(value, "true");
	}
}

/* Every leaf of the JSON form stands in the column of its flattened name. */
static size_t check_flattened(struct table *t, json_t *value, const char *prefix)
{
	const char *key;
	size_t leaves = 0;
	json_t *child;
	char path[128];

	json_object_foreach(value, key, child) {
		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_object(child)) {
			leaves += check_flattened(t, child, path);
		} else {
			check_json_leaf(t, path, child);
			leaves++;
		}
	}
	return leaves;
}

static void check_csv_is_json(const struct record *rec)
{
	json_t *value = render__json(rec);
	size_t filled = 0;
	struct table t;

	render_csv(&t, rec);
	for (size_t i = 0; i < CSV_COLUMNS; i++)
		filled += *t.values[i] != '\0';
	assert_int_equal(check_flattened(&t, value, ""), filled);
	free_csv(&t);
	json_decref(value);
}

static void csv_is_flattened_json(void **unused)
{
	struct tws_event ev;
	struct record rec;

	(void)unused;
	render__set_names(&ev, &rec, "plain");
	check_csv_is_json(&rec);
	ev.conn.flags |= TWS_F_SIGNALED | TWS_F_SNAPSHOT;
	ev.conn.pid_ns = 1;
	ev.action = TWS_TIME_WAIT_END;
	ev.error = ETIMEDOUT;
	check_csv_is_json(&rec);
	support__make_ipv6(&ev);
	memset(&ev.conn, 0, sizeof(ev.conn));
	check_csv_is_json(&rec);
	memset(&rec.workload, 0, sizeof(rec.workload));
	rec.command_line = rec.cgroup_path = rec.netns_name = NULL;
	rec.wall_ns = 0;
	ev.netns = 0;
	ev.cookie = ev.tx_bytes = ev.rx_bytes = 0;
	ev.conn.flags = TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	check_csv_is_json(&rec);
}

static void csv_hostile_names(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < HOSTILE_NAMES; i++) {
		const char *value;
		struct tws_event ev;
		struct record rec;
		struct table t;
		char back[256];
		size_t len;

		render__set_names(&ev, &rec, render__hostile[i]);
		render_csv(&t, &rec);
		value = column(t.names, t.values, "process.command_line");
		assert_true(support__is_safe_text(value, strlen(value)));
		assert_null(*value ? strchr("=+-@", *value) : NULL);
		len = support__unescape_text(back, value, strlen(value));
		assert_int_equal(len, strlen(render__hostile[i]));
		assert_memory_equal(back, render__hostile[i], len);
		free_csv(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csv_contract),
		cmocka_unit_test(csv_socket),
		cmocka_unit_test(csv_is_flattened_json),
		cmocka_unit_test(csv_hostile_names),
	};

	return cmocka_run_group_tests_name("sink_csv", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "output/sink.h"
#include "tests/unit/support.h"

static const struct sink_options json_options = { .format = SINK_JSON };
static const struct sink_options csv_options = { .format = SINK_CSV };
static const struct sink_options text_options = { .format = SINK_TEXT };

static const char container_id[] =
	"6e9708ee97886e9708ee97886e9708ee97886e9708ee97886e9708ee97886e97";

/* What a sink writes for one record, with its heading or without. */
static char *render(const struct sink_options *opts, const struct record *rec, bool heading)
{
	int fd = support__memfd();
	struct sink *sink;
	char *text;

	assert_int_equal(sink__new(&sink, fd, opts), 0);
	if (heading)
		assert_int_equal(sink__begin(sink), 0);
	assert_int_equal(sink__put(sink, rec), 0);
	assert_int_equal(sink__pending(sink), 1);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	sink__free(sink);
	text = support__contents(fd, NULL);
	close(fd);
	return text;
}

static void check_line(const struct sink_options *opts, const struct record *rec,
		       const char *want)
{
	char *got = render(opts, rec, false);

	assert_string_equal(got, want);
	free(got);
}

/* ---- JSON ---- */

static json_t *render_json(const struct record *rec)
{
	char *text = render(&json_options, rec, true);
	json_t *value;

	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(value));
	free(text);
	return value;
}

/* The member that @path names, its parts apart by dots; NULL if it is absent. */
static const json_t *member(const json_t *value, const char *path)
{
	char name[64];

	while (value && *path) {
		size_t len = strcspn(path, ".");

		memcpy(name, path, len);
		name[len] = '\0';
		value = json_object_get(value, name);
		path += len + (path[len] == '.');
	}
	return value;
}

static void check_string(const json_t *value, const char *path, const char *want)
{
	assert_true(json_is_string(member(value, path)));
	assert_string_equal(json_string_value(member(value, path)), want);
}

static void check_number(const json_t *value, const char *path, uint64_t want)
{
	assert_true(json_is_integer(member(value, path)));
	assert_true((uint64_t)json_integer_value(member(value, path)) == want);
}

static void json_contract(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	rec.command_line = "nginx: worker process";
	rec.workload.container_id = container_id;
	rec.workload.container_name = "web1";
	rec.workload.container_runtime = "docker";
	rec.cgroup_path = "/docker/6e97";
	check_line(&json_options, &rec,
		   "{\"timestamp\":\"2026-11-22T06:40:00.123456789Z\","
		   "\"event\":{\"action\":\"time_wait\"},"
		   "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		   "\"local\":{\"address\":\"10.0.0.5\",\"port\":43768},"
		   "\"peer\":{\"address\":\"10.0.0.9\",\"port\":8080},\"netns\":4026531840},"
		   "\"process\":{\"pid\":812,\"name\":\"nginx\","
		   "\"thread\":{\"id\":813,\"name\":\"worker\"},"
		   "\"command_line\":\"nginx: worker process\",\"user\":{\"id\":33}},"
		   "\"opener\":{\"pid\":700,\"name\":\"launcher\"},"
		   "\"container\":{\"id\":\"6e9708ee97886e9708ee97886e9708ee97886e9708ee97886e97"
		   "08ee97886e97\",\"name\":\"web1\",\"runtime\":\"docker\"},"
		   "\"cgroup\":{\"id\":5123,\"path\":\"/docker/6e97\"},"
		   "\"tcp\":{\"side\":\"client\",\"cause\":\"close\",\"cookie\":78,"
		   "\"lifetime_ns\":3120000,\"tx_bytes\":512,\"rx_bytes\":4096}}\n");
}

/* All that can be absent is. */
static void json_unknown(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	memset(&ev.conn, 0, sizeof(ev.conn));
	support__set_comm(ev.conn.comm, "stale");
	ev.cookie = 0;
	ev.netns = 0;
	check_line(&json_options, &rec,
		   "{\"timestamp\":\"2026-11-22T06:40:00.123456789Z\","
		   "\"event\":{\"action\":\"time_wait\"},"
		   "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		   "\"local\":{\"address\":\"10.0.0.5\",\"port\":43768},"
		   "\"peer\":{\"address\":\"10.0.0.9\",\"port\":8080}},"
		   "\"tcp\":{\"side\":\"unknown\",\"cause\":\"unknown\","
		   "\"tx_bytes\":512,\"rx_bytes\":4096}}\n");
	rec.wall_ns = 0;
	ev.conn.flags = TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	ev.conn.open_ns = ev.time_ns + 1; /* no time goes backwards */
	ev.tx_bytes = ev.rx_bytes = 0;
	check_line(&json_options, &rec,
		   "{\"event\":{\"action\":\"time_wait\",\"source\":\"snapshot\"},"
		   "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		   "\"local\":{\"address\":\"10.0.0.5\",\"port\":43768},"
		   "\"peer\":{\"address\":\"10.0.0.9\",\"port\":8080}},"
		   "\"tcp\":{\"side\":\"unknown\",\"cause\":\"unknown\"}}\n");
}

static void json_everything(void **unused)
{
	struct tws_event ev;
	struct record rec = {
		.event = &ev,
		.wall_ns = SUPPORT_WALL_NS,
		.netns_name = "blue",
		.workload = { .container_image = "nginx:1.25",
			      .unit = "nginx.service",
			      .pod_name = "web-0",
			      .pod_uid = "1-2-3",
			      .pod_namespace = "prod",
			      .pod_container = "app" },
	};
	json_t *value;

	(void)unused;
	support__event(&ev);
	support__make_ipv6(&ev);
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_REUSED_BY_SYN;
	ev.error = ECONNRESET;
	ev.cookie = UINT64_MAX >> 1;
	ev.conn.flags |= TWS_F_SIGNALED | TWS_F_SNAPSHOT;
	ev.conn.cause = TWS_CAUSE_EXIT;
	ev.conn.side = TWS_SIDE_SERVER;
	ev.conn.pid_ns = 4026532000U;
	ev.conn.ns_tgid = 7;
	value = render_json(&rec);
	check_string(value, "event.action", "time_wait_end");
	check_string(value, "event.source", "snapshot");
	check_string(value, "network.type", "ipv6");
	check_string(value, "network.local.address", "fd00::5");
	check_string(value, "network.peer.address", "fd00:1:2:3::9");
	check_string(value, "network.netns_name", "blue");
	check_number(value, "process.pid", 812);
	check_number(value, "process.vpid", 7);
	assert_true(json_is_true(member(value, "process.killed")));
	check_string(value, "container.image.name", "nginx:1.25");
	assert_null(member(value, "container.id"));
	check_string(value, "k8s.pod.name", "web-0");
	check_string(value, "k8s.pod.uid", "1-2-3");
	check_string(value, "k8s.namespace.name", "prod");
	check_string(value, "k8s.container.name", "app");
	check_string(value, "systemd.unit", "nginx.service");
	check_string(value, "tcp.side", "server");
	check_string(value, "tcp.cause", "exit");
	check_string(value, "tcp.end", "reused_by_syn");
	check_number(value, "tcp.errno", ECONNRESET);
	check_number(value, "tcp.cookie", UINT64_MAX >> 1);
	check_number(value, "tcp.tx_bytes", 512);
	json_decref(value);
}

/* A socket of twsnoop list: its state in place of an event. */
static void json_socket(void **unused)
{
	const struct sink_options opts = { .format = SINK_JSON, .sockets = true };
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS, .netns_name = "blue",
			      .evidence = OWNER_INFERRED, .expires_ns = 59900000000,
			      .age_ns = 100000000 };

	(void)unused;
	support__event(&ev);
	ev.action = TWS_FIN_WAIT2;
	ev.conn.flags = TWS_F_CLOSER | TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	ev.conn.tid = 0; /* which thread it was, nobody knows */
	ev.conn.open_ns = ev.tx_bytes = ev.rx_bytes = 0;
	check_line(&opts, &rec,
		   "{\"timestamp\":\"2026-11-22T06:40:00.123456789Z\","
		   "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		   "\"local\":{\"address\":\"10.0.0.5\",\"port\":43768},"
		   "\"peer\":{\"address\":\"10.0.0.9\",\"port\":8080},\"netns\":4026531840,"
		   "\"netns_name\":\"blue\"},"
		   "\"process\":{\"pid\":812,\"name\":\"nginx\",\"user\":{\"id\":33}},"
		   "\"owner\":{\"evidence\":\"inferred\"},\"cgroup\":{\"id\":5123},"
		   "\"tcp\":{\"state\":\"fin_wait2\",\"expires_ns\":59900000000,"
		   "\"age_ns\":100000000,\"side\":\"client\",\"cause\":\"close\","
		   "\"cookie\":78}}\n");
	memset(&ev.conn, 0, sizeof(ev.conn));
	rec.evidence = OWNER_UNKNOWN;
	check_line(&opts, &rec,
		   "{\"timestamp\":\"2026-11-22T06:40:00.123456789Z\","
		   "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		   "\"local\":{\"address\":\"10.0.0.5\",\"port\":43768},"
		   "\"peer\":{\"address\":\"10.0.0.9\",\"port\":8080},\"netns\":4026531840,"
		   "\"netns_name\":\"blue\"},\"owner\":{\"evidence\":\"unknown\"},"
		   "\"tcp\":{\"state\":\"fin_wait2\",\"expires_ns\":59900000000,"
		   "\"age_ns\":100000000,\"side\":\"unknown\",\"cause\":\"unknown\","
		   "\"cookie\":78,\"tx_bytes\":0,\"rx_bytes\":0}}\n");
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
	text = render(&opts, &rec, true);
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

/* Each member alone: the commas are right whatever is absent. */
static void json_any_subset(void **unused)
{
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	for (unsigned int bits = 0; bits < 1u << 11; bits++) {
		struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };
		const char **fields[] = {
			&rec.workload.container_id,	 &rec.workload.container_name,
			&rec.workload.container_image,	 &rec.workload.container_runtime,
			&rec.workload.unit,		 &rec.workload.pod_name,
			&rec.workload.pod_uid,		 &rec.workload.pod_namespace,
			&rec.workload.pod_container,	 &rec.cgroup_path,
		};
		json_t *value;

		for (size_t i = 0; i < COUNT(fields); i++) {
			if (bits >> i & 1)
				*fields[i] = "x";
		}
		ev.conn.cgroup_id = bits >> 10 & 1;
		value = render_json(&rec);
		assert_int_equal(!!member(value, "container"), !!(bits & 0xf));
		assert_int_equal(!!member(value, "systemd.unit"), bits >> 4 & 1);
		assert_int_equal(!!member(value, "k8s"), !!(bits & 0x1e0));
		assert_int_equal(!!member(value, "k8s.pod"), !!(bits & 0x60));
		assert_int_equal(!!member(value, "cgroup"), !!(bits & 0x600));
		json_decref(value);
	}
}

/* Any process, container and what is known of them; each again and again. */
static void set_any(struct tws_event *ev, struct record *rec, unsigned int number, bool sockets)
{
	static const char *const texts[] = { NULL, "x", "a \"quoted\" one", "\377\n" };
	unsigned int process = number / 3 % 11, container = number / 5 % 7;

	support__event(ev);
	*rec = (struct record){ .event = ev, .wall_ns = SUPPORT_WALL_NS + number };
	ev->cookie = number;
	ev->conn.tid = number % 5;
	ev->conn.uid = process % 3;
	ev->conn.opener_tgid = 1 + process % 2;
	if (number % 7 == 0)
		ev->conn.flags ^= TWS_F_CLOSER;
	if (number % 4 == 0)
		ev->conn.flags ^= TWS_F_OPENER;
	if (number % 13 == 0)
		ev->conn.flags ^= TWS_F_SIGNALED;
	if (number % 6 == 0)
		support__set_comm(ev->conn.thread_comm, process % 2 ? "" : "another");
	if (number % 10 == 0)
		ev->netns = 0;
	rec->command_line = texts[process % 4];
	rec->command_number = process == 3 ? 0 : 100 + process;
	ev->conn.cgroup_id = container ? 5000 + container : 0;
	rec->workload_number = container == 6 ? 0 : 200 + container;
	rec->cgroup_path = texts[container % 4];
	rec->workload.container_id = texts[container / 2 % 4];
	rec->workload.pod_name = texts[container % 3];
	rec->workload.unit = texts[(container + 1) % 4];
	rec->evidence = sockets ? number % 4 : OWNER_UNKNOWN;
	rec->shared = sockets && number % 9 == 0;
}

/* A line is the same, whatever was written before it. */
static void json_kept_is_same(void **unused)
{
	(void)unused;
	for (int sockets = 0; sockets < 2; sockets++) {
		const struct sink_options opts = { .format = SINK_JSON, .sockets = sockets };
		int fd = support__memfd();
		struct tws_event ev;
		struct record rec;
		struct sink *sink;
		char *got, *line;
		size_t len;

		assert_int_equal(sink__new(&sink, fd, &opts), 0);
		for (unsigned int i = 0; i < 3000; i++) {
			set_any(&ev, &rec, i * 7919 % 1000, sockets);
			assert_int_equal(sink__put(sink, &rec), 0);
		}
		assert_int_equal(sink__flush(sink), 0);
		sink__free(sink);
		line = got = support__contents(fd, NULL);
		for (unsigned int i = 0; i < 1000; i++) {
			char *want;

			set_any(&ev, &rec, i * 7919 % 1000, sockets);
			want = render(&opts, &rec, false);
			assert_memory_equal(line, want, strlen(want));
			line += strlen(want);
			free(want);
		}
		/* The same thousand twice more, of which all that may be kept was. */
		len = (size_t)(line - got);
		assert_int_equal(strlen(got), 3 * len);
		assert_memory_equal(got + len, got, len);
		assert_memory_equal(got + 2 * len, got, len);
		free(got);
		close(fd);
	}
}

static const char *const hostile[] = {
	"",	     "a\"b\\c",	      "a\nb\tc",     "\33]0;pwn\7",  "\377\376",
	"\xc3\xa9",  "\xe2\x80\xae",  "\xe2\x82",    "=cmd|'/c'!A0", "\\xff",
	"},\"x\":{", "a,b",	      " blank ",     "'",	     "\177",
	"%s%n%d",    "\xc2\x9b[2J",   "</script>",   "\1\2\3\4\5",   "$(reboot)",
};

/* A name that a process chose is in every field that may hold one. */
static void set_names(struct tws_event *ev, struct record *rec, const char *name)
{
	support__event(ev);
	support__set_comm(ev->conn.comm, name);
	support__set_comm(ev->conn.thread_comm, name);
	support__set_comm(ev->conn.opener_comm, name);
	*rec = (struct record){
		.event = ev,
		.wall_ns = SUPPORT_WALL_NS,
		.command_line = name,
		.cgroup_path = name,
		.netns_name = name,
		.workload = { name, name, name, name, name, name, name, name, name },
	};
}

static void check_json_name(const json_t *value, const char *path, const char *name)
{
	const json_t *string = member(value, path);
	char back[256];
	size_t len;

	assert_true(json_is_string(string));
	len = support__unescape_json(back, json_string_value(string),
				     json_string_length(string));
	assert_int_equal(len, strlen(name));
	assert_memory_equal(back, name, len);
}

static void json_hostile_names(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		struct tws_event ev;
		struct record rec;
		json_t *value;

		set_names(&ev, &rec, hostile[i]);
		value = render_json(&rec);
		check_json_name(value, "process.name", ev.conn.comm);
		check_json_name(value, "process.thread.name", ev.conn.comm);
		check_json_name(value, "opener.name", ev.conn.comm);
		check_json_name(value, "process.command_line", hostile[i]);
		check_json_name(value, "cgroup.path", hostile[i]);
		check_json_name(value, "container.name", hostile[i]);
		check_json_name(value, "k8s.pod.name", hostile[i]);
		check_json_name(value, "network.netns_name", hostile[i]);
		json_decref(value);
	}
}

/* ---- CSV ---- */

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

	t->text = render(&csv_options, rec, true);
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
	json_t *value = render_json(rec);
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
	set_names(&ev, &rec, "plain");
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

#define Q "\"x,\"\"y\"\"\""

/* The columns and their order, and each value where there is one, byte for byte. */
static void csv_contract(void **unused)
{
	struct sink_options opts = csv_options;
	struct tws_event ev;
	struct record rec;
	char *got;

	(void)unused;
	set_names(&ev, &rec, "x,\"y\"");
	ev.conn.pid_ns = 1;
	ev.conn.ns_tgid = 7;
	ev.conn.flags |= TWS_F_SIGNALED | TWS_F_SNAPSHOT;
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_EXPIRED;
	ev.error = ETIMEDOUT;
	got = render(&opts, &rec, true);
	assert_string_equal(
		got,
		"timestamp,event.action,event.source,network.transport,network.type,"
		"network.local.address,network.local.port,network.peer.address,network.peer.port,"
		"network.netns,network.netns_name,network.interface.name,"
		"network.interface.index,process.pid,process.vpid,process.name,"
		"process.thread.id,process.thread.name,process.command_line,process.user.id,"
		"process.killed,process.evidence,opener.pid,opener.name,container.id,"
		"container.name,container.runtime,container.image.name,cgroup.id,cgroup.path,"
		"k8s.pod.name,k8s.pod.uid,k8s.namespace.name,k8s.container.name,systemd.unit,"
		"tcp.side,tcp.cause,tcp.end,tcp.errno,tcp.cookie,tcp.lifetime_ns,tcp.tx_bytes,"
		"tcp.rx_bytes\n"
		"2026-11-22T06:40:00.123456789Z,time_wait_end,snapshot,tcp,ipv4,10.0.0.5,43768,"
		"10.0.0.9,8080,4026531840," Q ",,," "812,7," Q ",813," Q "," Q ",33,true,,700," Q ","
		Q "," Q "," Q "," Q ",5123," Q "," Q "," Q "," Q "," Q "," Q ","
		"client,close,expired,110,78,3120000,512,4096\n");
	free(got);
	opts.sockets = true;
	rec.evidence = OWNER_SEEN;
	rec.state = 5;
	rec.expires_ns = 8;
	rec.age_ns = 9;
	got = render(&opts, &rec, true);
	assert_string_equal(
		got,
		"timestamp,network.transport,network.type,"
		"network.local.address,network.local.port,network.peer.address,network.peer.port,"
		"network.netns,network.netns_name,network.interface.name,"
		"network.interface.index,process.pid,process.vpid,process.name,"
		"process.thread.id,process.thread.name,process.command_line,process.user.id,"
		"process.killed,owner.evidence,owner.shared,opener.pid,opener.name,container.id,"
		"container.name,container.runtime,container.image.name,cgroup.id,cgroup.path,"
		"k8s.pod.name,k8s.pod.uid,k8s.namespace.name,k8s.container.name,systemd.unit,"
		"tcp.state,tcp.expires_ns,tcp.age_ns,"
		"tcp.side,tcp.cause,tcp.end,tcp.errno,tcp.cookie,tcp.lifetime_ns,tcp.tx_bytes,"
		"tcp.rx_bytes\n"
		"2026-11-22T06:40:00.123456789Z,tcp,ipv4,10.0.0.5,43768,"
		"10.0.0.9,8080,4026531840," Q ",,," "812,7," Q ",813," Q "," Q ",33,true,seen,,700," Q ","
		Q "," Q "," Q "," Q ",5123," Q "," Q "," Q "," Q "," Q "," Q ","
		"fin_wait2,8,9,client,close,expired,110,78,3120000,512,4096\n");
	free(got);
}

static void csv_hostile_names(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		const char *value;
		struct tws_event ev;
		struct record rec;
		struct table t;
		char back[256];
		size_t len;

		set_names(&ev, &rec, hostile[i]);
		render_csv(&t, &rec);
		value = column(t.names, t.values, "process.command_line");
		assert_true(support__is_safe_text(value, strlen(value)));
		assert_null(*value ? strchr("=+-@", *value) : NULL);
		len = support__unescape_text(back, value, strlen(value));
		assert_int_equal(len, strlen(hostile[i]));
		assert_memory_equal(back, hostile[i], len);
		free_csv(&t);
	}
}

/* ---- text ---- */

static void text_columns(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };
	char *got;

	(void)unused;
	support__event(&ev);
	got = render(&text_options, &rec, true);
	assert_string_equal(
		got, "TIME             PID PROCESS          SIDE   LOCAL                 "
		     "PEER                  CAUSE    LIFETIME     TX     RX\n"
		     "06:40:00.123     812 nginx            client 10.0.0.5:43768        "
		     "10.0.0.9:8080         close      3.12ms    512   4096\n");
	assert_int_equal(strcspn(got, "\n"), 120);
	free(got);
	support__make_ipv6(&ev);
	check_line(&text_options, &rec,
		   "06:40:00.123     812 nginx            client [fd00::5]:43768       "
		   "[fd00:1:2:3::9]:8080  close      3.12ms    512   4096\n");
}

static void text_widest(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	memset(ev.local_addr, 0xff, sizeof(ev.local_addr));
	memset(ev.peer_addr, 0xff, sizeof(ev.peer_addr));
	ev.local_port = ev.peer_port = 65535;
	ev.tx_bytes = 99999;
	ev.rx_bytes = UINT64_MAX;
	ev.conn.open_ns = 1;
	ev.time_ns = UINT64_MAX;
	ev.conn.tgid = 4194304;
	ev.conn.cause = TWS_CAUSE_SHUTDOWN;
	support__set_comm(ev.conn.comm, "fifteen-letters");
	check_line(&text_options, &rec,
		   "06:40:00.123 4194304 fifteen-letters  client 255.255.255.255:65535 "
		   "255.255.255.255:65535 shutdown  213503d  99999  15.9E\n");
	ev.family = AF_INET6; /* an address is never cut: the line moves on */
	check_line(&text_options, &rec,
		   "06:40:00.123 4194304 fifteen-letters  client "
		   "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 "
		   "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 shutdown  213503d  99999  "
		   "15.9E\n");
}

static void text_unknown(void **unused)
{
	struct sink_options opts = { .format = SINK_TEXT, .containers = true, .actions = true };
	struct tws_event ev;
	struct record rec = { .event = &ev };
	char *got;

	(void)unused;
	support__event(&ev);
	memset(&ev.conn, 0, sizeof(ev.conn));
	ev.conn.flags = TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	ev.tx_bytes = ev.rx_bytes = 0;
	got = render(&opts, &rec, true);
	assert_string_equal(
		got, "TIME             PID PROCESS          SIDE   LOCAL                 "
		     "PEER                  CAUSE    LIFETIME     TX     RX EVENT          "
		     "CONTAINER\n"
		     "-                  - -                -      10.0.0.5:43768        "
		     "10.0.0.9:8080         -               -      -      - "
		     "time_wait:snapshot -\n");
	free(got);
}

/* Two sockets may have the same addresses on two devices. */
static void device_and_scope(void **unused)
{
	static const uint8_t link_local[16] = { 0xfe, 0x80, [15] = 1 };
	struct sink_options text = { .format = SINK_TEXT };
	struct tws_event ev;
	struct record rec = { .event = &ev };
	json_t *value;
	char *got;

	(void)unused;
	support__event(&ev);
	value = render_json(&rec);
	assert_null(member(value, "network.interface"));
	json_decref(value);
	ev.conn.ifindex = 7;
	rec.interface = "vrf-blue";
	value = render_json(&rec);
	check_string(value, "network.interface.name", "vrf-blue");
	check_number(value, "network.interface.index", 7);
	check_string(value, "network.local.address", "10.0.0.5");
	json_decref(value);
	got = render(&text, &rec, false);
	assert_non_null(strstr(got, " 10.0.0.5%vrf-blue:43768 10.0.0.9:8080 "));
	free(got);
	got = render(&csv_options, &rec, false);
	assert_non_null(strstr(got, ",4026531840,,vrf-blue,7,"));
	free(got);

	ev.family = AF_INET6;
	memcpy(ev.local_addr, link_local, 16);
	memcpy(ev.peer_addr, link_local, 16);
	got = render(&text, &rec, false);
	assert_non_null(strstr(got, " [fe80::1%vrf-blue]:43768 [fe80::1%vrf-blue]:8080 "));
	free(got);
	/* A name that a terminal would take for something else is left out there. */
	rec.interface = "e\x1b[1m";
	got = render(&text, &rec, false);
	assert_non_null(strstr(got, " [fe80::1]:43768 "));
	free(got);
	/* The device is known, and not its name. */
	rec.interface = NULL;
	value = render_json(&rec);
	assert_null(member(value, "network.interface.name"));
	check_number(value, "network.interface.index", 7);
	json_decref(value);
}

/* bind() has no peer, and connect() may have had no address of its own yet. */
static void ends_that_are_not_known(void **unused)
{
	struct sink_options text = { .format = SINK_TEXT, .actions = true };
	struct tws_event ev;
	struct record rec = { .event = &ev };
	json_t *value;
	char *got;

	(void)unused;
	support__event(&ev);
	ev.action = TWS_BIND_FAILED;
	ev.error = EADDRINUSE;
	memset(ev.peer_addr, 0, sizeof(ev.peer_addr));
	ev.peer_port = 0;
	value = render_json(&rec);
	check_string(value, "event.action", "bind_failed");
	check_string(value, "network.local.address", "10.0.0.5");
	assert_null(member(value, "network.peer"));
	json_decref(value);
	got = render(&text, &rec, false);
	assert_non_null(strstr(got, " 10.0.0.5:43768        -                     close "));
	assert_non_null(strstr(got, " bind_failed:EADDRINUSE\n"));
	free(got);
	got = render(&csv_options, &rec, false);
	assert_non_null(strstr(got, ",bind_failed,,tcp,ipv4,10.0.0.5,43768,,,4026531840,"));
	free(got);

	/* A wildcard with a port is an address. */
	memset(ev.local_addr, 0, sizeof(ev.local_addr));
	value = render_json(&rec);
	check_string(value, "network.local.address", "0.0.0.0");
	json_decref(value);
	ev.local_port = 0;
	value = render_json(&rec);
	assert_null(member(value, "network.local"));
	json_decref(value);
}

static void check_tail(const struct sink_options *opts, const struct record *rec,
		       const char *want)
{
	char *got = render(opts, rec, false);

	assert_string_equal(strlen(got) > 120 ? got + 120 : got, want);
	free(got);
}

static void text_events_and_workloads(void **unused)
{
	struct sink_options actions = { .format = SINK_TEXT, .actions = true };
	struct sink_options containers = { .format = SINK_TEXT, .containers = true };
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	check_tail(&actions, &rec, " time_wait\n");
	ev.error = ECONNRESET;
	ev.action = TWS_RESET;
	check_tail(&actions, &rec, " reset:ECONNRESET\n");
	ev.error = 4095;
	check_tail(&actions, &rec, " reset:4095\n");
	ev.error = 0;
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_EXPIRED;
	check_tail(&actions, &rec, " time_wait_end:expired\n");
	ev.action = TWS_TIME_WAIT;
	ev.end = 0;
	check_tail(&containers, &rec, " -\n");
	rec.workload.unit = "nginx.service";
	check_tail(&containers, &rec, " nginx.service\n");
	rec.workload.container_id = container_id;
	check_tail(&containers, &rec, " 6e9708ee9788\n");
	rec.workload.container_name = "web\n1";
	check_tail(&containers, &rec, " web\\n1\n");
	rec.workload.pod_name = "web-0";
	check_tail(&containers, &rec, " web-0\n");
	rec.workload.pod_namespace = "prod";
	rec.workload.pod_container = "app";
	check_tail(&containers, &rec, " prod/web-0/app\n");
}

static void text_names(void **unused)
{
	static const struct {
		const char *comm;
		enum owner_evidence evidence;
		const char *want;
	} cases[] = {
		{ "nginx", OWNER_UNKNOWN, "nginx            " },
		{ "nginx", OWNER_SEEN, "nginx            " },
		{ "nginx", OWNER_INFERRED, "~nginx           " },
		{ "fifteen-letters", OWNER_INFERRED, "~fifteen-letters " },
		{ "Web Content", OWNER_UNKNOWN, "Web Content      " },
		{ "", OWNER_UNKNOWN, "''               " },
		{ "\33[31m\nred", OWNER_UNKNOWN, "\\x1b[31m\\nred    " },
		{ "\1\2\3\4\5\6\7", OWNER_UNKNOWN, "\\x01\\x02\\x03+    " },
		{ "\xe6\x97\xa5\xe6\x9c\xac", OWNER_UNKNOWN,
		  "\xe6\x97\xa5\xe6\x9c\xac             " },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tws_event ev;
		struct record rec = { .event = &ev,
				      .wall_ns = SUPPORT_WALL_NS,
				      .evidence = cases[i].evidence };
		char *got;

		support__event(&ev);
		support__set_comm(ev.conn.comm, cases[i].comm);
		got = render(&text_options, &rec, false);
		assert_memory_equal(got + 21, cases[i].want, strlen(cases[i].want));
		assert_memory_equal(got + 21 + strlen(cases[i].want), "client ", 7);
		free(got);
	}
}

/* With the escape sequences of our own taken out, colour changes nothing. */
static void text_color(void **unused)
{
	struct sink_options opts = text_options;
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };
	char *plain, *colored, *to;

	(void)unused;
	support__event(&ev);
	ev.conn.cause = TWS_CAUSE_UNKNOWN;
	plain = render(&opts, &rec, true);
	assert_null(strchr(plain, '\33'));
	opts.color = true;
	colored = render(&opts, &rec, true);
	assert_non_null(strstr(colored, "\33[36mclient\33[0m"));
	assert_non_null(strstr(colored, "\33[2m06:40:00.123\33[0m"));
	to = colored;
	for (char *from = colored; *from; from++) {
		if (*from == '\33')
			from = strchr(from, 'm');
		else
			*to++ = *from;
	}
	*to = '\0';
	assert_string_equal(plain, colored);
	free(plain);
	free(colored);
}

static void text_time_zones(void **unused)
{
	static const struct {
		long offset_s;
		const char *want;
	} cases[] = {
		{ 0, "06:40:00.123 " },	     { 3600, "07:40:00.123 " },
		{ -7 * 3600, "23:40:00.123 " }, { 19800, "12:10:00.123 " },
		{ LONG_MIN, "04:10:00.123 " },  { 18 * 3600, "00:40:00.123 " },
	};
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	setenv("TZ", "XYZ2:30", 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sink_options opts = text_options;
		char *got;

		opts.utc_offset_s = cases[i].offset_s;
		got = render(&opts, &rec, false);
		assert_memory_equal(got, cases[i].want, 13);
		free(got);
	}
	unsetenv("TZ");
	tzset();
}

static void text_times_change(void **unused)
{
	static const uint64_t seconds[] = { 5, 6, 5, 86399 };
	static const char *const want[] = { "00:00:05.007", "00:00:06.007", "00:00:05.007",
					    "23:59:59.007" };
	int fd = support__memfd();
	struct tws_event ev;
	struct sink *sink;
	char *text, *line;

	(void)unused;
	support__event(&ev);
	assert_int_equal(sink__new(&sink, fd, &text_options), 0);
	for (size_t i = 0; i < COUNT(seconds); i++) {
		struct record rec = { .event = &ev,
				      .wall_ns = seconds[i] * 1000000000 + 7999999 };

		assert_int_equal(sink__put(sink, &rec), 0);
	}
	assert_int_equal(sink__flush(sink), 0);
	line = text = support__contents(fd, NULL);
	for (size_t i = 0; i < COUNT(seconds); i++) {
		assert_memory_equal(line, want[i], 12);
		line = strchr(line, '\n') + 1;
	}
	free(text);
	sink__free(sink);
	close(fd);
}

static void text_hostile_names(void **unused)
{
	struct sink_options opts = { .format = SINK_TEXT, .containers = true, .actions = true };

	(void)unused;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		struct tws_event ev;
		struct record rec;
		char *got;

		set_names(&ev, &rec, hostile[i]);
		got = render(&opts, &rec, false);
		assert_true(support__is_safe_text(got, strlen(got) - 1));
		free(got);
	}
}

/* ---- writing ---- */

/* The second is cached: going on, back and far ahead must all show. */
static void timestamps_change(void **unused)
{
	static const uint64_t seconds[] = { 5, 5, 6, 5, 86400, 1795329600 };
	static const char *const want[] = { "1970-01-01T00:00:05", "1970-01-01T00:00:05",
					    "1970-01-01T00:00:06", "1970-01-01T00:00:05",
					    "1970-01-02T00:00:00", "2026-11-22T06:40:00" };
	int fd = support__memfd();
	struct tws_event ev;
	struct sink *sink;
	char *text, *line;

	(void)unused;
	support__event(&ev);
	assert_int_equal(sink__new(&sink, fd, &csv_options), 0);
	for (size_t i = 0; i < COUNT(seconds); i++) {
		struct record rec = { .event = &ev, .wall_ns = seconds[i] * 1000000000 + i };

		assert_int_equal(sink__put(sink, &rec), 0);
	}
	assert_int_equal(sink__flush(sink), 0);
	line = text = support__contents(fd, NULL);
	for (size_t i = 0; i < COUNT(seconds); i++) {
		assert_memory_equal(line, want[i], 19);
		assert_int_equal(line[28], '0' + i);
		line = strchr(line, '\n') + 1;
	}
	free(text);
	sink__free(sink);
	sink__free(NULL);
	close(fd);
}

static void listen_is_not_printed(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev };
	struct sink *sink;

	(void)unused;
	support__event(&ev);
	ev.action = TWS_LISTEN;
	assert_int_equal(sink__new(&sink, -1, &json_options), 0);
	assert_int_equal(sink__put(sink, &rec), -EINVAL);
	assert_int_equal(sink__pending(sink), 0);
	assert_int_equal(sink__flush(sink), 0);
	sink__free(sink);
}

static void failing_outputs(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), ends[2], rc = 0;
	struct sink *sink;
	size_t taken = 0;

	(void)unused;
	support__event(&ev);
	assert_int_equal(sink__new(&sink, full, &json_options), 0);
	for (; taken < 1000 && !rc; taken += !rc)
		rc = sink__put(sink, &rec);
	/* the buffer is bounded, and what was refused is not counted */
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(sink__put(sink, &rec), -ENOSPC);
	assert_int_equal(sink__flush(sink), -ENOSPC);
	assert_int_equal(sink__pending(sink), taken);
	sink__free(sink);
	close(full);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_int_equal(sink__new(&sink, ends[1], &json_options), 0);
	assert_int_equal(sink__put(sink, &rec), 0);
	assert_int_equal(sink__flush(sink), -EPIPE);
	assert_int_equal(sink__pending(sink), 1);
	sink__free(sink);
	close(ends[1]);

	assert_int_equal(sink__new(&sink, -1, &text_options), 0);
	assert_int_equal(sink__begin(sink), 0);
	assert_int_equal(sink__flush(sink), -EBADF);
	assert_int_equal(sink__pending(sink), 0);
	sink__free(sink);
}

/* A file that may grow to @limit only takes a part of what is written. */
static void limit_files(rlim_t limit)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = limit;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

static void short_writes_are_counted(void **unused)
{
	int fd = support__memfd();
	struct tws_event ev;
	struct record rec = { .event = &ev };
	size_t line, heading, len;
	struct rlimit before;
	struct sink *sink;
	char *text;

	(void)unused;
	support__event(&ev);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	text = render(&text_options, &rec, true);
	heading = strcspn(text, "\n") + 1;
	line = strlen(text) - heading;
	free(text);
	assert_int_equal(sink__new(&sink, fd, &text_options), 0);
	assert_int_equal(sink__begin(sink), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(sink__put(sink, &rec), 0);
	for (size_t limit = 1; limit < heading + 10 * line; limit++) {
		size_t whole = limit < heading ? 0 : (limit - heading) / line;
		int rc;

		limit_files(limit);
		rc = sink__flush(sink);
		limit_files(before.rlim_cur);
		assert_int_equal(rc, -EFBIG);
		assert_int_equal(sink__pending(sink), 10 - whole);
	}
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	text = support__contents(fd, &len);
	assert_int_equal(len, heading + 10 * line);
	for (char *at = text + heading; *at; at += line)
		assert_memory_equal(at, text + heading, line);
	free(text);
	sink__free(sink);
	close(fd);
}

struct reader {
	int fd;
	size_t bytes, lines;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	char buf[3000];
	ssize_t n;

	while ((n = read(r->fd, buf, sizeof(buf))) > 0) {
		r->bytes += (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			r->lines += buf[i] == '\n';
	}
	return NULL;
}

static void do_nothing(int signal)
{
	(void)signal;
}

/* Keeps the writer busy with signals until it is told that all is written. */
struct pest {
	pthread_t writer;
	_Atomic bool stop;
};

static void *send_signals(void *arg)
{
	struct pest *p = arg;

	while (!p->stop) {
		pthread_kill(p->writer, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

/* A small pipe, non-blocking or not, a reader of odd steps, signals all the while. */
static void check_pipe(int flags)
{
	struct pest pest = { .writer = pthread_self() };
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = "some words to make it longer" };
	struct reader reader = { 0 };
	pthread_t reading, pestering;
	size_t line, count = 2000;
	struct sink *sink;
	int ends[2];
	char *text;

	support__event(&ev);
	text = render(&json_options, &rec, false);
	line = strlen(text);
	free(text);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	reader.fd = ends[0];
	assert_int_equal(pthread_create(&reading, NULL, read_all, &reader), 0);
	assert_int_equal(pthread_create(&pestering, NULL, send_signals, &pest), 0);
	assert_int_equal(sink__new(&sink, ends[1], &json_options), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(sink__put(sink, &rec), 0);
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	pest.stop = true;
	pthread_join(pestering, NULL);
	close(ends[1]);
	pthread_join(reading, NULL);
	close(ends[0]);
	sink__free(sink);
	assert_int_equal(reader.lines, count);
	assert_int_equal(reader.bytes, count * line);
}

static void slow_readers(void **unused)
{
	const struct sigaction act = { .sa_handler = do_nothing }; /* no SA_RESTART */

	(void)unused;
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	check_pipe(0);
	check_pipe(O_NONBLOCK);
}

/* A reader that takes nothing holds the sink only until something wakes it, and no record is lost. */
static void stuck_reader(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev };
	int ends[2], stop[2], rc = 0;
	struct sink *sink;
	size_t taken = 0, lines = 0;
	ssize_t len;
	char *text;

	(void)unused;
	support__event(&ev);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	assert_int_equal(write(stop[1], "x", 1), 1);
	assert_int_equal(sink__new(&sink, ends[1], &json_options), 0);
	sink__wake_by(sink, stop[0]);
	for (; taken < 10000 && !rc; taken += !rc)
		rc = sink__put(sink, &rec);
	assert_int_equal(rc, -EINTR);
	assert_int_equal(sink__flush(sink), -EINTR);
	assert_in_range(sink__pending(sink), 1, taken - 1);
	/* the descriptor that others share is as it was */
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	/* with a reader again, the rest goes out */
	text = malloc(1 << 20);
	len = read(ends[0], text, 1 << 20);
	assert_true(len > 0);
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	len += read(ends[0], text + len, (1 << 20) - len);
	while (len--)
		lines += text[len] == '\n';
	assert_int_equal(lines, taken);
	free(text);
	sink__free(sink);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(stop[i]);
	}
}

/* Longer than the buffer: one record still goes out whole. */
static void huge_record(void **unused)
{
	char *words = malloc(300001);
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = words };
	json_t *value;

	(void)unused;
	memset(words, '\1', 300000);
	words[300000] = '\0';
	support__event(&ev);
	value = render_json(&rec);
	check_string(value, "process.command_line", words);
	json_decref(value);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_contract),
		cmocka_unit_test(ends_that_are_not_known),
		cmocka_unit_test(device_and_scope),
		cmocka_unit_test(json_unknown),
		cmocka_unit_test(json_everything),
		cmocka_unit_test(json_socket),
		cmocka_unit_test(csv_socket),
		cmocka_unit_test(json_any_subset),
		cmocka_unit_test(json_kept_is_same),
		cmocka_unit_test(json_hostile_names),
		cmocka_unit_test(csv_is_flattened_json),
		cmocka_unit_test(csv_contract),
		cmocka_unit_test(csv_hostile_names),
		cmocka_unit_test(text_columns),
		cmocka_unit_test(text_widest),
		cmocka_unit_test(text_unknown),
		cmocka_unit_test(text_events_and_workloads),
		cmocka_unit_test(text_names),
		cmocka_unit_test(text_color),
		cmocka_unit_test(text_time_zones),
		cmocka_unit_test(text_times_change),
		cmocka_unit_test(text_hostile_names),
		cmocka_unit_test(timestamps_change),
		cmocka_unit_test(listen_is_not_printed),
		cmocka_unit_test(failing_outputs),
		cmocka_unit_test(short_writes_are_counted),
		cmocka_unit_test(slow_readers),
		cmocka_unit_test(stuck_reader),
		cmocka_unit_test(huge_record),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}

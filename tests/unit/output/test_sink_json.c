// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/output/sink_support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support.h"

/* JSON lines: sink_json.c. */

#define TIME "\"timestamp\":\"2026-11-22T06:40:00.123456789Z\","
#define NETWORK "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\"," \
	"\"local\":{\"address\":\"10.0.0.5\",\"port\":43768}," \
	"\"peer\":{\"address\":\"10.0.0.9\",\"port\":8080}"

static void json_contract(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	rec.command_line = "nginx: worker process";
	rec.workload.container_id = render__container_id;
	rec.workload.container_name = "web1";
	rec.workload.container_runtime = "docker";
	rec.cgroup_path = "/docker/6e97";
	render__check(&as_json, &rec,
		      "{" TIME "\"event\":{\"action\":\"time_wait\"}," NETWORK ",\"netns\":4026531840},"
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
	render__check(&as_json, &rec,
		      "{" TIME "\"event\":{\"action\":\"time_wait\"}," NETWORK "},"
		      "\"tcp\":{\"side\":\"unknown\",\"cause\":\"unknown\","
		      "\"tx_bytes\":512,\"rx_bytes\":4096}}\n");
	rec.wall_ns = 0;
	ev.conn.flags = TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	ev.conn.open_ns = ev.time_ns + 1; /* no time goes backwards */
	ev.tx_bytes = ev.rx_bytes = 0;
	render__check(&as_json, &rec,
		      "{\"event\":{\"action\":\"time_wait\",\"source\":\"snapshot\"}," NETWORK "},"
		      "\"tcp\":{\"side\":\"unknown\",\"cause\":\"unknown\"}}\n");
}

static void json_everything(void **unused)
{
	static const struct {
		const char *path, *want;
	} strings[] = {
		{ "event.action", "time_wait_end" },
		{ "event.source", "snapshot" },
		{ "network.type", "ipv6" },
		{ "network.local.address", "fd00::5" },
		{ "network.peer.address", "fd00:1:2:3::9" },
		{ "network.netns_name", "blue" },
		{ "container.image.name", "nginx:1.25" },
		{ "k8s.pod.name", "web-0" },
		{ "k8s.pod.uid", "1-2-3" },
		{ "k8s.namespace.name", "prod" },
		{ "k8s.container.name", "app" },
		{ "systemd.unit", "nginx.service" },
		{ "tcp.side", "server" },
		{ "tcp.cause", "exit" },
		{ "tcp.end", "reused_by_syn" },
	};
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
	value = render__json(&rec);
	for (size_t i = 0; i < COUNT(strings); i++)
		render__check_string(value, strings[i].path, strings[i].want);
	render__check_number(value, "process.pid", 812);
	render__check_number(value, "process.vpid", 7);
	render__check_number(value, "tcp.errno", ECONNRESET);
	render__check_number(value, "tcp.cookie", UINT64_MAX >> 1);
	render__check_number(value, "tcp.tx_bytes", 512);
	assert_true(json_is_true(render__member(value, "process.killed")));
	assert_null(render__member(value, "container.id"));
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
	render__check(&opts, &rec,
		      "{" TIME NETWORK ",\"netns\":4026531840,\"netns_name\":\"blue\"},"
		      "\"process\":{\"pid\":812,\"name\":\"nginx\",\"user\":{\"id\":33}},"
		      "\"owner\":{\"evidence\":\"inferred\"},\"cgroup\":{\"id\":5123},"
		      "\"tcp\":{\"state\":\"fin_wait2\",\"expires_ns\":59900000000,"
		      "\"age_ns\":100000000,\"side\":\"client\",\"cause\":\"close\","
		      "\"cookie\":78}}\n");
	memset(&ev.conn, 0, sizeof(ev.conn));
	rec.evidence = OWNER_UNKNOWN;
	render__check(&opts, &rec,
		      "{" TIME NETWORK ",\"netns\":4026531840,\"netns_name\":\"blue\"},"
		      "\"owner\":{\"evidence\":\"unknown\"},"
		      "\"tcp\":{\"state\":\"fin_wait2\",\"expires_ns\":59900000000,"
		      "\"age_ns\":100000000,\"side\":\"unknown\",\"cause\":\"unknown\","
		      "\"cookie\":78,\"tx_bytes\":0,\"rx_bytes\":0}}\n");
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
		value = render__json(&rec);
		assert_int_equal(!!render__member(value, "container"), !!(bits & 0xf));
		assert_int_equal(!!render__member(value, "systemd.unit"), bits >> 4 & 1);
		assert_int_equal(!!render__member(value, "k8s"), !!(bits & 0x1e0));
		assert_int_equal(!!render__member(value, "k8s.pod"), !!(bits & 0x60));
		assert_int_equal(!!render__member(value, "cgroup"), !!(bits & 0x600));
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
	ev->conn.tgid = 700 + number / 11 % 3;
	ev->conn.pid_ns = number % 8 ? 4026531836u : 0;
	ev->conn.ns_tgid = 1 + number / 17 % 2;
	ev->netns = number % 10 ? 4026531840u + number / 23 % 2 : 0;
	ev->conn.ifindex = number % 19 == 0;
	rec->interface = number % 38 == 0 ? "eth0" : NULL;
	rec->netns_name = number % 29 < 2 ? texts[number % 29 + 1] : NULL;
	if (number % 15 == 0)
		support__set_comm(ev->conn.comm, number % 2 ? "one \"more\"" : "");
	if (number % 22 == 0)
		support__set_comm(ev->conn.opener_comm, "who");
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
			want = render__record(&opts, &rec, false);
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

static void check_json_name(const json_t *value, const char *path, const char *name)
{
	const json_t *string = render__member(value, path);
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
	for (size_t i = 0; i < HOSTILE_NAMES; i++) {
		struct tws_event ev;
		struct record rec;
		json_t *value;

		render__set_names(&ev, &rec, render__hostile[i]);
		value = render__json(&rec);
		check_json_name(value, "process.name", ev.conn.comm);
		check_json_name(value, "process.thread.name", ev.conn.comm);
		check_json_name(value, "opener.name", ev.conn.comm);
		check_json_name(value, "process.command_line", render__hostile[i]);
		check_json_name(value, "cgroup.path", render__hostile[i]);
		check_json_name(value, "container.name", render__hostile[i]);
		check_json_name(value, "k8s.pod.name", render__hostile[i]);
		check_json_name(value, "network.netns_name", render__hostile[i]);
		json_decref(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_contract),
		cmocka_unit_test(json_unknown),
		cmocka_unit_test(json_everything),
		cmocka_unit_test(json_socket),
		cmocka_unit_test(json_any_subset),
		cmocka_unit_test(json_kept_is_same),
		cmocka_unit_test(json_hostile_names),
	};

	return cmocka_run_group_tests_name("sink_json", tests, NULL, NULL);
}

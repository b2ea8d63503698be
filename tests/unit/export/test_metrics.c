// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "export/metrics.h"
#include "tests/unit/support.h"

#define S 1000000000ULL

static struct metrics *metrics;
static struct outbuf text;

static int setup(void **unused)
{
	const struct metrics_options opts = {
		.max_series = METRICS_SERIES, .version = "1.2.3", .all = true,
	};

	(void)unused;
	assert_int_equal(metrics__new(&metrics, &opts), 0);
	assert_int_equal(outbuf__init(&text, 64), 0);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	metrics__free(metrics);
	outbuf__free(&text);
	return 0;
}

/* ---- making records ---- */

static struct tws_event event(const char *comm, uint8_t action)
{
	struct tws_event ev;

	support__event(&ev);
	ev.action = action;
	ev.error = 0;
	ev.conn.side = TWS_SIDE_CLIENT;
	ev.conn.cause = TWS_CAUSE_CLOSE;
	ev.conn.flags = TWS_F_CLOSER;
	support__set_comm(ev.conn.comm, comm);
	return ev;
}

static void add_in(const struct workload *workload, const char *comm, uint64_t cgroup_id)
{
	struct tws_event ev = event(comm, TWS_TIME_WAIT);
	struct record rec = { .event = &ev, .workload = *workload };

	ev.conn.cgroup_id = cgroup_id;
	metrics__add(metrics, &rec);
}

static void add(const char *comm)
{
	static const struct workload none;

	add_in(&none, comm, 1);
}

static void fails(const char *comm, uint32_t error)
{
	struct tws_event ev = event(comm, TWS_CONNECT_FAILED);
	const struct record rec = { .event = &ev };

	ev.error = error;
	metrics__add(metrics, &rec);
}

/* ---- reading the text ---- */

static const char *written(bool openmetrics)
{
	text.len = 0;
	metrics__write(metrics, openmetrics, &text);
	assert_false(text.failed);
	return outbuf__terminate(&text);
}

static void assert_has(const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(written(false), whole))
		fail_msg("no line '%s' in:\n%s", line, text.data);
}

static void assert_lacks(const char *part)
{
	if (strstr(written(false), part))
		fail_msg("'%s' in:\n%s", part, text.data);
}

/* Of all samples of a family, which has @prefix. */
static uint64_t sum_of(const char *prefix, size_t *num)
{
	const char *line = written(false);
	uint64_t sum = 0;

	*num = 0;
	for (; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		while (end[-1] != ' ')
			end--;
		sum += strtoull(end, NULL, 10);
		++*num;
	}
	return sum;
}

static size_t samples(void)
{
	const char *line = written(false);
	size_t num = 0;

	for (; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		num += *line != '#';
	return num;
}

/* ---- counting ---- */

static void test_closes_are_counted(void **unused)
{
	static const struct workload docker = { .container_name = "web", .container_id = "6e97" };
	static const struct workload pod = { .pod_namespace = "shop", .pod_name = "api-7d4f",
					     .pod_container = "api", .pod_uid = "u" };
	static const struct workload unnamed = { .container_id = "6e97" };

	(void)unused;
	add("nginx");
	add("nginx");
	add_in(&docker, "nginx", 7);
	add_in(&pod, "java", 8);
	add_in(&unnamed, "java", 9);
	assert_has("twsnoop_time_waits_total 5");
	assert_has("twsnoop_closes_total{k8s_namespace=\"\",container=\"\",process=\"nginx\","
		   "side=\"client\",cause=\"close\"} 2");
	assert_has("twsnoop_closes_total{k8s_namespace=\"\",container=\"web\",process=\"nginx\","
		   "side=\"client\",cause=\"close\"} 1");
	assert_has("twsnoop_closes_total{k8s_namespace=\"shop\",container=\"api\",process=\"java\","
		   "side=\"client\",cause=\"close\"} 1");
	assert_has("twsnoop_closes_total{k8s_namespace=\"\",container=\"~unnamed\",process=\"java\","
		   "side=\"client\",cause=\"close\"} 1");
	assert_lacks("6e97");
	assert_lacks("7d4f");
	assert_has("twsnoop_connections_ended_total{action=\"time_wait\"} 5");
	assert_has("twsnoop_build_info{version=\"1.2.3\"} 1");
}

static void test_an_unknown_closer_has_no_name(void **unused)
{
	struct tws_event ev = event("nginx", TWS_TIME_WAIT);
	const struct record rec = { .event = &ev };

	(void)unused;
	ev.conn.flags = 0;
	ev.conn.side = TWS_SIDE_UNKNOWN;
	ev.conn.cause = TWS_CAUSE_UNKNOWN;
	metrics__add(metrics, &rec);
	assert_has("twsnoop_closes_total{k8s_namespace=\"\",container=\"\",process=\"\","
		   "side=\"unknown\",cause=\"unknown\"} 1");
}

static void test_failures_are_of_who_called(void **unused)
{
	struct tws_event ev = event("ksoftirqd", TWS_CONNECT_FAILED);
	const struct record rec = { .event = &ev };

	(void)unused;
	fails("shop", EADDRNOTAVAIL);
	fails("shop", 4000);
	ev.conn.flags |= TWS_F_OPENER;
	ev.error = ECONNREFUSED;
	support__set_comm(ev.conn.opener_comm, "cart");
	metrics__add(metrics, &rec);
	assert_has("twsnoop_connect_failures_total{container=\"\",process=\"shop\","
		   "errno=\"EADDRNOTAVAIL\"} 1");
	assert_has("twsnoop_connect_failures_total{container=\"\",process=\"shop\","
		   "errno=\"4000\"} 1");
	assert_has("twsnoop_connect_failures_total{container=\"\",process=\"cart\","
		   "errno=\"ECONNREFUSED\"} 1");
	assert_lacks("ksoftirqd");
	assert_has("twsnoop_time_waits_total 0");
}

static void test_every_end_has_its_action(void **unused)
{
	static const uint8_t actions[] = { TWS_FIN_WAIT2, TWS_RESET, TWS_ABORT, TWS_TIMEOUT,
					   TWS_OVERFLOW, TWS_PASSIVE_CLOSE, TWS_TIME_WAIT_END,
					   TWS_BIND_FAILED };
	size_t num;

	(void)unused;
	for (size_t i = 0; i < COUNT(actions); i++) {
		struct tws_event ev = event("a", actions[i]);
		const struct record rec = { .event = &ev };

		metrics__add(metrics, &rec);
	}
	assert_has("twsnoop_connections_ended_total{action=\"passive_close\"} 1");
	assert_has("twsnoop_connections_ended_total{action=\"overflow\"} 1");
	assert_int_equal(sum_of("twsnoop_connections_ended_total{", &num), 6);
	assert_int_equal(num, 7);
}

static void test_lifetimes(void **unused)
{
	static const uint64_t lives_ns[] = { 0, 100000, 100001, 999999999, S, 7200 * S };
	struct tws_event ev = event("a", TWS_TIME_WAIT);
	const struct record rec = { .event = &ev };

	(void)unused;
	for (size_t i = 0; i < COUNT(lives_ns); i++) {
		ev.time_ns = 10000 * S;
		ev.conn.open_ns = ev.time_ns - lives_ns[i];
		metrics__add(metrics, &rec);
	}
	ev.conn.open_ns = 0; /* not known */
	metrics__add(metrics, &rec);
	assert_has("twsnoop_connection_lifetime_seconds_bucket{side=\"client\",le=\"0.0001\"} 2");
	assert_has("twsnoop_connection_lifetime_seconds_bucket{side=\"client\",le=\"0.5\"} 3");
	assert_has("twsnoop_connection_lifetime_seconds_bucket{side=\"client\",le=\"1.0\"} 5");
	assert_has("twsnoop_connection_lifetime_seconds_bucket{side=\"client\",le=\"3600.0\"} 5");
	assert_has("twsnoop_connection_lifetime_seconds_bucket{side=\"client\",le=\"+Inf\"} 6");
	assert_has("twsnoop_connection_lifetime_seconds_count{side=\"client\"} 6");
	assert_has("twsnoop_connection_lifetime_seconds_sum{side=\"client\"} 7202.000200000");
}

/* ---- hostile names ---- */

static void test_labels_are_escaped(void **unused)
{
	static const struct workload nasty = { .container_name = "a\"b\\c\nd\x1b[31m\xff" };

	(void)unused;
	add_in(&nasty, "x\"} 9\n#", 1);
	assert_has("twsnoop_closes_total{k8s_namespace=\"\","
		   "container=\"a\\\"b\\\\\\\\c\\\\nd\\\\x1b[31m\\\\xff\","
		   "process=\"x\\\"} 9\\\\n#\",side=\"client\",cause=\"close\"} 1");
}

static void test_long_names_that_begin_alike_are_one_series(void **unused)
{
	struct workload w = { 0 };
	char name[400];
	size_t num;

	(void)unused;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	w.container_name = name;
	add_in(&w, "a", 1);
	name[sizeof(name) - 2] = 'm';
	add_in(&w, "a", 1);
	assert_int_equal(sum_of("twsnoop_closes_total{", &num), 2);
	assert_int_equal(num, 1);
}

/* A series may not come twice, whatever somebody calls himself. */
static void test_who_calls_himself_other(void **unused)
{
	static const struct workload other = { .container_name = "~other" };
	size_t num;

	(void)unused;
	add_in(&other, "~other", 1);
	fails("~other", 0);
	for (unsigned int i = 0; i < METRICS_SERIES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		add(name);
	}
	add_in(&other, "~other", 1);
	assert_int_equal(sum_of("twsnoop_closes_total{k8s_namespace=\"\",container=\"~other\"", &num),
			 METRICS_SERIES + 2 - (metrics__series(metrics) - 2));
	assert_int_equal(num, 1);
}

/* ---- bounds ---- */

static void test_what_has_no_room_is_counted_as_other(void **unused)
{
	size_t num, failures;

	(void)unused;
	for (unsigned int i = 0; i < 10000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "short-%u", i);
		add(name);
		add(name);
		fails(name, ECONNREFUSED);
	}
	assert_has("twsnoop_time_waits_total 20000");
	assert_int_equal(sum_of("twsnoop_closes_total{", &num), 20000);
	assert_int_equal(sum_of("twsnoop_connect_failures_total{", &failures), 10000);
	assert_true(samples() <= METRICS_SERIES);
	assert_int_equal(num + failures, metrics__series(metrics));
	assert_int_equal(metrics__overflow(metrics),
			 sum_of("twsnoop_closes_total{k8s_namespace=\"\",container=\"~other\"", &num) +
			 sum_of("twsnoop_connect_failures_total{container=\"~other\"", &failures));
	assert_int_equal(num, 1);
	assert_int_equal(failures, 1);
}

/* All that there may be at once, at the least that may be asked for. */
static void test_fixed_series_are_counted_too(void **unused)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	const struct metrics_options opts = { .max_series = METRICS_SERIES_MIN, .version = "1" };
	struct metrics_finding findings[METRICS_FINDINGS + 5];
	struct metrics_ports ports[METRICS_PORTS + 5];
	struct metrics_sink sinks[5];
	struct metrics_sockets sockets = { { 1 }, 1 };
	struct metrics_options all = opts;
	char ids[METRICS_FINDINGS + 5][8];

	(void)unused;
	metrics__free(metrics);
	all.all = true;
	assert_int_equal(metrics__new(&metrics, &all), 0);
	for (size_t i = 0; i < COUNT(findings); i++) {
		snprintf(ids[i], sizeof(ids[i]), "f%zu", i);
		findings[i] = (struct metrics_finding){ ids[i], "ok", 1 };
	}
	for (size_t i = 0; i < COUNT(ports); i++)
		ports[i] = (struct metrics_ports){ .family = AF_INET, .peer_port = (uint16_t)(i + 1) };
	for (size_t i = 0; i < COUNT(sinks); i++)
		sinks[i] = (struct metrics_sink){ .name = names[i] };
	metrics__set_findings(metrics, findings, COUNT(findings));
	metrics__set_ports(metrics, ports, COUNT(ports));
	metrics__set_sinks(metrics, sinks, COUNT(sinks));
	metrics__set_sockets(metrics, &sockets);
	metrics__set_limit_used(metrics, 1);
	for (unsigned int i = 0; i < 3 * TWS_CAUSE_END * 300; i++) {
		struct tws_event ev = event("a", TWS_TIME_WAIT);
		const struct record rec = { .event = &ev };
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		support__set_comm(ev.conn.comm, name);
		ev.conn.side = (uint8_t)(i % 3);
		ev.conn.cause = (uint8_t)(i / 3 % TWS_CAUSE_END);
		metrics__add(metrics, &rec);
	}
	fails("z", EPERM);
	assert_in_range(samples(), METRICS_SERIES_MIN - METRICS_FIXED, METRICS_SERIES_MIN);
}

static void test_bounds_of_max_series(void **unused)
{
	struct metrics_options opts = { .max_series = METRICS_SERIES_MIN - 1, .version = "1" };
	struct metrics *m = NULL;

	(void)unused;
	assert_int_equal(metrics__new(&m, &opts), -EINVAL);
	opts.max_series = METRICS_SERIES_MAX + 1;
	assert_int_equal(metrics__new(&m, &opts), -EINVAL);
	assert_null(m);
}

/* ---- what goes ---- */

static void test_a_container_goes_five_minutes_after_it_did(void **unused)
{
	static const struct workload web = { .container_name = "web" }, api = { .container_name = "api" };
	uint64_t ids[8];

	(void)unused;
	metrics__tick(metrics, 1000 * S);
	add_in(&web, "nginx", 70);
	add_in(&web, "curl", 70);
	add_in(&api, "java", 71);
	add("sshd");
	assert_int_equal(metrics__cgroups(metrics, false, ids, 8), 2);
	assert_int_equal(ids[0], 70);
	assert_int_equal(ids[1], 71);
	assert_int_equal(metrics__cgroups(metrics, false, ids, 1), 1);
	assert_int_equal(metrics__cgroups(metrics, true, ids, 8), 0);
	metrics__cgroup_gone(metrics, true, 70); /* another one of that number */
	metrics__cgroup_gone(metrics, false, 70);
	assert_int_equal(metrics__cgroups(metrics, false, ids, 8), 1);
	metrics__tick(metrics, 1299 * S);
	assert_int_equal(metrics__series(metrics), 4);
	metrics__tick(metrics, 1300 * S);
	assert_int_equal(metrics__series(metrics), 2);
	assert_lacks("web");
	assert_has("twsnoop_time_waits_total 4");
	metrics__tick(metrics, 100000 * S); /* there is room: nobody goes for being idle */
	assert_int_equal(metrics__series(metrics), 2);
}

static void test_a_container_that_came_again_stays(void **unused)
{
	static const struct workload web = { .container_name = "web" };
	uint64_t ids[8];

	(void)unused;
	metrics__tick(metrics, 1000 * S);
	add_in(&web, "nginx", 70);
	metrics__cgroup_gone(metrics, false, 70);
	metrics__tick(metrics, 1100 * S);
	add_in(&web, "nginx", 72);
	assert_int_equal(metrics__cgroups(metrics, false, ids, 8), 1);
	assert_int_equal(ids[0], 72);
	metrics__tick(metrics, 2000 * S);
	assert_has("twsnoop_closes_total{k8s_namespace=\"\",container=\"web\",process=\"nginx\","
		   "side=\"client\",cause=\"close\"} 2");
}

/* The last closes of a container come a minute after it: they do not keep it. */
static void test_what_comes_late_keeps_nobody(void **unused)
{
	static const struct workload web = { .container_name = "web" };

	(void)unused;
	metrics__tick(metrics, 1000 * S);
	add_in(&web, "nginx", 70);
	metrics__cgroup_gone(metrics, false, 70);
	metrics__tick(metrics, 1060 * S);
	add_in(&web, "nginx", 70);
	metrics__tick(metrics, 1301 * S);
	assert_int_equal(metrics__series(metrics), 0);
}

static void test_who_is_idle_gives_way_where_it_is_full(void **unused)
{
	char name[16];

	(void)unused;
	metrics__tick(metrics, 1000 * S);
	for (unsigned int i = 0; i < METRICS_SERIES; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		add(name);
	}
	metrics__tick(metrics, 3000 * S);
	add("p0");
	metrics__tick(metrics, 1000 * S + METRICS_IDLE_NS);
	assert_int_equal(metrics__series(metrics), 2); /* p0, and the others' */
	add("new");
	assert_has("twsnoop_closes_total{k8s_namespace=\"\",container=\"\",process=\"p0\","
		   "side=\"client\",cause=\"close\"} 2");
	assert_has("twsnoop_closes_total{k8s_namespace=\"\",container=\"\",process=\"new\","
		   "side=\"client\",cause=\"close\"} 1");
}

/* ---- gauges ---- */

static void test_gauges(void **unused)
{
	struct metrics_sockets sockets = { .states = { [1] = 12, [6] = 345 }, .fin_wait2_minis = 6 };
	const struct metrics_ports ports[] = {
		{ .family = AF_INET, .local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, 9 },
		  .peer_port = 80, .used_millionths = 1000000 },
		{ .family = AF_INET6, .local_addr = { 0xfd, [15] = 5 }, .all_peers = true,
		  .used_millionths = 20 },
		/* The same in another namespace. */
		{ .family = AF_INET, .local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, 9 },
		  .peer_port = 80, .used_millionths = 7 },
		{ .family = AF_INET6, .local_addr = { 0xfd, [15] = 5 }, .peer_addr = { 1 },
		  .all_peers = true, .used_millionths = 3 },
	};
	const struct metrics_finding findings[] = {
		{ "ports-filling", "critical", 1 }, { "aborts", "warning", 1 },
		{ "ports-filling", "critical", 2 }, { "ports-filling", "warning", 1 },
	};
	size_t num;

	(void)unused;
	assert_lacks("\ntwsnoop_sockets{");
	assert_lacks("\ntwsnoop_time_wait_limit_used_ratio ");
	metrics__set_sockets(metrics, &sockets);
	metrics__set_limit_used(metrics, 123456);
	metrics__set_ports(metrics, ports, COUNT(ports));
	metrics__set_findings(metrics, findings, COUNT(findings));
	assert_has("twsnoop_sockets{state=\"established\"} 12");
	assert_has("twsnoop_sockets{state=\"time_wait\"} 345");
	assert_has("twsnoop_sockets{state=\"fin_wait2_mini\"} 6");
	assert_has("twsnoop_time_wait_limit_used_ratio 0.123456");
	assert_has("twsnoop_local_ports_used_ratio{local_address=\"10.0.0.5\","
		   "peer_address=\"10.0.0.9\",peer_port=\"80\"} 1.000000");
	assert_has("twsnoop_local_ports_used_ratio{local_address=\"fd00::5\",peer_address=\"*\","
		   "peer_port=\"*\"} 0.000020");
	sum_of("twsnoop_local_ports_used_ratio{", &num);
	assert_int_equal(num, 2);
	assert_has("twsnoop_finding{id=\"ports-filling\",severity=\"critical\"} 3");
	assert_int_equal(sum_of("twsnoop_finding{", &num), 5);
	assert_int_equal(num, 3);
	metrics__set_sockets(metrics, NULL);
	metrics__set_limit_used(metrics, METRICS_UNKNOWN);
	metrics__set_ports(metrics, NULL, 0);
	metrics__set_findings(metrics, NULL, 0);
	assert_lacks("\ntwsnoop_sockets{");
	assert_lacks("\ntwsnoop_time_wait_limit_used_ratio ");
	assert_lacks("\ntwsnoop_local_ports_used_ratio{");
	assert_lacks("\ntwsnoop_finding{");
}

static struct metrics_ports ports_towards(uint8_t host, uint64_t used_millionths)
{
	return (struct metrics_ports){
		.family = AF_INET, .local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, host },
		.peer_port = 80, .used_millionths = used_millionths,
	};
}

static bool has_ports_towards(uint8_t host)
{
	char line[120];

	snprintf(line, sizeof(line), "\ntwsnoop_local_ports_used_ratio{local_address=\"10.0.0.5\","
		 "peer_address=\"10.0.0.%u\",peer_port=\"80\"} ", host);
	return strstr(written(false), line);
}

/* On a quiet host many sets have a port or two, now these and now those: the series stay the same. */
static void test_sets_of_ports_stay(void **unused)
{
	struct metrics_ports ports[METRICS_PORTS + 2];
	size_t num;

	(void)unused;
	for (uint8_t i = 0; i < METRICS_PORTS; i++)
		ports[i] = ports_towards(100 + i, 35);
	metrics__set_ports(metrics, ports, METRICS_PORTS);
	/* Another one that is fuller, by name the first; and those there were, in another order. */
	ports[METRICS_PORTS] = ports[0];
	ports[0] = ports_towards(1, 35 + METRICS_PORTS_KEEP);
	ports[METRICS_PORTS + 1] = ports_towards(2, 36);
	metrics__set_ports(metrics, ports, METRICS_PORTS + 2);
	for (uint8_t i = 0; i < METRICS_PORTS; i++)
		assert_true(has_ports_towards(100 + i));
	/* Enough fuller; and the last of those that are equal gives way. */
	ports[0].used_millionths++;
	metrics__set_ports(metrics, ports, METRICS_PORTS + 2);
	assert_true(has_ports_towards(1));
	assert_false(has_ports_towards(100 + METRICS_PORTS - 1));
	sum_of("twsnoop_local_ports_used_ratio{", &num);
	assert_int_equal(num, METRICS_PORTS);
	/* What has no ports any more makes room. */
	metrics__set_ports(metrics, ports, 2);
	sum_of("twsnoop_local_ports_used_ratio{", &num);
	assert_int_equal(num, 2);
	assert_true(has_ports_towards(1));
	assert_true(has_ports_towards(101));
}

static void account_at(uint64_t s, uint64_t lost)
{
	const struct feed_account account = { .lost = lost, .unattributed = 2, .map_full = 1,
					      .recursion = 9 };

	metrics__tick(metrics, s * S);
	metrics__set_account(metrics, &account);
}

static void test_the_account(void **unused)
{
	(void)unused;
	account_at(1000, 0);
	assert_has("twsnoop_events_lost_total 0");
	assert_has("twsnoop_unattributed_total 2");
	assert_has("twsnoop_map_full_total 1");
	assert_has("twsnoop_recursion_total 9");
}

/* What a snapshot finds was never lost; what it does not find is, and counters never go back. */
static void test_lost_is_what_stays_lost(void **unused)
{
	(void)unused;
	account_at(1000, 50);
	account_at(1001, 0);
	account_at(1030, 50);
	account_at(1031, 5);
	assert_has("twsnoop_events_lost_total 0");
	account_at(1040, 7);
	account_at(1045, 7);
	assert_has("twsnoop_events_lost_total 5");
	account_at(1046, 6);
	account_at(1061, 8);
	assert_has("twsnoop_events_lost_total 6");
	account_at(1062, 3);
	assert_has("twsnoop_events_lost_total 6");
}

static void test_sinks(void **unused)
{
	const struct metrics_sink sinks[] = { { "otlp", 9, 100, 1, 2, 3 }, { "clickhouse", 8, 0, 0, 0, 0 } };

	(void)unused;
	metrics__set_sinks(metrics, sinks, COUNT(sinks));
	assert_has("twsnoop_export_sent_total{sink=\"otlp\"} 9");
	assert_has("twsnoop_export_queued_bytes{sink=\"otlp\"} 100");
	assert_has("twsnoop_export_dropped_total{sink=\"otlp\"} 1");
	assert_has("twsnoop_export_failed_total{sink=\"otlp\"} 2");
	assert_has("twsnoop_export_damaged_total{sink=\"otlp\"} 3");
	assert_has("twsnoop_export_sent_total{sink=\"clickhouse\"} 8");
}

/* ---- the two formats ---- */

static void test_openmetrics(void **unused)
{
	const char *end;

	(void)unused;
	add("nginx");
	written(true);
	assert_non_null(strstr(text.data, "# TYPE twsnoop_time_waits counter\n"
					  "twsnoop_time_waits_total 1\n"));
	assert_non_null(strstr(text.data, "# TYPE twsnoop_build info\ntwsnoop_build_info{"));
	end = strstr(text.data, "# EOF\n");
	assert_non_null(end);
	assert_int_equal(strlen(end), 6);
	written(false);
	assert_non_null(strstr(text.data, "# TYPE twsnoop_time_waits_total counter\n"));
	assert_non_null(strstr(text.data, "# TYPE twsnoop_build_info gauge\n"));
	assert_null(strstr(text.data, "# EOF"));
}

static void test_of_time_waits_alone(void **unused)
{
	const struct metrics_options opts = { .max_series = METRICS_SERIES, .version = "1" };

	(void)unused;
	metrics__free(metrics);
	assert_int_equal(metrics__new(&metrics, &opts), 0);
	assert_has("twsnoop_connections_ended_total{action=\"time_wait\"} 0");
	assert_lacks("action=\"reset\""); /* nobody looks: 0 would be a lie */
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_closes_are_counted),
		T(test_an_unknown_closer_has_no_name),
		T(test_failures_are_of_who_called),
		T(test_every_end_has_its_action),
		T(test_lifetimes),
		T(test_labels_are_escaped),
		T(test_long_names_that_begin_alike_are_one_series),
		T(test_who_calls_himself_other),
		T(test_what_has_no_room_is_counted_as_other),
		T(test_fixed_series_are_counted_too),
		T(test_bounds_of_max_series),
		T(test_a_container_goes_five_minutes_after_it_did),
		T(test_a_container_that_came_again_stays),
		T(test_what_comes_late_keeps_nobody),
		T(test_who_is_idle_gives_way_where_it_is_full),
		T(test_gauges),
		T(test_sets_of_ports_stay),
		T(test_the_account),
		T(test_lost_is_what_stays_lost),
		T(test_sinks),
		T(test_openmetrics),
		T(test_of_time_waits_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* What is written into a recording is read out of it: while it is written, and afterwards. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/unit/store/store_support.h"
#include "tests/unit/support.h"

static const struct recording_options usual = {
	.size_bytes = 64 << 20, .raw_percent = 25,
};
static const struct history_span whole = { 0, 0 };
static struct store_failure failure;

static struct recording *open_new(const char *path)
{
	struct held_run run = store_support__run(STORE_BEGIN_NS);
	struct recording *rec = NULL;
	int err = recording__open(&rec, path, &usual, &run, &failure);

	if (err)
		fail_msg("%d: %s", err, failure.text);
	return rec;
}

static void set_address(uint8_t addr[16], int family, const char *text)
{
	memset(addr, 0, 16);
	assert_int_equal(inet_pton(family, text, addr), 1);
}

/* ---- one of each ---- */

static const struct held_who whos[] = {
	{ .id = 1, .comm = "nginx", .uid = 33, .has_uid = true, .command_line = "nginx: worker",
	  .cgroup_path = "/docker/6e97", .workload = {
		.container_id = "6e9708ee", .container_name = "web1",
		.container_image = "nginx:1", .container_runtime = "docker", .unit = "d.service",
		.pod_name = "p", .pod_uid = "u", .pod_namespace = "ns", .pod_container = "c" } },
	{ .id = 2, .comm = "\xff\xfe<b>'\"", .command_line = "a\xc0\xaf\nb" },
	{ .id = 3 },
};

static void make_flows(struct held_flow flows[3])
{
	flows[0] = (struct held_flow){
		.id = 1, .netns = 4026531840, .family = AF_INET, .peer_len = 32,
		.side = TWS_SIDE_CLIENT, .cause = TWS_CAUSE_CLOSE, .action = TWS_TIME_WAIT,
		.peer_port = 8080,
	};
	set_address(flows[0].local_addr, AF_INET, "10.0.0.5");
	set_address(flows[0].peer_addr, AF_INET, "10.0.0.9");
	flows[1] = (struct held_flow){
		.id = 2, .netns = 1, .family = AF_INET6, .peer_len = 48, .side = TWS_SIDE_SERVER,
		.cause = TWS_CAUSE_EXIT, .action = TWS_TIME_WAIT_END, .end = TWS_END_REUSED_BY_SYN,
		.local_port = 443,
	};
	set_address(flows[1].local_addr, AF_INET6, "fd00::5");
	set_address(flows[1].peer_addr, AF_INET6, "2001:db8:1::");
	flows[2] = (struct held_flow){
		.id = 3, .family = AF_INET, .action = TWS_BIND_FAILED, .error = EADDRINUSE,
		.local_port = 80,
	};
}

static const struct held_minute minutes[] = {
	{ .wall_ns = STORE_BEGIN_NS, .count = 7, .tx_bytes = 70, .rx_bytes = 700 },
	{ .wall_ns = STORE_BEGIN_NS, .who = 1, .flow = 1, .count = 1000, .tx_bytes = 5, .rx_bytes = 6,
	  .lifetimes = 1000, .lifetime_ns = 12345678, .buckets = { 300, 0, 700 } },
	{ .wall_ns = STORE_BEGIN_NS, .who = 2, .flow = 3, .count = 1, .lifetimes = 1,
	  .lifetime_ns = 3000000, .buckets = { 0, 0, 0, 1 } },
	{ .wall_ns = STORE_BEGIN_NS + MINUTE_NS, .who = 3, .flow = 2, .count = 3, .lifetimes = 2,
	  .lifetime_ns = UINT32_MAX, .buckets = { [HELD_BUCKETS - 1] = 2 } },
};

static const struct held_states states = {
	.wall_ns = STORE_BEGIN_NS + 5, .netns = 7, .netns_name = "blue",
	.states = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 }, .fin_wait2_minis = 12,
};
static const struct held_limits limits[] = {
	{ .wall_ns = STORE_BEGIN_NS, .netns = 7, .netns_name = "blue", .max_tw_buckets = 262144,
	  .fin_timeout_ms = 60000, .reuse_delay_ms = 1000, .tw_reuse = 2, .timestamps = 1,
	  .first_port = 32768, .last_port = 60999, .usable_ports = 28232 },
	{ .wall_ns = STORE_BEGIN_NS + MINUTE_NS, .netns = 8, .tw_reuse = -1, .timestamps = -1 },
};
static const struct held_account account = {
	.wall_ns = STORE_BEGIN_NS + 9, .run = 1,
	.told = { .delivered = 1, .lost = 2, .map_full = 3, .recursion = 4, .snapshot = 5, .unattributed = 6,
		  .no_end = 7 },
};
static const struct held_gap gap = {
	.since_ns = STORE_BEGIN_NS, .until_ns = STORE_BEGIN_NS + 10, .run = 1,
	.reason = HELD_GAP_DISK, .events = 12, .detail = "No space left on device",
};
static const struct held_finding finding = {
	.wall_ns = STORE_BEGIN_NS + 3, .id = "ports-exhausted", .severity = 3, .who = 1, .flow = 1,
	.count = 99, .text = "nginx has no more ports",
};
static const struct held_counter counters[] = {
	{ .wall_ns = STORE_BEGIN_NS, .netns = 7, .name = "TcpExt.TW", .value = 10 },
	{ .wall_ns = STORE_BEGIN_NS + MINUTE_NS, .netns = 7, .name = "TcpExt.TW", .value = 20 },
	{ .wall_ns = STORE_BEGIN_NS + MINUTE_NS, .netns = 7, .name = "TcpExt.TWKilled", .value = 1 },
};

static struct held_ports make_ports(void)
{
	struct held_ports ports = {
		.wall_ns = STORE_BEGIN_NS + 4, .family = AF_INET, .scope = HELD_PORTS_PEER,
		.usable = 28232, .time_wait = 27000, .live = 12, .close_wait = 3, .bound = 1,
		.reusable = 5, .left = 0, .has_left = true, .first_port = 1, .last_port = 2,
		.unknown = 8, .names = 2, .key = { .netns = 7, .ifindex = 2, .peer_port = 80 },
		.owners = { { .comm = "wrk", .tgid = 12, .count = 26000, .inferred = 1 },
			    { .comm = "ab", .count = 1000 } },
	};

	set_address(ports.key.local_addr, AF_INET, "10.0.0.5");
	set_address(ports.key.peer_addr, AF_INET, "10.0.0.9");
	return ports;
}

static void write_all(struct recording *rec)
{
	struct held_ports ports = make_ports();
	struct held_flow flows[3];

	make_flows(flows);
	assert_int_equal(recording__begin(rec), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(recording__add_who(rec, &whos[i]), 0);
		assert_int_equal(recording__add_flow(rec, &flows[i]), 0);
	}
	assert_int_equal(recording__add_command(rec, &(struct held_command){ 1, "curl -s" }), 0);
	for (unsigned int i = 0; i < COUNT(minutes); i++)
		assert_int_equal(recording__add_minute(rec, &minutes[i]), 0);
	assert_int_equal(recording__add_states(rec, &states), 0);
	for (unsigned int i = 0; i < COUNT(limits); i++)
		assert_int_equal(recording__add_limits(rec, &limits[i]), 0);
	assert_int_equal(recording__add_ports(rec, &ports), 0);
	for (unsigned int i = 0; i < COUNT(counters); i++)
		assert_int_equal(recording__add_counter(rec, &counters[i]), 0);
	assert_int_equal(recording__add_account(rec, &account), 0);
	assert_int_equal(recording__add_gap(rec, &gap), 0);
	assert_int_equal(recording__add_finding(rec, &finding), 0);
	assert_int_equal(recording__commit(rec, STORE_BEGIN_NS + SECOND_NS), 0);
}

static void assert_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(a == b);
}

static void check_names(struct history *history)
{
	struct held_flow flows[3];

	make_flows(flows);
	for (unsigned int i = 0; i < 3; i++) {
		const struct held_who *who = history__who(history, i + 1);
		const struct workload *had = &whos[i].workload, *has;

		assert_non_null(who);
		has = &who->workload;
		assert_int_equal(who->id, i + 1);
		assert_memory_equal(who->comm, whos[i].comm, TWS_COMM_LEN);
		assert_int_equal(who->has_uid, whos[i].has_uid);
		assert_int_equal(who->uid, whos[i].uid);
		assert_text(who->command_line, whos[i].command_line);
		assert_text(who->cgroup_path, whos[i].cgroup_path);
		assert_text(has->container_id, had->container_id);
		assert_text(has->container_name, had->container_name);
		assert_text(has->container_image, had->container_image);
		assert_text(has->container_runtime, had->container_runtime);
		assert_text(has->unit, had->unit);
		assert_text(has->pod_name, had->pod_name);
		assert_text(has->pod_uid, had->pod_uid);
		assert_text(has->pod_namespace, had->pod_namespace);
		assert_text(has->pod_container, had->pod_container);
		assert_memory_equal(history__flow(history, i + 1), &flows[i], sizeof(flows[i]));
	}
	assert_null(history__who(history, 4));
	assert_null(history__who(history, 0));
	assert_null(history__flow(history, 4));
	assert_string_equal(history__command(history, 1), "curl -s");
	assert_null(history__command(history, 2));
}

#define CHECK_EACH(name, expected, num)                                                            \
	static int check_##name(void *ctx, const struct held_##name *given)                        \
	{                                                                                          \
		unsigned int *at = ctx;                                                            \
		assert_true(*at < (num));                                                          \
		same_##name(given, (expected) + *at);                                              \
		++*at;                                                                             \
		return 0;                                                                          \
	}

static void same_minute(const struct held_minute *a, const struct held_minute *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}
CHECK_EACH(minute, minutes, COUNT(minutes))

static void same_states(const struct held_states *a, const struct held_states *b)
{
	struct held_states copy = *a;

	assert_text(a->netns_name, b->netns_name);
	copy.netns_name = b->netns_name;
	assert_memory_equal(&copy, b, sizeof(copy));
}
CHECK_EACH(states, &states, 1)

static void same_limits(const struct held_limits *a, const struct held_limits *b)
{
	struct held_limits copy = *a;

	assert_text(a->netns_name, b->netns_name);
	copy.netns_name = b->netns_name;
	assert_memory_equal(&copy, b, sizeof(copy));
}
CHECK_EACH(limits, limits, COUNT(limits))

static void same_counter(const struct held_counter *a, const struct held_counter *b)
{
	assert_int_equal(a->wall_ns, b->wall_ns);
	assert_int_equal(a->netns, b->netns);
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->value, b->value);
}
CHECK_EACH(counter, counters, COUNT(counters))

static void same_account(const struct held_account *a, const struct held_account *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}
CHECK_EACH(account, &account, 1)

static void same_gap(const struct held_gap *a, const struct held_gap *b)
{
	assert_int_equal(a->since_ns, b->since_ns);
	assert_int_equal(a->until_ns, b->until_ns);
	assert_int_equal(a->run, b->run);
	assert_int_equal(a->reason, b->reason);
	assert_int_equal(a->events, b->events);
	assert_text(a->detail, b->detail);
}
CHECK_EACH(gap, &gap, 1)

static void same_finding(const struct held_finding *a, const struct held_finding *b)
{
	assert_int_equal(a->wall_ns, b->wall_ns);
	assert_int_equal(a->severity, b->severity);
	assert_int_equal(a->who, b->who);
	assert_int_equal(a->flow, b->flow);
	assert_int_equal(a->count, b->count);
	assert_text(a->id, b->id);
	assert_text(a->text, b->text);
}
CHECK_EACH(finding, &finding, 1)

static int check_ports(void *ctx, const struct held_ports *ports)
{
	struct held_ports expected = make_ports();

	assert_memory_equal(ports, &expected, sizeof(expected));
	++*(unsigned int *)ctx;
	return 0;
}

static int check_run(void *ctx, const struct held_run *run)
{
	assert_int_equal(run->id, 1);
	assert_int_equal(run->since_ns, STORE_BEGIN_NS);
	assert_int_equal(run->until_ns, STORE_BEGIN_NS + SECOND_NS);
	assert_string_equal(run->boot_id, "01234567-89ab-cdef-0123-456789abcdef");
	assert_string_equal(run->version, "0.1.0");
	assert_string_equal(run->kernel, "6.18.0");
	assert_string_equal(run->host, "web1");
	assert_string_equal(run->zone, "CET");
	assert_true(run->all);
	assert_false(run->calls);
	assert_null(run->filter);
	++*(unsigned int *)ctx;
	return 0;
}

#define READ_EACH(history, name, num)                                                              \
	do {                                                                                       \
		unsigned int at = 0;                                                               \
		assert_int_equal(history__each_##name(history, &whole, check_##name, &at), 0);     \
		assert_int_equal(at, num);                                                         \
	} while (0)

static void read_all(const char *path, bool is_recording)
{
	struct history *history = store_support__open_history(path);
	struct history_status status;

	READ_EACH(history, run, 1);
	READ_EACH(history, minute, COUNT(minutes));
	READ_EACH(history, states, 1);
	READ_EACH(history, limits, COUNT(limits));
	READ_EACH(history, ports, 1);
	READ_EACH(history, counter, COUNT(counters));
	READ_EACH(history, account, 1);
	READ_EACH(history, gap, 1);
	READ_EACH(history, finding, 1);
	check_names(history);
	check_names(history);

	assert_int_equal(history__status(history, &status), 0);
	assert_int_equal(status.is_recording, is_recording);
	assert_int_equal(status.size_bytes, usual.size_bytes);
	assert_int_equal(status.file_bytes, store_support__bytes(path));
	assert_int_equal(status.all.since_ns, STORE_BEGIN_NS);
	assert_int_equal(status.all.until_ns, STORE_BEGIN_NS + MINUTE_NS); /* it has that one, too */
	assert_int_equal(status.last_commit_ns, STORE_BEGIN_NS + SECOND_NS);
	assert_int_equal(status.minutes.since_ns, STORE_BEGIN_NS);
	assert_int_equal(status.minutes.until_ns, STORE_BEGIN_NS + 2 * MINUTE_NS);
	assert_int_equal(status.minute_rows, COUNT(minutes));
	assert_int_equal(status.raw_rows, 0);
	assert_int_equal(status.gaps, 1);
	assert_int_equal(status.gap_events, 12);
	assert_memory_equal(&status.account, &account, sizeof(account));
	assert_string_equal(status.last_run.host, "web1");
	history__close(history);
}

static void test_round_trip(void **state)
{
	char *path = store_support__path();
	struct recording *rec = open_new(path);
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	write_all(rec);
	read_all(path, true);
	recording__close(rec);
	assert_int_equal(store_support__bytes(path), stat(path, &st) ? 0 : st.st_size);
	read_all(path, false);
	store_support__remove(path);
}

/* ---- spans ---- */

static int count_any(void *ctx, const void *any)
{
	(void)any;
	++*(unsigned int *)ctx;
	return 0;
}

static int count_minute(void *ctx, const struct held_minute *minute)
{
	return count_any(ctx, minute);
}

static int count_limits(void *ctx, const struct held_limits *held)
{
	return count_any(ctx, held);
}

static int take_counter(void *ctx, const struct held_counter *counter)
{
	*(uint64_t *)ctx = *(uint64_t *)ctx * 100 + counter->value;
	return 0;
}

static int stop(void *ctx, const struct held_minute *minute)
{
	count_any(ctx, minute);
	return 42;
}

static void test_spans(void **state)
{
	char *path = store_support__path();
	struct recording *rec = open_new(path);
	struct history *history;
	const struct {
		struct history_span span;
		unsigned int minutes, limits;
		uint64_t counters;
	} cases[] = {
		{ { STORE_BEGIN_NS, STORE_BEGIN_NS + 1 }, 3, 1, 10 },
		{ { STORE_BEGIN_NS + 30 * SECOND_NS, STORE_BEGIN_NS + MINUTE_NS }, 3, 1, 10 },
		{ { STORE_BEGIN_NS + MINUTE_NS, 0 }, 1, 2, 102001 },
		{ { STORE_BEGIN_NS + 2 * MINUTE_NS, 0 }, 0, 2, 2001 },
		{ { 0, STORE_BEGIN_NS }, 0, 0, 0 },
		{ { STORE_BEGIN_NS + DAY_NS, 0 }, 0, 2, 0 },
	};

	(void)state;
	write_all(rec);
	history = store_support__open_history(path);
	for (unsigned int i = 0; i < COUNT(cases); i++) {
		unsigned int num = 0;
		uint64_t values = 0;

		assert_int_equal(history__each_minute(history, &cases[i].span, count_minute, &num), 0);
		assert_int_equal(num, cases[i].minutes);
		num = 0;
		assert_int_equal(history__each_limits(history, &cases[i].span, count_limits, &num), 0);
		assert_int_equal(num, cases[i].limits);
		assert_int_equal(history__each_counter(history, &cases[i].span, take_counter, &values),
				 0);
		assert_int_equal(values, cases[i].counters);
	}
	for (unsigned int num = 0; !num;) {
		assert_int_equal(history__each_minute(history, &whole, stop, &num), 42);
		assert_int_equal(num, 1);
	}
	history__close(history);
	recording__close(rec);
	store_support__remove(path);
}

/* ---- minutes that come in parts ---- */

static int sum_minute(void *ctx, const struct held_minute *minute)
{
	struct held_minute *sum = ctx;

	assert_int_equal(sum->count, 0);
	*sum = *minute;
	return 0;
}

static void test_minutes_add_up(void **state)
{
	char *path = store_support__path();
	struct recording *rec = open_new(path);
	struct held_minute sum = { 0 }, minute = minutes[1];
	struct history *history;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(recording__begin(rec), 0);
		assert_int_equal(recording__add_minute(rec, &minute), 0);
		assert_int_equal(recording__commit(rec, STORE_BEGIN_NS), 0);
		minute.lifetimes = 1;
		minute.lifetime_ns = 1000;
		minute.count = 2;
		memset(minute.buckets, 0, sizeof(minute.buckets));
		minute.buckets[0] = 1;
	}
	history = store_support__open_history(path);
	assert_int_equal(history__each_minute(history, &whole, sum_minute, &sum), 0);
	assert_int_equal(sum.count, 1004);
	assert_int_equal(sum.lifetimes, 1002);
	assert_int_equal(sum.lifetime_ns, 12345678 + 2000);
	assert_int_equal(sum.buckets[0], 302);
	assert_int_equal(sum.buckets[2], 700);
	assert_int_equal(sum.tx_bytes, 15);
	history__close(history);
	recording__close(rec);
	store_support__remove(path);
}

/* ---- raw rows ---- */

struct rows {
	uint64_t next, rows; /* row number, and how many */
	uint64_t blocks;
};

static void read_rows(struct history_cursor *cursor, struct rows *rows)
{
	const struct block *block;
	struct held_block meta;
	struct held_row row;
	int ret;

	while ((ret = history_cursor__next(cursor, &block, &meta)) > 0) {
		assert_int_equal(block__count(block), meta.rows);
		assert_int_equal(meta.first_row, rows->next);
		for (uint32_t i = 0; i < meta.rows; i++) {
			block__row(block, i, &row);
			assert_int_equal(row.event.cookie, meta.first_row + i - 1);
		}
		rows->next += meta.rows;
		rows->rows += meta.rows;
		rows->blocks++;
	}
	assert_int_equal(ret, 0);
}

/* A reader that follows gets each row once, whatever becomes of the tails meanwhile. */
static void test_rows_once(void **state)
{
	char *path = store_support__path();
	struct rows live = { .next = 1 }, after = { .next = 1 };
	struct history_cursor *cursor;
	struct history *history;
	struct writer w;

	(void)state;
	assert_int_equal(writer__open(&w, path, &usual, STORE_BEGIN_NS, 3, &failure), 0);
	history = store_support__open_history(path);
	assert_int_equal(history_cursor__new(&cursor, history, &whole), 0);
	for (unsigned int s = 0; s < 200; s++) {
		assert_int_equal(writer__second(&w, STORE_BEGIN_NS + s * SECOND_NS, 5 + s % 3), 0);
		if (s % 7 == 3)
			read_rows(cursor, &live);
	}
	read_rows(cursor, &live);
	assert_int_equal(live.rows, w.made);
	history_cursor__free(cursor);
	assert_int_equal(history_cursor__new(&cursor, history, &whole), 0);
	read_rows(cursor, &after);
	assert_int_equal(after.rows, w.made);
	assert_true(after.blocks < 3 + 60);
	history_cursor__free(cursor);
	history__close(history);
	writer__close(&w);
	store_support__remove(path);
}

static int sum_count(void *ctx, const struct held_minute *minute)
{
	*(uint64_t *)ctx += minute->count;
	return 0;
}

static int take_gap(void *ctx, const struct held_gap *held)
{
	*(struct held_gap *)ctx = *held;
	((struct held_gap *)ctx)->detail = NULL;
	return 0;
}

/* The process is killed: all that was committed is there, and counted. */
static void test_killed(void **state)
{
	char *path = store_support__path();
	uint64_t made = 0, count = 0;
	struct history *history;
	struct held_gap stopped = { 0 };
	struct writer w;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (writer__open(&w, path, &usual, STORE_BEGIN_NS, 3, &failure))
			_exit(1);
		for (unsigned int s = 0; s < 100; s++)
			if (writer__second(&w, STORE_BEGIN_NS + s * SECOND_NS, 10))
				_exit(2);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	made = 1000;

	assert_int_equal(writer__open(&w, path, &usual, STORE_BEGIN_NS + 200 * SECOND_NS, 3, &failure),
			 0);
	assert_int_equal(w.row, made + 1);
	assert_int_equal(w.run, 2);
	history = store_support__open_history(path);
	assert_int_equal(history__each_minute(history, &whole, sum_count, &count), 0);
	assert_int_equal(count, made);
	assert_int_equal(history__each_gap(history, &whole, take_gap, &stopped), 0);
	assert_int_equal(stopped.reason, HELD_GAP_STOPPED);
	assert_int_equal(stopped.since_ns, STORE_BEGIN_NS + 99 * SECOND_NS);
	assert_int_equal(stopped.until_ns, STORE_BEGIN_NS + 200 * SECOND_NS);
	history__close(history);
	/* Nothing is counted twice. */
	writer__close(&w);
	assert_int_equal(writer__open(&w, path, &usual, STORE_BEGIN_NS + 300 * SECOND_NS, 3, &failure),
			 0);
	writer__close(&w);
	count = 0;
	history = store_support__open_history(path);
	assert_int_equal(history__each_minute(history, &whole, sum_count, &count), 0);
	assert_int_equal(count, made);
	history__close(history);
	store_support__remove(path);
}

/* ---- what is refused ---- */

static void test_another_recorder(void **state)
{
	char *path = store_support__path(), own[32];
	struct held_run run = store_support__run(STORE_BEGIN_NS);
	struct recording *rec = open_new(path), *other = NULL;

	(void)state;
	assert_int_equal(recording__open(&other, path, &usual, &run, &failure), -EBUSY);
	snprintf(own, sizeof(own), "(PID %d)", (int)getpid());
	assert_non_null(strstr(failure.text, own));
	recording__close(rec);
	rec = open_new(path);
	recording__close(rec);
	store_support__remove(path);
}

/* As somebody who looks into it with another program, which tidies up when it ends: as the last
 * one, if it were. */
static int be_another_program(const char *path)
{
	sqlite3 *db;
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "SELECT count(*) FROM minute", NULL, NULL, NULL);
	sqlite3_close(db);
	return rc != SQLITE_OK;
}

/* Whoever closes a descriptor of the file in the recorder's process must not take its locks. */
static void test_locks_stay(void **state)
{
	char *path = store_support__path(), *wal = NULL;
	struct recording *rec = open_new(path), *other = NULL;
	struct held_run run = store_support__run(STORE_BEGIN_NS);
	struct stat before, after;
	int status;
	pid_t pid;

	(void)state;
	write_all(rec);
	read_all(path, true);
	assert_int_equal(recording__open(&other, path, &usual, &run, &failure), -EBUSY);
	assert_true(asprintf(&wal, "%s-wal", path) > 0);
	assert_int_equal(stat(wal, &before), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		execl("/proc/self/exe", "test_recording", path, (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(stat(wal, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	free(wal);
	recording__close(rec);
	store_support__remove(path);
}

static void test_gone(void **state)
{
	char *path = store_support__path();
	struct recording *rec = open_new(path);

	(void)state;
	assert_false(recording__is_gone(rec));
	assert_int_equal(unlink(path), 0);
	assert_true(recording__is_gone(rec));
	assert_int_equal(recording__begin(rec), 0);
	assert_int_equal(recording__add_gap(rec, &gap), 0);
	assert_int_equal(recording__commit(rec, STORE_BEGIN_NS), -ENOENT);
	recording__close(rec);
	store_support__remove(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_minutes_add_up),
		cmocka_unit_test(test_rows_once),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_another_recorder),
		cmocka_unit_test(test_locks_stay),
		cmocka_unit_test(test_gone),
	};

	if (argc > 1)
		return be_another_program(argv[1]);
	return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}

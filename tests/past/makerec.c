// SPDX-License-Identifier: GPL-2.0
/*
 * makerec KIND FILE BEGIN: a recording of ten minutes from BEGIN (seconds since the epoch, a whole
 * minute) on, as `twsnoop record` would write it, of which tests know what is in it.
 *
 * Each minute has 20 rows, three seconds apart. Of minute M the row N (from 0) is at second 3 * N;
 * its local port is 1000 + 20 * M + N, and its cookie the same. Even ones are of checkout, a client
 * in the container web (command "checkout --all"), odd ones of nginx, a server. Each tenth one
 * is a reset, and no time_wait.
 *
 *	events	all of it
 *	early	the first five minutes have lost their rows
 *	minutes	all of them have
 *	hostile	all of it; names have escapes and newlines in them
 *	back	the clock is put back by two minutes after the fifth
 *	ahead	in the fourth and fifth it is two hours ahead
 *	filter	all of it, of a run with a filter and of TIME_WAIT alone
 *	gap	there is a gap, and losses, in the fifth minute
 *	samples	all of it, with states, limits and ports
 *	empty	nothing
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store/block.h"
#include "store/minutes.h"
#include "store/recording.h"

#define S 1000000000ULL
#define MINUTE (60 * S)
#define MINUTES 10
#define ROWS 20
#define NETNS 4026531840U
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct recording *rec;
static const char *kind;
static uint64_t begin_ns;

static bool is(const char *what)
{
	return !strcmp(kind, what);
}

static void check(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "makerec: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void set_comm(char comm[TWS_COMM_LEN], const char *name)
{
	snprintf(comm, TWS_COMM_LEN, "%s", name);
}

static const char *name_of(bool client)
{
	if (is("hostile"))
		return client ? "\033[31mred\n" : "<b>\",'\\\xff";
	return client ? "checkout" : "nginx";
}

static uint64_t wall_of(unsigned int minute, unsigned int row)
{
	uint64_t wall_ns = begin_ns + minute * MINUTE + row * 3 * S;

	if (is("ahead") && (minute == 3 || minute == 4))
		return wall_ns + 120 * MINUTE;
	return is("back") && minute >= 5 ? wall_ns - 2 * MINUTE : wall_ns;
}

static void fill_row(struct held_row *row, unsigned int minute, unsigned int n)
{
	bool client = n % 2 == 0;
	unsigned int number = minute * ROWS + n;
	struct tws_event *ev = &row->event;

	*row = (struct held_row){ .wall_ns = wall_of(minute, n), .who = client ? 1 : 2,
				  .command = client ? 1 : 0 };
	*ev = (struct tws_event){
		.action = n % 10 == 9 ? TWS_RESET : TWS_TIME_WAIT, .family = AF_INET,
		.time_ns = 1000 * S + minute * MINUTE + n * 3 * S, .cookie = 1000 + number,
		.tx_bytes = 100, .rx_bytes = 2000, .netns = NETNS,
		.local_port = (uint16_t)(client ? 1000 + number : 80),
		.peer_port = (uint16_t)(client ? 8080 : 1000 + number),
		.local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, 9 },
		.conn = {
			.tgid = client ? 812 : 700, .tid = client ? 812 : 701, .uid = 33,
			.ns_tgid = client ? 812 : 700, .cgroup_id = client ? 5123 : 1,
			.closer_start_ns = 5 * S,
			.side = client ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER,
			.cause = TWS_CAUSE_CLOSE, .flags = TWS_F_ACTIVE | TWS_F_CLOSER,
		},
	};
	ev->conn.open_ns = ev->time_ns - 3 * S / 1000;
	set_comm(ev->conn.comm, name_of(client));
	set_comm(ev->conn.thread_comm, name_of(client));
	if (is("filter"))
		ev->action = TWS_TIME_WAIT;
}

static void add_names(void)
{
	struct held_who who = {
		.id = 1, .uid = 33, .has_uid = true, .command_line = "checkout --all",
		.cgroup_path = "/docker/" ID,
		.workload = { .container_id = ID, .container_name = "web",
			      .container_runtime = "docker" },
	};
	const struct held_command command = {
		1, is("hostile") ? "checkout \033[31m\n\",\\" : "checkout --all"
	};

	set_comm(who.comm, name_of(true));
	check(recording__add_who(rec, &who), "add_who");
	who = (struct held_who){ .id = 2, .uid = 33, .has_uid = true, .cgroup_path = "/",
				 .command_line = "nginx: worker process" };
	set_comm(who.comm, name_of(false));
	check(recording__add_who(rec, &who), "add_who");
	check(recording__add_command(rec, &command), "add_command");
}

static void add_samples(unsigned int minute)
{
	uint64_t wall_ns = wall_of(minute, 0);
	struct held_states states = { .wall_ns = wall_ns, .fin_wait2_minis = 2 };
	struct held_limits limits = { .wall_ns = wall_ns, .netns = NETNS, .netns_name = "init",
				      .max_tw_buckets = 1000, .fin_timeout_ms = 60000,
				      .tw_reuse = 2, .timestamps = 1, .first_port = 32768,
				      .last_port = 60999, .usable_ports = 28232 };
	struct held_ports ports = {
		.wall_ns = wall_ns, .family = AF_INET, .usable = 28232, .time_wait = 500 + minute,
		.left = 20000, .has_left = true, .names = 1,
		.key = { .netns = NETNS, .local_addr = { 10, 0, 0, 5 },
			 .peer_addr = { 10, 0, 0, 9 }, .peer_port = 8080 },
		.owners = { { "checkout", 812, 500, 0 } },
	};

	states.states[1] = 10 + minute; /* established */
	states.states[6] = 100 + minute; /* time_wait */
	check(recording__add_states(rec, &states), "add_states");
	states.netns = NETNS;
	states.netns_name = "init";
	check(recording__add_states(rec, &states), "add_states");
	if (!minute)
		check(recording__add_limits(rec, &limits), "add_limits");
	check(recording__add_ports(rec, &ports), "add_ports");
}

static void add_account(unsigned int minute)
{
	const struct held_account account = {
		.wall_ns = wall_of(minute, ROWS - 1), .run = 1,
		.told = {
			.delivered = (minute + 1) * ROWS,
			.lost = is("gap") && minute >= 4 ? 3 : 0,
		},
	};
	const struct held_gap gap = { wall_of(4, 3), wall_of(4, 5), 1, HELD_GAP_DISK, 7,
				      "No space left on device" };

	check(recording__add_account(rec, &account), "add_account");
	if (is("gap") && minute == 4)
		check(recording__add_gap(rec, &gap), "add_gap");
}

static void add_minute(struct minutes *minutes, struct block_builder *builder,
		       struct recording_next *next, unsigned int minute)
{
	const struct minutes_sink sink = {
		(int (*)(void *, const struct held_flow *))recording__add_flow,
		(int (*)(void *, const struct held_minute *))recording__add_minute, rec,
	};
	struct held_block block = { .first_row = next->row, .rows = ROWS, .run = next->run,
				    .since_ns = wall_of(minute, 0),
				    .until_ns = wall_of(minute, ROWS - 1) };
	struct held_row row;

	block_builder__clear(builder);
	for (unsigned int n = 0; n < ROWS; n++) {
		fill_row(&row, minute, n);
		check(block_builder__add(builder, &row), "add row");
		check(minutes__add(minutes, &row), "count row");
	}
	check(block_builder__encode(builder, 0, 3, &block.data, &block.size), "encode");
	check(recording__begin(rec), "begin");
	if (!minute)
		add_names();
	check(minutes__flush(minutes, &sink), "flush");
	if (!is("minutes") && !(is("early") && minute < 5))
		check(recording__add_block(rec, &block), "add_block");
	next->row += ROWS;
	check(recording__set_counted(rec, next->row), "set_counted");
	if (is("samples"))
		add_samples(minute);
	add_account(minute);
	check(recording__commit(rec, wall_of(minute, ROWS - 1)), "commit");
	minutes__flushed(minutes);
}

int main(int argc, char **argv)
{
	const struct recording_options opts = { .size_bytes = 64 << 20, .raw_percent = 25 };
	struct held_run run = { .version = "test", .kernel = "6.1", .host = "host", .zone = "UTC",
				.boot_id = "11111111-2222-3333-4444-555555555555", .all = true };
	struct store_failure failure = { "" };
	struct block_builder *builder;
	struct recording_next next;
	struct minutes *minutes;

	if (argc != 4) {
		fputs("usage: makerec KIND FILE BEGIN\n", stderr);
		return 2;
	}
	kind = argv[1];
	begin_ns = strtoull(argv[3], NULL, 10) * S;
	run.since_ns = run.until_ns = begin_ns;
	if (is("filter")) {
		run.all = false;
		run.filter = "-c checkout";
	}
	if (recording__open(&rec, argv[2], &opts, &run, &failure)) {
		fprintf(stderr, "makerec: %s\n", failure.text);
		return 1;
	}
	recording__next(rec, &next);
	check(minutes__new(&minutes, next.flow), "minutes");
	check(block_builder__new(&builder), "builder");
	for (unsigned int minute = 0; minute < MINUTES && !is("empty"); minute++)
		add_minute(minutes, builder, &next, minute);
	block_builder__free(builder);
	minutes__free(minutes);
	recording__close(rec);
	return 0;
}

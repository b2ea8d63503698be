// SPDX-License-Identifier: GPL-2.0
/*
 * fill FILE SIZE_MIB: a recording that has grown to its size, for who measures how fast one is
 * read. Each minute has as many sums as a minute may have (1,000), 3,000 single events, and samples.
 * Ends once the file is full and its oldest minutes go, and prints the last minute, in seconds since
 * the epoch.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store/block.h"
#include "store/recording.h"

#define MINUTE_NS 60000000000ULL
#define BEGIN_NS (1790000000ULL / 60 * MINUTE_NS)
#define WHOS 200
#define FLOWS 5 /* of each */
#define ROWS 3000
#define SAMPLES 6

struct filling {
	struct recording *rec;
	struct block_builder *builder;
	uint32_t who, flow; /* the first */
	uint64_t row;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "fill: %s: %s\n", what, strerror(-err));
	exit(1);
}

static struct tws_event event_of(uint32_t who, uint32_t flow)
{
	struct tws_event ev = { .action = TWS_TIME_WAIT, .family = AF_INET, .netns = 4026531840U,
				.peer_port = (uint16_t)(8000 + flow), .local_addr = { 10, 0, 0, 5 },
				.peer_addr = { 10, 1, (uint8_t)(who >> 8), (uint8_t)who } };

	ev.conn.side = TWS_SIDE_CLIENT;
	ev.conn.cause = TWS_CAUSE_CLOSE;
	ev.conn.flags = TWS_F_ACTIVE | TWS_F_CLOSER;
	ev.conn.tgid = ev.conn.tid = ev.conn.ns_tgid = 1000 + who;
	snprintf(ev.conn.comm, sizeof(ev.conn.comm), "process%u", who);
	return ev;
}

/* All that minutes refer to, anew: as a new epoch wants it. */
static void add_names(struct filling *f)
{
	for (uint32_t i = 0; i < WHOS; i++) {
		struct held_who who = { .id = f->who + i, .has_uid = true, .uid = i,
					.command_line = "/usr/bin/process --option value",
					.cgroup_path = "/system.slice/process.service",
					.workload.unit = "process.service" };

		snprintf(who.comm, sizeof(who.comm), "process%u", i);
		recording__add_who(f->rec, &who);
		for (uint32_t j = 0; j < FLOWS; j++) {
			struct tws_event ev = event_of(i, j);
			struct held_flow flow = { .id = f->flow + i * FLOWS + j, .netns = ev.netns,
						  .family = AF_INET, .peer_len = 32,
						  .side = ev.conn.side, .cause = ev.conn.cause,
						  .action = ev.action, .peer_port = ev.peer_port };

			memcpy(flow.local_addr, ev.local_addr, 16);
			memcpy(flow.peer_addr, ev.peer_addr, 16);
			recording__add_flow(f->rec, &flow);
		}
	}
}

static void add_minutes(struct filling *f, uint64_t wall_ns)
{
	for (uint32_t i = 0; i < WHOS * FLOWS; i++) {
		struct held_minute minute = { .wall_ns = wall_ns, .who = f->who + i / FLOWS,
					      .flow = f->flow + i,
					      .count = 3 + (wall_ns / MINUTE_NS * 7 + i) % 40,
					      .tx_bytes = 1000 * i, .rx_bytes = 70000 + i };

		minute.lifetimes = minute.count;
		minute.lifetime_ns = minute.count * 2000000;
		minute.buckets[held__lifetime_bucket(2000000)] = (uint32_t)minute.count;
		recording__add_minute(f->rec, &minute);
	}
}

static void add_rows(struct filling *f, uint64_t wall_ns)
{
	struct held_block block = { .first_row = f->row, .rows = ROWS, .run = 1, .since_ns = wall_ns };
	int err = 0;

	block_builder__clear(f->builder);
	for (uint32_t i = 0; i < ROWS && !err; i++) {
		struct held_row row = { .event = event_of(i % WHOS, i % FLOWS),
					.wall_ns = wall_ns + i * (MINUTE_NS / ROWS),
					.who = f->who + i % WHOS };
		uint64_t n = f->row + i;

		row.event.time_ns = row.wall_ns - BEGIN_NS + MINUTE_NS;
		row.event.conn.open_ns = row.event.time_ns - 1000000 - n * 7919 % 2000000;
		row.event.cookie = n;
		row.event.local_port = (uint16_t)(32768 + n % 28000);
		row.event.tx_bytes = n * 2654435761U % 4096;
		row.event.rx_bytes = n * 40503 % 65536;
		block.until_ns = row.wall_ns;
		err = block_builder__add(f->builder, &row);
	}
	err = err ? err : block_builder__encode(f->builder, 0, 3, &block.data, &block.size);
	if (err)
		die("a block", err);
	recording__add_block(f->rec, &block);
	f->row += ROWS;
	recording__set_counted(f->rec, f->row);
}

static void add_samples(struct filling *f, uint64_t wall_ns)
{
	struct held_ports ports = { .wall_ns = wall_ns, .family = AF_INET, .scope = HELD_PORTS_PEER,
				    .usable = 28232, .left = 20000, .has_left = true,
				    .time_wait = 8232 };

	for (uint64_t i = 0; i < SAMPLES; i++) {
		struct held_states states = { .wall_ns = wall_ns + i * (MINUTE_NS / SAMPLES) };

		states.states[6] = 9000 + wall_ns / MINUTE_NS % 977;
		recording__add_states(f->rec, &states);
	}
	for (uint8_t i = 0; i < 10; i++) {
		ports.key.peer_addr[3] = i;
		ports.key.peer_port = 80;
		recording__add_ports(f->rec, &ports);
	}
}

static int add_minute(struct filling *f, uint64_t wall_ns)
{
	int err = recording__begin(f->rec);

	if (err)
		return err;
	add_minutes(f, wall_ns);
	add_rows(f, wall_ns);
	add_samples(f, wall_ns);
	err = recording__commit(f->rec, wall_ns + MINUTE_NS);
	if (err || !recording__epoch_is_over(f->rec))
		return err;
	recording__begin_epoch(f->rec);
	f->who += WHOS;
	f->flow += WHOS * FLOWS;
	err = recording__begin(f->rec);
	if (err)
		return err;
	add_names(f);
	return recording__commit(f->rec, wall_ns + MINUTE_NS);
}

static bool is_full(const struct filling *f)
{
	struct recording_reach reach;

	recording__reach(f->rec, &reach);
	return reach.minutes_since_ns > BEGIN_NS;
}

int main(int argc, char **argv)
{
	uint64_t size_mib = argc == 3 ? strtoull(argv[2], NULL, 10) : 0, wall_ns = BEGIN_NS;
	const struct recording_options opts = { .size_bytes = size_mib << 20, .raw_percent = 25 };
	const struct held_run run = { .since_ns = BEGIN_NS, .version = "0", .kernel = "6.18",
				      .host = "bench", .zone = "UTC", .all = true };
	struct filling f = { 0 };
	struct store_failure failure;
	struct recording_next next;
	int err;

	if (!size_mib) {
		fputs("usage: fill FILE SIZE_MIB\n", stderr);
		return 2;
	}
	err = recording__open(&f.rec, argv[1], &opts, &run, &failure);
	if (err || block_builder__new(&f.builder))
		die(argv[1], err);
	recording__next(f.rec, &next);
	f.who = next.who;
	f.flow = next.flow;
	f.row = next.row;
	err = recording__begin(f.rec);
	add_names(&f);
	err = err ? err : recording__commit(f.rec, BEGIN_NS);
	for (; !err && !is_full(&f); wall_ns += MINUTE_NS)
		err = add_minute(&f, wall_ns);
	if (err)
		die("a minute", err);
	recording__close(f.rec);
	block_builder__free(f.builder);
	printf("%" PRIu64 "\n", wall_ns / 1000000000);
	return 0;
}

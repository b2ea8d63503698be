// SPDX-License-Identifier: GPL-2.0
/*
 * store: what a recording's file costs. A day of minutes at 1,000 closes a second; a second as
 * a recorder commits it; and a file of 1 GiB (64 MiB with --quick) of which any minute is asked
 * for, with nothing of it in the page cache. The rows are made up. The file is made in TMPDIR, or
 * /var/tmp, and removed.
 *
 * Prints a JSON object a line: cost.py makes a table of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/block.h"
#include "store/history.h"
#include "store/minutes.h"
#include "store/recording.h"

#define NS_PER_S 1000000000ULL
#define MINUTE_NS (60 * NS_PER_S)
#define BEGIN_NS (1795329600ULL * NS_PER_S)
#define ASKED 40 /* minutes */

static char path[256];
static bool quick;

static void die(const char *what, int err)
{
	fprintf(stderr, "store: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ---- chance, the same in each run ---- */

static uint64_t chance = 0x2545f4914f6cdd1dULL;

static uint32_t roll(uint32_t sides)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)((chance >> 32) * sides >> 32);
}

/* Few of the numbers below @sides come often. */
static uint32_t skewed(uint32_t sides)
{
	return (uint32_t)((uint64_t)roll(sides) * roll(65536) / 65536 * roll(65536) / 65536);
}

/* ---- rows ---- */

/* Processes, and the ways that each of them has. */
struct traffic {
	const char *name;
	uint32_t clients, remotes; /* remote ends of a client */
	uint32_t servers, networks; /* /24s that each of them is reached from */
};

static const struct traffic traffics[] = {
	{ "20 clients with 6 remotes each, 10 servers with 20 /24s each", 20, 6, 10, 20 },
	{ "a public server, 20,000 /24s", 2, 6, 1, 20000 },
};

static void make_row(const struct traffic *traffic, uint64_t wall_ns, struct held_row *row)
{
	uint32_t who = roll(traffic->clients + traffic->servers);
	struct tws_event *ev = &row->event;
	uint32_t way;

	*row = (struct held_row){ .wall_ns = wall_ns, .who = who + 1 };
	ev->action = TWS_TIME_WAIT;
	ev->family = AF_INET;
	ev->netns = 4026531840;
	ev->time_ns = wall_ns - BEGIN_NS + NS_PER_S;
	ev->cookie = ev->time_ns;
	ev->tx_bytes = 100 + roll(5000);
	ev->rx_bytes = 200 + roll(50000);
	ev->conn.open_ns = ev->time_ns - (1000000ULL << roll(8)) - roll(1000000);
	ev->conn.cause = TWS_CAUSE_CLOSE;
	memcpy(ev->local_addr, (uint8_t[]){ 10, 0, 0, 5 }, 4);
	if (who < traffic->clients) {
		way = skewed(traffic->remotes);
		ev->conn.side = TWS_SIDE_CLIENT;
		memcpy(ev->peer_addr, (uint8_t[]){ 10, 0, (uint8_t)who, (uint8_t)way }, 4);
		ev->peer_port = (uint16_t)(8000 + way);
		ev->local_port = (uint16_t)(32768 + roll(28232));
		return;
	}
	way = skewed(traffic->networks);
	ev->conn.side = TWS_SIDE_SERVER;
	memcpy(ev->peer_addr, (uint8_t[]){ 203, (uint8_t)(way >> 8), (uint8_t)way, (uint8_t)roll(256) },
	       4);
	ev->local_port = (uint16_t)(443 + who);
	ev->peer_port = (uint16_t)(1024 + roll(64000));
}

/* ---- a recorder ---- */

struct writer {
	struct recording *rec;
	struct minutes *minutes;
	struct block_builder *builder;
	uint64_t row;
	uint32_t next_who;
};

static void remove_file(void)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char name[272];

	for (unsigned int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

static void begin(struct writer *w, uint64_t size_bytes, unsigned int raw_percent)
{
	const struct recording_options opts = { .size_bytes = size_bytes, .raw_percent = raw_percent };
	const struct held_run run = { .since_ns = BEGIN_NS, .version = "0", .host = "bench" };
	struct store_failure failure;

	remove_file();
	memset(w, 0, sizeof(*w));
	if (recording__open(&w->rec, path, &opts, &run, &failure)) {
		fprintf(stderr, "store: %s\n", failure.text);
		exit(1);
	}
	if (minutes__new(&w->minutes, 1) || block_builder__new(&w->builder))
		die("memory", ENOMEM);
	w->row = w->next_who = 1;
}

static void end(struct writer *w)
{
	recording__close(w->rec);
	minutes__free(w->minutes);
	block_builder__free(w->builder);
}

static int add_flow(void *ctx, const struct held_flow *flow)
{
	return recording__add_flow(ctx, flow);
}

static int add_minute(void *ctx, const struct held_minute *minute)
{
	return recording__add_minute(ctx, minute);
}

static void add_whos(struct writer *w, uint32_t count)
{
	for (; w->next_who <= count; w->next_who++) {
		struct held_who who = { .id = w->next_who, .has_uid = true, .uid = 33,
					.command_line = "/usr/sbin/service --config /etc/service.conf",
					.workload.container_name = "web-1" };

		snprintf(who.comm, sizeof(who.comm), "service-%u", w->next_who);
		recording__add_who(w->rec, &who);
	}
}

static void add_block(struct writer *w, uint32_t from, bool is_tail, uint64_t since_ns,
		      uint64_t until_ns)
{
	uint32_t rows = block_builder__count(w->builder);
	struct held_block block = {
		.first_row = w->row - rows + from, .rows = rows - from, .run = 1,
		.since_ns = since_ns, .until_ns = until_ns, .is_tail = is_tail,
	};

	if (block_builder__encode(w->builder, from, 1, &block.data, &block.size))
		die("encode", ENOMEM);
	recording__add_block(w->rec, &block);
}

static void end_minute(struct writer *w, const struct traffic *traffic, uint64_t wall_ns, bool raw)
{
	const struct minutes_sink sink = { add_flow, add_minute, w->rec };
	int err;

	recording__begin(w->rec);
	add_whos(w, traffic->clients + traffic->servers);
	err = minutes__flush(w->minutes, &sink);
	if (!err && raw)
		add_block(w, 0, false, wall_ns - MINUTE_NS, wall_ns);
	recording__set_counted(w->rec, w->row);
	err = recording__commit(w->rec, wall_ns);
	if (err)
		die("commit", err);
	minutes__flushed(w->minutes);
	block_builder__clear(w->builder);
	/* Who has other ids in a new epoch; that is left out here. */
	if (recording__epoch_is_over(w->rec)) {
		recording__begin_epoch(w->rec);
		minutes__forget_flows(w->minutes);
	}
}

static double used_bytes(void)
{
	sqlite3_stmt *stmt = NULL;
	double bytes = 0;
	sqlite3 *db;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT (page_count - freelist_count) * 4096 FROM "
			       "pragma_page_count, pragma_freelist_count", -1, &stmt, NULL) != SQLITE_OK)
		die("look", EIO);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		bytes = sqlite3_column_double(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return bytes;
}

/* ---- a day of minutes ---- */

static void measure_day(const struct traffic *traffic)
{
	const unsigned int minutes = quick ? 10 : 1440, a_minute = 60000;
	uint64_t began_ns, count_ns = 0, write_ns = 0;
	struct writer w;
	double bytes;

	begin(&w, 256 << 20, 0);
	for (unsigned int minute = 0; minute < minutes; minute++) {
		began_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
		for (unsigned int i = 0; i < a_minute; i++) {
			struct held_row row;

			make_row(traffic, BEGIN_NS + minute * MINUTE_NS + i * (MINUTE_NS / a_minute), &row);
			if (minutes__add(w.minutes, &row))
				die("count", ENOMEM);
		}
		count_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
		w.row += a_minute;
		began_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
		end_minute(&w, traffic, BEGIN_NS + (minute + 1) * MINUTE_NS, false);
		write_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
	}
	end(&w);
	bytes = used_bytes();
	printf("{\"day\":\"%s\",\"megabytes\":%.2f,\"count_ns\":%.0f,\"write_us\":%.0f}\n",
	       traffic->name, bytes / 1e6 * 1440 / minutes, (double)count_ns / a_minute / minutes,
	       (double)write_ns / 1e3 / minutes);
	fflush(stdout);
	remove_file();
}

/* ---- a second ---- */

static void measure_second(uint32_t rows)
{
	const unsigned int seconds = quick ? 5 : 50;
	const struct traffic *traffic = &traffics[0];
	uint64_t cpu_ns = 0, began_ns;
	struct writer w;

	begin(&w, 1 << 30, 25);
	for (unsigned int second = 0; second < seconds; second++) {
		uint64_t wall_ns = BEGIN_NS + second * NS_PER_S;
		uint32_t from = block_builder__count(w.builder);

		if (from + rows > BLOCK_ROWS) {
			block_builder__clear(w.builder);
			from = 0;
		}
		for (uint32_t i = 0; i < rows; i++) {
			struct held_row row;

			make_row(traffic, wall_ns, &row);
			if (block_builder__add(w.builder, &row))
				die("add", ENOMEM);
		}
		w.row += rows;
		began_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
		recording__begin(w.rec);
		add_block(&w, from, true, wall_ns, wall_ns);
		if (recording__commit(w.rec, wall_ns))
			die("commit", EIO);
		cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
	}
	end(&w);
	printf("{\"rows_a_second\":%u,\"commit_us\":%.0f}\n", rows, (double)cpu_ns / 1e3 / seconds);
	fflush(stdout);
	remove_file();
}

/* ---- any minute ---- */

static int count_minute(void *ctx, const struct held_minute *minute)
{
	*(uint64_t *)ctx += minute->count;
	return 0;
}

static void forget_cache(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fdatasync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die("forget the page cache", errno);
	close(fd);
}

static uint64_t read_rows(struct history *history, const struct history_span *span)
{
	struct history_cursor *cursor;
	const struct block *block;
	struct held_block meta;
	struct held_row row;
	uint64_t rows = 0;

	if (history_cursor__new(&cursor, history, span))
		die("memory", ENOMEM);
	while (history_cursor__next(cursor, &block, &meta) > 0)
		for (uint32_t i = 0; i < block__count(block); i++) {
			block__row(block, i, &row);
			rows += row.wall_ns >= span->since_ns && row.wall_ns < span->until_ns;
		}
	history_cursor__free(cursor);
	return rows;
}

/* Opened anew, and asked for what there is and for one minute. Returns ns. */
static uint64_t ask(uint64_t minute, bool raw, uint64_t *counted)
{
	const struct history_span span = { BEGIN_NS + minute * MINUTE_NS,
					   BEGIN_NS + (minute + 1) * MINUTE_NS };
	struct history_status status;
	struct store_failure failure;
	struct history *history;
	uint64_t began_ns;

	forget_cache();
	began_ns = now_ns(CLOCK_MONOTONIC);
	if (history__open(&history, path, &failure) || history__status(history, &status))
		die("open", EIO);
	*counted = 0;
	if (raw)
		*counted = read_rows(history, &span);
	else if (history__each_minute(history, &span, count_minute, counted))
		die("read", EIO);
	history__close(history);
	return now_ns(CLOCK_MONOTONIC) - began_ns;
}

static int by_value(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void measure_asking(const char *what, bool raw, uint64_t first, uint64_t last)
{
	uint64_t ns[ASKED], counted;

	for (unsigned int i = 0; i < ASKED; i++) {
		ns[i] = ask(first + roll((uint32_t)(last - first)), raw, &counted);
		if (!counted)
			die("a minute is empty", ENODATA);
	}
	qsort(ns, ASKED, sizeof(ns[0]), by_value);
	printf("{\"ask\":\"%s\",\"median_ms\":%.1f,\"max_ms\":%.1f}\n", what, (double)ns[ASKED / 2] / 1e6,
	       (double)ns[ASKED - 1] / 1e6);
	fflush(stdout);
}

/* Until it no longer grows. */
static void measure_large(void)
{
	const uint64_t size_bytes = quick ? 64 << 20 : 1 << 30;
	const struct traffic *traffic = &traffics[1];
	struct history_status status = { 0 };
	struct store_failure failure;
	struct history *history;
	uint64_t minute = 0, first_raw, bytes = 0, grown = 0;
	struct writer w;
	struct stat st;

	begin(&w, size_bytes, 25);
	do {
		uint32_t rows = quick ? 20000 : 6000;

		for (uint32_t i = 0; i < rows; i++) {
			struct held_row row;

			make_row(traffic, BEGIN_NS + minute * MINUTE_NS + i * (MINUTE_NS / rows), &row);
			if (block_builder__add(w.builder, &row) || minutes__add(w.minutes, &row))
				die("add", ENOMEM);
		}
		w.row += rows;
		end_minute(&w, traffic, BEGIN_NS + ++minute * MINUTE_NS, true);
		if (stat(path, &st))
			die("look", errno);
		if ((uint64_t)st.st_size > bytes)
			grown = minute;
		bytes = (uint64_t)st.st_size;
	} while (bytes < size_bytes / 2 || minute < grown + 500);
	end(&w);
	if (history__open(&history, path, &failure) || history__status(history, &status))
		die("open", EIO);
	history__close(history);
	first_raw = (status.raw.since_ns - BEGIN_NS) / MINUTE_NS + 1;
	printf("{\"file\":%.0f,\"minutes\":%.0f,\"minute_rows\":%.0f,\"raw_rows\":%.0f}\n",
	       (double)st.st_size, (double)minute, (double)status.minute_rows, (double)status.raw_rows);
	fflush(stdout);
	measure_asking("its status and the sums of any minute", false,
		       (status.minutes.since_ns - BEGIN_NS) / MINUTE_NS, minute);
	measure_asking("its status and the events of any minute", true, first_raw, minute);
	remove_file();
}

int main(int argc, char **argv)
{
	const char *dir = getenv("TMPDIR");

	quick = argc > 1 && !strcmp(argv[1], "--quick");
	snprintf(path, sizeof(path), "%s/twsnoop-bench-%d.db", dir ? dir : "/var/tmp", (int)getpid());
	atexit(remove_file);
	for (unsigned int i = 0; i < sizeof(traffics) / sizeof(traffics[0]); i++)
		measure_day(&traffics[i]);
	measure_second(1000);
	measure_second(20000);
	measure_large();
	return 0;
}

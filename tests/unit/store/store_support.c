// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/store/store_support.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/hash.h"
#include "tests/unit/support.h"

char *store_support__path(void)
{
	/* Without a disk below it: nothing is waited for. */
	const char *tmp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	char *dir = NULL, *path = NULL;

	if (asprintf(&dir, "%s/twsnoop-store-XXXXXX", tmp) < 0 || !mkdtemp(dir) ||
	    asprintf(&path, "%s/recording.db", dir) < 0)
		abort();
	free(dir);
	return path;
}

void store_support__remove(char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

	for (unsigned int i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *name = NULL;

		if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
			abort();
		unlink(name);
		free(name);
	}
	*strrchr(path, '/') = '\0';
	rmdir(path);
	free(path);
}

uint64_t store_support__bytes(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *name = NULL;
		struct stat st;

		if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
			abort();
		if (!stat(name, &st))
			bytes += (uint64_t)st.st_size;
		free(name);
	}
	return bytes;
}

struct held_run store_support__run(uint64_t since_ns)
{
	return (struct held_run){
		.since_ns = since_ns, .boot_id = "01234567-89ab-cdef-0123-456789abcdef",
		.version = "0.1.0", .kernel = "6.18.0", .host = "web1", .zone = "CET", .all = true,
	};
}

int writer__open(struct writer *w, const char *path, const struct recording_options *opts,
		 uint64_t now_ns, uint32_t num_whos, struct store_failure *failure)
{
	struct held_run run = store_support__run(now_ns);
	struct recording_next next;
	int err;

	memset(w, 0, sizeof(*w));
	err = recording__open(&w->rec, path, opts, &run, failure);
	if (err)
		return err;
	recording__next(w->rec, &next);
	if (minutes__new(&w->minutes, next.flow) || block_builder__new(&w->builder))
		abort();
	w->row = w->first_row = next.row;
	w->run = next.run;
	w->num_whos = num_whos;
	w->first_who = next.who;
	w->next_who = next.who;
	w->minute = now_ns / MINUTE_NS;
	return 0;
}

static void make_row(struct writer *w, uint64_t now_ns, struct held_row *row)
{
	uint32_t n = (uint32_t)w->made++;

	*row = (struct held_row){ .wall_ns = now_ns, .who = w->first_who + n % w->num_whos };
	support__event(&row->event);
	row->event.conn.side = n % 3 ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER;
	row->event.conn.open_ns = row->event.time_ns - n % 1000 * 100000;
	row->event.local_port = row->event.conn.side == TWS_SIDE_CLIENT ? (uint16_t)(32768 + n % 20000) : 443;
	row->event.peer_port = (uint16_t)(row->event.conn.side == TWS_SIDE_CLIENT ? 80 + n % 7 :
										      40000 + n % 9999);
	row->event.peer_addr[3] = (uint8_t)(n * 7);
	/* Nothing that compresses. */
	row->event.tx_bytes = hash__number(1, n) >> 24;
	row->event.rx_bytes = hash__number(2, n) >> 24;
	row->event.cookie = n;
}

static void add_whos(struct writer *w)
{
	for (; w->next_who < w->first_who + w->num_whos; w->next_who++) {
		struct held_who who = {
			.id = w->next_who, .has_uid = true, .uid = 33,
			.command_line = "nginx: worker process", .cgroup_path = "/system.slice/web.service",
			.workload.unit = "web.service",
		};

		snprintf(who.comm, sizeof(who.comm), "proc%u", w->next_who - w->first_who);
		recording__add_who(w->rec, &who);
	}
}

static int add_flow(void *ctx, const struct held_flow *flow)
{
	return recording__add_flow(ctx, flow);
}

static int add_minute(void *ctx, const struct held_minute *minute)
{
	return recording__add_minute(ctx, minute);
}

static void add_block(struct writer *w, uint32_t from, bool is_tail)
{
	struct held_block block = {
		.first_row = w->first_row + from, .rows = block_builder__count(w->builder) - from,
		.run = w->run, .since_ns = w->since_ns, .until_ns = w->until_ns, .is_tail = is_tail,
	};

	if (!block.rows)
		return;
	if (block_builder__encode(w->builder, from, 3, &block.data, &block.size))
		abort();
	recording__add_block(w->rec, &block);
}

int writer__end_minute(struct writer *w, uint64_t now_ns)
{
	const struct minutes_sink sink = { add_flow, add_minute, w->rec };
	uint32_t next_who = w->next_who;
	int err;

	recording__begin(w->rec);
	add_whos(w);
	minutes__flush(w->minutes, &sink);
	add_block(w, 0, false);
	recording__set_counted(w->rec, w->row);
	err = recording__commit(w->rec, now_ns);
	if (err) {
		w->next_who = next_who;
		return err;
	}
	minutes__flushed(w->minutes);
	block_builder__clear(w->builder);
	w->first_row = w->row;
	w->told = 0;
	w->minute = now_ns / MINUTE_NS;
	if (!recording__epoch_is_over(w->rec))
		return 0;
	recording__begin_epoch(w->rec);
	minutes__forget_flows(w->minutes);
	w->first_who = w->next_who;
	return 0;
}

int writer__second(struct writer *w, uint64_t now_ns, uint32_t rows)
{
	uint32_t next_who;
	int err = 0;

	if (now_ns / MINUTE_NS != w->minute || block_builder__count(w->builder) + rows > BLOCK_ROWS)
		err = writer__end_minute(w, now_ns);
	if (err)
		return err;
	if (!block_builder__count(w->builder))
		w->since_ns = now_ns;
	for (uint32_t i = 0; i < rows; i++) {
		struct held_row row;

		make_row(w, now_ns, &row);
		if (block_builder__add(w->builder, &row))
			abort();
		if (minutes__add(w->minutes, &row))
			abort();
		w->row++;
	}
	w->until_ns = now_ns;
	next_who = w->next_who;
	recording__begin(w->rec);
	add_whos(w);
	add_block(w, w->told, true);
	err = recording__commit(w->rec, now_ns);
	if (err)
		w->next_who = next_who;
	else
		w->told = block_builder__count(w->builder);
	return err;
}

void writer__close(struct writer *w)
{
	recording__close(w->rec);
	minutes__free(w->minutes);
	block_builder__free(w->builder);
}

struct history *store_support__open_history(const char *path)
{
	struct history *history = NULL;
	struct store_failure failure;
	int err = history__open(&history, path, &failure);

	if (!err)
		return history;
	fprintf(stderr, "%s: %d: %s\n", path, err, failure.text);
	abort();
}

int64_t store_support__ask(const char *path, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	int64_t number;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW) {
		fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
		abort();
	}
	number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return number;
}

bool store_support__is_whole(const char *path)
{
	return store_support__ask(path, "SELECT count(*) = 1 AND max(integrity_check) = 'ok' "
					"FROM pragma_integrity_check");
}

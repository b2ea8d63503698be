// SPDX-License-Identifier: GPL-2.0
/* What each row of a recording says. What cannot be is left out, or not known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "store/db.h"
#include "store/histogram.h"
#include "store/history_file.h"

#define COUNTERS_BEFORE_NS (3 * 60 * HISTORY_NS_PER_MINUTE)
#define KEPT_LAST 65536

static bool is_in(const struct history_span *span, uint64_t ns)
{
	return ns >= span->since_ns && (!span->until_ns || ns < span->until_ns);
}

/* Both ends are in it. */
static bool overlaps(const struct history_span *span, uint64_t since_ns, uint64_t until_ns)
{
	return until_ns >= span->since_ns && (!span->until_ns || since_ns < span->until_ns);
}

static int64_t signed_ns(uint64_t ns)
{
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* Of what stands at a moment. */
static int read_span(struct history *history, const struct history_reading *reading,
		     const struct history_span *span, history_item_fn fn, void *ctx)
{
	return history__read(history, reading, span, signed_ns(span->since_ns) - 1,
			     span->until_ns ? signed_ns(span->until_ns) : INT64_MAX, fn, ctx);
}

/* Of what is found by looking at all of it. */
static int read_all(struct history *history, const struct history_reading *reading,
		    const struct history_span *span, history_item_fn fn, void *ctx)
{
	return history__read(history, reading, span, -1, INT64_MAX, fn, ctx);
}

/* Two types of functions that differ by what they are given. */
#define EACH(name, type, read, reading)                                                            \
	struct name##_call {                                                                       \
		history_##name##_fn fn;                                                            \
		void *ctx;                                                                         \
	};                                                                                         \
	static int call_##name(void *ctx, const void *item)                                        \
	{                                                                                          \
		const struct name##_call *call = ctx;                                              \
		return call->fn(call->ctx, (const struct type *)item);                             \
	}                                                                                          \
	static int each_##name(struct history *history, const struct history_span *span,           \
			       history_##name##_fn fn, void *ctx)                                  \
	{                                                                                          \
		struct name##_call call = { fn, ctx };                                             \
		return read(history, reading, span, call_##name, &call);                           \
	}

/* ---- runs ---- */

static int fill_run(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		    struct history_arena *arena)
{
	struct held_run *run = item;
	bool failed = false;
	const char *boot;
	size_t len;

	*run = (struct held_run){
		.id = db__column_u32(stmt, 9), .since_ns = db__column_u64(stmt, 0),
		.until_ns = db__column_u64(stmt, 1), .all = db__column_u64(stmt, 7),
		.calls = db__column_u64(stmt, 8),
	};
	if (!run->id || !overlaps(span, run->since_ns, run->until_ns))
		return 0;
	boot = db__column_bytes(stmt, 2, &len);
	if (boot)
		memcpy(run->boot_id, boot, len < 36 ? len : 36);
	run->version = arena__copy(arena, stmt, 3, &failed);
	run->kernel = arena__copy(arena, stmt, 4, &failed);
	run->host = arena__copy(arena, stmt, 5, &failed);
	run->zone = arena__copy(arena, stmt, 6, &failed);
	run->filter = arena__copy(arena, stmt, 10 + 2, &failed);
	return failed ? -ENOMEM : 1;
}

static const struct history_reading runs = {
	.table = "run", .damaged = "damaged: runs", .columns = 9,
	.item_bytes = sizeof(struct held_run),
	.sql = "SELECT since_ns, until_ns, boot_id, version, kernel, host, zone, has_all, "
	       "has_calls, id, 0, 0, filter FROM run WHERE (id, 0, 0) > (?1, ?2, ?3) AND id < ?4 "
	       "ORDER BY id LIMIT ?5",
	.fill = fill_run,
};
EACH(run, held_run, read_all, &runs)

int history__each_run(struct history *history, const struct history_span *span, history_run_fn fn,
		      void *ctx)
{
	return each_run(history, span, fn, ctx);
}

/* ---- blocks ---- */

static int fill_block(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		      struct history_arena *arena)
{
	struct held_block *block = item;

	(void)arena;
	*block = (struct held_block){
		.first_row = db__column_u64(stmt, 7), .rows = db__column_u32(stmt, 0),
		.run = db__column_u32(stmt, 1), .since_ns = db__column_u64(stmt, 2),
		.until_ns = db__column_u64(stmt, 3), .is_tail = db__column_u64(stmt, 4),
		.keep = db__column_u64(stmt, 5), .size = db__column_u64(stmt, 6),
	};
	return block->first_row && block->rows && block->rows <= BLOCK_ROWS &&
	       overlaps(span, block->since_ns, block->until_ns);
}

static const struct history_reading blocks = {
	.table = "block", .damaged = "damaged: the list of raw blocks", .columns = 7,
	.item_bytes = sizeof(struct held_block),
	.sql = "SELECT rows, run, since_ns, until_ns, is_tail, keep, bytes, first_row, 0, 0 FROM "
	       "block WHERE (first_row, 0, 0) > (?1, ?2, ?3) AND first_row < ?4 ORDER BY first_row "
	       "LIMIT ?5",
	.fill = fill_block,
};
EACH(block, held_block, read_all, &blocks)

int history__each_block(struct history *history, const struct history_span *span,
			history_block_fn fn, void *ctx)
{
	return each_block(history, span, fn, ctx);
}

int history__read_blocks(struct history *history, const struct history_span *span,
			 uint64_t first_row, history_block_fn fn, void *ctx)
{
	struct block_call call = { fn, ctx };

	return history__read(history, &blocks, span, signed_ns(first_row) - 1, INT64_MAX,
			     call_block, &call);
}

/* ---- minutes ---- */

static int fill_minute(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		       struct history_arena *arena)
{
	struct held_minute *minute = item;
	uint64_t at = db__column_u64(stmt, 6);

	(void)span;
	(void)arena;
	if (at > UINT64_MAX / HISTORY_NS_PER_MINUTE)
		return 0;
	*minute = (struct held_minute){
		.wall_ns = at * HISTORY_NS_PER_MINUTE, .who = db__column_u32(stmt, 7),
		.flow = db__column_u32(stmt, 8), .count = db__column_u64(stmt, 0),
		.tx_bytes = db__column_u64(stmt, 1), .rx_bytes = db__column_u64(stmt, 2),
		.lifetime_ns = db__column_u64(stmt, 3), .lifetimes = db__column_u64(stmt, 4),
	};
	if (sqlite3_column_type(stmt, 4) != SQLITE_INTEGER)
		minute->lifetimes = minute->count;
	if (sqlite3_column_type(stmt, 5) == SQLITE_BLOB) {
		const uint8_t *bytes = sqlite3_column_blob(stmt, 5);

		histogram__decode(bytes, bytes ? (size_t)sqlite3_column_bytes(stmt, 5) : 0, minute);
	} else {
		histogram__decode(NULL, 0, minute);
	}
	return minute->count > 0;
}

static const struct history_reading minutes = {
	.table = "minute", .damaged = "damaged: minutes", .columns = 6,
	.item_bytes = sizeof(struct held_minute), .key_ns = HISTORY_NS_PER_MINUTE,
	.sql = "SELECT count, tx_bytes, rx_bytes, lifetime_ns, lifetimes, histogram, minute, who, "
	       "flow FROM minute WHERE (minute, who, flow) > (?1, ?2, ?3) AND minute < ?4 "
	       "ORDER BY minute, who, flow LIMIT ?5",
	.fill = fill_minute,
};

static int read_minutes(struct history *history, const struct history_reading *reading,
			const struct history_span *span, history_item_fn fn, void *ctx)
{
	uint64_t end = span->until_ns / HISTORY_NS_PER_MINUTE +
		       (span->until_ns % HISTORY_NS_PER_MINUTE != 0);

	return history__read(history, reading, span,
			     (int64_t)(span->since_ns / HISTORY_NS_PER_MINUTE) - 1,
			     span->until_ns ? (int64_t)end : INT64_MAX, fn, ctx);
}
EACH(minute, held_minute, read_minutes, &minutes)

int history__each_minute(struct history *history, const struct history_span *span,
			 history_minute_fn fn, void *ctx)
{
	return each_minute(history, span, fn, ctx);
}

/* ---- samples ---- */

static int fill_states(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		       struct history_arena *arena)
{
	struct held_states *states = item;
	bool failed = false;

	(void)span;
	*states = (struct held_states){
		.wall_ns = db__column_u64(stmt, 13), .netns = db__column_u32(stmt, 14),
		.fin_wait2_minis = db__column_u64(stmt, 12),
	};
	for (int i = 1; i < HELD_STATES; i++)
		states->states[i] = db__column_u64(stmt, i);
	states->netns_name = arena__copy(arena, stmt, 0, &failed);
	return failed ? -ENOMEM : 1;
}

static const struct history_reading states_of = {
	.table = "states", .damaged = "damaged: samples of states", .columns = 13,
	.item_bytes = sizeof(struct held_states), .key_ns = 1,
	.sql = "SELECT netns_name, established, syn_sent, syn_recv, fin_wait1, fin_wait2, "
	       "time_wait, close, close_wait, last_ack, listen, closing, fin_wait2_minis, at_ns, "
	       "netns, 0 FROM states WHERE (at_ns, netns, 0) > (?1, ?2, ?3) AND at_ns < ?4 "
	       "ORDER BY at_ns, netns LIMIT ?5",
	.fill = fill_states,
};
EACH(states, held_states, read_span, &states_of)

int history__each_states(struct history *history, const struct history_span *span,
			 history_states_fn fn, void *ctx)
{
	return each_states(history, span, fn, ctx);
}

static int32_t setting(sqlite3_stmt *stmt, int column)
{
	uint32_t value = db__column_u32(stmt, column);

	if (sqlite3_column_type(stmt, column) != SQLITE_INTEGER || value > INT32_MAX)
		return -1;
	return (int32_t)value;
}

static int fill_limits(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		       struct history_arena *arena)
{
	struct held_limits *limits = item;
	bool failed = false;

	(void)span;
	*limits = (struct held_limits){
		.wall_ns = db__column_u64(stmt, 9), .netns = db__column_u32(stmt, 10),
		.max_tw_buckets = db__column_u64(stmt, 1),
		.fin_timeout_ms = db__column_u64(stmt, 2),
		.reuse_delay_ms = db__column_u64(stmt, 3), .tw_reuse = setting(stmt, 4),
		.timestamps = setting(stmt, 5), .first_port = db__column_u32(stmt, 6),
		.last_port = db__column_u32(stmt, 7), .usable_ports = db__column_u32(stmt, 8),
	};
	limits->netns_name = arena__copy(arena, stmt, 0, &failed);
	return failed ? -ENOMEM : 1;
}

static const struct history_reading limits_of = {
	.table = "limits", .damaged = "damaged: limits", .columns = 9,
	.item_bytes = sizeof(struct held_limits), .key_ns = 1,
	.sql = "SELECT netns_name, max_tw_buckets, fin_timeout_ms, reuse_delay_ms, tw_reuse, "
	       "timestamps, first_port, last_port, usable_ports, at_ns, netns, 0 FROM limits "
	       "WHERE (at_ns, netns, 0) > (?1, ?2, ?3) AND at_ns < ?4 ORDER BY at_ns, netns LIMIT "
	       "?5",
	.fill = fill_limits,
};
EACH(limits, held_limits, read_span, &limits_of)

static void fill_owners(sqlite3_stmt *stmt, struct held_ports *ports)
{
	for (int i = 0; i < 3; i++) {
		int at = 17 + 4 * i;

		db__column_comm(stmt, at, ports->owners[i].comm);
		ports->owners[i].tgid = db__column_u32(stmt, at + 1);
		ports->owners[i].count = db__column_u32(stmt, at + 2);
		ports->owners[i].inferred = db__column_u32(stmt, at + 3);
	}
}

/* Returns whether there is one. */
static bool get_address(sqlite3_stmt *stmt, int column, uint8_t *family, uint8_t addr[16],
			uint8_t *len)
{
	size_t bytes;
	const char *text = db__column_bytes(stmt, column, &bytes);

	return text && !db__parse_address(text, bytes, family, addr, len);
}

static int fill_ports(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		      struct history_arena *arena)
{
	struct held_ports *ports = item;
	uint8_t family = 0, len;

	(void)span;
	(void)arena;
	*ports = (struct held_ports){
		.wall_ns = db__column_u64(stmt, 29), .scope = db__column_u8(stmt, 0),
		.usable = db__column_u32(stmt, 6), .time_wait = db__column_u32(stmt, 7),
		.live = db__column_u32(stmt, 8), .close_wait = db__column_u32(stmt, 9),
		.bound = db__column_u32(stmt, 10), .reusable = db__column_u32(stmt, 11),
		.left = db__column_u32(stmt, 12),
		.has_left = sqlite3_column_type(stmt, 12) == SQLITE_INTEGER,
		.first_port = db__column_u32(stmt, 13), .last_port = db__column_u32(stmt, 14),
		.unknown = db__column_u32(stmt, 15), .names = db__column_u32(stmt, 16),
	};
	if (ports->scope > HELD_PORTS_OWN ||
	    !get_address(stmt, 1, &ports->family, ports->key.local_addr, &len))
		return 0;
	if (get_address(stmt, 2, &family, ports->key.peer_addr, &len) && family != ports->family)
		return 0;
	ports->key.peer_port = db__column_u16(stmt, 3);
	ports->key.netns = db__column_u32(stmt, 4);
	ports->key.ifindex = db__column_u32(stmt, 5);
	fill_owners(stmt, ports);
	return 1;
}

static const struct history_reading ports_of = {
	.table = "ports", .damaged = "damaged: samples of ports", .columns = 29,
	.item_bytes = sizeof(struct held_ports), .key_ns = 1,
	.sql = "SELECT scope, local_address, peer_address, peer_port, netns, ifindex, usable, "
	       "time_wait, live, close_wait, bound, reusable, free, first_port, last_port, "
	       "unknown, names, owner1, pid1, count1, inferred1, owner2, pid2, count2, inferred2, "
	       "owner3, pid3, count3, inferred3, at_ns, place, 0 FROM ports "
	       "WHERE (at_ns, place, 0) > (?1, ?2, ?3) AND at_ns < ?4 ORDER BY at_ns, place LIMIT "
	       "?5",
	.fill = fill_ports,
};
EACH(ports, held_ports, read_span, &ports_of)

int history__each_ports(struct history *history, const struct history_span *span,
			history_ports_fn fn, void *ctx)
{
	return each_ports(history, span, fn, ctx);
}

static int fill_counter(const struct history_span *span, sqlite3_stmt *stmt, void *item,
			struct history_arena *arena)
{
	struct held_counter *counter = item;
	bool failed = false;

	(void)span;
	*counter = (struct held_counter){
		.wall_ns = db__column_u64(stmt, 2), .netns = db__column_u32(stmt, 3),
		.value = db__column_u64(stmt, 1),
		.name = arena__copy(arena, stmt, 0, &failed),
	};
	return failed ? -ENOMEM : counter->name != NULL;
}

static const struct history_reading counters = {
	.table = "counter", .damaged = "damaged: counters", .columns = 2,
	.item_bytes = sizeof(struct held_counter), .key_ns = 1,
	.sql = "SELECT (SELECT counter_name.name FROM counter_name WHERE id = counter.name), "
	       "value, at_ns, netns, name FROM counter WHERE (at_ns, netns, name) > (?1, ?2, ?3) "
	       "AND at_ns < ?4 ORDER BY at_ns, netns, name LIMIT ?5",
	.fill = fill_counter,
};
EACH(counter, held_counter, read_span, &counters)

/* ---- the last value before a span ---- */

struct last_key {
	char name[64]; /* of a counter */
	uint64_t netns;
};

struct last {
	struct last_key key;
	struct held_limits limits;
	struct held_counter counter;
	char netns_name[64];
};

/* The least recently told gives way. */
static int new_lasts(struct table **lasts)
{
	const struct table_options opts = {
		.key_bytes = sizeof(struct last_key), .entry_bytes = sizeof(struct last),
		.max = KEPT_LAST, .drop_living = true,
	};

	return table__new(lasts, &opts);
}

static int get_last(struct table *lasts, const char *name, uint32_t netns, struct last **last)
{
	struct last_key key = { .netns = netns };
	int ret;

	memcpy(key.name, name, strnlen(name, sizeof(key.name) - 1));
	ret = table__get(lasts, &key, (void **)last);
	if (ret < 0)
		return ret;
	table__touch(lasts, *last);
	return 0;
}

static int keep_limits(void *ctx, const struct held_limits *limits)
{
	struct last *last;
	int err = get_last(ctx, "", limits->netns, &last);

	if (err)
		return err;
	last->limits = *limits;
	if (!limits->netns_name)
		return 0;
	memset(last->netns_name, 0, sizeof(last->netns_name));
	memcpy(last->netns_name, limits->netns_name,
	       strnlen(limits->netns_name, sizeof(last->netns_name) - 1));
	last->limits.netns_name = last->netns_name;
	return 0;
}

static int keep_counter(void *ctx, const struct held_counter *counter)
{
	struct last *last;
	int err = get_last(ctx, counter->name, counter->netns, &last);

	if (err)
		return err;
	last->counter = *counter;
	last->counter.name = last->key.name;
	return 0;
}

int history__each_limits(struct history *history, const struct history_span *span,
			 history_limits_fn fn, void *ctx)
{
	const struct history_span before = { 0, span->since_ns };
	struct table *lasts = NULL;
	int ret = 0;

	if (span->since_ns) {
		ret = new_lasts(&lasts);
		if (!ret)
			ret = each_limits(history, &before, keep_limits, lasts);
	}
	for (struct last *last = NULL; !ret && lasts && (last = table__next(lasts, last));)
		ret = fn(ctx, &last->limits);
	table__free(lasts);
	return ret ? ret : each_limits(history, span, fn, ctx);
}

int history__each_counter(struct history *history, const struct history_span *span,
			  history_counter_fn fn, void *ctx)
{
	const struct history_span before = {
		span->since_ns > COUNTERS_BEFORE_NS ? span->since_ns - COUNTERS_BEFORE_NS : 0,
		span->since_ns,
	};
	struct table *lasts = NULL;
	int ret = 0;

	if (span->since_ns) {
		ret = new_lasts(&lasts);
		if (!ret)
			ret = each_counter(history, &before, keep_counter, lasts);
	}
	for (struct last *last = NULL; !ret && lasts && (last = table__next(lasts, last));)
		ret = fn(ctx, &last->counter);
	table__free(lasts);
	return ret ? ret : each_counter(history, span, fn, ctx);
}

/* ---- of the recording itself ---- */

static int fill_account(const struct history_span *span, sqlite3_stmt *stmt, void *item,
			struct history_arena *arena)
{
	struct held_account *account = item;

	(void)span;
	(void)arena;
	*account = (struct held_account){
		.wall_ns = db__column_u64(stmt, 7), .run = db__column_u32(stmt, 8),
		.told = {
			.delivered = db__column_u64(stmt, 0), .lost = db__column_u64(stmt, 1),
			.map_full = db__column_u64(stmt, 2), .recursion = db__column_u64(stmt, 3),
			.snapshot = db__column_u64(stmt, 4),
			.unattributed = db__column_u64(stmt, 5), .no_end = db__column_u64(stmt, 6),
		},
	};
	return 1;
}

static const struct history_reading accounts = {
	.table = "account", .damaged = "damaged: accounts", .columns = 7,
	.item_bytes = sizeof(struct held_account), .key_ns = 1,
	.sql = "SELECT delivered, lost, map_full, recursion, snapshot, unattributed, no_end, "
	       "at_ns, run, 0 FROM account WHERE (at_ns, run, 0) > (?1, ?2, ?3) AND at_ns < ?4 "
	       "ORDER BY at_ns, run LIMIT ?5",
	.fill = fill_account,
};
EACH(account, held_account, read_span, &accounts)

int history__each_account(struct history *history, const struct history_span *span,
			  history_account_fn fn, void *ctx)
{
	return each_account(history, span, fn, ctx);
}

static int fill_gap(const struct history_span *span, sqlite3_stmt *stmt, void *item,
		    struct history_arena *arena)
{
	struct held_gap *gap = item;
	bool failed = false;

	*gap = (struct held_gap){
		.since_ns = db__column_u64(stmt, 0), .until_ns = db__column_u64(stmt, 1),
		.run = db__column_u32(stmt, 2), .reason = db__column_u8(stmt, 3),
		.events = db__column_u64(stmt, 4),
	};
	if (!overlaps(span, gap->since_ns, gap->until_ns))
		return 0;
	gap->detail = arena__copy(arena, stmt, 5, &failed);
	return failed ? -ENOMEM : 1;
}

static const struct history_reading gaps = {
	.table = "gap", .damaged = "damaged: the list of gaps", .columns = 6,
	.item_bytes = sizeof(struct held_gap),
	.sql = "SELECT since_ns, until_ns, run, reason, events, detail, id, 0, 0 FROM gap "
	       "WHERE (id, 0, 0) > (?1, ?2, ?3) AND id < ?4 ORDER BY id LIMIT ?5",
	.fill = fill_gap,
};
EACH(gap, held_gap, read_all, &gaps)

int history__each_gap(struct history *history, const struct history_span *span, history_gap_fn fn,
		      void *ctx)
{
	const struct history_damage *damage = &history->damage;
	int ret = each_gap(history, span, fn, ctx);

	for (unsigned int i = 0; i < damage->num && !ret; i++)
		if (overlaps(span, damage->gaps[i].since_ns, damage->gaps[i].until_ns))
			ret = fn(ctx, &damage->gaps[i]);
	return ret;
}

static int fill_finding(const struct history_span *span, sqlite3_stmt *stmt, void *item,
			struct history_arena *arena)
{
	struct held_finding *finding = item;
	bool failed = false;

	*finding = (struct held_finding){
		.wall_ns = db__column_u64(stmt, 0), .severity = db__column_u8(stmt, 2),
		.who = db__column_u32(stmt, 3), .flow = db__column_u32(stmt, 4),
		.count = db__column_u64(stmt, 5),
	};
	if (!is_in(span, finding->wall_ns))
		return 0;
	finding->id = arena__copy(arena, stmt, 1, &failed);
	finding->text = arena__copy(arena, stmt, 6, &failed);
	return failed ? -ENOMEM : finding->id != NULL;
}

static const struct history_reading findings = {
	.table = "finding", .damaged = "damaged: findings", .columns = 7,
	.item_bytes = sizeof(struct held_finding),
	.sql = "SELECT at_ns, finding, severity, who, flow, count, sentence, id, 0, 0 FROM finding "
	       "WHERE (id, 0, 0) > (?1, ?2, ?3) AND id < ?4 ORDER BY id LIMIT ?5",
	.fill = fill_finding,
};
EACH(finding, held_finding, read_all, &findings)

int history__each_finding(struct history *history, const struct history_span *span,
			  history_finding_fn fn, void *ctx)
{
	return each_finding(history, span, fn, ctx);
}

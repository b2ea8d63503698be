// SPDX-License-Identifier: GPL-2.0
#include "store/minutes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/table.h"

#define NS_PER_MINUTE 60000000000ULL
#define OPEN_MINUTES 8 /* late rows find theirs */
#define KEPT_ROWS 65536 /* of all open minutes: which ones count most is known at the end only */
#define KEPT_FLOWS 65536

/* struct held_flow without its id, and without bytes that mean nothing. */
struct flow_key {
	uint32_t netns, error;
	uint8_t family, peer_len, side, cause, action, end;
	uint16_t local_port, peer_port, pad[3];
	uint8_t local_addr[16], peer_addr[16];
};

struct row_key {
	uint64_t minute;
	uint32_t who, pad;
	struct flow_key flow;
};

struct sums {
	uint64_t count, tx_bytes, rx_bytes, lifetimes, lifetime_ns;
	uint32_t buckets[HELD_BUCKETS];
};

struct row {
	struct row_key key;
	struct sums sums; /* since the last flush that was kept */
	uint8_t slot;
	bool given;  /* in the last flush, by itself */
	bool is_out; /* it has a row of its minute */
};

struct flow {
	struct flow_key key;
	uint32_t id;
	uint32_t given; /* in which flush last */
	bool is_out;
};

struct slot {
	uint64_t minute, used; /* used: by a clock of uses; 0: never */
	uint32_t pending;      /* rows that count something */
	uint32_t out, given;   /* rows that it has for good, and those of the last flush */
	uint64_t all;	       /* events, those that were flushed included */
	struct sums other;
};

struct minutes {
	struct table *rows, *flows;
	struct slot slots[OPEN_MINUTES];
	uint64_t uses;
	uint32_t next_flow;
	uint32_t flushes;
};

int minutes__new(struct minutes **minutesp, uint32_t next_flow)
{
	const struct table_options row_opts = {
		.key_bytes = sizeof(struct row_key), .entry_bytes = sizeof(struct row),
		.max = KEPT_ROWS,
	};
	const struct table_options flow_opts = {
		.key_bytes = sizeof(struct flow_key), .entry_bytes = sizeof(struct flow),
		.max = KEPT_FLOWS, .drop_living = true,
	};
	struct minutes *minutes = calloc(1, sizeof(*minutes));

	if (!minutes)
		return -ENOMEM;
	minutes->next_flow = next_flow;
	if (table__new(&minutes->rows, &row_opts) || table__new(&minutes->flows, &flow_opts)) {
		minutes__free(minutes);
		return -ENOMEM;
	}
	*minutesp = minutes;
	return 0;
}

void minutes__free(struct minutes *minutes)
{
	if (!minutes)
		return;
	table__free(minutes->rows);
	table__free(minutes->flows);
	free(minutes);
}

/* ---- the way of an event ---- */

static void cut(uint8_t addr[16], unsigned int bits)
{
	memset(addr + bits / 8, 0, 16 - bits / 8);
}

/* Whether the far port was made up for this connection: where nobody knows the side, that is the
 * higher one. */
static bool is_server(const struct tws_event *ev)
{
	if (ev->conn.side == TWS_SIDE_UNKNOWN)
		return ev->local_port < ev->peer_port;
	return ev->conn.side == TWS_SIDE_SERVER;
}

static void set_key(struct flow_key *key, const struct tws_event *ev)
{
	bool is_v4 = ev->family == AF_INET;

	*key = (struct flow_key){
		.netns = ev->netns, .error = ev->error, .family = ev->family,
		.side = ev->conn.side, .cause = ev->conn.cause, .action = ev->action,
		.end = ev->action == TWS_TIME_WAIT_END ? ev->end : 0,
	};
	memcpy(key->local_addr, ev->local_addr, is_v4 ? 4 : 16);
	if (ev->action == TWS_BIND_FAILED) {
		key->local_port = ev->local_port;
		return;
	}
	memcpy(key->peer_addr, ev->peer_addr, is_v4 ? 4 : 16);
	if (is_server(ev)) {
		key->local_port = ev->local_port;
		key->peer_len = is_v4 ? 24 : 48;
		cut(key->peer_addr, key->peer_len);
	} else {
		key->peer_port = ev->peer_port;
		key->peer_len = is_v4 ? 32 : 128;
	}
}

static void set_flow(struct held_flow *flow, const struct flow_key *key, uint32_t id)
{
	*flow = (struct held_flow){
		.id = id, .netns = key->netns, .family = key->family, .peer_len = key->peer_len,
		.side = key->side, .cause = key->cause, .action = key->action, .end = key->end,
		.error = key->error, .local_port = key->local_port, .peer_port = key->peer_port,
	};
	memcpy(flow->local_addr, key->local_addr, 16);
	memcpy(flow->peer_addr, key->peer_addr, 16);
}

void minutes__flow_of(const struct held_row *row, struct held_flow *flow)
{
	struct flow_key key;

	set_key(&key, &row->event);
	set_flow(flow, &key, 0);
}

/* ---- counting ---- */

static void sums__count(struct sums *sums, const struct tws_event *ev)
{
	uint64_t lifetime_ns = ev->time_ns - ev->conn.open_ns;

	sums->count++;
	if (!(ev->conn.flags & TWS_F_NO_BYTES)) {
		sums->tx_bytes += ev->tx_bytes;
		sums->rx_bytes += ev->rx_bytes;
	}
	if (!ev->conn.open_ns || ev->time_ns < ev->conn.open_ns)
		return;
	sums->lifetimes++;
	sums->lifetime_ns += lifetime_ns;
	sums->buckets[held__lifetime_bucket(lifetime_ns)]++;
}

static void sums__add(struct sums *sums, const struct sums *more)
{
	sums->count += more->count;
	sums->tx_bytes += more->tx_bytes;
	sums->rx_bytes += more->rx_bytes;
	sums->lifetimes += more->lifetimes;
	sums->lifetime_ns += more->lifetime_ns;
	for (unsigned int i = 0; i < HELD_BUCKETS; i++)
		sums->buckets[i] += more->buckets[i];
}

static bool slot__is_pending(const struct slot *slot)
{
	return slot->pending || slot->other.count;
}

/* Late rows of its minute would no more find what was given of it. */
static void empty_slot(struct minutes *minutes, unsigned int at)
{
	struct row *row = table__next(minutes->rows, NULL), *next;

	for (; row; row = next) {
		next = table__next(minutes->rows, row);
		if (row->slot == at)
			table__remove(minutes->rows, row);
	}
	minutes->slots[at] = (struct slot){ 0 };
}

static struct slot *slot_of(struct minutes *minutes, uint64_t minute)
{
	struct slot *least = NULL;

	for (unsigned int i = 0; i < OPEN_MINUTES; i++) {
		struct slot *slot = &minutes->slots[i];

		if (slot->used && slot->minute == minute) {
			slot->used = ++minutes->uses;
			return slot;
		}
		if (!slot__is_pending(slot) && (!least || slot->used < least->used))
			least = slot;
	}
	if (!least)
		return NULL;
	if (least->used)
		empty_slot(minutes, (unsigned int)(least - minutes->slots));
	least->minute = minute;
	least->used = ++minutes->uses;
	return least;
}

int minutes__add(struct minutes *minutes, const struct held_row *held)
{
	struct row_key key = { .minute = held->wall_ns / NS_PER_MINUTE, .who = held->who };
	struct slot *slot = slot_of(minutes, key.minute);
	struct row *row;
	int ret;

	if (!slot)
		return -ENOSPC;
	set_key(&key.flow, &held->event);
	ret = table__get(minutes->rows, &key, (void **)&row);
	if (ret < 0 && ret != -ENOSPC)
		return ret;
	slot->all++;
	if (ret == -ENOSPC) {
		sums__count(&slot->other, &held->event);
		return 0;
	}
	row->slot = (uint8_t)(slot - minutes->slots);
	slot->pending += !row->sums.count;
	sums__count(&row->sums, &held->event);
	return 0;
}

bool minutes__is_empty(const struct minutes *minutes)
{
	for (unsigned int i = 0; i < OPEN_MINUTES; i++)
		if (slot__is_pending(&minutes->slots[i]))
			return false;
	return true;
}

/* ---- giving ---- */

/* By minutes; then those that have a row already, then those that count most. */
static int compare(const void *a, const void *b)
{
	const struct row *left = *(struct row *const *)a, *right = *(struct row *const *)b;

	if (left->key.minute != right->key.minute)
		return left->key.minute < right->key.minute ? -1 : 1;
	if (left->is_out != right->is_out)
		return left->is_out ? -1 : 1;
	if (left->sums.count != right->sums.count)
		return left->sums.count > right->sums.count ? -1 : 1;
	return memcmp(&left->key, &right->key, sizeof(left->key));
}

static int give_minute(const struct minutes_sink *sink, uint64_t minute, uint32_t who,
		       uint32_t flow, const struct sums *sums)
{
	struct held_minute held = {
		.wall_ns = minute * NS_PER_MINUTE, .who = who, .flow = flow,
		.count = sums->count, .tx_bytes = sums->tx_bytes, .rx_bytes = sums->rx_bytes,
		.lifetimes = sums->lifetimes, .lifetime_ns = sums->lifetime_ns,
	};

	memcpy(held.buckets, sums->buckets, sizeof(held.buckets));
	return sink->add_minute(sink->ctx, &held);
}

static int give_row(struct minutes *minutes, const struct row *row,
		    const struct minutes_sink *sink)
{
	struct held_flow held;
	struct flow *flow;
	int ret = table__get(minutes->flows, &row->key.flow, (void **)&flow);

	if (ret < 0)
		return ret;
	if (ret)
		flow->id = minutes->next_flow++;
	else
		table__touch(minutes->flows, flow);
	if (!flow->is_out && flow->given != minutes->flushes) {
		flow->given = minutes->flushes;
		set_flow(&held, &flow->key, flow->id);
		ret = sink->add_flow(sink->ctx, &held);
		if (ret)
			return ret;
	}
	return give_minute(sink, row->key.minute, row->key.who, flow->id, &row->sums);
}

/* Whether @row gets one of its minute: a row for ~other is kept free, and beyond the first ones
 * only what matters in it takes room. */
static bool gets_row(const struct slot *slot, const struct row *row)
{
	uint32_t used = slot->out + slot->given;

	if (row->is_out || used < MINUTES_SURE_ROWS)
		return true;
	return used < MINUTES_ROWS - 1 && row->sums.count >= slot->all / 1000;
}

static int give_slot(struct minutes *minutes, struct slot *slot, struct row **rows, uint32_t count,
		     const struct minutes_sink *sink)
{
	struct sums other = slot->other;
	int ret;

	slot->given = 0;
	for (uint32_t i = 0; i < count; i++) {
		rows[i]->given = gets_row(slot, rows[i]);
		if (!rows[i]->given) {
			sums__add(&other, &rows[i]->sums);
			continue;
		}
		slot->given += !rows[i]->is_out;
		ret = give_row(minutes, rows[i], sink);
		if (ret)
			return ret;
	}
	return other.count ? give_minute(sink, slot->minute, 0, 0, &other) : 0;
}

int minutes__flush(struct minutes *minutes, const struct minutes_sink *sink)
{
	size_t count = table__count(minutes->rows), pending = 0;
	struct row **rows = malloc((count + 1) * sizeof(struct row *));
	int ret = 0;

	if (!rows)
		return -ENOMEM;
	minutes->flushes++;
	for (struct row *row = NULL; (row = table__next(minutes->rows, row));)
		if (row->sums.count)
			rows[pending++] = row;
	qsort(rows, pending, sizeof(struct row *), compare);
	for (size_t at = 0; at < pending && !ret;) {
		struct slot *slot = &minutes->slots[rows[at]->slot];

		ret = give_slot(minutes, slot, rows + at, slot->pending, sink);
		at += slot->pending;
	}
	/* Of which nothing but ~other is there. */
	for (unsigned int i = 0; i < OPEN_MINUTES && !ret; i++)
		if (!minutes->slots[i].pending && minutes->slots[i].other.count)
			ret = give_slot(minutes, &minutes->slots[i], NULL, 0, sink);
	free(rows);
	return ret;
}

void minutes__flushed(struct minutes *minutes)
{
	struct row *row = table__next(minutes->rows, NULL), *next;

	for (; row; row = next) {
		next = table__next(minutes->rows, row);
		if (!row->sums.count)
			continue;
		row->is_out |= row->given;
		row->sums = (struct sums){ 0 };
		if (!row->is_out)
			table__remove(minutes->rows, row);
	}
	for (struct flow *flow = NULL; (flow = table__next(minutes->flows, flow));)
		flow->is_out |= flow->given == minutes->flushes;
	for (unsigned int i = 0; i < OPEN_MINUTES; i++) {
		struct slot *slot = &minutes->slots[i];

		slot->out += slot->given;
		slot->given = slot->pending = 0;
		slot->other = (struct sums){ 0 };
	}
}

void minutes__forget_flows(struct minutes *minutes)
{
	/* Whoever comes again in the same minute gets another row of it, if there is room. */
	table__clear(minutes->rows);
	table__clear(minutes->flows);
}

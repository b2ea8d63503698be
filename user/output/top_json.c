// SPDX-License-Identifier: GPL-2.0
#include "output/top_json.h"

#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "base/json.h"
#include "model/names.h"
#include "output/account_json.h"
#include "output/tabular.h"

#define NS_PER_S 1000000000ULL

/* "2026-11-22T06:40:00.123456789Z" */
static void put_timestamp(struct outbuf *ob, uint64_t wall_ns)
{
	char text[FMT_SECOND_LEN + 12];
	size_t len = fmt__second(text, wall_ns / NS_PER_S);

	text[len++] = '.';
	len += fmt__padded(text + len, wall_ns % NS_PER_S, 9);
	text[len++] = 'Z';
	text[len] = '\0';
	json__string(ob, "timestamp", text);
}

/* Thousandths as a number with three digits after its point. */
static void put_milli(struct outbuf *ob, const char *key, uint64_t milli)
{
	char digits[3];

	json__u64(ob, key, milli / 1000);
	outbuf__char(ob, '.');
	fmt__padded(digits, milli % 1000, sizeof(digits));
	outbuf__bytes(ob, digits, sizeof(digits));
}

static void put_address(struct outbuf *ob, const char *key, uint8_t family, const uint8_t *addr)
{
	char text[FMT_IPV6_MAX + 1];
	size_t len = family == AF_INET ? fmt__ipv4(text, addr) : fmt__ipv6(text, addr);

	text[len] = '\0';
	json__string(ob, key, text);
}

/* ---- the key ---- */

/* Returns the field that is the last now. */
static const char *put_field(struct outbuf *ob, const char *before, const char *name,
			     const struct record *rec)
{
	const struct field *field = field__find(name);
	struct tabular_cell cell = { 0 };

	tabular__field(&cell, field, rec, SINK_JSON);
	if (cell.kind == TABULAR_NONE)
		return before;
	json__member(ob, before, name);
	switch (cell.kind) {
	case TABULAR_NUMBER:
		outbuf__u64(ob, cell.number);
		break;
	default:
		escape__json(ob, cell.text, cell.len);
	}
	return name;
}

static bool has_key(const struct tally_keys *keys, const struct field_key *key)
{
	for (size_t i = 0; i < keys->num; i++)
		if (keys->keys[i] == key)
			return true;
	return false;
}

/* In the order of the table of keys, so that members of one object stand together. */
static void put_key(struct outbuf *ob, const struct tally_keys *keys, const struct record *rec)
{
	const struct field_key *container = field__key("container", strlen("container"));
	const char *before = NULL;

	json__open(ob, "key", '{');
	ob->len--; /* json__member() opens it itself */
	for (size_t i = 0; i < field__num_keys; i++) {
		const struct field_key *key = &field__keys[i];
		const char *const *names = key->data[0] ? key->data : key->text;

		/* A container's fields include its pod's. */
		if (!has_key(keys, key) ||
		    (!strcmp(key->word, "pod") && has_key(keys, container)))
			continue;
		for (size_t f = 0; f < FIELD_KEY_COLUMNS && names[f]; f++)
			before = put_field(ob, before, names[f], rec);
	}
	json__finish(ob, before);
}

/* ---- rows ---- */

static void put_causes(struct outbuf *ob, const struct tally_counts *total)
{
	json__open(ob, "causes", '{');
	for (unsigned int cause = 0; cause < TWS_CAUSE_END; cause++)
		if (total->causes[cause])
			json__u64(ob, names__cause(cause)->text, total->causes[cause]);
	json__close(ob, '}');
}

static void put_counts(struct outbuf *ob, const struct top_line *line)
{
	const struct tally_counts *total = &line->total;

	json__u64(ob, "closes", line->closes);
	put_milli(ob, "closes_per_second", line->rate_milli);
	json__u64(ob, "total", total->closes);
	json__u64(ob, "held", line->held);
	json__u64(ob, "client", total->client);
	json__u64(ob, "server", total->server);
	json__u64(ob, "connect_failed", line->failed);
	json__u64(ob, "connect_failed_total", total->failed);
	if (total->lifetimes)
		json__u64(ob, "lifetime_mean_ns", total->lifetime_ns / total->lifetimes);
	put_causes(ob, total);
}

static void put_busiest(struct outbuf *ob, const struct remote *remote)
{
	json__open(ob, "remote", '{');
	put_address(ob, "address", remote->key.family, remote->key.peer_addr);
	if (remote->key.peer_port)
		json__u64(ob, "port", remote->key.peer_port);
	json__u64(ob, "closes", remote->count);
	json__u64(ob, "error", remote->error);
	json__close(ob, '}');
}

static void put_pids(struct outbuf *ob, const struct tally_row *row)
{
	if (!row->num_pids)
		return;
	json__open(ob, "pids", '[');
	for (uint32_t i = 0; i < row->num_pids && i < TALLY_PIDS; i++)
		json__u64(ob, NULL, row->pids[i]);
	json__close(ob, ']');
	if (row->num_pids > TALLY_PIDS)
		json__bool(ob, "more_pids", true);
}

static void put_row(struct outbuf *ob, const struct tally_keys *keys, const struct top_line *line)
{
	json__open(ob, NULL, '{');
	put_key(ob, keys, &line->row->sample);
	put_counts(ob, line);
	if (line->ports_permille)
		put_milli(ob, "ports_used_ratio", line->ports_permille);
	if (line->has_busiest)
		put_busiest(ob, &line->busiest);
	put_pids(ob, line->row);
	json__close(ob, '}');
}

/* ---- the host ---- */

static void put_fullest(struct outbuf *ob, const struct tally_host *host)
{
	const struct port_set_use *use = host->fullest;

	if (!use)
		return;
	json__open(ob, "fullest_ports", '{');
	put_address(ob, "local_address", use->key.family, use->key.local_addr);
	put_address(ob, "peer_address", use->key.family, use->key.peer_addr);
	json__u64(ob, "peer_port", use->key.peer_port);
	json__u64(ob, "netns", use->key.netns);
	json__u64(ob, "used", (uint64_t)use->live + use->held.now);
	json__u64(ob, "usable", use->usable);
	if (host->fullest_in_s != PORT_SET_NEVER)
		json__u64(ob, "full_in_ns", host->fullest_in_s * NS_PER_S);
	json__close(ob, '}');
}

static void put_states(struct outbuf *ob, const struct tally_host *host)
{
	if (!host->was_looked_at)
		return;
	json__open(ob, "states", '{');
	for (unsigned int state = 1; state < TALLY_STATES; state++)
		json__u64(ob, names__state(state)->text, host->states[state]);
	json__u64(ob, "fin_wait2_mini", host->fin_wait2_minis);
	json__close(ob, '}');
}

static void put_host(struct outbuf *ob, const struct tally_host *host)
{
	json__u64(ob, "time_wait", host->time_wait);
	if (host->was_looked_at)
		json__u64(ob, "time_wait_unplaced", host->unplaced);
	if (host->limit) {
		json__u64(ob, "time_wait_limit", host->limit);
		json__u64(ob, "time_wait_limited", host->minis_there);
	}
	json__u64(ob, "overflows", host->overflows);
	put_states(ob, host);
	put_fullest(ob, host);
}

void top_json__write(struct outbuf *ob, const struct top_frame *frame, uint64_t wall_ns,
		     const struct feed_account *account)
{
	json__open(ob, NULL, '{');
	put_timestamp(ob, wall_ns);
	json__u64(ob, "interval_ns", frame->interval_ns);
	json__u64(ob, "closes", frame->sum.closes);
	put_milli(ob, "closes_per_second", frame->sum.rate_milli);
	json__u64(ob, "total", frame->sum.total.closes);
	if (frame->host.summed)
		json__u64(ob, "summed", frame->host.summed);
	if (frame->host.unknown)
		json__u64(ob, "unknown", frame->host.unknown);
	put_host(ob, &frame->host);
	json__u64(ob, "connect_failed", frame->sum.failed);
	json__u64(ob, "connect_failed_total", frame->sum.total.failed);
	json__open(ob, "rows", '[');
	for (size_t i = 0; i < frame->num; i++)
		put_row(ob, &frame->keys, &frame->lines[i]);
	json__close(ob, ']');
	json__open(ob, "other", '{');
	put_counts(ob, &frame->others);
	json__close(ob, '}');
	account_json__write(ob, account);
	json__close(ob, '}');
	outbuf__char(ob, '\n');
}

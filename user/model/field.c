// SPDX-License-Identifier: GPL-2.0
#include "model/field.h"

#include <string.h>

#include "base/hash.h"
#include "model/field_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TICK_NS 10000000ULL /* USER_HZ: how finely /proc tells a start time */

#define ROW(name, read, type, unit, in, ...) { name, read, type, unit, in, { __VA_ARGS__ } },

const struct field field__table[] = { FIELD_TABLE(ROW) };

const size_t field__count = COUNT(field__table);

_Static_assert(COUNT(field__table) <= FIELD_MAX, "FIELD_MAX");

const struct field *field__find(const char *name)
{
	for (size_t i = 0; i < field__count; i++)
		if (!strcmp(field__table[i].name, name))
			return &field__table[i];
	return NULL;
}

/* ---- keys ---- */

/* A process, not a number that another has had before. */
static bool read_process(const struct record *rec, struct field_value *v)
{
	v->detail = rec->event->conn.closer_start_ns / TICK_NS;
	return read_pid(rec, v);
}

const struct field_key field__keys[] = {
	{ "age", read_age, FIELD_NUMBER, .falling = true, .sorts_only = true },
	{ "left", read_expires, FIELD_NUMBER, .sorts_only = true },
	{ "local", read_local_address, FIELD_ADDRESS, .then = "local-port",
	  .text = { "network.local.address" } },
	{ "local-port", read_local_port, FIELD_NUMBER, .text = { "network.local.port" } },
	{ "remote", read_peer_address, FIELD_ADDRESS, .then = "remote-port",
	  .text = { "network.peer.address" } },
	{ "remote-port", read_peer_port, FIELD_NUMBER, .text = { "network.peer.port" } },
	{ "netns", read_netns, FIELD_NUMBER, .text = { "netns" },
	  .data = { "network.netns", "network.netns_name" } },
	{ "process", read_name, FIELD_NAME, .of_process = true, .then = "pid",
	  .text = { "process.name" } },
	{ "pid", read_process, FIELD_NUMBER, .detailed = true, .of_process = true,
	  .text = { "process.pid", "process.name" } },
	{ "uid", read_uid, FIELD_NUMBER, .of_process = true, .text = { "process.user.id" } },
	{ "container", read_workload, FIELD_NAME, .text = { "container" },
	  .data = { "container.id", "container.name", "k8s.pod.name", "k8s.namespace.name",
		    "k8s.container.name", "systemd.unit" } },
	{ "pod", read_pod, FIELD_NAME, .text = { "pod" },
	  .data = { "k8s.pod.name", "k8s.namespace.name" } },
	{ "state", read_state, FIELD_WORD, .text = { "tcp.state" } },
	{ "side", read_side, FIELD_WORD, .text = { "tcp.side" } },
	{ "cause", read_cause, FIELD_WORD, .text = { "tcp.cause" } },
};

const size_t field__num_keys = COUNT(field__keys);

_Static_assert(COUNT(field__keys) <= FIELD_KEYS_MAX, "FIELD_KEYS_MAX");

const struct field_key *field__key(const char *word, size_t len)
{
	for (size_t i = 0; i < field__num_keys; i++) {
		const char *candidate = field__keys[i].word;

		if (strlen(candidate) == len && !memcmp(candidate, word, len))
			return &field__keys[i];
	}
	return NULL;
}

/* What is compared: whether it is known, two numbers, and bytes. */
struct sortable {
	bool known;
	uint64_t numbers[2];
	const void *bytes;
	size_t len;
};

/* @v lives as long as what is made of it. */
static struct sortable sortable_of(const struct field_key *key, const struct record *rec,
				   struct field_value *v)
{
	struct sortable s = { 0 };

	v->vague = false;
	v->detail = 0;
	s.known = key->read(rec, v) && !v->vague;
	if (!s.known)
		return s;
	switch (key->type) {
	case FIELD_ADDRESS:
		s.numbers[0] = v->family;
		s.bytes = v->addr;
		s.len = 16;
		break;
	case FIELD_NAME:
		s.bytes = v->text;
		s.len = v->len;
		break;
	default:
		s.numbers[0] = key->falling ? UINT64_MAX - v->number : v->number;
		s.numbers[1] = v->detail;
	}
	return s;
}

int field__compare(const struct field_key *key, const struct record *a, const struct record *b)
{
	struct field_value of_a, of_b;
	struct sortable x = sortable_of(key, a, &of_a), y = sortable_of(key, b, &of_b);
	size_t len = x.len < y.len ? x.len : y.len;
	int order;

	if (x.known != y.known)
		return x.known ? -1 : 1;
	for (int i = 0; i < 2; i++)
		if (x.numbers[i] != y.numbers[i])
			return x.numbers[i] < y.numbers[i] ? -1 : 1;
	order = len ? memcmp(x.bytes, y.bytes, len) : 0;
	return order ?: (x.len > y.len) - (x.len < y.len);
}

uint64_t field__hash(const struct field_key *key, const struct record *rec, uint64_t seed)
{
	struct field_value v;
	struct sortable s = sortable_of(key, rec, &v);
	const uint64_t numbers[] = { s.numbers[0], s.numbers[1], s.known };

	return hash__bytes(hash__bytes(seed, numbers, sizeof(numbers)), s.bytes, s.len);
}

/* @count bytes, with zeros behind those that there are. */
static struct field_prefix first_bytes(const void *bytes, size_t len, size_t count)
{
	struct field_prefix prefix = { .whole = true };
	const uint8_t *p = bytes;

	for (size_t i = 0; i < count; i++)
		prefix.number = prefix.number << 8 | (i < len ? p[i] : 0);
	for (size_t i = count; i < len; i++)
		prefix.whole &= !p[i]; /* IPv4's are zero */
	return prefix;
}

/* Of both numbers, as far as they have room: those of a process nearly always do. */
static struct field_prefix both_numbers(const uint64_t numbers[2])
{
	bool fits = numbers[0] < 1ULL << 23 && numbers[1] < 1ULL << 40;
	uint64_t high = numbers[0] < 1ULL << 23 ? numbers[0] : 1ULL << 23;
	uint64_t low = numbers[1] < 1ULL << 40 ? numbers[1] : (1ULL << 40) - 1;

	return (struct field_prefix){ high << 40 | (high >> 23 ? 0 : low), fits };
}

struct field_prefix field__prefix(const struct field_key *key, const struct record *rec)
{
	struct field_value v;
	struct sortable s = sortable_of(key, rec, &v);
	struct field_prefix prefix;

	if (!s.known)
		return (struct field_prefix){ UINT64_MAX, true };
	switch (key->type) {
	case FIELD_ADDRESS:
		prefix = first_bytes(s.bytes, s.len, 7);
		prefix.number |= s.numbers[0] << 56;
		break;
	case FIELD_NAME:
		prefix = first_bytes(s.bytes, s.len, 8);
		prefix.whole = s.len <= 8;
		break;
	default:
		if (key->detailed)
			prefix = both_numbers(s.numbers);
		else
			prefix = (struct field_prefix){ s.numbers[0], true };
	}
	if (prefix.number == UINT64_MAX) /* as what is not known */
		prefix.whole = false;
	return prefix;
}

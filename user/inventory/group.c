// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inventory/group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/escape.h"

#define TICK_NS 10000000ULL /* USER_HZ: how finely /proc tells a start time */

/* ---- the keys' names ---- */

static const char *const names[GROUP_KEY_END] = {
	[GROUP_AGE] = "age",
	[GROUP_LEFT] = "left",
	[GROUP_LOCAL] = "local",
	[GROUP_LOCAL_PORT] = "local-port",
	[GROUP_REMOTE] = "remote",
	[GROUP_REMOTE_PORT] = "remote-port",
	[GROUP_NETNS] = "netns",
	[GROUP_PROCESS] = "process",
	[GROUP_PID] = "pid",
	[GROUP_UID] = "uid",
	[GROUP_CONTAINER] = "container",
	[GROUP_STATE] = "state",
	[GROUP_SIDE] = "side",
	[GROUP_CAUSE] = "cause",
};

static int complain(const char *arg, size_t len, enum group_key first, char *why, size_t why_len)
{
	char quoted[64];
	int n = snprintf(why, why_len, "'%s' is none of",
			 escape__quote_n(quoted, sizeof(quoted), arg, len));

	for (int key = first; key < GROUP_KEY_END && n >= 0 && (size_t)n < why_len; key++)
		n += snprintf(why + n, why_len - (size_t)n, "%s %s", key == (int)first ? "" : ",",
			      names[key]);
	return -EINVAL;
}

static int find_key(const char *arg, size_t len, enum group_key first)
{
	for (int key = first; key < GROUP_KEY_END; key++)
		if (strlen(names[key]) == len && !memcmp(names[key], arg, len))
			return key;
	return -1;
}

int group__parse_sort(void *field, const char *arg, char *why, size_t why_len)
{
	struct group_keys *keys = field;
	int key = find_key(arg, strlen(arg), GROUP_AGE);

	if (key < 0)
		return complain(arg, strlen(arg), GROUP_AGE, why, why_len);
	*keys = (struct group_keys){ .num = 1, .keys = { (enum group_key)key } };
	return 0;
}

int group__parse_by(void *field, const char *arg, char *why, size_t why_len)
{
	struct group_keys keys = {};

	for (;;) {
		size_t len = strcspn(arg, ",");
		int key = find_key(arg, len, GROUP_LOCAL);

		if (key < 0)
			return complain(arg, len, GROUP_LOCAL, why, why_len);
		for (size_t i = 0; i < keys.num; i++)
			if (keys.keys[i] == (enum group_key)key) {
				snprintf(why, why_len, "'%s' comes twice", names[key]);
				return -EINVAL;
			}
		keys.keys[keys.num++] = (enum group_key)key;
		if (!arg[len])
			break;
		arg += len + 1;
	}
	*(struct group_keys *)field = keys;
	return 0;
}

/* ---- a row's value of a key ---- */

/* Numbers or bytes; compared in this order. */
struct value {
	bool known;
	uint64_t numbers[2];
	const char *bytes; /* NULL: none */
	size_t len;
};

static struct value number(uint64_t value)
{
	return (struct value){ .known = true, .numbers = { value } };
}

static struct value string(const char *text, size_t len)
{
	return (struct value){ .known = text, .bytes = text, .len = text ? len : 0 };
}

static struct value address(uint8_t family, const uint8_t *addr)
{
	return (struct value){ .known = true, .numbers = { family }, .bytes = (const char *)addr,
			       .len = 16 };
}

static struct value process_value(const struct group_context *ctx, enum group_key key,
				  const struct listing_row *row)
{
	struct listing_process process;

	if (!listing__process(ctx->listing, row, &process))
		return (struct value){};
	switch (key) {
	case GROUP_PID:
		return (struct value){ .known = true, .numbers = {
			process.tgid, process.start_ns / TICK_NS } };
	case GROUP_UID:
		return number(process.uid);
	default:
		return string(process.comm, strnlen(process.comm, TWS_COMM_LEN));
	}
}

static struct value container_value(const struct group_context *ctx,
				    const struct listing_row *row)
{
	const struct workload_of *of = workloads__get(ctx->workloads, listing__cgroup(row));

	return of && of->label ? string(of->label, strlen(of->label)) : (struct value){};
}

static struct value value_of(const struct group_context *ctx, enum group_key key,
			     const struct listing_row *row)
{
	switch (key) {
	case GROUP_AGE: /* the oldest first */
		return number(UINT64_MAX - listing__age_ns(ctx->listing, row));
	case GROUP_LEFT:
		return number(row->left_ns);
	case GROUP_LOCAL:
		return address(row->family, row->key.local_addr);
	case GROUP_LOCAL_PORT:
		return number(row->key.local_port);
	case GROUP_REMOTE:
		return address(row->family, row->key.peer_addr);
	case GROUP_REMOTE_PORT:
		return number(row->key.peer_port);
	case GROUP_NETNS:
		return number(row->key.netns);
	case GROUP_CONTAINER:
		return container_value(ctx, row);
	case GROUP_STATE:
		return number(row->state);
	case GROUP_SIDE:
		return number(row->side == TWS_SIDE_UNKNOWN ? TWS_SIDE_END : row->side);
	case GROUP_CAUSE:
		return number(listing__cause(row) == TWS_CAUSE_UNKNOWN ? TWS_CAUSE_END :
			      listing__cause(row));
	default:
		return process_value(ctx, key, row);
	}
}

static int compare_values(const struct value *a, const struct value *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order;

	if (a->known != b->known)
		return a->known ? -1 : 1;
	for (int i = 0; i < 2; i++)
		if (a->numbers[i] != b->numbers[i])
			return a->numbers[i] < b->numbers[i] ? -1 : 1;
	order = len ? memcmp(a->bytes, b->bytes, len) : 0;
	return order ?: (a->len > b->len) - (a->len < b->len);
}

static int compare_rows(const struct group_context *ctx, const struct group_keys *keys,
			const struct listing_row *a, const struct listing_row *b)
{
	for (size_t i = 0; i < keys->num; i++) {
		struct value x = value_of(ctx, keys->keys[i], a);
		struct value y = value_of(ctx, keys->keys[i], b);
		int order = compare_values(&x, &y);

		if (order)
			return order;
	}
	return 0;
}

/* ---- sorting ---- */

/* Addresses go with their ports, and names with their numbers. */
static void complete(struct group_keys *keys)
{
	static const struct {
		enum group_key key, next;
	} pairs[] = {
		{ GROUP_LOCAL, GROUP_LOCAL_PORT }, { GROUP_REMOTE, GROUP_REMOTE_PORT },
		{ GROUP_PROCESS, GROUP_PID },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (keys->num == 1 && keys->keys[0] == pairs[i].key)
			keys->keys[keys->num++] = pairs[i].next;
	if (keys->keys[0] != GROUP_AGE)
		keys->keys[keys->num++] = GROUP_AGE;
}

struct sorting {
	const struct group_context *ctx;
	struct group_keys keys;
	bool reverse;
};

static int compare_places(const void *a, const void *b, void *arg)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct sorting *sorting = arg;
	const struct listing_row *rows = sorting->ctx->listing->rows;
	int order = compare_rows(sorting->ctx, &sorting->keys, &rows[x], &rows[y]);

	if (order)
		return sorting->reverse ? -order : order;
	return (x > y) - (x < y);
}

/* The usual order needs no more of a row than one number. */
struct aged {
	int64_t since_ns;
	uint32_t place;
};

static int compare_aged(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	if (x->since_ns != y->since_ns)
		return x->since_ns < y->since_ns ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static int sort_by_age(const struct listing *l, uint32_t *order)
{
	struct aged *aged = malloc((l->num ?: 1) * sizeof(*aged));

	if (!aged)
		return -ENOMEM;
	for (size_t i = 0; i < l->num; i++)
		aged[i] = (struct aged){ l->rows[i].since_ns, (uint32_t)i };
	qsort(aged, l->num, sizeof(*aged), compare_aged);
	for (size_t i = 0; i < l->num; i++)
		order[i] = aged[i].place;
	free(aged);
	return 0;
}

int group__sort(const struct group_context *ctx, const struct group_keys *keys, bool reverse,
		uint32_t *order)
{
	struct sorting sorting = { .ctx = ctx, .keys = *keys, .reverse = reverse };

	if (!keys->num && !reverse)
		return sort_by_age(ctx->listing, order);
	if (!sorting.keys.num)
		sorting.keys = (struct group_keys){ .num = 1, .keys = { GROUP_AGE } };
	complete(&sorting.keys);
	for (size_t i = 0; i < ctx->listing->num; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, ctx->listing->num, sizeof(*order), compare_places, &sorting);
	return 0;
}

/* ---- counting ---- */

struct table {
	const struct group_context *ctx;
	const struct group_keys *keys;
	uint64_t seed;
	struct group *groups;
	size_t num, room;
	uint32_t *slots; /* of twice room; plus 1 */
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* Others choose what is hashed here, so the seed is not theirs to know. */
static uint64_t hash_row(const struct table *t, const struct listing_row *row)
{
	uint64_t hash = t->seed, word;

	for (size_t i = 0; i < t->keys->num; i++) {
		struct value v = value_of(t->ctx, t->keys->keys[i], row);

		hash = mix(mix(mix(hash, v.numbers[0]), v.numbers[1]), v.known + 2 * v.len);
		for (size_t at = 0; at < v.len; at += sizeof(word)) {
			size_t left = v.len - at;

			word = 0;
			memcpy(&word, v.bytes + at, left < sizeof(word) ? left : sizeof(word));
			hash = mix(hash, word);
		}
	}
	return hash;
}

static uint32_t *slot_of(const struct table *t, const struct listing_row *row)
{
	const struct listing_row *rows = t->ctx->listing->rows;
	size_t mask = 2 * t->room - 1;
	size_t i = hash_row(t, row) & mask;

	while (t->slots[i] &&
	       compare_rows(t->ctx, t->keys, &rows[t->groups[t->slots[i] - 1].row], row))
		i = (i + 1) & mask;
	return &t->slots[i];
}

static int grow(struct table *t)
{
	const struct listing_row *rows = t->ctx->listing->rows;
	size_t room = t->room ? t->room * 2 : 64;
	struct group *groups = realloc(t->groups, room * sizeof(*groups));
	uint32_t *slots;

	if (!groups)
		return -ENOMEM;
	t->groups = groups;
	slots = calloc(2 * room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(t->slots);
	t->slots = slots;
	t->room = room;
	for (size_t i = 0; i < t->num; i++)
		*slot_of(t, &rows[groups[i].row]) = (uint32_t)i + 1;
	return 0;
}

static int compare_groups(const void *a, const void *b, void *arg)
{
	const struct group *x = a, *y = b;
	const struct table *t = arg;
	const struct listing_row *rows = t->ctx->listing->rows;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return compare_rows(t->ctx, t->keys, &rows[x->row], &rows[y->row]);
}

static int count_rows(struct table *t)
{
	const struct listing *l = t->ctx->listing;

	for (size_t i = 0; i < l->num; i++) {
		uint32_t *slot;

		if (t->num == t->room && grow(t))
			return -ENOMEM;
		slot = slot_of(t, &l->rows[i]);
		if (!*slot) {
			t->groups[t->num++] = (struct group){ .row = (uint32_t)i };
			*slot = (uint32_t)t->num;
		}
		t->groups[*slot - 1].count++;
		t->groups[*slot - 1].inferred += l->rows[i].evidence == OWNER_INFERRED;
	}
	return 0;
}

int group__count(const struct group_context *ctx, const struct group_keys *keys,
		 struct group **groups, size_t *num)
{
	struct table t = { .ctx = ctx, .keys = keys };
	int err;

	if (getrandom(&t.seed, sizeof(t.seed), GRND_NONBLOCK) < 0)
		t.seed = (uintptr_t)&t;
	err = count_rows(&t);
	free(t.slots);
	if (err) {
		free(t.groups);
		return err;
	}
	if (t.num)
		qsort_r(t.groups, t.num, sizeof(*t.groups), compare_groups, &t);
	*groups = t.groups;
	*num = t.num;
	return 0;
}

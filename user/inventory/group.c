// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inventory/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digits.h"
#include "base/hash.h"
#include "base/table.h"
#include "inventory/row_record.h"

/* A row that the table of fields can be asked about. */
struct asked {
	struct tws_event ev;
	struct record rec;
};

static const struct record *ask(const struct group_context *ctx, uint32_t row, struct asked *asked)
{
	row_record__fill(ctx, &ctx->listing->rows[row], &asked->ev, &asked->rec);
	return &asked->rec;
}

static int compare_records(const struct group_keys *keys, const struct record *a,
			   const struct record *b)
{
	int order = 0;

	for (size_t i = 0; !order && i < keys->num; i++)
		order = field__compare(keys->keys[i], a, b);
	return order;
}

static int compare_rows(const struct group_context *ctx, const struct group_keys *keys,
			uint32_t x, uint32_t y)
{
	struct asked a, b;

	return compare_records(keys, ask(ctx, x, &a), ask(ctx, y, &b));
}

/* ---- sorting ---- */

/* Addresses go with their ports, and names with their numbers; then by age. */
static void complete(struct group_keys *keys)
{
	static const char age[] = "age";
	const struct field_key *by_age = field__key(age, strlen(age));
	const char *then = keys->num == 1 ? keys->keys[0]->then : NULL;

	if (then)
		keys->keys[keys->num++] = field__key(then, strlen(then));
	if (!keys->num || keys->keys[0] != by_age)
		keys->keys[keys->num++] = by_age;
}

struct sorting {
	const struct group_context *ctx;
	struct group_keys keys;
	bool reverse;
};

#define KEYS_MAX 3 /* one, and what complete() adds */

/* Most rows are told apart by numbers: nothing is asked about them then. */
struct placed {
	uint64_t numbers[KEYS_MAX];
	uint32_t row;
	uint8_t whole; /* a bit for each: there is no more to know */
};

static int compare_key(const struct sorting *sorting, size_t i, const struct placed *x,
		       const struct placed *y)
{
	struct group_keys key = { .num = 1, .keys = { sorting->keys.keys[i] } };

	if (x->numbers[i] != y->numbers[i])
		return x->numbers[i] < y->numbers[i] ? -1 : 1;
	if (x->whole & y->whole & 1u << i)
		return 0;
	return compare_rows(sorting->ctx, &key, x->row, y->row);
}

static int compare_placed(const void *a, const void *b, void *arg)
{
	const struct placed *x = a, *y = b;
	const struct sorting *sorting = arg;
	int order = 0;

	for (size_t i = 0; !order && i < sorting->keys.num; i++)
		order = compare_key(sorting, i, x, y);
	if (order)
		return sorting->reverse ? -order : order;
	return (x->row > y->row) - (x->row < y->row);
}

/* The usual order needs no more of a row than one number, which may be negative. */
static int sort_by_age(const struct listing *l, uint32_t *order)
{
	struct digits_item *aged = malloc((l->num ?: 1) * sizeof(*aged));
	struct digits_item *spare = malloc((l->num ?: 1) * sizeof(*spare));
	int err = aged && spare ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < l->num; i++)
		aged[i] = (struct digits_item){ (uint64_t)l->rows[i].since_ns ^ 1ULL << 63,
						(uint32_t)i, 0 };
	if (!err)
		digits__sort(&aged, &spare, l->num);
	for (size_t i = 0; !err && i < l->num; i++)
		order[i] = aged[i].place;
	free(aged);
	free(spare);
	return err;
}

static void place(const struct sorting *sorting, uint32_t row, struct placed *placed)
{
	struct asked asked;
	const struct record *rec = ask(sorting->ctx, row, &asked);

	*placed = (struct placed){ .row = row };
	for (size_t i = 0; i < sorting->keys.num; i++) {
		struct field_prefix prefix = field__prefix(sorting->keys.keys[i], rec);

		placed->numbers[i] = prefix.number;
		placed->whole |= (uint8_t)(prefix.whole << i);
	}
}

int group__sort(const struct group_context *ctx, const struct group_keys *keys, bool reverse,
		uint32_t *order)
{
	struct sorting sorting = { .ctx = ctx, .keys = *keys, .reverse = reverse };
	size_t num = ctx->listing->num;
	struct placed *placed;

	if (!keys->num && !reverse)
		return sort_by_age(ctx->listing, order);
	placed = malloc((num ?: 1) * sizeof(*placed));
	if (!placed)
		return -ENOMEM;
	complete(&sorting.keys);
	for (size_t i = 0; i < num; i++)
		place(&sorting, (uint32_t)i, &placed[i]);
	qsort_r(placed, num, sizeof(*placed), compare_placed, &sorting);
	for (size_t i = 0; i < num; i++)
		order[i] = placed[i].row;
	free(placed);
	return 0;
}

/* ---- counting ---- */

struct counting {
	const struct group_context *ctx;
	const struct group_keys *keys;
	struct table *table;
	uint64_t seed;
};

/* By the hash of its values; those of the same hash are told apart by a row. */
struct counted {
	uint64_t hash;
	struct group group;
};

static uint64_t hash_record(const struct counting *c, const struct record *rec)
{
	uint64_t hash = c->seed;

	for (size_t i = 0; i < c->keys->num; i++)
		hash = field__hash(c->keys->keys[i], rec, hash);
	return hash;
}

/* The group that @row is of, which may be a new one. */
static int group_of(const struct counting *c, uint32_t row, struct group **group)
{
	struct asked mine, other;
	const struct record *rec = ask(c->ctx, row, &mine);
	uint64_t hash = hash_record(c, rec);
	struct counted *found = table__find(c->table, &hash);
	int err;

	while (found && compare_records(c->keys, rec, ask(c->ctx, found->group.row, &other)))
		found = table__find_next(c->table, found);
	if (!found) {
		err = table__add(c->table, &hash, (void **)&found);
		if (err < 0)
			return err;
		found->group.row = row;
	}
	*group = &found->group;
	return 0;
}

static void count_state(struct group *group, const struct listing_row *row)
{
	if (row->mini && row->state == SOCKDIAG_FIN_WAIT2)
		group->fin_wait2_minis++;
	else if (row->state < SOCKDIAG_STATE_END)
		group->states[row->state]++;
}

static int count_rows(const struct counting *c)
{
	const struct listing *l = c->ctx->listing;

	for (size_t i = 0; i < l->num; i++) {
		struct group *group;
		int err = group_of(c, (uint32_t)i, &group);

		if (err)
			return err;
		group->count++;
		group->inferred += l->rows[i].evidence == OWNER_INFERRED;
		count_state(group, &l->rows[i]);
	}
	return 0;
}

static int compare_groups(const void *a, const void *b, void *arg)
{
	const struct group *x = a, *y = b;
	const struct counting *c = arg;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return compare_rows(c->ctx, c->keys, x->row, y->row);
}

static int collect(struct counting *c, struct group **groups, size_t *num)
{
	size_t count = table__count(c->table), i = 0;
	struct group *all = malloc((count ?: 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (const struct counted *e = NULL; (e = table__next(c->table, e));)
		all[i++] = e->group;
	qsort_r(all, count, sizeof(*all), compare_groups, c);
	*groups = all;
	*num = count;
	return 0;
}

int group__count(const struct group_context *ctx, const struct group_keys *keys,
		 struct group **groups, size_t *num)
{
	struct counting c = { .ctx = ctx, .keys = keys, .seed = hash__random_seed() };
	const struct table_options opts = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct counted),
		.max = ctx->listing->num ?: 1,
	};
	int err = table__new(&c.table, &opts);

	if (err)
		return err;
	err = count_rows(&c) ?: collect(&c, groups, num);
	table__free(c.table);
	return err;
}

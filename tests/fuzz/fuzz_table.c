// SPDX-License-Identifier: GPL-2.0
/*
 * Any sequence of calls: the hash table does what a plain array of its entries in the
 * order of their age does, for each of its options.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>

#include "base/table.h"

#define KEYS 24
#define ROOM 200

struct item {
	uint64_t key, more; /* both are the key */
	uint64_t value;
};

/* From the oldest to the newest of each list, the living before the dead. */
struct model {
	struct item *items[2 * ROOM];
	uint64_t born[2 * ROOM];
	bool dead[2 * ROOM];
	size_t num, max;
	uint64_t births, dropped;
	bool drop_living;
};

static struct item *evicted;

static void on_evict(void *ctx, void *entry)
{
	(void)ctx;
	evicted = entry;
}

static void model__cut(struct model *m, size_t at)
{
	size_t rest = m->num-- - at - 1;

	memmove(&m->items[at], &m->items[at + 1], rest * sizeof(m->items[0]));
	memmove(&m->born[at], &m->born[at + 1], rest * sizeof(m->born[0]));
	memmove(&m->dead[at], &m->dead[at + 1], rest * sizeof(m->dead[0]));
}

/* The newest of its list. */
static void model__insert(struct model *m, struct item *item, uint64_t born, bool dead)
{
	size_t at = 0;

	while (at < m->num && m->dead[at] <= dead)
		at++;
	memmove(&m->items[at + 1], &m->items[at], (m->num - at) * sizeof(m->items[0]));
	memmove(&m->born[at + 1], &m->born[at], (m->num - at) * sizeof(m->born[0]));
	memmove(&m->dead[at + 1], &m->dead[at], (m->num - at) * sizeof(m->dead[0]));
	m->items[at] = item;
	m->born[at] = born;
	m->dead[at] = dead;
	m->num++;
}

static size_t model__place(const struct model *m, const struct item *item)
{
	size_t at = 0;

	while (at < m->num && m->items[at] != item)
		at++;
	return at;
}

/* The newest with this key that was made before @before. */
static size_t model__find(const struct model *m, const uint64_t key[2], uint64_t before)
{
	size_t best = m->num;

	for (size_t i = 0; i < m->num; i++)
		if (!memcmp(m->items[i], key, 16) && m->born[i] < before &&
		    (best == m->num || m->born[i] > m->born[best]))
			best = i;
	return best;
}

/* Who gives way: the oldest of the dead, or of all. */
static size_t model__victim(const struct model *m)
{
	size_t at = 0;

	while (at < m->num && !m->dead[at])
		at++;
	return at < m->num ? at : m->drop_living ? 0 : m->num;
}

static void check_added(struct model *m, int ret, struct item *item, uint64_t value)
{
	if (m->num == m->max) {
		size_t victim = model__victim(m);

		if (victim == m->num) {
			CHECK(ret == -ENOSPC);
			return;
		}
		CHECK(evicted == m->items[victim]);
		m->dropped += !m->dead[victim];
		model__cut(m, victim);
	} else {
		CHECK(!evicted);
	}
	CHECK(ret == 1 && !item->value);
	CHECK(model__place(m, item) == m->num);
	item->value = value;
	model__insert(m, item, ++m->births, false);
}

static void check_all(const struct model *m, const struct table *table)
{
	const struct item *item = NULL;
	size_t dead = 0;

	for (size_t i = 0; i < m->num; i++) {
		item = table__next(table, item);
		CHECK(item == m->items[i]);
		CHECK(table__is_dead(item) == m->dead[i]);
		CHECK(table__index(item) < m->max);
		dead += m->dead[i];
	}
	CHECK(!table__next(table, item));
	CHECK(table__count(table) == m->num && table__count_dead(table) == dead);
	CHECK(table__dropped(table) == m->dropped);
}

static void check_chain(const struct model *m, const struct table *table, const uint64_t key[2])
{
	const struct item *item = table__find(table, key);
	uint64_t before = UINT64_MAX;
	size_t at;

	while ((at = model__find(m, key, before)) < m->num) {
		CHECK(item == m->items[at]);
		before = m->born[at];
		item = table__find_next(table, item);
	}
	CHECK(!item);
}

static void step(struct model *m, struct table *table, uint8_t what, uint8_t which, uint64_t value)
{
	const uint64_t key[2] = { which % KEYS, which % 3 };
	size_t at = model__find(m, key, UINT64_MAX);
	void *entry = NULL;
	int ret;

	evicted = NULL;
	check_chain(m, table, key);
	switch (what % 8) {
	case 0:
	case 1:
		ret = table__get(table, key, &entry);
		if (at < m->num)
			CHECK(!ret && entry == m->items[at]);
		else
			check_added(m, ret, entry, value);
		break;
	case 2:
		ret = table__add(table, key, &entry);
		check_added(m, ret, entry, value);
		break;
	case 3:
		if (at == m->num)
			break;
		table__remove(table, m->items[at]);
		model__cut(m, at);
		break;
	case 4:
	case 5:
		if (at == m->num)
			break;
		entry = m->items[at];
		value = m->born[at];
		if (what % 8 == 4)
			table__retire(table, entry);
		else
			table__touch(table, entry);
		model__cut(m, at);
		model__insert(m, entry, value, what % 8 == 4);
		break;
	case 6:
		check_all(m, table);
		break;
	default:
		if (which)
			break;
		table__clear(table);
		m->num = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model m;
	struct table_options opts = {
		.key_bytes = 16, .entry_bytes = sizeof(struct item), .evict = on_evict,
		.seed = 1,
	};
	struct table *table;

	if (size < 2)
		return 0;
	opts.max = 1 + data[1] % ROOM;
	opts.fixed = data[0] & 1;
	opts.in_sequence = data[0] & 2;
	opts.drop_living = data[0] & 4;
	m = (struct model){ .max = opts.max, .drop_living = opts.drop_living };
	CHECK(!table__new(&table, &opts));
	for (size_t i = 2; i + 1 < size; i += 2)
		step(&m, table, data[i], data[i + 1], i);
	check_all(&m, table);
	table__free(table);
	return 0;
}

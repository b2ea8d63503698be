// SPDX-License-Identifier: GPL-2.0
/* Blocks that no recorder makes: sound by themselves, but with more that differs than a block is
 * made with. They are told, or are damaged; they never look like a disk that is full. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/block_builder.h"
#include "tests/unit/store/store_support.h"
#include "tests/unit/support.h"

static const struct recording_options usual = { .size_bytes = 64 << 20, .raw_percent = 50 };
static const struct history_span whole = { 0, 0 };
static struct store_failure failure;

/* Nothing of it is as in any other one. */
static void make_row(uint32_t n, struct held_row *row)
{
	struct tws_event *ev = &row->event;

	*row = (struct held_row){ .wall_ns = STORE_BEGIN_NS + n };
	support__event(ev);
	ev->cookie = (uint64_t)n << 32;
	ev->netns = n + 1;
	memcpy(ev->local_addr, &n, sizeof(n));
	ev->local_addr[3] = 10;
	memcpy(ev->peer_addr, &n, sizeof(n));
	ev->peer_addr[3] = 11;
	ev->conn.tgid = ev->conn.tid = ev->conn.ns_tgid = ev->conn.opener_tgid = n + 1;
	ev->conn.cgroup_id = n + 1;
}

/* So many of these as it takes. */
static struct block_builder *full_builder(uint32_t first)
{
	struct block_builder *builder;
	struct held_row row;
	int err = 0;

	assert_int_equal(block_builder__new(&builder), 0);
	for (uint32_t n = first; !err; n++) {
		make_row(n, &row);
		err = block_builder__add(builder, &row);
	}
	assert_int_equal(err, -ENOSPC);
	assert_in_range(block_builder__count(builder), 1000, BLOCK_ROWS - 1);
	return builder;
}

static struct held_block block_of(struct block_builder *builder, uint64_t first_row, uint32_t run,
				  bool is_tail)
{
	struct held_block block = {
		.first_row = first_row, .rows = block_builder__count(builder), .run = run,
		.since_ns = STORE_BEGIN_NS, .until_ns = STORE_BEGIN_NS + SECOND_NS,
		.is_tail = is_tail,
	};

	assert_int_equal(block_builder__encode(builder, 0, 1, &block.data, &block.size), 0);
	return block;
}

static struct recording *open_recording(const char *path, uint64_t now_ns)
{
	const struct held_run run = store_support__run(now_ns);
	struct recording *rec;

	if (recording__open(&rec, path, &usual, &run, &failure))
		fail_msg("%s", failure.text);
	return rec;
}

static void add(struct recording *rec, const struct held_block *block)
{
	assert_int_equal(recording__begin(rec), 0);
	assert_int_equal(recording__add_block(rec, block), 0);
	assert_int_equal(recording__commit(rec, STORE_BEGIN_NS + SECOND_NS), 0);
}

static int sum_count(void *ctx, const struct held_minute *minute)
{
	*(uint64_t *)ctx += minute->count;
	return 0;
}

static int count_gap(void *ctx, const struct held_gap *gap)
{
	*(unsigned int *)ctx += gap->reason == HELD_GAP_DAMAGED;
	return 0;
}

static uint64_t count_rows(struct history_cursor *cursor)
{
	const struct block *block;
	struct held_block meta;
	uint64_t rows = 0;
	int ret;

	while ((ret = history_cursor__next(cursor, &block, &meta)) == 1)
		rows += block__count(block);
	assert_int_equal(ret, 0);
	return rows;
}

/* What a recorder that was killed seems to have left: tails that do not fit into one block. */
static void test_tails(void **state)
{
	struct block_builder *builders[] = { full_builder(0), full_builder(100000) };
	char *path = store_support__path();
	struct recording *rec = open_recording(path, STORE_BEGIN_NS);
	struct history_cursor *cursor;
	struct history *history;
	uint64_t rows = 0, counted = 0;
	struct recording_next next;

	(void)state;
	recording__next(rec, &next);
	for (unsigned int i = 0; i < 2; i++) {
		const struct held_block tail = block_of(builders[i], 1 + rows, next.run, true);

		add(rec, &tail);
		rows += tail.rows;
		block_builder__free(builders[i]);
	}
	recording__close(rec);
	recording__close(open_recording(path, STORE_BEGIN_NS + 2 * SECOND_NS));
	assert_int_equal(history__open(&history, path, &failure), 0);
	assert_int_equal(history__each_minute(history, &whole, sum_count, &counted), 0);
	assert_int_equal(counted, rows);
	assert_int_equal(history_cursor__new(&cursor, history, &whole), 0);
	assert_int_equal(count_rows(cursor), rows);
	history_cursor__free(cursor);
	history__close(history);
	store_support__remove(path);
}

/* A block takes the place of a tail that was given already: the rest of it is more than a block
 * is made with. */
static void test_rest(void **state)
{
	struct block_builder *builder = full_builder(0);
	uint32_t room = builder->num_entries;
	char *path = store_support__path();
	struct recording *rec = open_recording(path, STORE_BEGIN_NS);
	struct history_cursor *cursor;
	struct block_builder *first;
	struct history *history;
	struct held_block block;
	struct recording_next next;
	struct held_row row;
	unsigned int gaps = 0;

	(void)state;
	recording__next(rec, &next);
	make_row(0, &row);
	assert_int_equal(block_builder__new(&first), 0);
	assert_int_equal(block_builder__add(first, &row), 0);
	block = block_of(first, 1, next.run, true);
	add(rec, &block);
	block_builder__free(first);
	assert_int_equal(history__open(&history, path, &failure), 0);
	assert_int_equal(history_cursor__new(&cursor, history, &whole), 0);
	assert_int_equal(count_rows(cursor), 1);
	/* Rows that bring nothing new, which a builder would not take any more. */
	builder->num_entries = 0;
	for (unsigned int i = 0; i < 100; i++) {
		make_row(0, &row);
		assert_int_equal(block_builder__add(builder, &row), 0);
	}
	assert_int_equal(builder->num_entries, 0);
	builder->num_entries = room;
	block = block_of(builder, 1, next.run, false);
	add(rec, &block);
	block_builder__free(builder);
	assert_int_equal(count_rows(cursor), 0);
	assert_int_equal(history__each_gap(history, &whole, count_gap, &gaps), 0);
	assert_int_equal(gaps, 1);
	history_cursor__free(cursor);
	history__close(history);
	recording__close(rec);
	store_support__remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tails),
		cmocka_unit_test(test_rest),
	};

	return cmocka_run_group_tests_name("hostile_blocks", tests, NULL, NULL);
}

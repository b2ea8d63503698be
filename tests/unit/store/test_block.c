// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/sink.h"
#include "store/block.h"
#include "store/block_format.h"
#include "tests/unit/support.h"

#define LEVEL 3
#define NS_PER_S 1000000000ULL

/* ---- rows of all kinds ---- */

static void make_common(struct held_row *row)
{
	*row = (struct held_row){ .wall_ns = SUPPORT_WALL_NS, .who = 3, .command = 4 };
	support__event(&row->event);
	row->event.conn.closer_start_ns = 6 * NS_PER_S;
}

static void make_ipv6(struct held_row *row)
{
	support__make_ipv6(&row->event);
	row->event.conn.side = TWS_SIDE_SERVER;
}

static void make_link_local(struct held_row *row)
{
	support__make_ipv6(&row->event);
	row->event.local_addr[0] = row->event.peer_addr[0] = 0xfe;
	row->event.local_addr[1] = row->event.peer_addr[1] = 0x80;
	row->event.conn.ifindex = 7;
	row->interface = "eth0";
	row->netns_name = "blue";
}

static void make_end(struct held_row *row)
{
	row->event.action = TWS_TIME_WAIT_END;
	row->event.end = TWS_END_EXPIRED;
	row->event.time_ns += 60 * NS_PER_S + 3;
	row->wall_ns += 60 * NS_PER_S + 3;
}

static void make_end_reused(struct held_row *row)
{
	make_end(row);
	row->event.end = TWS_END_REUSED_BY_SYN;
	row->event.conn.open_ns = 0;
}

static void make_passive(struct held_row *row)
{
	row->event.action = TWS_PASSIVE_CLOSE;
	row->event.conn.flags = TWS_F_PASSIVE | TWS_F_CLOSER | TWS_F_SIGNALED;
	row->event.conn.opener_tgid = 0;
	memset(row->event.conn.opener_comm, 0, TWS_COMM_LEN);
	row->event.conn.cause = TWS_CAUSE_EXIT;
}

static void make_nobody(struct held_row *row)
{
	const uint64_t open_ns = row->event.conn.open_ns;

	memset(&row->event.conn, 0, sizeof(row->event.conn));
	row->event.conn.open_ns = open_ns;
	row->event.conn.cause = TWS_CAUSE_KERNEL;
	row->event.conn.cgroup_id = 17;
	row->who = row->command = 0;
}

static void make_snapshot(struct held_row *row)
{
	make_nobody(row);
	row->event.conn.open_ns = 0;
	row->event.conn.flags = TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	row->event.tx_bytes = row->event.rx_bytes = row->event.cookie = 0;
}

static void make_connect_failed(struct held_row *row)
{
	row->event.action = TWS_CONNECT_FAILED;
	row->event.error = EADDRNOTAVAIL;
	row->event.local_port = 0;
	memset(row->event.local_addr, 0, 16);
}

static void make_bind_failed(struct held_row *row)
{
	row->event.action = TWS_BIND_FAILED;
	row->event.error = EADDRINUSE;
	row->event.peer_port = 0;
	row->event.conn.side = TWS_SIDE_UNKNOWN;
	memset(row->event.peer_addr, 0, 16);
}

static void make_self_opened(struct held_row *row)
{
	row->event.conn.opener_tgid = row->event.conn.tgid;
	memcpy(row->event.conn.opener_comm, row->event.conn.comm, TWS_COMM_LEN);
}

static void make_contained(struct held_row *row)
{
	row->event.conn.ns_tgid = 1;
	row->event.conn.pid_ns = 4026532999U;
	row->event.conn.uid = 4294967294U;
	row->netns_name = "";
}

static void make_hostile(struct held_row *row)
{
	memcpy(row->event.conn.comm, "a\xff\n\"\0b\x1b[2J", 11);
	memset(row->event.conn.thread_comm, 0xfe, TWS_COMM_LEN - 1);
	row->netns_name = "\xff\x01\"</script>";
	row->interface = "\\x41\n";
}

static void make_largest(struct held_row *row)
{
	struct tws_event *ev = &row->event;

	ev->cookie = ev->tx_bytes = ev->rx_bytes = ev->time_ns = UINT64_MAX;
	row->wall_ns = UINT64_MAX;
	ev->conn.open_ns = ev->conn.closer_start_ns = ev->conn.cgroup_id = UINT64_MAX;
	ev->netns = ev->conn.ifindex = ev->conn.uid = ev->conn.tgid = UINT32_MAX;
	ev->conn.tid = 1;
	ev->conn.ns_tgid = ev->conn.pid_ns = ev->conn.opener_tgid = UINT32_MAX;
	ev->local_port = ev->peer_port = UINT16_MAX;
	ev->conn.flags = UINT16_MAX;
	ev->error = 4095;
	row->who = row->command = UINT32_MAX;
}

static void make_least(struct held_row *row)
{
	memset(row, 0, sizeof(*row));
	row->event.action = TWS_ABORT;
	row->event.family = AF_INET;
}

/* Opened after it ended: no time goes backwards, and yet it is to be kept. */
static void make_backwards(struct held_row *row)
{
	row->event.conn.open_ns = row->event.time_ns + 12345;
	row->wall_ns -= 3600 * NS_PER_S;
	row->event.cookie -= 70;
}

static void (*const makers[])(struct held_row *) = {
	make_common, make_ipv6, make_link_local, make_end, make_end_reused, make_passive,
	make_nobody, make_snapshot, make_connect_failed, make_bind_failed, make_self_opened,
	make_contained, make_hostile, make_largest, make_least, make_backwards,
};

static void make_row(struct held_row *row, uint64_t number)
{
	make_common(row);
	row->event.time_ns += number * 1000;
	row->event.cookie += number;
	row->event.local_port = (uint16_t)(row->event.local_port + number);
	makers[number % COUNT(makers)](row);
}

/* ---- comparing ---- */

static void check_string(const char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

static void check_row(const struct block *block, uint32_t index, const struct held_row *want)
{
	struct held_row got;

	memset(&got, 0xa5, sizeof(got));
	block__row(block, index, &got);
	assert_memory_equal(&got.event, &want->event, sizeof(got.event));
	assert_true(got.wall_ns == want->wall_ns);
	assert_int_equal(got.who, want->who);
	assert_int_equal(got.command, want->command);
	check_string(got.netns_name, want->netns_name);
	check_string(got.interface, want->interface);
}

static void put_line(struct sink *sink, const struct held_row *row)
{
	const struct record rec = {
		.event = &row->event,
		.wall_ns = row->wall_ns,
		.netns_name = row->netns_name,
		.interface = row->interface,
	};

	assert_int_equal(sink__put(sink, &rec), 0);
}

static struct block_builder *new_builder(void)
{
	struct block_builder *builder;

	assert_int_equal(block_builder__new(&builder), 0);
	return builder;
}

static void add_rows(struct block_builder *builder, uint64_t from, uint64_t end)
{
	struct held_row row;

	for (uint64_t i = from; i < end; i++) {
		make_row(&row, i);
		assert_int_equal(block_builder__add(builder, &row), 0);
	}
}

static struct block *decode(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size);
	struct block *block = NULL;

	memcpy(copy, data, size);
	assert_int_equal(block__decode(&block, copy, size), 0);
	free(copy); /* it need not live on */
	return block;
}

/* The rows from @from on, there and back. */
static struct block *turn(struct block_builder *builder, uint32_t from)
{
	const uint8_t *data;
	size_t size;

	assert_int_equal(block_builder__encode(builder, from, LEVEL, &data, &size), 0);
	return decode(data, size);
}

static void check_rows(const struct block *block, uint64_t from, uint64_t end)
{
	struct held_row row;

	assert_int_equal(block__count(block), end - from);
	for (uint64_t i = from; i < end; i++) {
		make_row(&row, i);
		check_row(block, (uint32_t)(i - from), &row);
	}
}

/* ---- there and back ---- */

static void all_comes_back(void **unused)
{
	struct block_builder *builder = new_builder();
	struct block *block;

	(void)unused;
	add_rows(builder, 0, 1000);
	assert_int_equal(block_builder__count(builder), 1000);
	block = turn(builder, 0);
	check_rows(block, 0, 1000);
	block__free(block);
	block_builder__free(builder);
}

/* What people read is the same, too, in each format. */
static void output_is_the_same(void **unused)
{
	static const enum sink_format formats[] = { SINK_TEXT, SINK_JSON, SINK_CSV };
	struct block_builder *builder = new_builder();
	struct block *block;

	(void)unused;
	add_rows(builder, 0, 2 * COUNT(makers));
	block = turn(builder, 0);
	for (size_t i = 0; i < COUNT(formats); i++) {
		const struct sink_options opts = { .format = formats[i], .actions = true };
		struct sink *sinks[2];
		char *texts[2];
		int fds[2];

		for (int side = 0; side < 2; side++) {
			fds[side] = support__memfd();
			assert_int_equal(sink__new(&sinks[side], fds[side], &opts), 0);
		}
		for (uint32_t at = 0; at < block__count(block); at++) {
			struct held_row row;

			make_row(&row, at);
			put_line(sinks[0], &row);
			block__row(block, at, &row);
			put_line(sinks[1], &row);
		}
		for (int side = 0; side < 2; side++) {
			assert_int_equal(sink__flush(sinks[side]), 0);
			sink__free(sinks[side]);
			texts[side] = support__contents(fds[side], NULL);
			close(fds[side]);
		}
		assert_string_equal(texts[1], texts[0]);
		assert_true(strlen(texts[0]) > 1000);
		free(texts[0]);
		free(texts[1]);
	}
	block__free(block);
	block_builder__free(builder);
}

/* Tails have only what is new, and then all are one; nothing of an earlier block stays. */
static void parts_stand_alone(void **unused)
{
	struct block_builder *builder = new_builder();
	struct block *block;

	(void)unused;
	for (uint64_t minute = 0; minute < 3; minute++) {
		uint64_t first = minute * 77;

		for (uint32_t at = 0; at < 200; at += 50) {
			add_rows(builder, first + at, first + at + 50);
			block = turn(builder, at);
			check_rows(block, first + at, first + at + 50);
			block__free(block);
		}
		block = turn(builder, 0);
		check_rows(block, first, first + 200);
		block__free(block);
		block_builder__clear(builder);
		assert_int_equal(block_builder__count(builder), 0);
	}
	block = turn(builder, 0);
	assert_int_equal(block__count(block), 0);
	block__free(block);
	block = turn(builder, 1);
	assert_int_equal(block__count(block), 0);
	block__free(block);
	block_builder__free(builder);
}

static uint64_t scramble(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

/* No two rows have anything in common. */
static void make_different(struct held_row *row, char name[32], uint64_t number)
{
	uint64_t x = scramble(number + 1);

	make_common(row);
	row->event.cookie = x;
	row->event.conn.tgid = row->event.conn.tid = (uint32_t)number + 1;
	row->event.conn.opener_tgid = (uint32_t)(x >> 8) | 1;
	row->event.netns = (uint32_t)(x >> 16);
	memcpy(row->event.local_addr, &x, 8);
	memcpy(row->event.peer_addr + 8, &x, 8);
	row->event.local_port = (uint16_t)x;
	row->event.tx_bytes = scramble(x);
	snprintf(row->event.conn.thread_comm, TWS_COMM_LEN, "%llx", (unsigned long long)number);
	snprintf(name, 32, "n%llx", (unsigned long long)number);
	row->netns_name = name;
}

static void full_is_said(void **unused)
{
	struct block_builder *builder = new_builder();
	struct held_row row;
	struct block *block;

	(void)unused;
	add_rows(builder, 0, BLOCK_ROWS);
	make_row(&row, 0);
	assert_int_equal(block_builder__add(builder, &row), -ENOSPC);
	assert_int_equal(block_builder__count(builder), BLOCK_ROWS);
	block = turn(builder, 0);
	check_rows(block, 0, BLOCK_ROWS);
	block__free(block);
	block_builder__clear(builder);
	add_rows(builder, 0, 10);
	block_builder__free(builder);
}

/* Rows that have nothing in common fill it sooner; an empty one takes them. */
static void variety_is_bounded(void **unused)
{
	struct block_builder *builder = new_builder();
	struct held_row row;
	struct block *block;
	uint32_t count = 0;
	char name[32];
	int err = 0;

	(void)unused;
	while (!err) {
		make_different(&row, name, count);
		err = block_builder__add(builder, &row);
		count += !err;
	}
	assert_int_equal(err, -ENOSPC);
	assert_true(count > 10000 && count < BLOCK_ROWS);
	assert_int_equal(block_builder__count(builder), count);
	block = turn(builder, 0);
	assert_int_equal(block__count(block), count);
	for (uint32_t i = 0; i < count; i++) {
		make_different(&row, name, i);
		check_row(block, i, &row);
	}
	block__free(block);
	block_builder__clear(builder);
	assert_int_equal(block_builder__add(builder, &row), 0);
	block_builder__free(builder);
}

/* Long names fill it sooner: then it is as before, and an empty one takes them. */
static void names_are_bounded(void **unused)
{
	struct block_builder *builder = new_builder();
	struct held_row row;
	struct block *block;
	char name[BLOCK_NAME_MAX + 2];
	uint32_t count = 0;
	int err = 0;

	(void)unused;
	make_common(&row);
	row.netns_name = name;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(block_builder__add(builder, &row), -EINVAL);
	name[BLOCK_NAME_MAX] = '\0';
	while (!err) {
		snprintf(name, 8, "%07u", count);
		name[7] = '.';
		err = block_builder__add(builder, &row);
		count += !err;
		assert_int_equal(block_builder__count(builder), count);
	}
	assert_int_equal(err, -ENOSPC);
	assert_true(count < BLOCK_ROWS);
	block = turn(builder, 0);
	assert_int_equal(block__count(block), count);
	block__free(block);
	block_builder__clear(builder);
	assert_int_equal(block_builder__add(builder, &row), 0);
	block = turn(builder, 0);
	check_row(block, 0, &row);
	block__free(block);
	block_builder__free(builder);
}

static void unsound_rows_are_refused(void **unused)
{
	struct block_builder *builder = new_builder();
	struct held_row row;

	(void)unused;
	make_common(&row);
	row.event.action = TWS_LISTEN;
	assert_int_equal(block_builder__add(builder, &row), -EINVAL);
	make_common(&row);
	row.event.family = AF_UNIX;
	assert_int_equal(block_builder__add(builder, &row), -EINVAL);
	make_common(&row);
	memset(row.event.conn.comm, 'x', TWS_COMM_LEN);
	assert_int_equal(block_builder__add(builder, &row), -EINVAL);
	assert_int_equal(block_builder__count(builder), 0);
	block_builder__free(builder);
}

/* ---- what is damaged ---- */

static void mend_crc(uint8_t *data, size_t size)
{
	block_format__put32(data + BLOCK_AT_CRC, block_format__crc(data, size));
}

static void check_refused(const uint8_t *data, size_t size, int want)
{
	struct block *block = NULL;

	assert_int_equal(block__decode(&block, data, size), want);
	assert_null(block);
}

static void damage_is_seen(void **unused)
{
	struct block_builder *builder = new_builder();
	const uint8_t *data;
	uint8_t *copy;
	size_t size;

	(void)unused;
	add_rows(builder, 0, 40);
	assert_int_equal(block_builder__encode(builder, 0, LEVEL, &data, &size), 0);
	copy = malloc(size + 1);
	memcpy(copy, data, size);
	for (size_t at = 0; at < size; at++) {
		for (int bit = 0; bit < 8; bit++) {
			copy[at] ^= (uint8_t)(1 << bit);
			check_refused(copy, size, -EBADMSG);
			copy[at] ^= (uint8_t)(1 << bit);
		}
		check_refused(copy, at, -EBADMSG);
	}
	copy[size] = 0;
	check_refused(copy, size + 1, -EBADMSG);
	block__free(decode(copy, size));
	free(copy);
	block_builder__free(builder);
}

/* The checksum is right, and what it is of is not. */
static void lies_are_seen(void **unused)
{
	static const struct {
		enum block_header at;
		uint32_t value;
		int want;
	} lies[] = {
		{ BLOCK_AT_MAGIC, BLOCK_MAGIC + 1, -EBADMSG },
		{ BLOCK_AT_VERSION, BLOCK_VERSION + 1, -ENOTSUP },
		{ BLOCK_AT_VERSION, 0, -EBADMSG },
		{ BLOCK_AT_ROWS, 39, -EBADMSG },
		{ BLOCK_AT_ROWS, 41, -EBADMSG },
		{ BLOCK_AT_ROWS, BLOCK_ROWS + 1, -EBADMSG },
		{ BLOCK_AT_ROWS, UINT32_MAX, -EBADMSG },
		{ BLOCK_AT_PLAIN, 1, -EBADMSG },
		{ BLOCK_AT_PLAIN, BLOCK_BYTES_MAX + 1, -EBADMSG },
		{ BLOCK_AT_PLAIN, UINT32_MAX, -EBADMSG },
		{ BLOCK_AT_PACKED, 0, -EBADMSG },
	};
	struct block_builder *builder = new_builder();
	const uint8_t *data;
	uint8_t *copy;
	size_t size;

	(void)unused;
	add_rows(builder, 0, 40);
	assert_int_equal(block_builder__encode(builder, 0, LEVEL, &data, &size), 0);
	copy = malloc(size);
	for (size_t i = 0; i < COUNT(lies); i++) {
		memcpy(copy, data, size);
		block_format__put32(copy + lies[i].at, lies[i].value);
		mend_crc(copy, size);
		check_refused(copy, size, lies[i].want);
	}
	free(copy);
	block_builder__free(builder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_comes_back),
		cmocka_unit_test(output_is_the_same),
		cmocka_unit_test(parts_stand_alone),
		cmocka_unit_test(full_is_said),
		cmocka_unit_test(variety_is_bounded),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(unsound_rows_are_refused),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(lies_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

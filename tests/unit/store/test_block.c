// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include "output/sink.h"
#include "store/block.h"
#include "store/block_format.h"
#include "tests/unit/support.h"

#define LEVEL 1
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

/* The very first one is "", which is not none. */
static void empty_name_comes_first(void **unused)
{
	struct block_builder *builder = new_builder();
	struct held_row row;
	struct block *block;

	(void)unused;
	make_least(&row);
	row.netns_name = "";
	assert_int_equal(block_builder__add(builder, &row), 0);
	block = turn(builder, 0);
	check_row(block, 0, &row);
	block__free(block);
	block_builder__free(builder);
}

/* More batches of cookies than are remembered, each used again. */
static void cookies_come_back(void **unused)
{
	struct block_builder *builder = new_builder();
	struct held_row row;
	struct block *block;

	(void)unused;
	for (uint64_t i = 0; i < 4 * BLOCK_RECENT; i++) {
		make_common(&row);
		row.event.cookie = i % (2 * BLOCK_RECENT) * 5000 + i;
		assert_int_equal(block_builder__add(builder, &row), 0);
	}
	block = turn(builder, 0);
	for (uint64_t i = 0; i < 4 * BLOCK_RECENT; i++) {
		make_common(&row);
		row.event.cookie = i % (2 * BLOCK_RECENT) * 5000 + i;
		check_row(block, (uint32_t)i, &row);
	}
	block__free(block);
	block_builder__free(builder);
}

/* ---- what real traffic is like ---- */

static uint64_t roll(uint64_t *chance, uint64_t sides)
{
	*chance = scramble(*chance + 1);
	return *chance % sides;
}

static void turn_round(struct tws_event *ev)
{
	const struct tws_event seen = *ev;

	memcpy(ev->local_addr, seen.peer_addr, 16);
	memcpy(ev->peer_addr, seen.local_addr, 16);
	ev->local_port = seen.peer_port;
	ev->peer_port = seen.local_port;
	ev->tx_bytes = seen.rx_bytes;
	ev->rx_bytes = seen.tx_bytes;
	ev->conn.side = TWS_SIDE_SERVER;
	ev->conn.tid = ev->conn.tgid = 99;
	ev->action = TWS_PASSIVE_CLOSE;
}

/*
 * A connection each millisecond, of which the times are as good as random: one row of each end,
 * and one of the end of the TIME_WAIT: of an earlier connection, or of this one's, which
 * the next one with its addresses has ended.
 */
static void make_connection(struct held_row rows[3], uint64_t number, uint64_t *chance)
{
	struct held_row *client = &rows[0], *server = &rows[1], *end = &rows[2];

	make_common(client);
	make_self_opened(client);
	client->event.time_ns += number * 1000000 + roll(chance, 1000000);
	client->event.conn.open_ns = client->event.time_ns - 200000 - roll(chance, 1U << 20);
	client->event.cookie += 2 * number;
	client->event.local_port = (uint16_t)(32768 + 2 * (number % 5000));
	client->wall_ns += client->event.time_ns;
	*server = *client;
	turn_round(&server->event);
	server->event.time_ns += 30000 + roll(chance, 10000);
	server->wall_ns = client->wall_ns + 40000;
	server->event.conn.open_ns += 20000 + roll(chance, 10000);
	server->event.cookie++;
	*end = *client;
	make_end_reused(end);
	end->event.conn.open_ns = client->event.conn.open_ns;
	end->wall_ns = client->wall_ns + 60 * NS_PER_S;
	if (roll(chance, 2))
		end->event.conn.open_ns -= 60 * NS_PER_S + roll(chance, 1U << 20);
}

static void real_traffic_is_small(void **unused)
{
	struct block_builder *builder = new_builder();
	const uint32_t connections = 20000;
	uint64_t chance = 1;
	struct held_row rows[3];
	struct block *block;
	const uint8_t *data;
	size_t size;

	(void)unused;
	for (uint64_t i = 0; i < connections; i++) {
		make_connection(rows, i, &chance);
		for (size_t at = 0; at < COUNT(rows); at++)
			assert_int_equal(block_builder__add(builder, &rows[at]), 0);
	}
	assert_int_equal(block_builder__encode(builder, 0, LEVEL, &data, &size), 0);
	assert_true(size < 8 * COUNT(rows) * connections);
	block = decode(data, size);
	chance = 1;
	for (uint64_t i = 0; i < connections; i++) {
		make_connection(rows, i, &chance);
		for (size_t at = 0; at < COUNT(rows); at++)
			check_row(block, (uint32_t)(COUNT(rows) * i + at), &rows[at]);
	}
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

/* ---- another reader ---- */

/* "-" for none; an empty one is nothing between two spaces. */
static void print_hex(FILE *out, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", ((const uint8_t *)bytes)[i]);
	fputc(' ', out);
}

static void print_string(FILE *out, const char *s)
{
	if (s)
		print_hex(out, s, strlen(s));
	else
		fputs("- ", out);
}

static void print_comm(FILE *out, const char comm[TWS_COMM_LEN])
{
	size_t len = TWS_COMM_LEN;

	while (len && !comm[len - 1])
		len--;
	if (len)
		print_hex(out, comm, len);
	else
		fputs("- ", out);
}

/* As tests/unit/store/block.py does. */
static void print_row(FILE *out, const struct held_row *row)
{
	const struct tws_event *ev = &row->event;
	const struct tws_conn *conn = &ev->conn;

	fprintf(out, "%u %u %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u ",
		ev->action, ev->family, ev->end, ev->error, (uint64_t)ev->time_ns, row->wall_ns,
		(uint64_t)ev->cookie, (uint64_t)ev->tx_bytes, (uint64_t)ev->rx_bytes, ev->netns);
	print_string(out, row->netns_name);
	fprintf(out, "%u ", conn->ifindex);
	print_string(out, row->interface);
	print_hex(out, ev->local_addr, 16);
	fprintf(out, "%u ", ev->local_port);
	print_hex(out, ev->peer_addr, 16);
	fprintf(out, "%u %" PRIu64 " %u %u %u %u ", ev->peer_port, (uint64_t)conn->open_ns,
		row->who, row->command, conn->tgid, conn->tid);
	print_comm(out, conn->comm);
	print_comm(out, conn->thread_comm);
	fprintf(out, "%u %u %u %" PRIu64 " %" PRIu64 " %u ", conn->uid, conn->ns_tgid,
		conn->pid_ns, (uint64_t)conn->cgroup_id, (uint64_t)conn->closer_start_ns,
		conn->opener_tgid);
	print_comm(out, conn->opener_comm);
	fprintf(out, "%u %u %u\n", conn->side, conn->cause, conn->flags);
}

/* What it prints for the block in @data. */
static char *read_by_document(const uint8_t *data, size_t size)
{
	int in = support__memfd(), out = support__memfd(), status;
	char *text;
	pid_t pid;

	assert_int_equal(write(in, data, size), size);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
			execlp("python3", "python3", "tests/unit/store/block.py", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	text = support__contents(out, NULL);
	close(in);
	close(out);
	return text;
}

/* A program that knows no more than docs/formats.md reads the same. */
static void document_is_right(void **unused)
{
	struct block_builder *builder = new_builder();
	struct held_row rows[3];
	uint64_t chance = 1;
	char *want, *got;
	const uint8_t *data;
	size_t size, want_size;
	FILE *out = open_memstream(&want, &want_size);

	(void)unused;
	for (uint64_t i = 0; i < 3000; i++) {
		make_row(&rows[0], i / 3);
		if (i % 3)
			make_connection(rows, i, &chance);
		for (size_t at = 0; at < (i % 3 ? COUNT(rows) : 1); at++) {
			assert_int_equal(block_builder__add(builder, &rows[at]), 0);
			print_row(out, &rows[at]);
		}
	}
	fclose(out);
	assert_int_equal(block_builder__encode(builder, 0, LEVEL, &data, &size), 0);
	got = read_by_document(data, size);
	assert_string_equal(got, want);
	free(got);
	free(want);
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

/* A block of no rows that has so many names, each of so many bytes. */
static void check_names(uint32_t num, uint8_t len, int want)
{
	const size_t others = 8 * 4 + 2 + 4 + 4 + 3 + 2 + 11 + 9 + 1 + 10; /* all are empty */
	size_t size = 4 + (size_t)num * (1U + len) + others;
	size_t room = BLOCK_HEADER + ZSTD_compressBound(size), packed;
	uint8_t *plain = calloc(size, 1), *data = calloc(room, 1);
	struct block *block = NULL;

	block_format__put32(plain, num);
	memset(plain + 4, len, num);
	packed = ZSTD_compress(data + BLOCK_HEADER, room - BLOCK_HEADER, plain, size, LEVEL);
	assert_false(ZSTD_isError(packed));
	block_format__put32(data + BLOCK_AT_MAGIC, BLOCK_MAGIC);
	block_format__put32(data + BLOCK_AT_VERSION, BLOCK_VERSION);
	block_format__put32(data + BLOCK_AT_PLAIN, (uint32_t)size);
	block_format__put32(data + BLOCK_AT_PACKED, (uint32_t)packed);
	mend_crc(data, BLOCK_HEADER + packed);
	assert_int_equal(block__decode(&block, data, BLOCK_HEADER + packed), want);
	block__free(block);
	free(plain);
	free(data);
}

/* What becomes large out of little is refused before it is. */
static void bombs_are_refused(void **unused)
{
	(void)unused;
	check_names(0, 0, 0);
	check_names(BLOCK_ENTRIES_MAX, 0, 0);
	check_names(BLOCK_ENTRIES_MAX + 1, 0, -EBADMSG);
	check_names(BLOCK_NAMES_BYTES / 255, 255, 0);
	check_names(BLOCK_NAMES_BYTES / 255 + 1, 255, -EBADMSG);
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
		cmocka_unit_test(empty_name_comes_first),
		cmocka_unit_test(cookies_come_back),
		cmocka_unit_test(real_traffic_is_small),
		cmocka_unit_test(document_is_right),
		cmocka_unit_test(unsound_rows_are_refused),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(lies_are_seen),
		cmocka_unit_test(bombs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

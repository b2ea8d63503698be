// SPDX-License-Identifier: GPL-2.0
/*
 * Any rows in a block of a recording: they come back as they were, all of them and from any
 * one on; and once some of its bytes are others, under a right checksum, what is read is
 * refused or sound.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <zstd.h>

#include "store/block_format.h"

#define ROWS_MAX 32U

struct input {
	const uint8_t *at, *end;
};

static uint8_t next_byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static uint64_t next_bytes(struct input *in, unsigned int num)
{
	uint64_t value = 0;

	while (num--)
		value = value << 8 | next_byte(in);
	return value;
}

/* ---- rows, each as the one before but for some members ---- */

#define MEMBER(name) { offsetof(struct held_row, name), sizeof(((struct held_row *)0)->name) }

static const struct {
	size_t at, size;
} members[] = {
	MEMBER(event.action), MEMBER(event.family), MEMBER(event.end), MEMBER(event.error),
	MEMBER(event.time_ns), MEMBER(event.cookie), MEMBER(event.tx_bytes),
	MEMBER(event.rx_bytes), MEMBER(event.netns), MEMBER(event.local_port),
	MEMBER(event.peer_port), MEMBER(event.local_addr), MEMBER(event.peer_addr),
	MEMBER(event.conn.open_ns), MEMBER(event.conn.closer_start_ns),
	MEMBER(event.conn.cgroup_id), MEMBER(event.conn.tgid), MEMBER(event.conn.tid),
	MEMBER(event.conn.uid), MEMBER(event.conn.ns_tgid), MEMBER(event.conn.pid_ns),
	MEMBER(event.conn.opener_tgid), MEMBER(event.conn.comm), MEMBER(event.conn.thread_comm),
	MEMBER(event.conn.opener_comm), MEMBER(event.conn.side), MEMBER(event.conn.cause),
	MEMBER(event.conn.flags), MEMBER(event.conn.ifindex), MEMBER(wall_ns), MEMBER(who),
	MEMBER(command),
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static const char *const names[] = { NULL, "", "blue", "eth0", "\xff\x01\n" };
#define NAMES (sizeof(names) / sizeof(names[0]))

static void swap_ends(struct tws_event *ev)
{
	uint8_t addr[16];
	uint16_t port = ev->local_port;

	memcpy(addr, ev->local_addr, 16);
	memcpy(ev->local_addr, ev->peer_addr, 16);
	memcpy(ev->peer_addr, addr, 16);
	ev->local_port = ev->peer_port;
	ev->peer_port = port;
}

static void change(struct held_row *row, struct input *in)
{
	uint8_t which = next_byte(in), how = next_byte(in);
	uint8_t *member;
	uint64_t value = 0;

	if (which % 64 == 62) {
		row->netns_name = names[how % NAMES];
		row->interface = names[how / NAMES % NAMES];
		return;
	}
	if (which % 64 == 63) {
		swap_ends(&row->event);
		return;
	}
	member = (uint8_t *)row + members[which % MEMBERS].at;
	if (members[which % MEMBERS].size > sizeof(value)) {
		member[how % 16] = next_byte(in);
		return;
	}
	memcpy(&value, member, members[which % MEMBERS].size);
	value = how & 0x80 ? value + (uint64_t)(int64_t)(int8_t)next_byte(in) :
			     next_bytes(in, how % 9);
	memcpy(member, &value, members[which % MEMBERS].size);
}

static void mend(struct tws_event *ev)
{
	ev->action = (__u8)(1 + ev->action % (TWS_LISTEN - 1));
	ev->family = ev->family & 1 ? AF_INET6 : AF_INET;
	ev->end = ev->action == TWS_TIME_WAIT_END ? ev->end % TWS_END_END : 0;
	ev->error %= 4096;
	ev->conn.side %= TWS_SIDE_END;
	ev->conn.cause %= TWS_CAUSE_END;
	ev->conn.comm[TWS_COMM_LEN - 1] = '\0';
	ev->conn.thread_comm[TWS_COMM_LEN - 1] = '\0';
	ev->conn.opener_comm[TWS_COMM_LEN - 1] = '\0';
	if (!ev->conn.tgid || !ev->conn.tid)
		ev->conn.flags &= ~TWS_F_CLOSER;
	if (!ev->conn.opener_tgid)
		ev->conn.flags &= ~TWS_F_OPENER;
}

static uint32_t add_rows(struct block_builder *builder, struct input *in, struct held_row *rows)
{
	uint32_t num = 0, want = 1 + next_byte(in) % ROWS_MAX;
	struct held_row row = { .event = { .action = TWS_TIME_WAIT, .family = AF_INET } };

	for (uint32_t i = 0; i < want; i++) {
		int err;

		for (uint8_t changes = next_byte(in) % 8; changes; changes--)
			change(&row, in);
		if (next_byte(in) % 16)
			mend(&row.event);
		err = block_builder__add(builder, &row);
		CHECK(err == (block_format__is_sound(&row.event) ? 0 : -EINVAL));
		if (!err)
			rows[num++] = row;
		else
			mend(&row.event);
	}
	return num;
}

/* ---- there and back ---- */

static bool same_string(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void check_row(const struct block *block, uint32_t index, const struct held_row *want)
{
	struct held_row got;

	block__row(block, index, &got);
	CHECK(!memcmp(&got.event, &want->event, sizeof(got.event)));
	CHECK(got.wall_ns == want->wall_ns && got.who == want->who &&
	      got.command == want->command);
	CHECK(same_string(got.netns_name, want->netns_name));
	CHECK(same_string(got.interface, want->interface));
}

static void check_block(const uint8_t *data, size_t size, const struct held_row *rows, uint32_t num)
{
	struct block *block = NULL;
	char *copy = fuzz__copy(data, size);

	CHECK(!block__decode(&block, (const uint8_t *)copy, size));
	free(copy);
	CHECK(block__count(block) == num);
	for (uint32_t i = 0; i < num; i++)
		check_row(block, i, &rows[i]);
	block__free(block);
}

/* ---- other bytes ---- */

static void check_changed(struct input *in, const uint8_t *data, size_t size)
{
	static ZSTD_CCtx *zstd;
	uint32_t plain_size = block_format__get32(data + BLOCK_AT_PLAIN);
	size_t room = BLOCK_HEADER + ZSTD_compressBound(plain_size), packed;
	uint8_t *plain = malloc(plain_size + 1U), *other = malloc(room);
	struct block *block = NULL;
	struct held_row row;
	int err;

	CHECK(plain && other);
	CHECK(ZSTD_decompress(plain, plain_size, data + BLOCK_HEADER, size - BLOCK_HEADER) ==
	      plain_size);
	while (in->at < in->end) {
		size_t at = next_bytes(in, 2) % plain_size;

		plain[at] ^= next_byte(in);
	}
	if (!zstd)
		zstd = ZSTD_createCCtx();
	packed = ZSTD_compressCCtx(zstd, other + BLOCK_HEADER, room - BLOCK_HEADER, plain,
				   plain_size, -5);
	CHECK(!ZSTD_isError(packed));
	memcpy(other, data, BLOCK_HEADER);
	block_format__put32(other + BLOCK_AT_PACKED, (uint32_t)packed);
	block_format__put32(other + BLOCK_AT_CRC,
			    block_format__crc(other, BLOCK_HEADER + packed));
	err = block__decode(&block, other, BLOCK_HEADER + packed);
	CHECK(err == -EBADMSG || (!err && block));
	for (uint32_t i = 0; !err && i < block__count(block); i++) {
		block__row(block, i, &row);
		CHECK(block_format__is_sound(&row.event));
		CHECK(!row.netns_name || strlen(row.netns_name) <= BLOCK_NAME_MAX);
		CHECK(!row.interface || strlen(row.interface) <= BLOCK_NAME_MAX);
	}
	block__free(block);
	free(plain);
	free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_size)
{
	static struct block_builder *builder;
	static struct held_row rows[ROWS_MAX];
	struct input in = { bytes, bytes + bytes_size };
	const uint8_t *data;
	uint32_t num, from;
	size_t size;

	if (bytes_size && bytes[0] & 0x80) { /* one that has never had anything */
		block_builder__free(builder);
		builder = NULL;
	}
	if (!builder)
		CHECK(!block_builder__new(&builder));
	block_builder__clear(builder);
	num = add_rows(builder, &in, rows);
	from = next_byte(&in) % (num + 1);
	CHECK(!block_builder__encode(builder, from, 1, &data, &size));
	check_block(data, size, rows + from, num - from);
	CHECK(!block_builder__encode(builder, 0, 1, &data, &size));
	check_block(data, size, rows, num);
	check_changed(&in, data, size);
	return 0;
}

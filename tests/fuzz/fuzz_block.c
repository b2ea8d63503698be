// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes as a block of a recording, as they are, and as what a block has within, under a
 * right header: they are refused, or give rows that are sound and come back from a block of
 * their own.
 */
#include "fuzz.h"

#include <errno.h>
#include <zstd.h>

#include "store/block_format.h"

static struct block_builder *builder;

static void check_same(const struct block *one, const struct block *other)
{
	struct held_row a, b;

	CHECK(block__count(one) == block__count(other));
	for (uint32_t i = 0; i < block__count(one); i++) {
		block__row(one, i, &a);
		block__row(other, i, &b);
		CHECK(!memcmp(&a.event, &b.event, sizeof(a.event)));
		CHECK(a.wall_ns == b.wall_ns && a.who == b.who && a.command == b.command);
		CHECK(!a.netns_name == !b.netns_name && !a.interface == !b.interface);
		CHECK(!a.netns_name || !strcmp(a.netns_name, b.netns_name));
		CHECK(!a.interface || !strcmp(a.interface, b.interface));
	}
}

static void check_turn(const struct block *block)
{
	struct block *again = NULL;
	struct held_row row;
	const uint8_t *data;
	size_t size;

	if (!builder)
		CHECK(!block_builder__new(&builder));
	block_builder__clear(builder);
	for (uint32_t i = 0; i < block__count(block); i++) {
		block__row(block, i, &row);
		CHECK(!block_builder__add(builder, &row));
	}
	CHECK(!block_builder__encode(builder, 0, 1, &data, &size));
	CHECK(!block__decode(&again, data, size));
	check_same(block, again);
	block__free(again);
}

static void check(const uint8_t *data, size_t size)
{
	struct block *block = NULL;
	int err = block__decode(&block, data, size);

	if (err) {
		CHECK(!block && (err == -EBADMSG || err == -ENOTSUP));
		return;
	}
	check_turn(block);
	block__free(block);
}

/* The first bytes say how many rows, and how far they are packed. */
static void check_inside(const uint8_t *data, size_t size)
{
	static ZSTD_CCtx *zstd;
	size_t plain = size - 3, room = BLOCK_HEADER + ZSTD_compressBound(plain), packed;
	uint8_t *block = malloc(room);

	CHECK(block);
	if (!zstd)
		zstd = ZSTD_createCCtx();
	packed = ZSTD_compressCCtx(zstd, block + BLOCK_HEADER, room - BLOCK_HEADER, data + 3,
				   plain, data[0] & 1 ? 1 : -20);
	CHECK(!ZSTD_isError(packed));
	block_format__put32(block + BLOCK_AT_MAGIC, BLOCK_MAGIC);
	block_format__put32(block + BLOCK_AT_VERSION, BLOCK_VERSION);
	block_format__put32(block + BLOCK_AT_ROWS, data[1] | (uint32_t)data[2] << 8);
	block_format__put32(block + BLOCK_AT_PLAIN, (uint32_t)plain);
	block_format__put32(block + BLOCK_AT_PACKED, (uint32_t)packed);
	block_format__put32(block + BLOCK_AT_CRC,
			    block_format__crc(block, BLOCK_HEADER + packed));
	check(block, BLOCK_HEADER + packed);
	free(block);
}

/* As it is but for the checksum, which nobody would find. */
static void check_mended(const uint8_t *data, size_t size)
{
	uint8_t *block = (uint8_t *)fuzz__copy(data, size);

	check(block, size);
	if (size >= BLOCK_HEADER) {
		block_format__put32(block + BLOCK_AT_CRC, block_format__crc(block, size));
		check(block, size);
		block_format__put32(block + BLOCK_AT_MAGIC, BLOCK_MAGIC);
		block_format__put32(block + BLOCK_AT_VERSION, BLOCK_VERSION);
		block_format__put32(block + BLOCK_AT_PACKED, (uint32_t)(size - BLOCK_HEADER));
		block_format__put32(block + BLOCK_AT_CRC, block_format__crc(block, size));
		check(block, size);
	}
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_mended(data, size);
	if (size >= 3)
		check_inside(data, size);
	return 0;
}

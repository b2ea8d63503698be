// SPDX-License-Identifier: GPL-2.0
/* Any bytes as the file of a batch, and as what is in one under a right header: refused, or all
 * within it. */
#include "fuzz.h"

#include <errno.h>
#include <zlib.h>

#include "export/batch.h"

static void check(const uint8_t *data, size_t size)
{
	struct outbuf raw = { 0 };
	struct batch_info info;
	const void *keys, *body;
	size_t len;
	uint64_t key;
	int err = batch__decode_header(data, size, &info);

	CHECK(!err || err == -EBADMSG || err == -ENOTSUP);
	if (err)
		return;
	CHECK(info.num_events <= BATCH_MAX_EVENTS);
	CHECK(!info.num_events == !info.raw_len && !info.raw_len == !info.body_len);
	if (!info.num_events) /* a mark: there is nothing in it */
		return;
	if (!batch__decode_keys(data, size, &info, &keys))
		for (uint32_t i = 0; i < info.num_events; i++)
			memcpy(&key, (const char *)keys + i * sizeof(key), sizeof(key));
	if (batch__decode_body(data, size, &info, &body, &len))
		return;
	CHECK((const uint8_t *)body + len == data + size);
	err = batch__unpack(&info, body, len, &raw);
	CHECK(!err || err == -EBADMSG || err == -ENOMEM);
	CHECK(err || raw.len == info.raw_len);
	outbuf__free(&raw);
}

/* A fuzzer does not find sums: they are made right. */
static void mend(uint8_t *data, size_t size)
{
	struct batch_info info;
	uint32_t crc;
	size_t keys;

	if (size < BATCH_HEADER_BYTES)
		return;
	memcpy(data, "TWSPOOL\1", 8);
	memcpy(&info, data + 8, sizeof(info));
	info.num_events %= 64;
	keys = info.num_events * sizeof(uint64_t);
	if (size < BATCH_HEADER_BYTES + keys)
		return;
	info.body_len = (uint32_t)(size - BATCH_HEADER_BYTES - keys);
	info.raw_len %= 1 << 16;
	memcpy(data + 8, &info, sizeof(info));
	crc = (uint32_t)crc32(0, data + BATCH_HEADER_BYTES, (uInt)keys);
	memcpy(data + 8 + sizeof(info), &crc, sizeof(crc));
	crc = (uint32_t)crc32(0, data + BATCH_HEADER_BYTES + keys, info.body_len);
	memcpy(data + 12 + sizeof(info), &crc, sizeof(crc));
	crc = (uint32_t)crc32(0, data, BATCH_HEADER_BYTES - 4);
	memcpy(data + BATCH_HEADER_BYTES - 4, &crc, sizeof(crc));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = (uint8_t *)fuzz__copy(data, size);

	check(copy, size);
	mend(copy, size);
	check(copy, size);
	free(copy);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
#include "export/batch.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#define MAGIC "TWSPOOL"
#define VERSION 1
#define GZIP_WINDOW (15 + 16)  /* zlib.h: windowBits, and 16 for gzip's header */
#define GZIP_LEVEL 1	       /* JSON is packed to a tenth all the same */
#define MAX_BODY_BYTES BATCH_MAX_RAW_BYTES

/* In the host's byte order: a spool stays where it is. */
struct header {
	char magic[7];
	uint8_t version;
	struct batch_info info;
	uint32_t keys_crc, body_crc;
	uint8_t zero[BATCH_HEADER_BYTES - 8 - sizeof(struct batch_info) - 12];
	uint32_t crc; /* of all before */
};

_Static_assert(sizeof(struct header) == BATCH_HEADER_BYTES, "no padding");
_Static_assert(sizeof(struct batch_info) == 96, "no padding but at the end");

static uint32_t crc_of(const void *data, size_t len)
{
	return (uint32_t)crc32(0, data, (uInt)len);
}

static size_t keys_bytes(const struct batch_info *info)
{
	return (size_t)info->num_events * sizeof(uint64_t);
}

uint64_t batch__sent_bytes(const struct batch_info *info)
{
	return BATCH_HEADER_BYTES + keys_bytes(info);
}

uint64_t batch__file_bytes(const struct batch_info *info)
{
	return batch__sent_bytes(info) + info->body_len;
}

/* ---- writing ---- */

/* Appends what @raw becomes to @file; *@len says how much that is. */
static int pack(struct outbuf *file, const char *raw, size_t raw_len, size_t *len)
{
	z_stream z = { 0 };
	size_t most;
	char *to;
	int rc;

	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	most = deflateBound(&z, (uLong)raw_len);
	to = outbuf__room(file, most);
	if (!to) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_in = (Bytef *)raw;
	z.avail_in = (uInt)raw_len;
	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)most;
	rc = deflate(&z, Z_FINISH);
	*len = z.total_out;
	deflateEnd(&z);
	file->len += *len;
	return rc == Z_STREAM_END ? 0 : -ENOMEM;
}

int batch__encode(struct outbuf *file, const struct batch_info *info, const uint64_t *keys,
		  const char *raw, size_t raw_len)
{
	struct header header = { .magic = MAGIC, .version = VERSION, .info = *info };
	size_t body_len, keys_len = keys_bytes(info);
	int err;

	if (!info->num_events || info->num_events > BATCH_MAX_EVENTS || !raw_len ||
	    raw_len > BATCH_MAX_RAW_BYTES)
		return -EINVAL;
	outbuf__fill(file, 0, BATCH_HEADER_BYTES);
	outbuf__bytes(file, (const char *)keys, keys_len);
	err = pack(file, raw, raw_len, &body_len);
	if (err || file->failed)
		return -ENOMEM;
	header.info.raw_len = (uint32_t)raw_len;
	header.info.body_len = (uint32_t)body_len;
	header.keys_crc = crc_of(keys, keys_len);
	header.body_crc = crc_of(file->data + BATCH_HEADER_BYTES + keys_len, body_len);
	header.crc = crc_of(&header, offsetof(struct header, crc));
	memcpy(file->data, &header, sizeof(header));
	return 0;
}

int batch__encode_mark(struct outbuf *file, const struct batch_info *info)
{
	struct header header = { .magic = MAGIC, .version = VERSION, .info = *info };

	header.info.num_events = header.info.raw_len = header.info.body_len = 0;
	header.crc = crc_of(&header, offsetof(struct header, crc));
	outbuf__bytes(file, (const char *)&header, sizeof(header));
	return file->failed ? -ENOMEM : 0;
}

/* ---- reading ---- */

static int read_header(const void *data, size_t len, struct header *header)
{
	static const char magic[] = MAGIC;

	if (len < sizeof(*header))
		return -EBADMSG;
	memcpy(header, data, sizeof(*header));
	if (memcmp(header->magic, magic, sizeof(header->magic)) != 0 ||
	    header->crc != crc_of(header, offsetof(struct header, crc)))
		return -EBADMSG;
	return header->version == VERSION ? 0 : -ENOTSUP;
}

/* Of a mark all three are 0, of a batch none is. */
static bool has_sound_lengths(const struct batch_info *info)
{
	bool any = info->num_events || info->raw_len || info->body_len;
	bool all = info->num_events && info->raw_len && info->body_len;

	return any == all && info->num_events <= BATCH_MAX_EVENTS &&
	       info->raw_len <= BATCH_MAX_RAW_BYTES && info->body_len <= MAX_BODY_BYTES;
}

int batch__decode_header(const void *data, size_t len, struct batch_info *info)
{
	struct header header;
	int err = read_header(data, len, &header);

	if (err)
		return err;
	if (!has_sound_lengths(&header.info) || header.info.begin_ns > header.info.end_ns ||
	    header.info.first_s > header.info.last_s)
		return -EBADMSG;
	*info = header.info;
	return 0;
}

int batch__decode_keys(const void *data, size_t len, const struct batch_info *info,
		       const void **keys)
{
	const char *at = (const char *)data + BATCH_HEADER_BYTES;
	struct header header;

	if (len < batch__sent_bytes(info) || read_header(data, len, &header) ||
	    header.keys_crc != crc_of(at, keys_bytes(info)))
		return -EBADMSG;
	*keys = at;
	return 0;
}

int batch__decode_body(const void *data, size_t len, const struct batch_info *info,
		       const void **body, size_t *body_len)
{
	const char *at = (const char *)data + batch__sent_bytes(info);
	struct header header;

	if (len != batch__file_bytes(info) || read_header(data, len, &header) ||
	    header.body_crc != crc_of(at, info->body_len))
		return -EBADMSG;
	*body = at;
	*body_len = info->body_len;
	return 0;
}

int batch__unpack(const struct batch_info *info, const void *body, size_t body_len,
		  struct outbuf *raw)
{
	char *to = outbuf__room(raw, info->raw_len);
	z_stream z = { 0 };
	int rc;

	if (!to)
		return -ENOMEM;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	z.next_in = (Bytef *)body;
	z.avail_in = (uInt)body_len;
	z.next_out = (Bytef *)to;
	z.avail_out = info->raw_len;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (rc != Z_STREAM_END || z.avail_in || z.avail_out)
		return -EBADMSG;
	raw->len += info->raw_len;
	return 0;
}

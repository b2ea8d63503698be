/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events that go to a store together, and the file that they are in until the store has them: a
 * header, the key of each event (see identity.h), and the body of the request, compressed by gzip.
 * Of a file that was sent the header and the keys are left for a while.
 *
 * What is read of a file is not trusted: every length is checked, and all of it has a sum.
 */
#ifndef TWSNOOP_BATCH_H
#define TWSNOOP_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "export/identity.h"

#define BATCH_MAX_EVENTS 20000 /* far below ClickHouse's max_insert_block_size: see clickhouse.h */
#define BATCH_MAX_RAW_BYTES (16u << 20)
#define BATCH_ID_BYTES 16
#define BATCH_HEADER_BYTES 128

/* What is told of a batch beside its body. */
struct batch_info {
	uint8_t boot[IDENTITY_BOOT_BYTES];
	uint8_t id[BATCH_ID_BYTES]; /* random */
	uint64_t seed;		    /* of its keys */
	/* CLOCK_MONOTONIC: from the first event's coming to when it was closed */
	uint64_t begin_ns, end_ns;
	uint64_t made_s;	  /* when it was closed, since the epoch */
	uint64_t first_s, last_s; /* its events, since the epoch */
	uint32_t num_events;
	uint32_t raw_len, body_len; /* of the body, unpacked and packed */
};

/*
 * batch__encode() - the file of @info (but the lengths, which are told by the rest), @keys and the
 * @raw_len bytes at @raw, into the empty @file. Returns 0, -ENOMEM, or -EINVAL for what is too much.
 */
int batch__encode(struct outbuf *file, const struct batch_info *info, const uint64_t *keys,
		  const char *raw, size_t raw_len);

/* batch__file_bytes() - of the whole file, and of what is left of it once it is sent. */
uint64_t batch__file_bytes(const struct batch_info *info);
uint64_t batch__sent_bytes(const struct batch_info *info);

/* batch__encode_mark() - a header alone, of no events: as if a batch of none had been sent. */
int batch__encode_mark(struct outbuf *file, const struct batch_info *info);

/*
 * batch__decode_header() - the first BATCH_HEADER_BYTES. Returns 0 and @info; -EBADMSG: no batch, or
 * a damaged one; -ENOTSUP: of a version to come.
 */
int batch__decode_header(const void *data, size_t len, struct batch_info *info);

/* batch__decode_keys() - what follows the header, in a file of @len bytes at @data. Returns 0 and
 * *@keys, num_events of them within @data (which need not be aligned); -EBADMSG. */
int batch__decode_keys(const void *data, size_t len, const struct batch_info *info,
		       const void **keys);

/* batch__decode_body() - of a whole file: the body as it is packed. Returns 0, @body and @len_of;
 * -EBADMSG. */
int batch__decode_body(const void *data, size_t len, const struct batch_info *info,
		       const void **body, size_t *body_len);

/* batch__unpack() - the body unpacked, appended to @raw. Returns 0, -ENOMEM or -EBADMSG. */
int batch__unpack(const struct batch_info *info, const void *body, size_t body_len,
		  struct outbuf *raw);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A frame of `twsnoop top` as one line of JSON: docs/formats.md says what each member means.
 */
#ifndef TWSNOOP_TOP_JSON_H
#define TWSNOOP_TOP_JSON_H

#include <stdint.h>

#include "base/outbuf.h"
#include "model/feed.h"
#include "output/top_frame.h"

/* top_json__write() - appends the line. @wall_ns: since the epoch, when the frame was made. */
void top_json__write(struct outbuf *ob, const struct top_frame *frame, uint64_t wall_ns,
		     const struct feed_account *account);

#endif

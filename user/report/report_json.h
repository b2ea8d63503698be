/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A story as one JSON object: docs/formats.md describes it.
 */
#ifndef TWSNOOP_REPORT_JSON_H
#define TWSNOOP_REPORT_JSON_H

#include "base/outbuf.h"
#include "base/when.h"
#include "report/story.h"

/* report_json__write() - appends it, on a line; @to has failed if there was no memory. Times are
 * UTC; those within sentences are of @zone. */
void report_json__write(struct outbuf *to, const struct story *story,
			const struct when_zone *zone);

#endif

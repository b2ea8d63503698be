/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A story as text that fits into a ticket or a mail: lines of at most 80 columns, names escaped.
 */
#ifndef TWSNOOP_REPORT_TEXT_H
#define TWSNOOP_REPORT_TEXT_H

#include "base/outbuf.h"
#include "base/when.h"
#include "report/story.h"

#define REPORT_TEXT_COLUMNS 80

/* report_text__write() - appends all of it; @to has failed if there was no memory. */
void report_text__write(struct outbuf *to, const struct story *story,
			const struct when_zone *zone);

#endif

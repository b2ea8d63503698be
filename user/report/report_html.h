/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A story as one HTML file that opens from an e-mail: no script, nothing is loaded, charts are
 * inline SVG, and a Content-Security-Policy forbids all but its one style, by its hash. Under
 * 1 MB, whatever the story holds.
 */
#ifndef TWSNOOP_REPORT_HTML_H
#define TWSNOOP_REPORT_HTML_H

#include "base/outbuf.h"
#include "base/when.h"
#include "report/story.h"

/* report_html__write() - appends all of it; @to has failed if there was no memory. */
void report_html__write(struct outbuf *to, const struct story *story,
			const struct when_zone *zone);

#endif

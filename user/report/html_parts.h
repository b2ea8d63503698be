/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The larger parts of the HTML report, which report_html.c puts together.
 */
#ifndef TWSNOOP_REPORT_HTML_PARTS_H
#define TWSNOOP_REPORT_HTML_PARTS_H

#include <string.h>

#include "report/html_writer.h"
#include "report/words.h"

struct html_parts {
	struct html *html;
	const struct story *story;
	struct words words;
	struct outbuf line; /* a sentence, until it is written */
};

static inline void html_parts__put(struct html_parts *p, const char *text)
{
	outbuf__text(&p->line, text);
}

/* html_parts__flush() - writes the line, and begins a new one. */
void html_parts__flush(struct html_parts *p);

/* html_parts__leaf() - the same as an element; none if there is nothing to write. */
void html_parts__leaf(struct html_parts *p, const char *element, const char *class);

/* The charts, the tables: sections of the body, of what there is something to show. */
void html_parts__charts(struct html_parts *p);
void html_parts__tables(struct html_parts *p);

#endif

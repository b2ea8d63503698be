/* SPDX-License-Identifier: GPL-2.0 */
/*
 * HTML, appended to a buffer, so that nothing that somebody chose can be taken for markup: text and
 * the values of attributes go through here, and are escaped; only names of elements and
 * attributes are written as they are, and these are ours. What is written is well-formed XML
 * too: each element is closed, by the writer, in the order in which they were opened.
 */
#ifndef TWSNOOP_REPORT_HTML_WRITER_H
#define TWSNOOP_REPORT_HTML_WRITER_H

#include "base/outbuf.h"

#define HTML_DEPTH 32

struct html {
	struct outbuf *to;
	const char *open[HTML_DEPTH];
	unsigned int depth;
	bool in_tag; /* attributes may follow */
	bool failed; /* wrong use: too deep, or closed too often */
};

/* html__init() - nothing is open yet. @to lives as long. */
void html__init(struct html *html, struct outbuf *to);

/* html__open() - "<p"; attributes may follow. */
void html__open(struct html *html, const char *element);
void html__attribute(struct html *html, const char *name, const char *value);
/* A number with two digits after the point, at most. */
void html__number(struct html *html, const char *name, double value);
/* html__text() - escaped; bytes that are no text show as in base/escape.h. */
void html__text(struct html *html, const char *text);
void html__text_n(struct html *html, const char *text, size_t len);
/* html__words() - of words.h: names are marked as such. */
void html__words(struct html *html, const struct outbuf *words);
/* The same where no elements may be: without the marks. */
void html__plain(struct html *html, const struct outbuf *words);
void html__close(struct html *html);

/* All at once; @class may be NULL. */
void html__open_class(struct html *html, const char *element, const char *class);
void html__leaf(struct html *html, const char *element, const char *class, const char *text);

/* html__verbatim() - constants of ours: the doctype, and the style. */
void html__verbatim(struct html *html, const char *text);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sentences of words.h as lines of text that are no longer than a width, whatever is in them.
 */
#ifndef TWSNOOP_REPORT_WRAP_H
#define TWSNOOP_REPORT_WRAP_H

#include "base/outbuf.h"

/*
 * wrap__words() - appends @words behind @first, which is @indent columns wide; lines that follow
 * are indented by as much. Lines are broken at blanks, and where a word is longer than a line
 * within it; none has more than @width columns. Ends in a newline.
 */
void wrap__words(struct outbuf *to, const char *first, unsigned int indent, unsigned int width,
		 const struct outbuf *words);

#endif

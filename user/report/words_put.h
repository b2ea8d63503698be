/* SPDX-License-Identifier: GPL-2.0 */
/* What the files that write words.h put sentences together with: for these alone. */
#ifndef TWSNOOP_REPORT_WORDS_PUT_H
#define TWSNOOP_REPORT_WORDS_PUT_H

#include "report/words.h"

/* "1 close", "28,232 closes" */
static inline void put_number(struct outbuf *to, uint64_t number, const char *one, const char *many)
{
	words__number(to, number);
	outbuf__char(to, ' ');
	outbuf__text(to, number == 1 ? one : many);
}

/* The space before a sentence that follows another. */
static inline void begin_sentence(struct outbuf *to)
{
	if (to->len)
		outbuf__char(to, ' ');
}

#endif

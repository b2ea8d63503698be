/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes that somebody else chose (process names, command lines, cgroup paths)
 * on their way to a terminal, JSON or CSV. Nothing here is lossy: each form can
 * be turned back into the very bytes.
 *
 * "Dangerous" is all that can move a cursor, hide, or reorder what a person
 * reads: C0 and C1 controls, DEL, line and paragraph separators, bidirectional
 * and other invisible formatting code points, noncharacters, and every byte
 * that is not part of valid UTF-8 (RFC 3629: no surrogates, no overlong forms).
 */
#ifndef TWSNOOP_ESCAPE_H
#define TWSNOOP_ESCAPE_H

#include <stddef.h>

#include "base/outbuf.h"

/*
 * escape__text() - for a terminal and for messages. Newline, tab and carriage
 * return become \n \t \r, a backslash \\, another control byte or an invalid
 * byte \xNN, and a dangerous code point \uNNNN or \UNNNNNNNN.
 */
void escape__text(struct outbuf *ob, const char *s, size_t len);

/*
 * escape__text_columns() - the same, but in at most @columns terminal columns:
 * if it is longer, it is cut between two characters and ends in '+'. Returns
 * the columns taken.
 */
size_t escape__text_columns(struct outbuf *ob, const char *s, size_t len, size_t columns);

/*
 * escape__json() - a JSON string with its quotes, always valid UTF-8. Dangerous
 * code points are written as \uNNNN escapes, which every reader undoes. An
 * invalid byte becomes the four characters \xNN (lower-case hex) of the
 * *decoded* string, and so does a backslash that happens to stand before such
 * an x and two hex digits (as \x5c). So to get the bytes back, take the decoded
 * string and turn each \xNN into its byte; other backslashes are themselves.
 */
void escape__json(struct outbuf *ob, const char *s, size_t len);

/*
 * escape__csv() - one CSV field. The text is that of escape__text(), so a
 * record is always one line; it is quoted as RFC 4180 says where it holds a
 * comma, a quote, or a blank at either end, or is empty (a bare nothing means
 * unknown). A first character that a spreadsheet takes for a formula (= + - @)
 * is written as \xNN.
 */
void escape__csv(struct outbuf *ob, const char *s, size_t len);

/*
 * escape__quote() - for an error message: escape__text() of the C string @s
 * into the @size bytes of @to, as a C string that is cut off between two
 * characters where it does not fit. Returns @to. The other takes @len bytes.
 */
const char *escape__quote(char *to, size_t size, const char *s);
const char *escape__quote_n(char *to, size_t size, const char *s, size_t len);

#endif

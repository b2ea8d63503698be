// SPDX-License-Identifier: GPL-2.0
#include "export/accept.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define Q_ONE 1000

/* A piece of the header, without the blanks around it. */
struct piece {
	const char *at;
	size_t len;
};

/* The one up to @end_char, which *@rest is moved behind. No quoted strings: what we look for has
 * none. */
static struct piece next_piece(struct piece *rest, char end_char)
{
	const char *end = memchr(rest->at, end_char, rest->len);
	struct piece piece = { rest->at, end ? (size_t)(end - rest->at) : rest->len };

	rest->at += piece.len + (end ? 1 : 0);
	rest->len -= piece.len + (end ? 1 : 0);
	while (piece.len && isspace((unsigned char)piece.at[0])) {
		piece.at++;
		piece.len--;
	}
	while (piece.len && isspace((unsigned char)piece.at[piece.len - 1]))
		piece.len--;
	return piece;
}

static bool is(struct piece piece, const char *word)
{
	return piece.len == strlen(word) && !strncasecmp(piece.at, word, piece.len);
}

/* "0", "1", "0.75", "1.000": in thousandths; anything else is 0. */
static unsigned int weight_of(struct piece piece)
{
	unsigned int weight, unit = Q_ONE / 10;

	if (!piece.len || piece.len > 5 || (piece.at[0] != '0' && piece.at[0] != '1'))
		return 0;
	weight = piece.at[0] == '1' ? Q_ONE : 0;
	if (piece.len > 1 && piece.at[1] != '.')
		return 0;
	for (size_t i = 2; i < piece.len; i++, unit /= 10) {
		if (!isdigit((unsigned char)piece.at[i]))
			return 0;
		weight += (unsigned int)(piece.at[i] - '0') * unit;
	}
	return weight > Q_ONE ? 0 : weight;
}

struct range {
	struct piece type;
	unsigned int weight;
	bool other_version; /* than 1.0.0 */
};

static struct range read_range(struct piece text)
{
	struct range range = { .type = next_piece(&text, ';'), .weight = Q_ONE };

	while (text.len) {
		struct piece value = next_piece(&text, ';'), name = next_piece(&value, '=');

		if (is(name, "q"))
			range.weight = weight_of(value);
		if (is(name, "version"))
			range.other_version = !is(value, "1.0.0") && !is(value, "1.0");
	}
	return range;
}

bool accept__openmetrics(const char *accept)
{
	struct piece rest = { accept, accept ? strlen(accept) : 0 };
	unsigned int openmetrics = 0, plain = 0;

	while (rest.len) {
		struct range range = read_range(next_piece(&rest, ','));

		if (is(range.type, "application/openmetrics-text") && !range.other_version &&
		    range.weight > openmetrics)
			openmetrics = range.weight;
		if (is(range.type, "text/plain") && range.weight > plain)
			plain = range.weight;
	}
	return openmetrics && openmetrics >= plain;
}

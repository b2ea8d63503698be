/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table that is known as a whole: text with columns as wide as they have to be,
 * JSON Lines, or CSV. Names that somebody chose are escaped as sinks do.
 */
#ifndef TWSNOOP_TABULAR_H
#define TWSNOOP_TABULAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/field.h"
#include "output/sink.h"

struct tabular_column {
	const char *heading; /* of the text form */
	/* The JSON member and the CSV column: "network.peer.port". Columns whose
	 * members have the same beginning must stand together. */
	const char *member;
	bool right;	      /* text: to the right, as numbers are */
	unsigned int columns; /* text: names are cut at this width, 0: never */
	/* Text on a narrow terminal, see fit.h: the column with the largest keep goes first,
	 * and names and addresses may be cut down to least; 0: they are not. */
	uint8_t keep, least;
};

enum tabular_kind {
	TABULAR_NONE = 0, /* not known: "-", absent, or empty */
	TABULAR_NUMBER,
	TABULAR_DECIMAL, /* number / 10, one digit after the point */
	TABULAR_WORD,	 /* text that is ours */
	TABULAR_ADDRESS, /* likewise, with or without a port */
	TABULAR_NAME,	 /* text that somebody chose */
};

#define TABULAR_TEXT_MAX 80

struct tabular_cell {
	enum tabular_kind kind;
	enum field_color color;
	bool guessed; /* text: "~" before it */
	bool sized;   /* only its width is asked for: tabular__field() makes no addresses then */
	uint64_t number;
	const char *text; /* lives until the next row is asked for */
	size_t len;
	char own[TABULAR_TEXT_MAX]; /* room for @text */
};

/* Fills the cells of row @index, which are TABULAR_NONE at first. Asked for twice. */
typedef void (*tabular_fn)(void *ctx, size_t index, struct tabular_cell *cells);

struct tabular {
	const struct tabular_column *columns;
	size_t num_columns;
	size_t num_rows;
	tabular_fn fill;
	void *ctx;
	enum sink_format format;
	bool color;	    /* text only */
	bool total;	    /* text only: the last row is a sum */
	unsigned int width; /* text only: of the terminal that it must fit, 0: any */
};

#define TABULAR_COLUMNS 40 /* at most */

/*
 * tabular__write() - all of it, to @fd. Returns 0, -EINVAL (too many columns),
 * -ENOMEM, or the negative errno of the write: -EPIPE where the reader has gone.
 */
int tabular__write(const struct tabular *table, int fd);

/* What fills a cell. */
void tabular__number(struct tabular_cell *cell, uint64_t value);
void tabular__decimal(struct tabular_cell *cell, uint64_t tenths);
void tabular__word(struct tabular_cell *cell, const char *text, size_t len);
void tabular__name(struct tabular_cell *cell, const char *text); /* NULL: none */
void tabular__name_n(struct tabular_cell *cell, const char *text, size_t len);
/* "10.0.0.5:80", "[fd00::5]:80"; without its port if @port is negative. */
void tabular__address(struct tabular_cell *cell, uint8_t family, const uint8_t *addr, int port);
/* "59.9s" */
void tabular__time(struct tabular_cell *cell, uint64_t ns);
/* What @field says of @rec, which must live as long as the cell: as people read it, or
 * for JSON and CSV. */
void tabular__field(struct tabular_cell *cell, const struct field *field,
		    const struct record *rec, enum sink_format format);
/* tabular__column() - the column of @field. */
struct tabular_column tabular__column(const struct field *field);

#endif

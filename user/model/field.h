/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of fields: what can be told of a connection end, one row each, with its
 * name, its type and how it is read from a record. Text, JSON, CSV, --by and --sort go
 * through it, and whatever writes records later.
 *
 * To add a field, write its reader and give it a row in field_table.h: JSON and CSV have
 * it then, and text too if the row has a heading. Say in docs/formats.md what it means.
 * To let --by or --sort take it, give it a row in the table of keys in field.c.
 */
#ifndef TWSNOOP_FIELD_H
#define TWSNOOP_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/record.h"

enum field_type {
	FIELD_NUMBER,	/* number */
	FIELD_WORD,	/* text, len: a word of ours, which no format has to escape */
	FIELD_NAME,	/* text, len: somebody chose it, and every format escapes it */
	FIELD_ADDRESS,	/* family, addr */
	FIELD_ENDPOINT, /* family, addr, scope, and number: the port. In text only */
	FIELD_TIME,	/* number: ns since the epoch */
	FIELD_TRUE,	/* nothing more than that it is there */
};

enum field_unit { FIELD_NO_UNIT, FIELD_NS, FIELD_BYTES };

enum field_color { FIELD_PLAIN, FIELD_CYAN, FIELD_YELLOW };

/* What a reader found; of the first ones those that its field's type names. */
struct field_value {
	uint64_t number; /* words too: their order when sorted */
	uint64_t detail; /* keys only: tells apart what has the same number */
	const char *text; /* lives as long as the record, or this struct */
	size_t len;
	const uint8_t *addr; /* 16 bytes, as in struct tws_event */
	uint8_t family;
	/* With FIELD_ENDPOINT: of the device that it is bound to; NULL: none, or not known.
	 * At most 15 bytes, fit to be printed. */
	const char *scope;
	/* The rest is false or 0 unless a reader sets it. */
	bool vague;   /* a word for "not known": text has a dash instead */
	bool guessed; /* text: "~" before it */
	uint8_t color; /* text: enum field_color */
	char own[RECORD_LABEL_BYTES]; /* room for text that is made here; not zeroed */
};

/* Fills @v and returns true, or returns false: not known. */
typedef bool (*field_reader)(const struct record *rec, struct field_value *v);

/* Where a field is told. */
#define FIELD_IN_EVENTS 0x1  /* JSON and CSV of trace */
#define FIELD_IN_SOCKETS 0x2 /* JSON and CSV of list */
#define FIELD_IN_BOTH (FIELD_IN_EVENTS | FIELD_IN_SOCKETS)

/* Text columns that are not always shown. */
#define FIELD_WHEN_ALL 0x1	  /* trace --all */
#define FIELD_WHEN_CONTAINERS 0x2 /* there are containers, or units */
#define FIELD_WHEN_NETNS 0x4	  /* there is more than one network namespace */

/* The text column, if there is a heading. */
struct field_column {
	const char *heading;
	uint8_t trace, list; /* its place from the left in these commands; 0: not there */
	uint8_t width; /* in trace; in tables that are known as a whole: cut at this, 0: never */
	uint8_t least; /* a narrow terminal may shrink it to this; 0: not shrunk */
	uint8_t keep;  /* on a narrow terminal the column with the largest goes first */
	uint8_t when;  /* FIELD_WHEN_* */
	bool right;    /* aligned to the right */
};

struct field {
	/* JSON's, with dots for its nesting, and CSV's column. Rows with a common beginning
	 * stand together. A field that is in text only has a name without dots. */
	const char *name;
	field_reader read;
	enum field_type type;
	enum field_unit unit;
	unsigned int in; /* FIELD_IN_*; 0: in text only */
	struct field_column column;
};

/* All of them, in the order of JSON and CSV. */
extern const struct field field__table[];
extern const size_t field__count;

#define FIELD_MAX 64 /* rows of the table, at most */

/* field__find() - by name; NULL: there is none. */
const struct field *field__find(const char *name);

/* field__read() - @f of @rec, with all of *v set that a reader may leave out. */
static inline bool field__read(const struct field *f, const struct record *rec,
			       struct field_value *v)
{
	v->vague = v->guessed = false;
	v->color = FIELD_PLAIN;
	return f->read(rec, v);
}

/* ---- what --by and --sort take ---- */

#define FIELD_KEY_COLUMNS 6

struct field_key {
	const char *word;
	/* What is compared; unknown and vague values come last. Of two that are equal in
	 * number and detail the addresses, or the bytes of the text, decide. */
	field_reader read;
	enum field_type type;
	bool falling;	 /* the greatest number first */
	bool detailed;	 /* the reader sets detail */
	bool sorts_only; /* not for --by */
	bool of_process; /* it may be inferred */
	const char *then; /* --sort: the word of the key by which equal ones are sorted */
	/* The fields that --by shows, by name: in text, and in JSON and CSV if those are
	 * others. */
	const char *text[FIELD_KEY_COLUMNS];
	const char *data[FIELD_KEY_COLUMNS];
};

/* In the order of the JSON members that they become. */
extern const struct field_key field__keys[];
extern const size_t field__num_keys;

#define FIELD_KEYS_MAX 24

/* field__key() - by the @len bytes of its word; NULL: there is none. */
const struct field_key *field__key(const char *word, size_t len);

/* field__compare() - as qsort() wants it. */
int field__compare(const struct field_key *key, const struct record *a, const struct record *b);

/* field__hash() - equal where field__compare() says 0; see base/hash.h. */
uint64_t field__hash(const struct field_key *key, const struct record *rec, uint64_t seed);

/* The beginning of what is compared, as a number. */
struct field_prefix {
	uint64_t number;
	bool whole; /* there is nothing behind it */
};

/* field__prefix() - of two records the numbers are in the order of field__compare(), or
 * equal: then, unless both are whole, that decides. */
struct field_prefix field__prefix(const struct field_key *key, const struct record *rec);

#endif

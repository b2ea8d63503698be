// SPDX-License-Identifier: GPL-2.0
/*
 * CSV as RFC 4180 with plain newlines: a heading, then one line a record. The
 * columns have the names of the flattened JSON members; unknown is empty.
 */
#include <string.h>

#include "base/escape.h"
#include "model/field_table.h"
#include "output/sink_format.h"

static unsigned int fields_of(const struct sink_state *s)
{
	return s->opts.sockets ? FIELD_IN_SOCKETS : FIELD_IN_EVENTS;
}

static void put_heading(struct sink_state *s)
{
	bool any = false;

	for (size_t i = 0; i < field__count; i++) {
		const struct field *f = &field__table[i];

		if (!(f->in & fields_of(s)))
			continue;
		if (any)
			outbuf__char(&s->out, ',');
		any = true;
		outbuf__bytes(&s->out, f->name, strlen(f->name));
	}
	outbuf__char(&s->out, '\n');
}

/* A field and the comma behind it. Inlined for each row of the table, with all but the
 * record known by then. */
static inline __attribute__((always_inline)) void
put_field(struct sink_state *s, field_reader read, enum field_type type,
	  const struct record *rec)
{
	struct outbuf *ob = &s->out;
	struct field_value v;
	bool known = read(rec, &v);
	char *to;

	if (known && type == FIELD_NAME)
		escape__csv(ob, v.text, v.len);
	to = outbuf__room(ob, SINK_SHORT_MAX + 1);
	if (!to)
		return;
	if (known && type != FIELD_NAME)
		to = sink_format__short(s, to, type, &v);
	*to++ = ',';
	ob->len = (size_t)(to - ob->data);
}

#define PUT(name, read, type, unit, in, ...) \
	if ((in) & of)                       \
		put_field(s, read, type, rec);

static inline __attribute__((always_inline)) void
put_fields(struct sink_state *s, const struct record *rec, unsigned int of)
{
	FIELD_TABLE(PUT)
	if (s->out.len)
		s->out.data[s->out.len - 1] = '\n'; /* the last comma */
}

static void put_record(struct sink_state *s, const struct record *rec)
{
	if (s->opts.sockets)
		put_fields(s, rec, FIELD_IN_SOCKETS);
	else
		put_fields(s, rec, FIELD_IN_EVENTS);
}

const struct sink_writer sink_csv = { .heading = put_heading, .put = put_record };

// SPDX-License-Identifier: GPL-2.0
/*
 * CSV as RFC 4180 with plain newlines: a heading, then one line a record. The
 * columns have the names of the flattened JSON members; unknown is empty.
 */
#include <string.h>

#include "base/escape.h"
#include "model/field_table.h"
#include "output/sink_format.h"
#include "output/sink_sum.h"

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
		outbuf__text(&s->out, f->name);
	}
	for (size_t i = 0; s->opts.sums && i < SINK_SUM_MEMBERS; i++) {
		outbuf__char(&s->out, ',');
		outbuf__bytes(&s->out, sink_sum__members[i].name,
			      strlen(sink_sum__members[i].name));
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
	if (s->opts.sums) /* one comma is there */
		outbuf__fill(&s->out, ',', SINK_SUM_MEMBERS);
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

/* ---- sums ---- */

static void put_column(struct sink_state *s, enum field_type type, const struct field_value *v)
{
	char text[SINK_SHORT_MAX] = "";

	if (v && type == FIELD_NAME)
		escape__csv(&s->out, v->text, v->len);
	else if (v)
		outbuf__bytes(&s->out, text,
			      (size_t)(sink_format__short(s, text, type, v) - text));
	outbuf__char(&s->out, ',');
}

static void put_sum(struct sink_state *s, const struct sink_sum *sum)
{
	struct field_value v;

	for (size_t i = 0; i < field__count; i++)
		if (field__table[i].in & FIELD_IN_EVENTS)
			put_column(s, field__table[i].type,
				   sink_sum__read(sum, i, &v) ? &v : NULL);
	for (size_t i = 0; i < SINK_SUM_MEMBERS; i++)
		put_column(s, sink_sum__members[i].type,
			   sink_sum__members[i].read(sum, &v) ? &v : NULL);
	if (s->out.len)
		s->out.data[s->out.len - 1] = '\n'; /* the last comma */
}

const struct sink_writer sink_csv = {
	.heading = put_heading, .put = put_record, .put_sum = put_sum,
};

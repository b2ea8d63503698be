// SPDX-License-Identifier: GPL-2.0
/*
 * JSON Lines: one object a record, in the order of the contract. What stands between two
 * members depends on those two alone, so it is made once for each pair: the quote that
 * ends the first value, brackets, a comma, the keys, the quote that begins the second.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/json.h"
#include "model/field_table.h"
#include "output/sink_format.h"
#include "output/sink_sum.h"

#define BETWEEN_MAX 96 /* bytes of it, at most */
#define COPIED_AT_ONCE 32

struct between {
	uint32_t at; /* in plan.text */
	uint32_t len;
};

struct plan {
	/* [0]: at the begin; [n + 1]: behind row n of the table. [FIELD_MAX]: to the end. */
	struct between between[FIELD_MAX + 1][FIELD_MAX + 1];
	struct outbuf text;
};

static bool is_quoted(const struct field *f)
{
	return f->type == FIELD_WORD || f->type == FIELD_ADDRESS || f->type == FIELD_TIME;
}

/* @before, @next: NULL for the begin and the end. */
static int plan_between(struct plan *p, struct between *b, const struct field *before,
			const struct field *next)
{
	b->at = (uint32_t)p->text.len;
	if (before && is_quoted(before))
		outbuf__char(&p->text, '"');
	if (next)
		json__member(&p->text, before ? before->name : NULL, next->name);
	else
		json__finish(&p->text, before ? before->name : NULL);
	if (next && is_quoted(next))
		outbuf__char(&p->text, '"');
	if (!next)
		outbuf__char(&p->text, '\n');
	b->len = (uint32_t)p->text.len - b->at;
	/* Copies may read a little behind it. */
	outbuf__fill(&p->text, 0, COPIED_AT_ONCE);
	return b->len <= BETWEEN_MAX ? 0 : -EINVAL;
}

static int plan_all(struct plan *p, unsigned int in)
{
	int err = 0;

	for (size_t i = 0; !err && i <= field__count; i++) {
		const struct field *before = i ? &field__table[i - 1] : NULL;

		if (before && !(before->in & in))
			continue;
		for (size_t j = i; !err && j < field__count; j++)
			if (field__table[j].in & in)
				err = plan_between(p, &p->between[i][j], before,
						   &field__table[j]);
		if (!err)
			err = plan_between(p, &p->between[i][FIELD_MAX], before, NULL);
	}
	return err ?: p->text.failed ? -ENOMEM : 0;
}

static void close_json(struct sink_state *s)
{
	struct plan *p = s->plan;

	if (p)
		outbuf__free(&p->text);
	free(p);
}

static int open_json(struct sink_state *s)
{
	struct plan *p = calloc(1, sizeof(*p));

	s->plan = p;
	if (!p || outbuf__init(&p->text, 64 * 1024))
		return -ENOMEM;
	return plan_all(p, s->opts.sockets ? FIELD_IN_SOCKETS : FIELD_IN_EVENTS);
}

static inline char *copy_between(char *to, const struct plan *p, const struct between *b)
{
	const char *from = p->text.data + b->at;

	memcpy(to, from, COPIED_AT_ONCE);
	if (b->len > COPIED_AT_ONCE)
		memcpy(to + COPIED_AT_ONCE, from + COPIED_AT_ONCE, b->len - COPIED_AT_ONCE);
	return to + b->len;
}

/* Where a record is put, and what its last value was. */
struct cursor {
	struct sink_state *s;
	const struct plan *plan;
	const struct between *between; /* of what was put last and each other */
};

/* Inlined for each row of the table, with all but the record known by then. */
static inline __attribute__((always_inline)) void
put_field(struct cursor *c, size_t index, field_reader read, enum field_type type,
	  const struct record *rec)
{
	struct outbuf *ob = &c->s->out;
	struct field_value v;
	char *to;

	if (!read(rec, &v))
		return;
	to = outbuf__room(ob, BETWEEN_MAX + SINK_SHORT_MAX);
	if (!to)
		return;
	to = copy_between(to, c->plan, &c->between[index]);
	if (type != FIELD_NAME)
		to = sink_format__short(c->s, to, type, &v);
	ob->len = (size_t)(to - ob->data);
	if (type == FIELD_NAME)
		escape__json(ob, v.text, v.len);
	c->between = c->plan->between[index + 1];
}

#define PUT(name, read, type, unit, in, ...)                  \
	if ((in) & of)                                         \
		put_field(&c, AT_##read, read, type, rec);

static inline __attribute__((always_inline)) void
put_fields(struct sink_state *s, const struct record *rec, unsigned int of)
{
	struct cursor c = { s, s->plan, ((const struct plan *)s->plan)->between[0] };
	char *to;

	FIELD_TABLE(PUT)
	to = outbuf__room(&s->out, BETWEEN_MAX);
	if (to)
		s->out.len = (size_t)(copy_between(to, c.plan, &c.between[FIELD_MAX]) -
				      s->out.data);
}

static void put_record(struct sink_state *s, const struct record *rec)
{
	if (s->opts.sockets)
		put_fields(s, rec, FIELD_IN_SOCKETS);
	else
		put_fields(s, rec, FIELD_IN_EVENTS);
}

/* ---- sums ---- */

/* The member of a sum, after that of the name @before; returns its own. */
static const char *put_member(struct sink_state *s, const char *before, const char *name,
			      enum field_type type, const struct field_value *v)
{
	bool quoted = type == FIELD_WORD || type == FIELD_ADDRESS || type == FIELD_TIME;
	struct outbuf *ob = &s->out;
	char text[SINK_SHORT_MAX] = "";

	json__member(ob, before, name);
	if (type == FIELD_NAME) {
		escape__json(ob, v->text, v->len);
		return name;
	}
	if (quoted)
		outbuf__char(ob, '"');
	outbuf__bytes(ob, text, (size_t)(sink_format__short(s, text, type, v) - text));
	if (quoted)
		outbuf__char(ob, '"');
	return name;
}

static void put_sum(struct sink_state *s, const struct sink_sum *sum)
{
	const char *before = NULL;
	struct field_value v;

	for (size_t i = 0; i < field__count; i++) {
		const struct field *f = &field__table[i];

		if (f->in & FIELD_IN_EVENTS && sink_sum__read(sum, i, &v))
			before = put_member(s, before, f->name, f->type, &v);
		for (size_t j = 0; j < SINK_SUM_MEMBERS; j++) {
			const struct sink_sum_member *m = &sink_sum__members[j];

			if (m->behind == i && m->read(sum, &v))
				before = put_member(s, before, m->name, m->type, &v);
		}
	}
	json__finish(&s->out, before);
	outbuf__char(&s->out, '\n');
}

const struct sink_writer sink_json = {
	.open = open_json, .close = close_json, .put = put_record, .put_sum = put_sum,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * JSON Lines: one object a record, in the order of the contract. What stands between two
 * members depends on those two alone, so it is made once for each pair: the quote that
 * ends the first value, brackets, a comma, the keys, the quote that begins the second.
 * Two runs of members are told of each process and of each container again and again: their
 * text is kept (spans.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/json.h"
#include "model/field_table.h"
#include "output/sink_format.h"
#include "output/sink_sum.h"
#include "output/spans.h"

#define BETWEEN_MAX 96 /* bytes of it, at most */
#define COPIED_AT_ONCE 32
#define PROCESS_SPANS 4096
#define WORKLOAD_SPANS 2048

struct between {
	uint32_t at; /* in plan.text */
	uint32_t len;
};

struct plan {
	/* [0]: at the begin; [n + 1]: behind row n of the table. [FIELD_MAX]: to the end. */
	struct between between[FIELD_MAX + 1][FIELD_MAX + 1];
	struct outbuf text;
	struct spans *of_processes, *of_workloads;
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

	if (p) {
		outbuf__free(&p->text);
		spans__free(p->of_processes);
		spans__free(p->of_workloads);
	}
	free(p);
}

static int open_json(struct sink_state *s)
{
	struct plan *p = calloc(1, sizeof(*p));

	s->plan = p;
	if (!p || outbuf__init(&p->text, 64 * 1024) || spans__new(&p->of_processes, PROCESS_SPANS) ||
	    spans__new(&p->of_workloads, WORKLOAD_SPANS))
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

/* The rows of the table from @first to @last. */
#define PUT(name, read, type, unit, in, ...)                                  \
	if ((in) & of && AT_##read >= first && AT_##read <= last)              \
		put_field(c, AT_##read, read, type, rec);

static inline __attribute__((always_inline)) void
put_rows(struct cursor *c, const struct record *rec, unsigned int of, enum field_place first,
	 enum field_place last)
{
	FIELD_TABLE(PUT)
}

/* What is behind a process's numbers, and who opened the connection. */
#define PROCESS_FIRST AT_read_thread_name
#define PROCESS_LAST AT_read_opener_name
#define WORKLOAD_FIRST AT_read_container_id
#define WORKLOAD_LAST AT_read_unit

/* Which member was put last: its row in the table of what stands between. */
static uint64_t row_of(const struct cursor *c)
{
	return (uint64_t)(c->between - c->plan->between[0]) / (FIELD_MAX + 1);
}

/* All that the readers of those rows look at; false: the command line may be another one's. */
static bool process_key(const struct cursor *c, const struct record *rec, struct span_key *key)
{
	const struct tws_conn *conn = &rec->event->conn;

	_Static_assert(TWS_COMM_LEN == 16, "two words");
	key->words[0] = rec->command_number;
	key->words[1] = (uint64_t)conn->uid << 32 | conn->opener_tgid;
	key->words[2] = row_of(c) << 32 | (uint64_t)rec->evidence << 24 |
			(uint64_t)rec->shared << 17 | (uint64_t)(conn->tid != 0) << 16 | conn->flags;
	memcpy(&key->words[3], conn->thread_comm, TWS_COMM_LEN);
	memcpy(&key->words[5], conn->opener_comm, TWS_COMM_LEN);
	key->words[7] = 0;
	return rec->command_number || !rec->command_line;
}

static bool workload_key(const struct cursor *c, const struct record *rec, struct span_key *key)
{
	*key = (struct span_key){ .words = { rec->workload_number, rec->event->conn.cgroup_id,
					     row_of(c) } };
	return rec->workload_number;
}

static void keep_span(struct cursor *c, struct spans *spans, const struct span_key *key,
		      uint64_t wanted, size_t start)
{
	const struct outbuf *ob = &c->s->out;
	const struct span made = { ob->data + start, (uint32_t)(ob->len - start),
				   (uint32_t)row_of(c) };

	if (wanted && !ob->failed && ob->len >= start)
		spans__keep(spans, wanted, key, &made);
}

/* Copies the span of @key; false: it is to be made. */
static bool put_kept(struct cursor *c, struct spans *spans, const struct span_key *key,
		     uint64_t *wanted)
{
	const struct span *span = spans__find(spans, key, wanted);
	struct outbuf *ob = &c->s->out;

	if (!span)
		return false;
	outbuf__bytes(ob, span->text, span->len);
	c->between = c->plan->between[span->tail];
	return true;
}

static inline __attribute__((always_inline)) void
put_span(struct cursor *c, const struct record *rec, unsigned int of, struct spans *spans,
	 bool (*make_key)(const struct cursor *, const struct record *, struct span_key *),
	 enum field_place first, enum field_place last)
{
	size_t start = c->s->out.len;
	struct span_key key;
	uint64_t wanted = 0;
	bool same = make_key(c, rec, &key);

	if (same && put_kept(c, spans, &key, &wanted))
		return;
	put_rows(c, rec, of, first, last);
	if (same)
		keep_span(c, spans, &key, wanted, start);
}

static inline __attribute__((always_inline)) void
put_fields(struct sink_state *s, const struct record *rec, unsigned int of)
{
	const struct plan *p = s->plan;
	struct cursor c = { s, p, p->between[0] };
	char *to;

	put_rows(&c, rec, of, 0, PROCESS_FIRST - 1);
	put_span(&c, rec, of, p->of_processes, process_key, PROCESS_FIRST, PROCESS_LAST);
	put_span(&c, rec, of, p->of_workloads, workload_key, WORKLOAD_FIRST, WORKLOAD_LAST);
	put_rows(&c, rec, of, WORKLOAD_LAST + 1, FIELD_MAX);
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

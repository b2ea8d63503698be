// SPDX-License-Identifier: GPL-2.0
/*
 * JSON Lines: one object a record, in the order of the contract. What stands between two
 * members depends on those two alone, so it is made once for each pair: the quote that
 * ends the first value, brackets, a comma, the keys, the quote that begins the second.
 * Two runs of members are told again and again, of each process (a thread of it, in its network
 * namespace) and of each container: their text is kept (spans.h).
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

/* The process that closed, and who opened the connection; in front of it, where. The thread's number
 * is put into what was kept. */
#define PLACE_FIRST AT_read_netns
#define PLACE_LAST AT_read_interface_index
#define PROCESS_FIRST AT_read_pid
#define PROCESS_LAST AT_read_opener_name
#define WORKLOAD_FIRST AT_read_container_id
#define WORKLOAD_LAST AT_read_unit

/* Which member was put last: its row in the table of what stands between. */
static uint64_t row_of(const struct cursor *c)
{
	return (uint64_t)(c->between - c->plan->between[0]) / (FIELD_MAX + 1);
}

/* Whether a number is all that there is to say of the place, as of most. */
static bool is_plain_place(const struct record *rec)
{
	return !rec->netns_name && !rec->interface && !rec->event->conn.ifindex;
}

/* 0: none is told. */
static uint32_t thread_of(const struct record *rec)
{
	return rec->event->conn.flags & TWS_F_CLOSER ? rec->event->conn.tid : 0;
}

/*
 * All that the readers of those rows look at but the thread's number, @netns among it if that is told
 * there; false: the command line may be another one's.
 */
static bool process_key(const struct cursor *c, const struct record *rec, uint32_t netns,
			struct span_key *key)
{
	const struct tws_conn *conn = &rec->event->conn;

	_Static_assert(TWS_COMM_LEN == 16, "two words");
	key->words[0] = rec->command_number;
	key->words[1] = (uint64_t)conn->uid << 32 | conn->opener_tgid;
	key->words[2] = row_of(c) << 32 | (uint64_t)rec->evidence << 24 |
			(uint64_t)rec->shared << 18 | (uint64_t)(conn->tid != 0) << 17 |
			(uint64_t)(conn->pid_ns != 0) << 16 | conn->flags;
	key->words[3] = conn->tgid;
	key->words[4] = (uint64_t)conn->ns_tgid << 32 | netns;
	memcpy(&key->words[5], conn->comm, TWS_COMM_LEN);
	memcpy(&key->words[7], conn->thread_comm, TWS_COMM_LEN);
	memcpy(&key->words[9], conn->opener_comm, TWS_COMM_LEN);
	key->words[11] = 0;
	return rec->command_number || !rec->command_line;
}

static bool workload_key(const struct cursor *c, const struct record *rec, struct span_key *key)
{
	*key = (struct span_key){ .words = { rec->workload_number, rec->event->conn.cgroup_id,
					     row_of(c) } };
	return rec->workload_number;
}

/* What was put from @start on, but @thread's digits, which end at @split. */
static void keep_process(const struct cursor *c, uint64_t wanted, const struct span_key *key,
			 size_t start, size_t split, uint32_t thread)
{
	const struct outbuf *ob = &c->s->out;
	size_t before = split - start - (thread ? fmt__u64_len(thread) : 0), behind = ob->len - split;
	char text[SPANS_LEN_MAX];

	if (!wanted || ob->failed || before + behind > sizeof(text))
		return;
	memcpy(text, ob->data + start, before);
	memcpy(text + before, ob->data + split, behind);
	spans__keep(c->plan->of_processes, wanted, key,
		    &(struct span){ text, (uint32_t)(before + behind), (uint32_t)row_of(c),
				    (uint32_t)before });
}

/* Copies the span of @key, with @thread's number in it; false: it is to be made. */
static bool put_kept_process(struct cursor *c, const struct span_key *key, uint32_t thread,
			     uint64_t *wanted)
{
	const struct span *span = spans__find(c->plan->of_processes, key, wanted);
	struct outbuf *ob = &c->s->out;
	char *to;

	if (!span)
		return false;
	to = outbuf__room(ob, span->len + FMT_U64_MAX);
	if (!to)
		return true;
	memcpy(to, span->text, span->split);
	to += span->split;
	if (thread)
		to += fmt__u64(to, thread);
	memcpy(to, span->text + span->split, span->len - span->split);
	ob->len = (size_t)(to - ob->data) + span->len - span->split;
	c->between = c->plan->between[span->tail];
	return true;
}

static inline __attribute__((always_inline)) void
put_process(struct cursor *c, const struct record *rec, unsigned int of)
{
	bool plain = is_plain_place(rec), same;
	const struct outbuf *ob = &c->s->out;
	uint32_t thread = thread_of(rec);
	struct span_key key;
	uint64_t wanted = 0;
	size_t start, split;

	if (!plain)
		put_rows(c, rec, of, PLACE_FIRST, PLACE_LAST);
	start = ob->len;
	same = process_key(c, rec, plain ? rec->event->netns : 0, &key);
	if (same && put_kept_process(c, &key, thread, &wanted))
		return;
	if (plain)
		put_rows(c, rec, of, PLACE_FIRST, PLACE_LAST);
	put_rows(c, rec, of, PROCESS_FIRST, AT_read_thread_id);
	split = ob->len;
	put_rows(c, rec, of, AT_read_thread_id + 1, PROCESS_LAST);
	keep_process(c, wanted, &key, start, split, thread);
}

static inline __attribute__((always_inline)) void
put_workload(struct cursor *c, const struct record *rec, unsigned int of)
{
	struct spans *spans = c->plan->of_workloads;
	struct outbuf *ob = &c->s->out;
	const struct span *span = NULL;
	size_t start = ob->len;
	struct span_key key;
	uint64_t wanted = 0;

	if (workload_key(c, rec, &key))
		span = spans__find(spans, &key, &wanted);
	if (span) {
		outbuf__bytes(ob, span->text, span->len);
		c->between = c->plan->between[span->tail];
		return;
	}
	put_rows(c, rec, of, WORKLOAD_FIRST, WORKLOAD_LAST);
	if (wanted && !ob->failed)
		spans__keep(spans, wanted, &key,
			    &(struct span){ ob->data + start, (uint32_t)(ob->len - start),
					    (uint32_t)row_of(c), 0 });
}

static inline __attribute__((always_inline)) void
put_fields(struct sink_state *s, const struct record *rec, unsigned int of)
{
	const struct plan *p = s->plan;
	struct cursor c = { s, p, p->between[0] };
	char *to;

	put_rows(&c, rec, of, 0, PLACE_FIRST - 1);
	put_process(&c, rec, of);
	put_workload(&c, rec, of);
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

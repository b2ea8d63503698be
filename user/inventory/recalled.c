// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inventory/recalled.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "inventory/recalled_netns.h"
#include "model/decode.h"
#include "model/filter.h"
#include "model/key.h"

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
#define TIME_WAIT_NS (60 * NS_PER_S) /* TCP_TIMEWAIT_LEN */
/* A FIN_WAIT2 mini-socket, and the TIME_WAIT after it, whose rows may come late. */
#define LATE_NS (5 * NS_PER_S)
#define LOOK_BACK_NS (2 * TIME_WAIT_NS + LATE_NS)

/* A socket, by what was told of it last. */
struct place {
	struct tws_key key;
	struct tws_event event;
	uint64_t closed_ns;	/* CLOCK_MONOTONIC: the first that was told of its close */
	uint32_t run, who, command;
	char interface[IF_NAMESIZE];
};

struct recalled {
	struct history *history;
	struct table *places;
	struct recalled_netns netns;
	struct recalled_facts facts;
	char boot_id[sizeof(((struct held_run *)0)->boot_id)];
	uint32_t *runs; /* of that boot */
	size_t num_runs;
	int64_t wall_offset_ns; /* of the last row before the moment */
	uint64_t recent_ns;	/* what entered TIME_WAIT before is over by then */
	uint32_t last_run;	/* that has rows then */
};

/* ---- which rows count ---- */

/* The run of the moment; if there was none, the one before. */
static int note_run(void *ctx, const struct held_run *run)
{
	struct recalled *r = ctx;

	memcpy(r->boot_id, run->boot_id, sizeof(r->boot_id));
	r->facts = (struct recalled_facts){ run->since_ns, run->all };
	return 0;
}

static int collect_run(void *ctx, const struct held_run *run)
{
	struct recalled *r = ctx;
	void *more;

	if (memcmp(r->boot_id, run->boot_id, sizeof(r->boot_id)))
		return 0;
	more = realloc(r->runs, (r->num_runs + 1) * sizeof(*r->runs));
	if (!more)
		return -ENOMEM;
	r->runs = more;
	r->runs[r->num_runs++] = run->id;
	return 0;
}

/* Sockets do not outlive a boot. */
static int find_runs(struct recalled *r, const struct recall_want *want,
		     const struct history_span *span)
{
	const struct history_span moment = { want->at_ns, want->at_ns + 1 };
	int err = history__each_run(r->history, &moment, note_run, r);

	if (!err && !r->facts.run_since_ns) {
		err = history__each_run(r->history, span, note_run, r);
		r->facts.run_since_ns = 0;
	}
	return err ?: history__each_run(r->history, span, collect_run, r);
}

static bool is_of_boot(const struct recalled *r, uint32_t run)
{
	for (size_t i = r->num_runs; i > 0; i--)
		if (r->runs[i - 1] == run)
			return true;
	return false;
}

/* ---- from rows to sockets ---- */

/* As events/time_waits.c has it: what connect() itself failed with may be that it has not got the
 * addresses, and bind() has no connection. */
static bool shows_use(const struct tws_event *ev)
{
	if (ev->action == TWS_CONNECT_FAILED)
		return ev->error && !(ev->conn.flags & TWS_F_CLOSER);
	return ev->action != TWS_BIND_FAILED;
}

static void remove_place(struct recalled *r, const struct tws_event *ev)
{
	const struct tws_key key = key__of_event(ev);
	struct place *place = shows_use(ev) ? table__find(r->places, &key) : NULL;
	const struct tws_event *of = place ? &place->event : NULL;
	bool same = of && ev->cookie && ev->cookie == of->cookie;

	if (!place || of->time_ns > ev->time_ns)
		return;
	if (ev->action == TWS_TIME_WAIT_END) {
		/* Or it is the end of an earlier one. */
		if (same || !ev->cookie || !of->cookie)
			table__remove(r->places, place);
	} else if (!same || of->action == TWS_FIN_WAIT2) {
		table__remove(r->places, place);
	}
}

static bool is_same_socket(const struct place *place, const struct tws_event *ev)
{
	return place->event.action == TWS_FIN_WAIT2 && ev->action == TWS_TIME_WAIT &&
	       place->event.cookie == ev->cookie;
}

static int put_place(struct recalled *r, const struct held_row *row, uint32_t run)
{
	const struct tws_event *ev = &row->event;
	const struct tws_key key = key__of_event(ev);
	struct place *place;
	void *entry;
	int err = table__get(r->places, &key, &entry);

	if (err < 0)
		return err == -ENOSPC ? -E2BIG : err;
	place = entry;
	if (!err && place->event.time_ns > ev->time_ns)
		return 0;
	if (err || !is_same_socket(place, ev))
		place->closed_ns = ev->time_ns;
	place->event = *ev;
	place->run = run;
	place->who = row->who;
	place->command = row->command;
	snprintf(place->interface, sizeof(place->interface), "%s", row->interface ?: "");
	return recalled_netns__add(&r->netns, ev->netns, row->netns_name);
}

static int add_row(struct recalled *r, const struct held_row *row, uint32_t run)
{
	const struct tws_event *ev;

	if (decode__event(&row->event, sizeof(row->event), &ev) || ev->action >= TWS_LISTEN)
		return 0;
	r->wall_offset_ns = (int64_t)(row->wall_ns - ev->time_ns);
	if (ev->action == TWS_FIN_WAIT2 ||
	    (ev->action == TWS_TIME_WAIT && row->wall_ns >= r->recent_ns))
		return put_place(r, row, run);
	/* Its end, or one of a later connection with the same addresses. */
	if (table__count(r->places))
		remove_place(r, ev);
	return 0;
}

static int read_rows(struct recalled *r, const struct history_span *span)
{
	struct history_cursor *cursor = NULL;
	const struct block *block;
	struct held_block meta;
	struct held_row row;
	int err = history_cursor__new(&cursor, r->history, span);

	while (!err && (err = history_cursor__next(cursor, &block, &meta)) == 1) {
		err = 0;
		if (!is_of_boot(r, meta.run))
			continue;
		for (uint32_t i = 0; !err && i < block__count(block); i++) {
			block__row(block, i, &row);
			if (row.wall_ns >= span->since_ns && row.wall_ns < span->until_ns)
				err = add_row(r, &row, meta.run);
		}
	}
	history_cursor__free(cursor);
	return err;
}

/* ---- from sockets to a listing ---- */

static uint64_t life_ns(const struct recalled *r, const struct place *place)
{
	uint64_t ns = 0;

	if (place->event.action == TWS_FIN_WAIT2)
		ns = recalled_netns__fin_timeout_ms(&r->netns, place->event.netns) * NS_PER_MS;
	return ns && ns < TIME_WAIT_NS ? ns : TIME_WAIT_NS;
}

/* Since it entered its state; 0 if clocks say that this is still to come. */
static uint64_t age_ns(const struct place *place, uint64_t taken_ns)
{
	return taken_ns > place->event.time_ns ? taken_ns - place->event.time_ns : 0;
}

/* Whether clocks allow for it, but for what lies between two readings of them. */
static bool is_past(const struct place *place, uint64_t taken_ns)
{
	return taken_ns <= INT64_MAX && place->event.time_ns <= INT64_MAX &&
	       place->event.time_ns <= taken_ns + NS_PER_S;
}

static int fill_row(struct listing *l, struct listing_row *row, const struct place *place,
		    uint64_t left_ns)
{
	const struct tws_event *ev = &place->event;

	*row = (struct listing_row){
		.key = place->key,
		.cookie = ev->cookie,
		.left_ns = left_ns,
		.since_ns = (int64_t)place->closed_ns,
		.family = ev->family,
		.state = ev->action == TWS_FIN_WAIT2 ? SOCKDIAG_FIN_WAIT2 : SOCKDIAG_TIME_WAIT,
		.mini = true,
		.side = ev->conn.side,
	};
	if (ev->conn.flags & TWS_F_CLOSER || ev->conn.cause == TWS_CAUSE_KERNEL)
		row->evidence = OWNER_SEEN;
	return listing__see(l, row, ev);
}

static int put_workload(struct recalled *r, struct gathered *g, const struct recall_want *want,
			const struct place *place, bool *kept)
{
	uint64_t id = place->event.conn.cgroup_id;
	const struct held_who *who = place->who ? history__who(r->history, place->who) : NULL;

	*kept = !want->wants || (who && id && want->wants(want->ctx, who));
	if (!id || !who || !*kept)
		return 0;
	return workloads__put(g->workloads, id, who->cgroup_path, &who->workload);
}

static int add_rows(struct recalled *r, struct gathered *g, const struct recall_want *want)
{
	struct listing *l = &g->listing;
	struct place *place = NULL;
	int err = listing__reserve(l, table__count(r->places));

	while (!err && (place = table__next(r->places, place))) {
		struct listing_row *row = &l->rows[l->num];
		uint64_t life = life_ns(r, place), age = age_ns(place, l->taken_ns);
		bool kept;

		if (age >= life || !is_past(place, l->taken_ns) ||
		    !filter__match(want->filter, &place->event))
			continue;
		err = put_workload(r, g, want, place, &kept);
		if (err || !kept)
			continue;
		err = fill_row(l, row, place, life - age);
		l->num += !err;
	}
	return err;
}

static int fill_listing(struct recalled *r, struct gathered *g, const struct recall_want *want)
{
	const struct workloads_options no_options = {};

	g->listing.wall_ns = want->at_ns;
	g->listing.taken_ns = want->at_ns - (uint64_t)r->wall_offset_ns;
	return workloads__new(&g->workloads, &no_options) ?:
	       recalled_netns__list(&r->netns, &g->listing) ?: add_rows(r, g, want);
}

int recalled__sockets(struct recalled **recalledp, struct gathered *g,
		      const struct recall_want *want)
{
	const struct table_options places = {
		.key_bytes = sizeof(struct tws_key), .entry_bytes = sizeof(struct place),
		.max = LISTING_MAX,
	};
	const struct history_span span = {
		want->at_ns > LOOK_BACK_NS ? want->at_ns - LOOK_BACK_NS : 0, want->at_ns + 1,
	};
	struct recalled *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		return err;
	r->history = want->history;
	r->recent_ns = want->at_ns > TIME_WAIT_NS + LATE_NS ?
			       want->at_ns - TIME_WAIT_NS - LATE_NS : 0;
	err = table__new(&r->places, &places) ?:
	      recalled_netns__read(&r->netns, want->history, want->at_ns) ?:
	      find_runs(r, want, &span) ?: read_rows(r, &span) ?: fill_listing(r, g, want);
	if (err)
		recalled__free(r);
	else
		*recalledp = r;
	return err;
}

void recalled__free(struct recalled *r)
{
	if (!r)
		return;
	table__free(r->places);
	recalled_netns__free(&r->netns);
	free(r->runs);
	free(r);
}

/* ---- what rows do not say ---- */

static void tell_rest(void *ctx, const struct listing_row *row, struct record *rec)
{
	struct recalled *r = ctx;
	const struct place *place = table__find(r->places, &row->key);

	if (place->command)
		rec->command_line = history__command(r->history, place->command);
	if (place->interface[0])
		rec->interface = place->interface;
}

struct group_context recalled__context(struct recalled *r, const struct gathered *g)
{
	return (struct group_context){ .listing = &g->listing, .workloads = g->workloads,
				       .tell = tell_rest, .tell_ctx = r };
}

struct recalled_facts recalled__facts(const struct recalled *r)
{
	return r->facts;
}

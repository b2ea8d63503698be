// SPDX-License-Identifier: GPL-2.0
#include "tally/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "model/key.h"
#include "tally/view.h"

#define NS_PER_S 1000000000ULL
#define MAX_GONE TALLY_ROWS	/* rows that gave way, and may be shown still */
#define STATE_FIN_WAIT2 5	/* as the kernel and sock_diag number them */
#define STATE_TIME_WAIT 6

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct tally {
	struct tally_options opts;
	struct view *views[TALLY_VIEWS];
	struct whose *whose;
	struct port_sets *port_sets;
	struct tally_row sum;
	struct held unplaced;
	struct tally_host host;
	struct tally_netns netns; /* that is looked into */
	uint64_t minis;		  /* in it */
	uint32_t minute[64];
	uint32_t now_s;
	uint16_t look;
	bool is_looking;
	uint64_t now_ns, begin_ns, frame_ns, interval_ns;
};

/* ---- time ---- */

static void move_row_on(struct tally_row *row, uint32_t now_s)
{
	held__move_on(&row->held, now_s);
	recent__move_on(&row->recent, now_s);
	recent__move_on(&row->recent_failed, now_s);
}

static void move_on(struct tally *t, uint32_t now_s)
{
	t->now_s = now_s;
	t->minute[now_s % COUNT(t->minute)] = 0;
	held__move_on(&t->unplaced, now_s);
	move_row_on(&t->sum, now_s);
	port_sets__move_on(t->port_sets, now_s);
	for (size_t v = 0; v < t->opts.num_views; v++) {
		struct view *view = t->views[v];

		for (size_t i = 0; i < view->num; i++)
			move_row_on(view->list[i], now_s);
		move_row_on(&view->others, now_s);
	}
}

static void advance(struct tally *t, uint32_t second)
{
	/* What is longer ago than all that is kept leaves nothing. */
	uint32_t from = second - t->now_s > HELD_SECONDS ? second - HELD_SECONDS : t->now_s;

	for (uint32_t s = from; s != second;)
		move_on(t, ++s);
}

void tally__tick(struct tally *t, uint64_t now_ns)
{
	uint32_t second = (uint32_t)(now_ns / NS_PER_S);

	if (now_ns > t->now_ns)
		t->now_ns = now_ns;
	if (second <= t->now_s)
		return;
	advance(t, second);
	for (size_t v = 0; v < t->opts.num_views; v++)
		if (!t->views[v]->num_free && t->views[v]->num_gone < MAX_GONE)
			view__cull(t->views[v], t->now_s);
}

/* ---- counting ---- */

/* @num as this one; lifetimes are the caller's. */
static void count_closes(struct tally_counts *counts, const struct tws_conn *conn, uint64_t num)
{
	counts->closes += num;
	counts->client += conn->side == TWS_SIDE_CLIENT ? num : 0;
	counts->server += conn->side == TWS_SIDE_SERVER ? num : 0;
	counts->causes[conn->cause < TWS_CAUSE_END ? conn->cause : TWS_CAUSE_UNKNOWN] += num;
}

static void count_close(struct tally_counts *counts, const struct tws_event *ev)
{
	const struct tws_conn *conn = &ev->conn;

	count_closes(counts, conn, 1);
	if (conn->open_ns && ev->time_ns >= conn->open_ns) {
		counts->lifetimes++;
		counts->lifetime_ns += ev->time_ns - conn->open_ns;
	}
}

struct closing {
	const struct record *rec;
	uint32_t second;
	bool counts; /* in totals */
	struct port_set_key remote;
	uint64_t remote_hash;
};

static void close_in(struct tally *t, struct tally_row *row, const struct closing *c)
{
	if (c->counts) {
		count_close(&row->total, c->rec->event);
		row->closes_on++;
	}
	recent__add(&row->recent, c->second, t->now_s);
	held__add(&row->held, c->second + HELD_LIFE_S, t->now_s);
	remotes__add(&row->remotes, &c->remote, c->remote_hash, 1);
	tally_row__note_process(row, c->rec);
	if (c->second > row->last_s)
		row->last_s = c->second;
}

static uint64_t hash_of(const struct tally *t, const struct tws_key *key)
{
	return hash__bytes(t->opts.seed, key, sizeof(*key));
}

/* The socket has ended, whatever the clock says. */
static void end_held(struct tally *t, const struct whose_socket *socket)
{
	if (t->is_looking && socket->look != t->look) /* not counted anew yet */
		return;
	if (!socket->placed) {
		held__remove(&t->unplaced, socket->end_s, t->now_s);
		return;
	}
	held__remove(&t->sum.held, socket->end_s, t->now_s);
	for (size_t v = 0; v < t->opts.num_views; v++)
		held__remove(&view__of(t->views[v], &socket->rows[v])->held, socket->end_s, t->now_s);
}

/* A socket of the same addresses that was held has ended, and be it that this one was found
 * in the kernel's table before its close was told. */
static struct whose_socket *place(struct tally *t, const struct closing *c)
{
	struct tws_key key = key__of_event(c->rec->event);
	uint64_t hash = hash_of(t, &key);
	struct whose_socket *socket = whose__find(t->whose, hash);

	if (socket)
		end_held(t, socket);
	else
		socket = whose__add(t->whose, hash);
	if (socket) {
		socket->end_s = c->second + HELD_LIFE_S;
		socket->look = t->look;
		socket->placed = true;
	}
	return socket;
}

static void add_close(struct tally *t, const struct closing *c)
{
	struct whose_socket *socket = place(t, c);

	close_in(t, &t->sum, c);
	if (t->now_s - c->second < COUNT(t->minute))
		t->minute[c->second % COUNT(t->minute)]++;
	for (size_t v = 0; v < t->opts.num_views; v++) {
		struct tally_row *row = view__row(t->views[v], c->rec, t->opts.seed);

		close_in(t, row, c);
		if (socket)
			socket->rows[v] = view__whose(t->views[v], row);
	}
	if (c->remote.peer_port)
		port_sets__close(t->port_sets, &c->remote, c->second, t->now_s);
}

static void fail_in(struct tally *t, struct tally_row *row, const struct closing *c)
{
	if (c->counts) {
		row->total.failed++;
		row->failed_on++;
	}
	recent__add(&row->recent_failed, c->second, t->now_s);
	tally_row__note_process(row, c->rec);
	if (c->second > row->last_s)
		row->last_s = c->second;
}

/* An answer that refuses a connection has no caller; who had called it is the opener. */
static struct tws_event failed_by(const struct tws_event *ev)
{
	struct tws_event by = *ev;

	if (!(ev->conn.flags & TWS_F_OPENER) || ev->conn.flags & TWS_F_CLOSER)
		return by;
	by.conn.flags |= TWS_F_CLOSER;
	by.conn.tgid = ev->conn.opener_tgid;
	memcpy(by.conn.comm, ev->conn.opener_comm, sizeof(by.conn.comm));
	by.conn.side = TWS_SIDE_CLIENT;
	return by;
}

static void add_failure(struct tally *t, const struct closing *c)
{
	const struct tws_event ev = failed_by(c->rec->event);
	struct record rec = *c->rec;
	struct closing by = *c;

	rec.event = &ev;
	by.rec = &rec;
	fail_in(t, &t->sum, &by);
	t->host.error = ev.error;
	for (size_t v = 0; v < t->opts.num_views; v++)
		fail_in(t, view__row(t->views[v], &rec, t->opts.seed), &by);
}

void tally__add(struct tally *t, const struct record *rec)
{
	const struct tws_event *ev = rec->event;
	struct closing c = {
		.rec = rec,
		.second = (uint32_t)(ev->time_ns / NS_PER_S),
		.counts = ev->time_ns >= t->opts.start_ns,
	};

	if (ev->action != TWS_TIME_WAIT && ev->action != TWS_CONNECT_FAILED &&
	    ev->action != TWS_OVERFLOW)
		return;
	if (!t->begin_ns || ev->time_ns < t->begin_ns)
		t->begin_ns = ev->time_ns;
	if (c.second > t->now_s)
		tally__tick(t, ev->time_ns);
	if (ev->action == TWS_OVERFLOW) {
		t->host.overflows += c.counts;
	} else if (ev->action == TWS_CONNECT_FAILED) {
		add_failure(t, &c);
	} else {
		c.remote = remotes__key(ev);
		c.remote_hash = hash__bytes(t->opts.seed, &c.remote, sizeof(c.remote));
		add_close(t, &c);
	}
}

/* ---- sums ---- */

/* What a sum has for each row. */
struct sum_part {
	const struct record *rec;
	const struct tally_sum *sum;
	uint32_t first_s, num;	     /* seconds */
	uint32_t each[HELD_SECONDS]; /* in each of them */
	uint64_t counted, lifetimes, lifetime_ns; /* in totals */
	struct port_set_key remote;
	uint64_t remote_hash;
};

/* Of @count the first @part of @whole. */
static uint64_t share(uint64_t count, uint32_t part, uint32_t whole)
{
	return count / whole * part + count % whole * part / whole;
}

static uint64_t between(uint64_t count, uint32_t from, uint32_t until, uint32_t whole)
{
	return share(count, until, whole) - share(count, from, whole);
}

static void make_part(const struct tally *t, struct sum_part *p)
{
	const struct tally_sum *sum = p->sum;
	uint64_t start_s = (t->opts.start_ns + NS_PER_S - 1) / NS_PER_S;
	uint32_t from = sum->from;

	p->first_s = sum->begin_s + sum->from;
	p->num = sum->until - sum->from;
	for (uint32_t i = 0; i < p->num; i++)
		p->each[i] = (uint32_t)between(sum->count, sum->from + i, sum->from + i + 1,
					       sum->span_s);
	/* what was before the start is held, but in no total */
	if (start_s > sum->begin_s + (uint64_t)from)
		from = start_s < sum->begin_s + (uint64_t)sum->until ?
			       (uint32_t)(start_s - sum->begin_s) : sum->until;
	p->counted = between(sum->count, from, sum->until, sum->span_s);
	p->lifetimes = between(sum->lifetimes, from, sum->until, sum->span_s);
	p->lifetime_ns = between(sum->lifetime_ns, from, sum->until, sum->span_s);
}

static void sum_closes(struct tally *t, struct tally_row *row, const struct sum_part *p)
{
	count_closes(&row->total, &p->rec->event->conn, p->counted);
	row->total.lifetimes += p->lifetimes;
	row->total.lifetime_ns += p->lifetime_ns;
	row->closes_on += p->counted;
	for (uint32_t i = 0; i < p->num; i++) {
		recent__add_many(&row->recent, p->first_s + i, t->now_s, p->each[i]);
		held__add_many(&row->held, p->first_s + i + HELD_LIFE_S, t->now_s, p->each[i]);
	}
	if (!p->sum->some_peers)
		remotes__add(&row->remotes, &p->remote, p->remote_hash, p->counted);
}

static void sum_failures(struct tally *t, struct tally_row *row, const struct sum_part *p)
{
	row->total.failed += p->counted;
	row->failed_on += p->counted;
	for (uint32_t i = 0; i < p->num; i++)
		recent__add_many(&row->recent_failed, p->first_s + i, t->now_s, p->each[i]);
}

static void sum_in(struct tally *t, struct tally_row *row, const struct sum_part *p)
{
	if (p->rec->event->action == TWS_TIME_WAIT)
		sum_closes(t, row, p);
	else
		sum_failures(t, row, p);
	tally_row__keep_command_line(row, p->rec);
	if (p->first_s + p->num - 1 > row->last_s)
		row->last_s = p->first_s + p->num - 1;
}

/* Whether the sum is of one row by these keys. */
static bool tells(const struct tally_keys *keys, const struct sum_part *p)
{
	const struct tws_event *ev = p->rec->event;

	for (size_t i = 0; i < keys->num; i++) {
		const char *word = keys->keys[i]->word;

		if ((!strcmp(word, "remote") && p->sum->some_peers) ||
		    (!strcmp(word, "remote-port") && !ev->peer_port) ||
		    (!strcmp(word, "local-port") && !ev->local_port))
			return false;
	}
	return true;
}

static void count_sum(struct tally *t, const struct sum_part *p)
{
	bool closes = p->rec->event->action == TWS_TIME_WAIT;

	sum_in(t, &t->sum, p);
	t->host.summed += closes ? p->counted : 0;
	for (uint32_t i = 0; closes && i < p->num; i++)
		if (t->now_s - (p->first_s + i) < COUNT(t->minute))
			t->minute[(p->first_s + i) % COUNT(t->minute)] += p->each[i];
	/* port sets are left out: how many ports they have only looks tell, and of what was
	 * recorded there are none */
	for (size_t v = 0; v < t->opts.num_views; v++) {
		struct view *view = t->views[v];

		sum_in(t, tells(&view->keys, p) ? view__row(view, p->rec, t->opts.seed) :
						  &view->others, p);
	}
}

void tally__add_sum(struct tally *t, const struct record *rec, const struct tally_sum *sum)
{
	uint8_t action = rec->event->action;
	struct sum_part p = { .rec = rec, .sum = sum };
	uint64_t first_ns = (sum->begin_s + (uint64_t)sum->from) * NS_PER_S;

	if (sum->from >= sum->until || sum->until > sum->span_s || sum->span_s > HELD_SECONDS)
		return;
	if (action != TWS_TIME_WAIT && action != TWS_CONNECT_FAILED && action != TWS_OVERFLOW)
		return;
	if (!t->begin_ns || first_ns < t->begin_ns)
		t->begin_ns = first_ns;
	tally__tick(t, (sum->begin_s + (uint64_t)sum->until - 1) * NS_PER_S);
	make_part(t, &p);
	if (action == TWS_OVERFLOW) {
		t->host.overflows += p.counted;
		return;
	}
	if (action == TWS_CONNECT_FAILED)
		t->host.error = rec->event->error;
	p.remote = remotes__key(rec->event);
	p.remote_hash = hash__bytes(t->opts.seed, &p.remote, sizeof(p.remote));
	count_sum(t, &p);
}

void tally__add_unknown(struct tally *t, uint64_t time_ns, uint64_t num)
{
	t->host.unknown += time_ns >= t->opts.start_ns ? num : 0;
}

/* ---- looks ---- */

void tally__look(struct tally *t, uint64_t now_ns)
{
	tally__tick(t, now_ns);
	t->look++;
	t->is_looking = true;
	t->host.looked_ns = now_ns;
	memset(t->host.states, 0, sizeof(t->host.states));
	t->host.fin_wait2_minis = t->host.limit = t->host.minis_there = 0;
	t->netns = (struct tally_netns){ 0 };
	t->minis = 0;
	port_sets__look(t->port_sets);
	t->unplaced = t->sum.held = (struct held){ 0 };
	for (size_t v = 0; v < t->opts.num_views; v++) {
		struct view *view = t->views[v];

		for (size_t i = 0; i < view->num; i++)
			view->list[i]->held = (struct held){ 0 };
		view->others.held = (struct held){ 0 };
	}
}

/* Of the namespace that was looked into. */
static void note_limit(struct tally *t)
{
	struct tally_host *host = &t->host;

	if (!t->netns.max_tw_buckets)
		return;
	/* minis / limit, compared without rounding */
	if (!host->limit || t->minis * host->limit > host->minis_there * t->netns.max_tw_buckets) {
		host->limit = t->netns.max_tw_buckets;
		host->minis_there = t->minis;
	}
}

void tally__look_into(struct tally *t, const struct tally_netns *netns)
{
	note_limit(t);
	t->netns = *netns;
	t->minis = 0;
}

static void add_held(struct tally *t, const struct whose_socket *socket)
{
	held__add(&t->sum.held, socket->end_s, t->now_s);
	for (size_t v = 0; v < t->opts.num_views; v++)
		held__add(&view__of(t->views[v], &socket->rows[v])->held, socket->end_s, t->now_s);
}

static void see_time_wait(struct tally *t, const struct tally_socket *sk, uint32_t end_s)
{
	uint64_t hash = hash_of(t, &sk->key);
	struct whose_socket *socket = whose__find(t->whose, hash);

	/* A dump may show one twice, and one that was told meanwhile. */
	if (socket && socket->look == t->look)
		return;
	if (!socket)
		socket = whose__add(t->whose, hash);
	if (socket) {
		socket->look = t->look;
		socket->end_s = end_s;
	}
	if (socket && socket->placed)
		add_held(t, socket);
	else
		held__add(&t->unplaced, end_s, t->now_s);
}

/* The next second of which it is sure that it will have ended, if its timer is in time; one
 * that is late ends now. */
static uint32_t end_of(const struct tally *t, uint32_t expires_ms)
{
	uint64_t ends_ns = t->host.looked_ns + expires_ms * 1000000ULL;
	uint32_t end_s = (uint32_t)(ends_ns / NS_PER_S) + 1;

	return end_s - t->now_s < HELD_SECONDS ? end_s : t->now_s + HELD_SECONDS - 1;
}

static struct port_set_key port_set_of(const struct tally_socket *sk)
{
	struct port_set_key key = { .netns = sk->key.netns, .family = sk->family,
				    .peer_port = sk->key.peer_port };

	memcpy(key.local_addr, sk->key.local_addr, sizeof(key.local_addr));
	memcpy(key.peer_addr, sk->key.peer_addr, sizeof(key.peer_addr));
	return key;
}

void tally__socket(struct tally *t, const struct tally_socket *sk)
{
	bool is_time_wait = sk->mini && sk->state == STATE_TIME_WAIT;
	uint32_t end_s = is_time_wait ? end_of(t, sk->expires_ms) : 0;

	t->minis += sk->mini;
	if (sk->mini && sk->state == STATE_FIN_WAIT2)
		t->host.fin_wait2_minis++;
	else if (sk->state < TALLY_STATES)
		t->host.states[sk->state]++;
	if (is_time_wait)
		see_time_wait(t, sk, end_s);
	if (sk->takes_port) {
		struct port_set_key key = port_set_of(sk);

		port_sets__take(t->port_sets, &key, t->netns.usable_ports, end_s, t->now_s);
	}
}

static bool was_seen(void *ctx, struct whose_socket *socket)
{
	const struct tally *t = ctx;

	return socket->look == t->look;
}

/* Of what could not be looked into the clock alone tells. */
static bool is_seen_or_young(void *ctx, struct whose_socket *socket)
{
	struct tally *t = ctx;

	if (socket->look == t->look)
		return true;
	if (socket->end_s <= t->now_s)
		return false;
	if (socket->placed)
		add_held(t, socket);
	return true;
}

void tally__looked(struct tally *t, enum tally_look what)
{
	note_limit(t);
	whose__keep(t->whose, what == TALLY_SAW_ALL ? was_seen : is_seen_or_young, t);
	port_sets__looked(t->port_sets, t->now_s);
	t->host.was_looked_at = what != TALLY_SAW_NOTHING;
	t->is_looking = false;
}

bool tally__wants_look(const struct tally *t)
{
	return whose__is_full(t->whose);
}

/* ---- what came out ---- */

void tally__add_counts(struct tally_counts *to, const struct tally_counts *from)
{
	to->closes += from->closes;
	to->client += from->client;
	to->server += from->server;
	to->failed += from->failed;
	to->lifetimes += from->lifetimes;
	to->lifetime_ns += from->lifetime_ns;
	for (size_t i = 0; i < TWS_CAUSE_END; i++)
		to->causes[i] += from->causes[i];
}

uint64_t tally__rate_milli(const struct tally *t, const struct recent *recent)
{
	uint64_t window_ns = RECENT_WINDOW * NS_PER_S + t->now_ns % NS_PER_S;
	uint64_t sum = recent__sum(recent, t->now_s);

	if (t->now_ns - t->begin_ns < window_ns)
		window_ns = t->now_ns - t->begin_ns;
	if (window_ns < NS_PER_S)
		window_ns = NS_PER_S;
	return sum * 1000000 / (window_ns / 1000000);
}

unsigned int tally__permille(const struct tally *t, const struct tally_row *row)
{
	unsigned int most = 0;

	for (uint32_t i = 0; i < row->remotes.num; i++) {
		const struct remote *remote = &row->remotes.kept[i];
		const struct port_set_use *use;

		if (!remote->key.peer_port)
			continue;
		use = port_sets__find(t->port_sets, &remote->key);
		if (use && port_set__permille(use) > most)
			most = port_set__permille(use);
	}
	return most;
}

static void end_interval(struct tally_row *row)
{
	row->closes = row->closes_on;
	row->failed = row->failed_on;
	row->closes_on = row->failed_on = 0;
}

static void fill_host(const struct tally *t, struct tally_host *host)
{
	*host = t->host;
	host->time_wait = (uint64_t)t->sum.held.now + t->unplaced.now;
	host->unplaced = t->unplaced.now;
	host->rate_milli = tally__rate_milli(t, &t->sum.recent);
	host->failed_rate_milli = tally__rate_milli(t, &t->sum.recent_failed);
	for (uint32_t i = 0; i < TALLY_MINUTE; i++)
		host->minute[i] = t->minute[(t->now_s - TALLY_MINUTE + i) % COUNT(t->minute)];
	host->fullest = port_sets__fullest(t->port_sets);
	if (host->fullest) {
		host->fullest_rate_milli = tally__rate_milli(t, &host->fullest->closes);
		host->fullest_in_s = port_set__full_in(host->fullest, host->fullest_rate_milli,
						       t->now_s);
	}
}

void tally__again(const struct tally *t, size_t view, struct tally_frame *frame)
{
	const struct view *v = t->views[view];

	*frame = (struct tally_frame){
		.interval_ns = t->interval_ns,
		.sum = &t->sum,
		.others = &v->others,
		.num_rows = v->num,
		.rows = v->list,
		.now_s = t->now_s,
	};
	fill_host(t, &frame->host);
}

void tally__frame(struct tally *t, size_t view, uint64_t now_ns, struct tally_frame *frame)
{
	tally__tick(t, now_ns);
	t->interval_ns = t->now_ns - (t->frame_ns ?: t->opts.start_ns ?: t->begin_ns);
	t->frame_ns = t->now_ns;
	end_interval(&t->sum);
	for (size_t v = 0; v < t->opts.num_views; v++) {
		view__bury(t->views[v]);
		for (size_t i = 0; i < t->views[v]->num; i++)
			end_interval(t->views[v]->list[i]);
		end_interval(&t->views[v]->others);
	}
	tally__again(t, view, frame);
}

/* ---- its life ---- */

int tally__new(struct tally **tallyp, const struct tally_options *opts)
{
	struct tally *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->opts = *opts;
	t->opts.seed = opts->seed ?: hash__random_seed();
	t->begin_ns = t->now_ns = opts->start_ns;
	t->now_s = (uint32_t)(opts->start_ns / NS_PER_S);
	err = whose__new(&t->whose, WHOSE_MAX) ?: port_sets__new(&t->port_sets);
	for (size_t v = 0; !err && v < opts->num_views; v++) {
		t->views[v] = view__new(&opts->views[v]);
		err = t->views[v] ? 0 : -ENOMEM;
	}
	if (err) {
		tally__free(t);
		return err;
	}
	*tallyp = t;
	return 0;
}

void tally__free(struct tally *t)
{
	if (!t)
		return;
	for (size_t v = 0; v < TALLY_VIEWS; v++)
		view__free(t->views[v]);
	whose__free(t->whose);
	port_sets__free(t->port_sets);
	free(t);
}

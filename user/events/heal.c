// SPDX-License-Identifier: GPL-2.0
#include "events/heal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/seen.h"
#include "events/told.h"
#include "model/decode.h"
#include "model/key.h"
#include "sockets/snapshot.h"
#include "sockets/sockdiag.h"

#define MAX_SEEN (1U << 20) /* entries of seen.h: millions of cookies */
#define MAX_FOUND (1U << 18)
#define TIME_WAIT_MS 60000 /* TCP_TIMEWAIT_LEN */
#define SLACK_NS 100000000ULL /* of a timer, when its start is inferred */
#define UNSEEN_NS (600 * 1000000000ULL)
/* A FIN that comes again keeps a mini-socket alive for less: twice as long each time, and 60 s. */
#define REPORTED_NS (300 * 1000000000ULL)
#define MAX_SPACES (1U << 16)

/* What entered TIME_WAIT before the start, in the order of time; the next one to be given. */
struct due {
	struct tws_event *events;
	size_t num, room, next;
};

struct healer {
	struct seen *seen;  /* reported, or there before */
	struct seen *alive; /* the snapshot's sockets, from the taking until all is found */
	struct seen *found; /* that were found here and reported */
	struct seen *read; /* the snapshot's namespaces, while finding */
	struct seen *doubted; /* until the baseline: see healer__doubt() */
	struct due due;
	struct snapshot snap;
	const struct sockets_source *source;
	heal_show_fn show; /* while a snapshot is taken */
	void *show_ctx;
	bool has_cookie;
	uint64_t seed;
	uint64_t horizon_ns; /* what entered TIME_WAIT before is not ours to tell */
};

/* A number for a connection end where there is no cookie. Peers choose addresses: with a
 * number that they could compute, one could pass for another that was reported. */
static uint64_t hash_key(const struct healer *h, const struct tws_key *key)
{
	return hash__bytes(h->seed, key, sizeof(*key));
}

static uint64_t key_of_mini(const struct healer *h, const struct snapshot_socket *mini)
{
	return h->has_cookie && mini->cookie ? mini->cookie : hash_key(h, &mini->key);
}

static uint64_t hash_event(const struct healer *h, const struct tws_event *ev)
{
	const struct tws_key key = key__of_event(ev);

	return hash_key(h, &key);
}

/* A socket may be connected again, and keep its cookie. */
static uint64_t key_of_life(const struct healer *h, const struct tws_event *ev)
{
	return hash__number(h->seed, hash_event(h, ev) ^ ev->cookie);
}

static uint64_t key_of_event(const struct healer *h, const struct tws_event *ev)
{
	return h->has_cookie && ev->cookie ? ev->cookie : hash_event(h, ev);
}

int healer__new(struct healer **healerp, bool has_cookie, const struct sockets_source *source)
{
	struct healer *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->has_cookie = has_cookie;
	h->source = source;
	h->seed = hash__random_seed();
	if (seen__new(&h->seen, MAX_SEEN) || seen__new(&h->found, MAX_FOUND) ||
	    seen__new(&h->read, MAX_SPACES) || seen__new(&h->doubted, MAX_FOUND) ||
	    seen__new(&h->alive, SNAPSHOT_MAX)) {
		healer__free(h);
		return -ENOMEM;
	}
	*healerp = h;
	return 0;
}

void healer__baseline(struct healer *h)
{
	for (size_t i = 0; i < h->snap.num; i++)
		seen__add(h->seen, key_of_mini(h, &h->snap.sockets[i]), h->snap.taken_ns);
	if (h->snap.taken_ns)
		h->horizon_ns = h->snap.taken_ns;
	snapshot__free(&h->snap);
	seen__clear(h->doubted);
	free(h->due.events);
	h->due = (struct due){};
}

void healer__note(struct healer *h, const struct tws_event *ev)
{
	if (ev->action == TWS_TIME_WAIT)
		seen__add(h->seen, key_of_event(h, ev), ev->time_ns);
}

bool healer__told(const struct healer *h, const struct tws_event *ev)
{
	return ev->action == TWS_TIME_WAIT && ev->cookie && !seen__is_empty(h->found) &&
	       seen__has(h->found, key_of_life(h, ev));
}

bool healer__knows(const struct healer *h, uint64_t cookie)
{
	return seen__has(h->seen, cookie);
}

/* What is known is noted at once. It is kept if it is not, as its record may not be read yet. */
static bool keep_unknown(void *ctx, const struct snapshot *snap, const struct snapshot_socket *sk)
{
	struct healer *h = ctx;
	uint64_t key = key_of_mini(h, sk);

	seen__add(h->alive, key, 1);
	if (h->show)
		h->show(h->show_ctx, snap, sk);
	if (sk->state != SOCKDIAG_TIME_WAIT)
		return false;
	if (!seen__has(h->seen, key))
		return true;
	seen__add(h->seen, key, snap->taken_ns);
	return false;
}

int healer__take(struct healer *h, heal_show_fn show, void *ctx)
{
	snapshot__free(&h->snap);
	seen__clear(h->alive);
	h->show = show;
	h->show_ctx = ctx;
	return snapshot__take(&h->snap, h->source, keep_unknown, h);
}

const struct snapshot *healer__snapshot(const struct healer *h)
{
	return &h->snap;
}

static uint64_t age_ns(const struct snapshot_socket *mini)
{
	uint32_t age_ms = mini->expires_ms < TIME_WAIT_MS ? TIME_WAIT_MS - mini->expires_ms : 0;

	return age_ms * 1000000ULL;
}

/* When it entered TIME_WAIT, by its timer. CLOCK_MONOTONIC. */
static uint64_t entered_ns(const struct healer *h, const struct snapshot_socket *mini)
{
	return clock__before_ns(snapshot__asked_ns(&h->snap, mini), age_ns(mini));
}

/* When it did at the latest: while the snapshot was taken, its timer ran on. */
static uint64_t entered_until_ns(const struct healer *h, const struct snapshot_socket *mini)
{
	uint64_t at_ns = clock__before_ns(h->snap.done_ns, age_ns(mini)) + SLACK_NS;

	return at_ns < h->snap.done_ns ? at_ns : h->snap.done_ns;
}

static void fill_event(const struct healer *h, struct tws_event *ev,
		       const struct snapshot_socket *mini)
{
	*ev = (struct tws_event){
		.action = TWS_TIME_WAIT,
		.family = mini->family,
		.time_ns = entered_ns(h, mini),
		.cookie = h->has_cookie ? mini->cookie : 0,
		.netns = mini->key.netns,
		.local_port = mini->key.local_port,
		.peer_port = mini->key.peer_port,
		.conn = { .ifindex = mini->key.ifindex },
	};
	memcpy(ev->local_addr, mini->key.local_addr, sizeof(ev->local_addr));
	memcpy(ev->peer_addr, mini->key.peer_addr, sizeof(ev->peer_addr));
}

/* The owner, if its FIN was seen. */
static void add_owner(struct tws_event *ev, struct join *join)
{
	const struct tws_key key = key__of_event(ev);
	struct tws_event fin;
	bool has_bytes = false;

	if (join__take(join, &key, ev->cookie, &fin)) {
		has_bytes = decode__bytes_are_final(&fin);
		ev->tx_bytes = has_bytes ? fin.tx_bytes : 0;
		ev->rx_bytes = has_bytes ? fin.rx_bytes : 0;
		ev->conn = fin.conn;
		ev->conn.ifindex = key.ifindex;
	}
	ev->conn.flags |= TWS_F_SNAPSHOT | (has_bytes ? 0 : TWS_F_NO_BYTES);
}

static bool was_read(const struct healer *h, uint32_t netns)
{
	return seen__has(h->read, netns);
}

static bool is_alive(const struct healer *h, const struct tws_key *key, uint64_t cookie)
{
	return seen__has(h->alive, h->has_cookie && cookie ? cookie : hash_key(h, key));
}

/*
 * A namespace that was not found may live on unseen, held by its sockets alone (see
 * netns.h), and one that may not be entered does: what closes there is taken for alive for
 * a while.
 */
static enum join_alive judge_fin(void *ctx, const struct tws_event *fin)
{
	const struct tws_key key = key__of_event(fin);
	const struct healer *h = ctx;

	if (is_alive(h, &key, fin->cookie))
		return JOIN_ALIVE;
	if (was_read(h, fin->netns))
		return JOIN_GONE;
	if (fin->time_ns + UNSEEN_NS > h->snap.taken_ns)
		return JOIN_ALIVE;
	return h->snap.flags & SNAPSHOT_PARTIAL ? JOIN_UNSEEN : JOIN_GONE;
}

/* The same for the source's FIN_WAIT2 mini-sockets: it knows how long these can live. */
static bool may_be_alive(void *ctx, const struct tws_key *key, uint64_t cookie)
{
	const struct healer *h = ctx;

	return is_alive(h, key, cookie) || !was_read(h, key->netns);
}

/*
 * Whether it was reported, or is no business of ours. An event whose FIN was not
 * seen had no cookie yet, and was noted by its addresses. What the set has had to forget may
 * have been reported. A recorder that was detached ended before the snapshot: what came in
 * between is not its own, and the next one may tell it.
 */
static bool is_known(const struct healer *h, const struct source *source,
		     const struct snapshot_socket *mini)
{
	uint64_t forgotten_ns = seen__forgotten_ns(h->seen);

	return seen__has(h->seen, key_of_mini(h, mini)) ||
	       seen__has(h->seen, hash_key(h, &mini->key)) ||
	       entered_ns(h, mini) + SLACK_NS < h->horizon_ns ||
	       source__is_late(source, entered_until_ns(h, mini)) ||
	       (forgotten_ns && entered_ns(h, mini) <= forgotten_ns + SLACK_NS);
}

/* Returns false if there was no room for all: then it says nothing of what is not in it. */
static bool fill_read(struct healer *h)
{
	seen__clear(h->read);
	for (size_t i = 0; i < h->snap.num_netns; i++)
		seen__add(h->read, h->snap.netns[i], 1);
	return !seen__forgotten_ns(h->alive);
}

/* What stands in the table stays known; what no snapshot has shown for long is gone. */
static void forget_the_dead(struct healer *h, struct source *source, struct join *join)
{
	uint64_t before_ns = clock__before_ns(h->snap.taken_ns, REPORTED_NS);

	if (fill_read(h)) {
		source__sweep(source, h->snap.taken_ns, may_be_alive, h);
		join__sweep(join, h->snap.taken_ns, judge_fin, h);
	}
	seen__expire(h->seen, before_ns);
	seen__expire(h->found, before_ns);
}

static void note_found(struct healer *h, const struct tws_event *ev)
{
	seen__add(h->seen, key_of_event(h, ev), h->snap.taken_ns);
	if (ev->cookie)
		seen__add(h->found, key_of_life(h, ev), h->snap.taken_ns);
}

int healer__find(struct healer *h, struct source *source, struct join *join, heal_fn fn,
		 void *ctx)
{
	struct tws_event ev;
	int err = 0;

	join__rest(join);
	for (size_t i = 0; !err && i < h->snap.num; i++) {
		const struct snapshot_socket *mini = &h->snap.sockets[i];
		bool known = is_known(h, source, mini);

		seen__add(h->seen, key_of_mini(h, mini), h->snap.taken_ns);
		if (known)
			continue;
		fill_event(h, &ev, mini);
		add_owner(&ev, join);
		note_found(h, &ev);
		err = fn(ctx, &ev);
	}
	if (!err)
		forget_the_dead(h, source, join);
	snapshot__free(&h->snap);
	return err;
}

/* ---- what the kernel skipped before a reader began ---- */

/* Whether all of its time in TIME_WAIT, whatever the timer leaves open, is after @since_ns. One
 * whose timer has run out entered a minute ago, or before. */
static bool is_since(const struct healer *h, const struct snapshot_socket *mini,
		     uint64_t since_ns)
{
	return mini->expires_ms && entered_ns(h, mini) >= since_ns + SLACK_NS;
}

/* What a program that was held up may have told after the cut is left for later. */
static bool is_before(const struct healer *h, const struct snapshot_socket *mini, uint64_t cut_ns)
{
	return entered_until_ns(h, mini) + SLACK_NS < cut_ns;
}

struct look_back {
	struct healer *healer;
	struct told *told;
};

static int note_told(void *ctx, const void *data, size_t len)
{
	const struct look_back *look = ctx;
	const struct tws_ending *ending;
	const struct tws_event *ev;

	if (!decode__ending(data, len, &ending))
		told__ending(look->told, ending);
	else if (decode__event(data, len, &ev))
		return 0;
	else if (ev->action == TWS_FIN)
		told__fin(look->told, ev->cookie);
	else if (ev->action == TWS_TIME_WAIT)
		told__event(look->told, key_of_event(look->healer, ev));
	return 0;
}

static bool is_told(const struct look_back *look, const struct snapshot_socket *mini)
{
	const struct healer *h = look->healer;

	return told__has(look->told, mini->cookie) ||
	       told__has_event(look->told, key_of_mini(h, mini)) ||
	       told__has_event(look->told, hash_key(h, &mini->key));
}

static int add_due(struct healer *h, const struct snapshot_socket *mini)
{
	struct due *due = &h->due;

	if (due->num == due->room) {
		size_t room = due->room ? due->room * 2 : 64;
		struct tws_event *more = realloc(due->events, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		due->events = more;
		due->room = room;
	}
	fill_event(h, &due->events[due->num++], mini);
	return 0;
}

static int choose_due(const struct look_back *look, uint64_t since_ns, uint64_t cut_ns)
{
	struct healer *h = look->healer;
	int err = 0;

	for (size_t i = 0; !err && i < h->snap.num; i++) {
		const struct snapshot_socket *mini = &h->snap.sockets[i];

		if (is_since(h, mini, since_ns) && is_before(h, mini, cut_ns) &&
		    !is_told(look, mini))
			err = add_due(h, mini);
	}
	return err;
}

static int by_cookie(const void *a, const void *b)
{
	const struct tws_event *x = a, *y = b;

	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

static int by_time(const void *a, const void *b)
{
	const struct tws_event *x = a, *y = b;

	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* The timer's clock is coarse: no socket entered TIME_WAIT before its FIN. */
static int move_after_fin(void *ctx, const void *data, size_t len)
{
	struct due *due = &((const struct look_back *)ctx)->healer->due;
	const struct tws_event *fin;
	struct tws_event *ev;

	if (decode__event(data, len, &fin) || fin->action != TWS_FIN)
		return 0;
	ev = bsearch(fin, due->events, due->num, sizeof(*ev), by_cookie);
	if (ev && ev->time_ns <= fin->time_ns)
		ev->time_ns = fin->time_ns + 1;
	return 0;
}

static int find_due(struct look_back *look, struct source *source, uint64_t since_ns,
		    uint64_t cut_ns)
{
	struct due *due = &look->healer->due;
	int err = source__peek(source, note_told, look) ?: choose_due(look, since_ns, cut_ns);

	if (err || !due->num)
		return err;
	qsort(due->events, due->num, sizeof(*due->events), by_cookie);
	err = source__peek(source, move_after_fin, look);
	qsort(due->events, due->num, sizeof(*due->events), by_time);
	return err;
}

static bool has_any(const struct healer *h, uint64_t since_ns, uint64_t cut_ns)
{
	for (size_t i = 0; i < h->snap.num; i++)
		if (is_since(h, &h->snap.sockets[i], since_ns) &&
		    is_before(h, &h->snap.sockets[i], cut_ns))
			return true;
	return false;
}

int healer__look_back(struct healer *h, struct source *source, uint64_t since_ns, uint64_t cut_ns)
{
	struct look_back look = { .healer = h };
	int err;

	if (!has_any(h, since_ns, cut_ns))
		return 0;
	err = told__new(&look.told) ?: find_due(&look, source, since_ns, cut_ns);
	told__free(look.told);
	if (err)
		h->due.num = 0;
	for (size_t i = 0; i < h->due.num; i++)
		note_found(h, &h->due.events[i]);
	return err;
}

int healer__give_due(struct healer *h, uint64_t until_ns, struct join *join, heal_fn fn, void *ctx)
{
	struct due *due = &h->due;
	int err = 0;

	while (!err && due->next < due->num && due->events[due->next].time_ns <= until_ns) {
		struct tws_event *ev = &due->events[due->next++];

		add_owner(ev, join);
		err = fn(ctx, ev);
	}
	return err;
}

void healer__doubt(struct healer *h, uint64_t cookie)
{
	seen__add(h->doubted, cookie, 1);
}

int healer__find_newest(struct healer *h, const struct source *source, uint64_t since_ns,
			uint64_t cut_ns, struct join *join, heal_fn fn, void *ctx)
{
	int err = 0;

	join__rest(join);
	if (seen__forgotten_ns(h->doubted))
		return 0;
	for (size_t i = 0; !err && i < h->snap.num; i++) {
		const struct snapshot_socket *mini = &h->snap.sockets[i];
		struct tws_event ev;

		if (!is_since(h, mini, since_ns) || is_before(h, mini, cut_ns) ||
		    is_known(h, source, mini) || seen__has(h->doubted, mini->cookie))
			continue;
		fill_event(h, &ev, mini);
		add_owner(&ev, join);
		note_found(h, &ev);
		err = fn(ctx, &ev);
	}
	return err;
}

void healer__free(struct healer *h)
{
	if (!h)
		return;
	free(h->due.events);
	seen__free(h->doubted);
	seen__free(h->seen);
	seen__free(h->found);
	seen__free(h->read);
	seen__free(h->alive);
	snapshot__free(&h->snap);
	free(h);
}

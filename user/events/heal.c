// SPDX-License-Identifier: GPL-2.0
#include "events/heal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/seen.h"
#include "model/decode.h"
#include "model/key.h"
#include "sockets/snapshot.h"
#include "sockets/sockdiag.h"

#define MAX_SEEN (1U << 20) /* entries of seen.h: millions of cookies */
#define MAX_FOUND (1U << 18)
#define TIME_WAIT_MS 60000 /* TCP_TIMEWAIT_LEN */
#define SLACK_NS 100000000ULL /* of a timer, when its start is inferred */
#define UNSEEN_NS (600 * 1000000000ULL)
#define MAX_SPACES (1U << 16)

struct healer {
	struct seen *seen;  /* reported, or there before */
	struct seen *alive; /* the snapshot's mini-sockets, while finding */
	struct seen *found; /* that were found here and reported */
	struct seen *read; /* the snapshot's namespaces, while finding */
	struct snapshot snap;
	const struct sockets_source *source;
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
	    seen__new(&h->read, MAX_SPACES) ||
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
		if (h->snap.sockets[i].state == SOCKDIAG_TIME_WAIT)
			seen__add(h->seen, key_of_mini(h, &h->snap.sockets[i]), h->snap.taken_ns);
	if (h->snap.taken_ns)
		h->horizon_ns = h->snap.taken_ns;
	snapshot__free(&h->snap);
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

int healer__take(struct healer *h)
{
	snapshot__free(&h->snap);
	return snapshot__take(&h->snap, h->source);
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
	return clock__before_ns(h->snap.taken_ns, age_ns(mini));
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
static void add_owner(struct tws_event *ev, const struct snapshot_socket *mini, struct join *join)
{
	struct tws_event fin;
	bool has_bytes = false;

	if (join__take(join, &mini->key, ev->cookie, &fin)) {
		has_bytes = decode__bytes_are_final(&fin);
		ev->tx_bytes = has_bytes ? fin.tx_bytes : 0;
		ev->rx_bytes = has_bytes ? fin.rx_bytes : 0;
		ev->conn = fin.conn;
		ev->conn.ifindex = mini->key.ifindex;
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

/* Returns false if there is no room for all: then it says nothing of what is not in it. */
static bool fill_alive(struct healer *h)
{
	seen__clear(h->alive);
	seen__clear(h->read);
	for (size_t i = 0; i < h->snap.num; i++)
		seen__add(h->alive, key_of_mini(h, &h->snap.sockets[i]), 1);
	for (size_t i = 0; i < h->snap.num_netns; i++)
		seen__add(h->read, h->snap.netns[i], 1);
	return !seen__forgotten_ns(h->alive);
}

/* What stands in the table stays known; what no snapshot has shown for long is gone. */
static void forget_the_dead(struct healer *h, struct source *source, struct join *join)
{
	uint64_t before_ns = clock__before_ns(h->snap.taken_ns, UNSEEN_NS);

	if (fill_alive(h)) {
		source__sweep(source, h->snap.taken_ns, may_be_alive, h);
		join__sweep(join, h->snap.taken_ns, judge_fin, h);
	}
	seen__expire(h->seen, before_ns);
	seen__expire(h->found, before_ns);
}

int healer__find(struct healer *h, struct source *source, struct join *join, heal_fn fn,
		 void *ctx)
{
	struct tws_event ev;
	int err = 0;

	join__rest(join);
	for (size_t i = 0; !err && i < h->snap.num; i++) {
		const struct snapshot_socket *mini = &h->snap.sockets[i];
		bool known;

		if (mini->state != SOCKDIAG_TIME_WAIT)
			continue;
		known = is_known(h, source, mini);
		seen__add(h->seen, key_of_mini(h, mini), h->snap.taken_ns);
		if (known)
			continue;
		fill_event(h, &ev, mini);
		add_owner(&ev, mini, join);
		if (ev.cookie)
			seen__add(h->found, key_of_life(h, &ev), h->snap.taken_ns);
		err = fn(ctx, &ev);
	}
	if (!err)
		forget_the_dead(h, source, join);
	snapshot__free(&h->snap);
	return err;
}

void healer__free(struct healer *h)
{
	if (!h)
		return;
	seen__free(h->seen);
	seen__free(h->found);
	seen__free(h->read);
	seen__free(h->alive);
	snapshot__free(&h->snap);
	free(h);
}

// SPDX-License-Identifier: GPL-2.0
#include "events/heal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/decode.h"
#include "model/key.h"
#include "base/seen.h"
#include "sockets/snapshot.h"
#include "sockets/sockdiag.h"

#define MAX_SEEN (1U << 20)
#define TIME_WAIT_MS 60000 /* TCP_TIMEWAIT_LEN */
#define SLACK_NS 100000000ULL /* of a timer, when its start is inferred */
#define UNSEEN_NS (600 * 1000000000ULL)
#define MAX_SPACES (1U << 16)

struct healer {
	struct seen *seen;  /* reported, or there before */
	struct seen *recent; /* reported since the snapshot was begun */
	struct seen *alive; /* the snapshot's mini-sockets, while finding */
	struct seen *told; /* cookies that were found here and reported */
	struct seen *read; /* the snapshot's namespaces, while finding */
	struct snapshot snap;
	const struct sockets_source *source;
	bool has_cookie;
	bool full; /* an event could not be noted */
	bool searching; /* between healer__take() and healer__find() */
	uint64_t horizon_ns; /* what entered TIME_WAIT before is not ours to tell */
};

/* A number for a connection end where there is no cookie. */
static uint64_t hash_key(const struct tws_key *key)
{
	return key__hash(key) ?: 1;
}

static uint64_t key_of_mini(const struct healer *h, const struct snapshot_socket *mini)
{
	return h->has_cookie && mini->cookie ? mini->cookie : hash_key(&mini->key);
}

static uint64_t hash_event(const struct tws_event *ev)
{
	const struct tws_key key = key__of_event(ev);

	return hash_key(&key);
}

/* A socket may be connected again, and keep its cookie. */
static uint64_t key_of_life(const struct tws_event *ev)
{
	return hash_event(ev) ^ ev->cookie * 0x9e3779b97f4a7c15ULL;
}

static uint64_t key_of_event(const struct healer *h, const struct tws_event *ev)
{
	return h->has_cookie && ev->cookie ? ev->cookie : hash_event(ev);
}

int healer__new(struct healer **healerp, bool has_cookie, const struct sockets_source *source)
{
	struct healer *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->has_cookie = has_cookie;
	h->source = source;
	if (seen__new(&h->seen, MAX_SEEN) || seen__new(&h->recent, MAX_SEEN) ||
	    seen__new(&h->told, MAX_SEEN) || seen__new(&h->read, MAX_SPACES) ||
	    seen__new(&h->alive, SNAPSHOT_MAX)) {
		healer__free(h);
		return -ENOMEM;
	}
	*healerp = h;
	return 0;
}

int healer__baseline(struct healer *h)
{
	int err = healer__take(h);

	for (size_t i = 0; !err && i < h->snap.num; i++)
		if (h->snap.sockets[i].state == SOCKDIAG_TIME_WAIT)
			seen__add(h->seen, key_of_mini(h, &h->snap.sockets[i]));
	h->horizon_ns = h->snap.taken_ns;
	h->searching = false;
	snapshot__free(&h->snap);
	return err;
}

void healer__note(struct healer *h, const struct tws_event *ev)
{
	uint64_t key;

	if (ev->action != TWS_TIME_WAIT)
		return;
	key = key_of_event(h, ev);
	if (seen__add(h->seen, key) || (h->searching && seen__add(h->recent, key)))
		h->full = true;
}

bool healer__told(const struct healer *h, const struct tws_event *ev)
{
	return ev->action == TWS_TIME_WAIT && ev->cookie && seen__has(h->told, key_of_life(ev));
}

bool healer__knows(const struct healer *h, uint64_t cookie)
{
	return seen__has(h->seen, cookie);
}

bool healer__needed(const struct healer *h)
{
	return h->full || seen__count(h->seen) > MAX_SEEN / 4 * 3;
}

int healer__take(struct healer *h)
{
	int err;

	snapshot__free(&h->snap);
	seen__clear(h->recent);
	h->searching = true;
	err = snapshot__take(&h->snap, h->source);
	if (err)
		h->searching = false;
	return err;
}

const struct snapshot *healer__snapshot(const struct healer *h)
{
	return &h->snap;
}

/* When it entered TIME_WAIT, by its timer. CLOCK_MONOTONIC. */
static uint64_t entered_ns(const struct healer *h, const struct snapshot_socket *mini)
{
	uint32_t age_ms = mini->expires_ms < TIME_WAIT_MS ? TIME_WAIT_MS - mini->expires_ms : 0;

	return h->snap.taken_ns - age_ms * 1000000ULL;
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
	}
	ev->conn.flags |= TWS_F_SNAPSHOT | (has_bytes ? 0 : TWS_F_NO_BYTES);
}

static bool is_alive(void *ctx, const struct tws_key *key, uint64_t cookie)
{
	const struct healer *h = ctx;

	if (h->has_cookie && cookie)
		return seen__has(h->alive, cookie);
	return seen__has(h->alive, hash_key(key));
}

/* A namespace that was not found may live on unseen, held by its sockets alone (see
 * netns.h): for a while what closes there is taken for alive. */
static bool may_be_alive(void *ctx, const struct tws_event *fin)
{
	const struct tws_key key = key__of_event(fin);
	const struct healer *h = ctx;

	if (!seen__has(h->read, fin->netns) &&
	    fin->time_ns + UNSEEN_NS > h->snap.taken_ns)
		return true;
	return is_alive(ctx, &key, fin->cookie);
}

/* Whether it was reported, or is no business of ours. An event whose FIN was not
 * seen had no cookie yet, and was noted by its addresses. */
static bool is_known(const struct healer *h, const struct snapshot_socket *mini)
{
	return seen__has(h->seen, key_of_mini(h, mini)) ||
	       seen__has(h->seen, hash_key(&mini->key)) ||
	       entered_ns(h, mini) + SLACK_NS < h->horizon_ns;
}

static void forget_the_dead(struct healer *h, struct source *source, struct join *join)
{
	if (h->snap.flags & SNAPSHOT_PARTIAL)
		return;
	seen__clear(h->read);
	for (size_t i = 0; i < h->snap.num_netns; i++)
		seen__add(h->read, h->snap.netns[i]);
	source__sweep(source, h->snap.taken_ns, is_alive, h);
	join__sweep(join, h->snap.taken_ns, may_be_alive, h);
}

/* A snapshot makes room: keep what is alive, or came after it. What it did not
 * see may have been reported, and is not told again. */
static void rebuild_seen(struct healer *h)
{
	struct seen *swap;

	if (!healer__needed(h))
		return;
	swap = h->seen;
	h->seen = h->recent;
	h->recent = swap;
	h->full = false;
	if (h->snap.flags & SNAPSHOT_PARTIAL)
		h->horizon_ns = h->snap.taken_ns;
	for (size_t i = 0; i < h->snap.num; i++)
		if (h->snap.sockets[i].state == SOCKDIAG_TIME_WAIT &&
		    seen__add(h->seen, key_of_mini(h, &h->snap.sockets[i])))
			h->full = true;
}

int healer__find(struct healer *h, struct source *source, struct join *join, heal_fn fn,
		 void *ctx)
{
	struct tws_event ev;
	int err = 0;

	join__rest(join);
	seen__clear(h->alive);
	for (size_t i = 0; !err && i < h->snap.num; i++) {
		const struct snapshot_socket *mini = &h->snap.sockets[i];
		uint64_t key = key_of_mini(h, mini);

		err = seen__add(h->alive, key);
		if (err || mini->state != SOCKDIAG_TIME_WAIT || is_known(h, mini) || h->full)
			continue;
		seen__add(h->seen, key);
		fill_event(h, &ev, mini);
		add_owner(&ev, mini, join);
		if (ev.cookie)
			seen__add(h->told, key_of_life(&ev));
		err = fn(ctx, &ev);
	}
	if (!err) {
		forget_the_dead(h, source, join);
		rebuild_seen(h);
	}
	h->searching = false;
	snapshot__free(&h->snap);
	return err;
}

void healer__free(struct healer *h)
{
	if (!h)
		return;
	seen__free(h->seen);
	seen__free(h->recent);
	seen__free(h->told);
	seen__free(h->read);
	seen__free(h->alive);
	snapshot__free(&h->snap);
	free(h);
}

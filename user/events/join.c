// SPDX-License-Identifier: GPL-2.0
#include "events/join.h"
#include "model/decode.h"
#include "model/key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define MAX_SEARCHES 256

/* A connection that is closing. */
struct waiting {
	struct tws_event event;
	uint32_t chain;	      /* the next of the same bucket, or of the free ones */
	uint32_t older, newer; /* in the order of their FINs */
	bool mini;	      /* its mini-socket waits in FIN_WAIT2, and that was given */
	bool entered;	      /* with all: told before its mini-socket was */
	bool missed;	      /* by one snapshot */
	uint32_t peer_hash;   /* with the ports, which life of the socket it is */
};

struct join {
	struct join_options opts;
	struct waiting *waiting;
	uint32_t *buckets;
	uint32_t mask;
	uint32_t used; /* entries of waiting that were ever in use */
	uint32_t free; /* the chain of those that are free again */
	uint32_t oldest, newest;
	size_t count;
	unsigned int searches;
	uint64_t orphans, dropped;
};

int join__new(struct join **joinp, const struct join_options *opts)
{
	struct join *join = calloc(1, sizeof(*join));
	uint32_t buckets = 1024;

	if (!join)
		return -ENOMEM;
	while (buckets < opts->max && buckets < 1U << 30)
		buckets *= 2;
	join->opts = *opts;
	join->mask = buckets - 1;
	join->free = join->oldest = join->newest = NONE;
	join->waiting = calloc(opts->max, sizeof(*join->waiting));
	join->buckets = malloc(buckets * sizeof(*join->buckets));
	if (!join->waiting || !join->buckets) {
		join__free(join);
		return -ENOMEM;
	}
	memset(join->buckets, 0xff, buckets * sizeof(*join->buckets)); /* NONE */
	join__rest(join);
	*joinp = join;
	return 0;
}

void join__free(struct join *join)
{
	if (!join)
		return;
	free(join->waiting);
	free(join->buckets);
	free(join);
}

/* Cookies come in sequence, and so stand side by side. */
static uint32_t *bucket_of(struct join *join, uint64_t id)
{
	return &join->buckets[(id ^ id >> 32) & join->mask];
}

static bool is_of(const struct waiting *w, const struct tws_ending *life)
{
	return w->event.cookie == life->id && w->event.local_port == life->local_port &&
	       w->event.peer_port == life->peer_port && w->peer_hash == life->peer_hash;
}

static uint32_t find(struct join *join, const struct tws_ending *life)
{
	uint32_t i = *bucket_of(join, life->id);

	while (i != NONE && !is_of(&join->waiting[i], life))
		i = join->waiting[i].chain;
	return i;
}

static uint32_t hash_peer(const uint8_t addr[16])
{
	uint32_t words[4];

	memcpy(words, addr, sizeof(words));
	return tws_peer_hash(words);
}

static void unlink_age(struct join *join, const struct waiting *w)
{
	if (w->older != NONE)
		join->waiting[w->older].newer = w->newer;
	else
		join->oldest = w->newer;
	if (w->newer != NONE)
		join->waiting[w->newer].older = w->older;
	else
		join->newest = w->older;
}

static void forget(struct join *join, uint32_t i)
{
	struct waiting *w = &join->waiting[i];
	uint32_t *at = bucket_of(join, w->event.cookie);

	while (*at != i)
		at = &join->waiting[*at].chain;
	*at = w->chain;
	unlink_age(join, w);
	w->chain = join->free;
	join->free = i;
	join->count--;
}

static uint32_t take_free(struct join *join)
{
	uint32_t i;

	if (join->free == NONE && join->used < join->opts.max)
		return join->used++;
	if (join->free == NONE) {
		forget(join, join->oldest);
		join->dropped++;
	}
	i = join->free;
	join->free = join->waiting[i].chain;
	return i;
}

void join__fin(struct join *join, const struct tws_event *fin)
{
	const uint32_t peer_hash = hash_peer(fin->peer_addr);
	const struct tws_ending life = { .id = fin->cookie, .local_port = fin->local_port,
					 .peer_port = fin->peer_port, .peer_hash = peer_hash };
	uint32_t i = find(join, &life), *bucket;

	if (i != NONE)
		forget(join, i);
	i = take_free(join);
	bucket = bucket_of(join, fin->cookie);
	join->waiting[i] = (struct waiting){ .event = *fin, .chain = *bucket,
					     .older = join->newest, .newer = NONE,
					     .peer_hash = peer_hash };
	*bucket = i;
	if (join->newest != NONE)
		join->waiting[join->newest].newer = i;
	else
		join->oldest = i;
	join->newest = i;
	join->count++;
}

/* An id that is no cookie is nobody's business but ours. */
static int give(const struct join *join, const struct tws_event *from, uint8_t action,
		uint64_t time_ns, join_fn fn, void *ctx)
{
	struct tws_event event = *from;
	int err;

	if (!decode__bytes_are_final(from))
		event.conn.flags |= TWS_F_NO_BYTES;
	event.action = action;
	event.time_ns = time_ns;
	if (!join->opts.has_cookie)
		event.cookie = 0;
	err = fn(ctx, &event);
	return err < 0 ? err : 0;
}

/*
 * The FIN was before tracing, or its record is lost. A segment with a FIN may also come
 * again to a socket that is long in TIME_WAIT: that one is known.
 */
static void note_orphan(struct join *join, const struct tws_ending *ending)
{
	const struct join_options *opts = &join->opts;

	if (ending->action == TWS_GONE || ending->action == TWS_BYTES ||
	    (ending->action == TWS_FIN_WAIT2 && !opts->all))
		return;
	if (!opts->known || !opts->known(opts->ctx, ending))
		join->orphans++;
}

/* The peer's FIN may be told on another CPU before the mini-socket is. */
static int on_mini(struct join *join, uint32_t i, uint64_t time_ns, join_fn fn, void *ctx)
{
	struct waiting *w = &join->waiting[i];
	uint64_t entered_ns = w->event.time_ns;
	int err;

	if (!join->opts.all)
		return 0;
	w->mini = true;
	w->event.time_ns = time_ns;
	err = give(join, &w->event, TWS_FIN_WAIT2, time_ns, fn, ctx);
	if (!w->entered)
		return err;
	err = err ?: give(join, &w->event, TWS_TIME_WAIT, entered_ns, fn, ctx);
	forget(join, i);
	return err;
}

static int on_entered(struct join *join, uint32_t i, uint64_t time_ns, join_fn fn, void *ctx)
{
	struct waiting *w = &join->waiting[i];
	int err;

	if (join->opts.all && !w->mini) {
		w->entered = true;
		w->event.time_ns = time_ns;
		return 0;
	}
	err = give(join, &w->event, TWS_TIME_WAIT, time_ns, fn, ctx);
	forget(join, i);
	return err;
}

/* What of the data before the FIN was not acknowledged, was perhaps never sent. */
static bool is_cut_short(uint8_t action)
{
	return action == TWS_RESET || action == TWS_ABORT || action == TWS_TIMEOUT;
}

/* What only the socket knows, at its CLOSE or close(). */
static void fill_end(struct tws_event *event, const struct tws_ending *ending)
{
	event->action = ending->action;
	if (is_cut_short(ending->action))
		event->tx_bytes = ending->tx_bytes;
	event->rx_bytes = ending->rx_bytes;
	event->error = ending->error;
}

int join__ending(struct join *join, const struct tws_ending *ending, join_fn fn, void *ctx)
{
	uint32_t i = find(join, ending);
	int err;

	if (i == NONE) {
		note_orphan(join, ending);
		return 0;
	}
	if (ending->action == TWS_ENTERED)
		return on_entered(join, i, ending->time_ns, fn, ctx);
	if (ending->action == TWS_GONE) {
		forget(join, i);
		return 0;
	}
	fill_end(&join->waiting[i].event, ending);
	if (ending->action == TWS_BYTES)
		return 0;
	if (ending->action == TWS_FIN_WAIT2)
		return on_mini(join, i, ending->time_ns, fn, ctx);
	err = give(join, &join->waiting[i].event, ending->action, ending->time_ns, fn, ctx);
	forget(join, i);
	return err;
}

/* The newest of these addresses. */
static uint32_t search(struct join *join, const struct tws_key *wanted)
{
	struct tws_key key;
	uint32_t i;

	if (!join->searches)
		return NONE;
	join->searches--;
	for (i = join->newest; i != NONE; i = join->waiting[i].older) {
		key = key__of_event(&join->waiting[i].event);
		if (!memcmp(&key, wanted, sizeof(key)))
			break;
	}
	return i;
}

bool join__take(struct join *join, const struct tws_key *key, uint64_t cookie,
		struct tws_event *event)
{
	const struct tws_ending life = { .id = cookie, .local_port = key->local_port,
					 .peer_port = key->peer_port,
					 .peer_hash = hash_peer(key->peer_addr) };
	uint32_t i;

	if (join->opts.has_cookie)
		i = cookie ? find(join, &life) : NONE;
	else
		i = search(join, key);
	if (i == NONE)
		return false;
	*event = join->waiting[i].event;
	if (!join->opts.has_cookie)
		event->cookie = 0;
	forget(join, i);
	return true;
}

void join__rest(struct join *join)
{
	join->searches = MAX_SEARCHES;
}

/* A snapshot may miss a socket while the table changes, so that it takes two; but not
 * where room runs short. */
static void miss(struct join *join, uint32_t i)
{
	struct waiting *w = &join->waiting[i];

	if (!w->missed && !join__is_crowded(join)) {
		w->missed = true;
		return;
	}
	/* It entered TIME_WAIT, and that its mini-socket was told is lost. */
	join->orphans += w->entered;
	forget(join, i);
}

void join__sweep(struct join *join, uint64_t before_ns,
		 bool (*alive)(void *ctx, const struct tws_event *fin), void *ctx)
{
	uint32_t i = join->oldest, next;

	for (; i != NONE; i = next) {
		struct waiting *w = &join->waiting[i];
		struct tws_event fin = w->event;

		next = w->newer;
		if (fin.time_ns >= before_ns)
			continue;
		if (!join->opts.has_cookie)
			fin.cookie = 0;
		if (alive(ctx, &fin))
			w->missed = false;
		else
			miss(join, i);
	}
}

uint64_t join__orphans(const struct join *join)
{
	return join->orphans;
}

uint64_t join__dropped(const struct join *join)
{
	return join->dropped;
}

bool join__is_crowded(const struct join *join)
{
	return join->count > join->opts.max / 2;
}

size_t join__count(const struct join *join)
{
	return join->count;
}

// SPDX-License-Identifier: GPL-2.0
#include "join.h"
#include "key.h"

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
	bool mini;	      /* its mini-socket waits in FIN_WAIT2, since event.time_ns */
	bool entered;	      /* told before its mini-socket was */
	bool orphan;	      /* a mini-socket whose FIN was not seen: the event is empty */
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

static struct waiting *add(struct join *join, const struct tws_event *event, uint32_t peer_hash)
{
	const struct tws_ending life = { .id = event->cookie, .local_port = event->local_port,
					 .peer_port = event->peer_port, .peer_hash = peer_hash };
	uint32_t i = find(join, &life), *bucket;
	struct waiting *w;

	if (i != NONE)
		forget(join, i);
	i = take_free(join);
	w = &join->waiting[i];
	bucket = bucket_of(join, event->cookie);
	*w = (struct waiting){ .event = *event, .chain = *bucket, .older = join->newest,
			       .newer = NONE, .peer_hash = peer_hash };
	*bucket = i;
	if (join->newest != NONE)
		join->waiting[join->newest].newer = i;
	else
		join->oldest = i;
	join->newest = i;
	join->count++;
	return w;
}

void join__fin(struct join *join, const struct tws_event *fin)
{
	add(join, fin, hash_peer(fin->peer_addr));
}

/* An id that is no cookie is nobody's business but ours. */
static int give(const struct join *join, const struct tws_event *from, uint8_t action,
		uint64_t time_ns, join_fn fn, void *ctx)
{
	struct tws_event event = *from;
	int err;

	event.action = action;
	event.time_ns = time_ns;
	if (!join->opts.has_cookie)
		event.cookie = 0;
	err = fn(ctx, &event);
	return err < 0 ? err : 0;
}

/*
 * The FIN was before tracing, or its record is lost. A mini-socket that waits is
 * remembered: it is an orphan once it enters TIME_WAIT. A segment with a FIN may also
 * come again to a socket that is long in TIME_WAIT: that is none.
 */
static void note_orphan(struct join *join, const struct tws_ending *ending)
{
	const struct tws_event event = { .cookie = ending->id, .time_ns = ending->time_ns,
					 .local_port = ending->local_port,
					 .peer_port = ending->peer_port };
	struct waiting *w;

	if (ending->action == TWS_FIN_WAIT2) {
		w = add(join, &event, ending->peer_hash);
		w->orphan = w->mini = true;
		join->orphans += join->opts.all;
	} else if (ending->action != TWS_ENTERED && ending->action != TWS_GONE) {
		join->orphans++;
	}
}

/* The peer's FIN may be told on another CPU before the mini-socket is. */
static int on_mini(struct join *join, uint32_t i, const struct tws_ending *ending, join_fn fn,
		   void *ctx)
{
	struct waiting *w = &join->waiting[i];
	bool entered = w->entered;
	uint64_t entered_ns = w->event.time_ns;
	int err = 0;

	w->mini = true;
	w->event.time_ns = ending->time_ns;
	if (join->opts.all)
		err = give(join, &w->event, TWS_FIN_WAIT2, ending->time_ns, fn, ctx);
	if (!entered)
		return err;
	err = err ?: give(join, &w->event, TWS_TIME_WAIT, entered_ns, fn, ctx);
	forget(join, i);
	return err;
}

static int on_entered(struct join *join, uint32_t i, uint64_t time_ns, join_fn fn, void *ctx)
{
	struct waiting *w = &join->waiting[i];
	int err;

	if (w->orphan) {
		join->orphans++;
		forget(join, i);
		return 0;
	}
	if (!w->mini) {
		w->entered = true;
		w->event.time_ns = time_ns;
		return 0;
	}
	err = give(join, &w->event, TWS_TIME_WAIT, time_ns, fn, ctx);
	forget(join, i);
	return err;
}

int join__ending(struct join *join, const struct tws_ending *ending, join_fn fn, void *ctx)
{
	uint32_t i = find(join, ending);
	struct waiting *w;
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
	w = &join->waiting[i];
	w->event.tx_bytes = ending->tx_bytes;
	w->event.rx_bytes = ending->rx_bytes;
	w->event.error = ending->error;
	if (ending->action == TWS_FIN_WAIT2)
		return on_mini(join, i, ending, fn, ctx);
	err = give(join, &w->event, ending->action, ending->time_ns, fn, ctx);
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
	if (i == NONE || join->waiting[i].orphan)
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

void join__sweep(struct join *join, uint64_t before_ns,
		 bool (*alive)(void *ctx, const struct tws_key *key, uint64_t cookie), void *ctx)
{
	uint32_t i = join->oldest, next;
	struct tws_key key;

	for (; i != NONE; i = next) {
		const struct waiting *w = &join->waiting[i];

		next = w->newer;
		if (!(w->mini || w->entered) || w->event.time_ns >= before_ns)
			continue;
		key = key__of_event(&w->event);
		if (alive(ctx, &key, join->opts.has_cookie ? w->event.cookie : 0))
			continue;
		/* That its mini-socket was told is lost, and it is gone by now. */
		join->orphans += w->entered;
		forget(join, i);
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

size_t join__count(const struct join *join)
{
	return join->count;
}

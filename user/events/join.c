// SPDX-License-Identifier: GPL-2.0
#include "events/join.h"
#include "model/decode.h"
#include "model/key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

#define MAX_SEARCHES 256

/* Which life of which socket: see struct tws_ending. In two words, because a word that was
 * just stored in pieces is read slowly. */
struct life {
	uint64_t id;
	uint64_t addresses;
};

/* A connection that is closing. */
struct waiting {
	struct life life; /* the key */
	struct tws_event event;
	bool mini;    /* its mini-socket waits in FIN_WAIT2, and that was given */
	bool entered; /* with all: told before its mini-socket was */
	bool missed;  /* by one snapshot */
};

struct join {
	struct join_options opts;
	struct table *waiting; /* in the order of their FINs; dead: no snapshot showed it */
	unsigned int searches;
	uint64_t orphans;
};

/* It entered TIME_WAIT, and that its mini-socket was told is lost. */
static void on_evicted(void *ctx, void *entry)
{
	const struct waiting *w = entry;
	struct join *join = ctx;

	join->orphans += table__is_dead(w) && w->entered;
}

int join__new(struct join **joinp, const struct join_options *opts)
{
	struct join *join = calloc(1, sizeof(*join));
	const struct table_options waiting = {
		.key_bytes = sizeof(struct life),
		.entry_bytes = sizeof(struct waiting),
		.max = opts->max,
		.fixed = true,
		.in_sequence = opts->has_cookie,
		.drop_living = true,
		.evict = on_evicted,
		.ctx = join,
	};

	if (!join)
		return -ENOMEM;
	join->opts = *opts;
	if (table__new(&join->waiting, &waiting)) {
		join__free(join);
		return -ENOMEM;
	}
	join__rest(join);
	*joinp = join;
	return 0;
}

void join__free(struct join *join)
{
	if (!join)
		return;
	table__free(join->waiting);
	free(join);
}

static uint32_t hash_peer(const uint8_t addr[16])
{
	uint32_t words[4];

	memcpy(words, addr, sizeof(words));
	return tws_peer_hash(words);
}

static struct life life_of(uint64_t id, uint16_t local_port, uint16_t peer_port,
			   uint32_t peer_hash)
{
	return (struct life){ id, (uint64_t)peer_hash << 32 | (uint32_t)local_port << 16 |
				  peer_port };
}

static struct waiting *find(const struct join *join, const struct tws_ending *ending)
{
	const struct life life = life_of(ending->id, ending->local_port, ending->peer_port,
					 ending->peer_hash);

	return table__find(join->waiting, &life);
}

static void forget(struct join *join, struct waiting *w)
{
	table__remove(join->waiting, w);
}

void join__fin(struct join *join, const struct tws_event *fin)
{
	const struct life life = life_of(fin->cookie, fin->local_port, fin->peer_port,
					 hash_peer(fin->peer_addr));
	struct waiting *w;
	void *entry;

	/* All memory is there, and the oldest gives way: it cannot fail. */
	if (table__get(join->waiting, &life, &entry) < 0)
		return;
	w = entry;
	table__touch(join->waiting, w);
	w->event = *fin;
	w->mini = w->entered = w->missed = false;
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

/* A recorder that was attached with --all has more than a reader without it asks for. */
static bool is_wanted(uint8_t action, bool all)
{
	return all ? TWS_IS_OUTCOME(action, true) :
		     action == TWS_TIME_WAIT || action == TWS_ENTERED;
}

/*
 * The FIN was before tracing, or its record is lost. A segment with a FIN may also come
 * again to a socket that is long in TIME_WAIT: that one is known.
 */
static void note_orphan(struct join *join, const struct tws_ending *ending)
{
	const struct join_options *opts = &join->opts;

	if (!is_wanted(ending->action, opts->all))
		return;
	if (!opts->known || !opts->known(opts->ctx, ending))
		join->orphans++;
}

/* The peer's FIN may be told on another CPU before the mini-socket is. */
static int on_mini(struct join *join, struct waiting *w, uint64_t time_ns, join_fn fn, void *ctx)
{
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
	forget(join, w);
	return err;
}

static int on_entered(struct join *join, struct waiting *w, uint64_t time_ns, join_fn fn,
		      void *ctx)
{
	int err;

	if (join->opts.all && !w->mini) {
		w->entered = true;
		w->event.time_ns = time_ns;
		return 0;
	}
	err = give(join, &w->event, TWS_TIME_WAIT, time_ns, fn, ctx);
	forget(join, w);
	return err;
}

/*
 * What only the socket knows, at its CLOSE or close(). The FIN's record has all that was
 * written; of a connection that was cut short, some of it never left. Where the peer's FIN had
 * come before ours, nothing was received since.
 */
static void fill_end(struct tws_event *event, const struct tws_ending *ending)
{
	const uint64_t unsent = ending->unsent_bytes;

	event->action = ending->action;
	event->tx_bytes -= unsent < event->tx_bytes ? unsent : event->tx_bytes;
	if (!(event->conn.flags & TWS_F_PASSIVE))
		event->rx_bytes = ending->rx_bytes;
	event->error = ending->error;
}

int join__ending(struct join *join, const struct tws_ending *ending, join_fn fn, void *ctx)
{
	struct waiting *w = find(join, ending);
	int err;

	if (!w) {
		note_orphan(join, ending);
		return 0;
	}
	if (ending->action == TWS_ENTERED)
		return on_entered(join, w, ending->time_ns, fn, ctx);
	if (ending->action == TWS_GONE) {
		forget(join, w);
		return 0;
	}
	fill_end(&w->event, ending);
	if (ending->action == TWS_BYTES)
		return 0;
	if (ending->action == TWS_FIN_WAIT2)
		return on_mini(join, w, ending->time_ns, fn, ctx);
	err = give(join, &w->event, ending->action, ending->time_ns, fn, ctx);
	forget(join, w);
	return err;
}

static bool is_of(const struct waiting *w, const struct tws_key *key)
{
	struct tws_key own = key__of_event(&w->event);

	return !memcmp(&own, key, sizeof(own));
}

/* The newest of these addresses. */
static struct waiting *search(struct join *join, const struct tws_key *key)
{
	struct waiting *w;

	if (!join->searches)
		return NULL;
	join->searches--;
	for (w = table__newest(join->waiting); w && !is_of(w, key);)
		w = table__older(join->waiting, w);
	if (w)
		return w;
	for (w = table__newest_dead(join->waiting); w && !is_of(w, key);)
		w = table__older(join->waiting, w);
	return w;
}

bool join__take(struct join *join, const struct tws_key *key, uint64_t cookie,
		struct tws_event *event)
{
	const struct tws_ending life = { .id = cookie, .local_port = key->local_port,
					 .peer_port = key->peer_port,
					 .peer_hash = hash_peer(key->peer_addr) };
	struct waiting *w;

	if (join->opts.has_cookie)
		w = cookie ? find(join, &life) : NULL;
	else
		w = search(join, key);
	if (!w)
		return false;
	*event = w->event;
	if (!join->opts.has_cookie)
		event->cookie = 0;
	forget(join, w);
	return true;
}

void join__rest(struct join *join)
{
	join->searches = MAX_SEARCHES;
}

/* ---- what snapshots tell ---- */

/* A snapshot may miss a socket while the table changes, so that it takes two. */
static void miss(struct join *join, struct waiting *w)
{
	if (!w->missed) {
		w->missed = true;
		table__retire(join->waiting, w);
		return;
	}
	join->orphans += w->entered;
	forget(join, w);
}

static void judge(struct join *join, struct waiting *w, join_alive_fn alive, void *ctx)
{
	struct tws_event fin = w->event;

	if (!join->opts.has_cookie)
		fin.cookie = 0;
	switch (alive(ctx, &fin)) {
	case JOIN_ALIVE:
		w->missed = false;
		if (table__is_dead(w))
			table__touch(join->waiting, w);
		break;
	case JOIN_UNSEEN:
		if (!table__is_dead(w))
			table__retire(join->waiting, w);
		break;
	case JOIN_GONE:
		miss(join, w);
		break;
	}
}

/* The dead come first: what dies here would else be looked at twice. */
void join__sweep(struct join *join, uint64_t before_ns, join_alive_fn alive, void *ctx)
{
	struct waiting *w = table__oldest_dead(join->waiting), *next;

	for (; w; w = next) {
		next = table__newer(join->waiting, w);
		judge(join, w, alive, ctx);
	}
	for (w = table__oldest(join->waiting); w; w = next) {
		next = table__newer(join->waiting, w);
		if (w->event.time_ns < before_ns)
			judge(join, w, alive, ctx);
	}
}

uint64_t join__orphans(const struct join *join)
{
	return join->orphans;
}

uint64_t join__dropped(const struct join *join)
{
	return table__dropped(join->waiting);
}

bool join__is_crowded(const struct join *join)
{
	return table__count(join->waiting) - table__count_dead(join->waiting) >
	       join->opts.max / 2;
}

size_t join__count(const struct join *join)
{
	return table__count(join->waiting);
}

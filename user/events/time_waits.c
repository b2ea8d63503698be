// SPDX-License-Identifier: GPL-2.0
#include "events/time_waits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/key.h"
#include "base/seen.h"
#include "sockets/sockdiag.h"

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
#define LIFE_NS (60 * NS_PER_S) /* TCP_TIMEWAIT_LEN */
#define LATE_NS (2500 * NS_PER_MS) /* at HZ 250, the timer wheel's grain for 60 s is 2 s */
#define LATEST_NS (5200 * NS_PER_MS) /* and at HZ 100, the coarsest, 5 s */
#define EARLY_NS (100 * NS_PER_MS) /* the timer began up to a jiffy before the event */
#define GRACE_NS (2 * NS_PER_S) /* between two snapshots that both miss it */
#define GIVE_UP_NS (60 * NS_PER_S) /* after its time, where nobody can look */
#define MAX_NETNS (1U << 16)
#define NONE UINT32_MAX

/* What all are searched by, apart from the events, which are large. */
struct slot {
	uint64_t due_ns;    /* when its timer ends; 0: the slot is free */
	uint64_t missed_ns; /* the first snapshot without it; 0: none */
	uint32_t next;	    /* of the same bucket, or of the free list */
	uint32_t round;	    /* the last comparison that found it */
	bool missed_inside; /* its namespace was read in that snapshot */
};

struct time_waits {
	struct slot *slots;
	struct tws_event *events;
	uint32_t *buckets;
	uint32_t mask;
	uint32_t max, used; /* slots; those from @used on were never taken */
	uint32_t free;	    /* list of those that were given back */
	uint32_t round;
	size_t count;
	uint64_t seed, dropped;
	uint64_t look_ns; /* when the next snapshot is worth while */
	struct seen *read;  /* namespaces of this snapshot */
	struct seen *known; /* and of any */
};

int time_waits__new(struct time_waits **tablep, size_t max, uint64_t seed)
{
	struct time_waits *h = calloc(1, sizeof(*h));
	uint32_t buckets = 64;

	if (!h)
		return -ENOMEM;
	while (buckets < max)
		buckets *= 2;
	h->slots = calloc(max, sizeof(*h->slots));
	h->events = calloc(max, sizeof(*h->events));
	h->buckets = malloc(buckets * sizeof(*h->buckets));
	if (!h->slots || !h->events || !h->buckets || seen__new(&h->read, MAX_NETNS) ||
	    seen__new(&h->known, MAX_NETNS)) {
		time_waits__free(h);
		return -ENOMEM;
	}
	memset(h->buckets, 0xff, buckets * sizeof(*h->buckets));
	h->mask = buckets - 1;
	h->max = (uint32_t)max;
	h->free = NONE;
	h->seed = seed;
	h->look_ns = UINT64_MAX;
	*tablep = h;
	return 0;
}

/* ---- the table ---- */

static uint32_t *bucket_of(const struct time_waits *h, const struct tws_key *key)
{
	uint64_t words[5], hash = h->seed;

	_Static_assert(sizeof(words) == sizeof(*key), "whole words, no padding");
	memcpy(words, key, sizeof(words));
	for (int i = 0; i < 5; i++) {
		hash ^= words[i];
		hash *= 0xbf58476d1ce4e5b9ULL;
		hash ^= hash >> 29;
	}
	hash *= 0x94d049bb133111ebULL;
	return &h->buckets[(hash >> 32) & h->mask];
}

static bool has_key(const struct tws_event *ev, const struct tws_key *key)
{
	return ev->netns == key->netns && ev->local_port == key->local_port &&
	       ev->peer_port == key->peer_port &&
	       !memcmp(ev->local_addr, key->local_addr, sizeof(key->local_addr)) &&
	       !memcmp(ev->peer_addr, key->peer_addr, sizeof(key->peer_addr));
}

/* The link that leads to the slot of @key; to NONE if it is not held. */
static uint32_t *find(const struct time_waits *h, const struct tws_key *key)
{
	uint32_t *link = bucket_of(h, key);

	while (*link != NONE && !has_key(&h->events[*link], key))
		link = &h->slots[*link].next;
	return link;
}

static void release(struct time_waits *h, uint32_t *link)
{
	uint32_t i = *link;

	*link = h->slots[i].next;
	h->slots[i] = (struct slot){ .next = h->free };
	h->free = i;
	h->count--;
}

static void release_slot(struct time_waits *h, uint32_t i)
{
	struct tws_key key = key__of_event(&h->events[i]);

	release(h, find(h, &key));
}

static uint32_t claim(struct time_waits *h)
{
	uint32_t i = h->free;

	if (i != NONE) {
		h->free = h->slots[i].next;
		return i;
	}
	return h->used < h->max ? h->used++ : NONE;
}

/* ---- what events tell ---- */

static void look_at(struct time_waits *h, uint64_t ns)
{
	if (ns < h->look_ns)
		h->look_ns = ns;
}

void time_waits__add(struct time_waits *h, const struct tws_event *ev)
{
	struct tws_key key = key__of_event(ev);
	uint32_t *link = find(h, &key), i;

	/* One that was printed late has been overtaken. */
	if (*link != NONE && h->events[*link].time_ns > ev->time_ns) {
		h->dropped++;
		return;
	}
	if (*link != NONE)
		release(h, link);
	i = claim(h);
	if (i == NONE) {
		h->dropped++;
		return;
	}
	link = bucket_of(h, &key);
	h->slots[i] = (struct slot){ .due_ns = ev->time_ns + LIFE_NS, .next = *link };
	h->events[i] = *ev;
	*link = i;
	h->count++;
	look_at(h, h->slots[i].due_ns + LATE_NS);
}

static void fill_end(const struct time_waits *h, uint32_t i, uint8_t how, uint64_t time_ns,
		     struct tws_event *end)
{
	*end = h->events[i];
	end->action = TWS_TIME_WAIT_END;
	end->end = how;
	end->error = 0;
	end->time_ns = time_ns > end->time_ns ? time_ns : end->time_ns;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * A connection with the addresses of slot @i, open since @open_ns: it has taken
 * the socket's place, unless the minute was over before.
 */
static void end_by_use(const struct time_waits *h, uint32_t i, uint8_t side, uint64_t open_ns,
		       struct tws_event *end)
{
	uint64_t due_ns = h->slots[i].due_ns;
	uint8_t how = TWS_END_UNKNOWN;

	if (open_ns >= due_ns + LATEST_NS)
		how = TWS_END_EXPIRED;
	else if (open_ns < due_ns && side == TWS_SIDE_CLIENT)
		how = TWS_END_REUSED_BY_CONNECT;
	else if (open_ns < due_ns && side == TWS_SIDE_SERVER)
		how = TWS_END_REUSED_BY_SYN;
	fill_end(h, i, how, how == TWS_END_EXPIRED ? due_ns : open_ns, end);
}

/* Only an error shows that a connect() got as far as having the tuple. */
static bool tells(const struct tws_event *ev)
{
	return ev->action != TWS_LISTEN && ev->action != TWS_UNLISTEN &&
	       (ev->action != TWS_CONNECT_FAILED || ev->error);
}

bool time_waits__ended(struct time_waits *h, const struct tws_event *ev, struct tws_event *end)
{
	struct tws_key key = key__of_event(ev);
	uint32_t *link = tells(ev) ? find(h, &key) : NULL;
	const struct tws_event *of;
	bool same;

	if (!link || *link == NONE)
		return false;
	of = &h->events[*link];
	if (ev->time_ns < of->time_ns)
		return false;
	same = ev->cookie && ev->cookie == of->cookie;
	if (ev->action == TWS_TIME_WAIT_END) {
		if (ev->cookie && of->cookie && !same)
			return false;
		fill_end(h, *link, ev->end, ev->time_ns, end);
	} else {
		if (same)
			return false;
		end_by_use(h, *link, ev->conn.side,
			   ev->conn.open_ns > of->time_ns ? ev->conn.open_ns : ev->time_ns, end);
	}
	release(h, link);
	return true;
}

/* ---- what snapshots tell ---- */

bool time_waits__due(const struct time_waits *h, uint64_t now_ns)
{
	return h->count && now_ns >= h->look_ns;
}

static void note_alive(struct time_waits *h, const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->num; i++) {
		const struct snapshot_socket *mini = &snap->sockets[i];
		uint32_t at = *find(h, &mini->key);

		if (at == NONE || mini->state != SOCKDIAG_TIME_WAIT ||
		    (mini->cookie && h->events[at].cookie &&
		     mini->cookie != h->events[at].cookie))
			continue;
		h->slots[at].round = h->round;
		h->slots[at].missed_ns = 0;
		/* A late segment starts the minute anew. */
		h->slots[at].due_ns = snap->taken_ns + mini->expires_ms * NS_PER_MS;
	}
}

static void note_netns(struct time_waits *h, const struct snapshot *snap)
{
	seen__clear(h->read);
	for (size_t i = 0; i < snap->num_netns; i++) {
		seen__add(h->read, snap->netns[i]);
		seen__add(h->known, snap->netns[i]);
	}
}

/*
 * Whether this snapshot, in which slot @i is not, says anything of it. A
 * namespace that was not found may live on unseen, held by a descriptor: only
 * once the minute is over has its TIME_WAIT ended surely.
 */
static bool is_missing(const struct time_waits *h, uint32_t i, const struct snapshot *snap, bool *inside)
{
	*inside = seen__has(h->read, h->events[i].netns);
	if (h->events[i].time_ns >= snap->taken_ns)
		return false;
	return *inside || (!(snap->flags & SNAPSHOT_PARTIAL) &&
			   h->slots[i].due_ns + LATE_NS < snap->taken_ns);
}

static uint8_t end_of_missing(const struct time_waits *h, uint32_t i)
{
	const struct slot *slot = &h->slots[i];

	if (!slot->missed_inside)
		return seen__has(h->known, h->events[i].netns) ? TWS_END_PURGED : TWS_END_UNKNOWN;
	return slot->due_ns <= slot->missed_ns + EARLY_NS ? TWS_END_EXPIRED : TWS_END_UNKNOWN;
}

/* Returns whether *@end is to be told. */
static bool judge(struct time_waits *h, uint32_t i, const struct snapshot *snap, struct tws_event *end)
{
	struct slot *slot = &h->slots[i];
	bool inside;

	if (slot->round == h->round)
		return false;
	if (!is_missing(h, i, snap, &inside)) {
		if (slot->due_ns + GIVE_UP_NS < snap->taken_ns) {
			h->dropped++;
			release_slot(h, i);
		}
		return false;
	}
	if (!slot->missed_ns) {
		slot->missed_ns = snap->taken_ns;
		slot->missed_inside = inside;
		return false;
	}
	if (snap->taken_ns < slot->missed_ns + GRACE_NS)
		return false;
	fill_end(h, i, end_of_missing(h, i), earlier(slot->due_ns, slot->missed_ns), end);
	release_slot(h, i);
	return true;
}

/* When slot @i is worth another look: its time is over, or it is missing. */
static uint64_t next_look(const struct slot *slot)
{
	return slot->missed_ns ? slot->missed_ns + GRACE_NS : slot->due_ns + LATE_NS;
}

int time_waits__compare(struct time_waits *h, const struct snapshot *snap, time_waits_fn fn, void *ctx)
{
	struct tws_event end;
	int err = 0;

	if (!++h->round)
		h->round = 1;
	note_netns(h, snap);
	note_alive(h, snap);
	h->look_ns = UINT64_MAX;
	for (uint32_t i = 0; i < h->used; i++) {
		if (!err && h->slots[i].due_ns && judge(h, i, snap, &end))
			err = fn(ctx, &end);
		if (h->slots[i].due_ns)
			look_at(h, next_look(&h->slots[i]));
	}
	return err < 0 ? err : 0;
}

size_t time_waits__count(const struct time_waits *h)
{
	return h->count;
}

uint64_t time_waits__dropped(const struct time_waits *h)
{
	return h->dropped;
}

void time_waits__free(struct time_waits *h)
{
	if (!h)
		return;
	free(h->slots);
	free(h->events);
	free(h->buckets);
	seen__free(h->read);
	seen__free(h->known);
	free(h);
}

// SPDX-License-Identifier: GPL-2.0
#include "events/time_waits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/seen.h"
#include "base/table.h"
#include "model/key.h"
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
#define PROOF_NS (40 * NS_PER_S) /* after the begin, where a snapshot is to prove something */

/* Which namespace an inode number stands for: another one may get it. */
struct space {
	uint64_t inode;
	uint64_t cookie;
	uint64_t since_ns; /* the first snapshot that found this one; it lives since then */
};

/* What all are searched by, apart from the events, which are large. */
struct slot {
	struct tws_key key;
	uint64_t cookie;    /* the event's, which is in another page */
	uint64_t due_ns;    /* when its timer ends */
	uint64_t missed_ns; /* the first snapshot without it; 0: none */
	uint32_t round;	    /* of the last snapshot that had it */
	bool missed_inside; /* its namespace was read in that snapshot */
	uint64_t seen_ns;   /* the last snapshot with it; 0: none */
};

struct time_waits {
	struct table *slots; /* dead: missed by a snapshot */
	struct tws_event *events; /* by the slot's index in the table */
	uint32_t round;
	uint64_t dropped;
	uint64_t look_ns; /* when the next snapshot is worth while */
	struct seen *read;  /* namespaces of this snapshot */
	struct seen *known; /* and of any */
	struct table *spaces; /* those whose cookie a snapshot had */
};

/* Its end will not be told: that two snapshots miss it was not to be waited for. */
static void on_evicted(void *ctx, void *slot)
{
	struct time_waits *h = ctx;

	(void)slot;
	h->dropped++;
}

int time_waits__new(struct time_waits **tablep, size_t max)
{
	struct time_waits *h = calloc(1, sizeof(*h));
	const struct table_options slots = {
		.key_bytes = sizeof(struct tws_key),
		.entry_bytes = sizeof(struct slot),
		.max = max,
		.fixed = true,
		.evict = on_evicted,
		.ctx = h,
	};

	const struct table_options spaces = {
		.key_bytes = sizeof(uint64_t),
		.entry_bytes = sizeof(struct space),
		.max = MAX_NETNS,
		.drop_living = true,
	};

	if (!h)
		return -ENOMEM;
	h->events = calloc(max, sizeof(*h->events));
	if (!h->events || table__new(&h->slots, &slots) || table__new(&h->spaces, &spaces) ||
	    seen__new(&h->read, MAX_NETNS) || seen__new(&h->known, MAX_NETNS)) {
		time_waits__free(h);
		return -ENOMEM;
	}
	h->look_ns = UINT64_MAX;
	time_waits__begin(h);
	*tablep = h;
	return 0;
}

static struct slot *find(const struct time_waits *h, const struct tws_key *key)
{
	return table__find(h->slots, key);
}

static struct tws_event *event_of(const struct time_waits *h, const struct slot *slot)
{
	return &h->events[table__index(slot)];
}

/* ---- what events tell ---- */

static void look_at(struct time_waits *h, uint64_t ns)
{
	if (ns < h->look_ns)
		h->look_ns = ns;
}

/*
 * Whether the namespace that has the inode number of @slot's now is the one that the socket
 * was in: it is as old as that, or a snapshot found the socket in it. Where nobody knows
 * cookies (before Linux 5.14) it is taken for granted.
 */
static bool is_same_space(const struct time_waits *h, const struct slot *slot)
{
	const uint64_t inode = slot->key.netns;
	const struct space *space = table__find(h->spaces, &inode);

	return !space || space->since_ns <= event_of(h, slot)->time_ns ||
	       slot->seen_ns >= space->since_ns;
}

/* A namespace that no snapshot has found yet: one should, while the socket is there. */
static bool lacks_proof(const struct time_waits *h, const struct slot *slot)
{
	const uint64_t inode = slot->key.netns;

	return table__count(h->spaces) &&
	       (!table__find(h->spaces, &inode) || !is_same_space(h, slot));
}

void time_waits__add(struct time_waits *h, const struct tws_event *ev)
{
	struct tws_key key = key__of_event(ev);
	struct slot *slot = find(h, &key);
	void *entry;

	/* One that was printed late has been overtaken. */
	if (slot && event_of(h, slot)->time_ns > ev->time_ns) {
		h->dropped++;
		return;
	}
	if (slot)
		table__remove(h->slots, slot);
	if (table__add(h->slots, &key, &entry) < 0) {
		h->dropped++;
		return;
	}
	slot = entry;
	slot->cookie = ev->cookie;
	slot->due_ns = ev->time_ns + LIFE_NS;
	*event_of(h, slot) = *ev;
	look_at(h, lacks_proof(h, slot) ? ev->time_ns + PROOF_NS : slot->due_ns + LATE_NS);
}

static void fill_end(const struct time_waits *h, const struct slot *slot, uint8_t how,
		     uint64_t time_ns, struct tws_event *end)
{
	*end = *event_of(h, slot);
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
 * A connection with the addresses of @slot, open since @open_ns: it has taken
 * the socket's place, unless the minute was over before.
 */
static void end_by_use(const struct time_waits *h, const struct slot *slot, uint8_t side,
		       uint64_t open_ns, struct tws_event *end)
{
	uint64_t due_ns = slot->due_ns;
	uint8_t how = TWS_END_UNKNOWN;

	if (open_ns >= due_ns + LATEST_NS)
		how = is_same_space(h, slot) ? TWS_END_EXPIRED : TWS_END_UNKNOWN;
	else if (!is_same_space(h, slot))
		how = TWS_END_UNKNOWN;
	else if (open_ns < due_ns && side == TWS_SIDE_CLIENT)
		how = TWS_END_REUSED_BY_CONNECT;
	else if (open_ns < due_ns && side == TWS_SIDE_SERVER)
		how = TWS_END_REUSED_BY_SYN;
	fill_end(h, slot, how, how == TWS_END_EXPIRED ? due_ns : open_ns, end);
}

/*
 * Only an error of the socket shows that a connect() got as far as having the tuple. What
 * connect() itself has failed with, and so names its caller, may be that it has not got it.
 */
static bool tells(const struct tws_event *ev)
{
	switch (ev->action) {
	case TWS_LISTEN:
	case TWS_UNLISTEN:
	case TWS_BIND_FAILED:
		return false;
	case TWS_CONNECT_FAILED:
		return ev->error && !(ev->conn.flags & TWS_F_CLOSER);
	default:
		return true;
	}
}

bool time_waits__ended(struct time_waits *h, const struct tws_event *ev, struct tws_event *end)
{
	struct tws_key key = key__of_event(ev);
	struct slot *slot = tells(ev) ? find(h, &key) : NULL;
	const struct tws_event *of;
	bool same;

	if (!slot)
		return false;
	of = event_of(h, slot);
	if (ev->time_ns < of->time_ns)
		return false;
	same = ev->cookie && ev->cookie == of->cookie;
	if (ev->action == TWS_TIME_WAIT_END) {
		if (ev->cookie && of->cookie && !same)
			return false;
		fill_end(h, slot, ev->end, ev->time_ns, end);
	} else {
		if (same)
			return false;
		end_by_use(h, slot, ev->conn.side,
			   ev->conn.open_ns > of->time_ns ? ev->conn.open_ns : ev->time_ns, end);
	}
	table__remove(h->slots, slot);
	return true;
}

/* ---- what snapshots tell ---- */

bool time_waits__due(const struct time_waits *h, uint64_t now_ns)
{
	return table__count(h->slots) && now_ns >= h->look_ns;
}

void time_waits__begin(struct time_waits *h)
{
	if (!++h->round)
		h->round = 1;
}

void time_waits__show(struct time_waits *h, const struct snapshot *snap,
		      const struct snapshot_socket *mini)
{
	struct slot *slot = mini->state == SOCKDIAG_TIME_WAIT ? find(h, &mini->key) : NULL;

	if (!slot || (mini->cookie && slot->cookie && mini->cookie != slot->cookie))
		return;
	slot->round = h->round;
	slot->seen_ns = snap->taken_ns;
	slot->missed_ns = 0;
	/* A late segment starts the minute anew. */
	slot->due_ns = snapshot__asked_ns(snap, mini) + mini->expires_ms * NS_PER_MS;
	if (table__is_dead(slot))
		table__touch(h->slots, slot);
}

static void note_space(struct time_waits *h, uint64_t inode, uint64_t cookie, uint64_t now_ns)
{
	struct space *space;
	void *entry;

	if (!cookie || table__get(h->spaces, &inode, &entry) < 0)
		return;
	space = entry;
	table__touch(h->spaces, space); /* if it is full, what was not read for longest gives way */
	if (space->cookie == cookie)
		return;
	space->cookie = cookie;
	space->since_ns = now_ns;
}

static void note_netns(struct time_waits *h, const struct snapshot *snap)
{
	seen__clear(h->read);
	for (size_t i = 0; i < snap->num_netns; i++) {
		seen__add(h->read, snap->netns[i], snap->taken_ns);
		seen__add(h->known, snap->netns[i], snap->taken_ns);
		if (snap->netns_cookies)
			note_space(h, snap->netns[i], snap->netns_cookies[i], snap->taken_ns);
	}
}

/*
 * Whether this snapshot, in which @slot is not, says anything of it. A
 * namespace that was not found may live on unseen, held by a descriptor: only
 * once the minute is over has its TIME_WAIT ended surely.
 */
static bool is_missing(const struct time_waits *h, const struct slot *slot,
		       const struct snapshot *snap, bool *inside)
{
	*inside = seen__has(h->read, slot->key.netns);
	if (event_of(h, slot)->time_ns >= snap->taken_ns)
		return false;
	return *inside || (!(snap->flags & SNAPSHOT_PARTIAL) &&
			   slot->due_ns + LATE_NS < snap->taken_ns);
}

static uint8_t end_of_missing(const struct time_waits *h, const struct slot *slot)
{
	if (!slot->missed_inside)
		return seen__has(h->known, slot->key.netns) ? TWS_END_PURGED : TWS_END_UNKNOWN;
	return slot->due_ns <= slot->missed_ns + EARLY_NS && is_same_space(h, slot) ?
		       TWS_END_EXPIRED : TWS_END_UNKNOWN;
}

/* Whether @slot is held no more: then its end may be in *@end, to be told with *@tell. */
static bool judge(struct time_waits *h, struct slot *slot, const struct snapshot *snap,
		  struct tws_event *end, bool *tell)
{
	bool inside;

	*tell = false;
	if (slot->round == h->round)
		return false;
	if (!is_missing(h, slot, snap, &inside)) {
		if (slot->due_ns + GIVE_UP_NS >= snap->taken_ns)
			return false;
		h->dropped++;
		return true;
	}
	if (!slot->missed_ns) {
		slot->missed_ns = snap->taken_ns;
		slot->missed_inside = inside;
		table__retire(h->slots, slot);
		return false;
	}
	if (snap->taken_ns < slot->missed_ns + GRACE_NS)
		return false;
	fill_end(h, slot, end_of_missing(h, slot), earlier(slot->due_ns, slot->missed_ns), end);
	*tell = true;
	return true;
}

/* When @slot is worth another look: its time is over, or it is missing. */
static uint64_t next_look(const struct slot *slot)
{
	return slot->missed_ns ? slot->missed_ns + GRACE_NS : slot->due_ns + LATE_NS;
}

/* From @slot on to the end of its list. After an error they are only looked at. */
static int judge_all(struct time_waits *h, struct slot *slot, const struct snapshot *snap,
		     time_waits_fn fn, void *ctx)
{
	struct tws_event end;
	struct slot *next;
	int err = 0;
	bool tell;

	for (; slot; slot = next) {
		next = table__newer(h->slots, slot);
		if (err || !judge(h, slot, snap, &end, &tell)) {
			look_at(h, next_look(slot));
			continue;
		}
		table__remove(h->slots, slot);
		err = tell ? fn(ctx, &end) : 0;
	}
	return err < 0 ? err : 0;
}

/* The dead come first: what this snapshot misses becomes one of them. */
int time_waits__compare(struct time_waits *h, const struct snapshot *snap, time_waits_fn fn,
			void *ctx)
{
	int err;

	note_netns(h, snap);
	for (size_t i = 0; i < snap->num; i++)
		time_waits__show(h, snap, &snap->sockets[i]);
	h->look_ns = UINT64_MAX;
	err = judge_all(h, table__oldest_dead(h->slots), snap, fn, ctx);
	if (err)
		look_at(h, snap->taken_ns);
	else
		err = judge_all(h, table__oldest(h->slots), snap, fn, ctx);
	time_waits__begin(h); /* what comes is another one's */
	return err;
}

size_t time_waits__count(const struct time_waits *h)
{
	return table__count(h->slots);
}

uint64_t time_waits__dropped(const struct time_waits *h)
{
	return h->dropped;
}

void time_waits__free(struct time_waits *h)
{
	if (!h)
		return;
	free(h->events);
	table__free(h->slots);
	seen__free(h->read);
	seen__free(h->known);
	table__free(h->spaces);
	free(h);
}

// SPDX-License-Identifier: GPL-2.0
#include "model/key.h"
#include "capture/owners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "model/decode.h"

#define SLACK_NS 1500000000ULL /* between a record and what the timer says */
/* From the FIN of a close() to TIME_WAIT, but for what a lost segment adds: a
 * FIN_WAIT2 mini-socket waits no longer than TCP_TIMEWAIT_LEN. */
#define FIN_NS 60000000000ULL
#define NEIGHBOURS (64 / sizeof(struct entry))

struct entry {
	uint32_t tag;	/* the high half of the hash */
	uint32_t place; /* of the record, plus one; 0: free */
};

/*
 * Open addressing, at most half full. Not base/table.h: the keys stay in the kernel side's ring,
 * which has up to millions of records; eight bytes for each are all that is made here, at once.
 */
struct index {
	struct entry *entries;
	uint32_t mask;
};

struct owners {
	const struct tws_record *records;
	uint32_t mask;	   /* their number, less one */
	uint64_t from, to; /* positions that are indexed */
	uint64_t oldest_ns;
	uint64_t seed;
	struct index by_cookie;
	struct index by_tuple;	 /* made when it is first needed */
	uint64_t without_cookie; /* records */
};

/* Whether @place is that of @key; then its event is in *@event. */
typedef bool (*same_fn)(const struct owners *owners, uint32_t place, const void *key,
			struct tws_event *event);

/* ---- an index ---- */

static uint64_t mix(uint64_t word)
{
	word ^= word >> 30;
	word *= 0xbf58476d1ce4e5b9ULL;
	word ^= word >> 27;
	word *= 0x94d049bb133111ebULL;
	return word ^ word >> 31;
}

/* The kernel gives out cookies in sequence, nearly: neighbours share a cache line. */
static uint64_t hash_cookie(const struct owners *owners, uint64_t cookie)
{
	uint64_t low = cookie % NEIGHBOURS;
	uint64_t hash = mix(cookie / NEIGHBOURS ^ owners->seed);

	return (hash & ~(NEIGHBOURS - 1)) + low + (low << 32);
}

static uint64_t hash_tuple(const struct owners *owners, const struct tws_key *key)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)], hash = owners->seed;

	_Static_assert(sizeof(words) == sizeof(*key), "whole words");
	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		hash = mix(hash ^ words[i]);
	return hash;
}

static int make_index(struct index *index, uint64_t count)
{
	uint32_t size = 16;

	while (size < 2 * count)
		size *= 2;
	index->entries = pages__new(size * sizeof(*index->entries));
	index->mask = size - 1;
	return index->entries ? 0 : -ENOMEM;
}

static void free_index(struct index *index)
{
	pages__free(index->entries, (index->mask + (size_t)1) * sizeof(*index->entries));
}

/* The entry of @key, its event in *@event, or the free one where it would stand. */
static struct entry *look_up(const struct owners *owners, const struct index *index,
			     uint64_t hash, same_fn same, const void *key,
			     struct tws_event *event)
{
	for (uint32_t i = (uint32_t)hash & index->mask;; i = (i + 1) & index->mask) {
		struct entry *entry = &index->entries[i];

		if (!entry->place || (entry->tag == hash >> 32 &&
				      same(owners, entry->place - 1, key, event)))
			return entry;
	}
}

/* ---- the records ---- */

/* Not one that is being written, nor one of another position: a chunk's positions
 * may be given up. */
static bool copy_record(const struct owners *owners, uint64_t position, struct tws_event *event)
{
	const struct tws_record *record = &owners->records[position & owners->mask];

	if (__atomic_load_n(&record->seq, __ATOMIC_ACQUIRE) != position + 1)
		return false;
	*event = record->event;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&record->seq, __ATOMIC_RELAXED) == position + 1;
}

/* The same of what an index by cookies goes by; the rest of *@event stays as it is. */
static bool glance_at_record(const struct owners *owners, uint64_t position,
			     struct tws_event *event)
{
	const struct tws_record *record = &owners->records[position & owners->mask];

	if (__atomic_load_n(&record->seq, __ATOMIC_ACQUIRE) != position + 1)
		return false;
	event->action = record->event.action;
	event->time_ns = record->event.time_ns;
	event->cookie = record->event.cookie;
	event->local_port = record->event.local_port;
	event->peer_port = record->event.peer_port;
	event->conn.flags = record->event.conn.flags;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&record->seq, __ATOMIC_RELAXED) == position + 1;
}

/* The newest position that is indexed and stands at @place. */
static uint64_t position_of(const struct owners *owners, uint32_t place)
{
	return owners->to - 1 - ((owners->to - 1 - place) & owners->mask);
}

/* A socket that is connected anew, after connect(AF_UNSPEC), keeps its cookie. */
struct life {
	uint64_t cookie;
	uint16_t local_port, peer_port;
};

static bool same_life(const struct owners *owners, uint32_t place, const void *key,
		      struct tws_event *event)
{
	const struct life *life = key;

	return copy_record(owners, position_of(owners, place), event) &&
	       event->cookie == life->cookie && event->local_port == life->local_port &&
	       event->peer_port == life->peer_port;
}

static bool same_tuple(const struct owners *owners, uint32_t place, const void *key,
		       struct tws_event *event)
{
	struct tws_key own;

	if (!copy_record(owners, position_of(owners, place), event))
		return false;
	own = key__of_event(event);
	return !memcmp(&own, key, sizeof(own));
}

static bool has_closer(const struct tws_event *event)
{
	return event->conn.flags & TWS_F_CLOSER;
}

bool owners__is_better(const struct tws_event *event, const struct tws_event *than)
{
	if (has_closer(event) != has_closer(than))
		return has_closer(event);
	return event->time_ns >= than->time_ns;
}

/* Whoever sent the first FIN; where that was not seen, what was seen of the
 * mini-socket serves. */
static bool tells_owner(const struct tws_event *event)
{
	return event->conn.flags & TWS_F_ACTIVE || event->action == TWS_TIME_WAIT ||
	       event->action == TWS_FIN_WAIT2;
}

/* ---- indexing ---- */

static void add_by_cookie(struct owners *owners, uint32_t place, const struct tws_event *event)
{
	uint64_t hash = hash_cookie(owners, event->cookie);
	struct life life = { event->cookie, event->local_port, event->peer_port };
	struct tws_event old;
	struct entry *entry = look_up(owners, &owners->by_cookie, hash, same_life, &life, &old);

	if (!entry->place || owners__is_better(event, &old))
		*entry = (struct entry){ hash >> 32, place + 1 };
}

/* Another life of the same addresses is another socket: the newest counts. */
static void add_by_tuple(struct owners *owners, uint32_t place, const struct tws_event *event)
{
	struct tws_event old;
	struct entry *entry;
	struct tws_key key;
	uint64_t hash;

	if (!event->local_port)
		return;
	key = key__of_event(event);
	hash = hash_tuple(owners, &key);
	entry = look_up(owners, &owners->by_tuple, hash, same_tuple, &key, &old);
	if (!entry->place || event->time_ns >= old.time_ns)
		*entry = (struct entry){ hash >> 32, place + 1 };
}

static int index_cookies(struct owners *owners)
{
	int err = make_index(&owners->by_cookie, owners->to - owners->from);
	struct tws_event event;

	for (uint64_t n = owners->from; !err && n < owners->to; n++) {
		if (!glance_at_record(owners, n, &event))
			continue;
		if (!owners->oldest_ns && owners->from)
			owners->oldest_ns = event.time_ns;
		if (!tells_owner(&event))
			continue;
		if (event.cookie)
			add_by_cookie(owners, n & owners->mask, &event);
		else
			owners->without_cookie++;
	}
	return err;
}

static int index_tuples(struct owners *owners)
{
	int err = make_index(&owners->by_tuple, owners->to - owners->from);
	struct tws_event event;

	for (uint64_t n = owners->from; !err && n < owners->to; n++)
		if (copy_record(owners, n, &event) && tells_owner(&event))
			add_by_tuple(owners, n & owners->mask, &event);
	return err;
}

/* ---- whose it is ---- */

/* A FIN, and a FIN_WAIT2 mini-socket, come before TIME_WAIT. */
static bool fits(const struct tws_event *event, uint64_t entered_ns)
{
	uint64_t after_ns = SLACK_NS + (event->action == TWS_TIME_WAIT ? 0 : FIN_NS);

	if (entered_ns < event->time_ns)
		return event->time_ns - entered_ns <= SLACK_NS;
	return entered_ns - event->time_ns <= after_ns;
}

bool owners__accept(struct tws_event *event, const struct tws_key *key, uint64_t cookie,
		    uint64_t entered_ns)
{
	const struct tws_event *checked;
	struct tws_key own;

	if (decode__event(event, sizeof(*event), &checked) || !tells_owner(event))
		return false;
	own = key__of_event(event);
	if (memcmp(&own, key, sizeof(own)))
		return false;
	if (cookie && event->cookie) {
		if (cookie != event->cookie)
			return false;
	} else if (!fits(event, entered_ns)) {
		return false;
	}
	if (cookie)
		event->cookie = cookie;
	return true;
}

static bool find_by_cookie(const struct owners *owners, const struct tws_key *key,
			   uint64_t cookie, uint64_t entered_ns, struct tws_event *event)
{
	struct life life = { cookie, key->local_port, key->peer_port };

	return look_up(owners, &owners->by_cookie, hash_cookie(owners, cookie), same_life, &life,
		       event)->place &&
	       owners__accept(event, key, cookie, entered_ns);
}

static bool find_by_tuple(struct owners *owners, const struct tws_key *key, uint64_t cookie,
			  uint64_t entered_ns, struct tws_event *event)
{
	if (!owners->by_tuple.entries && index_tuples(owners))
		return false;
	return look_up(owners, &owners->by_tuple, hash_tuple(owners, key), same_tuple, key,
		       event)->place &&
	       owners__accept(event, key, cookie, entered_ns);
}

bool owners__find(struct owners *owners, const struct tws_key *key, uint64_t cookie,
		  uint64_t entered_ns, struct tws_event *event)
{
	struct tws_event found;

	if (!(cookie && find_by_cookie(owners, key, cookie, entered_ns, &found)) &&
	    !((!cookie || owners->without_cookie) &&
	      find_by_tuple(owners, key, cookie, entered_ns, &found)))
		return false;
	*event = found;
	return true;
}

uint64_t owners__oldest_ns(const struct owners *owners)
{
	return owners->oldest_ns;
}

/* ---- the whole ---- */

int owners__new(struct owners **ownersp, const struct tws_record *records, uint32_t num_records,
		uint64_t next, uint64_t seed)
{
	struct owners *owners;
	int err;

	if (!num_records || num_records > OWNERS_MAX_RECORDS || num_records & (num_records - 1))
		return -EINVAL;
	owners = calloc(1, sizeof(*owners));
	if (!owners)
		return -ENOMEM;
	owners->records = records;
	owners->mask = num_records - 1;
	owners->to = next & INT64_MAX; /* no kernel gets so far: positions can be added to */
	owners->from = owners->to > num_records ? owners->to - num_records : 0;
	owners->seed = seed;
	err = index_cookies(owners);
	if (err) {
		owners__free(owners);
		return err;
	}
	*ownersp = owners;
	return 0;
}

void owners__free(struct owners *owners)
{
	if (!owners)
		return;
	free_index(&owners->by_cookie);
	free_index(&owners->by_tuple);
	free(owners);
}

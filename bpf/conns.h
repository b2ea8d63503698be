/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of connections between opening and CLOSE, by struct sock *.
 *
 * A connection's two ends are handled on two CPUs more often than not, so that
 * what a look-up costs is the cache lines that have to come over from the other
 * one: a BPF hash map touches many. This table is two plain arrays, whose
 * look-ups the JIT compiles into a few instructions. For an end that does not
 * close first, one line is all that is ever touched. An address may stand in
 * any way of TWS_PROBES sets. A way is claimed by compare-and-swap of its tag;
 * the rest is written by its owner alone, because the transitions of one socket
 * are serialised by that socket's lock.
 *
 * Kernels before 5.12 know no atomic operation that returns a value: for them
 * the object is built a second time, without TWS_ATOMIC, over a hash map.
 */
#ifndef TWSNOOP_BPF_CONNS_H
#define TWSNOOP_BPF_CONNS_H

#include "twsnoop.h"

#include "table.h"

/*
 * A number for a socket's address. The verifier allows no arithmetic on a
 * kernel pointer but the subtraction of another pointer; any will do whose
 * value is the same for all programs of the object.
 */
static __always_inline __u64 sock_key(const struct tcp_sock *tp)
{
	return (const volatile char *)tp - (const volatile char *)&tws;
}

struct conn_ref {
	struct tws_way *way;
	__u64 key;
	__u32 index; /* of the slot */
	bool stale;  /* claimed, and it was there already */
};

#ifdef TWS_ATOMIC

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct tws_set);
} tws_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TWS_WAYS << 16);
	__type(key, __u32);
	__type(value, struct tws_slot);
} tws_slots SEC(".maps");

/*
 * Which of a set's tags are @key, a bit each. Without a branch: the verifier
 * would follow everything that comes after for each way apart.
 */
static __always_inline __u32 ways_of(const struct tws_set *set, __u64 key)
{
	__u64 ways = 0;

#pragma unroll
	for (int i = 0; i < TWS_WAYS; i++) {
		__u64 differs = set->way[i].tag ^ key;

		differs |= -differs;
		barrier_var(differs); /* or clang makes a comparison of it again */
		ways |= (differs >> 63 ^ 1) << i;
	}
	return ways;
}

static __always_inline void ref_way(struct conn_ref *ref, __u64 key, struct tws_set *set,
				    __u32 set_index, __u32 way)
{
	ref->way = &set->way[way & (TWS_WAYS - 1)];
	ref->key = key;
	ref->index = set_index * TWS_WAYS + way;
}

static __always_inline bool conn_find(struct conn_ref *ref, __u64 key)
{
	for (int probe = 0; probe < TWS_PROBES; probe++) {
		__u32 index = tws_set_of(key, probe, tws.set_mask);
		struct tws_set *set = bpf_map_lookup_elem(&tws_sets, &index);
		__u32 ways;

		if (!set)
			return false;
		ways = ways_of(set, key);
		if (ways) {
			ref_way(ref, key, set, index, tws_first_way(ways));
			return true;
		}
	}
	return false;
}

/*
 * The way of @key, or a free one. A tag left from an earlier life of the same
 * address (its CLOSE was skipped) is taken over, so that skips leak nothing:
 * look for it in a set before claiming there. A way that another CPU snatches
 * first is given up for the next set.
 */
static __always_inline bool claim(struct conn_ref *ref, __u64 key, __u64 tag)
{
	ref->stale = false;
	for (int probe = 0; probe < TWS_PROBES; probe++) {
		__u32 index = tws_set_of(key, probe, tws.set_mask);
		struct tws_set *set = bpf_map_lookup_elem(&tws_sets, &index);
		__u32 ways, way;

		if (!set)
			return false;
		ways = ways_of(set, key);
		if (ways) {
			ref_way(ref, key, set, index, tws_first_way(ways));
			ref->stale = true;
			return true;
		}
		ways = ways_of(set, 0);
		if (!ways)
			continue;
		way = tws_first_way(ways);
		if (!__sync_val_compare_and_swap(&set->way[way].tag, 0, tag)) {
			ref_way(ref, key, set, index, way);
			return true;
		}
	}
	COUNT(table_full);
	return false;
}

static __always_inline bool conn_claim(struct conn_ref *ref, __u64 key)
{
	return claim(ref, key, key);
}

/* A way for @key that nobody finds before conn_publish(). */
static __always_inline bool conn_reserve(struct conn_ref *ref, __u64 key)
{
	return claim(ref, key, TWS_TAG_BUSY);
}

static __always_inline void conn_publish(struct conn_ref *ref)
{
	__sync_lock_test_and_set(&ref->way->tag, ref->key);
}

/*
 * Gives the way back. A full barrier: the slot was read before anyone else may
 * claim it. Of two programs that release the same one, the one that gets true
 * was the first.
 */
static __always_inline bool conn_release(struct conn_ref *ref)
{
	return __sync_val_compare_and_swap(&ref->way->tag, ref->key, 0) == ref->key;
}

static __always_inline struct tws_slot *conn_slot(const struct conn_ref *ref)
{
	return bpf_map_lookup_elem(&tws_slots, &ref->index);
}

#else /* !TWS_ATOMIC */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TWS_WAYS << 16);
	__type(key, __u64);
	__type(value, struct tws_entry);
} tws_conns SEC(".maps");

static __always_inline bool conn_find(struct conn_ref *ref, __u64 key)
{
	struct tws_entry *entry = bpf_map_lookup_elem(&tws_conns, &key);

	ref->key = key;
	ref->way = entry ? &entry->way : NULL;
	return entry;
}

static __always_inline bool conn_claim(struct conn_ref *ref, __u64 key)
{
	struct tws_entry none = {};

	bpf_map_update_elem(&tws_conns, &key, &none, BPF_NOEXIST);
	if (conn_find(ref, key))
		return true;
	COUNT(table_full);
	return false;
}

/* Only a mini-socket that is in TIME_WAIT already is kept here: no race. */
static __always_inline bool conn_reserve(struct conn_ref *ref, __u64 key)
{
	return conn_claim(ref, key);
}

static __always_inline void conn_publish(struct conn_ref *ref)
{
}

static __always_inline bool conn_release(struct conn_ref *ref)
{
	return !bpf_map_delete_elem(&tws_conns, &ref->key);
}

static __always_inline struct tws_slot *conn_slot(const struct conn_ref *ref)
{
	return &((struct tws_entry *)ref->way)->slot;
}

#endif

/* The slot of a connection whose FIN was sent. */
static __always_inline struct tws_slot *conn_filled_slot(const struct conn_ref *ref)
{
	return ref->way->open & TWS_OPEN_FIN ? conn_slot(ref) : NULL;
}

#endif

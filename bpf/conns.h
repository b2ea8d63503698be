/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of connections between opening and CLOSE, by struct sock *.
 *
 * A BPF hash map costs 50 to 100 ns for each insertion and deletion; two of
 * each for every connection were most of what twsnoop cost. This table is two
 * plain arrays, whose look-ups the JIT compiles into a few instructions: a set
 * of tags that fills one cache line, and the slots. An address may stand in
 * any slot of TWS_PROBES sets. A slot is claimed by compare-and-swap of its tag;
 * what it holds is written by its owner alone, because the transitions of one
 * socket are serialised by that socket's lock.
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
	struct tws_slot *slot;
	__u64 *tag;
	__u64 key;
};

#ifdef TWS_ATOMIC

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 15);
	__type(key, __u32);
	__type(value, struct tws_set);
} tws_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TWS_WAYS << 15);
	__type(key, __u32);
	__type(value, struct tws_slot);
} tws_slots SEC(".maps");

/*
 * Which of a set's tags are @key, a bit each. Without a branch: the verifier
 * would follow everything that comes after for each way apart.
 */
static __always_inline __u64 ways_of(const struct tws_set *set, __u64 key)
{
	__u64 ways = 0;

#pragma unroll
	for (int way = 0; way < TWS_WAYS; way++) {
		__u64 differs = set->tag[way] ^ key;

		differs |= -differs;
		barrier_var(differs); /* or clang makes a comparison of it again */
		ways |= (differs >> 63 ^ 1) << way;
	}
	return ways;
}

/* The place of the lowest bit of @ways, which is not 0 and below 1 << 8. */
static __always_inline __u32 first_way(__u64 ways)
{
	__u64 below = (ways & -ways) - 1;

	below -= below >> 1 & 0x55;
	below = (below & 0x33) + (below >> 2 & 0x33);
	return ((below >> 4) + below) & (TWS_WAYS - 1);
}

static __always_inline bool ref_slot(struct conn_ref *ref, __u64 key, struct tws_set *set,
				     __u32 set_index, __u32 way)
{
	__u32 index = set_index * TWS_WAYS + way;

	ref->slot = bpf_map_lookup_elem(&tws_slots, &index);
	ref->tag = &set->tag[way];
	ref->key = key;
	return ref->slot;
}

static __always_inline bool conn_find(struct conn_ref *ref, __u64 key)
{
	for (int probe = 0; probe < TWS_PROBES; probe++) {
		__u32 index = tws_set_of(key, probe, tws.set_mask);
		struct tws_set *set = bpf_map_lookup_elem(&tws_sets, &index);
		__u64 ways;

		if (!set)
			return false;
		ways = ways_of(set, key);
		if (ways)
			return ref_slot(ref, key, set, index, first_way(ways));
	}
	return false;
}

/*
 * The slot of @key, or a free one. A tag left from an earlier life of the same
 * address (its CLOSE was skipped) is taken over, so that skips leak no slots:
 * look for it in a set before claiming there. A way that another CPU snatches
 * first is given up for the next set.
 */
static __always_inline bool conn_claim(struct conn_ref *ref, __u64 key)
{
	for (int probe = 0; probe < TWS_PROBES; probe++) {
		__u32 index = tws_set_of(key, probe, tws.set_mask);
		struct tws_set *set = bpf_map_lookup_elem(&tws_sets, &index);
		__u64 ways;
		__u32 way;

		if (!set)
			return false;
		ways = ways_of(set, key);
		if (ways)
			return ref_slot(ref, key, set, index, first_way(ways));
		ways = ways_of(set, 0);
		if (!ways)
			continue;
		way = first_way(ways);
		if (!__sync_val_compare_and_swap(&set->tag[way], 0, key))
			return ref_slot(ref, key, set, index, way);
	}
	COUNT(table_full);
	return false;
}

/*
 * Gives the slot back. A full barrier: it was read before anyone else may claim
 * it. Of two programs that release the same one, the one that gets true was
 * the first.
 */
static __always_inline bool conn_release(struct conn_ref *ref)
{
	return __sync_val_compare_and_swap(ref->tag, ref->key, 0) == ref->key;
}

#else /* !TWS_ATOMIC */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TWS_WAYS << 15);
	__type(key, __u64);
	__type(value, struct tws_slot);
} tws_conns SEC(".maps");

static __always_inline bool conn_find(struct conn_ref *ref, __u64 key)
{
	ref->key = key;
	ref->slot = bpf_map_lookup_elem(&tws_conns, &key);
	return ref->slot;
}

static __always_inline bool conn_claim(struct conn_ref *ref, __u64 key)
{
	struct tws_slot none = {};

	bpf_map_update_elem(&tws_conns, &key, &none, BPF_NOEXIST);
	if (conn_find(ref, key))
		return true;
	COUNT(table_full);
	return false;
}

static __always_inline bool conn_release(struct conn_ref *ref)
{
	return !bpf_map_delete_elem(&tws_conns, &ref->key);
}

#endif

/* The slot of @key, emptied: whatever had this address before is gone. */
static __always_inline struct tws_conn *conn_open(__u64 key)
{
	struct conn_ref ref;

	if (!conn_claim(&ref, key))
		return NULL;
	__builtin_memset(&ref.slot->conn, 0, sizeof(ref.slot->conn));
	return &ref.slot->conn;
}

#endif

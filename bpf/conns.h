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

static __always_inline bool ref_slot(struct conn_ref *ref, __u64 key, __u32 set, int way)
{
	__u32 index = set * TWS_WAYS + way;

	ref->slot = bpf_map_lookup_elem(&tws_slots, &index);
	ref->key = key;
	return ref->slot;
}

static __always_inline bool conn_find(struct conn_ref *ref, __u64 key)
{
	for (int probe = 0; probe < TWS_PROBES; probe++) {
		__u32 index = tws_set_of(key, probe, tws.set_mask);
		struct tws_set *set = bpf_map_lookup_elem(&tws_sets, &index);

		if (!set)
			return false;
#pragma unroll
		for (int way = 0; way < TWS_WAYS; way++)
			if (set->tag[way] == key) {
				ref->tag = &set->tag[way];
				return ref_slot(ref, key, index, way);
			}
	}
	return false;
}

/*
 * The slot of @key, or a free one. A tag left from an earlier life of the same
 * address (its CLOSE was skipped) is taken over, so that skips leak no slots:
 * look for it in a set before claiming there.
 */
static __always_inline bool conn_claim(struct conn_ref *ref, __u64 key)
{
	for (int probe = 0; probe < TWS_PROBES; probe++) {
		__u32 index = tws_set_of(key, probe, tws.set_mask);
		struct tws_set *set = bpf_map_lookup_elem(&tws_sets, &index);

		if (!set)
			return false;
#pragma unroll
		for (int way = 0; way < TWS_WAYS; way++)
			if (set->tag[way] == key) {
				ref->tag = &set->tag[way];
				return ref_slot(ref, key, index, way);
			}
#pragma unroll
		for (int way = 0; way < TWS_WAYS; way++)
			if (!set->tag[way] &&
			    !__sync_val_compare_and_swap(&set->tag[way], 0, key)) {
				ref->tag = &set->tag[way];
				return ref_slot(ref, key, index, way);
			}
	}
	COUNT(table_full);
	return false;
}

/* A full barrier: the slot was read before anyone else may claim it. */
static __always_inline void conn_release(struct conn_ref *ref)
{
	__sync_lock_test_and_set(ref->tag, 0);
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

static __always_inline void conn_release(struct conn_ref *ref)
{
	bpf_map_delete_elem(&tws_conns, &ref->key);
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

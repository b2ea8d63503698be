/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of connections between their opening and their FIN, by struct sock *.
 *
 * What a look-up costs is the cache lines that have to come over from the CPU that
 * handles the connection's other end: a BPF hash map touches many. This table is a
 * plain array, whose look-ups the JIT compiles into a few instructions; an entry is
 * one line, and may stand in any of sixteen places. Sockets come from a slab that
 * hands out the same addresses again and again: an entry stays an address's for good,
 * so that only its first use needs a compare-and-swap. All the rest is written by the
 * socket's transitions alone, which its lock serialises.
 *
 * Nobody gives back the entry of a server's end whose peer closed first: that would
 * fetch the line for nothing. The next socket at the same address takes it over. An
 * address that finds no room takes the entry of one that is not in use, or whose
 * socket is dead. Should that one come to life in the same moment, both write: then
 * the check of the entry is wrong, and neither believes it.
 *
 * Kernels before 5.12 know no atomic operation that returns a value: for them
 * the object is built a second time, without TWS_ATOMIC, over a hash map.
 */
#ifndef TWSNOOP_BPF_OPENS_H
#define TWSNOOP_BPF_OPENS_H

#include "ring.h"

/*
 * A number for a socket's address. The verifier allows no arithmetic on a
 * kernel pointer but the subtraction of another pointer; any will do whose
 * value is the same for all programs of the object.
 */
static __always_inline __u64 sock_key(const struct tcp_sock *tp)
{
	return (const volatile char *)tp - (const volatile char *)&tws;
}

#ifdef TWS_ATOMIC

#define PROBES 16 /* four groups of four neighbours */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 18);
	__type(key, __u32);
	__type(value, struct tws_open);
} tws_opens SEC(".maps");

/*
 * Sockets that lie side by side have their entries side by side: the slab hands out a
 * page's sockets one after the other, and so a page of the table serves many of
 * them, where a hash would touch a page, and miss the TLB, for each. What finds its
 * neighbourhood full is scattered, by Fibonacci hashing.
 */
static __always_inline __u32 open_index(__u64 key, __u32 probe)
{
	__u64 hash = key * 0x9e3779b97f4a7c15ULL;

	if (probe < 4) /* a struct tcp_sock is larger than 2 KiB */
		return ((key >> 11) + (key >> 29) * 40503 + probe) & tws.open_mask;
	return (hash >> (38 - 4 * (probe / 4)) ^ probe % 4) & tws.open_mask;
}

static __always_inline __u64 open_check(const struct tws_open *open, __u64 key)
{
	return key ^ open->open ^ (__u64)open->opener_tgid << 32;
}

static __always_inline struct tws_open *open_find(const struct tcp_sock *tp)
{
	__u64 key = sock_key(tp);

	for (int i = 0; i < PROBES; i++) {
		__u32 index = open_index(key, i);
		struct tws_open *open = bpf_map_lookup_elem(&tws_opens, &index);

		if (!open || !open->tag) /* none was ever claimed further on */
			return NULL;
		if (open->tag == key)
			return open->open && open->check == open_check(open, key) ? open :
										   NULL;
	}
	return NULL;
}

/*
 * Whether the socket that has this tag has died. It is found from the address of
 * @tp, which is alive. Sockets' memory is SLAB_TYPESAFE_BY_RCU, or has become
 * anything: what looks alive is left alone.
 */
static __always_inline bool looks_dead(const struct tcp_sock *tp, __u64 tag)
{
	const struct sock_common *skc;
	__u64 addr, key = sock_key(tp);
	__u16 family = 0;
	__u8 state = 0;

	/* The pointer as a number. */
	if (bpf_probe_read_kernel(&addr, sizeof(addr), &tp))
		return false;
	barrier_var(key); /* or clang does sums with the map's address */
	addr += tag - key;
	skc = (const void *)addr;
	if (bpf_probe_read_kernel(&state, sizeof(state), (const void *)&skc->skc_state) ||
	    bpf_probe_read_kernel(&family, sizeof(family), &skc->skc_family))
		return true;
	return state == BPF_TCP_CLOSE || state == 0 || state >= BPF_TCP_MAX_STATES ||
	       (family != AF_INET && family != AF_INET6);
}

static RARE struct tws_open *open_evict(const struct tcp_sock *tp, __u64 key)
{
	for (int i = 0; i < PROBES; i++) {
		__u32 index = open_index(key, i);
		struct tws_open *open = bpf_map_lookup_elem(&tws_opens, &index);
		__u64 tag;

		if (!open)
			continue;
		tag = open->tag;
		if ((!open->open || looks_dead(tp, tag)) &&
		    __sync_val_compare_and_swap(&open->tag, tag, key) == tag)
			return open;
	}
	COUNT(table_full);
	return NULL;
}

/* The entry of @tp, whatever an earlier life of its address has left there, or a
 * free one. */
static __always_inline struct tws_open *open_claim(const struct tcp_sock *tp)
{
	__u64 key = sock_key(tp);

	for (int i = 0; i < PROBES; i++) {
		__u32 index = open_index(key, i);
		struct tws_open *open = bpf_map_lookup_elem(&tws_opens, &index);
		__u64 tag;

		if (!open)
			return NULL;
		tag = open->tag;
		if (tag == key ||
		    (!tag && !__sync_val_compare_and_swap(&open->tag, 0, key)))
			return open;
	}
	return open_evict(tp, key);
}

/* The rest of @open is written. */
static __always_inline void open_publish(const struct tcp_sock *tp, struct tws_open *open,
					 __u64 stamp)
{
	open->open = stamp;
	open->check = open_check(open, sock_key(tp));
}

/* The entry was read before anyone else may take it. */
static __always_inline void open_release(const struct tcp_sock *tp, struct tws_open *open)
{
	STORE_RELEASE(&open->open, 0);
}

#else /* !TWS_ATOMIC */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__type(key, __u64);
	__type(value, struct tws_open);
} tws_opens SEC(".maps");

static __always_inline struct tws_open *open_find(const struct tcp_sock *tp)
{
	__u64 key = sock_key(tp);

	return bpf_map_lookup_elem(&tws_opens, &key);
}

static __always_inline struct tws_open *open_claim(const struct tcp_sock *tp)
{
	__u64 key = sock_key(tp);
	struct tws_open none = {};
	struct tws_open *open;

	bpf_map_update_elem(&tws_opens, &key, &none, BPF_ANY);
	open = bpf_map_lookup_elem(&tws_opens, &key);
	if (!open)
		COUNT(table_full);
	return open;
}

static __always_inline void open_publish(const struct tcp_sock *tp, struct tws_open *open,
					 __u64 stamp)
{
	open->open = stamp;
}

static __always_inline void open_release(const struct tcp_sock *tp, struct tws_open *open)
{
	__u64 key = sock_key(tp);

	bpf_map_delete_elem(&tws_opens, &key);
}

#endif

/* Whether the entry is given back at the FIN. Where CLOSE has to know whether a
 * filter let that pass, or what its id is, it stays until then. */
static __always_inline bool open_ends_with_fin(void)
{
#ifdef TWS_ATOMIC
	return !tws.has_filter;
#else
	return false;
#endif
}

static __always_inline void open_drop(const struct tcp_sock *tp)
{
	struct tws_open *open = open_find(tp);

	if (open)
		open_release(tp, open);
}

static __always_inline __u8 open_side(const struct tws_open *open)
{
	return open->open >> TWS_OPEN_SIDE;
}

static __always_inline __u64 open_stamp(__u8 side)
{
	return bpf_ktime_get_ns() | (__u64)side << TWS_OPEN_SIDE;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of connections between their opening and their FIN, by struct sock *.
 *
 * What a look-up costs is the cache lines that have to come over from the CPU that
 * handles the connection's other end, and the pages that the TLB does not have: a BPF
 * hash map touches many. This table is a plain array, whose look-ups the JIT compiles
 * into a few instructions; two entries share a line, and an entry may stand in any of
 * sixteen places. Sockets come from a slab that hands out the same addresses again and
 * again: an entry stays an address's for good. All but its taking over is written by the
 * socket's transitions alone, which its lock serialises.
 *
 * Nobody gives back the entry of a server's end whose peer closed first: that would
 * fetch the line for nothing. The next socket at the same address takes it over. An
 * address that finds no room takes the entry of one that is not in use, or whose
 * socket is dead. Who takes an entry over, its own one too, first makes it busy: then
 * nobody else touches it until it is published.
 *
 * Kernels before 5.12 know no atomic operation that returns a value: for them
 * the object is built a second time, without TWS_ATOMIC, over a hash map.
 */
#ifndef TWSNOOP_BPF_OPENS_H
#define TWSNOOP_BPF_OPENS_H

#include "ring.h"

struct tws_open {
	__u64 tag;  /* whose it is: see tag_of(); 0: nobody's yet */
	__u64 open; /* CLOCK_MONOTONIC in ns, and OPEN_*; 0: not in use */
	char opener_comm[TWS_COMM_LEN]; /* the last byte, which is NUL in any name: see open_mark() */
#ifndef TWS_ATOMIC
	__u64 id; /* as in tws_ending, once a FIN was sent */
#endif
};

/* In tws_open.tag, from the lowest bit: the socket, and the opener's tgid (0: none;
 * never more than 22 bits, PID_MAX_LIMIT). */
#define TAG_SOCKET_BITS 42
#define TAG_SOCKET ((1ULL << TAG_SOCKET_BITS) - 1)

/* In tws_open.open. */
#define OPEN_SIDE 62 /* the two top bits: enum tws_side */
#define OPEN_MATCHED (1ULL << 61) /* a filter let its FIN pass */
#define OPEN_FIN_UNCOUNTED (1ULL << 60) /* as TWS_F_FIN_UNCOUNTED */
#define OPEN_NS (OPEN_FIN_UNCOUNTED - 1) /* 36 years */
#define OPEN_UNKNOWN 1 /* in use, but the opening was not seen */
#define OPEN_BUSY 2    /* being taken over */

/*
 * Sockets are aligned to cache lines, and lie in the kernel's linear map, as far apart as the
 * machine's memory does: so many bits tell those of 256 TiB apart. That is the whole kernel
 * half of an address space of 48 bits. Where there are more (five levels of page tables,
 * arm64 with VA_BITS 52), the map is wider, but the memory in it is not: the banks that a
 * machine's physical address space has furthest from one another are 64 TiB apart or so.
 */
static __always_inline __u64 tag_of(__u64 key)
{
	return key >> 6 & TAG_SOCKET;
}

static __always_inline __u64 make_tag(__u64 key, __u32 tgid)
{
	return (__u64)tgid << TAG_SOCKET_BITS | tag_of(key);
}

static __always_inline __u32 opener_of(const struct tws_open *open)
{
	return open->tag >> TAG_SOCKET_BITS;
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

static __always_inline struct tws_open *open_at(__u32 index)
{
	__u64 key = index; /* a whole word: see this_cpu() */

	return bpf_map_lookup_elem(&tws_opens, &key);
}

/* Probe 0 nearly always finds it: only that one is compiled into the callers. */
static __always_inline struct tws_open *place_of(__u64 key, __u32 probe)
{
	return open_at(open_index(key, probe));
}

static __always_inline bool is_of(const struct tws_open *open, __u64 key)
{
	return (open->tag & TAG_SOCKET) == tag_of(key);
}

/* @word is what its .open holds. */
static __always_inline bool is_in_use(__u64 word)
{
	return word && word != OPEN_BUSY;
}

/* The other fifteen places are looked at by functions of global linkage (see VERIFIED_ONCE),
 * which can return numbers only: the index of an entry, or NOWHERE. */
#define NOWHERE 0xffffffffU

VERIFIED_ONCE __u32 tws_find_further(__u64 key)
{
	for (int i = 1; i < PROBES; i++) {
		struct tws_open *open = place_of(key, i);

		if (!open || !open->tag) /* none was ever claimed further on */
			break;
		if (is_in_use(load_acquire(&open->open)) && is_of(open, key))
			return open_index(key, i);
	}
	return NOWHERE;
}

/*
 * The entry of @sk, if it is in use. That is read before the tag: whoever takes over an entry
 * that is not in use writes the tag first, and publishes it then. The other way round an entry
 * that was free could be another's by the time that it is found to be in use. One that is in
 * use and has our tag stays ours as long as we live.
 */
static __always_inline struct tws_open *open_find(const struct sock *sk)
{
	__u64 key = number_of(sk);
	struct tws_open *open = place_of(key, 0);
	__u64 word;

	if (!open)
		return NULL;
	word = load_acquire(&open->open);
	if (!open->tag)
		return NULL;
	if (is_of(open, key))
		return is_in_use(word) ? open : NULL;
	return open_at(tws_find_further(key));
}

/*
 * Whether the socket that has this tag has died. It is found from a socket that is
 * alive, its @key and its @addr. Sockets' memory is SLAB_TYPESAFE_BY_RCU, or has become
 * anything: what looks alive is left alone.
 */
static __always_inline bool looks_dead(__u64 key, __u64 addr, __u64 tag)
{
	const struct sock_common *skc;
	__u16 family = 0;
	__u8 state = 0;

	/* From our address to the other's: the difference of the tags is that of the addresses, in
	 * cache lines, and may be negative. */
	addr += (__s64)((tag - tag_of(key)) << (64 - TAG_SOCKET_BITS)) >>
		(64 - TAG_SOCKET_BITS - 6);
	skc = (const void *)addr;
	if (bpf_probe_read_kernel(&state, sizeof(state), (const void *)&skc->skc_state) ||
	    bpf_probe_read_kernel(&family, sizeof(family), &skc->skc_family))
		return true;
	return state == BPF_TCP_CLOSE || state == 0 || state >= BPF_TCP_MAX_STATES ||
	       (family != AF_INET && family != AF_INET6);
}

/*
 * Of an entry two words were read: @old, its .open, and then @tag, which allows to take it.
 * If .open is the same still, nobody has taken it over in between. But where a processor may
 * have read the two the other way round, the tag can be older than @old: it is looked at once
 * more now that nobody else may change it, and if it is another, the entry is given back.
 */
static __always_inline bool take_over(struct tws_open *open, __u64 old, __u64 tag, __u64 key,
				      __u32 tgid)
{
	if (old == OPEN_BUSY ||
	    __sync_val_compare_and_swap(&open->open, old, OPEN_BUSY) != old)
		return false;
	if (!LOADS_KEEP_ORDER && *(volatile __u64 *)&open->tag != tag) {
		__sync_val_compare_and_swap(&open->open, OPEN_BUSY, old);
		return false;
	}
	open->tag = make_tag(key, tgid);
	return true;
}

/* A place that is @key's, or nobody's yet. */
static __always_inline bool claim_place(struct tws_open *open, __u64 key, __u32 tgid)
{
	__u64 old = open->open, tag;

	barrier(); /* before its tag: whoever changes that makes it busy */
	tag = open->tag;
	return (!tag || (tag & TAG_SOCKET) == tag_of(key)) &&
	       take_over(open, old, tag, key, tgid);
}

VERIFIED_ONCE __u32 tws_claim(__u32 index, __u64 key, __u32 tgid)
{
	struct tws_open *open = open_at(index);

	return open && claim_place(open, key, tgid);
}

/* The place of a socket that has died. */
VERIFIED_ONCE __u32 tws_evict(__u32 index, __u64 key, __u64 addr, __u32 tgid)
{
	struct tws_open *open = open_at(index);
	__u64 old, tag;

	if (!open)
		return false;
	old = open->open;
	barrier(); /* as in claim_place() */
	tag = open->tag;
	return (!old || looks_dead(key, addr, tag)) && take_over(open, old, tag, key, tgid);
}

VERIFIED_ONCE __u32 tws_claim_further(__u64 key, __u64 addr, __u32 tgid)
{
	__u32 index;

	for (int i = 1; i < PROBES; i++) {
		index = open_index(key, i);
		if (tws_claim(index, key, tgid))
			return index;
	}
	for (int i = 0; i < PROBES; i++) {
		index = open_index(key, i);
		if (tws_evict(index, key, addr, tgid))
			return index;
	}
	COUNT(table_full);
	return NOWHERE;
}

static OUT_OF_LINE struct tws_open *open_claim_further(const struct sock *sk, __u64 key, __u32 tgid)
{
	__u64 addr = address_of(sk);

	return addr ? open_at(tws_claim_further(key, addr, tgid)) : NULL;
}

/* The entry of @sk, whatever an earlier life of its address has left there, or a
 * free one. Then fill it, and open_publish(). */
static __always_inline struct tws_open *open_claim(const struct sock *sk, __u32 tgid)
{
	__u64 key = number_of(sk);
	struct tws_open *open = place_of(key, 0);

	if (!open)
		return NULL;
	if (claim_place(open, key, tgid))
		return open;
	return open_claim_further(sk, key, tgid);
}

/* A filter has let the FIN with this @id pass: CLOSE will ask. */
static __always_inline void open_keep_id(struct tws_open *open, __u64 id)
{
	(void)id; /* the socket's cookie */
	open->open |= OPEN_MATCHED;
}

static __always_inline __u64 open_id(const struct tws_open *open, __u64 cookie)
{
	return open->open & OPEN_MATCHED ? cookie : 0;
}

/* Gives the entry back; what it holds has been read by now. */
static __always_inline void open_release(const struct sock *sk, struct tws_open *open)
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

static __always_inline struct tws_open *open_find(const struct sock *sk)
{
	__u64 key = number_of(sk);

	return bpf_map_lookup_elem(&tws_opens, &key);
}

static __always_inline struct tws_open *open_claim(const struct sock *sk, __u32 tgid)
{
	__u64 key = number_of(sk);
	struct tws_open fresh = { .tag = make_tag(key, tgid) };
	struct tws_open *open;

	bpf_map_update_elem(&tws_opens, &key, &fresh, BPF_ANY);
	open = bpf_map_lookup_elem(&tws_opens, &key);
	if (!open)
		COUNT(table_full);
	return open;
}

static __always_inline void open_keep_id(struct tws_open *open, __u64 id)
{
	open->id = id;
	open->open |= OPEN_MATCHED;
}

static __always_inline __u64 open_id(const struct tws_open *open, __u64 cookie)
{
	(void)cookie; /* not to be had from a tracing program */
	return open->open & OPEN_MATCHED ? open->id : 0;
}

static __always_inline void open_release(const struct sock *sk, struct tws_open *open)
{
	__u64 key = number_of(sk);

	bpf_map_delete_elem(&tws_opens, &key);
}

#endif

/* Whether the entry stays its address's for good. Else it takes room until it is dropped. */
static __always_inline bool open_outlives_socket(void)
{
#ifdef TWS_ATOMIC
	return true;
#else
	return false;
#endif
}

/* Whether the entry is given back at the FIN. Where CLOSE has to know whether a
 * filter let that pass, or what its id is, it stays until then. */
static __always_inline bool open_ends_with_fin(void)
{
	return open_outlives_socket() && (!tws.has_filter || tws.attached);
}

static __always_inline void open_drop(const struct sock *sk)
{
	struct tws_open *open = open_find(sk);

	if (open)
		open_release(sk, open);
}

static __always_inline __u8 open_side(const struct tws_open *open)
{
	return open->open >> OPEN_SIDE;
}

/* CLOCK_MONOTONIC, 0: not known. */
static __always_inline __u64 open_time_ns(const struct tws_open *open)
{
	__u64 ns = open->open & OPEN_NS;

	return ns == OPEN_UNKNOWN ? 0 : ns;
}

/* Ends what open_claim() began: the rest of @open is written. @ns: CLOCK_MONOTONIC, 0: not
 * known. */
static __always_inline void open_publish(struct tws_open *open, __u8 side, __u64 ns)
{
	STORE_RELEASE(&open->open, (ns ?: OPEN_UNKNOWN) | (__u64)side << OPEN_SIDE);
}

static __always_inline void open_publish_unknown(struct tws_open *open)
{
	STORE_RELEASE(&open->open, OPEN_UNKNOWN);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking the kernel's own table whether a socket that has just reached CLOSE
 * left a mini-socket (struct inet_timewait_sock) behind.
 */
#ifndef TWSNOOP_BPF_TIMEWAIT_H
#define TWSNOOP_BPF_TIMEWAIT_H

#include "tuple.h"

/* Chains longer than 4 were never seen. A walk that is not at its end after so many steps is
 * given up and counted; a snapshot finds the socket later. */
#define MAX_STEPS 24

struct mini {
	__u64 addr;   /* of the mini-socket: opaque, 0 if there is none */
	__u64 cookie;
	__u8 substate; /* TCP_TIME_WAIT or TCP_FIN_WAIT2 */
	__u8 pad[7];   /* initialised too: functions of global linkage want whole memory */
};

enum found { FOUND_NONE, FOUND_MINI, FOUND_UNKNOWN };

static __always_inline struct inet_timewait_death_row *death_row_of(const struct sock *sk)
{
	const struct sock_common *skc = &sk->__sk_common;
	struct net *net = skc->skc_net.net;

	if (bpf_core_field_exists(((struct net___pointer *)0)->ipv4.tcp_death_row))
		return BPF_CORE_READ((struct net___pointer *)net, ipv4.tcp_death_row);
	return &net->ipv4.tcp_death_row;
}

static __always_inline struct inet_hashinfo *hashinfo_of(const struct sock *sk)
{
	const struct sock_common *skc = &sk->__sk_common;
	struct net *net = skc->skc_net.net;

	if (bpf_core_field_exists(((struct net___pointer *)0)->ipv4.tcp_death_row))
		return BPF_CORE_READ((struct net___pointer *)net, ipv4.tcp_death_row, hashinfo);
	return net->ipv4.tcp_death_row.hashinfo;
}

/* Mini-sockets of the namespace, FIN_WAIT2 ones included. */
static __always_inline int timewait_count(const struct inet_timewait_death_row *row)
{
	if (bpf_core_field_exists(row->tw_refcount))
		return BPF_CORE_READ(row, tw_refcount.refs.counter) - 1;
	return BPF_CORE_READ((const struct inet_timewait_death_row___count *)row,
			     tw_count.counter);
}

static __always_inline int timewait_limit(const struct inet_timewait_death_row *row)
{
	return BPF_CORE_READ(row, sysctl_max_tw_buckets);
}

/* The mini-socket that is looked for: where, and what it has of the socket it comes from. */
struct sought {
	__u64 head; /* of the chain: an address */
	const struct net *net;
	struct in6_addr v6_daddr, v6_rcv_saddr;
	__u32 bucket;
	__u32 hash;
	__be32 daddr, rcv_saddr;
	__be16 dport;
	__u16 num;
	__u16 family;
	__u16 pad; /* initialised, as that of struct mini */
	__u32 ifindex;
	__u32 more_pad;
};

static __always_inline void seek(struct sought *sought, const struct sock *sk,
				 const struct tcp_sock *tp)
{
	const struct sock_common *skc = &sk->__sk_common;
	const struct inet_hashinfo *info = hashinfo_of(sk);

	sought->bucket = skc->skc_hash & info->ehash_mask;
	sought->head = address_of(&info->ehash[sought->bucket].chain.first);
	sought->net = skc->skc_net.net;
	sought->hash = skc->skc_hash;
	sought->daddr = skc->skc_daddr;
	sought->rcv_saddr = skc->skc_rcv_saddr;
	sought->v6_daddr = skc->skc_v6_daddr;
	sought->v6_rcv_saddr = skc->skc_v6_rcv_saddr;
	sought->dport = skc->skc_dport;
	sought->num = local_port_of(tp);
	sought->family = skc->skc_family;
	sought->pad = 0;
	sought->ifindex = skc->skc_bound_dev_if;
	sought->more_pad = 0;
}

static __always_inline bool same_in6(const struct in6_addr *a, const void *b)
{
	const __u64 *x = (const void *)a, *y = b;

	return x[0] == y[0] && x[1] == y[1];
}

/* One field of a mini-socket's copy, at the offset it has in this kernel. */
#define MINI_FIELD(copy, field)                                                \
	(*(typeof(((struct inet_timewait_sock *)0)->field) *)((copy) +         \
		bpf_core_field_offset(struct inet_timewait_sock, field)))

#define MINI_COPY_BYTES 104 /* room for all up to skc_cookie: 96 from 5.10 to 7.3 */

static __always_inline bool is_sought(const struct sought *sought, const __u8 *copy)
{
	if (MINI_FIELD(copy, __tw_common.skc_hash) != sought->hash ||
	    MINI_FIELD(copy, __tw_common.skc_state) != BPF_TCP_TIME_WAIT ||
	    MINI_FIELD(copy, __tw_common.skc_net.net) != sought->net ||
	    MINI_FIELD(copy, __tw_common.skc_dport) != sought->dport ||
	    MINI_FIELD(copy, __tw_common.skc_num) != sought->num ||
	    (__u32)MINI_FIELD(copy, __tw_common.skc_bound_dev_if) != sought->ifindex ||
	    MINI_FIELD(copy, __tw_common.skc_family) != sought->family)
		return false;
	if (sought->family == AF_INET)
		return MINI_FIELD(copy, __tw_common.skc_daddr) == sought->daddr &&
		       MINI_FIELD(copy, __tw_common.skc_rcv_saddr) == sought->rcv_saddr;
	return same_in6(&sought->v6_daddr, copy + bpf_core_field_offset(
			struct inet_timewait_sock, __tw_common.skc_v6_daddr)) &&
	       same_in6(&sought->v6_rcv_saddr, copy + bpf_core_field_offset(
			struct inet_timewait_sock, __tw_common.skc_v6_rcv_saddr));
}

/* The state of the mini-socket at @node, if it is the one of @copy still. */
static __always_inline bool read_substate(struct mini *mini, __u64 node, const __u8 *copy)
{
	const struct inet_timewait_sock *tw = (const void *)node;
	__u8 substate;
	__u32 hash;

	if (bpf_probe_read_kernel(&substate, sizeof(substate), (const void *)&tw->tw_substate) ||
	    bpf_probe_read_kernel(&hash, sizeof(hash), &tw->__tw_common.skc_hash) ||
	    hash != MINI_FIELD(copy, __tw_common.skc_hash))
		return false;
	mini->substate = substate;
	return true;
}

/*
 * Walks the one bucket that tcp_time_wait() has put the mini-socket into, by
 * inet_twsk_hashdance(), before tcp_done() brought the socket to CLOSE. New
 * entries go to the chain's head, so the first node is nearly always the one.
 *
 * No lock is held: a node may move to another bucket, and the walk with it. As
 * in __inet_lookup_established(), the mark at the list's end tells which bucket
 * it is; if it is another, the walk begins again.
 *
 * Returns an enum found; @mini is written for FOUND_MINI alone.
 */
VERIFIED_ONCE __u32 tws_find_mini(struct mini *mini, const struct sought *sought)
{
	const __u32 bytes = bpf_core_field_offset(struct inet_timewait_sock,
						  __tw_common.skc_cookie) + sizeof(__u64);
	__u8 copy[MINI_COPY_BYTES] __attribute__((aligned(8)));
	const void *next;
	__u64 node = 0;

	if (!mini || !sought)
		return FOUND_UNKNOWN;
	next = (const void *)sought->head;
	for (int i = 0; i < MAX_STEPS && bytes <= sizeof(copy); i++) {
		if (bpf_probe_read_kernel(&node, sizeof(node), next))
			break;
		if (node & 1) {
			if (node >> 1 == sought->bucket)
				return FOUND_NONE;
			next = (const void *)sought->head;
			continue;
		}
		next = (void *)node;
		node -= bpf_core_field_offset(struct inet_timewait_sock,
					      __tw_common.skc_nulls_node);
		if (bpf_probe_read_kernel(copy, bytes, (void *)node))
			break;
		if (!is_sought(sought, copy))
			continue;
		if (!read_substate(mini, node, copy))
			break;
		mini->addr = node;
		mini->cookie = MINI_FIELD(copy, __tw_common.skc_cookie.counter);
		return FOUND_MINI;
	}
	COUNT(walk_failed);
	return FOUND_UNKNOWN;
}

static OUT_OF_LINE enum found find_mini(struct mini *mini, const struct sock *sk,
				 const struct tcp_sock *tp)
{
	struct sought sought;

	seek(&sought, sk, tp);
	return tws_find_mini(mini, &sought);
}

/*
 * A quick look for the mini-socket of a socket that has a cookie: it has taken that over,
 * and it is the newest of its chain, unless another came at this moment. The cookie alone is
 * no proof: an earlier life of the socket, which connect(AF_UNSPEC) has ended, left one too.
 * Its addresses are others, and so is its hash.
 */
static __always_inline bool has_left_mini(const struct sock *sk, __u64 cookie)
{
	const struct sock_common *skc = &sk->__sk_common, *mini;
	const struct inet_hashinfo *info = hashinfo_of(sk);
	__u64 node = 0, its = 0;

	if (bpf_probe_read_kernel(&node, sizeof(node),
				  &info->ehash[skc->skc_hash & info->ehash_mask].chain.first) ||
	    node & 1)
		return false;
	node -= bpf_core_field_offset(struct inet_timewait_sock, __tw_common.skc_nulls_node);
	mini = (const void *)node;
	if (bpf_probe_read_kernel(&its, sizeof(its), &mini->skc_cookie) || its != cookie)
		return false;
	its = 0;
	return !bpf_probe_read_kernel(&its, sizeof(mini->skc_hash), &mini->skc_hash) &&
	       (__u32)its == skc->skc_hash;
}

/* Whether the mini-socket has entered TIME_WAIT since it was found. */
static __always_inline bool has_entered_since(const struct mini *mini)
{
	const struct inet_timewait_sock *tw = (const void *)mini->addr;

	return BPF_CORE_READ(tw, tw_substate) == BPF_TCP_TIME_WAIT &&
	       (!mini->cookie ||
		BPF_CORE_READ(tw, __tw_common.skc_cookie.counter) == (long long)mini->cookie);
}

#endif

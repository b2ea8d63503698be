/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking the kernel's own table whether a socket that has just reached CLOSE
 * left a mini-socket (struct inet_timewait_sock) behind.
 */
#ifndef TWSNOOP_BPF_TIMEWAIT_H
#define TWSNOOP_BPF_TIMEWAIT_H

#include "tuple.h"

/* Longer chains than 4 were never seen. What so many steps do not find is
 * counted, and the snapshot finds it. */
#define MAX_STEPS 24

struct mini {
	__u64 addr;   /* of the mini-socket: opaque, 0 if there is none */
	__u64 cookie;
	__u8 substate; /* TCP_TIME_WAIT or TCP_FIN_WAIT2 */
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

static __always_inline bool same_in6(const struct in6_addr *a, const void *b)
{
	const __u64 *x = (const void *)a, *y = b;

	return x[0] == y[0] && x[1] == y[1];
}

/* One field of a mini-socket's copy, at the offset it has in this kernel. */
#define MINI_FIELD(copy, field)                                                \
	(*(typeof(((struct inet_timewait_sock *)0)->field) *)((copy) +         \
		bpf_core_field_offset(struct inet_timewait_sock, field)))

#define MINI_COPY_BYTES 160 /* room for all up to tw_substate: 141 in 6.18 */

static __always_inline bool same_end(const struct sock_common *skc, const struct net *net,
				     __be16 sport, const __u8 *copy)
{
	if (MINI_FIELD(copy, __tw_common.skc_hash) != skc->skc_hash ||
	    MINI_FIELD(copy, __tw_common.skc_state) != BPF_TCP_TIME_WAIT ||
	    MINI_FIELD(copy, __tw_common.skc_net.net) != net ||
	    MINI_FIELD(copy, __tw_common.skc_dport) != skc->skc_dport ||
	    MINI_FIELD(copy, __tw_common.skc_num) != bpf_ntohs(sport) ||
	    MINI_FIELD(copy, __tw_common.skc_family) != skc->skc_family)
		return false;
	if (skc->skc_family == AF_INET)
		return MINI_FIELD(copy, __tw_common.skc_daddr) == skc->skc_daddr &&
		       MINI_FIELD(copy, __tw_common.skc_rcv_saddr) == skc->skc_rcv_saddr;
	return same_in6(&skc->skc_v6_daddr, copy + bpf_core_field_offset(
			struct inet_timewait_sock, __tw_common.skc_v6_daddr)) &&
	       same_in6(&skc->skc_v6_rcv_saddr, copy + bpf_core_field_offset(
			struct inet_timewait_sock, __tw_common.skc_v6_rcv_saddr));
}

/*
 * Walks the one bucket that tcp_time_wait() has put the mini-socket into, by
 * inet_twsk_hashdance(), before tcp_done() brought the socket to CLOSE. New
 * entries go to the chain's head, so the first node is nearly always the one.
 *
 * No lock is held: a node may move to another bucket, and the walk with it. As
 * in __inet_lookup_established(), the mark at the list's end tells which bucket
 * it is; if it is another, the walk begins again.
 */
static RARE enum found find_mini(struct mini *mini, const struct sock *sk,
				 const struct tcp_sock *tp)
{
	const struct sock_common *skc = &sk->__sk_common;
	const struct net *net = net_of(tp);
	__be16 sport = tp->inet_conn.icsk_inet.inet_sport;
	const __u32 bytes = bpf_core_field_offset(struct inet_timewait_sock, tw_substate) + 1;
	const struct inet_hashinfo *info = hashinfo_of(sk);
	__u32 bucket = skc->skc_hash & info->ehash_mask;
	const void *head = &info->ehash[bucket].chain.first;
	__u8 copy[MINI_COPY_BYTES] __attribute__((aligned(8)));
	const void *next = head;
	__u64 node = 0;
	bool found = false;

	if (bytes > sizeof(copy))
		return FOUND_UNKNOWN;
	for (int i = 0; i < MAX_STEPS; i++) {
		if (bpf_probe_read_kernel(&node, sizeof(node), next))
			break;
		if (node & 1) {
			if (node >> 1 == bucket)
				return FOUND_NONE;
			next = head;
			continue;
		}
		next = (void *)node;
		node -= bpf_core_field_offset(struct inet_timewait_sock,
					      __tw_common.skc_nulls_node);
		if (bpf_probe_read_kernel(copy, bytes, (void *)node))
			break;
		if (same_end(skc, net, sport, copy)) {
			found = true;
			break;
		}
	}
	if (!found) {
		COUNT(walk_failed);
		return FOUND_UNKNOWN;
	}
	mini->addr = node;
	mini->cookie = MINI_FIELD(copy, __tw_common.skc_cookie.counter);
	mini->substate = MINI_FIELD(copy, tw_substate);
	return FOUND_MINI;
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

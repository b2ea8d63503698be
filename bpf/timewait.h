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

/* What a mini-socket has to have in common with the socket that it comes from. */
struct one_end {
	const struct net *net;
	struct in6_addr v6_daddr, v6_rcv_saddr;
	__u32 hash;
	__be32 daddr, rcv_saddr;
	__be16 dport;
	__u16 num;
	__u16 family;
};

#define READ_COMMON(to, skc, field)                                            \
	bpf_probe_read_kernel(&(to), sizeof(to), &(skc)->field)

static __always_inline void read_end(struct one_end *end, const struct sock_common *skc, __u16 num)
{
	end->num = num;
	READ_COMMON(end->net, skc, skc_net.net);
	READ_COMMON(end->hash, skc, skc_hash);
	READ_COMMON(end->dport, skc, skc_dport);
	READ_COMMON(end->family, skc, skc_family);
	READ_COMMON(end->daddr, skc, skc_daddr);
	READ_COMMON(end->rcv_saddr, skc, skc_rcv_saddr);
	READ_COMMON(end->v6_daddr, skc, skc_v6_daddr);
	READ_COMMON(end->v6_rcv_saddr, skc, skc_v6_rcv_saddr);
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

static __always_inline bool same_end(const struct one_end *end, const __u8 *copy)
{
	if (MINI_FIELD(copy, __tw_common.skc_hash) != end->hash ||
	    MINI_FIELD(copy, __tw_common.skc_state) != BPF_TCP_TIME_WAIT ||
	    MINI_FIELD(copy, __tw_common.skc_net.net) != end->net ||
	    MINI_FIELD(copy, __tw_common.skc_dport) != end->dport ||
	    MINI_FIELD(copy, __tw_common.skc_num) != end->num ||
	    MINI_FIELD(copy, __tw_common.skc_family) != end->family)
		return false;
	if (end->family == AF_INET)
		return MINI_FIELD(copy, __tw_common.skc_daddr) == end->daddr &&
		       MINI_FIELD(copy, __tw_common.skc_rcv_saddr) == end->rcv_saddr;
	return same_in6(&end->v6_daddr, copy + bpf_core_field_offset(
			struct inet_timewait_sock, __tw_common.skc_v6_daddr)) &&
	       same_in6(&end->v6_rcv_saddr, copy + bpf_core_field_offset(
			struct inet_timewait_sock, __tw_common.skc_v6_rcv_saddr));
}

static __always_inline const struct inet_hashinfo *read_hashinfo(const struct net *net)
{
	if (bpf_core_field_exists(((struct net___pointer *)0)->ipv4.tcp_death_row))
		return BPF_CORE_READ((struct net___pointer *)net, ipv4.tcp_death_row, hashinfo);
	return BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
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
 * The socket at @addr has local port @num. Returns an enum found.
 */
BY_ITSELF __u32 tws_find_mini(struct mini *mini, __u64 addr, __u32 num)
{
	const __u32 bytes = bpf_core_field_offset(struct inet_timewait_sock, tw_substate) + 1;
	__u8 copy[MINI_COPY_BYTES] __attribute__((aligned(8)));
	const struct inet_hashinfo *info;
	const void *head, *next;
	struct one_end end;
	__u64 node = 0;
	__u32 bucket;

	if (!mini || bytes > sizeof(copy))
		return FOUND_UNKNOWN;
	read_end(&end, (const void *)addr, num);
	info = read_hashinfo(end.net);
	bucket = end.hash & BPF_CORE_READ(info, ehash_mask);
	head = &BPF_CORE_READ(info, ehash)[bucket].chain.first;
	next = head;
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
		if (!same_end(&end, copy))
			continue;
		mini->addr = node;
		mini->cookie = MINI_FIELD(copy, __tw_common.skc_cookie.counter);
		mini->substate = MINI_FIELD(copy, tw_substate);
		return FOUND_MINI;
	}
	COUNT(walk_failed);
	return FOUND_UNKNOWN;
}

static __always_inline enum found find_mini(struct mini *mini, const struct sock *sk,
					    const struct tcp_sock *tp)
{
	return tws_find_mini(mini, address_of(sk), local_port_of(tp));
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

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * FIN_WAIT2 mini-sockets. When the peer's FIN comes, one of them turns into a
 * TIME_WAIT one inside tcp_timewait_state_process(), where no state tracepoint
 * is; but every segment that a timewait socket receives ends at discard_it in
 * tcp_v4_rcv() or tcp_v6_rcv(), and so at skb:kfree_skb, the new substate
 * already in place. This is the host's drop path too: anything else leaves at
 * once, and all that is done is a function of its own, so that the programs need
 * no stack and save no registers for it.
 */
#ifndef TWSNOOP_BPF_DROP_H
#define TWSNOOP_BPF_DROP_H

#include "time_wait_end.h"
#include "ring.h"
#include "tuple.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_TCP 6

static __always_inline bool key_of_v4(struct tws_key *key, const void *header)
{
	struct iphdr ip;

	if (bpf_probe_read_kernel(&ip, sizeof(ip), header) || ip.protocol != IPPROTO_TCP)
		return false;
	*(__u32 *)key->local_addr = ip.daddr;
	*(__u32 *)key->peer_addr = ip.saddr;
	return true;
}

static __always_inline bool key_of_v6(struct tws_key *key, const void *header)
{
	struct ipv6hdr ip;

	if (bpf_probe_read_kernel(&ip, sizeof(ip), header))
		return false;
	__builtin_memcpy(key->local_addr, &ip.daddr, sizeof(ip.daddr));
	__builtin_memcpy(key->peer_addr, &ip.saddr, sizeof(ip.saddr));
	return true;
}

/*
 * The key out of a segment's headers, for kernels before 6.11, and which of the
 * @wanted flags it has; 0 if it is of no interest. IPv6 extension headers do not
 * matter: the transport header's place is known, and what is no TCP segment
 * matches no key.
 */
static __always_inline __u8 key_of_segment(struct tws_key *key, const struct sk_buff *skb,
					   __u8 wanted)
{
	const void *tcp = skb->head + skb->transport_header;
	const void *ip = skb->head + skb->network_header;
	__u8 th[14];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!key_of_v4(key, ip))
			return 0;
	} else if (skb->protocol != bpf_htons(ETH_P_IPV6) || !key_of_v6(key, ip)) {
		return 0;
	}
	if (bpf_probe_read_kernel(th, sizeof(th), tcp) || !(th[13] & wanted))
		return 0;
	key->peer_port = (__u16)th[0] << 8 | th[1];
	key->local_port = (__u16)th[2] << 8 | th[3];
	key->netns = skb->dev->nd_net.net->ns.inum;
	return th[13] & wanted;
}

/*
 * Whether the mini-socket kept as @pending has entered TIME_WAIT. Its memory
 * comes from a cache that is SLAB_TYPESAFE_BY_RCU: at the worst it holds
 * another mini-socket by now, with another cookie.
 */
static __always_inline bool has_entered(const struct tws_pending *pending,
					const struct tws_key *key)
{
	const struct inet_timewait_sock *tw = (const void *)pending->tw;

	return BPF_CORE_READ(tw, __tw_common.skc_state) == BPF_TCP_TIME_WAIT &&
	       BPF_CORE_READ(tw, tw_substate) == BPF_TCP_TIME_WAIT &&
	       /* Before 5.12 it has none, until somebody runs ss. */
	       (!pending->cookie || BPF_CORE_READ(tw, __tw_common.skc_cookie.counter) ==
					    (long long)pending->cookie) &&
	       BPF_CORE_READ(tw, __tw_common.skc_num) == key->local_port &&
	       BPF_CORE_READ(tw, __tw_common.skc_dport) == bpf_htons(key->peer_port);
}

static __always_inline void tell_pending(const struct tws_key *key)
{
	struct tws_pending *pending = bpf_map_lookup_elem(&tws_pending, key);
	struct tws_pending copy;

	if (!pending || !has_entered(pending, key))
		return;
	copy = *pending;
	if (bpf_map_delete_elem(&tws_pending, key))
		return;
	if (tws.all)
		keep_time_wait(key, copy.tw, copy.cookie);
	tell_entered_by_key(copy.id, key, TWS_DROP);
}

static __always_inline void on_segment_for(const struct tws_key *key, const struct sk_buff *skb,
					   __u8 flags)
{
	if (flags & TCP_FLAG_FIN)
		tell_pending(key);
	if (tws.all && flags & TCP_FLAG_RST)
		on_time_wait_reset(key, skb);
}

/*
 * Before 6.11: a FIN, and a mini-socket kept by the segment's addresses. It may be bound to no
 * device, or to the one that the segment came by; whichever has changed is told.
 */
static OUT_OF_LINE void on_segment(const struct sk_buff *skb)
{
	struct tws_key key = {};
	__u8 flags;

	flags = key_of_segment(&key, skb, tws.all ? TCP_FLAG_FIN | TCP_FLAG_RST : TCP_FLAG_FIN);
	for (int i = 0; i < 2 && flags; i++) {
		on_segment_for(&key, skb, flags);
		key.ifindex = skb->skb_iif;
	}
}

/* The part of the filter that asks for addresses. */
static OUT_OF_LINE bool mini_passes_filter(const struct sock *sk)
{
	struct tuple t;

	read_mini_tuple(&t, &sk->__sk_common);
	return filter_connection(&t);
}

/*
 * A segment for a mini-socket, which the kernel names (@sk). If it has a FIN and the mini-socket
 * is in TIME_WAIT now, it has just entered that state; or the FIN is one that was sent again.
 * User space tells the two apart: it knows which sockets it has reported. A cookie does not tell
 * that the socket had passed the filter: others make cookies too, such as another trace.
 */
static __always_inline void on_mini_segment(const struct sock *sk, const struct sk_buff *skb)
{
	const struct inet_timewait_sock *tw = (const void *)sk;
	__u64 cookie = sk->__sk_common.skc_cookie.counter;

	if (tcp_flags_of(skb) & TCP_FLAG_FIN && cookie &&
	    BPF_CORE_READ(tw, tw_substate) == BPF_TCP_TIME_WAIT &&
	    (!filters_connections() || mini_passes_filter(sk)))
		tell_short(cookie, TWS_ENTERED, sk->__sk_common.skc_num, &sk->__sk_common, TWS_DROP);
}

static OUT_OF_LINE void on_named_segment(const struct sk_buff *skb, const struct sock *sk)
{
	on_mini_segment(sk, skb);
	if (tws.all)
		on_mini_reset(sk, skb);
}

/* A packet that the kernel lets go, and the socket that it was for, if it came to one. */
static __always_inline void on_drop(const struct sk_buff *skb, const struct sock *sk)
{
	if (sk && sk->__sk_common.skc_state == BPF_TCP_TIME_WAIT)
		on_named_segment(skb, sk);
}

/*
 * Before 6.11. Of a segment for a mini-socket TCP has kept the flags; in the same place of nearly all
 * that is dropped elsewhere there is a zero. What is no segment shows in its headers.
 */
static __always_inline void on_unnamed_drop(const struct sk_buff *skb)
{
	__u8 flags = tcp_flags_of(skb);

	if (flags & TCP_FLAG_FIN || (flags & TCP_FLAG_RST && tws.all))
		on_segment(skb);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses and ports: out of a socket, into a key. A v4-mapped IPv6 socket is
 * IPv4 here, as on the wire.
 */
#ifndef TWSNOOP_BPF_TUPLE_H
#define TWSNOOP_BPF_TUPLE_H

#include "percpu.h"

struct tuple {
	__u64 local[2]; /* network byte order; IPv4 in the first four bytes */
	__u64 peer[2];
	__u32 netns;
	__u32 ifindex; /* of the device it is bound to, 0: none */
	__u16 local_port; /* host byte order */
	__u16 peer_port;
	__u8 family;
};

static __always_inline bool is_v4_mapped(const struct in6_addr *addr)
{
	return addr->in6_u.u6_addr32[0] == 0 && addr->in6_u.u6_addr32[1] == 0 &&
	       addr->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

/* Two of sixteen bytes each, which are aligned; the family of what is in them. */
static __always_inline __u8 read_addresses(void *local_addr, void *peer_addr,
					   const struct sock_common *skc)
{
	__u64 *local = local_addr, *peer = peer_addr;

	if (skc->skc_family == AF_INET6 && !is_v4_mapped(&skc->skc_v6_daddr)) {
		const __u64 *rcv_saddr = (const void *)&skc->skc_v6_rcv_saddr;
		const __u64 *daddr = (const void *)&skc->skc_v6_daddr;

		local[0] = rcv_saddr[0];
		local[1] = rcv_saddr[1];
		peer[0] = daddr[0];
		peer[1] = daddr[1];
		return AF_INET6;
	}
	local[0] = skc->skc_rcv_saddr;
	local[1] = 0;
	peer[0] = skc->skc_daddr;
	peer[1] = 0;
	return AF_INET;
}

/* inet_sport, because skc_num is already 0 at -> CLOSE for an auto-bound port. */
static __always_inline __u16 local_port_of(const struct tcp_sock *tp)
{
	return bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
}

/*
 * For what is rare, and not from the tracepoint's own pointer. What is read through that needs
 * no guard, but wherever a verifier from 6.3 on sees a pointer loaded from one that it trusts, it
 * looks four names up among all of the kernel's types, before 7.0 one by one: at one time that
 * was more than half of a trace's start.
 */
static __always_inline struct net *net_of(const struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
}

static __always_inline void read_tuple(struct tuple *t, const struct sock *sk,
					const struct tcp_sock *tp)
{
	const struct sock_common *skc = &sk->__sk_common;

	t->netns = netns_of(net_of(tp));
	t->ifindex = skc->skc_bound_dev_if;
	t->local_port = local_port_of(tp);
	t->peer_port = bpf_ntohs(skc->skc_dport);
	t->family = read_addresses(t->local, t->peer, skc);
}

/* Of a mini-socket, which keeps its local port in skc_num. */
static __always_inline void read_mini_tuple(struct tuple *t, const struct sock_common *skc)
{
	t->netns = netns_of(skc->skc_net.net);
	t->ifindex = skc->skc_bound_dev_if;
	t->local_port = skc->skc_num;
	t->peer_port = bpf_ntohs(skc->skc_dport);
	t->family = read_addresses(t->local, t->peer, skc);
}

/* Which life of a socket it is, if its cookie has had several. */
static __always_inline void fill_life(struct tws_ending *end, __u16 local_port,
				      const struct sock_common *skc)
{
	const struct in6_addr *addr = &skc->skc_v6_daddr;

	end->local_port = local_port;
	end->peer_port = bpf_ntohs(skc->skc_dport);
	if (skc->skc_family != AF_INET6)
		end->peer_hash = skc->skc_daddr;
	else if (is_v4_mapped(addr))
		end->peer_hash = addr->in6_u.u6_addr32[3];
	else
		end->peer_hash = tws_peer_hash(addr->in6_u.u6_addr32);
}

static __always_inline void tuple_to_key(struct tws_key *key, const struct tuple *t)
{
	((__u64 *)key->local_addr)[0] = t->local[0];
	((__u64 *)key->local_addr)[1] = t->local[1];
	((__u64 *)key->peer_addr)[0] = t->peer[0];
	((__u64 *)key->peer_addr)[1] = t->peer[1];
	key->netns = t->netns;
	key->ifindex = t->ifindex;
	key->local_port = t->local_port;
	key->peer_port = t->peer_port;
}

/* Where it is to be at last, without a copy: most events need it nowhere else. */
static __always_inline void fill_tuple(struct tws_event *ev, const struct sock *sk,
				       __u16 local_port)
{
	const struct sock_common *skc = &sk->__sk_common;

	ev->netns = netns_of(skc->skc_net.net);
	ev->local_port = local_port;
	ev->peer_port = bpf_ntohs(skc->skc_dport);
	ev->family = read_addresses(ev->local_addr, ev->peer_addr, skc);
}

/* @ev's conn is all zero. */
static __always_inline void tuple_to_event(struct tws_event *ev, const struct tuple *t)
{
	ev->family = t->family;
	ev->netns = t->netns;
	ev->conn.ifindex = t->ifindex;
	ev->local_port = t->local_port;
	ev->peer_port = t->peer_port;
	((__u64 *)ev->local_addr)[0] = t->local[0];
	((__u64 *)ev->local_addr)[1] = t->local[1];
	((__u64 *)ev->peer_addr)[0] = t->peer[0];
	((__u64 *)ev->peer_addr)[1] = t->peer[1];
}

#endif

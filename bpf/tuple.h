/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses and ports: out of a socket, into a key. A v4-mapped IPv6 socket is
 * IPv4 here, as on the wire.
 */
#ifndef TWSNOOP_BPF_TUPLE_H
#define TWSNOOP_BPF_TUPLE_H

#include "twsnoop.h"

struct tuple {
	__u64 local[2]; /* network byte order; IPv4 in the first four bytes */
	__u64 peer[2];
	__u32 netns;
	__u16 local_port; /* host byte order */
	__u16 peer_port;
	__u8 family;
};

/*
 * A namespace's inode stands in a cache line with a reference count that every
 * socket changes. Its cookie does not, and is never used again: by that, a cache of
 * both in one word.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} tws_netns SEC(".maps");

static __always_inline __u32 netns_of(const struct net *net)
{
	__u32 cookie, index, inode;
	__u64 *cached;

	if (!bpf_core_field_exists(net->net_cookie)) /* before 5.12 it was an atomic_t */
		return net->ns.inum;
	cookie = net->net_cookie;
	index = cookie & 255;
	cached = bpf_map_lookup_elem(&tws_netns, &index);
	if (!cached)
		return net->ns.inum;
	if (*cached >> 32 == cookie && (__u32)*cached)
		return *cached;
	inode = net->ns.inum;
	*cached = (__u64)cookie << 32 | inode;
	return inode;
}

static __always_inline bool is_v4_mapped(const struct in6_addr *addr)
{
	return addr->in6_u.u6_addr32[0] == 0 && addr->in6_u.u6_addr32[1] == 0 &&
	       addr->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

static __always_inline void read_addresses(struct tuple *t, const struct sock_common *skc)
{
	if (skc->skc_family == AF_INET6 && !is_v4_mapped(&skc->skc_v6_daddr)) {
		const __u64 *local = (const void *)&skc->skc_v6_rcv_saddr;
		const __u64 *peer = (const void *)&skc->skc_v6_daddr;

		t->family = AF_INET6;
		t->local[0] = local[0];
		t->local[1] = local[1];
		t->peer[0] = peer[0];
		t->peer[1] = peer[1];
		return;
	}
	t->family = AF_INET;
	t->local[0] = skc->skc_rcv_saddr;
	t->local[1] = 0;
	t->peer[0] = skc->skc_daddr;
	t->peer[1] = 0;
}

/* inet_sport, because skc_num is already 0 at -> CLOSE for an auto-bound port. */
static __always_inline void read_tuple(struct tuple *t, const struct tcp_sock *tp)
{
	const struct inet_sock *inet = &tp->inet_conn.icsk_inet;
	const struct sock_common *skc = &inet->sk.__sk_common;

	t->netns = netns_of(skc->skc_net.net);
	t->local_port = bpf_ntohs(inet->inet_sport);
	t->peer_port = bpf_ntohs(skc->skc_dport);
	read_addresses(t, skc);
}

/* Of a mini-socket, which keeps its local port in skc_num. */
static __always_inline void read_mini_tuple(struct tuple *t, const struct sock_common *skc)
{
	t->netns = netns_of(skc->skc_net.net);
	t->local_port = skc->skc_num;
	t->peer_port = bpf_ntohs(skc->skc_dport);
	read_addresses(t, skc);
}

static __always_inline __u16 local_port_of(const struct tcp_sock *tp)
{
	return bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
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
	key->local_port = t->local_port;
	key->peer_port = t->peer_port;
}

static __always_inline void tuple_to_event(struct tws_event *ev, const struct tuple *t)
{
	ev->family = t->family;
	ev->netns = t->netns;
	ev->local_port = t->local_port;
	ev->peer_port = t->peer_port;
	((__u64 *)ev->local_addr)[0] = t->local[0];
	((__u64 *)ev->local_addr)[1] = t->local[1];
	((__u64 *)ev->peer_addr)[0] = t->peer[0];
	((__u64 *)ev->peer_addr)[1] = t->peer[1];
}

#endif

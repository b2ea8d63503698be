/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Signs that a TIME_WAIT socket has ended before its time. Only with tws.all.
 * Which TIME_WAITs were printed, and so whose end is worth telling, is known to
 * user space alone: the records here are for it, and it prints what follows. One
 * that finds the ring full is not counted: the socket's end then shows in a
 * snapshot, without its reason.
 */
#ifndef TWSNOOP_BPF_TIME_WAIT_END_H
#define TWSNOOP_BPF_TIME_WAIT_END_H

#include "filter.h"
#include "opens.h"
#include "ring.h"
#include "tuple.h"

/* In the header's 14th byte. */
#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_RST 0x04

/* A TIME_WAIT socket lives for 60 s if nobody interferes; a little less, so that
 * one that has expired is never taken for one that a later RST has killed. */
#define SHORTEST_TIME_WAIT_NS 59500000000ULL

struct tws_time_waits {
	__u64 tw; /* the kernel's address of it: opaque */
	__u64 cookie;
	__u64 time_ns;
};

/* TIME_WAIT sockets, on kernels before 6.11. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct tws_key);
	__type(value, struct tws_time_waits);
} tws_time_waits SEC(".maps");

static __always_inline bool reserve_sign(struct out *out, __u8 action, enum tws_writer writer)
{
	if (!reserve(out, action, writer))
		return false;
	__builtin_memset(out->ev, 0, sizeof(*out->ev));
	out->ev->action = action;
	out->ev->time_ns = out->time_ns;
	return true;
}

/*
 * -> ESTABLISHED: only now is a child's tuple complete. A connecting socket that
 * comes from SYN_RECV met another that connected to it at the same time.
 */
static OUT_OF_LINE void on_opened(const struct sock *sk, const struct tcp_sock *tp,
				      int oldstate, enum tws_writer writer)
{
	const struct tws_open *open;
	struct out out;
	struct tuple t;
	__u8 side;

	read_tuple(&t, sk, tp);
	if (!filter_connection(&t))
		return;
	side = oldstate == BPF_TCP_SYN_SENT ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER;
	if (side == TWS_SIDE_SERVER && (open = open_find(sk)))
		side = open_side(open);
	if (!reserve_sign(&out, TWS_OPEN, writer))
		return;
	tuple_to_event(out.ev, &t);
	out.ev->conn.side = side;
	send(&out);
}

/* Of a segment for a mini-socket: tcp_v4_fill_cb() and tcp_v6_fill_cb() have kept them. (Not where
 * the policy of IPsec refuses it; then the mini-socket has not seen it either.) */
static __always_inline __u8 tcp_flags_of(const struct sk_buff *skb)
{
	return *((const __u8 *)skb + bpf_core_field_offset(struct sk_buff___cb, cb) +
		 bpf_core_field_offset(struct tcp_skb_cb___flags, tcp_flags));
}

static __always_inline bool reserve_short(struct out *out, __u64 id, __u8 action,
					  enum tws_writer writer)
{
	if (!id || !reserve_end(out, action, writer, bpf_ktime_get_ns()))
		return false;
	out->end->time_ns = out->time_ns;
	out->end->id = id;
	out->end->unsent_bytes = 0;
	out->end->rx_bytes = 0;
	out->end->error = 0;
	return true;
}

/* What needs no more than to know which connection it is. */
static __always_inline void tell_short(__u64 id, __u8 action, __u16 local_port,
				       const struct sock_common *skc, enum tws_writer writer)
{
	struct out out;

	if (!reserve_short(&out, id, action, writer))
		return;
	fill_life(out.end, local_port, skc);
	send_end(&out);
}

/* A FIN_WAIT2 mini-socket is in TIME_WAIT now. */
static __always_inline void tell_entered_by_key(__u64 id, const struct tws_key *key,
						enum tws_writer writer)
{
	struct out out;

	if (!reserve_short(&out, id, TWS_ENTERED, writer))
		return;
	out.end->local_port = key->local_port;
	out.end->peer_port = key->peer_port;
	out.end->peer_hash = tws_peer_hash((const void *)key->peer_addr);
	send_end(&out);
}

/*
 * inet_twsk_kill() takes a mini-socket out of its chain by
 * hlist_nulls_del_init_rcu(), which clears pprev. An RST that does not kill it
 * (tcp_rfc1337, or out of the window) leaves it there.
 */
static __always_inline bool is_dead(const struct inet_timewait_sock *tw)
{
	return !BPF_CORE_READ(tw, __tw_common.skc_nulls_node.pprev) &&
	       BPF_CORE_READ(tw, tw_substate) == BPF_TCP_TIME_WAIT;
}

/* A segment for a mini-socket, which the kernel names. */
static __always_inline void on_mini_reset(const struct sock *sk, const struct sk_buff *skb)
{
	const struct sock_common *skc = &sk->__sk_common;
	struct out out;
	struct tuple t;

	if (!is_dead((const void *)sk) || !(tcp_flags_of(skb) & TCP_FLAG_RST))
		return;
	read_mini_tuple(&t, skc);
	if (!reserve_sign(&out, TWS_TIME_WAIT_END, TWS_DROP))
		return;
	tuple_to_event(out.ev, &t);
	out.ev->cookie = skc->skc_cookie.counter;
	out.ev->end = TWS_END_RESET;
	send(&out);
}

/* Before 6.11 the mini-socket has to be remembered by its tuple. */
static __always_inline void keep_time_wait(const struct tws_key *key, __u64 tw, __u64 cookie)
{
	struct tws_time_waits held = { .tw = tw, .cookie = cookie, .time_ns = bpf_ktime_get_ns() };

	bpf_map_update_elem(&tws_time_waits, key, &held, BPF_ANY);
}

static __always_inline void keep_time_wait_tuple(const struct tuple *t, __u64 tw, __u64 cookie)
{
	struct tws_key key = {};

	tuple_to_key(&key, t);
	keep_time_wait(&key, tw, cookie);
}

/*
 * Its memory is SLAB_TYPESAFE_BY_RCU: what was freed keeps its fields until
 * another mini-socket takes it, and that has other ports or another cookie.
 * Before 5.12 it has none, until somebody runs ss.
 */
static __always_inline bool is_same(const struct tws_time_waits *held, const struct tws_key *key)
{
	const struct inet_timewait_sock *tw = (const void *)held->tw;

	return BPF_CORE_READ(tw, __tw_common.skc_num) == key->local_port &&
	       BPF_CORE_READ(tw, __tw_common.skc_dport) == bpf_htons(key->peer_port) &&
	       (!held->cookie || BPF_CORE_READ(tw, __tw_common.skc_cookie.counter) ==
					 (long long)held->cookie);
}

static __always_inline void on_time_wait_reset(const struct tws_key *key, const struct sk_buff *skb)
{
	struct tws_time_waits *held = bpf_map_lookup_elem(&tws_time_waits, key);
	struct out out;

	if (!held || bpf_ktime_get_ns() - held->time_ns > SHORTEST_TIME_WAIT_NS ||
	    !is_same(held, key) || !is_dead((const void *)held->tw))
		return;
	if (bpf_map_delete_elem(&tws_time_waits, key) ||
	    !reserve_sign(&out, TWS_TIME_WAIT_END, TWS_DROP))
		return;
	__builtin_memcpy(out.ev->local_addr, key->local_addr, sizeof(out.ev->local_addr));
	__builtin_memcpy(out.ev->peer_addr, key->peer_addr, sizeof(out.ev->peer_addr));
	out.ev->family = skb->protocol == bpf_htons(0x0800 /* ETH_P_IP */) ? AF_INET : AF_INET6;
	out.ev->netns = key->netns;
	out.ev->conn.ifindex = key->ifindex;
	out.ev->local_port = key->local_port;
	out.ev->peer_port = key->peer_port;
	out.ev->end = TWS_END_RESET;
	send(&out);
}

#endif

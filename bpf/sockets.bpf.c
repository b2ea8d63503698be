// SPDX-License-Identifier: GPL-2.0
/*
 * All TCP sockets of a network namespace, for kernels that have no sock_diag for
 * them. The kernel walks its tables, for the namespace in which the iterator was
 * opened; this writes down one record for each socket. It is an object of its own:
 * no other program needs it, and it is loaded only where it is used.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "sockets.h"

#define AF_INET6 10

char LICENSE[] SEC("license") = "GPL";

/* Whether tracing programs may call bpf_get_socket_cookie(): since 5.12. */
const volatile bool tws_has_cookie = false;

/* The states that are wanted; set before each walk. */
__u32 tws_states = 0;

/* As sock_diag does, this gives a socket its cookie if it has none yet. */
static __always_inline __u64 cookie_of(struct sock_common *skc)
{
	if (tws_has_cookie)
		return bpf_get_socket_cookie(skc);
	return skc->skc_cookie.counter;
}

static __always_inline void read_address(__u8 *to, const struct in6_addr *from)
{
	const __u64 *words = (const void *)from;

	((__u64 *)to)[0] = words[0];
	((__u64 *)to)[1] = words[1];
}

static __always_inline void read_common(struct tws_socket *to, struct sock_common *skc)
{
	to->family = skc->skc_family;
	to->ifindex = skc->skc_bound_dev_if;
	to->local_port = skc->skc_num;
	to->peer_port = bpf_ntohs(skc->skc_dport);
	if (BPF_CORE_READ_BITFIELD(skc, skc_ipv6only))
		to->flags |= TWS_SOCKET_V6ONLY;
	/* Not there in a kernel without IPv6. */
	if (to->family == AF_INET6 && bpf_core_field_exists(skc->skc_v6_daddr)) {
		read_address(to->local_addr, &skc->skc_v6_rcv_saddr);
		read_address(to->peer_addr, &skc->skc_v6_daddr);
	} else {
		*(__be32 *)to->local_addr = skc->skc_rcv_saddr;
		*(__be32 *)to->peer_addr = skc->skc_daddr;
	}
}

static __always_inline void read_mini(struct tws_socket *to, const void *skc)
{
	const struct inet_timewait_sock *tw = skc;
	__s64 left = BPF_CORE_READ(tw, tw_timer.expires) - bpf_jiffies64();

	to->ticks_left = left < 0 ? 0 : left > (__u32)-1 ? (__u32)-1 : (__u32)left;
	to->state = BPF_CORE_READ(tw, tw_substate);
	to->flags |= TWS_SOCKET_MINI;
}

/* @uid: as sock_i_uid() gives it, in the user namespace of who opened the iterator. */
static __always_inline void read_full(struct tws_socket *to, struct sock_common *skc, __u32 uid)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(skc);
	struct sock *sk;

	to->uid = uid;
	if (!tp)
		return;
	sk = &tp->inet_conn.icsk_inet.sk;
	if (sk->sk_socket && sk->sk_socket->file)
		to->inode = sk->sk_socket->file->f_inode->i_ino;
}

SEC("iter/tcp")
int tws_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tws_socket to = {};

	if (!skc) /* the end */
		return 0;
	to.state = skc->skc_state;
	if (to.state == BPF_TCP_TIME_WAIT)
		read_mini(&to, skc);
	else if (to.state == BPF_TCP_NEW_SYN_RECV)
		to.state = BPF_TCP_SYN_RECV;
	else
		read_full(&to, skc, ctx->uid);
	if (!(tws_states >> (to.state & 31) & 1))
		return 0;
	read_common(&to, skc);
	to.cookie = cookie_of(skc);
	/* Where it does not fit the kernel comes back with this socket. */
	bpf_seq_write(ctx->meta->seq, &to, sizeof(to));
	return 0;
}

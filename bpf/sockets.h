/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One TCP socket, as the iterator of bpf/sockets.bpf.c writes it into a stream that
 * user/sockets/sockstream.c reads. Both sides include this file. Fixed-width fields, host
 * byte order; addresses are in network byte order.
 */
#ifndef TWSNOOP_SOCKETS_RECORD_H
#define TWSNOOP_SOCKETS_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define TWS_SOCKET_MINI 0x1   /* a struct inet_timewait_sock */
#define TWS_SOCKET_V6ONLY 0x2 /* skc_ipv6only */
#define TWS_SOCKET_FLAGS (TWS_SOCKET_MINI | TWS_SOCKET_V6ONLY)

struct tws_socket {
	__u64 cookie; /* 0: none */
	__u32 inode;  /* as sock_diag: 0 of mini-sockets, requests and orphans; as is uid */
	__u32 uid;
	__u32 ifindex;
	__u32 ticks_left; /* of a mini-socket's timer, in jiffies */
	__u16 local_port;
	__u16 peer_port;
	__u8 family; /* the socket's own: AF_INET6 for a v4-mapped one */
	__u8 state;  /* TCP_*; of mini-sockets their substate, of requests TCP_SYN_RECV */
	__u8 flags;  /* TWS_SOCKET_* */
	__u8 zero;
	__u8 local_addr[16]; /* IPv4 in the first four bytes, the rest is zero */
	__u8 peer_addr[16];
};

_Static_assert(sizeof(struct tws_socket) == 64, "no padding");

#endif

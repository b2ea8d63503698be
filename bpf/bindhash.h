/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One local port that is taken for every destination, as the iterator of
 * bpf/bindhash.bpf.c writes it into a stream that user/sockets/bindhash.c reads. Both
 * sides include this file. Host byte order; the address is in network byte order.
 */
#ifndef TWSNOOP_BINDHASH_RECORD_H
#define TWSNOOP_BINDHASH_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define TWS_BINDHASH_MAX 65536 /* chains: inet_hashinfo_init() makes no more */

struct tws_bind {
	__u32 netns;  /* inode; 0: a chain could not be followed to its end */
	__u32 inode;  /* of a socket that is bound and nothing more; 0: none, or not known */
	__u16 port;
	__u8 family;  /* of that socket, 0: none */
	__u8 zero;
	__u32 l3mdev; /* interface of the VRF that it is taken in, 0: of none */
	__u8 addr[16]; /* of that socket; IPv4 in the first four bytes */
};

_Static_assert(sizeof(struct tws_bind) == 32, "no padding");

#endif

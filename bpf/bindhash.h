/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Local ports that are taken for every destination, as the program of bpf/bindhash.bpf.c
 * leaves them for user/sockets/bindhash.c, chain by chain. Both sides include this file.
 * Host byte order; the address is in network byte order.
 */
#ifndef TWSNOOP_BINDHASH_RECORD_H
#define TWSNOOP_BINDHASH_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define TWS_BINDHASH_MAX 65536 /* chains: inet_hashinfo_init() makes no more */
#define TWS_BINDHASH_BUCKETS 128 /* of a chain are told */
#define TWS_BINDHASH_STEP 512 /* chains that one run passes over if they are empty */

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

/* What one run of the program found, beginning with the chain that it was given: the first
 * chain that is not empty, if there is one among so many. */
struct tws_bind_page {
	__u32 next;   /* the chain to go on with */
	__u32 chains; /* how many there are */
	__u32 num;    /* of binds */
	__u32 zero;
	struct tws_bind binds[TWS_BINDHASH_BUCKETS + 1]; /* and that of a torn chain */
};

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel layouts that changed over the years, as CO-RE flavours. A flavour's
 * name ends in ___something, which libbpf ignores when it looks for the type;
 * bpf_core_field_exists() then tells which layout this kernel has.
 */
#ifndef TWSNOOP_BPF_CORE_H
#define TWSNOOP_BPF_CORE_H

/* struct file's reference count: f_count, an atomic_long_t, until 90ee6ed776c0
 * (6.13) made it a file_ref_t, which is biased: no reference left is negative. */
struct file___count {
	struct {
		long counter;
	} f_count;
} __attribute__((preserve_access_index));

struct file___ref {
	struct {
		struct {
			long counter;
		} refcnt;
	} f_ref;
} __attribute__((preserve_access_index));

/* tw_refcount, which starts at 1, was tw_count until 6.1 (e9bd0cca09d1). */
struct inet_timewait_death_row___count {
	atomic_t tw_count;
} __attribute__((preserve_access_index));

/* tcp_death_row was a pointer from fbb8295248e1 (5.18) to e9bd0cca09d1 (6.1). */
struct netns_ipv4___pointer {
	struct inet_timewait_death_row *tcp_death_row;
} __attribute__((preserve_access_index));

struct net___pointer {
	struct netns_ipv4___pointer ipv4;
} __attribute__((preserve_access_index));

/* What TCP keeps in a segment's buffer: since 2.6, but in no place of its own; one byte of flags
 * until it became two, of which this is the first. */
struct tcp_skb_cb___flags {
	__u8 tcp_flags;
} __attribute__((preserve_access_index));

struct sk_buff___cb {
	char cb[48];
} __attribute__((preserve_access_index));

/* The inode's number, one of its own for each socket (sock_alloc(), get_next_ino()); since 5d6b58c932ec, before 7.0.
 * 0: no process's, as of what was not accepted yet. */
struct sock___ino {
	unsigned long sk_ino;
} __attribute__((preserve_access_index));

/* Its type has no name in the kernel. include/uapi/linux/net.h has all the values. */
struct socket___state {
	enum { SS_FREE, SS_UNCONNECTED, SS_CONNECTING } state;
	short type; /* SOCK_STREAM and its kin */
	struct file *file;
	struct sock *sk;
} __attribute__((preserve_access_index));

#endif

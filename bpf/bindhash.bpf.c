// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's table of bound local ports, of all network namespaces. No system call
 * tells what stands in it and decides whether connect() may choose a port: a bucket
 * that bind() or listen() made or shares has a fastreuse that is not negative, and is
 * passed over for every destination (__inet_hash_connect()). An object of its own: no
 * other program needs it, and it is loaded only where it is used.
 *
 * It is an iterator over an array with one element for each chain, because that is the
 * one kind of program that kernels from 5.9 on run once for each of so many.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "core.h"
#include "bindhash.h"

#define AF_INET 2
#define AF_INET6 10
#define MAX_BUCKETS 128 /* of a chain */
#define MAX_OWNERS 8	/* of a bucket are looked at */

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before loading: TWS_BINDHASH_MAX */
	__type(key, __u32);
	__type(value, __u32);
} tws_chains SEC(".maps");

static __always_inline const struct inet_hashinfo *hashinfo(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);

	if (bpf_core_field_exists(((struct net___pointer *)0)->ipv4.tcp_death_row))
		return BPF_CORE_READ((struct net___pointer *)net, ipv4.tcp_death_row, hashinfo);
	return BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
}

/*
 * A socket that is bound, and neither listens nor is connected, stands in no other
 * table. From 6.8 on sock_diag shows it (91051f003948), and the bucket has no list of
 * its own any more.
 */
static __always_inline void find_bound(struct tws_bind *to, const struct inet_bind_bucket *tb)
{
	const struct hlist_node *node;
	const struct sock_common *skc;

	if (!bpf_core_field_exists(tb->owners))
		return;
	node = BPF_CORE_READ(tb, owners.first);
	for (int i = 0; i < MAX_OWNERS && node; i++) {
		skc = (const void *)node - bpf_core_field_offset(skc->skc_bind_node);
		if (BPF_CORE_READ(skc, skc_state) == BPF_TCP_CLOSE)
			break;
		node = BPF_CORE_READ(node, next);
		if (!node || i == MAX_OWNERS - 1)
			return;
	}
	if (!node)
		return;
	to->inode = BPF_CORE_READ((const struct sock *)skc, sk_socket, file, f_inode, i_ino);
	to->family = BPF_CORE_READ(skc, skc_family) == AF_INET6 ? AF_INET6 : AF_INET;
	if (to->family == AF_INET)
		*(__be32 *)to->addr = BPF_CORE_READ(skc, skc_rcv_saddr);
	else if (bpf_core_field_exists(skc->skc_v6_rcv_saddr))
		BPF_CORE_READ_INTO((struct in6_addr *)to->addr, skc, skc_v6_rcv_saddr);
}

static __always_inline int put_bucket(struct seq_file *seq, const struct inet_bind_bucket *tb)
{
	struct tws_bind to = {};

	/* -1: connect() alone has made it, and shares it with others like it. */
	if (BPF_CORE_READ(tb, fastreuse) < 0 && BPF_CORE_READ(tb, fastreuseport) < 0)
		return 0;
	to.netns = BPF_CORE_READ(tb, ib_net.net, ns.inum);
	to.port = BPF_CORE_READ(tb, port);
	to.l3mdev = BPF_CORE_READ(tb, l3mdev);
	find_bound(&to, tb);
	if (!to.netns || !to.port)
		return 0;
	return bpf_seq_write(seq, &to, sizeof(to));
}

/* inet_bhashfn(). One that is not was freed, and made again elsewhere, since the walk began. */
static __always_inline bool is_of_chain(const struct inet_bind_bucket *tb, __u32 chain,
					__u32 chains)
{
	__u32 mix = BPF_CORE_READ(tb, ib_net.net, hash_mix);

	return ((BPF_CORE_READ(tb, port) + mix) & (chains - 1)) == chain;
}

SEC("iter/bpf_map_elem")
int tws_bindhash(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	const struct inet_hashinfo *info;
	const struct inet_bind_bucket *tb;
	const struct hlist_node *node;
	struct tws_bind torn = {};
	const __u32 *key = ctx->key;
	__u32 chains;
	__u64 head;

	if (!key) /* the end */
		return 0;
	info = hashinfo();
	chains = BPF_CORE_READ(info, bhash_size);
	if (*key >= chains)
		return 0;
	head = (__u64)BPF_CORE_READ(info, bhash) +
	       (__u64)*key * bpf_core_type_size(struct inet_bind_hashbucket);
	node = BPF_CORE_READ((const struct inet_bind_hashbucket *)head, chain.first);
	/* No lock is held: a bucket that is freed meanwhile may lead astray, but the end
	 * always comes: of the chain, of what can be read (0), or of the count. */
	for (int i = 0; i < MAX_BUCKETS && node; i++) {
		tb = (const void *)node - bpf_core_field_offset(struct inet_bind_bucket, node);
		if (!is_of_chain(tb, *key, chains))
			break;
		/* Where it does not fit the kernel comes back with this chain. */
		if (put_bucket(seq, tb))
			return 0;
		node = BPF_CORE_READ(node, next);
	}
	if (node)
		bpf_seq_write(seq, &torn, sizeof(torn));
	return 0;
}

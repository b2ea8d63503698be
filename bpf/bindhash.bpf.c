// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's table of bound local ports, of all network namespaces. No system call
 * tells what stands in it and decides whether connect() may choose a port: a bucket
 * that bind() or listen() made or shares has a fastreuse that is not negative, and is
 * passed over for every destination (__inet_hash_connect()). An object of its own: no
 * other program needs it, and it is loaded only where it is used.
 *
 * Who reads runs the program himself, once for each chain that is not empty
 * (BPF_PROG_TEST_RUN of a raw tracepoint's program, 5.10, 1b4d60ec162f); it is attached to
 * nothing. An iterator over an array would do, but some hardened kernels refuse all
 * iterators over the elements of maps.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "core.h"
#include "bindhash.h"

#define AF_INET 2
#define AF_INET6 10
#define MAX_OWNERS 8	/* of a bucket are looked at */

char LICENSE[] SEC("license") = "GPL";

struct tws_bind_page tws_page;

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

static __always_inline void put(const struct tws_bind *bind)
{
	__u32 place = tws_page.num;

	if (place <= TWS_BINDHASH_BUCKETS) {
		tws_page.binds[place] = *bind;
		tws_page.num = place + 1;
	}
}

static __always_inline void put_bucket(const struct inet_bind_bucket *tb)
{
	struct tws_bind to = {};

	/* -1: connect() alone has made it, and shares it with others like it. */
	if (BPF_CORE_READ(tb, fastreuse) < 0 && BPF_CORE_READ(tb, fastreuseport) < 0)
		return;
	to.netns = BPF_CORE_READ(tb, ib_net.net, ns.inum);
	to.port = BPF_CORE_READ(tb, port);
	to.l3mdev = BPF_CORE_READ(tb, l3mdev);
	find_bound(&to, tb);
	if (to.netns && to.port)
		put(&to);
}

/* inet_bhashfn(). One that is not was freed, and made again elsewhere, since the walk began. */
static __always_inline bool is_of_chain(const struct inet_bind_bucket *tb, __u32 chain,
					__u32 chains)
{
	__u32 mix = BPF_CORE_READ(tb, ib_net.net, hash_mix);

	return ((BPF_CORE_READ(tb, port) + mix) & (chains - 1)) == chain;
}

static __always_inline void follow(const struct hlist_node *node, __u32 chain, __u32 chains)
{
	const struct inet_bind_bucket *tb;
	struct tws_bind torn = {};

	/* No lock is held: a bucket that is freed meanwhile may lead astray, but the end
	 * always comes: of the chain, of what can be read (0), or of the count. */
	for (int i = 0; i < TWS_BINDHASH_BUCKETS && node; i++) {
		tb = (const void *)node - bpf_core_field_offset(struct inet_bind_bucket, node);
		if (!is_of_chain(tb, chain, chains))
			break;
		put_bucket(tb);
		node = BPF_CORE_READ(node, next);
	}
	if (node)
		put(&torn);
}

/* args[0] is the chain to begin with. */
SEC("raw_tracepoint")
int tws_bindhash(const __u64 *args)
{
	const struct inet_hashinfo *info = hashinfo();
	__u32 chains = BPF_CORE_READ(info, bhash_size), chain = (__u32)args[0];
	const struct hlist_node *node = NULL;
	__u64 heads = (__u64)BPF_CORE_READ(info, bhash);

	tws_page.num = 0;
	tws_page.chains = chains;
	for (int i = 0; i < TWS_BINDHASH_STEP && chain < chains; i++, chain++) {
		__u64 head = heads + (__u64)chain * bpf_core_type_size(struct inet_bind_hashbucket);

		node = BPF_CORE_READ((const struct inet_bind_hashbucket *)head, chain.first);
		if (node)
			break;
	}
	tws_page.next = node ? chain + 1 : chain;
	if (node)
		follow(node, chain, chains);
	return 0;
}

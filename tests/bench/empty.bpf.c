// SPDX-License-Identifier: GPL-2.0
/* Programs that do nothing: what the hooks themselves, and the counting, cost. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/inet_sock_set_state")
int empty_state(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("tp_btf/kfree_skb")
int empty_drop(void *ctx)
{
	(void)ctx;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

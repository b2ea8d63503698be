// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side of twsnoop. Two programs share sock:inet_sock_set_state:
 * a BPF program that is running on a CPU is skipped when a softirq on the same
 * CPU fires the same tracepoint, so the one that acts on what happens in
 * process context, with softirqs enabled, leaves at once on everything else.
 */
#include "drop.h"
#include "state.h"

char LICENSE[] SEC("license") = "GPL";

#define STATE(s) (1U << (s))

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tws_process, const struct sock *sk, int oldstate, int newstate)
{
	struct tcp_sock *tp;

	if (!(STATE(newstate) & (STATE(BPF_TCP_SYN_SENT) | STATE(BPF_TCP_FIN_WAIT1) |
				 STATE(BPF_TCP_LAST_ACK) | STATE(BPF_TCP_LISTEN))))
		return 0;
	/* close() after shutdown() comes as FIN_WAIT1 -> FIN_WAIT1. */
	if (newstate == oldstate || (newstate == BPF_TCP_LAST_ACK && !tws.all))
		return 0;
	tp = bpf_skc_to_tcp_sock((void *)sk);
	if (!tp)
		return 0;
	switch (newstate) {
	case BPF_TCP_SYN_SENT:
		on_connect(tp);
		break;
	case BPF_TCP_LISTEN:
		on_listener(tp, TWS_LISTEN);
		break;
	default:
		on_fin(tp, newstate == BPF_TCP_FIN_WAIT1 ? TWS_F_ACTIVE : TWS_F_PASSIVE);
	}
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tws_softirq, const struct sock *sk, int oldstate, int newstate)
{
	struct tcp_sock *tp;

	if (newstate != BPF_TCP_CLOSE &&
	    !(newstate == BPF_TCP_SYN_RECV && oldstate == BPF_TCP_LISTEN))
		return 0;
	tp = bpf_skc_to_tcp_sock((void *)sk);
	if (!tp)
		return 0;
	if (newstate == BPF_TCP_SYN_RECV)
		on_accept(tp);
	else if (oldstate == BPF_TCP_LISTEN)
		on_listener(tp, TWS_UNLISTEN);
	else
		on_close(tp, oldstate);
	return 0;
}

SEC("tp_btf/kfree_skb")
int tws_drop(unsigned long long *ctx)
{
	return on_drop(ctx);
}

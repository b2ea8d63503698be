// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side of twsnoop.
 *
 * Two programs share sock:inet_sock_set_state. A BPF program that is running on
 * a CPU is skipped when a softirq on the same CPU fires the same tracepoint;
 * so one acts only while the socket is owned by a process, where softirqs are
 * enabled, and the other only where they are not. Each leaves at once on what
 * is the other's, and only in that moment can a transition be missed.
 */
#include "cgroup.h"
#include "drop.h"
#include "held.h"
#include "state.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline void on_listen(const struct sock *sk, const struct tcp_sock *tp,
				      int newstate, enum tws_writer writer)
{
	if (!tws.ledger) /* somebody reads */
		on_listener(sk, tp, newstate == BPF_TCP_LISTEN ? TWS_LISTEN : TWS_UNLISTEN, writer);
}

static __always_inline void on_last_ack(const struct sock *sk, const struct tcp_sock *tp,
					enum tws_writer writer)
{
	if (tws.all)
		on_fin(sk, tp, TWS_F_PASSIVE, writer);
	else
		on_passive_fin(sk);
}

static __always_inline void on_established(const struct sock *sk, const struct tcp_sock *tp,
					   int oldstate, enum tws_writer writer)
{
	if (tws.all)
		on_opened(sk, tp, oldstate, writer);
}

static __always_inline void on_transition(const struct sock *sk, int oldstate, int newstate,
					  enum tws_writer writer)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);

	if (!tp)
		return;
	if (oldstate == BPF_TCP_SYN_RECV)
		on_accept(sk, tp, newstate);
	if (newstate == oldstate)
		on_late_close(sk, tp, writer);
	else if (newstate == BPF_TCP_ESTABLISHED)
		on_established(sk, tp, oldstate, writer);
	else if (newstate == BPF_TCP_SYN_SENT)
		on_connect(sk);
	else if (newstate == BPF_TCP_FIN_WAIT1)
		on_fin(sk, tp, TWS_F_ACTIVE, writer);
	else if (newstate == BPF_TCP_LAST_ACK)
		on_last_ack(sk, tp, writer);
	else if (newstate == BPF_TCP_LISTEN || oldstate == BPF_TCP_LISTEN)
		on_listen(sk, tp, newstate, writer);
	else
		on_close(sk, tp, oldstate, writer);
}

#define ALWAYS_OF_INTEREST                                                     \
	(STATE(BPF_TCP_SYN_SENT) | STATE(BPF_TCP_FIN_WAIT1) | STATE(BPF_TCP_LAST_ACK) | \
	 STATE(BPF_TCP_LISTEN))

/* The states are told by registers alone: ask for them first. */
static __always_inline bool is_of_interest(int oldstate, int newstate)
{
	/* close() after shutdown(). */
	if (newstate == oldstate)
		return says_nothing_of_minis() &&
		       STATE(newstate) & (STATE(BPF_TCP_FIN_WAIT1) | STATE(BPF_TCP_FIN_WAIT2));
	if (newstate == BPF_TCP_ESTABLISHED)
		return oldstate == BPF_TCP_SYN_RECV || tws.all;
	if (newstate == BPF_TCP_CLOSE)
		return close_matters(oldstate);
	return STATE(newstate) & ALWAYS_OF_INTEREST;
}

/*
 * Functions of their own, so that the programs need no stack and save no registers for the
 * transitions that they leave alone: most.
 */
static RARE void act_in_process(const struct sock *sk, int oldstate, int newstate)
{
	on_transition(sk, oldstate, newstate, TWS_PROCESS);
}

static RARE void act_in_softirq(const struct sock *sk, int oldstate, int newstate)
{
	on_transition(sk, oldstate, newstate, TWS_SOFTIRQ);
}

/* In process context, the backlog that is run by release_sock() included. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tws_process, const struct sock *sk, int oldstate, int newstate)
{
	if (is_of_interest(oldstate, newstate) && sk->sk_lock.owned)
		act_in_process(sk, oldstate, newstate);
	return 0;
}

/* Nobody owns the socket: bh_lock_sock() was taken, with softirqs disabled. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tws_softirq, const struct sock *sk, int oldstate, int newstate)
{
	if (is_of_interest(oldstate, newstate) && !sk->sk_lock.owned)
		act_in_softirq(sk, oldstate, newstate);
	return 0;
}

SEC("tp_btf/kfree_skb")
int tws_drop(unsigned long long *ctx)
{
	return on_drop(ctx);
}

/* These three are optional: see tracer.c. */

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(tws_cgroup_mkdir, struct cgroup *cgrp, const char *path)
{
	return on_cgroup(cgrp, path, TWS_CGROUP_ADDED);
}

SEC("tp_btf/cgroup_rename")
int BPF_PROG(tws_cgroup_rename, struct cgroup *cgrp, const char *path)
{
	return on_cgroup(cgrp, path, TWS_CGROUP_ADDED);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(tws_cgroup_rmdir, struct cgroup *cgrp, const char *path)
{
	return on_cgroup(cgrp, path, TWS_CGROUP_REMOVED);
}

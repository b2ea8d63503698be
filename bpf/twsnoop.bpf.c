// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side of twsnoop.
 *
 * Two programs share sock:inet_sock_set_state. One acts. But the kernel does not run a
 * program that is running on the CPU already, as it is when a softirq comes in between: then
 * the other one acts in its stead. Only one of the two can have been interrupted, so that
 * of each transition in a softirq one sees it.
 */
#include "cgroup.h"
#include "drop.h"
#include "time_wait_end.h"
#include "state.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline void on_listen(const struct sock *sk, const struct tcp_sock *tp,
				      int newstate, enum tws_writer writer)
{
	if (HAS_READERS)
		on_listener(sk, tp, newstate == BPF_TCP_LISTEN ? TWS_LISTEN : TWS_UNLISTEN, writer);
}

static __always_inline void on_last_ack(const struct sock *sk, const struct tcp_sock *tp,
					enum tws_writer writer)
{
	if (tws.all)
		on_fin(sk, tp, TWS_F_PASSIVE, writer);
	else
		open_drop(sk);
}

static __always_inline void on_established(const struct sock *sk, const struct tcp_sock *tp,
					   int oldstate, enum tws_writer writer)
{
	if (tws.all)
		on_opened(sk, tp, oldstate, writer);
}

/* close() after shutdown(); any other state is set once more to no effect, as LAST_ACK is then. */
static __always_inline void on_same_state(const struct sock *sk, const struct tcp_sock *tp,
					  int state, enum tws_writer writer)
{
	if (is_late_close(state))
		on_late_close(sk, tp, writer);
}

static __always_inline void on_close_wait(const struct sock *sk, const struct tcp_sock *tp)
{
	if (tws.all)
		on_peer_fin(sk, tp);
}

static __always_inline void on_transition(const struct sock *sk, int oldstate, int newstate,
					   enum tws_writer writer)
{
	struct tcp_sock *tp;

	if (newstate == BPF_TCP_SYN_SENT) {
		if (sk->sk_protocol == IPPROTO_TCP)
			on_connect(sk);
		return;
	}
	tp = bpf_skc_to_tcp_sock((void *)sk);
	if (!tp)
		return;
	if (oldstate == BPF_TCP_SYN_RECV)
		on_accept(sk, tp, newstate);
	if (newstate == oldstate)
		on_same_state(sk, tp, newstate, writer);
	else if (newstate == BPF_TCP_ESTABLISHED)
		on_established(sk, tp, oldstate, writer);
	else if (newstate == BPF_TCP_FIN_WAIT1)
		on_fin(sk, tp, TWS_F_ACTIVE, writer);
	else if (newstate == BPF_TCP_LAST_ACK)
		on_last_ack(sk, tp, writer);
	else if (newstate == BPF_TCP_LISTEN || oldstate == BPF_TCP_LISTEN)
		on_listen(sk, tp, newstate, writer);
	else if (newstate == BPF_TCP_CLOSE_WAIT)
		on_close_wait(sk, tp);
	else
		on_close(sk, tp, oldstate, writer);
}

#define ALWAYS_OF_INTEREST                                                     \
	(STATE(BPF_TCP_SYN_SENT) | STATE(BPF_TCP_FIN_WAIT1) | STATE(BPF_TCP_LISTEN))

/*
 * The states are told by registers alone: ask for them first, and for the most frequent ones first
 * of all. To the JIT settings are no constants, but words to be loaded.
 */
static __always_inline bool is_of_interest(const struct sock *sk, int oldstate, int newstate)
{
	if (newstate == BPF_TCP_ESTABLISHED || newstate == BPF_TCP_CLOSE_WAIT)
		return oldstate == BPF_TCP_SYN_RECV || tws.all;
	if (newstate == BPF_TCP_CLOSE)
		return close_matters(oldstate);
	if (newstate == BPF_TCP_LAST_ACK)
		return passive_fin_matters(sk) || tws.all;
	if (newstate == oldstate)
		return is_late_close(newstate);
	return STATE(newstate) & ALWAYS_OF_INTEREST;
}

/*
 * Whether a process holds the socket. Its backlog, which release_sock() runs, included;
 * softirqs are enabled meanwhile. Else bh_lock_sock() was taken, with softirqs disabled.
 */
static __always_inline bool is_owned(const struct sock *sk)
{
	return sk->sk_lock.owned;
}

/* Without a branch, of which the verifier would follow both ways to their ends. The lock's
 * word is 0 or 1. */
static __always_inline enum tws_writer writer_for(const struct sock *sk)
{
	return (sk->sk_lock.owned & 1) ^ TWS_SOFTIRQ;
}

#ifdef TWS_ATOMIC

static __always_inline __u64 name_of(const struct sock *sk, int newstate)
{
	return number_of(sk) + newstate;
}

/* Where nothing comes in between until tws_spare has run. */
static __always_inline void note_handled(const struct sock *sk, int newstate)
{
	struct tws_cpu *cpu = this_cpu();

	if (cpu)
		cpu->ring[TWS_RING_ENDS][TWS_SOFTIRQ].handled = name_of(sk, newstate);
}

/* By tws_state, which has run just before, or was skipped. Asked once. */
static __always_inline bool was_handled(const struct sock *sk, int newstate)
{
	struct tws_cpu *cpu = this_cpu();

	if (!cpu || cpu->ring[TWS_RING_ENDS][TWS_SOFTIRQ].handled != name_of(sk, newstate))
		return false;
	cpu->ring[TWS_RING_ENDS][TWS_SOFTIRQ].handled = 0;
	return true;
}

#else

/* Kernels before 5.12 skip nothing: programs nest there. */
static __always_inline void note_handled(const struct sock *sk, int newstate)
{
}

#endif

/*
 * What is done is a function of its own, so that the programs need no stack and save no registers
 * for the transitions that they leave alone: most.
 */
static OUT_OF_LINE void act(const struct sock *sk, int oldstate, int newstate)
{
	if (!is_owned(sk))
		note_handled(sk, newstate);
	on_transition(sk, oldstate, newstate, writer_for(sk));
}

/* The first one, which is attached first: a tracepoint's programs run in that order. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tws_state, const struct sock *sk, int oldstate, int newstate)
{
	if (is_of_interest(sk, oldstate, newstate))
		act(sk, oldstate, newstate);
	return 0;
}

#ifdef TWS_ATOMIC

static OUT_OF_LINE void act_in_its_stead(const struct sock *sk, int oldstate, int newstate)
{
	if (!was_handled(sk, newstate))
		on_transition(sk, oldstate, newstate, TWS_SOFTIRQ);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tws_spare, const struct sock *sk, int oldstate, int newstate)
{
	if (is_of_interest(sk, oldstate, newstate) && !is_owned(sk))
		act_in_its_stead(sk, oldstate, newstate);
	return 0;
}

#endif

/* Either of these two is loaded. By the first one's arguments: what this kernel's tracepoint does
 * not pass, as the socket before 6.11, is in no prototype. */
SEC("tp_btf/kfree_skb")
int tws_drop(unsigned long long *ctx)
{
	on_drop((void *)ctx[0], (void *)ctx[3]);
	return 0;
}

SEC("tp_btf/kfree_skb")
int tws_segment(unsigned long long *ctx)
{
	on_unnamed_drop((void *)ctx[0]);
	return 0;
}

/* These are attached by hand, with --all, if they can be: see user/capture/calls.h. */

SEC("tracepoint")
int tws_connect_enter(struct syscall_enter *ctx)
{
	on_connect_begin(ctx);
	return 0;
}

SEC("tracepoint")
int tws_connect_exit(struct syscall_exit *ctx)
{
	on_call_end(ctx->ret, TWS_CONNECT_FAILED);
	return 0;
}

SEC("tracepoint")
int tws_bind_enter(struct syscall_enter *ctx)
{
	on_bind_begin(ctx);
	return 0;
}

SEC("tracepoint")
int tws_bind_exit(struct syscall_exit *ctx)
{
	on_call_end(ctx->ret, TWS_BIND_FAILED);
	return 0;
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

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done at each transition of a TCP connection. Of the ten transitions
 * of a connection (both ends) these act on four: opened on either side, the
 * FIN that closes first, and CLOSE.
 */
#ifndef TWSNOOP_BPF_STATE_H
#define TWSNOOP_BPF_STATE_H

#include "conns.h"
#include "filter.h"
#include "outcome.h"
#include "task.h"
#include "timewait.h"

static const struct tws_conn nobody;

/* Payload, each byte once however often it was sent. */
static __always_inline __u64 sent_bytes(const struct tcp_sock *tp)
{
	return tp->bytes_sent - tp->bytes_retrans;
}

/* tcp_rcv_nxt_update() counts the peer's FIN as a byte; tcp_fin() sets SOCK_DONE. */
static __always_inline __u64 received_bytes(const struct tcp_sock *tp)
{
	__u64 done = 1ULL << bpf_core_enum_value(enum sock_flags, SOCK_DONE);
	__u64 bytes = tp->bytes_received;

	if (tp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & done && bytes)
		bytes--;
	return bytes;
}

static __always_inline void fill_event(struct tws_event *ev, const struct tcp_sock *tp,
			      const struct tuple *t, const struct tws_conn *conn)
{
	tuple_to_event(ev, t);
	ev->time_ns = bpf_ktime_get_ns();
	ev->end = 0;
	ev->pad = 0;
	ev->error = 0;
	ev->cookie = 0;
	ev->tx_bytes = sent_bytes(tp);
	ev->rx_bytes = received_bytes(tp);
	if (conn)
		__builtin_memcpy(&ev->conn, conn, sizeof(*conn));
	else
		__builtin_memset(&ev->conn, 0, sizeof(ev->conn));
}

/* ---- process context ---- */

/* connect(): the current task is the opener. The local port may not be chosen
 * yet, so a filter on it cannot decide here. */
static __always_inline void on_connect(const struct tcp_sock *tp)
{
	struct tws_conn *conn = conn_open(sock_key(tp));

	if (!conn)
		return;
	conn->open_ns = bpf_ktime_get_ns();
	conn->side = TWS_SIDE_CLIENT;
	read_opener(conn, current_task());
}

/* listen() and its end: tells user space whose connections come to an address. A
 * socket without a port yet is left out. */
static __always_inline void on_listener(const struct tcp_sock *tp, __u8 action)
{
	struct tws_event *ev;
	struct tuple t;

	read_tuple(&t, tp);
	if (!t.local_port)
		return;
	ev = reserve(action);
	if (!ev)
		return;
	fill_event(ev, tp, &t, NULL);
	if (tws.has_cookie)
		ev->cookie = bpf_get_socket_cookie((void *)tp);
	if (action == TWS_LISTEN)
		read_opener(&ev->conn, current_task());
	send(ev);
}

/* Whether no file refers to the socket any more: close(), not shutdown(). */
static __always_inline bool file_is_dead(const struct file *file)
{
	if (bpf_core_field_exists(((struct file___ref *)0)->f_ref))
		return ((const struct file___ref *)file)->f_ref.refcnt.counter < 0;
	return ((const struct file___count *)file)->f_count.counter == 0;
}

/* do_exit() sets exit_code before exit_files(); its low bits are a signal. */
static __always_inline void read_exit(struct tws_conn *conn, struct task_struct *task)
{
	conn->cause = TWS_CAUSE_EXIT;
	if (TASK_READ(task, exit_code) & 0x7f)
		conn->flags |= TWS_F_SIGNALED;
}

/*
 * How and by whom the FIN is sent. sk_lock.owned tells process context from
 * softirq on every kernel; an MPTCP subflow's FIN comes with it clear.
 */
static __always_inline void read_close(struct tws_conn *conn, const struct sock *sk)
{
	struct task_struct *task = current_task();
	__u32 flags = task_flags(task);
	const struct file *file = NULL;

	if (!sk->sk_lock.owned)
		return;
	if (sk->sk_socket)
		file = sk->sk_socket->file;
	if (flags & PF_KTHREAD || !file) {
		conn->cause = TWS_CAUSE_KERNEL;
		return;
	}
	read_closer(conn, task);
	conn->cgroup_id = task_cgroup_id(task);
	if (!file_is_dead(file))
		conn->cause = TWS_CAUSE_SHUTDOWN;
	else if (flags & PF_EXITING)
		read_exit(conn, task);
	else
		conn->cause = TWS_CAUSE_CLOSE;
}

/* The entry of a connection; a new one if it was open before tracing began. */
static __always_inline struct tws_conn *conn_of(__u64 key)
{
	struct conn_ref ref;

	if (conn_find(&ref, key))
		return &ref.slot->conn;
	return conn_open(key);
}

/* -> FIN_WAIT1 (we close first) and, if wanted, -> LAST_ACK (the peer did). */
static __always_inline void on_fin(const struct tcp_sock *tp, __u16 flag)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	struct tws_conn *conn;
	struct tuple t;

	if (tws.has_filter) {
		read_tuple(&t, tp);
		if (!filter_connection(&t))
			return;
	}
	conn = conn_of(sock_key(tp));
	if (!conn)
		return;
	conn->flags |= flag;
	read_close(conn, sk);
	if (!filter_owner(conn))
		conn->flags |= TWS_F_FILTERED;
	/* Made now, so that the mini-socket takes the same cookie over. */
	if (tws.has_cookie)
		bpf_get_socket_cookie((void *)sk);
}

/* ---- softirq, or the backlog ---- */

/* A child of a listener. Whatever its address carried before is gone. */
static __always_inline void on_accept(const struct tcp_sock *tp)
{
	struct tws_conn *conn = conn_open(sock_key(tp));

	if (!conn)
		return;
	conn->open_ns = bpf_ktime_get_ns();
	conn->side = TWS_SIDE_SERVER;
}

/* The same for kernels whose kfree_skb does not name the mini-socket. */
static __always_inline void keep_by_tuple(const struct tcp_sock *tp, const struct tuple *t,
					  const struct tws_conn *conn, const struct mini *mini)
{
	struct tws_pending pending = {};
	struct tws_key key = {};

	tuple_to_key(&key, t);
	fill_event(&pending.event, tp, t, conn);
	pending.event.action = TWS_TIME_WAIT;
	pending.event.cookie = mini->cookie;
	pending.tw = mini->addr;
	if (bpf_map_update_elem(&tws_pending, &key, &pending, BPF_ANY))
		COUNT(table_full);
}

/*
 * Keeps the owner of a mini-socket under its cookie: until the peer's FIN
 * comes, or, if the ring was full, until user space finds the mini-socket in
 * the kernel's table. Without a cookie its FIN_WAIT1 was skipped, and there is
 * no owner to keep.
 */
static __always_inline void keep(const struct tcp_sock *tp, const struct tws_conn *conn,
				 const struct mini *mini, __u16 flag)
{
	struct conn_ref ref;
	struct tws_slot *slot;

	if (!mini->cookie || !conn_claim(&ref, tws_mini_key(mini->cookie)))
		return;
	slot = ref.slot;
	if (conn)
		__builtin_memcpy(&slot->conn, conn, sizeof(*conn));
	else
		__builtin_memset(&slot->conn, 0, sizeof(*conn));
	slot->conn.flags |= flag;
	slot->tx_bytes = sent_bytes(tp);
	slot->rx_bytes = received_bytes(tp);
	slot->time_ns = bpf_ktime_get_ns();
}

static __always_inline void keep_lost(const struct tcp_sock *tp, const struct tws_conn *conn,
				      const struct mini *mini)
{
	struct tws_counters *c = counters();

	if (c && c->time_wait_lost <= tws.keep_lost)
		keep(tp, conn, mini, TWS_F_LOST);
}

/*
 * The mini-socket waits for the peer's FIN. That may come on another CPU before
 * its owner is kept; then tws_drop did not find it, and it is ours to send.
 */
static __always_inline void on_fin_wait2(const struct tcp_sock *tp, const struct tuple *t,
					 const struct tws_conn *conn, const struct mini *mini)
{
	struct tws_key key = {};
	struct conn_ref ref;
	struct tws_event *ev;

	if (tws.has_rx_sk)
		keep(tp, conn, mini, 0);
	else
		keep_by_tuple(tp, t, conn, mini);
	if (!has_entered_since(mini))
		return;
	ev = reserve(TWS_TIME_WAIT);
	if (!ev) /* stays kept, for the snapshot */
		return;
	fill_event(ev, tp, t, conn);
	ev->cookie = mini->cookie;
	if (tws.has_rx_sk) {
		send_if(ev, conn_find(&ref, tws_mini_key(mini->cookie)) && conn_release(&ref));
	} else {
		tuple_to_key(&key, t);
		send_if(ev, !bpf_map_delete_elem(&tws_pending, &key));
	}
}

static __always_inline void on_mini(const struct tcp_sock *tp, const struct tws_conn *conn,
				    const struct mini *mini)
{
	bool waits = mini->substate == BPF_TCP_FIN_WAIT2;
	struct tws_event *ev;
	struct tuple t;

	read_tuple(&t, tp);
	if (!filter_connection(&t) || (!conn && !filter_owner(&nobody)))
		return;
	if (!waits || tws.all) {
		ev = reserve(waits ? TWS_FIN_WAIT2 : TWS_TIME_WAIT);
		if (ev) {
			fill_event(ev, tp, &t, conn);
			ev->cookie = mini->cookie;
			send(ev);
		} else if (!waits) {
			keep_lost(tp, conn, mini);
		}
	}
	if (waits)
		on_fin_wait2(tp, &t, conn, mini);
}

/* Any other end. Who aborts is the current task, if it holds the socket. */
static __always_inline void on_other_end(const struct tcp_sock *tp, struct tws_conn *conn,
					 int oldstate)
{
	__u8 action = outcome_of(tp, oldstate);
	struct tws_event *ev;
	struct tuple t;

	read_tuple(&t, tp);
	if (!filter_connection(&t))
		return;
	if (conn && action == TWS_ABORT && !(conn->flags & (TWS_F_ACTIVE | TWS_F_PASSIVE)))
		read_close(conn, &tp->inet_conn.icsk_inet.sk);
	if (!filter_owner(conn ?: &nobody))
		return;
	ev = reserve(action);
	if (!ev)
		return;
	fill_event(ev, tp, &t, conn);
	ev->error = action == TWS_CONNECT_FAILED ? connect_error(tp) : sock_error(tp);
	if (tws.has_cookie)
		ev->cookie = bpf_get_socket_cookie((void *)tp);
	send(ev);
}

static __always_inline void on_close(const struct tcp_sock *tp, int oldstate)
{
	struct tws_conn *conn = NULL;
	struct conn_ref ref;
	struct mini mini;

	if (conn_find(&ref, sock_key(tp)))
		conn = &ref.slot->conn;
	if (conn && conn->flags & TWS_F_FILTERED)
		goto out;
	if ((oldstate == BPF_TCP_FIN_WAIT2 || oldstate == BPF_TCP_CLOSING) &&
	    find_mini(&mini, tp))
		on_mini(tp, conn, &mini);
	else if (tws.all && oldstate != BPF_TCP_CLOSE)
		on_other_end(tp, conn, oldstate);
out:
	if (conn)
		conn_release(&ref);
}

#endif

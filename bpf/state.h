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
#include "held.h"
#include "outcome.h"
#include "process.h"
#include "ring.h"
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

/* A client's slot has its opener from the start, and the rest from its FIN on. */
static __always_inline void fill_conn(struct tws_conn *to, const struct conn_ref *ref)
{
	const struct tws_slot *slot = NULL;

	if (ref)
		slot = conn_slot(ref);
	if (slot && ref->way->open & TWS_OPEN_FIN) {
		__builtin_memcpy(to, &slot->conn, sizeof(*to));
		tws_read_way(to, ref->way);
		return;
	}
	__builtin_memset(to, 0, sizeof(*to));
	if (!slot)
		return;
	tws_read_way(to, ref->way);
	if (to->side == TWS_SIDE_CLIENT) {
		to->opener_tgid = slot->conn.opener_tgid;
		copy_comm(to->opener_comm, slot->conn.opener_comm);
		to->flags = slot->conn.flags & TWS_F_OPENER;
	}
}

static __always_inline void fill_event(struct tws_event *ev, const struct tcp_sock *tp,
				       const struct tuple *t, const struct conn_ref *ref)
{
	tuple_to_event(ev, t);
	ev->time_ns = bpf_ktime_get_ns();
	ev->end = 0;
	ev->pad = 0;
	ev->error = 0;
	ev->cookie = 0;
	ev->tx_bytes = sent_bytes(tp);
	ev->rx_bytes = received_bytes(tp);
	fill_conn(&ev->conn, ref);
}

/* To the ledger, whose events are found by their cookie alone. */
static __always_inline void record_owner(const struct tws_slot *from, const struct tws_way *way)
{
	struct tws_event *ev = reserve(TWS_FIN_WAIT2);

	if (!ev)
		return;
	__builtin_memset(ev, 0, offsetof(struct tws_event, conn));
	ev->action = TWS_FIN_WAIT2;
	ev->family = AF_INET;
	ev->time_ns = bpf_ktime_get_ns();
	ev->cookie = from->own.cookie;
	__builtin_memcpy(&ev->conn, &from->conn, sizeof(ev->conn));
	tws_read_way(&ev->conn, way);
	send(ev);
}

/*
 * A socket has the address of one whose FIN was seen and whose CLOSE was not.
 * That may have left a mini-socket: keep its owner for the snapshot that will
 * find it. What left none is swept.
 */
static __always_inline void rescue(const struct conn_ref *old)
{
	struct tws_slot *from, *to;
	struct conn_ref ref;

	if (!tws.has_cookie || !old->stale || !(old->way->open & TWS_OPEN_FIN))
		return;
	from = conn_slot(old);
	if (!from || !from->own.cookie || from->conn.flags & TWS_F_FILTERED)
		return;
	if (tws.ledger) {
		record_owner(from, old->way);
		return;
	}
	if (!conn_reserve(&ref, tws_mini_key(from->own.cookie)))
		return;
	to = conn_slot(&ref);
	if (!to)
		return;
	__builtin_memcpy(to, from, sizeof(*to));
	to->tx_bytes = 0;
	to->rx_bytes = 0;
	to->own.time_ns = bpf_ktime_get_ns();
	ref.way->open = old->way->open;
	conn_publish(&ref);
}

/* ---- process context ---- */

/* connect(): the current task is the opener. The local port may not be chosen
 * yet, so a filter on it cannot decide here. */
static __always_inline void on_connect(const struct tcp_sock *tp)
{
	struct tws_slot *slot;
	struct conn_ref ref;

	if (!conn_claim(&ref, sock_key(tp)))
		return;
	rescue(&ref);
	ref.way->open = bpf_ktime_get_ns() | (__u64)TWS_SIDE_CLIENT << TWS_OPEN_SIDE;
	slot = conn_slot(&ref);
	if (!slot)
		return;
	slot->conn.flags = 0;
	read_opener(&slot->conn, current_task());
	note_process(current_task());
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
		read_sock_cgroup(conn, sk);
		return;
	}
	read_closer(conn, task);
	note_process(task);
	conn->cgroup_id = task_cgroup_id(task);
	if (!file_is_dead(file))
		conn->cause = TWS_CAUSE_SHUTDOWN;
	else if (flags & PF_EXITING)
		read_exit(conn, task);
	else
		conn->cause = TWS_CAUSE_CLOSE;
}

/*
 * Fills the slot of a connection as far as it is known: by its opener alone.
 * One that was open before tracing began gets its way now.
 */
static __always_inline struct tws_conn *conn_begin_fin(struct conn_ref *ref, __u64 key)
{
	struct tws_slot *slot;
	struct tws_conn *conn;

	if (!conn_find(ref, key)) {
		if (!conn_claim(ref, key))
			return NULL;
		ref->way->open = 0;
	}
	/* A connection sends one FIN: this way is of an earlier life of the address,
	 * whose CLOSE was skipped, and so was the opening of this one. */
	if (ref->way->open & TWS_OPEN_FIN) {
		ref->stale = true;
		rescue(ref);
		ref->way->open = 0;
	}
	slot = conn_slot(ref);
	if (!slot)
		return NULL;
	/* User space must not take what follows for the owner of an earlier life. */
	slot->own.cookie = 0;
	barrier();
	conn = &slot->conn;
	if (ref->way->open >> TWS_OPEN_SIDE == TWS_SIDE_CLIENT) {
		conn->flags &= TWS_F_OPENER;
	} else {
		conn->flags = 0;
		conn->opener_tgid = 0;
		__builtin_memset(conn->opener_comm, 0, sizeof(conn->opener_comm));
	}
	__builtin_memset(conn, 0, offsetof(struct tws_conn, opener_tgid));
	__builtin_memset(conn->comm, 0, sizeof(conn->comm) + sizeof(conn->thread_comm));
	__builtin_memset(conn->pad, 0, sizeof(conn->pad));
	conn->side = ref->way->open >> TWS_OPEN_SIDE;
	conn->cause = TWS_CAUSE_UNKNOWN;
	ref->way->open |= TWS_OPEN_FIN;
	return conn;
}

/* -> FIN_WAIT1 (we close first) and, if wanted, -> LAST_ACK (the peer did). */
static __always_inline void on_fin(const struct tcp_sock *tp, __u16 flag)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	struct tws_slot *slot;
	struct tws_conn *conn;
	struct conn_ref ref;
	struct tuple t;

	if (tws.has_filter) {
		read_tuple(&t, tp);
		if (!filter_connection(&t))
			return;
	}
	conn = conn_begin_fin(&ref, sock_key(tp));
	if (!conn)
		return;
	conn->flags |= flag;
	read_close(conn, sk);
	if (!filter_owner(conn))
		conn->flags |= TWS_F_FILTERED;
	/* Made now, so that the mini-socket takes the same cookie over. If CLOSE is
	 * skipped, user space finds the closer by it. */
	if (tws.has_cookie && (slot = conn_slot(&ref)))
		slot->own.cookie = bpf_get_socket_cookie((void *)sk);
}

/* ---- softirq, or the backlog ---- */

/* A child of a listener. Whatever its address carried before is gone. */
static __always_inline void on_accept(const struct tcp_sock *tp)
{
	struct conn_ref ref;

	if (!conn_claim(&ref, sock_key(tp)))
		return;
	rescue(&ref);
	ref.way->open = bpf_ktime_get_ns() | (__u64)TWS_SIDE_SERVER << TWS_OPEN_SIDE;
}

/* The same for kernels whose kfree_skb does not name the mini-socket. */
static __always_inline void keep_by_tuple(const struct tcp_sock *tp, const struct tuple *t,
					  const struct conn_ref *ref, const struct mini *mini)
{
	struct tws_pending pending = {};
	struct tws_key key = {};

	tuple_to_key(&key, t);
	fill_event(&pending.event, tp, t, ref);
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
static __always_inline void keep(const struct tcp_sock *tp, const struct conn_ref *from,
				 const struct mini *mini, __u16 flag)
{
	struct conn_ref ref;
	struct tws_slot *slot;

	if (!mini->cookie || !conn_reserve(&ref, tws_mini_key(mini->cookie)))
		return;
	slot = conn_slot(&ref);
	if (!slot)
		return;
	fill_conn(&slot->conn, from);
	slot->conn.flags |= flag;
	slot->tx_bytes = sent_bytes(tp);
	slot->rx_bytes = received_bytes(tp);
	slot->own.time_ns = bpf_ktime_get_ns();
	ref.way->open = TWS_OPEN_FIN | (from ? from->way->open : 0);
	conn_publish(&ref);
}

static __always_inline void keep_lost(const struct tcp_sock *tp, const struct conn_ref *ref,
				      const struct mini *mini)
{
	struct tws_counters *c = counters();

	if (c && c->time_wait_lost <= tws.keep_lost)
		keep(tp, ref, mini, TWS_F_LOST);
}

/*
 * The mini-socket waits for the peer's FIN. That may come on another CPU before
 * its owner is kept; then tws_drop did not find it, and it is ours to send.
 */
static __always_inline void on_fin_wait2(const struct tcp_sock *tp, const struct tuple *t,
					 const struct conn_ref *ref, const struct mini *mini)
{
	struct tws_key key = {};
	struct conn_ref kept;
	struct tws_event *ev;

	if (tws.has_rx_sk)
		keep(tp, ref, mini, 0);
	else
		keep_by_tuple(tp, t, ref, mini);
	if (!has_entered_since(mini))
		return;
	ev = reserve(TWS_TIME_WAIT);
	if (!ev) /* stays kept, for the snapshot */
		return;
	fill_event(ev, tp, t, ref);
	ev->cookie = mini->cookie;
	if (tws.has_rx_sk) {
		send_if(ev, conn_find(&kept, tws_mini_key(mini->cookie)) && conn_release(&kept));
	} else {
		tuple_to_key(&key, t);
		send_if(ev, !bpf_map_delete_elem(&tws_pending, &key));
	}
}

static __always_inline void on_mini(const struct tcp_sock *tp, const struct conn_ref *ref,
				    const struct mini *mini)
{
	bool waits = mini->substate == BPF_TCP_FIN_WAIT2;
	struct tws_event *ev;
	struct tuple t;

	read_tuple(&t, tp);
	if (!filter_connection(&t))
		return;
	if (!waits || tws.all || tws.ledger) {
		ev = reserve(waits ? TWS_FIN_WAIT2 : TWS_TIME_WAIT);
		if (ev) {
			fill_event(ev, tp, &t, ref);
			ev->cookie = mini->cookie;
			send(ev);
		} else if (!waits) {
			keep_lost(tp, ref, mini);
		}
	}
	if (tws.ledger) /* it is found by its cookie, whatever becomes of it */
		return;
	if (waits)
		on_fin_wait2(tp, &t, ref, mini);
	else if (tws.all && !tws.has_rx_sk)
		keep_held_tuple(&t, mini->addr, mini->cookie);
}

/* Any other end. Who aborts is the current task, if it holds the socket. */
static __always_inline void on_other_end(const struct tcp_sock *tp, const struct conn_ref *ref,
					 int oldstate)
{
	__u8 action = outcome_of(tp, oldstate);
	struct tws_event *ev;
	struct tuple t;

	read_tuple(&t, tp);
	if (!filter_connection(&t))
		return;
	ev = reserve(action);
	if (!ev)
		return;
	fill_event(ev, tp, &t, ref);
	if (action == TWS_ABORT && !(ev->conn.flags & (TWS_F_ACTIVE | TWS_F_PASSIVE)))
		read_close(&ev->conn, &tp->inet_conn.icsk_inet.sk);
	ev->error = action == TWS_CONNECT_FAILED ? connect_error(tp) : sock_error(tp);
	if (tws.has_cookie)
		ev->cookie = bpf_get_socket_cookie((void *)tp);
	send_if(ev, filter_owner(&ev->conn));
}

/* Whether the closer was asked for and is another, or nobody knows who it is. */
static __always_inline bool is_filtered(const struct conn_ref *ref)
{
	const struct tws_slot *slot = NULL;

	if (!tws.has_filter)
		return false;
	if (ref)
		slot = conn_filled_slot(ref);
	return slot ? slot->conn.flags & TWS_F_FILTERED : !filter_owner(&nobody);
}

static __always_inline void on_close(const struct tcp_sock *tp, int oldstate)
{
	const struct conn_ref *known = NULL;
	struct conn_ref ref;
	struct mini mini;

	if (conn_find(&ref, sock_key(tp)))
		known = &ref;
	if ((oldstate == BPF_TCP_FIN_WAIT2 || oldstate == BPF_TCP_CLOSING) &&
	    find_mini(&mini, tp)) {
		if (!is_filtered(known))
			on_mini(tp, known, &mini);
	} else if (tws.all && oldstate != BPF_TCP_CLOSE) {
		on_other_end(tp, known, oldstate);
	}
	if (known)
		conn_release(&ref);
}

#endif

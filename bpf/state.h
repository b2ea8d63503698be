/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done at each transition of a TCP connection. Of the ten transitions
 * of a connection (both ends) these act on four: opened on either side, the
 * FIN that closes first, and CLOSE of that end, where most often a glance is enough.
 *
 * Functions take the socket twice: @sk is the tracepoint's own pointer, which newer
 * verifiers trust and read without a guard of fifty bytes of code for each field; @tp is
 * for what only a struct tcp_sock has.
 */
#ifndef TWSNOOP_BPF_STATE_H
#define TWSNOOP_BPF_STATE_H

#include "bytes.h"
#include "call.h"
#include "filter.h"
#include "looking.h"
#include "time_wait_end.h"
#include "opens.h"
#include "outcome.h"
#include "process.h"
#include "ring.h"
#include "task.h"
#include "timewait.h"

static const struct tws_conn nobody;

/*
 * Where a transition may be seen by no program, the entry of a client whose end was not seen stays, and the next
 * socket at its address, whose opening was not seen either, would have it: another process, or the other side. So
 * an entry that connect() makes has a mark of the socket's inode number there, which the next one has not, but for
 * one in 255. A mark of 0 is nobody's: such an entry is never used.
 */
static __always_inline __u8 mark_of(const struct sock *sk)
{
	unsigned long ino = 0;

	if (bpf_core_field_exists(((struct sock___ino *)0)->sk_ino))
		ino = ((const struct sock___ino *)sk)->sk_ino;
	return ino ? ino % 255 + 1 : 0;
}

static __always_inline void open_mark(struct tws_open *open, const struct sock *sk)
{
	if (tws.may_miss)
		open->opener_comm[TWS_COMM_LEN - 1] = mark_of(sk);
}

static __always_inline bool is_anothers(const struct tws_open *open, const struct sock *sk)
{
	__u8 mark = (__u8)open->opener_comm[TWS_COMM_LEN - 1];

	return tws.may_miss && open_side(open) == TWS_SIDE_CLIENT && (!mark || mark != mark_of(sk));
}

static __always_inline __u64 socket_cookie(const struct sock *sk)
{
	return sk->__sk_common.skc_cookie.counter;
}

/* Fills @conn with what the table of connections has: when, which side, and by whom; all but
 * the closer. Each word is stored once: records are in lines that no cache has. */
static __always_inline void fill_opening(struct tws_conn *conn, const struct sock *sk,
					 const struct tws_open *open)
{
	__u32 opener = open ? opener_of(open) : 0;

	conn->open_ns = open ? open_time_ns(open) : 0;
	conn->opener_tgid = opener;
	if (opener)
		copy_comm(conn->opener_comm, open->opener_comm);
	else
		__builtin_memset(conn->opener_comm, 0, sizeof(conn->opener_comm));
	if (tws.may_miss)
		conn->opener_comm[TWS_COMM_LEN - 1] = 0;
	conn->side = open ? open_side(open) : TWS_SIDE_UNKNOWN;
	conn->cause = TWS_CAUSE_UNKNOWN;
	conn->flags = opener ? TWS_F_OPENER : 0;
	conn->ifindex = sk->__sk_common.skc_bound_dev_if;
}

/* What is known since the peer's FIN, if that came first. */
static __always_inline void fill_peer_fin(struct tws_conn *conn, const struct tws_open *open)
{
	if (open && open->open & OPEN_FIN_UNCOUNTED)
		conn->flags |= TWS_F_FIN_UNCOUNTED;
}

/* All but cookie, bytes and conn. */
static __always_inline void fill_event(const struct out *out, const struct sock *sk,
				       __u16 local_port)
{
	struct tws_event *ev = out->ev;

	fill_tuple(ev, sk, local_port);
	ev->time_ns = out->time_ns;
	ev->end = 0;
	ev->pad = 0;
	ev->error = 0;
}

/* ---- process context ---- */

/* connect(): the current task is the opener, if it is a process. */
static __always_inline void on_connect(const struct sock *sk)
{
	struct task_struct *task = current_task();
	bool is_process = !(task_flags(task) & PF_KTHREAD);
	struct tws_open *open;

	on_call_syn_sent(sk);
	open = open_claim(sk, is_process ? TASK_READ(task, tgid) : 0);
	if (!open)
		return;
	if (is_process)
		read_comm(open->opener_comm, TASK_READ(task, group_leader));
	open_mark(open, sk);
	open_publish(open, TWS_SIDE_CLIENT, bpf_ktime_get_ns());
	note_process(task);
}

/* listen() and its end: tells user space whose connections come to an address. A
 * socket without a port yet is left out. */
static OUT_OF_LINE void on_listener(const struct sock *sk, const struct tcp_sock *tp, __u8 action,
			     enum tws_writer writer)
{
	struct out out;

	/* What is counted is the same for both. */
	if (!local_port_of(tp) || !reserve(&out, TWS_LISTEN, writer))
		return;
	out.ev->action = action;
	fill_event(&out, sk, local_port_of(tp));
	out.ev->tx_bytes = 0;
	out.ev->rx_bytes = 0;
	__builtin_memset(&out.ev->conn, 0, sizeof(out.ev->conn));
	out.ev->cookie = HAS_COOKIE ? bpf_get_socket_cookie((void *)sk) : 0;
	if (action == TWS_LISTEN)
		read_opener(&out.ev->conn, current_task());
	send(&out);
}

/* Whether no file refers to the socket any more: close(), not shutdown(). */
static __always_inline bool file_is_dead(const struct file *file)
{
	if (bpf_core_field_exists(((struct file___ref *)0)->f_ref))
		return ((const struct file___ref *)file)->f_ref.refcnt.counter < 0;
	return ((const struct file___count *)file)->f_count.counter == 0;
}

/* What refers to the socket, or NULL. */
static __always_inline const struct file *file_of(const struct sock *sk)
{
	const struct socket *socket = sk->sk_socket;

	return socket ? socket->file : NULL;
}

/* do_exit() sets exit_code before exit_files(); its low bits are a signal. */
static __always_inline void read_exit(struct tws_conn *conn, struct task_struct *task)
{
	conn->cause = TWS_CAUSE_EXIT;
	if (TASK_READ(task, exit_code) & 0x7f)
		conn->flags |= TWS_F_SIGNALED;
}

/* Whether the file's last reference may have been that of a process that never had it open. */
static __always_inline bool is_lookers(__u32 opener_tgid, const struct file *file,
				       struct task_struct *task)
{
	return (__u32)TASK_READ(task, tgid) != opener_tgid && file_is_dead(file) &&
	       !(task_flags(task) & PF_EXITING) && tws_only_looks();
}

/*
 * How and by whom the connection is closed, or aborted (@is_abort) from @oldstate.
 * sk_lock.owned tells process context from softirq on every kernel; an MPTCP subflow's FIN comes
 * with it clear. tcp_abort() locks the socket on behalf of a process that need not have it open.
 * Where the file lives on, what sends a FIN is shutdown(), and what aborts connect(AF_UNSPEC).
 */
static __always_inline void read_close(struct tws_conn *conn, const struct sock *sk,
				       bool is_abort, int oldstate)
{
	bool is_destroyed = is_abort && was_destroyed(sk);
	struct task_struct *task = current_task();
	__u32 flags = task_flags(task);
	const struct file *file;
	bool is_kernels;

	if (!sk->sk_lock.owned) {
		clear_closer(conn);
		if (is_abort && was_ended_by_icmp(sk, oldstate))
			conn->cause = TWS_CAUSE_ICMP;
		return;
	}
	file = file_of(sk);
	is_kernels = flags & PF_KTHREAD || (!file && !is_destroyed);
	if (is_kernels || (file && is_lookers(conn->opener_tgid, file, task))) {
		clear_closer(conn);
		conn->cause = is_kernels ? TWS_CAUSE_KERNEL : TWS_CAUSE_UNKNOWN;
		read_sock_cgroup(conn, sk);
		return;
	}
	read_closer(conn, task);
	conn->cgroup_id = task_cgroup_id(task);
	if (is_abort)
		barrier_var(file); /* or clang leaves out what it knows and the verifier does not */
	if (is_abort && (is_destroyed || !file))
		conn->cause = TWS_CAUSE_DESTROY;
	else if (!file_is_dead(file))
		conn->cause = is_abort ? TWS_CAUSE_DISCONNECT : TWS_CAUSE_SHUTDOWN;
	else if (flags & PF_EXITING)
		read_exit(conn, task);
	else
		conn->cause = TWS_CAUSE_CLOSE;
}

/*
 * The id by which user space joins the ending to this FIN: the socket's cookie, which the
 * mini-socket takes over; before 5.12 a number that we make up. With a filter the entry in the
 * table of connections notes that this FIN was let pass, so that CLOSE knows it: if there is
 * none, because the opening was not seen, one is made.
 */
static __always_inline __u64 make_id(const struct sock *sk, struct tws_open *open)
{
	__u64 id;

	if (!open_ends_with_fin() && !open) {
		open = open_claim(sk, 0);
		if (open)
			open_publish_unknown(open);
	}
	if (HAS_COOKIE)
		id = bpf_get_socket_cookie((void *)sk);
	else
		id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 255);
	if (!open_ends_with_fin() && open)
		open_keep_id(open, id);
	return id;
}

/*
 * At CLOSE: the id of this connection's FIN record, or 0 if none was written. Where it would
 * have given the socket a cookie and there is none, the table need not be asked.
 */
static __always_inline __u64 read_id(const struct sock *sk)
{
	const struct tws_open *open;

	if (open_ends_with_fin() || (HAS_COOKIE && !socket_cookie(sk)))
		return socket_cookie(sk);
	open = open_find(sk);
	return open ? open_id(open, socket_cookie(sk)) : 0;
}

/*
 * The socket's entry, unless it is one that an earlier socket at the same address has left.
 * @fins as for side_by_acks().
 */
static __always_inline struct tws_open *take_opening(const struct sock *sk,
						     const struct tcp_sock *tp, __u32 fins)
{
	struct tws_open *open = open_find(sk);

	if (!open)
		return NULL;
	/* Servers' entries are left behind; and the program that was to take this one over may
	 * have been skipped. */
	if ((open_side(open) == TWS_SIDE_SERVER && side_by_acks(tp, fins) == TWS_SIDE_CLIENT) ||
	    is_anothers(open, sk)) {
		open_release(sk, open);
		return NULL;
	}
	return open;
}

/* Fills @conn: the opening, and who sends the FIN. */
static __always_inline void fill_fin(struct tws_conn *conn, const struct sock *sk,
				     const struct tws_open *open, __u16 flag)
{
	fill_opening(conn, sk, open);
	conn->flags |= flag;
	if (flag & TWS_F_PASSIVE)
		fill_peer_fin(conn, open);
	if (sk->sk_shutdown & RCV_SHUTDOWN)
		conn->flags |= TWS_F_DEAF;
	read_close(conn, sk, false, 0);
}

static __always_inline void drop_fin(const struct sock *sk, const struct tcp_sock *tp,
				     struct tws_open *open)
{
	forget_owner(sk, tp);
	if (open)
		open_release(sk, open);
}

/* The part of the filter that asks for addresses. Out of line, so that its stack is free again
 * when the caller goes on. */
static OUT_OF_LINE bool passes_filter(const struct sock *sk, const struct tcp_sock *tp)
{
	struct tuple t;

	read_tuple(&t, sk, tp);
	return filter_connection(&t);
}

static __always_inline bool passes(const struct sock *sk, const struct tcp_sock *tp)
{
	return !filters_connections() || passes_filter(sk, tp);
}

/* Writes the record, with what is @known of the connection already, if that is not NULL. Else
 * @id is what make_id() gives, where the entry may be given back already. */
static __always_inline void tell_fin(const struct sock *sk, const struct tcp_sock *tp,
				     struct tws_open *open, __u16 flag, __u64 id, __u64 now_ns,
				     const struct tws_conn *known, enum tws_writer writer)
{
	struct out out;

	if (!reserve_at(&out, TWS_FIN, writer, now_ns)) {
		drop_fin(sk, tp, open);
		return;
	}
	fill_event(&out, sk, sk->__sk_common.skc_num);
	if (known)
		__builtin_memcpy(&out.ev->conn, known, sizeof(*known));
	else
		fill_fin(&out.ev->conn, sk, open, flag);
	out.ev->tx_bytes = final_tx_bytes(tp, out.ev->conn.side);
	out.ev->rx_bytes = received_bytes(sk, tp, flag & TWS_F_PASSIVE ? out.ev->conn.flags : 0);
	out.ev->cookie = known || !open_outlives_socket() ? make_id(sk, open) : id;
	send(&out);
	if (open && open_ends_with_fin())
		open_release(sk, open);
}

/* With a filter for processes, before more is read: whether the one that closes, whom read_close() would
 * name, does not pass. Where nobody is named, who has opened the connection is asked for. */
static __always_inline bool is_closed_by_others(const struct sock *sk, const struct tws_open *open)
{
	struct task_struct *task = current_task();
	const struct file *file = file_of(sk);

	return tws.filter.num_pids && sk->sk_lock.owned && !(task_flags(task) & PF_KTHREAD) && file &&
	       !pass_pid(TASK_READ(task, tgid)) && !is_lookers(open ? opener_of(open) : 0, file, task);
}

/* A filter may ask who closes: so that is found out before room is taken for a record. */
static OUT_OF_LINE void on_filtered_fin(const struct sock *sk, const struct tcp_sock *tp, __u16 flag,
				 enum tws_writer writer)
{
	struct tws_open *open = open_find(sk);
	struct tws_conn conn;

	if (is_closed_by_others(sk, open) || !passes(sk, tp)) {
		drop_fin(sk, tp, open);
		return;
	}
	open = take_opening(sk, tp, 0);
	fill_fin(&conn, sk, open, flag);
	if (!filter_owner(&conn)) {
		drop_fin(sk, tp, open);
		return;
	}
	count_filtered_fin(writer);
	tell_fin(sk, tp, open, flag, 0, bpf_ktime_get_ns(), &conn, writer);
}

/* Who closes the socket, or resets it, if it is a process. Where there is room on the stack. */
static __always_inline void note_closer(const struct sock *sk)
{
	struct task_struct *task = current_task();

	if (tws.attached && sk->sk_lock.owned && !(task_flags(task) & PF_KTHREAD))
		note_process(task);
}

/*
 * The clock and the cookie come first, if they are wanted in any case. The clock waits for the loads
 * before it; to give a cookie takes a locked instruction, which waits for the stores before it, and
 * lets no later load begin. What follows are loads and stores of lines that no cache of this CPU has.
 */
static __always_inline void on_any_fin(const struct sock *sk, const struct tcp_sock *tp, __u16 flag,
				       enum tws_writer writer)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u64 id = open_outlives_socket() ? bpf_get_socket_cookie((void *)sk) : 0;

	tell_fin(sk, tp, take_opening(sk, tp, 0), flag, id, now_ns, NULL, writer);
}

/* -> FIN_WAIT1 (we close first) and, if wanted, -> LAST_ACK (the peer did). */
static __always_inline void on_fin(const struct sock *sk, const struct tcp_sock *tp,
				   __u16 flag, enum tws_writer writer)
{
	note_closer(sk);
	if (tws.has_filter)
		on_filtered_fin(sk, tp, flag, writer);
	else
		on_any_fin(sk, tp, flag, writer);
}

/* ---- softirq, or the backlog ---- */

/*
 * When a socket that leaves SYN_RECV was accepted, without asking the clock: on the way
 * to ESTABLISHED tcp_rcv_state_process() has just done that. One that ends before was
 * opened by TCP fast open, and its request has the time in us; it is gone if a reset has
 * come, and then the time is not known.
 */
static __always_inline __u64 accepted_ns(const struct tcp_sock *tp, int newstate)
{
	const struct tcp_request_sock *req;

	if (newstate == BPF_TCP_ESTABLISHED)
		return tp->tcp_clock_cache;
	req = (const void *)tp->fastopen_rsk;
	return req ? BPF_CORE_READ(req, snt_synack) * 1000 : 0;
}

/*
 * SYN_RECV -> any. Nearly always a child of a listener: it gets an entry, over whatever an
 * earlier socket at its address has left. It may also be a client whose peer connected to it at
 * the same moment: that has its entry since SYN_SENT, and keeps it. When such a one becomes
 * ESTABLISHED its SYN has been acknowledged; a child has no bytes acknowledged then.
 */
static __always_inline void on_accept(const struct sock *sk, const struct tcp_sock *tp,
				      int newstate)
{
	struct tws_open *open;

	if ((newstate != BPF_TCP_ESTABLISHED || tp->bytes_acked) &&
	    side_by_syn(tp) == TWS_SIDE_CLIENT)
		return;
	open = open_claim(sk, 0);
	if (open)
		open_publish(open, TWS_SIDE_SERVER, accepted_ns(tp, newstate));
}

/*
 * -> CLOSE_WAIT, the peer's FIN. If it came in the segment of the peer's
 * SYN, with data (TCP fast open), tcp_fastopen_add_skb() has counted the data alone. Then
 * snd_wl1 is the SYN's number still, and the SYN and the FIN have a number each.
 */
static OUT_OF_LINE void on_peer_fin(const struct sock *sk, const struct tcp_sock *tp)
{
	struct tws_open *open;

	if ((__u32)(tp->rcv_nxt - tp->snd_wl1) != tp->bytes_received + 2)
		return;
	open = open_find(sk);
	if (open)
		open->open |= OPEN_FIN_UNCOUNTED;
}

/*
 * The peer closed first, and nobody asks for that: the entry is given back. A server's is left
 * where it is, for the next socket at the same address to take over: its cache line would have
 * to come from another CPU. Servers are known by sk_max_ack_backlog, which a child has from its
 * listener.
 */
static __always_inline bool passive_fin_matters(const struct sock *sk)
{
	return !open_outlives_socket() || !sk->sk_max_ack_backlog;
}

/* What became, at @now_ns, of the connection whose FIN event has this @id; @unsent as in
 * struct tws_ending. */
static __always_inline void tell_end_at(const struct sock *sk, const struct tcp_sock *tp,
					__u64 id, __u8 action, enum tws_writer writer,
					__u64 now_ns, __u64 unsent)
{
	struct out out;

	if (!reserve_end(&out, action, writer, now_ns))
		return;
	out.end->time_ns = now_ns;
	out.end->id = id;
	out.end->unsent_bytes = unsent;
	out.end->rx_bytes = received_bytes(sk, tp, 0);
	out.end->error = action >= TWS_RESET && action <= TWS_CONNECT_FAILED ? sock_error(sk) : 0;
	fill_life(out.end, local_port_of(tp), &sk->__sk_common);
	send_end(&out);
}

static __always_inline void tell_end(const struct sock *sk, const struct tcp_sock *tp,
				     __u64 id, __u8 action, enum tws_writer writer)
{
	tell_end_at(sk, tp, id, action, writer, bpf_ktime_get_ns(), 0);
}

static __always_inline __u8 action_of(const struct mini *mini)
{
	return mini->substate == BPF_TCP_FIN_WAIT2 ? TWS_FIN_WAIT2 : TWS_TIME_WAIT;
}

/*
 * A mini-socket of a connection without a FIN record: the FIN was sent before tracing began, or
 * the program was skipped then. Who closed is not known, so that a filter by owner does not let
 * it pass. The full socket must not be given a cookie now: the mini-socket has been made, and
 * would not have the same one.
 */
static OUT_OF_LINE void tell_mini_without_fin(const struct sock *sk, const struct tcp_sock *tp,
			       const struct mini *mini, enum tws_writer writer)
{
	struct out out;

	if (!filter_owner(&nobody) || !reserve(&out, action_of(mini), writer))
		return;
	fill_event(&out, sk, local_port_of(tp));
	fill_opening(&out.ev->conn, sk, take_opening(sk, tp, 1));
	clear_closer(&out.ev->conn);
	out.ev->tx_bytes = payload_before(tp, tp->write_seq, 1, out.ev->conn.side);
	out.ev->rx_bytes = received_bytes(sk, tp, 0);
	out.ev->cookie = mini->cookie;
	send(&out);
}

/*
 * The mini-socket waits for the peer's FIN, and this kernel's kfree_skb does not
 * name it. The FIN may come on another CPU before it is kept; then tws_drop did not
 * find it, and it is ours to tell.
 */
static __always_inline void keep_pending(const struct tuple *t, __u64 id,
					 const struct mini *mini, enum tws_writer writer)
{
	struct tws_pending pending = {
		.tw = mini->addr,
		.id = id,
		.cookie = mini->cookie,
		.time_ns = bpf_ktime_get_ns(),
	};
	struct tws_key key = {};

	tuple_to_key(&key, t);
	if (bpf_map_update_elem(&tws_pending, &key, &pending, BPF_ANY))
		COUNT(table_full);
	else if (has_entered_since(mini) && !bpf_map_delete_elem(&tws_pending, &key))
		tell_entered_by_key(id, &key, writer);
}

/* On kernels whose kfree_skb does not name a mini-socket. */
static OUT_OF_LINE void keep_mini(const struct sock *sk, const struct tcp_sock *tp, __u64 id,
			   const struct mini *mini, enum tws_writer writer)
{
	struct tuple t;

	read_tuple(&t, sk, tp);
	if (mini->substate == BPF_TCP_FIN_WAIT2)
		keep_pending(&t, id, mini, writer);
	else if (tws.all)
		keep_time_wait_tuple(&t, mini->addr, mini->cookie);
}

static __always_inline void on_mini(const struct sock *sk, const struct tcp_sock *tp, __u64 id,
				    const struct mini *mini, enum tws_writer writer)
{
	__u8 action = action_of(mini);

	if (id)
		tell_end(sk, tp, id, action, writer);
	else if (action == TWS_TIME_WAIT || tws.all)
		tell_mini_without_fin(sk, tp, mini, writer);
	if (!tws.has_rx_sk)
		keep_mini(sk, tp, id, mini, writer);
}

/* Whether connect() fails by itself here: then its return value is told (call.h). */
static OUT_OF_LINE bool is_told_by_call(const struct sock *sk, const struct tcp_sock *tp)
{
	const struct tws_open *open;

	if (!tws.sees_calls)
		return false;
	open = open_find(sk);
	return fails_in_call(sk, tp, open ? open_time_ns(open) : 0);
}

/* Whether a server's entry is at a client's socket. As take_opening() asks, but that of what sends a FIN the sum is
 * left alone; and what leaves SYN_SENT is a client's in any case. */
static __always_inline bool is_no_server(const struct tws_open *open, const struct tcp_sock *tp, int oldstate)
{
	return tws.may_miss && open_side(open) == TWS_SIDE_SERVER &&
	       (oldstate == BPF_TCP_SYN_SENT ||
		(!(STATE(oldstate) & FIN_WAS_SENT) && side_by_acks(tp, 0) == TWS_SIDE_CLIENT));
}

/* Any other end of a connection that sent no FIN. Who aborts it is the current
 * task, if it holds the socket. */
static OUT_OF_LINE void tell_other(const struct sock *sk, const struct tcp_sock *tp, int oldstate,
				   enum tws_writer writer)
{
	__u8 action = outcome_of(sk, tp, oldstate);
	const struct tws_open *open;
	struct tws_conn conn;
	struct out out;

	if (!action)
		return;
	open = open_find(sk);
	if (open && (is_anothers(open, sk) || is_no_server(open, tp, oldstate)))
		open = NULL;
	fill_opening(&conn, sk, open);
	fill_peer_fin(&conn, open);
	if (action == TWS_ABORT)
		read_close(&conn, sk, true, oldstate);
	else
		clear_closer(&conn);
	if (!filter_owner(&conn) || !reserve(&out, action, writer))
		return;
	fill_event(&out, sk, local_port_of(tp));
	out.ev->tx_bytes = left_tx_bytes(tp, oldstate, conn.side);
	out.ev->rx_bytes = received_bytes(sk, tp, conn.flags);
	__builtin_memcpy(&out.ev->conn, &conn, sizeof(conn));
	out.ev->error = action == TWS_CONNECT_FAILED ? connect_error(sk, tp) : sock_error(sk);
	out.ev->cookie = HAS_COOKIE ? bpf_get_socket_cookie((void *)sk) : 0;
	send(&out);
}

/* Of a connection whose FIN event has this @id. */
static OUT_OF_LINE void tell_end_after_fin(const struct sock *sk, const struct tcp_sock *tp,
					   __u64 id, int oldstate, enum tws_writer writer)
{
	tell_end_at(sk, tp, id, outcome_of(sk, tp, oldstate), writer, bpf_ktime_get_ns(),
		    unsent_bytes(tp));
}

static __always_inline void on_other_end(const struct sock *sk, const struct tcp_sock *tp, __u64 id,
					 int oldstate, enum tws_writer writer)
{
	if (STATE(oldstate) & FIN_WAS_SENT && id)
		tell_end_after_fin(sk, tp, id, oldstate, writer);
	else
		tell_other(sk, tp, oldstate, writer);
}

static OUT_OF_LINE void tell_gone(const struct sock *sk, const struct tcp_sock *tp, __u64 id,
			   enum tws_writer writer)
{
	tell_short(id, TWS_GONE, local_port_of(tp), &sk->__sk_common, writer);
}

/*
 * Only without --all, and where kfree_skb names the mini-socket: then nobody needs to
 * know of one that waits in FIN_WAIT2. Its FIN record has all but the end, which
 * tws_drop tells. What has left none, as after data for a socket that is closed, is
 * told: else its FIN would be waited for.
 */
static __always_inline bool omits_fin_wait2_minis(void)
{
	return tws.has_rx_sk && !tws.all && HAS_READERS;
}

/* Of a state that is set once more. */
static __always_inline bool is_late_close(int state)
{
	return STATE(state) & (STATE(BPF_TCP_FIN_WAIT1) | STATE(BPF_TCP_FIN_WAIT2)) &&
	       omits_fin_wait2_minis();
}

/* close() after shutdown(): what came in between belongs to the connection. */
static OUT_OF_LINE void on_late_close(const struct sock *sk, const struct tcp_sock *tp,
			       enum tws_writer writer)
{
	__u64 id = read_id(sk);

	if (id)
		tell_end(sk, tp, id, TWS_BYTES, writer);
}

/* What nobody reads has all that it needs since the FIN. */
static OUT_OF_LINE void tell_close(const struct sock *sk, const struct tcp_sock *tp, __u64 id,
			    int oldstate, enum tws_writer writer)
{
	enum found found = FOUND_NONE;
	struct mini mini = {};

	if (HAS_READERS && (oldstate == BPF_TCP_FIN_WAIT2 || oldstate == BPF_TCP_CLOSING))
		found = find_mini(&mini, sk, tp);
	if (!HAS_READERS || found == FOUND_UNKNOWN)
		return; /* a snapshot will tell */
	if ((found == FOUND_MINI || tws.all) && !passes(sk, tp))
		return;
	if (found == FOUND_MINI) {
		on_mini(sk, tp, id, &mini, writer);
	} else if (tws.all && oldstate == BPF_TCP_SYN_SENT && is_told_by_call(sk, tp)) {
		return;
	} else if (tws.all && oldstate != BPF_TCP_CLOSE) {
		note_closer(sk);
		on_other_end(sk, tp, id, oldstate, writer);
	} else if (id && STATE(oldstate) & FIN_WAS_SENT && oldstate != BPF_TCP_LAST_ACK) {
		tell_gone(sk, tp, id, writer);
	}
}

/* Whether at CLOSE anything is told, or an entry given back. */
static __always_inline bool close_matters(int oldstate)
{
	return oldstate != BPF_TCP_LAST_ACK || tws.all || !open_outlives_socket();
}

/*
 * The short way, which nearly all sockets take: a glance finds the mini-socket that this one has
 * left. Which of the two states that is in need not be read: if the peer had sent no FIN, it
 * waits in FIN_WAIT2, else it is in TIME_WAIT (tcp_fin(), tcp_rcv_state_process(),
 * __tcp_close()). Tells what is to be told. False: nothing was found so, search for it.
 */
static __always_inline bool ends_in_plain_mini(const struct sock *sk, const struct tcp_sock *tp,
					       __u64 id, int oldstate, enum tws_writer writer)
{
	/* What is attached with a filter does not know of a cookie whether its FIN has passed. */
	if (!tws.has_rx_sk || (tws.has_filter && open_ends_with_fin()) || !HAS_READERS || !id ||
	    (oldstate != BPF_TCP_FIN_WAIT2 && oldstate != BPF_TCP_CLOSING) ||
	    !has_left_mini(sk, id))
		return false;
	/* tcp_rcv_state_process() asks the clock before it looks at the peer's FIN; of a
	 * process, which does that for its backlog, the processor may be taken away in between. */
	if (peer_has_closed(sk))
		tell_end_at(sk, tp, id, TWS_TIME_WAIT, writer,
			    writer == TWS_SOFTIRQ ? tp->tcp_clock_cache : bpf_ktime_get_ns(), 0);
	else if (!omits_fin_wait2_minis())
		tell_end(sk, tp, id, TWS_FIN_WAIT2, writer);
	return true;
}

/* With a filter for who closes: its FIN did not pass, or was not seen, and so nothing is told. */
static __always_inline bool is_others(__u64 id)
{
	return !id && !tws.all && filters_owners();
}

static __always_inline void on_close(const struct sock *sk, const struct tcp_sock *tp,
				     int oldstate, enum tws_writer writer)
{
	__u64 id = read_id(sk);

	if (!is_others(id) && !ends_in_plain_mini(sk, tp, id, oldstate, writer))
		tell_close(sk, tp, id, oldstate, writer);
	if (!(STATE(oldstate) & FIN_WAS_SENT) || !open_outlives_socket() ||
	    (id && !open_ends_with_fin()) || (tws.may_miss && !id))
		open_drop(sk);
}

#endif

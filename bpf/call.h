/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures of connect() and bind() that no state tracepoint shows, or not with their reason:
 * no route, no such source address, a port that is taken. Only with tws.all, and where the
 * tracepoints of these system calls could be attached (tws.sees_calls).
 *
 * A connect() is noted when it begins, if its socket is fresh. Its transitions say how far it
 * got: what fails once the SYN is out, is told by the transition to CLOSE as before; all
 * else by the system call's return value. So each failure is told once.
 */
#ifndef TWSNOOP_BPF_CALL_H
#define TWSNOOP_BPF_CALL_H

#include "filter.h"
#include "ring.h"
#include "task.h"

#define AF_UNSPEC 0
#define SOCK_STREAM 1
#define IPPROTO_TCP 6

#define EINTR 4
#define EISCONN 106
#define EALREADY 114
#define EINPROGRESS 115
#define ERESTARTSYS 512 /* these leave the kernel as EINTR, or not at all */
#define ERESTART_RESTARTBLOCK 516

/*
 * What a program at the tracepoint of a system call gets: perf_call_bpf_enter() and
 * perf_call_bpf_exit() lay that out themselves, with the arguments or the result at 16 in all
 * kernels. struct trace_event_raw_sys_enter is the trace file's, which has them at 24 where
 * PREEMPT_RT adds to each entry (before 6.12): CO-RE would follow it, and the kernel refuse that.
 */
struct syscall_enter {
	__u64 head[2];
	__u64 args[6];
};

struct syscall_exit {
	__u64 head[2];
	__s64 ret;
};

/* How far a connect() has got, or that it is a bind(). */
enum call_phase { CALL_NONE, CALL_BEGUN, CALL_SYN_SENT, CALL_FAILED };

/* A system call that has not returned yet. */
struct tws_call {
	__u64 sk;	/* the kernel's address of its socket: opaque */
	__u64 sockaddr; /* in the process's memory */
	__u64 open_ns;	/* with CALL_FAILED: as tws_conn.open_ns */
	__u64 cookie;
	struct tuple t; /* with CALL_FAILED */
	__u32 fd;
	__u32 sockaddr_len;
	__u32 phase; /* enum call_phase */
	__u32 write_seq; /* of the socket when it began: see was_connected_since() */
};

/* By thread: each is in one system call at a time. One that is skipped at its end is
 * forgotten by age, or when its thread begins the next. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, struct tws_call);
} tws_calls SEC(".maps");

static const struct tws_call no_call;

static __always_inline struct tws_call *hashed_call(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&tws_calls, &thread);
}

static __always_inline struct tws_call *make_hashed_call(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	if (bpf_map_update_elem(&tws_calls, &thread, &no_call, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&tws_calls, &thread);
}

static __always_inline void end_hashed_call(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&tws_calls, &thread);
}

#ifdef TWS_ATOMIC

/* Or with the thread itself, until that ends, where the kernel can: the hash table is asked, or
 * written, four times for each connect(). */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tws_call);
} tws_thread_calls SEC(".maps");

#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

/* The current thread's system call, or NULL: there is none. */
static __always_inline struct tws_call *current_call(void)
{
	struct tws_call *call;

	if (!tws.has_task_storage)
		return hashed_call();
	call = bpf_task_storage_get(&tws_thread_calls, bpf_get_current_task_btf(), NULL, 0);
	return call && call->phase != CALL_NONE ? call : NULL;
}

/* Room for the one that begins, whatever the last one has left there. */
static __always_inline struct tws_call *make_call(void)
{
	if (!tws.has_task_storage)
		return make_hashed_call();
	return bpf_task_storage_get(&tws_thread_calls, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline void end_call(struct tws_call *call)
{
	if (tws.has_task_storage)
		call->phase = CALL_NONE;
	else
		end_hashed_call();
}

#else

static __always_inline struct tws_call *current_call(void)
{
	return hashed_call();
}

static __always_inline struct tws_call *make_call(void)
{
	return make_hashed_call();
}

static __always_inline void end_call(struct tws_call *call)
{
	end_hashed_call();
}

#endif

/* The thread's system call, if it is one of @sk. In process context. */
static __always_inline struct tws_call *call_of(const struct sock *sk)
{
	struct tws_call *call;

	if (!tws.all || !tws.sees_calls)
		return NULL;
	call = current_call();
	return call && call->sk == address_of(sk) ? call : NULL;
}

/* ---- what the transitions tell ---- */

/* CLOSE -> SYN_SENT. */
static __always_inline void on_call_syn_sent(const struct sock *sk)
{
	struct tws_call *call = call_of(sk);

	if (call)
		call->phase = CALL_SYN_SENT;
}

/*
 * SYN_SENT -> CLOSE, while connect() itself is at work: it has found no port, or its own is
 * taken. Then its return value has the error, which the socket never gets. Once the SYN is
 * out the file's state is SS_CONNECTING (__inet_stream_connect()).
 */
static __always_inline bool fails_in_call(const struct sock *sk, const struct tcp_sock *tp,
					  __u64 open_ns)
{
	const struct socket___state *socket = (const void *)sk->sk_socket;
	struct tws_call *call;

	if (!sk->sk_lock.owned || !socket || socket->state != SS_UNCONNECTED)
		return false;
	call = call_of(sk);
	if (!call || call->phase != CALL_SYN_SENT)
		return false;
	read_tuple(&call->t, sk, tp);
	call->open_ns = open_ns;
	if (HAS_COOKIE)
		call->cookie = bpf_get_socket_cookie((void *)sk);
	call->phase = CALL_FAILED;
	return true;
}

/* ---- the system calls ---- */

/* One field of the copied begin of a kernel structure, at the offset it has in this kernel; 0 if it
 * is further on. A read that may fail costs more than what it reads: so one takes several. */
#define COPIED(copy, type, field)                                              \
	({                                                                     \
		const __u32 at_ = bpf_core_field_offset(type, field);          \
		typeof(((type *)0)->field) value_ = 0;                         \
		if (at_ <= sizeof(copy) - sizeof(value_))                      \
			value_ = *(typeof(value_) *)((copy) + at_);            \
		value_;                                                        \
	})

/* A socket of the caller's. */
struct own_socket {
	struct sock *sk;
	bool is_fresh; /* CLOSE, and no connect() is at work on it */
};

/* Raw sockets, and other families', may have the same number as their protocol. */
static __always_inline bool read_tcp(struct own_socket *own, __u32 state)
{
	__u8 copy[24] __attribute__((aligned(8)));
	const struct sock *sk = own->sk;
	__u16 family;

	if (bpf_probe_read_kernel(copy, sizeof(copy), sk))
		return false;
	family = COPIED(copy, struct sock_common, skc_family);
	own->is_fresh = state == SS_UNCONNECTED &&
			COPIED(copy, struct sock_common, skc_state) == BPF_TCP_CLOSE;
	return (family == AF_INET || family == AF_INET6) &&
	       BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

/* The TCP socket behind a descriptor of the current task. False: there is none. */
static __always_inline bool socket_at(struct own_socket *own, __u32 fd)
{
	__u8 copy[40] __attribute__((aligned(8)));
	const struct file *file = file_at(current_task(), fd);
	const struct socket *socket;

	if (!file || !file_is_socket(file))
		return false;
	socket = BPF_CORE_READ(file, private_data);
	if (!socket || bpf_probe_read_kernel(copy, sizeof(copy), socket) ||
	    COPIED(copy, struct socket___state, file) != file ||
	    COPIED(copy, struct socket___state, type) != SOCK_STREAM)
		return false;
	own->sk = COPIED(copy, struct socket___state, sk);
	return own->sk && read_tcp(own, COPIED(copy, struct socket___state, state));
}

static __always_inline __u32 write_seq_of(const struct sock *sk)
{
	return BPF_CORE_READ((const struct tcp_sock *)sk, write_seq);
}

static __always_inline void note_call(const struct sock *sk,
				      const struct syscall_enter *ctx)
{
	struct tws_call *call = make_call();

	if (!call) {
		COUNT(table_full);
		return;
	}
	call->sk = (__u64)sk;
	call->sockaddr = ctx->args[1];
	call->open_ns = 0;
	call->cookie = 0;
	call->fd = ctx->args[0];
	call->sockaddr_len = ctx->args[2];
	call->write_seq = write_seq_of(sk);
	call->phase = CALL_BEGUN;
}

/* What the last call has left, where its end was skipped. */
static __always_inline void forget_call(void)
{
	struct tws_call *call = current_call();

	if (call)
		end_call(call);
}

/* A socket that another connect() is at work on already tells by its transitions. */
static __always_inline void on_connect_begin(const struct syscall_enter *ctx)
{
	struct own_socket own;

	if (socket_at(&own, ctx->args[0]) && own.is_fresh)
		note_call(own.sk, ctx);
	else
		forget_call();
}

static __always_inline void on_bind_begin(const struct syscall_enter *ctx)
{
	struct own_socket own;

	if (socket_at(&own, ctx->args[0]))
		note_call(own.sk, ctx);
	else
		forget_call();
}

/* As the system calls take it: struct sockaddr_in or sockaddr_in6. */
struct socket_address {
	__u16 family;
	__be16 port;
	__be32 v4;
	__u8 v6[16];
} __attribute__((aligned(8)));

#define SOCKADDR_IN_BYTES 16
#define SOCKADDR_IN6_BYTES 24 /* SIN6_LEN_RFC2133 */

/*
 * The address that the process asked for; false if that cannot be read, or is none of IP.
 * bind() takes AF_UNSPEC for AF_INET.
 */
static __always_inline bool read_asked(const struct tws_call *call, __u64 *addr, __u16 *port,
				       __u8 *family)
{
	struct socket_address asked = {};
	__u32 len = call->sockaddr_len;

	if (len < SOCKADDR_IN_BYTES)
		return false;
	len = len < SOCKADDR_IN6_BYTES ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
	if (bpf_probe_read_user(&asked, len, (const void *)call->sockaddr))
		return false;
	*port = bpf_ntohs(asked.port);
	addr[1] = 0;
	if (asked.family == AF_INET || asked.family == AF_UNSPEC) {
		addr[0] = asked.v4;
	} else if (asked.family != AF_INET6 || len < SOCKADDR_IN6_BYTES) {
		return false;
	} else if (is_v4_mapped((const void *)asked.v6)) {
		addr[0] = *(__u32 *)(asked.v6 + 12);
	} else {
		addr[0] = *(__u64 *)asked.v6;
		addr[1] = *(__u64 *)(asked.v6 + 8);
		*family = AF_INET6;
		return true;
	}
	*family = AF_INET;
	return true;
}

/*
 * What the socket is bound to, if that is of the same family as the peer. One that is bound to an
 * address of IPv6 has 127.0.0.6 as its other one (__inet6_bind(), LOOPBACK4_IPV6).
 */
static __always_inline void read_bound(struct tuple *t, const struct sock *sk)
{
	__u64 v6[2] = {};

	t->local_port = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6)
		bpf_core_read(v6, sizeof(v6), &sk->__sk_common.skc_v6_rcv_saddr);
	if (t->family == AF_INET6) {
		t->local[0] = v6[0];
		t->local[1] = v6[1];
	} else if (!(v6[0] | v6[1]) || is_v4_mapped((const void *)v6)) {
		t->local[0] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	}
}

/* Nothing was sent: the addresses are what was asked for. False if that cannot be told. */
static __always_inline bool read_attempt(struct tuple *t, const struct tws_call *call,
					 const struct sock *sk, __u8 action)
{
	bool is_bind = action == TWS_BIND_FAILED, known;
	__u64 addr[2] = {};
	__u16 port = 0;

	__builtin_memset(t, 0, sizeof(*t));
	t->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	t->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	t->ifindex = BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
	known = read_asked(call, addr, &port, &t->family);
	if (known && is_bind) {
		t->local[0] = addr[0];
		t->local[1] = addr[1];
		t->local_port = port;
	} else if (known) {
		t->peer[0] = addr[0];
		t->peer[1] = addr[1];
		t->peer_port = port;
	}
	if (!is_bind)
		read_bound(t, sk);
	return t->family == AF_INET || t->family == AF_INET6;
}

/* Not by the CPU's cache: another program may have been preempted while it writes there. */
static __always_inline __u64 caller_cgroup_id(struct task_struct *task)
{
#ifdef TWS_ATOMIC
	return read_cgroup_id(task->cgroups);
#else
	return task_cgroup_id(task);
#endif
}

static __always_inline void read_caller(struct tws_conn *conn, __u8 action)
{
	struct task_struct *task = current_task();

	__builtin_memset(conn, 0, sizeof(*conn));
	read_closer(conn, task);
	conn->cgroup_id = caller_cgroup_id(task);
	if (action == TWS_BIND_FAILED) {
		conn->flags |= TWS_F_NO_BYTES;
		return;
	}
	conn->side = TWS_SIDE_CLIENT;
	read_opener(conn, task);
}

static __always_inline void tell_call(const struct tws_call *call, const struct tuple *t,
				      __u8 action, __u32 error)
{
	struct tws_conn conn;
	struct out out;

	if (!filter_connection(t))
		return;
	read_caller(&conn, action);
	conn.open_ns = call->open_ns;
	conn.ifindex = t->ifindex;
	if (!filter_owner(&conn) || !reserve(&out, action, TWS_CALL))
		return;
	__builtin_memset(out.ev, 0, sizeof(*out.ev));
	tuple_to_event(out.ev, t);
	out.ev->action = action;
	out.ev->time_ns = out.time_ns;
	out.ev->error = error;
	out.ev->cookie = call->cookie;
	__builtin_memcpy(&out.ev->conn, &conn, sizeof(conn));
	send(&out);
}

/* Those that say that it goes on, or is done, and nothing has failed. */
static __always_inline bool is_failure(__u32 error)
{
	return error && error != EINPROGRESS && error != EALREADY && error != EINTR &&
	       error != EISCONN && !(error >= ERESTARTSYS && error <= ERESTART_RESTARTBLOCK);
}

static __always_inline bool is_disconnect(const struct tws_call *call)
{
	__u16 family = AF_INET;

	return !bpf_probe_read_user(&family, sizeof(family), (const void *)call->sockaddr) &&
	       family == AF_UNSPEC;
}

/*
 * Whether another thread's connect() of the same socket was at work meanwhile: only what finds a
 * way there gets a number of its own (tcp_v4_connect()). Then this one has waited for that, and
 * has its end as an error (EPIPE, ECONNABORTED), which a transition has told.
 */
static __always_inline bool was_connected_since(const struct tws_call *call,
						const struct sock *sk)
{
	return write_seq_of(sk) != call->write_seq;
}

static __always_inline bool is_no_attempt(const struct tws_call *call, const struct sock *sk)
{
	return is_disconnect(call) || was_connected_since(call, sk);
}

static __always_inline void on_call_failed(const struct tws_call *call, __u8 action, __u32 error)
{
	struct own_socket own;
	struct tuple t;

	/* Another thread may have put something else there. */
	if (!socket_at(&own, call->fd) || (__u64)own.sk != call->sk ||
	    (action == TWS_CONNECT_FAILED && is_no_attempt(call, own.sk)) ||
	    !read_attempt(&t, call, own.sk, action))
		return;
	tell_call(call, &t, action, error);
}

static __always_inline void on_call_end(long ret, __u8 action)
{
	struct tws_call *call = current_call();
	__u32 error = ret < 0 ? -ret : 0;

	if (!call)
		return;
	if (call->phase == CALL_FAILED)
		tell_call(call, &call->t, action, is_failure(error) ? error : 0);
	else if (call->phase == CALL_BEGUN && is_failure(error))
		on_call_failed(call, action, error);
	end_call(call);
}

#endif

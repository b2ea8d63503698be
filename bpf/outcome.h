/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a connection ended that left no mini-socket. Only with tws.all.
 */
#ifndef TWSNOOP_BPF_OUTCOME_H
#define TWSNOOP_BPF_OUTCOME_H

#include "task.h"
#include "timewait.h"
#include "tuple.h"

#define EPIPE 32
#define EADDRNOTAVAIL 99
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110

static __always_inline __u32 sock_error(const struct sock *sk)
{
	return sk->sk_err;
}

static __always_inline bool sock_flag_set(const struct sock *sk, __u64 bit)
{
	return sk->__sk_common.skc_flags >> bit & 1;
}

/* tcp_fin() sets SOCK_DONE. */
static __always_inline bool peer_has_closed(const struct sock *sk)
{
	return sock_flag_set(sk, bpf_core_enum_value(enum sock_flags, SOCK_DONE));
}

/* tcp_abort(), for SOCK_DESTROY and bpf_sock_destroy(). */
static __always_inline bool was_destroyed(const struct sock *sk)
{
	return sock_error(sk) == ECONNABORTED;
}

/*
 * tcp_v4_err() and tcp_v6_err() end a full socket in SYN_RECV at once: one that connects to
 * another that connects to it, or a child that TCP fast open has made and nobody has accepted.
 * To be asked of what outcome_of() calls TWS_ABORT: the other errors have other names.
 */
static __always_inline bool was_ended_by_icmp(const struct sock *sk, int oldstate)
{
	return oldstate == BPF_TCP_SYN_RECV && sock_error(sk) && !sk->sk_lock.owned;
}

/*
 * connect() that finds no local port fails in inet_hash_connect(), before a
 * port is set; nothing else leaves neither a port nor an error.
 */
static __always_inline __u32 connect_error(const struct sock *sk, const struct tcp_sock *tp)
{
	__u32 error = sock_error(sk);

	if (!error && !tp->inet_conn.icsk_inet.inet_sport)
		error = EADDRNOTAVAIL;
	return error;
}

/*
 * A connection that was asked for and never tried. With TCP_FASTOPEN_CONNECT and a cookie,
 * connect() succeeds at once and leaves the SYN to the first write
 * (tcp_fastopen_defer_connect()), which makes a fastopen_req. Without a write nothing was
 * sent, and nothing has failed.
 */
static __always_inline bool was_never_tried(const struct sock *sk, const struct tcp_sock *tp)
{
	const struct socket *socket = BPF_CORE_READ(sk, sk_socket);

	return !tp->segs_out && !tp->fastopen_req && socket &&
	       BPF_CORE_READ((const struct socket___state *)socket, state) == SS_CONNECTING;
}

/* What a socket looks like at CLOSE, as far as it tells how it came there. */
#define IS_ORPHAN 0x1	  /* SOCK_DEAD: the process has let go; __tcp_close() calls sock_orphan() */
#define PEER_HAS_CLOSED 0x2 /* SOCK_DONE: see tcp_fin() */
#define IS_OWNED 0x4	  /* a process holds the lock */
#define HAS_NO_LINGER 0x8 /* TCP_LINGER2 below 0 */
#define TABLE_IS_FULL 0x10 /* tcp_max_tw_buckets is reached; known of orphans in FIN_WAIT2 */

static __always_inline __u32 marks_of(const struct sock *sk, const struct tcp_sock *tp,
				      int oldstate)
{
	const struct inet_timewait_death_row *row;
	__u64 flags = sk->__sk_common.skc_flags;
	__u32 marks;

	/* Without branches, of which the verifier would follow both ways. */
	marks = (flags >> bpf_core_enum_value(enum sock_flags, SOCK_DEAD) & 1) |
		(flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1) << 1 |
		(sk->sk_lock.owned & 1) << 2 | (__u32)tp->linger2 >> 31 << 3;
	if (oldstate != BPF_TCP_FIN_WAIT2)
		return marks;
	row = death_row_of(sk);
	if (row && timewait_count(row) >= timewait_limit(row))
		marks |= TABLE_IS_FULL;
	return marks;
}

/*
 * tcp_write_err() ends what has waited for too long: for an acknowledgement, an open window, an
 * answer to keepalive probes. It sets the error to ETIMEDOUT; but if ICMP or the routing table
 * has told a reason meanwhile (sk_err_soft: no route, the neighbour does not answer), to that.
 *
 * The two may also be the same by chance: with IP_RECVERR, sk_err keeps what ICMP told
 * until it is asked for, whatever ends the connection then. So the marks of tcp_write_err()
 * are looked for. It has emptied the queues before, which close() and connect(AF_UNSPEC) do
 * after, and the lack of memory not at all. Where it runs late because the process held the
 * socket, it does so for something that was sent. And an orphan in FIN_WAIT2 has a timer of
 * its own, which leaves no error.
 */
static __always_inline bool has_timed_out(__u32 error, __u32 soft_error, __u32 oldstate,
					  __u32 marks, __u32 unacked, __u32 queued)
{
	if (error == ETIMEDOUT)
		return true;
	if (!error || error != soft_error || queued)
		return false;
	if (marks & IS_OWNED && !unacked)
		return false;
	return oldstate != BPF_TCP_FIN_WAIT2 || !(marks & IS_ORPHAN);
}

/*
 * A socket that left FIN_WAIT2 before its peer's FIN, and no mini-socket. Only an orphan is to
 * get one: else it was close() with unread data, or the like. An orphan got none because
 * inet_twsk_alloc() found the limit reached, or because data came with the acknowledgement of
 * its FIN, or because its timer ran out; these three leave the same traces.
 */
static __always_inline __u8 without_mini(__u32 marks)
{
	bool wants_mini = marks & IS_ORPHAN && !(marks & HAS_NO_LINGER);

	return wants_mini && marks & TABLE_IS_FULL ? TWS_OVERFLOW : TWS_ABORT;
}

/*
 * What has ended a connection, from SYN_SENT aside. @errors: sk_err, and from bit 32 on
 * sk_err_soft; @unacked: of all that was written, our FIN included; @queued: what waits to be
 * sent, or to be acknowledged.
 *
 * The order matters: see the table in docs/kernel.md. sk_err is asked only after what the state
 * alone tells: with IP_RECVERR an error may stand there that has ended nothing. tcp_reset() sets
 * ECONNREFUSED in SYN_SENT alone; elsewhere it comes from ICMP.
 */
VERIFIED_ONCE __u32 tws_outcome(__u64 errors, __u32 oldstate, __u32 marks, __u32 unacked,
				__u32 queued)
{
	__u32 error = errors, soft_error = errors >> 32;

	if (oldstate == BPF_TCP_FIN_WAIT2 && marks & PEER_HAS_CLOSED)
		return TWS_OVERFLOW;
	if (oldstate == BPF_TCP_LAST_ACK && !unacked)
		return TWS_PASSIVE_CLOSE;
	if (oldstate == BPF_TCP_CLOSING && !unacked)
		return TWS_OVERFLOW;
	if (has_timed_out(error, soft_error, oldstate, marks, unacked, queued))
		return TWS_TIMEOUT;
	if (error == ECONNRESET || error == EPIPE)
		return TWS_RESET;
	if (oldstate == BPF_TCP_FIN_WAIT2 && error != ECONNABORTED)
		return without_mini(marks);
	return TWS_ABORT;
}

/* An enum tws_action, or 0: nothing has ended. */
static __always_inline __u8 outcome_of(const struct sock *sk, const struct tcp_sock *tp,
				       int oldstate)
{
	__u64 errors = (__u64)(__u32)sk->sk_err_soft << 32 | sock_error(sk);

	if (oldstate == BPF_TCP_SYN_SENT)
		return was_never_tried(sk, tp) ? 0 : TWS_CONNECT_FAILED;
	return tws_outcome(errors, oldstate, marks_of(sk, tp, oldstate),
			   tp->write_seq - tp->snd_una, tp->packets_out | sk->sk_write_queue.qlen);
}

#endif

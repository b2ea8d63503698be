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
#define ECONNREFUSED 111

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
 * A FIN_WAIT2 socket that should have become a mini-socket and did not, before its peer's
 * FIN: inet_twsk_alloc() found the bucket limit reached, or data may have come after our
 * close().
 */
static __always_inline __u8 without_mini(const struct sock *sk, const struct tcp_sock *tp)
{
	const struct inet_timewait_death_row *row = death_row_of(sk);

	if (tp->linger2 >= 0 && row && timewait_count(row) >= timewait_limit(row))
		return TWS_OVERFLOW;
	return TWS_ABORT;
}

/* The order matters: see the table of KERNEL paths in docs/kernel.md. */
static __always_inline __u8 outcome_of(const struct sock *sk, const struct tcp_sock *tp,
				       int oldstate)
{
	__u32 error = sock_error(sk);

	if (oldstate == BPF_TCP_SYN_SENT)
		return TWS_CONNECT_FAILED;
	if (oldstate == BPF_TCP_FIN_WAIT2 && peer_has_closed(sk))
		return TWS_OVERFLOW;
	if (error == ETIMEDOUT)
		return TWS_TIMEOUT;
	if (error == ECONNABORTED)
		return TWS_ABORT;
	if (error == ECONNRESET || error == EPIPE || error == ECONNREFUSED)
		return TWS_RESET;
	if (oldstate == BPF_TCP_LAST_ACK && tp->snd_una == tp->write_seq)
		return TWS_PASSIVE_CLOSE;
	if (oldstate == BPF_TCP_CLOSING)
		return TWS_OVERFLOW;
	if (oldstate == BPF_TCP_FIN_WAIT2)
		return without_mini(sk, tp);
	return TWS_ABORT;
}

#endif

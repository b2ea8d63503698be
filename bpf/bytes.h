/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many bytes of payload a connection has sent and received, by the counters of its socket,
 * which count SYN and FIN as well.
 */
#ifndef TWSNOOP_BPF_BYTES_H
#define TWSNOOP_BPF_BYTES_H

#include "outcome.h"
#include "twsnoop.h"

#define FIN_WAS_SENT                                                           \
	(STATE(BPF_TCP_FIN_WAIT1) | STATE(BPF_TCP_FIN_WAIT2) | STATE(BPF_TCP_CLOSING) | \
	 STATE(BPF_TCP_LAST_ACK))

/* Payload that was tried to be sent, less what was sent again because it was lost on the way.
 * What the host itself refused is in here as often as it was tried. */
static __always_inline __u64 tried_bytes(const struct tcp_sock *tp)
{
	return tp->bytes_sent - tp->bytes_retrans;
}

/* tcp_rcv_nxt_update() counts the peer's FIN as a byte; where that came with the SYN it was not
 * counted, and @flags (TWS_F_*) say so. */
static __always_inline __u64 received_bytes(const struct sock *sk, const struct tcp_sock *tp,
					    __u16 flags)
{
	__u64 bytes = tp->bytes_received;

	if (peer_has_closed(sk) && bytes && !(flags & TWS_F_FIN_UNCOUNTED))
		bytes--;
	return bytes;
}

/*
 * Which side this end is, by its counters. tcp_snd_una_update() counts in bytes_acked what the
 * peer has acknowledged: payload, our FIN (@fins: 1 if it has been), and, of the side that
 * connects, the SYN. So there bytes_acked is one more than payload and FIN explain. TCP fast
 * open, TCP repair and segments that the host refused break the sum. Therefore use it only to
 * contradict what is known otherwise.
 */
static __always_inline __u8 side_by_acks(const struct tcp_sock *tp, __u32 fins)
{
	__u64 acked = tried_bytes(tp) + fins - (__u32)(tp->snd_nxt - tp->snd_una);

	if (tp->bytes_acked == acked)
		return TWS_SIDE_SERVER;
	return tp->bytes_acked == acked + 1 ? TWS_SIDE_CLIENT : TWS_SIDE_UNKNOWN;
}

/* The same, before our FIN is sent. */
static __always_inline __u8 side_by_syn(const struct tcp_sock *tp)
{
	return side_by_acks(tp, 0);
}

/*
 * The payload before the sequence number @end, each byte once: what is acknowledged, of which
 * the SYN is no payload, and what is or will be on its way; @fins of these are our FIN. Not by
 * bytes_sent: see tried_bytes().
 */
static __always_inline __u64 payload_before(const struct tcp_sock *tp, __u32 end, __u32 fins,
					    __u8 side)
{
	__u64 bytes = tp->bytes_acked + (__u32)(end - tp->snd_una), tried;
	__u32 flags = fins + (side == TWS_SIDE_CLIENT);

	bytes = bytes > flags ? bytes - flags : 0;
	if (side != TWS_SIDE_UNKNOWN)
		return bytes;
	tried = tried_bytes(tp) + (__u32)(end - tp->snd_nxt);
	return tried < bytes ? tried : bytes;
}

/* All that goes before the FIN, which is not queued yet. */
static __always_inline __u64 final_tx_bytes(const struct tcp_sock *tp, __u8 side)
{
	return payload_before(tp, tp->write_seq, 0, side);
}

/* Our FIN, the last of what was written, has left. */
static __always_inline bool fin_has_left(const struct tcp_sock *tp, int oldstate)
{
	return STATE(oldstate) & FIN_WAS_SENT && tp->snd_nxt == tp->write_seq;
}

/* All that has left this host by now. */
static __always_inline __u64 left_tx_bytes(const struct tcp_sock *tp, int oldstate, __u8 side)
{
	return payload_before(tp, tp->snd_nxt, fin_has_left(tp, oldstate), side);
}

/* What of the payload before our FIN has not left, nor will it. */
static __always_inline __u64 unsent_bytes(const struct tcp_sock *tp)
{
	__u32 unsent = tp->write_seq - tp->snd_nxt;

	return unsent ? unsent - 1 : 0;
}

#endif

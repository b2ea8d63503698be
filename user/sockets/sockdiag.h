/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own table of TCP sockets, by NETLINK_SOCK_DIAG, as ss reads it.
 * Plain netlink: libmnl has no static library in Debian.
 */
#ifndef TWSNOOP_SOCKDIAG_H
#define TWSNOOP_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/*
 * TCP states as sock_diag numbers them (enum in the kernel's tcp_states.h).
 * Mini-sockets are told by sockdiag_socket.mini: a TIME_WAIT always is one,
 * FIN_WAIT2 may be one or a full socket, with the same state number.
 */
enum sockdiag_state {
	SOCKDIAG_ESTABLISHED = 1,
	SOCKDIAG_SYN_SENT,
	SOCKDIAG_SYN_RECV, /* request sockets (NEW_SYN_RECV) come as this too */
	SOCKDIAG_FIN_WAIT1,
	SOCKDIAG_FIN_WAIT2,
	SOCKDIAG_TIME_WAIT,
	SOCKDIAG_CLOSE,
	SOCKDIAG_CLOSE_WAIT,
	SOCKDIAG_LAST_ACK,
	SOCKDIAG_LISTEN,
	SOCKDIAG_CLOSING,
	SOCKDIAG_STATE_END,
};

#define SOCKDIAG_MASK(state) (1U << (state))
/* The two states that mini-sockets have; full FIN_WAIT2 ones come along. */
#define SOCKDIAG_MASK_MINI \
	(SOCKDIAG_MASK(SOCKDIAG_TIME_WAIT) | SOCKDIAG_MASK(SOCKDIAG_FIN_WAIT2))
#define SOCKDIAG_MASK_ALL ((1U << SOCKDIAG_STATE_END) - 2)
/* Sockets that are bound and nothing more, which come with the state CLOSE: the
 * kernel's TCP_BOUND_INACTIVE, since 6.8 (91051f003948); nothing before. */
#define SOCKDIAG_MASK_BOUND (1U << 13)

struct sockdiag_socket {
	uint64_t cookie; /* as tws_event.cookie; 0: the kernel gave none */
	uint32_t inode;	 /* of the socket's file; 0: mini-sockets, orphans, requests */
	uint32_t uid;	 /* of the socket; 0 too for mini-sockets */
	/* CLOCK_MONOTONIC, when the kernel was asked for it: what is said here is of then, or of
	 * some microseconds later, though the dump as a whole took seconds. 0: not known. */
	uint64_t asked_ns;
	uint32_t expires_ms; /* the timer's rest; for mini-sockets the time left */
	uint32_t ifindex;    /* the bound device, 0: none */
	uint32_t quiet_ms;   /* by sockdiag__dump_quiet(): since the peer's last segment; else 0 */
	uint16_t local_port; /* host byte order */
	uint16_t peer_port;
	uint8_t family; /* AF_INET or AF_INET6; a v4-mapped socket is AF_INET */
	uint8_t state;	/* enum sockdiag_state */
	bool mini;	/* an inet_timewait_sock (idiag_timer is 3) */
	bool v6only;	/* listening, AF_INET6, and takes no IPv4 */
	uint8_t local_addr[16]; /* network byte order; IPv4 in the first four bytes */
	uint8_t peer_addr[16];
};

/* A non-zero return ends the dump and is passed on: use negative errnos. */
typedef int (*sockdiag_fn)(void *ctx, const struct sockdiag_socket *sk);

/* Flags of a dump */
#define SOCKDIAG_INTERRUPTED 0x1 /* NLM_F_DUMP_INTR: the table moved meanwhile */

/*
 * sockdiag__dump() - call @fn for each TCP socket of network namespace
 * @netns_fd (-1: the calling thread's) whose state is in @states
 * (SOCKDIAG_MASK() bits). A socket that lives during the whole dump comes once
 * (very rarely not at all, if its hash bucket changes while the kernel waits in it).
 * @flags (may be NULL) gets SOCKDIAG_* bits added.
 *
 * Returns 0, @fn's value, or a negative errno: -EOPNOTSUPP where the kernel has
 * no inet_diag or tcp_diag (a module that is not there), -EPERM where the
 * namespace may not be entered, -EPROTO if the kernel's answer is malformed.
 */
int sockdiag__dump(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
		   unsigned int *flags);

/*
 * sockdiag__dump_quiet() - the same, and asks for each socket's tcp_info as well, for which the kernel
 * locks it: for a few states. In CLOSE_WAIT the last segment was the peer's FIN, unless keepalives are
 * answered.
 */
int sockdiag__dump_quiet(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
			 unsigned int *flags);

/* The last sockets of a dump, by their cookies. */
#define SOCKDIAG_RECENT 16

struct sockdiag_recent {
	uint64_t cookies[SOCKDIAG_RECENT];
	unsigned int next;
};

/*
 * sockdiag__repeats() - whether @cookie is among the last ones; notes it if not. The kernel goes on in
 * a hash bucket by number, after it has let go of its lock: what came to its head meanwhile makes
 * it show the last ones again (inet_diag_dump_icsk()). 0 repeats nothing.
 */
bool sockdiag__repeats(struct sockdiag_recent *recent, uint64_t cookie);

/*
 * sockdiag__set_addresses() - sets the family and both addresses of @sk out of a
 * socket's own ones, 16 bytes each in network byte order (of AF_INET the first four
 * count): one that is v4-mapped becomes AF_INET.
 */
void sockdiag__set_addresses(struct sockdiag_socket *sk, uint8_t family, const void *local,
			     const void *peer);

/* sockdiag__key() - what tells @sk of the network namespace with inode @netns from all others. */
struct tws_key sockdiag__key(const struct sockdiag_socket *sk, uint32_t netns);

/*
 * sockdiag__parse() - decode one datagram of a dump's answer. Pure: reads
 * @len bytes at @buf (any alignment, any content), calls @fn for each socket.
 * Returns 0 (more is to come), 1 (the dump is complete), -EPROTO (malformed),
 * the kernel's own negative errno, or @fn's non-zero value, wrapped in nothing:
 * a callback that stops should return a negative one.
 */
int sockdiag__parse(const void *buf, size_t len, sockdiag_fn fn, void *ctx,
		    unsigned int *flags);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The referee: what the kernel's own table (sock_diag, NETLINK_SOCK_DIAG) says about TCP
 * sockets of the calling process's network namespace. Independent of twsnoop's code.
 */
#ifndef SCENARIOS_REFEREE_H
#define SCENARIOS_REFEREE_H

#include "net.h"

struct diag {
	struct tuple t;
	uint8_t state;	     /* ST_*; a mini-socket's substate */
	bool mini;	     /* a timewait mini-socket (inet_twsk_diag_fill: timer 3) */
	uint64_t cookie;
	uint32_t expires_ms; /* of the timer */
	uint8_t family;	     /* the socket's own, AF_INET6 for a v4-mapped one */
};

/* What a socket may be seen as; or'ed into a mask for referee__await(). */
#define REF_STATE(s) (1u << (s))
#define REF_TIME_WAIT REF_STATE(ST_TIME_WAIT)
#define REF_FW2_MINI (1u << 16)
#define REF_GONE (1u << 17)

typedef void (*referee_fn)(const struct diag *d, void *ctx);

/* Calls fn for each TCP socket of both families, listeners left out. 0 or -errno. */
int referee__dump(referee_fn fn, void *ctx);

/* Looks for one end. 1 found (*out filled), 0 none, -errno. */
int referee__find(const struct tuple *t, struct diag *out);

/* The mask bit that describes the end now; 0 on error. */
unsigned int referee__look(const struct tuple *t, struct diag *out);

/*
 * Waits until the end is seen as one of mask, at most deadline_ms. Returns 0 and fills *out
 * (when not NULL and not gone), or -ETIMEDOUT.
 */
int referee__await(const struct tuple *t, unsigned int mask, int deadline_ms, struct diag *out);

/* Asks the kernel to abort a socket, as `ss -K` does. 0 or -errno. */
int referee__destroy(const struct tuple *t);

/* The name of the lowest bit of such a mask. */
const char *referee__name(unsigned int mask);

#endif

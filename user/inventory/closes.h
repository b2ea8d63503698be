/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What was seen of the closes of a listing's sockets, in little memory: who closed has in
 * common many of them, and where from and where to is told by the sockets themselves.
 */
#ifndef TWSNOOP_CLOSES_H
#define TWSNOOP_CLOSES_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

struct closes;

struct seen_close {
	uint64_t time_ns;
	uint64_t open_ns, tx_bytes, rx_bytes; /* as those of its event */
	/* The rest, but for open_ns and ifindex; with TWS_F_NO_BYTES where the bytes are not final. */
	const struct tws_conn *conn;
};

/* closes__new() - for about @expected closes. Returns 0 and *@closesp, to be freed by closes__free(), or -ENOMEM. */
int closes__new(struct closes **closesp, size_t expected);
void closes__free(struct closes *closes); /* NULL is allowed */

/* closes__add() - what is kept of @ev, for as long as the closes live; NULL: no memory. */
const struct seen_close *closes__add(struct closes *closes, const struct tws_event *ev);

#endif

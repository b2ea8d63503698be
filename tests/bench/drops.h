/* SPDX-License-Identifier: GPL-2.0 */
/* Packets that the kernel drops, one for each that is sent, over loopback. */
#ifndef TWSNOOP_BENCH_DROPS_H
#define TWSNOOP_BENCH_DROPS_H

#include <stdbool.h>
#include <stddef.h>

enum drops_kind {
	DROPS_UDP, /* datagrams for a socket whose receive buffer is full */
	DROPS_TCP, /* RST segments for a port where nobody listens (no answer is sent) */
	DROPS_KINDS
};

struct drops {
	int fd, full; /* to send, and the full one, or -1 */
	char packet[64];
	size_t len;
};

/* The kind's name, "udp" or "tcp"; false: it is none. */
bool drops__parse(const char *name, enum drops_kind *kind);

/* In this network namespace. 0, or a negative errno. */
int drops__open(struct drops *drops, enum drops_kind kind);
void drops__close(struct drops *drops);

/* Sends @num. How many went out, or a negative errno. */
int drops__send(const struct drops *drops, unsigned int num);

#endif

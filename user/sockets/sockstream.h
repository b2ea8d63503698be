/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stream of records that the iterator of bpf/sockets.bpf.c writes, as the
 * sockets that sock_diag would have told of.
 */
#ifndef TWSNOOP_SOCKSTREAM_H
#define TWSNOOP_SOCKSTREAM_H

#include <stdint.h>

#include "bpf/sockets.h"
#include "sockets/sockdiag.h"

/*
 * sockstream__decode() - one record. @tick_ns is how long one of the kernel's
 * jiffies is. Pure. Returns 0 and *@sk, or -EPROTO if no such socket can be.
 */
int sockstream__decode(const struct tws_socket *record, uint64_t tick_ns,
		       struct sockdiag_socket *sk);

/*
 * sockstream__read() - reads @fd to its end and calls @fn for each socket. Needs
 * the same memory however many there are. Returns 0, @fn's value, -EPROTO (not a
 * record, or the end within one), -ENOMEM, or read(2)'s negative errno.
 */
int sockstream__read(int fd, uint64_t tick_ns, sockdiag_fn fn, void *ctx);

#endif

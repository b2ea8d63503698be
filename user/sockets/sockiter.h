/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's TCP sockets by a BPF iterator (iter/tcp, since 5.9), for kernels
 * without sock_diag for TCP. There is one iterator for the program, and one thread
 * at a time may use it.
 */
#ifndef TWSNOOP_SOCKITER_H
#define TWSNOOP_SOCKITER_H

#include <stdbool.h>
#include <stdint.h>

#include "sockets/sockdiag.h"
#include "sockets/sockets.h"

/* Not empty: as if the kernel had no sock_diag. For tests. */
#define SOCKITER_FORCE "TWSNOOP_NO_SOCK_DIAG"

/*
 * sockiter__open() - loads the program: needs CAP_BPF and CAP_PERFMON. If it is
 * loaded already, nothing is done. Returns 0, or -EPERM, -ENOMEM, or -EOPNOTSUPP
 * where the kernel has no such iterator or no BTF.
 */
int sockiter__open(void);

/* sockiter__is_open() - the program is loaded. */
bool sockiter__is_open(void);

void sockiter__close(void); /* any number of times */

/*
 * sockiter__dump() - as sockdiag__dump(), with these differences: expires_ms is of
 * mini-sockets alone; on kernels before 5.12 a socket has a cookie only if somebody
 * asked for it before. No flags. -EOPNOTSUPP if it is not open. Opening a walk is a
 * bpf(2) call, which before 5.19 may need CAP_BPF.
 */
int sockiter__dump(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
		   unsigned int *flags);

/*
 * sockiter__choose() - *@dump becomes sockdiag__dump() wherever that works; else the
 * iterator is opened, and it is sockiter__dump(). Then *@why is a sentence about it for
 * the user, a constant; without it NULL. Returns 0, or as sockiter__open() if neither
 * works: then *@why tells what to do, and *@dump fails whenever it is called.
 */
int sockiter__choose(sockets_dump_fn *dump, const char **why);

#endif

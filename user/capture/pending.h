/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel side has noted of FIN_WAIT2 mini-sockets, by their addresses, where a program
 * cannot tell when one of them ends without its peer's FIN (before Linux 6.11): it is swept.
 */
#ifndef TWSNOOP_PENDING_H
#define TWSNOOP_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "capture/source.h"

/* pending__sweep() - removes from the map @fd, which has room for @max, what was noted before
 * @before_ns and is not @alive, or too old to be. Returns how many. */
size_t pending__sweep(int fd, uint32_t max, uint64_t before_ns, source_alive_fn alive, void *ctx);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tells a process that never calls close() from a pool whose idle connections the peer has closed,
 * and that finds out at their next use: how long connections have been in CLOSE_WAIT, and how
 * many descriptors a process may have.
 */
#ifndef TWSNOOP_CLOSE_WAITS_H
#define TWSNOOP_CLOSE_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "sockets/sockets.h"

struct close_waits;

/*
 * close_waits__read() - all that there are now in the namespaces of @filter, at most @max. Returns 0 and
 * *@readp, to be freed by close_waits__free(), -ENOMEM, or why the kernel cannot be asked:
 * -EOPNOTSUPP where it has no sock_diag.
 */
int close_waits__read(struct close_waits **readp, const struct sockets_source *source,
		      const struct tws_filter *filter, size_t max);
void close_waits__free(struct close_waits *read); /* NULL is allowed */

/* close_waits__age() - how long the connection has been there, at least. False: not known. */
bool close_waits__age(const struct close_waits *read, uint64_t cookie, uint64_t *age_ns);

/* close_waits__descriptors() - how many the process may have; 0: not known, or any number. */
uint64_t close_waits__descriptors(const char *proc_root, uint32_t pid);

#endif

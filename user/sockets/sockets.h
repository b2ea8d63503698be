/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's TCP sockets, network namespace by network namespace. What asks the
 * kernel is passed in: sockdiag__dump(), or another way with the same promise.
 */
#ifndef TWSNOOP_SOCKETS_H
#define TWSNOOP_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/netns.h"
#include "sockets/sockdiag.h"

/* As sockdiag__dump(): the sockets of one namespace. */
typedef int (*sockets_dump_fn)(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
			       unsigned int *flags);

/* Where to look, and how. */
struct sockets_source {
	const struct netns_places *places;
	sockets_dump_fn dump;
	bool wants_cookies; /* of the namespaces, in a snapshot: one more call for each */
	/* sockstat__count_minis(), where TIME_WAIT sockets are counted and need not be listed for
	 * that; or NULL. */
	int (*count_minis)(int netns_fd, const char *proc_root, uint64_t *num);
};

struct sockets_visitor {
	uint32_t states; /* SOCKDIAG_MASK() bits */
	/* Before a namespace's sockets; NULL: none of interest. A positive return
	 * passes over it, a negative one ends the walk. */
	int (*begin)(void *ctx, const struct netns_entry *ns);
	/* Each socket; a non-zero return ends the walk and is returned. */
	sockdiag_fn socket;
	/* After a namespace that was read to its end; NULL and return as begin(). */
	int (*end)(void *ctx, const struct netns_entry *ns);
};

/* What sockets__each() could not do. */
#define SOCKETS_DENIED 0x1 /* some namespace may not be looked at or entered */
#define SOCKETS_FAILED 0x2 /* some namespace could not be read for another reason */

/*
 * sockets__each() - visits every namespace that netns__each() finds. One that
 * vanishes or may not be entered is passed over. Where none can be read, the
 * caller's own is; its entry then has the fd -1. @flags (may be NULL) gets
 * SOCKETS_* bits added.
 *
 * Returns 0 once some namespace was read or passed over by begin(), the visitor's
 * value, -ENOMEM, or why the first could not be read: -EOPNOTSUPP where the kernel
 * has no sock_diag.
 */
int sockets__each(const struct sockets_source *source, const struct sockets_visitor *visitor,
		  void *ctx, unsigned int *flags);

#endif

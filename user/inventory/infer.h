/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owners by circumstance, for sockets that nobody saw being closed: who listens on
 * the local port, or who has the live connections to the same remote end. Both
 * may be wrong (the port may have been another's a minute ago), so they are marked.
 */
#ifndef TWSNOOP_INFER_H
#define TWSNOOP_INFER_H

#include "owners/listeners.h"
#include "inventory/listing.h"
#include "sockets/sockets.h"

/* infer__needed() - whether some row lacks its owner or its side. */
bool infer__needed(const struct listing *l);

/*
 * infer__owners() - adds sides, and owners where @listeners, filled, or the live
 * connections have a single one. Processes' descriptors are read once, and only if
 * some row needs it. Returns 0, -ENOMEM, or as live__read(); @flags gets SOCKETS_*
 * bits added.
 */
int infer__owners(struct listing *l, const struct sockets_source *source,
		  struct listeners *listeners, unsigned int *flags);

#endif

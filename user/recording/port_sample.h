/* SPDX-License-Identifier: GPL-2.0 */
/* The sets of local ports that are nearest to exhaustion, as `list --ports` finds them. */
#ifndef TWSNOOP_PORT_SAMPLE_H
#define TWSNOOP_PORT_SAMPLE_H

#include "recording/sampler.h"

/* port_sample__take() - a sampler_ports_fn. It loads a small BPF program, which stays, and without the
 * privileges for that it does not know how many ports are left. */
int port_sample__take(struct bundle *bundle, const struct sockets_source *source,
		      const struct listing_want *want, uint64_t wall_ns);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that looks at the host now and then, for what no record tells: sockets by state and the
 * limit of TIME_WAITs, the fullest sets of local ports, and what `diagnose` finds in the span
 * since it looked last. It also sees which containers have gone.
 *
 * It takes less than a hundredth of a core: the more sockets there are, the rarer it looks. With
 * more than GAUGES_SOCKETS of them ports and findings are not looked for, and say nothing.
 * What could not be looked at says nothing either: there are no stale gauges.
 */
#ifndef TWSNOOP_GAUGES_H
#define TWSNOOP_GAUGES_H

#include <stdbool.h>
#include <stdint.h>

#include "serving/board.h"
#include "sockets/sockets.h"

struct gauges;

#define GAUGES_INTERVAL_NS 60000000000ULL /* of ports and findings */
#define GAUGES_STATES_NS 10000000000ULL	  /* of states, and never rarer than the others */
#define GAUGES_SOCKETS 400000

/* What is pointed to must outlive it. */
struct gauges_options {
	struct board *board;
	const struct sockets_source *source; /* for this thread's use, too */
	const struct tws_filter *filter;
	uint64_t interval_ns;
	bool all, calls;	  /* of the stream: as in struct evidence */
	const char *cgroup_mount; /* of the hierarchy that cgroup ids are of; NULL: not known */
	bool cgroup_v1;
	bool no_names;
	const char *runtime_socket;
};

/* gauges__start() - after privileges were given up. Returns 0 and *@gaugesp, or a negative errno. */
int gauges__start(struct gauges **gaugesp, const struct gauges_options *opts);

/* gauges__stop() - ends the thread, in the midst of a look, and frees it; NULL is allowed. */
void gauges__stop(struct gauges *gauges);

#endif

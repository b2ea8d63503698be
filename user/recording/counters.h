/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's counters of one network namespace that tell of TIME_WAIT, of its limits and of
 * connects that fail, out of /proc/net/netstat and /proc/net/snmp.
 */
#ifndef TWSNOOP_COUNTERS_H
#define TWSNOOP_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTERS_MAX 40

/* Their names, as "TcpExt.TW" or "Tcp.ActiveOpens"; counters__num of them. */
extern const char *const counters__names[];
extern const size_t counters__num;

struct counters {
	uint64_t values[COUNTERS_MAX]; /* by their place in counters__names */
	bool known[COUNTERS_MAX];
};

/*
 * counters__parse() - @text of either file: of each group a line of names and one of values, each
 * begun by the group's name. Adds those that are known here to @counters; whatever is not
 * understood is passed over.
 */
void counters__parse(struct counters *counters, const char *text, size_t len);

/* counters__read() - of the namespace @netns_fd (-1: the calling thread's). Returns 0, or as
 * netns__run(), or a negative errno if neither file can be read. */
int counters__read(struct counters *counters, int netns_fd, const char *proc_root);

#endif

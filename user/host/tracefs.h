/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The numbers by which perf_event_open(2) knows tracepoints: files in tracefs, which on
 * many machines is mounted nowhere.
 */
#ifndef TWSNOOP_TRACEFS_H
#define TWSNOOP_TRACEFS_H

#include <stdint.h>

#define TRACEFS_PLACE "/sys/kernel/tracing"

/*
 * tracefs__open() - a directory descriptor of a tracefs: the one that is mounted at @place, or
 * else one of our own that no path leads to (fsmount(2), Linux 5.2). It goes when it is closed.
 * Returns the descriptor, or a negative errno: -EPERM or -EACCES without the privilege,
 * -ENODEV if the kernel has no tracefs.
 */
int tracefs__open(const char *place);

/*
 * tracefs__event_id() - of the tracepoint @event, such as "syscalls/sys_exit_bind", below the
 * directory @dir. Returns 0, or a negative errno: -ENOENT if there is no such tracepoint,
 * -EBADMSG if its file holds no number.
 */
int tracefs__event_id(int dir, const char *event, uint64_t *id);

#endif

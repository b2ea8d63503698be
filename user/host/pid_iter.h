/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The processes of the own PID namespace with both of their numbers, by a BPF iterator
 * (iter/task, since 5.8). There is one for the program.
 */
#ifndef TWSNOOP_PID_ITER_H
#define TWSNOOP_PID_ITER_H

#include <stdbool.h>

#include "host/pid_numbers.h"

/* pid_iter__is_needed() - whether /proc is not that of the host's PID namespace, the one that
 * the kernel began with (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
bool pid_iter__is_needed(const char *proc_root);

/* pid_iter__open() - loads the program; needs CAP_BPF and CAP_PERFMON. Returns 0, -EPERM, or
 * another negative errno. */
int pid_iter__open(const char *proc_root);
bool pid_iter__is_open(void);
void pid_iter__close(void);

/* pid_iter__list() - a pid_numbers_list_fn, @ctx is not used. Before Linux 5.19 it needs CAP_BPF
 * (c8644cd0efe7). */
int pid_iter__list(void *ctx, pid_numbers_put_fn put, void *to);

#endif

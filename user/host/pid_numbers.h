/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside a PID namespace each process has two numbers: the host's, which the kernel side
 * tells and twsnoop prints, and the one that /proc and users have there. This turns one into
 * the other. Never wrong: a number that is used again is told by the process's start.
 */
#ifndef TWSNOOP_PID_NUMBERS_H
#define TWSNOOP_PID_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/processes.h"

struct pid_numbers;

/* Lists the processes that exist: calls @put for each. Returns 0 or a negative errno, that of
 * @put among them. */
typedef int (*pid_numbers_put_fn)(void *to, const struct tws_process *process);
typedef int (*pid_numbers_list_fn)(void *ctx, pid_numbers_put_fn put, void *to);

/* pid_numbers__new() - reads @list now, and again where a number is not known. Returns 0 and
 * *@numbersp, to be freed by pid_numbers__free(), or a negative errno. */
int pid_numbers__new(struct pid_numbers **numbersp, pid_numbers_list_fn list, void *ctx);
void pid_numbers__free(struct pid_numbers *numbers); /* NULL is allowed */

/* pid_numbers__refresh() - reads the list again. Without success nothing changes. */
int pid_numbers__refresh(struct pid_numbers *numbers);

/* pid_numbers__find() - the process that has @pid here, or (the host's) @host_pid; NULL if
 * there is none. Good until the next refresh, which these do for what they do not know. */
const struct tws_process *pid_numbers__find(struct pid_numbers *numbers, uint32_t pid);
const struct tws_process *pid_numbers__find_host(struct pid_numbers *numbers, uint32_t host_pid);

#endif

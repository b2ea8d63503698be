/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands that run inside a PID namespace: -p takes the numbers that the user sees there.
 */
#ifndef TWSNOOP_PIDS_H
#define TWSNOOP_PIDS_H

#include "bpf/event.h"
#include "host/pid_numbers.h"

/*
 * pids__open() - if /proc is that of a PID namespace, turns the PIDs of @filter into the host's,
 * and lets procinfo do so from then on; says on stderr which numbers are meant. Returns 0 with
 * *@numbersp, which is to be freed by pids__close(), NULL: nothing to do; or a negative
 * errno, and has said why.
 */
int pids__open(struct pid_numbers **numbersp, struct tws_filter *filter);
void pids__close(struct pid_numbers *numbers); /* NULL is allowed */

#endif

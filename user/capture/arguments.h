/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How processes were started that have gone since: the kernel side has noted it, in its map
 * tws_procs.
 */
#ifndef TWSNOOP_ARGUMENTS_H
#define TWSNOOP_ARGUMENTS_H

#include <stddef.h>

#include "bpf/event.h"

/*
 * arguments__find() - of the closer of @event in the map @fd: the arguments, in *@proc, each with
 * a NUL at its end, *@len bytes altogether. NULL if they are not known, or were those of another
 * program that the process was before or has become since.
 */
const char *arguments__find(int fd, const struct tws_event *event, struct tws_proc *proc,
			    size_t *len);

#endif

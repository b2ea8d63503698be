/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many mini-sockets a network namespace has, by the kernel's own count: /proc/net/sockstat says
 * it at once, where to list them is a walk through the hash table of all namespaces. The kernel
 * counts those in FIN_WAIT2 with those in TIME_WAIT (tcp_death_row, sockstat_seq_show()).
 */
#ifndef TWSNOOP_SOCKSTAT_H
#define TWSNOOP_SOCKSTAT_H

#include <stddef.h>
#include <stdint.h>

/* sockstat__count_minis() - of the open namespace @netns_fd, -1: the calling thread's. Returns 0 and
 * *@num, or a negative errno. */
int sockstat__count_minis(int netns_fd, const char *proc_root, uint64_t *num);

/* sockstat__parse() - the same of the file's text. Returns 0, or -EBADMSG. Pure. */
int sockstat__parse(const char *text, size_t len, uint64_t *num);

#endif

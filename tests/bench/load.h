/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the load generators of the benchmark share: a network namespace of
 * their own, clocks, numbers from the command line.
 *
 * Errors are negative errno. Nothing here prints.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <stdint.h>

/* CLOCK_MONOTONIC, ns. */
uint64_t load__now_ns(void);

/* User and system CPU time that this process has used so far, ns. */
uint64_t load__cpu_ns(void);

/*
 * A decimal number no greater than @max. -EINVAL if @text is anything else,
 * -ERANGE if it is greater. @out is written only on success.
 */
int load__parse(const char *text, uint64_t max, uint64_t *out);

/*
 * Moves the caller into a new network namespace whose loopback is up, with
 * ports and queues wide open and room for @tw_limit TIME_WAIT sockets (0: the
 * kernel's own limit). Needs CAP_SYS_ADMIN. The namespace, and with it every
 * setting and every TIME_WAIT socket, goes when its last process and fd go.
 */
int load__enter_netns(uint64_t tw_limit);

/* The inode that names the caller's network namespace, 0 if unknown. */
uint64_t load__netns_inode(void);

/* Ties the caller to one CPU (modulo the CPUs that are online). */
int load__pin(unsigned int cpu);

/* Sockets of one kind in the caller's network namespace, from sock_diag. */
struct load_table {
	uint64_t time_wait;	/* idiag_state TIME_WAIT */
	uint64_t fin_wait2;	/* FIN_WAIT2, mini-sockets and full ones */
};

int load__count_table(struct load_table *out);

#endif

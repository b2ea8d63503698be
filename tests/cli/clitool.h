/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the command-line tests need and a shell has not, the same on a host and
 * in a guest that has little more than busybox: one program, a table of
 * subcommands. Each gets the arguments after its name and returns an exit
 * status; those that run another program return only if they could not.
 */
#ifndef TWSNOOP_TESTS_CLITOOL_H
#define TWSNOOP_TESTS_CLITOOL_H

#include <stddef.h>
#include <stdint.h>

/* clitool_close.c: connections, and names that no one should print as they are */
int tool__close(int argc, char **argv);
int tool__close6(int argc, char **argv);
int tool__brief(int argc, char **argv);
int tool__close_known(int argc, char **argv);
int tool__hostile(int argc, char **argv);
int tool__latency(int argc, char **argv);

/* clitool_run.c: a program with less than it wants */
int tool__limit(int argc, char **argv);
int tool__on_cpu(int argc, char **argv);
int tool__netns(int argc, char **argv);
int tool__time_shift(int argc, char **argv);
int tool__drop(int argc, char **argv);
int tool__drop_uid(int argc, char **argv);
int tool__hide_btf(int argc, char **argv);
int tool__bare_sys(int argc, char **argv);
int tool__setcap(int argc, char **argv);

/* clitool_hold.c: a program in the middle of its work */
int tool__hold(int argc, char **argv);

/* clitool_stuck.c: readers of the output that do not read, or go */
int tool__stuck(int argc, char **argv);
int tool__reader_gone(int argc, char **argv);
int tool__closed(int argc, char **argv);
int tool__hung_file(int argc, char **argv);
int tool__wait_blocked(int argc, char **argv);
int tool__wait_end(int argc, char **argv);

/* clitool_judge.c: what came out */
int tool__json(int argc, char **argv);
int tool__csv(int argc, char **argv);
int tool__plain(int argc, char **argv);

/* clitool_receive.c: a store in the network */
int tool__receive(int argc, char **argv);

/* clitool_term.c: a terminal */
int tool__terminal(int argc, char **argv);
int tool__fits(int argc, char **argv);

/* clitool_wait.c: conditions, each with a deadline */
int tool__wait_line(int argc, char **argv);
int tool__wait_exit(int argc, char **argv);
int tool__bpf_held(int argc, char **argv);
int tool__bpf_gone(int argc, char **argv);

/* clitool_pins.c: bpffs */
int tool__mount_bpffs(int argc, char **argv);
int tool__bpf_pinned(int argc, char **argv);
int tool__bpf_layout(int argc, char **argv);
int tool__bpf_map(int argc, char **argv);

/* The hostile process names, at most 15 bytes each. */
struct hostile_name {
	const char *bytes;
	size_t len;
};
extern const struct hostile_name hostile_names[];
extern const size_t num_hostile_names;

#define DEADLINE_S 90 /* of everything; a guest whose processor is emulated is slow */

/* Prints the message with errno's text if it is not 0, and exits 1. */
void die(const char *what) __attribute__((noreturn));

/* CLOCK_MONOTONIC */
uint64_t now_ns(void);

/* A short rest between two looks at a condition. */
void rest(void);

/* A whole number in @s from 0 on; dies on anything else. */
unsigned long number(const char *s);

/* All of a file ("-": stdin) as a string to be freed; dies if it cannot be read. */
char *contents(const char *path, size_t *len);

#endif

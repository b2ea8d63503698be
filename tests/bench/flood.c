// SPDX-License-Identifier: GPL-2.0
/*
 * flood: packets that the kernel drops (drops.h), as fast as one process can send them,
 * in a network namespace of its own: what everybody else's drops pay for a
 * program on kfree_skb.
 *
 * It drives like churn: prints "ready", waits for a line on stdin, prints the
 * result. --now waits for nothing.
 */
#include "drops.h"
#include "load.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, int err)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void flood__run(const struct drops *drops, uint64_t millis)
{
	uint64_t start_ns = load__now_ns(), cpu_ns = load__cpu_ns(), now_ns = start_ns;
	uint64_t packets = 0;

	while (now_ns - start_ns < millis * 1000000u) {
		int sent = drops__send(drops, 64);

		if (sent < 0)
			die("send", sent);
		packets += (uint64_t)sent;
		now_ns = load__now_ns();
	}
	printf("{\"packets\":%llu,\"seconds\":%.6f,\"rate\":%.1f,\"cpu_ns_per_packet\":%.1f}\n",
	       (unsigned long long)packets, (double)(now_ns - start_ns) / 1e9,
	       (double)packets * 1e9 / (double)(now_ns - start_ns),
	       (double)(load__cpu_ns() - cpu_ns) / (double)(packets ? packets : 1));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool now = argc == 4 && !strcmp(argv[3], "--now");
	enum drops_kind kind;
	struct drops drops;
	uint64_t millis;
	char line[16];
	int err;

	if ((argc != 3 && !now) || load__parse(argv[2], 3600000, &millis) ||
	    !drops__parse(argv[1], &kind)) {
		fprintf(stderr, "usage: flood udp|tcp MILLISECONDS [--now]\n");
		return 2;
	}
	err = load__enter_netns(0);
	if (err)
		die("network namespace (root is needed)", err);
	err = drops__open(&drops, kind);
	if (err)
		die(argv[1], err);
	printf("{\"ready\":true,\"netns\":%llu}\n", (unsigned long long)load__netns_inode());
	fflush(stdout);
	if (now || fgets(line, sizeof(line), stdin))
		flood__run(&drops, millis);
	drops__close(&drops);
	return 0;
}

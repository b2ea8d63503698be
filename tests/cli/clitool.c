// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} tools[] = {
	{ "close", tool__close, "N [NAME [ANYTHING]]: N connections whose client closes first" },
	{ "close6", tool__close6, "the same by IPv6" },
	{ "brief", tool__brief, "N: closes a connection in each of N processes" },
	{ "close-known", tool__close_known, "N: of sockets whose cookies were asked for" },
	{ "hostile", tool__hostile, ": one connection under each hostile name" },
	{ "latency", tool__latency, "PROGRAM...: from a close to its line, median in ms" },
	{ "limit", tool__limit, "PROGRAM...: killed if it is not done by the deadline" },
	{ "on-cpu", tool__on_cpu, "N PROGRAM...: on that CPU alone; 77 if there is none" },
	{ "netns", tool__netns, "PROGRAM...: in network and mount namespaces of its own" },
	{ "time-shift", tool__time_shift, "SECONDS|young PROGRAM...: in a time namespace whose clocks are "
	  "ahead by so much, or have just begun; 77 if the kernel has none" },
	{ "drop", tool__drop, "UID CAP,CAP|none PROGRAM...: as UID with just these" },
	{ "drop-uid", tool__drop_uid, "UID PROGRAM...: as UID, the bounding set untouched" },
	{ "hide-btf", tool__hide_btf, "missing|empty|garbage PROGRAM..." },
	{ "bare-sys", tool__bare_sys, "PROGRAM...: nothing is mounted below /sys" },
	{ "setcap", tool__setcap, "FILE CAP,CAP: 77 if the file system cannot" },
	{ "hold", tool__hold, "FILE PROGRAM...: stops it where it has loaded its BPF programs, says "
	  "'held PID' in FILE; it dies with this" },
	{ "stuck", tool__stuck, "KIND FILE PROGRAM...: its stdout (both-KIND: stderr too, after its "
	  "first line) is full; says 'pid PID' in FILE" },
	{ "reader-gone", tool__reader_gone, "KIND FILE PROGRAM...: who reads its stdout goes after "
	  "a line; the same" },
	{ "closed", tool__closed, "FILE PROGRAM...: without stdin, stdout and stderr; the same" },
	{ "hung-file", tool__hung_file, "DIR FILE PROGRAM...: its stdout is a file of FUSE, which "
	  "hangs if this is stopped; the same; 77 without FUSE" },
	{ "wait-blocked", tool__wait_blocked, "PID: until it waits in a write to a pipe" },
	{ "wait-end", tool__wait_end, "PID: until it has ended, 20 s at most" },
	{ "terminal", tool__terminal, "W[,W]... FILE PROGRAM...: its stdout is a terminal, resized "
	  "with each SIGUSR2; FILE gets what it shows" },
	{ "fits", tool__fits, "FILE: no line is wider than that terminal; prints their number" },
	{ "json", tool__json, "FILE [hostile]: each line is an object; prints their number" },
	{ "csv", tool__csv, "FILE: RFC 4180, as many fields everywhere" },
	{ "plain", tool__plain, "FILE: UTF-8 without control characters" },
	{ "receive", tool__receive, "PORT FILE: takes what is sent by OTLP/HTTP, packed by gzip, and adds it "
	  "to FILE, until it is killed" },
	{ "wait-line", tool__wait_line, "FILE PREFIX [N]: until N lines begin so" },
	{ "wait-exit", tool__wait_exit, "FILE: until it is not empty" },
	{ "bpf-held", tool__bpf_held, "PID: ids of its programs, maps and links" },
	{ "bpf-gone", tool__bpf_gone, "FILE: until none of these exists" },
	{ "mount-bpffs", tool__mount_bpffs, "DIR" },
	{ "bpf-pinned", tool__bpf_pinned, "DIR: ids of the programs, maps and links pinned there" },
	{ "bpf-map", tool__bpf_map, "FILE hash|array|percpu VALUE-BYTES ENTRIES: pins a map of this form" },
	{ "bpf-layout", tool__bpf_layout, "FILE N: pinned meta data says that it has layout N" },
};

#define NUM_TOOLS (sizeof(tools) / sizeof(tools[0]))

void die(const char *what)
{
	if (errno)
		fprintf(stderr, "clitool: %s: %s\n", what, strerror(errno));
	else
		fprintf(stderr, "clitool: %s\n", what);
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void rest(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

unsigned long number(const char *s)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(s, &end, 10);
	if (errno || end == s || *end || *s < '0' || *s > '9')
		die("not a number");
	return value;
}

char *contents(const char *path, size_t *len)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	size_t room = 65536, used = 0, num;
	char *data = malloc(room);

	if (!f || !data)
		die(path);
	while ((num = fread(data + used, 1, room - used - 1, f)) > 0) {
		used += num;
		if (used == room - 1) {
			room *= 2;
			data = realloc(data, room);
			if (!data)
				die(path);
		}
	}
	if (ferror(f))
		die(path);
	if (f != stdin)
		fclose(f);
	data[used] = '\0';
	if (len)
		*len = used;
	return data;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < NUM_TOOLS; i++)
		if (!strcmp(argv[1], tools[i].name))
			return tools[i].run(argc - 2, argv + 2);
	for (size_t i = 0; i < NUM_TOOLS; i++)
		fprintf(stderr, "clitool %s %s\n", tools[i].name, tools[i].usage);
	return 2;
}

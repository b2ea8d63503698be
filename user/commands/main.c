// SPDX-License-Identifier: GPL-2.0
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/stdstreams.h"
#include "commands/command.h"
#include "commands/said.h"
#include "host/time_namespace.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
};

static const struct command commands[] = {
	{ "trace", cmd_trace, "print each active close as it enters TIME_WAIT (the default)" },
	{ "list", cmd_list, "print the TIME_WAIT sockets that exist now, each with its owner" },
	{ "top", cmd_top, "show who closes, how often, and how near ports are to their end" },
	{ "record", cmd_record, "record each end of a connection into a file, for months" },
	{ "report", cmd_report, "tell what happened, out of a recording" },
	{ "serve", cmd_serve, "answer with metrics for Prometheus, for as long as it runs" },
	{ "diagnose", cmd_diagnose, "say whether it is harmful, who makes it so, and what to do" },
	{ "attach", cmd_attach, "let the kernel record closes from now on, for trace and list" },
	{ "detach", cmd_detach, "remove what attach has left in the kernel" },
	{ "check", cmd_check, "tell what this kernel and these privileges allow" },
};

#define NUM_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
	puts("Usage: twsnoop [COMMAND] [OPTION]...\n\n"
	     "Which process closes TCP connections first, and so leaves sockets in TIME_WAIT.\n\n"
	     "Commands:");
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].about);
	puts("\n'twsnoop COMMAND --help' lists a command's options; see also twsnoop(8).");
	return said__flush();
}

/* Events have the kernel's time, whatever this process is shown. */
static void use_kernel_time(void)
{
	struct time_shift shift;
	int err = time_namespace__shift("/proc", &shift);

	if (err)
		fprintf(stderr, "twsnoop: the time namespace's clocks are not known, and times may be"
			" wrong: %s\n", strerror(-err));
	else
		clock__set_shift(shift.monotonic_ns, shift.boottime_ns);
}

#define LARGE_BYTES (1 << 20)

/* What is large is given back when it is freed: a reader that runs for months is not to keep what a
 * table of millions of sockets, or a full ring, has taken once. By itself the C library keeps ever
 * more, up to 64 MiB. */
static void give_memory_back(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "trace";
	char quoted[64];

	give_memory_back();
	stdstreams__open();
	use_kernel_time();
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
		return print_help();
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("twsnoop " TWSNOOP_VERSION);
		return said__flush();
	}
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - (argc > 1), argv + (argc > 1));
	if (name[0] == '-') {
		argv[0] = (char *)"trace";
		return cmd_trace(argc, argv);
	}
	fprintf(stderr, "twsnoop: no such command: '%s' (try 'twsnoop --help')\n",
		escape__quote(quoted, sizeof(quoted), name));
	return 2;
}

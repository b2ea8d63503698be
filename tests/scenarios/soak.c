// SPDX-License-Identifier: GPL-2.0
/*
 * For long: connections as fast as can be, two readers of one recorder, one of which is stopped
 * for a while, lists, and readers with filters that come and go. So do others beside: processes that live for
 * one connection, each with a listener and a cgroup of its own, some with a network namespace. Each
 * reader has to have told every end once, or to have counted it as lost; the kernel has to have
 * made as many; a list has to show what the kernel's table has; a filter may let nothing pass but what it is
 * for; and the readers' memory, and what a connection costs them, have to stay as they are.
 */
#define _GNU_SOURCE
#include "counters.h"
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_S 10

struct soak *soak;
static volatile sig_atomic_t end_asked;

static void end_early(int sig)
{
	(void)sig;
	end_asked = 1;
}

void soak__fail(const char *format, ...)
{
	va_list ap;

	soak->failed++;
	printf("FAIL soak: ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* The reader that is stopped for a while. */
static void stop_and_go(pid_t pid, uint64_t ms, uint64_t total_ms)
{
	static uint64_t since_ms, over;
	uint64_t for_ms = total_ms / 4 < STOP_S * 1000 ? total_ms / 4 : STOP_S * 1000;

	if (!since_ms && ms >= total_ms / 6) {
		since_ms = ms;
		kill(pid, SIGSTOP);
	} else if (since_ms && !over && ms >= since_ms + for_ms) {
		over = kill(pid, SIGCONT) == 0;
	}
}

/* Connections for @seconds, with all that happens meanwhile. False: it was ended before its time. */
static bool churn(const char *twsnoop, unsigned int seconds, const struct program *readers,
		  int netns, int home, struct memory *memory)
{
	uint64_t begun_ns = net__mono_ns(), total_ms = seconds * 1000ULL, ms = 0;
	pid_t lists = soak__fork_lists(twsnoop, total_ms, netns, home);
	pid_t filters = soak__fork_filters(twsnoop, total_ms);

	__atomic_store_n(&soak->go, 1, __ATOMIC_RELEASE);
	for (; ms < total_ms && !soak->fault_line && !end_asked; ms = (net__mono_ns() - begun_ns) / 1000000) {
		stop_and_go(readers[STOPPED].pid, ms, total_ms);
		soak__note_memory(memory, readers, ms, total_ms);
		soak__say_progress(ms, readers);
		poll(NULL, 0, 100);
	}
	kill(readers[STOPPED].pid, SIGCONT);
	__atomic_store_n(&soak->enough, 1, __ATOMIC_RELAXED);
	signal(SIGTERM, SIG_DFL);
	soak__note_memory(memory, readers, ms, total_ms);
	waitpid(lists, NULL, 0);
	waitpid(filters, NULL, 0);
	if (ms < total_ms)
		printf("# ended after %lu of %u s: what readers take is not judged\n", ms / 1000, seconds);
	return ms >= total_ms;
}

static void judge_kernel(pid_t world, uint64_t sum)
{
	struct counters c;

	counters__read(world, &c);
	printf("# the kernel made %lu mini-sockets, and %lu connections were closed; recycled=%lu "
	       "overflow=%lu resets=%lu aborts=%lu\n", c.minis, sum, c.recycled, c.overflow,
	       c.estab_resets, c.abort_on_data + c.abort_on_close + c.abort_on_memory +
	       c.abort_on_timeout);
	if (!c.known || c.minis != sum)
		soak__fail("%lu connections were closed, but the kernel has made %lu mini-sockets", sum,
			   c.minis);
}

static void play(const char *twsnoop, unsigned int seconds, pid_t world)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), netns;
	struct program readers[READERS];
	struct memory memory = { 0 };
	char path[64];
	bool is_whole;

	if (!soak__await_ready(PAIRS) || !soak__start_readers(readers, twsnoop)) {
		soak__fail("it cannot begin: soak_load.c:%d: %s", soak->fault_line,
			   strerror(soak->fault_errno));
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)world);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	is_whole = churn(twsnoop, seconds, readers, netns, home, &memory);
	if (!soak__await_ready(PAIRS + 1) || !soak__settle(netns, home))
		soak__fail("connections do not come to an end: soak_load.c:%d: %s", soak->fault_line,
			   strerror(soak->fault_errno));
	soak__await_told(soak__made());
	judge_kernel(world, soak__made() - soak->outside);
	for (int i = 0; i < READERS; i++)
		kill(readers[i].pid, SIGINT);
	for (int i = 0; i < READERS; i++)
		if (program__end(&readers[i], "a reader"))
			soak__judge_reader(i, &readers[i], soak__made());
	if (is_whole) {
		soak__judge_memory(&memory, soak__made());
		soak__judge_cost(&memory, seconds);
	}
	printf("# came and went: %lu processes with a listener each, %lu cgroups, %lu network namespaces, "
	       "%lu readers with a filter\n", soak->made[PASSERS], soak->cgroups, soak->namespaces,
	       soak->filters);
}

static int run(const char *twsnoop, const char *const args[])
{
	pid_t pid = tracer__fork(twsnoop, args, STDERR_FILENO, STDERR_FILENO);
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

/* In mounts of its own, so that no other recorder is in the way. */
static int attach(const char *twsnoop, const char *size)
{
	const char *const args[] = { "attach", size ? "--size" : NULL, size, NULL };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		return -errno;
	return run(twsnoop, args);
}

/* Where the hierarchy is mounted that containers are told apart by, if cgroups can be made there. */
static void find_hierarchy(const char *twsnoop)
{
	static const char *const args[] = { "check", "--json", NULL };
	static const char *const keys[] = { "\"v1_path\":\"", "\"v2_path\":\"" };
	int out = memfd_create("check", MFD_CLOEXEC), status;
	char text[16384] = "", path[256], *at;
	ssize_t len;

	waitpid(tracer__fork(twsnoop, args, out, STDERR_FILENO), &status, 0);
	len = pread(out, text, sizeof(text) - 1, 0);
	text[len < 0 ? 0 : len] = '\0';
	close(out);
	for (int i = 0; i < 2 && !soak->hierarchy[0]; i++) {
		at = strstr(text, keys[i]);
		if (at)
			sscanf(at + strlen(keys[i]), "%199[^\"]", soak->hierarchy);
	}
	snprintf(path, sizeof(path), "%s/lxc.payload.soak", soak->hierarchy);
	if (mkdir(path, 0755) || rmdir(path))
		soak->hierarchy[0] = '\0';
}

int soak__main(int argc, char **argv)
{
	static const struct option longs[] = { { "twsnoop", required_argument, NULL, 't' },
					       { "seconds", required_argument, NULL, 's' },
					       { "size", required_argument, NULL, 'S' },
					       { NULL, 0, NULL, 0 } };
	static const char *const detach[] = { "detach", NULL };
	const char *twsnoop = "build/twsnoop", *size = NULL;
	unsigned int seconds = 600;
	pid_t world;
	int c;

	while ((c = getopt_long(argc, argv, "t:s:S:", longs, NULL)) >= 0) {
		if (c == '?')
			return 2;
		twsnoop = c == 't' ? optarg : twsnoop;
		size = c == 'S' ? optarg : size;
		seconds = c == 's' ? (unsigned int)strtoul(optarg, NULL, 10) : seconds;
	}
	if (seconds < 10 || seconds > 864000 || optind < argc)
		return 2;
	soak = mmap(NULL, sizeof(*soak), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soak == MAP_FAILED || attach(twsnoop, size)) {
		fputs("soak: no recorder could be attached\n", stderr);
		return 1;
	}
	find_hierarchy(twsnoop);
	world = fork();
	if (!world)
		soak__be_world();
	signal(SIGTERM, end_early);
	play(twsnoop, seconds, world);
	kill(world, SIGKILL);
	waitpid(world, NULL, 0);
	if (run(twsnoop, detach))
		soak__fail("twsnoop detach failed");
	printf("%s%d passed, %u failed\n", soak->failed ? "" : "ok soak\n", !soak->failed,
	       soak->failed);
	return soak->failed != 0;
}

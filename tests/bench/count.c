// SPDX-License-Identifier: GPL-2.0
/*
 * count: what a connection costs under a tracer, in instructions. For a guest whose clock counts
 * these, one a nanosecond (QEMU's icount), and that has one processor and nothing else to do: see
 * count.py.
 *
 *   count --clock                    how well the clock counts a loop of known length
 *   count [OPTION]... NAME [-- COMMAND...]
 *     --empty          an empty program on the tracepoint, instead of a command's
 *     --times N        N of the command
 *     --groups N       groups of connections to measure
 *     --bytes N        that are sent each way, first by the client (100)
 *
 * COMMAND is a tracer, which is ended afterwards; without one, what is attached already. All BPF
 * programs that are not our own count as its. Prints one line of JSON, of which each figure is
 * for one connection, both ends.
 *
 * Connections follow each other over loopback, both ends in this process: it connects, accepts, sends
 * a request and an answer, and closes the client's end first. Of every second one the FIN is acknowledged
 * at once, so that the client waits in FIN_WAIT2 for the server's; of the others that comes with the
 * acknowledgement. Ports are the same each time. The least counts: nothing fell into it, neither the
 * timer's interrupt nor a reader nor another's socket in a chain of a hash table. What programs take is
 * summed up by groups, as long as a chunk of twsnoop's rings, so that each has its share of what is done
 * once a chunk.
 *
 * And what they take of a packet that the kernel drops, of each kind in drops.h.
 */
#include "drops.h"
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "empty.skel.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* 6.3 */
#endif

#define GROUP 16u /* connections: TWS_CHUNK */
#define WARM_UP (4 * GROUP)
#define MAX_GROUPS 256u
#define MAX_PROGS 64u
#define MAX_TOOLS 8u
#define SERVER_PORT 20000u
#define FIRST_PORT 20001u

#define NS_PER_MS 1000000u
#define START_MS 300000u /* of the guest's time, in which an emulated verifier is slow */
#define QUIET_MS 500u

static struct {
	const char *name;
	char **command;
	uint64_t times, groups, bytes;
	bool empty;
} opt = { .times = 1, .groups = 40, .bytes = 100 };

static int listener = -1;
static unsigned int next_port = FIRST_PORT;

/* What is attached besides our own programs. */
static struct {
	int fd[MAX_PROGS];
	size_t num;
} progs;

static struct {
	pid_t pid[MAX_TOOLS];
	size_t num;
} tools;

static void end_tools(void)
{
	for (size_t i = 0; i < tools.num; i++)
		kill(tools.pid[i], SIGINT);
	for (size_t i = 0; i < tools.num; i++)
		waitpid(tools.pid[i], NULL, 0);
	tools.num = 0;
}

static void die(const char *what)
{
	fprintf(stderr, "count: %s: %s: %s\n", opt.name ? opt.name : "-", what, strerror(errno));
	end_tools();
	exit(1);
}

static void sleep_ms(unsigned int ms)
{
	const struct timespec ts = { ms / 1000, (long)(ms % 1000) * NS_PER_MS };

	nanosleep(&ts, NULL);
}

/* ---- connections ---- */

static struct sockaddr_in server_address(void)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(SERVER_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void open_listener(void)
{
	const struct sockaddr_in addr = server_address();

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (const void *)&addr, sizeof(addr)) ||
	    listen(listener, 16))
		die("listener");
}

static void exchange(int client, int server)
{
	static char buf[4096];

	if (write(client, buf, opt.bytes) != (ssize_t)opt.bytes ||
	    recv(server, buf, opt.bytes, MSG_WAITALL) != (ssize_t)opt.bytes ||
	    write(server, buf, opt.bytes) != (ssize_t)opt.bytes ||
	    recv(client, buf, opt.bytes, MSG_WAITALL) != (ssize_t)opt.bytes)
		die("exchange");
}

static void connect_once(void)
{
	const struct sockaddr_in addr = server_address();
	uint32_t range = next_port << 16 | next_port;
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	const int one = 1;
	char byte;

	next_port++;
	/* Not bind(), which clients do not call, and which twsnoop --all looks at. */
	if (client < 0 || setsockopt(client, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) ||
	    connect(client, (const void *)&addr, sizeof(addr)))
		die("connect");
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		die("accept");
	exchange(client, server);
	close(client);
	if (read(server, &byte, 1))
		die("the end of the request");
	/* Sends what tcp_fin() has put off. */
	if (next_port % 2 && setsockopt(server, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one)))
		die("TCP_QUICKACK");
	close(server);
}

static void connect_some(unsigned int number)
{
	while (number--)
		connect_once();
}

/* ---- figures ---- */

/* What falls into a connection by chance only adds to it. */
static double least(const double *values, size_t num)
{
	double found = values[0];

	for (size_t i = 1; i < num; i++)
		found = values[i] < found ? values[i] : found;
	return found;
}

/* What the connection as a whole takes, with what the hooks do around the programs: of either kind
 * as many. */
static double measure_felt(void)
{
	static double each[2][MAX_GROUPS * GROUP / 2];
	size_t num = opt.groups * GROUP / 2;

	for (size_t i = 0; i < 2 * num; i++) {
		uint64_t begin_ns = load__now_ns();

		connect_once();
		each[i % 2][i / 2] = (double)(load__now_ns() - begin_ns);
	}
	return (least(each[0], num) + least(each[1], num)) / 2;
}

struct runs {
	double ns, num;
};

static struct bpf_prog_info prog_info(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		die("program");
	return info;
}

static struct runs runs_of(int fd)
{
	const struct bpf_prog_info info = prog_info(fd);

	return (struct runs){ (double)info.run_time_ns, (double)info.run_cnt };
}

static struct runs runs_since(int fd, const struct runs *before)
{
	struct runs now = runs_of(fd);

	return (struct runs){ now.ns - before->ns, now.num - before->num };
}

/* The programs' own time, less what an empty one takes on the same hook. */
struct net {
	double total[MAX_GROUPS], runs, empty_runs;
	double each[MAX_PROGS][MAX_GROUPS]; /* of a program */
};

/* Both in all groups before the one is taken from the other: what fell into an empty program would
 * make a group the least. */
static void measure_net(struct net *net, const struct empty_bpf *empty)
{
	static struct runs took[MAX_PROGS][MAX_GROUPS];
	static double costs[2][MAX_GROUPS];
	const int empty_fds[] = { bpf_program__fd(empty->progs.empty_state),
				  bpf_program__fd(empty->progs.empty_drop) };
	const __u32 drop_hook = prog_info(empty_fds[1]).attach_btf_id;
	struct runs before[MAX_PROGS], empty_before[2], runs;
	double cost[2];

	for (size_t group = 0; group < opt.groups; group++) {
		for (size_t i = 0; i < 2; i++)
			empty_before[i] = runs_of(empty_fds[i]);
		for (size_t i = 0; i < progs.num; i++)
			before[i] = runs_of(progs.fd[i]);
		connect_some(GROUP);
		for (size_t i = 0; i < progs.num; i++)
			took[i][group] = runs_since(progs.fd[i], &before[i]);
		for (size_t i = 0; i < 2; i++) {
			runs = runs_since(empty_fds[i], &empty_before[i]);
			costs[i][group] = runs.num > 0 ? runs.ns / runs.num : 0;
			if (!i)
				net->empty_runs = runs.num / GROUP;
		}
	}
	for (size_t i = 0; i < 2; i++)
		cost[i] = least(costs[i], opt.groups);
	for (size_t group = 0; group < opt.groups; group++) {
		net->total[group] = net->runs = 0;
		for (size_t i = 0; i < progs.num; i++) {
			bool at_drop = prog_info(progs.fd[i]).attach_btf_id == drop_hook;

			runs = took[i][group];
			net->each[i][group] = (runs.ns - runs.num * cost[at_drop]) / GROUP;
			net->total[group] += net->each[i][group];
			net->runs += runs.num / GROUP;
		}
	}
}

/*
 * What the programs take of a packet that is dropped, less what an empty one takes of it; negative:
 * none of them is on that hook.
 */
static double measure_drop(const struct empty_bpf *empty, enum drops_kind kind)
{
	static double each[MAX_PROGS][MAX_GROUPS], none[MAX_GROUPS];
	const int empty_fd = bpf_program__fd(empty->progs.empty_drop);
	const __u32 hook = prog_info(empty_fd).attach_btf_id;
	struct runs before[MAX_PROGS], empty_before, runs;
	struct drops drops;
	double sum = -1;

	errno = -drops__open(&drops, kind);
	if (errno)
		die("packets to drop");
	for (size_t group = 0; group < opt.groups; group++) {
		empty_before = runs_of(empty_fd);
		for (size_t i = 0; i < progs.num; i++)
			before[i] = runs_of(progs.fd[i]);
		if (drops__send(&drops, GROUP) != GROUP)
			die("packets to drop");
		for (size_t i = 0; i < progs.num; i++) {
			runs = runs_since(progs.fd[i], &before[i]);
			each[i][group] = runs.num > 0 ? runs.ns / runs.num : 0;
		}
		runs = runs_since(empty_fd, &empty_before);
		if (runs.num < GROUP)
			die("what was sent was not dropped");
		none[group] = runs.ns / runs.num;
	}
	drops__close(&drops);
	for (size_t i = 0; i < progs.num; i++)
		if (prog_info(progs.fd[i]).attach_btf_id == hook)
			sum = (sum < 0 ? 0 : sum) + least(each[i], opt.groups) -
			      least(none, opt.groups);
	return sum;
}

/* ---- the tracer ---- */

static uint64_t cpu_ns_of(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%llu", &ns) != 1)
		die("the tracer has ended");
	fclose(f);
	return ns;
}

static uint64_t tools_cpu_ns(void)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < tools.num; i++)
		ns += cpu_ns_of(tools.pid[i]);
	return ns;
}

static void start_tools(void)
{
	for (size_t i = 0; i < opt.times && opt.command; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			int null = open("/dev/null", O_RDWR | O_CLOEXEC);

			dup2(null, STDIN_FILENO);
			dup2(null, STDOUT_FILENO);
			execvp(opt.command[0], opt.command);
			die(opt.command[0]);
		}
		tools.pid[tools.num++] = pid;
	}
}

static bool is_ours(const struct bpf_prog_info *info)
{
	return !strcmp(info->name, "empty_state") || !strcmp(info->name, "empty_drop");
}

/* Any that connections run. The tracer's tests of what the kernel can do come and go, and run
 * nothing. */
static bool find_progs(void)
{
	uint64_t runs = 0;
	__u32 id = 0;

	for (size_t i = 0; i < progs.num; i++)
		close(progs.fd[i]);
	progs.num = 0;
	while (progs.num < MAX_PROGS && !bpf_prog_get_next_id(id, &id)) {
		int fd = bpf_prog_get_fd_by_id(id);
		struct bpf_prog_info info;

		if (fd < 0)
			continue;
		info = prog_info(fd);
		if (is_ours(&info)) {
			close(fd);
			continue;
		}
		runs += info.run_cnt;
		progs.fd[progs.num++] = fd;
	}
	return runs != 0;
}

/* Until its programs run, and it does nothing any more but look now and then. */
static void await_tools(void)
{
	uint64_t until_ns = load__now_ns() + (uint64_t)START_MS * NS_PER_MS, cpu_ns;

	do {
		if (load__now_ns() > until_ns) {
			errno = ETIMEDOUT;
			die("the tracer does not start");
		}
		cpu_ns = tools_cpu_ns();
		sleep_ms(QUIET_MS);
		connect_once();
	} while (tools_cpu_ns() - cpu_ns > (uint64_t)QUIET_MS * NS_PER_MS / 100 * opt.times ||
		 !find_progs());
	find_progs();
}

/* What the readers take of the processor for a connection; they had so much to do before. */
static double measure_readers(uint64_t cpu_ns, uint64_t since_ns, double idle)
{
	double elapsed_ns;

	sleep_ms(QUIET_MS); /* they look ten times a second */
	elapsed_ns = (double)(load__now_ns() - since_ns);
	return ((double)(tools_cpu_ns() - cpu_ns) - idle * elapsed_ns) /
	       (double)(opt.groups * GROUP);
}

static double measure_idle(void)
{
	uint64_t cpu_ns = tools_cpu_ns(), begin_ns = load__now_ns();

	sleep_ms(4 * QUIET_MS);
	return (double)(tools_cpu_ns() - cpu_ns) / (double)(load__now_ns() - begin_ns);
}

static struct empty_bpf *attach_empty(bool drop_too)
{
	struct empty_bpf *empty = empty_bpf__open();

	if (!empty)
		die("BPF");
	bpf_program__set_autoload(empty->progs.empty_drop, drop_too);
	errno = -empty_bpf__load(empty);
	if (errno)
		die("BPF");
	errno = -empty_bpf__attach(empty);
	if (errno)
		die("BPF");
	return empty;
}

static int enable_stats(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (fd < 0)
		die("BPF statistics");
	return fd;
}

static void print_net(struct net *net)
{
	double total;

	total = least(net->total, opt.groups);
	printf(",\"net\":%.4f,\"runs\":%.2f,\"hooks\":%.2f,\"progs\":{", total, net->runs,
	       net->empty_runs);
	for (size_t i = 0; i < progs.num; i++) {
		const struct bpf_prog_info info = prog_info(progs.fd[i]);

		printf("%s\"%s %u\":{\"net\":%.4f,\"jited_bytes\":%u}", i ? "," : "", info.name,
		       info.id, least(net->each[i], opt.groups), info.jited_prog_len);
	}
	printf("}");
}

static void print_drops(const struct empty_bpf *empty)
{
	static const char *const names[DROPS_KINDS] = { "udp", "tcp" };

	for (enum drops_kind kind = 0; kind < DROPS_KINDS; kind++) {
		double net = measure_drop(empty, kind);

		if (net >= 0)
			printf(",\"drop_%s\":%.4f", names[kind], net);
	}
}

/* In three steps, so that the counting of runs is no part of what is felt, nor the empty
 * programs, which only the kernel's counts are compared with. */
static void measure(void)
{
	static struct net net;
	struct empty_bpf *empty;
	uint64_t cpu_ns, begin_ns;
	double idle, felt;
	int stats_fd;

	start_tools();
	errno = -load__enter_netns(1 << 18);
	if (errno)
		die("network namespace");
	open_listener();
	if (opt.command || !opt.empty) {
		stats_fd = enable_stats();
		if (opt.command)
			await_tools();
		connect_once();
		find_progs();
		close(stats_fd);
	}
	empty = opt.empty ? attach_empty(false) : NULL;
	idle = measure_idle();
	connect_some(WARM_UP);
	cpu_ns = tools_cpu_ns();
	begin_ns = load__now_ns();
	felt = measure_felt();
	printf("count {\"name\":\"%s\",\"felt\":%.4f", opt.name, felt);
	if (tools.num)
		printf(",\"reader\":%.1f",
		       measure_readers(cpu_ns, begin_ns, idle) / (double)tools.num);
	if (progs.num) {
		stats_fd = enable_stats();
		empty = attach_empty(true);
		connect_some(WARM_UP);
		measure_net(&net, empty);
		print_net(&net);
		print_drops(empty);
		close(stats_fd);
	}
	empty_bpf__destroy(empty);
	end_tools();
	printf("}\n");
}

/* ---- the clock ---- */

/* Two instructions a turn. */
static void loop(uint64_t turns)
{
#if defined(__x86_64__)
	__asm__ volatile("1: sub $1, %0\n\tjnz 1b" : "+r"(turns) : : "cc");
#elif defined(__aarch64__)
	__asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(turns) : : "cc");
#endif
}

/* The best of several: the timer's interrupt falls into some. */
static uint64_t loop_ns(uint64_t turns)
{
	uint64_t best_ns = UINT64_MAX;

	for (unsigned int i = 0; i < 7; i++) {
		uint64_t begin_ns = load__now_ns(), took_ns;

		loop(turns);
		took_ns = load__now_ns() - begin_ns;
		best_ns = took_ns < best_ns ? took_ns : best_ns;
	}
	return best_ns;
}

static void prove_clock(void)
{
	const uint64_t turns[] = { 1000, 10000, 100000, 1000000 };
	const uint64_t none_ns = loop_ns(1);

	printf("count {\"clock\":[");
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
		printf("%s{\"instructions\":%llu,\"ns\":%llu}", i ? "," : "",
		       (unsigned long long)(2 * (turns[i] - 1)),
		       (unsigned long long)(loop_ns(turns[i]) - none_ns));
	printf("]}\n");
}

/* ---- options ---- */

static const struct option long_options[] = {
	{ "clock", no_argument, NULL, 'c' },
	{ "empty", no_argument, NULL, 'e' },
	{ "times", required_argument, NULL, 't' },
	{ "groups", required_argument, NULL, 'g' },
	{ "bytes", required_argument, NULL, 'b' },
	{ 0 },
};

static int parse_options(int argc, char **argv, bool *clock)
{
	int c, err = 0;

	while (!err && (c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		switch (c) {
		case 'c': *clock = true; break;
		case 'e': opt.empty = true; break;
		case 't': err = load__parse(optarg, MAX_TOOLS, &opt.times); break;
		case 'g': err = load__parse(optarg, MAX_GROUPS, &opt.groups); break;
		case 'b': err = load__parse(optarg, 4096, &opt.bytes); break;
		default: err = -EINVAL;
		}
	}
	if (err || *clock)
		return err;
	if (optind >= argc || !opt.groups || !opt.bytes)
		return -EINVAL;
	opt.name = argv[optind++];
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (optind < argc)
		opt.command = argv + optind;
	return 0;
}

int main(int argc, char **argv)
{
	bool clock = false;

	if (parse_options(argc, argv, &clock)) {
		fprintf(stderr, "usage: count --clock | [--empty] [--times N] [--groups N] "
				"[--bytes N] NAME [-- COMMAND...]\n");
		return 2;
	}
	if (clock)
		prove_clock();
	else
		measure();
	return 0;
}

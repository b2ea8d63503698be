// SPDX-License-Identifier: GPL-2.0
/*
 * churn: pairs of processes that open and close connections over loopback as
 * fast as they can (or at a rate), in a network namespace of their own. The
 * client connects and closes first, unless told otherwise; so each connection
 * leaves exactly one TIME_WAIT socket, and the number made is the truth that a
 * tracer's count is held against.
 *
 * It talks to whoever drives it in lines: "ready" (a JSON object) when all is
 * set up; it then waits for a line on stdin, makes its connections, prints the
 * result (a JSON object), and holds everything it has open, and its TIME_WAIT
 * sockets, until stdin ends. With --now it asks nothing.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How far a client may run ahead of its server before it waits. */
#define WINDOW 256u
/* Connections to one address before the next is taken: no port is searched for long. */
#define PER_ADDRESS 4096u
/* Connections in one namespace, or from one cgroup, before the next. */
#define PER_PLACE 50u
/* IPv6 has one loopback address: listeners on many ports instead. */
#define V6_LISTENERS 16u
#define MAX_PAIRS 64u
#define BASE_PORT 20000u
#define HOLD_PORT (BASE_PORT - 1)
#define MAX_HOLDERS 128u

enum how { HOW_CLOSE, HOW_SHUTDOWN, HOW_SERVER };

struct options {
	uint64_t pairs, count, millis, rate, bytes, hold, netns, cgroups, prefill;
	uint64_t tw_limit, seed;
	const char *cgroup_dir;
	enum how how;
	bool v6, pin, now;
};

/* Shared between the processes of one pair. */
struct pair {
	_Atomic uint32_t made, served, waiting, errors;
	_Atomic uint64_t client_cpu_ns, server_cpu_ns, wall_ns;
	_Atomic uint32_t ready, target;
};

struct shared {
	_Atomic uint32_t go, stop;
	_Atomic uint32_t accepted; /* connections that are held */
	struct pair pairs[MAX_PAIRS];
};

/* One listening socket, and the namespace it lives in (-1: the common one). */
struct place {
	int listen_fd, netns_fd;
	unsigned int port;
};

static struct options opt = { .pairs = 1, .tw_limit = 4000000 };
static struct shared *shared;
static struct place *places;
static size_t nr_places;	/* for each pair */
static uint64_t hold_each;	/* connections that one pair of holders keeps */

/* Returns at the latest after a second: whoever waits looks again. */
static void futex__wait(_Atomic uint32_t *word, uint32_t seen)
{
	struct timespec second = { .tv_sec = 1 };

	syscall(SYS_futex, word, FUTEX_WAIT, seen, &second, NULL, 0);
}

static void futex__wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void die(const char *what)
{
	fprintf(stderr, "churn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t address__make(struct sockaddr_storage *out, uint32_t index, unsigned int port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	*out = (struct sockaddr_storage){ 0 };
	if (opt.v6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_addr = in6addr_loopback;
		in6->sin6_port = htons((uint16_t)port);
		return sizeof(*in6);
	}
	/* All of 127/8 is local: 127.1.0.1 and up. */
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0x7f010001u + (index & 0x7fffffu));
	in->sin_port = htons((uint16_t)port);
	return sizeof(*in);
}

static int listener__open(unsigned int port)
{
	struct sockaddr_storage addr;
	socklen_t len = address__make(&addr, 0, port);
	int one = 1, fd;

	if (!opt.v6)
		((struct sockaddr_in *)&addr)->sin_addr.s_addr = htonl(INADDR_ANY);
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 65535))
		die("listener");
	return fd;
}

/* Every place of every pair, made before the fork so that the parent can end them. */
static void places__open(void)
{
	unsigned int per_pair = opt.netns ? (unsigned int)opt.netns : opt.v6 ? V6_LISTENERS : 1;
	size_t i;

	nr_places = per_pair;
	places = calloc(per_pair * opt.pairs, sizeof(*places));
	if (!places)
		die("memory");
	for (i = 0; i < per_pair * opt.pairs; i++) {
		places[i].netns_fd = -1;
		if (opt.netns) {
			int err = load__enter_netns(opt.tw_limit);

			errno = -err;
			if (!err)
				places[i].netns_fd = open("/proc/self/ns/net",
							  O_RDONLY | O_CLOEXEC);
			if (places[i].netns_fd < 0)
				die("network namespace");
		}
		places[i].port = BASE_PORT + (opt.netns ? 0 : (unsigned int)i);
		places[i].listen_fd = listener__open(places[i].port);
	}
}

static struct place *pair__place(size_t index, uint32_t connection)
{
	uint32_t per = opt.netns ? PER_PLACE : PER_ADDRESS;

	return &places[index * nr_places + connection / per % nr_places];
}

static void bytes__exchange(int fd, bool first)
{
	char buf[4096];
	uint64_t left = opt.bytes;

	while (left) {
		size_t chunk = left < sizeof(buf) ? (size_t)left : sizeof(buf);

		if (first && write(fd, buf, chunk) != (ssize_t)chunk)
			return;
		if (recv(fd, buf, chunk, MSG_WAITALL) != (ssize_t)chunk)
			return;
		if (!first && write(fd, buf, chunk) != (ssize_t)chunk)
			return;
		left -= chunk;
	}
}

static void server__serve(int fd)
{
	char byte;

	bytes__exchange(fd, false);
	if (opt.how != HOW_SERVER && read(fd, &byte, 1) < 0)
		return;
	if (opt.how == HOW_SERVER) {
		shutdown(fd, SHUT_WR);
		while (read(fd, &byte, 1) > 0)
			;
	}
}

static void server__run(size_t index)
{
	struct pair *pair = &shared->pairs[index];
	uint64_t cpu_start_ns = 0;
	uint32_t n = 0;

	for (;;) {
		int fd = accept4(pair__place(index, n)->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			break;
		}
		if (n == opt.prefill)
			cpu_start_ns = load__cpu_ns();
		server__serve(fd);
		close(fd);
		n = atomic_fetch_add(&pair->served, 1) + 1;
		if (atomic_load(&pair->waiting) && (atomic_load(&pair->made) - n < WINDOW / 2 ||
						    n == atomic_load(&pair->target))) {
			atomic_store(&pair->waiting, 0);
			futex__wake(&pair->served);
		}
	}
	atomic_store(&pair->server_cpu_ns, load__cpu_ns() - cpu_start_ns);
}

/* Waits until the server is no more than @ahead connections behind. */
static void client__wait(struct pair *pair, uint32_t ahead)
{
	for (;;) {
		uint32_t served = atomic_load(&pair->served);

		if (atomic_load(&pair->made) - served <= ahead)
			return;
		atomic_store(&pair->waiting, 1);
		if (atomic_load(&pair->served) == served)
			futex__wait(&pair->served, served);
	}
}

static int client__connect(uint32_t n, const struct place *place)
{
	struct sockaddr_storage addr;
	socklen_t len = address__make(&addr, (uint32_t)opt.seed + n / PER_ADDRESS, place->port);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void client__close(int fd)
{
	char byte;

	bytes__exchange(fd, true);
	if (opt.how == HOW_SHUTDOWN)
		shutdown(fd, SHUT_WR);
	if (opt.how != HOW_CLOSE)
		while (read(fd, &byte, 1) > 0)
			;
	close(fd);
}

static void cgroup__join(uint64_t index)
{
	char path[PATH_MAX];
	int fd;

	/* The name of a Docker container's cgroup: 64 hexadecimal digits. */
	snprintf(path, sizeof(path), "%s/%064llx/cgroup.procs", opt.cgroup_dir,
		 (unsigned long long)index);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static bool client__move(size_t index, uint32_t n)
{
	struct place *place = pair__place(index, n);

	if (n % PER_PLACE)
		return true;
	if (opt.cgroups)
		cgroup__join(n / PER_PLACE % opt.cgroups);
	return place->netns_fd < 0 || !setns(place->netns_fd, CLONE_NEWNET);
}

static bool client__one(size_t index, uint32_t n)
{
	struct pair *pair = &shared->pairs[index];
	int fd;

	if (!client__move(index, n))
		return false;
	fd = client__connect(n, pair__place(index, n));
	if (fd < 0)
		return false;
	client__close(fd);
	atomic_fetch_add(&pair->made, 1);
	client__wait(pair, WINDOW);
	return true;
}

static void client__pace(uint64_t start_ns, uint64_t done)
{
	uint64_t at = start_ns + done * 1000000000u / opt.rate;
	struct timespec ts = {
		.tv_sec = (time_t)(at / 1000000000u),
		.tv_nsec = (long)(at % 1000000000u),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void client__measure(size_t index, uint32_t first)
{
	struct pair *pair = &shared->pairs[index];
	uint64_t start_ns = load__now_ns(), cpu_ns = load__cpu_ns();
	uint64_t end_ns = start_ns + opt.millis * 1000000u;
	uint32_t n;

	for (n = first; !opt.count || n - first < opt.count; n++) {
		if (opt.millis && load__now_ns() >= end_ns)
			break;
		if (opt.rate)
			client__pace(start_ns, n - first);
		if (!client__one(index, n)) {
			fprintf(stderr, "churn: connect: %s\n", strerror(errno));
			atomic_fetch_add(&pair->errors, 1);
			break;
		}
	}
	atomic_store(&pair->target, n);
	client__wait(pair, 0);
	atomic_store(&pair->wall_ns, load__now_ns() - start_ns);
	atomic_store(&pair->client_cpu_ns, load__cpu_ns() - cpu_ns);
}

static void client__run(size_t index)
{
	struct pair *pair = &shared->pairs[index];
	uint32_t n;

	for (n = 0; n < opt.prefill; n++)
		if (!client__one(index, n))
			die("prefill");
	atomic_store(&pair->target, n);
	client__wait(pair, 0);
	atomic_store(&pair->ready, 1);
	futex__wake(&pair->ready);
	while (!atomic_load(&shared->go))
		futex__wait(&shared->go, 0);
	client__measure(index, n);
}

static pid_t child__fork(void (*run)(size_t), size_t index, unsigned int cpu)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (opt.pin && load__pin(cpu))
		die("pin");
	run(index);
	_exit(0);
}

/*
 * The connections that are only held open: as many pairs of processes as the
 * limit of open files asks for, each with HOLD_PORT - index to listen on.
 */
static void holder__accept(size_t listen_fd)
{
	while (accept4((int)listen_fd, NULL, NULL, SOCK_CLOEXEC) >= 0) {
		atomic_fetch_add(&shared->accepted, 1);
		futex__wake(&shared->accepted);
	}
	if (errno != EINTR)
		die("accept");
}

static void holder__connect(size_t index)
{
	struct place place = { .netns_fd = -1, .port = HOLD_PORT - (unsigned int)index };
	uint64_t first = index * hold_each, n;

	for (n = first; n < opt.hold && n - first < hold_each; n++) {
		if (client__connect((uint32_t)(n - first), &place) < 0)
			die("connect");
		/* The queue of the listener is far longer than this. */
		while (n > atomic_load(&shared->accepted) + WINDOW)
			sched_yield();
	}
	for (;;)
		pause();
}

static size_t holders__size(void)
{
	struct rlimit limit;

	if (!opt.hold)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	hold_each = limit.rlim_cur > 200000 ? 199000 : limit.rlim_cur - 1000;
	return (opt.hold + hold_each - 1) / hold_each;
}

static void holders__wait(uint64_t goal)
{
	uint32_t seen;

	while ((seen = atomic_load(&shared->accepted)) < goal) {
		if (waitpid(-1, NULL, WNOHANG) > 0) {
			errno = ECHILD;
			die("held connections");
		}
		futex__wait(&shared->accepted, seen);
	}
}

/* One after the other: when a pair holds all of its own, the next begins. */
static void holders__start(pid_t *pids, size_t count)
{
	int fds[MAX_HOLDERS];
	uint64_t goal;
	size_t i;

	/* All of them first: later, a connection may have the port as its own. */
	for (i = 0; i < count; i++)
		fds[i] = listener__open(HOLD_PORT - (unsigned int)i);
	for (i = 0; i < count; i++) {
		pids[2 * i] = child__fork(holder__accept, (size_t)fds[i], 0);
		pids[2 * i + 1] = child__fork(holder__connect, i, 1);
		goal = (i + 1) * hold_each;
		holders__wait(goal < opt.hold ? goal : opt.hold);
	}
	for (i = 0; i < count; i++)
		close(fds[i]);
}

static void holders__end(const pid_t *pids, size_t count)
{
	size_t i;

	for (i = 0; i < 2 * count; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < 2 * count; i++)
		waitpid(pids[i], NULL, 0);
}

/* All namespaces of the run together. */
static struct load_table table__count(void)
{
	struct load_table table = { 0 }, one = { 0 };
	size_t i;

	for (i = 0; i < (opt.netns ? opt.pairs * nr_places : 1); i++) {
		if (opt.netns && setns(places[i].netns_fd, CLONE_NEWNET))
			die("setns");
		if (load__count_table(&one))
			die("sock_diag");
		table.time_wait += one.time_wait;
		table.fin_wait2 += one.fin_wait2;
	}
	return table;
}

/* The last FINs may still be under way: a second is plenty for them. */
static struct load_table table__final(void)
{
	struct load_table table = table__count();
	int tries;

	for (tries = 0; table.fin_wait2 && tries < 50; tries++) {
		usleep(20000);
		table = table__count();
	}
	return table;
}

static void result__print(void)
{
	uint64_t made = 0, served = 0, errors = 0, client_ns = 0, server_ns = 0, wall_ns = 1;
	struct load_table table;
	size_t i;

	for (i = 0; i < opt.pairs; i++) {
		struct pair *pair = &shared->pairs[i];

		made += pair->made - (uint32_t)opt.prefill;
		served += pair->served - (uint32_t)opt.prefill;
		errors += pair->errors;
		client_ns += pair->client_cpu_ns;
		server_ns += pair->server_cpu_ns;
		if (pair->wall_ns > wall_ns)
			wall_ns = pair->wall_ns;
	}
	table = table__final();
	printf("{\"connections\":%llu,\"served\":%llu,\"errors\":%llu,\"seconds\":%.6f,"
	       "\"rate\":%.1f,\"client_cpu_ns\":%llu,\"server_cpu_ns\":%llu,"
	       "\"cpu_ns_per_connection\":%.1f,\"time_wait\":%llu,\"fin_wait2\":%llu}\n",
	       (unsigned long long)made, (unsigned long long)served, (unsigned long long)errors,
	       (double)wall_ns / 1e9, (double)made * 1e9 / (double)wall_ns,
	       (unsigned long long)client_ns, (unsigned long long)server_ns,
	       made ? (double)(client_ns + server_ns) / (double)made : 0,
	       (unsigned long long)table.time_wait, (unsigned long long)table.fin_wait2);
	fflush(stdout);
}

static void stdin__wait(bool line)
{
	char c;

	while (!opt.now && read(STDIN_FILENO, &c, 1) == 1)
		if (line && c == '\n')
			return;
}

static void ready__print(const pid_t *clients)
{
	size_t i;

	printf("{\"ready\":true,\"netns\":%llu,\"clients\":[",
	       (unsigned long long)load__netns_inode());
	for (i = 0; i < opt.pairs; i++)
		printf("%s%d", i ? "," : "", (int)clients[i]);
	printf("]}\n");
	fflush(stdout);
}

static void churn__run(void)
{
	pid_t servers[MAX_PAIRS], clients[MAX_PAIRS], holders[2 * MAX_HOLDERS];
	size_t i, nr_holders = holders__size();

	if (nr_holders > MAX_HOLDERS) {
		errno = EMFILE;
		die("held connections");
	}
	holders__start(holders, nr_holders);
	for (i = 0; i < opt.pairs; i++) {
		servers[i] = child__fork(server__run, i, (unsigned int)i * 2 + 1);
		clients[i] = child__fork(client__run, i, (unsigned int)i * 2);
	}
	for (i = 0; i < opt.pairs; i++)
		while (!atomic_load(&shared->pairs[i].ready)) {
			if (waitpid(clients[i], NULL, WNOHANG))
				exit(1);
			usleep(1000);
		}
	ready__print(clients);
	stdin__wait(true);
	atomic_store(&shared->go, 1);
	futex__wake(&shared->go);
	for (i = 0; i < opt.pairs; i++)
		waitpid(clients[i], NULL, 0);
	/* Ending a listener ends the accept() that waits on it. */
	for (i = 0; i < opt.pairs * nr_places; i++)
		shutdown(places[i].listen_fd, SHUT_RDWR);
	for (i = 0; i < opt.pairs; i++)
		waitpid(servers[i], NULL, 0);
	result__print();
	stdin__wait(false);
	holders__end(holders, nr_holders);
}

static const struct option long_options[] = {
	{ "pairs", required_argument, NULL, 'p' },
	{ "count", required_argument, NULL, 'n' },
	{ "millis", required_argument, NULL, 'm' },
	{ "rate", required_argument, NULL, 'r' },
	{ "bytes", required_argument, NULL, 'b' },
	{ "hold", required_argument, NULL, 'H' },
	{ "netns", required_argument, NULL, 'N' },
	{ "cgroups", required_argument, NULL, 'g' },
	{ "cgroup-dir", required_argument, NULL, 'd' },
	{ "prefill", required_argument, NULL, 'f' },
	{ "tw-limit", required_argument, NULL, 't' },
	{ "seed", required_argument, NULL, 's' },
	{ "how", required_argument, NULL, 'w' },
	{ "ipv6", no_argument, NULL, '6' },
	{ "pin", no_argument, NULL, 'P' },
	{ "now", no_argument, NULL, 'o' },
	{ 0 },
};

static int how__parse(const char *text)
{
	static const char *const names[] = { "close", "shutdown", "server" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			opt.how = (enum how)i;
			return 0;
		}
	return -EINVAL;
}

static int option__number(int c, const char *text)
{
	switch (c) {
	case 'p': return load__parse(text, MAX_PAIRS, &opt.pairs);
	case 'n': return load__parse(text, 1000000000, &opt.count);
	case 'm': return load__parse(text, 3600000, &opt.millis);
	case 'r': return load__parse(text, 1000000, &opt.rate);
	case 'b': return load__parse(text, 1 << 30, &opt.bytes);
	case 'H': return load__parse(text, 1000000, &opt.hold);
	case 'N': return load__parse(text, 20000, &opt.netns);
	case 'g': return load__parse(text, 20000, &opt.cgroups);
	case 'f': return load__parse(text, 10000000, &opt.prefill);
	case 't': return load__parse(text, INT_MAX, &opt.tw_limit);
	case 's': return load__parse(text, UINT32_MAX, &opt.seed);
	default: return -EINVAL;
	}
}

static int options__parse(int argc, char **argv)
{
	int c, err = 0;

	while (!err && (c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'w': err = how__parse(optarg); break;
		case 'd': opt.cgroup_dir = optarg; break;
		case '6': opt.v6 = true; break;
		case 'P': opt.pin = true; break;
		case 'o': opt.now = true; break;
		default: err = option__number(c, optarg ? optarg : "");
		}
	}
	if (err || optind != argc || !opt.pairs || (!opt.count && !opt.millis) ||
	    (opt.cgroups && !opt.cgroup_dir))
		return -EINVAL;
	return 0;
}

static const char usage[] =
	"usage: churn --count N | --millis MS [--pairs N] [--rate PER-SECOND]\n"
	"  [--how close|shutdown|server] [--bytes N] [--hold N] [--netns N] [--ipv6]\n"
	"  [--cgroups N --cgroup-dir DIR] [--prefill N] [--tw-limit N] [--seed N]\n"
	"  [--pin] [--now]\n";

int main(int argc, char **argv)
{
	int err;

	opt.seed = load__now_ns() / 1000;
	if (options__parse(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	err = load__enter_netns(opt.tw_limit);
	if (err) {
		errno = -err;
		die("network namespace (root is needed)");
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		die("memory");
	places__open();
	churn__run();
	free(places);
	return 0;
}

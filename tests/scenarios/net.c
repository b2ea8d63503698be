// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const fam_names[FAM_NR] = { "v4", "v6", "mapped" };

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

uint64_t net__mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t net__real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int net__addr_text(int family, const void *addr, char out[INET6_ADDRSTRLEN])
{
	const struct in6_addr *a6 = addr;

	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(a6)) {
		inet_ntop(AF_INET, &a6->s6_addr[12], out, INET6_ADDRSTRLEN);
		return AF_INET;
	}
	inet_ntop(family, addr, out, INET6_ADDRSTRLEN);
	return family;
}

bool tuple__equal(const struct tuple *a, const struct tuple *b)
{
	return a->family == b->family && a->lport == b->lport && a->rport == b->rport &&
	       (!a->netns || !b->netns || a->netns == b->netns) &&
	       (!a->laddr[0] || !b->laddr[0] || strcmp(a->laddr, b->laddr) == 0) &&
	       strcmp(a->raddr, b->raddr) == 0;
}

struct tuple tuple__flip(const struct tuple *t)
{
	struct tuple f = *t;

	memcpy(f.laddr, t->raddr, sizeof(f.laddr));
	memcpy(f.raddr, t->laddr, sizeof(f.raddr));
	f.lport = t->rport;
	f.rport = t->lport;
	return f;
}

static int addr_of(const struct sockaddr_storage *ss, char *text, uint16_t *port)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		*port = ntohs(in->sin_port);
		return net__addr_text(AF_INET, &in->sin_addr, text);
	}
	const struct sockaddr_in6 *in6 = (const void *)ss;

	*port = ntohs(in6->sin6_port);
	return net__addr_text(AF_INET6, &in6->sin6_addr, text);
}

int tuple__from_fd(int fd, struct tuple *t)
{
	struct sockaddr_storage local, peer;
	socklen_t len = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &len))
		return -errno;
	len = sizeof(peer);
	if (getpeername(fd, (struct sockaddr *)&peer, &len))
		return -errno;
	memset(t, 0, sizeof(*t));
	t->family = addr_of(&local, t->laddr, &t->lport);
	addr_of(&peer, t->raddr, &t->rport);
	t->netns = net__netns_inode();
	return 0;
}

uint64_t net__netns_inode(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : (uint64_t)st.st_ino;
}

int net__set_loopback(bool up)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0 };
	int fd, err = 0;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		err = -errno;
	/* IPv6's goes with the device, and both come back with it. */
	if (!err && !up) {
		struct sockaddr_in none = { .sin_family = AF_INET };

		memcpy(&ifr.ifr_addr, &none, sizeof(none));
		if (ioctl(fd, SIOCSIFADDR, &ifr))
			err = -errno;
	}
	close(fd);
	return err;
}

int net__new_netns(void)
{
	int err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	err = net__set_loopback(true);
	/* Else a late RST now and then ends a TIME_WAIT before it is looked at. */
	return err ? err : net__sysctl("tcp_rfc1337", 1);
}

int net__sysctl_text(const char *name, const char *text)
{
	ssize_t len = (ssize_t)strlen(text);
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

int net__sysctl(const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return net__sysctl_text(name, text);
}

bool net__is_emulated(void)
{
	static int known = -1;
	char line[256];
	FILE *f;

	if (known >= 0)
		return known;
	known = 0;
	f = fopen("/proc/cpuinfo", "re");
	while (f && !known && fgets(line, sizeof(line), f))
		known = strstr(line, "QEMU TCG") != NULL;
	if (f)
		fclose(f);
	return known;
}

static long minor_faults(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? 0 : usage.ru_minflt;
}

bool net__faults_on_forked_pages(void)
{
	static int known = -1;
	volatile char *page;
	long before;
	pid_t child;
	int status;

	if (known >= 0)
		return known;
	known = 0;
	page = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return known;
	*page = 1;
	child = fork();
	if (!child) {
		minor_faults(); /* its stack's own */
		before = minor_faults();
		_exit(*page == 1 && minor_faults() > before);
	}
	if (child > 0 && waitpid(child, &status, 0) == child)
		known = WIFEXITED(status) && WEXITSTATUS(status) == 1;
	munmap((void *)page, (size_t)getpagesize());
	return known;
}

bool net__kernel_at_least(int major, int minor)
{
	struct utsname u;
	int a = 0, b = 0;

	if (uname(&u) || sscanf(u.release, "%d.%d", &a, &b) != 2)
		return false;
	return a > major || (a == major && b >= minor);
}

socklen_t net__loopback(enum fam fam, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (fam == FAM_V4) {
		struct sockaddr_in *in = (void *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	inet_pton(AF_INET6, fam == FAM_V6 ? "::1" : "::ffff:127.0.0.1", &in6->sin6_addr);
	return sizeof(*in6);
}

static int bpf(int cmd, union bpf_attr *attr)
{
	int ret = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })

static int load_filter(int map_fd)
{
	/* A TCP socket's filter sees the segment from its TCP header on (tcp_filter()). */
	const struct bpf_insn prog[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		INSN(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, 13),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 7, 0, 0, 0),
		INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map_fd),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_W, 8, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_AND | BPF_X, 8, 7, 0, 0),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 8, 0, 2, 0),
		INSN(BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, -1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uint64_t)(uintptr_t)prog;
	attr.insn_cnt = sizeof(prog) / sizeof(prog[0]);
	attr.license = (uint64_t)(uintptr_t)"GPL";
	return bpf(BPF_PROG_LOAD, &attr);
}

int valve__new(struct valve *v)
{
	union bpf_attr attr;
	int map_fd, prog_fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 4;
	attr.max_entries = 1;
	map_fd = bpf(BPF_MAP_CREATE, &attr);
	if (map_fd < 0)
		return map_fd;
	prog_fd = load_filter(map_fd);
	if (prog_fd < 0) {
		close(map_fd);
		return prog_fd;
	}
	v->map_fd = map_fd;
	v->prog_fd = prog_fd;
	return 0;
}

int valve__attach(const struct valve *v, int fd)
{
	int prog_fd = v->prog_fd;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog_fd, sizeof(prog_fd)))
		return -errno;
	return 0;
}

int valve__set(const struct valve *v, unsigned int flags)
{
	union bpf_attr attr;
	uint32_t key = 0, value = flags;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)v->map_fd;
	attr.key = (uint64_t)(uintptr_t)&key;
	attr.value = (uint64_t)(uintptr_t)&value;
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

// SPDX-License-Identifier: GPL-2.0
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t load__now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t timeval__ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

uint64_t load__cpu_ns(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return 0;
	return timeval__ns(&usage.ru_utime) + timeval__ns(&usage.ru_stime);
}

int load__parse(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	const char *p;

	if (!*text)
		return -EINVAL;
	for (p = text; *p; p++) {
		unsigned int digit = (unsigned int)(*p - '0');

		if (*p < '0' || *p > '9')
			return -EINVAL;
		if (value > (max - digit) / 10 || digit > max)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*out = value;
	return 0;
}

static int loopback__up(void)
{
	struct ifreq req = { .ifr_name = "lo" };
	int fd, err = 0;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFFLAGS, &req)) {
		err = -errno;
		goto out;
	}
	req.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &req))
		err = -errno;
out:
	close(fd);
	return err;
}

/* A kernel that lacks the setting runs with its own default. */
static void sysctl__set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
	close(fd);
}

int load__enter_netns(uint64_t tw_limit)
{
	char number[24];
	int err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	err = loopback__up();
	if (err)
		return err;
	sysctl__set("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535");
	sysctl__set("/proc/sys/net/core/somaxconn", "65535");
	sysctl__set("/proc/sys/net/ipv4/tcp_max_syn_backlog", "65535");
	/*
	 * The last ACK of a mini-socket may meet a socket that is closed already;
	 * the RST that answers it would end the TIME_WAIT at once. With RFC 1337's
	 * rule all of them live their minute, and the kernel's table is the truth.
	 */
	sysctl__set("/proc/sys/net/ipv4/tcp_rfc1337", "1");
	if (tw_limit) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)tw_limit);
		sysctl__set("/proc/sys/net/ipv4/tcp_max_tw_buckets", number);
	}
	return 0;
}

uint64_t load__netns_inode(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) ? 0 : (uint64_t)st.st_ino;
}

int load__pin(unsigned int cpu)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (unsigned int)(online > 0 ? online : 1), &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int diag__request(int fd, int family)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 diag;
	} req = {
		.header = {
			.nlmsg_len = sizeof(req),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.diag = {
			.sdiag_family = (__u8)family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1u << TCP_TIME_WAIT | 1u << TCP_FIN_WAIT2,
		},
	};

	return send(fd, &req, sizeof(req), 0) < 0 ? -errno : 0;
}

/* True when the dump has ended. */
static bool diag__count(const struct nlmsghdr *msg, size_t left, struct load_table *table)
{
	for (; NLMSG_OK(msg, left); msg = NLMSG_NEXT(msg, left)) {
		const struct inet_diag_msg *diag = NLMSG_DATA(msg);

		if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR)
			return true;
		if (diag->idiag_state == TCP_TIME_WAIT)
			table->time_wait++;
		else if (diag->idiag_state == TCP_FIN_WAIT2)
			table->fin_wait2++;
	}
	return false;
}

static int diag__dump(int family, struct load_table *table)
{
	static _Alignas(struct nlmsghdr) char buf[64 * 1024];
	ssize_t len;
	int fd, err;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	err = diag__request(fd, family);
	while (!err) {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len < 0) {
			err = -errno;
			break;
		}
		if (diag__count((const struct nlmsghdr *)buf, (size_t)len, table))
			break;
	}
	close(fd);
	return err;
}

int load__count_table(struct load_table *out)
{
	struct load_table table = { 0 };
	int err;

	err = diag__dump(AF_INET, &table);
	if (!err)
		err = diag__dump(AF_INET6, &table);
	if (!err)
		*out = table;
	return err;
}

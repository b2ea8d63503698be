/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small network helpers of the scenario tests: tuples, namespaces, sysctls and a valve
 * (a socket filter) that loses chosen TCP segments. Nothing here knows of the tracer.
 */
#ifndef SCENARIOS_NET_H
#define SCENARIOS_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* The state numbers of include/net/tcp_states.h, as sock_diag reports them. */
enum {
	ST_ESTABLISHED = 1,
	ST_SYN_SENT,
	ST_SYN_RECV,
	ST_FIN_WAIT1,
	ST_FIN_WAIT2,
	ST_TIME_WAIT,
	ST_CLOSE,
	ST_CLOSE_WAIT,
	ST_LAST_ACK,
	ST_LISTEN,
	ST_CLOSING,
	ST_NEW_SYN_RECV,
};

/* One end of a connection; v4-mapped addresses are written as plain IPv4. */
struct tuple {
	int family; /* AF_INET or AF_INET6, as twsnoop has to report it */
	char laddr[INET6_ADDRSTRLEN];
	char raddr[INET6_ADDRSTRLEN];
	uint16_t lport;
	uint16_t rport;
	uint64_t netns; /* inode of the network namespace */
	unsigned int ifindex; /* of the device it is bound to: the kernel is asked with it */
};

enum fam { FAM_V4, FAM_V6, FAM_MAPPED, FAM_NR };

extern const char *const fam_names[FAM_NR];

/* Monotonic and real time in nanoseconds. */
uint64_t net__mono_ns(void);
uint64_t net__real_ns(void);

/* Writes an address as text; a v4-mapped one as IPv4. Returns AF_INET or AF_INET6. */
int net__addr_text(int family, const void *addr, char out[INET6_ADDRSTRLEN]);

/*
 * Equality of the two ends and, where both are known (not 0), of the namespace. An empty
 * local address equals any.
 */
bool tuple__equal(const struct tuple *a, const struct tuple *b);

/* The other end's view of the same connection. */
struct tuple tuple__flip(const struct tuple *t);

/* Fills *t from a connected socket; netns is the caller's. Returns 0 or -errno. */
int tuple__from_fd(int fd, struct tuple *t);

/* Inode of the calling process's network namespace, 0 on failure. */
uint64_t net__netns_inode(void);

/* Enters a new network namespace and sets lo up. Returns 0 or -errno. */
int net__new_netns(void);

/*
 * Sets lo of the caller's namespace up, or down: then nothing has a route, and 127.0.0.1 and ::1
 * are not there. 0 or -errno.
 */
int net__set_loopback(bool up);

/* Writes a number to /proc/sys/net/ipv4/NAME of the caller's namespace. 0 or -errno. */
int net__sysctl(const char *name, long value);

/* The same with text, for the ones that hold more than a number. */
int net__sysctl_text(const char *name, const char *text);

/* Is it QEMU without KVM, by the name of its processor? A hundred times slower. */
bool net__is_emulated(void);

/*
 * Does a look at a page that fork() has copied fault the first time, since the processor does not
 * mark by itself which pages are in use (arm64 before ARMv8.1)? There a BPF program, which cannot
 * wait for a fault, reads no arguments of a forked process that has not looked at them.
 */
bool net__faults_on_forked_pages(void);
/* Is the running kernel at least major.minor? */
bool net__kernel_at_least(int major, int minor);

/* The loopback address of a family with a port in host order. Returns its length. */
socklen_t net__loopback(enum fam fam, uint16_t port, struct sockaddr_storage *ss);

/* TCP header flags for valve__set(). */
enum { SEG_FIN = 1, SEG_SYN = 2, SEG_RST = 4, SEG_PSH = 8, SEG_ACK = 16, SEG_ALL = 255 };

/*
 * A valve drops, at the socket it is attached to, the incoming segments that carry one of
 * the chosen flags. It can be turned after the socket's descriptor is gone, because the
 * choice lives in a BPF map. Needs no kernel module, unlike nft.
 */
struct valve {
	int map_fd;
	int prog_fd;
};

/* Makes an open valve. The descriptors are the caller's. Returns 0 or -errno. */
int valve__new(struct valve *v);
/* Puts the valve in front of a socket. Returns 0 or -errno. */
int valve__attach(const struct valve *v, int fd);
/* From now on drop segments with any of these flags; 0 opens the valve. 0 or -errno. */
int valve__set(const struct valve *v, unsigned int flags);

#endif

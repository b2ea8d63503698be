/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The settings of a network namespace that TIME_WAIT sockets come up against:
 * net.ipv4's sysctls, read inside it.
 */
#ifndef TWSNOOP_NETLIMITS_H
#define TWSNOOP_NETLIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_set {
	uint64_t bits[65536 / 64];
};

/* Of all zeros: no port is in it. */
bool port_set__has(const struct port_set *set, uint16_t port);
void port_set__add(struct port_set *set, uint16_t port);

struct netlimits {
	uint64_t max_tw_buckets; /* mini-sockets; 0 if not known (the kernel's 0 is no
				  * common setting: it forbids TIME_WAIT) */
	uint64_t fin_timeout_ms; /* of FIN_WAIT2; 0: not known */
	int tw_reuse;		 /* 0 off, 1 on, 2 loopback only; -1: not known */
	int timestamps;		 /* tcp_timestamps: 0 off; -1: not known */
	uint64_t reuse_delay_ms; /* tcp_tw_reuse_delay, since 6.14; before, and 0: a second */
	uint32_t first_port, last_port; /* ip_local_port_range; 0: not known */
	uint32_t usable_ports;	 /* of these, less the reserved ones */
	struct port_set *reserved; /* ip_local_reserved_ports, NULL: none */
};

/* An initializer: nothing is known. */
#define NETLIMITS_UNKNOWN { .tw_reuse = -1, .timestamps = -1 }

/*
 * netlimits__read() - of the namespace @netns_fd (-1: the calling thread's), from
 * @proc_root/sys/net/ipv4. What cannot be read stays "not known". @with_ports:
 * ports too. Returns 0 and @limits, to be emptied by netlimits__free(), or -ENOMEM, or
 * as netns__run() where the namespace cannot be entered.
 */
int netlimits__read(struct netlimits *limits, int netns_fd, const char *proc_root, bool with_ports);
void netlimits__free(struct netlimits *limits);

/* netlimits__is_usable() - whether connect() may choose this local port itself. */
bool netlimits__is_usable(const struct netlimits *limits, uint16_t port);

/*
 * netlimits__parse_ports() - "8080,9148-9150", as ip_local_reserved_ports shows it,
 * perhaps empty and perhaps with a newline. Adds them to @set. Returns 0, or
 * -EINVAL: then some may have been added.
 */
int netlimits__parse_ports(struct port_set *set, const char *text, size_t len);

#endif

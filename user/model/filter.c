// SPDX-License-Identifier: GPL-2.0
#include "model/filter.h"

#include <stdlib.h>
#include <string.h>

void filter__set_family(struct tws_filter *f, int family)
{
	if (f->family && f->family != family)
		f->family = 0;
	else
		f->family = (__u8)family;
}

bool filter__is_empty(const struct tws_filter *f)
{
	return !f->num_pids && !f->num_comms && !f->num_locals && !f->num_peers &&
	       !f->num_netns && !f->family && !f->side && !f->by_cgroup;
}

struct tws_filter filter__of_socket(const struct tws_filter *f)
{
	struct tws_filter of_socket = *f;

	of_socket.num_pids = of_socket.not_pids = 0;
	of_socket.num_comms = of_socket.not_comms = 0;
	of_socket.side = of_socket.by_cgroup = 0;
	return of_socket;
}

bool filter__asks_owner(const struct tws_filter *f)
{
	return f->num_pids || f->num_comms || f->side || f->by_cgroup;
}

/* Each of these goes by a list of which the first @excluded entries exclude: see
 * struct tws_filter. */
static bool pass_number(const __u32 *list, __u32 num, __u32 excluded, __u32 value)
{
	for (__u32 i = 0; i < num; i++) {
		if (list[i] == value)
			return i >= excluded;
	}
	return num == excluded;
}

bool filter__passes_netns(const struct tws_filter *f, __u32 inode)
{
	return !f->num_netns || pass_number(f->netns, f->num_netns, f->not_netns, inode);
}

static int compare_pids(const void *a, const void *b)
{
	const __u32 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void filter__sort_pids(struct tws_filter *f)
{
	qsort(f->pids, f->not_pids, sizeof(f->pids[0]), compare_pids);
	qsort(f->pids + f->not_pids, f->num_pids - f->not_pids, sizeof(f->pids[0]),
	      compare_pids);
}

/* They may be many: see filter__sort_pids(). */
static bool pass_pid(const struct tws_filter *f, __u32 pid)
{
	if (bsearch(&pid, f->pids, f->not_pids, sizeof(pid), compare_pids))
		return false;
	return f->num_pids == f->not_pids ||
	       bsearch(&pid, f->pids + f->not_pids, f->num_pids - f->not_pids, sizeof(pid),
		       compare_pids);
}

static bool pass_owner(const struct tws_filter *f, const struct tws_conn *conn)
{
	if (conn->flags & TWS_F_CLOSER)
		return pass_pid(f, conn->tgid);
	return conn->flags & TWS_F_OPENER && pass_pid(f, conn->opener_tgid);
}

static bool pass_comms(const struct tws_filter *f, const struct tws_conn *conn)
{
	if (!(conn->flags & TWS_F_CLOSER))
		return false;
	for (__u32 i = 0; i < f->num_comms; i++) {
		if (!strncmp(f->comms[i], conn->comm, TWS_COMM_LEN) ||
		    !strncmp(f->comms[i], conn->thread_comm, TWS_COMM_LEN))
			return i >= f->not_comms;
	}
	return f->num_comms == f->not_comms;
}

static bool match_prefix(const struct tws_prefix *p, const struct tws_event *ev, const __u8 *addr,
			 __u16 port)
{
	unsigned int bytes = p->len / 8, bits = p->len % 8;

	if (p->port && (port < p->port || port > p->last_port))
		return false;
	if (p->ifindex && (p->ifindex != ev->conn.ifindex || (p->netns && p->netns != ev->netns)))
		return false;
	if (!p->family)
		return true;
	if (p->family != ev->family || memcmp(p->addr, addr, bytes) != 0)
		return false;
	return !bits || ((p->addr[bytes] ^ addr[bytes]) & (0xff00 >> bits) & 0xff) == 0;
}

static bool pass_prefixes(const struct tws_prefix *list, __u32 num, __u32 excluded,
			  const struct tws_event *ev, const __u8 *addr, __u16 port)
{
	for (__u32 i = 0; i < num; i++) {
		if (match_prefix(&list[i], ev, addr, port))
			return i >= excluded;
	}
	return num == excluded;
}

bool filter__match(const struct tws_filter *f, const struct tws_event *ev)
{
	if (f->family && f->family != ev->family)
		return false;
	if (f->side && f->side != ev->conn.side)
		return false;
	if (!filter__passes_netns(f, ev->netns))
		return false;
	if (f->num_pids && !pass_owner(f, &ev->conn))
		return false;
	if (f->num_comms && !pass_comms(f, &ev->conn))
		return false;
	if (f->num_locals && !pass_prefixes(f->locals, f->num_locals, f->not_locals, ev,
					    ev->local_addr, ev->local_port))
		return false;
	return !f->num_peers || pass_prefixes(f->peers, f->num_peers, f->not_peers, ev,
					      ev->peer_addr, ev->peer_port);
}

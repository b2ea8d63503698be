// SPDX-License-Identifier: GPL-2.0
#include "model/filter.h"

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

static bool match_u32(const __u32 *list, __u32 num, __u32 value)
{
	for (__u32 i = 0; i < num; i++) {
		if (list[i] == value)
			return true;
	}
	return false;
}

static bool match_pid(const struct tws_filter *f, const struct tws_conn *conn)
{
	if (conn->flags & TWS_F_CLOSER)
		return match_u32(f->pids, f->num_pids, conn->tgid);
	return (conn->flags & TWS_F_OPENER) &&
	       match_u32(f->pids, f->num_pids, conn->opener_tgid);
}

static bool match_comm(const struct tws_filter *f, const struct tws_conn *conn)
{
	if (!(conn->flags & TWS_F_CLOSER))
		return false;
	for (__u32 i = 0; i < f->num_comms; i++) {
		if (!strncmp(f->comms[i], conn->comm, TWS_COMM_LEN) ||
		    !strncmp(f->comms[i], conn->thread_comm, TWS_COMM_LEN))
			return true;
	}
	return false;
}

static bool match_prefix(const struct tws_prefix *p, __u8 family, const __u8 *addr, __u16 port)
{
	unsigned int bytes = p->len / 8, bits = p->len % 8;

	if (p->port && p->port != port)
		return false;
	if (!p->family)
		return true;
	if (p->family != family || memcmp(p->addr, addr, bytes) != 0)
		return false;
	return !bits || ((p->addr[bytes] ^ addr[bytes]) & (0xff00 >> bits) & 0xff) == 0;
}

static bool match_prefixes(const struct tws_prefix *list, __u32 num, __u8 family,
			   const __u8 *addr, __u16 port)
{
	for (__u32 i = 0; i < num; i++) {
		if (match_prefix(&list[i], family, addr, port))
			return true;
	}
	return false;
}

bool filter__match(const struct tws_filter *f, const struct tws_event *ev)
{
	if (f->family && f->family != ev->family)
		return false;
	if (f->side && f->side != ev->conn.side)
		return false;
	if (f->num_netns && !match_u32(f->netns, f->num_netns, ev->netns))
		return false;
	if (f->num_pids && !match_pid(f, &ev->conn))
		return false;
	if (f->num_comms && !match_comm(f, &ev->conn))
		return false;
	if (f->num_locals && !match_prefixes(f->locals, f->num_locals, ev->family,
					     ev->local_addr, ev->local_port))
		return false;
	return !f->num_peers || match_prefixes(f->peers, f->num_peers, ev->family,
					       ev->peer_addr, ev->peer_port);
}

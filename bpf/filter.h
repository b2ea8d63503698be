/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The same decision as user/model/filter.c's filter__match(). Split in two: what the
 * connection alone decides is asked first and spares the tables; what depends
 * on the closer is asked at its FIN. The criteria that are not set are removed
 * by the verifier, since the filter is constant when the programs are loaded.
 */
#ifndef TWSNOOP_BPF_FILTER_H
#define TWSNOOP_BPF_FILTER_H

#include "tuple.h"

#define F tws.filter

/* Whether the first @len bits of @addr, in network byte order, are those of
 * @want; the bits of @want past @len are 0. */
static __always_inline bool same_prefix(const __u64 *addr, const volatile __u8 *want, __u32 len)
{
	const volatile __u64 *w = (const volatile __u64 *)want;
	__u64 mask0, mask1;

	mask0 = len == 0 ? 0 : len >= 64 ? ~0ULL : ~0ULL << (64 - len);
	mask1 = len <= 64 ? 0 : len >= 128 ? ~0ULL : ~0ULL << (128 - len);
	return (addr[0] & bpf_cpu_to_be64(mask0)) == w[0] &&
	       (addr[1] & bpf_cpu_to_be64(mask1)) == w[1];
}

/* Each of these goes by a list of which the first @excluded entries exclude: see
 * struct tws_filter. */
static __always_inline bool pass_prefixes(const volatile struct tws_prefix *list, __u32 num,
					  __u32 excluded, const struct tuple *t,
					  const __u64 *addr, __u16 port)
{
	for (__u32 i = 0; i < TWS_MAX_FILTER && i < num; i++) {
		const volatile struct tws_prefix *p = &list[i];

		if (p->port && (port < p->port || port > p->last_port))
			continue;
		if (p->ifindex && (p->ifindex != t->ifindex || (p->netns && p->netns != t->netns)))
			continue;
		if (!p->family || (p->family == t->family && same_prefix(addr, p->addr, p->len)))
			return i >= excluded;
	}
	return num == excluded;
}

static __always_inline bool pass_number(const volatile __u32 *list, __u32 num, __u32 excluded,
					__u32 value)
{
	for (__u32 i = 0; i < TWS_MAX_FILTER && i < num; i++)
		if (list[i] == value)
			return i >= excluded;
	return num == excluded;
}

static __always_inline bool is_comm(const char *comm, const volatile char *wanted)
{
	const volatile __u64 *want = (const volatile void *)wanted;
	const __u64 *have = (const void *)comm;

	return have[0] == want[0] && have[1] == want[1];
}

static __always_inline bool pass_comms(const struct tws_conn *conn)
{
	if (!(conn->flags & TWS_F_CLOSER))
		return false;
	for (__u32 i = 0; i < TWS_MAX_FILTER && i < F.num_comms; i++)
		if (is_comm(conn->comm, F.comms[i]) || is_comm(conn->thread_comm, F.comms[i]))
			return i >= F.not_comms;
	return F.num_comms == F.not_comms;
}

/* The processes of a filter: true for one that passes, false for one that is excluded. They
 * may be many, as of `-p $(pgrep -d, php-fpm)`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TWS_MAX_PIDS);
	__type(key, __u32);
	__type(value, __u8);
} tws_pids SEC(".maps");

static __always_inline bool pass_pid(__u32 pid)
{
	const __u8 *passes = bpf_map_lookup_elem(&tws_pids, &pid);

	if (!pid)
		return false;
	return passes ? *passes : F.num_pids == F.not_pids;
}

static __always_inline bool pass_pids(const struct tws_conn *conn)
{
	return pass_pid(conn->flags & TWS_F_CLOSER ? conn->tgid : conn->opener_tgid);
}

/* Whether it asks for what the connection alone decides. */
static __always_inline bool filters_connections(void)
{
	return tws.has_filter && (F.family || F.num_netns || F.num_locals || F.num_peers);
}

/* Whether it lets nothing pass of which neither the closer nor the side is known. */
static __always_inline bool filters_owners(void)
{
	return tws.has_filter && (F.side || F.num_pids || F.num_comms ||
				  (F.by_cgroup && !tws_cgroups_full));
}

static __always_inline bool filter_connection(const struct tuple *t)
{
	if (!tws.has_filter)
		return true;
	if (F.family && F.family != t->family)
		return false;
	if (F.num_netns && !pass_number(F.netns, F.num_netns, F.not_netns, t->netns))
		return false;
	if (F.num_locals && !pass_prefixes(F.locals, F.num_locals, F.not_locals, t, t->local,
					   t->local_port))
		return false;
	if (F.num_peers && !pass_prefixes(F.peers, F.num_peers, F.not_peers, t, t->peer,
					  t->peer_port))
		return false;
	return true;
}

/* Who is not known passes neither a filter for processes nor one that excludes some: it may
 * be one of them, of whom no record was made. */
static __always_inline bool filter_owner(const struct tws_conn *conn)
{
	if (!tws.has_filter)
		return true;
	if (F.side && F.side != conn->side)
		return false;
	if (F.num_pids && !pass_pids(conn))
		return false;
	if (F.num_comms && !pass_comms(conn))
		return false;
	if (F.by_cgroup && !tws_cgroups_full &&
	    !bpf_map_lookup_elem(&tws_cgroups, &conn->cgroup_id))
		return false;
	return true;
}

#undef F
#endif

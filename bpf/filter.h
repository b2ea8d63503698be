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

static __always_inline bool match_prefixes(const volatile struct tws_prefix *list, __u32 num,
				  const __u64 *addr, __u8 family, __u16 port)
{
	for (__u32 i = 0; i < TWS_MAX_FILTER && i < num; i++) {
		const volatile struct tws_prefix *p = &list[i];

		if (p->port && p->port != port)
			continue;
		if (!p->family)
			return true;
		if (p->family == family && same_prefix(addr, p->addr, p->len))
			return true;
	}
	return false;
}

static __always_inline bool match_number(const volatile __u32 *list, __u32 num, __u32 value)
{
	for (__u32 i = 0; i < TWS_MAX_FILTER && i < num; i++)
		if (list[i] == value)
			return true;
	return false;
}

static __always_inline bool match_comm(const char *comm)
{
	const __u64 *have = (const void *)comm;

	for (__u32 i = 0; i < TWS_MAX_FILTER && i < F.num_comms; i++) {
		const volatile __u64 *want = (const volatile void *)F.comms[i];

		if (have[0] == want[0] && have[1] == want[1])
			return true;
	}
	return false;
}

/* @t lacks the local port before a connect() that chooses it: then only what
 * is known decides (@has_port false). */
static __always_inline bool filter_connection(const struct tuple *t)
{
	if (!tws.has_filter)
		return true;
	if (F.family && F.family != t->family)
		return false;
	if (F.num_netns && !match_number(F.netns, F.num_netns, t->netns))
		return false;
	if (F.num_locals && !match_prefixes(F.locals, F.num_locals, t->local, t->family,
					    t->local_port))
		return false;
	if (F.num_peers && !match_prefixes(F.peers, F.num_peers, t->peer, t->family,
					   t->peer_port))
		return false;
	return true;
}

static __always_inline bool filter_owner(const struct tws_conn *conn)
{
	if (!tws.has_filter)
		return true;
	if (F.side && F.side != conn->side)
		return false;
	if (F.num_pids) {
		__u32 pid = conn->flags & TWS_F_CLOSER ? conn->tgid : conn->opener_tgid;

		if (!pid || !match_number(F.pids, F.num_pids, pid))
			return false;
	}
	if (F.num_comms && !match_comm(conn->comm) && !match_comm(conn->thread_comm))
		return false;
	if (F.by_cgroup && !bpf_map_lookup_elem(&tws_cgroups, &conn->cgroup_id))
		return false;
	return true;
}

#undef F
#endif

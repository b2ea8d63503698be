/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small things that every event needs, kept for each CPU beside its cursors. What they
 * spare is not instructions but pages: a TLB that the kernel's way through TCP has just
 * filled has none of those that a namespace's inode or a cgroup's id stands in.
 */
#ifndef TWSNOOP_BPF_PERCPU_H
#define TWSNOOP_BPF_PERCPU_H

#include "twsnoop.h"

/*
 * A number for a kernel object's address. The verifier allows no arithmetic on a
 * kernel pointer but the subtraction of another pointer; any will do whose
 * value is the same for all programs of the object.
 */
static __always_inline __u64 number_of(const volatile void *object)
{
	return (const volatile char *)object - (const volatile char *)&tws;
}

/* Its address itself. That takes a call, and is for what is rare. 0: none. */
static __always_inline __u64 address_of(const void *object)
{
	__u64 addr;

	return bpf_probe_read_kernel(&addr, sizeof(addr), &object) ? 0 : addr;
}

#ifdef TWS_ATOMIC

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tws_cpu);
} tws_cpus SEC(".maps");

#define TWS_CACHED_SHIFT 61 /* as many bits are left as entries need */
_Static_assert(1 << (64 - TWS_CACHED_SHIFT) == TWS_CACHED, "an index of all entries");

/* The key is stored as a whole word of the stack: one that is written in part is no word whose
 * content is new to the verifier, and what differs in it only has it follow the same way twice. */
static __always_inline struct tws_cpu *this_cpu(void)
{
	__u64 zero = 0;

	return bpf_map_lookup_elem(&tws_cpus, &zero);
}

/* Its line has a reference count that every socket changes. The cookie's does not,
 * and a cookie is never used again. */
static __always_inline __u32 netns_of(const struct net *net)
{
	__u32 cookie = net->net_cookie, inode;
	struct tws_cpu *cpu = this_cpu();
	__u64 *slot, known;

	if (!cpu)
		return net->ns.inum;
	slot = &cpu->netns[cookie % TWS_CACHED];
	known = *(volatile __u64 *)slot; /* once: a softirq may write it */
	if (known >> 32 == cookie && (__u32)known)
		return known;
	inode = net->ns.inum;
	*slot = (__u64)cookie << 32 | inode;
	return inode;
}

/*
 * Raised whenever a cgroup is removed. Only then can its memory, or its part in a v1
 * controller's hierarchy, become another's; and who closes a connection is in a cgroup,
 * which therefore cannot be removed yet: cgroup_destroy_locked() wants it to be empty.
 * So an address stands for the same cgroup as long as this number stays.
 */
__u64 tws_cgroup_epoch;

static __always_inline void cached_cgroup_removed(void)
{
	__sync_fetch_and_add(&tws_cgroup_epoch, 1);
}

/*
 * This CPU's cgroups, of which none is out of date, or NULL: there is no such cache. To be
 * asked in process context alone, and before the address is read that is looked for: else
 * that could be older than the number.
 *
 * A processor that reads ahead (arm64) may read the address first all the same, but only by as
 * much as it has instructions in flight. In that time one process would have to move the
 * current task to another cgroup, and then remove the one that it was in: two system calls.
 * An acquiring load would have each close on each CPU write to the number's cache line.
 */
static __always_inline struct tws_cached_cgroup *cached_cgroups(void)
{
	__u64 epoch = *(volatile __u64 *)&tws_cgroup_epoch;
	struct tws_cpu *cpu = this_cpu();

	if (!tws.sees_rmdir || !cpu)
		return NULL;
	if (cpu->cgroup_epoch != epoch) {
		__builtin_memset(cpu->cgroups, 0, sizeof(cpu->cgroups));
		cpu->cgroup_epoch = epoch;
	}
	barrier();
	return cpu->cgroups;
}

/* Where the cgroup that @of is the number of has its entry; another may be there. */
static __always_inline __u32 cached_cgroup_index(__u64 of)
{
	return of * 0x9e3779b97f4a7c15ULL >> TWS_CACHED_SHIFT;
}

#else

static __always_inline __u32 netns_of(const struct net *net)
{
	return net->ns.inum;
}

static __always_inline void cached_cgroup_removed(void)
{
}

#endif

#endif

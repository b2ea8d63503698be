/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cgroups that come and go, so that user space knows the path of one that lived
 * for a tenth of a second. The kernel makes the path under a lock of its own and
 * hands it to the tracepoints (TRACE_CGROUP_PATH); cgroups are made rarely.
 */
#ifndef TWSNOOP_BPF_CGROUP_H
#define TWSNOOP_BPF_CGROUP_H

#include "percpu.h"
#include "ring.h"

/* For who comes later: the paths of cgroups, those that have gone too. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 13);
	__type(key, __u64);
	__type(value, struct tws_cgroup);
} tws_paths SEC(".maps");

#ifndef EEXIST
#define EEXIST 17
#endif

/*
 * A container filter lets pass what user space has decided to. A process may close
 * a connection before it has: so a new cgroup passes until user space, which
 * looks again, takes it out.
 */
static __always_inline void let_pass(__u64 id)
{
	__u8 undecided = 1;
	long err = bpf_map_update_elem(&tws_cgroups, &id, &undecided, BPF_NOEXIST);

	if (err && err != -EEXIST)
		tws_cgroups_full = 1;
}

static __always_inline void read_path(struct tws_cgroup *rec, const char *path)
{
	long len = bpf_probe_read_kernel_str(rec->path, sizeof(rec->path), path);

	/* With its NUL; what fills the room may have been cut. */
	if (len <= 1 || len >= (long)sizeof(rec->path))
		rec->path[0] = 0;
	rec->path[sizeof(rec->path) - 1] = 0;
}

static __always_inline void fill_cgroup(struct tws_cgroup *rec, __u64 id, const char *path,
					__u8 action)
{
	rec->action = action;
	__builtin_memset(rec->pad, 0, sizeof(rec->pad));
	rec->id = id;
	read_path(rec, path);
}

static const struct tws_cgroup no_cgroup;

static __always_inline void keep_path(__u64 id, const char *path, __u8 action)
{
	struct tws_cgroup *rec;

	bpf_map_update_elem(&tws_paths, &id, &no_cgroup, BPF_ANY);
	rec = bpf_map_lookup_elem(&tws_paths, &id);
	if (rec)
		fill_cgroup(rec, id, path, action);
}

#ifdef TWS_ATOMIC

/* A ring of records, for any number of readers. TRACE_CGROUP_PATH() holds a lock around the
 * tracepoint: there is one writer. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TWS_CGROUP_RECORDS);
	__type(key, __u32);
	__type(value, struct tws_cgroup_record);
} tws_cgroup_log SEC(".maps");

static __always_inline void tell_cgroup(__u64 id, const char *path, __u8 action)
{
	__u32 which = TWS_HEAD_CGROUPS, index;
	struct tws_head *head = bpf_map_lookup_elem(&tws_heads, &which);
	struct tws_cgroup_record *rec;
	__u64 position;

	keep_path(id, path, action);
	if (!head)
		return;
	position = head->next;
	index = position % TWS_CGROUP_RECORDS;
	rec = bpf_map_lookup_elem(&tws_cgroup_log, &index);
	if (!rec)
		return;
	STORE_RELEASE(&rec->seq, 0);
	fill_cgroup(&rec->cgroup, id, path, action);
	STORE_RELEASE(&rec->seq, position + 1);
	STORE_RELEASE(&head->next, position + 1);
}

#else

static __always_inline void tell_cgroup(__u64 id, const char *path, __u8 action)
{
	struct tws_cgroup *rec;

	keep_path(id, path, action);
	if (tws.attached)
		return;
	rec = bpf_ringbuf_reserve(&tws_ring, sizeof(*rec), 0);
	if (!rec) {
		COUNT(cgroup_lost);
		return;
	}
	fill_cgroup(rec, id, path, action);
	bpf_ringbuf_submit(rec, BPF_RB_NO_WAKEUP);
}

#endif

static __always_inline int on_cgroup(struct cgroup *cgrp, const char *path, __u8 action)
{
	__u64 id;

	if (action == TWS_CGROUP_REMOVED)
		cached_cgroup_removed();
	if ((__u32)BPF_CORE_READ(cgrp, root, hierarchy_id) != tws.cgroup_hierarchy)
		return 0;
	id = BPF_CORE_READ(cgrp, kn, id);
	if (tws.filter.by_cgroup && action == TWS_CGROUP_ADDED)
		let_pass(id);
	tell_cgroup(id, path, action);
	return 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who is running. Right only where the caller knows that the current task acts
 * for itself: in process context, at the transitions that close or connect.
 */
#ifndef TWSNOOP_BPF_TASK_H
#define TWSNOOP_BPF_TASK_H

#include "percpu.h"

#define S_IFMT 00170000
#define S_IFSOCK 0140000

/* Sixteen bytes as two words: clang copies char arrays byte by byte. */
static __always_inline void copy_comm(char *to, const char *from)
{
	((__u64 *)to)[0] = ((const __u64 *)(const void *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)(const void *)from)[1];
}

/* task_struct as a pointer that may be followed: TASK_READ() its fields. */
static __always_inline struct task_struct *current_task(void)
{
	if (HAS_TASK_BTF)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* Reads a field by a direct, verified load where the kernel lets us, else by a
 * probe read (5.10: the current task comes as a mere number). */
#define TASK_READ(ptr, field)                                                  \
	(HAS_TASK_BTF ? (ptr)->field : BPF_CORE_READ(ptr, field))

static __always_inline __u32 task_flags(struct task_struct *task)
{
	return TASK_READ(task, flags);
}

static __always_inline void read_comm(char *to, struct task_struct *task)
{
	if (HAS_TASK_BTF)
		copy_comm(to, task->comm);
	else
		bpf_probe_read_kernel(to, TWS_COMM_LEN, &task->comm);
}

/* What the task has open as @fd, or NULL. */
static __always_inline const struct file *file_at(const struct task_struct *task, __u32 fd)
{
	const struct files_struct *own = TASK_READ(task, files);
	const struct fdtable *table = TASK_READ(own, fdt);
	struct file **files = TASK_READ(table, fd), *file = NULL;

	if (fd >= TASK_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), &files[fd]))
		return NULL;
	return file;
}

static __always_inline bool file_is_socket(const struct file *file)
{
	return (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK;
}

#ifdef TWS_ATOMIC

/* What tells the cgroup apart, of the v2 hierarchy or of the v1 controller's. */
static __always_inline __u64 cgroup_number(const struct css_set *set)
{
	return tws.cgroup_v1 ? number_of(set->subsys[tws.v1_subsys & 15]) :
			       number_of(set->dfl_cgrp);
}

static __always_inline __u64 read_cgroup_id(const struct css_set *set)
{
	return tws.cgroup_v1 ? set->subsys[tws.v1_subsys & 15]->cgroup->kn->id :
			       set->dfl_cgrp->kn->id;
}

static __always_inline __u64 task_cgroup_id(struct task_struct *task)
{
	struct tws_cached_cgroup *near = cached_cgroups();
	const struct css_set *set = task->cgroups;
	__u64 of = cgroup_number(set), id;

	if (near) {
		near += cached_cgroup_index(of);
		if (near->of == of)
			return near->id;
	}
	id = read_cgroup_id(set);
	barrier_var(id); /* or clang makes one load of this and near->id: no verifier likes that */
	if (near) {
		near->id = id;
		near->of = of;
	}
	return id;
}

#else

static __always_inline __u64 task_cgroup_id(struct task_struct *task)
{
	struct css_set *set = TASK_READ(task, cgroups);
	struct cgroup_subsys_state *css;

	if (!tws.cgroup_v1)
		return bpf_get_current_cgroup_id();
	bpf_probe_read_kernel(&css, sizeof(css), &set->subsys[tws.v1_subsys & 15]);
	return BPF_CORE_READ(css, cgroup, kn, id);
}

#endif

/* The PID namespace of the task and its number there; nothing to do for the
 * host's own processes. */
static __always_inline void read_pid_ns(struct tws_conn *conn, struct task_struct *leader)
{
	struct pid *pid = TASK_READ(leader, thread_pid);
	struct upid upid;
	__u32 level;

	conn->ns_tgid = 0;
	conn->pid_ns = 0;
	if (!pid)
		return;
	level = TASK_READ(pid, level);
	if (!level)
		return;
	if (bpf_probe_read_kernel(&upid.nr, sizeof(upid.nr), &pid->numbers[level].nr) ||
	    bpf_probe_read_kernel(&upid.ns, sizeof(upid.ns), &pid->numbers[level].ns))
		return;
	conn->ns_tgid = upid.nr;
	conn->pid_ns = BPF_CORE_READ(upid.ns, ns.inum);
}

/* In the initial user namespace, as all kuids are. */
static __always_inline __u32 current_uid(const struct task_struct *task)
{
	return HAS_TASK_BTF ? task->cred->uid.val : (__u32)bpf_get_current_uid_gid();
}

/* Nobody is known to close @conn. */
static __always_inline void clear_closer(struct tws_conn *conn)
{
	conn->closer_start_ns = 0;
	conn->cgroup_id = 0;
	conn->tgid = 0;
	conn->tid = 0;
	conn->uid = 0;
	conn->ns_tgid = 0;
	conn->pid_ns = 0;
	__builtin_memset(conn->comm, 0, sizeof(conn->comm));
	__builtin_memset(conn->thread_comm, 0, sizeof(conn->thread_comm));
}

/* Names the current task as the one that closes @conn; its cgroup is left to the caller. */
static __always_inline void read_closer(struct tws_conn *conn, struct task_struct *task)
{
	struct task_struct *leader = TASK_READ(task, group_leader);

	conn->tgid = TASK_READ(task, tgid);
	conn->tid = TASK_READ(task, pid);
	conn->uid = current_uid(task);
	conn->closer_start_ns = TASK_READ(leader, start_boottime);
	read_comm(conn->comm, leader);
	if (conn->tid == conn->tgid)
		copy_comm(conn->thread_comm, conn->comm);
	else
		read_comm(conn->thread_comm, task);
	read_pid_ns(conn, leader);
	conn->flags |= TWS_F_CLOSER | (tws.cgroup_v1 ? TWS_F_CGROUP_V1 : 0);
}

/* For a closer that is no process: the cgroup of who made the socket. It is kept
 * for v2 alone, and was not told from net_cls's number before 8520e224f547 (5.15). */
static __always_inline void read_sock_cgroup(struct tws_conn *conn, const struct sock *sk)
{
	if (tws.cgroup_v1 || !bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return;
	conn->cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	if (conn->cgroup_id)
		conn->flags |= TWS_F_SOCK_CGROUP;
}

/* Names the current task as the one that opens @conn. */
static __always_inline void read_opener(struct tws_conn *conn, struct task_struct *task)
{
	if (task_flags(task) & PF_KTHREAD)
		return;
	conn->opener_tgid = TASK_READ(task, tgid);
	read_comm(conn->opener_comm, TASK_READ(task, group_leader));
	conn->flags |= TWS_F_OPENER;
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * Each process of the reader's PID namespace, by both of its numbers: the one that the
 * kernel side tells, and the one that a user sees there. Nothing else tells the first from
 * within: /proc shows a process's numbers from its own namespace downwards. It is an object
 * of its own, loaded only in a PID namespace that is not the host's.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "processes.h"

#define MAX_LEVEL 32 /* MAX_PID_NS_LEVEL, include/linux/pid_namespace.h */

char LICENSE[] SEC("license") = "GPL";

/* The inode of the reader's PID namespace. */
const volatile __u32 tws_pid_ns = 0;

/* 0: none. */
static __always_inline __u32 number_in(const struct pid *pid, __u32 inode)
{
	__u32 last = BPF_CORE_READ(pid, level);

	for (__u32 level = 0; level < MAX_LEVEL && level <= last; level++) {
		struct pid_namespace *ns = NULL;
		int number = 0;

		if (bpf_probe_read_kernel(&ns, sizeof(ns), &pid->numbers[level].ns) ||
		    bpf_probe_read_kernel(&number, sizeof(number), &pid->numbers[level].nr))
			return 0;
		if (BPF_CORE_READ(ns, ns.inum) == inode)
			return number;
	}
	return 0;
}

/* The kernel shows those of the namespace of whoever opened the iterator. */
SEC("iter/task")
int tws_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tws_process process = {};

	if (!task || task->pid != task->tgid)
		return 0;
	process.host_pid = task->tgid;
	process.pid = number_in(task->thread_pid, tws_pid_ns);
	process.start_ns = task->start_boottime;
	if (process.pid)
		bpf_seq_write(ctx->meta->seq, &process, sizeof(process));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How processes were started, for a recorder: its reader may come when the process has gone.
 * Noted once for each process, at its first connect() or close(). Not for programs of one's own:
 * who reads them looks at /proc ten times a second, and where programs can be preempted (7.0)
 * a longer one makes more of the next ones be skipped.
 */
#ifndef TWSNOOP_BPF_PROCESS_H
#define TWSNOOP_BPF_PROCESS_H

#include "task.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 13);
	__type(key, struct tws_proc_key);
	__type(value, struct tws_proc);
} tws_procs SEC(".maps");

static const struct tws_proc no_proc;

/* A process that exits has no memory any more, and a page that is not there cannot
 * be waited for: then it stays without arguments. */
static __always_inline void read_arguments(struct tws_proc *proc, struct task_struct *task)
{
	struct mm_struct *mm = TASK_READ(task, mm);
	unsigned long start, len;

	if (!mm)
		return;
	start = BPF_CORE_READ(mm, arg_start);
	len = BPF_CORE_READ(mm, arg_end) - start;
	if (len > TWS_ARGS_LEN)
		len = TWS_ARGS_LEN;
	if (!bpf_probe_read_user(proc->args, len, (const void *)start))
		proc->len = len;
}

/* Of the current task, which is the process @start_ns, @tgid. */
VERIFIED_ONCE __u32 tws_note_process(__u64 start_ns, __u32 tgid, __u32 exec_id)
{
	struct task_struct *task = current_task(), *leader = TASK_READ(task, group_leader);
	struct tws_proc_key key = { .start_ns = start_ns, .tgid = tgid };
	struct tws_proc *proc = bpf_map_lookup_elem(&tws_procs, &key);

	if (proc && proc->exec_id == exec_id && proc->len)
		return true;
	bpf_map_update_elem(&tws_procs, &key, &no_proc, BPF_ANY);
	proc = bpf_map_lookup_elem(&tws_procs, &key);
	if (!proc || task_flags(task) & (PF_EXITING | PF_KTHREAD))
		return false;
	read_arguments(proc, task);
	read_comm(proc->comm, leader);
	proc->exec_id = exec_id;
	return proc->len != 0;
}

#ifdef TWS_ATOMIC

/* A CPU's last process is most often its next one as well. Of another process, or another
 * program of it, the number is another, but by a chance of one in 2^64. */
static __always_inline void note_for_reader(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	__u32 tgid = task->tgid, exec_id = leader->self_exec_id;
	__u64 start_ns = leader->start_boottime;
	__u64 number = (start_ns ^ (__u64)tgid << 40) * 0x9e3779b97f4a7c15ULL + exec_id;
	struct tws_cpu *cpu = this_cpu();

	if (cpu && cpu->noted_process != number && tws_note_process(start_ns, tgid, exec_id))
		cpu->noted_process = number;
}

#else

static __always_inline void note_for_reader(struct task_struct *task)
{
	struct task_struct *leader = TASK_READ(task, group_leader);

	tws_note_process(TASK_READ(leader, start_boottime), TASK_READ(task, tgid),
			 TASK_READ(leader, self_exec_id));
}

#endif

static __always_inline void note_process(struct task_struct *task)
{
	if (tws.attached)
		note_for_reader(task);
}

#endif

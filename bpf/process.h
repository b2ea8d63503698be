/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How processes were started, for the ledger: nobody reads it until the process
 * may have gone. Once for each process, at its first connect() or close().
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

static __always_inline void note_process(struct task_struct *task)
{
	struct task_struct *leader;
	struct tws_proc_key key = {};
	struct tws_proc *proc;
	__u32 exec_id;

	if (!tws.ledger)
		return;
	leader = TASK_READ(task, group_leader);
	key.start_ns = TASK_READ(leader, start_boottime);
	key.tgid = TASK_READ(task, tgid);
	exec_id = TASK_READ(leader, self_exec_id);
	proc = bpf_map_lookup_elem(&tws_procs, &key);
	if (proc && proc->exec_id == exec_id && proc->len)
		return;
	bpf_map_update_elem(&tws_procs, &key, &no_proc, BPF_ANY);
	proc = bpf_map_lookup_elem(&tws_procs, &key);
	if (!proc || task_flags(task) & (PF_EXITING | PF_KTHREAD))
		return;
	read_arguments(proc, task);
	read_comm(proc->comm, leader);
	proc->exec_id = exec_id;
}

#endif

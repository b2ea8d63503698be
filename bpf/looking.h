/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who only looks at another process's descriptors. To read a link in /proc/PID/fd, to look one up, or to
 * read /proc/PID/fdinfo takes a reference to the file (fget_task() in proc_fd_link(), tid_fd_mode(),
 * seq_show()), which is dropped before the system call is over. If the owner closes its descriptor
 * meanwhile, that reference was the last one: the looker closes the connection.
 *
 * Nothing in the socket tells that. What does is the system call that the task is in: none of
 * these closes a socket that the caller has itself, but for a read from it that another thread's close()
 * has not waited for.
 */
#ifndef TWSNOOP_BPF_LOOKING_H
#define TWSNOOP_BPF_LOOKING_H

#include "syscalls.h"
#include "task.h"

enum bpf_func_id___regs {
	BPF_FUNC_task_pt_regs___regs = 1, /* since 5.15 */
};

#define HAS_TASK_REGS                                                          \
	(HAS_TASK_BTF && bpf_core_enum_value_exists(enum bpf_func_id___regs,   \
						    BPF_FUNC_task_pt_regs___regs))

/* As TASK_READ(): what the helper gives may be followed. */
#define REGS_READ(regs, field)                                                 \
	(HAS_TASK_REGS ? ((const struct pt_regs___entry *)(regs))->field :     \
			 BPF_CORE_READ((const struct pt_regs___entry *)(regs), field))

#ifdef __TARGET_ARCH_x86

#define X32_SYSCALL_BIT 0x40000000
#define TS_COMPAT 0x0002

struct pt_regs___entry {
	unsigned long bx, di, orig_ax;
} __attribute__((preserve_access_index));

struct task_struct___x86 {
	struct {
		__u32 status;
	} thread_info;
} __attribute__((preserve_access_index));

static __always_inline bool is_compat(const struct task_struct *task, const void *regs)
{
	(void)regs;
	return TASK_READ((const struct task_struct___x86 *)task, thread_info.status) & TS_COMPAT;
}

static __always_inline __u32 call_number(const void *regs, bool is_compat)
{
	(void)is_compat;
	return REGS_READ(regs, orig_ax) & ~X32_SYSCALL_BIT;
}

static __always_inline __u32 first_argument(const void *regs, bool is_compat)
{
	const struct pt_regs___entry *entry = regs;

	return is_compat ? BPF_CORE_READ(entry, bx) : BPF_CORE_READ(entry, di);
}

#else

#define PSR_MODE32_BIT 0x10

struct pt_regs___entry {
	__u64 regs[31];
	__u64 pstate;
	__u64 orig_x0;
	__s32 syscallno;
} __attribute__((preserve_access_index));

/* Not by TIF_32BIT, whose number changes. */
static __always_inline bool is_compat(const struct task_struct *task, const void *regs)
{
	(void)task;
	return REGS_READ(regs, pstate) & PSR_MODE32_BIT;
}

/*
 * Where there is a signal, do_signal() has the number forgotten before get_signal() drops the files that the
 * call has left to be dropped. The register that it came in has it still.
 */
static __always_inline __u32 call_number(const void *regs, bool is_compat)
{
	const struct pt_regs___entry *entry = regs;
	__s32 nr = REGS_READ(regs, syscallno);

	if (nr >= 0)
		return nr;
	return is_compat ? BPF_CORE_READ(entry, regs[7]) : BPF_CORE_READ(entry, regs[8]);
}

static __always_inline __u32 first_argument(const void *regs, bool is_compat)
{
	(void)is_compat;
	return BPF_CORE_READ((const struct pt_regs___entry *)regs, orig_x0);
}

#endif

static const __u64 call_looks[][CALL_WORDS] = { CALL_SET(LOOKS_64), CALL_SET(LOOKS_COMPAT) };
static const __u64 call_reads[][CALL_WORDS] = { CALL_SET(READS_64), CALL_SET(READS_COMPAT) };

struct task_struct___stack {
	void *stack;
} __attribute__((preserve_access_index));

#define THREAD_SIZE 16384 /* with pages of 4 KiB, and no KASAN */

/* What the task entered the kernel with: at the end of its stack (task_pt_regs()). */
static __always_inline const void *registers_of(struct task_struct *task)
{
	if (HAS_TASK_REGS)
		return (const void *)bpf_task_pt_regs(task);
	return BPF_CORE_READ((const struct task_struct___stack *)task, stack) + THREAD_SIZE -
	       bpf_core_type_size(struct pt_regs___entry);
}

/* Whether the current task's descriptor is a socket, or nothing any more. */
static __always_inline bool may_be_socket(const struct task_struct *task, __u32 fd)
{
	const struct file *file = file_at(task, fd);

	return !file || file_is_socket(file);
}

static __always_inline bool is_in(const __u64 *set, __u32 nr)
{
	__u32 word = nr / 64;

	barrier_var(word); /* or clang leaves out the bound, which the verifier does not know any more */
	return set[word % CALL_WORDS] >> (nr & 63) & 1;
}

/* Whether the current task is in a system call by which it looks at what need not be its own. */
VERIFIED_ONCE __u32 tws_only_looks(void)
{
	struct task_struct *task = current_task();
	const void *regs = registers_of(task);
	bool compat = is_compat(task, regs);
	__u32 nr = call_number(regs, compat);

	if (nr >= CALL_WORDS * 64)
		return false;
	if (is_in(call_looks[compat], nr))
		return true;
	return is_in(call_reads[compat], nr) && !may_be_socket(task, first_argument(regs, compat));
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The records that the iterator of bpf/processes.bpf.c writes and that
 * user/host/pid_iter.c reads. Both sides include this file. Host byte order.
 */
#ifndef TWSNOOP_PROCESSES_H
#define TWSNOOP_PROCESSES_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

struct tws_process {
	__u64 start_ns; /* task_struct.start_boottime */
	__u32 host_pid; /* tgid in the initial PID namespace */
	__u32 pid;	/* the same process in the reader's */
};

#endif

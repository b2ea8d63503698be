/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all programs share: the settings that the loader fixes, counters, and the
 * maps that belong to no part alone. Included first, by every other header here.
 */
#ifndef TWSNOOP_BPF_TWSNOOP_H
#define TWSNOOP_BPF_TWSNOOP_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

#include "core.h"
#include "event.h"

#define AF_INET 2
#define AF_INET6 10
#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000
#define RCV_SHUTDOWN 1

#define STATE(s) (1U << (s))

/*
 * What is rare stands apart, so that the rest fits in fewer cache lines; but for the
 * older kernels' object, whose functions have no room on the stack for another's. All
 * frames of a chain of calls have 512 bytes together, each rounded up to 32: until 6.12
 * the verifier refuses more, later ones have a stack of their own for the programs.
 */
#ifdef TWS_ATOMIC
#define OUT_OF_LINE __noinline
#else
#define OUT_OF_LINE __always_inline
#endif

/*
 * What is long and off the shortest way: a function of global linkage, which the verifier
 * follows once, and not again at each call, with all that may have come before. So a trace
 * starts sooner. It takes numbers and pointers to plain memory, all initialised, uses every
 * one of them (clang leaves out what is not used, and the verifier misses it), and returns a
 * number.
 */
#ifdef TWS_ATOMIC
#define VERIFIED_ONCE __noinline
#else
#define VERIFIED_ONCE static __always_inline
#endif

const volatile struct tws_settings tws = {};

/* Kernels that have atomic operations have these as well, and it is what user space chooses
 * the object by: then nothing is loaded to ask for them. */
#ifdef TWS_ATOMIC
#define HAS_TASK_BTF true
#define HAS_COOKIE true
#else
#define HAS_TASK_BTF tws.has_task_btf
#define HAS_COOKIE tws.has_cookie
#endif

/*
 * Whether what is recorded may be read: a kernel's ring buffer has one reader, and nobody is
 * to be woken for what `twsnoop attach` leaves there.
 */
#ifdef TWS_ATOMIC
#define HAS_READERS true
#else
#define HAS_READERS !tws.attached

/* All records. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} tws_ring SEC(".maps");
#endif

/* FIN_WAIT2 mini-sockets: on kernels before 6.11: see drop.h. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct tws_key);
	__type(value, struct tws_pending);
} tws_pending SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tws_counters);
} tws_stats SEC(".maps");

/* What this is, for another twsnoop: see user/capture/ledger.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tws_meta);
} tws_meta SEC(".maps");

/* The cgroups that a container filter lets pass: see cgroup.h. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u8);
} tws_cgroups SEC(".maps");

/* Not 0: not all that may pass have found room there, on either side's part. From then on all
 * of them do, and user space, which looks again anyway, tells them apart alone. */
__u64 tws_cgroups_full;

static __always_inline struct tws_counters *counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tws_stats, &zero);
}

#define COUNT_MORE(name, num)                                                  \
	do {                                                                   \
		struct tws_counters *c_ = counters();                          \
		if (c_)                                                        \
			c_->name += (num);                                     \
	} while (0)
#define COUNT(name) COUNT_MORE(name, 1)

#endif

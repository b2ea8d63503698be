/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this kernel and these privileges allow. Each feature is probed by its
 * behaviour (a tiny program is loaded) or by its types, never by a version number,
 * and "missing" is kept apart from "could not be probed".
 */
#ifndef TWSNOOP_KERNEL_H
#define TWSNOOP_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

enum feature_state {
	FEATURE_UNPROBED = 0, /* not asked, or the probe itself failed */
	FEATURE_MISSING,
	FEATURE_PRESENT,
};

struct feature {
	enum feature_state state;
	int error; /* errno of the probe, with FEATURE_UNPROBED */
};

enum cgroup_mode {
	CGROUP_NONE = 0,
	CGROUP_V1,
	CGROUP_V2,
	CGROUP_HYBRID, /* v2 is mounted, but controllers are on v1 */
};

struct kernel {
	char release[65];
	struct feature btf;	 /* /sys/kernel/btf/vmlinux */
	struct feature ringbuf;	 /* 5.8 */
	struct feature tp_btf;	 /* on sock:inet_sock_set_state, 5.5 */
	struct feature kfree_skb; /* tp_btf/kfree_skb */
	struct feature task_btf; /* bpf_get_current_task_btf() in tracing, 5.11 */
	struct feature cookie;	 /* bpf_get_socket_cookie() in tracing, 5.12 */
	struct feature rx_sk;	 /* kfree_skb's rx_sk, 6.11 */
	struct feature cgroup_events; /* tp_btf/cgroup_mkdir and its kin */
	struct feature atomics;	 /* BPF compare-and-swap, 5.12 */
	struct feature preempts; /* tracepoints' programs can be preempted, 7.0 */
	struct feature realtime; /* PREEMPT_RT: softirqs are threads, and can be preempted */
	struct feature jit;	 /* programs run as machine code */
	struct feature memcg;	 /* BPF memory is charged to the cgroup, 5.11; before
				  * that RLIMIT_MEMLOCK limits it */
	struct feature sock_diag; /* inet_diag and tcp_diag */
	uint64_t memlock_bytes;	 /* RLIMIT_MEMLOCK once the probes ran, UINT64_MAX:
				  * none. libbpf has raised it if it could */
	int bpf_stats;		 /* kernel.bpf_stats_enabled: 0, 1, or -1 unknown */
	char lockdown[32];	 /* none, integrity, confidentiality; "" unknown */
	bool lockdown_asked;	 /* that is only what the kernel's command line asks for */
	bool securityfs;	 /* it could be read: without lockdown, the kernel has none */
	enum cgroup_mode cgroup;
	char cgroup2_path[256];	 /* where v2 is mounted, "" if nowhere */
	char v1_controller[32];	 /* on which containers are told apart, "" if on v2 */
	char v1_path[256];	 /* where it is mounted */
	int v1_subsys;		 /* its index in css_set.subsys[], or -1 */
	uint32_t v1_hierarchy;	 /* its number in /proc/cgroups */
	uint64_t capabilities;	 /* effective, a bit each */
	bool user_ns;		 /* they hold in a user namespace only */
	bool no_proc;		 /* nobody told which they are */
};

/*
 * kernel__probe() - fills @k. Never fails as a whole: what could not be probed
 * says so. @sysfs and @procfs are "/sys" and "/proc", or a test's own. Keeps
 * libbpf silent meanwhile.
 */
void kernel__probe(struct kernel *k, const char *sysfs, const char *procfs);

/* kernel__cgroup_hierarchy() - as struct tws_meta has it: that on which containers are told apart, 0: v2. */
static inline uint32_t kernel__cgroup_hierarchy(const struct kernel *k)
{
	return k->v1_controller[0] ? k->v1_hierarchy : 0;
}

/*
 * kernel__skips_matter() - whether a transition may be seen by neither tws_state nor tws_spare.
 * A program is skipped where it runs already. If it cannot be preempted, only a softirq
 * comes in between, and interrupts but one of the two: the other one acts.
 */
static inline bool kernel__skips_matter(const struct kernel *k)
{
	return k->preempts.state != FEATURE_MISSING;
}

/*
 * kernel__has_spare() - whether tws_spare may act for tws_state. Where a softirq can be preempted
 * in the midst of either of them (PREEMPT_RT, 7.0), by another one on the same CPU, the two would
 * write to the same place at once, and take one's work for the other's.
 */
static inline bool kernel__has_spare(const struct kernel *k)
{
	return !kernel__skips_matter(k) || k->realtime.state == FEATURE_MISSING;
}

/*
 * kernel__has_task_storage() - whether a program may keep something of its own for each thread (5.13); asks the
 * kernel, so that who does not need it does not wait. Not where a lock that memory is taken from may sleep.
 */
bool kernel__has_task_storage(const struct kernel *k);

/*
 * The parts of it that ask no more than files, and fill a zeroed @k.
 *
 * kernel__read_files() - release (of uname(2)), capabilities, user_ns, lockdown,
 * securityfs and bpf_stats.
 *
 * kernel__read_cgroups() - cgroup, cgroup2_path, v1_controller, v1_path and
 * v1_hierarchy. On a hybrid host the v2 tree may be mounted and yet unused:
 * containers are told apart on v1 if neither the first process nor the caller is
 * in a v2 cgroup below the root.
 */
void kernel__read_files(struct kernel *k, const char *sysfs, const char *procfs);
void kernel__read_cgroups(struct kernel *k, const char *procfs);

/*
 * kernel__read_lockdown() - lockdown and securityfs, where that is mounted.
 * kernel__read_hidden_lockdown() - the same where it is not, by a mount that nobody sees. It takes
 * CAP_SYS_ADMIN, and does nothing without.
 * kernel__read_asked_lockdown() - what the kernel was told at boot, where nothing else tells:
 * lockdown and lockdown_asked.
 */
void kernel__read_lockdown(struct kernel *k, const char *sysfs);
void kernel__read_hidden_lockdown(struct kernel *k);
void kernel__read_asked_lockdown(struct kernel *k, const char *procfs);

/* Whether the caller has capability number @cap (CAP_* of linux/capability.h). */
bool kernel__has_cap(const struct kernel *k, int cap);

/*
 * kernel__why_not() - why tracing is impossible here, as one sentence that says
 * what to do, or NULL if it is possible. The string is constant.
 */
const char *kernel__why_not(const struct kernel *k);

/*
 * kernel__why_not_loaded() - the same for programs that the kernel refused with
 * @error, an errno, although kernel__why_not() found nothing. Never NULL.
 */
const char *kernel__why_not_loaded(const struct kernel *k, int error);

#endif

// SPDX-License-Identifier: GPL-2.0
/* What files say about the kernel and about us, and what follows from it. */
#include "host/kernel.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static FILE *open_in(const char *root, const char *name)
{
	char path[512];
	int len = snprintf(path, sizeof(path), "%s/%s", root, name);

	return len > 0 && (size_t)len < sizeof(path) ? fopen(path, "re") : NULL;
}

static void read_capabilities(struct kernel *k, const char *procfs)
{
	static const char init_user_ns[] = "user:[4026531837]"; /* PROC_USER_INIT_INO */
	char path[256], line[256];
	unsigned long long caps;
	FILE *f = open_in(procfs, "self/status");
	ssize_t len;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			k->capabilities = caps;
	k->no_proc = !f;
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "%s/self/ns/user", procfs);
	len = readlink(path, line, sizeof(line) - 1);
	if (len > 0) {
		line[len] = '\0';
		k->user_ns = strcmp(line, init_user_ns);
	}
}

static void read_bpf_stats(struct kernel *k, const char *procfs)
{
	FILE *f = open_in(procfs, "sys/kernel/bpf_stats_enabled");
	int c = f ? fgetc(f) : EOF;

	k->bpf_stats = c == '0' ? 0 : c == '1' ? 1 : -1;
	if (f)
		fclose(f);
}

void kernel__read_files(struct kernel *k, const char *sysfs, const char *procfs)
{
	struct utsname uts;

	if (!uname(&uts))
		snprintf(k->release, sizeof(k->release), "%s", uts.release);
	read_capabilities(k, procfs);
	kernel__read_lockdown(k, sysfs);
	read_bpf_stats(k, procfs);
}

bool kernel__has_cap(const struct kernel *k, int cap)
{
	return k->capabilities >> cap & 1;
}

static const char *why_not_privileged(const struct kernel *k)
{
	if (k->no_proc)
		return "/proc is not there, or cannot be read: mount -t proc proc /proc";
	if (k->user_ns)
		return "this is a user namespace, whose capabilities do not count for BPF: "
		       "run it outside";
	if (kernel__has_cap(k, CAP_SYS_ADMIN)) /* which includes these two */
		return NULL;
	if (!kernel__has_cap(k, CAP_BPF))
		return "missing CAP_BPF: run as root, or grant cap_bpf,cap_perfmon";
	if (!kernel__has_cap(k, CAP_PERFMON))
		return "missing CAP_PERFMON: run as root, or grant cap_bpf,cap_perfmon";
	return NULL;
}

const char *kernel__why_not(const struct kernel *k)
{
	const char *why = why_not_privileged(k);

	if (why)
		return why;
	if (k->btf.state == FEATURE_MISSING)
		return "no kernel type information in /sys/kernel/btf/vmlinux, by which the kernel "
		       "itself checks the programs (a BTF file from elsewhere does not help): "
		       "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount sysfs";
	if (k->btf.state == FEATURE_UNPROBED)
		return "the kernel's type information in /sys/kernel/btf/vmlinux cannot be "
		       "read: see that nothing is mounted over it";
	if (k->ringbuf.state == FEATURE_MISSING)
		return "this kernel has no BPF ring buffer: Linux 5.8 or newer is needed";
	if (k->tp_btf.state == FEATURE_MISSING || k->kfree_skb.state == FEATURE_MISSING)
		return "this kernel allows no tp_btf programs: Linux 5.5 or newer with "
		       "CONFIG_BPF_EVENTS=y is needed";
	/* There the programs would need it: bpf_ringbuf.spinlock was a spinlock_t until 8b62645b09f8. */
	if (k->realtime.state == FEATURE_PRESENT && k->atomics.state == FEATURE_MISSING)
		return "this is a real-time kernel whose BPF ring buffer takes a lock that may sleep, which "
		       "a tracepoint must not: Linux 5.12 or newer is needed";
	if (k->ringbuf.state != FEATURE_PRESENT || k->tp_btf.state != FEATURE_PRESENT ||
	    k->kfree_skb.state != FEATURE_PRESENT)
		return "the kernel refuses to load BPF programs: a seccomp filter, a security "
		       "module or a limit stands against it, see 'twsnoop check'";
	return NULL;
}

const char *kernel__why_not_loaded(const struct kernel *k, int error)
{
	if (error == EPERM && k->memcg.state == FEATURE_MISSING && k->memlock_bytes != UINT64_MAX)
		return "RLIMIT_MEMLOCK is too small for the maps: raise it (ulimit -l), grant "
		       "cap_sys_resource, or choose a smaller --max-connections and --ring-size";
	if (error == EMFILE || error == ENFILE)
		return "raise the limit of open files (ulimit -n)";
	if (error == ENOMEM)
		return "there is no memory for the maps: choose a smaller --max-connections and "
		       "--ring-size";
	if (!strcmp(k->lockdown, "confidentiality"))
		return "lockdown=confidentiality forbids programs that read kernel memory: boot "
		       "with lockdown=integrity";
	return "the kernel refuses the programs: report what TWSNOOP_LIBBPF_DEBUG=1 twsnoop "
	       "trace prints";
}

// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

#include <ctype.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The instructions that the probes are made of. */
#define INSN_LOAD_CTX_ARG(dst, n)                                              \
	((struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = (dst), \
			    .src_reg = BPF_REG_1, .off = (n) * 8 })
#define INSN_CALL(func)                                                        \
	((struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = (func) })
#define INSN_RETURN_0                                                          \
	((struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K })
#define INSN_EXIT ((struct bpf_insn){ .code = BPF_JMP | BPF_EXIT })

#define INSN_STORE_0(off_)                                                     \
	((struct bpf_insn){ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, \
			    .off = (off_) })
#define INSN_CMPXCHG(off_)                                                     \
	((struct bpf_insn){ .code = BPF_STX | BPF_ATOMIC | BPF_DW,              \
			    .dst_reg = BPF_REG_10, .src_reg = BPF_REG_0,        \
			    .off = (off_), .imm = BPF_CMPXCHG })

static void set_feature(struct feature *f, int error)
{
	f->error = 0;
	if (!error)
		f->state = FEATURE_PRESENT;
	else if (error == EPERM || error == ENOMEM || error == EAGAIN)
		*f = (struct feature){ FEATURE_UNPROBED, error };
	else
		f->state = FEATURE_MISSING;
}

/* Loads @insns as a tp_btf program on @tracepoint. Returns 0 or an errno. */
static int load_tp_btf(const struct btf *btf, const char *tracepoint,
		       const struct bpf_insn *insns, size_t num)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = BPF_TRACE_RAW_TP);
	char name[64];
	int id, fd;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return ENOENT;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "tws_probe", "GPL", insns, num, &opts);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void probe_programs(struct kernel *k)
{
	const struct bpf_insn empty[] = { INSN_RETURN_0, INSN_EXIT };
	const struct bpf_insn task[] = { INSN_CALL(BPF_FUNC_get_current_task_btf),
					 INSN_RETURN_0, INSN_EXIT };
	const struct bpf_insn cookie[] = { INSN_LOAD_CTX_ARG(BPF_REG_1, 0),
					   INSN_CALL(BPF_FUNC_get_socket_cookie),
					   INSN_RETURN_0, INSN_EXIT };
	const struct bpf_insn rx_sk[] = { INSN_LOAD_CTX_ARG(BPF_REG_2, 3),
					  INSN_RETURN_0, INSN_EXIT };
	const struct bpf_insn atomic[] = { INSN_STORE_0(-8), INSN_RETURN_0, INSN_CMPXCHG(-8),
					   INSN_RETURN_0, INSN_EXIT };
	static const char state[] = "inet_sock_set_state", drop[] = "kfree_skb";
	struct btf *btf = btf__load_vmlinux_btf();

	set_feature(&k->btf, btf ? 0 : errno == EPERM ? EPERM : ENOENT);
	if (!btf)
		return;
	set_feature(&k->tp_btf, load_tp_btf(btf, state, empty, ARRAY_SIZE(empty)));
	set_feature(&k->kfree_skb, load_tp_btf(btf, drop, empty, ARRAY_SIZE(empty)));
	set_feature(&k->task_btf, load_tp_btf(btf, state, task, ARRAY_SIZE(task)));
	set_feature(&k->cookie, load_tp_btf(btf, state, cookie, ARRAY_SIZE(cookie)));
	set_feature(&k->atomics, load_tp_btf(btf, state, atomic, ARRAY_SIZE(atomic)));
	set_feature(&k->rx_sk, load_tp_btf(btf, drop, rx_sk, ARRAY_SIZE(rx_sk)));
	btf__free(btf);
}

static void probe_ringbuf(struct kernel *k)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "tws_probe", 0, 0,
				(uint32_t)sysconf(_SC_PAGESIZE), NULL);

	set_feature(&k->ringbuf, fd < 0 ? errno : 0);
	if (fd >= 0)
		close(fd);
}

/* One request for a state that no socket is in: the kernel answers that there
 * is nothing, or that it cannot (ENOENT) because a module is missing. */
static void probe_sock_diag(struct kernel *k)
{
	struct {
		struct nlmsghdr nlh;
		struct inet_diag_req_v2 req;
	} msg = {
		.nlh = { .nlmsg_len = sizeof(msg), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP },
	};
	union {
		struct nlmsghdr nlh;
		char bytes[4096];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t len;

	if (fd < 0) {
		set_feature(&k->sock_diag, errno);
		return;
	}
	if (send(fd, &msg, sizeof(msg), 0) < 0 ||
	    (len = recv(fd, &answer, sizeof(answer), 0)) < 0)
		k->sock_diag = (struct feature){ FEATURE_UNPROBED, errno };
	else if ((size_t)len < sizeof(struct nlmsghdr))
		k->sock_diag = (struct feature){ FEATURE_UNPROBED, EBADMSG };
	else if (answer.nlh.nlmsg_type == NLMSG_ERROR)
		set_feature(&k->sock_diag, ENOENT);
	else
		set_feature(&k->sock_diag, 0);
	close(fd);
}

/* "none [integrity] confidentiality": the one in brackets holds. */
static void read_lockdown(struct kernel *k, const char *sysfs)
{
	char path[256], line[128], *begin, *end;
	FILE *f;

	snprintf(path, sizeof(path), "%s/kernel/security/lockdown", sysfs);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f) && (begin = strchr(line, '[')) &&
	    (end = strchr(begin, ']'))) {
		*end = '\0';
		snprintf(k->lockdown, sizeof(k->lockdown), "%s", begin + 1);
	}
	fclose(f);
}

static void read_capabilities(struct kernel *k, const char *procfs)
{
	char path[256], line[256];
	unsigned long long caps;
	FILE *f;

	snprintf(path, sizeof(path), "%s/self/status", procfs);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			k->capabilities = caps;
	fclose(f);
}

void kernel__probe(struct kernel *k, const char *sysfs, const char *procfs)
{
	struct utsname uts;

	memset(k, 0, sizeof(*k));
	k->v1_subsys = -1;
	if (!uname(&uts))
		snprintf(k->release, sizeof(k->release), "%s", uts.release);
	read_capabilities(k, procfs);
	read_lockdown(k, sysfs);
	probe_ringbuf(k);
	probe_programs(k);
	probe_sock_diag(k);
}

bool kernel__has_cap(const struct kernel *k, int cap)
{
	return k->capabilities >> cap & 1;
}

const char *kernel__why_not(const struct kernel *k)
{
	if (!kernel__has_cap(k, CAP_SYS_ADMIN)) {
		if (!kernel__has_cap(k, CAP_BPF))
			return "missing CAP_BPF: run as root, or grant cap_bpf,cap_perfmon";
		if (!kernel__has_cap(k, CAP_PERFMON))
			return "missing CAP_PERFMON: run as root, or grant cap_bpf,cap_perfmon";
	}
	if (k->btf.state != FEATURE_PRESENT)
		return "no kernel type information in /sys/kernel/btf/vmlinux: "
		       "use a kernel built with CONFIG_DEBUG_INFO_BTF=y";
	if (k->ringbuf.state == FEATURE_MISSING)
		return "this kernel has no BPF ring buffer: Linux 5.8 or newer is needed";
	if (k->tp_btf.state == FEATURE_MISSING || k->kfree_skb.state == FEATURE_MISSING)
		return "this kernel allows no tp_btf programs: Linux 5.5 or newer with "
		       "CONFIG_BPF_EVENTS=y is needed";
	if (k->ringbuf.state == FEATURE_UNPROBED || k->tp_btf.state == FEATURE_UNPROBED)
		return "the kernel refuses to load BPF programs: run as root, and see "
		       "'twsnoop check'";
	return NULL;
}

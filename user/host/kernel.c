// SPDX-License-Identifier: GPL-2.0
#include "host/kernel.h"
#include "host/quiet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

#ifndef ENOTSUPP
#define ENOTSUPP 524 /* the kernel's own, which leaks out of bpf(2) */
#endif

/* These answers say that the kernel does not know the thing. Any other (no
 * privilege, no memory, no descriptors left) says nothing about it. */
static bool means_missing(int error)
{
	return error == EINVAL || error == EACCES || error == ENOENT || error == ENOSYS ||
	       error == EOPNOTSUPP || error == ENOTSUPP || error == EPROTONOSUPPORT ||
	       error == EAFNOSUPPORT;
}

static void set_feature(struct feature *f, int error)
{
	*f = (struct feature){ FEATURE_PRESENT, 0 };
	if (means_missing(error))
		f->state = FEATURE_MISSING;
	else if (error)
		*f = (struct feature){ FEATURE_UNPROBED, error };
}

/* Loads @insns as a tp_btf program on @tracepoint. Returns its descriptor or a
 * negative errno. */
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
		return -ENOENT;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "tws_probe", "GPL", insns, num, &opts);
	return fd < 0 ? -errno : fd;
}

static int try_tp_btf(const struct btf *btf, const char *tracepoint,
		      const struct bpf_insn *insns, size_t num)
{
	int fd = load_tp_btf(btf, tracepoint, insns, num);

	if (fd < 0)
		return -fd;
	close(fd);
	return 0;
}

/* The program that was loaded has machine code, or it has none. */
static void probe_jit(struct kernel *k, int prog)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		k->jit = (struct feature){ FEATURE_UNPROBED, errno };
	else
		set_feature(&k->jit, info.jited_prog_len ? 0 : EOPNOTSUPP);
}

static const struct btf_type *skip_pointers(const struct btf *btf, const struct btf_type *t)
{
	while (t && (btf_is_ptr(t) || btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

/* Whether argument @n of @tracepoint is a pointer to a struct of this name. */
static bool tracepoint_passes(const struct btf *btf, const char *tracepoint, int n,
			      const char *struct_name)
{
	const struct btf_type *t;
	char name[64];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	t = id < 0 ? NULL : skip_pointers(btf, btf__type_by_id(btf, id));
	/* The first parameter is the tracepoint's private data. */
	if (!t || !btf_is_func_proto(t) || btf_vlen(t) <= n + 1)
		return false;
	t = btf__type_by_id(btf, btf_params(t)[n + 1].type);
	if (!t || !btf_is_ptr(t))
		return false;
	t = skip_pointers(btf, t);
	return t && btf_is_struct(t) &&
	       !strcmp(btf__name_by_offset(btf, t->name_off), struct_name);
}

static void probe_rx_sk(struct kernel *k, const struct btf *btf)
{
	const struct bpf_insn insns[] = { INSN_LOAD_CTX_ARG(BPF_REG_2, 3), INSN_RETURN_0,
					  INSN_EXIT };

	set_feature(&k->rx_sk, tracepoint_passes(btf, "kfree_skb", 3, "sock") ?
				       try_tp_btf(btf, "kfree_skb", insns, ARRAY_SIZE(insns)) :
				       ENOENT);
}

/* They take a cgroup and its path; all three are of one kind. */
static void probe_cgroup_events(struct kernel *k, const struct btf *btf)
{
	const struct bpf_insn insns[] = { INSN_LOAD_CTX_ARG(BPF_REG_2, 1), INSN_RETURN_0,
					  INSN_EXIT };

	set_feature(&k->cgroup_events,
		    tracepoint_passes(btf, "cgroup_mkdir", 0, "cgroup") &&
		    tracepoint_passes(btf, "cgroup_rmdir", 0, "cgroup") &&
		    tracepoint_passes(btf, "cgroup_rename", 0, "cgroup") ?
			    try_tp_btf(btf, "cgroup_mkdir", insns, ARRAY_SIZE(insns)) :
			    ENOENT);
}

/*
 * Preemption was disabled around each tracepoint until they were guarded by SRCU instead
 * (a46023d5616e, 7.0). That guard is a type, which a kernel without it does not have.
 */
static void probe_preempts(struct kernel *k, const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "class_srcu_fast_notrace_t", BTF_KIND_TYPEDEF);

	set_feature(&k->preempts, id < 0 ? -id : 0);
}

/*
 * Where spin locks sleep, a spinlock_t is a mutex: struct rt_mutex_base, struct rt_mutex before 5.15.
 * (uname(2) says PREEMPT_RT as well, but what it says can be changed.)
 */
static void probe_realtime(struct kernel *k, const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "spinlock", BTF_KIND_STRUCT);
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(btf, id);

	if (!t || !btf_vlen(t)) {
		k->realtime = (struct feature){ FEATURE_UNPROBED, id < 0 ? -id : ENOENT };
		return;
	}
	t = btf__type_by_id(btf, btf_members(t)->type);
	set_feature(&k->realtime, t && btf_is_struct(t) &&
				  !strncmp(btf__name_by_offset(btf, t->name_off), "rt_mutex", 8) ?
				  0 : ENOENT);
}

static void probe_helpers(struct kernel *k, const struct btf *btf, const char *tracepoint)
{
	const struct bpf_insn task[] = { INSN_CALL(BPF_FUNC_get_current_task_btf),
					 INSN_RETURN_0, INSN_EXIT };
	const struct bpf_insn cookie[] = { INSN_LOAD_CTX_ARG(BPF_REG_1, 0),
					   INSN_CALL(BPF_FUNC_get_socket_cookie),
					   INSN_RETURN_0, INSN_EXIT };
	const struct bpf_insn atomic[] = { INSN_STORE_0(-8), INSN_RETURN_0, INSN_CMPXCHG(-8),
					   INSN_RETURN_0, INSN_EXIT };

	set_feature(&k->task_btf, try_tp_btf(btf, tracepoint, task, ARRAY_SIZE(task)));
	set_feature(&k->cookie, try_tp_btf(btf, tracepoint, cookie, ARRAY_SIZE(cookie)));
	set_feature(&k->atomics, try_tp_btf(btf, tracepoint, atomic, ARRAY_SIZE(atomic)));
}

/* A feature is asked for by a program that differs from the empty one in that
 * alone; where the empty one does not load, the answer would mean nothing. */
static void probe_programs(struct kernel *k, const struct btf *btf)
{
	const struct bpf_insn empty[] = { INSN_RETURN_0, INSN_EXIT };
	static const char state[] = "inet_sock_set_state";
	int fd = load_tp_btf(btf, state, empty, ARRAY_SIZE(empty));
	const struct feature unasked = { FEATURE_UNPROBED, fd < 0 ? -fd : 0 };

	set_feature(&k->tp_btf, unasked.error);
	k->jit = k->task_btf = k->cookie = k->atomics = k->kfree_skb = k->rx_sk = unasked;
	k->cgroup_events = k->preempts = k->realtime = unasked;
	if (fd < 0)
		return;
	probe_preempts(k, btf);
	probe_realtime(k, btf);
	probe_jit(k, fd);
	close(fd);
	probe_helpers(k, btf, state);
	set_feature(&k->kfree_skb, try_tp_btf(btf, "kfree_skb", empty, ARRAY_SIZE(empty)));
	if (k->kfree_skb.state == FEATURE_PRESENT)
		probe_rx_sk(k, btf);
	probe_cgroup_events(k, btf);
}

/* Its place in css_set.subsys[] depends on the kernel's configuration. */
static void find_v1_subsys(struct kernel *k, const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM);
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(btf, id);
	char name[64];

	if (!t || !k->v1_controller[0])
		return;
	snprintf(name, sizeof(name), "%s_cgrp_id", k->v1_controller);
	for (int i = 0; i < btf_vlen(t); i++) {
		const struct btf_enum *e = btf_enum(t) + i;

		if (!strcmp(btf__name_by_offset(btf, e->name_off), name))
			k->v1_subsys = e->val;
	}
}

/* libbpf says the same of a file that is not there and of one that it cannot
 * read or understand. */
static void explain_no_btf(struct kernel *k, const char *sysfs)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/kernel/btf/vmlinux", sysfs);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != EACCES)
		set_feature(&k->btf, errno);
	else
		k->btf = (struct feature){ FEATURE_UNPROBED, fd < 0 ? errno : EBADMSG };
	if (fd >= 0)
		close(fd);
}

static void probe_btf(struct kernel *k, const char *sysfs)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf) {
		explain_no_btf(k, sysfs);
		return;
	}
	set_feature(&k->btf, 0);
	probe_programs(k, btf);
	find_v1_subsys(k, btf);
	btf__free(btf);
}

static int try_ringbuf(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "tws_probe", 0, 0,
				(uint32_t)sysconf(_SC_PAGESIZE), NULL);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/*
 * Does a map count as locked memory? Then none can be made while none may be
 * locked (5.10: bpf_map_charge_init(), for root too). Comes after the first map
 * that libbpf made, because that is when it raises the limit, once.
 */
static void probe_memcg(struct kernel *k)
{
	struct rlimit old, none;

	if (getrlimit(RLIMIT_MEMLOCK, &old)) {
		k->memcg = (struct feature){ FEATURE_UNPROBED, errno };
		return;
	}
	k->memlock_bytes = old.rlim_cur == RLIM_INFINITY ? UINT64_MAX : old.rlim_cur;
	if (k->ringbuf.state != FEATURE_PRESENT) {
		k->memcg = k->ringbuf;
		k->memcg.state = FEATURE_UNPROBED;
		return;
	}
	none = (struct rlimit){ 0, old.rlim_max };
	setrlimit(RLIMIT_MEMLOCK, &none);
	set_feature(&k->memcg, try_ringbuf() == EPERM ? EOPNOTSUPP : 0);
	setrlimit(RLIMIT_MEMLOCK, &old);
}

union sock_diag_answer {
	struct nlmsghdr nlh;
	char bytes[4096];
};

/* inet_diag is there, and tcp_diag is not: the end of the dump carries an error. */
static bool is_failed_end(const union sock_diag_answer *answer, size_t len)
{
	int32_t err;

	if (answer->nlh.nlmsg_type != NLMSG_DONE || len < NLMSG_HDRLEN + sizeof(err))
		return false;
	memcpy(&err, answer->bytes + NLMSG_HDRLEN, sizeof(err));
	return err < 0;
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
	union sock_diag_answer answer;
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
	else if (answer.nlh.nlmsg_type == NLMSG_ERROR || is_failed_end(&answer, (size_t)len))
		set_feature(&k->sock_diag, ENOENT);
	else
		set_feature(&k->sock_diag, 0);
	close(fd);
}

void kernel__probe(struct kernel *k, const char *sysfs, const char *procfs)
{
	libbpf_print_fn_t print = libbpf_set_print(quiet__print);

	memset(k, 0, sizeof(*k));
	k->v1_subsys = -1;
	kernel__read_files(k, sysfs, procfs);
	if (!k->securityfs)
		kernel__read_hidden_lockdown(k);
	if (!k->securityfs)
		kernel__read_asked_lockdown(k, procfs);
	kernel__read_cgroups(k, procfs);
	set_feature(&k->ringbuf, try_ringbuf());
	probe_memcg(k);
	probe_btf(k, sysfs);
	probe_sock_diag(k);
	libbpf_set_print(print);
}

bool kernel__has_task_storage(const struct kernel *k)
{
	return k->realtime.state == FEATURE_MISSING &&
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_task_storage_get, NULL) == 1;
}

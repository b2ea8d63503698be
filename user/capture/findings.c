// SPDX-License-Identifier: GPL-2.0
#include "capture/findings.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/libcurl.h"
#include "capture/calls.h"
#include "capture/tracer.h"
#include "host/quiet.h"
#include "sockets/sockiter.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define FEATURE(name) offsetof(struct kernel, name)

const struct findings_feature findings_features[] = {
	{ "btf", "BTF", FEATURE(btf), "the kernel's type information", {} },
	{ "ring_buffer", "ring buffer", FEATURE(ringbuf), "the way of cgroups, and of all before 5.12", {} },
	{ "tp_btf", "tp_btf", FEATURE(tp_btf), "on sock:inet_sock_set_state", {} },
	{ "tp_btf_kfree_skb", "tp_btf on drops", FEATURE(kfree_skb), "on skb:kfree_skb", {} },
	{ "atomics", "atomics", FEATURE(atomics), "compare-and-swap, for a cheap table",
	  { "time: connections are kept in a hash map, which costs more for each",
	    "no BPF compare-and-swap", "Linux 5.12 or newer" } },
	{ "current_task", "current-task helper", FEATURE(task_btf), "who closes, read directly",
	  { "time: each field of a process is copied by a call",
	    "no bpf_get_current_task_btf", "Linux 5.11 or newer" } },
	{ "socket_cookie", "socket cookie", FEATURE(cookie), "joins events and live sockets",
	  { "events have no tcp.cookie; a missed one with the addresses of an earlier one stays "
	    "missed",
	    "no bpf_get_socket_cookie in tp_btf programs", "Linux 5.12 or newer" } },
	{ "kfree_skb_rx_sk", "kfree_skb rx_sk", FEATURE(rx_sk), "the socket of a late FIN",
	  { "time: the headers of each dropped FIN are read to find its FIN_WAIT2 socket",
	    "kfree_skb does not pass the socket", "Linux 6.11 or newer" } },
	{ "realtime", "real-time", FEATURE(realtime), "PREEMPT_RT: softirqs are threads", {} },
	{ "jit", "BPF JIT", FEATURE(jit), "programs run as machine code",
	  { "time: programs are interpreted", "the BPF JIT is off",
	    "sysctl net.core.bpf_jit_enable=1" } },
	{ "sock_diag", "sock_diag", FEATURE(sock_diag), "the kernel's own table of sockets",
	  {} },
};

const size_t findings_num_features = ARRAY_SIZE(findings_features);

const struct findings_cap findings_caps[] = {
	{ CAP_BPF, "CAP_BPF", true, "to load programs and make their maps", {} },
	{ CAP_PERFMON, "CAP_PERFMON", true, "to load programs that follow kernel pointers", {} },
	{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN", false, "to enter other network namespaces",
	  { "in other network namespaces missed events are not found again, and connections that "
	    "were open before have no side",
	    "missing CAP_SYS_ADMIN", "run as root, or grant cap_sys_admin" } },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false, "to see others' namespaces and descriptors",
	  { "network namespaces without a name are not found, nor who listens for other users",
	    "missing CAP_SYS_PTRACE", "run as root, or grant cap_sys_ptrace" } },
	{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", false,
	  "to read other users' /proc/PID/fd, and to find a cgroup by its id",
	  { "who listens for other users is unknown, if that began before twsnoop did",
	    "missing CAP_DAC_READ_SEARCH", "run as root, or grant cap_dac_read_search" } },
};

const size_t findings_num_caps = ARRAY_SIZE(findings_caps);

const struct feature *findings__feature(const struct findings *f,
					const struct findings_feature *row)
{
	return (const struct feature *)((const char *)&f->kernel + row->offset);
}

static void load_programs(struct findings *f)
{
	const struct tracer_options opts = { .kernel = &f->kernel };
	libbpf_print_fn_t print = libbpf_set_print(quiet__print);
	struct tracer *tracer;
	int err = tracer__new(&tracer, &opts);

	libbpf_set_print(print);
	if (err) {
		f->programs = (struct feature){ FEATURE_UNPROBED, -err };
		if (err == -EINVAL || err == -EACCES) /* the verifier's answers */
			f->programs.state = FEATURE_MISSING;
		f->why_not = kernel__why_not_loaded(&f->kernel, -err);
		return;
	}
	f->programs = (struct feature){ FEATURE_PRESENT, 0 };
	tracer__free(tracer);
}

/* As list and trace choose. */
static void find_way_to_sockets(struct findings *f)
{
	sockets_dump_fn dump;
	const char *why;
	int err = sockiter__choose(&dump, &why);

	f->sockets = err ? "none" : dump == sockdiag__dump ? "sock_diag" : "iterator";
	err = sockiter__open();
	f->iterator = (struct feature){ !err ? FEATURE_PRESENT :
					err == -EOPNOTSUPP ? FEATURE_MISSING : FEATURE_UNPROBED,
					err == -EOPNOTSUPP ? 0 : -err };
	sockiter__close();
}

/* As trace --all does: opened, and nothing attached to them. */
static void open_calls(struct findings *f)
{
	struct calls calls;
	int err = calls__open(&calls);

	f->calls_error = err;
	f->calls = (struct feature){ FEATURE_PRESENT, 0 };
	if (!err)
		calls__close(&calls);
	else if (err == -ENOENT || err == -ENODEV || err == -ENOSYS)
		f->calls.state = FEATURE_MISSING;
	else
		f->calls = (struct feature){ FEATURE_UNPROBED, -err };
}

bool findings__read_sockets(const struct findings *f)
{
	return strcmp(f->sockets, "none") != 0;
}

static void add_loss(struct findings *f, const struct findings_loss *loss)
{
	if (f->num_losses < FINDINGS_MAX_LOSSES)
		f->losses[f->num_losses++] = *loss;
}

static void add_other_losses(struct findings *f)
{
	const char *no_libcurl = libcurl__load();
	static const struct findings_loss sockets = {
		"missed events are not found again, connections that were open before have no "
		"side, and 'twsnoop list' does not work",
		"no tcp_diag, and no iterator in its place",
		"modprobe tcp_diag, or a kernel with CONFIG_INET_TCP_DIAG"
	};
	static const struct findings_loss stats = {
		"time: the kernel times each run of each BPF program, about as long as ours take",
		"kernel.bpf_stats_enabled is on", "sysctl kernel.bpf_stats_enabled=0"
	};

	if (!findings__read_sockets(f))
		add_loss(f, &sockets);
	if (f->calls_error) {
		const struct calls_obstacle *obstacle = calls__obstacle(f->calls_error);
		const struct findings_loss calls = {
			"with --all: bind() that fails, and connect() that finds no way there, "
			"are not seen",
			obstacle->what, obstacle->remedy
		};

		add_loss(f, &calls);
	}
	if (f->kernel.bpf_stats == 1)
		add_loss(f, &stats);
	if (no_libcurl) {
		const struct findings_loss names = {
			"the names of containers that a runtime does not keep on disk", no_libcurl,
			"libcurl, and a program that is built with it"
		};

		add_loss(f, &names);
	}
}

static void find_losses(struct findings *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(findings_features); i++)
		if (findings_features[i].loss.what &&
		    findings__feature(f, &findings_features[i])->state != FEATURE_PRESENT)
			add_loss(f, &findings_features[i].loss);
	for (size_t i = 0; i < ARRAY_SIZE(findings_caps); i++)
		if (findings_caps[i].loss.what &&
		    !kernel__has_cap(&f->kernel, findings_caps[i].cap))
			add_loss(f, &findings_caps[i].loss);
	add_other_losses(f);
}

void findings__take(struct findings *f, const char *bpffs)
{
	*f = (struct findings){ .bpffs = bpffs };
	f->ledger_error = pins__status(f->bpffs, &f->ledger);
	kernel__probe(&f->kernel, "/sys", "/proc");
	if (kernel__skips_matter(&f->kernel) || f->ledger.meta.flags & TWS_META_LEGACY)
		f->ledger.recursion += f->ledger.state_recursion;
	find_way_to_sockets(f);
	open_calls(f);
	f->why_not = kernel__why_not(&f->kernel);
	if (f->why_not)
		return;
	load_programs(f);
	if (!f->why_not)
		find_losses(f);
}

/* Whose sockets a look into the kernel's own table finds. */
const char *findings__healing(const struct findings *f)
{
	if (!findings__read_sockets(f))
		return "none";
	if (!kernel__has_cap(&f->kernel, CAP_SYS_ADMIN))
		return "own";
	return kernel__has_cap(&f->kernel, CAP_SYS_PTRACE) ? "all" : "named";
}

bool findings__hold(const struct findings *f, const struct findings_cap *row)
{
	return kernel__has_cap(&f->kernel, row->cap) ||
	       (row->required && kernel__has_cap(&f->kernel, CAP_SYS_ADMIN));
}

bool findings__has_ledger(const struct findings *f)
{
	return !f->ledger_error && f->ledger.state == PINS_ATTACHED;
}

bool findings__has_other_ledger(const struct findings *f)
{
	return !f->ledger_error && f->ledger.state == PINS_OTHER;
}

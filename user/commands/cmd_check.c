// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop check: what this kernel and these privileges allow, which way trace
 * will take, what is lost by that, and what to do about it. It loads the real
 * programs, as trace does, but attaches them to nothing.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/clock.h"
#include "commands/command.h"
#include "base/escape.h"
#include "base/fdwriter.h"
#include "base/fmt.h"
#include "host/kernel.h"
#include "commands/options.h"
#include "commands/said.h"
#include "base/outbuf.h"
#include "capture/calls.h"
#include "capture/pins.h"
#include "host/quiet.h"
#include "sockets/sockiter.h"
#include "capture/tracer.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TITLE_COLUMNS 21
#define VALUE_COLUMNS 10
#define MAX_LOSSES 16
#define MINUTE_NS 60000000000ULL

/* One thing that is lost, why, and what to do. All constant strings. */
struct loss {
	const char *what;
	const char *because;
	const char *remedy;
};

struct check {
	struct kernel kernel;
	struct feature programs; /* the real ones, loaded */
	struct feature iterator; /* of sockets: sockiter.h */
	struct feature calls;	 /* tracepoints of connect() and bind(): calls.h */
	int calls_error;
	const char *sockets;	 /* which way they are read */
	const char *why_not;	 /* NULL: tracing is possible */
	struct loss losses[MAX_LOSSES];
	size_t num_losses;
	const char *bpffs;
	struct pins_status ledger;
	int ledger_error; /* negative errno: why nothing is known of it */
};

static const struct option_spec check_table[] = {
	{ 0, "bpffs", "DIR", "where 'twsnoop attach' has its bpffs (default " PINS_BPFFS ")",
	  option__string, offsetof(struct check, bpffs) },
	{ 0 },
};

/* ---- what is looked at ---- */

struct feature_row {
	const char *key; /* in JSON */
	const char *title;
	size_t offset; /* in struct kernel */
	const char *purpose;
	struct loss loss; /* without it; none where tracing is then impossible */
};

#define FEATURE(name) offsetof(struct kernel, name)

static const struct feature_row features[] = {
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
	{ "jit", "BPF JIT", FEATURE(jit), "programs run as machine code",
	  { "time: programs are interpreted", "the BPF JIT is off",
	    "sysctl net.core.bpf_jit_enable=1" } },
	{ "sock_diag", "sock_diag", FEATURE(sock_diag), "the kernel's own table of sockets",
	  {} },
};

struct cap_row {
	int cap;
	const char *name;
	bool required;
	const char *purpose;
	struct loss loss;
};

static const struct cap_row caps[] = {
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

static const struct feature *feature_of(const struct check *c, const struct feature_row *row)
{
	return (const struct feature *)((const char *)&c->kernel + row->offset);
}

/* ---- finding out ---- */

static void load_programs(struct check *c)
{
	const struct tracer_options opts = { .kernel = &c->kernel };
	libbpf_print_fn_t print = libbpf_set_print(quiet__print);
	struct tracer *tracer;
	int err = tracer__new(&tracer, &opts);

	libbpf_set_print(print);
	if (err) {
		c->programs = (struct feature){ FEATURE_UNPROBED, -err };
		if (err == -EINVAL || err == -EACCES) /* the verifier's answers */
			c->programs.state = FEATURE_MISSING;
		c->why_not = kernel__why_not_loaded(&c->kernel, -err);
		return;
	}
	c->programs = (struct feature){ FEATURE_PRESENT, 0 };
	tracer__free(tracer);
}

/* As list and trace choose. */
static void find_way_to_sockets(struct check *c)
{
	sockets_dump_fn dump;
	const char *why;
	int err = sockiter__choose(&dump, &why);

	c->sockets = err ? "none" : dump == sockdiag__dump ? "sock_diag" : "iterator";
	err = sockiter__open();
	c->iterator = (struct feature){ !err ? FEATURE_PRESENT :
					err == -EOPNOTSUPP ? FEATURE_MISSING : FEATURE_UNPROBED,
					err == -EOPNOTSUPP ? 0 : -err };
	sockiter__close();
}

/* As trace --all does: opened, and nothing attached to them. */
static void open_calls(struct check *c)
{
	struct calls calls;
	int err = calls__open(&calls);

	c->calls_error = err;
	c->calls = (struct feature){ FEATURE_PRESENT, 0 };
	if (!err)
		calls__close(&calls);
	else if (err == -ENOENT || err == -ENODEV || err == -ENOSYS)
		c->calls.state = FEATURE_MISSING;
	else
		c->calls = (struct feature){ FEATURE_UNPROBED, -err };
}

static bool reads_sockets(const struct check *c)
{
	return strcmp(c->sockets, "none") != 0;
}

static void add_loss(struct check *c, const struct loss *loss)
{
	if (c->num_losses < MAX_LOSSES)
		c->losses[c->num_losses++] = *loss;
}

static void add_other_losses(struct check *c)
{
	static const struct loss sockets = {
		"missed events are not found again, connections that were open before have no "
		"side, and 'twsnoop list' does not work",
		"no tcp_diag, and no iterator in its place",
		"modprobe tcp_diag, or a kernel with CONFIG_INET_TCP_DIAG"
	};
	static const struct loss stats = {
		"time: the kernel times each run of each BPF program, about as long as ours take",
		"kernel.bpf_stats_enabled is on", "sysctl kernel.bpf_stats_enabled=0"
	};

	if (!reads_sockets(c))
		add_loss(c, &sockets);
	if (c->calls_error) {
		const struct calls_obstacle *obstacle = calls__obstacle(c->calls_error);
		const struct loss calls = {
			"with --all: bind() that fails, and connect() that fails before it sends "
			"anything, are not seen",
			obstacle->what, obstacle->remedy
		};

		add_loss(c, &calls);
	}
	if (c->kernel.bpf_stats == 1)
		add_loss(c, &stats);
}

static void find_losses(struct check *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (features[i].loss.what &&
		    feature_of(c, &features[i])->state != FEATURE_PRESENT)
			add_loss(c, &features[i].loss);
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].loss.what && !kernel__has_cap(&c->kernel, caps[i].cap))
			add_loss(c, &caps[i].loss);
	add_other_losses(c);
}

static void find_out(struct check *c)
{
	c->ledger_error = pins__status(c->bpffs, &c->ledger);
	kernel__probe(&c->kernel, "/sys", "/proc");
	if (kernel__skips_matter(&c->kernel) || c->ledger.meta.flags & TWS_META_LEGACY)
		c->ledger.recursion += c->ledger.state_recursion;
	find_way_to_sockets(c);
	open_calls(c);
	c->why_not = kernel__why_not(&c->kernel);
	if (c->why_not)
		return;
	load_programs(c);
	if (!c->why_not)
		find_losses(c);
}

/* ---- words for it ---- */

static const char *const state_words[] = {
	[FEATURE_UNPROBED] = "unknown",
	[FEATURE_MISSING] = "no",
	[FEATURE_PRESENT] = "yes",
};

static const char *const cgroup_words[] = {
	[CGROUP_NONE] = "none",
	[CGROUP_V1] = "v1",
	[CGROUP_V2] = "v2",
	[CGROUP_HYBRID] = "hybrid",
};

static bool is_atomic(const struct check *c)
{
	return c->kernel.atomics.state == FEATURE_PRESENT;
}

static bool follows_sockets(const struct check *c)
{
	return c->kernel.rx_sk.state == FEATURE_PRESENT;
}

/* Whose sockets a look into the kernel's own table finds. */
static const char *healing_of(const struct check *c)
{
	if (!reads_sockets(c))
		return "none";
	if (!kernel__has_cap(&c->kernel, CAP_SYS_ADMIN))
		return "own";
	return kernel__has_cap(&c->kernel, CAP_SYS_PTRACE) ? "all" : "named";
}

static const char *healing_words(const struct check *c)
{
	const char *reach = healing_of(c);

	if (!strcmp(reach, "none"))
		return "not found again\n";
	if (!strcmp(reach, "own"))
		return "found again in one's own network namespace\n";
	return !strcmp(reach, "all") ? "found again in all network namespaces\n" :
				       "found again in network namespaces with a name\n";
}

static const char *socket_words(const struct check *c)
{
	if (!reads_sockets(c))
		return "not listed\n";
	return strcmp(c->sockets, "iterator") ? "listed by sock_diag\n" :
						"listed by a BPF iterator\n";
}

/* What stands beside it: why it is not known, or no more than likely; NULL: nothing. */
static const char *lockdown_note(const struct kernel *k)
{
	if (k->lockdown_asked)
		return "asked for at boot; securityfs, which would tell, is not mounted";
	if (k->lockdown[0])
		return NULL;
	return k->securityfs ? "this kernel has none" :
			       "securityfs is not mounted: run as root, or mount -t securityfs "
			       "securityfs /sys/kernel/security";
}

static const char *lockdown_word(const struct kernel *k)
{
	return k->lockdown[0] ? k->lockdown : k->securityfs ? "none" : "unknown";
}

/* The ledger's state: in JSON, as text, and what there is to be said of it. */
struct ledger_row {
	const char *key, *title, *note;
};

static const struct ledger_row ledger_rows[] = {
	[PINS_NONE] = { "none", "no",
			"'twsnoop attach' lets the kernel keep owners from then on" },
	[PINS_ATTACHED] = { "attached", "yes", NULL },
	[PINS_OTHER] = { "other_layout", "other",
			 "its layout is of another version: 'twsnoop detach', then 'twsnoop "
			 "attach'" },
	[PINS_PARTIAL] = { "interrupted", "half",
			   "an attach or detach was interrupted: 'twsnoop detach' cleans up" },
	[PINS_BUSY] = { "busy", "not yet", "'twsnoop attach' is at work" },
	[PINS_FOREIGN] = { "untrusted", "unknown",
			   "what is there is not root's alone: look at it, and remove it" },
};

static const struct ledger_row *ledger_row_of(const struct check *c)
{
	static const struct ledger_row usual = {
		"no_bpffs", "no", "no bpffs is mounted at " PINS_BPFFS ": 'twsnoop attach' mounts it"
	};
	static const struct ledger_row no_bpffs = {
		"no_bpffs", "no", "no bpffs is mounted there: mount -t bpf bpf DIR"
	};
	static const struct ledger_row denied = {
		"unknown", "unknown", "root alone may look: run as root"
	};
	static const struct ledger_row failed = { "unknown", "unknown", "it cannot be read" };

	switch (c->ledger_error) {
	case 0:
		return &ledger_rows[c->ledger.state];
	case -ENODEV:
		return strcmp(c->bpffs, PINS_BPFFS) ? &no_bpffs : &usual;
	case -EPERM:
	case -EACCES:
		return &denied;
	default:
		return &failed;
	}
}

/* How far the records reach back, 0: to the beginning. */
static uint64_t ledger_reach_ns(const struct pins_status *ledger)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	return ledger->oldest_ns && ledger->oldest_ns < now_ns ? now_ns - ledger->oldest_ns : 0;
}

/* CAP_SYS_ADMIN includes the two that trace needs. */
static bool holds(const struct kernel *k, const struct cap_row *row)
{
	return kernel__has_cap(k, row->cap) ||
	       (row->required && kernel__has_cap(k, CAP_SYS_ADMIN));
}

/* ---- as text ---- */

static void put(struct outbuf *ob, const char *s)
{
	outbuf__bytes(ob, s, strlen(s));
}

static void put_escaped(struct outbuf *ob, const char *s)
{
	escape__text(ob, s, strlen(s));
}

static void put_padded(struct outbuf *ob, const char *s, size_t columns)
{
	size_t len = strlen(s);

	put(ob, s);
	outbuf__fill(ob, ' ', len < columns ? columns - len : 1);
}

static void begin_row(struct outbuf *ob, const char *title)
{
	outbuf__lit(ob, "  ");
	put_padded(ob, title, TITLE_COLUMNS);
}

/* All but the end of the line; @note may be NULL. */
static void put_row(struct outbuf *ob, const char *title, const char *value, const char *note)
{
	begin_row(ob, title);
	if (!note) {
		put(ob, value);
		return;
	}
	put_padded(ob, value, VALUE_COLUMNS);
	put(ob, note);
}

static void put_feature(struct outbuf *ob, const char *title, const struct feature *f,
			const char *purpose)
{
	put_row(ob, title, state_words[f->state], purpose);
	if (f->state == FEATURE_UNPROBED && f->error) {
		outbuf__lit(ob, " (not probed: ");
		put(ob, strerror(f->error));
		outbuf__char(ob, ')');
	}
	outbuf__char(ob, '\n');
}

static void put_memory(struct outbuf *ob, const struct kernel *k)
{
	bool limited = k->memcg.state == FEATURE_MISSING;

	begin_row(ob, "memory limit");
	if (limited && k->memlock_bytes != UINT64_MAX) {
		outbuf__u64(ob, k->memlock_bytes >> 10);
		outbuf__lit(ob, " KiB of locked memory (ulimit -l)\n");
		return;
	}
	put(ob, k->memcg.state == FEATURE_PRESENT ? "the cgroup's" :
		limited				  ? "none" :
						    "unknown");
	outbuf__char(ob, '\n');
}

static void put_cgroups(struct outbuf *ob, const struct kernel *k)
{
	const char *path = k->v1_controller[0] ? k->v1_path : k->cgroup2_path;

	put_row(ob, "cgroups", cgroup_words[k->cgroup], path[0] ? "containers told apart by " : NULL);
	if (path[0]) {
		put(ob, k->v1_controller[0] ? k->v1_controller : "v2");
		outbuf__lit(ob, ", ");
		put_escaped(ob, path);
	}
	outbuf__char(ob, '\n');
}

static void put_kernel(struct outbuf *ob, const struct check *c)
{
	const struct kernel *k = &c->kernel;

	outbuf__lit(ob, "twsnoop " TWSNOOP_VERSION " on Linux ");
	put_escaped(ob, k->release);
	outbuf__lit(ob, "\n\nKernel\n");
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		put_feature(ob, features[i].title, feature_of(c, &features[i]),
			    features[i].purpose);
	put_feature(ob, "socket iterator", &c->iterator, "in the place of sock_diag");
	put_row(ob, "sockets", socket_words(c), NULL);
	put_feature(ob, "system calls", &c->calls, "connect() and bind() that fail, with --all");
	put_feature(ob, "programs load", &c->programs, "the real ones, attached to nothing");
	put_memory(ob, k);
	put_row(ob, "BPF statistics",
		k->bpf_stats < 0 ? "unknown" :
		k->bpf_stats	 ? "on" :
				   "off",
		"kernel.bpf_stats_enabled: time for each run\n");
	put_row(ob, "lockdown", lockdown_word(k), lockdown_note(k));
	outbuf__char(ob, '\n');
	put_cgroups(ob, k);
}

static void put_privileges(struct outbuf *ob, const struct check *c)
{
	outbuf__lit(ob, "\nPrivileges\n");
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
		put_row(ob, caps[i].name, holds(&c->kernel, &caps[i]) ? "yes" : "no",
			caps[i].purpose);
		put(ob, caps[i].required ? " (required)\n" : "\n");
	}
}

static void put_tracing(struct outbuf *ob, const struct check *c)
{
	outbuf__lit(ob, "\nTracing\n");
	if (c->why_not) {
		put_row(ob, "possible", "no", c->why_not);
		outbuf__char(ob, '\n');
		return;
	}
	put_row(ob, "possible", "yes\n", NULL);
	put_row(ob, "hooks", "tp_btf on sock:inet_sock_set_state and skb:kfree_skb\n", NULL);
	put_row(ob, "connections",
		is_atomic(c) ? "atomic table\n" : "hash map (kernel before 5.12)\n", NULL);
	put_row(ob, "FIN_WAIT2",
		follows_sockets(c) ? "followed by socket\n" :
				     "followed by segment (kernel before 6.11)\n",
		NULL);
	put_row(ob, "missed events", healing_words(c), NULL);
	for (size_t i = 0; i < c->num_losses; i++) {
		put(ob, i ? "\n  - " : "\nWhat is lost\n  - ");
		put(ob, c->losses[i].what);
		outbuf__lit(ob, "\n    because: ");
		put(ob, c->losses[i].because);
		outbuf__lit(ob, "\n    remedy:  ");
		put(ob, c->losses[i].remedy);
	}
	put(ob, c->num_losses ? "\n" : "\nNothing is lost.\n");
}

/* "  title   1234    note" */
static void put_number(struct outbuf *ob, const char *title, uint64_t number, const char *note)
{
	char digits[FMT_U64_MAX + 1];

	digits[fmt__u64(digits, number)] = '\0';
	put_row(ob, title, digits, note);
	outbuf__char(ob, '\n');
}

static void put_attached(struct outbuf *ob, const struct pins_status *ledger)
{
	uint64_t reach_ns = ledger_reach_ns(ledger);
	char since[PINS_SINCE_BYTES], reach[FMT_SHORT_MAX + 1];

	outbuf__lit(ob, "since ");
	put(ob, pins__since(&ledger->meta, since));
	outbuf__lit(ob, ", by twsnoop ");
	put_escaped(ob, ledger->meta.version);
	outbuf__char(ob, '\n');
	put_number(ob, "owners kept", ledger->meta.entries, "of the last closes");
	if (!(ledger->meta.flags & TWS_META_LEGACY))
		put_number(ob, "written so far", ledger->written, "closes");
	if (reach_ns) {
		reach[fmt__lifetime(reach, reach_ns)] = '\0';
		put_row(ob, "reaches back", reach,
			reach_ns < MINUTE_NS ?
				"less than TIME_WAIT's minute: attach with a larger --size\n" :
				"older ones were written over\n");
	}
	put_number(ob, "lost", ledger->counters.young_lost,
		   ledger->counters.young_lost ?
			   "written over within a minute: attach with a larger --size" :
			   "written over within a minute");
	put_number(ob, "table full", ledger->counters.table_full,
		   ledger->counters.table_full ?
			   "connections: attach with a larger --max-connections" :
			   "connections");
	put_number(ob, "skipped", ledger->recursion + ledger->counters.walk_failed,
		   "calls of a program, an upper bound of what was missed");
	put_number(ob, "memory", ledger->memory_bytes >> 10, "KiB of the kernel's");
}

static void put_ledger(struct outbuf *ob, const struct check *c)
{
	const struct ledger_row *row = ledger_row_of(c);

	outbuf__lit(ob, "\nLedger\n");
	put_row(ob, "attached", row->title, row->note ?: "");
	if (row == &ledger_rows[PINS_ATTACHED])
		put_attached(ob, &c->ledger);
	else
		outbuf__char(ob, '\n');
}

/* ---- as JSON ---- */

/* The comma before all but the first of an object or array. */
static void json_next(struct outbuf *ob)
{
	char last = ob->len ? ob->data[ob->len - 1] : '{';

	if (last != '{' && last != '[')
		outbuf__char(ob, ',');
}

static void json_key(struct outbuf *ob, const char *key)
{
	json_next(ob);
	escape__json(ob, key, strlen(key));
	outbuf__char(ob, ':');
}

/* Absent where it is unknown. */
static void json_string(struct outbuf *ob, const char *key, const char *value)
{
	if (!value || !value[0])
		return;
	json_key(ob, key);
	escape__json(ob, value, strlen(value));
}

static void json_bool(struct outbuf *ob, const char *key, bool value)
{
	json_key(ob, key);
	put(ob, value ? "true" : "false");
}

static void json_u64(struct outbuf *ob, const char *key, uint64_t value)
{
	json_key(ob, key);
	outbuf__u64(ob, value);
}

static void json_feature(struct outbuf *ob, const char *key, const struct feature *f)
{
	static const char *const words[] = { "unprobed", "missing", "present" };

	json_key(ob, key);
	outbuf__char(ob, '{');
	json_string(ob, "state", words[f->state]);
	if (f->state == FEATURE_UNPROBED && f->error) {
		json_u64(ob, "errno", f->error);
		json_string(ob, "error", strerror(f->error));
	}
	outbuf__char(ob, '}');
}

static void json_kernel(struct outbuf *ob, const struct check *c)
{
	const struct kernel *k = &c->kernel;

	json_key(ob, "kernel");
	outbuf__char(ob, '{');
	json_string(ob, "release", k->release);
	json_string(ob, "sockets", c->sockets);
	json_string(ob, "lockdown", lockdown_word(k));
	json_string(ob, "lockdown_note", lockdown_note(k));
	if (k->bpf_stats >= 0)
		json_bool(ob, "bpf_stats_enabled", k->bpf_stats);
	if (k->memcg.state == FEATURE_MISSING && k->memlock_bytes != UINT64_MAX)
		json_u64(ob, "memlock_bytes", k->memlock_bytes);
	json_key(ob, "features");
	outbuf__char(ob, '{');
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		json_feature(ob, features[i].key, feature_of(c, &features[i]));
	json_feature(ob, "memory_by_cgroup", &k->memcg);
	json_feature(ob, "socket_iterator", &c->iterator);
	json_feature(ob, "syscall_tracepoints", &c->calls);
	json_feature(ob, "programs", &c->programs);
	outbuf__lit(ob, "}}");
}

static void json_cgroups(struct outbuf *ob, const struct kernel *k)
{
	json_key(ob, "cgroup");
	outbuf__char(ob, '{');
	json_string(ob, "mode", cgroup_words[k->cgroup]);
	json_string(ob, "v2_path", k->cgroup2_path);
	json_string(ob, "v1_controller", k->v1_controller);
	json_string(ob, "v1_path", k->v1_path);
	if (k->v1_subsys >= 0)
		json_u64(ob, "v1_subsys", k->v1_subsys);
	outbuf__char(ob, '}');
}

static void json_capabilities(struct outbuf *ob, const struct kernel *k)
{
	json_key(ob, "capabilities");
	outbuf__char(ob, '[');
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
		json_next(ob);
		outbuf__char(ob, '{');
		json_string(ob, "name", caps[i].name);
		json_bool(ob, "held", holds(k, &caps[i]));
		json_bool(ob, "required", caps[i].required);
		json_string(ob, "purpose", caps[i].purpose);
		outbuf__char(ob, '}');
	}
	outbuf__char(ob, ']');
}

static void json_tracing(struct outbuf *ob, const struct check *c)
{
	json_key(ob, "tracing");
	outbuf__char(ob, '{');
	json_bool(ob, "possible", !c->why_not);
	json_string(ob, "why_not", c->why_not);
	if (!c->why_not) {
		json_string(ob, "hooks", "tp_btf");
		json_string(ob, "connections", is_atomic(c) ? "atomic_table" : "hash_map");
		json_string(ob, "fin_wait2", follows_sockets(c) ? "socket" : "segment");
		json_string(ob, "missed_events", healing_of(c));
	}
	json_key(ob, "losses");
	outbuf__char(ob, '[');
	for (size_t i = 0; i < c->num_losses; i++) {
		json_next(ob);
		outbuf__char(ob, '{');
		json_string(ob, "what", c->losses[i].what);
		json_string(ob, "because", c->losses[i].because);
		json_string(ob, "remedy", c->losses[i].remedy);
		outbuf__char(ob, '}');
	}
	outbuf__lit(ob, "]}");
}

static void json_time(struct outbuf *ob, const char *key, uint64_t wall_ns)
{
	char text[FMT_SECOND_LEN + 2];
	size_t len = fmt__second(text, wall_ns / 1000000000);

	text[len] = 'Z';
	text[len + 1] = '\0';
	json_string(ob, key, text);
}

static void json_attached(struct outbuf *ob, const struct pins_status *ledger)
{
	uint64_t reach_ns = ledger_reach_ns(ledger);

	json_u64(ob, "entries", ledger->meta.entries);
	if (!(ledger->meta.flags & TWS_META_LEGACY))
		json_u64(ob, "written", ledger->written);
	if (reach_ns)
		json_u64(ob, "reach_ns", reach_ns);
	json_u64(ob, "lost", ledger->counters.young_lost);
	json_u64(ob, "map_full", ledger->counters.table_full);
	json_u64(ob, "recursion", ledger->recursion + ledger->counters.walk_failed);
	json_u64(ob, "memory_bytes", ledger->memory_bytes);
}

static void json_ledger(struct outbuf *ob, const struct check *c)
{
	const struct ledger_row *row = ledger_row_of(c);

	json_key(ob, "ledger");
	outbuf__char(ob, '{');
	json_string(ob, "state", row->key);
	json_string(ob, "note", row->note);
	json_string(ob, "bpffs", c->bpffs);
	if (row == &ledger_rows[PINS_ATTACHED] || row == &ledger_rows[PINS_OTHER]) {
		json_time(ob, "since", c->ledger.meta.wall_ns);
		json_string(ob, "version", c->ledger.meta.version);
	}
	if (row == &ledger_rows[PINS_ATTACHED])
		json_attached(ob, &c->ledger);
	outbuf__char(ob, '}');
}

static void put_json(struct outbuf *ob, const struct check *c)
{
	outbuf__char(ob, '{');
	json_string(ob, "version", TWSNOOP_VERSION);
	json_kernel(ob, c);
	json_cgroups(ob, &c->kernel);
	json_capabilities(ob, &c->kernel);
	json_tracing(ob, c);
	json_ledger(ob, c);
	outbuf__lit(ob, "}\n");
}

/* ---- the command ---- */

static int print(const struct check *c, enum sink_format format)
{
	struct outbuf ob;
	int err = outbuf__init(&ob, 8192);

	if (err)
		return err;
	if (format == SINK_JSON) {
		put_json(&ob, c);
	} else {
		put_kernel(&ob, c);
		put_privileges(&ob, c);
		put_ledger(&ob, c);
		put_tracing(&ob, c);
	}
	err = ob.failed ? -ENOMEM : fdwriter__write_all(STDOUT_FILENO, ob.data, ob.len);
	outbuf__free(&ob);
	return err;
}

int cmd_check(int argc, char **argv)
{
	static struct check c = { .bpffs = PINS_BPFFS };
	struct output_options output = {};
	const struct option_part parts[] = {
		{ NULL, check_table, &c },
		{ "Output", output_option_table, &output },
	};
	const struct command_spec spec = {
		"check", "[OPTION]...",
		"Tell what this kernel and these privileges allow: which way twsnoop will trace,\n"
		"what is lost by that, and what to do about it. Exits 1 if it cannot trace.",
		parts, ARRAY_SIZE(parts),
	};
	int rc = options__parse(&spec, argc, argv, NULL), err;

	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	if (output.format == SINK_CSV)
		return options__exit_status(
			options__complain(&spec, "--output: it has text and json only"));
	find_out(&c);
	err = print(&c, output.format);
	if (said__status(err))
		return 1;
	if (c.why_not)
		fprintf(stderr, "twsnoop: cannot trace: %s\n", c.why_not);
	return c.why_not != NULL;
}

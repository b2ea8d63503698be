// SPDX-License-Identifier: GPL-2.0
/* Needs: user/host/kernel_files.c user/host/kernel_cgroups.c. They read a made-up /proc and
 * /sys. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/kernel.h"

/* ---- a made-up root ---- */

struct root {
	char dir[64];
};

static void path_in(const struct root *r, const char *name, char *path, size_t size)
{
	assert_true(snprintf(path, size, "%s/%s", r->dir, name) < (int)size);
}

/* Also makes the folders on the way. */
static void put(const struct root *r, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	path_in(r, name, path, sizeof(path));
	for (char *at = strchr(path + strlen(r->dir) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_root(void **state)
{
	struct root *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	snprintf(r->dir, sizeof(r->dir), "/tmp/test_kernel.XXXXXX");
	*state = r;
	return mkdtemp(r->dir) ? 0 : -1;
}

static int remove_root(void **state)
{
	static const char *const names[] = {
		"self/mountinfo", "self/cgroup", "self/status", "self/ns/user", "self/ns",
		"self", "1/cgroup", "1", "sys/kernel/bpf_stats_enabled", "sys/kernel", "sys",
		"cmdline", "kernel/security/lockdown", "kernel/security/lsm", "kernel/security",
		"kernel/btf/vmlinux", "kernel/btf", "kernel",
	};
	struct root *r = *state;
	char path[256];
	int err;

	for (size_t i = 0; i < COUNT(names); i++) {
		path_in(r, names[i], path, sizeof(path));
		remove(path);
	}
	err = rmdir(r->dir);
	free(r);
	return err;
}

static void probe(const struct root *r, struct kernel *k, const char *mounts)
{
	memset(k, 0, sizeof(*k));
	put(r, "self/mountinfo", mounts);
	kernel__read_cgroups(k, r->dir);
}

/* ---- cgroups ---- */

#define V2_AT(path) "41 31 0:38 / " path " rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
#define V1(controllers, path) \
	"35 31 0:32 / " path " rw,nosuid - cgroup cgroup rw," controllers "\n"

static void finds_no_cgroups(void **state)
{
	struct kernel k;

	probe(*state, &k, "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n");
	assert_int_equal(k.cgroup, CGROUP_NONE);
	assert_string_equal(k.cgroup2_path, "");
	assert_string_equal(k.v1_controller, "");
	/* Nor where there is nothing to read. */
	memset(&k, 0, sizeof(k));
	kernel__read_cgroups(&k, "/nonexistent");
	assert_int_equal(k.cgroup, CGROUP_NONE);
}

static void finds_v2(void **state)
{
	struct kernel k;

	probe(*state, &k, V2_AT("/sys/fs/cgroup"));
	assert_int_equal(k.cgroup, CGROUP_V2);
	assert_string_equal(k.cgroup2_path, "/sys/fs/cgroup");
	assert_string_equal(k.v1_controller, "");
	assert_string_equal(k.v1_path, "");
}

static void takes_named_hierarchies_for_no_controllers(void **state)
{
	struct kernel k;

	probe(*state, &k, V2_AT("/sys/fs/cgroup") V1("xattr,name=systemd", "/mnt/systemd"));
	assert_int_equal(k.cgroup, CGROUP_V2);
	probe(*state, &k, V1("name=memory", "/mnt/named"));
	assert_int_equal(k.cgroup, CGROUP_NONE);
}

static void finds_v1(void **state)
{
	struct kernel k;

	probe(*state, &k, V1("cpu,cpuacct", "/cg/cpu,cpuacct") V1("pids", "/cg/pids")
		     V1("memory", "/cg/memory") V1("devices", "/cg/devices"));
	assert_int_equal(k.cgroup, CGROUP_V1);
	assert_string_equal(k.cgroup2_path, "");
	assert_string_equal(k.v1_controller, "memory");
	assert_string_equal(k.v1_path, "/cg/memory");
}

static void takes_the_next_best_controller(void **state)
{
	struct kernel k;

	probe(*state, &k, V1("net_cls,net_prio", "/cg/net") V1("cpu,cpuacct", "/cg/cpu")
		     V1("pids", "/cg/pids"));
	assert_string_equal(k.v1_controller, "pids");
	probe(*state, &k, V1("cpuset", "/cg/cpuset") V1("cpu,cpuacct", "/cg/cpu"));
	assert_string_equal(k.v1_controller, "cpu");
	assert_string_equal(k.v1_path, "/cg/cpu");
	/* cpuset is none of them, and nothing that its name begins like */
	probe(*state, &k, V1("cpuset", "/cg/cpuset"));
	assert_int_equal(k.cgroup, CGROUP_V1);
	assert_string_equal(k.v1_controller, "");
}

static void prefers_a_whole_hierarchy(void **state)
{
	static const char part[] =
		"90 31 0:32 /docker/6e97 /part rw - cgroup cgroup rw,memory\n";
	char mounts[512];
	struct kernel k;

	snprintf(mounts, sizeof(mounts), "%s%s", part, V1("memory", "/whole"));
	probe(*state, &k, mounts);
	assert_string_equal(k.v1_path, "/whole");
	snprintf(mounts, sizeof(mounts), "%s%s", V1("memory", "/whole"), part);
	probe(*state, &k, mounts);
	assert_string_equal(k.v1_path, "/whole");
	probe(*state, &k, part);
	assert_string_equal(k.v1_path, "/part");
}

#define HYBRID V1("memory", "/cg/memory") V2_AT("/cg/unified")

static void uses_v1_where_the_v2_tree_is_empty(void **state)
{
	struct kernel k;

	put(*state, "1/cgroup", "4:memory:/init\n0::/\n");
	put(*state, "self/cgroup", "4:memory:/user\n0::/\n");
	probe(*state, &k, HYBRID);
	assert_int_equal(k.cgroup, CGROUP_HYBRID);
	assert_string_equal(k.cgroup2_path, "/cg/unified");
	assert_string_equal(k.v1_controller, "memory");
	assert_string_equal(k.v1_path, "/cg/memory");
}

static void uses_v2_where_processes_are_in_it(void **state)
{
	struct kernel k;

	put(*state, "1/cgroup", "4:memory:/\n0::/init.scope\n");
	put(*state, "self/cgroup", "0::/\n");
	probe(*state, &k, HYBRID);
	assert_int_equal(k.cgroup, CGROUP_HYBRID);
	assert_string_equal(k.v1_controller, "");
	assert_string_equal(k.v1_path, "");
	/* as where hidepid= hides the first process */
	put(*state, "1/cgroup", "");
	put(*state, "self/cgroup", "0::/user.slice\n");
	probe(*state, &k, HYBRID);
	assert_string_equal(k.v1_controller, "");
}

static void undoes_the_escapes_of_mountinfo(void **state)
{
	struct kernel k;

	probe(*state, &k, V2_AT("/a\\040b\\011c\\134d\\012e\\9"));
	assert_string_equal(k.cgroup2_path, "/a b\tc\\d\ne\\9");
}

static void leaves_broken_lines_out(void **state)
{
	struct kernel k;

	probe(*state, &k, "\n - \n - cgroup2 cgroup2 rw\n41 31 0:38 / - cgroup2 cgroup2 rw\n"
			  "41 31 0:38 / /p rw - cgroup2\n41 31 0:38 / /p rw - cgroup2 cgroup2\n"
			  "41 31 0:38 / /p rw cgroup2 cgroup2 rw\n");
	assert_int_equal(k.cgroup, CGROUP_NONE);
	assert_string_equal(k.cgroup2_path, "");
}

static void cuts_long_paths(void **state)
{
	char mounts[2048], path[1024];
	struct kernel k;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	snprintf(mounts, sizeof(mounts), "41 31 0:38 / %s rw - cgroup2 cgroup2 rw\n", path);
	probe(*state, &k, mounts);
	assert_int_equal(k.cgroup, CGROUP_V2);
	assert_int_equal(strlen(k.cgroup2_path), sizeof(k.cgroup2_path) - 1);
}

/* ---- the rest of the files ---- */

static void reads_lockdown(void **state)
{
	const struct root *r = *state;
	struct kernel k;

	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_string_equal(k.lockdown, "");
	assert_false(k.securityfs);
	put(r, "kernel/security/lsm", "capability");
	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_string_equal(k.lockdown, "");
	assert_true(k.securityfs);
	put(r, "kernel/security/lockdown", "none [integrity] confidentiality\n");
	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_string_equal(k.lockdown, "integrity");
	put(r, "kernel/security/lockdown", "no brackets\n");
	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_string_equal(k.lockdown, "");
}

/* The last of the kernel's own parameters holds. */
static void reads_asked_lockdown(void **state)
{
	static const struct {
		const char *line, *level;
	} cases[] = {
		{ "quiet lockdown=integrity\n", "integrity" },
		{ "lockdown=integrity a lockdown=confidentiality b\n", "confidentiality" },
		{ "lockdown=none xlockdown=integrity lockdown= quiet\n", "" },
		{ "quiet -- lockdown=integrity\n", "" },
		{ "", "" },
	};
	const struct root *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kernel k = {};

		put(r, "cmdline", cases[i].line);
		kernel__read_asked_lockdown(&k, r->dir);
		assert_string_equal(k.lockdown, cases[i].level);
		assert_int_equal(k.lockdown_asked, cases[i].level[0] != '\0');
	}
}

static void reads_capabilities(void **state)
{
	const struct root *r = *state;
	char path[256];
	struct kernel k;

	put(r, "self/status", "Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t0000008000000000\n");
	put(r, "self/ns/placeholder", "");
	path_in(r, "self/ns/placeholder", path, sizeof(path));
	remove(path);
	path_in(r, "self/ns/user", path, sizeof(path));
	assert_int_equal(symlink("user:[4026531837]", path), 0);
	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_true(kernel__has_cap(&k, CAP_BPF));
	assert_false(kernel__has_cap(&k, CAP_SYS_ADMIN));
	assert_false(k.user_ns);
	assert_int_equal(remove(path), 0);
	assert_int_equal(symlink("user:[4026532000]", path), 0);
	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_true(k.user_ns);
}

static void reads_bpf_stats(void **state)
{
	const struct root *r = *state;
	struct kernel k;

	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_int_equal(k.bpf_stats, -1);
	put(r, "sys/kernel/bpf_stats_enabled", "1\n");
	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_int_equal(k.bpf_stats, 1);
	put(r, "sys/kernel/bpf_stats_enabled", "0\n");
	memset(&k, 0, sizeof(k));
	kernel__read_files(&k, r->dir, r->dir);
	assert_int_equal(k.bpf_stats, 0);
}

/* ---- why not ---- */

static void fill_with_all(struct kernel *k)
{
	const struct feature present = { FEATURE_PRESENT, 0 };

	memset(k, 0, sizeof(*k));
	k->btf = k->ringbuf = k->tp_btf = k->kfree_skb = present;
	k->capabilities = 1ULL << CAP_BPF | 1ULL << CAP_PERFMON;
}

static void assert_says(const struct kernel *k, const char *word)
{
	const char *why = kernel__why_not(k);

	assert_non_null(why);
	assert_non_null(strstr(why, word));
	assert_null(strchr(why, '\n'));
}

static void names_what_is_missing(void **state)
{
	const struct feature missing = { FEATURE_MISSING, 0 };
	const struct feature unprobed = { FEATURE_UNPROBED, EPERM };
	struct kernel k;

	(void)state;
	fill_with_all(&k);
	assert_null(kernel__why_not(&k));
	k.capabilities = 1ULL << CAP_SYS_ADMIN;
	assert_null(kernel__why_not(&k));
	k.capabilities = 1ULL << CAP_BPF;
	assert_says(&k, "missing CAP_PERFMON: ");
	k.capabilities = 1ULL << CAP_PERFMON;
	assert_says(&k, "missing CAP_BPF: ");
	fill_with_all(&k);
	k.user_ns = true;
	assert_says(&k, "user namespace");
	k.no_proc = true; /* which is why the rest is not known */
	k.capabilities = 0;
	assert_says(&k, "/proc is not there");
	fill_with_all(&k);
	k.btf = missing;
	assert_says(&k, "CONFIG_DEBUG_INFO_BTF");
	k.btf = unprobed;
	assert_says(&k, "cannot be read");
	fill_with_all(&k);
	k.ringbuf = missing;
	assert_says(&k, "5.8");
	fill_with_all(&k);
	k.tp_btf = missing;
	assert_says(&k, "tp_btf");
	fill_with_all(&k);
	k.realtime.state = FEATURE_PRESENT;
	k.atomics.state = FEATURE_PRESENT;
	assert_null(kernel__why_not(&k));
	k.atomics = missing;
	assert_says(&k, "real-time");
	k.realtime = missing;
	assert_null(kernel__why_not(&k));
	fill_with_all(&k);
	k.kfree_skb = unprobed;
	assert_says(&k, "refuses");
}

/* Of the two programs on the state's tracepoint. */
static void knows_where_the_second_one_may_act(void **state)
{
	static const struct {
		enum feature_state preempts, realtime;
		bool has_spare;
	} cases[] = {
		{ FEATURE_MISSING, FEATURE_MISSING, true },
		{ FEATURE_MISSING, FEATURE_PRESENT, true },
		{ FEATURE_MISSING, FEATURE_UNPROBED, true },
		{ FEATURE_PRESENT, FEATURE_MISSING, true },
		{ FEATURE_PRESENT, FEATURE_PRESENT, false },
		{ FEATURE_PRESENT, FEATURE_UNPROBED, false },
		{ FEATURE_UNPROBED, FEATURE_PRESENT, false },
	};
	struct kernel k;

	(void)state;
	fill_with_all(&k);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		k.preempts.state = cases[i].preempts;
		k.realtime.state = cases[i].realtime;
		assert_int_equal(kernel__has_spare(&k), cases[i].has_spare);
	}
}

static void names_why_programs_do_not_load(void **state)
{
	struct kernel k;

	(void)state;
	fill_with_all(&k);
	k.memlock_bytes = 65536;
	k.memcg.state = FEATURE_PRESENT;
	assert_null(strstr(kernel__why_not_loaded(&k, EPERM), "RLIMIT_MEMLOCK"));
	k.memcg.state = FEATURE_MISSING;
	assert_non_null(strstr(kernel__why_not_loaded(&k, EPERM), "RLIMIT_MEMLOCK"));
	assert_non_null(strstr(kernel__why_not_loaded(&k, ENOMEM), "--max-connections"));
	assert_non_null(strstr(kernel__why_not_loaded(&k, EMFILE), "ulimit -n"));
	assert_non_null(strstr(kernel__why_not_loaded(&k, EINVAL), "refuses"));
	snprintf(k.lockdown, sizeof(k.lockdown), "confidentiality");
	assert_non_null(strstr(kernel__why_not_loaded(&k, EINVAL), "lockdown=integrity"));
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
	const struct CMUnitTest tests[] = {
		IN_ROOT(finds_no_cgroups),
		IN_ROOT(finds_v2),
		IN_ROOT(takes_named_hierarchies_for_no_controllers),
		IN_ROOT(finds_v1),
		IN_ROOT(takes_the_next_best_controller),
		IN_ROOT(prefers_a_whole_hierarchy),
		IN_ROOT(uses_v1_where_the_v2_tree_is_empty),
		IN_ROOT(uses_v2_where_processes_are_in_it),
		IN_ROOT(undoes_the_escapes_of_mountinfo),
		IN_ROOT(leaves_broken_lines_out),
		IN_ROOT(cuts_long_paths),
		IN_ROOT(reads_lockdown),
		IN_ROOT(reads_asked_lockdown),
		IN_ROOT(reads_capabilities),
		IN_ROOT(reads_bpf_stats),
		cmocka_unit_test(names_what_is_missing),
		cmocka_unit_test(knows_where_the_second_one_may_act),
		cmocka_unit_test(names_why_programs_do_not_load),
	};

	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}

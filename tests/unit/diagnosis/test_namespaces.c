// SPDX-License-Identifier: GPL-2.0
/* Network namespaces as evidence: of a listing that is made up, and this process's own one. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diagnosis/namespaces.h"
#include "sockets/sockdiag.h"

#define OTHER 2 /* no namespace has such a number */

static bool may_mount; /* for itself alone */
static uint32_t own;
static struct evidence e;
static struct listing_netns netns[2];
static struct listing_row rows[16];
static struct listing listing;
static char dir[PATH_MAX]; /* an empty /proc, and a folder of names */
static const char *const no_dirs[] = { NULL };
static const char *const dirs[] = { dir, NULL };
static const struct netns_places nowhere = { dir, no_dirs };

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/twsnoop-namespaces-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || netns__inode(-1, &own))
		return -1;
	netns[0] = (struct listing_netns){ .inode = OTHER, .name = (char *)"other" };
	netns[1] = (struct listing_netns){ .inode = own };
	memset(rows, 0, sizeof(rows));
	listing = (struct listing){ .netns = netns, .num_netns = 2, .rows = rows };
	return evidence__init(&e);
}

static int teardown(void **state)
{
	(void)state;
	evidence__free(&e);
	return rmdir(dir);
}

static void add_row(uint32_t inode, uint8_t state, bool mini)
{
	rows[listing.num++] = (struct listing_row){ .key.netns = inode, .state = state,
						    .mini = mini };
}

static void test_limits(void **state)
{
	(void)state;
	netns[0].limits = (struct netlimits){ .max_tw_buckets = 9, .tw_reuse = -1, .timestamps = 1,
					      .first_port = 1000, .last_port = 1099,
					      .usable_ports = 98 };
	assert_int_equal(namespaces__add(&e, &listing, &nowhere), 0);
	assert_int_equal(e.num_netns, 2);
	assert_int_equal(e.netns[0].netns, OTHER);
	assert_string_equal(e.netns[0].name, "other");
	assert_int_equal(e.netns[0].limits.max_tw_buckets, 9);
	assert_int_equal(e.netns[0].limits.tw_reuse, -1);
	assert_int_equal(e.netns[0].limits.timestamps, 1);
	assert_int_equal(e.netns[0].limits.first_port, 1000);
	assert_int_equal(e.netns[0].limits.last_port, 1099);
	assert_int_equal(e.netns[0].limits.usable_ports, 98);
	assert_int_equal(e.netns[1].netns, own);
	assert_string_equal(e.netns[1].name, "");
	/* Nobody could look for them. */
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(e.netns[i].enter, "");
		assert_false(e.netns[i].is_own);
		assert_int_equal(e.netns[i].conntrack_max, 0);
	}
}

static void test_states(void **state)
{
	(void)state;
	add_row(OTHER, SOCKDIAG_ESTABLISHED, false);
	add_row(own, SOCKDIAG_ESTABLISHED, false);
	add_row(own, SOCKDIAG_CLOSE_WAIT, false);
	add_row(3, SOCKDIAG_CLOSE_WAIT, false); /* of none that was read */
	add_row(own, SOCKDIAG_TIME_WAIT, true);
	add_row(own, SOCKDIAG_FIN_WAIT2, true);
	add_row(own, SOCKDIAG_FIN_WAIT2, false); /* it has its process still */
	add_row(own, SOCKDIAG_LISTEN, false);
	add_row(OTHER, SOCKDIAG_TIME_WAIT, true);
	assert_int_equal(namespaces__add(&e, &listing, &nowhere), 0);
	assert_int_equal(e.netns[0].established, 1);
	assert_int_equal(e.netns[0].close_wait, 0);
	assert_int_equal(e.netns[0].time_wait, 1);
	assert_int_equal(e.netns[0].fin_wait2_minis, 0);
	assert_int_equal(e.netns[1].established, 1);
	assert_int_equal(e.netns[1].close_wait, 1);
	assert_int_equal(e.netns[1].time_wait, 1);
	assert_int_equal(e.netns[1].fin_wait2_minis, 1);
}

/* By a process that is in it, of which /proc tells. */
static void test_own(void **state)
{
	static const struct netns_places places = { "/proc", no_dirs };
	unsigned int pid = 0;

	(void)state;
	assert_int_equal(namespaces__add(&e, &listing, &places), 0);
	assert_true(e.netns[1].is_own);
	assert_int_equal(sscanf(e.netns[1].enter, "nsenter -t %u -n ", &pid), 1);
	assert_true(pid > 0);
	assert_false(e.netns[0].is_own);
	assert_string_equal(e.netns[0].enter, "");
}

/* Gives this process's namespace the file @name; skips where that is not allowed. */
static void name_own(char path[PATH_MAX], const char *name)
{
	int fd;

	if (!may_mount)
		skip();
	snprintf(path, PATH_MAX, "%.200s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL), 0);
}

static void check_named(const char *name, bool is_told)
{
	static const struct netns_places places = { dir, dirs };
	char path[PATH_MAX], enter[PATH_MAX + 32];

	name_own(path, name);
	assert_int_equal(namespaces__add(&e, &listing, &places), 0);
	umount2(path, MNT_DETACH);
	unlink(path);
	assert_true(e.netns[1].is_own);
	snprintf(enter, sizeof(enter), "nsenter --net=%s ", path);
	assert_string_equal(e.netns[1].enter, is_told ? enter : "");
}

static void test_named(void **state)
{
	(void)state;
	check_named("blue_1.x-y", true);
}

/* Nobody is told to paste what a shell would run. */
static void test_hostile_name(void **state)
{
	(void)state;
	check_named("a;reboot", false);
}

static void test_keep_theirs(void **state)
{
	struct evidence_leak leak = { .netns = own };
	struct evidence_flow flow = { .key.netns = OTHER }, *flows = &flow;

	(void)state;
	assert_int_equal(namespaces__add(&e, &listing, &nowhere), 0);
	e.leaks = &leak;
	e.num_leaks = 1;
	e.flows = &flows;
	e.num_flows = 1;
	namespaces__keep_theirs(&e);
	assert_int_equal(e.num_netns, 2);
	e.num_flows = 0;
	namespaces__keep_theirs(&e);
	assert_int_equal(e.num_netns, 1);
	assert_int_equal(e.netns[0].netns, own);
	e.num_leaks = 0;
	namespaces__keep_theirs(&e);
	assert_int_equal(e.num_netns, 0);
	e.leaks = NULL;
	e.flows = NULL;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_limits), TEST(test_states), TEST(test_own), TEST(test_named),
		TEST(test_hostile_name), TEST(test_keep_theirs),
	};

	may_mount = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return cmocka_run_group_tests_name("namespaces", tests, NULL, NULL);
}

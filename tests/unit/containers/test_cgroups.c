// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/cgroups.c user/containers/cgroup_path.c. What asks the kernel makes cgroups of
 * its own below the v2 hierarchy's root, if it may, and removes them. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "containers/cgroup_mount.h"
#include "containers/cgroups.h"

#define A "6e9708ee97881c2a5f4b0d33a1e7c9f25b8d0e4471c6fa92d3b5e8f07a194c6b"
#define B "b05c1f6a2d9e83704f5ac6b1e28d97034c1fb6a5d8e90273c4f16ab5e8d90f37"
#define USER "/user.slice/user-1000.slice/user@1000.service"
#define SEC 1000000000ULL

static struct cgroups *new_table(size_t live, size_t removed)
{
	struct cgroups_limits limits = { live, removed, 10 * SEC };
	struct cgroups *cgroups = NULL;

	assert_int_equal(cgroups__new(&cgroups, NULL, &limits), 0);
	assert_non_null(cgroups);
	return cgroups;
}

static void expect(struct cgroups *cgroups, uint64_t id, uint64_t now_ns, const char *path,
		   bool removed)
{
	const struct cgroup *cgroup = cgroups__get(cgroups, id, now_ns);

	assert_non_null(cgroup);
	assert_int_equal(cgroup->id, id);
	assert_string_equal(cgroup->path, path);
	assert_int_equal(cgroup->removed, removed);
}

/* ---- events alone ---- */

static void test_events(void **state)
{
	struct cgroups *cgroups = new_table(8, 8);
	const struct cgroup *cgroup;

	(void)state;
	assert_null(cgroups__get(cgroups, 0, 0));
	assert_null(cgroups__get(cgroups, 7, 0));
	cgroup = cgroups__added(cgroups, 7, "/docker/" A);
	assert_non_null(cgroup);
	assert_string_equal(cgroup->identity.container_id, A);
	expect(cgroups, 7, 0, "/docker/" A, false);
	/* twice is once; another path is a new name */
	assert_ptr_equal(cgroups__added(cgroups, 7, "/docker/" A), cgroup);
	assert_non_null(cgroups__added(cgroups, 8, "/docker/" A "/below"));
	assert_non_null(cgroups__added(cgroups, 9, "/docker/" A "x"));
	assert_non_null(cgroups__added(cgroups, 7, "/docker/" B));
	expect(cgroups, 7, 0, "/docker/" B, false);
	assert_null(cgroups__get(cgroups, 8, 0));
	expect(cgroups, 9, 0, "/docker/" A "x", false);

	cgroups__removed(cgroups, 7, "/docker/" B, 1 * SEC);
	expect(cgroups, 7, 2 * SEC, "/docker/" B, true);
	/* an id never comes again: late news of it is stale */
	assert_non_null(cgroups__added(cgroups, 7, "/other"));
	expect(cgroups, 7, 2 * SEC, "/docker/" B, true);
	cgroups__removed(cgroups, 7, NULL, 5 * SEC);
	expect(cgroups, 7, 11 * SEC, "/docker/" B, true);
	assert_null(cgroups__get(cgroups, 7, 11 * SEC + 1));

	/* one that was never heard of before it went */
	cgroups__removed(cgroups, 20, "/docker/" A, 20 * SEC);
	expect(cgroups, 20, 20 * SEC, "/docker/" A, true);
	cgroups__removed(cgroups, 21, NULL, 20 * SEC);
	assert_null(cgroups__get(cgroups, 21, 20 * SEC));
	/* a clock that another CPU read a little earlier */
	expect(cgroups, 20, 19 * SEC, "/docker/" A, true);
	cgroups__free(cgroups);
	cgroups__free(NULL);
}

static void test_cut_paths(void **state)
{
	struct cgroups *cgroups = new_table(8, 8);
	char path[CGROUPS_EVENT_PATH_MAX + 1];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[CGROUPS_EVENT_PATH_MAX] = '\0';
	assert_null(cgroups__added(cgroups, 5, path));
	assert_null(cgroups__added(cgroups, 5, NULL));
	cgroups__removed(cgroups, 5, path, 0);
	assert_null(cgroups__get(cgroups, 5, 0));
	path[CGROUPS_EVENT_PATH_MAX - 1] = '\0';
	assert_non_null(cgroups__added(cgroups, 5, path));
	cgroups__free(cgroups);
}

/* Paths that make no sense are kept as they are, and lead nowhere. */
static void test_odd_paths(void **state)
{
	struct cgroups *cgroups = new_table(8, 8);
	const struct cgroup *cgroup;

	(void)state;
	cgroup = cgroups__added(cgroups, 5, "/../docker/" A);
	assert_non_null(cgroup);
	assert_string_equal(cgroup->identity.container_id, "");
	assert_int_equal(cgroup->identity.depth, 0);
	cgroup = cgroups__added(cgroups, 6, "");
	assert_non_null(cgroup);
	assert_string_equal(cgroup->path, "");
	cgroups__free(cgroups);
}

static void test_live_bound(void **state)
{
	struct cgroups *cgroups = new_table(100, 10);
	char path[64];
	uint64_t id, known = 0;

	(void)state;
	for (id = 1; id <= 10000; id++) {
		snprintf(path, sizeof(path), "/test/%d", (int)id);
		assert_non_null(cgroups__added(cgroups, id, path));
		/* one that is always in use stays */
		assert_non_null(cgroups__get(cgroups, 1, 0));
	}
	for (id = 1; id <= 10000; id++)
		known += cgroups__get(cgroups, id, 0) != NULL;
	assert_int_equal(known, 100);
	assert_non_null(cgroups__get(cgroups, 1, 0));
	assert_non_null(cgroups__get(cgroups, 10000, 0));
	assert_null(cgroups__get(cgroups, 5000, 0));
	cgroups__free(cgroups);
}

static void test_removed_bound(void **state)
{
	struct cgroups *cgroups = new_table(100, 10);
	char path[64];
	uint64_t id;

	(void)state;
	for (id = 1; id <= 1000; id++) {
		snprintf(path, sizeof(path), "/test/%d", (int)id);
		assert_non_null(cgroups__added(cgroups, id, path));
		cgroups__removed(cgroups, id, path, id);
	}
	assert_null(cgroups__get(cgroups, 990, 1000));
	for (id = 991; id <= 1000; id++)
		assert_non_null(cgroups__get(cgroups, id, 1000));
	cgroups__free(cgroups);
}

static int count_live(void *ctx, const struct cgroup *cgroup)
{
	size_t *count = ctx;

	assert_false(cgroup->removed);
	return ++*count == 3 ? -ECANCELED : 0;
}

static void test_each(void **state)
{
	struct cgroups *cgroups = new_table(100, 10);
	size_t count = 0;

	(void)state;
	cgroups__added(cgroups, 1, "/a");
	cgroups__added(cgroups, 2, "/b");
	cgroups__added(cgroups, 3, "/c");
	cgroups__removed(cgroups, 3, "/c", 0);
	assert_int_equal(cgroups__each(cgroups, count_live, &count), 0);
	assert_int_equal(count, 2);
	cgroups__added(cgroups, 4, "/d");
	cgroups__added(cgroups, 5, "/e");
	count = 0;
	assert_int_equal(cgroups__each(cgroups, count_live, &count), -ECANCELED);
	cgroups__free(cgroups);
}

static void test_limits(void **state)
{
	struct cgroups_limits limits = { 0, 1, 0 };
	struct cgroups *cgroups = NULL;

	(void)state;
	assert_int_equal(cgroups__new(&cgroups, NULL, &limits), -EINVAL);
	limits = (struct cgroups_limits){ 1, 0, 0 };
	assert_int_equal(cgroups__new(&cgroups, NULL, &limits), -EINVAL);
	assert_int_equal(cgroups__new(&cgroups, "/nowhere/at/all", NULL), -ENOENT);
	assert_null(cgroups);
	cgroups = new_table(1, 1);
	assert_int_equal(cgroups__walk(cgroups), -ENODEV);
	cgroups__free(cgroups);
}

/* ---- false claims ---- */

static const char *id_of(struct cgroups *cgroups, uint64_t id)
{
	return cgroups__get(cgroups, id, 0)->identity.container_id;
}

static void test_false_claims(void **state)
{
	struct cgroups *cgroups = new_table(100, 10);
	const struct cgroup_identity *identity;

	(void)state;
	cgroups__added(cgroups, 1, "/system.slice/docker-" A ".scope");
	cgroups__added(cgroups, 2, "/system.slice/docker-" B ".scope");
	/* B's own cgroup that is called like A: B is named */
	cgroups__added(cgroups, 3, "/system.slice/docker-" B ".scope/docker/" A);
	assert_string_equal(id_of(cgroups, 3), B);
	assert_string_equal(cgroups__get(cgroups, 3, 0)->identity.runtime, "docker");
	/* a user's: nobody is */
	cgroups__added(cgroups, 4, USER "/user.slice/libpod-" A ".scope");
	identity = &cgroups__get(cgroups, 4, 0)->identity;
	assert_string_equal(identity->container_id, "");
	assert_string_equal(identity->host_id, "");
	assert_null(identity->runtime);
	/* A's own child is not a claim */
	cgroups__added(cgroups, 5, "/system.slice/docker-" A ".scope/init.scope");
	assert_string_equal(id_of(cgroups, 5), A);
	/* also after A is gone */
	cgroups__removed(cgroups, 1, NULL, 0);
	cgroups__removed(cgroups, 5, NULL, 0);
	cgroups__added(cgroups, 6, USER "/user.slice/libpod-" A ".scope/container");
	assert_string_equal(id_of(cgroups, 6), "");
	/* what a container without an ID says of those within it */
	cgroups__added(cgroups, 7, "/lxc.payload.box/docker/" A);
	assert_string_equal(id_of(cgroups, 7), "");
	cgroups__free(cgroups);

	cgroups = new_table(100, 10);
	cgroups__added(cgroups, 4, USER "/user.slice/libpod-" A ".scope");
	cgroups__added(cgroups, 5, USER "/user.slice/libpod-" A ".scope/container");
	assert_string_equal(id_of(cgroups, 4), A);
	assert_string_equal(id_of(cgroups, 5), A);
	cgroups__free(cgroups);
}

static void test_lxc_siblings(void **state)
{
	struct cgroups *cgroups = new_table(100, 10);

	(void)state;
	cgroups__added(cgroups, 1, "/lxc.payload.web-1");
	assert_string_equal(cgroups__get(cgroups, 1, 0)->identity.container_name, "web-1");
	cgroups__added(cgroups, 2, "/lxc.payload.db");
	cgroups__added(cgroups, 3, "/lxc.payload.db-1");
	assert_string_equal(cgroups__get(cgroups, 3, 0)->identity.container_name, "");
	assert_string_equal(cgroups__get(cgroups, 3, 0)->identity.runtime, "lxc");
	cgroups__free(cgroups);
}

/*
 * Many cgroups, made by somebody who has but one container and wants to be in the
 * way. With a search through all for each, this would take minutes.
 */
#define MANY 10000

static void test_many_claims(void **state)
{
	struct cgroups *cgroups = new_table(2 * MANY + 2, MANY);
	char path[512];
	uint64_t i;

	(void)state;
	cgroups__added(cgroups, 1, "/system.slice/docker-" A ".scope");
	for (i = 0; i < MANY; i++) {
		/* within a container: each claims an ID, the last one another's */
		snprintf(path, sizeof(path), "/system.slice/docker-" B ".scope/docker/%064lx",
			 (unsigned long)i);
		assert_non_null(cgroups__added(cgroups, 10 + 2 * i, path));
		/* a user's LXC containers, which lean on another's path */
		snprintf(path, sizeof(path), USER "/lxc.payload.box-%lu/lxc.payload.x-%lu",
			 (unsigned long)i, (unsigned long)i % 999 + 1);
		assert_non_null(cgroups__added(cgroups, 11 + 2 * i, path));
	}
	cgroups__added(cgroups, 2, "/system.slice/docker-" B ".scope/docker/" A);
	assert_string_equal(id_of(cgroups, 2), B);
	for (i = 0; i < MANY; i++)
		cgroups__removed(cgroups, 10 + 2 * i, NULL, i);
	/* A and B have their claims still */
	cgroups__added(cgroups, 3, USER "/user.slice/libpod-" B ".scope");
	assert_string_equal(id_of(cgroups, 3), "");
	cgroups__removed(cgroups, 1, NULL, MANY);
	cgroups__removed(cgroups, 2, NULL, MANY);
	assert_null(cgroups__get(cgroups, 1, MANY + 11 * SEC));
	/* and lose them when they are forgotten */
	cgroups__added(cgroups, 4, USER "/user.slice/libpod-" A ".scope");
	assert_string_equal(cgroups__get(cgroups, 4, MANY + 11 * SEC)->identity.container_id, A);
	cgroups__free(cgroups);
}

/* Renamed to and fro: cgroup v1 lets who may write there do so. */
static void test_many_renames(void **state)
{
	struct cgroups *cgroups = new_table(2 * MANY, 10);
	char path[128];
	uint64_t i;

	(void)state;
	cgroups__added(cgroups, 1, "/test");
	for (i = 10; i < MANY; i++) {
		snprintf(path, sizeof(path), "/test/%lu", (unsigned long)i);
		assert_non_null(cgroups__added(cgroups, i, path));
	}
	assert_non_null(cgroups__added(cgroups, 2, "/test/10/below"));
	for (i = 0; i < 10 * MANY; i++) {
		snprintf(path, sizeof(path), "/test/x%lu", (unsigned long)i);
		assert_non_null(cgroups__added(cgroups, 11, path));
	}
	expect(cgroups, 11, 0, path, false);
	expect(cgroups, 2, 0, "/test/10/below", false);
	/* what a renamed one had below has another path now */
	assert_non_null(cgroups__added(cgroups, 10, "/test/y"));
	assert_null(cgroups__get(cgroups, 2, 0));
	expect(cgroups, 12, 0, "/test/12", false);
	cgroups__free(cgroups);

	/* also where what is between the two has given way */
	cgroups = new_table(3, 10);
	cgroups__added(cgroups, 1, "/a");
	cgroups__added(cgroups, 2, "/a/b");
	cgroups__added(cgroups, 3, "/a/b/c");
	assert_non_null(cgroups__get(cgroups, 1, 0));
	cgroups__added(cgroups, 4, "/d");
	assert_null(cgroups__get(cgroups, 2, 0));
	assert_non_null(cgroups__added(cgroups, 1, "/e"));
	assert_null(cgroups__get(cgroups, 3, 0));
	cgroups__free(cgroups);
}

/* ---- a walk over plain directories ---- */

static char tree[64];

static void make_dir(const char *name, uint64_t *id)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", tree, name);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(stat(path, &st), 0);
	if (id)
		*id = st.st_ino;
}

static void drop_dir(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", tree, name);
	assert_int_equal(rmdir(path), 0);
}

static int make_tree(void **state)
{
	(void)state;
	snprintf(tree, sizeof(tree), "/tmp/twsnoop-cgroups-XXXXXX");
	return mkdtemp(tree) ? 0 : -1;
}

static int drop_tree(void **state)
{
	(void)state;
	return rmdir(tree);
}

static void test_walk(void **state)
{
	struct cgroups *cgroups = NULL;
	uint64_t docker, container, web, web1;
	char path[128];
	struct stat st;

	(void)state;
	make_dir("/docker", &docker);
	make_dir("/docker/" A, &container);
	/* whichever of the two comes first */
	make_dir("/lxc.payload.web", &web);
	make_dir("/lxc.payload.web-1", &web1);
	snprintf(path, sizeof(path), "%s/docker/cgroup.procs", tree);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);

	assert_int_equal(cgroups__new(&cgroups, tree, NULL), 0);
	assert_int_equal(cgroups__walk(cgroups), 0);
	assert_int_equal(stat(tree, &st), 0);
	expect(cgroups, st.st_ino, 0, "/", false);
	expect(cgroups, docker, 0, "/docker", false);
	expect(cgroups, container, 0, "/docker/" A, false);
	assert_string_equal(cgroups__get(cgroups, container, 0)->identity.container_id, A);
	expect(cgroups, web, 0, "/lxc.payload.web", false);
	assert_string_equal(cgroups__get(cgroups, web, 0)->identity.container_name, "web");
	assert_string_equal(cgroups__get(cgroups, web1, 0)->identity.container_name, "");
	/* an id that nobody has, on a file system without such handles */
	assert_null(cgroups__get(cgroups, UINT64_MAX - 1, 0));
	cgroups__free(cgroups);

	unlink(path);
	drop_dir("/docker/" A);
	drop_dir("/docker");
	drop_dir("/lxc.payload.web");
	drop_dir("/lxc.payload.web-1");
}

static void test_deep_walk(void **state)
{
	struct cgroups *cgroups = NULL;
	char path[256] = "";
	uint64_t id = 0, level64 = 0;
	int i;

	(void)state;
	for (i = 1; i <= 70; i++) {
		memcpy(path + 2 * (i - 1), "/d", 3);
		make_dir(path, &id);
		if (i == 64)
			level64 = id;
	}
	assert_int_equal(cgroups__new(&cgroups, tree, NULL), 0);
	assert_int_equal(cgroups__walk(cgroups), -ELOOP);
	assert_non_null(cgroups__get(cgroups, level64, 0));
	assert_null(cgroups__get(cgroups, id, 0));
	cgroups__free(cgroups);
	for (i = 70; i >= 1; i--) {
		path[2 * i] = '\0';
		drop_dir(path);
	}
}

/* ---- mountinfo ---- */

static int find_in(const char *text, const char *controller, char *path, size_t size)
{
	char file[128];
	int fd, err;

	snprintf(file, sizeof(file), "%s/mountinfo", tree);
	fd = open(file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = cgroup_mount__find(file, controller, path, size);
	unlink(file);
	return err;
}

static void test_find_mount(void **state)
{
	char path[256] = "as before", line[512];

	(void)state;
	assert_int_equal(cgroup_mount__find("/nowhere/mountinfo", NULL, path, sizeof(path)),
			 -ENOENT);
	assert_int_equal(find_in("", NULL, path, sizeof(path)), -ENOENT);
	assert_int_equal(find_in("rubbish\n\n - \n - cgroup2\n1 - cgroup2 x y\n", NULL, path,
				 sizeof(path)),
			 -ENOENT);
	assert_int_equal(find_in("1 - cgroup\n1 2 - cgroup x\n", "memory", path, sizeof(path)),
			 -ENOENT);
	/* a plain directory is not a hierarchy's root */
	snprintf(line, sizeof(line), "31 23 0:27 / %s rw shared:9 - cgroup2 cgroup2 rw\n", tree);
	assert_int_equal(find_in(line, NULL, path, sizeof(path)), -EXDEV);
	assert_int_equal(find_in(line, "memory", path, sizeof(path)), -ENOENT);
	assert_string_equal(path, "as before");
}

/* ---- the kernel's own ---- */

static char mount[256];
static char group[320]; /* "": not made */
static char child[400];

static bool may_ask_kernel(void)
{
	if (geteuid() != 0 ||
	    cgroup_mount__find("/proc/self/mountinfo", NULL, mount, sizeof(mount)))
		return false;
	snprintf(group, sizeof(group), "%s/twsnoop-test-%d", mount, (int)getpid());
	snprintf(child, sizeof(child), "%s/docker-%s.scope", group, A);
	if (mkdir(group, 0755) == 0)
		return true;
	group[0] = '\0';
	return false;
}

static int drop_group(void **state)
{
	(void)state;
	if (!group[0])
		return 0;
	rmdir(child);
	return rmdir(group);
}

static void test_kernel(void **state)
{
	struct cgroups *cgroups = NULL;
	char expected[64];
	const struct cgroup *cgroup;
	uint64_t id, child_id;
	struct stat st;

	(void)state;
	if (!may_ask_kernel())
		skip();
	snprintf(expected, sizeof(expected), "/twsnoop-test-%d", (int)getpid());
	assert_int_equal(stat(group, &st), 0);
	id = st.st_ino;

	assert_int_equal(cgroups__new(&cgroups, mount, NULL), 0);
	assert_int_equal(cgroups__walk(cgroups), 0);
	expect(cgroups, id, 0, expected, false);
	expect(cgroups, 1, 0, "/", false);

	/* made after the walk, and no event told of it */
	assert_int_equal(mkdir(child, 0755), 0);
	assert_int_equal(stat(child, &st), 0);
	child_id = st.st_ino;
	cgroup = cgroups__get(cgroups, child_id, 0);
	if (cgroup) { /* CAP_DAC_READ_SEARCH may be missing */
		assert_string_equal(cgroup->path + strlen(expected), "/docker-" A ".scope");
		assert_string_equal(cgroup->identity.container_id, A);
	}
	assert_int_equal(rmdir(child), 0);
	cgroups__removed(cgroups, child_id, NULL, 1);
	if (cgroup)
		assert_true(cgroups__get(cgroups, child_id, 1)->removed);
	cgroups__free(cgroups);

	/* gone before anybody asked */
	assert_int_equal(cgroups__new(&cgroups, mount, NULL), 0);
	assert_null(cgroups__get(cgroups, child_id, 0));
	assert_null(cgroups__get(cgroups, child_id, 0));
	assert_null(cgroups__get(cgroups, UINT64_MAX, 0));
	/* then its event comes */
	cgroups__removed(cgroups, child_id, "/docker/" B, 1);
	expect(cgroups, child_id, 1, "/docker/" B, true);
	cgroups__free(cgroups);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_cut_paths),
		cmocka_unit_test(test_odd_paths),
		cmocka_unit_test(test_live_bound),
		cmocka_unit_test(test_removed_bound),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_false_claims),
		cmocka_unit_test(test_lxc_siblings),
		cmocka_unit_test(test_many_claims),
		cmocka_unit_test(test_many_renames),
		cmocka_unit_test_setup_teardown(test_walk, make_tree, drop_tree),
		cmocka_unit_test_setup_teardown(test_deep_walk, make_tree, drop_tree),
		cmocka_unit_test_setup_teardown(test_find_mount, make_tree, drop_tree),
		cmocka_unit_test_teardown(test_kernel, drop_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

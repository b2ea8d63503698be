// SPDX-License-Identifier: GPL-2.0
#include "host/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/mountinfo.h"
#include "base/parse.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* In the order of preference. Container runtimes and systemd use them all, but
 * the ones in front are there, and have groups, more often. The rest would do
 * no better: they are often mounted and left empty. */
static const char *const v1_controllers[] = { "memory", "pids", "devices", "cpu",
					      "cpuacct", "freezer" };

/* Controllers, any of which on a v1 hierarchy makes a host that has v2 hybrid.
 * Not name=…, which is systemd's own bookkeeping. */
#define V1_NAME_PREFIX "name="

struct cgroup_mounts {
	char v2[256];
	bool v2_whole; /* the mount shows the hierarchy from its root on */
	bool v1;       /* some controller is on v1 */
	size_t rank;   /* of the best in v1_controllers */
	bool v1_whole;
	char v1_path[256];
};

static bool is_named_hierarchy(const char *options)
{
	return !strncmp(options, V1_NAME_PREFIX, strlen(V1_NAME_PREFIX)) ||
	       strstr(options, "," V1_NAME_PREFIX);
}

/* A better controller wins, and a whole hierarchy over a part of it, as a bind
 * mount in a container shows. */
static void add_v1(struct cgroup_mounts *mounts, const struct mountinfo *m, bool whole)
{
	mounts->v1 |= !is_named_hierarchy(m->options);
	for (size_t rank = 0; rank < ARRAY_SIZE(v1_controllers); rank++) {
		if (!mountinfo__has_option(m->options, v1_controllers[rank]))
			continue;
		if (rank < mounts->rank ||
		    (rank == mounts->rank && whole && !mounts->v1_whole)) {
			mounts->rank = rank;
			mounts->v1_whole = whole;
			snprintf(mounts->v1_path, sizeof(mounts->v1_path), "%s", m->point);
		}
		return;
	}
}

static int add_mount(void *ctx, const struct mountinfo *m)
{
	struct cgroup_mounts *mounts = ctx;
	bool whole = !strcmp(m->root, "/");

	if (!strcmp(m->type, "cgroup")) {
		add_v1(mounts, m, whole);
	} else if (!strcmp(m->type, "cgroup2") &&
		   (!mounts->v2[0] || (whole && !mounts->v2_whole))) {
		mounts->v2_whole = whole;
		snprintf(mounts->v2, sizeof(mounts->v2), "%s", m->point);
	}
	return 0;
}

static FILE *open_in(const char *procfs, const char *name)
{
	char path[512];
	int len = snprintf(path, sizeof(path), "%s/%s", procfs, name);

	return len > 0 && (size_t)len < sizeof(path) ? fopen(path, "re") : NULL;
}

static void read_mounts(struct cgroup_mounts *mounts, const char *procfs)
{
	char path[512];
	int len = snprintf(path, sizeof(path), "%s/self/mountinfo", procfs);

	if (len > 0 && (size_t)len < sizeof(path))
		mountinfo__each(path, add_mount, mounts);
}

/* Whether @name, a process's cgroup file, has a "0::/…" that is not the root. */
static bool is_below_v2_root(const char *procfs, const char *name)
{
	FILE *f = open_in(procfs, name);
	bool below = false;
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return false;
	while (getline(&line, &room, f) > 0)
		if (!strncmp(line, "0::/", 4))
			below = line[4] != '\n' && line[4] != '\0';
	free(line);
	fclose(f);
	return below;
}

/* "memory	4	20	1" in cgroups: the second; 0, the v2 hierarchy's, if not found. */
static uint32_t read_hierarchy(const char *procfs, const char *controller)
{
	FILE *f = open_in(procfs, "cgroups");
	size_t len = strlen(controller), room = 0;
	uint64_t number = 0;
	char *line = NULL;

	if (!f)
		return 0;
	while (getline(&line, &room, f) > 0)
		if (!strncmp(line, controller, len) && line[len] == '\t')
			parse__u64_n(line + len + 1, strspn(line + len + 1, "0123456789"), 0,
				     UINT32_MAX, &number);
	free(line);
	fclose(f);
	return (uint32_t)number;
}

static enum cgroup_mode mode_of(const struct cgroup_mounts *mounts)
{
	if (mounts->v2[0])
		return mounts->v1 ? CGROUP_HYBRID : CGROUP_V2;
	return mounts->v1 ? CGROUP_V1 : CGROUP_NONE;
}

void kernel__read_cgroups(struct kernel *k, const char *procfs)
{
	struct cgroup_mounts mounts = { .rank = ARRAY_SIZE(v1_controllers) };

	read_mounts(&mounts, procfs);
	k->cgroup = mode_of(&mounts);
	memcpy(k->cgroup2_path, mounts.v2, sizeof(mounts.v2));
	if (mounts.rank == ARRAY_SIZE(v1_controllers) || k->cgroup == CGROUP_V2)
		return;
	if (k->cgroup == CGROUP_HYBRID && (is_below_v2_root(procfs, "1/cgroup") ||
					   is_below_v2_root(procfs, "self/cgroup")))
		return;
	snprintf(k->v1_controller, sizeof(k->v1_controller), "%s",
		 v1_controllers[mounts.rank]);
	memcpy(k->v1_path, mounts.v1_path, sizeof(mounts.v1_path));
	k->v1_hierarchy = read_hierarchy(procfs, k->v1_controller);
}

// SPDX-License-Identifier: GPL-2.0
/* A container filter, and more cgroups than the kernel side has room to tell apart. */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTAINER "tws-scenario" /* as LXC would call it */
/* More than the kernel side lets pass until it is told what they are. */
#define CGROUPS 17000

/* Where the hierarchy is mounted that containers are told apart by. */
static void find_hierarchy(struct stage *st, const char *twsnoop, char *path, size_t size)
{
	static const char *const args[] = { "check", "--json", NULL };
	json_t *root, *cgroup;
	const char *found;
	struct output o;

	EXPECT(st, output__run(&o, twsnoop, args) == 0);
	root = json_loadb(o.out, o.out_len, 0, NULL);
	cgroup = json_object_get(root, "cgroup");
	found = json_string_value(json_object_get(cgroup, "v1_path"));
	if (!found)
		found = json_string_value(json_object_get(cgroup, "v2_path"));
	if (!found)
		stage__skip(st, "no cgroups are mounted");
	snprintf(path, size, "%s", found);
	json_decref(root);
	output__free(&o);
}

static long do_join(long path, long b, long c)
{
	char file[300];
	int fd;

	(void)b, (void)c;
	snprintf(file, sizeof(file), "%s/cgroup.procs", (const char *)path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return -errno;
	close(fd);
	return 0;
}

/* While nobody reads, they come and go; then the container comes that is wanted. */
static void run_many(struct stage *st, const char *twsnoop)
{
	static const char *const args[] = { "trace", "--json", "--no-names", "-C", CONTAINER,
					    NULL };
	struct actor *c, *s;
	char hierarchy[100], path[200], *joined = st->arena + 4096;
	struct tracer t = { 0 };
	struct pair p;
	struct truth *tr;

	if (net__is_emulated())
		stage__skip(st, "it takes too long here");
	find_hierarchy(st, twsnoop, hierarchy, sizeof(hierarchy));
	c = actor__start(st, "cg-client", 0);
	s = actor__start(st, "cg-server", 0);
	snprintf(path, sizeof(path), "%s/tws-scenario-%d", hierarchy, getpid());
	snprintf(joined, 300, "%s/lxc.payload.%s", hierarchy, CONTAINER);
	solo__trace(st, &t, twsnoop, args);
	kill(t.pid, SIGSTOP);
	for (int i = 0; i < CGROUPS; i++)
		if (mkdir(path, 0755) || rmdir(path))
			stage__skip(st, "no cgroups can be made: %s", strerror(errno));
	if (mkdir(joined, 0755) && errno != EEXIST)
		stage__skip(st, "no cgroup can be made: %s", strerror(errno));
	EXPECT(st, actor__call(c, do_join, (long)joined, 0, 0) == 0);
	pair__open(st, &p, c, s, FAM_V4);
	tr = truth__add(st, &p, END_C, A(TIME_WAIT), c, CAUSE_CLOSE);
	EXPECT(st, actor__call(c, do_close, p.e[END_C].fd, 0, 0) == 0);
	stage__await(st, &p.e[END_S], REF_STATE(ST_CLOSE_WAIT));
	EXPECT(st, actor__call(s, do_close, p.e[END_S].fd, 0, 0) == 0);
	truth__in_time_wait(st, tr);
	kill(t.pid, SIGCONT);
	if (tracer__await_events(&t, 1, DEADLINE_MS))
		stage__fail(st, "the container's close did not come");
	solo__stop_and_judge(st, &t, SIGINT);
	actor__post(c, do_exit, 0, 0, 0);
	actor__await_end(c);
	rmdir(joined);
}

const struct solo solo_cgroups[] = {
	{ "cgroups/many", run_many },
	{ NULL, NULL },
};

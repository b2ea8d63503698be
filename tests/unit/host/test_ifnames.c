// SPDX-License-Identifier: GPL-2.0
/* Needs: user/host/ifnames.c user/host/netns.c user/host/procinfo.c, -pthread. Some of it needs
 * root. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/ifnames.h"

#define NS_PER_S 1000000000ULL
#define NOW (100 * NS_PER_S)

static void own_namespace(void **state)
{
	struct ifnames *names;
	uint32_t own, lo = if_nametoindex("lo");

	(void)state;
	assert_int_equal(ifnames__new(&names, &netns_default_places), 0);
	assert_int_equal(netns__inode(-1, &own), 0);
	assert_string_equal(ifnames__of(names, own, lo, 0, NOW), "lo");
	assert_string_equal(ifnames__of(names, own, lo, 0, NOW + 1), "lo");
	assert_null(ifnames__of(names, own, 0, 0, NOW));
	assert_null(ifnames__of(names, own, 0x7fffffff, 0, NOW));
	ifnames__free(names);
}

/* A namespace that nobody has, and how often it is looked for. */
static void no_namespace(void **state)
{
	struct ifnames *names;

	(void)state;
	assert_int_equal(ifnames__new(&names, &netns_default_places), 0);
	for (uint32_t i = 1; i < 1000; i++)
		assert_null(ifnames__of(names, 1, i, (uint32_t)getpid(), NOW + i));
	ifnames__free(names);
}

/* Another's device is asked for there: by its process, or by a search. */
static void another_namespace(void **state)
{
	struct ifnames *names;
	uint32_t inode = 0, own;
	int down[2], up[2];
	char c = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(down) | pipe(up), 0);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNET) || netns__inode(-1, &inode))
			inode = 0;
		close(down[1]);
		if (write(up[1], &inode, sizeof(inode)) < 0 || read(down[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(down[0]);
	assert_int_equal(read(up[0], &inode, sizeof(inode)), sizeof(inode));
	assert_int_equal(netns__inode(-1, &own), 0);
	if (inode) {
		assert_int_equal(ifnames__new(&names, &netns_default_places), 0);
		assert_string_equal(ifnames__of(names, inode, 1, (uint32_t)pid, NOW), "lo");
		ifnames__free(names);
		assert_int_equal(ifnames__new(&names, &netns_default_places), 0);
		assert_string_equal(ifnames__of(names, inode, 1, 0, NOW), "lo");
		/* the wrong process says nothing wrong */
		assert_string_equal(ifnames__of(names, inode, 1, (uint32_t)getpid(), NOW), "lo");
		ifnames__free(names);
	}
	close(down[1]);
	close(up[0]);
	close(up[1]);
	waitpid(pid, NULL, 0);
	if (!inode)
		skip(); /* no privilege */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_namespace),
		cmocka_unit_test(no_namespace),
		cmocka_unit_test(another_namespace),
	};

	return cmocka_run_group_tests_name("ifnames", tests, NULL, NULL);
}

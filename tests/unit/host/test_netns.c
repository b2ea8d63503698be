// SPDX-License-Identifier: GPL-2.0
/* Needs: user/host/netns.c user/host/procinfo.c, -pthread. Most of it needs root; it
 * works in a mount namespace of its own and leaves nothing behind. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/netns.h"

#define MAX_SEEN 1024

static char root[PATH_MAX]; /* holds run/, elsewhere\040…, links */
static char run_dir[PATH_MAX + 16];
static bool privileged;

/* ---- what a walk showed ---- */

struct seen {
	size_t count;
	uint32_t inodes[MAX_SEEN];
	uint32_t pids[MAX_SEEN];
	char names[MAX_SEEN][PATH_MAX];
};

static struct seen seen;

static int note(void *ctx, const struct netns_entry *ns)
{
	struct seen *s = ctx;
	uint32_t inode;

	assert_int_equal(netns__inode(ns->fd, &inode), 0);
	assert_int_equal(inode, ns->inode);
	assert_int_equal(fcntl(ns->fd, F_GETFD), FD_CLOEXEC);
	if (s->count == MAX_SEEN)
		return -E2BIG;
	s->inodes[s->count] = ns->inode;
	s->pids[s->count] = ns->pid;
	snprintf(s->names[s->count++], PATH_MAX, "%s", ns->name);
	return 0;
}

static const char *name_of(uint32_t inode)
{
	const char *name = NULL;
	size_t i;

	for (i = 0; i < seen.count; i++) {
		if (seen.inodes[i] != inode)
			continue;
		assert_null(name); /* each comes once */
		name = seen.names[i];
	}
	return name;
}

/* Whether something is denied is the machine's matter here: even root may not
 * look at a process that has more capabilities. */
static void walk(void)
{
	const char *const dirs[] = { "/nonexistent", run_dir, NULL };
	const struct netns_places places = { .proc_root = "/proc", .run_dirs = dirs };
	unsigned int flags = 0;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(netns__each(&places, note, &seen, &flags), 0);
	assert_int_equal(flags & ~(unsigned int)NETNS_DENIED, 0);
}

/* ---- namespaces of our own ---- */

struct child {
	pid_t pid;
	uint32_t inode;
	char path[64];
};

/* Sleeps until it is killed, at the latest with its parent. */
static void child__main(int ready)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || unshare(CLONE_NEWNET) ||
	    write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void child__start(struct child *child)
{
	int ready[2], fd;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child->pid = fork();
	if (child->pid == 0)
		child__main(ready[1]);
	assert_true(child->pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	snprintf(child->path, sizeof(child->path), "/proc/%d/ns/net", child->pid);
	fd = open(child->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(netns__inode(fd, &child->inode), 0);
	close(fd);
}

static void child__stop(struct child *child)
{
	assert_int_equal(kill(child->pid, SIGKILL), 0);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

static void bind_to(const char *source, const char *target)
{
	int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mount(source, target, NULL, MS_BIND, NULL), 0);
}

static void unbind(const char *target)
{
	umount2(target, MNT_DETACH);
	unlink(target);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/netns.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	if (mkdir(run_dir, 0755))
		return -1;
	privileged = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
		     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(run_dir) || rmdir(root);
}

/* ---- tests ---- */

static void test_own_is_found(void **state)
{
	const struct netns_places places = { .proc_root = "/proc", .run_dirs = NULL };
	uint32_t own;

	(void)state;
	assert_int_equal(netns__inode(-1, &own), 0);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(netns__each(&places, note, &seen, NULL), 0);
	assert_non_null(name_of(own));
}

static void test_processes_once_each(void **state)
{
	struct child a, b;
	char name[32];
	size_t i;

	(void)state;
	if (!privileged)
		skip();
	child__start(&a);
	child__start(&b);
	walk();
	snprintf(name, sizeof(name), "pid:%d", a.pid);
	assert_string_equal(name_of(a.inode), name);
	snprintf(name, sizeof(name), "pid:%d", b.pid);
	assert_string_equal(name_of(b.inode), name);
	for (i = 0; i < seen.count; i++)
		if (seen.inodes[i] == a.inode)
			assert_int_equal(seen.pids[i], a.pid);
	child__stop(&a);
	walk();
	assert_null(name_of(a.inode));
	child__stop(&b);
}

/* In a namespace that it shares with a child; its own PID is the lower one, unless PIDs wrap. */
static void walk_beside_child(void)
{
	const struct netns_places places = { .proc_root = "/proc", .run_dirs = NULL };
	char name[32];
	uint32_t own;
	pid_t child;

	if (unshare(CLONE_NEWNET) || netns__inode(-1, &own))
		_exit(1);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(name, sizeof(name), "pid:%d", child);
	memset(&seen, 0, sizeof(seen));
	_exit(netns__each(&places, note, &seen, NULL) || !name_of(own) ||
	      strcmp(name_of(own), name));
}

static void test_others_before_itself(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (!privileged)
		skip();
	pid = fork();
	if (!pid)
		walk_beside_child();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_names_of_files(void **state)
{
	char blue[PATH_MAX + 32], link[PATH_MAX + 32], odd[PATH_MAX + 32];
	char fifo[PATH_MAX + 32], text[PATH_MAX + 32];
	struct child a, b, c;
	int fd;

	(void)state;
	if (!privileged)
		skip();
	snprintf(blue, sizeof(blue), "%s/blue", run_dir);
	snprintf(link, sizeof(link), "%s/linked", run_dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", run_dir);
	snprintf(text, sizeof(text), "%s/text", run_dir);
	snprintf(odd, sizeof(odd), "%s/odd \\ \n name", root);
	child__start(&a);
	child__start(&b);
	child__start(&c);
	bind_to(a.path, blue);
	bind_to(b.path, odd);
	assert_int_equal(symlink(c.path, link), 0); /* what people do for docker */
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(text, O_CREAT | O_WRONLY, 0600);
	close(fd);

	walk();
	assert_string_equal(name_of(a.inode), "blue");
	assert_string_equal(name_of(b.inode), odd);
	assert_string_equal(name_of(c.inode), "linked");

	/* the files hold the namespaces when their processes have gone */
	child__stop(&a);
	child__stop(&b);
	child__stop(&c);
	walk();
	assert_string_equal(name_of(a.inode), "blue");
	assert_string_equal(name_of(b.inode), odd);
	assert_null(name_of(c.inode));

	unbind(blue);
	unbind(odd);
	unlink(link);
	unlink(fifo);
	unlink(text);
	walk();
	assert_null(name_of(a.inode));
	assert_null(name_of(b.inode));
}

static int stop_at_once(void *ctx, const struct netns_entry *ns)
{
	(void)ns;
	++*(int *)ctx;
	return 42;
}

static void test_callback_stops_the_walk(void **state)
{
	int calls = 0;

	(void)state;
	assert_int_equal(netns__each(&netns_default_places, stop_at_once, &calls, NULL), 42);
	assert_int_equal(calls, 1);
}

static void test_fake_and_missing_proc(void **state)
{
	struct netns_places places = { .proc_root = "/nonexistent", .run_dirs = NULL };
	char dir[PATH_MAX + 16], ns[PATH_MAX + 32], net[PATH_MAX + 64];
	unsigned int flags = 0;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(netns__each(&places, note, &seen, &flags), -ENOENT);

	/* links that lead nowhere, or are none of a namespace */
	snprintf(dir, sizeof(dir), "%s/12", root);
	snprintf(ns, sizeof(ns), "%s/ns", dir);
	snprintf(net, sizeof(net), "%s/net", ns);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mkdir(ns, 0700), 0);
	places.proc_root = root;
	assert_int_equal(symlink("net:[4026531999]", net), 0);
	assert_int_equal(netns__each(&places, note, &seen, &flags), 0);
	unlink(net);
	assert_int_equal(symlink("net:[99999999999]", net), 0);
	assert_int_equal(netns__each(&places, note, &seen, &flags), 0);
	unlink(net);
	assert_int_equal(symlink("net:[12", net), 0);
	assert_int_equal(netns__each(&places, note, &seen, &flags), 0);
	unlink(net);
	rmdir(ns);
	rmdir(dir);
	assert_int_equal(seen.count, 0);
	assert_int_equal(flags, 0);
}

static int inode_here(void *ctx)
{
	return netns__inode(-1, ctx);
}

static int return_17(void *ctx)
{
	(void)ctx;
	return 17;
}

static void test_run_inside(void **state)
{
	uint32_t before, inside, after;
	struct child child;
	int fd, null_fd;

	(void)state;
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(netns__run(null_fd, return_17, NULL), -EINVAL);
	close(null_fd);
	fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	assert_int_equal(netns__run(fd, return_17, NULL), -EINVAL);
	close(fd);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(netns__run(fd, return_17, NULL), 17);
	close(fd);
	if (!privileged)
		skip();

	child__start(&child);
	fd = open(child.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(netns__inode(-1, &before), 0);
	assert_int_equal(netns__run(fd, inode_here, &inside), 0);
	assert_int_equal(inside, child.inode);
	assert_int_equal(netns__run(fd, return_17, NULL), 17);
	assert_int_equal(netns__inode(-1, &after), 0);
	assert_int_equal(before, after);
	close(fd);
	child__stop(&child);
}

static void test_socket_belongs_inside(void **state)
{
	struct child child;
	uint32_t inode;
	int fd, sock, ns;

	(void)state;
	sock = netns__socket(-1, AF_INET, SOCK_STREAM, 0);
	assert_true(sock >= 0);
	assert_int_equal(fcntl(sock, F_GETFD), FD_CLOEXEC);
	close(sock);
	assert_int_equal(netns__socket(-1, 9999, SOCK_STREAM, 0), -EAFNOSUPPORT);
	if (!privileged)
		skip();

	child__start(&child);
	fd = open(child.path, O_RDONLY | O_CLOEXEC);
	sock = netns__socket(fd, AF_INET, SOCK_STREAM, 0);
	assert_true(sock >= 0);
	ns = ioctl(sock, SIOCGSKNS);
	assert_true(ns >= 0);
	assert_int_equal(netns__inode(ns, &inode), 0);
	assert_int_equal(inode, child.inode);
	close(ns);
	close(sock);
	close(fd);
	child__stop(&child);
}

/* As nobody, in a child: own namespace only, and it says so. */
static int as_nobody(void)
{
	if (unshare(CLONE_NEWNET) || setresuid(65534, 65534, 65534))
		return 2;
	/* by exec(), or its own /proc files would stay root's */
	execl("/proc/self/exe", "test_netns", "--nobody", NULL);
	return 3;
}

static int nobody_main(void)
{
	const struct netns_places places = { .proc_root = "/proc", .run_dirs = NULL };
	unsigned int flags = 0;
	uint32_t own;

	if (netns__inode(-1, &own))
		return 5;
	if (netns__each(&places, note, &seen, &flags))
		return 6;
	if (!(flags & NETNS_DENIED))
		return 7;
	return seen.count >= 1 && name_of(own) ? 0 : 8;
}

static void test_without_privilege(void **state)
{
	int status = -1;
	pid_t pid;

	(void)state;
	if (!privileged)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 3)
		skip(); /* nobody may not execute this file */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int drop_and_enter(int fd)
{
	if (setresuid(65534, 65534, 65534))
		return 2;
	return netns__run(fd, return_17, NULL) == -EPERM ? 0 : 3;
}

static void test_entering_needs_privilege(void **state)
{
	struct child child;
	int fd, status = -1;
	pid_t pid;

	(void)state;
	if (!privileged)
		skip();
	child__start(&child);
	fd = open(child.path, O_RDONLY | O_CLOEXEC);
	pid = fork();
	if (pid == 0)
		_exit(drop_and_enter(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fd);
	child__stop(&child);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_is_found),
		cmocka_unit_test(test_processes_once_each),
		cmocka_unit_test(test_others_before_itself),
		cmocka_unit_test(test_names_of_files),
		cmocka_unit_test(test_callback_stops_the_walk),
		cmocka_unit_test(test_fake_and_missing_proc),
		cmocka_unit_test(test_run_inside),
		cmocka_unit_test(test_socket_belongs_inside),
		cmocka_unit_test(test_without_privilege),
		cmocka_unit_test(test_entering_needs_privilege),
	};

	if (argc == 2 && strcmp(argv[1], "--nobody") == 0)
		return nobody_main();
	return cmocka_run_group_tests(tests, setup, teardown);
}

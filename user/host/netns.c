// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "host/netns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/table.h"
#include "host/mountinfo.h"
#include "host/procinfo.h"

static const char *const default_run_dirs[] = {
	"/run/netns", "/var/run/netns", "/run/docker/netns", NULL,
};

const struct netns_places netns_default_places = {
	.proc_root = "/proc",
	.run_dirs = default_run_dirs,
};

/* ---- one namespace ---- */

static int inode_of(int fd, uint32_t *inode)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return -errno;
	if (fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	*inode = (uint32_t)st.st_ino;
	return 0;
}

/* O_NONBLOCK: whatever lies in a run folder, opening it must not wait. */
static int open_namespace(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int netns__inode(int fd, uint32_t *inode)
{
	int own, err;

	if (fd >= 0)
		return inode_of(fd, inode);
	own = open_namespace("/proc/thread-self/ns/net");
	if (own < 0)
		return own;
	err = inode_of(own, inode);
	close(own);
	return err;
}

/* ---- inside one ---- */

struct visit {
	int fd;
	int (*fn)(void *ctx);
	void *ctx;
	int ret;
};

/* The thread ends inside the namespace: nothing has to be restored, and so
 * nothing can fail to be. */
static void *visit_thread(void *arg)
{
	struct visit *visit = arg;

	if (setns(visit->fd, CLONE_NEWNET))
		visit->ret = -errno;
	else
		visit->ret = visit->fn(visit->ctx);
	return NULL;
}

/* Signals stay the calling thread's matter. */
static int visit(struct visit *visit)
{
	sigset_t all, before;
	pthread_t thread;
	int err;

	sigfillset(&all);
	err = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (err)
		return -err;
	err = pthread_create(&thread, NULL, visit_thread, visit);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return -err;
	pthread_join(thread, NULL);
	return visit->ret;
}

int netns__run(int fd, int (*fn)(void *ctx), void *ctx)
{
	struct visit inside = { .fd = fd, .fn = fn, .ctx = ctx };
	uint32_t inode = 0, own = 0;
	int err;

	err = inode_of(fd, &inode);
	if (err)
		return err;
	/* setns() asks for CAP_SYS_ADMIN even where it changes nothing */
	if (netns__inode(-1, &own) == 0 && own == inode)
		return fn(ctx);
	return visit(&inside);
}

ssize_t netns__read_proc(const char *proc_root, const char *name, char *to, size_t size)
{
	char path[PATH_MAX];
	size_t used = 0;
	ssize_t num = 1;
	int fd;

	/* PROC/net is of the process's first thread, which is in another namespace. */
	if (snprintf(path, sizeof(path), "%s/thread-self/net/%s", proc_root, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (num > 0 && used < size) {
		num = read(fd, to + used, size - used);
		if (num > 0)
			used += (size_t)num;
		else if (num < 0)
			num = -errno;
	}
	close(fd);
	return num < 0 ? num : (ssize_t)used;
}

struct socket_args {
	int domain;
	int type;
	int protocol;
};

static int open_socket(void *ctx)
{
	const struct socket_args *args = ctx;
	int fd = socket(args->domain, args->type | SOCK_CLOEXEC, args->protocol);

	return fd < 0 ? -errno : fd;
}

int netns__socket(int fd, int domain, int type, int protocol)
{
	struct socket_args args = { .domain = domain, .type = type, .protocol = protocol };

	return fd < 0 ? open_socket(&args) : netns__run(fd, open_socket, &args);
}

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int netns__cookie(int fd, uint64_t *cookie)
{
	int sock = netns__socket(fd, AF_UNIX, SOCK_DGRAM, 0), err = 0;
	socklen_t len = sizeof(uint64_t);
	uint64_t number = 0;

	if (sock < 0)
		return sock;
	if (getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &number, &len))
		err = -errno;
	close(sock);
	if (!err)
		*cookie = number;
	return err;
}

/* ---- sets of namespaces, by their inodes ---- */

static int inodes__new(struct table **tablep)
{
	const struct table_options opts = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(uint64_t), .max = TABLE_MAX,
	};

	return table__new(tablep, &opts);
}

static bool inodes__has(const struct table *inodes, uint64_t inode)
{
	return table__find(inodes, &inode) != NULL;
}

static int inodes__add(struct table *inodes, uint64_t inode)
{
	void *entry;
	int err = table__get(inodes, &inode, &entry);

	return err < 0 ? err : 0;
}

/* ---- all namespaces ---- */

struct walk {
	const struct netns_places *places;
	netns_fn fn;
	void *ctx;
	struct table *seen;
	struct table *files;	/* what walk__file_of() says of processes' namespaces */
	struct table *denied; /* and of those that may not be looked at */
	uint32_t last;		/* the namespace of the last process in files */
	uint32_t self;		/* the caller, as proc_root has it; 0: not known, or its turn */
	unsigned int flags;
};

/*
 * Show the namespace at @path, unless it was shown before. @expected is its
 * inode where a link told it (0: not known): a PID may be reused, and a mount
 * covered by another, between reading and opening. What cannot be opened has
 * vanished or is forbidden.
 */
static int walk__show(struct walk *walk, const char *path, uint32_t expected, uint32_t pid,
		      const char *name)
{
	struct netns_entry ns = { .pid = pid, .name = name };
	int err;

	ns.fd = open_namespace(path);
	if (ns.fd < 0) {
		if (ns.fd == -EACCES || ns.fd == -EPERM)
			walk->flags |= NETNS_DENIED;
		return ns.fd == -ENOMEM || ns.fd == -EMFILE || ns.fd == -ENFILE ? ns.fd : 0;
	}
	err = inode_of(ns.fd, &ns.inode);
	if (err || (expected && ns.inode != expected) ||
	    inodes__has(walk->seen, ns.inode)) {
		err = 0;
		goto out;
	}
	err = inodes__add(walk->seen, ns.inode);
	if (!err)
		err = walk->fn(walk->ctx, &ns);
out:
	close(ns.fd);
	return err;
}

static int walk__run_dir(struct walk *walk, const char *dir_path)
{
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;
	int err = 0, n;

	dir = opendir(dir_path);
	if (!dir) {
		if (errno == EACCES || errno == EPERM)
			walk->flags |= NETNS_DENIED;
		return 0;
	}
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		n = snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
		if (n > 0 && (size_t)n < sizeof(path))
			err = walk__show(walk, path, 0, 0, entry->d_name);
	}
	closedir(dir);
	return err;
}

/* "net:[4026531840]" */
static bool parse_link(const char *text, uint32_t *inode)
{
	static const char prefix[] = "net:[";
	uint64_t v = 0;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	text += sizeof(prefix) - 1;
	for (; isdigit((unsigned char)*text); text++) {
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > UINT32_MAX)
			return false;
	}
	if (*text != ']' || text[1] != '\0' || v == 0)
		return false;
	*inode = (uint32_t)v;
	return true;
}

/* "42 30 0:4 net:[4026532281] /run/netns/blue rw … - nsfs nsfs rw" */
static int walk__mount(void *ctx, const struct mountinfo *mount)
{
	struct walk *walk = ctx;
	uint32_t inode;

	if (!parse_link(mount->root, &inode) || inodes__has(walk->seen, inode))
		return 0;
	return walk__show(walk, mount->point, inode, 0, mount->point);
}

static int walk__mounts(struct walk *walk)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/self/mountinfo", walk->places->proc_root);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	/* Without it there are the processes. */
	if (access(path, R_OK))
		return 0;
	return mountinfo__each(path, walk__mount, walk);
}

/*
 * Of a process that may not be traced, PID/ns/net may not be read; but PID/net may,
 * and its files are the namespace's own (proc_tgid_net_lookup()): 0 if not even that.
 */
static uint32_t walk__file_of(const struct walk *walk, uint32_t pid)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/%u/net/dev", walk->places->proc_root, pid);

	return n > 0 && (size_t)n < sizeof(path) && !stat(path, &st) ? (uint32_t)st.st_ino : 0;
}

/* Whether it lives in a namespace that is shown anyway is known at the end. */
static int walk__deny(struct walk *walk, uint32_t pid)
{
	uint32_t file = walk__file_of(walk, pid);

	if (!file) {
		walk->flags |= NETNS_DENIED;
		return 0;
	}
	return inodes__add(walk->denied, file);
}

static int walk__note_file(struct walk *walk, uint32_t pid)
{
	uint32_t file = walk__file_of(walk, pid);

	return file ? inodes__add(walk->files, file) : 0;
}

static void walk__judge_denied(struct walk *walk)
{
	const uint64_t *file = NULL;

	while ((file = table__next(walk->denied, file)))
		if (!inodes__has(walk->files, *file))
			walk->flags |= NETNS_DENIED;
}

/* One readlink() a process; only what is new is opened. */
static int walk__process(void *ctx, uint32_t pid)
{
	struct walk *walk = ctx;
	char path[PATH_MAX], target[64], name[32];
	uint32_t inode;
	ssize_t len;
	int err, n;

	if (pid == walk->self)
		return 0;
	n = snprintf(path, sizeof(path), "%s/%u/ns/net", walk->places->proc_root, pid);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return errno == EACCES || errno == EPERM ? walk__deny(walk, pid) : 0;
	target[len] = '\0';
	if (!parse_link(target, &inode))
		return 0;
	if (table__count(walk->denied) && inode != walk->last) {
		err = walk__note_file(walk, pid);
		if (err)
			return err;
		walk->last = inode;
	}
	if (inodes__has(walk->seen, inode))
		return 0;
	snprintf(name, sizeof(name), "pid:%u", pid);
	return walk__show(walk, path, inode, pid, name);
}

static uint32_t self_of(const char *proc_root)
{
	char path[PATH_MAX], target[16];
	uint64_t pid;
	ssize_t len;

	if (snprintf(path, sizeof(path), "%s/self", proc_root) >= (int)sizeof(path))
		return 0;
	len = readlink(path, target, sizeof(target));
	return len > 0 && !parse__u64_n(target, (size_t)len, 1, UINT32_MAX, &pid) ?
		       (uint32_t)pid : 0;
}

/* The caller's own turn comes last. */
static int walk__processes(struct walk *walk)
{
	uint32_t self = walk->self = self_of(walk->places->proc_root);
	int err = procinfo__each_pid(walk->places->proc_root, walk__process, walk);

	walk->self = 0;
	return err || !self ? err : walk__process(walk, self);
}

static int walk__all(struct walk *walk)
{
	const struct netns_places *places = walk->places;
	const char *const *dir;
	int err = 0;

	for (dir = places->run_dirs; !err && dir && *dir; dir++)
		err = walk__run_dir(walk, *dir);
	if (!err)
		err = walk__mounts(walk);
	if (!err)
		err = walk__processes(walk);
	walk__judge_denied(walk);
	return err;
}

int netns__each(const struct netns_places *places, netns_fn fn, void *ctx,
		unsigned int *flags)
{
	struct walk walk = { .places = places, .fn = fn, .ctx = ctx };
	int err = inodes__new(&walk.seen) ?: inodes__new(&walk.files) ?: inodes__new(&walk.denied);

	if (!err)
		err = walk__all(&walk);
	table__free(walk.seen);
	table__free(walk.files);
	table__free(walk.denied);
	if (flags)
		*flags |= walk.flags;
	return err;
}

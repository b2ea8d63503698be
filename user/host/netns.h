/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's network namespaces: finding each of them, and doing something
 * inside one. The calling thread never changes its namespace.
 */
#ifndef TWSNOOP_NETNS_H
#define TWSNOOP_NETNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where to look. */
struct netns_places {
	const char *proc_root;	     /* "/proc" */
	const char *const *run_dirs; /* folders of named namespaces, NULL at the end */
};

/* /proc, /run/netns, /var/run/netns, /run/docker/netns */
extern const struct netns_places netns_default_places;

struct netns_entry {
	int fd;		/* open O_RDONLY, closed when the callback returns: dup() to keep */
	uint32_t inode; /* what identifies it, as tws_event.netns */
	uint32_t pid;	/* the process it was found by, 0: by a file */
	/* The file's name in a run folder (`ip netns`' name), else the path
	 * where it is mounted, else "pid:NNN" of its lowest process, which is
	 * the caller only if there is no other: who reads it later looks in
	 * vain for that one. Not owned. The names are whatever somebody chose: escape them. */
	const char *name;
};

typedef int (*netns_fn)(void *ctx, const struct netns_entry *ns);

/* What netns__each() could not do */
#define NETNS_DENIED 0x1 /* some namespace may not be looked at: not all were seen */

/*
 * netns__each() - call @fn once for each distinct network namespace: of the run
 * folders, of the nsfs mounts in PROC_ROOT/self/mountinfo, and of each process
 * (not thread), in this order. What vanishes meanwhile is skipped. Not found:
 * namespaces that only a descriptor, a socket, a lone thread, or a mount in
 * another mount namespace holds.
 *
 * A non-zero return of @fn ends the walk and is returned. @flags (may be NULL)
 * gets NETNS_* bits added; without privilege (CAP_SYS_PTRACE) only one's own
 * processes' namespaces come, and it is NETNS_DENIED if others have another one.
 * Returns 0, the callback's value, or -ENOMEM, or a negative errno if not even
 * proc_root can be read.
 */
int netns__each(const struct netns_places *places, netns_fn fn, void *ctx,
		unsigned int *flags);

/*
 * netns__run() - run @fn in a thread of its own inside the namespace @fd, and
 * wait for it. Returns @fn's value, or, without running it, a negative errno:
 * -EPERM where CAP_SYS_ADMIN is missing, -EINVAL if @fd is not a network
 * namespace. Needs no privilege if @fd is the calling thread's own namespace.
 * Sockets stay in the namespace they were made in, so @fn mostly just opens one.
 */
int netns__run(int fd, int (*fn)(void *ctx), void *ctx);

/* netns__read_proc() - PROC/net/@name of the calling thread's namespace: its first @size bytes. Returns how
 * many there are, or a negative errno. */
ssize_t netns__read_proc(const char *proc_root, const char *name, char *to, size_t size);

/*
 * netns__socket() - socket(2) inside namespace @fd (-1: the calling thread's).
 * Close-on-exec. Returns the descriptor, or a negative errno as netns__run().
 */
int netns__socket(int fd, int domain, int type, int protocol);

/*
 * netns__inode() - the inode of an open namespace, or of the calling thread's
 * if @fd is -1. Returns 0 and *@inode, or -EINVAL (not a network namespace), or
 * another negative errno.
 */
int netns__inode(int fd, uint32_t *inode);

/*
 * netns__cookie() - the number of the open namespace @fd (-1: the calling thread's), which no
 * other one ever gets; an inode is used again. Returns 0 and *@cookie, -ENOPROTOOPT before
 * Linux 5.14 (e8b9eab99232), or a negative errno as netns__run().
 */
int netns__cookie(int fd, uint64_t *cookie);

#endif
